//! What the operator sets: the Worker's variables and secrets, read once in each isolate.

use std::cell::OnceCell;
use std::collections::BTreeMap;
use std::rc::Rc;

use echoes_shared::Region;
use echoes_shared::sigv4::keys::EdgeKey;
use wasm_bindgen::JsValue;

use crate::runtime::text_property;

/// The regions' addresses, as JSON: `{"us-east-1":"https://…",…}`.
const CORES: &str = "ECHOES_CORES";
/// Where the keys that sign tokens are published.
const JWKS_URL: &str = "ECHOES_JWKS_URL";
/// What a token's `iss` must be.
const TOKEN_ISSUER: &str = "ECHOES_TOKEN_ISSUER";
/// What a token's `aud` must be or hold.
const TOKEN_AUDIENCE: &str = "ECHOES_TOKEN_AUDIENCE";
/// Secret: the id of the key that signs calls to the cores.
const EDGE_KEY_ID: &str = "ECHOES_EDGE_KEY_ID";
/// Secret: that key.
const EDGE_SECRET: &str = "ECHOES_EDGE_SECRET";

/// All settings.
#[derive(Debug)]
pub struct Config {
    /// The cores and how calls to them are signed.
    pub origin: OriginConfig,
    /// Whose tokens are believed.
    pub identity: IdentityConfig,
}

/// The cores and how calls to them are signed.
#[derive(Debug)]
pub struct OriginConfig {
    /// `ECHOES_CORES`: a base URL for each region, without a slash at its end.
    pub cores: Vec<(Region, String)>,
    /// `ECHOES_EDGE_KEY_ID` and `ECHOES_EDGE_SECRET`.
    pub key: EdgeKey,
}

impl OriginConfig {
    /// The base URL of a region's core, if it has one.
    pub fn core(&self, region: Region) -> Option<&str> {
        self.cores.iter().find(|(other, _)| *other == region).map(|(_, base)| base.as_str())
    }
}

/// Whose tokens are believed.
#[derive(Debug)]
pub struct IdentityConfig {
    /// `ECHOES_JWKS_URL`.
    pub jwks_url: String,
    /// `ECHOES_TOKEN_ISSUER`.
    pub issuer: String,
    /// `ECHOES_TOKEN_AUDIENCE`.
    pub audience: String,
}

/// A variable that is missing or malformed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InvalidConfig {
    variable: &'static str,
    fault: &'static str,
}

impl std::fmt::Display for InvalidConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.variable, self.fault)
    }
}

impl std::error::Error for InvalidConfig {}

thread_local! {
    static CONFIG: OnceCell<Result<Rc<Config>, InvalidConfig>> = const { OnceCell::new() };
}

/// The settings of this isolate. An error is logged the first time, with the variable's name and never its value.
pub fn of(env: &JsValue) -> Result<Rc<Config>, InvalidConfig> {
    CONFIG.with(|config| {
        let read = || {
            let config = Config::from_lookup(|name| text_property(env, name));
            config.map(Rc::new).inspect_err(|error| crate::log::error("configuration", &error.to_string()))
        };
        config.get_or_init(read).clone()
    })
}

impl Config {
    /// Reads the variables through `lookup`.
    pub fn from_lookup(lookup: impl Fn(&str) -> Option<String>) -> Result<Self, InvalidConfig> {
        let required = |variable: &'static str| {
            let value = lookup(variable).filter(|value| !value.is_empty());
            value.ok_or(InvalidConfig { variable, fault: "is not set" })
        };
        let key = EdgeKey::new(&required(EDGE_KEY_ID)?, &required(EDGE_SECRET)?);
        let jwks_url = required(JWKS_URL)?;
        if !is_http_url(&jwks_url) {
            return Err(InvalidConfig { variable: JWKS_URL, fault: "must be a URL of http or https" });
        }
        Ok(Self {
            origin: OriginConfig {
                cores: cores(&required(CORES)?)?,
                key: key.ok_or(InvalidConfig { variable: EDGE_KEY_ID, fault: "must be of A-Z a-z 0-9 _ -" })?,
            },
            identity: IdentityConfig {
                jwks_url,
                issuer: required(TOKEN_ISSUER)?,
                audience: required(TOKEN_AUDIENCE)?,
            },
        })
    }
}

fn cores(json: &str) -> Result<Vec<(Region, String)>, InvalidConfig> {
    let invalid = |fault| InvalidConfig { variable: CORES, fault };
    let texts: BTreeMap<String, String> =
        serde_json::from_slice(json.as_bytes()).map_err(|_| invalid("must be a JSON object of region and URL"))?;
    let mut cores = Vec::new();
    for (name, url) in texts {
        let region = name.parse().map_err(|_| invalid("names an unknown region"))?;
        let base = base_url(&url).ok_or(invalid("must give http or https URLs without path and default port"))?;
        cores.push((region, base.to_owned()));
    }
    if cores.is_empty() { Err(invalid("must name a region")) } else { Ok(cores) }
}

/// The base of a core's URLs. What `fetch` would rewrite is refused, since the `Host` it then sends would not be the one
/// that was signed.
fn base_url(url: &str) -> Option<&str> {
    let base = url.strip_suffix('/').unwrap_or(url);
    let (host, default_port) = match base.strip_prefix("https://") {
        Some(host) => (host, ":443"),
        None => (base.strip_prefix("http://")?, ":80"),
    };
    let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b".-:[]".contains(&b);
    (!host.is_empty() && host.bytes().all(plain) && !host.ends_with(default_port)).then_some(base)
}

fn is_http_url(url: &str) -> bool {
    ["https://", "http://"].iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme))
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn read(changes: &[(&str, &str)]) -> Result<Config, InvalidConfig> {
        let mut variables = BTreeMap::from([
            (CORES, r#"{"us-east-1":"http://127.0.0.1:7001","eu-west-1":"https://eu.example/"}"#),
            (JWKS_URL, "https://id.example/jwks.json"),
            (TOKEN_ISSUER, "https://id.example"),
            (TOKEN_AUDIENCE, "echoes"),
            (EDGE_KEY_ID, "EDGE1"),
            (EDGE_SECRET, "sesame-sesame"),
        ]);
        variables.extend(changes.iter().copied());
        Config::from_lookup(|name| variables.get(name).map(|&value| value.to_owned()))
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn all_variables_are_read() {
        let config = read(&[]).unwrap();
        assert_eq!(config.origin.core(Region::EuWest1), Some("https://eu.example"));
        assert_eq!(config.identity.audience, "echoes");
        assert!(!format!("{config:?}").contains("sesame"));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn the_variable_at_fault_is_named_and_its_value_is_not() {
        for (variable, value) in [
            (CORES, ""),
            (CORES, "{}"),
            (CORES, "http://secret"),
            (CORES, r#"{"mars-1":"http://secret"}"#),
            (CORES, r#"{"us-east-1":"ftp://secret"}"#),
            (CORES, r#"{"us-east-1":"https://secret:443"}"#),
            (CORES, r#"{"us-east-1":"https://secret/path"}"#),
            (CORES, r#"{"us-east-1":"https://user@secret"}"#),
            (JWKS_URL, "secret"),
            (TOKEN_ISSUER, ""),
            (TOKEN_AUDIENCE, ""),
            (EDGE_KEY_ID, "secret key"),
            (EDGE_SECRET, ""),
        ] {
            let error = read(&[(variable, value)]).unwrap_err().to_string();
            assert!(error.starts_with(variable) && !error.contains("secret"), "{error}");
        }
    }
}
