//! Short texts and their parts. The standard library's search is made for longer ones.

/// What is before the first `at`, an ASCII character, and what is behind it.
pub fn once(text: &str, at: u8) -> Option<(&str, &str)> {
    let place = memchr::memchr(at, text.as_bytes())?;
    Some((text.get(..place)?, text.get(place + 1..)?))
}

/// The parts between each `at`, an ASCII character.
pub fn each(text: &str, at: u8) -> impl Iterator<Item = &str> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let (part, behind) = once(rest?, at).map_or((rest?, None), |(part, behind)| (part, Some(behind)));
        rest = behind;
        Some(part)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn parts_are_those_of_the_standard_library() {
        for text in ["", "a", "/", "a/b", "//", "a//b/", "/\u{e9}/x"] {
            assert!(each(text, b'/').eq(text.split('/')), "{text}");
            assert_eq!(once(text, b'/'), text.split_once('/'), "{text}");
        }
    }
}
