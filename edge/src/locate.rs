//! Where a request comes from, and so which regions are nearest.

use echoes_shared::Region;
use echoes_shared::region::Whereabouts;

use crate::runtime::{Incoming, text_property};

/// All regions, nearest to the caller first.
///
/// The raw object is read property by property: the accessors of `worker::Cf` panic on what is missing or malformed.
pub fn nearest_regions(request: &Incoming) -> [Region; 4] {
    let cf = request.cf().unwrap_or_default();
    let property = |name| if cf.is_object() { text_property(&cf, name) } else { None };
    let (latitude, longitude) = (property("latitude"), property("longitude"));
    let (country, continent) = (property("country"), property("continent"));
    Whereabouts {
        latitude: latitude.as_deref(),
        longitude: longitude.as_deref(),
        country: country.as_deref(),
        continent: continent.as_deref(),
    }
    .nearest_regions()
}
