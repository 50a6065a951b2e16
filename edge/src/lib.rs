//! The Worker: places a listener, answers from the cache of the data centre, and asks the nearest healthy region.
//!
//! What needs no I/O is answered without a promise: `answer` is a plain synchronous export, and `shim.js` hands its result
//! to the runtime as it is.

mod arrival;
mod cache;
mod clock;
mod config;
mod health;
mod identity;
mod live;
mod locate;
mod log;
mod origin;
mod random;
mod read;
mod regions;
mod response;
mod routes;
mod runtime;
mod write;

use wasm_bindgen::prelude::*;

use arrival::Arrival;
use runtime::{Context, Incoming};

/// Answers a request with a `Response`, or with a promise of one.
///
/// # Errors
/// With a JavaScript error that nobody expects; the shim answers it with 503.
#[wasm_bindgen]
pub fn answer(request: Incoming, env: JsValue, context: Context) -> Result<JsValue, JsValue> {
    routes::route(Arrival::new(request, env, context))
}
