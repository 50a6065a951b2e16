//! The only place that asks for a variable of this process by name. Two others hand the whole environment to whom it
//! concerns: the log's filter to `RUST_LOG`'s own reader, and the sample loader to the core's configuration.

/// The value of a variable; `None` when it is unset or no text.
#[expect(clippy::disallowed_methods, reason = "everything else asks this function")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
