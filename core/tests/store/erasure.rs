//! Four regions with tables of their own and replication between them: a person is erased from all, whatever comes late.

mod world;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use echoes_core::store::{CreateOutcome, ErasureList, ErasureStatus, LateLook, NewItem, Page};
use echoes_shared::{Emotion, IdempotencyKey, Region};

use crate::cases::{content, user};
use crate::engine::Engine;
use world::World;

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
