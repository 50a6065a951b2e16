//! Four regions with tables of their own and replication between them: a person is erased from all, whatever comes late.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{CreateOutcome, ErasureList, ErasureStatus, Gone, LateLook, NewItem, Page, Store};
use echoes_shared::{Echo, EchoId, Emotion, IdempotencyKey, Region, Timestamp};

use futures_util::future::BoxFuture;

use crate::cases::{content, user};
use crate::engine::Engine;

pub async fn all(engine: &Engine) {
    run! { engine,
        a_person_is_erased_from_every_region_and_nobody_else
        a_region_that_is_cut_off_is_waited_for
        two_regions_take_the_request_at_once
        a_request_that_was_cut_off_is_taken_up
        an_echo_that_comes_after_the_end_is_buried
        an_erasure_can_be_asked_for_again
        a_request_that_runs_answers_the_next_ones
        keys_that_name_no_echo_end_no_walk
    }
}

type Item = HashMap<String, AttributeValue>;
type Key = (&'static str, String);

/// The regions, and what replication knows of each.
struct World {
    client: Client,
    prefix: &'static str,
    stores: BTreeMap<Region, Store>,
    known: BTreeMap<Region, BTreeMap<Key, (u64, Option<Item>)>>,
    writes: u64,
    now: Timestamp,
    cut: Option<Region>,
    /// What each region's caches have been told of.
    told: Arc<Mutex<BTreeSet<(Region, EchoId)>>>,
}

impl World {
    async fn new(engine: &Engine, prefix: &'static str) -> Self {
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

    fn table(&self, region: Region, table: &str) -> String {
        format!("{}-{region}-{table}", self.prefix)
    }

    async fn items(&self, region: Region, table: &'static str) -> BTreeMap<Key, Item> {
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
    async fn replicate(&mut self) {
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

    async fn put(&self, region: Region, (table, key): &Key, item: Option<&Item>) {
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
    async fn create(&self, region: Region, name: &str, days: u32, seed: u8) -> Echo {
        let at = self.now.minus_days(days);
        let key = IdempotencyKey::mint(at, &[seed; 10]);
        let new = NewItem::new(user(name), key, content(Emotion::Happy), region);
        assert_eq!(self.stores[&region].create(&new, at).await.unwrap(), CreateOutcome::Created);
        new.echo
    }

    /// What each region's worker does for so long, a round every ten seconds.
    async fn work(&mut self, seconds: u64) {
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

    fn tell(&self, region: Region, gone: Vec<Gone>) -> BoxFuture<'static, ()> {
        self.told.lock().unwrap().extend(gone.into_iter().map(|gone| (region, gone.echo)));
        Box::pin(async {})
    }

    async fn statuses(&self) -> Vec<Option<ErasureStatus>> {
        let mut statuses = Vec::new();
        for store in self.stores.values() {
            statuses.push(store.erasure(&user("ana"), self.now).await.unwrap());
        }
        statuses
    }

    async fn lists(&self) -> Vec<[usize; 2]> {
        let mut lengths = Vec::new();
        for store in self.stores.values() {
            let length = async |list| store.erasures(list, None, self.now).await.unwrap().0.len();
            lengths.push([length(ErasureList::Running).await, length(ErasureList::Done).await]);
        }
        lengths
    }

    /// How often everything that ana had was buried: each once.
    async fn tombstones_are(&self, count: usize) {
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
    async fn shows(&self, expected: &[Echo]) {
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

const ALL_RUNNING: [Option<ErasureStatus>; 4] = [Some(ErasureStatus::Running); 4];
const ALL_DONE: [Option<ErasureStatus>; 4] = [Some(ErasureStatus::Done); 4];

async fn a_person_is_erased_from_every_region_and_nobody_else(engine: &Engine) {
    let mut world = World::new(engine, "erase").await;
    // From November on ana's echoes lie in buckets.
    let marker = [("pk", "person#ana"), ("sk", "marker#eu-west-1"), ("from", "202611")];
    let marker = marker.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into();
    world.put(Region::EuWest1, &("ops", String::new()), Some(&marker)).await;
    world.replicate().await;
    let mut anas = Vec::new();
    for (number, region) in Region::ALL.into_iter().cycle().take(120).enumerate() {
        let days = u32::try_from(number).unwrap() / 2;
        anas.push(world.create(region, "ana", days, number as u8).await);
    }
    let bens = world.create(Region::UsWest2, "ben", 1, 1).await;
    world.replicate().await;
    let places = world.items(Region::UsEast1, "echoes").await;
    let places: BTreeSet<_> = places.keys().map(|(_, key)| key.split('\n').next().unwrap().to_owned()).collect();
    assert_eq!(places, ["ana", "ana#202611", "ben"].map(str::to_owned).into());
    assert_eq!(world.statuses().await, [None; 4]);

    assert_eq!(world.stores[&Region::EuWest1].erase(&user("ana"), world.now).await.unwrap(), world.now);
    let requested = world.now;
    world.work(20).await;
    assert_eq!(world.statuses().await, ALL_RUNNING);
    world.tombstones_are(120).await;
    world.shows(&[]).await;
    // An old key is refused in every region, and new life is not.
    for (region, store) in &world.stores {
        let key = IdempotencyKey::mint(requested.minus_millis(60_000), &[250; 10]);
        let late = NewItem::new(user("ana"), key, content(Emotion::Happy), *region);
        assert_eq!(store.create(&late, world.now).await.unwrap(), CreateOutcome::Deleted);
    }
    let new = world.create(Region::UsEast1, "ana", 0, 200).await;
    world.work(60).await;
    assert_eq!(world.statuses().await, ALL_RUNNING, "the settling is not over");
    world.work(50).await;
    assert_eq!(world.statuses().await, ALL_DONE);
    let told = world.told.lock().unwrap().clone();
    let each = |region| anas.iter().map(move |echo| (region, echo.echo_id));
    assert_eq!(told, Region::ALL.into_iter().flat_map(each).collect(), "all caches were told of all");
    world.shows(std::slice::from_ref(&new)).await;
    for id in anas.iter().map(|echo| echo.echo_id) {
        assert_eq!(world.stores[&Region::ApSoutheast1].echo(id, world.now).await.unwrap(), None);
    }
    let theirs = world.stores[&Region::UsEast1].timeline(&user("ben"), 20, None, world.now).await.unwrap();
    assert_eq!(theirs.echoes, [bens]);
    assert_eq!(world.lists().await, [[0, 1]; 4]);
    // A week later it is forgotten, but for the echo that came after it.
    world.now = world.now.plus_days(9);
    assert_eq!(world.statuses().await, [None; 4]);
    assert_eq!(world.lists().await, [[0, 0]; 4]);
}

async fn a_region_that_is_cut_off_is_waited_for(engine: &Engine) {
    let mut world = World::new(engine, "cut").await;
    for region in Region::ALL {
        world.create(region, "ana", 3, 1 + region as u8).await;
    }
    world.replicate().await;
    world.cut = Some(Region::ApSoutheast1);
    let inside = world.create(Region::ApSoutheast1, "ana", 0, 9).await;
    world.now = world.now.plus_millis(1_000);
    world.stores[&Region::EuWest1].erase(&user("ana"), world.now).await.unwrap();
    world.work(200).await;
    let mut statuses = ALL_RUNNING;
    statuses[3] = None;
    assert_eq!(world.statuses().await, statuses);
    // The region that took the request has stood in for the one that is away.
    let seen = world.stores[&Region::EuWest1].timeline(&user("ana"), 20, None, world.now).await.unwrap();
    assert_eq!(seen, Page::default());
    assert!(world.stores[&Region::ApSoutheast1].echo(inside.echo_id, world.now).await.unwrap().is_some());
    world.cut = None;
    world.work(50).await;
    assert_eq!(world.statuses().await, ALL_RUNNING);
    world.work(90).await;
    assert_eq!(world.statuses().await, ALL_DONE);
    world.tombstones_are(5).await;
    world.shows(&[]).await;
}

async fn two_regions_take_the_request_at_once(engine: &Engine) {
    let mut world = World::new(engine, "both").await;
    world.create(Region::UsEast1, "ana", 1, 1).await;
    world.replicate().await;
    // One of them has an echo whose key is ahead of its clock, which the request covers.
    let ahead = world.now.plus_millis(200_000);
    let key = IdempotencyKey::mint(ahead, &[7; 10]);
    let new = NewItem::new(user("ana"), key, content(Emotion::Happy), Region::UsWest2);
    let outcome = world.stores[&Region::UsWest2].create(&new, world.now).await.unwrap();
    assert_eq!(outcome, CreateOutcome::Created);
    assert_eq!(world.stores[&Region::EuWest1].erase(&user("ana"), world.now).await.unwrap(), world.now);
    assert_eq!(world.stores[&Region::UsWest2].erase(&user("ana"), world.now).await.unwrap(), ahead);
    world.work(20).await;
    world.tombstones_are(2).await;
    world.work(240).await;
    assert_eq!(world.statuses().await, ALL_RUNNING, "keys of that time are fresh for five seconds more");
    world.work(90).await;
    assert_eq!(world.statuses().await, ALL_DONE);
    assert_eq!(world.lists().await, [[0, 2]; 4]);
}

async fn a_request_that_was_cut_off_is_taken_up(engine: &Engine) {
    let mut world = World::new(engine, "half").await;
    world.create(Region::UsEast1, "ana", 1, 1).await;
    let up_to = world.now.to_string();
    let entry = [("pk", "erasures"), ("sk", "ana#eu-west-1"), ("requested", up_to.as_str())];
    let entry = entry.map(|(name, value)| (name.to_owned(), AttributeValue::S(value.to_owned()))).into();
    world.put(Region::EuWest1, &("ops", String::new()), Some(&entry)).await;
    world.replicate().await;
    world.work(20).await;
    assert_eq!(world.statuses().await, ALL_RUNNING);
    world.tombstones_are(1).await;
}

async fn an_echo_that_comes_after_the_end_is_buried(engine: &Engine) {
    let mut world = World::new(engine, "late").await;
    world.stores[&Region::UsEast1].erase(&user("ana"), world.now).await.unwrap();
    let early = world.now.minus_millis(1);
    world.work(130).await;
    assert_eq!(world.statuses().await, ALL_DONE, "also of somebody who has nothing");
    // A process that slept between its look and its write.
    let new =
        NewItem::new(user("ana"), IdempotencyKey::mint(early, &[1; 10]), content(Emotion::Happy), Region::UsWest2);
    assert_eq!(world.stores[&Region::UsWest2].create(&new, early).await.unwrap(), CreateOutcome::Created);
    world.replicate().await;
    let store = &world.stores[&Region::EuWest1];
    let tell = |gone| world.tell(Region::EuWest1, gone);
    let (entries, _) = store.erasures(ErasureList::Done, None, world.now).await.unwrap();
    assert!(store.look_for_late_echoes(&entries[0], &mut LateLook::default(), &tell, world.now).await.unwrap());
    world.replicate().await;
    world.tombstones_are(1).await;
    world.shows(&[]).await;
    assert_eq!(world.statuses().await, ALL_DONE);
}

async fn an_erasure_can_be_asked_for_again(engine: &Engine) {
    let mut world = World::new(engine, "again").await;
    world.create(Region::UsEast1, "ana", 1, 1).await;
    world.stores[&Region::UsEast1].erase(&user("ana"), world.now).await.unwrap();
    world.work(130).await;
    assert_eq!(world.statuses().await, ALL_DONE);
    world.create(Region::UsWest2, "ana", 0, 2).await;
    world.now = world.now.plus_millis(1);
    world.stores[&Region::UsWest2].erase(&user("ana"), world.now).await.unwrap();
    world.work(10).await;
    assert_eq!(world.statuses().await, ALL_RUNNING);
    world.work(130).await;
    assert_eq!(world.statuses().await, ALL_DONE);
    world.tombstones_are(2).await;
    assert_eq!(world.lists().await, [[0, 2]; 4]);
}

async fn a_request_that_runs_answers_the_next_ones(engine: &Engine) {
    let mut world = World::new(engine, "loop").await;
    world.create(Region::UsEast1, "ana", 1, 1).await;
    let requested = world.now;
    world.stores[&Region::UsEast1].erase(&user("ana"), requested).await.unwrap();
    let mut rounds = 0;
    while world.statuses().await != ALL_DONE {
        world.work(10).await;
        rounds += 1;
        assert!(rounds < 20, "it never ends");
        for region in [Region::UsEast1, Region::EuWest1] {
            let store = &world.stores[&region];
            if store.erasure(&user("ana"), world.now).await.unwrap() == Some(ErasureStatus::Running) {
                assert_eq!(store.erase(&user("ana"), world.now).await.unwrap(), requested);
            }
        }
    }
    assert_eq!(world.lists().await.concat().iter().sum::<usize>(), 4, "one entry in each region");
    // What came after a request that runs is a reason for another.
    let second = world.now;
    world.stores[&Region::UsEast1].erase(&user("ana"), second).await.unwrap();
    world.now = world.now.plus_millis(20 * 60_000);
    world.create(Region::UsEast1, "ana", 0, 2).await;
    world.now = world.now.plus_millis(1);
    assert_eq!(world.stores[&Region::UsEast1].erase(&user("ana"), world.now).await.unwrap(), world.now);
}

async fn keys_that_name_no_echo_end_no_walk(engine: &Engine) {
    let mut world = World::new(engine, "odd").await;
    world.create(Region::UsEast1, "ana", 3, 1).await;
    let text = |text: &str| AttributeValue::S(text.to_owned());
    // More than a page of them, newer than the echo.
    let day = world.now.minus_days(2).to_string();
    for number in 0..120 {
        let key = format!("{day} {number:03}");
        let put = world.client.put_item().table_name(world.table(Region::UsEast1, "echoes"));
        put.item("userId", text("ana")).item("timestamp", text(&key)).send().await.unwrap();
    }
    world.stores[&Region::UsEast1].erase(&user("ana"), world.now).await.unwrap();
    world.work(10).await;
    let graves = world.items(Region::UsEast1, "echoes").await;
    assert_eq!(graves.values().filter(|item| item.contains_key("deletedAt")).count(), 1);
}
