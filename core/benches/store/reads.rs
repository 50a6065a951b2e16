//! Units and time of each operation on tables of growing size: neither may grow with the table.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use echoes_core::cache::{Cache, CacheConfig, Lifetimes};
use echoes_core::config::{Environment, ServeConfig};
use echoes_core::metrics::Metrics;
use echoes_core::service::Service;
use echoes_core::store::Store;
use echoes_core::units::{self, Units};
use echoes_shared::query::ListQuery;
use echoes_shared::{Emotion, UserId};

use crate::engine::Engine;
use crate::load::{self, Sample, now};
use crate::peers::create;
use crate::report;

/// Repetitions of one operation on one table.
const ROUNDS: usize = 400;
/// Random draws: enough to use up several samplings.
const DRAWS: usize = 40_000;
/// Has 500 echoes in each table: what a timeline costs must not depend on the others.
const PERSON: &str = "one-person";

/// What one operation took, by operation.
type Figures = BTreeMap<&'static str, (Units, Duration)>;

/// Prints the figures of all sizes side by side.
pub async fn compare(sizes: &[usize]) {
    report::title("units and median time of one operation, by echoes in the table");
    let mut columns = Vec::new();
    for &size in sizes {
        columns.push((size, measure(size).await));
    }
    print!("{:<12}", "");
    columns.iter().for_each(|(size, _)| print!("{:>34}", format!("{size} echoes")));
    println!("{:>12}", "time ratio");
    let Some((_, smallest)) = columns.first() else { return };
    for (operation, (_, base)) in smallest {
        print!("{operation:<12}");
        let mut last = *base;
        for (_, figures) in &columns {
            let (units, time) = figures[operation];
            print!("{:>34}", format!("{units}, {:.3} ms", time.as_secs_f64() * 1e3));
            last = time;
        }
        println!("{:>12.2}", last.as_secs_f64() / base.as_secs_f64());
    }
    println!("goal: units identical, time within 1.2; random at most 0.02 RRU a draw");
}

async fn measure(size: usize) -> Figures {
    let engine = Engine::start();
    let metrics = Metrics::new().unwrap();
    let store = engine.metered(metrics.clone()).await;
    let began = Instant::now();
    let mut samples = load::samples("size", size);
    let user: UserId = PERSON.parse().unwrap();
    samples.iter_mut().step_by(size / 500).for_each(|sample| sample.user = user.clone());
    load::bare_batches(&engine.client(), "EchoesTable", &samples).await;
    println!("{size} echoes loaded in {:.0} s", began.elapsed().as_secs_f64());
    let service = service(store.clone());
    let list = ListQuery::default();
    let mut figures = Figures::new();
    let at = |round: usize| -> &Sample { &samples[round * 7 % samples.len()] };
    let fresh = load::fresh_samples("fresh-ones", ROUNDS);

    figures.insert("feed", time(async |_| drop(service.feed(Emotion::Happy, &list, now()).await.unwrap())).await);
    figures.insert("recent", time(async |_| drop(service.recent(&list, now()).await.unwrap())).await);
    figures
        .insert("timeline", time(async |_| drop(service.timeline(user.clone(), &list, now()).await.unwrap())).await);
    let get = async |round| drop(service.echo(at(round).echo().echo_id, now()).await.unwrap());
    figures.insert("get", time(get).await);
    figures.insert("create", time(async |round: usize| create(&store, &fresh[round]).await).await);
    figures.insert("random", random(&service, &metrics).await);
    figures
}

/// The mean units and the median time of one round, after some to warm up.
async fn time(work: impl AsyncFn(usize)) -> (Units, Duration) {
    for round in 0..ROUNDS / 10 {
        work(round).await;
    }
    let mut times = Vec::with_capacity(ROUNDS);
    let ((), sum) = units::counted(async {
        for round in 0..ROUNDS {
            let began = Instant::now();
            work(round).await;
            times.push(began.elapsed());
        }
    })
    .await;
    let mean = |units: f64| (units / ROUNDS as f64 * 1_000.0).round() / 1_000.0;
    (Units { read: mean(sum.read), write: mean(sum.write) }, report::median(times))
}

/// The mean of many draws, with the samplings that are read behind them: those are no part of any one request.
async fn random(service: &Service, metrics: &Metrics) -> (Units, Duration) {
    let before = sampled_units(metrics);
    let mut times = Vec::with_capacity(DRAWS);
    for _ in 0..DRAWS {
        let began = Instant::now();
        service.random(Emotion::Happy, now()).await.unwrap();
        times.push(began.elapsed());
    }
    let read = (sampled_units(metrics) - before) / DRAWS as f64;
    (Units { read: (read * 10_000.0).round() / 10_000.0, write: 0.0 }, report::median(times))
}

/// Units that were read from the index of random draws so far.
fn sampled_units(metrics: &Metrics) -> f64 {
    let (_, text) = metrics.text().unwrap();
    let text = String::from_utf8(text).unwrap();
    let of_index = text.lines().filter(|line| line.contains("echoes_dynamodb_units_total{index=\"random-index\""));
    of_index.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()
}

fn service(store: Store) -> Arc<Service> {
    let look_up = |name: &str| match name {
        "ECHOES_REGION" => Some("eu-west-1".to_owned()),
        "ECHOES_LISTEN" => Some("127.0.0.1:0".to_owned()),
        "ECHOES_EDGE_KEYS" => Some("EDGE1:a-secret".to_owned()),
        "ECHOES_CURSOR_KEYS" => Some("k1:a-secret-of-sixteen-or-more".to_owned()),
        "ECHOES_AUDIO_BUCKET" => Some("echoes-audio".to_owned()),
        _ => None,
    };
    let config = ServeConfig::read(&Environment::new(look_up)).unwrap();
    let none = CacheConfig { memory_bytes: 0, redis: None, memcached: None };
    let cache = Cache::new(&none, config.store.region, Lifetimes::default(), Metrics::new().unwrap());
    Arc::new(Service::new(store, config.store.region, config.cursor_keys, config.audio_bucket, cache))
}
