//! The README's examples do what the README says they do.

use std::process::Command;

use echoes_tests::World;

super::trials!(ALONE: the_curl_lines_work_as_printed);

const README: &str = include_str!("../../../README.md");

/// A command of the README, and what it shows below it.
struct Example {
    command: String,
    shown: String,
}

/// The indented lines that begin with a prompt, with their continuations, and what follows up to the next.
fn examples() -> Vec<Example> {
    let mut examples: Vec<Example> = Vec::new();
    let mut continued = false;
    for line in README.lines() {
        let Some(text) = line.strip_prefix("    ") else {
            continued = false;
            continue;
        };
        match (text.strip_prefix("$ "), examples.last_mut()) {
            (Some(command), _) => examples.push(Example { command: command.to_owned(), shown: String::new() }),
            (None, Some(last)) if continued => last.command = format!("{}\n{text}", last.command),
            (None, Some(last)) => last.shown.push_str(&format!("{text}\n")),
            (None, None) => {}
        }
        continued = text.ends_with('\\');
    }
    examples
}

/// What tells one answer from another whatever the day: its status line, or else the names of its first fields.
fn gist(output: &str) -> String {
    let first = output.lines().next().unwrap_or_default().trim();
    match first.split_once(':') {
        Some((name, _)) if first.starts_with('{') => name.to_owned(),
        _ => first.to_owned(),
    }
}

fn the_curl_lines_work_as_printed(_: &World) {
    let examples = examples();
    assert!(examples.len() >= 6, "{} examples", examples.len());
    let mut settings = String::new();
    for Example { command, shown } in examples {
        let output = Command::new("bash").args(["-c", &format!("{settings}{command}")]).output().expect("bash");
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        if command.starts_with("curl") {
            assert_eq!(gist(&said), gist(&shown), "{command}\n{said}");
        } else {
            // It sets a variable for the commands below.
            settings.push_str(&format!("{command}\n"));
        }
    }
}
