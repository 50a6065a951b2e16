//! Many callers for one key that nobody has, on a store that takes a tenth of a second: in one process, and in four with Redis.

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use echoes_core::cache::{Cache, CacheConfig, Key, Loaded};
use echoes_core::metrics::Metrics;
use echoes_shared::Emotion;
use futures_util::future::join_all;

use crate::programs::Program;
use crate::shared;

/// The argument that makes this program one of several processes.
pub const ROLE: &str = "stampede-process";
const CALLERS: usize = 200;
const PROCESSES: usize = 4;
const STORE_TAKES: Duration = Duration::from_millis(100);
const MEMORY_BYTES: u64 = 64 << 20;

pub async fn compare() {
    crate::report::title("a stampede: 200 callers, a cold key, a store that takes 100 ms");
    let config = CacheConfig { memory_bytes: MEMORY_BYTES, redis: None, memcached: None };
    let cache = shared::cache(&config, Metrics::new().unwrap());
    let (calls, times) = stampede(&cache, CALLERS).await;
    print("one process", calls, times);

    let (_redis, port) = Program::redis("0-1");
    let start = || {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args([ROLE, &port.to_string(), &(CALLERS / PROCESSES).to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut processes: Vec<(Child, BufReader<_>)> = (0..PROCESSES)
        .map(|_| {
            let mut child = start();
            let output = BufReader::new(child.stdout.take().unwrap());
            (child, output)
        })
        .collect();
    let line = |output: &mut BufReader<_>| {
        let mut line = String::new();
        output.read_line(&mut line).unwrap();
        line
    };
    for (_, output) in &mut processes {
        assert_eq!(line(output).trim(), "ready");
    }
    // A line on standard input starts each.
    for (child, _) in &mut processes {
        writeln!(child.stdin.as_mut().unwrap(), "go").unwrap();
    }
    let (mut calls, mut times) = (0, Vec::new());
    for (child, output) in &mut processes {
        let said = line(output);
        let mut numbers = said.split_whitespace().map(|number| number.parse::<u64>().unwrap());
        calls += numbers.next().unwrap();
        times.extend(numbers.map(Duration::from_micros));
        child.wait().unwrap();
    }
    print("four processes and Redis", usize::try_from(calls).unwrap(), times);
}

/// One of the four: says `ready`, waits for a line, and says how many loads and how many microseconds each caller took.
pub async fn one_of_several(redis_port: &str, callers: usize) {
    let cache = shared::over_redis(redis_port.parse().unwrap(), MEMORY_BYTES);
    cache.connected(Duration::from_secs(5)).await;
    println!("ready");
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (calls, times) = stampede(&cache, callers).await;
    let times: Vec<String> = times.iter().map(|time| time.as_micros().to_string()).collect();
    println!("{calls} {}", times.join(" "));
}

async fn stampede(cache: &Cache, callers: usize) -> (usize, Vec<Duration>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let now = echoes_core::clock::now();
    let found = Arc::new(shared::echoes());
    let one = async |_| {
        let (calls, found) = (Arc::clone(&calls), Arc::clone(&found));
        let began = Instant::now();
        let load = move || async move {
            calls.fetch_add(1, Ordering::Relaxed);
            tokio::time::sleep(STORE_TAKES).await;
            Ok(Loaded::Head { echoes: found.to_vec(), next: None })
        };
        cache.read(&Key::Feed(Emotion::Happy), now, load).await.unwrap();
        began.elapsed()
    };
    let times = join_all((0..callers).map(one)).await;
    (calls.load(Ordering::Relaxed), times)
}

fn print(what: &str, calls: usize, mut times: Vec<Duration>) {
    times.sort_unstable();
    let p99 = times[times.len() * 99 / 100].as_secs_f64() * 1e3;
    println!("{what:<28} {} callers: {calls} store calls (goal 1), p99 {p99:.1} ms (goal <= 115)", times.len());
}
