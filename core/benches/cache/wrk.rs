//! A load by `wrk`: one thread, keep-alive, the same request again and again.

use std::process::Stdio;

use crate::programs::{LOAD, Program, pinned};

const CONNECTIONS: &str = "32";
const WARM_UP: &str = "1s";
const DURATION: &str = "3s";

/// What a server did under a load.
#[derive(Clone, Copy)]
pub struct Figures {
    /// Requests a second.
    pub rate: f64,
    /// Microseconds of a processor that it spent on one. Unlike the rate this does not depend on what else the machine does.
    pub cpu_micros: f64,
}

/// Loads a server.
pub fn load(server: &Program, url: &str, headers: &[(String, String)]) -> Figures {
    run(url, headers, WARM_UP);
    let before = server.cpu();
    let (requests, rate) = run(url, headers, DURATION);
    let cpu = server.cpu() - before;
    Figures { rate, cpu_micros: cpu.as_secs_f64() * 1e6 / requests }
}

/// How many requests were answered, and how many a second.
fn run(url: &str, headers: &[(String, String)], duration: &str) -> (f64, f64) {
    let mut command = pinned(LOAD, "wrk");
    command.args(["-t1", "-c", CONNECTIONS, "-d", duration]);
    for (name, value) in headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command.arg(url).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}\n{}", one(url, headers));
    let find = |line: &str| -> Option<(f64, f64)> {
        let (requests, rest) = line.trim().split_once(" requests in ")?;
        let seconds = rest.split_once("s,")?.0;
        let requests: f64 = requests.parse().ok()?;
        Some((requests, requests / seconds.parse::<f64>().ok()?))
    };
    text.lines().find_map(find).unwrap_or_else(|| panic!("{text}"))
}

/// The head of one answer, for whoever looks into a failure.
fn one(url: &str, headers: &[(String, String)]) -> String {
    let mut command = std::process::Command::new("curl");
    headers.iter().for_each(|(name, value)| {
        command.args(["-H", &format!("{name}: {value}")]);
    });
    let output = command.args(["-s", "-i", "--max-time", "5", url]).output().unwrap();
    String::from_utf8_lossy(&output.stdout).chars().take(1_000).collect()
}
