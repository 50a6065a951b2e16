//! What a batch promises, whatever the engine.

use std::time::{Duration, Instant};

use echoes_core::service::{Batch, Done, Outcome, Service, ServiceError};
use echoes_shared::{Echo, EchoId, IdempotencyKey, Region, Slug, Timestamp, UserId};
use serde_json::{Value, json};

use crate::engine::Engine;
use crate::proxy;

pub async fn all(engine: &Engine) {
    every_operation_has_its_outcome(engine).await;
    operations_on_one_echo_keep_their_order(engine).await;
    a_hundred_can_be_repeated(engine).await;
    what_is_late_is_sent_again(engine).await;
    what_follows_a_delete_elsewhere_goes_there_too(engine).await;
    what_hangs_is_named_and_the_rest_is_done(engine).await;
    where_nothing_answers_the_whole_fails(engine).await;
}

fn now() -> Timestamp {
    "2026-11-22T22:59:53.372Z".parse().unwrap()
}

fn ana() -> UserId {
    "ana".parse().unwrap()
}

fn key(nth: u8) -> IdempotencyKey {
    IdempotencyKey::mint(now(), &[nth; 10])
}

fn id(nth: u8) -> EchoId {
    EchoId::derive(&ana(), key(nth))
}

fn create(nth: u8, text: &str) -> Value {
    json!({ "op": "create", "key": key(nth).to_string(), "echo": { "emotion": "calm", "transcript": text } })
}

fn delete(nth: u8) -> Value {
    json!({ "op": "delete", "echoId": id(nth).to_string() })
}

/// For what hangs: time enough for the rest.
const SHORT: Duration = Duration::from_secs(3);
/// A debug build on a busy machine takes its time.
const PATIENT: Duration = Duration::from_secs(60);

async fn run(service: &Service, operations: &[Value], fallback: bool) -> Result<Vec<Outcome>, ServiceError> {
    within(PATIENT, service, &ana(), operations, fallback).await
}

async fn within(
    deadline: Duration,
    service: &Service,
    user: &UserId,
    operations: &[Value],
    fallback: bool,
) -> Result<Vec<Outcome>, ServiceError> {
    let body = json!({ "operations": operations }).to_string();
    service.batch(Batch { user, body: body.as_bytes(), fallback, now: now(), deadline }, || key(255)).await
}

/// The statuses as they go to the edge.
fn statuses(outcomes: &[Outcome]) -> Vec<u16> {
    let status = |outcome: &Outcome| match outcome {
        Ok(Done::Written(written)) => 200 + u16::from(written.created),
        Ok(Done::Gone) => 204,
        Err(ServiceError::Problem(problem)) => problem.slug.status(),
        Err(ServiceError::Elsewhere(_)) => 421,
        Err(ServiceError::Store(_)) => 503,
    };
    outcomes.iter().map(status).collect()
}

async fn every_operation_has_its_outcome(engine: &Engine) {
    let service = engine.service("batch-mixed").await;
    let other = json!({ "op": "delete", "echoId": EchoId::derive(&"ben".parse().unwrap(), key(1)).to_string() });
    within(PATIENT, &service, &"ben".parse().unwrap(), &[create(1, "ben's")], false).await.unwrap();
    let late = IdempotencyKey::mint(now().minus_days(2), &[1; 10]).to_string();
    let operations = [
        create(1, "one"),
        json!({ "op": "delete" }),
        delete(9),
        json!({ "op": "create", "echo": { "emotion": "sad", "s3Url": "s3://other/audio/ana/x" } }),
        other,
        json!({ "op": "create", "key": late, "echo": { "emotion": "sad" } }),
        json!({ "op": "create", "echo": { "emotion": "sad" } }),
    ];
    let outcomes = run(&service, &operations, false).await.unwrap();
    assert_eq!(statuses(&outcomes), [201, 400, 404, 400, 403, 400, 201]);
    let fields = outcomes.iter().filter_map(|outcome| match outcome {
        Err(ServiceError::Problem(problem)) => problem.errors.first().map(|error| error.field.to_string()),
        _ => None,
    });
    let expected = ["operations[1].echoId", "operations[3].echo.s3Url", "operations[5].key"];
    assert_eq!(fields.collect::<Vec<_>>(), expected);
    assert!(matches!(run(&service, &[], false).await, Err(ServiceError::Problem(_))));
}

async fn operations_on_one_echo_keep_their_order(engine: &Engine) {
    let service = engine.service("batch-order").await;
    let operations = [
        create(1, "one"),
        create(2, "two"),
        create(1, "one"),
        delete(1),
        create(1, "one"),
        create(2, "other"),
        delete(1),
        delete(3),
        create(3, "three"),
    ];
    let outcomes = run(&service, &operations, false).await.unwrap();
    assert_eq!(statuses(&outcomes), [201, 201, 200, 204, 409, 409, 204, 404, 201]);
}

