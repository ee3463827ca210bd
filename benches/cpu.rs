//! Processor time: of this process, and of PostgreSQL by kind of process.

use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeValLike;
use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

/// One tick of `/proc/<pid>/stat` on Linux (`USER_HZ` is 100 on every architecture).
const TICK: Duration = Duration::from_millis(10);

/// Processor time used up to a moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Cpu {
    own: Duration,
    postgres: BTreeMap<String, Duration>,
}

impl Cpu {
    /// What this process and the PostgreSQL under `postmaster` have used so far.
    pub(crate) fn now(postmaster: u32) -> Self {
        let mut postgres = BTreeMap::new();
        for pid in processes() {
            let Some(stat) = Stat::of(pid) else { continue };
            if stat.parent == postmaster {
                *postgres.entry(title(pid)).or_default() += stat.own;
            } else if pid == postmaster {
                *postgres.entry("postmaster and those that ended".to_owned()).or_default() += stat.own + stat.children;
            }
        }
        Self { own: own(), postgres }
    }

    /// What was used since an earlier moment.
    pub(crate) fn since(&self, earlier: &Self) -> Self {
        let less = |(name, now): (&String, &Duration)| {
            let before = earlier.postgres.get(name).copied().unwrap_or_default();
            (name.clone(), now.saturating_sub(before))
        };
        Self { own: self.own.saturating_sub(earlier.own), postgres: self.postgres.iter().map(less).collect() }
    }

    pub(crate) fn own(&self) -> Duration {
        self.own
    }

    pub(crate) fn postgres(&self) -> Duration {
        self.postgres.values().sum()
    }

    /// PostgreSQL's part by kind of process, the busiest first; what used nothing is left out.
    pub(crate) fn by_process(&self) -> Vec<(&str, Duration)> {
        let mut parts: Vec<_> = self.postgres.iter().map(|(name, used)| (name.as_str(), *used)).collect();
        parts.retain(|(_, used)| !used.is_zero());
        parts.sort_by_key(|(_, used)| std::cmp::Reverse(*used));
        parts
    }
}

/// The processor time of this process.
pub(crate) fn own() -> Duration {
    let usage = getrusage(UsageWho::RUSAGE_SELF).expect("a process may ask for its own usage");
    let micros = usage.user_time().num_microseconds() + usage.system_time().num_microseconds();
    Duration::from_micros(micros.unsigned_abs())
}

/// The processor time of a process with one thread, to the nanosecond (the first field of `schedstat`).
pub(crate) fn of_thread(pid: i32) -> Duration {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat")).unwrap_or_default();
    let nanoseconds = text.split(' ').next().and_then(|field| field.parse().ok());
    Duration::from_nanos(nanoseconds.unwrap_or_default())
}

/// The processor time of the calling thread.
pub(crate) fn of_this_thread() -> Duration {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    Duration::from_nanos(text.split(' ').next().and_then(|field| field.parse().ok()).unwrap_or_default())
}

struct Stat {
    parent: u32,
    own: Duration,
    children: Duration,
}

impl Stat {
    fn of(pid: u32) -> Option<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name in parentheses may hold blanks; what follows is numbers: state, parent, … (proc_pid_stat(5)).
        let fields: Vec<&str> = text.rsplit_once(") ")?.1.split(' ').collect();
        let ticks = |index: usize| -> Option<Duration> { Some(TICK * fields.get(index)?.parse::<u32>().ok()?) };
        Some(Self {
            parent: fields.get(1)?.parse().ok()?,
            own: ticks(11)? + ticks(12)?,
            children: ticks(13)? + ticks(14)?,
        })
    }
}

fn processes() -> impl Iterator<Item = u32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// `postgres: clientela: clientela_engine log [local] idle` → `clientela_engine log`.
fn title(pid: u32) -> String {
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let name = line.trim_end_matches('\0').trim_start_matches("postgres: clientela: ").trim();
    name.split(" [local]").next().unwrap_or(name).to_owned()
}
