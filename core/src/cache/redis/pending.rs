//! What Redis has still to be told, while it is away. Bounded: what would not fit becomes "everything".

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;

/// Keys that are remembered one by one.
pub(super) const KEYS_AT_MOST: usize = 10_000;
/// Messages that are remembered.
pub(super) const MESSAGES_AT_MOST: usize = 1_000;
/// Bytes of them.
pub(super) const MESSAGE_BYTES_AT_MOST: usize = 1 << 20;
/// Keys or messages that go to Redis at once.
const BATCH: usize = 500;

/// Undelivered invalidations, and the messages about them.
#[derive(Debug, Default)]
pub(super) struct Pending {
    everything: bool,
    keys: BTreeSet<String>,
    messages: VecDeque<Bytes>,
    message_bytes: usize,
}

/// What is told next. Keys go before messages: who hears of a change must find its generation gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Batch {
    /// Nothing that any tier or process holds counts.
    Everything,
    /// These keys, as they are written.
    Keys(Vec<String>),
    /// These messages, oldest first.
    Messages(Vec<Bytes>),
}

impl Pending {
    /// Remembers an invalidation.
    pub(super) fn add(&mut self, keys: impl IntoIterator<Item = String>, message: Bytes) {
        if self.everything {
            return;
        }
        self.keys.extend(keys);
        self.message_bytes = self.message_bytes.saturating_add(message.len());
        self.messages.push_back(message);
        self.overflow();
    }

    /// Nothing counts any more.
    pub(super) fn add_everything(&mut self) {
        self.give_up_detail();
    }

    /// What to tell next; it is no longer remembered here.
    pub(super) fn next(&mut self) -> Option<Batch> {
        if std::mem::take(&mut self.everything) {
            return Some(Batch::Everything);
        }
        if !self.keys.is_empty() {
            let later = self.keys.iter().nth(BATCH).cloned().map(|key| self.keys.split_off(&key));
            let now = std::mem::replace(&mut self.keys, later.unwrap_or_default());
            return Some(Batch::Keys(now.into_iter().collect()));
        }
        let now: Vec<_> = self.messages.drain(..self.messages.len().min(BATCH)).collect();
        self.message_bytes = self.messages.iter().map(Bytes::len).sum();
        (!now.is_empty()).then_some(Batch::Messages(now))
    }

    /// Remembers again what could not be told.
    pub(super) fn put_back(&mut self, batch: Batch) {
        match batch {
            Batch::Everything => self.give_up_detail(),
            _ if self.everything => {}
            Batch::Keys(keys) => self.keys.extend(keys),
            Batch::Messages(messages) => {
                for message in messages.into_iter().rev() {
                    self.message_bytes = self.message_bytes.saturating_add(message.len());
                    self.messages.push_front(message);
                }
            }
        }
        self.overflow();
    }

    /// How many things there are to tell.
    pub(super) fn count(&self) -> usize {
        usize::from(self.everything) + self.keys.len() + self.messages.len()
    }

    fn overflow(&mut self) {
        let too_many = self.keys.len() > KEYS_AT_MOST || self.messages.len() > MESSAGES_AT_MOST;
        if too_many || self.message_bytes > MESSAGE_BYTES_AT_MOST {
            self.give_up_detail();
        }
    }

    fn give_up_detail(&mut self) {
        *self = Self { everything: true, ..Self::default() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(text: &str) -> Bytes {
        Bytes::copy_from_slice(text.as_bytes())
    }

    #[test]
    fn keys_go_before_messages_in_batches() {
        let mut pending = Pending::default();
        for number in 0..600 {
            pending.add([format!("k{number:03}"), "same".to_owned()], message(&number.to_string()));
        }
        assert_eq!(pending.count(), 601 + 600);
        let mut keys = 0;
        let mut messages = Vec::new();
        while let Some(batch) = pending.next() {
            match batch {
                Batch::Keys(some) => {
                    assert!(messages.is_empty() && some.len() <= BATCH);
                    keys += some.len();
                }
                Batch::Messages(some) => messages.extend(some),
                Batch::Everything => panic!("it fits"),
            }
        }
        assert_eq!((keys, pending.count()), (601, 0));
        assert!(messages.iter().zip(0..600).all(|(told, number)| *told == message(&number.to_string())));
    }

    #[test]
    fn what_could_not_be_told_comes_again_in_its_order() {
        let mut pending = Pending::default();
        pending.add(["a".to_owned()], message("1"));
        pending.add([], message("2"));
        let keys = pending.next().unwrap();
        pending.put_back(keys.clone());
        assert_eq!(pending.next(), Some(keys));
        let messages = pending.next().unwrap();
        pending.add([], message("3"));
        pending.put_back(messages);
        assert_eq!(pending.next(), Some(Batch::Messages(vec![message("1"), message("2"), message("3")])));
    }

    #[test]
    fn too_much_becomes_everything_and_stays_small() {
        let mut pending = Pending::default();
        for number in 0..=KEYS_AT_MOST {
            pending.add([number.to_string()], Bytes::new());
        }
        assert_eq!(pending.count(), 1);
        assert_eq!(pending.next(), Some(Batch::Everything));
        pending.add(["later".to_owned()], message("later"));
        pending.put_back(Batch::Everything);
        assert_eq!((pending.next(), pending.next()), (Some(Batch::Everything), None));

        pending.add([], vec![0; MESSAGE_BYTES_AT_MOST + 1].into());
        assert_eq!((pending.next(), pending.next()), (Some(Batch::Everything), None));
        pending.add([], message("again small"));
        assert_eq!(pending.count(), 1);
        assert!(matches!(pending.next(), Some(Batch::Messages(_))));
    }
}
