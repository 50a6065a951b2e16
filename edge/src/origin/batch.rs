//! Batches: the nearest healthy core does what it may. What only an echo's home may do is then asked of the homes, side by
//! side, and where one is down of the nearest healthy core again.

use std::borrow::Cow;

use echoes_shared::policy::BATCH_SHARES;
use echoes_shared::{Problem, Region, Slug, Timestamp};
use serde::Deserialize;
use serde_json::value::RawValue;

use super::answer::Answer;
use super::{Call, Unavailable, ask_in_shares, home};
use crate::config::OriginConfig;
use crate::runtime;

const DONE: u16 = 200;
const MISDIRECTED: u16 = 421;

/// A core's results, each as it was written.
#[derive(Deserialize)]
struct Results<'a> {
    #[serde(borrow)]
    results: Vec<&'a RawValue>,
}

/// What the edge looks at in a result.
#[derive(Deserialize)]
struct Gist {
    status: u16,
    home: Option<Region>,
}

/// One operation's result.
#[derive(Debug, PartialEq)]
struct Entry {
    status: u16,
    home: Option<Region>,
    text: String,
}

/// Asks for a batch of these operations, each as JSON. Gives the answer for the caller, and the status of each operation; none
/// where the batch as a whole was refused. `began` is when somebody began to wait for it.
pub async fn batch(
    call: Call,
    operations: &[Cow<'_, str>],
    config: &OriginConfig,
    nearest: &[Region],
    began: Timestamp,
) -> Result<(Answer, Vec<u16>), Unavailable> {
    let call_for = |operations: &[&str]| {
        let body = format!("{{\"operations\":[{}]}}", operations.join(",")).into_bytes();
        Call { body, ..call.clone() }
    };
    let all: Vec<&str> = operations.iter().map(AsRef::as_ref).collect();
    let mut answer = ask_in_shares(&call_for(&all), config, nearest, began, BATCH_SHARES).await?;
    if answer.status != DONE {
        return Ok((answer, Vec::new()));
    }
    let mut entries = read(&answer.body, all.len()).ok_or(Unavailable)?;
    let homes = by_home(&entries);
    // The nearest core could do all: its body is passed on as it is.
    if entries.iter().all(|entry| entry.status != MISDIRECTED) {
        return Ok((answer, statuses(&entries)));
    }
    let from = answer.region;
    let asked = homes.into_iter().map(|(region, places)| {
        let theirs: Vec<&str> = places.iter().filter_map(|&at| all.get(at).copied()).collect();
        let call = call_for(&theirs);
        async move {
            let answer = home::sent_on(call, config, nearest, began, from, region).await.ok();
            let answer = answer.filter(|answer| answer.status == DONE);
            let entries = answer.and_then(|answer| read(&answer.body, places.len()));
            (places, entries.unwrap_or_default())
        }
    });
    for (places, theirs) in runtime::all(asked.collect()).await {
        put(&mut entries, &places, theirs);
    }
    settle(&mut entries, &call.request_id);
    let texts: Vec<&str> = entries.iter().map(|entry| entry.text.as_str()).collect();
    answer.body = format!("{{\"results\":[{}]}}", texts.join(",")).into_bytes();
    Ok((answer, statuses(&entries)))
}

fn statuses(entries: &[Entry]) -> Vec<u16> {
    entries.iter().map(|entry| entry.status).collect()
}

/// The results in a core's body, which must be so many.
fn read(body: &[u8], count: usize) -> Option<Vec<Entry>> {
    let Results { results } = serde_json::from_slice(body).ok()?;
    let entry = |raw: &RawValue| {
        let Gist { status, home } = serde_json::from_slice(raw.get().as_bytes()).ok()?;
        Some(Entry { status, home, text: raw.get().to_owned() })
    };
    results.into_iter().map(entry).collect::<Option<Vec<_>>>().filter(|entries| entries.len() == count)
}

/// The places of those that another region must do. Operations on one echo have one home, so they stay in order.
fn by_home(entries: &[Entry]) -> Vec<(Region, Vec<usize>)> {
    let mut homes: Vec<(Region, Vec<usize>)> = Vec::new();
    for (at, entry) in entries.iter().enumerate() {
        if let (MISDIRECTED, Some(home)) = (entry.status, entry.home) {
            match homes.iter_mut().find(|(region, _)| *region == home) {
                Some((_, places)) => places.push(at),
                None => homes.push((home, vec![at])),
            }
        }
    }
    homes
}

/// Puts results in their places.
fn put(entries: &mut [Entry], places: &[usize], theirs: Vec<Entry>) {
    for (&at, theirs) in places.iter().zip(theirs) {
        if let Some(entry) = entries.get_mut(at) {
            *entry = theirs;
        }
    }
}

/// Says of what nobody did that it is not done.
fn settle(entries: &mut [Entry], request_id: &str) {
    for entry in entries.iter_mut().filter(|entry| entry.status == MISDIRECTED) {
        let problem = Problem::new(Slug::Unavailable, "the region that decides does not answer just now");
        entry.status = problem.slug.status();
        entry.text = format!("{{\"status\":{},\"problem\":{}}}", entry.status, problem.to_json(request_id));
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    fn entries() -> Vec<Entry> {
        let body = br#"{"results":[ {"status":201,"echo":{"emotion":"sad"}}, {"status":421,"home":"us-west-2"},
            {"status":421,"home":"us-east-1"},{"status":204},{"status":421,"home":"us-west-2"}]}"#;
        read(body, 5).unwrap()
    }

    fn gone() -> Entry {
        Entry { status: 204, home: None, text: r#"{"status":204}"#.to_owned() }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn what_others_must_do_is_gathered_by_home_in_order() {
        let homes = by_home(&entries());
        assert_eq!(homes.len(), 2);
        assert!(homes.contains(&(Region::UsWest2, vec![1, 4])) && homes.contains(&(Region::UsEast1, vec![2])));
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn results_that_are_not_what_was_asked_for_are_none() {
        for body in
            [&b""[..], b"{}", br#"{"results":[]}"#, br#"{"results":[{"status":204}]}"#, br#"{"results":[1,2]}"#]
        {
            assert_eq!(read(body, 2), None);
        }
    }

    #[wasm_bindgen_test(unsupported = test)]
    fn results_come_in_order_and_what_nobody_did_is_named() {
        let mut entries = entries();
        put(&mut entries, &[1, 4], vec![gone(), gone()]);
        put(&mut entries, &[2], Vec::new());
        settle(&mut entries, "r1");
        assert_eq!(statuses(&entries), [201, 204, 503, 204, 204]);
        assert_eq!(entries[0].text, r#"{"status":201,"echo":{"emotion":"sad"}}"#);
        assert!(
            entries[2].text.starts_with(r#"{"status":503,"problem":{"#)
                && entries[2].text.contains(r#""instance":"r1""#)
        );
    }
}
