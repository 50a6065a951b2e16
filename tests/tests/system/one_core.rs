//! One more core beside the four, to see how it behaves at its bound and at its end.

use std::io::Write as _;
use std::net::TcpStream;
use std::time::Duration;

use echoes_tests::cores::Core;
use echoes_tests::one_more::OneMore;
use echoes_tests::process::Process;
use echoes_tests::waiting::eventually;
use echoes_tests::{Person, Region, Value, World, exchange, fresh, json};

super::trials!(TRIALS: at_its_bound_it_says_503, sigterm_drains_what_has_begun);

/// A core of us-west-2 on ports of its own, ready to serve.
fn start(world: &World, port: u16, in_flight: &str) -> (Process, Core) {
    let OneMore { process, core } =
        OneMore::start_with(world, Region::UsWest2, port, &[("ECHOES_MAX_IN_FLIGHT", in_flight)]);
    (process, core)
}

/// A signed create whose body is only half sent: it is under way until [`TcpStream`] sends the rest.
fn begin(core: &Core, ana: &Person) -> (TcpStream, Vec<u8>) {
    let call = core.call("POST", "/v1/echoes").user(&ana.id).idempotent(fresh::key());
    let bytes = call
        .signed_header("x-echoes-request-id", "r-half")
        .json(&json!({ "emotion": "calm" }))
        .signed()
        .bytes(&core.base);
    let mut stream = TcpStream::connect(exchange::authority(&core.base)).expect("a connection");
    let (half, rest) = bytes.split_at(bytes.len() - 5);
    stream.write_all(half).expect("half a request");
    (stream, rest.to_vec())
}

fn at_its_bound_it_says_503(world: &World) {
    let ana = world.person("bound");
    let (mut process, core) = start(world, 7_911, "1");
    core.get("/v1/emotions").send().expect(200);
    // A look that comes before the half request is admitted may take its place; then it is begun anew.
    let (mut stream, rest, refused) = eventually(Duration::from_secs(5), "a refusal at the bound", || {
        let (stream, rest) = begin(&core, &ana);
        let response = core.get("/v1/emotions").send();
        if response.status == 503 { Ok((stream, rest, response)) } else { Err(response.to_string()) }
    });
    refused.problem("unavailable", &[]);
    assert!(refused.one("retry-after").parse::<u32>().is_ok(), "{refused}");
    // The operator is not turned away.
    core.admin("/healthz").expect(200);
    core.admin("/readyz").expect(200);
    stream.write_all(&rest).expect("the other half");
    eventually(Duration::from_secs(3), "a free place", || {
        let response = core.get("/v1/emotions").send();
        if response.status == 200 { Ok(()) } else { Err(response.to_string()) }
    });
    assert_eq!(process.terminate(Duration::from_secs(10)).code(), Some(0), "{}", process.last_lines(20));
}

fn sigterm_drains_what_has_begun(world: &World) {
    let ana = world.person("drain");
    let (mut process, core) = start(world, 7_913, "10");
    let (mut stream, rest) = begin(&core, &ana);
    core.call("GET", "/v1/status").signed_header("x-echoes-request-id", "r-logged").send().expect(200);
    process.ask_to_stop();
    eventually(Duration::from_secs(3), "a core that takes nothing new", || {
        match TcpStream::connect(exchange::authority(&core.base)) {
            Ok(_) => Err("it still listens".to_owned()),
            Err(_) => Ok(()),
        }
    });
    assert!(process.ended().is_none(), "expected it to wait for what has begun");
    stream.write_all(&rest).expect("the other half");
    let answer =
        exchange::answer(&stream, "POST").unwrap_or_else(|error| panic!("{error}\n{}", process.last_lines(20)));
    assert_eq!(answer.status, 201, "{answer}");
    assert_eq!(process.wait(Duration::from_secs(5)).code(), Some(0), "{}", process.last_lines(20));

    let logged = process.last_lines(1_000);
    let lines: Vec<Value> =
        logged.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("no JSON: {line}"))).collect();
    for id in ["r-logged", "r-half"] {
        assert!(lines.iter().any(|line| line["span"]["request_id"] == id), "expected {id} in the log\n{logged}");
    }
    assert!(
        !logged.contains(&core.secret) && !logged.contains(&ana.id),
        "expected neither secrets nor people\n{logged}"
    );
}
