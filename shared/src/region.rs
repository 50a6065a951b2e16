//! The four regions and which of them is nearest to a listener.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::places;

/// A region that holds a core and a replica of the table (seed: *Multi-Region Deployment*).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Region {
    /// Northern Virginia.
    #[serde(rename = "us-east-1")]
    UsEast1,
    /// Oregon.
    #[serde(rename = "us-west-2")]
    UsWest2,
    /// Ireland.
    #[serde(rename = "eu-west-1")]
    EuWest1,
    /// Singapore.
    #[serde(rename = "ap-southeast-1")]
    ApSoutheast1,
}

impl Region {
    /// Every region; the first is asked where nothing is known of the listener.
    pub const ALL: [Region; 4] = [Region::UsEast1, Region::UsWest2, Region::EuWest1, Region::ApSoutheast1];

    /// AWS's name of it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Region::UsEast1 => "us-east-1",
            Region::UsWest2 => "us-west-2",
            Region::EuWest1 => "eu-west-1",
            Region::ApSoutheast1 => "ap-southeast-1",
        }
    }

    /// Where its data centres stand, as far as is public: Ashburn, Boardman, Dublin, Singapore.
    const fn place(self) -> Place {
        match self {
            Region::UsEast1 => Place::degrees(39.04, -77.49),
            Region::UsWest2 => Place::degrees(45.84, -119.70),
            Region::EuWest1 => Place::degrees(53.35, -6.26),
            Region::ApSoutheast1 => Place::degrees(1.35, 103.82),
        }
    }
}

impl fmt::Display for Region {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A name that is none of our regions'.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownRegion;

impl fmt::Display for UnknownRegion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("must be one of:")?;
        Region::ALL.iter().try_for_each(|region| write!(f, " {region}"))
    }
}

impl std::error::Error for UnknownRegion {}

impl FromStr for Region {
    type Err = UnknownRegion;

    fn from_str(name: &str) -> Result<Self, UnknownRegion> {
        Region::ALL.into_iter().find(|region| region.as_str() == name).ok_or(UnknownRegion)
    }
}

/// A point on the globe.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Place {
    lat_degrees: f64,
    lng_degrees: f64,
}

impl Place {
    pub(crate) const fn degrees(lat_degrees: f64, lng_degrees: f64) -> Self {
        Self { lat_degrees, lng_degrees }
    }

    /// The haversine of the angle between two places: it grows with the great-circle distance, which is all that
    /// an order needs.
    fn haversine(self, other: Self) -> f64 {
        let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
        let (lat, other_lat) = (self.lat_degrees.to_radians(), other.lat_degrees.to_radians());
        half(self.lat_degrees, other.lat_degrees)
            + lat.cos() * other_lat.cos() * half(self.lng_degrees, other.lng_degrees)
    }
}

/// What the data centre knows of where a request comes from, as `request.cf` writes it; any of it may be missing or wrong.
#[derive(Debug, Clone, Copy, Default)]
pub struct Whereabouts<'a> {
    /// Degrees north, as text.
    pub latitude: Option<&'a str>,
    /// Degrees east, as text.
    pub longitude: Option<&'a str>,
    /// ISO 3166-1 alpha-2.
    pub country: Option<&'a str>,
    /// `AF AN AS EU NA OC SA`.
    pub continent: Option<&'a str>,
}

impl Whereabouts<'_> {
    /// All regions, nearest first: by the coordinates, else the country, else the continent, else from us-east-1.
    pub fn nearest_regions(&self) -> [Region; 4] {
        let here = self
            .coordinates()
            .or_else(|| places::country(self.country?))
            .or_else(|| places::continent(self.continent?))
            .unwrap_or(Region::UsEast1.place());
        let mut regions = Region::ALL;
        regions.sort_by(|a, b| here.haversine(a.place()).total_cmp(&here.haversine(b.place())));
        regions
    }

    fn coordinates(&self) -> Option<Place> {
        let number = |text: Option<&str>, limit: f64| -> Option<f64> {
            // As JSON, whose numbers we read anyway: `parse` would cost the Worker 14 KB (gzip), most of it a table.
            let degrees: f64 = serde_json::from_slice(text?.as_bytes()).ok()?;
            (degrees.abs() <= limit).then_some(degrees)
        };
        Some(Place::degrees(number(self.latitude, 90.0)?, number(self.longitude, 180.0)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn nearest(latitude: &str, longitude: &str) -> Region {
        let here = Whereabouts { latitude: Some(latitude), longitude: Some(longitude), ..Whereabouts::default() };
        here.nearest_regions()[0]
    }

    #[test]
    fn cities_land_in_the_nearest_region() {
        for (city, lat, lng, region) in [
            ("New York", "40.71", "-74.01", Region::UsEast1),
            ("São Paulo", "-23.55", "-46.63", Region::UsEast1),
            ("Mexico City", "19.43", "-99.13", Region::UsEast1),
            ("Los Angeles", "34.05", "-118.24", Region::UsWest2),
            ("Honolulu", "21.31", "-157.86", Region::UsWest2),
            ("Anchorage", "61.22", "-149.90", Region::UsWest2),
            ("London", "51.51", "-0.13", Region::EuWest1),
            ("Cairo", "30.04", "31.24", Region::EuWest1),
            ("Lagos", "6.45", "3.39", Region::EuWest1),
            ("Mumbai", "19.08", "72.88", Region::ApSoutheast1),
            ("Tokyo", "35.68", "139.69", Region::ApSoutheast1),
            ("Sydney", "-33.87", "151.21", Region::ApSoutheast1),
            ("Auckland", "-36.85", "174.76", Region::ApSoutheast1),
        ] {
            assert_eq!(nearest(lat, lng), region, "{city}");
        }
    }

    #[test]
    fn the_date_line_is_no_border() {
        assert_eq!(nearest("52", "179.9"), nearest("52", "-179.9"));
        assert_eq!(nearest("52", "180"), nearest("52", "-180"));
    }

    #[test]
    fn without_coordinates_the_country_then_the_continent_then_the_default() {
        let first = |country, continent, latitude| {
            let longitude = Some("0");
            Whereabouts { latitude, longitude, country, continent }.nearest_regions()[0]
        };
        for bad in [None, Some(""), Some("north"), Some("NaN"), Some("inf"), Some("91"), Some("1e400")] {
            assert_eq!(first(Some("DE"), Some("AS"), bad), Region::EuWest1);
            assert_eq!(first(Some("XX"), Some("AS"), bad), Region::ApSoutheast1);
            assert_eq!(first(None, Some("??"), bad), Region::UsEast1);
            assert_eq!(first(None, None, bad), Region::UsEast1);
        }
        assert_eq!(first(Some("SG"), None, Some("90")), Region::EuWest1);
    }

    #[test]
    fn every_region_is_tried_once() {
        let mut regions = Whereabouts::default().nearest_regions();
        regions.sort();
        assert_eq!(regions, Region::ALL);
    }
}
