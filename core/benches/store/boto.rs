//! Processor time of one call to DynamoDB, ours beside boto3's, both against the same engine.

use std::process::Command;
use std::time::Instant;

use echoes_shared::EchoId;

use crate::engine::Engine;
use crate::load::{self, now};
use crate::report;

/// The same reads as ours, with boto3: prints its processor time a call in microseconds.
const SCRIPT: &str = r#"
import boto3, sys, time
from boto3.dynamodb.conditions import Key
endpoint, calls = sys.argv[1], int(sys.argv[2])
table = boto3.resource("dynamodb", endpoint_url=endpoint, region_name="eu-west-1",
                       aws_access_key_id="test", aws_secret_access_key="test").Table("EchoesTable")
ids = [line.strip() for line in sys.stdin]
def get(id):
    return table.query(IndexName="echoId-index", KeyConditionExpression=Key("echoId").eq(id), Limit=1)
def feed():
    return table.query(IndexName="emotion-timestamp-index", KeyConditionExpression=Key("emotion").eq("happy"),
                       ScanIndexForward=False, Limit=21)
get(ids[0])
for name, work in (("get", lambda i: get(ids[i % len(ids)])), ("feed", lambda i: feed())):
    began = time.process_time()
    for i in range(calls):
        assert work(i)["Items"]
    print((time.process_time() - began) / calls * 1e6)
"#;

/// Compares `calls` reads of one echo, and as many of a feed's head.
#[expect(clippy::disallowed_methods, reason = "where `make bench-store` has installed boto3")]
pub async fn compare(calls: usize) {
    report::title("processor microseconds a call, against boto3 in the same run");
    let Some(python) = std::env::var_os("ECHOES_PYTHON") else {
        println!("left out: ECHOES_PYTHON names no Python with boto3; `make bench-store` sets it");
        return;
    };
    let engine = Engine::start();
    let store = engine.store().await;
    let samples = load::samples("boto", 2_000);
    load::bare_batches(&engine.client(), "EchoesTable", &samples).await;
    let ids: Vec<EchoId> = samples.iter().map(|sample| sample.echo().echo_id).collect();
    let (cpu, wall) = (report::cpu(), Instant::now());
    for at in 0..calls {
        store.echo(ids[at % ids.len()], now()).await.unwrap().unwrap();
    }
    let get = (report::cpu() - cpu).as_secs_f64() * 1e6 / calls as f64;
    let cpu = report::cpu();
    for _ in 0..calls {
        store.feed(echoes_shared::Emotion::Happy, 20, None, now()).await.unwrap();
    }
    let feed = (report::cpu() - cpu).as_secs_f64() * 1e6 / calls as f64;
    println!("{:<44} {:>10.1} s", "our calls took, one after the other,", wall.elapsed().as_secs_f64());

    let mut script = Command::new(python)
        .args(["-c", SCRIPT, &engine.endpoint, &calls.to_string()])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let lines: Vec<String> = ids.iter().map(ToString::to_string).collect();
    std::io::Write::write_all(&mut script.stdin.take().unwrap(), lines.join("\n").as_bytes()).unwrap();
    let output = script.wait_with_output().unwrap();
    assert!(output.status.success(), "boto3's part failed");
    let text = String::from_utf8(output.stdout).unwrap();
    let theirs: Vec<f64> = text.lines().map(|line| line.parse().unwrap()).collect();
    report::ratio("one echo by its id", get, theirs[0], "us", "<= 0.25");
    report::ratio("the head of a feed, 20 echoes", feed, theirs[1], "us", "<= 0.25");
}
