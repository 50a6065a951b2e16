//! Cells, estimates, slots and what they cost.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::*;
use crate::service::random::cells::{ALL_LOTS, Estimate};
use crate::service::random::source::Source;

#[test]
fn the_cells_of_a_level_part_all_lots() {
    for level in [0, 1, 4] {
        let cells: BTreeSet<_> = Cell::choose(level, usize::MAX, &mut rng(1)).into_iter().collect();
        assert_eq!(cells.len(), 1 << level);
        let mut next = *ALL_LOTS.start();
        for cell in cells {
            assert_eq!(*cell.lots().start(), next);
            assert_eq!((Cell::of(level, next), Cell::of(level, *cell.lots().end())), (cell, cell));
            next = cell.lots().end() + 1;
        }
        assert_eq!(next, ALL_LOTS.end() + 1);
    }
    assert_eq!(Cell::choose(40, 8, &mut rng(1)).into_iter().collect::<BTreeSet<_>>().len(), 8);
}

#[test]
fn plans_keep_a_pool_of_a_thousand_whatever_the_size() {
    for power in 0..40 {
        let estimate = Estimate { echoes: 2_001.0 * 1.5_f64.powi(power), error: 0.0226 };
        let plan = Plan::of(estimate);
        let cell = estimate.echoes / (1_u64 << plan.level) as f64;
        assert!((16.0..32.0).contains(&cell), "{plan:?}");
        assert!((110.0..150.0).contains(&plan.members), "{plan:?}");
        // What two samplings share is there once.
        let distinct = estimate.echoes * (1.0 - (1.0 - plan.members / estimate.echoes).powi(plan.lanes as i32));
        assert!(distinct > 1_200.0, "{plan:?}");
        let empty = 1.0 - plan.members / plan.slots as f64;
        assert!(empty.powi(plan.lanes as i32) < 1e-6, "{plan:?}");
    }
}

/// At a million echoes of 600 bytes: what the issue allows is 0.02 units a draw.
#[test]
fn a_draw_costs_little() {
    for (echoes, bytes, most) in [(1e5, 600.0, 0.0135), (1e6, 600.0, 0.0135), (1e6, 900.0, 0.02)] {
        let plan = Plan::of(Estimate { echoes, error: 0.0226 });
        let cell_echoes = plan.members / plan.cells as f64;
        // Half a unit for 4 KB, rounded up: half of that more on average.
        let cell_units = (cell_echoes * bytes / 4_096.0 + 0.5) / 2.0;
        let units = cell_units * (plan.cells * plan.lanes) as f64 / plan.draws as f64;
        println!("{echoes} echoes of {bytes} bytes: {units:.4} units a draw");
        assert!(units < most, "{units}");
    }
}

#[test]
fn a_first_look_tells_the_size() {
    for (count, seed) in [(0, 1), (3, 2), (200, 3), (600, 4), (5_000, 5), (20_000, 6)] {
        let memory = Memory::of(&uneven(count));
        let source = fill::source(None, &memory.reader(), &mut rng(seed)).now_or_never().unwrap();
        let (source, estimate) = source.unwrap();
        assert!((estimate.echoes - f64::from(count)).abs() < 0.1 * f64::from(count) + 1e-9, "{count}: {estimate:?}");
        assert_eq!(matches!(source, Source::Whole(_)), count <= 2_000, "{count}");
        if count <= 200 {
            assert_eq!(*memory.reads.lock().unwrap(), 2, "{count}");
        }
    }
}

#[test]
fn an_estimate_that_was_wrong_is_mended() {
    for (known, count) in [(1_000_000.0, 5_000), (2_500.0, 20_000), (5.0, 20_000), (50_000.0, 10)] {
        let memory = Memory::of(&uneven(count));
        let known = Some(Estimate { echoes: known, error: 0.02 });
        let source = fill::source(known, &memory.reader(), &mut rng(1)).now_or_never().unwrap();
        let (source, estimate) = source.unwrap();
        assert!((estimate.echoes - f64::from(count)).abs() < 0.2 * f64::from(count), "{count}: {estimate:?}");
        assert!(!source.is_empty());
        assert_eq!(matches!(source, Source::Whole(_)), count <= 2_000, "{count}");
    }
}

