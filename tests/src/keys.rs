//! Where things lie in a region's tables: buckets, shards, markers.

use echoes_shared::Region;
use serde_json::{Value, json};

use crate::world::World;

impl World {
    /// What is stored under one hash key of the echoes in one region.
    #[track_caller]
    pub fn stored_in(&self, region: Region, hash: &str) -> Vec<Value> {
        self.dynamodb(region).items_of(self.table("echoes"), hash)
    }

    /// How many echoes lie under one hash key of `emotion-timestamp-index` in one region.
    #[track_caller]
    pub fn count_in_shard(&self, region: Region, key: &str) -> u64 {
        let query = json!({
            "TableName": self.table("echoes"), "IndexName": "emotion-timestamp-index", "Select": "COUNT",
            "KeyConditionExpression": "#e = :e", "ExpressionAttributeNames": { "#e": "emotion" },
            "ExpressionAttributeValues": { ":e": { "S": key } },
        });
        let response = self.dynamodb(region).call("Query", &query).expect(200);
        response.json()["Count"].as_u64().unwrap_or_else(|| panic!("no Count\n{response}"))
    }

    /// Marks a person as that region would: buckets from this month on, `202612`.
    #[track_caller]
    pub fn mark(&self, region: Region, user_id: &str, from: &str) {
        let mut item = marker_key(region, user_id);
        item["from"] = json!({ "S": from });
        self.dynamodb(region).call("PutItem", &json!({ "TableName": self.table("ops"), "Item": item })).expect(200);
    }

    /// Whether us-east-1's marker of a person has reached a region.
    #[track_caller]
    pub fn is_marked(&self, region: Region, user_id: &str) -> bool {
        let key = marker_key(Region::UsEast1, user_id);
        let get = json!({ "TableName": self.table("ops"), "Key": key, "ConsistentRead": true });
        self.dynamodb(region).call("GetItem", &get).expect(200).json().get("Item").is_some()
    }

    fn table(&self, which: &str) -> &str {
        self.file["tables"][which].as_str().unwrap_or_else(|| panic!("no tables.{which} in stack.json"))
    }
}

fn marker_key(region: Region, user_id: &str) -> Value {
    json!({ "pk": { "S": format!("person#{user_id}") }, "sk": { "S": format!("marker#{region}") } })
}
