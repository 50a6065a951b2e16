//! The environment of the search server.

use std::fmt;
use std::str::FromStr;

use reqwest::Url;

use super::{ConfigError, Environment};

pub(super) const OPENSEARCH: &str = "ECHOES_OPENSEARCH_URL";

/// `http[s]://[user:password@]host[:port]`. A password never shows.
#[derive(Clone, PartialEq, Eq)]
pub struct OpenSearchUrl(Url);

impl OpenSearchUrl {
    /// Reads `ECHOES_OPENSEARCH_URL`: the region's OpenSearch, which may be that of other regions as well.
    ///
    /// # Errors
    /// Where it is no such URL.
    pub fn read(environment: &Environment<'_>) -> Result<Option<Self>, ConfigError> {
        environment.optional(OPENSEARCH)
    }

    /// The same for what is nothing without it.
    ///
    /// # Errors
    /// Where it is missing too.
    pub fn required(environment: &Environment<'_>) -> Result<Self, ConfigError> {
        environment.required(OPENSEARCH)
    }

    /// What a process is told that works beside the serving ones, which would search another index than the one it fills.
    pub(super) fn is_missing() -> ConfigError {
        let why = "is needed, for what this process puts into an index of its own the serving ones would not find; \
                   one process alone does both as `echoes serve --work`";
        ConfigError { variable: OPENSEARCH, problem: why.to_owned() }
    }

    /// The whole of it, to be shown to nobody.
    pub fn secret(&self) -> &Url {
        &self.0
    }
}

impl fmt::Debug for OpenSearchUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("OpenSearchUrl(…)")
    }
}

impl FromStr for OpenSearchUrl {
    type Err = &'static str;

    /// The message never repeats the text, which may hold a password.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const SHAPE: &str = "must be http[s]://[user:password@]host[:port], and nothing after it";
        let url = Url::parse(text).map_err(|_| SHAPE)?;
        let plain = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
        let known = ["http", "https"].contains(&url.scheme()) && url.has_host();
        if known && plain { Ok(Self(url)) } else { Err(SHAPE) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Option<OpenSearchUrl>, ConfigError> {
        OpenSearchUrl::read(&Environment::new(|name| (name == OPENSEARCH).then(|| text.to_owned())))
    }

    #[test]
    fn a_url_is_read_and_never_shown() {
        for text in ["http://127.0.0.1:9201", "https://search.example/", "https://u:a-secret@search.example:9200"] {
            let url = read(text).unwrap().unwrap();
            assert!(!format!("{url:?}").contains("secret"));
            assert!(url.secret().as_str().starts_with(text));
        }
        assert_eq!(OpenSearchUrl::read(&Environment::new(|_| None)), Ok(None));
    }

    #[test]
    fn a_fault_names_the_variable_and_no_secret() {
        for text in [
            "",
            "search.example:9200",
            "ftp://search.example",
            "http://",
            "http://u:a-secret@search.example:port",
            "http://u:a-secret@search.example/index",
            "http://u:a-secret@search.example/?q=x",
            "http://u:a-secret@search.example/#x",
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.variable, OPENSEARCH, "{text}");
            assert!(!error.to_string().contains("secret") && error.to_string().lines().count() == 1, "{error}");
        }
    }
}
