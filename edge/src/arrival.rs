//! A request as it arrives, with what every answer to it needs.

use std::pin::Pin;
use std::rc::Rc;

use echoes_shared::wire::LAST_EVENT_ID as LAST_EVENT_ID_HEADER;
use echoes_shared::{Region, Timestamp};
use js_sys::JsString;
use wasm_bindgen::JsValue;
use web_sys::Response;

use crate::config::{self, Config};
use crate::response::Refusal;
use crate::runtime::{self, Context, Incoming};
use crate::{clock, locate, random};

thread_local! {
    static IF_NONE_MATCH: JsString = JsString::from("if-none-match");
    static LAST_EVENT_ID: JsString = JsString::from(LAST_EVENT_ID_HEADER);
}

/// A request as it arrives.
#[derive(Clone)]
pub struct Arrival {
    /// The request itself.
    pub incoming: Incoming,
    /// What outlives the answer.
    pub context: Context,
    /// Its id, on every answer.
    pub id: String,
    /// When it arrived.
    pub at: Timestamp,
    env: JsValue,
}

/// What a request came to. `Err` is a JavaScript error that nobody expects; the entry answers it with 503.
pub type Outcome = Result<JsValue, JsValue>;

/// What I/O came to: an answer, or why there is none.
pub type Answered = Result<Result<Response, Refusal>, JsValue>;
/// I/O that comes to an answer. Boxed as early as may be: what goes on around it is then compiled once.
pub type Answering = Pin<Box<dyn Future<Output = Answered>>>;

impl Arrival {
    /// Takes a request in.
    pub fn new(incoming: Incoming, env: JsValue, context: Context) -> Self {
        let at = clock::now();
        Self { incoming, context, id: random::request_id(at), at, env }
    }

    /// The settings, or the refusal of a Worker without them.
    pub fn config(&self) -> Result<Rc<Config>, Refusal> {
        config::of(&self.env).map_err(|_| Refusal::unavailable("the service is not set up", 30))
    }

    /// All regions, nearest to the caller first.
    pub fn nearest_regions(&self) -> [Region; 4] {
        locate::nearest_regions(&self.incoming)
    }

    /// The tags of what the caller has already.
    pub fn if_none_match(&self) -> Option<String> {
        IF_NONE_MATCH.with(|name| self.incoming.header(name))
    }

    /// The id of the last event that the caller was sent.
    pub fn last_event_id(&self) -> Option<String> {
        LAST_EVENT_ID.with(|name| self.incoming.header(name))
    }

    /// Milliseconds since the request arrived.
    pub fn elapsed_millis(&self) -> u64 {
        clock::now().millis_since(self.at)
    }

    /// An answer that is ready now.
    pub fn refuse(&self, refusal: impl Into<Refusal>) -> Outcome {
        let [nearest, ..] = self.nearest_regions();
        refusal.into().respond(&self.id, self.elapsed_millis(), nearest).map(JsValue::from)
    }

    /// An answer that needs I/O.
    pub fn later<W: Future<Output = Answered> + 'static>(self, work: impl FnOnce(Self) -> W) -> Outcome {
        let arrival = self.clone();
        arrival.answer_with(Box::pin(work(self)))
    }

    fn answer_with(self, work: Answering) -> Outcome {
        let context = self.context.clone();
        let promise = runtime::promise(async move {
            match work.await? {
                Ok(response) => Ok(response.into()),
                Err(refusal) => self.refuse(refusal),
            }
        });
        context.complete(&promise);
        Ok(promise.into())
    }
}
