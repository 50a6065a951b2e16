//! Bytes as lower-case hexadecimal text.

/// Two characters for each byte.
pub fn lower(bytes: &[u8]) -> String {
    bytes.iter().flat_map(|byte| digits(*byte)).map(char::from).collect()
}

/// The same of a SHA-256, on the stack.
pub(crate) fn of_sha256(hash: &[u8; 32]) -> [u8; 64] {
    let mut text = [0; 64];
    for (pair, byte) in text.as_chunks_mut::<2>().0.iter_mut().zip(hash) {
        *pair = digits(*byte);
    }
    text
}

/// The bytes of a SHA-256 in lower case; none for any other text.
pub(crate) fn sha256(text: &[u8]) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.try_into().ok()?;
    let mut bytes = [0; 32];
    for (byte, [high, low]) in bytes.iter_mut().zip(text.as_chunks::<2>().0) {
        *byte = (value(*high)? << 4) | value(*low)?;
    }
    Some(bytes)
}

const fn digits(byte: u8) -> [u8; 2] {
    [digit(byte >> 4), digit(byte & 15)]
}

const fn digit(nibble: u8) -> u8 {
    if nibble < 10 { b'0' + nibble } else { b'a' + nibble - 10 }
}

const fn value(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn a_hash_reads_back() {
        let hash: [u8; 32] = std::array::from_fn(|at| (at * 8 + at / 4) as u8);
        let text = lower(&hash);
        assert_eq!(&text[..10], "0008101821");
        assert_eq!(of_sha256(&hash), *text.as_bytes());
        assert_eq!(sha256(text.as_bytes()), Some(hash));
        for other in ["", &text[1..], &text.to_uppercase(), &text.replace("00", "0g"), &format!("{text}0")] {
            assert_eq!(sha256(other.as_bytes()), None, "{other}");
        }
    }
}
