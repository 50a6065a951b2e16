//! Waiting with a bound, and doing things at the same time.

use std::thread;
use std::time::{Duration, Instant};

/// How long between two looks.
const INTERVAL: Duration = Duration::from_millis(50);

/// Looks again and again until `look` is content, and gives what it found; panics with what it last complained of.
pub fn eventually<T>(within: Duration, what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match look() {
            Ok(found) => return found,
            Err(complaint) if begun.elapsed() >= within => {
                panic!("{what}: not within {:.1} s. The last look: {complaint}", within.as_secs_f64())
            }
            Err(_) => thread::sleep(INTERVAL),
        }
    }
}

/// Looks for so long, and panics as soon as `look` complains: what is not to happen.
pub fn throughout(during: Duration, what: &str, mut look: impl FnMut() -> Result<(), String>) {
    let begun = Instant::now();
    while begun.elapsed() < during {
        if let Err(complaint) = look() {
            panic!("{what}, after {:.1} s: {complaint}", begun.elapsed().as_secs_f64());
        }
        thread::sleep(INTERVAL);
    }
}

/// Does `work` for 0, 1, … at the same time, each in a thread of its own, and gives the results in that order.
pub fn at_once<T: Send>(count: usize, work: impl Fn(usize) -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let work = &work;
        let threads: Vec<_> = (0..count).map(|index| scope.spawn(move || work(index))).collect();
        threads
            .into_iter()
            .map(|thread| thread.join().unwrap_or_else(|payload| std::panic::resume_unwind(payload)))
            .collect()
    })
}
