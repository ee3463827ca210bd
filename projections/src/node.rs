//! All projectors of one node.
//!
//! Any number of nodes may run this on one database: each projector has one owner at a time, by lease.

use crate::control::{Control, SkipError};
use crate::overview::{self, ProjectionOverview};
use crate::progress::{Behind, Board, ProjectorStatus};
use crate::read_model::ReadModel;
use crate::rebuild::{self, Purpose, RebuildError, Rebuilt, Site, Tell};
use crate::runner::{Pace, Runner, Surroundings};
use futures::FutureExt;
use futures::future::BoxFuture;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use store::consumer::{Leases, Running};
use store::postgres::{Database, Pools};
use store::{EventStore, Position, StoreError};
use tokio::sync::watch;
use tokio::time::Instant;
use uuid::Uuid;

type Rebuilding = BoxFuture<'static, Result<Rebuilt, RebuildError>>;

/// A projector that can be run.
#[derive(Debug, Clone, Copy)]
pub struct Projector {
    /// Its name, for ever.
    pub name: &'static str,
    /// Version of its fold.
    pub version: i32,
    /// Tables it owns.
    pub tables: &'static [&'static str],
    /// Event types it handles.
    pub handles: &'static [&'static str],
    /// Columns that hold what identifies a person.
    pub personal: &'static [&'static str],
    pub(crate) tables_sql: &'static str,
    pub(crate) indexes_sql: &'static str,
    run: fn(Surroundings) -> BoxFuture<'static, ()>,
    rebuild: fn(Site, Purpose, Arc<Tell>) -> Rebuilding,
}

impl Projector {
    /// The projector of a read model.
    #[must_use]
    pub fn of<M: ReadModel>() -> Self {
        Self {
            name: M::NAME,
            version: M::VERSION,
            tables: M::TABLES,
            handles: M::HANDLES,
            tables_sql: M::TABLES_SQL,
            indexes_sql: M::INDEXES_SQL,
            personal: M::PERSONAL,
            run: |around| Runner::<M>::new(around).run().boxed(),
            rebuild: |site, purpose, tell| rebuild::rebuild::<M>(site, purpose, tell).boxed(),
        }
    }

    /// Makes its rows again from the log, beside the live ones.
    ///
    /// # Errors
    /// As [`RebuildError`] says; the live rows are as they were.
    pub async fn rebuild(
        &self,
        database: &Database,
        store: Arc<dyn EventStore>,
        purpose: Purpose,
        tell: Arc<Tell>,
    ) -> Result<Rebuilt, RebuildError> {
        (self.rebuild)(Site { database: database.clone(), store }, purpose, tell).await
    }
}

/// The projectors of this node, running.
pub struct Projections {
    store: Arc<dyn EventStore>,
    board: Arc<Board>,
    paused: watch::Sender<bool>,
    control: Arc<Control>,
    running: Running,
}

impl fmt::Debug for Projections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Projections").field("board", &self.board).finish_non_exhaustive()
    }
}

impl Projections {
    /// Starts all projectors of this build. `node` names this run of this node: another id at each start.
    #[must_use]
    pub fn start(pools: &Pools, store: Arc<dyn EventStore>, node: Uuid) -> Self {
        Self::start_with(&crate::projectors(), pools, store, node, Pace::default())
    }

