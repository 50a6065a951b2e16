//! A person with a token, and what that person does through the edge.

use echoes_shared::IdempotencyKey;
use serde_json::{Value, json};

use crate::cities::City;
use crate::fresh;
use crate::request::Request;
use crate::response::Response;
use crate::world::World;

/// A person.
#[derive(Debug, Clone)]
pub struct Person {
    /// The token's subject.
    pub id: String,
    /// A good token.
    pub token: String,
}

impl World {
    /// A person whom nobody has met: `prefix` and a random end.
    pub fn person(&self, prefix: &str) -> Person {
        self.named(&fresh::name(prefix))
    }

    /// A person of exactly this name.
    pub fn named(&self, id: &str) -> Person {
        let token = self.control().token(&json!({ "sub": id, "expiresInSeconds": 3_600 }));
        Person { id: id.to_owned(), token }
    }
}

impl Person {
    /// A create, not yet sent.
    pub fn creating(&self, key: IdempotencyKey, content: &Value) -> Request {
        let request = Request::new("POST", "/v1/echoes").token(&self.token);
        request.header("idempotency-key", key.to_string()).json(content)
    }

    /// Creates an echo near the default region, and gives it.
    #[track_caller]
    pub fn create(&self, world: &World, content: &Value) -> Value {
        created(&world.edge(&self.creating(fresh::key(), content)))
    }

    /// Creates an echo from a city, and gives it.
    #[track_caller]
    pub fn create_from(&self, world: &World, city: &City, content: &Value) -> Value {
        created(&world.edge(&self.creating(fresh::key(), content).from(city)))
    }

    /// A delete, not yet sent.
    pub fn deleting(&self, echo_id: &str) -> Request {
        Request::new("DELETE", format!("/v1/echoes/{echo_id}")).token(&self.token)
    }

    /// An edit of a version, not yet sent.
    pub fn editing(&self, echo_id: &str, version: u64, change: &Value) -> Request {
        let request = Request::new("PATCH", format!("/v1/echoes/{echo_id}")).token(&self.token);
        request.header("if-match", format!("\"{version}\"")).json(change)
    }

    /// The path of the timeline.
    pub fn timeline(&self) -> String {
        format!("/v1/users/{}/echoes", self.id)
    }

    /// Demands that nothing of this person is stored anywhere.
    #[track_caller]
    pub fn has_nothing(&self, world: &World) {
        for core in world.cores() {
            let response = core.get(&self.timeline()).send().expect(200);
            assert!(
                response.json() == json!({ "echoes": [] }),
                "expected nothing stored at {}\n{response}",
                core.region
            );
        }
    }
}

/// The echo that a create gives. On a machine that is busy, the edge may have sent it twice: then it was there already.
#[track_caller]
fn created(response: &Response) -> Value {
    assert!([200, 201].contains(&response.status), "expected the echo\n{response}");
    response.json()
}

/// The id of an echo.
#[track_caller]
pub fn id_of(echo: &Value) -> &str {
    echo["echoId"].as_str().unwrap_or_else(|| panic!("no echoId in {echo}"))
}

/// Answers to the same request, one after another.
pub fn statuses(responses: &[Response]) -> Vec<u16> {
    responses.iter().map(|response| response.status).collect()
}
