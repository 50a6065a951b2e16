//! How a head lies in the shared tiers: `count: u16`, `has next: u8`, the next position's 16 bytes where there is one, for each
//! item `end: u32`, `dies at: u64` (0: never), its id's 16 bytes and the length of its person's name, `u8`, then the body. Numbers are
//! big-endian.

use std::ops::Range;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use echoes_shared::policy::MAX_LIMIT;
use echoes_shared::{EchoId, UserId};

use super::{Head, Item, OPENING};

const ID_BYTES: usize = 16;
const ITEM_BYTES: usize = size_of::<u32>() + size_of::<u64>() + ID_BYTES + size_of::<u8>();

impl Head {
    /// The payload for the shared tiers.
    pub fn encode(&self) -> Bytes {
        let mut payload = BytesMut::with_capacity(3 + ID_BYTES + self.items.len() * ITEM_BYTES + self.body.len());
        payload.put_u16(u16::try_from(self.items.len()).unwrap_or(u16::MAX));
        payload.put_u8(self.next.is_some().into());
        if let Some(next) = &self.next {
            payload.put_slice(next.as_bytes());
        }
        for item in &self.items {
            payload.put_u32(u32::try_from(item.end).unwrap_or(u32::MAX));
            payload.put_u64(item.dies_at.unwrap_or(0));
            payload.put_slice(item.id.as_bytes());
            // A name has 128 characters at most.
            payload.put_u8(u8::try_from(item.user.len()).unwrap_or(u8::MAX));
        }
        payload.put_slice(&self.body);
        payload.freeze()
    }

    /// The head that such a payload holds, its body not copied; `None` for anything else.
    pub fn decode(mut payload: Bytes) -> Option<Self> {
        let count = usize::from(payload.try_get_u16().ok()?);
        let next = match payload.try_get_u8().ok()? {
            0 => None,
            1 => Some(take_id(&mut payload)?),
            _ => return None,
        };
        if count > usize::from(MAX_LIMIT) || payload.len() < count * ITEM_BYTES {
            return None;
        }
        let table = payload.split_to(count * ITEM_BYTES);
        let body = simdutf8::basic::from_utf8(&payload).ok()?;
        let mut items = Vec::with_capacity(count);
        let (mut table, mut at) = (&*table, OPENING.len());
        for number in 0..count {
            let end = usize::try_from(table.try_get_u32().ok()?).ok()?;
            let dies_at = Some(table.try_get_u64().ok()?).filter(|&second| second > 0);
            let id = take_id(&mut table)?;
            let start = at + usize::from(number > 0);
            let user = user_at(start, table.try_get_u8().ok()?.into());
            let is_parted = number == 0 || body.get(at..start) == Some(",");
            // A name lies within its echo, and that within the body.
            if !is_parted || body.get(user.start..end)?.get(..user.len()).is_none() {
                return None;
            }
            items.push(Item { end, id, user, dies_at });
            at = end;
        }
        let is_whole = body.as_bytes().starts_with(OPENING) && body.len() == at;
        is_whole.then(|| Self::of(payload, items, next))
    }
}

fn take_id(payload: &mut impl Buf) -> Option<EchoId> {
    let mut bytes = [0; ID_BYTES];
    payload.try_copy_to_slice(&mut bytes).ok()?;
    EchoId::from_bytes(bytes)
}

/// What stands before, between and after the first two fields of a serialised echo: its id of 36 characters, and its person.
const BEFORE_ID: &str = r#"{"echoId":""#;
const ID_CHARS: usize = 36;
const BEFORE_USER: &str = r#"","userId":""#;

/// The id and the person of one serialised echo, neither of which is ever escaped.
pub(in crate::cache) fn names(echo: &str) -> Option<(EchoId, &str)> {
    let (id, rest) = echo.strip_suffix('}')?.strip_prefix(BEFORE_ID)?.split_at_checked(ID_CHARS)?;
    let rest = rest.strip_prefix(BEFORE_USER)?;
    // A name is short: to look at each of its bytes takes less than to prepare a search.
    let user = rest.get(..rest.bytes().position(|byte| byte == b'"')?)?;
    UserId::is_one(user).then_some((id.parse().ok()?, user))
}

/// Where the person's name, of so many bytes, lies in a serialised echo that starts here.
pub(super) fn user_at(start: usize, user_bytes: usize) -> Range<usize> {
    let at = start + BEFORE_ID.len() + ID_CHARS + BEFORE_USER.len();
    at..at + user_bytes
}
