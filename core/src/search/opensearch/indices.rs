//! Which indexes a region has: the one that is searched, and one that is being built beside it.
//!
//! Their names are `echoes-REGION-N`, which nobody but this file knows: all others go by two aliases, `echoes-REGION` for the one
//! that is searched and `echoes-REGION-next` for the one that is built. The server's own list of aliases is the only state of it,
//! so there is nothing that could disagree with it.
//!
//! **No echo is lost while one is built.** Whoever applies documents looks at the aliases first and then writes to both. A writer
//! that found no `-next` may write to the old index alone though one is made in the next moment: what it writes was read from the
//! stream before that, so it was in the table before, and the scan that fills the new index, consistently read, begins after.
//! (What the table no longer has was a tombstone for seven days, or has expired and is never shown.) The new index is written
//! first: if it takes the old one's place in between, the write that follows goes to it as well.

use echoes_shared::Region;
use reqwest::Method;
use serde_json::{Map, Value, json};

use super::client::{Answer, Body, Client};
use super::{MANAGE, mapping};
use crate::search::SearchUnavailable;

/// How often two that make the same index may meet before that is no coincidence.
const ATTEMPTS: usize = 4;

/// The aliases of a region, and the indexes behind them.
#[derive(Debug, Clone)]
pub(super) struct Names {
    /// What is searched.
    pub(super) live: String,
    /// What is being built.
    pub(super) next: String,
}

/// The indexes of a region as they are now.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Indices {
    /// The one that is searched.
    pub(super) live: Option<String>,
    /// The one that is being built.
    pub(super) next: Option<String>,
    /// The highest number of any.
    highest: u64,
}

impl Names {
    pub(super) fn of(region: Region) -> Self {
        Self { live: format!("echoes-{region}"), next: format!("echoes-{region}-next") }
    }

    /// What `GET /echoes-REGION-*/_alias` answered.
    fn read(&self, answer: &Value) -> Indices {
        let mut indices = Indices::default();
        for (name, index) in answer.as_object().into_iter().flatten() {
            let has = |alias: &str| index.pointer("/aliases").is_some_and(|aliases| aliases.get(alias).is_some());
            let number = name.strip_prefix(&self.live).and_then(|rest| rest.strip_prefix('-'));
            let number = number.and_then(|digits| digits.parse().ok()).unwrap_or_default();
            indices.highest = indices.highest.max(number);
            if has(&self.live) {
                indices.live = Some(name.clone());
            }
            if has(&self.next) {
                indices.next = Some(name.clone());
            }
        }
        indices
    }

    /// The indexes as they are.
    pub(super) async fn look(&self, client: &Client) -> Result<Indices, SearchUnavailable> {
        let path = format!("/{}-*/_alias", self.live);
        Ok(self.read(&client.call(Method::GET, &path, Body::Nothing, MANAGE).await?.ok()?))
    }

    /// The same; where none is searched, an empty one is made.
    pub(super) async fn look_or_make(&self, client: &Client) -> Result<Indices, SearchUnavailable> {
        for _ in 0..ATTEMPTS {
            let indices = self.look(client).await?;
            if indices.live.is_some() {
                return Ok(indices);
            }
            let _made = self.make(client, &indices, &mapping::index(1, &self.live)).await?;
        }
        Err(SearchUnavailable(format!("{} is made and goes away again", self.live)))
    }

    /// Makes the index that is to take the place of the one searched, in the place of one that was begun before; answers its name.
    pub(super) async fn make_next(&self, client: &Client, shards: u16) -> Result<String, SearchUnavailable> {
        for _ in 0..ATTEMPTS {
            let indices = self.look_or_make(client).await?;
            if let Some(begun) = &indices.next {
                self.drop_index(client, begun).await?;
            }
            let body = mapping::index(shards, &self.next);
            if let Some(made) = self.make(client, &indices, &body).await? {
                return Ok(made);
            }
        }
        Err(SearchUnavailable("somebody else builds indexes at the same time".to_owned()))
    }

    /// The name of the index made; `None` where somebody else made one of that name.
    async fn make(
        &self,
        client: &Client,
        indices: &Indices,
        body: &Value,
    ) -> Result<Option<String>, SearchUnavailable> {
        let name = format!("{}-{}", self.live, indices.highest + 1);
        let answer = client.call(Method::PUT, &format!("/{name}"), Body::Json(body.clone()), MANAGE).await?;
        if answer.is_error("resource_already_exists_exception") {
            return Ok(None);
        }
        acknowledged(&answer)?;
        Ok(Some(name))
    }

