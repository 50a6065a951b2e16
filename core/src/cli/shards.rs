//! `echoes table shards`: how many shards a list has, and the growth in two steps.

use std::time::Duration;

use clap::Args;
use echoes_shared::Region;
use echoes_shared::policy::MAX_SHARDS;
use serde_json::json;

use super::Failure;
use crate::clock::{self, Stopwatch};
use crate::store::{SETTLE_SECONDS, ShardSetting, ShardedList, Store, TICK};

/// How often the regions' confirmations are looked for.
const POLL: Duration = Duration::from_secs(1);

/// `echoes table shards LIST [SHARDS]`
#[derive(Debug, Args)]
pub(super) struct ShardsArgs {
    /// An emotion, or `recent` for the list of all emotions.
    #[arg(value_name = "LIST")]
    list: ShardedList,
    /// The new number, 1 to 64.
    #[arg(value_name = "SHARDS", value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_SHARDS)))]
    shards: Option<u16>,
    /// The regions that must confirm; those of ECHOES_REGIONS unless set.
    #[arg(long, value_name = "REGION,…", value_delimiter = ',')]
    regions: Vec<Region>,
    /// How long to wait for their confirmations.
    #[arg(long, value_name = "SECONDS", default_value_t = 300, value_parser = clap::value_parser!(u64).range(1..=86_400))]
    wait_seconds: u64,
    /// One JSON object instead of text.
    #[arg(long)]
    json: bool,
}

impl ShardsArgs {
    pub(super) async fn run(self, store: &Store) -> Result<(), Failure> {
        let before = self.setting(store).await?;
        if let Some(shards) = self.shards {
            self.grow(store, &before, shards).await?;
        }
        self.show(&self.setting(store).await?);
        Ok(())
    }

    async fn setting(&self, store: &Store) -> Result<ShardSetting, Failure> {
        store.shard_setting(self.list, clock::now()).await.map_err(Failure::failed)
    }

    async fn grow(&self, store: &Store, before: &ShardSetting, shards: u16) -> Result<(), Failure> {
        let list = self.list;
        let shrinks = |read: u16| Failure::failed(format!("{list} never shrinks: {read} shards are read already"));
        if shards < before.to_read() {
            return Err(shrinks(before.to_read()));
        }
        if shards == before.to_write() {
            return Ok(());
        }
        if !store.raise_shards_read(list, shards).await.map_err(Failure::failed)? {
            return Err(shrinks(self.setting(store).await?.to_read()));
        }
        self.say(&format!("{list}: {shards} shards are to be read; waiting until every region does"));
        self.await_confirmations(store, shards).await?;
        self.say(&format!("{list}: every region reads them; {SETTLE_SECONDS} s until its last process does"));
        tokio::time::sleep(Duration::from_secs(SETTLE_SECONDS)).await;
        if !store.raise_shards_write(list, shards).await.map_err(Failure::failed)? {
            return Err(Failure::failed(format!(
                "{list}: another growth came between; look at it and run this again"
            )));
        }
        Ok(())
    }

    /// Waits for the regions, bounded.
    async fn await_confirmations(&self, store: &Store, shards: u16) -> Result<(), Failure> {
        let watch = Stopwatch::start();
        let mut poll = tokio::time::interval(POLL);
        let mut said = Vec::new();
        let regions = if self.regions.is_empty() { store.regions() } else { &self.regions };
        loop {
            poll.tick().await;
            let missing = self.setting(store).await?.unconfirmed(shards, regions);
            if missing.is_empty() {
                return Ok(());
            }
            let names = missing.iter().map(Region::to_string).collect::<Vec<_>>().join(", ");
            if watch.elapsed() >= Duration::from_secs(self.wait_seconds) {
                let wait = self.wait_seconds;
                return Err(Failure::failed(format!(
                    "no confirmation from {names} within {wait} s; nothing goes to new shards yet, run this again to go on"
                )));
            }
            // Every core looks once a tick, so that two are enough to say who is waited for.
            if missing != said && watch.elapsed() > 2 * TICK {
                self.say(&format!("waiting for {names}"));
                said = missing;
            }
        }
    }

    #[expect(clippy::print_stdout, reason = "what this command is for")]
    fn say(&self, line: &str) {
        if !self.json {
            println!("{line}");
        }
    }

    #[expect(clippy::print_stdout, reason = "what this command is for")]
    fn show(&self, setting: &ShardSetting) {
        let (read, write, confirmed) = (setting.to_read(), setting.to_write(), &setting.confirmed);
        if self.json {
            let list = self.list.to_string();
            println!("{}", json!({ "list": list, "read": read, "write": write, "confirmed": confirmed }));
        } else {
            println!("{}: {read} read, {write} written", self.list);
            confirmed.iter().for_each(|(region, read)| println!("  {region} reads {read}"));
        }
    }
}
