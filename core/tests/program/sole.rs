//! Without Redis one process serves a region: none starts beside it, nor it beside others, and whoever is gone is replaced.

use std::time::Duration;

use echoes_core::store::{Holder, SoleLease, Store};
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};
use tokio::time::{Instant, timeout};

use crate::region::{LOCAL, NO_REDIS, Region};

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

/// A core with Redis. Nobody listens there; that costs the shared tiers alone.
fn with_redis(region: &Region) -> Command {
    let mut command = plain(region);
    command.env("ECHOES_REDIS_URL", NO_REDIS);
    command
}

/// A core without Redis.
fn plain(region: &Region) -> Command {
    region.program(&["serve"])
}

/// The lease of a process of another host.
fn elsewhere(token: &str) -> SoleLease {
    let holder = Holder { host: "elsewhere boot pid:[1]".into(), pid: 4711, started: 1 };
    SoleLease { token: token.to_owned(), beat: 0, holder, several: false }
}

/// Renews the lease of another host for ever.
async fn renew(store: &Store, token: &str) -> ! {
    let lease = elsewhere(token);
    loop {
        let _ = store.renew_sole_lease(&lease).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_one_refuses_until_the_first_is_gone() {
    let region = Region::new().await;
    let serve = || plain(&region);
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
    let mut children: Vec<_> = (0..4).map(|_| plain(&region).spawn().unwrap()).collect();
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
async fn with_redis_two_serve_and_one_without_waits_for_both_to_go() {
    let region = Region::new().await;
    let first = Serving::start(with_redis(&region), AT_ONCE).await;
    let second = Serving::start(with_redis(&region), AT_ONCE).await;
    refuses(plain(&region), "with ECHOES_REDIS_URL, which this process lacks").await;

    // Whichever of the two renewed the lease last, the other still does.
    let Serving { mut child, .. } = first;
    child.kill().await.unwrap();
    refuses(plain(&region), &format!("process {}", second.pid())).await;
    second.terminate().await;
    let started = Instant::now();
    let alone = Serving::start(plain(&region), LAPSED).await;
    assert!(started.elapsed() >= Duration::from_secs(9), "{:?}", started.elapsed());

    // The other way round.
    refuses(with_redis(&region), &format!("process {}", alone.pid())).await;
    alone.terminate().await;
    Serving::start(with_redis(&region), AT_ONCE).await.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn redis_is_switched_on_and_off_without_a_wait_on_one_host() {
    let region = Region::new().await;
    for commands in [[with_redis, plain], [plain, with_redis], [with_redis, with_redis]] {
        for command in commands {
            let Serving { mut child, .. } = Serving::start(command(&region), AT_ONCE).await;
            child.kill().await.unwrap();
        }
    }
    // Told to end, too.
    for command in [with_redis, plain, with_redis, with_redis, plain] {
        Serving::start(command(&region), AT_ONCE).await.terminate().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hosts_lease_is_watched() {
    let region = Region::new().await;
    let store = region.store("eu-west-1");
    assert!(store.put_sole_lease(&elsewhere("living"), None).await.unwrap());
    tokio::select! {
        () = refuses(plain(&region), "process 4711 on elsewhere") => {}
        never = renew(&store, "living") => never,
    }
    // Nobody renews it any more.
    let started = Instant::now();
    let serving = Serving::start(plain(&region), LAPSED).await;
    assert!(started.elapsed() >= Duration::from_secs(10), "{:?}", started.elapsed());
    serving.terminate().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_hosts_core_keeps_one_of_the_other_kind_from_starting() {
    for (token, command) in [(SoleLease::SHARED, plain as fn(&Region) -> Command), ("living", with_redis)] {
        let region = Region::new().await;
        let store = region.store("eu-west-1");
        assert!(store.put_sole_lease(&elsewhere(token), None).await.unwrap());
        tokio::select! {
            () = refuses(command(&region), "process 4711 on elsewhere") => {}
            never = renew(&store, token) => never,
        }
        Serving::start(command(&region), LAPSED).await.terminate().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_is_away_keeps_nobody_from_starting_and_is_asked_later() {
    let mut region = Region::new().await;
    region.go_away().await;
    let serving = Serving::start(plain(&region), AT_ONCE).await;
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
    let Serving { child, log } = Serving::start(plain(&region), AT_ONCE).await;
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
    let mut serving = Serving::start(plain(&region), AT_ONCE).await;
    let own = store.sole_lease().await.unwrap().unwrap();
    // As after a pause: another has taken it, and is gone since.
    assert!(retake(&store, &own).await);
    serving.says("\"ERROR\"", AT_ONCE).await;
    serving.says("held again", LAPSED).await;
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
