//! How a key of ours is written in Redis.

use std::borrow::Cow;
use std::fmt::Write as _;

use echoes_shared::Region;
use sha2::{Digest as _, Sha256};

/// Longer keys are hashed: Memcached takes no more (`protocol.txt`), and both tiers should refuse the same.
const KEY_BYTES: usize = 250;

/// The names of one region: two regions that share a Redis by mistake do not meet.
#[derive(Debug)]
pub(super) struct Names {
    prefix: String,
    /// The generation of everything.
    pub everything: String,
    /// The channel on which the processes of the region tell each other what they did.
    pub channel: String,
    /// The channel on which the worker tells the serving processes what happens.
    pub live: String,
}

impl Names {
    /// The first number is the format's: what means something else gets another.
    pub(super) fn new(region: Region) -> Self {
        let prefix = format!("echoes:1:{region}:");
        let [everything, channel, live] = ["all", "told", "live"].map(|name| format!("{prefix}{name}"));
        Self { everything, channel, live, prefix }
    }

    /// A key as it is written in every name that belongs to it.
    pub(super) fn plain(key: &str) -> Cow<'_, str> {
        if !key.is_empty() && key.len() <= KEY_BYTES && key.bytes().all(|byte| byte.is_ascii_graphic()) {
            return Cow::Borrowed(key);
        }
        // A space is in no key that is written as it is.
        let mut hashed = String::from("sha256 ");
        for byte in Sha256::digest(key) {
            let _ = write!(hashed, "{byte:02x}");
        }
        Cow::Owned(hashed)
    }

    /// A key's generation.
    pub(super) fn generation(&self, plain: &str) -> String {
        format!("{}g:{plain}", self.prefix)
    }

    /// A key's value.
    pub(super) fn value(&self, plain: &str) -> String {
        format!("{}v:{plain}", self.prefix)
    }

    /// The lease of the one who loads a key.
    pub(super) fn lease(&self, plain: &str) -> String {
        format!("{}l:{plain}", self.prefix)
    }

    /// What an hour's count of hits by emotion begins with; the hour since 1970 follows.
    pub(super) fn popular(&self) -> String {
        format!("{}p:", self.prefix)
    }

    /// Whose turn it is to do something that one process of the region does.
    pub(super) fn turn(&self, what: &str) -> String {
        format!("{}t:{}", self.prefix, Self::plain(what))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ordinary_keys_stay_readable() {
        let names = Names::new(Region::EuWest1);
        assert_eq!(names.generation(&Names::plain("feed:happy")), "echoes:1:eu-west-1:g:feed:happy");
    }

    #[test]
    fn long_and_odd_keys_become_short_different_names() {
        let odd = ["", " ", "a b", "a\r\nFLUSHALL\r\n", "\0", "é", &"x".repeat(251), &"y".repeat(100_000)];
        let plain: Vec<_> = odd.iter().map(|key| Names::plain(key).into_owned()).collect();
        for (at, name) in plain.iter().enumerate() {
            assert!(name.len() <= 80 && name.is_ascii() && !name.contains('\n'), "{name:?}");
            assert!(!plain.iter().take(at).any(|other| other == name));
        }
        assert_eq!(Names::plain(&"x".repeat(250)).len(), 250);
    }
}
