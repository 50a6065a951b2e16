//! `GET /v1/status`

use echoes_tests::{Region, Request, World, cities};

super::trials!(TRIALS: all_four_regions_are_well, the_region_is_the_nearest, head_is_get_without_a_body);

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
