//! How far the projectors are, for those who wait and those who ask.
//!
//! The node that runs a projector knows its position from its own commits. On any other node one task reads the
//! checkpoints while somebody waits: at each hint, and every 50 ms in case a hint was lost. Waiters never poll the
//! database themselves, so a thousand of them cost as much as one.

use serde::Serialize;
use sqlx::postgres::PgListener;
use sqlx::{PgPool, Row};
use std::sync::Arc;
use std::time::Duration;
use store::Position;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Channel of the hints between nodes. A hint says that something was projected, nothing more.
const CHANNEL: &str = "clientela_projected";
const REREAD: Duration = Duration::from_millis(50);
const HINT_PAUSE: Duration = Duration::from_millis(10);
const RECONNECT: Duration = Duration::from_secs(1);

/// What a projector is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectorState {
    /// Another node runs it, or nobody does yet.
    Standby,
    /// It reads what happened before it was started.
    CatchingUp,
    /// It follows the log.
    Live,
    /// Its rows were made by an older version of this program: it leaves them alone until they are made again.
    Outdated,
    /// Its rows were made by a newer version of this program: it leaves them to the nodes that have it.
    Overtaken,
    /// It was told to pause.
    Paused,
    /// Something went wrong; it tries again.
    Retrying,
    /// It cannot get past a position. It tries again now and then.
    Failed,
    /// It was stopped.
    Stopped,
}

impl ProjectorState {
    /// Whether the rows are another build's, and left alone here.
    #[must_use]
    pub const fn is_of_another_build(self) -> bool {
        matches!(self, Self::Outdated | Self::Overtaken)
    }
}

/// Why a projector does not move.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectorError {
    /// The position it cannot get past.
    pub position: Position,
    /// The event there, when it is an event's fault.
    pub event_id: Option<String>,
    /// What is wrong; no personal data.
    pub reason: String,
}

/// How a projector is, for people and for `/health`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProjectorStatus {
    /// Name of the projector.
    pub name: &'static str,
    /// What its rows reflect.
    pub position: Position,
    /// Last position of the log.
    pub head: Position,
    /// How many events it is behind.
    pub lag: i64,
    /// What it is doing, as far as this node knows.
    pub state: ProjectorState,
    /// Which node runs it.
    pub owner: Option<Uuid>,
    /// What went wrong last, until it goes well again.
    pub error: Option<ProjectorError>,
}

/// A projection did not come to the position that was asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("projection {projector} is at position {reached}, not at {asked}")]
pub struct Behind {
    /// The first projector that is behind.
    pub projector: String,
    /// The position asked for.
    pub asked: Position,
    /// The position its rows reflect.
    pub reached: Position,
    /// Whether it has failed or was told to rest, so that waiting longer would not help.
    pub failed: bool,
}

/// What is known on this node of one projector.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Known {
    pub(crate) position: Position,
    pub(crate) state: ProjectorState,
    pub(crate) error: Option<ProjectorError>,
    /// Whether the runner of this node writes here; else the reader of checkpoints does.
    pub(crate) runs_here: bool,
}

/// One projector's progress, written by its runner.
#[derive(Debug)]
pub(crate) struct Progress {
    pub(crate) name: &'static str,
    known: watch::Sender<Known>,
    waiters: watch::Sender<usize>,
}

impl Progress {
    pub(crate) fn new(name: &'static str) -> Self {
        let known = Known { position: Position(0), state: ProjectorState::Standby, error: None, runs_here: false };
        Self { name, known: watch::Sender::new(known), waiters: watch::Sender::new(0) }
    }

    pub(crate) fn known(&self) -> Known {
        self.known.borrow().clone()
    }

    pub(crate) fn follow(&self) -> watch::Receiver<Known> {
        self.known.subscribe()
    }

    /// Follows how many wait on this node for this projector.
    pub(crate) fn waiters(&self) -> watch::Receiver<usize> {
        self.waiters.subscribe()
    }

    /// The runner begins at a position. What went wrong stays said until it goes well.
    pub(crate) fn starts(&self, position: Position) {
        self.gauge(position);
        self.known.send_modify(|known| {
            known.position = position;
            known.runs_here = true;
            if known.error.is_none() {
                known.state = ProjectorState::CatchingUp;
            }
        });
    }

    /// The runner has committed up to here.
    pub(crate) fn reached(&self, position: Position) {
        self.gauge(position);
        self.known.send_modify(|known| {
            known.position = position;
            if known.error.take().is_some() {
                known.state = ProjectorState::CatchingUp;
                self.has_failed(false);
            }
        });
    }

