//! Which PostgreSQL processes work in a cluster, read from `/proc`.
//!
//! Neither a pid file nor `kill(pid, 0)` can tell: pids are used again, and a zombie still looks
//! alive. Each PostgreSQL process has the cluster as its working folder, and a zombie has none.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::error::EmbeddedError;

/// How often `/proc` is read while waiting.
const POLL: Duration = Duration::from_millis(20);

/// Live PostgreSQL processes whose working folder is `cluster`.
pub(super) fn working_in(cluster: &Path) -> Vec<Pid> {
    let Ok(cluster) = cluster.canonicalize() else { return Vec::new() };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter(|entry| works_in(&entry.path(), &cluster)).filter_map(|entry| pid_of(&entry.path())).collect()
}

/// Whether a process of this pid exists, zombies included: what PostgreSQL itself asks of its pid file.
pub(super) fn exists(pid: i32) -> bool {
    kill(Pid::from_raw(pid), None) != Err(nix::errno::Errno::ESRCH)
}

/// Ends what is left of an earlier PostgreSQL: politely, then at once, then by force.
///
/// The caller holds the instance lock, so nobody else may be running this cluster.
pub(super) fn end_leftovers(cluster: &Path) -> Result<(), EmbeddedError> {
    let steps = [
        (Signal::SIGINT, Duration::from_secs(60)), // fast shutdown, with its checkpoint
        (Signal::SIGQUIT, Duration::from_secs(10)),
        (Signal::SIGKILL, Duration::from_secs(5)),
    ];
    for (signal, patience) in steps {
        let pids = working_in(cluster);
        if pids.is_empty() {
            return Ok(());
        }
        tracing::warn!(?pids, %signal, "ending PostgreSQL processes left by an earlier run");
        signal_leftovers(&pids, signal);
        wait_until_gone(cluster, patience);
    }
    match working_in(cluster) {
        pids if pids.is_empty() => Ok(()),
        pids => {
            let pids = pids.iter().map(|pid| pid.as_raw().unsigned_abs()).collect();
            Err(EmbeddedError::StillRunning { cluster: cluster.to_path_buf(), pids })
        }
    }
}

/// SIGINT is for the postmaster only: its children would take it as "cancel the statement".
fn signal_leftovers(pids: &[Pid], signal: Signal) {
    for &pid in pids {
        let is_child = parent_of(pid).is_some_and(|parent| pids.contains(&parent));
        if signal != Signal::SIGINT || !is_child {
            // It may have ended in the meantime, which is what is wanted.
            let _sent = kill(pid, signal);
        }
    }
}

fn wait_until_gone(cluster: &Path, patience: Duration) {
    let started = Instant::now();
    while started.elapsed() < patience && !working_in(cluster).is_empty() {
        std::thread::sleep(POLL);
    }
}

fn works_in(process: &Path, cluster: &Path) -> bool {
    // The working folder alone could be an operator's shell.
    fs::read_link(process.join("cwd")).is_ok_and(|folder: PathBuf| folder == cluster)
        && fs::read_to_string(process.join("comm")).is_ok_and(|name| matches!(name.trim_end(), "postgres" | "initdb"))
}

fn pid_of(process: &Path) -> Option<Pid> {
    process.file_name()?.to_str()?.parse().ok().map(Pid::from_raw)
}

/// The fourth field of `stat`, after the name in brackets, which may itself hold spaces and brackets.
fn parent_of(pid: Pid) -> Option<Pid> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    fields.split(' ').nth(1)?.parse().ok().map(Pid::from_raw)
}