fn edition_of(echoes: f64, count: u32) -> (Plan, Edition) {
    let plan = Plan::of(Estimate { echoes, error: 0.0226 });
    (plan, Cells::of(plan.level, &uneven(count)).edition(&plan, &mut rng(10)))
}

#[test]
fn an_echo_is_served_seven_times_and_seldom_more_than_ten() {
    let (plan, mut edition) = edition_of(30_000.0, 30_000);
    let mut rng = rng(11);
    // By sampling: an echo may be in several.
    let mut held: BTreeMap<EchoId, u64> = BTreeMap::new();
    for lane in 0..plan.lanes {
        edition.members(lane).for_each(|echo| *held.entry(echo.echo_id).or_default() += 1);
    }
    let mut served: BTreeMap<EchoId, u64> = BTreeMap::new();
    while !edition.is_spent() {
        *served.entry(edition.draw(now(), &mut rng).unwrap().echo_id).or_default() += 1;
    }
    let once: Vec<u64> = held.iter().filter(|(_, count)| **count == 1).map(|(id, _)| served[id]).collect();
    let mean = once.iter().sum::<u64>() as f64 / once.len() as f64;
    let often = once.iter().filter(|&&times| times > 10).count();
    println!("mean {mean:.2}, most {}, above ten {often} of {}", once.iter().max().unwrap(), once.len());
    assert!((6.5..7.5).contains(&mean), "{mean}");
    assert!(often * 50 <= once.len(), "{often} of {}", once.len());
    assert!(once.iter().all(|&times| (1..=16).contains(&times)));
}

#[test]
fn a_cell_that_somebody_stuffed_takes_nothing_from_the_others() {
    let plan = Plan { level: 2, cells: 2, lanes: 1, slots: 100, members: 60.0, draws: 1 };
    let all: Vec<_> = uneven(700).into_iter().map(Arc::new).collect();
    let (fair, stuffed) = (all[..30].to_vec(), all[100..].to_vec());
    let mut edition = Edition::new(plan);
    let cells = Cell::choose(2, 2, &mut rng(1));
    assert!(!edition.add(cells, vec![fair.clone(), stuffed], &mut rng(12)));
    let members: BTreeSet<_> = edition.members(0).map(|echo| echo.echo_id).collect();
    assert_eq!(members.len(), 100);
    assert!(fair.iter().all(|echo| members.contains(&echo.echo_id)));
}

#[test]
fn an_edit_replaces_what_is_older_and_a_delete_empties_the_slot() {
    let (plan, mut edition) = edition_of(5_000.0, 5_000);
    let mut rng = rng(13);
    let before = edition.members(0).count();
    let mut echo = Echo::clone(edition.members(0).next().unwrap());
    echo.version = 5;
    edition.note(&Arc::new(echo.clone()), &mut rng);
    echo.version = 4;
    edition.note(&Arc::new(echo.clone()), &mut rng);
    let held = |edition: &Edition| {
        let all = (0..plan.lanes).flat_map(|lane| edition.members(lane).cloned().collect::<Vec<_>>());
        all.filter(|held| held.echo_id == echo.echo_id).map(|held| held.version).collect::<Vec<_>>()
    };
    let versions = held(&edition);
    assert!(!versions.is_empty() && versions.iter().all(|version| *version == 5), "{versions:?}");
    assert_eq!(edition.members(0).count(), before);
    edition.forget(echo.echo_id);
    assert_eq!(held(&edition), Vec::<u64>::new());
    edition.note(&Arc::new(echo.clone()), &mut rng);
    assert_eq!(held(&edition).len(), versions.len(), "it joins every sampling of its cell");
}
