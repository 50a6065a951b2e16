//! How a head lies in the shared tiers: `count: u16`, `has next: u8`, the next position's 16 bytes where there is one, for each
//! item `end: u32` and `dies at: u64` (0: never), then the body. Numbers are big-endian. Ids and people are read from the body.

use std::ops::Range;

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use echoes_shared::policy::MAX_LIMIT;
use echoes_shared::{EchoId, UserId};

use super::{Head, Item, OPENING};

const ITEM_BYTES: usize = size_of::<u32>() + size_of::<u64>();
const ID_BYTES: usize = 16;

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
        let mut table = payload.split_to(count * ITEM_BYTES);
        let body = std::str::from_utf8(&payload).ok()?;
        let mut items = Vec::with_capacity(count);
        let mut at = OPENING.len();
        for number in 0..count {
            let end = usize::try_from(table.try_get_u32().ok()?).ok()?;
            let dies_at = Some(table.try_get_u64().ok()?).filter(|&second| second > 0);
            let start = at + usize::from(number > 0);
            let is_parted = number == 0 || body.get(at..start) == Some(",");
            let (id, user) = names(body.get(start..end)?)?;
            if !is_parted {
                return None;
            }
            items.push(Item { end, id, user: user_at(start, user), dies_at });
            at = end;
        }
        let is_whole = body.as_bytes().starts_with(OPENING) && body.len() == at;
        is_whole.then(|| Self::of(payload, items, next))
    }
}

fn take_id(payload: &mut Bytes) -> Option<EchoId> {
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

/// Where the person's name lies in a serialised echo that starts here.
pub(super) fn user_at(start: usize, user: &str) -> Range<usize> {
    let at = start + BEFORE_ID.len() + ID_CHARS + BEFORE_USER.len();
    at..at + user.len()
}
