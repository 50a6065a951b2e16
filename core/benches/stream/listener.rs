//! One listener of the live stream, who notes when each echo came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use http_body_util::BodyExt as _;

use crate::core::Core;

/// When each echo came, by its id.
pub type Heard = Arc<Mutex<HashMap<String, Instant>>>;

/// Listens from now on, until the stream ends.
pub async fn listen(core: &Core) -> Heard {
    let answer = core.call("GET", "/v1/live", &[], Vec::new()).await;
    assert!(answer.status().is_success(), "/v1/live: {}", answer.status());
    let heard = Heard::default();
    let mut body = answer.into_body();
    let noted = Arc::clone(&heard);
    tokio::spawn(async move {
        let mut text = String::new();
        while let Some(Ok(frame)) = body.frame().await {
            let Ok(bytes) = frame.into_data() else { continue };
            text.push_str(&String::from_utf8_lossy(&bytes));
            while let Some(end) = text.find("\n\n") {
                let event: String = text.drain(..end + 2).collect();
                let data = event.lines().find_map(|line| line.strip_prefix("data:"));
                let echo: Option<serde_json::Value> = data.and_then(|data| serde_json::from_str(data.trim()).ok());
                if let Some(id) = echo.as_ref().and_then(|echo| echo["echoId"].as_str()) {
                    noted.lock().unwrap().entry(id.to_owned()).or_insert_with(Instant::now);
                }
            }
        }
    });
    heard
}
