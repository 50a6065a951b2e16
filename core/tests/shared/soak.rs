//! How often the tests that kill do so: `make soak` asks for more than `make test`.

/// What `make soak` asks for in `ECHOES_SOAK_ROUNDS`.
#[expect(clippy::disallowed_methods, reason = "the test's own environment")]
pub fn asked_for() -> Option<usize> {
    let text = std::env::var("ECHOES_SOAK_ROUNDS").ok()?;
    Some(text.parse().expect("ECHOES_SOAK_ROUNDS is a number"))
}

/// That many, or else 5.
pub fn kills() -> usize {
    asked_for().unwrap_or(5)
}
