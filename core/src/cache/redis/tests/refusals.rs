//! A Redis that answers, but refuses: loading, read-only, full.

use super::server::Server;
use super::*;

#[tokio::test]
async fn a_redis_that_loads_a_snapshot_is_away_until_it_has() {
    let mut server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let stamp = redis.fill("key", "old").await;
    server.run::<()>("DEBUG POPULATE 4000 filler 100").await;
    server.run::<()>("SAVE").await;
    // 4,000 keys of half a millisecond each.
    server.crash_and_restart_with(&["--key-load-delay", "500", "--loading-process-events-interval-bytes", "1024"]);
    redis.until_away().await;
    server.until("INFO persistence", |info| info.contains("loading:1")).await;
    assert_eq!(redis.look("key").await, Look::Away);
    redis.there_again().await;
    assert!(server.run::<String>("INFO persistence").await.contains("loading:0"));
    assert_eq!(redis.counts("key", stamp).await, None);
}

#[tokio::test]
async fn a_read_only_redis_is_away_until_it_can_be_written() {
    let server = Server::start().await;
    let redis = process(&server.url(), Patience { beat: MINUTE, ..CALM }).until_there().await;
    server.run::<()>("REPLICAOF 127.0.0.1 1").await;
    assert!(matches!(redis.begin("key").await, Begin::Away));
    assert!(redis.is_away());
    server.run::<()>("REPLICAOF NO ONE").await;
    redis.there_again().await;
    redis.fill("key", "value").await;
}

#[tokio::test]
async fn an_invalidation_that_a_read_only_redis_refused_is_not_lost() {
    let server = Server::start().await;
    let redis = process(&server.url(), Patience { beat: MINUTE, ..CALM }).until_there().await;
    redis.fill("key", "old").await;
    server.run::<()>("REPLICAOF 127.0.0.1 1").await;
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
    assert!(redis.is_away());
    server.run::<()>("REPLICAOF NO ONE").await;
    redis.there_again().await;
    assert!(redis.is_empty("key").await);
}

#[tokio::test]
async fn a_full_redis_reads_and_invalidates_but_keeps_nothing() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let stamp = redis.fill("key", "value").await;
    let (other, lease) = redis.begin("other").await.load();
    server.run::<()>("CONFIG SET maxmemory-policy noeviction").await;
    server.run::<()>("CONFIG SET maxmemory 1").await;

    assert_eq!(redis.counts("key", stamp).await.unwrap(), "value");
    assert!(matches!(redis.begin("third").await, Begin::Away));
    assert_eq!(redis.keep("other", other, Some(&lease), "value".into(), MINUTE).await, Kept::Refused);
    assert_eq!(server.run::<u8>("EXISTS echoes:1:eu-west-1:l:other").await, 0, "the lease is given back");
    for _ in 0..5 {
        assert!(matches!(redis.begin("third").await, Begin::Away));
    }
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
    assert!(redis.is_empty("key").await);
    assert!(!redis.is_away(), "being full is no reason to leave");

    server.run::<()>("CONFIG SET maxmemory 0").await;
    redis.fill("key", "new").await;
}

#[tokio::test]
async fn a_redis_that_cannot_write_its_snapshots_is_away_until_it_can_be_told() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    redis.fill("key", "old").await;
    // After a snapshot that failed, as on a full disk, it refuses deletions too (`-MISCONF`).
    server.run_words::<()>(&["CONFIG", "SET", "save", "3600 1"]).await;
    server.lose_folder();
    server.run::<()>("BGSAVE").await;
    server.until("INFO persistence", |info| info.contains("rdb_last_bgsave_status:err")).await;
    redis.invalidate(&["key".to_owned()], Bytes::new()).await;
    assert_eq!(redis.look("key").await, Look::Away);
    server.run::<()>("CONFIG SET stop-writes-on-bgsave-error no").await;
    redis.there_again().await;
    assert!(redis.is_empty("key").await);
}

#[tokio::test]
async fn one_key_that_somebody_else_spoilt_spoils_no_other() {
    let server = Server::start().await;
    let redis = process(&server.url(), CALM).until_there().await;
    let stamp = redis.fill("key", "value").await;
    server.run::<()>("RPUSH echoes:1:eu-west-1:g:odd 1").await;
    server.run::<()>("SET echoes:1:eu-west-1:g:short x").await;
    for _ in 0..5 {
        assert_eq!(redis.look("odd").await, Look::Unknown);
        assert!(matches!(redis.begin("odd").await, Begin::Away));
        assert_eq!(redis.counts("key", stamp).await.unwrap(), "value");
    }
    let Begin::Load { age_millis: 0, .. } = redis.begin("short").await else { panic!("without a birth it is young") };
    redis.invalidate(&["odd".to_owned()], Bytes::new()).await;
    redis.fill("odd", "value").await;
}