    /// Has `built` take the place of the index that is searched, in one step.
    pub(super) async fn swap(&self, client: &Client, built: &str) -> Result<(), SearchUnavailable> {
        let indices = self.look(client).await?;
        if indices.next.as_deref() != Some(built) {
            return Err(SearchUnavailable(format!(
                "{built} is not being built any more: another build took its place"
            )));
        }
        mark(client, built, true).await?;
        let mut actions = vec![
            json!({ "remove": { "index": built, "alias": self.next, "must_exist": true } }),
            json!({ "add": { "index": built, "alias": self.live } }),
        ];
        actions.extend(indices.live.map(|old| json!({ "remove_index": { "index": old } })));
        let body = Body::Json(json!({ "actions": actions }));
        acknowledged(&client.call(Method::POST, "/_aliases", body, MANAGE).await?)
    }

    /// Drops an index that was begun, unless it has taken its place already.
    pub(super) async fn give_up(&self, client: &Client, begun: &str) -> Result<(), SearchUnavailable> {
        match self.look(client).await?.next {
            Some(next) if next == begun => self.drop_index(client, begun).await,
            _ => Ok(()),
        }
    }

    async fn drop_index(&self, client: &Client, name: &str) -> Result<(), SearchUnavailable> {
        let answer = client.call(Method::DELETE, &format!("/{name}"), Body::Nothing, MANAGE).await?;
        if answer.is_error("index_not_found_exception") { Ok(()) } else { acknowledged(&answer) }
    }
}

/// Says in the index itself whether every echo of the table has been in it.
pub(super) async fn mark(client: &Client, index: &str, filled: bool) -> Result<(), SearchUnavailable> {
    let body = Body::Json(json!({ "_meta": mapping::meta(filled) }));
    acknowledged(&client.call(Method::PUT, &format!("/{index}/_mapping"), body, MANAGE).await?)
}

/// Whether the index behind an alias says so; `None` where there is none.
pub(super) async fn says_filled(client: &Client, alias: &str) -> Result<Option<bool>, SearchUnavailable> {
    let mapping = client.call(Method::GET, &format!("/{alias}/_mapping"), Body::Nothing, MANAGE).await?;
    if mapping.status == 404 { Ok(None) } else { Ok(Some(is_marked(&mapping.ok()?))) }
}

/// Whether a mapping has the mark.
fn is_marked(mapping: &Value) -> bool {
    let indices: Vec<&Value> = mapping.as_object().map(Map::values).into_iter().flatten().collect();
    let filled = |index: &&Value| index.pointer("/mappings/_meta/filled") == Some(&Value::Bool(true));
    !indices.is_empty() && indices.iter().all(filled)
}

/// Until every node knows of a change, a writer might be told what was before it.
fn acknowledged(answer: &Answer) -> Result<(), SearchUnavailable> {
    if answer.ok()?.get("acknowledged") == Some(&Value::Bool(true)) {
        return Ok(());
    }
    Err(SearchUnavailable("some node has not confirmed a change of the indexes".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_aliases_tell_which_index_is_which() {
        let names = Names::of(Region::EuWest1);
        let index = |aliases: Value| json!({ "aliases": aliases });
        let answer = json!({
            "echoes-eu-west-1-9": index(json!({ "echoes-eu-west-1": {} })),
            "echoes-eu-west-1-10": index(json!({ "echoes-eu-west-1-next": {} })),
            "echoes-eu-west-1-odd": index(json!({})),
            "echoes-eu-west-1-11": index(json!({})),
        });
        let expected = Indices {
            live: Some("echoes-eu-west-1-9".to_owned()),
            next: Some("echoes-eu-west-1-10".to_owned()),
            highest: 11,
        };
        assert_eq!(names.read(&answer), expected);
        assert_eq!(names.read(&json!({})), Indices::default());
    }

    #[test]
    fn an_index_says_whether_it_is_filled() {
        let of = |meta: Value| json!({ "echoes-eu-west-1-1": { "mappings": { "_meta": meta } } });
        assert!(is_marked(&of(mapping::meta(true))));
        for odd in [of(mapping::meta(false)), of(json!({})), json!({}), json!([])] {
            assert!(!is_marked(&odd), "{odd}");
        }
    }
}
