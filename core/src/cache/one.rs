//! One echo, serialised.

use bytes::Bytes;
use echoes_shared::{Echo, EchoId, Timestamp, UserId};
use http::HeaderValue;

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
}

impl One {
    /// The cached form of `echo`.
    pub fn new(echo: &Echo) -> Self {
        Self {
            body: serde_json::to_vec(echo).unwrap_or_default().into(),
            etag: HeaderValue::from_str(&echo.etag()).unwrap_or(HeaderValue::from_static("\"0\"")),
            user: echo.user_id.clone(),
            id: echo.echo_id,
            expires_at: None,
        }
    }
}
