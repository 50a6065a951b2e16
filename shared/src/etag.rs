//! Entity tags (RFC 9110, section 8.8.3) as far as Echoes needs them.

/// Whether an `If-None-Match` header names `etag`, by weak comparison: `W/"1"` and `"1"` are the same.
pub fn none_match_names(header: &str, etag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    header.trim() == "*" || header.split(',').any(|listed| strong(listed) == strong(etag))
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_comparison_is_weak() {
        for header in ["\"1\"", "W/\"1\"", "*", "\"0\", W/\"1\"", " \"1\" ,x"] {
            assert!(none_match_names(header, "\"1\""), "{header}");
            assert!(none_match_names(header, "W/\"1\""), "{header}");
        }
        for header in ["", "1", "\"2\"", "\"1", "\"11\""] {
            assert!(!none_match_names(header, "\"1\""), "{header}");
        }
    }
}
