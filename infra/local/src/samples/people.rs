//! The people who say the sample echoes.

use echoes_shared::UserId;

use super::places::{CITIES, CITIES_EACH, City};

/// One of them.
#[derive(Debug, Clone)]
pub(super) struct Person {
    pub(super) user: UserId,
    pub(super) home: City,
    /// How much they say, next to the others.
    pub(super) weight: u32,
    /// What most of their echoes are recorded with.
    pub(super) device: &'static str,
}

/// Two who say more than a page of a timeline holds a hundred of, and many who say little.
const HEAVY: [&str; 2] = ["ana", "kenji"];
const HEAVY_WEIGHT: u32 = 40;

const NAMES: [&str; 60] = [
    "ana", "bo", "carla", "dmitri", "elif", "farid", "greta", "hana", "ines", "jonas", "leila", "kenji", "mateo",
    "noor", "olga", "pablo", "quinn", "rosa", "samir", "tomas", "uma", "vera", "wen", "ximena", "yuki", "zola",
    "amara", "bruno", "chloe", "dario", "emre", "fatima", "gustav", "hugo", "ivy", "jamila", "kofi", "lucia", "mei",
    "nadia", "oscar", "priya", "ravi", "sofia", "theo", "ursula", "viktor", "willa", "yara", "zeno", "aiko",
    "bianca", "cato", "dalia", "enzo", "freya", "gael", "hiro", "isla", "juno",
];

const DEVICES: [&str; 5] = ["phone", "phone", "watch", "laptop", "earbuds"];

/// Everybody, each at home in one city and in the habit of one device.
pub(super) fn people() -> Vec<Person> {
    // A region after the other, so that each has as many people.
    let homes = (0..CITIES_EACH).flat_map(|place| CITIES.iter().skip(place).step_by(CITIES_EACH)).cycle();
    let devices = DEVICES.iter().cycle();
    let everybody = NAMES.iter().zip(homes).zip(devices).zip(0_u32..);
    everybody
        .filter_map(|(((name, home), device), place)| {
            let weight = if HEAVY.contains(name) { HEAVY_WEIGHT } else { 4 + place % 7 };
            Some(Person { user: name.parse().ok()?, home: *home, weight, device })
        })
        .collect()
}
