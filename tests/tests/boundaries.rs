//! Keeps the house in order: which package may know which, what each part of the source may name, how files are shaped.
//!
//! Every rule is a row of a table with the reason beside it. Dependencies come from `cargo metadata` and `cargo tree` (which
//! knows the features that one package alone switches on); the rest is read from the source text, without comments and
//! unit tests. The checks themselves are tried in `boundaries/samples.rs`.

use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use serde_json::Value;

#[path = "boundaries/samples.rs"]
mod samples;

type Outcome = Result<(), Box<dyn Error>>;

/// Which packages of the workspace each one may depend on: `edge → shared ← core`.
const ARROWS: &[(&str, &[&str])] = &[
    ("echoes-shared", &[]),
    ("echoes-edge", &["echoes-shared"]),
    ("echoes-core", &["echoes-shared"]),
    ("echoes-local", &["echoes-shared", "echoes-core"]),
    ("echoes-tests", &["echoes-shared"]),
];

/// What must not be found in all that a package is built from, however deep. `*` at the end stands for anything, and
/// `crate/feature` means that feature of it.
struct Closure {
    package: &'static str,
    target: &'static str,
    never: &'static [&'static str],
    why: &'static str,
}

const CLOSURES: &[Closure] = &[
    Closure {
        package: "echoes-shared",
        target: "all",
        never: &[
            "worker",
            "aws-sdk-*",
            "aws-config",
            "aws-smithy-http-client",
            "reqwest",
            "hyper",
            "axum",
            "redis",
            "tokio/rt",
            "tokio/net",
            "tokio/time",
            "tokio/fs",
            "tokio/process",
            "tokio/signal",
        ],
        why: "shared holds rules alone: no I/O, no clock, no runtime, so that both halves can use it",
    },
    Closure {
        package: "echoes-edge",
        target: "wasm32-unknown-unknown",
        never: &[
            "aws-sdk-*",
            "aws-config",
            "redis",
            "axum",
            "hyper",
            "dynoxide-rs",
            "tokio/rt",
            "tokio/net",
            "tokio/time",
            "tokio/fs",
        ],
        why: "the edge knows neither DynamoDB nor Redis nor S3, and a Worker has no sockets and no threads",
    },
    Closure {
        package: "echoes-core",
        target: "all",
        never: &["worker", "worker-*", "dynoxide-rs", "s3s", "s3s-fs"],
        why: "the core runs on servers; the embedded cloud is something it meets only over the wire",
    },
];

/// The packages whose direct dependencies of one family are named one by one.
const FAMILIES: &[(&str, &str, &[&str], &str)] = &[
    ("echoes-shared", "aws-", &["aws-sigv4", "aws-credential-types"], "of AWS, shared may know the signer alone"),
    ("echoes-shared", "tokio", &[], "shared has nothing to wait for"),
    ("echoes-edge", "aws-", &[], "the edge signs through shared"),
];

/// Words that must not stand in the code of some part of the source.
struct Words {
    within: &'static str,
    except: &'static [&'static str],
    never: &'static [&'static str],
    why: &'static str,
}

const WORDS: &[Words] = &[
    Words {
        within: "core/src/http",
        except: &[],
        never: &["aws_sdk", "aws_smithy", "aws_config", "crate::store"],
        why: "the HTTP side does not know what stands behind the service",
    },
    Words {
        within: "core/src/store",
        except: &[],
        never: &["axum", "crate::http"],
        why: "the store does not know who asks",
    },
    Words {
        within: "core/src",
        except: &["core/src/config", "core/src/main"],
        never: &["std::env", "env::var", "env::vars"],
        why: "only config and main read the environment",
    },
    Words {
        within: "core/src",
        except: &["core/src/clock"],
        never: &["SystemTime::now", "Utc::now", "Local::now", "Instant::now", "OffsetDateTime::now"],
        why: "only clock reads the time; it is passed in everywhere else",
    },
    Words {
        within: "shared/src",
        except: &[],
        never: &[
            "SystemTime::now",
            "Instant::now",
            "Utc::now",
            "std::env",
            "std::fs",
            "std::net",
            "std::thread",
            "async fn",
            "async move",
        ],
        why: "shared has no I/O, no clock, no environment and nothing asynchronous",
    },
    Words {
        within: "edge/src",
        except: &[],
        never: &["SystemTime::now", "Instant::now", "Utc::now", "std::env", "std::fs", "std::net", "std::thread"],
        why: "these compile for WebAssembly and then panic: time comes from worker::Date, settings from bindings",
    },
];

