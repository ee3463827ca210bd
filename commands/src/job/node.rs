//! All jobs of one node.
//!
//! Any number of nodes may run them on one database: each has one owner at a time, by lease.

use super::runner::{Pace, Runner, Surroundings};
use super::{Job, Schedule};
use crate::caller::Caller;
use crate::clock::Clock;
use crate::execute::Commands;
use crate::identity::{IdempotencyKey, command_id};
use crate::ids::new_id;
use crate::leased::Lease;
use crate::ports::JobFacts;
use chrono::{DateTime, Utc};
use serde::Serialize;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use store::consumer::{Leases, Running};
use store::job_runs::{self, JobRun};
use store::postgres::Pools;
use store::{Position, StoreError};
use uuid::Uuid;

/// What jobs work with.
#[derive(Clone)]
pub struct Parts {
    /// Sessions of the database.
    pub pools: Pools,
    /// The clock that asks.
    pub clock: Arc<dyn Clock>,
    /// What they must know.
    pub facts: Arc<dyn JobFacts>,
}

impl fmt::Debug for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Parts").field("pools", &self.pools).finish_non_exhaustive()
    }
}

/// What a job is doing, as far as this node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum JobState {
    /// Another node runs it, or nobody does yet.
    Standby,
    /// Nothing is to be done.
    Waiting,
    /// It is at work.
    Running,
    /// Something went wrong; it tries again.
    Retrying,
    /// It was stopped.
    Stopped,
}

/// How a job is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct JobStatus {
    /// Its name.
    pub name: &'static str,
    /// What it is doing.
    pub state: JobState,
    /// Which node runs it.
    pub owner: Option<Uuid>,
    /// What went wrong last, until it goes well again; no personal data.
    pub error: Option<String>,
}

/// A job, as one tenant sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobView {
    /// The job.
    pub status: JobStatus,
    /// What it does.
    pub about: &'static str,
    /// When it runs.
    pub schedule: Schedule,
    /// When it runs next for this tenant.
    pub next_run_at: Option<DateTime<Utc>>,
    /// Its latest run for this tenant.
    pub last_run: Option<JobRun>,
}

/// A part of a job's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunsPage {
    /// The runs, the newest first.
    pub runs: Vec<JobRun>,
    /// Before which the rest is.
    pub next: Option<Position>,
}

/// One job's progress on this node, written by its runner.
#[derive(Debug)]
pub(super) struct Progress(Mutex<(JobState, Option<String>)>);

impl Progress {
    fn new() -> Self {
        Self(Mutex::new((JobState::Standby, None)))
    }

    pub(super) fn is(&self, state: JobState, error: Option<String>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = (state, error);
    }

    fn known(&self) -> (JobState, Option<String>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// The jobs of this node: running, or only looked at.
#[derive(Debug)]
pub struct Jobs {
    parts: Parts,
    jobs: Vec<(Job, Arc<Progress>)>,
    running: Running,
}

impl Jobs {
    /// These jobs, which other nodes may run.
    #[must_use]
    pub fn new(jobs: Vec<Job>, parts: Parts) -> Self {
        let jobs = jobs.into_iter().map(|job| (job, Arc::new(Progress::new()))).collect();
        Self { parts, jobs, running: Running::default() }
    }

    /// Runs them. `node` names this run of this node: another id at each start.
    pub fn start(&self, commands: &Commands, node: Uuid, pace: Pace) {
        let leases = Leases::keep(self.parts.pools.engine.clone(), node, &self.consumers());
        let runners = self.jobs.iter().filter_map(|(job, progress)| {
            let around = Surroundings {
                parts: self.parts.clone(),
                commands: commands.clone(),
                lease: Lease::of(job.actor, &leases, self.running.stop())?,
                progress: Arc::clone(progress),
                pace,
            };
            Some(tokio::spawn(Runner::new(*job, around).run()))
        });
        let runners = runners.collect();
        self.running.begin(leases, runners);
    }

    fn consumers(&self) -> Vec<&'static str> {
        self.jobs.iter().map(|(job, _)| job.actor).collect()
    }

    /// How each job is.
    pub async fn status(&self) -> Vec<JobStatus> {
        let owners = job_runs::owners(&self.parts.pools.engine, &self.consumers()).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "the leases of the jobs cannot be read");
            Vec::new()
        });
        let status = self.jobs.iter().map(|(job, progress)| {
            let owner = owners.iter().find(|(consumer, _)| consumer == job.actor).map(|(_, owner)| *owner);
            let (state, error) = progress.known();
            JobStatus { name: job.name, state, owner, error }
        });
        status.collect()
    }

    /// The jobs, as the caller's tenant sees them.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn of(&self, caller: &Caller) -> Result<Vec<JobView>, StoreError> {
        let names: Vec<&str> = self.jobs.iter().map(|(job, _)| job.name).collect();
        let latest = job_runs::latest(&self.parts.pools, caller.tenant, &names).await?;
        let seen = self.jobs.iter().zip(self.status().await).map(|((job, _), status)| JobView {
            status,
            about: job.about,
            schedule: job.schedule,
            next_run_at: job.schedule.next(caller.zone, caller.now),
            last_run: latest.iter().find(|run| run.job == job.name).cloned(),
        });
        Ok(seen.collect())
    }

    /// Asks for a run for the caller's tenant, to be carried out soon by the node that has the job. Asked again while one waits
    /// or runs, or under the same key, it is the same run. None when there is no such job.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn ask(
        &self,
        caller: &Caller,
        name: &str,
        key: Option<&IdempotencyKey>,
    ) -> Result<Option<JobRun>, StoreError> {
        let Some(job) = self.find(name) else { return Ok(None) };
        let id = key.map_or_else(new_id, |key| command_id(caller.tenant, &caller.actor, job.actor, key));
        job_runs::ask(&self.parts.pools.engine, id, (job.name, caller.tenant), &caller.actor).await.map(Some)
    }

    /// The caller's runs of a job, the newest first. None when there is no such job.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn runs(
        &self,
        caller: &Caller,
        name: &str,
        (before, limit): (Position, usize),
    ) -> Result<Option<RunsPage>, StoreError> {
        let Some(job) = self.find(name) else { return Ok(None) };
        let asked = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
        let mut runs = job_runs::list(&self.parts.pools, caller.tenant, job.name, (before, asked)).await?;
        let has_more = runs.len() > limit;
        runs.truncate(limit);
        let next = runs.last().filter(|_| has_more).map(|last| last.number);
        Ok(Some(RunsPage { runs, next }))
    }

    /// One of the caller's runs of a job.
    ///
    /// # Errors
    /// When the database is away.
    pub async fn run(&self, caller: &Caller, name: &str, id: Uuid) -> Result<Option<JobRun>, StoreError> {
        match self.find(name) {
            Some(job) => job_runs::find(&self.parts.pools, caller.tenant, job.name, id).await,
            None => Ok(None),
        }
    }

    /// Ends what is under way, as a crash would, and gives the leases back.
    pub async fn stop(&self) {
        self.running.end().await;
    }

    fn find(&self, name: &str) -> Option<&Job> {
        self.jobs.iter().map(|(job, _)| job).find(|job| job.name == name)
    }
}
