//! A hot person: echoes go to a bucket for each month, and no answer shows it.

use std::time::Duration;

use echoes_tests::people::id_of;
use echoes_tests::shape::list_of;
use echoes_tests::waiting::eventually;
use echoes_tests::{Region, Request, World, cities, clock, json};

super::trials!(TRIALS: a_marked_person_reads_as_before);

fn a_marked_person_reads_as_before(world: &World) {
    let ana = world.person("hot");
    // A marker as a region writes it, whose time has come; nobody has asked for this person yet.
    let from = clock::now().minus_days(1).month().compact();
    world.mark(Region::UsEast1, &ana.id, &from);
    eventually(Duration::from_secs(10), "the marker in every region", || {
        let missing: Vec<_> = Region::ALL.into_iter().filter(|region| !world.is_marked(*region, &ana.id)).collect();
        if missing.is_empty() { Ok(()) } else { Err(format!("{missing:?}")) }
    });

    let emotions = ["hopeful", "calm"];
    let created: Vec<_> = (0..12)
        .map(|nth: usize| {
            let content = json!({ "emotion": emotions[nth % 2] });
            ana.create_from(world, &cities::ONE_EACH[nth % 4], &content)
        })
        .collect();
    assert!(created.iter().all(|echo| echo["userId"] == ana.id.as_str()), "no suffix leaves the store");
    eventually(Duration::from_secs(10), "the bucket in every region, and nothing beside it", || {
        for region in Region::ALL {
            let buckets: usize = created
                .iter()
                .map(|echo| echo["timestamp"].as_str().unwrap()[..7].replace('-', ""))
                .collect::<std::collections::BTreeSet<_>>()
                .iter()
                .map(|month| world.stored_in(region, &format!("{}#{month}", ana.id)).len())
                .sum();
            let beside = world.stored_in(region, &ana.id).len();
            if (buckets, beside) != (12, 0) {
                return Err(format!("{region}: {buckets} in buckets, {beside} beside"));
            }
        }
        Ok(())
    });

    let newest_first: Vec<_> = created.iter().rev().cloned().collect();
    for core in world.cores() {
        let (mut found, mut path) = (Vec::new(), Some(format!("{}?limit=5", ana.timeline())));
        while let Some(target) = path {
            let (echoes, cursor) = list_of(&core.get(&target).send());
            found.extend(echoes);
            path = cursor.map(|cursor| format!("{}?limit=5&cursor={cursor}", ana.timeline()));
        }
        assert_eq!(found, newest_first, "{}", core.region);
        let (hopeful, _) = list_of(&core.get(&format!("{}?emotion=hopeful", ana.timeline())).send());
        assert_eq!(hopeful.len(), 6, "{}", core.region);
        assert!(hopeful.iter().all(|echo| echo["emotion"] == "hopeful" && newest_first.contains(echo)));
    }

    let gone = id_of(&created[3]);
    world.edge(&ana.deleting(gone)).expect(204);
    world.edge(&ana.deleting(gone)).expect(204);
    eventually(Duration::from_secs(10), "eleven echoes everywhere", || {
        for core in world.cores() {
            let (echoes, _) = list_of(&core.get(&ana.timeline()).send());
            if echoes.len() != 11 || echoes.iter().any(|echo| id_of(echo) == gone) {
                return Err(format!("{}: {}", core.region, echoes.len()));
            }
        }
        Ok(())
    });
    world.edge(&Request::get(format!("/v1/echoes/{gone}"))).expect(404);
}
