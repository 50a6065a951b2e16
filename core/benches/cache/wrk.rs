//! A load by `wrk`: one thread, keep-alive, the same request again and again.

use std::process::Stdio;

use crate::programs::{LOAD, pinned};

const CONNECTIONS: &str = "32";
const WARM_UP: &str = "1s";
const DURATION: &str = "6s";

/// Requests a second.
pub fn rate(url: &str, headers: &[(String, String)]) -> f64 {
    run(url, headers, WARM_UP);
    run(url, headers, DURATION)
}

fn run(url: &str, headers: &[(String, String)], duration: &str) -> f64 {
    let mut command = pinned(LOAD, "wrk");
    command.args(["-t1", "-c", CONNECTIONS, "-d", duration]);
    for (name, value) in headers {
        command.args(["-H", &format!("{name}: {value}")]);
    }
    let output = command.arg(url).stderr(Stdio::inherit()).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("Non-2xx"), "{text}\n{}", one(url, headers));
    let line = text.lines().find_map(|line| line.strip_prefix("Requests/sec:"));
    line.unwrap_or_else(|| panic!("{text}")).trim().parse().unwrap()
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
