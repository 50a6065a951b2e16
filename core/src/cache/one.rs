//! One echo, serialised.

use bytes::{Buf as _, BufMut as _, Bytes, BytesMut};
use echoes_shared::{Echo, EchoId, Timestamp, UserId};
use http::HeaderValue;

use super::head::names;

/// One echo.
#[derive(Debug)]
pub struct One {
    /// Its JSON.
    pub body: Bytes,
    /// `"VERSION"`.
    pub etag: HeaderValue,
    /// Whose it is.
    pub user: UserId,
    /// Its id.
    pub id: EchoId,
    /// The second in which it expires.
    pub expires_at: Option<Timestamp>,
    version: u64,
}

impl One {
    /// The cached form of `echo`.
    pub fn new(echo: &Echo) -> Self {
        // An echo always serialises.
        let body = serde_json::to_vec(echo).unwrap_or_default().into();
        Self::of(body, echo.echo_id, echo.user_id.clone(), echo.version, echo.ttl)
    }

    fn of(body: Bytes, id: EchoId, user: UserId, version: u64, ttl: Option<u64>) -> Self {
        let etag = HeaderValue::from_str(&format!("\"{version}\"")).unwrap_or(HeaderValue::from_static(""));
        let expires_at = ttl.map(|second| Timestamp::from_millis(second.saturating_mul(1_000)));
        Self { body, etag, user, id, expires_at, version }
    }

    /// The payload for the shared tiers: `version: u64`, `ttl: u64` (0: none), both big-endian, then the body.
    pub fn encode(&self) -> Bytes {
        let mut payload = BytesMut::with_capacity(2 * size_of::<u64>() + self.body.len());
        payload.put_u64(self.version);
        payload.put_u64(self.expires_at.map_or(0, Timestamp::epoch_seconds));
        payload.put_slice(&self.body);
        payload.freeze()
    }

    /// The echo that such a payload holds, its body not copied; `None` for anything else.
    pub fn decode(mut payload: Bytes) -> Option<Self> {
        let version = payload.try_get_u64().ok()?;
        let ttl = Some(payload.try_get_u64().ok()?).filter(|&second| second > 0);
        let (id, user) = names(std::str::from_utf8(&payload).ok()?)?;
        let user = user.parse().ok()?;
        Some(Self::of(payload, id, user, version, ttl))
    }

    /// Bytes that it holds, for the bound of the memory tier.
    pub fn weight_bytes(&self) -> usize {
        size_of::<Self>() + self.body.len() + self.user.as_str().len() + self.etag.len()
    }
}
