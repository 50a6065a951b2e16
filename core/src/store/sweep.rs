//! The sweep of the sparse `recent-index`: takes this region's own echoes out of it once they are past 90 days.
//!
//! Nothing depends on it, since readers ask for the last 90 days only; it frees the index's storage. Every step can be
//! killed and taken again: an update names the version it saw, and what has been swept is no longer found.

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::Timestamp;
use echoes_shared::keys::{self, schema};
use echoes_shared::policy::KEY_MAX_AHEAD_MILLIS;
use echoes_shared::timestamp::Month;
use futures_util::StreamExt as _;

use super::item::{self, Item};
use super::meter::INDEXES;
use super::shards::ShardedList;
use super::{Store, StoreError, size};
use crate::prices::INDEX_ENTRY_BYTES;
use crate::units;

/// Months before the horizon's that are looked at, ten years: an echo that a stopped or dead sweep left is found for as long
/// as any echo may ask to live, and an empty month costs half a read unit.
const LOOK_BACK_MONTHS: usize = 120;
/// An echo is left alone until it is past 90 days by every clock: two cores may be this far apart.
const GRACE_MILLIS: u64 = KEY_MAX_AHEAD_MILLIS;
/// Updates under way at a time.
const CONCURRENCY: usize = 8;
/// Copies of the attribute `recent` besides the index's entry: in the table and in the three indexes that project everything.
const OTHER_COPIES: u64 = 4;
/// A range key below all of ours.
const BEFORE_ALL: &str = "0";

/// The position of the sweep in `EchoesLocal`.
const POSITION_KEY: [(&str, &str); 2] = [(schema::PARTITION_KEY, "sweep"), (schema::SORT_KEY, "recent")];
const MONTH: &str = "month";
const SHARD: &str = "shard";

/// Where a round of the sweep goes on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SweepPosition {
    /// As the index's hash key has it: `2026-08`.
    month: String,
    shard: u16,
    /// The base key of the last entry that was looked at; `None` before a shard's first.
    after: Option<[String; 2]>,
}

/// What one step of the sweep came to.
#[derive(Debug, Default)]
pub struct SweepStep {
    /// Entries older than 90 days that were looked at, those of other regions included.
    pub looked_at: usize,
    /// Echoes that left the index.
    pub swept: usize,
    /// Echoes that changed between the look and the update; a later round finds them.
    pub changed: usize,
    /// Bytes that this freed in this region, and frees in each other when it is replicated.
    pub freed_bytes: u64,
    /// Write units of the updates here; each other region is charged as many.
    pub replicated_units: f64,
    /// The update that failed, if any; then the step is to be taken again.
    pub failed: Option<StoreError>,
    /// Where to go on; `None` when the round is over.
    pub next: Option<SweepPosition>,
}

enum Update {
    Swept { freed_bytes: u64 },
    Changed,
}

impl Store {
    /// Looks at one page of up to `entries` entries past 90 days and takes those of this region out of the index, month by
    /// month from the newest, in each the oldest first; without a position it begins a round.
    ///
    /// Entries of other regions are their homes' to sweep. A filter drops them before they are sent, but they are paid for.
    pub async fn sweep_recent(
        &self,
        from: Option<SweepPosition>,
        entries: u32,
        now: Timestamp,
    ) -> Result<SweepStep, StoreError> {
        let limit = keys::recent_horizon(now).minus_millis(GRACE_MILLIS);
        let shards = self.shards_to_read(ShardedList::Recent, now).await?;
        let from = match from {
            // One that lies outside, as after a clock was set back, begins anew.
            Some(position) if position.is_within(limit) => position,
            _ => SweepPosition::first(limit),
        };
        let page = self.aged(&from, entries, limit).await?;
        let mut step = SweepStep { looked_at: page.looked_at, ..SweepStep::default() };
        // What has expired leaves every index free of charge, within days.
        let living = page.items.iter().filter(|item| !is_expired(item, now));
        let updates: Vec<_> = living.map(|item| self.take_out(item)).collect();
        let updates = futures_util::stream::iter(updates).buffer_unordered(CONCURRENCY).collect::<Vec<_>>();
        let (updates, consumed) = units::counted(updates).await;
        units::consume(consumed);
        step.replicated_units = consumed.write;
        for update in updates {
            match update {
                Ok(Update::Swept { freed_bytes }) => {
                    step.swept += 1;
                    step.freed_bytes += freed_bytes;
                }
                Ok(Update::Changed) => step.changed += 1,
                Err(error) => step.failed = Some(error),
            }
        }
        step.next = match page.last {
            _ if step.failed.is_some() => Some(from),
            Some(after) => Some(SweepPosition { after: Some(after), ..from }),
            None => from.next_partition(shards, limit),
        };
        Ok(step)
    }

