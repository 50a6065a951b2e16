//! Headers of answers: the names that are our own, and short values that are put together on the stack.

use echoes_shared::wire;
use http::HeaderName;

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

    /// Adds a number.
    pub(super) fn push_number(&mut self, number: impl itoa::Integer) {
        self.push(itoa::Buffer::new().format(number));
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.bytes.get(..self.length).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_what_was_put_into_it_as_far_as_that_fits() {
        let mut text = Text::new();
        assert!(text.is_empty());
        text.push("ttl=");
        text.push_number(-12);
        assert_eq!(text.as_bytes(), b"ttl=-12");
        text.push(&"x".repeat(MAX_BYTES));
        assert_eq!(text.as_bytes(), b"ttl=-12");
        assert!(!text.is_empty());
    }
}
