//! Counters of echoes, items of `EchoesOps`: each region writes its own, and a reader sums them.
//!
//! | partition | sort key | counts |
//! |---|---|---|
//! | `count#all` | `<region>#<slot>` | all echoes |
//! | `count#days#2026-11` | `22#<region>#<slot>` | those of a day |
//! | `count#hours#2026-11-22` | `13#<region>#<slot>` | those of an hour, and as `created` those that were created in it |
//! | `count#person#<userId>` | `<region>` | one person's |
//!
//! Each emotion has a number, and each shard that has changed the item `seen#<shard>`: the last sequence that it counts for, and
//! when that was. One conditional write changes both. What is remembered of a shard may go after two days: a stream keeps a record
//! for one day (facts, *DynamoDB*), so by then no record that the item counts for can come again but from the memory of a process
//! that has hung on to it, and such a process remembers what it has written. A dead letter lasts until an operator retries or drops
//! it, so what is remembered of one stays for a month.

mod counter;
mod read;
mod seen;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::ReturnValue;
use echoes_shared::keys::schema;
use echoes_shared::{Emotion, Timestamp};

use super::item::{self, Item};
use super::meter::INDEXES;
use super::{Store, StoreError, ops};
use crate::stream::{Sequence, ShardId};

pub use counter::{Counter, Counters, Tally, day_of, hour_of};
pub use read::OwnCounter;
pub use seen::Seen;

const CREATED: &str = "created";
/// Days that a person's counters of nothing stay, so that a person who was erased leaves none: longer than what is remembered of
/// any shard matters.
const EMPTY_DAYS: u32 = 7;
/// Shards that may be forgotten before a write of their own does that.
const FORGET_FROM: usize = 4;
/// And how many one write forgets.
const FORGET_AT_ONCE: usize = 64;

/// One conditional write to a counter.
#[derive(Debug)]
pub struct Addition<'a> {
    /// Which.
    pub counter: &'a Counter,
    /// Whose records are counted.
    pub shard: &'a ShardId,
    /// What the counter is thought to remember of that shard.
    pub seen: Option<&'a Seen>,
    /// What to add.
    pub sum: &'a Tally,
    /// What to remember with it.
    pub last: &'a Sequence,
    /// The wall clock.
    pub now: Timestamp,
}

impl Store {
    /// Adds to this region's part of a counter, where it still remembers of the shard what it is thought to; answers what it
    /// remembers now, or nothing where it remembers something else.
    ///
    /// # Errors
    /// The write may have been made all the same; another, for the same records, then finds it.
    pub async fn add_to_counter(&self, addition: &Addition<'_>) -> Result<Option<Seen>, StoreError> {
        let Addition { counter, shard, seen, sum, last, now } = addition;
        let written = Seen::at(last, *now);
        let mut update = format!("SET {SEEN_NAME} = :written");
        let mut request = self
            .counter_update(counter, shard)
            .expression_attribute_names(SEEN_NAME, Seen::attribute(shard))
            .expression_attribute_values(":written", item::string(written.to_string()))
            .return_values(ReturnValue::AllNew);
        request = match seen {
            None => request.condition_expression(format!("attribute_not_exists({SEEN_NAME})")),
            Some(seen) => request
                .condition_expression(format!("{SEEN_NAME} = :seen"))
                .expression_attribute_values(":seen", item::string(seen.to_string())),
        };
        let created = (sum.created != 0).then_some((CREATED, sum.created));
        let living = sum.living.iter().map(|(emotion, echoes)| (emotion.as_str(), *echoes));
        for (number, (name, change)) in living.chain(created).enumerate() {
            update.push_str(if number == 0 { " ADD " } else { ", " });
            update.push_str(&format!("#n{number} :n{number}"));
            request = request
                .expression_attribute_names(format!("#n{number}"), name)
                .expression_attribute_values(format!(":n{number}"), item::number(change));
        }
        if let Counter::Person(_) = counter {
            // It may have been empty before.
            update.push_str(" REMOVE #ttl");
            request = request.expression_attribute_names("#ttl", schema::TTL);
        }
        let request = request.update_expression(update);
        let Some(output) = self.call_if("UpdateItem", request.send()).await? else { return Ok(None) };
        self.tidy(addition, &output.attributes.unwrap_or_default()).await;
        Ok(Some(written))
    }

    /// What this region's part of a counter remembers of a shard; strongly consistent.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn counter_seen(&self, counter: &Counter, shard: &ShardId) -> Result<Option<Seen>, StoreError> {
        let item = self.small_item(self.ops(), self.counter_key(counter, shard)).await?;
        Ok(item.as_ref().and_then(|item| ops::text(item, &Seen::attribute(shard))).map(Seen::of_text))
    }

    /// Forgets what an item need not remember any more, now and then, and has one end that counts nothing of a person. Whatever
    /// fails here is done after a later write.
    async fn tidy(&self, addition: &Addition<'_>, after: &Item) {
        let Addition { counter, shard, now, .. } = addition;
        let old = seen::forgettable(after, *now, FORGET_AT_ONCE);
        let outcome = if old.len() >= FORGET_FROM {
            self.forget_seen(counter, shard, &old).await
        } else if matches!(counter, Counter::Person(_)) && read::tally(after).is_zero() {
            self.end_empty(counter, shard, *now).await
        } else {
            return;
        };
        if let Err(error) = outcome {
            tracing::debug!(%error, "a counter could not be tidied");
        }
    }

    async fn forget_seen(
        &self,
        counter: &Counter,
        shard: &ShardId,
        old: &[(String, String)],
    ) -> Result<bool, StoreError> {
        let (mut names, mut conditions) = (Vec::new(), Vec::new());
        let mut request = self.counter_update(counter, shard);
        for (number, (attribute, value)) in old.iter().enumerate() {
            names.push(format!("#s{number}"));
            conditions.push(format!("#s{number} = :s{number}"));
            request = request
                .expression_attribute_names(format!("#s{number}"), attribute)
                .expression_attribute_values(format!(":s{number}"), item::string(value));
        }
        let request = request.update_expression(format!("REMOVE {}", names.join(", ")));
        self.update_ops(request.condition_expression(conditions.join(" AND "))).await
    }

    /// Gives an item that counts nothing an end, unless it counts something again.
    async fn end_empty(&self, counter: &Counter, shard: &ShardId, now: Timestamp) -> Result<bool, StoreError> {
        let ttl = now.plus_days(EMPTY_DAYS).epoch_seconds();
        let mut conditions = Vec::new();
        let mut request = self
            .counter_update(counter, shard)
            .update_expression("SET #ttl = :ttl")
            .expression_attribute_names("#ttl", schema::TTL)
            .expression_attribute_values(":ttl", item::number(ttl))
            .expression_attribute_values(":zero", item::number(0));
        for (number, emotion) in Emotion::ALL.iter().enumerate() {
            conditions.push(format!("(attribute_not_exists(#n{number}) OR #n{number} = :zero)"));
            request = request.expression_attribute_names(format!("#n{number}"), emotion.as_str());
        }
        self.update_ops(request.condition_expression(conditions.join(" AND "))).await
    }

    fn counter_update(&self, counter: &Counter, shard: &ShardId) -> UpdateItemFluentBuilder {
        let request = self.client.update_item().table_name(self.ops());
        request.set_key(Some(self.counter_key(counter, shard))).return_consumed_capacity(INDEXES)
    }

    fn counter_key(&self, counter: &Counter, shard: &ShardId) -> Item {
        ops::key(&counter.group().partition(), &counter.sort_key(self.config.region, shard.as_str()))
    }
}

const SEEN_NAME: &str = "#seen";
