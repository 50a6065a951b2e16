//! A region's cache servers, asked directly: what they hold, and what they are made to hold.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use echoes_shared::Region;
use percent_encoding::percent_decode_str;
use redis::FromRedisValue;

use crate::waiting::eventually;
use crate::world::World;

/// How long a server that runs may take.
const PATIENCE: Duration = Duration::from_secs(2);

/// A region's Redis.
#[derive(Debug, Clone)]
pub struct Redis {
    /// `redis://127.0.0.1:6401`
    pub url: String,
    /// Its region, which its keys name.
    pub region: Region,
}

/// A region's Memcached servers.
#[derive(Debug, Clone)]
pub struct Memcached {
    /// `127.0.0.1:11401`, …
    pub servers: Vec<String>,
}

impl World {
    /// The Redis of a region.
    pub fn redis(&self, region: Region) -> Redis {
        Redis { url: self.server(region, "redis"), region }
    }

    /// The Memcached servers of a region.
    pub fn memcached(&self, region: Region) -> Memcached {
        let servers = self.server(region, "memcached");
        Memcached { servers: servers.split(',').map(str::to_owned).collect() }
    }

    fn server(&self, region: Region, kind: &str) -> String {
        let own = self.region(region);
        own[kind].as_str().unwrap_or_else(|| panic!("no {kind} in {own}: start the stack with --full")).to_owned()
    }
}

impl Redis {
    /// Sends a command, and gives what it answers.
    #[track_caller]
    pub fn ask<T: FromRedisValue>(&self, words: &[&str]) -> T {
        self.ask_bytes(&words.iter().map(|word| word.as_bytes()).collect::<Vec<_>>())
    }

    /// The value that the cores keep under one of their keys, `timeline:ana`, if there is one.
    #[track_caller]
    pub fn value(&self, key: &str) -> Option<Vec<u8>> {
        self.ask(&["GET", &self.name(key)])
    }

    /// How long that is kept, in milliseconds; negative when there is none.
    #[track_caller]
    pub fn left_ms(&self, key: &str) -> i64 {
        self.ask(&["PTTL", &self.name(key)])
    }

    /// Removes that value, and leaves what else Redis knows of the key.
    #[track_caller]
    pub fn remove(&self, key: &str) {
        let removed: u64 = self.ask(&["DEL", &self.name(key)]);
        assert!(removed == 1, "expected a value of {key} to remove");
    }

    /// Puts other bytes into the place of that value, for the time that it had left.
    #[track_caller]
    pub fn replace(&self, key: &str, bytes: &[u8]) {
        let name = self.name(key);
        let replaced: Option<String> = self.ask_bytes(&[b"SET", name.as_bytes(), bytes, b"KEEPTTL", b"XX"]);
        assert!(replaced.is_some(), "expected a value of {key} to replace");
    }

    /// How many values there are whose key begins so.
    #[track_caller]
    pub fn count(&self, beginning: &str) -> usize {
        let found: Vec<String> = self.ask(&["KEYS", &format!("{}*", self.name(beginning))]);
        found.len()
    }

    fn name(&self, key: &str) -> String {
        format!("echoes:1:{}:v:{key}", self.region)
    }

    #[track_caller]
    fn ask_bytes<T: FromRedisValue>(&self, words: &[&[u8]]) -> T {
        let client = redis::Client::open(self.url.as_str()).expect("the URL of a Redis");
        let connection = client.get_connection_with_timeout(PATIENCE);
        let mut connection = connection.unwrap_or_else(|error| panic!("{}: {error}", self.url));
        connection.set_read_timeout(Some(PATIENCE)).expect("timeouts");
        let mut command = redis::Cmd::new();
        command.arg(words);
        let answer = command.query(&mut connection);
        answer.unwrap_or_else(|error| panic!("{}: {error}", String::from_utf8_lossy(words[0])))
    }
}

impl Memcached {
    /// Forgets everything.
    #[track_caller]
    pub fn flush(&self) {
        for server in &self.servers {
            ask(server, b"flush_all\r\n", "OK\r\n");
        }
    }

    /// A number of each server's own statistics.
    #[track_caller]
    pub fn statistic(&self, name: &str) -> Vec<u64> {
        let of = |server: &String| {
            let text = ask(server, b"stats\r\n", "END\r\n");
            let line = text.lines().find_map(|line| line.strip_prefix(&format!("STAT {name} "))).map(str::trim);
            line.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("no {name}: {text}"))
        };
        self.servers.iter().map(of).collect()
    }

    /// Puts other bytes into the place of every value whose key holds this text, and tells how many there were.
    #[track_caller]
    pub fn replace(&self, part: &str, bytes: &[u8]) -> usize {
        let mut replaced = 0;
        for server in &self.servers {
            let listed = eventually(PATIENCE, "a list of keys", || {
                let listed = ask(server, b"lru_crawler metadump all\r\n", "END\r\n");
                if listed.starts_with("BUSY") { Err(listed) } else { Ok(listed) }
            });
            let keys = listed.lines().filter_map(|line| line.strip_prefix("key=")?.split(' ').next());
            let keys = keys.map(|key| percent_decode_str(key).decode_utf8_lossy().into_owned());
            for key in keys.filter(|key| key.contains(part)) {
                let mut command = format!("set {key} 0 30 {}\r\n", bytes.len()).into_bytes();
                command.extend_from_slice(bytes);
                command.extend_from_slice(b"\r\n");
                ask(server, &command, "STORED\r\n");
                replaced += 1;
            }
        }
        replaced
    }
}

/// What a server answers, up to its end.
#[track_caller]
fn ask(server: &str, words: &[u8], end: &str) -> String {
    try_ask(server, words, end).unwrap_or_else(|error| panic!("{server}: {error}"))
}

fn try_ask(server: &str, words: &[u8], end: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(server)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.write_all(words)?;
    let mut answer = Vec::new();
    // Whoever looks for keys may find that the server does so itself just now.
    while !answer.ends_with(end.as_bytes()) && !answer.starts_with(b"BUSY") {
        let mut piece = [0; 4_096];
        let bytes = stream.read(&mut piece)?;
        if bytes == 0 {
            return Err(std::io::Error::other(format!("closed after {:?}", String::from_utf8_lossy(&answer))));
        }
        answer.extend_from_slice(&piece[..bytes]);
    }
    Ok(String::from_utf8_lossy(&answer).into_owned())
}
