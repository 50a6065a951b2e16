//! The core's program, run as an operator runs it, and the signer of another house.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Output};

use echoes_shared::Region;
use serde_json::Value;

use crate::settings;

/// What a finished program said.
#[derive(Debug, Clone)]
pub struct Finished {
    /// Its exit status.
    pub code: Option<i32>,
    /// Its standard output.
    pub stdout: String,
    /// Its standard error.
    pub stderr: String,
}

/// Runs `echoes` with these arguments and no other variables than these.
pub fn echoes(arguments: &[&str], variables: &BTreeMap<String, String>) -> Finished {
    let mut command = Command::new(settings::core_program());
    command.args(arguments).env_clear().envs(variables);
    finished(command.output().expect("target/release/echoes is there: `make build` builds it"))
}

/// The variables of a region's shell file, as a shell reads them.
pub fn variables_of(state: &Path, region: Region) -> BTreeMap<String, String> {
    let file = state.join("env").join(region.as_str());
    let output = Command::new("sh").args(["-c", ". \"$1\" && env -0", "sh"]).arg(&file).env_clear().output();
    let output = finished(output.expect("a shell"));
    assert!(output.code == Some(0), "{} is no shell file: {output:?}", file.display());
    let pairs = output.stdout.split('\0').filter_map(|line| line.split_once('='));
    let ours = pairs.filter(|(name, _)| name.starts_with("ECHOES_") || name.starts_with("AWS_"));
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// Has botocore sign a call, and gives the headers that it would send.
pub fn sign_with_botocore(call: &Value) -> BTreeMap<String, String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("support/botocore_sign.py");
    let output = Command::new(settings::python()).arg(script).arg(call.to_string()).output();
    let output = finished(output.unwrap_or_else(|error| panic!("ECHOES_PYTHON does not run: {error}")));
    assert!(output.code == Some(0), "botocore did not sign: {}", output.stderr);
    serde_json::from_str(&output.stdout).unwrap_or_else(|error| panic!("{error}: {}", output.stdout))
}

fn finished(output: Output) -> Finished {
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    Finished { code: output.status.code(), stdout: text(output.stdout), stderr: text(output.stderr) }
}
