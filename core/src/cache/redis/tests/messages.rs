//! What processes tell each other, and what they tell Redis when it comes back.

use futures_util::FutureExt as _;

use super::server::{Server, url};
use super::*;
use crate::cache::fault_proxy::{FaultProxy, Mode};
use crate::cache::redis::pending::KEYS_AT_MOST;

/// A process behind a proxy, another beside it, both there and listening.
async fn pair(server: &Server) -> (FaultProxy, Redis, Redis, Receiver<Heard>, Receiver<Heard>) {
    let proxy = FaultProxy::before(server.address()).await;
    let one = process(&url(proxy.address), Patience { command: Duration::from_millis(300), ..CALM });
    let two = process(&server.url(), CALM);
    let (mut own, mut others) = (one.hear(), two.hear());
    heard(&mut own, is_gap).await;
    heard(&mut others, is_gap).await;
    (proxy, one, two, own, others)
}

#[tokio::test]
async fn a_change_is_heard_by_the_others() {
    let server = Server::start().await;
    let (_proxy, one, two, mut own, mut others) = pair(&server).await;
    let stamp = one.fill("key", "old").await;
    one.invalidate(&["key".to_owned()], "changed".into()).await;
    assert_eq!(two.counts("key", stamp).await, None);
    heard(&mut others, is_message("changed")).await;
    two.invalidate(&[], "only a word".into()).await;
    heard(&mut own, is_message("only a word")).await;
}

#[tokio::test]
async fn an_invalidation_while_redis_is_away_comes_before_the_next_look() {
    let server = Server::start().await;
    let (proxy, one, two, _own, mut others) = pair(&server).await;
    let stamp = one.fill("key", "old").await;
    proxy.set(Mode::Refuse);
    one.until_away().await;
    one.invalidate(&["key".to_owned()], "late".into()).await;
    assert_eq!(two.counts("key", stamp).await.unwrap(), "old", "nobody could tell the other process");
    proxy.set(Mode::Pass);
    one.there_again().await;
    assert!(one.is_empty("key").await);
    heard(&mut others, is_message("late")).await;
    assert!(two.is_empty("key").await);
}

#[tokio::test]
async fn an_invalidation_without_an_answer_leaves_redis_until_it_is_told() {
    let server = Server::start().await;
    let (proxy, one, two, _own, mut others) = pair(&server).await;
    let stamp = one.fill("key", "old").await;
    proxy.set(Mode::Hang);
    one.invalidate(&["key".to_owned()], "again".into()).await;
    assert!(one.is_away(), "one failure is enough: nothing may be read with that undone");
    assert_eq!(one.counts("key", stamp).await, None);
    proxy.set(Mode::Pass);
    one.there_again().await;
    assert!(one.is_empty("key").await);
    heard(&mut others, is_message("again")).await;
    assert_eq!(two.counts("key", stamp).await, None);
}

#[tokio::test]
async fn a_caller_that_goes_away_takes_no_invalidation_with_it() {
    let server = Server::start().await;
    let (_proxy, one, _two, _own, mut others) = pair(&server).await;
    one.fill("key", "old").await;
    let keys = ["key".to_owned()];
    // It is polled once, as by a server whose client hangs up.
    assert!(one.invalidate(&keys, "still".into()).now_or_never().is_none());
    heard(&mut others, is_message("still")).await;
    assert!(one.is_empty("key").await);
}

#[tokio::test]
async fn more_than_can_be_remembered_becomes_everything() {
    let server = Server::start().await;
    let (proxy, one, two, _own, mut others) = pair(&server).await;
    let stamp = two.fill("never named", "old").await;
    proxy.set(Mode::Refuse);
    one.until_away().await;
    let keys: Vec<_> = (0..=KEYS_AT_MOST).map(|number| number.to_string()).collect();
    one.invalidate(&keys, "lost in the crowd".into()).await;
    proxy.set(Mode::Pass);
    one.there_again().await;
    assert_eq!(one.counts("never named", stamp).await, None);
    assert_eq!(two.counts("never named", stamp).await, None);
    heard(&mut others, is_gap).await;
}

#[tokio::test]
async fn an_interrupted_subscription_is_a_gap() {
    let server = Server::start().await;
    let (proxy, one, two, mut own, mut others) = pair(&server).await;
    assert_eq!(server.run::<u8>("CLIENT KILL TYPE pubsub").await, 2);
    heard(&mut own, is_gap).await;
    heard(&mut others, is_gap).await;
    one.invalidate(&[], "after".into()).await;
    heard(&mut others, is_message("after")).await;

    // One that is cut off without a word as well.
    proxy.set(Mode::Hang);
    one.until_away().await;
    proxy.set(Mode::Pass);
    heard(&mut own, is_gap).await;
    two.invalidate(&[], "back".into()).await;
    heard(&mut own, is_message("back")).await;
}
