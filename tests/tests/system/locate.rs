//! Listeners land in the nearest region, wherever they are and whatever is known of that.

use echoes_tests::waiting::at_once;
use echoes_tests::{Request, Value, World, cities, fresh, json};

super::trials!(
    TRIALS: twenty_cities, without_coordinates_the_country_decides, then_the_continent, then_the_default,
    extreme_coordinates, a_create_is_taken_by_the_nearest_region,
);

/// The region that answers a read which no cache can answer.
fn region_of(world: &World, properties: Value) -> String {
    let request = Request::get(format!("/v1/users/{}/echoes", fresh::name("nobody")));
    let response = world.edge(&request.header("mf-cf-blob", cities::blob(properties).to_string())).expect(200);
    response.one("echoes-region").to_owned()
}

fn twenty_cities(world: &World) {
    let landed = at_once(4, |worker| {
        let mine = cities::CITIES.iter().skip(worker).step_by(4);
        mine.map(|city| (city, region_of(world, city.blob()))).collect::<Vec<_>>()
    });
    for (city, region) in landed.into_iter().flatten() {
        assert_eq!(region, city.region.as_str(), "{}", city.name);
    }
}

/// Coordinates that are none, in every way that they may be none.
fn no_coordinates() -> Vec<Value> {
    vec![
        json!({}),
        json!({ "latitude": "51.5" }),
        json!({ "longitude": "-0.12" }),
        json!({ "latitude": "", "longitude": "" }),
        json!({ "latitude": "north", "longitude": "0" }),
        json!({ "latitude": "NaN", "longitude": "NaN" }),
        json!({ "latitude": "inf", "longitude": "0" }),
        json!({ "latitude": "91", "longitude": "0" }),
        json!({ "latitude": "0", "longitude": "180.1" }),
        json!({ "latitude": "1e400", "longitude": "0" }),
        json!({ "latitude": {}, "longitude": [] }),
        json!({ "latitude": true, "longitude": null }),
    ]
}

fn with(mut properties: Value, more: &Value) -> Value {
    properties.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    properties
}

fn without_coordinates_the_country_decides(world: &World) {
    for none in no_coordinates() {
        let region = region_of(world, with(none.clone(), &json!({ "country": "DE", "continent": "AS" })));
        assert_eq!(region, "eu-west-1", "{none}");
    }
    for (country, expected) in
        [("SG", "ap-southeast-1"), ("AU", "ap-southeast-1"), ("BR", "us-east-1"), ("NG", "eu-west-1")]
    {
        assert_eq!(region_of(world, json!({ "country": country })), expected, "{country}");
    }
}

fn then_the_continent(world: &World) {
    for none in no_coordinates() {
        let region = region_of(world, with(none.clone(), &json!({ "country": "XX", "continent": "AS" })));
        assert_eq!(region, "ap-southeast-1", "{none}");
    }
    for (continent, expected) in
        [("EU", "eu-west-1"), ("AF", "eu-west-1"), ("OC", "ap-southeast-1"), ("SA", "us-east-1")]
    {
        assert_eq!(region_of(world, json!({ "country": 5, "continent": continent })), expected, "{continent}");
    }
}

fn then_the_default(world: &World) {
    for none in no_coordinates() {
        for unknown in
            [json!({}), json!({ "country": "T1", "continent": "??" }), json!({ "country": "", "continent": "" })]
        {
            assert_eq!(region_of(world, with(none.clone(), &unknown)), "us-east-1", "{none} {unknown}");
        }
    }
}

fn extreme_coordinates(world: &World) {
    // The ends of the ranges are places, and the date line is no border.
    for (latitude, longitude, expected) in [
        ("90", "0", "eu-west-1"),
        ("52", "180", "us-west-2"),
        ("52", "-180", "us-west-2"),
        ("0", "-180", "us-west-2"),
        ("0", "179.99", "us-west-2"),
        (" 51.5 ", " -0.12 ", "eu-west-1"),
        ("1.35", "1.0382e2", "ap-southeast-1"),
    ] {
        let region = region_of(world, json!({ "latitude": latitude, "longitude": longitude, "country": "DE" }));
        assert_eq!(region, expected, "{latitude}, {longitude}");
    }
}

fn a_create_is_taken_by_the_nearest_region(world: &World) {
    let ana = world.person("locate");
    for city in &cities::ONE_EACH {
        let response = world.edge(&ana.creating(fresh::key(), &json!({ "emotion": "calm" })).from(city)).expect(201);
        assert_eq!(response.json()["origin"], city.region.as_str(), "{response}");
        assert_eq!(response.one("echoes-region"), city.region.as_str(), "{response}");
    }
}
