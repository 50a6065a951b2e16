//! The regions' records of one person's erasure: in `EchoesOps`, among the person's items, `erasure#<region>`.

use std::collections::BTreeMap;

use aws_sdk_dynamodb::operation::update_item::builders::UpdateItemFluentBuilder;
use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::schema;
use echoes_shared::policy::TOMBSTONE_DAYS;
use echoes_shared::{Region, Timestamp, UserId};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::record::{Agreed, Finding, Record, Seen, Walk};
use crate::store::item::{self, Item};
use crate::store::meter::INDEXES;
use crate::store::{Store, StoreError, ops, profile};

/// What the sort keys begin with.
const RECORD: &str = "erasure#";
pub(super) const REQUESTED: &str = "requested";
const SEEN: &str = "seen";
const WALK: &str = "walk";
const FINDING: &str = "finding";
const AGREED: &str = "agreed";
const DONE: &str = "done";
/// Days for which it is known, after it is done, that a person was erased: longer than a tombstone stands or an old key is taken.
const KEPT_DAYS: u32 = 8;
const _: () = assert!(KEPT_DAYS > TOMBSTONE_DAYS);

/// A part of a region's own record, as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Change<'a> {
    /// The request is seen; what was found for an earlier one is dropped.
    See(Seen),
    /// The walk has come so far.
    Advance(&'a Walk),
    /// The walk is over.
    Find(&'a Finding),
    /// All regions found the same.
    Agree(Agreed),
    /// It is done; from now on the record may expire.
    Finish(Timestamp),
}

impl Store {
    /// Notes in this region's record that it took a request, unless it took a later one. What is kept for a week is kept anew.
    pub(super) async fn note_erasure(&self, user: &UserId, up_to: Timestamp) -> Result<(), StoreError> {
        let update = self
            .own_record(user)
            .update_expression("SET #requested = :upTo REMOVE #ttl")
            .condition_expression("attribute_not_exists(#requested) OR #requested < :upTo")
            .expression_attribute_names("#requested", REQUESTED)
            .expression_attribute_names("#ttl", schema::TTL)
            .expression_attribute_values(":upTo", item::string(up_to.to_string()));
        // Where its condition fails it is not needed.
        self.update_ops(update).await.map(|_| ())
    }

    /// Writes a part of this region's record. Of two processes that write the same part either may stand: each is a fact, whole
    /// in itself.
    pub(super) async fn change_erasure(
        &self,
        user: &UserId,
        change: &Change<'_>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let update = self.own_record(user);
        let names = |update: UpdateItemFluentBuilder, names: &[(&str, &str)]| {
            names.iter().fold(update, |update, (short, name)| update.expression_attribute_names(*short, *name))
        };
        let update = match change {
            Change::See(seen) => {
                let update = update.update_expression("SET #seen = :seen REMOVE #walk, #finding, #agreed, #ttl");
                let update = update.expression_attribute_values(":seen", json(seen));
                let dropped = [("#walk", WALK), ("#finding", FINDING), ("#agreed", AGREED), ("#ttl", schema::TTL)];
                names(names(update, &dropped), &[("#seen", SEEN)])
            }
            Change::Advance(walk) => {
                let update = update.update_expression("SET #walk = :walk");
                names(update.expression_attribute_values(":walk", json(walk)), &[("#walk", WALK)])
            }
            Change::Find(finding) => {
                let update = update.update_expression("SET #finding = :finding REMOVE #walk");
                let update = update.expression_attribute_values(":finding", json(finding));
                names(update, &[("#finding", FINDING), ("#walk", WALK)])
            }
            Change::Agree(agreed) => {
                let update = update.update_expression("SET #agreed = :agreed");
                names(update.expression_attribute_values(":agreed", json(agreed)), &[("#agreed", AGREED)])
            }
            Change::Finish(up_to) => {
                // A request that came meanwhile must not expire.
                let update = update
                    .update_expression("SET #done = :upTo, #ttl = :ttl REMOVE #walk")
                    .condition_expression("attribute_not_exists(#requested) OR #requested <= :upTo")
                    .expression_attribute_values(":upTo", item::string(up_to.to_string()))
                    .expression_attribute_values(":ttl", expiry(now));
                names(update, &[("#done", DONE), ("#ttl", schema::TTL), ("#walk", WALK), ("#requested", REQUESTED)])
            }
        };
        self.update_ops(update).await.map(|_| ())
    }

    fn own_record(&self, user: &UserId) -> UpdateItemFluentBuilder {
        self.client
            .update_item()
            .table_name(self.ops())
            .set_key(Some(ops::key(&profile::partition(user), &format!("{RECORD}{}", self.config.region))))
            .return_consumed_capacity(INDEXES)
    }
}

/// The `ttl` of an item that is kept for a while from now on.
pub(super) fn expiry(now: Timestamp) -> AttributeValue {
    item::number(now.plus_days(KEPT_DAYS).epoch_seconds())
}

/// Whether an item has expired, swept or not.
pub(super) fn is_expired(item: &Item, now: Timestamp) -> bool {
    ops::number::<u64>(item, schema::TTL).is_some_and(|ttl| ttl <= now.epoch_seconds())
}

/// The time in an attribute.
pub(super) fn time(item: &Item, name: &str) -> Option<Timestamp> {
    ops::text(item, name)?.parse().ok()
}

/// What every region says of a person's erasure, among the items of the person's partition.
pub(super) fn of_items(items: &[Item], now: Timestamp) -> BTreeMap<Region, Record> {
    items.iter().filter(|item| !is_expired(item, now)).filter_map(read).collect()
}

/// A record, and whose it is. A part that cannot be read counts as not written, and is written anew.
fn read(item: &Item) -> Option<(Region, Record)> {
    let region = ops::sort_key(item).strip_prefix(RECORD)?.parse().ok()?;
    let record = Record {
        requested: time(item, REQUESTED),
        seen: part(item, SEEN),
        walk: part(item, WALK),
        finding: part(item, FINDING),
        agreed: part(item, AGREED),
        done: time(item, DONE),
    };
    Some((region, record))
}

fn part<T: DeserializeOwned>(item: &Item, name: &str) -> Option<T> {
    let text = ops::text(item, name)?;
    serde_json::from_str(text)
        .inspect_err(|error| tracing::error!(name, %error, "a part of an erasure is damaged"))
        .ok()
}

fn json(part: &impl Serialize) -> AttributeValue {
    // The parts are structs of texts and whole numbers, which always serialise.
    item::string(serde_json::to_string(part).unwrap_or_default())
}
