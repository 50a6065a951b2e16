//! What a hit in memory allocates, from the bytes of the request to those of the answer: nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::sync::Arc;
use std::time::Duration;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Config};
use echoes_core::cache::{Cache, CacheConfig, Key, Lifetimes, Loaded};
use echoes_core::clock;
use echoes_core::config::{Environment, StoreConfig};
use echoes_core::http::{self, Api, Context};
use echoes_core::metrics::Metrics;
use echoes_core::service::Service;
use echoes_core::store::Store;
use echoes_shared::cursor::CursorKeys;
use echoes_shared::sigv4::keys::{EdgeKey, EdgeKeys};
use echoes_shared::sigv4::sign::{Call, signature_headers};
use echoes_shared::sigv4::verify::Verifier;
use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho, Region, wire};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

const REGION: Region = Region::EuWest1;
const KEY: (&str, &str) = ("EDGE1", "a-secret");
const TARGET: &str = "/v1/emotions/happy/echoes?limit=20";
const HITS: usize = 2_000;

/// Echoes as people post them, a hundred of them.
fn echoes() -> Vec<Echo> {
    let newest = clock::now();
    let echo = |age: u64| {
        let content = NewEcho {
            emotion: Emotion::Happy,
            s3_url: None,
            location: None,
            tags: Some(vec!["rain".to_owned()]),
            transcript: Some("It rained all day, and then the sun came out. ".repeat(5)),
            detected_mood: None,
            metadata: None,
            days_to_live: None,
        };
        let key = IdempotencyKey::mint(newest.minus_millis(age), &[7; 10]);
        Echo::create("ana".parse().unwrap(), key, content, REGION)
    };
    (0..100).map(echo).collect()
}

/// The signed API of a core whose memory holds the feed, and whose store nobody ever reaches.
async fn api() -> Api {
    let look_up = |name: &str| (name == "ECHOES_REGION").then(|| REGION.to_string());
    let config = StoreConfig::read(&Environment::new(look_up)).unwrap();
    let nowhere = Config::builder().behavior_version(BehaviorVersion::latest()).build();
    let metrics = Metrics::new().unwrap();
    let store = Store::over(Client::from_conf(nowhere), config, metrics.clone());
    let config = CacheConfig { memory_bytes: 1 << 20, redis: None, memcached: None };
    // Longer than the test.
    let lifetimes = Lifetimes { memory: Duration::from_secs(600), ..Lifetimes::default() };
    let cache = Cache::new(&config, REGION, lifetimes, metrics.clone());
    let loaded = Loaded::Head { echoes: echoes(), next: None };
    cache.read(&Key::Feed(Emotion::Happy), clock::now(), || async { Ok(loaded) }).await.unwrap();
    let cursor_keys = CursorKeys::parse("k1:a-secret-of-sixteen-or-more").unwrap();
    http::api(Arc::new(Context {
        service: Arc::new(Service::new(store, REGION, cursor_keys, "audio".parse().unwrap(), cache)),
        verifier: Verifier::new(EdgeKeys::parse(&format!("{}:{}", KEY.0, KEY.1)).unwrap(), REGION),
        permits: Arc::new(Semaphore::new(8)),
        metrics,
        region: REGION,
    }))
}

/// A signed request, as the edge sends it.
fn request(host: &str) -> String {
    let key = EdgeKey::new(KEY.0, KEY.1).unwrap();
    let own = (wire::CORE_REQUEST_ID, "019ab3c1-5a2e-7c31-9d55-0b6f5f3b1a20");
    let url = format!("http://{host}{TARGET}");
    let call = Call { method: "GET", url: &url, headers: &[own], body: b"" };
    let signature = signature_headers(call, &key, REGION, clock::now()).unwrap();
    let lines = signature.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect::<String>();
    format!("GET {TARGET} HTTP/1.1\r\nhost: {host}\r\n{}: {}\r\n{lines}\r\n", own.0, own.1)
}

/// Sends a request and reads its answer to the last byte of its body, with buffers of its own.
fn hit(stream: &mut TcpStream, request: &str, answer: &mut [u8]) -> usize {
    stream.write_all(request.as_bytes()).unwrap();
    let mut read = 0;
    loop {
        let more = stream.read(&mut answer[read..]).unwrap();
        assert!(more > 0, "{}", String::from_utf8_lossy(&answer[..read]));
        read += more;
        assert!(answer.starts_with(b"HTTP/1.1 200 OK\r\n"), "{}", String::from_utf8_lossy(&answer[..read]));
        // A page that goes on ends with its cursor, and nothing within it ends so.
        if answer[..read].ends_with(b"\"}") && answer[..read].windows(14).any(|part| part == b"],\"nextCursor\"") {
            return read;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_hit_in_memory_allocates_nothing() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(http::serve(listener, api().await, 8, stopped));
    let counted = tokio::task::spawn_blocking(move || {
        let request = request(&address.to_string());
        let mut stream = TcpStream::connect(address).unwrap();
        let mut answer = vec![0; 64 * 1_024];
        let bytes = hit(&mut stream, &request, &mut answer);
        assert!(bytes > 8 * 1_024, "{bytes}");
        let text = String::from_utf8_lossy(&answer[..bytes]).into_owned();
        assert!(text.contains("cache-status: echoes-l1; hit"), "{text}");
        let region = stats_alloc::Region::new(ALLOCATOR);
        for _ in 0..HITS {
            hit(&mut stream, &request, &mut answer);
        }
        region.change()
    });
    let change = counted.await.unwrap();
    // Once a second there is a new date.
    assert!(change.allocations * 100 < HITS, "{change:?}");
}