    /// Starts some projectors at a pace of their own.
    #[must_use]
    pub fn start_with(
        projectors: &[Projector],
        pools: &Pools,
        store: Arc<dyn EventStore>,
        node: Uuid,
        pace: Pace,
    ) -> Self {
        let names: Vec<&'static str> = projectors.iter().map(|projector| projector.name).collect();
        let board = Arc::new(Board::new(pools.engine.clone(), &names));
        let paused = watch::Sender::new(false);
        let running = Running::default();
        let stop = running.stop();
        let control = Arc::new(Control::new(pools.engine.clone(), &names));
        let leases = Leases::keep(pools.engine.clone(), node, &names);
        let runners = projectors.iter().zip(&board.projectors).filter_map(|(projector, progress)| {
            let around = Surroundings {
                pool: pools.engine.clone(),
                store: Arc::clone(&store),
                lease: leases.of(projector.name)?,
                candidacy: leases.candidacy(projector.name),
                paused: paused.subscribe(),
                orders: control.orders_of(projector.name)?,
                stop: stop.clone(),
                board: Arc::clone(&board),
                progress: Arc::clone(progress),
                pace,
            };
            Some(tokio::spawn((projector.run)(around)))
        });
        let helpers = [
            tokio::spawn(Arc::clone(&control).follow(stop.clone())),
            tokio::spawn(Arc::clone(&board).observe(stop.clone())),
            tokio::spawn(Arc::clone(&board).send_hints(stop.clone())),
            tokio::spawn(Arc::clone(&board).hear_hints(stop.clone())),
        ];
        let tasks = runners.chain(helpers).collect();
        running.begin(leases, tasks);
        Self { store, board, paused, control, running }
    }

    /// How each projector is.
    pub async fn status(&self) -> Vec<ProjectorStatus> {
        let head = match self.store.head().await {
            Ok(head) => Some(head),
            Err(error) => {
                tracing::warn!(%error, "the head of the log could not be read");
                None
            }
        };
        self.board.status(head).await
    }

    /// How each projector is on all nodes, for its operators.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn overview(&self) -> Result<(Position, Vec<ProjectionOverview>), StoreError> {
        let head = self.store.head().await?;
        Ok((head, overview::read(&self.board, head).await?))
    }

    /// The names of the projectors of this node.
    pub fn names(&self) -> impl Iterator<Item = &'static str> {
        self.board.projectors.iter().map(|progress| progress.name)
    }

    /// Lets a projector rest, on all nodes and over restarts, until [`Self::resume_projector`].
    ///
    /// # Errors
    /// When the database is away.
    pub async fn pause_projector(&self, projector: &str, by: &str) -> Result<(), StoreError> {
        self.control.pause(projector, by).await
    }

    /// Ends the rest of a projector.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn resume_projector(&self, projector: &str) -> Result<(), StoreError> {
        self.control.resume(projector).await?;
        self.board
            .projectors
            .iter()
            .filter(|progress| progress.name == projector)
            .for_each(|progress| progress.goes_on());
        Ok(())
    }

    /// Lets a projector leave out the event at which it has failed, after `act` has written down who says so and why. The
    /// projector is held meanwhile. Made again, it does what is left to do.
    ///
    /// # Errors
    /// When it has not failed there, or `act` fails.
    pub async fn skip<T, E>(
        &self,
        projector: &str,
        position: Position,
        act: impl Future<Output = Result<T, E>>,
    ) -> Result<T, SkipError<E>> {
        self.control.skip(projector, position, act).await
    }

    /// Waits until the rows of all these projectors reflect a position. A projector that has failed before it answers at
    /// once. A query made afterwards sees at least that position.
    ///
    /// # Errors
    /// When one of them is not there in time.
    pub async fn wait_for(&self, projectors: &[&str], position: Position, patience: Duration) -> Result<(), Behind> {
        self.board.wait_for(projectors, position, patience).await
    }

    /// Which projectors have come to reflect a position within a time, and which have not.
    pub async fn who_reflects(&self, position: Position, patience: Duration) -> (Vec<&'static str>, Vec<&'static str>) {
        let until = Instant::now() + patience;
        let (mut there, mut behind) = (Vec::new(), Vec::new());
        for name in self.names() {
            let left = until.saturating_duration_since(Instant::now());
            match self.wait_for(&[name], position, left).await {
                Ok(()) => there.push(name),
                Err(_) => behind.push(name),
            }
        }
        (there, behind)
    }

    /// Pauses all projectors of this node. They keep their leases.
    pub fn pause(&self) {
        self.paused.send_replace(true);
    }

    /// Ends a pause.
    pub fn resume(&self) {
        self.board.projectors.iter().for_each(|progress| progress.goes_on());
        self.paused.send_replace(false);
    }

    /// Lets each projector finish its batch, then gives the leases back.
    pub async fn stop(&self) {
        self.running.end().await;
    }
}
