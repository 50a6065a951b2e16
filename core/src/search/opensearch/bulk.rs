//! Documents as the lines of bulks, and what became of each.

use std::collections::HashMap;

use serde_json::{Value, json};

use super::client::reason;
use super::mapping::source;
use crate::search::{Document, RefusedDocument};

/// Documents of one bulk at most.
pub(super) const MAX_DOCUMENTS: usize = 1_000;
/// Bytes of one bulk at most, but for a single document that is longer.
const MAX_BYTES: usize = 5 * 1024 * 1024;

/// A document as it is sent.
#[derive(Debug)]
pub(super) struct Line<'a> {
    pub(super) document: &'a Document,
    text: String,
}

impl Line<'_> {
    /// What the server refuses for ever.
    pub(super) fn refused(&self, reason: String) -> RefusedDocument {
        RefusedDocument { id: self.document.id, reason }
    }
}

/// What drops a document, unless a later state of it came.
pub(super) fn drop_line(id: &str, version: u64) -> String {
    format!("{}\n", json!({ "delete": { "_id": id, "version": version, "version_type": "external_gte" } }))
}

/// The latest state of each echo, as lines; states that cannot be written come back refused.
pub(super) fn lines(documents: &[Document]) -> (Vec<Line<'_>>, Vec<RefusedDocument>) {
    let mut latest: HashMap<_, &Document> = HashMap::new();
    for document in documents {
        let known = latest.entry(document.id).or_insert(document);
        // Of equal editions the last, which was read last.
        if known.edition <= document.edition {
            *known = document;
        }
    }
    let (mut lines, mut refused) = (Vec::with_capacity(latest.len()), Vec::new());
    for document in documents {
        if latest.get(&document.id).is_some_and(|latest| std::ptr::eq(*latest, document)) {
            match source(document) {
                Ok(source) => {
                    let Document { id, edition, .. } = document;
                    let action =
                        format!(r#"{{"index":{{"_id":"{id}","version":{edition},"version_type":"external_gte"}}}}"#);
                    lines.push(Line { document, text: format!("{action}\n{source}\n") });
                }
                Err(error) => refused.push(RefusedDocument { id: document.id, reason: error.to_string() }),
            }
        }
    }
    (lines, refused)
}

/// The lines of as many documents as go into one bulk, one at least and `most` at most, and how many those are.
pub(super) fn chunk(lines: &[&Line<'_>], most: usize) -> (Vec<u8>, usize) {
    let (mut text, mut count) = (Vec::new(), 0);
    for line in lines.iter().take(most) {
        if count > 0 && text.len() + line.text.len() > MAX_BYTES {
            break;
        }
        text.extend_from_slice(line.text.as_bytes());
        count += 1;
    }
    (text, count)
}

/// What became of one document.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Fate {
    /// It is in the index, or a later state is.
    Taken,
    /// The server had no room for it just now.
    Later(String),
    /// The index can never take it.
    Refused(String),
    /// There is no index of that name any more.
    NoIndex,
    /// The index takes nothing for now.
    Closed(String),
}

/// What became of each document of a bulk, in their order; `None` where the answer does not tell.
pub(super) fn fates(answer: &Value, count: usize) -> Option<Vec<Fate>> {
    if answer.get("errors")? == &Value::Bool(false) {
        return Some((0..count).map(|_| Fate::Taken).collect());
    }
    let items = answer.get("items")?.as_array().filter(|items| items.len() == count)?;
    items.iter().map(|item| fate(item.as_object()?.values().next()?)).collect()
}

fn fate(item: &Value) -> Option<Fate> {
    let status = item.get("status")?.as_u64()?;
    let error = item.get("error");
    let is = |kind: &str| error.and_then(|error| error.get("type")).is_some_and(|own| own == kind);
    let why = || error.map(reason).unwrap_or_default();
    Some(match status {
        // 409: the index has a later state. 404 of a delete: it had none.
        200..=299 | 409 => Fate::Taken,
        404 if error.is_none() => Fate::Taken,
        404 if is("index_not_found_exception") => Fate::NoIndex,
        // Read-only, by an operator or for want of space.
        _ if is("cluster_block_exception") => Fate::Closed(why()),
        429 | 500.. => Fate::Later(why()),
        400 | 413 => Fate::Refused(why()),
        _ => Fate::Closed(why()),
    })
}

#[cfg(test)]
mod tests {
    use echoes_shared::echo::edition::GONE;
    use echoes_shared::{EchoId, Timestamp};

    use super::*;
    use crate::search::State;

    fn gone(number: u8, edition: u64, until: u64) -> Document {
        let mut bytes = [0; 16];
        (bytes[6], bytes[8], bytes[15]) = (0x70, 0x80, number);
        let until = Timestamp::from_millis(until);
        Document { id: EchoId::from_bytes(bytes).unwrap(), edition, state: State::Gone { until } }
    }

    #[test]
    fn of_several_states_of_an_echo_the_latest_is_sent() {
        let documents =
            [gone(1, 5, 1_000), gone(2, 1, 0), gone(1, 4, 2_000), gone(1, GONE, 3_000), gone(1, GONE, 4_000)];
        let (lines, refused) = lines(&documents);
        assert!(refused.is_empty());
        let sent: Vec<_> = lines.iter().map(|line| (line.document.edition, line.text.as_str())).collect();
        assert_eq!(sent.len(), 2);
        assert_eq!(sent[0].0, 1);
        let action =
            format!(r#"{{"index":{{"_id":"{}","version":{GONE},"version_type":"external_gte"}}}}"#, documents[4].id);
        assert_eq!(sent[1].1, format!("{action}\n{{\"id\":\"{}\",\"until\":4}}\n", documents[4].id));
    }

    #[test]
    fn a_bulk_is_bounded_and_never_empty() {
        let documents: Vec<_> = (0..3).map(|number| gone(number, 1, 0)).collect();
        let (mut lines, _) = lines(&documents);
        lines[1].text = "x".repeat(MAX_BYTES);
        let all: Vec<_> = lines.iter().collect();
        assert_eq!((chunk(&all, 9).1, chunk(&all[1..], 9).1, chunk(&all[1..], 9).0.len()), (1, 1, MAX_BYTES));
        assert_eq!((chunk(&[all[0], all[2]], 9).1, chunk(&[all[0], all[2]], 1).1, chunk(&[], 9).1), (2, 1, 0));
    }

    #[test]
    fn each_documents_fate_is_told_apart() {
        let item = |status: u16, kind: &str| match kind {
            "" => json!({ "index": { "status": status } }),
            kind => json!({ "index": { "status": status, "error": { "type": kind, "reason": "why" } } }),
        };
        let of =
            |status, kind| fates(&json!({ "errors": true, "items": [item(status, kind)] }), 1).unwrap().remove(0);
        let why = |kind: &str| format!("{kind}: why");
        assert_eq!(of(201, ""), Fate::Taken);
        assert_eq!(of(409, "version_conflict_engine_exception"), Fate::Taken);
        assert_eq!(of(404, ""), Fate::Taken);
        assert_eq!(of(404, "index_not_found_exception"), Fate::NoIndex);
        for status in [403, 429] {
            assert_eq!(of(status, "cluster_block_exception"), Fate::Closed(why("cluster_block_exception")));
        }
        for status in [429, 500, 503] {
            assert_eq!(of(status, "some_exception"), Fate::Later(why("some_exception")), "{status}");
        }
        assert_eq!(of(400, "mapper_parsing_exception"), Fate::Refused(why("mapper_parsing_exception")));
        assert_eq!(of(403, "security_exception"), Fate::Closed(why("security_exception")));
        assert_eq!(fates(&json!({ "errors": false }), 2), Some(vec![Fate::Taken, Fate::Taken]));
        for odd in [json!({}), json!({ "errors": true }), json!({ "errors": true, "items": [] }), json!([])] {
            assert_eq!(fates(&odd, 1), None, "{odd}");
        }
    }
}
