//! The cities in which sample echoes are recorded.

use echoes_shared::Region;
use echoes_shared::Region::{ApSoutheast1, EuWest1, UsEast1, UsWest2};

use super::words::Language::{self, English, French, German, Japanese, Portuguese, Spanish};

/// A city with the region nearest to it and what most of its samples are spoken in.
#[derive(Debug, Clone, Copy)]
pub(super) struct City {
    pub(super) name: &'static str,
    pub(super) lat: f64,
    pub(super) lng: f64,
    pub(super) region: Region,
    pub(super) language: Language,
}

const fn city(name: &'static str, lat: f64, lng: f64, region: Region, language: Language) -> City {
    City { name, lat, lng, region, language }
}

/// How many cities each region has.
pub(super) const CITIES_EACH: usize = 10;

/// As many cities for each region, one region's after the other's.
pub(super) const CITIES: [City; CITIES_EACH * Region::ALL.len()] = [
    city("new-york", 40.713, -74.006, UsEast1, English),
    city("boston", 42.360, -71.059, UsEast1, English),
    city("miami", 25.762, -80.192, UsEast1, Spanish),
    city("toronto", 43.653, -79.383, UsEast1, English),
    city("montreal", 45.502, -73.567, UsEast1, French),
    city("atlanta", 33.749, -84.388, UsEast1, English),
    city("chicago", 41.878, -87.630, UsEast1, English),
    city("bogota", 4.711, -74.072, UsEast1, Spanish),
    city("sao-paulo", -23.551, -46.633, UsEast1, Portuguese),
    city("buenos-aires", -34.604, -58.382, UsEast1, Spanish),
    city("seattle", 47.606, -122.332, UsWest2, English),
    city("portland", 45.515, -122.679, UsWest2, English),
    city("san-francisco", 37.775, -122.419, UsWest2, English),
    city("los-angeles", 34.052, -118.244, UsWest2, English),
    city("vancouver", 49.283, -123.121, UsWest2, English),
    city("san-diego", 32.716, -117.161, UsWest2, Spanish),
    city("phoenix", 33.448, -112.074, UsWest2, English),
    city("denver", 39.739, -104.990, UsWest2, English),
    city("honolulu", 21.307, -157.858, UsWest2, English),
    city("anchorage", 61.218, -149.900, UsWest2, English),
    city("london", 51.507, -0.128, EuWest1, English),
    city("dublin", 53.350, -6.260, EuWest1, English),
    city("paris", 48.857, 2.352, EuWest1, French),
    city("berlin", 52.520, 13.405, EuWest1, German),
    city("vienna", 48.208, 16.374, EuWest1, German),
    city("madrid", 40.417, -3.704, EuWest1, Spanish),
    city("lisbon", 38.722, -9.139, EuWest1, Portuguese),
    city("stockholm", 59.329, 18.069, EuWest1, English),
    city("cairo", 30.044, 31.236, EuWest1, English),
    city("lagos", 6.524, 3.379, EuWest1, English),
    city("singapore", 1.352, 103.820, ApSoutheast1, English),
    city("tokyo", 35.682, 139.691, ApSoutheast1, Japanese),
    city("osaka", 34.694, 135.502, ApSoutheast1, Japanese),
    city("seoul", 37.567, 126.978, ApSoutheast1, English),
    city("mumbai", 19.076, 72.878, ApSoutheast1, English),
    city("jakarta", -6.208, 106.846, ApSoutheast1, English),
    city("manila", 14.600, 120.984, ApSoutheast1, English),
    city("sydney", -33.869, 151.209, ApSoutheast1, English),
    city("auckland", -36.849, 174.763, ApSoutheast1, English),
    city("bangkok", 13.756, 100.502, ApSoutheast1, English),
];

#[cfg(test)]
mod tests {
    use echoes_shared::region::Whereabouts;

    use super::*;

    #[test]
    fn each_city_lies_nearest_to_its_region() {
        for city in CITIES {
            let (lat, lng) = (city.lat.to_string(), city.lng.to_string());
            let here = Whereabouts { latitude: Some(&lat), longitude: Some(&lng), ..Whereabouts::default() };
            assert_eq!(here.nearest_regions()[0], city.region, "{}", city.name);
        }
    }
}
