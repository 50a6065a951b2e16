//! What a region's caches keep: each tier serves what the one above lacks, and none shows what no longer counts.

pub mod faults;
pub mod lies;

use std::time::Duration;

use echoes_tests::cores::Core;
use echoes_tests::people::id_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Person, Region, Response, Value, World, fresh, json};

use crate::failover::mended;

super::trials!(ALONE: each_tier_serves_what_the_one_above_lacks, every_page_is_cut_from_the_same_head);

/// The region whose caches these trials look into.
const REGION: Region = Region::UsWest2;
/// How long an answer may take until every tier keeps it for long: what is read right after a write is kept for two seconds.
const SETTLED: Duration = Duration::from_secs(15);
/// What the shared tiers keep less long than this has just been written.
const LONG_MS: i64 = 60_000;

/// Where something is read, and under which key the caches keep it.
#[derive(Debug, Clone)]
pub struct Target {
    path: String,
    key: String,
}

impl Target {
    pub fn timeline(ana: &Person) -> Self {
        Self { path: ana.timeline(), key: format!("timeline:{}", ana.id) }
    }

    pub fn echo(echo: &Value) -> Self {
        Self { path: format!("/v1/echoes/{}", id_of(echo)), key: format!("echo:{}", id_of(echo)) }
    }

    fn feed(emotion: &str) -> Self {
        Self { path: format!("/v1/emotions/{emotion}/echoes"), key: format!("feed:{emotion}") }
    }

    fn read(&self, core: &Core) -> Response {
        core.get(&self.path).send().expect(200)
    }

    /// Reads until Redis keeps it for long.
    pub fn kept(&self, world: &World, core: &Core) -> Response {
        let redis = world.redis(core.region);
        eventually(SETTLED, "an answer that Redis keeps for long", || {
            let response = self.read(core);
            let left_ms = redis.left_ms(&self.key);
            if left_ms >= LONG_MS { Ok(response) } else { Err(format!("kept for {left_ms} ms\n{response}")) }
        })
    }
}

/// Creates an echo at a core itself.
pub fn create(core: &Core, ana: &Person, content: &Value) -> Value {
    let call = core.call("POST", "/v1/echoes").user(&ana.id).idempotent(fresh::key()).json(content);
    call.send().expect(201).json()
}

/// Whether the answer came from this tier: `echoes-l2`.
fn from(response: &Response, tier: &str) -> bool {
    response.one("cache-status").starts_with(&format!("{tier}; hit"))
}

#[track_caller]
fn expect_from(response: &Response, tier: &str) {
    assert!(from(response, tier), "expected it from {tier}\n{response}");
}

/// The core begins anew: its memory is empty.
fn restart(world: &World) {
    for state in ["stopped", "running"] {
        world.control().change(REGION, &json!({ "core": state }));
    }
}

fn each_tier_serves_what_the_one_above_lacks(world: &World) {
    let (core, redis) = (world.core(REGION), world.redis(REGION));
    let ana = world.person("tiers");
    let echo = create(&core, &ana, &json!({ "emotion": "melancholic", "transcript": "kept" }));
    // An emotion that was read lately is warmed at a start, and so comes from memory even then.
    let (own, feed) = ([Target::timeline(&ana), Target::echo(&echo)], Target::feed("melancholic"));
    mended(world, || {
        let before = own.each_ref().map(|target| target.kept(world, &core));
        let feed_before = feed.kept(world, &core);
        assert!(feed_before.text().contains(id_of(&echo)), "{feed_before}");
        for target in own.iter().chain([&feed]) {
            // While the others were awaited, memory may have let it go.
            target.read(&core);
            expect_from(&target.read(&core), "echoes-l1");
        }

        restart(world);
        for (target, before) in own.iter().zip(&before) {
            let response = target.read(&core);
            expect_from(&response, "echoes-l2");
            assert!(response.one("cache-status").ends_with("echoes-l1; fwd=miss"), "{response}");
            assert_eq!(response.body, before.body, "{response}");
            assert_eq!(response.one("etag"), before.one("etag"), "{response}");
            expect_from(&target.read(&core), "echoes-l1");
        }
        // Of a feed this is not certain: an erasure's look, with which a core begins, may have ended what was kept.
        let response = feed.read(&core);
        assert_eq!(response.body, feed_before.body, "{response}");

        own.iter().for_each(|target| redis.remove(&target.key));
        restart(world);
        for (target, before) in own.iter().zip(&before) {
            let left_before = redis.left_ms(&target.key);
            let response = target.read(&core);
            expect_from(&response, "echoes-l3");
            assert!(response.one("cache-status").ends_with("echoes-l2; fwd=miss, echoes-l1; fwd=miss"), "{response}");
            assert_eq!(response.body, before.body, "{response}");
            assert!(left_before < 0, "expected Redis to have nothing, found {left_before} ms");
            // It is promoted, with the age that it has.
            eventually(Duration::from_secs(2), "the value in Redis", || {
                if redis.value(&target.key).is_some() { Ok(()) } else { Err("nothing yet".to_owned()) }
            });
        }
    });
}

/// One value serves every `limit`.
fn every_page_is_cut_from_the_same_head(world: &World) {
    let (core, redis) = (world.core(REGION), world.redis(REGION));
    let ana = world.person("cut");
    for nth in 0..5 {
        create(&core, &ana, &json!({ "emotion": "melancholic", "transcript": format!("{nth}") }));
    }
    let target = Target::timeline(&ana);
    target.kept(world, &core);
    let values = redis.count(&target.key);
    for limit in [1, 2, 5, 20, 100] {
        let response = core.get(&format!("{}?limit={limit}", target.path)).send().expect(200);
        expect_from(&response, "echoes-l1");
        let page = response.json();
        assert_eq!(page["echoes"].as_array().map(Vec::len), Some(limit.min(5)), "{response}");
        assert_eq!(page.get("nextCursor").is_some(), limit < 5, "{response}");
    }
    assert_eq!(redis.count(&target.key), values, "expected one value for all pages");
}
