//! The control API: tokens, and faults on demand.

use echoes_shared::Region;
use serde_json::{Value, json};

use crate::request::Request;
use crate::response::Response;

/// The control API of a stack.
#[derive(Debug, Clone)]
pub struct Control {
    /// Its address.
    pub base: String,
}

impl Control {
    /// A token of these wishes.
    #[track_caller]
    pub fn token(&self, wishes: &Value) -> String {
        let response = Request::new("POST", "/tokens").json(wishes).send(&self.base).expect(200);
        response.json()["token"].as_str().unwrap_or_else(|| panic!("no token\n{response}")).to_owned()
    }

    /// Asks for a change of a region.
    pub fn patch(&self, region: &str, change: &Value) -> Response {
        Request::new("PATCH", format!("/regions/{region}")).json(change).send(&self.base)
    }

    /// Changes a region, and demands that it is so.
    #[track_caller]
    pub fn change(&self, region: Region, change: &Value) -> Value {
        let response = self.patch(region.as_str(), change).expect(200);
        let state = response.json();
        for (name, value) in change.as_object().into_iter().flatten() {
            assert!(state[name] == *value, "expected {name} to be {value}\n{response}");
        }
        state
    }

    /// All regions as they are.
    #[track_caller]
    pub fn regions(&self) -> Vec<Value> {
        let response = Request::get("/regions").send(&self.base).expect(200);
        response.json().as_array().cloned().unwrap_or_else(|| panic!("no array\n{response}"))
    }

    /// Mends every region.
    pub fn heal_all(&self) {
        for state in self.regions() {
            let mut whole = json!({ "dynamodb": "running", "partitioned": false, "lagMs": 0 });
            for server in ["redis", "memcached"] {
                if state.get(server).is_some() {
                    whole[server] = json!("running");
                }
            }
            let is_whole = whole.as_object().into_iter().flatten().all(|(name, value)| state[name] == *value);
            if !is_whole || state["core"] != "running" {
                // DynamoDB before the core, which is ready only when that answers; and whole even if the core stays away.
                let name = state["name"].as_str().unwrap_or_default();
                self.patch(name, &whole).expect(200);
                self.patch(name, &json!({ "core": "running" })).expect(200);
            }
        }
    }
}
