//! What the core does, in terms of the domain: no HTTP, no DynamoDB.

mod analytics;
mod batch;
mod erasure;
mod live;
mod random;
mod read;
mod search;
mod status;
mod telling;
mod timelines;
mod write;

use echoes_shared::cursor::CursorKeys;
use echoes_shared::{Problem, Region};

use crate::cache::Cache;
use crate::config::Name;
use crate::live::Hub;
use crate::search::Search;
use crate::store::Store;
use analytics::Kept;
use random::Pools;

pub(crate) use crate::cache::weak_tag;
pub use crate::cache::{Cut, Step, Trail};
pub use crate::store::StoreError;
pub use analytics::{Counted, EmotionBuckets, EmotionList};
pub use batch::{Batch, Done, Outcome};
pub use erasure::Erasure;
pub use read::{List, RandomEcho, ReadEcho};
pub use search::Found;
pub use timelines::Timelines;
pub use write::Written;

/// Why there is no answer.
#[derive(Debug)]
pub enum ServiceError {
    /// The caller's fault, in the words of the contract.
    Problem(Problem),
    /// The echo's home is another region, which must be asked.
    Elsewhere(Region),
    /// The store's fault.
    Store(StoreError),
}

impl From<Problem> for ServiceError {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

impl From<StoreError> for ServiceError {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

/// The service of one region.
#[derive(Debug)]
pub struct Service {
    store: Store,
    cache: Cache,
    region: Region,
    cursor_keys: CursorKeys,
    audio_bucket: Name,
    pools: Pools,
    counts: Kept,
    /// Where one may listen; `None` where nobody may.
    live: Option<Hub>,
    search: Option<Search>,
}

impl Service {
    /// A service over `store`, behind `cache`.
    pub fn new(store: Store, region: Region, cursor_keys: CursorKeys, audio_bucket: Name, cache: Cache) -> Self {
        let (pools, counts) = (Pools::default(), Kept::default());
        Self { store, cache, region, cursor_keys, audio_bucket, pools, counts, live: None, search: None }
    }
}
