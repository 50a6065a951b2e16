//! Which cache servers a `--full` stack runs, on which ports and where.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use echoes_shared::Region;

use super::environment::inherited;
use crate::layout::RegionPorts;
use crate::process::Spec;
use crate::servers::{Kind, Plan};

/// A Redis and two Memcacheds for each region. `state_dir` gets an empty folder for each Redis: nothing is saved unless somebody
/// asks a Redis to, and what an earlier stack's was asked to save is not this one's.
///
/// # Errors
/// When a folder cannot be made.
pub(super) fn plans(state_dir: &Path) -> anyhow::Result<Vec<Plan>> {
    // A server is told a path that means the same wherever it runs.
    let state_dir = std::path::absolute(state_dir).context("finding the state folder")?;
    let mut plans = Vec::new();
    for region in Region::ALL {
        let ports = RegionPorts::of(region);
        let folder = state_dir.join("redis").join(region.as_str());
        empty(&folder)?;
        let mut plan = |kind: Kind, name: String, port: u16| {
            let args = kind.args(port, &folder);
            let spec = Spec { program: kind.program().into(), args, env: Some(inherited()) };
            plans.push(Plan { region, kind, name, port, spec });
        };
        plan(Kind::Redis, format!("redis {region}"), ports.redis);
        for (nth, port) in (1..).zip(ports.memcached) {
            plan(Kind::Memcached, format!("memcached {region}/{nth}"), port);
        }
    }
    Ok(plans)
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => std::fs::create_dir_all(folder),
    }
    .with_context(|| format!("emptying {}", folder.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_region_has_one_redis_and_two_memcacheds_on_ports_of_their_own() {
        let state = tempfile::tempdir().unwrap();
        let left = state.path().join("redis/eu-west-1/dump.rdb");
        std::fs::create_dir_all(left.parent().unwrap()).unwrap();
        std::fs::write(&left, "x").unwrap();
        let plans = plans(state.path()).unwrap();
        assert!(!left.exists());
        let ports = |kind| plans.iter().filter(|plan| plan.kind == kind).map(|plan| plan.port).collect::<Vec<_>>();
        assert_eq!(ports(Kind::Redis), [6401, 6402, 6403, 6404]);
        assert_eq!(ports(Kind::Memcached), (11401..=11408).collect::<Vec<_>>());
    }
}
