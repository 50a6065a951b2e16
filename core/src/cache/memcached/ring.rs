//! Which server a key belongs to. A server more or less moves its own share of the keys and no others.

use std::hash::{Hash, Hasher};

use hashring::HashRing;
use sha2::{Digest as _, Sha256};

/// Points of each server on the ring. The spread of the shares is one over the root of it, 3 %, so that even of sixty-four
/// servers none is expected to have 10 % more than its share.
const POINTS: u64 = 1_000;

/// A circle of hashes on which every server has its points; a key belongs to the next point after its own hash. Servers are
/// placed by their names, so every process, given the same names in any order, finds a key at the same one.
#[derive(Debug)]
pub(super) struct Ring(HashRing<Point>);

#[derive(Debug)]
struct Point {
    /// The place of the server in the list given.
    server: usize,
    place: [u8; 8],
}

impl Hash for Point {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(&self.place);
    }
}

/// The hash of a name without the marks that the standard library adds to texts, which may change with its version.
struct Name<'a>(&'a str);

impl Hash for Name<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write(self.0.as_bytes());
    }
}

impl Ring {
    pub(super) fn new(servers: &[String]) -> Self {
        let points = |(server, name): (usize, &String)| {
            (0..POINTS).map(|number| Point { server, place: place(name, number) }).collect::<Vec<_>>()
        };
        let mut ring = HashRing::new();
        ring.batch_add(servers.iter().enumerate().flat_map(points).collect());
        Self(ring)
    }

    /// The place in the list of the server to which `name` belongs; none where there is no server.
    pub(super) fn server_of(&self, name: &str) -> Option<usize> {
        self.0.get(&Name(name)).map(|point| point.server)
    }
}

fn place(server: &str, number: u64) -> [u8; 8] {
    let hash = Sha256::new().chain_update(server).chain_update(number.to_be_bytes()).finalize();
    let mut place = [0; 8];
    place.iter_mut().zip(hash).for_each(|(to, from)| *to = from);
    place
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEYS: usize = 10_000;

    fn servers(count: usize) -> Vec<String> {
        (1..=count).map(|number| format!("cache-{number}.example:11211")).collect()
    }

    /// The server of each key, by name.
    fn owners(servers: &[String]) -> Vec<String> {
        let ring = Ring::new(servers);
        (0..KEYS).map(|key| servers[ring.server_of(&format!("echo:{key}")).unwrap()].clone()).collect()
    }

    #[test]
    fn one_more_server_moves_its_share_of_the_keys_and_only_to_itself() {
        for count in [1, 3, 9] {
            let (before, after) = (owners(&servers(count)), owners(&servers(count + 1)));
            let new = &servers(count + 1)[count];
            let moved: Vec<_> = before.iter().zip(&after).filter(|(before, after)| before != after).collect();
            assert!(moved.iter().all(|(_, after)| *after == new), "a key moved between two that were there before");
            let share = KEYS / (count + 1);
            println!("{count} + 1 servers: {} of {KEYS} keys moved, {share} is the share", moved.len());
            assert!(
                moved.len().abs_diff(share) <= share / 10,
                "{} of {KEYS} moved to one of {}",
                moved.len(),
                count + 1
            );
        }
    }

    #[test]
    fn the_order_in_which_servers_are_named_does_not_matter() {
        let mut named = servers(5);
        let before = owners(&named);
        named.reverse();
        assert_eq!(owners(&named), before);
        assert_eq!(Ring::new(&[]).server_of("a"), None);
    }

    /// Where these keys lie is the same in every process and every release, or a roll-out would begin with a cold tier.
    #[test]
    fn where_a_key_lies_never_changes() {
        let ring = Ring::new(&servers(64));
        let found: Vec<_> = ["feed:happy", "recent", "timeline:ana"].map(|key| ring.server_of(key).unwrap()).to_vec();
        assert_eq!(found, [7, 15, 36]);
    }

    #[test]
    fn the_load_is_even() {
        for count in [2, 3, 10, 64] {
            let named = servers(count);
            let ring = Ring::new(&named);
            let mut keys = vec![0_usize; count];
            // So many that their own chance hardly matters: 1 % for each server.
            let all = count * 10_000;
            (0..all).for_each(|key| keys[ring.server_of(&format!("timeline:person{key}")).unwrap()] += 1);
            let (least, most) = (keys.iter().min().unwrap(), keys.iter().max().unwrap());
            println!("{count} servers: {least} to {most} of 10000");
            assert!(*least >= 8_900 && *most <= 11_100, "{count} servers: {least} to {most} of 10000");
        }
    }
}
