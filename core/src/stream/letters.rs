//! What is set aside because it cannot be applied, with what is needed to apply it later.

use std::sync::Arc;

use echoes_shared::Timestamp;

use super::{Entry, Record, Sequence, ShardId, What};
use crate::sinks::{Batch, Sink, SinkName};

/// Why a letter was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LetterKind {
    /// A sink refused the record, again and again.
    Refused,
    /// The record cannot be read.
    Damaged,
    /// Records were past the stream's retention before they were read: these are lost.
    Trimmed,
}

impl LetterKind {
    /// The word that operators see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Damaged => "damaged",
            Self::Trimmed => "trimmed",
        }
    }

    /// The kind of that word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Refused, Self::Damaged, Self::Trimmed].into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Something of a shard that a sink has not had.
#[derive(Debug, Clone, PartialEq)]
pub struct Letter {
    /// The sink.
    pub sink: SinkName,
    /// The shard.
    pub shard: ShardId,
    /// Which record; of what was trimmed, the last one that the sink has had.
    pub sequence: Option<Sequence>,
    /// Why.
    pub kind: LetterKind,
    /// Why, in words.
    pub reason: String,
    /// When it was written.
    pub written: Timestamp,
    /// The record, where it could be read.
    pub record: Option<Record>,
    /// The record as it came, where it could not.
    pub raw: Option<String>,
}

impl Letter {
    /// A letter of a record.
    pub(super) fn of(entry: &Entry, sink: SinkName, shard: &ShardId, reason: &str, now: Timestamp) -> Self {
        let (kind, record, raw) = match &entry.what {
            What::Record(record) => (LetterKind::Refused, Some(Record::clone(record)), None),
            What::Damaged(damaged) => (LetterKind::Damaged, None, Some(damaged.raw.clone())),
        };
        let sequence = Some(entry.sequence.clone());
        Self { sink, shard: shard.clone(), sequence, kind, reason: reason.to_owned(), written: now, record, raw }
    }

    /// A letter of all that followed a position and is not kept any more.
    pub(super) fn trimmed(
        sink: SinkName,
        shard: &ShardId,
        after: Option<Sequence>,
        reason: &str,
        now: Timestamp,
    ) -> Self {
        let (kind, shard) = (LetterKind::Trimmed, shard.clone());
        Self { sink, shard, sequence: after, kind, reason: reason.to_owned(), written: now, record: None, raw: None }
    }

    /// Its name, the same whenever it is written.
    #[must_use]
    pub fn key(&self) -> String {
        let sequence = self.sequence.as_ref().map_or("start", Sequence::as_str);
        let trimmed = if self.kind == LetterKind::Trimmed { "trimmed-" } else { "" };
        format!("{}#{}#{trimmed}{sequence}", self.sink, self.shard)
    }

    /// The shard under whose name a sink is given the record once more, so that one which remembers how far it is in each
    /// shard takes it once and only once.
    #[must_use]
    pub fn own_shard(&self) -> ShardId {
        ShardId::of_letter(&self.key())
    }
}

/// What became of a letter that was given to its sink once more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Retried {
    /// Its record has been applied.
    Applied,
    /// It is as it was, and why.
    Kept(String),
}

/// Gives a letter's record to its sink, as a batch of its own under a shard's name of its own: a sink that remembers how far it
/// is takes it once, however often this is done.
pub async fn retry(sinks: &[Arc<dyn Sink>], letter: &Letter, now: Timestamp) -> Retried {
    let Some(sink) = sinks.iter().find(|sink| sink.name() == letter.sink) else {
        return Retried::Kept(format!("this process has no sink {}", letter.sink));
    };
    let Some(record) = &letter.record else {
        let why = match letter.kind {
            LetterKind::Trimmed => "there is no record: what it names was lost",
            LetterKind::Damaged => "the record still cannot be read",
            LetterKind::Refused => "the record was too large to be kept",
        };
        return Retried::Kept(why.to_owned());
    };
    let batch = Batch { shard: letter.own_shard(), records: vec![Arc::new(record.clone())], now };
    match sink.apply(&batch).await {
        Err(unavailable) => Retried::Kept(unavailable.0),
        Ok(refused) => refused.into_iter().next().map_or(Retried::Applied, |refused| Retried::Kept(refused.reason)),
    }
}
