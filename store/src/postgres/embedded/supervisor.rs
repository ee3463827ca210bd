//! The thread that starts PostgreSQL, waits for its end, and starts it again.
//!
//! It is a thread of its own, not a task, because PostgreSQL gets its signal when the *thread* that
//! started it ends. It lives as long as PostgreSQL does.

use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::sync::{oneshot, watch};

use super::EmbeddedConfig;
use super::cluster::Blueprint;
use super::error::EmbeddedError;
use super::folders::Folders;
use super::instance_lock::InstanceLock;

/// How often a starting PostgreSQL is asked whether it is ready.
const POLL: Duration = Duration::from_millis(5);
/// Pause before a second attempt; doubled up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_secs(10);
/// Who ran for so long is started again at once.
const SETTLED: Duration = Duration::from_secs(30);

/// How the private PostgreSQL is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// Not yet up.
    Starting,
    /// Accepts connections.
    Ready {
        /// The postmaster.
        pid: u32,
    },
    /// Ended by itself; being started again.
    Restarting,
    /// Stopped for good.
    Stopped,
}

/// Owns the thread and, through it, PostgreSQL.
#[derive(Debug)]
pub(super) struct Supervisor {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Supervisor {
    /// Starts PostgreSQL and waits until it is ready. Dropping the future stops it again.
    pub(super) async fn start(config: EmbeddedConfig) -> Result<(PathBuf, Self), EmbeddedError> {
        let shared = Arc::new(Shared::new());
        let (tell, verdict) = oneshot::channel();
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new().name("postgres".to_owned()).spawn(move || {
            run(&config, &theirs, tell);
            theirs.finish();
        });
        let thread = thread.map_err(|source| EmbeddedError::Io {
            action: "start a thread for",
            path: "postgres".into(),
            source,
        })?;
        let supervisor = Self { shared, thread: Some(thread) };
        let socket_dir = verdict.await.unwrap_or(Err(EmbeddedError::Interrupted))?;
        Ok((socket_dir, supervisor))
    }

    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.shared.status.subscribe()
    }

    pub(super) fn pid(&self) -> Option<u32> {
        self.shared.state().postmaster.as_ref().map(Child::id)
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        let steps = [
            (Signal::SIGINT, Duration::from_secs(60)), // fast shutdown, with its checkpoint
            (Signal::SIGQUIT, Duration::from_secs(10)), // the next start recovers
            (Signal::SIGKILL, Duration::from_secs(5)),
        ];
        let finished = steps.into_iter().any(|(signal, patience)| {
            self.shared.request_stop(signal);
            self.shared.wait_until_finished(patience)
        });
        if let (true, Some(thread)) = (finished, self.thread.take()) {
            // A panic in there has been reported by the thread itself.
            let _joined = thread.join();
        }
    }
}

/// What the thread does.
fn run(config: &EmbeddedConfig, shared: &Shared, tell: oneshot::Sender<Result<PathBuf, EmbeddedError>>) {
    let started = prepare(config).and_then(|(blueprint, mut lock)| {
        launch(&blueprint, shared)?;
        lock.announce(&blueprint.socket_dir)?;
        Ok((blueprint, lock))
    });
    match started {
        Ok((blueprint, _lock)) => {
            if tell.send(Ok(blueprint.socket_dir.clone())).is_err() {
                shared.request_stop(Signal::SIGINT); // nobody waits for it any more
            }
            supervise(&blueprint, shared);
            blueprint.folders.discard_short(&blueprint.socket_dir);
        }
        Err(error) => {
            shared.request_stop(Signal::SIGINT);
            shared.wait_for_exit();
            // Nobody to tell: the future was dropped.
            let _told = tell.send(Err(error));
        }
    }
}

/// Takes the cluster and makes it if there is none.
fn prepare(config: &EmbeddedConfig) -> Result<(Blueprint, InstanceLock), EmbeddedError> {
    let begun = Instant::now();
    let folders = Folders::prepare(&config.data_dir)?;
    let lock = InstanceLock::take(&folders.lock(), &folders.data_dir)?;
    let blueprint = Blueprint::draw(config, folders)?;
    if blueprint.make_cluster()? {
        let milliseconds = elapsed_ms(begun);
        tracing::info!(milliseconds, version = blueprint.major(), "made a PostgreSQL cluster in the data folder");
    }
    blueprint.configure()?;
    Ok((blueprint, lock))
}

