//! The keys that edge and core share.

use std::fmt;

/// One key: a public id and a secret. `Debug` shows the id alone.
#[derive(Clone)]
pub struct EdgeKey {
    id: String,
    secret: String,
}

impl EdgeKey {
    /// A key, unless a part is empty or the id holds a character that a signature's scope cannot.
    pub fn new(id: &str, secret: &str) -> Option<Self> {
        let fits = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
        let valid = !id.is_empty() && id.bytes().all(fits) && !secret.is_empty();
        valid.then(|| Self { id: id.to_owned(), secret: secret.to_owned() })
    }

    /// The public half.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn secret(&self) -> &str {
        &self.secret
    }
}

impl fmt::Debug for EdgeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EdgeKey").field("id", &self.id).finish_non_exhaustive()
    }
}

/// The keys that a core accepts: one, or two while one replaces the other.
#[derive(Debug, Clone)]
pub struct EdgeKeys(Vec<EdgeKey>);

impl EdgeKeys {
    /// Reads `AKID:SECRET[,AKID:SECRET]`.
    pub fn parse(text: &str) -> Result<Self, &'static str> {
        let key = |pair: &str| pair.split_once(':').and_then(|(id, secret)| EdgeKey::new(id, secret));
        let keys: Option<Vec<_>> = text.split(',').map(key).collect();
        match keys.as_deref() {
            Some([first, second]) if first.id == second.id => Err("must not name one key twice"),
            Some([_] | [_, _]) => Ok(Self(keys.unwrap_or_default())),
            _ => Err("must be AKID:SECRET[,AKID:SECRET]"),
        }
    }

    pub(super) fn find(&self, id: &str) -> Option<&EdgeKey> {
        self.0.iter().find(|key| key.id == id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn keys_are_read_and_secrets_hidden() {
        let keys = EdgeKeys::parse("A1:sesame:one,B2:sesame-two").unwrap();
        assert_eq!(keys.find("A1").unwrap().secret(), "sesame:one");
        assert!(keys.find("C3").is_none());
        assert!(!format!("{keys:?}").contains("sesame"));
        for bad in ["", "A1", "A1:", ":x", "A/1:x", "A:x,B:y,C:z", "A:x,", "A:x,A:y"] {
            assert!(EdgeKeys::parse(bad).is_err(), "{bad}");
        }
    }
}
