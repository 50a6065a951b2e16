//! A way to the engine that never answers calls about one thing, as a partition that hangs would.

use std::sync::Arc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::tcp::OwnedReadHalf;
use tokio::net::{TcpListener, TcpStream};

/// Passes everything on to `backend` but calls whose body contains `needle`; those it reads and leaves. Gives its address.
pub async fn hanging_for(backend: &str, needle: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let (backend, needle): (Arc<str>, Arc<str>) = (backend.strip_prefix("http://").unwrap().into(), needle.into());
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let (backend, needle) = (Arc::clone(&backend), Arc::clone(&needle));
            tokio::spawn(async move { serve(client, &backend, needle.as_bytes()).await });
        }
    });
    address
}

async fn serve(client: TcpStream, backend: &str, needle: &[u8]) {
    let Ok(backend) = TcpStream::connect(backend).await else { return };
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_backend, mut to_backend) = backend.into_split();
    let answers = tokio::spawn(async move { tokio::io::copy(&mut from_backend, &mut to_client).await });
    let mut received = Vec::new();
    while let Some(call) = next_call(&mut from_client, &mut received).await {
        if call.windows(needle.len()).any(|part| part == needle) {
            // The caller goes away some day.
            let _ = from_client.read_to_end(&mut received).await;
            break;
        }
        if to_backend.write_all(&call).await.is_err() {
            break;
        }
    }
    answers.abort();
}

/// One HTTP/1.1 request with its body, or `None` at the end.
async fn next_call(stream: &mut OwnedReadHalf, received: &mut Vec<u8>) -> Option<Vec<u8>> {
    loop {
        if let Some(head_end) = received.windows(4).position(|part| part == b"\r\n\r\n") {
            let head = String::from_utf8_lossy(&received[..head_end]).to_lowercase();
            let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
            let end = head_end + 4 + length.map_or(0, |length| length.trim().parse::<usize>().unwrap());
            if received.len() >= end {
                return Some(received.drain(..end).collect());
            }
        }
        if stream.read_buf(received).await.ok()? == 0 {
            return None;
        }
    }
}
