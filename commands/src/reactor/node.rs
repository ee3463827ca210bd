//! All reactors of one node.
//!
//! Any number of nodes may run them on one database: each has one owner at a time, by lease.

use super::Reactor;
use super::progress::{Progress, ReactorStatus};
use super::runner::{Pace, Runner, Surroundings};
use crate::execute::Commands;
use crate::leased::Lease;
use std::fmt;
use std::sync::Arc;
use store::consumer::parked::{self, Parked};
use store::consumer::{Leases, Running};
use store::postgres::Pools;
use store::{EventStore, Position, StoreError, TenantId};
use uuid::Uuid;

/// What reactors work with.
#[derive(Clone)]
pub struct Parts {
    /// Sessions of the database.
    pub pools: Pools,
    /// The log.
    pub store: Arc<dyn EventStore>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("pools", &self.pools).finish_non_exhaustive()
    }
}

/// A part of what is put aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParkedPage {
    /// The events, in order.
    pub events: Vec<Parked>,
    /// Where the rest begins.
    pub next: Option<Position>,
}

/// The reactors of this node: running, or only looked at.
#[derive(Debug)]
pub struct Reactors {
    parts: Parts,
    reactors: Vec<(Reactor, Arc<Progress>)>,
    running: Running,
}

impl Reactors {
    /// These reactors, which other nodes may run.
    #[must_use]
    pub fn new(reactors: Vec<Reactor>, parts: Parts) -> Self {
        let reactors = reactors.into_iter().map(|reactor| (reactor, Arc::new(Progress::of(&reactor)))).collect();
        Self { parts, reactors, running: Running::default() }
    }

    /// Runs them. `node` names this run of this node: another id at each start.
    pub fn start(&self, commands: &Commands, node: Uuid, pace: Pace) {
        let consumers: Vec<&'static str> = self.reactors.iter().map(|(reactor, _)| reactor.actor).collect();
        let leases = Leases::keep(self.parts.pools.engine.clone(), node, &consumers);
        let runners = self.reactors.iter().filter_map(|(reactor, progress)| {
            let around = Surroundings {
                parts: self.parts.clone(),
                commands: commands.clone(),
                lease: Lease::of(reactor.actor, &leases, self.running.stop())?,
                progress: Arc::clone(progress),
                pace,
            };
            Some(tokio::spawn(Runner::new(*reactor, around).run()))
        });
        let runners = runners.collect();
        self.running.begin(leases, runners);
    }

    /// How each reactor is.
    pub async fn status(&self) -> Vec<ReactorStatus> {
        let consumers: Vec<&str> = self.reactors.iter().map(|(reactor, _)| reactor.actor).collect();
        let standings = parked::standings(&self.parts.pools.engine, &consumers).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the checkpoints of the reactors cannot be read");
            Vec::new()
        });
        let head = self.parts.store.head().await.ok();
        let status = self.reactors.iter().map(|(reactor, progress)| {
            progress.status(standings.iter().find(|standing| standing.consumer == reactor.actor), head)
        });
        status.collect()
    }

    /// What a reactor has put aside of a tenant's events, in order, behind a position; none when there is no such reactor.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn parked(
        &self,
        tenant: TenantId,
        name: &str,
        after: Position,
        limit: usize,
    ) -> Result<Option<ParkedPage>, StoreError> {
        let Some(reactor) = self.find(name) else { return Ok(None) };
        let asked = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut events = parked::list(&self.parts.pools, reactor.actor, tenant, after, asked).await?;
        let has_more = events.len() > limit;
        events.truncate(limit);
        let next = events.last().filter(|_| has_more).map(|last| last.position);
        Ok(Some(ParkedPage { events, next }))
    }

    /// Has what a reactor put aside of a tenant's events tried again soon, by the node that runs it. Says how many streams that
    /// are; none when there is no such reactor.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn retry(&self, tenant: TenantId, name: &str) -> Result<Option<i64>, StoreError> {
        let Some(reactor) = self.find(name) else { return Ok(None) };
        parked::ask_again(&self.parts.pools.engine, reactor.actor, tenant).await.map(Some)
    }

    /// Ends what is under way, as a crash would, and gives the leases back.
    pub async fn stop(&self) {
        self.running.end().await;
    }

    fn find(&self, name: &str) -> Option<&Reactor> {
        self.reactors.iter().map(|(reactor, _)| reactor).find(|reactor| reactor.name == name)
    }
}