    /// The runner enters a state in which all is well.
    pub(crate) fn works(&self, state: ProjectorState) {
        self.has_failed(false);
        self.known.send_modify(|known| {
            known.state = state;
            known.error = None;
            known.runs_here = true;
        });
    }

    /// It was told to go on, and will in a moment: who waits for it may wait.
    pub(crate) fn goes_on(&self) {
        self.known.send_if_modified(|known| {
            let rests = known.state == ProjectorState::Paused;
            if rests {
                known.state = ProjectorState::Standby;
            }
            rests
        });
    }

    /// The runner rests: another node may work.
    pub(crate) fn rests(&self, state: ProjectorState) {
        self.has_failed(false);
        self.known.send_modify(|known| {
            known.state = state;
            known.error = None;
            known.runs_here = false;
        });
    }

    /// The runner cannot get on and leaves its place to other nodes. How they get on is read in the tables.
    pub(crate) fn gives_up(&self, error: ProjectorError) {
        self.has_failed(true);
        self.known.send_modify(|known| {
            known.state = ProjectorState::Standby;
            known.error = Some(error);
            known.runs_here = false;
        });
    }

    /// The runner met trouble and tries again.
    pub(crate) fn stumbled(&self, error: ProjectorError) {
        self.has_failed(false);
        self.known.send_modify(|known| {
            known.state = ProjectorState::Retrying;
            known.error = Some(error);
            known.runs_here = true;
        });
    }

    fn has_failed(&self, failed: bool) {
        metrics::gauge!("projector_failed", "projector" => self.name).set(f64::from(u8::from(failed)));
    }

    fn gauge(&self, position: Position) {
        metrics::gauge!("projector_position", "projector" => self.name).set(as_gauge(position.0));
    }

    /// What the checkpoints say of a projector that runs elsewhere.
    fn observed(&self, position: Position, error: Option<ProjectorError>) {
        self.known.send_if_modified(|known| {
            if known.runs_here || (known.position == position && known.error == error) {
                return false;
            }
            known.position = position;
            known.error = error;
            true
        });
    }
}

/// All projectors of this node, and who waits for them.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) projectors: Vec<Arc<Progress>>,
    pub(crate) pool: PgPool,
    waiters: watch::Sender<usize>,
    hint: Notify,
    projected: Notify,
}

/// A projector as the tables show it.
struct Observed {
    position: Position,
    owner: Option<Uuid>,
    error: Option<ProjectorError>,
}

