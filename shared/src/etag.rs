//! Entity tags and conditional requests (RFC 9110, sections 8.8.3, 13.1.1 and 13.1.2).

use crate::problem::{Problem, Slug};

/// The version that an edit's `If-Match` names: `"VERSION"`, `W/"VERSION"` too, so that a tag that was weakened on its way
/// still serves. A tag in quotes that is no version can match none.
pub fn if_match(header: Option<&str>) -> Result<u64, Problem> {
    let Some(header) = header else {
        return Err(Problem::new(Slug::PreconditionRequired, "If-Match must name the version that is edited"));
    };
    let tag = opaque(header.trim()).strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
    match tag {
        Some(tag) if !tag.contains('"') => version(tag).ok_or_else(has_changed),
        _ => Err(Problem::invalid_field("If-Match", "must be one version in quotes, as ETag gives it")),
    }
}

/// The version in the tag of one echo; `None` for any other tag.
pub fn version_of(etag: &str) -> Option<u64> {
    version(opaque(etag).strip_prefix('"')?.strip_suffix('"')?)
}

/// The problem of an edit whose echo has another version.
pub fn has_changed() -> Problem {
    Problem::new(Slug::PreconditionFailed, "the echo has another version than If-Match names")
}

/// Only the one spelling that we write is a version: `"01"` is another tag.
fn version(digits: &str) -> Option<u64> {
    let canonical = digits.bytes().all(|b| b.is_ascii_digit()) && (digits == "0" || !digits.starts_with('0'));
    if canonical { digits.parse().ok() } else { None }
}

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
    fn an_edit_names_one_version() {
        for (header, version) in
            [("\"1\"", 1), ("W/\"12\"", 12), (" \"7\" ", 7), ("\"18446744073709551615\"", u64::MAX)]
        {
            assert_eq!(if_match(Some(header)), Ok(version), "{header}");
        }
        let slug = |header| if_match(header).unwrap_err().slug;
        assert_eq!(slug(None), Slug::PreconditionRequired);
        for other in ["\"\"", "\"abc\"", "\"01\"", "\"+1\"", "\"1.0\"", "\"18446744073709551616\"", "W/\"\"", "\"é\""]
        {
            assert_eq!(slug(Some(other)), Slug::PreconditionFailed, "{other}");
        }
        for nonsense in ["", "*", "1", "\"", "\"1", "1\"", "w/\"1\"", "W/1", "\"1\", \"2\"", "W/W/\"1\"", "'1'"] {
            let problem = if_match(Some(nonsense)).unwrap_err();
            assert_eq!((problem.slug, &*problem.errors[0].field), (Slug::InvalidRequest, "If-Match"), "{nonsense}");
        }
        assert_eq!((version_of("\"3\""), version_of("W/\"3f\""), version_of("3")), (Some(3), None, None));
    }

    #[test]
    fn anything_else_is_another_answer() {
        for list in ["", "a", "\"a", "\"b\"", "W/", "\"\"", "w\"b\"", "\"a\u{e9}\"", ",,,", "\"x\" \"y"] {
            assert!(!none_match(list, "\"a\""), "{list}");
        }
        assert!(!none_match("\"\"", ""));
    }
}
