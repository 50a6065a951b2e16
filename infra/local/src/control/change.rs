//! The body of `PATCH /regions/{name}`.

use serde::Deserialize;
use serde_json::{Map, Value};

use super::problem::Refusal;
use crate::faults::{DynamoState, Faults, LAG_LIMIT_MS};
use crate::process::RunState;
use crate::servers::Kind;

/// What to change; an absent member stays as it is.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Change {
    /// The core's process.
    pub core: Option<RunState>,
    dynamodb: Option<DynamoState>,
    redis: Option<RunState>,
    memcached: Option<RunState>,
    /// Of the one that all regions share.
    opensearch: Option<RunState>,
    partitioned: Option<bool>,
    lag_ms: Option<u64>,
}

/// Parts that only a stack started with `--full` has.
const FULL_ONLY: [&str; 3] = ["redis", "memcached", "opensearch"];

impl Change {
    /// Reads a body; `bare` says that the stack was started without `--full`.
    ///
    /// # Errors
    /// A 400 that names the member at fault.
    pub fn parse(body: &[u8], bare: bool) -> Result<Self, Refusal> {
        let members: Map<String, Value> = serde_json::from_slice(body)
            .map_err(|error| Refusal::invalid(format!("the body is not a JSON object: {error}")))?;
        for (name, value) in &members {
            if bare && FULL_ONLY.contains(&name.as_str()) {
                return Err(Refusal::member(name, "this stack runs none: start it with --full"));
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

    /// What is wanted of each kind of server.
    #[must_use]
    pub fn servers(&self) -> [(Kind, Option<RunState>); Kind::ALL.len()] {
        Kind::ALL.map(|kind| match kind {
            Kind::Redis => (kind, self.redis),
            Kind::Memcached => (kind, self.memcached),
            Kind::OpenSearch => (kind, self.opensearch),
        })
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
        let change = Change::parse(br#"{"dynamodb":"stopped","lagMs":250}"#, true).unwrap();
        let before = Faults { partitioned: true, ..Faults::default() };
        let after = change.over(before);
        assert_eq!(after.dynamodb, DynamoState::Stopped);
        assert!(after.partitioned);
        assert_eq!(after.lag_ms, 250);
        assert_eq!(change.core, None);
        assert!(change.servers().iter().all(|(_, wanted)| wanted.is_none()));
        let change = Change::parse(br#"{"memcached":"hung"}"#, false).unwrap();
        let wanted = [(Kind::Redis, None), (Kind::Memcached, Some(RunState::Hung)), (Kind::OpenSearch, None)];
        assert_eq!(change.servers(), wanted);
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
            r#"{"redis":"throttled"}"#,
            r#"{"memcached":true}"#,
            r#"{"opensearch":"slow"}"#,
            r#"{"colour":"red"}"#,
        ] {
            assert!(Change::parse(body.as_bytes(), true).is_err(), "{body}");
            assert!(Change::parse(body.as_bytes(), false).is_err(), "{body}");
        }
        assert!(Change::parse(br#"{"redis":"stopped"}"#, true).is_err());
    }
}
