//! Collects what is wrong with a query, so that all of it is said at once.

use std::borrow::Cow;

use crate::problem::{FieldError, Problem};

/// The faults found so far, in the order in which they are named.
#[derive(Default)]
pub(super) struct Faults(Vec<FieldError>);

impl Faults {
    /// One more.
    pub(super) fn note(&mut self, field: &'static str, detail: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError::new(field, detail));
    }

    /// The same, unless the field has one already.
    pub(super) fn note_first(&mut self, field: &'static str, detail: impl Into<Cow<'static, str>>) {
        if !self.has(field) {
            self.note(field, detail);
        }
    }

    /// Whether a field has one.
    pub(super) fn has(&self, field: &str) -> bool {
        self.0.iter().any(|error| error.field == field)
    }

    /// What was read of a field; its fault is noted, unless it has one already.
    pub(super) fn take<T>(&mut self, field: &'static str, read: Option<Result<T, String>>) -> Option<T> {
        read?.map_err(|detail| self.note_first(field, detail)).ok()
    }

    /// The same of what is still to be read.
    pub(super) fn read<T>(
        &mut self,
        field: &'static str,
        value: Option<Cow<'_, str>>,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        self.take(field, value.map(|value| read(&value)))
    }

    /// The value, if there is no fault.
    pub(super) fn or<T>(self, value: T) -> Result<T, Problem> {
        if self.0.is_empty() { Ok(value) } else { Err(self.problem()) }
    }

    /// All of them as one problem.
    pub(super) fn problem(self) -> Problem {
        Problem::invalid(self.0)
    }
}
