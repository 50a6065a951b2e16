//! Who was active in an hour: sets of hashes of people in `EchoesOps`, each region its own, united by whoever reads them.
//!
//! | partition | sort key | attributes |
//! |---|---|---|
//! | `active#2026-11-22T13` | `<region>#<partition>` | `people`: a set of 8-byte hashes, `ttl` |
//!
//! A set takes nine bytes a person and an item holds 400 KB, so 64 of them hold 2.8 million people an hour of a region. Fewer would
//! make each addition dearer, since it is charged by the size of the item; more would make more of them.

use std::collections::BTreeSet;

use aws_sdk_dynamodb::primitives::Blob;
use aws_sdk_dynamodb::types::AttributeValue;
use echoes_shared::keys::{SEPARATOR, schema};
use echoes_shared::{Timestamp, UserId};
use sha2::{Digest as _, Sha256};

use super::item::{self, Item};
use super::meter::INDEXES;
use super::{Store, StoreError, ops};

const PREFIX: &str = "active#";
const PEOPLE: &str = "people";
/// Days that an hour's sets are kept.
const KEPT_DAYS: u32 = 90;
/// Pages of an hour that are read at most: a hundred megabytes.
const MAX_PAGES: usize = 128;

/// A person's mark in the sets: the first eight bytes of a hash of their name, of which six bits are the partition.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonHash([u8; 8]);

impl PersonHash {
    /// A person's.
    #[must_use]
    pub fn of(user: &UserId) -> Self {
        let digest = Sha256::digest(user.as_str().as_bytes());
        let mut hash = [0; 8];
        hash.iter_mut().zip(digest).for_each(|(to, byte)| *to = byte);
        Self(hash)
    }

    /// The partition that it lies in.
    #[must_use]
    pub const fn partition(self) -> u8 {
        let [first, ..] = self.0;
        first >> 2
    }
}

impl Store {
    /// Notes in this region's sets that these people, all of one partition, were active in the hour that begins then. What is
    /// noted already stays; an hour whose sets have ended is let go.
    ///
    /// # Errors
    /// The write may have been made all the same, and may be made again.
    pub async fn note_active(
        &self,
        hour: Timestamp,
        partition: u8,
        people: &BTreeSet<PersonHash>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let ends = hour.plus_days(KEPT_DAYS);
        if ends <= now || people.is_empty() {
            return Ok(());
        }
        let set = people.iter().map(|hash| Blob::new(hash.0)).collect();
        let sort_key = format!("{}{SEPARATOR}{partition}", self.config.region);
        let request = self
            .client
            .update_item()
            .table_name(self.ops())
            .set_key(Some(ops::key(&partition_key(hour), &sort_key)))
            .update_expression("ADD #people :people SET #ttl = :ttl")
            .expression_attribute_names("#people", PEOPLE)
            .expression_attribute_names("#ttl", schema::TTL)
            .expression_attribute_values(":people", AttributeValue::Bs(set))
            .expression_attribute_values(":ttl", item::number(ends.epoch_seconds()))
            .return_consumed_capacity(INDEXES);
        self.call("UpdateItem", request.send()).await.map(|_| ())
    }

    /// How many people were active in the hour that begins then, anywhere.
    ///
    /// # Errors
    /// Where the store gives no answer.
    pub async fn active_people(&self, hour: Timestamp) -> Result<u64, StoreError> {
        let mut people = BTreeSet::new();
        let note = |item: &Item| people.extend(hashes(item));
        self.each_in_partition(self.ops(), &partition_key(hour), false, MAX_PAGES, note).await?;
        Ok(people.len() as u64)
    }
}

fn partition_key(hour: Timestamp) -> String {
    let mut key = format!("{PREFIX}{hour}");
    key.truncate(PREFIX.len() + "2026-11-22T13".len());
    key
}

fn hashes(item: &Item) -> impl Iterator<Item = PersonHash> {
    let set = item.get(PEOPLE).and_then(|value| value.as_bs().ok());
    set.into_iter().flatten().filter_map(|hash| <[u8; 8]>::try_from(hash.as_ref()).ok().map(PersonHash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_as_designed() {
        let hour = "2026-11-22T13:00:00.000Z".parse().unwrap();
        assert_eq!(partition_key(hour), "active#2026-11-22T13");
        let hash = PersonHash::of(&"ana".parse().unwrap());
        assert_eq!(hash, PersonHash::of(&"ana".parse().unwrap()));
        assert_ne!(hash, PersonHash::of(&"ben".parse().unwrap()));
    }
}
