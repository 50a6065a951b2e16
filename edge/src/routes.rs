//! Every route, in one place: what a method and a path lead to.

use echoes_shared::wire::{self, Resource};
use wasm_bindgen::JsValue;

use crate::arrival::{Arrival, Outcome};
use crate::response::{self, Refusal};
use crate::{live, read, regions, write};

/// Answers a request.
pub fn route(arrival: Arrival) -> Outcome {
    let url = arrival.incoming.url();
    let target = target(&url);
    if let Err(problem) = wire::check_target_size(target) {
        return arrival.refuse(problem);
    }
    let (path, query) = match target.split_once('?') {
        Some((path, query)) => (path, Some(query)),
        None => (target, None),
    };
    let resource = Resource::parse(path);
    let method = arrival.incoming.method();
    if method == "OPTIONS" {
        return response::options(resource.as_ref().ok(), &arrival.id).map(JsValue::from);
    }
    let resource = match resource {
        Ok(resource) => resource,
        Err(problem) => return arrival.refuse(problem),
    };
    match (method.as_str(), &resource) {
        ("GET" | "HEAD", Resource::Status) => regions::status(arrival),
        (
            "GET" | "HEAD",
            Resource::Random(_) | Resource::Timeline(_) | Resource::Timelines | Resource::PersonEmotions(_),
        ) => read::bypassed(arrival, &resource, query),
        ("GET", Resource::Live) => live::listen(arrival, "GET", query),
        ("HEAD", Resource::Live) => live::listen(arrival, "HEAD", query),
        ("POST", Resource::Echoes) => write::create(arrival),
        ("POST", Resource::Batch) => write::batch(arrival),
        ("PATCH", Resource::Echo(id)) => write::edit(arrival, *id),
        ("DELETE", Resource::Echo(id)) => write::delete(arrival, *id),
        ("DELETE", Resource::Me) => write::erase(arrival),
        ("GET" | "HEAD", Resource::Erasure) => write::erasure(arrival),
        (
            "GET" | "HEAD",
            Resource::Feed(_)
            | Resource::Recent
            | Resource::Echo(_)
            | Resource::Emotions
            | Resource::Analytics
            | Resource::Search,
        ) => read::cached(arrival, &resource, query),
        _ => arrival.refuse(Refusal::method_not_allowed(&resource)),
    }
}

/// The path and query of a URL as it came. It is sliced, not parsed: a parser would resolve `..` and hide what was asked.
fn target(url: &str) -> &str {
    let after_scheme = url.find("://").map_or(0, |at| at + 3);
    let (_, rest) = url.split_at_checked(after_scheme).unwrap_or(("", url));
    let target = rest.find(['/', '?', '#']).and_then(|at| rest.get(at..)).unwrap_or_default();
    target.split_once('#').map_or(target, |(target, _fragment)| target)
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn a_url_is_sliced() {
        for (url, expected) in [
            ("https://echoes.dev/v1/emotions?limit=5", "/v1/emotions?limit=5"),
            ("http://127.0.0.1:8787/v1/../x?a=b?c", "/v1/../x?a=b?c"),
            ("https://echoes.dev", ""),
            ("https://echoes.dev?x", "?x"),
            ("https://echoes.dev/a#b?c", "/a"),
            ("", ""),
            ("é://é/é", "/é"),
        ] {
            assert_eq!(target(url), expected, "{url}");
        }
    }
}
