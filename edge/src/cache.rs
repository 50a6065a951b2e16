//! Two tiers before the cores: this isolate's memory, and the Cache API of the data centre.
//!
//! The memory answers without a promise. The Cache API shares what other isolates fetched. Both keep the time at which
//! the core was asked, and freshness is judged from that alone.

pub mod data_centre;
pub mod entry;
pub mod flight;
pub mod freshness;
pub mod memory;
pub mod own_writes;
pub mod status;

use std::cell::RefCell;
use std::hash::{DefaultHasher, Hasher as _};
use std::rc::Rc;

use echoes_shared::query::{AnalyticsQuery, ListQuery, SearchQuery};
use echoes_shared::wire::Resource;
use echoes_shared::{EchoId, Emotion, Timestamp};

use entry::{Content, Entry};
use freshness::{Age, Lifetime};
use memory::Memory;
use own_writes::OwnWrites;

/// Bytes that all entries of an isolate may take together; it has 128 MB in all.
/// <https://developers.cloudflare.com/workers/platform/limits/#memory>
const MEMORY_BYTES: usize = 16 * 1_024 * 1_024;
/// A larger entry is not kept: it would push out hundreds of others.
const LARGEST_ENTRY_BYTES: usize = 512 * 1_024;

const _: () = assert!(LARGEST_ENTRY_BYTES < MEMORY_BYTES);

thread_local! {
    static MEMORY: RefCell<Memory<Entry>> = RefCell::new(Memory::new(MEMORY_BYTES, LARGEST_ENTRY_BYTES));
    static OWN_WRITES: RefCell<OwnWrites> = RefCell::new(OwnWrites::default());
}

/// A read that may be cached, and what it is kept under.
#[derive(Debug, Clone)]
pub struct CacheKey {
    /// The canonical path and query, built from parsed values alone, so what callers write cannot multiply entries.
    pub text: String,
    /// What is read.
    pub subject: Subject,
    /// Whether the Cache API keeps it too. Pages behind a cursor are read once by most walks: memory, which is bounded by
    /// bytes, is enough for them.
    pub shared: bool,
}

/// What a cached read shows, and so which writes make it old.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// One emotion's feed.
    Feed(Emotion),
    /// All emotions' recent echoes.
    Recent,
    /// One echo.
    Echo(EchoId),
    /// The vocabulary with counts.
    Emotions,
    /// Counts over time.
    Analytics,
    /// What a search found.
    Search,
}

impl CacheKey {
    /// The key of counts over time.
    pub fn of_analytics(query: &AnalyticsQuery) -> Self {
        let text = format!("{}?{}", Resource::Analytics.path(), query.canonical());
        Self { text, subject: Subject::Analytics, shared: true }
    }

    /// The key of a search.
    pub fn of_search(query: &SearchQuery) -> Self {
        let text = format!("{}?{}", Resource::Search.path(), query.canonical());
        Self { text, subject: Subject::Search, shared: query.cursor.is_none() }
    }

    /// The key of another resource, or `None` for one that is never cached.
    pub fn of(resource: &Resource, list: Option<&ListQuery>) -> Option<Self> {
        let subject = match resource {
            Resource::Feed(emotion) => Subject::Feed(*emotion),
            Resource::Recent => Subject::Recent,
            Resource::Echo(id) => Subject::Echo(*id),
            Resource::Emotions => Subject::Emotions,
            _ => return None,
        };
        let mut text = resource.path();
        if let Some(list) = list {
            text.push('?');
            text.push_str(&list.canonical());
        }
        Some(Self { text, subject, shared: list.is_none_or(|list| list.cursor.is_none()) })
    }
}

impl Subject {
    /// How long it may be served.
    pub const fn lifetime(self) -> Lifetime {
        match self {
            Self::Feed(_) | Self::Recent | Self::Search => Lifetime::LIST,
            Self::Echo(_) | Self::Emotions | Self::Analytics => Lifetime::OTHER,
        }
    }

    /// Whether it is a list of echoes.
    pub const fn is_list(self) -> bool {
        matches!(self, Self::Feed(_) | Self::Recent | Self::Search)
    }
}

/// What memory holds under a key, and how old that is.
pub fn lookup(key: &CacheKey, now: Timestamp) -> Option<(Rc<Entry>, Age)> {
    let entry = MEMORY.with_borrow_mut(|memory| memory.get(&key.text))?;
    let age = age_of(&entry, key.subject, now);
    Some((entry, age))
}

