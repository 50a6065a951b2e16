//! Without Redis one process serves a region: a second one refuses, and whoever is gone is replaced.

use std::time::Duration;

use echoes_core::store::{Holder, SoleLease, Store};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use crate::region::{LOCAL, Region};

/// A loaded machine's time for what needs no waiting; a lease lapses after ten seconds.
const AT_ONCE: Duration = Duration::from_secs(8);
/// A lease's time, and the same.
const LAPSED: Duration = Duration::from_secs(20);

/// A serving process and its log.
struct Serving {
    child: Child,
    log: Lines<BufReader<ChildStdout>>,
}

impl Serving {
    /// Starts one and waits until it says that it serves.
    async fn start(mut command: Command, within: Duration) -> Self {
        let mut child = command.spawn().unwrap();
        let log = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut serving = Self { child, log };
        serving.says("\"serving\"", within).await;
        serving
    }

    async fn says(&mut self, what: &str, within: Duration) {
        let waiting = async {
            while let Some(line) = self.log.next_line().await.unwrap() {
                if line.contains(what) {
                    return;
                }
            }
            panic!("it ended without a word of {what}");
        };
        timeout(within, waiting).await.unwrap_or_else(|_| panic!("it never said {what}"));
    }

    fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    async fn terminate(mut self) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().await.unwrap().success());
        let status = timeout(AT_ONCE, self.child.wait()).await.expect("it ends").unwrap();
        assert_eq!(status.code(), Some(0));
    }
}

/// It ends with one line on stderr that names the variable and the holder.
async fn refuses(mut command: Command, holder: &str) {
    let output = timeout(AT_ONCE, command.output()).await.expect("it ends by itself").unwrap();
    let said = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.contains("ECHOES_REDIS_URL") && said.contains(holder), "{said}");
}

/// The lease of a process of another host.
fn elsewhere(token: &str) -> SoleLease {
    let holder = Holder { host: "elsewhere boot pid:[1]".into(), pid: 4711, started: 1 };
    SoleLease { token: token.to_owned(), beat: 0, holder }
}

/// Renews the lease of another host for ever.
async fn renew(store: &Store, token: &str) -> ! {
    loop {
        let _ = store.renew_sole_lease(token).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_one_refuses_until_the_first_is_gone() {
    let region = Region::new().await;
    let serve = || region.program(&["serve"]);
    let first = Serving::start(serve(), AT_ONCE).await;
    refuses(serve(), &format!("process {}", first.pid())).await;
    refuses(region.program(&["serve", "--work"]), &format!("process {}", first.pid())).await;

    // Killed, it leaves its lease, and is known to be gone.
    let Serving { mut child, .. } = first;
    child.kill().await.unwrap();
    assert_eq!(region.items(LOCAL).await.len(), 1);
    let second = Serving::start(serve(), AT_ONCE).await;

    // Killed and not yet asked for its status, too.
    let pid = second.pid().to_string();
    assert!(Command::new("kill").args(["-KILL", &pid]).status().await.unwrap().success());
    let third = Serving::start(serve(), AT_ONCE).await;

    // Told to end, it gives the lease back.
    third.terminate().await;
    assert!(region.items(LOCAL).await.is_empty());
    Serving::start(serve(), AT_ONCE).await.terminate().await;
    drop(second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_many_that_start_at_once_one_serves() {
    let region = Region::new().await;
    let mut children: Vec<_> = (0..4).map(|_| region.program(&["serve"]).spawn().unwrap()).collect();
    let waiting = async {
        while children.iter_mut().filter_map(|child| child.try_wait().unwrap()).count() < 3 {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(LAPSED, waiting).await.expect("three refuse");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let codes: Vec<_> = children.iter_mut().filter_map(|child| child.try_wait().unwrap()?.code()).collect();
    assert_eq!(codes, [1, 1, 1], "and one serves");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_redis_two_serve_and_take_no_lease() {
    let region = Region::new().await;
    let serve = || {
        let mut command = region.program(&["serve"]);
        // Nobody listens there; that costs the shared tiers alone.
        command.env("ECHOES_REDIS_URL", "redis://127.0.0.1:1");
        command
    };
    let first = Serving::start(serve(), AT_ONCE).await;
    let second = Serving::start(serve(), AT_ONCE).await;
    assert!(region.items(LOCAL).await.is_empty());
    first.terminate().await;
    second.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hosts_lease_is_watched() {
    let region = Region::new().await;
    let store = region.store("eu-west-1");
    assert!(store.put_sole_lease(&elsewhere("living"), None).await.unwrap());
    tokio::select! {
        () = refuses(region.program(&["serve"]), "process 4711 on elsewhere") => {}
        never = renew(&store, "living") => never,
    }
    // Nobody renews it any more.
    let started = Instant::now();
    let serving = Serving::start(region.program(&["serve"]), LAPSED).await;
    assert!(started.elapsed() >= Duration::from_secs(10), "{:?}", started.elapsed());
    serving.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_keeps_nobody_from_starting_and_is_asked_later() {
    let mut region = Region::new().await;
    region.go_away().await;
    let serving = Serving::start(region.program(&["serve"]), AT_ONCE).await;
    region.come_back().await;
    let store = region.store("eu-west-1");
    let waiting = async {
        while store.sole_lease().await.unwrap().is_none() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    timeout(AT_ONCE, waiting).await.expect("it takes the lease then");
    serving.terminate().await;

    // Where another turns out to serve, it ends.
    assert!(store.put_sole_lease(&elsewhere("living"), None).await.unwrap());
    region.go_away().await;
    let Serving { child, log } = Serving::start(region.program(&["serve"]), AT_ONCE).await;
    region.come_back().await;
    let ended = async {
        let output = timeout(LAPSED, child.wait_with_output()).await.expect("it ends").unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(1), "{said}");
        assert!(said.contains("ECHOES_REDIS_URL") && said.contains("process 4711"), "{said}");
    };
    tokio::select! {
        () = ended => {}
        never = renew(&store, "living") => never,
    }
    drop(log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lease_that_is_lost_is_taken_again_and_serving_goes_on() {
    let region = Region::new().await;
    let store = region.store("eu-west-1");
    let mut serving = Serving::start(region.program(&["serve"]), AT_ONCE).await;
    let own = store.sole_lease().await.unwrap().unwrap();
    // As after a pause: another has taken it, and is gone since.
    assert!(retake(&store, &own).await);
    serving.says("\"ERROR\"", AT_ONCE).await;
    serving.says("alone again", LAPSED).await;
    assert_eq!(store.sole_lease().await.unwrap().unwrap().token, own.token);
    serving.terminate().await;
}

/// Puts another's lease over this one, whatever its beat has become.
async fn retake(store: &Store, own: &SoleLease) -> bool {
    for _ in 0..5 {
        let Some(now) = store.sole_lease().await.unwrap() else { return false };
        assert_eq!(now.token, own.token);
        if store.put_sole_lease(&elsewhere("brief"), Some(&now)).await.unwrap() {
            return true;
        }
    }
    false
}
