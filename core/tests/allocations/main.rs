//! What a hit in memory allocates, from the bytes of the request to those of the answer: nothing.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic: that is how it fails"
)]

#[path = "../shared/memory.rs"]
mod memory;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use echoes_core::cache::{Key, Loaded};
use echoes_core::{clock, http};
use echoes_shared::{Echo, Emotion, IdempotencyKey, NewEcho};
use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};
use tokio::net::TcpListener;
use tokio::sync::watch;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<std::alloc::System> = &INSTRUMENTED_SYSTEM;

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
        Echo::create("ana".parse().unwrap(), key, content, memory::REGION)
    };
    (0..100).map(echo).collect()
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
    let feed = Loaded::Head { echoes: echoes(), next: None };
    let (api, _) = memory::core([(Key::Feed(Emotion::Happy), feed)]).await;
    tokio::spawn(http::serve(listener, api, 8, stopped));
    let counted = tokio::task::spawn_blocking(move || {
        let request = memory::request("GET", TARGET, &[], "");
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
