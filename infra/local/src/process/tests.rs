//! Shells in the place of servers: ended, hung, killed, left behind.

use super::*;

fn shell(script: &str) -> (Process, mpsc::Receiver<Death>) {
    let (sender, receiver) = mpsc::channel(1);
    let spec = Spec { program: "sh".into(), args: vec!["-c".to_owned(), script.to_owned()], env: None };
    let process = Process::new("test".to_owned(), spec, Console::new(), sender);
    (process, receiver)
}

#[tokio::test]
async fn a_death_is_reported_with_the_last_lines() {
    let (process, mut deaths) = shell("sleep 0.2; echo one; echo two >&2; exit 3");
    process.start().unwrap();
    process.watch_over().unwrap();
    let death = deaths.recv().await.unwrap();
    assert_eq!(death.name, "test");
    assert!(death.status.contains('3'), "{}", death.status);
    let mut lines = death.last_lines;
    lines.sort();
    assert_eq!(lines, ["one", "two"]);
}

#[tokio::test]
async fn a_stop_ends_the_whole_group_and_is_no_death() {
    let (process, mut deaths) = shell("sleep 600 & sleep 600");
    process.start().unwrap();
    process.watch_over().unwrap();
    process.hang();
    process.stop(Duration::from_secs(5)).await;
    drop(process);
    assert!(deaths.recv().await.is_none());
}

#[tokio::test]
async fn what_ignores_a_request_to_stop_is_killed() {
    let (process, mut deaths) = shell("trap '' TERM; while true; do sleep 1; done");
    process.start().unwrap();
    process.watch_over().unwrap();
    process.stop(Duration::from_millis(300)).await;
    drop(process);
    assert!(deaths.recv().await.is_none());
}

#[tokio::test]
async fn a_run_to_the_end_tells_failure_from_success() {
    let limit = Duration::from_secs(5);
    let run = async |script| {
        let (process, _deaths) = shell(script);
        process.start().unwrap();
        process.finish(limit).await
    };
    assert!(run("exit 0").await.is_ok());
    let error = run("echo why; exit 1").await.unwrap_err();
    assert!(error.to_string().ends_with("why"), "{error}");
}

#[tokio::test]
async fn what_the_dead_left_behind_is_killed_at_once() {
    // The one left behind holds the pipe: it closes when that one is gone.
    let (process, _deaths) = shell("sleep 600 & echo left; exit 0");
    let begun = tokio::time::Instant::now();
    process.start().unwrap();
    process.finish(Duration::from_secs(5)).await.unwrap();
    assert!(!process.lives());
    assert!(begun.elapsed() < Duration::from_secs(5));
    process.stop(Duration::from_secs(5)).await;
}

#[tokio::test]
async fn a_stop_that_was_given_up_is_taken_up_again() {
    let folder = tempfile::tempdir().unwrap();
    let deaf = folder.path().join("deaf");
    let script = format!("trap '' TERM; : >'{}'; while true; do sleep 1; done", deaf.display());
    let (process, _deaths) = shell(&script);
    process.start().unwrap();
    while !deaf.exists() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(timeout(Duration::from_millis(50), process.stop(Duration::from_secs(60))).await.is_err());
    assert!(process.lives());
    process.stop(Duration::from_millis(50)).await;
    assert!(!process.lives());
}

#[tokio::test]
async fn what_is_closed_does_not_start() {
    let (process, _deaths) = shell("sleep 600");
    process.start().unwrap();
    assert!(process.start().is_err(), "once is enough");
    process.close(Duration::from_secs(5)).await;
    assert!(process.start().is_err());
    assert!(!process.lives());
}

#[test]
fn debug_output_names_variables_and_keeps_their_values() {
    let env = Some(vec![("AWS_SECRET_ACCESS_KEY".to_owned(), "hush".to_owned())]);
    let text = format!("{:?}", Spec { program: "sh".into(), args: Vec::new(), env });
    assert!(text.contains("AWS_SECRET_ACCESS_KEY") && !text.contains("hush"), "{text}");
}
