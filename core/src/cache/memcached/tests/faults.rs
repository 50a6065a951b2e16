//! Faults on the wire, from a small proxy before a real server.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedWriteHalf;
use tokio::net::{TcpListener, TcpStream};

use super::fixture::{Process, eventually, over, timed};

const HOUR: Duration = Duration::from_secs(3_600);
const VALUE: &[u8] = &[b'v'; 50_000];

/// What becomes of a server's answers.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Fault {
    None,
    /// This comes in place of the first bytes of each answer, and then nothing.
    Instead(&'static [u8]),
    /// This comes again and again, without an end.
    Endless(&'static [u8]),
    /// So many bytes of an answer come, and then a reset.
    ResetAfter(usize),
    /// So many bytes of an answer come, and then silence.
    SilentAfter(usize),
    /// After the true answer comes this.
    Then(&'static [u8]),
}

#[derive(Clone)]
struct Proxy(Arc<Mutex<Fault>>);

impl Proxy {
    /// Gives itself and the address where it listens.
    async fn before(server: String) -> (Self, String) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let proxy = Self(Arc::new(Mutex::new(Fault::None)));
        let this = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let (this, server) = (this.clone(), server.clone());
                tokio::spawn(async move { this.serve(client, &server).await });
            }
        });
        (proxy, address)
    }

    fn set(&self, fault: Fault) {
        *self.0.lock().unwrap() = fault;
    }

    async fn serve(self, client: TcpStream, server: &str) {
        let server = TcpStream::connect(server).await.unwrap();
        [&client, &server].into_iter().for_each(|stream| stream.set_nodelay(true).unwrap());
        let (mut from_server, mut to_server) = server.into_split();
        // A close with this set is a reset.
        client.set_zero_linger().unwrap();
        let (mut from_client, mut to_client) = client.into_split();
        let asks = tokio::spawn(async move { tokio::io::copy(&mut from_client, &mut to_server).await });
        let mut answer = vec![0; 64 * 1024];
        while let Ok(length @ 1..) = from_server.read(&mut answer).await {
            let answer = &answer[..length];
            let fault = *self.0.lock().unwrap();
            let sent = match fault {
                Fault::None => to_client.write_all(answer).await,
                Fault::Instead(bytes) => to_client.write_all(bytes).await,
                Fault::Then(bytes) => to_client.write_all(&[answer, bytes].concat()).await,
                Fault::Endless(bytes) => while_it_lasts(&mut to_client, bytes).await,
                Fault::ResetAfter(bytes) => {
                    let _ = to_client.write_all(&answer[..bytes.min(length)]).await;
                    break;
                }
                Fault::SilentAfter(bytes) => to_client.write_all(&answer[..bytes.min(length)]).await,
            };
            if sent.is_err() {
                break;
            }
        }
        asks.abort();
    }
}

