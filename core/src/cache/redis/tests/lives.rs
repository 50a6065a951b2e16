//! Redis loses its memory, or gets an old one back: nothing of a former life counts.

use super::server::{Server, url};
use super::*;
use crate::cache::fault_proxy::{FaultProxy, Mode};

const VALUE: &str = "echoes:1:eu-west-1:v:key";

#[tokio::test]
async fn nothing_counts_after_a_flush() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let (stamp, lease) = redis.begin("key").await.load();
    server.run::<()>("FLUSHALL").await;
    assert_eq!(redis.keep("key", stamp, Some(&lease), "old".into(), MINUTE).await, Kept::Discarded);
    assert_eq!(redis.look("key").await, Look::Unknown);
    assert_ne!(redis.fill("key", "new").await, stamp);
}

#[tokio::test]
async fn nothing_counts_when_the_generation_of_everything_is_evicted() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let stamp = redis.fill("key", "old").await;
    assert_eq!(server.run::<u8>("DEL echoes:1:eu-west-1:all").await, 1);
    assert_eq!(redis.look("key").await, Look::Unknown);
    redis.fill("other", "new").await;
    assert_eq!(redis.counts("key", stamp).await, None);
}

#[tokio::test]
async fn nothing_counts_after_a_restart_without_memory() {
    let mut server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let stamp = redis.fill("key", "old").await;
    server.crash_and_restart().await;
    redis.look("key").await;
    redis.there_again().await;
    assert_eq!(redis.look("key").await, Look::Unknown);
    assert_ne!(redis.fill("key", "new").await, stamp);
}

#[tokio::test]
async fn nothing_counts_after_a_restart_from_a_snapshot() {
    let mut server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let stamp = redis.fill("key", "old").await;
    let (loading, lease) = redis.begin("key").await.load();
    server.run::<()>("SAVE").await;
    // The snapshot lacks this.
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
    server.crash_and_restart().await;
    redis.look("key").await;
    redis.there_again().await;
    assert_eq!(server.run::<String>(&format!("GET {VALUE}")).await, "old", "the snapshot brought it back");
    let Look::Known { stamp: now, .. } = redis.look("key").await else { panic!("its generation is there too") };
    assert_ne!(now, stamp);
    assert_eq!(redis.keep("key", loading, Some(&lease), "old".into(), MINUTE).await, Kept::Discarded);
    // What has just been lost may be a change of moments ago: the old generation is as young as the connection.
    let Begin::Load { age_millis, .. } = redis.begin("key").await else { panic!("the lease was given back") };
    assert!(age_millis < 2_000, "{age_millis}");
}

#[tokio::test]
async fn nothing_counts_after_a_failover_to_a_replica_that_lacks_the_last_change() {
    let (mut first, second) = (Server::start().await, Server::start().await);
    let between = FaultProxy::before(first.address()).await;
    let before = FaultProxy::before(first.address()).await;
    second.run::<()>(&format!("REPLICAOF 127.0.0.1 {}", between.address.port())).await;
    // A server's first replica gives it a new replication id: another epoch, which is not what is tried here.
    second.until("INFO replication", |info| info.contains("master_link_status:up")).await;
    let redis = process(&url(before.address), CALM).until_there().await;
    let stamp = redis.fill("key", "old").await;
    second.until(&format!("GET {VALUE}"), |value| value == "old").await;

    between.set(Mode::Hang);
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
    assert!(redis.is_empty("key").await);
    first.crash();
    second.run::<()>("REPLICAOF NO ONE").await;
    before.aim(second.address());
    redis.look("key").await;
    redis.there_again().await;
    assert_eq!(second.run::<String>(&format!("GET {VALUE}")).await, "old", "the replica still has it");
    let Look::Known { stamp: now, .. } = redis.look("key").await else { panic!("its generation is there too") };
    assert_ne!(now, stamp);
}

#[tokio::test]
async fn nothing_counts_when_the_server_is_demoted_and_promoted_without_closing_a_connection() {
    let (first, second) = (Server::start().await, Server::start().await);
    second.run::<()>(&format!("REPLICAOF {}", first.address().to_string().replace(':', " "))).await;
    second.until("INFO replication", |info| info.contains("master_link_status:up")).await;
    // No beat comes to help: every look sees it by itself.
    let redis = process(&first.url(), Patience { beat: MINUTE, ..CALM }).until_there().await;
    let stamp = redis.fill("key", "old").await;
    second.until(&format!("GET {VALUE}"), |value| value == "old").await;
    second.run::<()>("REPLICAOF NO ONE").await;
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
    first.run::<()>(&format!("REPLICAOF {}", second.address().to_string().replace(':', " "))).await;
    first.until(&format!("GET {VALUE}"), |value| value == "old").await;
    assert_eq!(redis.look("key").await, Look::Away);

    first.run::<()>("REPLICAOF NO ONE").await;
    redis.there_again().await;
    let Look::Known { stamp: now, .. } = redis.look("key").await else { panic!("the old generation came back") };
    assert_ne!(now, stamp);
}

#[tokio::test]
async fn a_server_that_became_another_unseen_is_left_within_a_beat() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let before = redis.there_again().await;
    server.run::<()>("REPLICAOF 127.0.0.1 1").await;
    server.run::<()>("REPLICAOF NO ONE").await;
    let mut changes = redis.link.as_ref().unwrap().changes();
    let other = |live: &Option<Arc<Live>>| live.as_ref().is_some_and(|live| live.number > before.number);
    let after = timeout(SECONDS, changes.wait_for(other)).await.expect("it is noticed").unwrap().clone().unwrap();
    assert_ne!(before.epoch, after.epoch);
}
