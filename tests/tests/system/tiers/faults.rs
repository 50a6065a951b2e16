//! Every tier may stop, hang or die: no request fails, none waits for long, and what comes back is used again.

use std::time::Duration;

use echoes_tests::cores::Core;
use echoes_tests::people::id_of;
use echoes_tests::waiting::{at_once, eventually};
use echoes_tests::{Region, Response, World, fresh, json};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::Target;
use crate::failover::mended;

crate::trials!(FAULTS: no_request_fails_whatever_tier_is_away, a_server_that_dies_is_shown_and_comes_back);

/// The deadlines of both tiers some times over, and what four such loads at a time on two processors add.
const BOUNDED: Duration = Duration::from_secs(2);
/// Reconnecting takes two seconds at most.
const NOTICED: Duration = Duration::from_secs(5);
/// Until the third tier is used as well: what was read meanwhile has to grow old in memory first.
const REFILLED: Duration = Duration::from_secs(20);
/// Who reads and writes at a time, and how often each: two hundred reads and twenty writes in all.
const CALLERS: usize = 4;
const ROUNDS: usize = 5;

/// How Redis and Memcached are, one outage after the other; each region goes through its own at the same time.
const OUTAGES: [[(&str, &str); 2]; 4] = [
    [("stopped", "running"), ("hung", "running")],
    [("running", "stopped"), ("running", "hung")],
    [("stopped", "stopped"), ("hung", "hung")],
    [("stopped", "hung"), ("hung", "stopped")],
];

fn no_request_fails_whatever_tier_is_away(world: &World) {
    mended(world, || {
        at_once(Region::ALL.len(), |nth| {
            let core = world.core(Region::ALL[nth]);
            for (redis, memcached) in OUTAGES[nth] {
                load(world, &core);
                world.control().change(core.region, &json!({ "redis": redis, "memcached": memcached }));
                load(world, &core);
                world.control().change(core.region, &json!({ "redis": "running", "memcached": "running" }));
                load(world, &core);
                used_again(world, &core);
            }
        });
    });
}

#[track_caller]
fn answered(response: Response, status: u16) -> Response {
    let response = response.expect(status);
    assert!(response.took < BOUNDED, "expected an answer within {BOUNDED:?}\n{response}");
    response
}

/// Reads of every kind and writes among them; what was written is seen, and what was deleted is not.
fn load(world: &World, core: &Core) {
    at_once(CALLERS, |_| {
        let ana = world.person("tiers-away");
        let read = |path: &str| answered(core.get(path).send(), 200);
        for round in 0..ROUNDS {
            let content = json!({ "emotion": "surprised", "transcript": format!("{round}") });
            let creating = core.call("POST", "/v1/echoes").user(&ana.id).idempotent(fresh::key()).json(&content);
            let echo = answered(creating.send(), 201).json();
            let path = format!("/v1/echoes/{}", id_of(&echo));
            let timeline = ana.timeline();
            assert!(read(&timeline).text().contains(id_of(&echo)), "expected the writer's own echo");
            for _ in 0..2 {
                assert_eq!(read(&path).json(), echo);
                read("/v1/emotions/surprised/echoes");
                read("/v1/emotions/happy/echoes?limit=100");
                read("/v1/echoes/recent");
            }
            if round % 2 == 0 {
                answered(core.call("DELETE", path.as_str()).user(&ana.id).send(), 204);
                answered(core.get(&path).send(), 404);
                assert!(!read(&timeline).text().contains(id_of(&echo)), "expected it to be gone");
            }
        }
    });
}

/// Redis is asked again soon after it is there, and both tiers are filled.
fn used_again(world: &World, core: &Core) {
    let (redis, memcached) = (world.redis(core.region), world.memcached(core.region));
    let prefix = fresh::name("again");
    let name = |nth: usize| Target {
        path: format!("/v1/users/{prefix}-{nth}/echoes"),
        key: format!("timeline:{prefix}-{nth}"),
    };
    let mut asked = 0;
    eventually(NOTICED, "Redis to be used again", || {
        // Nobody's memory has these.
        name(asked).read(core);
        asked += 1;
        let found = redis.count(&format!("timeline:{prefix}"));
        if found > 0 { Ok(()) } else { Err(format!("{asked} reads left nothing in Redis")) }
    });
    let before = memcached.statistic("cmd_set");
    let mut many = Vec::new();
    eventually(REFILLED, "both Memcached servers to be filled again", || {
        // Whatever a server misses while it is away is in Redis, and not offered again: so there is something new in each look.
        many.push(name(1_000 + many.len()));
        many.iter().for_each(|target| drop(target.read(core)));
        let now = memcached.statistic("cmd_set");
        let all = before.iter().zip(&now).all(|(before, now)| now > before);
        if all { Ok(()) } else { Err(format!("{before:?} sets before, {now:?} now")) }
    });
}

fn a_server_that_dies_is_shown_and_comes_back(world: &World) {
    let region = Region::ApSoutheast1;
    let core = world.core(region);
    let control = world.control();
    let shown = |part: &str| {
        eventually(Duration::from_secs(5), "the control API to say so", || {
            let regions = control.regions();
            let state = regions.iter().find(|state| state["name"] == region.as_str()).expect("the region");
            if state[part] == "stopped" { Ok(()) } else { Err(state.to_string()) }
        });
    };
    mended(world, || {
        let pids = world.memcached(region).statistic("pid");
        let pid = i32::try_from(pids[1]).expect("a process's number");
        kill(Pid::from_raw(pid), Signal::SIGKILL).expect("a signal");
        shown("memcached");
        load(world, &core);
        let info: String = world.redis(region).ask(&["INFO", "server"]);
        let pid =
            info.lines().find_map(|line| line.strip_prefix("process_id:")).and_then(|pid| pid.trim().parse().ok());
        kill(Pid::from_raw(pid.expect("a process's number")), Signal::SIGKILL).expect("a signal");
        shown("redis");
        // The stack goes on, and so do its listeners.
        load(world, &core);
        world.get("/v1/emotions").expect(200);
        control.change(region, &json!({ "redis": "running", "memcached": "running" }));
        used_again(world, &core);
    });
}
