//! The edge's member of `Cache-Status` (RFC 9211): members go from the origin to the user, so ours is the last.

/// Answered from a cache of the edge. `ttl_seconds` is negative once the answer is stale.
pub fn hit(ttl_seconds: i64) -> String {
    if ttl_seconds < 0 {
        format!("echoes-edge; hit; ttl={ttl_seconds}; detail=stale")
    } else {
        format!("echoes-edge; hit; ttl={ttl_seconds}")
    }
}

/// Fetched from a core.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forwarded {
    /// It was not there, or too old, and is now stored.
    Stored,
    /// It was not there, or too old, and is not to be stored.
    Missed,
    /// It is never cached.
    Bypassed,
}

/// The members of the core's tiers and then our own.
pub fn forwarded(core: Option<&str>, forwarded: Forwarded) -> String {
    let own = match forwarded {
        Forwarded::Stored => "echoes-edge; fwd=miss; stored",
        Forwarded::Missed => "echoes-edge; fwd=miss",
        Forwarded::Bypassed => "echoes-edge; fwd=bypass",
    };
    match core {
        Some(members) if !members.is_empty() => format!("{members}, {own}"),
        _ => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use wasm_bindgen_test::wasm_bindgen_test;

    use super::*;

    #[wasm_bindgen_test(unsupported = test)]
    fn the_texts_are_the_contracts() {
        assert_eq!(hit(3), "echoes-edge; hit; ttl=3");
        assert_eq!(hit(-12), "echoes-edge; hit; ttl=-12; detail=stale");
        let core = "echoes-l2; hit; ttl=3100, echoes-l1; fwd=miss";
        assert_eq!(forwarded(Some(core), Forwarded::Stored), format!("{core}, echoes-edge; fwd=miss; stored"));
        assert_eq!(forwarded(None, Forwarded::Bypassed), "echoes-edge; fwd=bypass");
    }
}
