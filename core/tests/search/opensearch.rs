//! What only a search server can do to its users: reject a part, refuse for want of space, hang, come back.

use std::time::{Duration, Instant};

use echoes_core::search::opensearch::OpenSearch;
use echoes_core::search::{Document, Index as _};
use echoes_shared::Region;
use reqwest::Method;
use serde_json::{Value, json};

use crate::corpus::{NOW, ask, document, echo, found};
use crate::proxy::{Mode, Proxy};
use crate::server::Server;

const REGION: Region = Region::EuWest1;
/// A search fails within this, whatever the server does.
const PROMPT: Duration = Duration::from_millis(1_500);

pub async fn all(server: &Server) {
    run!(server,
        states_come_in_any_order
        one_bad_document_is_named_and_the_others_are_taken
        a_server_that_takes_nothing_is_unavailable_and_still_searched
        only_what_had_no_room_is_sent_again
        a_server_that_does_not_answer_costs_little
        what_has_expired_is_dropped
        an_index_that_is_lost_is_made_again
    );
}

async fn states_come_in_any_order(server: &Server) {
    let index = server.fresh(REGION).await;
    assert!(found(&index, "rain").await.is_empty(), "nothing was written yet");
    let [first, second, third] = [1, 2, 3].map(|number| echo(number, "rain on the roof"));
    let edited = echoes_shared::Echo { version: 2, transcript: Some("snow".to_owned()), ..first.clone() };
    let documents = [
        Document::lives(edited.clone()),
        Document::lives(first),
        Document::gone(second.echo_id, NOW),
        Document::lives(third.clone()),
    ];
    for _ in 0..2 {
        assert_eq!(index.apply(&documents).await.unwrap(), []);
        assert_eq!(index.apply(&[Document::lives(second.clone())]).await.unwrap(), []);
    }
    assert_eq!(found(&index, "rain").await, std::slice::from_ref(&third));
    assert_eq!(found(&index, "snow").await, std::slice::from_ref(&edited));
    assert_eq!(found(&index, "").await, [third, edited]);
    let stats = index.stats().await.unwrap();
    assert_eq!((stats.echoes, stats.gone, stats.filled), (2, 1, false));
    index.mark_filled(&index.unfilled().await.unwrap().unwrap()).await.unwrap();
    assert!(index.stats().await.unwrap().filled && index.unfilled().await.unwrap().is_none());
    index.doubt(NOW).await.unwrap();
    let name = index.unfilled().await.unwrap().expect("something may be missing again");
    index.mark_filled(&name).await.unwrap();
}

async fn one_bad_document_is_named_and_the_others_are_taken(server: &Server) {
    let index = server.fresh(REGION).await;
    // As an earlier version might have left it: strict, and without places.
    index.apply(&[document(1, "rain")]).await.unwrap();
    let name = index.status().await.unwrap().index.unwrap();
    let (_, mut body) = server.call(Method::GET, &format!("/{name}/_mapping"), Value::Null).await;
    let mut mappings = body[&name]["mappings"].take();
    mappings["properties"].as_object_mut().unwrap().remove("place");
    server.call(Method::DELETE, &format!("/{name}"), Value::Null).await;
    let body = json!({ "mappings": mappings, "aliases": { format!("echoes-{REGION}"): {} } });
    assert_eq!(server.call(Method::PUT, &format!("/{name}"), body).await.0, 200);

    let mut bad = echo(2, "rain");
    bad.location = echoes_shared::Location::new(1.0, 2.0);
    let refused =
        index.apply(&[document(1, "rain"), Document::lives(bad.clone()), document(3, "rain")]).await.unwrap();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].id, bad.echo_id);
    assert!(refused[0].reason.contains("place"), "{}", refused[0].reason);
    assert_eq!(found(&index, "rain").await, [echo(3, "rain"), echo(1, "rain")]);
}

async fn a_server_that_takes_nothing_is_unavailable_and_still_searched(server: &Server) {
    let index = server.fresh(REGION).await;
    index.apply(&[document(1, "rain")]).await.unwrap();
    assert_eq!(found(&index, "rain").await.len(), 1);
    let name = index.status().await.unwrap().index.unwrap();
    for block in ["index.blocks.read_only", "index.blocks.read_only_allow_delete", "index.blocks.write"] {
        let set = async |value: Value| {
            let path = format!("/{name}/_settings");
            let (status, answer) = server.call(Method::PUT, &path, json!({ block: value })).await;
            assert_eq!(status, 200, "{answer}");
        };
        set(json!(true)).await;
        let error = index.apply(&[document(2, "rain"), document(3, "rain")]).await.unwrap_err();
        assert!(error.0.contains("block"), "{block}: {error}");
        assert!(found(&index, "rain").await.contains(&echo(1, "rain")), "{block}");
        set(Value::Null).await;
        index.apply(&[document(2, "rain"), document(3, "rain")]).await.unwrap();
        assert_eq!(found(&index, "rain").await.len(), 3, "{block}");
    }
}

