//! People who write, and people who read and check what they are shown.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use echoes_core::clock;
use echoes_shared::IdempotencyKey;
use http::Method;
use rand::RngExt as _;
use rand::seq::IndexedRandom as _;
use serde_json::json;

use crate::caller::{Answer, Caller};
use crate::history::{History, Life, Read, What};

/// Echoes of one writer that live at a time; all writers together stay below a page.
const LIVING: usize = 8;
/// A write is tried until it is acknowledged, this long at most: cores come back within seconds.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(50);

/// The region as its people see it.
pub struct World {
    pub caller: Caller,
    pub ports: Vec<u16>,
    pub lives: Vec<AtomicU32>,
    /// Whether a core runs and is not about to be killed.
    pub up: Vec<AtomicBool>,
    pub history: History,
    pub stop: AtomicBool,
    pub reads: AtomicUsize,
    pub writes: AtomicUsize,
    pub wrong: std::sync::Mutex<Vec<String>>,
}

impl World {
    fn life(&self, core: usize) -> Life {
        Life { core, life: self.lives[core].load(Ordering::SeqCst) }
    }

    /// A core that runs, unless none does.
    fn any_core(&self) -> usize {
        let running: Vec<usize> =
            (0..self.ports.len()).filter(|&core| self.up[core].load(Ordering::SeqCst)).collect();
        *running.choose(&mut rand::rng()).unwrap_or(&0)
    }

    fn stopped(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    /// An answer counts as a failure only of a core that was up all the while.
    fn complain(&self, was: Life, what: &str, said: &Result<Answer, String>) {
        // The engine shares this process with everybody, and may be late; that is no tier's fault, nor a lie.
        let late =
            |answer: &Answer| answer.body["detail"].as_str().is_some_and(|detail| detail.starts_with("the store"));
        if said.as_ref().is_ok_and(late) {
            return;
        }
        if self.up[was.core].load(Ordering::SeqCst) && self.life(was.core) == was {
            self.wrong.lock().unwrap().push(format!("{what} failed at {was:?}: {said:?}"));
        }
    }

    /// Sends a write to any core until one acknowledges it.
    async fn write(&self, method: Method, path: &str, headers: &[(&str, &str)], body: &[u8]) -> (Life, Answer) {
        let until = Instant::now() + PATIENCE;
        loop {
            let wrong = || self.wrong.lock().unwrap().last().cloned();
            assert!(Instant::now() < until, "{method} {path} is never acknowledged: {:?}", wrong());
            let by = self.life(self.any_core());
            match self.caller.call(method.clone(), self.ports[by.core], path, headers, body.to_vec()).await {
                Ok(answer) if !answer.status.is_server_error() && self.life(by.core) == by => {
                    self.writes.fetch_add(1, Ordering::Relaxed);
                    return (by, answer);
                }
                failed => self.complain(by, &format!("{method} {path}"), &failed),
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Creates, edits and deletes as one person until all is over.
    pub async fn writer(&self, user: String) {
        let mut living: Vec<(String, u64)> = Vec::new();
        while !self.stopped() {
            let choice = rand::rng().random_range(0..10);
            if living.is_empty() || (choice < 4 && living.len() < LIVING) {
                living.push((self.create(&user).await, 1));
            } else if choice < 7 {
                let at = rand::rng().random_range(0..living.len());
                let (id, version) = &mut living[at];
                *version = self.edit(&user, id, *version).await;
            } else {
                let at = rand::rng().random_range(0..living.len());
                let (id, _) = living.swap_remove(at);
                self.delete(&user, &id).await;
            }
            let pause = rand::rng().random_range(5..60);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }

    async fn create(&self, user: &str) -> String {
        let key = IdempotencyKey::mint(clock::now(), &rand::random()).to_string();
        let headers = [("x-echoes-user", user), ("idempotency-key", &key), ("content-type", "application/json")];
        let body = json!({ "emotion": "proud", "transcript": "one" }).to_string();
        let (by, answer) = self.write(Method::POST, "/v1/echoes", &headers, body.as_bytes()).await;
        assert!(matches!(answer.status.as_u16(), 200 | 201), "{answer:?}");
        let id = answer.body["echoId"].as_str().unwrap().to_owned();
        self.history.created(&id, user, by);
        id
    }

    async fn edit(&self, user: &str, id: &str, version: u64) -> u64 {
        let seen = format!("\"{version}\"");
        let headers = [("x-echoes-user", user), ("if-match", &seen), ("content-type", "application/json")];
        let body = json!({ "transcript": format!("after version {version}") }).to_string();
        let path = format!("/v1/echoes/{id}");
        let (by, answer) = self.write(Method::PATCH, &path, &headers, body.as_bytes()).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        let version = answer.body["version"].as_u64().unwrap();
        self.history.edited(id, version, by);
        version
    }

    async fn delete(&self, user: &str, id: &str) {
        self.history.ending(id);
        let (by, answer) =
            self.write(Method::DELETE, &format!("/v1/echoes/{id}"), &[("x-echoes-user", user)], &[]).await;
        assert_eq!(answer.status, 204, "{answer:?}");
        self.history.deleted(id, by);
    }

    /// Reads lists and single echoes of any core until all is over, and judges every answer.
    pub async fn reader(&self, users: &[String]) {
        let mut last_seen: Vec<String> = Vec::new();
        while !self.stopped() {
            let user = users.choose(&mut rand::rng()).unwrap();
            let one = last_seen.choose(&mut rand::rng()).cloned();
            let (path, what) = match (rand::rng().random_range(0..4), &one) {
                (0, _) => (format!("/v1/users/{user}/echoes?limit=100"), What::Timeline(user)),
                (1, Some(id)) => (format!("/v1/echoes/{id}"), What::One(id)),
                (2, _) => ("/v1/echoes/recent?limit=100".to_owned(), What::Everything),
                _ => ("/v1/emotions/proud/echoes?limit=100".to_owned(), What::Everything),
            };
            let by = self.life(self.any_core());
            let read = Read { sent: Instant::now(), by, what };
            let answer = self.caller.get(self.ports[by.core], &path).await;
            let shown = match &answer {
                Ok(answer) if answer.status == 200 && answer.body["echoes"].is_array() => {
                    answer.body["echoes"].as_array().unwrap().clone()
                }
                Ok(answer) if answer.status == 200 => vec![answer.body.clone()],
                Ok(answer) if answer.status == 404 => Vec::new(),
                failed => {
                    self.complain(by, &path, failed);
                    tokio::time::sleep(PAUSE).await;
                    continue;
                }
            };
            // Of a core that died in between nothing is known.
            if self.life(by.core) == by {
                let status = &answer.unwrap().cache_status;
                self.wrong.lock().unwrap().extend(self.history.judge(&read, &shown, status));
                self.reads.fetch_add(1, Ordering::Relaxed);
            }
            if let Some(echo) = shown.choose(&mut rand::rng()) {
                last_seen.push(echo["echoId"].as_str().unwrap().to_owned());
                if last_seen.len() > 30 {
                    last_seen.remove(0);
                }
            }
            let pause = rand::rng().random_range(1..10);
            tokio::time::sleep(Duration::from_millis(pause)).await;
        }
    }
}
