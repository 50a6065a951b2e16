//! The control API's errors: the problems of the public API, answered by axum.

use std::borrow::Cow;

use axum::response::{IntoResponse, Response};
use echoes_shared::problem::CONTENT_TYPE as PROBLEM_TYPE;
use echoes_shared::{Problem, Slug};
use http::StatusCode;
use http::header::{CONTENT_TYPE, HeaderValue};

/// An error for the caller.
#[derive(Debug)]
pub struct Refusal(Problem);

impl Refusal {
    /// An error of no particular member.
    pub fn new(slug: Slug, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Problem::new(slug, detail))
    }

    /// 400 for the body as a whole.
    pub fn invalid(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::new(Slug::InvalidRequest, detail)
    }

    /// 400 for one member of the body.
    pub fn member(name: &str, detail: impl Into<Cow<'static, str>>) -> Self {
        Self(Problem::invalid_field(name.to_owned(), detail))
    }

    /// 503: the change could not be made.
    pub fn unavailable(error: &anyhow::Error) -> Self {
        Self::new(Slug::Unavailable, format!("{error:#}"))
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.0.slug.status()).unwrap_or(StatusCode::BAD_REQUEST);
        let body = self.0.to_json(&uuid::Uuid::new_v4().to_string());
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_TYPE));
        response
    }
}
