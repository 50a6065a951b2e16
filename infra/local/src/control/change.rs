//! The body of `PATCH /regions/{name}`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::problem::Refusal;
use crate::cores::CoreState;
use crate::faults::{DynamoState, Faults, LAG_LIMIT_MS};

/// What to change; an absent member stays as it is.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The core's process.
    pub core: Option<CoreState>,
    dynamodb: Option<DynamoState>,
    partitioned: Option<bool>,
    lag_ms: Option<u64>,
}

/// Parts that only a stack of real servers has.
const FULL_ONLY: [&str; 3] = ["redis", "memcached", "opensearch"];

impl Change {
    /// # Errors
    /// A 400 that names the member at fault.
    pub fn parse(body: &[u8]) -> Result<Self, Refusal> {
        let members: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(format!("the body is not a JSON object: {error}")))?;
        for (name, value) in &members {
            if FULL_ONLY.contains(&name.as_str()) {
                return Err(Refusal::member(name, "this stack runs none: only one started with --full does"));
            }
            // A serde `Option` would take null for absent, which hides a caller's mistake.
            if value.is_null() {
                return Err(Refusal::member(name, "null is no value"));
            }
            // Each member on its own first, so that the error can name it.
            let alone = Value::Object(Map::from_iter([(name.clone(), value.clone())]));
            if let Err(error) = serde_json::from_value::<Self>(alone) {
                return Err(Refusal::member(name, error.to_string()));
            }
        }
        let change: Self =
            serde_json::from_value(Value::Object(members)).map_err(|error| Refusal::invalid(error.to_string()))?;
        if change.lag_ms.is_some_and(|lag_ms| lag_ms > LAG_LIMIT_MS) {
            return Err(Refusal::member("lagMs", format!("must be at most {LAG_LIMIT_MS}")));
        }
        Ok(change)
    }

    /// The faults after the change.
    #[must_use]
    pub fn over(&self, faults: Faults) -> Faults {
        Faults {
            dynamodb: self.dynamodb.unwrap_or(faults.dynamodb),
            partitioned: self.partitioned.unwrap_or(faults.partitioned),
            lag_ms: self.lag_ms.unwrap_or(faults.lag_ms),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_change_touches_only_what_it_names() {
        let change = Change::parse(br#"{"dynamodb":"stopped","lagMs":250}"#).unwrap();
        let before = Faults { partitioned: true, ..Faults::default() };
        let after = change.over(before);
        assert_eq!(after.dynamodb, DynamoState::Stopped);
        assert!(after.partitioned);
        assert_eq!(after.lag_ms, 250);
        assert_eq!(change.core, None);
    }

    #[test]
    fn mistakes_are_refused() {
        for body in [
            "",
            "[]",
            "{",
            r#"{"core":"paused"}"#,
            r#"{"core":null}"#,
            r#"{"dynamodb":"hung"}"#,
            r#"{"partitioned":"yes"}"#,
            r#"{"lagMs":-1}"#,
            r#"{"lagMs":1.5}"#,
            r#"{"lagMs":600001}"#,
            r#"{"redis":"stopped"}"#,
            r#"{"colour":"red"}"#,
        ] {
            assert!(Change::parse(body.as_bytes()).is_err(), "{body}");
        }
    }
}
