//! The embedded S3 server, asked as the AWS SDKs ask it.

use echoes_tests::World;
use echoes_tests::programs::sign_with_botocore;
use echoes_tests::request::Request;
use echoes_tests::response::Response;
use serde_json::json;

super::trials!(TRIALS: an_object_is_stored_and_read_in_ranges, nobody_else_reads_or_writes);

const BODY: &str = "OggS and what follows";

/// Sends a call signed by botocore with this secret; without one it is not signed.
fn call(world: &World, method: &str, path: &str, body: &str, secret: Option<&str>, range: Option<&str>) -> Response {
    let base = world.file["s3"].as_str().expect("s3 in stack.json");
    let mut request = Request::new(method, path).body(body);
    if let Some(secret) = secret {
        let call = json!({
            "method": method, "url": format!("{base}{path}"), "body": body, "headers": {}, "service": "s3",
            "region": "us-east-1", "accessKeyId": world.file["aws"]["accessKeyId"], "secretAccessKey": secret,
        });
        request.headers =
            sign_with_botocore(&call).into_iter().filter(|(name, _)| name != "content-length").collect();
    }
    if let Some(range) = range {
        request = request.header("range", range);
    }
    request.send(base)
}

fn secret(world: &World) -> &str {
    world.file["aws"]["secretAccessKey"].as_str().expect("aws.secretAccessKey in stack.json")
}

fn an_object_is_stored_and_read_in_ranges(world: &World) {
    let ours = Some(secret(world));
    for bucket in ["audio", "archive"] {
        let path = format!("/{}/audio/s3-trial/a.opus", world.file["buckets"][bucket].as_str().expect("a bucket"));
        call(world, "PUT", &path, BODY, ours, None).expect(200);
        assert_eq!(call(world, "GET", &path, "", ours, None).expect(200).text(), BODY);
        assert_eq!(call(world, "GET", &path, "", ours, Some("bytes=0-3")).expect(206).text(), "OggS");
    }
}

fn nobody_else_reads_or_writes(world: &World) {
    let path = format!("/{}/audio/s3-trial/b.opus", world.file["buckets"]["audio"].as_str().expect("a bucket"));
    call(world, "PUT", &path, BODY, Some("another-secret"), None).expect(403);
    call(world, "PUT", &path, BODY, None, None).expect(403);
    call(world, "GET", &path, "", None, None).expect(403);
    call(world, "GET", &path, "", Some(secret(world)), None).expect(404);
}
