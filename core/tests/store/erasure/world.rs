//! Four regions with tables of their own, and what replicates between them.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{CreateOutcome, ErasureList, ErasureStatus, Gone, NewItem, Page, Store};
use echoes_shared::{Echo, EchoId, Emotion, IdempotencyKey, Region, Timestamp};
use futures_util::future::BoxFuture;

use crate::cases::{content, user};
use crate::engine::Engine;

type Item = HashMap<String, AttributeValue>;
type Key = (&'static str, String);

/// The regions, and what replication knows of each.
pub struct World {
    pub client: Client,
    prefix: &'static str,
    pub stores: BTreeMap<Region, Store>,
    known: BTreeMap<Region, BTreeMap<Key, (u64, Option<Item>)>>,
    writes: u64,
    pub now: Timestamp,
    pub cut: Option<Region>,
    /// What each region's caches have been told of.
    pub told: Arc<Mutex<BTreeSet<(Region, EchoId)>>>,
}

impl World {
    pub async fn new(engine: &Engine, prefix: &'static str) -> Self {
        let mut stores = BTreeMap::new();
        for region in Region::ALL {
            let store = engine.tables(&format!("{prefix}-{region}"), region.as_str());
            store.create_tables(echoes_core::store::table::Billing::OnDemand, |_| {}).await.unwrap();
            stores.insert(region, store);
        }
        let now = "2026-11-22T22:59:53.372Z".parse().unwrap();
        let known = Region::ALL.map(|region| (region, BTreeMap::new())).into();
        Self { client: engine.client(), prefix, stores, known, writes: 0, now, cut: None, told: Arc::default() }
    }

    pub fn table(&self, region: Region, table: &str) -> String {
        format!("{}-{region}-{table}", self.prefix)
    }

    pub async fn items(&self, region: Region, table: &'static str) -> BTreeMap<Key, Item> {
        let mut items = BTreeMap::new();
        let mut pages = self.client.scan().table_name(self.table(region, table)).into_paginator().items().send();
        while let Some(item) = pages.next().await {
            let item = item.unwrap();
            let parts =
                ["userId", "timestamp", "pk", "sk"].map(|name| item.get(name).map(|v| v.as_s().unwrap().clone()));
            items.insert((table, parts.into_iter().flatten().collect::<Vec<_>>().join("\n")), item);
        }
        items
    }

    /// The last writer of each item wins it everywhere, but for a region that is cut off.
    pub async fn replicate(&mut self) {
        for region in Region::ALL {
            self.stores[&region].settled().await;
            let mut items = self.items(region, "echoes").await;
            items.extend(self.items(region, "ops").await);
            let known = self.known.get_mut(&region).unwrap();
            let keys: BTreeSet<_> = items.keys().chain(known.keys()).cloned().collect();
            for key in keys {
                let item = items.remove(&key);
                if known.get(&key).map(|(_, item)| item) != Some(&item) {
                    self.writes += 1;
                    known.insert(key, (self.writes, item));
                }
            }
        }
        let joined: Vec<_> = Region::ALL.into_iter().filter(|region| self.cut != Some(*region)).collect();
        let mut newest: BTreeMap<Key, (u64, Option<Item>)> = BTreeMap::new();
        for (key, write) in joined.iter().flat_map(|region| &self.known[region]) {
            let held = newest.entry(key.clone()).or_insert_with(|| write.clone());
            if held.0 < write.0 {
                *held = write.clone();
            }
        }
        for region in joined {
            for (key, write) in &newest {
                if self.known[&region].get(key).is_none_or(|(stamp, _)| stamp < &write.0) {
                    self.put(region, key, write.1.as_ref()).await;
                    self.known.get_mut(&region).unwrap().insert(key.clone(), write.clone());
                }
            }
        }
    }

    pub async fn put(&self, region: Region, (table, key): &Key, item: Option<&Item>) {
        let name = self.table(region, table);
        if let Some(item) = item {
            self.client.put_item().table_name(name).set_item(Some(item.clone())).send().await.unwrap();
        } else {
            let names = if *table == "ops" { ["pk", "sk"] } else { ["userId", "timestamp"] };
            let parts =
                names.into_iter().zip(key.split('\n')).map(|(n, v)| (n.to_owned(), AttributeValue::S(v.into())));
            self.client.delete_item().table_name(name).set_key(Some(parts.collect())).send().await.unwrap();
        }
    }

    /// Ana's or another's echo of `days` before now, taken by `region` at that time.
    pub async fn create(&self, region: Region, name: &str, days: u32, seed: u8) -> Echo {
        let at = self.now.minus_days(days);
        let key = IdempotencyKey::mint(at, &[seed; 10]);
        let new = NewItem::new(user(name), key, content(Emotion::Happy), region);
        assert_eq!(self.stores[&region].create(&new, at).await.unwrap(), CreateOutcome::Created);
        new.echo
    }

    /// What each region's worker does for so long, a round every ten seconds.
    pub async fn work(&mut self, seconds: u64) {
        for _ in 0..seconds / 10 {
            for (region, store) in &self.stores {
                let tell = |gone| self.tell(*region, gone);
                let (entries, next) = store.erasures(ErasureList::Running, None, self.now).await.unwrap();
                assert!(next.is_none());
                for entry in entries {
                    while store.erase_on(&entry, &tell, self.now).await.unwrap().walked {}
                }
            }
            self.replicate().await;
            self.now = self.now.plus_millis(10_000);
        }
    }

    pub fn tell(&self, region: Region, gone: Vec<Gone>) -> BoxFuture<'static, ()> {
        self.told.lock().unwrap().extend(gone.into_iter().map(|gone| (region, gone.echo)));
        Box::pin(async {})
    }

    pub async fn statuses(&self) -> Vec<Option<ErasureStatus>> {
        let mut statuses = Vec::new();
        for store in self.stores.values() {
            statuses.push(store.erasure(&user("ana"), self.now).await.unwrap());
        }
        statuses
    }

    pub async fn lists(&self) -> Vec<[usize; 2]> {
        let mut lengths = Vec::new();
        for store in self.stores.values() {
            let length = async |list| store.erasures(list, None, self.now).await.unwrap().0.len();
            lengths.push([length(ErasureList::Running).await, length(ErasureList::Done).await]);
        }
        lengths
    }

    /// How often everything that ana had was buried: each once.
    pub async fn tombstones_are(&self, count: usize) {
        let mut first = None;
        for region in Region::ALL {
            let items = self.items(region, "echoes").await;
            let anas = items.into_iter().filter(|((_, key), _)| key.starts_with("ana"));
            let (graves, living): (BTreeMap<_, _>, BTreeMap<_, _>) =
                anas.partition(|(_, item)| item.contains_key("deletedAt"));
            assert_eq!((graves.len(), living.len()), (count, 0), "{region}");
            assert!(graves.values().all(|grave| grave["version"] == AttributeValue::N("2".into())), "{graves:#?}");
            assert_eq!(*first.get_or_insert_with(|| graves.clone()), graves, "the same in {region}");
        }
    }

    /// Nothing of ana's is on any path, but these.
    pub async fn shows(&self, expected: &[Echo]) {
        for (region, store) in &self.stores {
            let is_anas = |echo: &Echo| echo.user_id == user("ana");
            let only = |page: Page| page.echoes.into_iter().filter(is_anas).collect::<Vec<_>>();
            let found = [
                only(store.feed(Emotion::Happy, 100, None, self.now).await.unwrap()),
                only(store.recent(100, None, self.now).await.unwrap()),
                only(store.timeline(&user("ana"), 100, None, self.now).await.unwrap()),
                only(store.timeline_of_emotion(&user("ana"), Emotion::Happy, 100, None, self.now).await.unwrap()),
            ];
            assert!(found.iter().all(|found| found == expected), "{region}: {found:#?}");
        }
    }
}
