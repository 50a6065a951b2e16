//! Headers of answers: the names that are our own, and short values that are put together on the stack.

use std::fmt;

use echoes_shared::wire;
use http::{HeaderName, HeaderValue};

pub(super) const CORE_REQUEST_ID: HeaderName = HeaderName::from_static(wire::CORE_REQUEST_ID);
pub(super) const REGION: HeaderName = HeaderName::from_static(wire::REGION);
pub(super) const REQUEST_ID: HeaderName = HeaderName::from_static(wire::REQUEST_ID);
pub(super) const SERVER_TIMING: HeaderName = HeaderName::from_static(wire::SERVER_TIMING);

/// Bytes of a text at most: four tiers with all that is said of each.
const MAX_BYTES: usize = 192;

/// A value in the making.
pub(super) struct Text {
    bytes: [u8; MAX_BYTES],
    length: usize,
}

impl Text {
    pub(super) const fn new() -> Self {
        Self { bytes: [0; MAX_BYTES], length: 0 }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Adds a part; what does not fit is left out.
    pub(super) fn push(&mut self, part: &str) {
        let end = self.length.saturating_add(part.len());
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(part.as_bytes());
            self.length = end;
        }
    }

    /// The value, unless somebody has put a line break into it.
    pub(super) fn value(&self) -> Option<HeaderValue> {
        HeaderValue::from_bytes(self.bytes.get(..self.length)?).ok()
    }
}

impl fmt::Write for Text {
    fn write_str(&mut self, part: &str) -> fmt::Result {
        self.push(part);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::fmt::Write as _;

    use super::*;

    #[test]
    fn a_text_is_what_was_put_into_it_as_far_as_that_fits() {
        let mut text = Text::new();
        assert!(text.is_empty());
        text.push("l1;dur=");
        write!(text, "{:.2}", 0.25).unwrap();
        assert_eq!(text.value().unwrap(), "l1;dur=0.25");
        text.push(&"x".repeat(MAX_BYTES));
        assert_eq!(text.value().unwrap(), "l1;dur=0.25");
        text.push("\n");
        assert!(text.value().is_none() && !text.is_empty());
    }
}
