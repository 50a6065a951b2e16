//! The only place that reads this process's environment.

/// The value of a variable; `None` when it is unset or no text.
#[expect(clippy::disallowed_methods, reason = "everything else asks this function")]
#[must_use]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}
