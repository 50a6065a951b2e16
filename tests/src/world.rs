//! A running stack as a test sees it.

use echoes_shared::Region;
use echoes_shared::sigv4::keys::EdgeKey;
use serde_json::{Value, json};

use std::path::PathBuf;

use crate::control::Control;
use crate::cores::Core;
use crate::dynamodb::DynamoDb;
use crate::request::Request;
use crate::response::Response;
use crate::shape;

/// A running stack.
#[derive(Debug, Clone)]
pub struct World {
    /// The folder that holds its `stack.json` and `env/`.
    pub state: PathBuf,
    /// What `stack.json` says.
    pub file: Value,
}

impl World {
    /// Where the edge is.
    pub fn edge_base(&self) -> &str {
        self.text(&["edge"])
    }

    /// Asks the edge, and demands of the answer what holds for all of them.
    #[track_caller]
    pub fn edge(&self, request: &Request) -> Response {
        let response = request.send(self.edge_base());
        shape::check_answer(request, &response);
        response
    }

    /// Reads a path through the edge.
    #[track_caller]
    pub fn get(&self, target: &str) -> Response {
        self.edge(&Request::get(target))
    }

    /// The control API.
    pub fn control(&self) -> Control {
        Control { base: self.text(&["control"]).to_owned() }
    }

    /// The core of a region.
    pub fn core(&self, region: Region) -> Core {
        let (id, secret) = (self.text(&["edgeKey", "id"]), self.text(&["edgeKey", "secret"]));
        let own = self.region(region);
        let text = |name: &str| own[name].as_str().unwrap_or_else(|| panic!("no {name} in {own}")).to_owned();
        let key = EdgeKey::new(id, secret).expect("the edge's key");
        Core { region, base: text("core"), admin: text("admin"), key, secret: secret.to_owned() }
    }

    /// All cores.
    pub fn cores(&self) -> Vec<Core> {
        Region::ALL.into_iter().map(|region| self.core(region)).collect()
    }

    /// The DynamoDB of a region.
    pub fn dynamodb(&self, region: Region) -> DynamoDb {
        let base = self.region(region)["dynamodb"].as_str().expect("dynamodb in stack.json").to_owned();
        DynamoDb { region, base, access_key_id: self.text(&["aws", "accessKeyId"]).to_owned() }
    }

    /// What is stored under a person's own key, in each region.
    #[track_caller]
    pub fn stored(&self, user_id: &str) -> Vec<(Region, Vec<Value>)> {
        let table = self.text(&["tables", "echoes"]);
        Region::ALL.map(|region| (region, self.dynamodb(region).items_of(table, user_id))).to_vec()
    }

    /// An `s3Url` that `user` may use.
    pub fn s3_url(&self, user: &str, name: &str) -> String {
        format!("s3://{}/audio/{user}/{name}", self.text(&["buckets", "audio"]))
    }

    /// The regions as the edge has last seen them: the names of those that are well.
    pub fn healthy(&self) -> Vec<String> {
        let body = self.get("/v1/status").json();
        let regions = body["regions"].as_array().cloned().unwrap_or_default();
        let well = regions.iter().filter(|region| region["healthy"] == json!(true));
        well.filter_map(|region| region["name"].as_str().map(str::to_owned)).collect()
    }

    pub(crate) fn region(&self, region: Region) -> &Value {
        let regions = self.file["regions"].as_array().expect("regions in stack.json");
        let found = regions.iter().find(|own| own["name"] == region.as_str());
        found.unwrap_or_else(|| panic!("no {region} in stack.json"))
    }

    fn text(&self, path: &[&str]) -> &str {
        let value = path.iter().fold(&self.file, |value, name| &value[name]);
        value.as_str().unwrap_or_else(|| panic!("no {} in stack.json: {}", path.join("."), self.file))
    }
}
