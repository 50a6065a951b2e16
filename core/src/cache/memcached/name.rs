//! The names under which keys lie in Memcached.

use echoes_shared::{Region, hex};
use sha2::{Digest as _, Sha256};

/// Two deployments, or two regions, that share servers do not meet; the number changes when names do.
const PREFIX: &str = "echoes1";
/// <https://github.com/memcached/memcached/blob/master/doc/protocol.txt>, *Keys*
const MAX_BYTES: usize = 250;

/// The name of `key`: itself behind a prefix or, where that is longer than Memcached takes or has bytes that it refuses, its
/// hash. No key looks like a hash's name, since none begins so.
pub(super) fn of(region: Region, key: &str) -> String {
    let name = format!("{PREFIX}:{region}:{key}");
    if name.len() <= MAX_BYTES && name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return name;
    }
    format!("{PREFIX}:{region}:sha256:{}", hex::lower(&Sha256::digest(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_what_memcached_takes_and_no_two_keys_share_one() {
        let of = |key: &str| of(Region::EuWest1, key);
        assert_eq!(of("timeline:ana|b@c#happy"), "echoes1:eu-west-1:timeline:ana|b@c#happy");
        let longest = "k".repeat(MAX_BYTES - "echoes1:eu-west-1:".len());
        assert_eq!(of(&longest).len(), MAX_BYTES);
        assert!(of(&longest).ends_with(&longest));
        for odd in [&format!("{longest}k"), "a b", "a\r\nflush_all", "ü", "a\0", "a\u{7f}"] {
            let name = of(odd);
            assert!(name.starts_with("echoes1:eu-west-1:sha256:") && name.len() < MAX_BYTES, "{name}");
            assert!(name.bytes().all(|byte| byte.is_ascii_graphic()), "{name}");
        }
        assert_ne!(of("a b"), of("a  b"));
    }
}
