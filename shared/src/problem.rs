//! Problem bodies (RFC 9457): the one form in which both halves say what is wrong.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// The media type of a problem.
pub const CONTENT_TYPE: &str = "application/problem+json";

/// What each problem's `type` begins with.
const TYPE_BASE: &str = "https://echoes.dev/problems/";

macro_rules! slugs {
    ($($variant:ident $slug:literal $status:literal $title:literal,)*) => {
        /// The stable kinds of problems (contract, *Bodies*).
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Slug {
            $(#[doc = $title] $variant,)*
        }

        impl Slug {
            /// Every kind.
            pub const ALL: &[Slug] = &[$(Slug::$variant,)*];

            /// The last part of the problem's `type`.
            pub const fn as_str(self) -> &'static str {
                match self { $(Slug::$variant => $slug,)* }
            }

            /// The HTTP status that goes with it.
            pub const fn status(self) -> u16 {
                match self { $(Slug::$variant => $status,)* }
            }

            /// The short human title.
            pub const fn title(self) -> &'static str {
                match self { $(Slug::$variant => $title,)* }
            }
        }
    };
}

slugs! {
    InvalidRequest "invalid-request" 400 "The request is not valid",
    Unauthenticated "unauthenticated" 401 "The caller is not known",
    Forbidden "forbidden" 403 "The caller may not do this",
    NotFound "not-found" 404 "There is no such thing",
    MethodNotAllowed "method-not-allowed" 405 "The method is not allowed here",
    Conflict "conflict" 409 "The request clashes with what is there",
    PreconditionFailed "precondition-failed" 412 "The echo has changed",
    TooLarge "too-large" 413 "The request is too large",
    UnsupportedMediaType "unsupported-media-type" 415 "The media type is not supported",
    PreconditionRequired "precondition-required" 428 "A precondition is required",
    TooManyRequests "too-many-requests" 429 "Too many requests",
    Unavailable "unavailable" 503 "The service is not available just now",
}

/// One field of the request that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// The field's path in the body (`location.lat`, `tags[3]`), a query parameter, or a header's name.
    pub field: Cow<'static, str>,
    /// What it must be.
    pub detail: Cow<'static, str>,
}

impl FieldError {
    /// An error of `field`.
    pub fn new(field: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { field: field.into(), detail: detail.into() }
    }
}

/// A problem without its `instance`, which only the half that answers knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The kind.
    pub slug: Slug,
    /// What happened this time, for a person.
    pub detail: Cow<'static, str>,
    /// The fields that are wrong; empty where none is.
    pub errors: Vec<FieldError>,
}

impl Problem {
    /// A problem that no field is to blame for.
    pub fn new(slug: Slug, detail: impl Into<Cow<'static, str>>) -> Self {
        Self { slug, detail: detail.into(), errors: Vec::new() }
    }

    /// An invalid request that names its fields.
    pub fn invalid(errors: Vec<FieldError>) -> Self {
        let detail = match errors.as_slice() {
            [only] => format!("{}: {}", only.field, only.detail).into(),
            _ => "several fields are not valid".into(),
        };
        Self { slug: Slug::InvalidRequest, detail, errors }
    }

    /// An invalid request with one field to blame.
    pub fn invalid_field(field: impl Into<Cow<'static, str>>, detail: impl Into<Cow<'static, str>>) -> Self {
        Self::invalid(vec![FieldError::new(field, detail)])
    }

    /// The body, with the id of the request as its `instance`.
    pub fn to_json(&self, request_id: &str) -> String {
        // A struct of strings and numbers always serialises.
        serde_json::to_string(&self.body(request_id)).unwrap_or_default()
    }

    /// The same as a part of a larger body.
    pub fn body<'a>(&'a self, request_id: &'a str) -> Body<'a> {
        Body {
            r#type: format!("{TYPE_BASE}{}", self.slug.as_str()),
            title: self.slug.title(),
            status: self.slug.status(),
            detail: &self.detail,
            instance: request_id,
            errors: &self.errors,
        }
    }
}

/// A problem's body.
#[derive(Debug, Serialize)]
pub struct Body<'a> {
    r#type: String,
    title: &'static str,
    status: u16,
    detail: &'a str,
    instance: &'a str,
    #[serde(skip_serializing_if = "<[FieldError]>::is_empty")]
    errors: &'a [FieldError],
}

#[cfg(test)]
mod tests {
    use super::*;
    #[cfg(target_arch = "wasm32")]
    use wasm_bindgen_test::wasm_bindgen_test as test;

    #[test]
    fn the_body_is_the_contracts() {
        let json = Problem::invalid_field("location.lat", "must be −90 to 90").to_json("r1");
        assert_eq!(
            json,
            concat!(
                r#"{"type":"https://echoes.dev/problems/invalid-request","title":"The request is not valid","#,
                r#""status":400,"detail":"location.lat: must be −90 to 90","instance":"r1","#,
                r#""errors":[{"field":"location.lat","detail":"must be −90 to 90"}]}"#
            )
        );
    }

    #[test]
    fn slugs_are_distinct() {
        let mut slugs: Vec<_> = Slug::ALL.iter().map(|s| s.as_str()).collect();
        slugs.sort_unstable();
        slugs.dedup();
        assert_eq!(slugs.len(), Slug::ALL.len());
        assert!(Slug::ALL.iter().all(|s| (400..600).contains(&s.status())));
    }
}
