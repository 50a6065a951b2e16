//! A circle on the globe: which places a search near another one covers.

use std::f64::consts::PI;

use crate::echo::Location;

/// The Earth's mean radius (IUGG), which is also what search servers measure with.
const EARTH_RADIUS_KM: f64 = 6_371.008_771_4;
/// Degrees by which bounds are drawn too wide, so that rounding takes nothing from the circle: about a millimetre.
const SLACK_DEGREES: f64 = 1e-8;

/// All places up to so far from one.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Near {
    /// The middle.
    pub place: Location,
    /// Kilometres along the ground, above zero.
    pub radius_km: f64,
}

/// Degrees between which a circle lies, quick to look at before distances are computed.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bounds {
    /// From south to north.
    pub lat: (f64, f64),
    /// From west to east; where the circle lies on both sides of the date line, the first is the greater.
    pub lng: (f64, f64),
}

impl Near {
    /// Whether a place is covered.
    pub fn covers(&self, place: Location) -> bool {
        self.place.distance_km(place) <= self.radius_km
    }

    /// The smallest bounds around the circle; around a pole they go all around.
    pub fn bounds(&self) -> Bounds {
        let angle = self.radius_km / EARTH_RADIUS_KM;
        let lat = self.place.lat.to_radians();
        let reach = angle.to_degrees() + SLACK_DEGREES;
        let (south, north) = (self.place.lat - reach, self.place.lat + reach);
        if angle >= PI / 2.0 || south <= -90.0 || north >= 90.0 {
            return Bounds { lat: (south.max(-90.0), north.min(90.0)), lng: (-180.0, 180.0) };
        }
        // The meridians that touch the circle.
        let reach = (angle.sin() / lat.cos()).min(1.0).asin().to_degrees() + SLACK_DEGREES;
        let around = |degrees: f64| match degrees {
            ..-180.0 => degrees + 360.0,
            180.0.. => degrees - 360.0,
            _ => degrees,
        };
        let (west, east) = (self.place.lng - reach, self.place.lng + reach);
        let lng = if reach >= 180.0 { (-180.0, 180.0) } else { (around(west), around(east)) };
        Bounds { lat: (south, north), lng }
    }
}

impl Bounds {
    /// Whether a place lies within.
    pub fn hold(&self, place: Location) -> bool {
        let (west, east) = self.lng;
        let within = if west <= east {
            (west..=east).contains(&place.lng)
        } else {
            // A place on the date line has two names.
            place.lng >= west || place.lng <= east
        };
        (self.lat.0..=self.lat.1).contains(&place.lat) && within
    }
}

impl Location {
    /// Kilometres to another place along the ground, by the haversine formula.
    pub fn distance_km(self, other: Self) -> f64 {
        let half = |a: f64, b: f64| ((b - a).to_radians() / 2.0).sin().powi(2);
        let (lat, other_lat) = (self.lat.to_radians(), other.lat.to_radians());
        let haversine = half(self.lat, other.lat) + lat.cos() * other_lat.cos() * half(self.lng, other.lng);
        // Rounding may leave the antipode a little above one.
        2.0 * EARTH_RADIUS_KM * haversine.min(1.0).sqrt().asin()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn at(lat: f64, lng: f64) -> Location {
        Location::new(lat, lng).unwrap()
    }

    #[test]
    fn distances_are_those_of_the_globe() {
        let london = at(51.5074, -0.1278);
        for (place, km) in [
            (london, 0.0),
            (at(48.8566, 2.3522), 343.6),
            (at(40.7128, -74.0060), 5_570.2),
            (at(-51.5074, 179.8722), PI * EARTH_RADIUS_KM),
        ] {
            assert!((london.distance_km(place) - km).abs() < 0.1, "{place:?}: {}", london.distance_km(place));
        }
        assert!((at(0.0, 179.9).distance_km(at(0.0, -179.9)) - 22.24).abs() < 0.01);
    }

    #[test]
    fn what_a_circle_covers_lies_within_its_bounds() {
        let steps = |from: f64, to: f64, count: u32| {
            (0..=count).map(move |n| from + (to - from) * f64::from(n) / f64::from(count))
        };
        let mut covered = 0;
        for (lat, lng) in
            [(0.0, 0.0), (51.5, -0.1), (0.0, 180.0), (-17.0, 179.9), (89.0, 10.0), (-90.0, 0.0), (70.0, -179.0)]
        {
            for radius_km in [0.001, 10.0, 500.0] {
                let near = Near { place: at(lat, lng), radius_km };
                let bounds = near.bounds();
                assert!(bounds.hold(near.place), "{near:?}");
                for bearing in steps(0.0, 2.0 * PI, 16) {
                    // The way along a great circle from the middle to a little before the edge.
                    let angle = radius_km / EARTH_RADIUS_KM * 0.999_999;
                    let (from, dir) = (lat.to_radians(), bearing);
                    let to = (from.sin() * angle.cos() + from.cos() * angle.sin() * dir.cos()).asin();
                    let turn = (dir.sin() * angle.sin() * from.cos()).atan2(angle.cos() - from.sin() * to.sin());
                    let east = (lng + turn.to_degrees() + 540.0).rem_euclid(360.0) - 180.0;
                    let place = at(to.to_degrees().clamp(-90.0, 90.0), east);
                    assert!(bounds.hold(place) || !near.covers(place), "{near:?} {bounds:?} {place:?}");
                    covered += u32::from(near.covers(place));
                }
            }
        }
        assert!(covered > 300, "{covered}");
    }

    #[test]
    fn bounds_are_not_the_whole_globe() {
        let bounds = Near { place: at(0.0, 179.99), radius_km: 10.0 }.bounds();
        assert!(bounds.hold(at(0.0, -179.95)) && bounds.hold(at(0.0, 180.0)) && bounds.hold(at(0.0, -180.0)));
        assert!(!bounds.hold(at(0.0, 0.0)) && !bounds.hold(at(0.0, 179.8)) && !bounds.hold(at(1.0, 180.0)));
    }
}
