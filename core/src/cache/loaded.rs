//! What the store answered, and the form in which it is kept.

use echoes_shared::{Echo, EchoId};

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

impl Loaded {
    /// The form in which it is kept and served, without what is known to be deleted.
    pub(super) fn into_value(self, key: &Key, departed: &Departed) -> Value {
        match self {
            Self::Head { mut echoes, next } => {
                echoes.retain(|echo| !departed.hides(&echo.user_id, echo.echo_id));
                Value::Head(Head::new(key, &echoes, next))
            }
            Self::Echo(echo) if departed.hides(&echo.user_id, echo.echo_id) => Value::Absent,
            Self::Echo(echo) => Value::Echo(One::new(&echo)),
            Self::Absent => Value::Absent,
        }
    }
}