/// Starts PostgreSQL and waits until it accepts connections. Recovery may take its time.
fn launch(blueprint: &Blueprint, shared: &Shared) -> Result<(), EmbeddedError> {
    let begun = Instant::now();
    blueprint.clear_leftovers()?;
    let mut command = blueprint.postmaster()?;
    let log_length = blueprint.log_length();
    let pid = shared.adopt(|| {
        let spawned = command.spawn();
        spawned.map_err(|source| EmbeddedError::Io { action: "run", path: blueprint.postgres(), source })
    })?;
    while !blueprint.is_ready(pid) {
        if let Some(status) = shared.has_exited() {
            if shared.state().stopping {
                return Err(EmbeddedError::Interrupted);
            }
            let (log_file, log) = (blueprint.folders.log_file(), blueprint.log_since(log_length));
            return Err(EmbeddedError::StartFailed { status: status.to_string(), log_file, log });
        }
        std::thread::sleep(POLL);
    }
    shared.status.send_replace(Status::Ready { pid });
    tracing::info!(pid, milliseconds = elapsed_ms(begun), "the private PostgreSQL accepts connections");
    Ok(())
}

/// Starts PostgreSQL again whenever it ends, until it is told to stop.
fn supervise(blueprint: &Blueprint, shared: &Shared) {
    let mut pause = Duration::ZERO;
    loop {
        let ready = Instant::now();
        let status = shared.wait_for_exit();
        if shared.state().stopping {
            return;
        }
        shared.status.send_replace(Status::Restarting);
        let status = status.map_or_else(|| "unknown".to_owned(), |status| status.to_string());
        tracing::error!(%status, "the private PostgreSQL ended by itself; starting it again");
        if ready.elapsed() > SETTLED {
            pause = Duration::ZERO;
        }
        if !relaunch(blueprint, shared, &mut pause) {
            return;
        }
    }
}

/// Tries until PostgreSQL is up (true) or it is told to stop (false).
fn relaunch(blueprint: &Blueprint, shared: &Shared, pause: &mut Duration) -> bool {
    loop {
        if shared.stops_within(*pause) {
            return false;
        }
        *pause = (*pause * 2).clamp(PAUSE_FIRST, PAUSE_LONGEST);
        match launch(blueprint, shared) {
            Ok(()) => return true,
            Err(EmbeddedError::Interrupted) => return false,
            Err(error) => {
                let milliseconds = u64::try_from(pause.as_millis()).unwrap_or(u64::MAX);
                tracing::error!(%error, milliseconds, "the private PostgreSQL does not start; trying again");
            }
        }
    }
}

fn elapsed_ms(since: Instant) -> u64 {
    u64::try_from(since.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// What the thread and the owner of the handle share.
#[derive(Debug)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    status: watch::Sender<Status>,
}

#[derive(Debug)]
struct State {
    /// Reaped under the lock only, so that a signal never reaches a stranger with the same pid.
    postmaster: Option<Child>,
    stopping: bool,
    finished: bool,
}

impl Shared {
    fn new() -> Self {
        let state = State { postmaster: None, stopping: false, finished: false };
        Self { state: Mutex::new(state), changed: Condvar::new(), status: watch::Sender::new(Status::Starting) }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Starts the postmaster unless a stop has been asked for.
    fn adopt(&self, spawn: impl FnOnce() -> Result<Child, EmbeddedError>) -> Result<u32, EmbeddedError> {
        let mut state = self.state();
        if state.stopping {
            return Err(EmbeddedError::Interrupted);
        }
        let child = spawn()?;
        let pid = child.id();
        state.postmaster = Some(child);
        Ok(pid)
    }

    /// How the postmaster ended, if it has.
    fn has_exited(&self) -> Option<ExitStatus> {
        let mut state = self.state();
        let status = state.postmaster.as_mut()?.try_wait().ok().flatten()?;
        state.postmaster = None;
        Some(status)
    }

    /// Waits for the end of the postmaster; at once if there is none.
    fn wait_for_exit(&self) -> Option<ExitStatus> {
        let pid = self.state().postmaster.as_ref().map(Child::id)?;
        let pid = Pid::from_raw(i32::try_from(pid).ok()?);
        while waitid(Id::Pid(pid), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) == Err(Errno::EINTR) {}
        let mut child = self.state().postmaster.take()?;
        child.wait().ok()
    }

    fn request_stop(&self, signal: Signal) {
        let mut state = self.state();
        state.stopping = true;
        if let Some(pid) = state.postmaster.as_ref().and_then(|child| i32::try_from(child.id()).ok()) {
            // Not yet reaped, so the pid is still its own.
            let _sent = kill(Pid::from_raw(pid), signal);
        }
        self.changed.notify_all();
    }

    /// Sleeps for the pause; true, and at once, when a stop is asked for.
    fn stops_within(&self, pause: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), pause, |state| !state.stopping);
        waited.unwrap_or_else(PoisonError::into_inner).0.stopping
    }

    fn wait_until_finished(&self, patience: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.state(), patience, |state| !state.finished);
        waited.unwrap_or_else(PoisonError::into_inner).0.finished
    }

    fn finish(&self) {
        self.status.send_replace(Status::Stopped);
        self.state().finished = true;
        self.changed.notify_all();
    }
}
