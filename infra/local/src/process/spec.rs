//! Which program a child runs, and with what.

use std::fmt;
use std::path::PathBuf;

/// What to run.
#[derive(Clone)]
pub struct Spec {
    /// The program, by path or by name.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment, or `None` to inherit this process's.
    pub env: Option<Vec<(String, String)>>,
}

/// Variables by name only: some of their values are secrets.
impl fmt::Debug for Spec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = self.env.as_ref().map(|env| env.iter().map(|(name, _value)| name.as_str()).collect::<Vec<_>>());
        let Self { program, args, env: _ } = self;
        f.debug_struct("Spec").field("program", program).field("args", args).field("env", &names).finish()
    }
}