impl Board {
    pub(crate) fn new(pool: PgPool, names: &[&'static str]) -> Self {
        Self {
            projectors: names.iter().map(|name| Arc::new(Progress::new(name))).collect(),
            pool,
            waiters: watch::Sender::new(0),
            hint: Notify::new(),
            projected: Notify::new(),
        }
    }

    /// Called by runners after each commit.
    pub(crate) fn committed(&self) {
        self.projected.notify_one();
    }

    pub(crate) async fn wait_for(&self, names: &[&str], asked: Position, patience: Duration) -> Result<(), Behind> {
        let deadline = tokio::time::Instant::now() + patience;
        let _waiter = Waiter::join(&self.waiters);
        for name in names {
            let Some(progress) = self.projectors.iter().find(|progress| progress.name == *name) else {
                return Err(Behind { projector: (*name).to_owned(), asked, reached: Position(0), failed: true });
            };
            let _waiter_here = Waiter::join(&progress.waiters);
            let mut known = progress.follow();
            let arrived = known.wait_for(|known| known.position >= asked || stands_still(known));
            let last = match tokio::time::timeout_at(deadline, arrived).await {
                Ok(Ok(arrived)) => arrived.clone(),
                Ok(Err(_)) | Err(_) => progress.known(),
            };
            if last.position < asked {
                let failed = stands_still(&last);
                return Err(Behind { projector: (*name).to_owned(), asked, reached: last.position, failed });
            }
        }
        Ok(())
    }

    /// The status of all, with what the tables say of those that run elsewhere.
    pub(crate) async fn status(&self, head: Option<Position>) -> Vec<ProjectorStatus> {
        let mut observed = self.read().await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the checkpoints could not be read");
            Vec::new()
        });
        self.projectors
            .iter()
            .map(|progress| {
                let found = observed.iter().position(|(name, _)| name == progress.name);
                status_of(progress, found.map(|at| observed.swap_remove(at).1), head)
            })
            .collect()
    }

    /// Reads the checkpoints while somebody waits.
    pub(crate) async fn observe(self: Arc<Self>, stop: CancellationToken) {
        let mut waiters = self.waiters.subscribe();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                waiting = waiters.wait_for(|count| *count > 0) => if waiting.is_err() { return },
            }
            if self.projectors.iter().any(|progress| !progress.known().runs_here) {
                match self.read().await {
                    Ok(observed) => self.tell(observed),
                    Err(error) => tracing::debug!(%error, "the checkpoints could not be read"),
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.hint.notified() => {}
                () = tokio::time::sleep(REREAD) => {}
            }
        }
    }

    fn tell(&self, observed: Vec<(String, Observed)>) {
        for (name, found) in observed {
            if let Some(progress) = self.projectors.iter().find(|progress| progress.name == name) {
                progress.observed(found.position, found.error);
            }
        }
    }

    async fn read(&self) -> Result<Vec<(String, Observed)>, sqlx::Error> {
        let names: Vec<&str> = self.projectors.iter().map(|progress| progress.name).collect();
        let rows = sqlx::query(include_str!("progress/observe.sql")).bind(names).fetch_all(&self.pool).await?;
        rows.iter()
            .map(|row| {
                let reason: Option<String> = row.try_get("error")?;
                let failed_at: Option<i64> = row.try_get("failed_position")?;
                let event_id = row.try_get("event_id")?;
                let error = reason.zip(failed_at).map(|(reason, at)| ProjectorError {
                    position: Position(at),
                    event_id,
                    reason,
                });
                let position = Position(row.try_get("position")?);
                Ok((row.try_get("projector")?, Observed { position, owner: row.try_get("owner")?, error }))
            })
            .collect()
    }

    /// Tells other nodes that something was projected: not more often than each 10 ms, on a connection of its own,
    /// because a NOTIFY holds a lock over all databases while its transaction commits.
    pub(crate) async fn send_hints(self: Arc<Self>, stop: CancellationToken) {
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = self.projected.notified() => {}
            }
            if let Err(error) = sqlx::query("select pg_notify($1, '')").bind(CHANNEL).execute(&self.pool).await {
                tracing::debug!(%error, "a hint could not be sent");
            }
            tokio::time::sleep(HINT_PAUSE).await;
        }
    }

    /// Listens for hints of other nodes.
    pub(crate) async fn hear_hints(self: Arc<Self>, stop: CancellationToken) {
        while !stop.is_cancelled() {
            tokio::select! {
                () = stop.cancelled() => return,
                heard = self.listen() => if let Err(error) = heard {
                    tracing::debug!(%error, "hints cannot be heard; waiters read every 50 ms");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(RECONNECT) => {}
            }
        }
    }

    async fn listen(&self) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&self.pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            listener.recv().await?;
            self.hint.notify_one();
        }
    }
}

fn status_of(progress: &Progress, observed: Option<Observed>, head: Option<Position>) -> ProjectorStatus {
    let known = progress.known();
    let owner = observed.as_ref().and_then(|found| found.owner);
    let (position, error) = match observed {
        Some(found) if !known.runs_here => (found.position, found.error),
        _ => (known.position, known.error.clone()),
    };
    let state = match known.state {
        ProjectorState::Standby if error.is_some() => ProjectorState::Failed,
        state => state,
    };
    let head = head.unwrap_or(position);
    let lag = (head.0 - position.0).max(0);
    metrics::gauge!("projector_lag_events", "projector" => progress.name).set(as_gauge(lag));
    ProjectorStatus { name: progress.name, position, head, lag, state, owner, error }
}

/// Whether it will not move soon: it cannot, or it was told to rest.
fn stands_still(known: &Known) -> bool {
    known.state == ProjectorState::Paused || (!known.runs_here && known.error.is_some())
}

#[expect(clippy::cast_precision_loss, reason = "gauges are floating-point numbers")]
fn as_gauge(number: i64) -> f64 {
    number as f64
}

/// Counts itself among the waiters while it lives.
struct Waiter<'a>(&'a watch::Sender<usize>);

impl<'a> Waiter<'a> {
    fn join(waiters: &'a watch::Sender<usize>) -> Self {
        waiters.send_modify(|count| *count += 1);
        Self(waiters)
    }
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.0.send_modify(|count| *count -= 1);
    }
}
