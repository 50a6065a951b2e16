//! Who the caller is: a Bearer JWT, verified here so that the cores only ever see a person's name.

mod claims;
mod jwk;
mod keys;
mod token;

use echoes_shared::{Problem, Slug, UserId};
use js_sys::JsString;

use crate::clock;
use crate::config::IdentityConfig;
use crate::response::Refusal;
use crate::runtime::{Context, Incoming};
use claims::Claims;
use token::Token;

/// Why a caller is not believed, for a person; none of these repeats what was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Disbelief(&'static str);

impl From<Disbelief> for Refusal {
    fn from(Disbelief(detail): Disbelief) -> Self {
        // RFC 6750, section 3.1.
        let challenge = format!(r#"Bearer realm="echoes", error="invalid_token", error_description="{detail}""#);
        Self::unauthenticated(detail, challenge)
    }
}

/// A token as it came, with its claims already checked and its signature not yet.
#[derive(Debug)]
pub struct Presented {
    token: Token,
    claims: Claims,
}

thread_local! {
    static AUTHORIZATION: JsString = JsString::from("authorization");
}

/// Reads the caller's token and refuses without I/O what no key can make good.
pub fn present(request: &Incoming, config: &IdentityConfig) -> Result<Presented, Refusal> {
    let Some(header) = AUTHORIZATION.with(|name| request.header(name)) else {
        let detail = "a Bearer token is required";
        return Err(Refusal::unauthenticated(detail, r#"Bearer realm="echoes""#.to_owned()));
    };
    let token = Token::parse(&header)?;
    let claims = Claims::parse(&token.claims_json)?;
    claims.check(&config.issuer, &config.audience, clock::now())?;
    Ok(Presented { token, claims })
}

/// The caller, once one of the published keys has verified the signature.
pub async fn verify(presented: Presented, config: &IdentityConfig, context: &Context) -> Result<UserId, Refusal> {
    let Presented { token, claims } = presented;
    let key = keys::find(&token.header, &config.jwks_url, context).await?;
    if !key.verifies(&token).await {
        return Err(Disbelief("the signature is not valid").into());
    }
    claims.user().ok_or_else(|| {
        Problem::new(Slug::Forbidden, "the token's subject is not a userId: 1 to 128 of A-Z a-z 0-9 _ . : @ | -")
            .into()
    })
}
