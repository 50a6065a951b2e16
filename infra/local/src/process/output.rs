//! What a child prints, line by line.

use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, BufReader};
use tokio::task::JoinHandle;

use super::watcher::Lines;
use crate::console::Console;

/// Longer lines are cut into pieces.
const LINE_BYTES: u64 = 16 * 1024;

/// Prints every line under the part's name, and keeps the last ones.
pub(super) fn pump(
    output: impl AsyncRead + Unpin + Send + 'static,
    console: Console,
    name: String,
    lines: Lines,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut reader = BufReader::new(output);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut piece = (&mut reader).take(LINE_BYTES);
            match piece.read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    let text = text.trim_end();
                    console.line(&name, text);
                    lines.push(text);
                }
            }
        }
    })
}
