//! `echoes import` and `echoes export`, beside the running service.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::Duration;

use echoes_shared::{Echo, NewEcho};
use echoes_tests::cities::LONDON;
use echoes_tests::people::id_of;
use echoes_tests::programs::{Finished, echoes, variables_of};
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Value, World, fresh, json, settings};

super::trials!(
    TRIALS: imported_echoes_are_seen_everywhere, an_import_brings_back_nothing_that_was_deleted,
    what_the_edge_shows_is_exported, an_export_ends_with_its_reader,
);

/// Replication, and an edge that has just shown an older list.
const SEEN_WITHIN: Duration = Duration::from_secs(20);

fn run(world: &World, arguments: &[&str]) -> Finished {
    echoes(arguments, &variables(world))
}

fn variables(world: &World) -> BTreeMap<String, String> {
    variables_of(&world.state, Region::EuWest1)
}

/// Imports these lines from a file of this name.
fn import(world: &World, name: &str, lines: &str) -> Value {
    let path = world.state.join(fresh::name(name));
    std::fs::write(&path, lines).expect("the state's folder can be written");
    let finished = run(world, &["import", "--json", &path.to_string_lossy()]);
    assert_eq!(finished.code, Some(0), "{finished:?}");
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

fn imported_echoes_are_seen_everywhere(world: &World) {
    let ana = fresh::name("import");
    let content = NewEcho {
        emotion: "proud".parse().expect("of the vocabulary"),
        s3_url: None,
        location: None,
        tags: Some(vec!["été".into()]),
        transcript: Some("carried over".into()),
        detected_mood: None,
        metadata: None,
        days_to_live: None,
    };
    let user = || ana.parse().expect("a userId");
    let all: Vec<_> = (0..30).map(|_| Echo::create(user(), fresh::key(), content.clone(), Region::UsEast1)).collect();
    let lines: String = all.iter().map(|echo| format!("{}\n", json!(echo))).collect();
    let summary = import(world, "echoes", &lines);
    assert_eq!((&summary["stored"], &summary["complete"]), (&json!(30), &json!(true)));
    assert_eq!(import(world, "echoes", &lines)["present"], 30, "the same again changes nothing");
    for core in world.cores() {
        eventually(SEEN_WITHIN, "thirty imported echoes", || {
            let response = core.get(&format!("/v1/users/{ana}/echoes?limit=100")).send();
            if list_of(&response).0.len() == 30 { Ok(()) } else { Err(response.to_string()) }
        });
    }
    for echo in &all[..3] {
        let shown = world.get(&format!("/v1/echoes/{}", echo.echo_id)).expect(200).json();
        assert_eq!(shown, json!(echo), "imported as it was exported");
    }
}

fn an_import_brings_back_nothing_that_was_deleted(world: &World) {
    let ben = world.person("import");
    let echo = ben.create_from(world, &LONDON, &json!({ "emotion": "calm" }));
    assert_eq!(echo["origin"], "eu-west-1", "where the import goes too");
    world.edge(&ben.deleting(id_of(&echo)).from(&LONDON)).expect(204);
    let summary = import(world, "echoes", &format!("{echo}\n"));
    assert_eq!((&summary["stored"], &summary["deleted"]), (&json!(0), &json!(1)));
    eventually(SEEN_WITHIN, "a timeline without the deleted echo", || {
        let response = world.get(&ben.timeline());
        if list_of(&response).0.is_empty() { Ok(()) } else { Err(response.to_string()) }
    });
}

fn what_the_edge_shows_is_exported(world: &World) {
    let ana = world.person("export");
    let created = ana.create(
        world,
        &json!({ "emotion": "playful", "location": { "lat": 0.1, "lng": -179.999_999_999_9 }, "transcript": "雨\n\"" }),
    );
    eventually(SEEN_WITHIN, "the echo in the export of eu-west-1", || {
        let finished = run(world, &["export", "--segments", "2", "--consistent"]);
        assert_eq!(finished.code, Some(0), "{}", finished.stderr);
        let mine = finished.stdout.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        if mine.into_iter().any(|echo| echo == created) { Ok(()) } else { Err(finished.stderr) }
    });
}

fn an_export_ends_with_its_reader(world: &World) {
    let ana = world.person("export");
    ana.create(world, &json!({ "emotion": "amused" }));
    eventually(SEEN_WITHIN, "one line of an export", || {
        let output = Command::new("sh")
            .args(["-c", "\"$1\" export | head -n 1", "sh"])
            .arg(settings::core_program())
            .envs(variables(world))
            .output()
            .expect("a shell");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if text.lines().count() == 1 && text.starts_with("{\"echoId\":") { Ok(()) } else { Err(text) }
    });
}