    /// The position that was saved last; `None` where the last round was finished.
    pub async fn sweep_position(&self) -> Result<Option<SweepPosition>, StoreError> {
        let [(_, partition), (_, sort)] = POSITION_KEY;
        let item = self.local_item(partition, sort).await?;
        // One that cannot be read, as another version may write it, begins the round anew.
        Ok(item.as_ref().and_then(SweepPosition::of_item))
    }

    /// Saves where to go on, or that the round is over.
    pub async fn save_sweep_position(&self, position: Option<&SweepPosition>) -> Result<(), StoreError> {
        let key = POSITION_KEY.map(|(name, value)| (name.to_owned(), item::string(value)));
        let table = self.local();
        if let Some(position) = position {
            let item: Item = key.into_iter().chain(position.attributes()).collect();
            let request = self.client.put_item().table_name(table).set_item(Some(item));
            self.call("PutItem", request.return_consumed_capacity(INDEXES).send()).await.map(|_| ())
        } else {
            let request = self.client.delete_item().table_name(table).set_key(Some(key.into()));
            self.call("DeleteItem", request.return_consumed_capacity(INDEXES).send()).await.map(|_| ())
        }
    }

    /// One page of this region's entries below `limit`, oldest first.
    async fn aged(&self, from: &SweepPosition, entries: u32, limit: Timestamp) -> Result<AgedPage, StoreError> {
        let start = from.after.as_ref().map(|[person, time]| {
            let key = [(schema::RECENT, &from.hash_key()), (schema::USER_ID, person), (schema::TIMESTAMP, time)];
            key.into_iter().map(|(name, value)| (name.to_owned(), item::string(value))).collect()
        });
        let request = self
            .client
            .query()
            .table_name(self.echoes())
            .index_name(schema::RECENT_INDEX)
            // A range key goes on behind its time, so an upper bound that is a time alone is exclusive.
            .key_condition_expression("#recent = :recent AND #time BETWEEN :low AND :limit")
            .filter_expression("#origin = :here")
            .expression_attribute_names("#recent", schema::RECENT)
            .expression_attribute_names("#time", schema::TIMESTAMP)
            .expression_attribute_names("#origin", item::ORIGIN)
            .expression_attribute_values(":recent", item::string(from.hash_key()))
            .expression_attribute_values(":low", item::string(BEFORE_ALL))
            .expression_attribute_values(":limit", item::string(limit.to_string()))
            .expression_attribute_values(":here", item::string(self.config.region.as_str()))
            .set_exclusive_start_key(start)
            .limit(i32::try_from(entries.max(1)).unwrap_or(i32::MAX))
            .return_consumed_capacity(INDEXES);
        let output = self.call("Query", request.send()).await?;
        let last = output.last_evaluated_key.as_ref().and_then(|key| {
            let part = |name| item::text(key, name).map(str::to_owned).ok();
            Some([part(schema::USER_ID)?, part(schema::TIMESTAMP)?])
        });
        let looked_at = usize::try_from(output.scanned_count).unwrap_or_default();
        Ok(AgedPage { items: output.items.unwrap_or_default(), looked_at, last })
    }

    /// Takes one echo out of the index unless it has changed. It is no edit: version and time stay.
    async fn take_out(&self, entry: &Item) -> Result<Update, StoreError> {
        let Some(version) = entry.get(item::VERSION) else {
            // It must not stop the sweep of all others.
            tracing::error!(id = ?item::id(entry).ok(), "an entry of the recent index has no version");
            return Ok(Update::Changed);
        };
        let request = self
            .client
            .update_item()
            .table_name(self.echoes())
            .set_key(Some(base_key(entry)))
            .update_expression("REMOVE #recent")
            .condition_expression("attribute_exists(#recent) AND #version = :seen")
            .expression_attribute_names("#recent", schema::RECENT)
            .expression_attribute_names("#version", item::VERSION)
            .expression_attribute_values(":seen", version.clone())
            .return_consumed_capacity(INDEXES);
        let swept = self.call_if("UpdateItem", request.send()).await?;
        Ok(swept.map_or(Update::Changed, |_| Update::Swept { freed_bytes: freed_bytes(entry) }))
    }
}

struct AgedPage {
    items: Vec<Item>,
    looked_at: usize,
    /// Where the next page begins; `None` at the partition's end.
    last: Option<[String; 2]>,
}

impl SweepPosition {
    /// The beginning of a round: the month in which echoes age just now, and where nearly all of them are.
    fn first(limit: Timestamp) -> Self {
        Self { month: limit.month().dashed(), shard: 0, after: None }
    }

    /// Whether there are such entries. DynamoDB refuses to start behind a key that the query's range does not include.
    fn is_within(&self, limit: Timestamp) -> bool {
        let months = oldest_month(limit).dashed()..=limit.month().dashed();
        let range = BEFORE_ALL.to_owned()..=limit.to_string();
        months.contains(&self.month) && self.after.as_ref().is_none_or(|[_, time]| range.contains(time))
    }

