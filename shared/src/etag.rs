//! Entity tags and conditional requests (RFC 9110, sections 8.8.3 and 13.1.2).

/// Whether a request with this `If-None-Match` has the answer with this tag already, by weak comparison.
pub fn none_match(if_none_match: &str, etag: &str) -> bool {
    if if_none_match.trim() == "*" {
        return true;
    }
    !etag.is_empty() && tags(if_none_match).any(|tag| tag == opaque(etag))
}

/// The tag without its mark of weakness.
fn opaque(etag: &str) -> &str {
    etag.strip_prefix("W/").unwrap_or(etag)
}

/// The quoted parts of a list of tags. A tag may contain a comma, so quotes and not commas divide the list.
fn tags(list: &str) -> impl Iterator<Item = &str> {
    let mut rest = list;
    std::iter::from_fn(move || {
        let (_, from_quote) = rest.split_at_checked(rest.find('"')?)?;
        let end = from_quote.get(1..)?.find('"')? + 2;
        let (tag, after) = from_quote.split_at_checked(end)?;
        rest = after;
        Some(tag)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn tags_are_compared_weakly() {
        for list in ["\"a\"", "W/\"a\"", "\"x\", W/\"a\"", "\"x\",\"a\"", " \"a\" ", "*", " * "] {
            assert!(none_match(list, "\"a\"") && none_match(list, "W/\"a\""), "{list}");
        }
        assert!(none_match("\"x,y\"", "W/\"x,y\""));
    }

    #[test]
    fn anything_else_is_another_answer() {
        for list in ["", "a", "\"a", "\"b\"", "W/", "\"\"", "w\"b\"", "\"a\u{e9}\"", ",,,", "\"x\" \"y"] {
            assert!(!none_match(list, "\"a\""), "{list}");
        }
        assert!(!none_match("\"\"", ""));
    }
}
