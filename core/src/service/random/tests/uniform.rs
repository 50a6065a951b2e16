//! Every living echo has the same chance: Pearson's test of draws and of samplings, with fixed seeds.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::*;
use crate::service::random::cells::Estimate;
use crate::service::random::whole::Whole;

/// One draw in a hundred may look so unfair by chance; with fixed seeds these do not.
const FAIR: f64 = 0.01;
const DRAWS: u64 = 100_000;
/// Samplings of about eight echoes of a thousand.
const SMALL: Plan = Plan { level: 8, cells: 2, lanes: 2, slots: 26, members: 7.8, draws: 109 };

/// Sums the counts by what a class is called, with what is expected of each: its share of the echoes.
fn by_class(echoes: &[Echo], counts: &BTreeMap<EchoId, u64>, class: impl Fn(&Echo) -> String) -> f64 {
    let each = counts.values().sum::<u64>() as f64 / echoes.len() as f64;
    let mut classes: HashMap<String, (f64, f64)> = HashMap::new();
    for echo in echoes {
        let sums = classes.entry(class(echo)).or_default();
        sums.0 += counts[&echo.echo_id] as f64;
        sums.1 += each;
    }
    p_value(classes.into_values())
}

fn person(echo: &Echo) -> String {
    echo.user_id.to_string()
}

fn hour(echo: &Echo) -> String {
    // The crowded hour against all others of a month.
    let age = now().millis_since(echo.timestamp);
    if age < 3_600_000 { "crowded".into() } else { echo.timestamp.month().dashed() }
}

#[test]
fn draws_of_a_whole_emotion_are_uniform() {
    let echoes = uneven(1_000);
    let (mut whole, mut rng) = (Whole::new(echoes.iter().cloned().map(Arc::new)), rng(2));
    let mut counts = zeros(&echoes);
    for _ in 0..DRAWS {
        *counts.get_mut(&whole.draw(now(), &mut rng).unwrap().echo_id).unwrap() += 1;
    }
    assert!(p_of_alike(&counts) > FAIR);
    assert!(by_class(&echoes, &counts, person) > FAIR);
    assert!(by_class(&echoes, &counts, hour) > FAIR);
}

/// What passes hide: the draws at one place of a pass, and those after an echo came or went in the middle of one.
#[test]
fn each_draw_of_a_whole_emotion_is_uniform_by_itself() {
    const DRAWS_EACH: u64 = 4_000;
    let echoes: Vec<_> = uneven(10).into_iter().map(Arc::new).collect();
    let mut rng = rng(3);
    // The last draw of the pass that had begun, by either count, and the one after.
    for place in [0, 5, 6] {
        for change in ["none", "came", "went"] {
            let before = if change == "came" { 9 } else { 10 };
            let after = if change == "went" { 9 } else { 10 };
            let mut counts: BTreeMap<EchoId, u64> = echoes[..after].iter().map(|echo| (echo.echo_id, 0)).collect();
            for _ in 0..DRAWS_EACH {
                let mut whole = Whole::new(echoes[..before].iter().cloned());
                (0..4).for_each(|_| _ = whole.draw(now(), &mut rng));
                match change {
                    "came" => whole.note(&echoes[9]),
                    "went" => whole.forget(echoes[9].echo_id),
                    _ => {}
                }
                (0..place).for_each(|_| _ = whole.draw(now(), &mut rng));
                *counts.get_mut(&whole.draw(now(), &mut rng).unwrap().echo_id).unwrap() += 1;
            }
            // Nine tests: one of them is below one in nine hundred once in a hundred runs.
            assert!(p_of_alike(&counts) > FAIR / 9.0, "{change} {place}");
        }
    }
}

/// Each draw from an edition of its own, at changing places of it, past the first shuffle too: independent draws, as Pearson's
/// test wants them.
fn one_draw_of_each_edition(echoes: &[Echo], plan: &Plan, draws: u64, seed: u64) -> BTreeMap<EchoId, u64> {
    let (cells, mut rng) = (Cells::of(plan.level, echoes), rng(seed));
    let mut counts = zeros(echoes);
    let mut drawn = 0;
    for nth in 0.. {
        let mut edition = cells.edition(plan, &mut rng);
        (0..nth % 4 * (plan.lanes * plan.slots / 3 + 1)).for_each(|_| _ = edition.draw(now(), &mut rng));
        // None where all samplings show an empty slot: that happens as often whichever echoes there are.
        if let Some(echo) = edition.draw(now(), &mut rng) {
            *counts.get_mut(&echo.echo_id).unwrap() += 1;
            drawn += 1;
        }
        if drawn == draws {
            break;
        }
    }
    counts
}

