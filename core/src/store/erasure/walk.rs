//! Goes through everything that a person has in this region, page by page, buries and counts.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, Ordering};

use echoes_shared::keys::{self, schema};
use echoes_shared::{EchoId, Timestamp};
use futures_util::StreamExt as _;

use super::Tell;
use super::decision::Duty;
use super::record::{Place, Walk};
use super::tally::Grave;
use crate::store::item::{self, Item, Stored};
use crate::store::meter::INDEXES;
use crate::store::{Gone, Store, StoreError, ops};

/// Pages of one turn at most: other people wait meanwhile.
const TURN_PAGES: usize = 10;
/// Burials after which a turn ends, and how far it came is written down.
const TURN_BURIALS: usize = 300;
/// Items of a page.
const PAGE_ITEMS: i32 = 100;
/// Burials at a time. At 6 ms each that is 700 a second: a partition takes 1,000 writes (facts, trap 9), and the person may
/// write too.
const BURIALS_AT_A_TIME: usize = 4;

/// How a turn of a walk went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Turn {
    /// Whether the walk is over.
    pub over: bool,
    /// Tombstones that this turn put.
    pub buried: usize,
}

/// What became of one item.
enum Met {
    /// A tombstone that was there.
    Grave(Item),
    /// One that was put just now in the place of this echo.
    NewGrave(Item, Gone),
    /// An echo that stays for now.
    Living,
}

impl Met {
    /// What caches must not show any more.
    fn gone(&self, hash: &str) -> Option<Gone> {
        match self {
            Self::Living => None,
            Self::NewGrave(_, gone) => Some(gone.clone()),
            Self::Grave(item) => {
                let user = keys::without_suffix(hash).parse().ok()?;
                Some(Gone { user, echo: item::id(item).ok()?, emotion: item::was(item), stands: true })
            }
        }
    }
}

impl Store {
    /// Goes on with a walk for a turn, through the hash keys given in their order. After an error too it stands where its last
    /// whole page ended.
    pub(super) async fn walk_person(
        &self,
        hashes: &BTreeSet<String>,
        walk: &mut Walk,
        duty: &Duty,
        tell: Tell<'_>,
        now: Timestamp,
    ) -> Result<Turn, StoreError> {
        let mut turn = Turn::default();
        for _ in 0..TURN_PAGES {
            let from = walk.place.hash.as_ref();
            let Some(hash) = hashes.iter().find(|hash| from.is_none_or(|from| *hash >= from)) else {
                turn.over = true;
                return Ok(turn);
            };
            let after = walk.place.after.filter(|_| from == Some(hash));
            let (items, next) = self.erasable(hash, walk.up_to, after).await?;
            let (met, failed) = self.meet_all(hash, items, duty, now).await;
            turn.buried += met.iter().filter(|met| matches!(met, Met::NewGrave(..))).count();
            // Before this page counts as walked: where the process ends before that, it is met again. And before an error, for
            // what was buried until then is gone.
            let gone: Vec<_> = met.iter().filter_map(|met| met.gone(hash)).collect();
            if !gone.is_empty() {
                tell(gone).await;
            }
            failed.map_or(Ok(()), Err)?;
            for met in &met {
                match met {
                    Met::Living => walk.tally.living += 1,
                    Met::Grave(item) | Met::NewGrave(item, _) => {
                        if let Some(grave) = grave(hash, item) {
                            walk.tally.add(grave, walk.up_to);
                        }
                    }
                }
            }
            walk.place = match next {
                Some(last) => Place { hash: Some(hash.clone()), after: Some(last) },
                // `!` follows nothing that a hash key may contain, and stands below all of it.
                None => Place { hash: Some(format!("{hash}!")), after: None },
            };
            if turn.buried >= TURN_BURIALS {
                break;
            }
        }
        Ok(turn)
    }

