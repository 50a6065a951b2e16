//! A core whose memory holds what a test puts there, and whose store nobody ever reaches; and the signed requests that it takes.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config};
use echoes_core::cache::{Cache, CacheConfig, Key, Lifetimes, Loaded};
use echoes_core::clock;
use echoes_core::config::{Environment, StoreConfig};
use echoes_core::http::{Api, Context, api};
use echoes_core::metrics::Metrics;
use echoes_core::service::Service;
use echoes_core::store::Store;
use echoes_shared::cursor::CursorKeys;
use echoes_shared::sigv4::keys::{EdgeKey, EdgeKeys};
use echoes_shared::sigv4::sign::{Call, signature_headers};
use echoes_shared::sigv4::verify::Verifier;
use echoes_shared::{Region, wire};
use tokio::sync::Semaphore;

pub const REGION: Region = Region::EuWest1;
const HOST: &str = "core.test";
pub const REQUEST_ID: &str = "request-7";

/// The signed API of such a core.
pub async fn core(held: impl IntoIterator<Item = (Key, Loaded)>) -> (Api, Metrics) {
    let look_up = |name: &str| (name == "ECHOES_REGION").then(|| REGION.to_string());
    let config = StoreConfig::read(&Environment::new(look_up)).unwrap();
    let nowhere = Config::builder().behavior_version(BehaviorVersion::latest()).build();
    let metrics = Metrics::new().unwrap();
    let store = Store::over(Client::from_conf(nowhere), config, metrics.clone());
    let config = CacheConfig { memory_bytes: 1 << 20, redis: None, memcached: None };
    // Longer than any test.
    let lifetimes = Lifetimes { memory: Duration::from_secs(600), ..Lifetimes::default() };
    let cache = Cache::new(&config, REGION, lifetimes, metrics.clone());
    for (key, loaded) in held {
        cache.read(&key, clock::now(), || async { Ok(loaded) }).await.unwrap();
    }
    let cursor_keys = CursorKeys::parse("k1:a-secret-of-sixteen-or-more").unwrap();
    let context = Context {
        service: Arc::new(Service::new(store, REGION, cursor_keys, "audio".parse().unwrap(), cache)),
        verifier: Verifier::new(EdgeKeys::parse("EDGE1:a-secret").unwrap(), REGION),
        permits: Arc::new(Semaphore::new(8)),
        metrics: metrics.clone(),
        region: REGION,
    };
    (api(Arc::new(context)), metrics)
}

/// A signed request with these lines besides.
pub fn request(method: &str, target: &str, besides: &[&str], body: &str) -> String {
    let url = format!("http://{HOST}{target}");
    let own = [(wire::CORE_REQUEST_ID, REQUEST_ID), (wire::CORE_USER, "ana")];
    let key = EdgeKey::new("EDGE1", "a-secret").unwrap();
    let call = Call { method, url: &url, headers: &own, body: body.as_bytes() };
    let signature = signature_headers(call, &key, REGION, clock::now()).unwrap();
    let mut text = format!("{method} {target} HTTP/1.1\r\nHost: {HOST}\r\n");
    for (name, value) in own.into_iter().chain(signature.iter().map(|(name, value)| (&**name, &**value))) {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    besides.iter().for_each(|line| text.push_str(&format!("{line}\r\n")));
    if !body.is_empty() {
        text.push_str(&format!("content-type: application/json\r\ncontent-length: {}\r\n", body.len()));
    }
    format!("{text}\r\n{body}")
}