    fn next_partition(self, shards: u16, limit: Timestamp) -> Option<Self> {
        if self.shard + 1 < shards {
            return Some(Self { shard: self.shard + 1, after: None, ..self });
        }
        let older = months_back(limit).map(Month::dashed).find(|month| *month < self.month);
        older.map(|month| Self { month, shard: 0, after: None })
    }

    fn hash_key(&self) -> String {
        keys::shard_key(&self.month, self.shard)
    }

    fn attributes(&self) -> Vec<(String, AttributeValue)> {
        let place = [(MONTH, item::string(&self.month)), (SHARD, item::number(self.shard))];
        let after = self.after.iter().flat_map(|[person, time]| {
            [(schema::USER_ID, item::string(person)), (schema::TIMESTAMP, item::string(time))]
        });
        place.into_iter().chain(after).map(|(name, value)| (name.to_owned(), value)).collect()
    }

    fn of_item(item: &Item) -> Option<Self> {
        let text = |name| item::text(item, name).map(str::to_owned).ok();
        Some(Self {
            month: text(MONTH)?,
            shard: item.get(SHARD)?.as_n().ok()?.parse().ok()?,
            after: text(schema::USER_ID).zip(text(schema::TIMESTAMP)).map(|(person, time)| [person, time]),
        })
    }
}

fn months_back(limit: Timestamp) -> impl Iterator<Item = Month> {
    std::iter::successors(Some(limit.month()), |month| Some(month.previous())).take(LOOK_BACK_MONTHS)
}

fn oldest_month(limit: Timestamp) -> Month {
    months_back(limit).last().unwrap_or(limit.month())
}

fn is_expired(entry: &Item, now: Timestamp) -> bool {
    let ttl = entry.get(schema::TTL).and_then(|value| value.as_n().ok()?.parse::<u64>().ok());
    ttl.is_some_and(|ttl| ttl <= now.epoch_seconds())
}

/// Every entry of an index has the base key of its item.
fn base_key(entry: &Item) -> Item {
    let names = [schema::USER_ID, schema::TIMESTAMP];
    names.iter().filter_map(|&name| Some((name.to_owned(), entry.get(name)?.clone()))).collect()
}

/// What an echo's entry and the attribute itself take up in one region.
fn freed_bytes(entry: &Item) -> u64 {
    let attribute = entry.get(schema::RECENT).map_or(0, |value| schema::RECENT.len() as u64 + size::of_value(value));
    size::of_item(entry) + INDEX_ENTRY_BYTES + OTHER_COPIES * attribute
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limit() -> Timestamp {
        "2026-02-03T04:05:06.007Z".parse().unwrap()
    }

    #[test]
    fn a_round_visits_every_partition_once_and_ends() {
        for shards in [1, 3] {
            let mut visited = Vec::new();
            let mut position = Some(SweepPosition::first(limit()));
            while let Some(at) = position {
                assert!(at.is_within(limit()));
                visited.push(at.hash_key());
                position = at.next_partition(shards, limit());
            }
            assert_eq!(visited.len(), LOOK_BACK_MONTHS * usize::from(shards));
            assert_eq!(visited.first().map(String::as_str), Some("2026-02"));
            assert_eq!(visited.last().cloned(), Some(keys::shard_key("2016-03", shards - 1)));
            visited.dedup();
            assert_eq!(visited.len(), LOOK_BACK_MONTHS * usize::from(shards));
        }
    }

    #[test]
    fn a_position_reads_back() {
        let first = SweepPosition::first(limit());
        let within =
            SweepPosition { shard: 3, after: Some(["ana#202602".into(), "2026…".into()]), ..first.clone() };
        for position in [first, within] {
            let item: Item = position.attributes().into_iter().collect();
            assert_eq!(SweepPosition::of_item(&item), Some(position));
        }
        assert_eq!(SweepPosition::of_item(&Item::new()), None);
    }

    #[test]
    fn a_position_of_a_clock_that_was_wrong_begins_anew() {
        let position = |month: &str| SweepPosition { month: month.into(), shard: 0, after: None };
        let behind = |time: &str| {
            SweepPosition { after: Some(["ana".into(), time.into()]), ..position("2026-02") }.is_within(limit())
        };
        assert!(behind("2026-02-03T04:05:06.006Z#0193c0de"));
        assert!(!behind("2026-02-03T04:05:06.007Z#0193c0de") && !behind("") && !behind("~"));
        assert!(position("2026-02").is_within(limit()) && position("2016-03").is_within(limit()));
        assert!(!position("2026-03").is_within(limit()) && !position("2016-02").is_within(limit()));
    }
}
