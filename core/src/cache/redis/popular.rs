//! What many ask for, and whose turn it is to warm it: what pre-warming needs to know of the region's other processes.

use std::collections::BTreeMap;
use std::time::Duration;

use ::redis::Pipeline;

use super::Redis;
use super::scripts::{Call, POPULAR, POPULAR_ADD};

/// An hour's hits are read in that hour and in the next.
const KEPT: Duration = Duration::from_secs(2 * 60 * 60);
/// Names that are given back, and read of each hour.
const NAMES_AT_MOST: usize = 100;

impl Redis {
    /// Counts hits of this hour, by emotion. While Redis is away they are lost: they are only a hint.
    pub(in crate::cache) async fn popular_add(&self, hits: &[(&str, u64)]) {
        let Some((link, live, _)) = self.there() else { return };
        if hits.is_empty() {
            return;
        }
        let kept = KEPT.as_millis().to_string();
        let hits: Vec<_> = hits.iter().take(NAMES_AT_MOST).map(|(name, hits)| (*name, hits.to_string())).collect();
        let pairs = hits.iter().flat_map(|(name, hits)| [name.as_bytes(), hits.as_bytes()]);
        let arguments: Vec<_> = std::iter::once(kept.as_bytes()).chain(pairs).collect();
        let hour = link.names.popular();
        let call = Call { script: &POPULAR_ADD, keys: &[&hour], arguments: &arguments };
        let _ = link.run::<i64>(&live, &call).await;
    }

    /// What had the most hits in this hour and the last, most first; nothing while Redis is away.
    pub(in crate::cache) async fn popular(&self) -> Vec<String> {
        let Some((link, live, _)) = self.there() else { return Vec::new() };
        let hour = link.names.popular();
        let most = NAMES_AT_MOST.to_string();
        let call = Call { script: &POPULAR, keys: &[&hour], arguments: &[most.as_bytes()] };
        type Hour = Vec<(String, u64)>;
        let Ok((this, last)) = link.run::<(Hour, Hour)>(&live, &call).await else { return Vec::new() };
        by_hits(this.into_iter().chain(last))
    }

    /// Whether this process may do what one of the region does in such a time: the first to ask may, until it has passed.
    /// While Redis is away each may: nobody knows of the others.
    pub(in crate::cache) async fn take_turn(&self, what: &str, lifetime: Duration) -> bool {
        let Some((link, live, _)) = self.there() else { return true };
        let mut pipeline = Pipeline::new();
        let milliseconds = u64::try_from(lifetime.as_millis()).unwrap_or(u64::MAX).max(1);
        let turn = link.names.turn(what);
        pipeline.cmd("SET").arg(turn).arg(1).arg("NX").arg("PX").arg(milliseconds);
        link.ask::<(Option<String>,)>(&live, &pipeline).await.is_ok_and(|(taken,)| taken.is_some())
    }
}

/// Names by the sum of their hits, most first; equal ones by name.
fn by_hits(hits: impl Iterator<Item = (String, u64)>) -> Vec<String> {
    let mut sums = BTreeMap::<String, u64>::new();
    for (name, hits) in hits {
        let sum = sums.entry(name).or_default();
        *sum = sum.saturating_add(hits);
    }
    let mut names: Vec<_> = sums.into_iter().collect();
    names.sort_by_key(|(_, hits)| std::cmp::Reverse(*hits));
    names.into_iter().take(NAMES_AT_MOST).map(|(name, _)| name).collect()
}
