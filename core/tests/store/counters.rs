//! What counters promise: each record counts once, whoever applies it and however often.

use std::collections::BTreeMap;
use std::sync::Arc;

use echoes_core::sinks::analytics::{Analytics, rule};
use echoes_core::sinks::{Batch, Sink as _};
use echoes_core::store::{Addition, Counter, Counters, NewItem, Store, Tally};
use echoes_core::stream::{Image, Record, Sequence, ShardId, Tombstone};
use echoes_shared::{Echo, Emotion, IdempotencyKey, Region, UserId};
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{RngExt as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;

use crate::cases::{content, now, user};
use crate::engine::Engine;

pub const HERE: Region = Region::EuWest1;
pub const SHARD: &str = "shardId-00000001795388393372-a";
const HOUR_MILLIS: u64 = 60 * 60 * 1_000;

pub async fn all(engine: &Engine) {
    run! { engine,
        a_batch_counts_once
        a_batch_that_was_counted_in_part_goes_on
        of_two_workers_each_record_counts_once
        every_kind_of_record_counts_as_it_should
        regions_count_their_own
        a_dead_letter_counts_once
        a_burst_over_many_people_counts
        what_cannot_come_again_is_forgotten
        nothing_is_left_of_who_has_no_echoes
        people_are_active_once_an_hour
        random_histories_sum_to_the_table
    }
}

/// An echo, of a person and an emotion by its number.
pub fn echo(n: u64, origin: Region) -> Echo {
    let emotion = Emotion::ALL[usize::try_from(n).unwrap() % 3];
    let at = now().plus_millis(n % 7 * HOUR_MILLIS);
    let bytes = n.to_be_bytes();
    let random = std::array::from_fn(|at| *bytes.get(at).unwrap_or(&7));
    let person = user(&format!("p{}", n % 5));
    NewItem::new(person, IdempotencyKey::mint(at, &random), content(emotion), origin).echo
}

pub fn lives(echo: &Echo) -> Option<Image> {
    Some(Image::Echo(Box::new(echo.clone())))
}

pub fn buried() -> Option<Image> {
    Some(Image::Tombstone(Tombstone { deleted_at: now(), was: None }))
}

pub fn record(sequence: u64, of: &Echo, old: Option<Image>, new: Option<Image>) -> Arc<Record> {
    let sequence = Sequence::parse(&format!("{sequence:021}")).unwrap();
    let hash = of.user_id.to_string();
    Arc::new(Record { sequence, at: now(), hash, echo: of.echo_id, old, new, expired: false })
}

pub fn created(sequence: u64, of: &Echo) -> Arc<Record> {
    record(sequence, of, None, lives(of))
}

fn batch(shard: &str, records: &[Arc<Record>]) -> Batch {
    Batch { shard: ShardId::new(shard), records: records.to_vec(), now: now() }
}

pub async fn apply(sink: &Analytics, shard: &str, records: &[Arc<Record>]) {
    assert_eq!(sink.apply(&batch(shard, records)).await, Ok(Vec::new()));
}

async fn count(store: &Store, counter: &Counter) -> Tally {
    store.counters(&counter.group()).await.unwrap().remove(counter).unwrap_or_default()
}

async fn all_of(store: &Store) -> i64 {
    count(store, &Counter::All).await.living.values().sum()
}

/// Demands that every counter which these echoes touch counts exactly them, in all regions together.
async fn expect(store: &Store, living: &[Echo], touched: &[Echo]) {
    let mut expected: BTreeMap<Counter, Tally> = BTreeMap::new();
    for counter in touched.iter().flat_map(rule::counters_of) {
        expected.insert(counter, Tally::default());
    }
    for echo in living {
        for counter in rule::counters_of(echo) {
            expected.entry(counter).or_default().add_living(echo.emotion, 1);
        }
    }
    for (counter, tally) in expected {
        assert_eq!(count(store, &counter).await.living, tally.living, "{counter:?}");
    }
}

async fn a_batch_counts_once(engine: &Engine) {
    let store = engine.store("count").await;
    let echoes: Vec<_> = (0..10).map(|n| echo(n, HERE)).collect();
    let records: Vec<_> = (10..).zip(&echoes).map(|(sequence, echo)| created(sequence, echo)).collect();
    let sink = Analytics::new(store.clone(), HERE);
    apply(&sink, SHARD, &records).await;
    apply(&sink, SHARD, &records).await;
    // A process that knows nothing, and other bounds of the batches.
    let other = Analytics::new(store.clone(), HERE);
    apply(&other, SHARD, &records[3..7]).await;
    apply(&other, SHARD, &records).await;
    expect(&store, &echoes, &echoes).await;
    let hour = count(&store, &Counter::hour_of(now())).await;
    assert_eq!(hour.created, 2, "the first and the eighth: {hour:?}");
    assert_eq!(all_of(&store).await, 10);
    assert_eq!(store.counters(&Counters::Person(user("nobody"))).await.unwrap().len(), 0);
}

async fn a_batch_that_was_counted_in_part_goes_on(engine: &Engine) {
    let store = engine.store("half").await;
    let echoes: Vec<_> = (0..10).map(|n| echo(n, HERE)).collect();
    let records: Vec<_> = (10..).zip(&echoes).map(|(sequence, echo)| created(sequence, echo)).collect();
    let shard = ShardId::new(SHARD);
    // Some counters, and of these some only the first records.
    for (number, (counter, effects)) in rule::effects(&records, HERE).into_iter().enumerate() {
        let part = match number % 3 {
            0 => continue,
            1 => &effects[..],
            _ => &effects[..1],
        };
        let due = rule::due(None, part).unwrap();
        let addition =
            Addition { counter: &counter, shard: &shard, seen: None, sum: &due.sum, last: &due.last, now: now() };
        let seen = store.add_to_counter(&addition).await.unwrap().unwrap();
        assert_eq!(seen.sequence().as_ref(), Some(&due.last));
        assert_eq!(store.add_to_counter(&addition).await.unwrap(), None, "it remembers another");
        assert_eq!(store.counter_seen(&counter, &shard).await.unwrap(), Some(seen));
    }
    apply(&Analytics::new(store.clone(), HERE), SHARD, &records).await;
    expect(&store, &echoes, &echoes).await;
}

async fn of_two_workers_each_record_counts_once(engine: &Engine) {
    let store = engine.store("workers").await;
    let echoes: Vec<_> = (0..60).map(|n| echo(n, HERE)).collect();
    let records: Vec<_> = (10..).zip(&echoes).map(|(sequence, echo)| created(sequence, echo)).collect();
    let workers: Vec<_> = (0..3).map(|_| Analytics::new(store.clone(), HERE)).collect();
    let work = workers.iter().zip([7, 11, 60]).map(async |(worker, size)| {
        for records in records.chunks(size) {
            apply(worker, SHARD, records).await;
        }
    });
    futures_util::future::join_all(work).await;
    expect(&store, &echoes, &echoes).await;
    // One that believes what was true long ago, and goes on from there.
    let late = Analytics::new(store.clone(), HERE);
    let more: Vec<_> = (60..70).map(|n| echo(n, HERE)).collect();
    let records: Vec<_> = (100..).zip(&more).map(|(sequence, echo)| created(sequence, echo)).collect();
    apply(&late, SHARD, &records[..2]).await;
    apply(&workers[0], SHARD, &records).await;
    apply(&late, SHARD, &records[2..5]).await;
    apply(&late, SHARD, &records[1..]).await;
    expect(&store, &[echoes, more].concat(), &[]).await;
}

async fn every_kind_of_record_counts_as_it_should(engine: &Engine) {
    let store = engine.store("kinds").await;
    let sink = Analytics::new(store.clone(), HERE);
    let [a, b, c, d, e] = [0, 1, 2, 3, 4].map(|n| echo(n, HERE));
    let elsewhere = echo(5, Region::UsEast1);
    let moved = Echo { origin: Region::UsEast1, ..d.clone() };
    let records = [
        record(1, &a, None, lives(&Echo { version: 2, ..a.clone() })),
        record(2, &b, None, buried()),
        created(3, &c),
        record(4, &c, lives(&c), buried()),
        record(5, &c, buried(), lives(&c)),
        created(6, &d),
        record(7, &d, lives(&d), lives(&moved)),
        created(8, &e),
        record(9, &e, lives(&e), None),
        record(10, &elsewhere, None, lives(&elsewhere)),
        record(11, &elsewhere, lives(&elsewhere), buried()),
        record(12, &a, lives(&a), lives(&a)),
    ];
    for records in records.chunks(5) {
        apply(&sink, SHARD, records).await;
    }
    expect(&store, &[a.clone(), c], &[a, b, d, e, elsewhere]).await;
    // What is replicated leaves no trace at all.
    let other = engine.store("kinds-replicated").await;
    let foreign: Vec<_> = (0..9).map(|n| echo(n, Region::UsEast1)).collect();
    let records: Vec<_> = (1..).zip(&foreign).map(|(sequence, echo)| created(sequence, echo)).collect();
    apply(&Analytics::new(other.clone(), HERE), SHARD, &records).await;
    assert!(other.counters(&Counters::All).await.unwrap().is_empty());
}

async fn regions_count_their_own(engine: &Engine) {
    let store = engine.store("regions").await;
    let there = engine.tables("regions", Region::UsEast1.as_str());
    let [ours, theirs] = [(HERE, store.clone()), (Region::UsEast1, there)];
    let sinks = [ours, theirs].map(|(region, store)| Analytics::new(store, region));
    let [moves, stays] = [0, 5].map(|n| echo(n, HERE));
    let moved = Echo { origin: Region::UsEast1, ..moves.clone() };
    for (sink, shard) in sinks.iter().zip(["here", "there"]) {
        apply(sink, shard, &[created(1, &moves), created(2, &stays)]).await;
        apply(sink, shard, &[record(3, &moves, lives(&moves), lives(&moved))]).await;
        apply(sink, shard, &[record(3, &moves, lives(&moves), lives(&moved))]).await;
    }
    expect(&store, &[moved, stays.clone()], &[]).await;
    assert_eq!(count(&store, &Counter::hour_of(moves.timestamp)).await.created, 1);
    assert_eq!(count(&store, &Counter::hour_of(stays.timestamp)).await.created, 1);
}

async fn a_dead_letter_counts_once(engine: &Engine) {
    let store = engine.store("letter").await;
    let echoes: Vec<_> = (0..3).map(|n| echo(n, HERE)).collect();
    apply(&Analytics::new(store.clone(), HERE), SHARD, &[created(1, &echoes[0]), created(3, &echoes[2])]).await;
    // The shard has gone on behind the second one, which is retried, by two operators.
    let letter = format!("letter:analytics#{SHARD}#2");
    for _ in 0..2 {
        apply(&Analytics::new(store.clone(), HERE), &letter, &[created(2, &echoes[1])]).await;
    }
    expect(&store, &echoes, &echoes).await;
}

async fn a_burst_over_many_people_counts(engine: &Engine) {
    let store = engine.store("burst").await;
    let echoes: Vec<_> =
        (0..1_000).map(|n| Echo { user_id: user(&format!("person-{}", n % 400)), ..echo(n, HERE) }).collect();
    let records: Vec<_> = (1..).zip(&echoes).map(|(sequence, echo)| created(sequence, echo)).collect();
    let sink = Analytics::new(store.clone(), HERE);
    let watch = echoes_core::clock::Stopwatch::start();
    apply(&sink, SHARD, &records).await;
    println!("  1,000 records of 400 people: {:?}", watch.elapsed());
    expect(&store, &echoes, &[]).await;
    let hours = store.counters(&Counters::HoursOf(echoes_core::store::day_of(now()))).await.unwrap();
    assert_eq!(hours.len(), 2, "22 and 23 o'clock; the others are tomorrow's");
    let mut active = 0;
    for n in 0..7 {
        active += store.active_people(echoes_core::store::hour_of(now().plus_millis(n * HOUR_MILLIS))).await.unwrap();
    }
    let mut expected: Vec<_> =
        echoes.iter().map(|echo| (echoes_core::store::hour_of(echo.timestamp), &echo.user_id)).collect();
    expected.sort();
    expected.dedup();
    assert_eq!(active, expected.len() as u64);
}

/// The attributes of the item that holds this region's part of a counter of a person.
async fn attributes(engine: &Engine, prefix: &str, person: &UserId) -> Vec<String> {
    use aws_sdk_dynamodb::types::AttributeValue::S;
    let request = engine.client().get_item().table_name(format!("{prefix}-ops")).consistent_read(true);
    let request = request.key("pk", S(format!("count#person#{person}"))).key("sk", S(HERE.to_string()));
    let mut names: Vec<_> = request.send().await.unwrap().item.unwrap_or_default().into_keys().collect();
    names.sort();
    names
}

async fn what_cannot_come_again_is_forgotten(engine: &Engine) {
    let store = engine.store("forget").await;
    let sink = Analytics::new(store.clone(), HERE);
    let one = echo(0, HERE);
    let at =
        |shard: &str, records: &[Arc<Record>], days| Batch { now: now().plus_days(days), ..batch(shard, records) };
    let apply = async |batch: Batch| assert_eq!(sink.apply(&batch).await, Ok(Vec::new()));
    let person = one.user_id.clone();
    for number in 0..5 {
        let more = Echo { user_id: person.clone(), ..echo(number * 3, HERE) };
        apply(at(&format!("old-{number}"), &[created(1, &more)], 0)).await;
    }
    apply(at("letter:x", &[created(1, &Echo { user_id: person.clone(), ..echo(90, HERE) })], 0)).await;
    let seen = async || {
        let names = attributes(engine, "forget", &person).await;
        names.into_iter().filter(|name| name.starts_with("seen#")).collect::<Vec<_>>()
    };
    assert_eq!(seen().await.len(), 6);
    let last = Echo { user_id: person.clone(), ..echo(93, HERE) };
    apply(at("young", &[created(1, &last)], 3)).await;
    assert_eq!(seen().await, ["seen#letter:x", "seen#young"]);
    assert_eq!(count(&store, &Counter::Person(person.clone())).await.living.values().sum::<i64>(), 7);
    // A process that hung on to a batch for days knows that it counted it, whatever the counter remembers.
    let again = Echo { user_id: person.clone(), ..echo(0, HERE) };
    let then = Echo { user_id: person.clone(), ..echo(96, HERE) };
    apply(at("old-0", &[created(1, &again), created(2, &then)], 3)).await;
    assert_eq!(count(&store, &Counter::Person(person)).await.living.values().sum::<i64>(), 8);
}

async fn nothing_is_left_of_who_has_no_echoes(engine: &Engine) {
    let store = engine.store("empty").await;
    let sink = Analytics::new(store.clone(), HERE);
    let [one, two] = [0, 5].map(|n| echo(n, HERE));
    let has_end = async || attributes(engine, "empty", &one.user_id).await.iter().any(|name| name == "ttl");
    apply(&sink, SHARD, &[created(1, &one)]).await;
    assert!(!has_end().await);
    apply(&sink, SHARD, &[record(2, &one, lives(&one), buried())]).await;
    assert!(has_end().await);
    apply(&sink, SHARD, &[created(3, &two)]).await;
    assert!(!has_end().await);
    expect(&store, &[two], &[one]).await;
}

async fn people_are_active_once_an_hour(engine: &Engine) {
    let store = engine.store("active").await;
    let there = engine.tables("active", Region::UsEast1.as_str());
    // Two echoes of one person in one hour, in two regions, and one in the next.
    let [first, second] = [echo(0, HERE), Echo { origin: Region::UsEast1, ..echo(35, HERE) }];
    let next = Echo { user_id: first.user_id.clone(), ..echo(1, HERE) };
    let gone = echo(7, HERE);
    let records = [created(1, &first), created(2, &second), created(3, &next), record(4, &gone, None, buried())];
    for sink in [Analytics::new(store.clone(), HERE), Analytics::new(there, Region::UsEast1)] {
        apply(&sink, SHARD, &records).await;
        apply(&sink, "another", &records).await;
    }
    let hour = echoes_core::store::hour_of(now());
    assert_eq!(store.active_people(hour).await.unwrap(), 1);
    assert_eq!(store.active_people(hour.plus_millis(HOUR_MILLIS)).await.unwrap(), 1);
    assert_eq!(store.active_people(hour.plus_millis(2 * HOUR_MILLIS)).await.unwrap(), 0);
}

/// What lies in an echo's place in each region changes as it likes, with the same end everywhere; each region's records come in
/// batches of any size, again from any place, and to processes that believe what is long untrue.
async fn random_histories_sum_to_the_table(engine: &Engine) {
    for seed in 0..4 {
        let prefix = format!("history-{seed}");
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        engine.store(&prefix).await;
        let echoes: Vec<_> = (0..6).map(|n| echo(n, HERE)).collect();
        let state = |rng: &mut ChaCha8Rng, of: &Echo| match rng.random_range(0..6) {
            0 => None,
            1 => buried(),
            n => lives(&Echo { origin: Region::ALL[n - 2], ..of.clone() }),
        };
        let ends: Vec<_> = echoes.iter().map(|echo| state(&mut rng, echo)).collect();
        for region in Region::ALL {
            let mut changes = Vec::new();
            for (echo, end) in echoes.iter().zip(&ends) {
                let mut states: Vec<_> = (0..rng.random_range(0..6)).map(|_| state(&mut rng, echo)).collect();
                states.push(end.clone());
                let olds = std::iter::once(None).chain(states.clone());
                changes.push(olds.zip(states).map(|(old, new)| (echo, old, new)).collect::<Vec<_>>());
            }
            let mut order: Vec<_> =
                changes.iter().enumerate().flat_map(|(at, changes)| vec![at; changes.len()]).collect();
            order.shuffle(&mut rng);
            let mut changes: Vec<_> = changes.into_iter().map(Vec::into_iter).collect();
            let records: Vec<_> = (1..)
                .zip(order)
                .map(|(sequence, at)| {
                    let (echo, old, new) = changes[at].next().unwrap();
                    record(sequence, echo, old, new)
                })
                .collect();
            let sinks = [(); 3].map(|()| Analytics::new(engine.tables(&prefix, region.as_str()), region));
            let mut done = 0;
            while done < records.len() {
                let from = rng.random_range(0..=done);
                let end = rng.random_range(from..records.len()) + 1;
                apply(sinks.choose(&mut rng).unwrap(), SHARD, &records[from..end]).await;
                done = done.max(end);
            }
        }
        let living: Vec<_> = ends.iter().flatten().filter_map(Image::echo).cloned().collect();
        expect(&engine.tables(&prefix, "us-west-2"), &living, &echoes).await;
    }
}