/// Names that tell nothing about which line belongs inside, as whole words of a file's name or ends of a type's.
const VAGUE: &[&str] = &["util", "utils", "helper", "helpers", "manager", "misc", "common"];

const LINES_AT_MOST: usize = 400;

#[test]
fn packages_depend_along_the_arrows_only() -> Outcome {
    report(packages()?.iter().flat_map(|package| against_arrows(&package.name, &package.dependencies)).collect())
}

#[test]
fn nothing_forbidden_is_reached_however_deep() -> Outcome {
    let mut found = Vec::new();
    for rule in CLOSURES {
        let tree = run_cargo(&[
            "tree",
            "-p",
            rule.package,
            "-e",
            "normal",
            "--target",
            rule.target,
            "--prefix",
            "none",
            "-f",
            "{p}|{f}",
        ])?;
        found.extend(against_closure(rule, &tree));
    }
    report(found)
}

#[test]
fn source_names_only_what_its_part_may_know() -> Outcome {
    let files = sources()?;
    report(files.iter().flat_map(|(path, text)| against_words(path, text)).collect())
}

#[test]
fn files_are_small_named_and_introduced() -> Outcome {
    let files = sources()?;
    assert!(files.len() > ARROWS.len(), "found only {} source files: the search is broken", files.len());
    report(files.iter().flat_map(|(path, text)| against_shape(path, text)).collect())
}

#[test]
fn packages_inherit_the_lints() -> Outcome {
    let mut found = Vec::new();
    for package in packages()? {
        found.extend(against_lints(&package.name, &fs::read_to_string(package.folder.join("Cargo.toml"))?));
    }
    if !fs::read_to_string(root().join("Cargo.toml"))?.contains("unsafe_code = \"forbid\"") {
        found.push("Cargo.toml: the workspace must forbid unsafe_code".to_owned());
    }
    report(found)
}

// The checks: each takes what it judges, and answers with one sentence for each fault.

fn against_arrows(package: &str, dependencies: &[String]) -> Vec<String> {
    let Some((_, allowed)) = ARROWS.iter().find(|(name, _)| *name == package) else {
        return vec![format!("{package} is a package of the workspace and has no row in ARROWS")];
    };
    let inner = dependencies.iter().filter(|name| ARROWS.iter().any(|(known, _)| known == name));
    let mut found: Vec<_> = inner
        .filter(|name| !allowed.contains(&name.as_str()))
        .map(|name| format!("{package} depends on {name}: the arrows are edge → shared ← core"))
        .collect();
    for (_, family, listed, why) in FAMILIES.iter().filter(|(name, ..)| *name == package) {
        let strangers =
            dependencies.iter().filter(|name| name.starts_with(family) && !listed.contains(&name.as_str()));
        found.extend(strangers.map(|name| format!("{package} depends on {name}: {why}")));
    }
    found
}

/// `tree` has a line `name version …|feature,feature` for each package.
fn against_closure(rule: &Closure, tree: &str) -> Vec<String> {
    let mut found = Vec::new();
    for line in tree.lines() {
        let (package, features) = line.split_once('|').unwrap_or((line, ""));
        let name = package.split(' ').next().unwrap_or_default();
        let features = features.trim_end_matches(" (*)").split(',');
        let names = std::iter::once(name.to_owned()).chain(features.map(|feature| format!("{name}/{feature}")));
        for name in names.filter(|name| rule.never.iter().any(|pattern| matches(pattern, name))) {
            let fault = format!("{} is built with {name}: {}", rule.package, rule.why);
            if !found.contains(&fault) {
                found.push(fault);
            }
        }
    }
    found
}

fn against_words(path: &str, text: &str) -> Vec<String> {
    let code = code_of(path, text);
    let mut found = Vec::new();
    for rule in WORDS.iter().filter(|rule| is_within(path, rule.within)) {
        if rule.except.iter().any(|part| is_within(path, part)) {
            continue;
        }
        for (number, line) in code.iter().enumerate() {
            let words = rule.never.iter().filter(|word| line.contains(*word));
            found.extend(words.map(|word| format!("{path}:{}: `{word}`: {}", number + 1, rule.why)));
        }
    }
    found
}