/// How old an entry is. One asked for before a write of this isolate that it should show may only replace an error.
pub fn age_of(entry: &Entry, subject: Subject, now: Timestamp) -> Age {
    let outdated_at = if is_superseded(subject, &entry.etag, entry.asked_at) {
        Some(entry.asked_at)
    } else {
        OWN_WRITES.with_borrow(|writes| writes.outdated_at(subject))
    };
    freshness::judge(entry.asked_at, outdated_at, subject.lifetime(), now)
}

/// Keeps an entry in memory, unless a newer one is there.
pub fn keep(key: &CacheKey, entry: &Rc<Entry>) {
    MEMORY.with_borrow_mut(|memory| {
        let newer = memory.get(&key.text).is_some_and(|kept| kept.asked_at > entry.asked_at);
        if !newer {
            memory.insert(&key.text, Rc::clone(entry), entry.cost_bytes());
        }
    });
}

/// Forgets an entry in both tiers: the core says that the thing is gone.
pub async fn forget(key: &CacheKey) {
    MEMORY.with_borrow_mut(|memory| memory.remove(&key.text));
    if key.shared {
        data_centre::delete(&key.text).await;
    }
}

/// This isolate created an echo.
pub fn note_created(emotion: Emotion, now: Timestamp) {
    OWN_WRITES.with_borrow_mut(|writes| writes.changed(emotion, now));
}

/// This isolate edited an echo of this emotion, which has this version now. Lists asked for up to `until` may show it as it was.
pub fn note_edited(id: EchoId, version: u64, emotion: Emotion, until: Timestamp) {
    OWN_WRITES.with_borrow_mut(|writes| {
        writes.edited(id, version, until);
        writes.changed(emotion, until);
    });
}

/// Whether an answer with this tag shows an echo as it was before an edit of this isolate: its region has not heard of that.
pub fn is_superseded(subject: Subject, tag: &str, asked_at: Timestamp) -> bool {
    OWN_WRITES.with_borrow(|writes| writes.is_superseded(subject, tag, asked_at))
}

/// This isolate deleted an echo.
pub async fn note_deleted(id: EchoId, now: Timestamp) {
    OWN_WRITES.with_borrow_mut(|writes| writes.deleted(id, now));
    if let Some(key) = CacheKey::of(&Resource::Echo(id), None) {
        forget(&key).await;
    }
}

/// Whether this isolate deleted the echo: ids are never used again, so it is gone for good.
pub fn is_gone(id: EchoId) -> bool {
    OWN_WRITES.with_borrow(|writes| writes.is_gone(id))
}

/// Whether a body is, or lists, an echo that this isolate deleted.
pub fn names_gone_echo(body: &[u8]) -> bool {
    OWN_WRITES.with_borrow(|writes| writes.any_gone_in(body))
}

/// A list without the echoes that this isolate deleted and whoever made it did not know of yet; `None` where there are none, or
/// where it is no list.
pub fn without_gone_echoes(body: &[u8]) -> Option<Vec<u8>> {
    OWN_WRITES.with_borrow(|writes| writes.without_gone(body))
}

/// The tag of a list from which echoes were taken: another body, so another tag.
pub fn tag_of_the_rest(tag: &str, rest: &[u8]) -> String {
    let mut hasher = DefaultHasher::new();
    hasher.write(rest);
    format!("{}-{:x}\"", tag.strip_suffix('"').unwrap_or("W/\""), hasher.finish())
}

/// What the data centre holds under a key, less what this isolate deleted.
pub async fn find_shared(key: &CacheKey) -> Option<Content> {
    let mut content = data_centre::find(key).await?;
    if names_gone_echo(&content.body) {
        content.body = without_gone_echoes(&content.body)?;
        content.etag = tag_of_the_rest(&content.etag, &content.body);
    }
    Some(content)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_tag_of_a_rest_tells_rests_apart() {
        let tag = |rest: &str| tag_of_the_rest("W/\"abc\"", rest.as_bytes());
        assert!(tag("ab").starts_with("W/\"abc-") && tag("ab").ends_with('"'));
        assert_eq!(tag("ab"), tag("ab"));
        assert_ne!(tag("ab"), tag("ba"));
        assert!(tag_of_the_rest("", b"ab").starts_with("W/\"-"));
    }
}
