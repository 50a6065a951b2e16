//! How a head lies in the shared tiers: `count: u16`, `has next: u8`, the next position's 16 bytes where there is one, a row for
//! each item, then the body. Numbers are big-endian. That it is whole is what the checksum around it says.

use std::ops::Range;

use bytes::{Buf, BufMut as _, Bytes, BytesMut};
use echoes_shared::policy::MAX_LIMIT;
use echoes_shared::{EchoId, UserId};

use super::items::{Items, ROW_BYTES};
use super::{Head, OPENING};

pub(super) const ID_BYTES: usize = 16;

impl Head {
    /// The payload for the shared tiers.
    pub fn encode(&self) -> Bytes {
        let rows = self.items.rows();
        let mut payload = BytesMut::with_capacity(3 + ID_BYTES + rows.len() + self.body.len());
        payload.put_u16(u16::try_from(self.items.len()).unwrap_or(u16::MAX));
        payload.put_u8(self.next.is_some().into());
        if let Some(next) = &self.next {
            payload.put_slice(next.as_bytes());
        }
        payload.put_slice(rows);
        payload.put_slice(&self.body);
        payload.freeze()
    }

    /// The head that such a payload holds, none of it copied; `None` for anything else.
    pub fn decode(mut payload: Bytes) -> Option<Self> {
        let count = usize::from(payload.try_get_u16().ok()?);
        let next = match payload.try_get_u8().ok()? {
            0 => None,
            1 => Some(take_id(&mut payload)?),
            _ => return None,
        };
        if count > usize::from(MAX_LIMIT) || payload.len() < count * ROW_BYTES {
            return None;
        }
        let rows = payload.split_to(count * ROW_BYTES);
        let items = Items::of(rows, payload.len())?;
        payload.starts_with(OPENING).then(|| Self::of(payload, items, next))
    }
}

pub(super) fn take_id(payload: &mut impl Buf) -> Option<EchoId> {
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