async fn while_it_lasts(client: &mut OwnedWriteHalf, bytes: &[u8]) -> std::io::Result<()> {
    let many = bytes.repeat(16 * 1024 / bytes.len());
    loop {
        client.write_all(&many).await?;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_an_answer_is_it_is_the_right_value_or_none() {
    let server = Process::start(&[]).await;
    let (proxy, address) = Proxy::before(server.address()).await;
    let memcached = over(&[address]).await;
    let usable_after = |fault: Fault| {
        eventually(format!("the server is used again after {fault:?}"), async || {
            memcached.set("feed:happy", Bytes::from_static(VALUE), HOUR).await;
            memcached.get("feed:happy").await.is_some_and(|value| value == VALUE)
        })
    };
    usable_after(Fault::None).await;
    for fault in [
        Fault::Instead(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
        Fault::Instead(b"\0\xff\xfe\x80 garbage \r\n"),
        Fault::Instead(b"ERROR\r\n"),
        Fault::Instead(b"SERVER_ERROR out of memory\r\n"),
        Fault::Instead(b"CLIENT_ERROR bad \xff\r\n"),
        Fault::Instead(b"VALUE \r\n"),
        Fault::Instead(b"VALUE echoes1:eu-west-1:feed:happy 0 18446744073709551615\r\nv\r\nEND\r\n"),
        Fault::Instead(b"VALUE echoes1:eu-west-1:feed:happy 0 99999999999999999999999\r\n"),
        Fault::Instead(b"VALUE echoes1:eu-west-1:feed:happy 0 5\r\nlonger than five\r\nEND\r\n"),
        Fault::Instead(b"VALUE echoes1:eu-west-1:feed:other 0 1\r\nx\r\nEND\r\n"),
        Fault::Instead(b"VALUE a 0 1\r\nx\r\nVALUE b 0 1\r\nx\r\nEND\r\n"),
        Fault::Instead(b"STORED\r\n"),
        Fault::Instead(b"12345\r\n"),
        Fault::Endless(b"x"),
        Fault::Endless(b"1"),
        Fault::Endless(b"VALUE k 0 1\r\nx\r\n"),
        Fault::Endless(b"VALUE k 0 4294967295\r\nxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        Fault::ResetAfter(0),
        Fault::ResetAfter(1),
        Fault::ResetAfter(20_000),
        Fault::SilentAfter(0),
        Fault::SilentAfter(20_000),
    ] {
        proxy.set(fault);
        for _ in 0..8 {
            assert_eq!(timed(memcached.get("feed:happy")).await, None, "{fault:?}");
            timed(memcached.set("feed:sad", Bytes::from_static(b"sad"), HOUR)).await;
        }
        proxy.set(Fault::None);
        usable_after(fault).await;
    }
}

/// What is left over from one answer never counts as another key's value.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_out_of_step_is_nobodys() {
    let server = Process::start(&[]).await;
    let (proxy, address) = Proxy::before(server.address()).await;
    let memcached = over(&[address]).await;
    for key in ["a", "b"] {
        memcached.set(key, Bytes::from(key), HOUR).await;
    }
    for leftover in [
        &b"VALUE echoes1:eu-west-1:a 0 1\r\na\r\nEND\r\n"[..],
        b"END\r\n",
        b"STORED\r\n",
        b"VALUE echoes1:eu-west-1:a 0 1\r\na\r\nEND\r\nEND\r\nSTORED\r\n",
    ] {
        proxy.set(Fault::Then(leftover));
        for _ in 0..6 {
            for key in ["a", "b", "c"] {
                let value = timed(memcached.get(key)).await;
                assert!(value.as_ref().is_none_or(|value| value == key && key != "c"), "{key} is {value:?}");
                timed(memcached.set(key, Bytes::from(key), HOUR)).await;
                server_forgets(&server, "c").await;
            }
        }
        proxy.set(Fault::None);
        eventually("answers are in step again", async || {
            memcached.get("a").await.is_some()
                && memcached.get("b").await.is_some()
                && memcached.get("c").await.is_none()
        })
        .await;
    }
}

async fn server_forgets(server: &Process, key: &str) {
    let mut stream = TcpStream::connect(server.address()).await.unwrap();
    stream.write_all(format!("delete echoes1:eu-west-1:{key}\r\n").as_bytes()).await.unwrap();
    let mut answer = [0; 64];
    assert!(stream.read(&mut answer).await.unwrap() > 0);
}

/// A caller that leaves in the middle leaves no answer behind for the next.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_that_leaves_disturbs_no_other() {
    let server = Process::start(&[]).await;
    let memcached = Arc::new(over(&[server.address()]).await);
    for key in ["a", "b"] {
        memcached.set(key, Bytes::from(key.repeat(30_000)), HOUR).await;
    }
    for round in 0..300 {
        let leaver = Arc::clone(&memcached);
        let leaving = tokio::spawn(async move { leaver.get("a").await });
        tokio::time::sleep(Duration::from_micros(round * 3)).await;
        leaving.abort();
        let value = timed(memcached.get("b")).await.expect("no caller pays for another that left");
        assert_eq!(value.first(), Some(&b'b'));
    }
}
