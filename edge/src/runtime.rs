//! The Workers runtime, as far as the edge touches it by hand.
//!
//! A hit in memory costs a few microseconds, so the hot path calls these bindings rather than the wrappers of `worker`:
//! names of headers are JavaScript strings made once, and nothing is copied that is not looked at.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;

use js_sys::{Array, JsString, Promise, Uint8Array};
use wasm_bindgen::JsCast as _;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;
use web_sys::{Headers, ReadableStream};

#[wasm_bindgen]
extern "C" {
    /// The request as the runtime hands it over.
    #[derive(Clone)]
    pub type Incoming;

    /// `GET`, `POST`, …
    #[wasm_bindgen(method, getter)]
    pub fn method(this: &Incoming) -> String;

    /// The whole URL.
    #[wasm_bindgen(method, getter)]
    pub fn url(this: &Incoming) -> String;

    #[wasm_bindgen(method, getter)]
    fn headers(this: &Incoming) -> HeaderMap;

    /// What the data centre knows of the caller; `undefined` where it knows nothing.
    #[wasm_bindgen(method, getter, catch)]
    pub fn cf(this: &Incoming) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method, getter, catch)]
    fn body(this: &Incoming) -> Result<Option<ReadableStream>, JsValue>;

    /// `Headers`, with names that are JavaScript strings already.
    type HeaderMap;

    #[wasm_bindgen(method, catch)]
    fn get(this: &HeaderMap, name: &JsString) -> Result<Option<String>, JsValue>;

    #[wasm_bindgen(method, catch)]
    fn set(this: &HeaderMap, name: &JsString, value: &str) -> Result<(), JsValue>;

    /// What outlives the answer.
    #[derive(Clone)]
    pub type Context;

    #[wasm_bindgen(method, catch, js_name = waitUntil)]
    fn wait_until(this: &Context, promise: &Promise) -> Result<(), JsValue>;

    #[wasm_bindgen(catch, js_name = setTimeout)]
    fn set_timeout(callback: &js_sys::Function, millis: u32) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(catch, js_namespace = crypto, js_name = getRandomValues)]
    fn get_random_values(bytes: &mut [u8]) -> Result<JsValue, JsValue>;
}

impl Incoming {
    /// A header's value; several of one name come joined by commas.
    pub fn header(&self, name: &JsString) -> Option<String> {
        self.headers().get(name).ok().flatten()
    }

    /// The body, which must come whole within `deadline_millis`: what `Content-Length` says is not believed.
    pub async fn body_up_to(&self, limit_bytes: usize, deadline_millis: u32) -> Result<Content, JsValue> {
        match self.body()? {
            Some(stream) => read_up_to(&stream, limit_bytes, Some(&timer(deadline_millis))).await,
            None => Ok(Content::Whole(Vec::new())),
        }
    }
}

impl Context {
    /// Goes on with `work` after the answer is sent.
    pub fn after_the_answer(&self, work: impl Future<Output = ()> + 'static) {
        let promise = promise(async move {
            work.await;
            Ok(JsValue::UNDEFINED)
        });
        self.complete(&promise);
    }

    /// Runs `promise` to its end even when the caller hangs up: a task whose request is cancelled would never be woken again
    /// and keep its memory for ever.
    pub fn complete(&self, promise: &Promise) {
        // The runtime refuses only what is no promise.
        let _ = self.wait_until(promise);
    }
}

/// The promise of what `work` gives. It is boxed, so that the machinery around it is compiled once and not for each kind of work.
pub fn promise(work: impl Future<Output = Result<JsValue, JsValue>> + 'static) -> Promise {
    let work: Pin<Box<dyn Future<Output = Result<JsValue, JsValue>>>> = Box::pin(work);
    wasm_bindgen_futures::future_to_promise(work)
}

/// Sets one header of an object that is kept between requests.
pub fn set_header(headers: &Headers, name: &JsString, value: &str) -> Result<(), JsValue> {
    headers.unchecked_ref::<HeaderMap>().set(name, value)
}

/// What came out of a stream.
#[derive(Debug)]
pub enum Content {
    /// All that there was.
    Whole(Vec<u8>),
    /// More than was asked for.
    TooLong,
    /// Not all of it in time.
    Late,
}

/// Reads a stream to its end, or cancels it once more than `limit_bytes` have come or `deadline`, which gives `undefined`, is
/// over.
pub async fn read_up_to(
    stream: &ReadableStream,
    limit_bytes: usize,
    deadline: Option<&Promise>,
) -> Result<Content, JsValue> {
    let reader: web_sys::ReadableStreamDefaultReader = stream.get_reader().unchecked_into();
    let mut bytes = Vec::new();
    loop {
        let read = reader.read();
        let next = match deadline {
            Some(deadline) => Promise::race(&Array::of2(&read, deadline)),
            None => read,
        };
        let step = JsFuture::from(next).await?;
        if step.is_undefined() {
            let _ = reader.cancel();
            return Ok(Content::Late);
        }
        if js_sys::Reflect::get(&step, &"done".into())?.is_truthy() {
            return Ok(Content::Whole(bytes));
        }
        let chunk: Uint8Array = js_sys::Reflect::get(&step, &"value".into())?.dyn_into()?;
        if bytes.len() + chunk.length() as usize > limit_bytes {
            let _ = reader.cancel();
            return Ok(Content::TooLong);
        }
        bytes.extend_from_slice(&chunk.to_vec());
    }
}

/// Runs all of these side by side to their ends, and gives what they give in the same order.
pub async fn all<T>(work: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut work: Vec<_> = work.into_iter().map(|work| (Box::pin(work), None)).collect();
    // Few enough that each is looked at whenever one has something to do.
    poll_fn(|context| {
        let mut under_way = false;
        for (work, output) in work.iter_mut().filter(|(_, output)| output.is_none()) {
            match work.as_mut().poll(context) {
                Poll::Ready(value) => *output = Some(value),
                Poll::Pending => under_way = true,
            }
        }
        if under_way { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    work.into_iter().filter_map(|(_, output)| output).collect()
}

/// Waits. Timers belong to the request that set them, unlike promises of another request, which may not be awaited.
pub async fn sleep(millis: u32) {
    let _ = JsFuture::from(timer(millis)).await;
}

/// What `promise` gives within so many milliseconds; `None` where it is late, fails or gives `undefined`.
pub async fn within(promise: Promise, millis: u32) -> Option<JsValue> {
    in_time(promise, millis).await.ok().flatten()
}

/// The same, but for a promise that fails.
pub async fn in_time(promise: Promise, millis: u32) -> Result<Option<JsValue>, JsValue> {
    let first = JsFuture::from(Promise::race(&Array::of2(&promise, &timer(millis)))).await?;
    Ok(Some(first).filter(|value| !value.is_undefined()))
}

/// Resolves with `undefined` after so many milliseconds. No task of ours waits for it: a timer dies with its request, and a task would then
/// wait for ever.
pub fn timer(millis: u32) -> Promise {
    Promise::new(&mut |resolve, _| {
        // Without a timer the wait is over at once.
        if set_timeout(&resolve, millis).is_err() {
            let _ = resolve.call0(&JsValue::UNDEFINED);
        }
    })
}

/// Fills `bytes` from the runtime's secure source.
pub fn fill_random(bytes: &mut [u8]) -> bool {
    get_random_values(bytes).is_ok()
}

/// A property of an object as text, whatever the object is.
pub fn text_property(object: &JsValue, name: &str) -> Option<String> {
    js_sys::Reflect::get(object, &name.into()).ok()?.as_string()
}
