//! Asks before serving and working whether the tables are what this program expects.

use std::time::Duration;

use rand::RngExt as _;

use super::ServeError;
use crate::store::Store;
use crate::store::table::Weight;

/// The pause before the tables are asked for again is a random part of this, doubled with each time…
const FIRST_PAUSE: Duration = Duration::from_millis(200);
/// … up to this: a core must not stay unready for long once its store is back.
const MAX_PAUSE: Duration = Duration::from_secs(2);
/// Differences that the refusal names; `echoes table check` names all.
const NAMED: usize = 3;

/// What is known of the tables.
#[derive(Debug)]
pub(super) enum Schema {
    /// They fit.
    Fits,
    /// They cannot be used yet: the store does not answer, or a table is being made.
    Unknown(String),
}

/// Asks once. Differences that the program cannot work with are an error; more than it needs is logged.
pub(super) async fn ask(store: &Store) -> Result<Schema, ServeError> {
    let differences = match store.differences().await {
        Ok(differences) => differences,
        Err(error) => return Ok(Schema::Unknown(error.to_string())),
    };
    let of = |weight: Weight| -> Vec<&str> {
        differences.iter().filter(|found| found.weight == weight).map(|found| found.text.as_str()).collect()
    };
    let fatal = of(Weight::Fatal);
    if !fatal.is_empty() {
        return Err(ServeError(refusal(&fatal)));
    }
    for difference in of(Weight::Harmless) {
        tracing::warn!(difference, "a table is not quite as designed");
    }
    Ok(of(Weight::Passing).first().map_or(Schema::Fits, |difference| Schema::Unknown((*difference).to_owned())))
}

/// Asks until the tables fit, or differ.
pub(super) async fn await_fit(store: &Store) -> Result<(), ServeError> {
    let mut longest = FIRST_PAUSE;
    loop {
        let pause = rand::rng().random_range(Duration::ZERO..=longest);
        tokio::time::sleep(pause).await;
        if let Schema::Fits = ask(store).await? {
            tracing::info!("the tables fit");
            return Ok(());
        }
        longest = (longest * 2).min(MAX_PAUSE);
    }
}

/// Asks once and, where that is in vain, says so and asks on.
pub(super) async fn settle(store: &Store) -> Result<(), ServeError> {
    match ask(store).await? {
        Schema::Fits => Ok(()),
        Schema::Unknown(cause) => {
            tracing::warn!(cause, "the tables cannot be checked yet");
            await_fit(store).await
        }
    }
}

fn refusal(differences: &[&str]) -> String {
    let named: Vec<_> = differences.iter().take(NAMED).copied().collect();
    let more = match differences.len().saturating_sub(NAMED) {
        0 => String::new(),
        more => format!("; and {more} more"),
    };
    format!("the tables are not those of this version: {}{more} (see `echoes table check`)", named.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_one_line_and_not_endless() {
        let differences: Vec<String> = (1..=9).map(|n| format!("EchoesTable: index-{n} is missing")).collect();
        let differences: Vec<&str> = differences.iter().map(String::as_str).collect();
        assert_eq!(
            refusal(&differences[..1]),
            "the tables are not those of this version: EchoesTable: index-1 is missing (see `echoes table check`)"
        );
        let all = refusal(&differences);
        assert!(all.contains("index-3") && !all.contains("index-4") && all.contains("; and 6 more"), "{all}");
    }
}
