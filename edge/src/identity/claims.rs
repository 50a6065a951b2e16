//! What a token claims, and whether that holds here and now (RFC 7519).

use echoes_shared::{Timestamp, UserId};
use serde::Deserialize;
use serde_json::Value;

use super::Disbelief;

/// Seconds that an issuer's clock may be ahead of ours. `exp` has no leeway: a token lives long enough to be renewed in time.
const LEEWAY_SECONDS: f64 = 60.0;

/// The claims that matter here; others are ignored, as RFC 7519 asks.
#[derive(Debug, Deserialize)]
pub struct Claims {
    /// Whatever it is: one that is no text is nobody's name, which is another refusal than a token that cannot be read.
    sub: Option<Value>,
    iss: Option<String>,
    /// One name, or several.
    aud: Option<Value>,
    /// Seconds since the epoch; fractions are allowed.
    exp: Option<f64>,
    nbf: Option<f64>,
    iat: Option<f64>,
}

impl Claims {
    /// Reads the claims.
    pub fn parse(json: &[u8]) -> Result<Self, Disbelief> {
        const UNREADABLE: Disbelief = Disbelief("the token's claims cannot be read");
        let claims: Self = serde_json::from_slice(json).map_err(|_| UNREADABLE)?;
        let named = match &claims.aud {
            None | Some(Value::String(_)) => true,
            Some(Value::Array(many)) => many.iter().all(Value::is_string),
            Some(_) => false,
        };
        if named { Ok(claims) } else { Err(UNREADABLE) }
    }

    /// Whether the token is of this issuer, for this audience and of this time.
    pub fn check(&self, issuer: &str, audience: &str, now: Timestamp) -> Result<(), Disbelief> {
        // Seconds fit a double exactly for millions of years.
        #[expect(clippy::cast_precision_loss)]
        let now_seconds = now.millis() as f64 / 1_000.0;
        let exp = self.exp.ok_or(Disbelief("the token has no expiry"))?;
        let ahead = |time: Option<f64>| time.is_some_and(|time| time > now_seconds + LEEWAY_SECONDS);
        if exp <= now_seconds {
            Err(Disbelief("the token has expired"))
        } else if ahead(self.nbf) || ahead(self.iat) {
            Err(Disbelief("the token is not valid yet"))
        } else if self.iss.as_deref() != Some(issuer) {
            Err(Disbelief("the token is of another issuer"))
        } else if !self.is_for(audience) {
            Err(Disbelief("the token is for another audience"))
        } else {
            Ok(())
        }
    }

    /// The person, if the subject can be one.
    pub fn user(&self) -> Option<UserId> {
        self.sub.as_ref()?.as_str()?.parse().ok()
    }

    fn is_for(&self, audience: &str) -> bool {
        match &self.aud {
            Some(Value::Array(many)) => many.iter().any(|one| one.as_str() == Some(audience)),
            Some(one) => one.as_str() == Some(audience),
            None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    const NOW_SECONDS: u64 = 1_795_388_393;

    fn check(claims: &str) -> Result<(), &'static str> {
        let now = Timestamp::from_millis(NOW_SECONDS * 1_000);
        Claims::parse(claims.as_bytes()).and_then(|c| c.check("us", "echoes", now)).map_err(|d| d.0)
    }

    fn claims(rest: &str) -> String {
        format!(r#"{{"sub":"ana","iss":"us","aud":"echoes","exp":{}{rest}}}"#, NOW_SECONDS + 1)
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn a_good_token_holds() {
        assert_eq!(check(&claims("")), Ok(()));
        assert_eq!(check(&claims(&format!(r#","nbf":{0},"iat":{0}.5,"x":[]"#, NOW_SECONDS + 59))), Ok(()));
        let many = claims("").replace(r#""echoes""#, r#"["other","echoes"]"#);
        assert_eq!(check(&many), Ok(()));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn each_fault_is_told() {
        let swap = |from: &str, to: &str| claims("").replace(from, to);
        let exp = format!(r#""exp":{}"#, NOW_SECONDS + 1);
        for (text, detail) in [
            (swap(&exp, r#""x":1"#), "no expiry"),
            (swap(&exp, &format!(r#""exp":{NOW_SECONDS}"#)), "expired"),
            (swap(&exp, r#""exp":-1e300"#), "expired"),
            (swap(&exp, r#""exp":"soon""#), "cannot be read"),
            (claims(&format!(r#","nbf":{}"#, NOW_SECONDS + 61)), "not valid yet"),
            (claims(&format!(r#","iat":{}"#, NOW_SECONDS + 61)), "not valid yet"),
            (swap(r#""us""#, r#""them""#), "another issuer"),
            (swap(r#""iss":"us","#, ""), "another issuer"),
            (swap(r#""echoes""#, r#""other""#), "another audience"),
            (swap(r#""echoes""#, "[]"), "another audience"),
            (swap(r#""aud":"echoes","#, ""), "another audience"),
            (swap(r#""aud":"echoes","#, r#""aud":null,"#), "another audience"),
            (swap(r#""echoes""#, "5"), "cannot be read"),
            (swap(r#""echoes""#, r#"["echoes",5]"#), "cannot be read"),
            ("[]".into(), "cannot be read"),
        ] {
            assert!(check(&text).unwrap_err().contains(detail), "{text}");
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_subject_may_be_nobody() {
        let user = |sub: &str| Claims::parse(claims("").replace(r#""ana""#, sub).as_bytes()).unwrap().user();
        assert_eq!(user(r#""ana""#).unwrap().as_str(), "ana");
        for sub in ["null", "7", "[]", r#"{"name":"ana"}"#, r#""""#, r##""a#b""##, r#""me""#, r#""\ud83d\ude00""#] {
            assert_eq!(user(sub), None, "{sub}");
        }
    }
}
