//! What one request consumes: the units that DynamoDB says it charged, summed for the task that serves the request.

use std::cell::Cell;
use std::fmt;

/// Read and write units of DynamoDB's on-demand mode. Halves are exact.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Units {
    /// Read request units.
    pub read: f64,
    /// Write request units.
    pub write: f64,
}

impl Units {
    /// Whether nothing was consumed.
    pub fn is_none(self) -> bool {
        self == Self::default()
    }
}

impl std::ops::AddAssign for Units {
    fn add_assign(&mut self, other: Self) {
        self.read += other.read;
        self.write += other.write;
    }
}

impl fmt::Display for Units {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.read > 0.0, self.write > 0.0) {
            (_, false) => write!(f, "{} RRU", self.read),
            (false, true) => write!(f, "{} WRU", self.write),
            (true, true) => write!(f, "{} RRU {} WRU", self.read, self.write),
        }
    }
}

tokio::task_local! {
    static CONSUMED: Cell<Units>;
}

/// Runs `work` and sums what its calls to the store consume. What it spawns is not its own.
pub async fn counted<T>(work: impl Future<Output = T>) -> (T, Units) {
    CONSUMED.scope(Cell::default(), async { (work.await, consumed()) }).await
}

/// What the present task has consumed so far; nothing outside of [`counted`].
pub fn consumed() -> Units {
    CONSUMED.try_with(Cell::get).unwrap_or_default()
}

/// Adds to what the present task has consumed.
pub fn consume(units: Units) {
    // Outside of a request nobody asks.
    let _ = CONSUMED.try_with(|sum| {
        let mut all = sum.get();
        all += units;
        sum.set(all);
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_has_its_own_sum() {
        let half = Units { read: 0.5, write: 0.0 };
        consume(half);
        let work = async {
            consume(half);
            tokio::task::yield_now().await;
            consume(Units { read: 0.0, write: 5.0 });
        };
        let ((), units) = counted(work).await;
        assert_eq!(units, Units { read: 0.5, write: 5.0 });
        assert_eq!(units.to_string(), "0.5 RRU 5 WRU");
        assert!(consumed().is_none());
    }
}
