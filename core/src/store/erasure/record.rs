//! What a region says of one person's erasure: its own record, which no other region writes.

use serde::{Deserialize, Serialize};

use echoes_shared::{EchoId, Timestamp};

use super::tally::Tally;

/// One region's record. Every part but the request names the time up to which it erases, so that a part which was written
/// for an earlier request counts for nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Record {
    /// The latest request that this region took: every echo up to this time goes.
    pub requested: Option<Timestamp>,
    /// When this region's worker first saw the request that it works on.
    pub seen: Option<Seen>,
    /// A walk that is under way; a crash goes on from here.
    pub walk: Option<Walk>,
    /// What the last finished walk found.
    pub finding: Option<Finding>,
    /// Since when this region knows that all regions found the same.
    pub agreed: Option<Agreed>,
    /// The erasure up to this time is done.
    pub done: Option<Timestamp>,
}

/// The first sight of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Seen {
    pub up_to: Timestamp,
    /// On this region's clock, like every `at` below: nothing is ever measured from one region's clock to another's.
    pub at: Timestamp,
}

/// A walk over everything that a person has in this region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Walk {
    pub up_to: Timestamp,
    pub began_at: Timestamp,
    /// What the other regions said when it began.
    pub peers: String,
    pub place: Place,
    /// What it has found up to its place.
    pub tally: Tally,
}

/// Where a walk goes on: the hash keys come in their order, the echoes under each from the newest to the oldest.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Place {
    /// The hash key; `None` is before the first.
    pub hash: Option<String>,
    /// The last echo seen under it.
    pub after: Option<EchoId>,
}

/// What a finished walk found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Finding {
    pub up_to: Timestamp,
    pub tally: Tally,
    /// Whether the walk began when no process of this region could still take a create of up to that time.
    pub sure: bool,
    /// What the other regions said when the walk began.
    pub peers: String,
    pub looked_at: Timestamp,
    /// When this or what the others say was last another than the time before.
    pub changed_at: Timestamp,
}

/// The first sight of an agreement.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agreed {
    pub up_to: Timestamp,
    /// What all found.
    pub tally: Tally,
    pub at: Timestamp,
}

impl Walk {
    /// A walk from the beginning.
    pub(super) fn new(up_to: Timestamp, peers: String, now: Timestamp) -> Self {
        Self { up_to, began_at: now, peers, place: Place::default(), tally: Tally::default() }
    }
}
