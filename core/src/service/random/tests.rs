//! What the tests of random draws share: echoes of very uneven times and people, a store in memory, and Pearson's test.

mod pools;
mod sizes;
mod uniform;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::sync::{Arc, Mutex};

use echoes_shared::{Echo, EchoId, Emotion, IdempotencyKey, NewEcho, Region, Timestamp, UserId, keys};
use futures_util::FutureExt as _;
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha12Rng;
use statrs::distribution::{ChiSquared, ContinuousCDF as _};

use super::cells::{Cell, Plan};
use super::fill::{self, Read};
use super::sampling::Edition;
use crate::samples::content;
use crate::store::{Lots, StoreError};

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

fn rng(seed: u64) -> ChaCha12Rng {
    ChaCha12Rng::seed_from_u64(seed)
}

fn echo(user: &UserId, at: Timestamp, nth: u32, days_to_live: Option<u16>) -> Echo {
    let content = NewEcho { days_to_live, ..content(Emotion::Happy) };
    let mut random = [0; 10];
    random[..4].copy_from_slice(&nth.to_be_bytes());
    Echo::create(user.clone(), IdempotencyKey::mint(at, &random), content, Region::EuWest1)
}

/// Half of the echoes are one person's, a quarter the next one's and so on; nine in ten fell into one hour of two years.
fn uneven(count: u32) -> Vec<Echo> {
    let mut rng = rng(1);
    let one = |nth| {
        let person = (1_u32 + rng.random_range(0..1_u32 << 20)).ilog2();
        let span = if rng.random_bool(0.9) { 3_600_000 } else { 2 * 365 * 86_400_000 };
        echo(&format!("p{person}").parse().unwrap(), now().minus_millis(rng.random_range(0..span)), nth, None)
    };
    (0..count).map(one).collect()
}

/// A store in memory. Cheap to clone.
#[derive(Clone, Default)]
struct Memory {
    by_lot: Arc<Mutex<BTreeMap<u64, Echo>>>,
    reads: Arc<Mutex<u64>>,
}

impl Memory {
    fn of(echoes: &[Echo]) -> Self {
        let memory = Self::default();
        echoes.iter().for_each(|echo| memory.put(echo));
        memory
    }

    fn put(&self, echo: &Echo) {
        self.by_lot.lock().unwrap().insert(keys::lot_number(echo.echo_id), echo.clone());
    }

    fn lots(&self, lots: RangeInclusive<u64>, limit: usize) -> Lots {
        *self.reads.lock().unwrap() += 1;
        let by_lot = self.by_lot.lock().unwrap();
        let mut found = by_lot.range(lots);
        let echoes: Vec<Echo> = found.by_ref().take(limit).map(|(_, echo)| echo.clone()).collect();
        let last = echoes.last().map(|echo| keys::lot_number(echo.echo_id));
        Lots { cut_at: found.next().and(last), echoes }
    }

    fn reader(&self) -> impl Read + use<> {
        let memory = self.clone();
        move |lots, limit| std::future::ready(Ok::<_, StoreError>(memory.lots(lots, limit)))
    }
}

/// Echoes by their cells: editions without the reading, for tests that need very many.
struct Cells(BTreeMap<Cell, Vec<Arc<Echo>>>);

impl Cells {
    fn of(level: u32, echoes: &[Echo]) -> Self {
        Self::of_arcs(level, &echoes.iter().cloned().map(Arc::new).collect::<Vec<_>>())
    }

    fn of_arcs(level: u32, echoes: &[Arc<Echo>]) -> Self {
        let mut cells: BTreeMap<Cell, Vec<Arc<Echo>>> = BTreeMap::new();
        for echo in echoes {
            cells.entry(Cell::of(level, keys::lot_number(echo.echo_id))).or_default().push(Arc::clone(echo));
        }
        Self(cells)
    }

    fn edition(&self, plan: &Plan, rng: &mut ChaCha12Rng) -> Edition {
        let mut edition = Edition::new(*plan);
        for _ in 0..plan.lanes {
            let chosen = Cell::choose(plan.level, plan.cells, rng);
            let contents = chosen.iter().filter_map(|cell| self.0.get(cell).cloned()).collect();
            assert!(edition.add(chosen, contents, rng), "more echoes than slots");
        }
        edition
    }
}

/// The chance that fair draws differ from what is expected as much as these do: Pearson's χ², with `(seen, expected)` of each class.
fn p_value(classes: impl IntoIterator<Item = (f64, f64)>) -> f64 {
    let parts: Vec<f64> = classes.into_iter().map(|(seen, expected)| (seen - expected).powi(2) / expected).collect();
    ChiSquared::new((parts.len() - 1) as f64).unwrap().sf(parts.iter().sum())
}

/// The same for classes that ought to be alike.
fn p_of_alike(counts: &BTreeMap<EchoId, u64>) -> f64 {
    let mean = counts.values().sum::<u64>() as f64 / counts.len() as f64;
    p_value(counts.values().map(|&seen| (seen as f64, mean)))
}

/// A count of zero for each echo.
fn zeros(echoes: &[Echo]) -> BTreeMap<EchoId, u64> {
    echoes.iter().map(|echo| (echo.echo_id, 0)).collect()
}
