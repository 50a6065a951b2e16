//! `GET /v1/status`

use std::time::Duration;

use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Request, World, cities, json};

use super::failover::mended;

super::trials!(
    TRIALS: all_four_regions_are_well, the_region_is_the_nearest, head_is_get_without_a_body,
    every_region_tells_its_lags,
);
super::trials!(FAULTS: a_region_that_hears_late_says_so);

/// Three beats, and what an answer may be old by.
const BEATEN: Duration = Duration::from_secs(40);

const PATH: &str = "/v1/status";

fn all_four_regions_are_well(world: &World) {
    let response = world.get(PATH).expect(200);
    echoes_tests::shape::check_read(&response);
    let body = response.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["region", "regions"], "{response}");
    let regions = body["regions"].as_array().unwrap();
    let names: Vec<_> = regions.iter().map(|region| region["name"].as_str().unwrap()).collect();
    assert_eq!(names, Region::ALL.map(Region::as_str), "{response}");
    for region in regions {
        assert_eq!(region["healthy"], true, "{response}");
        for (name, value) in region.as_object().unwrap() {
            let expected = match name.as_str() {
                "name" | "healthy" => true,
                "replicationLagMs" | "streamLagMs" => value.is_u64(),
                _ => false,
            };
            assert!(expected, "unexpected {name}\n{response}");
        }
    }
}

fn the_region_is_the_nearest(world: &World) {
    for city in &cities::ONE_EACH {
        let response = world.edge(&Request::get(PATH).from(city)).expect(200);
        assert_eq!(response.json()["region"], city.region.as_str(), "{response}");
    }
}

fn head_is_get_without_a_body(world: &World) {
    world.edge(&Request::new("HEAD", PATH)).expect(200);
}

/// What this edge last heard of a region's lag, in milliseconds.
fn lag(world: &World, region: Region, name: &str) -> Option<u64> {
    let body = world.get(PATH).expect(200).json();
    let regions = body["regions"].as_array().unwrap();
    regions.iter().find(|entry| entry["name"] == region.as_str()).unwrap()[name].as_u64()
}

fn every_region_tells_its_lags(world: &World) {
    for region in Region::ALL {
        for name in ["replicationLagMs", "streamLagMs"] {
            eventually(BEATEN, &format!("{name} of {region} within bounds"), || match lag(world, region, name) {
                Some(0..10_000) => Ok(()),
                other => Err(format!("{other:?}")),
            });
        }
    }
}

fn a_region_that_hears_late_says_so(world: &World) {
    const LATE: u64 = 4_000;
    let late = |region| lag(world, region, "replicationLagMs");
    mended(world, || {
        world.control().change(Region::ApSoutheast1, &json!({ "lagMs": LATE }));
        eventually(BEATEN, "its lag", || match (late(Region::ApSoutheast1), late(Region::EuWest1)) {
            (Some(LATE..), Some(0..LATE)) => Ok(()),
            other => Err(format!("{other:?}")),
        });
    });
    eventually(BEATEN, "no lag any more", || match late(Region::ApSoutheast1) {
        Some(0..LATE) => Ok(()),
        other => Err(format!("{other:?}")),
    });
}
