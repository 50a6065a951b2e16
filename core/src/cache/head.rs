//! The first hundred echoes of a list, serialised once, from which every page is cut without parsing.

mod cut;
mod items;
mod payload;
#[cfg(test)]
mod tests;

use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use echoes_shared::policy::RECENT_DAYS;
use echoes_shared::{Echo, EchoId, Timestamp};

use super::Key;
use cut::GZIP_MIN_BYTES;
use items::{Item, Items, Rows};

pub use cut::Cut;
pub(crate) use cut::weak_tag;
pub(super) use payload::names;

/// What every list begins with.
const OPENING: &[u8] = br#"{"echoes":["#;
/// Bytes that a memoised cut holds beside its gzip form: itself, its tag, its tail with a cursor.
const CUT_BYTES: usize = size_of::<Cut>() + 256;

/// The first echoes of a list, newest first.
#[derive(Debug)]
pub struct Head {
    /// `{"echoes":[` and the items with commas between them; not the end.
    body: Bytes,
    items: Items,
    next: Option<EchoId>,
    /// The first second from which one of them is not shown: asked for at every hit.
    expires_at: Option<u64>,
    /// The pages that were asked for, by the number of their items; so there are never more than items, and one.
    cuts: Box<[OnceLock<Arc<Cut>>]>,
    /// What the gzip forms of all pages may still take together.
    gzip_bytes_left: Arc<AtomicUsize>,
}

impl Head {
    /// The head of the list `key`; `next` is the position after which it goes on.
    pub fn new(key: &Key, echoes: &[Echo], next: Option<EchoId>) -> Self {
        let mut body = OPENING.to_vec();
        let mut items = Rows::with_capacity(echoes.len());
        for echo in echoes {
            if !items.is_empty() {
                body.push(b',');
            }
            let start = body.len();
            // An echo always serialises; if one did not, it would be left out rather than break the list.
            if serde_json::to_writer(&mut body, echo).is_err() {
                body.truncate(start.saturating_sub(usize::from(!items.is_empty())));
                continue;
            }
            let user_bytes = u8::try_from(echo.user_id.as_str().len()).unwrap_or(u8::MAX);
            let dies_at = dies_at(key, echo);
            items.push(&Item { at: start..body.len(), id: echo.echo_id, user_bytes, dies_at });
        }
        body.shrink_to_fit();
        Self::of(body.into(), items.finish(), next)
    }

    fn of(body: Bytes, items: Items, next: Option<EchoId>) -> Self {
        let gzip_bytes_left = AtomicUsize::new(gzip_budget(body.len())).into();
        let cuts = (0..=items.len()).map(|_| OnceLock::new()).collect();
        let expires_at = items.iter().filter_map(|item| item.dies_at).min();
        Self { body, items, next, expires_at, cuts, gzip_bytes_left }
    }

    /// The first `limit` echoes; `cursor` signs a position. The same page again is the same `Arc`.
    pub fn cut(&self, limit: u8, cursor: impl FnOnce(EchoId) -> String) -> Arc<Cut> {
        self.cut_at(self.items.len().min(limit.into()), cursor)
    }

    /// The same up to so many bytes of echoes, one echo at least; it then goes on behind them.
    pub fn cut_within(&self, limit: u8, max_bytes: usize, cursor: impl FnOnce(EchoId) -> String) -> Arc<Cut> {
        let fits = |item: &Item| item.at.end + 1 - OPENING.len() <= max_bytes;
        let fitting = self.items.iter().take(limit.into()).take_while(fits).count();
        self.cut_at(fitting.max(1).min(self.items.len()), cursor)
    }

    fn cut_at(&self, count: usize, cursor: impl FnOnce(EchoId) -> String) -> Arc<Cut> {
        let make = || {
            let last = count.checked_sub(1).and_then(|last| self.items.iter().nth(last));
            let next = if count < self.items.len() { last.as_ref().map(|item| item.id) } else { self.next };
            let end = last.map_or(OPENING.len(), |item| item.at.end);
            let allowance = Arc::clone(&self.gzip_bytes_left);
            Arc::new(Cut::new(self.body.slice(..end), next.map(cursor), allowance))
        };
        match self.cuts.get(count) {
            Some(place) => Arc::clone(place.get_or_init(make)),
            None => make(),
        }
    }

    /// The head without what must not be shown; `None` where all of it may.
    pub fn without(&self, hides: impl Fn(&str, EchoId) -> bool) -> Option<Self> {
        self.keep(|item| !hides(self.user(item), item.id))
    }

    /// The head without what has expired; `None` where nothing has.
    pub fn without_expired(&self, now: Timestamp) -> Option<Self> {
        self.keep(|item| item.dies_at.is_none_or(|second| now.epoch_seconds() < second))
    }

    fn keep(&self, stays: impl Fn(&Item) -> bool) -> Option<Self> {
        if self.items.iter().all(|item| stays(&item)) {
            return None;
        }
        let mut body = OPENING.to_vec();
        let mut items = Rows::with_capacity(self.items.len());
        for item in self.items.iter().filter(stays) {
            if !items.is_empty() {
                body.push(b',');
            }
            let start = body.len();
            body.extend_from_slice(self.body.get(item.at.clone()).unwrap_or_default());
            items.push(&Item { at: start..body.len(), ..item });
        }
        body.shrink_to_fit();
        Some(Self::of(body.into(), items.finish(), self.next))
    }

    /// Whose it is.
    fn user(&self, item: &Item) -> &str {
        // The body is JSON, and a name in it is ASCII.
        self.body.get(item.user()).and_then(|name| std::str::from_utf8(name).ok()).unwrap_or_default()
    }

    /// Its echoes, newest first.
    pub fn ids(&self) -> impl Iterator<Item = EchoId> {
        self.items.iter().map(|item| item.id)
    }

    /// Its echoes as they are serialised, newest first.
    pub fn each(&self) -> impl Iterator<Item = (EchoId, Bytes)> {
        self.items.iter().map(|item| (item.id, self.body.slice(item.at)))
    }

    /// The position after which the list goes on.
    pub fn goes_on_after(&self) -> Option<EchoId> {
        self.next
    }

    /// The second in which the first of its echoes expires.
    pub fn expires_at(&self) -> Option<Timestamp> {
        Some(Timestamp::from_millis(self.expires_at?.saturating_mul(1_000)))
    }

    /// Bytes that it holds at most, every page and its gzip form included, for the bound of the memory tier. It never changes.
    pub fn weight_bytes(&self) -> usize {
        let cuts = self.cuts.len() * (size_of::<OnceLock<Arc<Cut>>>() + CUT_BYTES);
        size_of::<Self>() + self.body.len() + gzip_budget(self.body.len()) + self.items.rows().len() + cuts
    }
}

/// The second from which `echo` is not shown in the list `key`: that of its end, or, of the recent list, that of its ninetieth
/// day, up to a second early.
fn dies_at(key: &Key, echo: &Echo) -> Option<u64> {
    let leaves = match key {
        Key::Recent => Some(echo.timestamp.plus_days(RECENT_DAYS).epoch_seconds()),
        Key::Feed(_) | Key::Timeline(_) | Key::TimelineOf(..) | Key::Echo(_) => None,
    };
    echo.ttl.into_iter().chain(leaves).min()
}

/// Bytes of gzip forms that a head may hold: as much as itself, which is enough for the sizes of page that are asked for.
const fn gzip_budget(body_bytes: usize) -> usize {
    if body_bytes < GZIP_MIN_BYTES { 0 } else { body_bytes }
}
