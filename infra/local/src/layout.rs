//! The fixed names and ports of the embedded cloud, in one table.

use std::net::{Ipv4Addr, SocketAddr};

use echoes_shared::Region;

/// The tables that every region shares, by the names the cores are given.
pub const REPLICATED_TABLES: [&str; 2] = [ECHOES_TABLE, OPS_TABLE];
/// Echoes; replicated.
pub const ECHOES_TABLE: &str = "EchoesTable";
/// Counters, markers and settings; replicated.
pub const OPS_TABLE: &str = "EchoesOps";
/// Leases, checkpoints and dead letters; one for each region, never replicated.
pub const LOCAL_TABLE: &str = "EchoesLocal";

/// Uploaded audio.
pub const AUDIO_BUCKET: &str = "echoes-audio";
/// What the lifecycle takes out of the tables.
pub const ARCHIVE_BUCKET: &str = "echoes-archive";

/// The access key of the S3 server and, for form's sake, of the engines, which check none.
pub const AWS_ACCESS_KEY_ID: &str = "ECHOESLOCALDEV000001";
/// The key with which the edge signs its calls to the cores.
pub const EDGE_KEY_ID: &str = "EDGEDEVKEY000001";

/// The Worker under `wrangler dev`.
pub const EDGE_PORT: u16 = 8787;
/// The S3 server.
pub const S3_PORT: u16 = 9000;
/// With `--full`: the OpenSearch of all regions.
pub const OPENSEARCH_PORT: u16 = 9201;
/// The control API and the JWKS.
pub const CONTROL_PORT: u16 = 7010;

/// The fixed ports of one region, on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct RegionPorts {
    /// The core's signed API.
    pub core: u16,
    /// The core's `/healthz`, `/readyz` and `/metrics`.
    pub admin: u16,
    /// The DynamoDB engine's front.
    pub dynamodb: u16,
    /// With `--full`: its Redis.
    pub redis: u16,
    /// With `--full`: its Memcached servers.
    pub memcached: [u16; 2],
}

impl RegionPorts {
    /// The ports of `region`.
    #[must_use]
    pub const fn of(region: Region) -> Self {
        let (core, admin, dynamodb, redis, memcached) = match region {
            Region::UsEast1 => (7001, 7101, 8001, 6401, [11401, 11402]),
            Region::UsWest2 => (7002, 7102, 8002, 6402, [11403, 11404]),
            Region::EuWest1 => (7003, 7103, 8003, 6403, [11405, 11406]),
            Region::ApSoutheast1 => (7004, 7104, 8004, 6404, [11407, 11408]),
        };
        Self { core, admin, dynamodb, redis, memcached }
    }

    /// The value of `ECHOES_REDIS_URL`.
    #[must_use]
    pub fn redis_url(self) -> String {
        format!("redis://{}", loopback(self.redis))
    }

    /// The value of `ECHOES_MEMCACHED_SERVERS`.
    #[must_use]
    pub fn memcached_servers(self) -> String {
        self.memcached.map(|port| loopback(port).to_string()).join(",")
    }
}

/// Every fixed port of a stack with the name of the part that listens there; `full` is `--full`.
#[must_use]
pub fn fixed_ports(full: bool) -> Vec<(u16, String)> {
    let mut ports = Vec::new();
    for region in Region::ALL {
        let RegionPorts { core, admin, dynamodb, redis, memcached } = RegionPorts::of(region);
        ports.push((dynamodb, format!("dynamodb {region}")));
        ports.push((core, format!("core {region}")));
        ports.push((admin, format!("core {region} (admin)")));
        if full {
            ports.push((redis, format!("redis {region}")));
            ports.extend(memcached.map(|port| (port, format!("memcached {region}"))));
        }
    }
    if full {
        ports.push((OPENSEARCH_PORT, "opensearch".to_owned()));
    }
    ports.push((S3_PORT, "s3".to_owned()));
    ports.push((CONTROL_PORT, "control".to_owned()));
    ports.push((EDGE_PORT, "edge".to_owned()));
    ports
}

/// `port` on 127.0.0.1, the only address that anything here listens on.
#[must_use]
pub const fn loopback(port: u16) -> SocketAddr {
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), port)
}

/// `http://127.0.0.1:PORT`.
#[must_use]
pub fn url(port: u16) -> String {
    format!("http://127.0.0.1:{port}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tokens::{DEFAULT_AUDIENCE, DEFAULT_ISSUER};

    const WRANGLER: &str = include_str!("../../../wrangler.toml");
    const DEV: &str = include_str!("../../setup/dev.sh");

    #[test]
    fn the_worker_is_told_the_same() {
        let cores = Region::ALL.map(|region| format!(r#""{region}":"{}""#, url(RegionPorts::of(region).core)));
        for line in [
            format!("ECHOES_CORES = '{{{}}}'", cores.join(",")),
            format!(r#"ECHOES_JWKS_URL = "{}/.well-known/jwks.json""#, url(CONTROL_PORT)),
            format!(r#"ECHOES_TOKEN_ISSUER = "{DEFAULT_ISSUER}""#),
            format!(r#"ECHOES_TOKEN_AUDIENCE = "{DEFAULT_AUDIENCE}""#),
        ] {
            assert!(WRANGLER.lines().any(|given| given == line), "wrangler.toml lacks: {line}");
        }
        assert!(DEV.contains(&format!("--ip 127.0.0.1 --port {EDGE_PORT} ")), "dev.sh names another port");
    }
}
