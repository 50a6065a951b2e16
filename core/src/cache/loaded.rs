//! What the store answered, and the form in which it is kept.

use std::sync::Arc;

use bytes::Bytes;
use echoes_shared::{Echo, EchoId, Timestamp};

use super::departed::Departed;
use super::{Head, Key, One};

/// What a load found.
#[derive(Debug)]
pub enum Loaded {
    /// The first echoes of a list, at most a hundred, and where the list goes on.
    Head {
        /// Newest first.
        echoes: Vec<Echo>,
        /// The position after which there is more.
        next: Option<EchoId>,
    },
    /// One echo.
    Echo(Box<Echo>),
    /// There is no such echo.
    Absent,
}

/// What is kept.
#[derive(Debug)]
pub enum Value {
    /// The head of a list.
    Head(Head),
    /// One echo.
    Echo(One),
    /// There is no such echo.
    Absent,
}

/// The kinds of payloads in the shared tiers.
const HEAD: u8 = 1;
const ECHO: u8 = 2;
const ABSENT: u8 = 3;

impl Loaded {
    /// The form in which it is kept and served, without what is known to be deleted.
    pub(super) fn into_value(self, key: &Key, departed: &Departed) -> Value {
        match self {
            Self::Head { mut echoes, next } => {
                echoes.retain(|echo| !departed.hides(echo.user_id.as_str(), echo.echo_id));
                Value::Head(Head::new(key, &echoes, next))
            }
            Self::Echo(echo) if departed.hides(echo.user_id.as_str(), echo.echo_id) => Value::Absent,
            Self::Echo(echo) => Value::Echo(One::new(&echo)),
            Self::Absent => Value::Absent,
        }
    }
}

impl Value {
    /// Its kind and its bytes, for an envelope.
    pub(super) fn encode(&self) -> (u8, Bytes) {
        match self {
            Self::Head(head) => (HEAD, head.encode()),
            Self::Echo(one) => (ECHO, one.encode()),
            Self::Absent => (ABSENT, Bytes::new()),
        }
    }

    /// The value of an envelope; none where it is no such thing.
    pub(super) fn decode(kind: u8, payload: Bytes) -> Option<Self> {
        match kind {
            HEAD => Head::decode(payload).map(Self::Head),
            ECHO => One::decode(payload).map(Self::Echo),
            ABSENT if payload.is_empty() => Some(Self::Absent),
            _ => None,
        }
    }

    /// The same without what is known to be deleted.
    pub(super) fn without(self, departed: &Departed) -> Self {
        match self {
            kept if departed.is_empty() => kept,
            Self::Head(head) => {
                let less = head.without(|user, id| departed.hides(user, id));
                Self::Head(less.unwrap_or(head))
            }
            Self::Echo(one) if departed.hides(one.user.as_str(), one.id) => Self::Absent,
            kept => kept,
        }
    }

    /// What is shown of `value` while nothing newer can be had: not what has expired, nor what is known to be deleted.
    pub(super) fn shown(value: &Arc<Self>, now: Timestamp, departed: &Departed) -> Arc<Self> {
        match value.as_ref() {
            Self::Head(head) => {
                let unexpired = head.without_expired(now);
                let known = unexpired.as_ref().unwrap_or(head).without(|user, id| departed.hides(user, id));
                known.or(unexpired).map_or_else(|| Arc::clone(value), |head| Arc::new(Self::Head(head)))
            }
            Self::Echo(one) if value.has_expired(now) || departed.hides(one.user.as_str(), one.id) => {
                Arc::new(Self::Absent)
            }
            Self::Echo(_) | Self::Absent => Arc::clone(value),
        }
    }

    /// Whether an echo in it has expired by the wall clock.
    pub(super) fn has_expired(&self, now: Timestamp) -> bool {
        let expires_at = match self {
            Self::Head(head) => head.expires_at(),
            Self::Echo(one) => one.expires_at,
            Self::Absent => None,
        };
        expires_at.is_some_and(|at| at <= now)
    }

    pub(super) const fn is_absent(&self) -> bool {
        matches!(self, Self::Absent)
    }

    /// Bytes that it holds, for the bound of the memory tier.
    pub(super) fn weight_bytes(&self) -> u64 {
        let bytes = match self {
            Self::Head(head) => head.weight_bytes(),
            Self::Echo(one) => one.weight_bytes(),
            Self::Absent => 0,
        };
        u64::try_from(bytes).unwrap_or(u64::MAX)
    }
}
