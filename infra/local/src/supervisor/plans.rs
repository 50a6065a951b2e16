//! Which servers a `--full` stack runs, on which ports and where.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use echoes_shared::Region;

use super::environment::inherited;
use crate::cli::Up;
use crate::layout::{OPENSEARCH_PORT, RegionPorts};
use crate::process::Spec;
use crate::servers::{Kind, Plan, memcached, opensearch, redis};

/// A Redis and two Memcacheds for each region, and one OpenSearch. Each Redis gets an empty folder: nothing is saved unless
/// somebody asks a Redis to, and what an earlier stack's was asked to save is not this one's. OpenSearch keeps its own, among the
/// data.
///
/// # Errors
/// When a folder cannot be made.
pub(super) fn plans(options: &Up) -> anyhow::Result<Vec<Plan>> {
    // A server is told a path that means the same wherever it runs.
    let state = std::path::absolute(&options.state).context("finding the state folder")?;
    let jars = std::path::absolute(&options.opensearch).context("finding OpenSearch")?;
    let mut plans = Vec::new();
    for region in Region::ALL {
        let ports = RegionPorts::of(region);
        let folder = state.join("redis").join(region.as_str());
        empty(&folder)?;
        let mut plan = |kind: Kind, name: String, port: u16, spec: Spec| {
            plans.push(Plan { region: Some(region), kind, name, port, spec });
        };
        let spec = redis(ports.redis, &folder, Some(inherited()));
        plan(Kind::Redis, format!("redis {region}"), ports.redis, spec);
        for (nth, port) in (1..).zip(ports.memcached) {
            let spec = memcached(port, Some(inherited()));
            plan(Kind::Memcached, format!("memcached {region}/{nth}"), port, spec);
        }
    }
    let spec = opensearch(OPENSEARCH_PORT, &state.join("data/opensearch"), &jars, Some(inherited()))?;
    let (kind, name) = (Kind::OpenSearch, Kind::OpenSearch.to_string());
    plans.push(Plan { region: None, kind, name, port: OPENSEARCH_PORT, spec });
    Ok(plans)
}

/// Forgets the indexes that this stack does not write, those of the cores with `--full` and OpenSearch's without: they would miss
/// what is written meanwhile.
///
/// # Errors
/// When they cannot be removed.
pub(super) fn forget_other_indexes(state: &Path, full: bool) -> anyhow::Result<()> {
    remove(&state.join("data").join(if full { "search" } else { "opensearch" }))
}

fn empty(folder: &Path) -> anyhow::Result<()> {
    remove(folder)?;
    std::fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))
}

fn remove(folder: &Path) -> anyhow::Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            Err(error).with_context(|| format!("removing {}", folder.display()))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::cli::{Cli, Command};

    #[test]
    fn each_region_has_its_caches_and_all_have_one_index() {
        let state = tempfile::tempdir().unwrap();
        let left = state.path().join("redis/eu-west-1/dump.rdb");
        std::fs::create_dir_all(left.parent().unwrap()).unwrap();
        std::fs::write(&left, "x").unwrap();
        let arguments = ["echoes-local", "up", "--full", "--state", state.path().to_str().unwrap()];
        let Command::Up(options) = Cli::parse_from(arguments).command else { panic!("not up") };
        let plans = plans(&options).unwrap();
        assert!(!left.exists());
        let ports = |kind| plans.iter().filter(|plan| plan.kind == kind).map(|plan| plan.port).collect::<Vec<_>>();
        assert_eq!(ports(Kind::Redis), [6401, 6402, 6403, 6404]);
        assert_eq!(ports(Kind::Memcached), (11401..=11408).collect::<Vec<_>>());
        assert_eq!(ports(Kind::OpenSearch), [9201]);
        let settings = state.path().join("data/opensearch/node_1/config/opensearch.yml");
        assert!(std::fs::read_to_string(settings).unwrap().contains("network.host: 127.0.0.1\n"));
        std::fs::create_dir_all(state.path().join("data/search/eu-west-1")).unwrap();
        forget_other_indexes(state.path(), true).unwrap();
        assert!(!state.path().join("data/search").exists() && state.path().join("data/opensearch").exists());
        forget_other_indexes(state.path(), false).unwrap();
        assert!(!state.path().join("data/opensearch").exists());
        forget_other_indexes(state.path(), false).unwrap();
    }
}
