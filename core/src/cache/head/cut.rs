//! One page of a head: slices of its bytes, a tag, and a gzip form once somebody wants one.

use std::io::Write as _;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use echoes_shared::hex;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::HeaderValue;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

/// Bytes of a page from which it is compressed: smaller ones fit into a packet or two as they are.
pub(super) const GZIP_MIN_BYTES: usize = 1_024;
/// Bytes of a page up to which its first caller compresses it, in a millisecond or so; larger ones are compressed beside.
const INLINE_MAX_BYTES: usize = 64 * 1024;
/// Four of nine: a third of the time of the usual six, and some per cent larger.
const LEVEL: Compression = Compression::new(4);
/// Bytes of a digest that tag a list: enough that no two pages of one list ever share a tag by chance.
const TAG_BYTES: usize = 12;

/// One page of a head: shared, never copied.
#[derive(Debug)]
pub struct Cut {
    /// `{"echoes":[` and the items.
    pub head: Bytes,
    /// `]`, the cursor where something follows, and `}`.
    pub tail: Bytes,
    /// The weak tag of the two.
    pub etag: HeaderValue,
    /// `None` inside where it would not be shorter, or all forms of the head together too long.
    gzip: OnceLock<Option<Bytes>>,
    is_compressing: AtomicBool,
    /// What all pages of the head may still take.
    allowance: Arc<AtomicUsize>,
}

impl Cut {
    pub(super) fn new(head: Bytes, cursor: Option<String>, allowance: Arc<AtomicUsize>) -> Self {
        let tail = cursor.map_or(Bytes::from_static(b"]}"), |cursor| {
            // A text always serialises.
            let cursor = serde_json::to_string(&cursor).unwrap_or_default();
            format!("],\"nextCursor\":{cursor}}}").into()
        });
        let etag = weak_tag(&[&head, &tail]);
        Self { head, tail, etag, gzip: OnceLock::new(), is_compressing: AtomicBool::new(false), allowance }
    }

    /// How long the two slices are together.
    pub fn body_bytes(&self) -> usize {
        self.head.len() + self.tail.len()
    }

    /// The page as one gzip member, where that is worth it and there is one: whoever asks first makes it, and nobody waits for
    /// another's.
    pub fn gzip(self: &Arc<Self>) -> Option<Bytes> {
        if let Some(form) = self.gzip.get() {
            return form.clone();
        }
        if self.body_bytes() < GZIP_MIN_BYTES || self.is_compressing.swap(true, Ordering::AcqRel) {
            return None;
        }
        let here = Arc::clone(self);
        match Handle::try_current() {
            Ok(runtime) if self.body_bytes() > INLINE_MAX_BYTES => {
                runtime.spawn_blocking(move || here.compress());
            }
            _ => here.compress(),
        }
        self.gzip.get().cloned().flatten()
    }

    fn compress(&self) {
        let form = self.compressed().filter(|form| {
            let spend = |left: usize| left.checked_sub(form.len());
            form.len() < self.body_bytes()
                && self.allowance.fetch_update(Ordering::AcqRel, Ordering::Acquire, spend).is_ok()
        });
        // Only the one that has set `is_compressing` comes here.
        let _ = self.gzip.set(form);
    }

    fn compressed(&self) -> Option<Bytes> {
        let mut encoder = GzEncoder::new(Vec::new(), LEVEL);
        encoder.write_all(&self.head).and_then(|()| encoder.write_all(&self.tail)).ok()?;
        let mut form = encoder.finish().ok()?;
        form.shrink_to_fit();
        Some(form.into())
    }
}

/// The weak tag of a list whose bytes are these parts, one after another.
pub(crate) fn weak_tag(parts: &[&[u8]]) -> HeaderValue {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let digest = hash.finalize();
    let (tag, _) = digest.split_at(TAG_BYTES);
    // Hex digits in quotes are a header's value; an empty one matches nothing.
    HeaderValue::from_str(&format!("W/\"{}\"", hex::lower(tag))).unwrap_or(HeaderValue::from_static(""))
}