#[test]
fn draws_of_samplings_are_uniform() {
    let echoes = uneven(1_000);
    let counts = one_draw_of_each_edition(&echoes, &SMALL, DRAWS, 4);
    assert!(p_of_alike(&counts) > FAIR);
    assert!(by_class(&echoes, &counts, person) > FAIR);
    assert!(by_class(&echoes, &counts, hour) > FAIR);
}

/// Half of the echoes in one cell of sixteen.
fn clustered() -> Vec<Echo> {
    let mut echoes = uneven(1_000);
    let is_low = |echo: &Echo| Cell::of(4, keys::lot_number(echo.echo_id)) == Cell::of(4, 0);
    echoes.retain(|echo| is_low(echo) || echo.echo_id.as_bytes()[15].is_multiple_of(16));
    let crowded = echoes.iter().filter(|echo| is_low(echo)).count();
    assert!(crowded > 40 && echoes.len() < 3 * crowded, "{crowded} of {}", echoes.len());
    echoes
}

/// Slots for all echoes of two cells of sixteen, the crowded one among them or not.
const CROWDED: Plan = Plan { level: 4, cells: 2, lanes: 2, slots: 100, ..SMALL };

/// The proof asks nothing of where the lots lie, as long as there are slots enough.
#[test]
fn draws_are_uniform_however_the_lots_lie() {
    assert!(p_of_alike(&one_draw_of_each_edition(&clustered(), &CROWDED, DRAWS / 20, 5)) > FAIR);
}

/// That the tests above can fail: three ways to draw that are not fair.
#[test]
fn unfair_draws_are_found_out() {
    let echoes = uneven(1_000);
    let by_lot: BTreeMap<u64, EchoId> =
        echoes.iter().map(|echo| (keys::lot_number(echo.echo_id), echo.echo_id)).collect();
    let mut rng = rng(6);
    let mut counts = zeros(&echoes);
    for _ in 0..DRAWS {
        let lot = rng.random_range(0..1_u64 << keys::LOT_BITS);
        let (_, next) = by_lot.range(lot..).next().or(by_lot.first_key_value()).unwrap();
        *counts.get_mut(next).unwrap() += 1;
    }
    assert!(p_of_alike(&counts) < 1e-9, "the next key after a random one");

    let echoes = clustered();
    let cells = Cells::of(CROWDED.level, &echoes);
    let (mut of_members, mut of_one) = (zeros(&echoes), zeros(&echoes));
    for _ in 0..DRAWS / 20 {
        let mut edition = cells.edition(&Plan { lanes: 1, ..CROWDED }, &mut rng);
        if let Some(echo) = edition.any(now(), &mut rng) {
            *of_members.get_mut(&echo.echo_id).unwrap() += 1;
        }
        if let Some(echo) = (0..CROWDED.slots).find_map(|_| edition.draw(now(), &mut rng)) {
            *of_one.get_mut(&echo.echo_id).unwrap() += 1;
        }
    }
    assert!(p_of_alike(&of_members) < 1e-9, "one of the echoes of a sampling, whatever its size");
    assert!(p_of_alike(&of_one) < 1e-9, "the same sampling again where a slot is empty");
}

