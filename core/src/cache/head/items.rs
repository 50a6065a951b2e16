//! What is known of each echo of a head, packed as it lies in the shared tiers: a head that is found there needs no parsing.

use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use echoes_shared::EchoId;

use super::{OPENING, payload};

/// `end: u32`, `dies at: u64` (0: never), the id, the length of the person's name, `u8`; numbers are big-endian.
pub(super) const ROW_BYTES: usize = size_of::<u32>() + size_of::<u64>() + payload::ID_BYTES + size_of::<u8>();

/// The echoes of a head, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Items(Bytes);

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Item {
    /// Where it lies in the body.
    pub at: Range<usize>,
    pub id: EchoId,
    /// How long its person's name is: 128 characters at most.
    pub user_bytes: u8,
    /// The second from which it is not shown.
    pub dies_at: Option<u64>,
}

impl Items {
    /// Those in the rows of a payload; none where they are not the rows of a body of so many bytes.
    pub(super) fn of(rows: Bytes, body_bytes: usize) -> Option<Self> {
        let items = Self(rows);
        let (mut count, mut end) = (0, OPENING.len());
        for item in items.iter() {
            // A name lies within its echo.
            if item.at.end < item.user().end {
                return None;
            }
            (count, end) = (count + 1, item.at.end);
        }
        (count * ROW_BYTES == items.0.len() && end == body_bytes).then_some(items)
    }

    pub(super) const fn rows(&self) -> &Bytes {
        &self.0
    }

    pub(super) const fn len(&self) -> usize {
        self.0.len() / ROW_BYTES
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Item> {
        let mut rows = &*self.0;
        let mut start = OPENING.len();
        std::iter::from_fn(move || {
            let item = Item::read(&mut rows, start)?;
            // A comma parts it from the next.
            start = item.at.end.saturating_add(1);
            Some(item)
        })
    }
}

impl Item {
    fn read(rows: &mut &[u8], start: usize) -> Option<Self> {
        let end = usize::try_from(rows.try_get_u32().ok()?).ok()?;
        let dies_at = Some(rows.try_get_u64().ok()?).filter(|&second| second > 0);
        let id = payload::take_id(rows)?;
        Some(Self { at: start..end, id, user_bytes: rows.try_get_u8().ok()?, dies_at })
    }

    /// Where its person's name lies in the body.
    pub(super) fn user(&self) -> Range<usize> {
        payload::user_at(self.at.start, self.user_bytes.into())
    }
}

/// Rows in the making.
#[derive(Debug)]
pub(super) struct Rows(BytesMut);

impl Rows {
    pub(super) fn with_capacity(items: usize) -> Self {
        Self(BytesMut::with_capacity(items * ROW_BYTES))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(&mut self, item: &Item) {
        self.0.put_u32(u32::try_from(item.at.end).unwrap_or(u32::MAX));
        self.0.put_u64(item.dies_at.unwrap_or(0));
        self.0.put_slice(item.id.as_bytes());
        self.0.put_u8(item.user_bytes);
    }

    pub(super) fn finish(self) -> Items {
        Items(self.0.freeze())
    }
}
