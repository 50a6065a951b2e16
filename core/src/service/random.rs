//! One echo at random: in any one draw every living echo of the emotion has the same chance, and nearly no draw asks the store.
//!
//! # What is drawn from
//!
//! An emotion of at most 2,000 echoes is held whole (`whole.rs`). Of a larger one the pool holds an *edition* (`sampling.rs`):
//! J = 16 *samplings* of about 128 echoes. `random-index` orders an emotion's echoes by their *lots*, 60 bits of their ids. The
//! lots are cut into K = 2^level *cells* of 16 to 32 echoes (`cells.rs`); a sampling is all echoes of C cells, every set of C
//! cells with the same chance, and has M *slots*, more than it will have echoes. K, C, M and J are fixed before a cell is chosen.
//! The echoes lie in the slots in random order, shuffled anew after each pass over them; the other slots are empty.
//!
//! The `n`-th draw of an edition looks into a slot of one sampling; if that is empty, or its echo has expired or been deleted, into
//! a slot of the next sampling, and so on; which slots those are follows from `n` alone. It never looks into the same sampling
//! twice. An edition serves 7 draws for each echo, or two minutes, and is then replaced.
//!
//! # Why the chances are equal
//!
//! Say x is any living echo, wherever its lot, and look at the `n`-th draw of an edition.
//!
//! 1. *A sampling holds x with chance C/K.* x lies in exactly one cell, and C of K are chosen with equal chances. Nothing else
//!    enters: not how crowded that cell is, so neither x's age nor its person nor its hour.
//! 2. *A given slot of a sampling holds x with chance p = C/(K·M).* The order in the slots is random, and the slot that the draw
//!    looks into was fixed by `n`, which counts draws whatever came of them. (Had the draw chosen among the echoes that there are,
//!    x would have had 1/size, and echoes of sparse cells, whose samplings are smaller, would come oftener.)
//! 3. *The draw's `t`-th look returns x with chance r(t)·p*, where r(t) is the chance that the looks before it found nothing: those
//!    went to other samplings, and samplings are chosen independently. (A second look into the same sampling would not do: that the
//!    first found nothing tells that the sampling is sparse.)
//! 4. So x is drawn with chance p·(r(1) + … + r(J)), which is the same for every x. ∎
//! 5. *It stays so while echoes come and go.* One that dies leaves its slot empty, which changes r alone. One that is created goes,
//!    in every sampling whose cells hold its lot, into an empty slot chosen at random: as if it had been read.
//! 6. *It stays so when an edition is replaced.* That depends on `n` and on time, never on what the edition holds; the plan of the
//!    next one depends on the size of this one, and given any plan 1 to 4 hold. (Were an edition replaced after so many echoes
//!    served, sparse ones would serve longer.)
//! 7. *A whole emotion* is drawn pass by pass, each time one of those that this pass has not drawn yet, all with the same chance.
//!    When an echo comes or goes a new pass begins. So between two changes the draws are made without regard to which echo is
//!    which: exchanging the names of two changes nothing, hence all have the same chance in each draw. ∎
//!
//! Draws are not independent of each other, and need not be: within a pass no echo comes twice.
//!
//! # What is not exact
//!
//! - More echoes than slots: once in 10⁸ samplings, or where the emotion grew by a sixteenth within two minutes. The fullest
//!   cells then lose some, chosen at random. Where half of the samplings are too full, or all together hold less than half of what
//!   was expected, the estimate was wrong and a new edition is read by a better one; by chance that does not happen.
//! - All J looks find nothing, once in 10⁷ draws: a new edition is read, and while the store does not answer any echo is taken.
//! - Somebody who tries keys until thousands of echoes fall into one cell lowers the chance of that cell's echoes alone: the fullest
//!   cell is the one that is thinned, and of a cell the first 1,000 are read.
//! - The moment of a replacement depends by milliseconds on how long the new edition took to read.
//! - What others create, another region's process or one of this region, is drawn at once by the process that reads the table's
//!   stream, by others two minutes later at most, when it is read (a small emotion's within seconds); what they delete may be drawn
//!   until this process hears of it, from the stream or before. What it knows to be deleted or expired it does not draw.
//!
//! # What it costs
//!
//! An echo of 600 bytes costs 0.085 units to read, the rounding of each cell to 4 KB included, and serves 7 draws: 0.012 units a
//! draw. Memory: 2,048 echoes an emotion (a whole one: 8,000 items at most), about 2 MB each at a kilobyte, 50 MB where all 24 are
//! drawn from, and for moments twice that while editions are replaced.

mod cells;
mod fill;
mod news;
mod pool;
mod sampling;
mod source;
#[cfg(test)]
mod tests;
mod whole;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use echoes_shared::{Echo, EchoId, Emotion, Timestamp, UserId};

use crate::store::{Store, StoreError};
use news::News;
use pool::Pool;

/// The pools of all emotions.
#[derive(Debug)]
pub(super) struct Pools {
    pools: BTreeMap<Emotion, Arc<Pool>>,
    news: Arc<Mutex<News>>,
}

/// An echo drawn and whether the store was asked for it.
#[derive(Debug)]
pub(super) struct Drawn {
    pub echo: Option<Arc<Echo>>,
    pub from_store: bool,
}

impl Default for Pools {
    fn default() -> Self {
        let news = Arc::<Mutex<News>>::default();
        let pool = |&emotion| (emotion, Arc::new(Pool::new(emotion, Arc::clone(&news), rand::random())));
        Self { pools: Emotion::ALL.iter().map(pool).collect(), news }
    }
}

impl Pools {
    /// A living echo of `emotion`, all with the same chance; none where there is none.
    ///
    /// A pool that has grown old is drawn from while another is read; an empty one is waited for. A store that fails is an error
    /// only where there is nothing left to draw.
    pub(super) async fn draw(&self, store: &Store, emotion: Emotion, now: Timestamp) -> Result<Drawn, StoreError> {
        let Some(pool) = self.pools.get(&emotion) else { return Ok(Drawn { echo: None, from_store: false }) };
        let store = store.clone();
        let read = move |lots: RangeInclusive<u64>, limit: usize| {
            let store = store.clone();
            async move { store.lots(emotion, lots, limit, now).await }
        };
        pool.draw(read, now).await
    }

    /// Never draws this echo again.
    pub(super) fn forget(&self, id: EchoId, now: Timestamp) {
        locked(&self.news).forget(id, now);
        self.pools.values().for_each(|pool| pool.forget(id));
    }

    /// Never draws an echo of this person of up to this time again.
    pub(super) fn forget_person(&self, user: &UserId, up_to: Timestamp, now: Timestamp) {
        locked(&self.news).forget_person(user, up_to, now);
        self.pools.values().for_each(|pool| pool.forget_person(user, up_to));
    }

    /// Draws an echo that has just been created or edited as it is now, from the next draw on. Versions that are older than what is
    /// held change nothing.
    pub(super) fn note(&self, echo: &Echo, now: Timestamp) {
        let echo = Arc::new(echo.clone());
        let news = &mut locked(&self.news);
        // Under the lock of the news, so that a delete comes either before, and is known, or after, and takes it out again.
        if news.note(&echo, now)
            && let Some(pool) = self.pools.get(&echo.emotion)
        {
            pool.note(&echo, now);
        }
    }
}

/// A lock whose holder panicked still guards whole values: no change under it is left half done.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
