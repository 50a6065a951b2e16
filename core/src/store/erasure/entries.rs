//! The lists by which workers find erasures without looking through everybody: those that run, and those done lately.

use echoes_shared::keys::{SEPARATOR, schema};
use echoes_shared::{Region, Timestamp, UserId};

use super::records::{REQUESTED, expiry, is_expired, time};
use crate::store::item::{self, Item};
use crate::store::meter::INDEXES;
use crate::store::{Store, StoreError, ops};

/// Entries that are read at a time.
const PAGE_ENTRIES: i32 = 50;

/// A list of erasures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ErasureList {
    /// Those that run.
    Running,
    /// Those that were done in the last eight days.
    Done,
}

impl ErasureList {
    /// Hash keys of `EchoesOps`.
    const fn partition(self) -> &'static str {
        match self {
            Self::Running => "erasures",
            Self::Done => "erasures-done",
        }
    }
}

/// One person on a list, as one region put it there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasureEntry {
    /// The person.
    pub user: UserId,
    /// The region that took the request, which alone writes the entry.
    pub region: Region,
    /// Every echo up to this time goes.
    pub up_to: Timestamp,
}

/// Where a list goes on: behind an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErasurePosition(String);

impl ErasureEntry {
    fn key(&self) -> String {
        format!("{}{SEPARATOR}{}", self.user, self.region)
    }

    /// Where its list goes on behind it.
    pub fn position(&self) -> ErasurePosition {
        ErasurePosition(self.key())
    }
}

impl Store {
    /// Some entries of a list, behind a position or the first ones, and the position behind them where there are more.
    ///
    /// # Errors
    /// Where the store fails.
    pub async fn erasures(
        &self,
        list: ErasureList,
        after: Option<&ErasurePosition>,
        now: Timestamp,
    ) -> Result<(Vec<ErasureEntry>, Option<ErasurePosition>), StoreError> {
        let after = after.map(|position| position.0.as_str());
        let (items, last) = self.items_behind(self.ops(), list.partition(), after, PAGE_ENTRIES).await?;
        let entries = items.iter().filter(|item| !is_expired(item, now)).filter_map(read).collect();
        Ok((entries, last.map(ErasurePosition)))
    }

    /// Puts a person on the list of erasures that run, in this region's name.
    pub(super) async fn open_erasure(&self, user: &UserId, up_to: Timestamp) -> Result<(), StoreError> {
        let entry = ErasureEntry { user: user.clone(), region: self.config.region, up_to };
        let request = self
            .client
            .put_item()
            .table_name(self.ops())
            .set_item(Some(item_of(ErasureList::Running, &entry)))
            .return_consumed_capacity(INDEXES);
        self.call("PutItem", request.send()).await.map(|_| ())
    }

    /// Moves an entry of this region to those that are done, unless a new request has taken its place. A crash in between leaves
    /// it on both lists, and it is moved again.
    pub(super) async fn close_erasure(
        &self,
        entry: &ErasureEntry,
        up_to: Timestamp,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        let done = ErasureEntry { up_to, ..entry.clone() };
        let request = self
            .client
            .put_item()
            .table_name(self.ops())
            .set_item(Some(item_of(ErasureList::Done, &done)))
            .item(schema::TTL, expiry(now))
            .return_consumed_capacity(INDEXES);
        self.call("PutItem", request.send()).await?;
        let request = self
            .client
            .delete_item()
            .table_name(self.ops())
            .set_key(Some(ops::key(ErasureList::Running.partition(), &entry.key())))
            .condition_expression("#requested = :upTo")
            .expression_attribute_names("#requested", REQUESTED)
            .expression_attribute_values(":upTo", item::string(entry.up_to.to_string()))
            .return_consumed_capacity(INDEXES);
        self.call_if("DeleteItem", request.send()).await.map(|_| ())
    }
}

fn item_of(list: ErasureList, entry: &ErasureEntry) -> Item {
    let mut item = ops::key(list.partition(), &entry.key());
    item.insert(REQUESTED.to_owned(), item::string(entry.up_to.to_string()));
    item
}

fn read(item: &Item) -> Option<ErasureEntry> {
    let entry = ops::sort_key(item).split_once(SEPARATOR).and_then(|(user, region)| {
        Some(ErasureEntry { user: user.parse().ok()?, region: region.parse().ok()?, up_to: time(item, REQUESTED)? })
    });
    if entry.is_none() {
        tracing::error!("an entry of a list of erasures is damaged");
    }
    entry
}
