//! The stack itself: what it says of itself, and that there is one of it.

use std::time::Duration;

use echoes_tests::process::Process;
use echoes_tests::programs::variables_of;
use echoes_tests::{Region, Value, World, settings};

super::trials!(TRIALS: stack_json_is_the_contracts, the_shell_files_name_the_same_stack, a_second_one_refuses);

fn keys(value: &Value) -> Vec<&str> {
    let mut keys: Vec<_> = value.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    keys
}

fn stack_json_is_the_contracts(world: &World) {
    let file = &world.file;
    assert_eq!(keys(file), ["aws", "buckets", "control", "edge", "edgeKey", "regions", "s3", "tables"]);
    for (name, value) in
        [("edge", "http://127.0.0.1:8787"), ("control", "http://127.0.0.1:7010"), ("s3", "http://127.0.0.1:9000")]
    {
        assert_eq!(file[name], value, "{name}");
    }
    assert_eq!(
        file["tables"],
        serde_json::json!({ "echoes": "EchoesTable", "ops": "EchoesOps", "local": "EchoesLocal" })
    );
    assert_eq!(file["buckets"], serde_json::json!({ "audio": "echoes-audio", "archive": "echoes-archive" }));
    for (name, fields) in [("aws", ["accessKeyId", "secretAccessKey"]), ("edgeKey", ["id", "secret"])] {
        assert_eq!(keys(&file[name]), fields, "{name}");
        assert!(
            file[name].as_object().unwrap().values().all(|value| value.as_str().is_some_and(|text| !text.is_empty()))
        );
    }
    let regions = file["regions"].as_array().unwrap();
    assert_eq!(regions.len(), 4);
    for (nth, (region, name)) in regions.iter().zip(Region::ALL).enumerate() {
        assert_eq!(keys(region), ["admin", "core", "dynamodb", "memcached", "name", "opensearch", "redis"]);
        assert_eq!(region["name"], name.as_str());
        for (part, base) in [("core", 7_001), ("admin", 7_101), ("dynamodb", 8_001)] {
            assert_eq!(region[part], format!("http://127.0.0.1:{}", base + nth), "{region}");
        }
        assert_eq!(region["redis"], format!("redis://127.0.0.1:{}", 6_401 + nth), "{region}");
        let memcached = [11_401, 11_402].map(|base| format!("127.0.0.1:{}", base + 2 * nth)).join(",");
        assert_eq!(region["memcached"], memcached, "{region}");
        assert_eq!(region["opensearch"], "http://127.0.0.1:9201", "one for all: {region}");
    }
}

fn the_shell_files_name_the_same_stack(world: &World) {
    for region in Region::ALL {
        let variables = variables_of(&world.state, region);
        let core = world.core(region);
        assert_eq!(variables["ECHOES_REGION"], region.as_str());
        assert_eq!(format!("http://{}", variables["ECHOES_LISTEN"]), core.base);
        assert_eq!(format!("http://{}", variables["ECHOES_ADMIN_LISTEN"]), core.admin);
        assert_eq!(variables["AWS_ENDPOINT_URL_DYNAMODB"], world.dynamodb(region).base);
        assert_eq!(variables["ECHOES_EDGE_KEYS"], format!("{}:{}", core.key.id(), core.secret));
        assert_eq!(variables["ECHOES_REDIS_URL"], world.redis(region).url);
        assert_eq!(variables["ECHOES_MEMCACHED_SERVERS"], world.memcached(region).servers.join(","));
        assert_eq!(variables["ECHOES_TABLE"], world.file["tables"]["echoes"].as_str().unwrap());
    }
}

fn a_second_one_refuses(world: &World) {
    let state = settings::root().join("target/tmp/second-stack");
    let mut second = Process::start(echoes_tests::stack::command(&state));
    let status = second.wait(Duration::from_secs(20));
    let said = second.last_lines(20);
    assert!(status.code().is_some_and(|code| code != 0), "expected a failure, found {status}\n{said}");
    let ports = ["8787", "7001", "7002", "7003", "7004", "7101", "7102", "7103", "7104", "8001", "9000", "7010"];
    assert!(ports.iter().any(|port| said.contains(port)), "expected the port's name\n{said}");
    assert!(!state.join("stack.json").exists(), "a stack that does not run has no stack.json");
    // The first goes on.
    world.get("/v1/emotions").expect(200);
    world.core(Region::UsEast1).get("/v1/emotions").send().expect(200);
}