    /// What became of a page's items, up to the first failure; no burial is begun after it, and those under way are awaited.
    async fn meet_all(
        &self,
        hash: &str,
        items: Vec<Item>,
        duty: &Duty,
        now: Timestamp,
    ) -> (Vec<Met>, Option<StoreError>) {
        let failing = AtomicBool::new(false);
        let outcomes: Vec<_> = futures_util::stream::iter(items)
            .map(async |item| {
                if failing.load(Ordering::Relaxed) {
                    return Ok(None);
                }
                let outcome = self.meet(hash, item, duty, now).await;
                failing.fetch_or(outcome.is_err(), Ordering::Relaxed);
                outcome
            })
            .buffer_unordered(BURIALS_AT_A_TIME)
            .collect()
            .await;
        let (mut met, mut failed) = (Vec::with_capacity(outcomes.len()), None);
        for outcome in outcomes {
            match outcome {
                Ok(one) => met.extend(one),
                Err(error) => failed = Some(error),
            }
        }
        (met, failed)
    }

    /// Buries an echo where that is this region's duty. An item that is damaged is nowhere shown, and logged.
    async fn meet(&self, hash: &str, item: Item, duty: &Duty, now: Timestamp) -> Result<Option<Met>, StoreError> {
        let Some(stored) = item::readable(&item) else { return Ok(None) };
        Ok(Some(match stored {
            Stored::Tombstone { .. } => Met::Grave(item),
            Stored::Echo(echo, _) if duty.includes(echo.origin) && self.bury(&echo, hash, now).await? => {
                Met::NewGrave(item::of_tombstone(&echo, hash, now), Gone::done(&echo))
            }
            // Of another region, or changed since it was read: the next walk sees.
            Stored::Echo(..) => Met::Living,
        }))
    }

    /// The time of the newest thing under a hash key that is later than one time and not than another; strongly consistent.
    pub(super) async fn newest_between(
        &self,
        hash: &str,
        after: Timestamp,
        up_to: Timestamp,
    ) -> Result<Option<Timestamp>, StoreError> {
        let request = self
            .client
            .query()
            .table_name(self.echoes())
            .key_condition_expression("#hash = :hash AND #range BETWEEN :low AND :high")
            .expression_attribute_names("#hash", schema::USER_ID)
            .expression_attribute_names("#range", schema::TIMESTAMP)
            .expression_attribute_values(":hash", item::string(hash))
            .expression_attribute_values(":low", item::string(keys::above_sort_keys(after)))
            .expression_attribute_values(":high", item::string(keys::above_sort_keys(up_to)))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(1)
            .return_consumed_capacity(INDEXES);
        let output = self.call("Query", request.send()).await?;
        Ok(output.items.unwrap_or_default().first().and_then(|item| item::id(item).ok()).map(EchoId::timestamp))
    }

    /// What lies under a hash key up to a time, the newest first, and the echo behind which there is more; strongly consistent.
    ///
    /// A range key that names no echo ends nothing: the page goes on behind the last one that does, and a page without any is
    /// followed by the next.
    async fn erasable(
        &self,
        hash: &str,
        up_to: Timestamp,
        after: Option<EchoId>,
    ) -> Result<(Vec<Item>, Option<EchoId>), StoreError> {
        let high = after.map_or_else(|| keys::above_sort_keys(up_to), keys::below_sort_key);
        let request = self
            .client
            .query()
            .table_name(self.echoes())
            .key_condition_expression("#hash = :hash AND #range <= :high")
            .expression_attribute_names("#hash", schema::USER_ID)
            .expression_attribute_names("#range", schema::TIMESTAMP)
            .expression_attribute_values(":hash", item::string(hash))
            .expression_attribute_values(":high", item::string(high))
            .scan_index_forward(false)
            .consistent_read(true)
            .limit(PAGE_ITEMS)
            .return_consumed_capacity(INDEXES);
        let mut start = None;
        loop {
            let page = request.clone().set_exclusive_start_key(start);
            let output = self.call("Query", page.send()).await?;
            let items = output.items.unwrap_or_default();
            start = output.last_evaluated_key;
            let last = items.iter().rev().find_map(|item| item::id(item).ok());
            if last.is_some() || start.is_none() {
                return Ok((items, last.filter(|_| start.is_some())));
            }
        }
    }
}

fn grave<'a>(hash: &'a str, item: &'a Item) -> Option<Grave<'a>> {
    let (ttl, deleted_at) = (ops::number(item, schema::TTL)?, ops::text(item, item::DELETED_AT)?);
    Some(Grave { hash, id: item::id(item).ok()?, deleted_at, ttl })
}