/// Ten thousand fillings of a pool of a hundred: cells of a quarter of an echo, so that hardly two come together, which would
/// make the counts vary more than those of independent choices.
#[test]
fn every_echo_is_in_a_pool_equally_often() {
    const FILLINGS: u64 = 10_000;
    let echoes = uneven(1_000);
    let mut rng = rng(7);
    let plan = Plan { level: 12, cells: 410, lanes: 1, slots: 180, members: 100.0, draws: 700 };
    let cells = Cells::of(plan.level, &echoes);
    let mut counts = zeros(&echoes);
    let mut pooled = 0;
    for _ in 0..FILLINGS {
        for echo in cells.edition(&plan, &mut rng).members(0) {
            *counts.get_mut(&echo.echo_id).unwrap() += 1;
            pooled += 1;
        }
    }
    let chance = plan.cells as f64 / f64::from(1 << plan.level);
    let expected = FILLINGS as f64 * chance;
    assert!((pooled as f64 / FILLINGS as f64 - 100.0).abs() < 1.0, "{pooled}");
    // Each filling holds an echo or not, so its count varies by 1 - chance less than Pearson's test takes it to.
    let scaled = |&seen: &u64| (expected + (seen as f64 - expected) / (1.0 - chance).sqrt(), expected);
    assert!(p_value(counts.values().map(scaled)) > FAIR);
    let of_person = by_class(&echoes, &counts, person);
    let of_hour = by_class(&echoes, &counts, hour);
    assert!(of_person > FAIR && of_hour > FAIR, "{of_person} {of_hour}");
}

/// Cells as large as they are in production come and go as a whole: the cell is what is chosen, so it is what is counted.
#[test]
fn every_cell_is_in_a_sampling_equally_often() {
    const EDITIONS: u64 = 200;
    let mut rng = rng(8);
    let plan = Plan::of(Estimate { echoes: 4_000.0, error: 0.03 });
    let cells = Cells::of(plan.level, &uneven(4_000));
    let mut counts: BTreeMap<Cell, u64> = BTreeMap::new();
    for _ in 0..EDITIONS {
        let edition = cells.edition(&plan, &mut rng);
        for lane in 0..plan.lanes {
            let mut found: Vec<_> =
                edition.members(lane).map(|echo| Cell::of(plan.level, keys::lot_number(echo.echo_id))).collect();
            found.sort();
            found.dedup();
            assert_eq!(found.len(), plan.cells, "no cell of thirty-one echoes is empty");
            found.into_iter().for_each(|cell| *counts.entry(cell).or_default() += 1);
        }
    }
    let chance = plan.cells as f64 / f64::from(1 << plan.level);
    let expected = (EDITIONS * plan.lanes as u64) as f64 * chance;
    let scaled = |&seen: &u64| (expected + (seen as f64 - expected) / (1.0 - chance).sqrt(), expected);
    assert_eq!(counts.len(), 1 << plan.level);
    assert!(p_value(counts.values().map(scaled)) > FAIR);
}

/// Echoes come and go between the reading and the draw: whoever lives has the same chance, however long it does.
#[test]
fn draws_are_uniform_while_echoes_come_and_go() {
    const LIVING: usize = 100;
    const PLAN: Plan = Plan { level: 5, cells: 4, lanes: 3, slots: 40, members: 12.5, draws: 262 };
    let all: Vec<_> = uneven(300).into_iter().map(Arc::new).collect();
    let mut rng = rng(9);
    let mut seen = vec![0_u32; all.len()];
    let mut drawn = vec![0_u32; all.len()];
    let place: BTreeMap<EchoId, usize> = all.iter().enumerate().map(|(at, echo)| (echo.echo_id, at)).collect();
    // Echo `i` lives from step `i` until step `i + 100`. Each draw is made from an edition read up to twenty steps before.
    for block in (LIVING..all.len()).step_by(20) {
        let cells = Cells::of_arcs(PLAN.level, &all[block - LIVING..block]);
        for nth in 0..4_000 {
            let step = block + nth % 20;
            let mut edition = cells.edition(&PLAN, &mut rng);
            for passed in block..step {
                edition.draw(now(), &mut rng);
                edition.note(&all[passed], &mut rng);
                edition.forget(all[passed - LIVING].echo_id);
            }
            let Some(echo) = edition.draw(now(), &mut rng) else { continue };
            seen[place[&echo.echo_id]] += 1;
            drawn[step] += 1;
        }
    }
    // Between its first step and its last, an echo had its share of every draw.
    let expected = |at: usize| {
        let lived = at + 1..(at + LIVING + 1).min(all.len());
        f64::from(drawn[lived].iter().sum::<u32>()) / LIVING as f64
    };
    let often = (0..all.len()).filter(|&at| expected(at) >= 5.0);
    let p = p_value(often.map(|at| (f64::from(seen[at]), expected(at))));
    assert!(p > FAIR, "{p}");
    assert!((0..all.len()).all(|at| expected(at) > 0.0 || seen[at] == 0), "one was drawn that never lived");
}
