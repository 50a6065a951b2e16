//! Batches: how they are written, and what holds for every answer to one.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::people::Person;
use crate::request::Request;
use crate::response::Response;
use crate::shape::check_echo;
use crate::world::World;
use echoes_shared::IdempotencyKey;

/// How often a batch is sent at most until nothing of it is late: a hundred writes may be much for a busy machine.
const ROUNDS: usize = 10;

/// A create under a key.
pub fn create(key: IdempotencyKey, content: &Value) -> Value {
    json!({ "op": "create", "key": key.to_string(), "echo": content })
}

/// A delete.
pub fn delete(echo_id: &str) -> Value {
    json!({ "op": "delete", "echoId": echo_id })
}

/// The body of a batch.
pub fn body(operations: &[Value]) -> Value {
    json!({ "operations": operations })
}

impl Person {
    /// A batch, not yet sent.
    pub fn batch(&self, operations: &[Value]) -> Request {
        Request::new("POST", "/v1/echoes/batch").token(&self.token).json(&body(operations))
    }

    /// Sends a batch, again where some of it was not done in time, and gives the last results.
    #[track_caller]
    pub fn batch_until_done(&self, world: &World, operations: &[Value]) -> Vec<Value> {
        let mut last = Vec::new();
        for _ in 0..ROUNDS {
            last = results_of(&world.edge(&self.batch(operations)));
            if !statuses(&last).contains(&503) {
                return last;
            }
        }
        panic!("some operations were never done: {:?}", statuses(&last));
    }
}

/// The results of a batch that was taken, each in the form that the contract shows.
#[track_caller]
pub fn results_of(response: &Response) -> Vec<Value> {
    assert!(response.status == 200, "expected results\n{response}");
    assert!(response.one("cache-control") == "no-store", "expected it not to be kept\n{response}");
    let whole = response.json();
    let fields = whole.as_object().unwrap_or_else(|| panic!("not an object\n{response}"));
    assert!(fields.keys().eq(["results"]), "expected results alone\n{response}");
    let results = whole["results"].as_array().cloned().unwrap_or_else(|| panic!("no results\n{response}"));
    results.iter().for_each(|result| check_result(result, response));
    results
}

/// The statuses of results.
pub fn statuses(results: &[Value]) -> Vec<u64> {
    results.iter().map(|result| result["status"].as_u64().unwrap_or_default()).collect()
}

/// The fields that a result's problem blames.
pub fn blamed(result: &Value) -> Vec<&str> {
    let errors = result["problem"]["errors"].as_array().into_iter().flatten();
    errors.filter_map(|error| error["field"].as_str()).collect()
}

#[track_caller]
fn check_result(result: &Value, response: &Response) {
    let fields = result.as_object().into_iter().flat_map(|fields| fields.keys().map(String::as_str));
    let fields: Vec<_> = BTreeSet::from_iter(fields).into_iter().collect();
    match result["status"].as_u64() {
        Some(200 | 201) => {
            assert!(fields == ["echo", "status"], "{fields:?}\n{response}");
            check_echo(&result["echo"]);
        }
        Some(204) => assert!(fields == ["status"], "{fields:?}\n{response}"),
        Some(status @ (400 | 403 | 404 | 409 | 413 | 503)) => {
            assert!(fields == ["problem", "status"], "{fields:?}\n{response}");
            let problem = &result["problem"];
            assert!(problem["status"] == status, "expected the problem's status to be {status}\n{response}");
            assert!(
                problem["instance"] == response.one("echoes-request-id"),
                "expected the request's id\n{response}"
            );
            let base = "https://echoes.dev/problems/";
            assert!(problem["type"].as_str().is_some_and(|kind| kind.starts_with(base)), "{result}\n{response}");
            for name in ["title", "detail"] {
                assert!(problem[name].as_str().is_some_and(|text| !text.is_empty()), "{result}\n{response}");
            }
            assert!([400, 413].contains(&status) != blamed(result).is_empty(), "{result}\n{response}");
        }
        _ => panic!("a strange result {result}\n{response}"),
    }
}
