//! Where the parts are: the repository's folders, and the few variables that say otherwise.

use std::path::{Path, PathBuf};

/// The top of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the package lies in the workspace").to_owned()
}

/// The command that starts a stack: `ECHOES_STACK_COMMAND`, else the one of `make dev`.
pub fn stack_command() -> PathBuf {
    variable("ECHOES_STACK_COMMAND").map_or_else(|| root().join("infra/setup/dev.sh"), PathBuf::from)
}

/// The state folder of a stack that runs already and is to be used and left running: `ECHOES_STACK_STATE`.
pub fn running_stack() -> Option<PathBuf> {
    variable("ECHOES_STACK_STATE").map(|folder| root().join(folder))
}

/// The state folder of a stack of our own.
pub fn state() -> PathBuf {
    root().join("target/tmp/stack")
}

/// A Python that has botocore: `ECHOES_PYTHON`, else the one that the set-up makes.
pub fn python() -> PathBuf {
    variable("ECHOES_PYTHON").map_or_else(|| root().join(".cache/venv/bin/python"), PathBuf::from)
}

/// The core's program, as `make build` leaves it.
pub fn core_program() -> PathBuf {
    root().join("target/release/echoes")
}

#[expect(clippy::disallowed_methods, reason = "the one place where the tests read the environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