async fn a_hundred_can_be_repeated(engine: &Engine) {
    let service = engine.service("batch-hundred").await;
    let operations: Vec<_> = (0..100).map(|nth| create(nth, "x")).collect();
    let mut seen = Vec::new();
    for status in [201, 200] {
        let begun = Instant::now();
        let outcomes = run(&service, &operations, false).await.unwrap();
        println!("a hundred creates: {:?}", begun.elapsed());
        assert_eq!(statuses(&outcomes), [status; 100]);
        seen.push(outcomes.into_iter().map(echo).collect::<Vec<_>>());
    }
    assert!(seen[0].iter().map(|echo| echo.echo_id).eq((0..100).map(id)), "each in its place");
    assert_eq!(seen[0], seen[1]);
    let deletes: Vec<_> = (0..100).map(delete).collect();
    assert_eq!(statuses(&run(&service, &deletes, false).await.unwrap()), [204; 100]);
    assert_eq!(statuses(&run(&service, &operations, false).await.unwrap()), [409; 100]);
}

fn echo(outcome: Outcome) -> Echo {
    match outcome {
        Ok(Done::Written(written)) => written.echo,
        other => panic!("{other:?}"),
    }
}

/// However little time there is, what is told is so: nothing is half done, and what was not done in time is done when it is sent
/// again.
async fn what_is_late_is_sent_again(engine: &Engine) {
    let service = engine.service("batch-late").await;
    let mut left: Vec<_> = (0..100).map(|nth| create(nth, "x")).collect();
    let mut deadline = Duration::from_millis(20);
    while !left.is_empty() {
        // The whole fails where nothing was done in time.
        if let Ok(outcomes) = within(deadline, &service, &ana(), &left, false).await {
            let told = statuses(&outcomes);
            assert!(told.iter().all(|status| [200, 201, 503].contains(status)), "{told:?}");
            left = left.into_iter().zip(told).filter(|(_, status)| *status == 503).map(|(op, _)| op).collect();
        }
        deadline += Duration::from_millis(20);
    }
    let operations: Vec<_> = (0..100).map(|nth| create(nth, "x")).collect();
    assert_eq!(statuses(&run(&service, &operations, false).await.unwrap()), [200; 100]);
}

async fn what_follows_a_delete_elsewhere_goes_there_too(engine: &Engine) {
    let home = engine.service("batch-home").await;
    let other = engine.service_of("batch-home", Region::UsWest2);
    run(&home, &[create(1, "one"), create(2, "two")], false).await.unwrap();
    let operations = [create(1, "one"), delete(1), create(1, "one"), create(3, "three"), delete(2)];
    let outcomes = run(&other, &operations, false).await.unwrap();
    assert_eq!(statuses(&outcomes), [200, 421, 421, 201, 421]);
    assert!(matches!(outcomes[2], Err(ServiceError::Elsewhere(Region::EuWest1))));
    let rest = [delete(1), create(1, "one"), delete(2)];
    assert_eq!(statuses(&run(&other, &rest, true).await.unwrap()), [204, 409, 204]);
    assert_eq!(statuses(&run(&home, &rest, false).await.unwrap()), [204, 409, 204]);
}

async fn what_hangs_is_named_and_the_rest_is_done(engine: &Engine) {
    let service = engine.service("batch-hangs").await;
    let hanging = engine.behind(proxy::hanging_for(engine.endpoint(), "never stored").await);
    let hanging = hanging.service_of("batch-hangs", Region::EuWest1);
    let mut operations: Vec<_> = (0..12).map(|nth| create(nth, "x")).collect();
    operations[7] = create(7, "never stored");
    operations.push(delete(7));
    operations.push(delete(8));
    let outcomes = within(SHORT, &hanging, &ana(), &operations, false).await.unwrap();
    let mut expected = vec![201; 12];
    expected[7] = 503;
    expected.extend([503, 204]);
    assert_eq!(statuses(&outcomes), expected);
    // Repeated when the store is well again, all of it is done.
    expected = vec![200; 12];
    (expected[7], expected[8]) = (201, 409);
    expected.extend([204, 204]);
    assert_eq!(statuses(&run(&service, &operations, false).await.unwrap()), expected);
}

async fn where_nothing_answers_the_whole_fails(engine: &Engine) {
    engine.store("batch-away").await;
    let away = engine.behind(proxy::hanging_for(engine.endpoint(), "batch-away").await);
    let away = away.service_of("batch-away", Region::EuWest1);
    let operations = [create(1, "x"), json!({ "op": "delete" }), delete(2)];
    match within(SHORT, &away, &ana(), &operations, false).await {
        Err(ServiceError::Problem(problem)) => assert_eq!(problem.slug, Slug::Unavailable),
        other => panic!("{other:?}"),
    }
    let refused = run(&away, &[json!({ "op": "delete" }), json!(1)], false).await.unwrap();
    assert_eq!(statuses(&refused), [400, 400], "nothing was to be tried");
}