fn against_shape(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fault = |message: String| found.push(format!("{path}: {message}"));
    let lines = text.lines().count();
    if lines > LINES_AT_MOST {
        fault(format!("{lines} lines, at most {LINES_AT_MOST}: split it along its ideas"));
    }
    if !text.starts_with("//!") {
        fault("must open with `//!` and its purpose in a sentence".to_owned());
    }
    if path.ends_with("/mod.rs") {
        fault("a module's file stands beside its folder and bears its name; there is no mod.rs".to_owned());
    }
    for part in path.trim_end_matches(".rs").split(['/', '_']).filter(|part| VAGUE.contains(part)) {
        fault(format!("`{part}` in a name does not tell which line belongs inside"));
    }
    for line in code_of(path, text) {
        let mut words = line.split(|c: char| !c.is_alphanumeric());
        let declares = words.any(|word| matches!(word, "struct" | "enum" | "trait" | "type"));
        let name = words.next().unwrap_or_default();
        if declares && ["Manager", "Helper", "Helpers", "Util", "Utils"].iter().any(|end| name.ends_with(end)) {
            fault(format!("`{name}` does not tell what it does"));
        }
    }
    found
}

fn against_lints(package: &str, manifest: &str) -> Vec<String> {
    let inherits =
        manifest.split("\n[").any(|table| table.starts_with("lints]") && table.contains("workspace = true"));
    if inherits { Vec::new() } else { vec![format!("{package}: Cargo.toml must say `[lints] workspace = true`")] }
}

/// The lines of a file that are code of the program: no comments, and nothing from its unit tests on, which stand last.
fn code_of<'a>(path: &str, text: &'a str) -> Vec<&'a str> {
    let lines: Vec<&str> = text.lines().map(without_comment).collect();
    if path.ends_with("/tests.rs") {
        return Vec::new();
    }
    let is_tests = |pair: &[&str]| match pair {
        [attribute, module] => attribute.trim() == "#[cfg(test)]" && module.contains("mod ") && module.contains('{'),
        _ => false,
    };
    let end = lines.windows(2).position(is_tests).unwrap_or(lines.len());
    lines.into_iter().take(end).collect()
}

/// A comment begins at the first `//` with an even number of quotation marks before it.
fn without_comment(line: &str) -> &str {
    let begins = |(at, _): &(usize, &str)| line.get(..*at).is_some_and(|before| before.matches('"').count() % 2 == 0);
    line.match_indices("//").find(begins).and_then(|(at, _)| line.get(..at)).unwrap_or(line)
}

fn matches(pattern: &str, name: &str) -> bool {
    pattern.strip_suffix('*').map_or(pattern == name, |start| name.starts_with(start) && !name.contains('/'))
}

/// Whether a file is the module `part` (`core/src/http.rs`) or inside it (`core/src/http/…`).
fn is_within(path: &str, part: &str) -> bool {
    path.strip_prefix(part).is_some_and(|rest| rest == ".rs" || rest.starts_with('/'))
}

// Where the facts come from.

struct Package {
    name: String,
    folder: PathBuf,
    dependencies: Vec<String>,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn run_cargo(arguments: &[&str]) -> Result<String, Box<dyn Error>> {
    let output = Command::new(env!("CARGO")).args(arguments).current_dir(root()).output()?;
    if !output.status.success() {
        return Err(format!("cargo {arguments:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(String::from_utf8(output.stdout)?)
}

fn packages() -> Result<Vec<Package>, Box<dyn Error>> {
    let metadata: Value = serde_json::from_str(&run_cargo(&["metadata", "--no-deps", "--format-version", "1"])?)?;
    let text = |value: &Value, key: &str| value.get(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    let list = |value: &Value, key: &str| value.get(key).and_then(Value::as_array).cloned().unwrap_or_default();
    let package = |value: &Value| Package {
        name: text(value, "name"),
        folder: Path::new(&text(value, "manifest_path")).parent().unwrap_or(Path::new("")).to_owned(),
        dependencies: list(value, "dependencies").iter().map(|dependency| text(dependency, "name")).collect(),
    };
    Ok(list(&metadata, "packages").iter().map(package).collect())
}

/// Every Rust file of the workspace's packages: its path from the root with `/`, and its text.
fn sources() -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let root = root().canonicalize()?;
    let mut folders = Vec::new();
    for package in packages()? {
        let inside = ["src", "tests", "benches", "examples"].map(|name| package.folder.join(name));
        folders.extend(inside.into_iter().filter(|folder| folder.exists()));
    }
    let mut found = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let name = path.canonicalize()?.strip_prefix(&root)?.to_string_lossy().replace('\\', "/");
                found.push((name, fs::read_to_string(&path)?));
            }
        }
    }
    found.sort();
    Ok(found)
}

fn report(found: Vec<String>) -> Outcome {
    if found.is_empty() { Ok(()) } else { Err(format!("{} fault(s):\n  {}", found.len(), found.join("\n  ")).into()) }
}