async fn only_what_had_no_room_is_sent_again(server: &Server) {
    server.fresh(REGION).await;
    let proxy = Proxy::before(&server.url).await;
    let index = OpenSearch::new(proxy.url.parse().unwrap(), REGION).unwrap();
    let documents: Vec<_> = (1..=8).map(|number| document(number, "rain")).collect();
    proxy.set(Mode::Half(2));
    assert_eq!(index.apply(&documents).await.unwrap(), []);
    assert_eq!(proxy.bulks(), [8, 4, 2]);
    assert_eq!(found(&index, "rain").await.len(), 8);
    // No room at all, for ever: tried a few times, and then it is the pump's to wait.
    proxy.set(Mode::Full);
    let error = index.apply(&documents).await.unwrap_err();
    assert!(error.0.contains("429"), "{error}");
    assert!(proxy.bulks().len() <= 8);
}

async fn a_server_that_does_not_answer_costs_little(server: &Server) {
    server.fresh(REGION).await;
    let proxy = Proxy::before(&server.url).await;
    let index = OpenSearch::new(proxy.url.parse().unwrap(), REGION).unwrap();
    index.apply(&[document(1, "rain")]).await.unwrap();
    assert_eq!(found(&index, "rain").await.len(), 1);
    for mode in [Mode::Hang, Mode::Delay(Duration::from_secs(5)), Mode::Garbage, Mode::Full] {
        proxy.set(mode);
        let started = Instant::now();
        assert!(index.search(&ask("q=rain"), NOW).await.is_err(), "{mode:?}");
        assert!(started.elapsed() < PROMPT, "{mode:?}: {:?}", started.elapsed());
        if matches!(mode, Mode::Hang | Mode::Delay(_)) {
            let started = Instant::now();
            for _ in 0..100 {
                assert!(index.search(&ask("q=rain"), NOW).await.is_err(), "{mode:?}");
            }
            assert!(started.elapsed() < PROMPT, "a hundred more cost nothing: {:?}", started.elapsed());
        }
        proxy.set(Mode::Pass);
        let back = async {
            let mut tick = tokio::time::interval(Duration::from_millis(20));
            loop {
                tick.tick().await;
                if index.search(&ask("q=rain"), NOW).await.is_ok() {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(10), back).await.expect("it is asked again");
        assert_eq!(index.apply(&[document(1, "rain")]).await.unwrap(), []);
    }
    let nobody = OpenSearch::new("http://u:a-secret@127.0.0.1:1".parse().unwrap(), REGION).unwrap();
    let error = nobody.apply(&[document(1, "rain")]).await.unwrap_err();
    assert!(!error.0.contains("secret") && !format!("{nobody:?}").contains("secret"), "{error}");
    assert!(nobody.search(&ask("q=rain"), NOW).await.is_err());
}

async fn what_has_expired_is_dropped(server: &Server) {
    let index = server.fresh(REGION).await;
    let mut expired = echo(1, "rain");
    expired.ttl = Some(NOW.epoch_seconds());
    let mut expires = echo(2, "rain");
    expires.ttl = Some(NOW.epoch_seconds() + 1);
    let documents = [
        Document::lives(expired),
        Document::lives(expires.clone()),
        document(3, "rain"),
        Document::gone(echo(4, "").echo_id, NOW.minus_days(7)),
        Document::gone(echo(5, "").echo_id, NOW),
    ];
    index.apply(&documents).await.unwrap();
    assert_eq!(found(&index, "rain").await, [echo(3, "rain"), expires]);
    assert_eq!(index.purge(NOW).await.unwrap(), 2);
    assert_eq!(index.purge(NOW).await.unwrap(), 0);
    let stats = index.stats().await.unwrap();
    assert_eq!((stats.echoes, stats.gone), (2, 1));
    // What is gone for good may be forgotten, and what comes late of it has no consequence worse than that of a new index.
    assert_eq!(index.purge(NOW.plus_days(8)).await.unwrap(), 2);
    assert_eq!(index.stats().await.unwrap().gone, 0);
}

async fn an_index_that_is_lost_is_made_again(server: &Server) {
    let index = server.fresh(REGION).await;
    index.apply(&[document(1, "rain")]).await.unwrap();
    let name = index.status().await.unwrap().index.unwrap();
    index.mark_filled(&name).await.unwrap();
    assert_eq!(server.call(Method::DELETE, &format!("/{name}"), Value::Null).await.0, 200);
    assert!(found(&index, "rain").await.is_empty());
    // Two processes at once.
    let other = server.index(REGION);
    let (one, two) = ([document(2, "rain")], [document(3, "rain")]);
    let (first, second) = tokio::join!(index.apply(&one), other.apply(&two));
    assert_eq!((first.unwrap(), second.unwrap()), (vec![], vec![]));
    assert_eq!(found(&index, "rain").await.len(), 2);
    let made = index.unfilled().await.unwrap().expect("the table's echoes may be missing");
    assert!(index.mark_filled("echoes-eu-west-1-999").await.is_err(), "what was filled is not what is searched");
    assert_eq!(index.status().await.unwrap().index, Some(made));
}
