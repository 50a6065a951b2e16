//! The table's stream: read once in each region, and given to every sink in the order of each item.
//!
//! `pump` decides which shards this process reads; `shard` reads one and gives its records to a lane for each sink; a lane
//! applies them in order, and what outlasts this process is checkpointed by the shard's keeper.

mod apply;
mod host;
mod lane;
mod lease;
mod letters;
mod lineage;
mod progress;
mod pump;
mod reader;
mod reading;
pub mod record;
mod rows;
mod shard;
#[cfg(test)]
mod sim;
mod source;

pub use host::{Host, TokioHost};
pub use letters::{Letter, LetterKind, Retried, retry};
pub use progress::{Progress, Standing};
pub use pump::{Pump, Until};
pub(crate) use reader::FULL_RECORDS;
pub use record::{Image, Record, Sequence, ShardId, Tombstone};
pub use rows::{Claim, Kept, Positions, Row, Rows, State, WorkerBeat};
pub use source::{Damaged, Entry, Listed, Listing, Page, Source, SourceError, Start, What};
