//! Where listeners are, in the form in which the data centre tells it.

use echoes_shared::Region;
use serde_json::{Value, json};

/// A city and the region that its listeners should land in.
#[derive(Debug, Clone, Copy)]
pub struct City {
    /// Its name.
    pub name: &'static str,
    /// Degrees north, as `request.cf` writes them.
    pub latitude: &'static str,
    /// Degrees east.
    pub longitude: &'static str,
    /// ISO 3166-1 alpha-2.
    pub country: &'static str,
    /// `AF AN AS EU NA OC SA`
    pub continent: &'static str,
    /// The nearest region by great circle.
    pub region: Region,
}

const fn city(
    name: &'static str,
    [latitude, longitude]: [&'static str; 2],
    [country, continent]: [&'static str; 2],
    region: Region,
) -> City {
    City { name, latitude, longitude, country, continent, region }
}

/// One city in each region.
pub const ASHBURN: City = city("Ashburn", ["39.04", "-77.49"], ["US", "NA"], Region::UsEast1);
/// Near us-west-2.
pub const SEATTLE: City = city("Seattle", ["47.61", "-122.33"], ["US", "NA"], Region::UsWest2);
/// Near eu-west-1.
pub const LONDON: City = city("London", ["51.51", "-0.13"], ["GB", "EU"], Region::EuWest1);
/// Near ap-southeast-1.
pub const TOKYO: City = city("Tokyo", ["35.68", "139.69"], ["JP", "AS"], Region::ApSoutheast1);

/// A city of each region, in the order of [`Region::ALL`].
pub const ONE_EACH: [City; 4] = [ASHBURN, SEATTLE, LONDON, TOKYO];

/// Cities of every continent that people live on.
pub const CITIES: [City; 20] = [
    ASHBURN,
    SEATTLE,
    LONDON,
    TOKYO,
    city("New York", ["40.71", "-74.01"], ["US", "NA"], Region::UsEast1),
    city("Toronto", ["43.65", "-79.38"], ["CA", "NA"], Region::UsEast1),
    city("Mexico City", ["19.43", "-99.13"], ["MX", "NA"], Region::UsEast1),
    city("São Paulo", ["-23.55", "-46.63"], ["BR", "SA"], Region::UsEast1),
    city("Buenos Aires", ["-34.60", "-58.38"], ["AR", "SA"], Region::UsEast1),
    city("Los Angeles", ["34.05", "-118.24"], ["US", "NA"], Region::UsWest2),
    city("Honolulu", ["21.31", "-157.86"], ["US", "NA"], Region::UsWest2),
    city("Berlin", ["52.52", "13.40"], ["DE", "EU"], Region::EuWest1),
    city("Reykjavík", ["64.15", "-21.94"], ["IS", "EU"], Region::EuWest1),
    city("Lagos", ["6.45", "3.39"], ["NG", "AF"], Region::EuWest1),
    city("Nairobi", ["-1.29", "36.82"], ["KE", "AF"], Region::EuWest1),
    city("Moscow", ["55.76", "37.62"], ["RU", "EU"], Region::EuWest1),
    city("Mumbai", ["19.08", "72.88"], ["IN", "AS"], Region::ApSoutheast1),
    city("Beijing", ["39.90", "116.41"], ["CN", "AS"], Region::ApSoutheast1),
    city("Sydney", ["-33.87", "151.21"], ["AU", "OC"], Region::ApSoutheast1),
    city("Auckland", ["-36.85", "174.76"], ["NZ", "OC"], Region::ApSoutheast1),
];

impl City {
    /// The city near a region.
    pub fn of(region: Region) -> &'static City {
        ONE_EACH.iter().find(|city| city.region == region).expect("a city for each region")
    }

    /// What stands in for `request.cf`.
    pub fn blob(&self) -> Value {
        blob(json!({
            "latitude": self.latitude, "longitude": self.longitude,
            "country": self.country, "continent": self.continent, "city": self.name,
        }))
    }
}

/// A whole `request.cf` with these properties. The local runtime reads `clientAcceptEncoding` out of it, so it must be there.
pub fn blob(properties: Value) -> Value {
    let mut whole = json!({ "clientAcceptEncoding": "identity", "colo": "LHR", "httpProtocol": "HTTP/1.1" });
    let fields = whole.as_object_mut().expect("an object");
    fields.extend(properties.as_object().cloned().expect("an object of properties"));
    whole
}
