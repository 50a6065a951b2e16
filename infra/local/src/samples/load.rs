//! Writes the samples of one region through the core's own store, as the region's core would.

use std::time::Duration;

use anyhow::{Context as _, anyhow};
use echoes_core::clock;
use echoes_core::config::{Environment, StoreConfig};
use echoes_core::metrics::Metrics;
use echoes_core::store::{NewItem, Store};
use echoes_shared::Timestamp;
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::samples;
use crate::console::Console;

/// Writes under way at a time. The engine takes one after the other, so more would only wait.
const CONCURRENT: usize = 4;
/// How often a write is tried where the store is busy, and the pause before it is tried again.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_millis(200);
/// A progress line for each of so many echoes.
const STEP: usize = 100;

/// Loads the samples of the region that the environment names, as of `now_millis` since 1970; what is there already
/// stays. Answers how many there are.
///
/// # Errors
/// When the environment is not a core's, or the store does not take a sample.
pub async fn load(now_millis: u64) -> anyhow::Result<usize> {
    let config = StoreConfig::read(&Environment::process())?;
    let region = config.region;
    let metrics = Metrics::new().map_err(|error| anyhow!("metrics: {error}"))?;
    let store = Store::connect(config, metrics).await;
    let all = samples(Timestamp::from_millis(now_millis));
    let own: Vec<_> = all.into_iter().filter(|sample| sample.region == region).collect();
    let total = own.len();

    let console = Console::new();
    let mut writes = JoinSet::new();
    for (written, sample) in own.into_iter().enumerate() {
        if writes.len() >= CONCURRENT {
            writes.join_next().await.context("no write was under way")???;
        }
        if written > 0 && written.is_multiple_of(STEP) {
            console.print(&format!("{written} of {total} samples\n"));
        }
        let item = NewItem::new(sample.user, sample.key, sample.new_echo, region);
        writes.spawn(write(store.clone(), item));
    }
    while let Some(written) = writes.join_next().await {
        written??;
    }
    Ok(total)
}

/// A create may be repeated for ever, so a lost answer is no loss.
async fn write(store: Store, item: NewItem) -> anyhow::Result<()> {
    let mut attempt = 1;
    loop {
        match store.create(&item, clock::now()).await {
            Ok(_stored) => return Ok(()),
            Err(error) if attempt == ATTEMPTS => return Err(anyhow!("a sample was not stored: {error}")),
            Err(_) => sleep(PAUSE * attempt).await,
        }
        attempt += 1;
    }
}
