//! One line of JSON for each failure, where it is handled. Nothing personal: no token, no body, no user, no URL.

use serde::Serialize;

#[derive(Serialize)]
struct Line<'a> {
    level: &'static str,
    event: &'a str,
    detail: &'a str,
    #[serde(rename = "requestId", skip_serializing_if = "str::is_empty")]
    request_id: &'a str,
}

/// Something an operator must mend.
pub fn error(event: &str, detail: &str) {
    let text = line("error", event, detail, "");
    web_sys::console::error_1(&text.into());
}

/// Something that was worked around during a request.
pub fn warn(event: &str, detail: &str, request_id: &str) {
    let text = line("warn", event, detail, request_id);
    web_sys::console::warn_1(&text.into());
}

fn line(level: &'static str, event: &str, detail: &str, request_id: &str) -> String {
    serde_json::to_string(&Line { level, event, detail, request_id }).unwrap_or_default()
}
