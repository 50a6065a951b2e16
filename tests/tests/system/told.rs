//! What the streams tell: a write of one region is seen in the others though their caches hold what was before for an hour, and
//! what is deleted in one is drawn in none.

use std::time::Duration;

use echoes_tests::cores::Core;
use echoes_tests::one_more::OneMore;
use echoes_tests::people::id_of;
use echoes_tests::waiting::{eventually, throughout};
use echoes_tests::{Person, Region, Value, World, json};

use crate::tiers::{Target, create};

super::trials!(
    TRIALS: a_write_of_another_region_is_seen_past_every_cache, what_another_region_deletes_is_not_drawn,
);

const HOME: Region = Region::UsEast1;
/// Replication and the stream's lag, both well under a second, and two seconds in which an index may lag; and what a busy machine
/// adds. Less than memory may show what was, and far less than the shared tiers may.
const SEEN: Duration = Duration::from_secs(8);
/// Until the draws know of an echo.
const DRAWN: Duration = Duration::from_secs(15);
const WATCHED: Duration = Duration::from_secs(3);

fn others() -> impl Iterator<Item = Region> {
    Region::ALL.into_iter().filter(|region| *region != HOME)
}

/// Reads both until Redis keeps them for long.
fn kept(world: &World, core: &Core, ana: &Person, echo: &Value) {
    for target in [Target::timeline(ana), Target::echo(echo)] {
        target.kept(world, core);
    }
}

/// Whether every core shows this of the person's only echo, at its own place and in the timeline; `None` is nowhere.
fn shown(cores: &[&Core], ana: &Person, echo: &Value, text: Option<&str>) -> Result<(), String> {
    for core in cores {
        let own = core.get(&format!("/v1/echoes/{}", id_of(echo))).send();
        let list = core.get(&ana.timeline()).send();
        let as_wanted = match text {
            Some(text) => own.status == 200 && own.text().contains(text) && list.text().contains(text),
            None => own.status == 404 && !list.text().contains(id_of(echo)),
        };
        if !as_wanted {
            return Err(format!("{}\n{own}\n{list}", core.base));
        }
    }
    Ok(())
}

/// A second process of a region, which does not read the stream, hears of it from the one that does.
fn a_write_of_another_region_is_seen_past_every_cache(world: &World) {
    let home = world.core(HOME);
    let ana = world.person("streamed");
    let beside = OneMore::start(world, Region::EuWest1, 7_935);
    let cores: Vec<Core> = others().map(|region| world.core(region)).collect();
    let mut all: Vec<&Core> = cores.iter().collect();
    all.push(&beside.core);

    let echo = create(&home, &ana, &json!({ "emotion": "nostalgic", "transcript": "first" }));
    eventually(SEEN, "the echo at every core", || shown(&all, &ana, &echo, Some("first")));
    all.iter().for_each(|core| kept(world, core, &ana, &echo));

    let edit = home.call("PATCH", format!("/v1/echoes/{}", id_of(&echo))).user(&ana.id);
    edit.signed_header("if-match", "\"1\"").json(&json!({ "transcript": "second" })).send().expect(200);
    eventually(SEEN, "the edit at every core", || shown(&all, &ana, &echo, Some("second")));
    all.iter().for_each(|core| kept(world, core, &ana, &echo));

    home.call("DELETE", format!("/v1/echoes/{}", id_of(&echo))).user(&ana.id).send().expect(204);
    eventually(SEEN, "the delete at every core", || shown(&all, &ana, &echo, None));
    throughout(WATCHED, "expected it never again", || shown(&all, &ana, &echo, None));
}

fn what_another_region_deletes_is_not_drawn(world: &World) {
    const DRAWS: usize = 30;
    const PATH: &str = "/v1/emotions/nostalgic/random";
    let (home, there) = (world.core(HOME), world.core(Region::ApSoutheast1));
    let ana = world.person("drawn");
    let echoes = [0, 1].map(|_| create(&home, &ana, &json!({ "emotion": "nostalgic" })));
    let [gone, kept] = echoes.each_ref().map(|echo| id_of(echo));
    let drawn = |wanted: &str| (0..DRAWS).any(|_| there.get(PATH).send().text().contains(wanted));
    for wanted in [gone, kept] {
        eventually(DRAWN, "it is drawn", || if drawn(wanted) { Ok(()) } else { Err(format!("no {wanted}")) });
    }
    home.call("DELETE", format!("/v1/echoes/{gone}")).user(&ana.id).send().expect(204);
    let not_drawn = || if drawn(gone) { Err(format!("{gone} was drawn")) } else { Ok(()) };
    eventually(SEEN, "that it is drawn no more", not_drawn);
    throughout(WATCHED, "expected it never again", not_drawn);
    eventually(SEEN, "the other one is drawn", || if drawn(kept) { Ok(()) } else { Err(format!("no {kept}")) });
}
