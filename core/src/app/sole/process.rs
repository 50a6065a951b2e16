//! Which process this is, and whether another of the same host is gone. Only Linux tells; elsewhere nobody is known to be gone.

use std::fs;

use crate::store::Holder;

/// This process.
pub(super) fn own() -> Holder {
    let pid = std::process::id();
    match (host(), running(pid)) {
        (Some(host), Some(started)) => Holder { host, pid, started },
        _ => Holder { host: String::new(), pid, started: 0 },
    }
}

/// Whether `holder` ran on this host and does not any more: it was killed, and need not be waited for.
pub(super) fn is_gone(holder: &Holder) -> bool {
    host().is_some_and(|host| host == holder.host) && running(holder.pid) != Some(holder.started)
}

/// The name for people, then what makes it certain: the boot, and the set of process numbers, which every container has of
/// its own.
fn host() -> Option<String> {
    let name = fs::read_to_string("/proc/sys/kernel/hostname").ok()?;
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?;
    let numbers = fs::read_link("/proc/self/ns/pid").ok()?;
    Some(format!("{} {} {}", name.trim(), boot.trim(), numbers.display()))
}

/// When the process of this number started, where there is one that has not ended.
fn running(pid: u32) -> Option<u64> {
    started(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
}

/// The start in ticks since boot; none for a process that has ended and was not yet asked for its status.
/// <https://man7.org/linux/man-pages/man5/proc_pid_stat.5.html>, fields 3 and 22
fn started(stat: &str) -> Option<u64> {
    // The second field is a name in brackets, which may hold spaces and brackets.
    let (_, fields) = stat.rsplit_once(") ")?;
    let mut fields = fields.split(' ');
    let state = fields.next()?;
    if matches!(state, "Z" | "X" | "x") {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_that_runs_is_not_gone_and_one_of_another_host_never_is() {
        let own = own();
        assert!(!is_gone(&own));
        assert!(is_gone(&Holder { started: own.started + 1, ..own.clone() }), "its number was used again");
        assert!(is_gone(&Holder { pid: u32::MAX, ..own.clone() }));
        assert!(!is_gone(&Holder { host: "elsewhere".into(), pid: u32::MAX, ..own.clone() }));
        assert!(!is_gone(&Holder { host: String::new(), pid: u32::MAX, started: 0 }));
    }

    #[test]
    fn a_start_is_read_past_any_name() {
        let stat =
            |state: &str| format!("42 (a ) R (x) {state} 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 777 20 21\n");
        assert_eq!(started(&stat("S")), Some(777));
        assert_eq!(started(&stat("Z")), None);
        assert_eq!(started("42 (a) S 1"), None);
        assert_eq!(started(""), None);
    }
}
