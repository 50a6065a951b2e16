//! What an answer that is none says about Redis.

use ::redis::RedisError;

/// Why a command had no answer that can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// Its memory is full (`-OOM`): it still reads, deletes and publishes.
    Full,
    /// It does not know the script; its text must be sent.
    NoScript,
    /// This command failed, or took too long. The next may not: only several in a row mean something.
    Once,
    /// The connection is of no use any more: broken, out of step, or to a server that is loading, read-only, elsewhere.
    Broken,
}

/// What `error` says.
pub(super) fn failure(error: &RedisError) -> Failure {
    let Some(errors) = error.clone().into_server_errors() else { return Failure::Broken };
    let Some((_, first)) = errors.first() else { return Failure::Broken };
    // Before version 7 a script's errors all come as `-ERR Error running script …: -OOM …`.
    let within = |word: &str| first.details().is_some_and(|details| details.contains(word));
    match first.code() {
        "OOM" => Failure::Full,
        "NOSCRIPT" => Failure::NoScript,
        "ERR" if within("-OOM ") => Failure::Full,
        "ERR" if within("-READONLY ") || within("-MISCONF ") => Failure::Broken,
        "ERR" | "WRONGTYPE" => Failure::Once,
        _ => Failure::Broken,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(answer: &str) -> Failure {
        let value = ::redis::parse_redis_value(format!("{answer}\r\n").as_bytes());
        failure(&value.unwrap().extract_error().unwrap_err())
    }

    #[test]
    fn a_server_that_must_be_left_is_told_from_one_that_is_full() {
        for broken in [
            "-LOADING Redis is loading the dataset in memory",
            "-READONLY You can't write against a read only replica.",
            "-MOVED 3999 127.0.0.1:6381",
            "-MASTERDOWN Link with MASTER is down",
            "-CLUSTERDOWN The cluster is down",
            "-MISCONF Redis is configured to save RDB snapshots",
            "-NOAUTH Authentication required.",
            "-ERR Error running script (call to f_0): @user_script:1: -READONLY You can't write",
        ] {
            assert_eq!(of(broken), Failure::Broken, "{broken}");
        }
        assert_eq!(of("-OOM command not allowed when used memory > 'maxmemory'."), Failure::Full);
        assert_eq!(of("-ERR Error running script: @user_script:1: -OOM command not allowed"), Failure::Full);
        assert_eq!(of("-NOSCRIPT No matching script."), Failure::NoScript);
        assert_eq!(of("-WRONGTYPE Operation against a key"), Failure::Once);
    }

    #[test]
    fn whatever_is_no_answer_of_redis_ends_the_connection() {
        let garbage = ::redis::parse_redis_value(b"HTTP/1.1 400 Bad Request\r\n").unwrap_err();
        assert_eq!(failure(&garbage), Failure::Broken);
        let io = std::io::Error::from(std::io::ErrorKind::ConnectionReset);
        assert_eq!(failure(&io.into()), Failure::Broken);
    }
}
