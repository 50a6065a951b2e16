//! The body of `GET /v1/status`, of a core and of the edge.

use serde::{Deserialize, Serialize};

use crate::Region;

/// The regions as whoever answers sees them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The core's own, or the nearest to the listener.
    pub region: Region,
    /// One entry a region.
    pub regions: Vec<RegionStatus>,
}

/// What is known of a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegionStatus {
    /// Which.
    pub name: Region,
    /// Whether it answers the edge. A core says of another region whether it has heard of it lately.
    pub healthy: bool,
    /// What is known of its lags.
    #[serde(flatten)]
    pub lags: Lags,
}

/// How far a region is behind; each absent until it is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lags {
    /// Milliseconds that the last news of the nearest other region took to arrive there.
    #[serde(default, rename = "replicationLagMs", skip_serializing_if = "Option::is_none")]
    pub replication_millis: Option<u64>,
    /// Milliseconds that the effects of its stream are behind its table.
    #[serde(default, rename = "streamLagMs", skip_serializing_if = "Option::is_none")]
    pub stream_millis: Option<u64>,
}

impl Lags {
    /// Of several cores' answers, what each region is known to be: by its own core, else by any other that has heard of it.
    pub fn of(region: Region, answers: &[Status]) -> Self {
        let known =
            |answer: &Status| answer.regions.iter().find(|entry| entry.name == region).map(|entry| entry.lags);
        let own = answers.iter().find(|answer| answer.region == region);
        let mut others = answers.iter().filter_map(known).filter(|lags| *lags != Self::default());
        own.and_then(known).or_else(|| others.next()).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    fn lags(replication: u64) -> Lags {
        Lags { replication_millis: Some(replication), stream_millis: None }
    }

    fn answer(region: Region, known: &[(Region, Lags)]) -> Status {
        let regions = known.iter().map(|&(name, lags)| RegionStatus { name, healthy: true, lags }).collect();
        Status { region, regions }
    }

    #[test]
    fn a_lag_is_absent_until_it_is_known() {
        let status = answer(Region::EuWest1, &[(Region::EuWest1, lags(5)), (Region::UsEast1, Lags::default())]);
        let text = serde_json::to_string(&status).unwrap();
        let expected = concat!(
            r#"{"region":"eu-west-1","regions":[{"name":"eu-west-1","healthy":true,"replicationLagMs":5},"#,
            r#"{"name":"us-east-1","healthy":true}]}"#
        );
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<Status>(&text).unwrap(), status);
    }

    #[test]
    fn a_region_is_believed_about_itself_first() {
        let (eu, us, ap) = (Region::EuWest1, Region::UsEast1, Region::ApSoutheast1);
        let answers = [
            answer(us, &[(us, lags(1)), (eu, lags(2)), (ap, Lags::default())]),
            answer(eu, &[(us, lags(3)), (eu, lags(4)), (ap, lags(5))]),
        ];
        assert_eq!([us, eu, ap].map(|region| Lags::of(region, &answers)), [lags(1), lags(4), lags(5)]);
        assert_eq!(Lags::of(Region::UsWest2, &answers), Lags::default());
    }
}
