//! The checks, tried on samples: each must see the fault it is there for, and nothing in its innocent neighbour.

use super::*;

#[test]
fn a_wrong_arrow_is_seen() {
    let faults = |package, names: &[&str]| {
        against_arrows(package, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).len()
    };
    assert_eq!(faults("echoes-edge", &["echoes-shared", "serde"]), 0);
    assert_eq!(faults("echoes-edge", &["echoes-core"]), 1);
    assert_eq!(faults("echoes-shared", &["aws-sigv4"]), 0);
    assert_eq!(faults("echoes-shared", &["aws-sdk-s3", "tokio", "echoes-edge"]), 3);
    assert_eq!(faults("echoes-unheard-of", &[]), 1);
}

#[test]
fn a_forbidden_dependency_is_seen_once() {
    let never: &[&str] = &["aws-sdk-*", "tokio/net", "worker"];
    let rule = Closure { package: "p", target: "all", never, why: "because" };
    assert_eq!(against_closure(&rule, "tokio v1.0|sync,default\nworker-sys v0.8|\nnet v1|"), Vec::<String>::new());
    assert_eq!(
        against_closure(&rule, "tokio v1.0|sync,net\ntokio v1.0|sync,net (*)"),
        ["p is built with tokio/net: because"]
    );
    assert_eq!(against_closure(&rule, "aws-sdk-s3 v1|default,rt\nworker v0.8 (/x)|").len(), 2);
}

#[test]
fn a_forbidden_word_is_seen_in_code_alone() {
    for (path, text, faults) in [
        ("core/src/http/feeds.rs", "use aws_sdk_dynamodb::Client;", 1),
        ("core/src/http.rs", "use aws_smithy_types::Blob;", 1),
        ("core/src/httpd.rs", "use aws_smithy_types::Blob;", 0),
        ("core/src/http/feeds.rs", "// not aws_sdk\nlet a = \"https://x\"; // nor axum", 0),
        ("core/src/http/feeds.rs", "let a = \"https://aws_sdk\";", 1),
        ("core/src/store/feed.rs", "fn f(s: axum::http::StatusCode) {}", 1),
        ("core/src/service/read.rs", "let a = std::env::var(\"A\");\nlet b = Instant::now();", 3),
        ("core/src/config/redis.rs", "let a = std::env::var(\"A\");", 0),
        ("core/src/clock.rs", "SystemTime::now()", 0),
        ("shared/src/echo.rs", "pub async fn f() -> u8 { now(SystemTime::now) }", 2),
        ("shared/src/echo.rs", "fn f() {}\n#[cfg(test)]\nmod tests {\n    use std::time::SystemTime;\n}", 0),
        ("edge/src/read.rs", "let now = SystemTime::now();", 1),
    ] {
        assert_eq!(against_words(path, text).len(), faults, "{path}: {text}");
    }
}

#[test]
fn a_misshapen_file_is_seen() {
    let long = "//! Long.\n".repeat(LINES_AT_MOST + 1);
    for (path, text, faults) in [
        ("edge/src/read.rs", "//! Reads.\nstruct Reader;", 0),
        ("edge/src/read.rs", "use std::fmt;", 1),
        ("edge/src/read.rs", long.as_str(), 1),
        ("edge/src/read/mod.rs", "//! Reads.", 1),
        ("edge/src/time_utils.rs", "//! Time.", 1),
        ("edge/src/helpers/time.rs", "//! Time.", 1),
        ("edge/src/read.rs", &format!("//! Reads.\npub struct {}<T>(T);", "CacheManager"), 1),
    ] {
        assert_eq!(against_shape(path, text).len(), faults, "{path}");
    }
}

#[test]
fn a_package_without_the_lints_is_seen() {
    assert_eq!(against_lints("p", "[package]\nname = \"p\"\n\n[lints]\nworkspace = true\n").len(), 0);
    assert_eq!(against_lints("p", "[package]\nversion.workspace = true\n\n[dependencies]\n").len(), 1);
}
