//! Figures as lines of one width.

use std::time::Duration;

/// Says what a section compares.
pub fn title(text: &str) {
    println!("\n== {text}");
}

/// One figure beside a peer's, and their ratio.
pub fn ratio(what: &str, ours: f64, peer: f64, unit: &str, goal: &str) {
    println!("{what:<44} {ours:>10.1} {unit:<10} peer {peer:>10.1}   ratio {:>5.2}   goal {goal}", ours / peer);
}

/// The middle one of some figures.
pub fn median<T: PartialOrd + Copy + Default>(mut figures: Vec<T>) -> T {
    figures.sort_unstable_by(|one, other| one.partial_cmp(other).unwrap());
    figures.get(figures.len() / 2).copied().unwrap_or_default()
}

/// The time that this process has spent on a processor.
pub fn cpu() -> Duration {
    /// Clock ticks a second; 100 on every Linux that Rust's standard library supports.
    const TICKS: u64 = 100;
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let after_name = stat.rsplit_once(") ").unwrap().1;
    // Counted from the state, which is the third field: the 14th and 15th are user and system time.
    let ticks: u64 = after_name.split(' ').skip(11).take(2).map(|field| field.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 1_000 / TICKS)
}
