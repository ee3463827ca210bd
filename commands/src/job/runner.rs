//! Runs one job: takes its lease, makes its runs known when their time has come, and carries out those that are open.

use super::Job;
use super::node::{JobState, Parts, Progress};
use crate::caller::{Caller, Door};
use crate::clock::moment;
use crate::error::CommandError;
use crate::execute::Commands;
use crate::ids::new_id;
use crate::leased::Lease;
use crate::ports::{AskDue, DueAccount, TenantPlace};
use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::HashMap;
use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;
use store::consumer::Backoff;
use store::job_runs::{self, JobRun, Tally};
use store::{BoxError, TenantId};
use uuid::Uuid;

/// How a runner paces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// How often it looks whether something is to be done.
    pub look: Duration,
    /// So many accounts in a part; behind each part a run can be gone on with.
    pub part: u32,
    /// So many of them side by side.
    pub side_by_side: usize,
    /// First pause after trouble; it doubles.
    pub retry_first: Duration,
    /// Longest pause after trouble.
    pub retry_longest: Duration,
    /// For so long it is left to other nodes when an account holds what a newer build wrote.
    pub left: Duration,
    /// How long runs are remembered.
    pub remembered: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            look: Duration::from_secs(1),
            part: 200,
            side_by_side: 16,
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(30),
            left: Duration::from_secs(30),
            remembered: Duration::from_secs(90 * 24 * 3_600),
        }
    }
}

/// How often runs that are long over are forgotten.
const PRUNE_EACH: Duration = Duration::from_secs(24 * 60 * 60);

/// Why it stopped in the middle.
#[derive(Debug)]
enum Trouble {
    Transient(String),
    /// An account holds what a newer build wrote.
    Newer(String),
    /// An owner with a newer lease has it.
    Fenced,
}

impl<E: Into<BoxError>> From<E> for Trouble {
    fn from(error: E) -> Self {
        Self::Transient(error.into().to_string())
    }
}

/// What a runner is given by its node.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) parts: Parts,
    pub(super) commands: Commands,
    pub(super) lease: Lease,
    pub(super) progress: Arc<Progress>,
    pub(super) pace: Pace,
}

/// The runner of one job on one node.
pub(super) struct Runner {
    job: Job,
    around: Surroundings,
    backoff: Backoff,
    /// The latest moment of each tenant that was seen to.
    seen_to: HashMap<TenantId, DateTime<Utc>>,
}

impl Runner {
    pub(super) fn new(job: Job, around: Surroundings) -> Self {
        let backoff = Backoff::new(around.pace.retry_first, around.pace.retry_longest);
        Self { job, around, backoff, seen_to: HashMap::new() }
    }

    /// Runs until the node stops.
    pub(super) async fn run(mut self) {
        while let Some(epoch) = self.granted().await {
            let interruption = self.around.lease.lost(epoch);
            // Wherever it is interrupted, it is as after a crash: whoever goes on does the last part again, and it counts once.
            let worked = tokio::select! {
                biased;
                () = interruption => continue,
                worked = AssertUnwindSafe(self.work(epoch)).catch_unwind() => worked,
            };
            match worked {
                Ok(Ok(never)) => match never {},
                Ok(Err(trouble)) => self.rest(trouble, epoch).await,
                Err(_panic) => self.rest(Trouble::Transient("the job panicked".to_owned()), epoch).await,
            }
        }
        self.around.progress.is(JobState::Stopped, None);
    }

    /// Says what went wrong, and waits before it is tried again: here, or meanwhile by a node of a newer build.
    async fn rest(&mut self, trouble: Trouble, epoch: i64) {
        let is_newer = matches!(trouble, Trouble::Newer(_));
        let reason = match trouble {
            Trouble::Transient(reason) | Trouble::Newer(reason) => reason,
            Trouble::Fenced => "another node has taken it over".to_owned(),
        };
        tracing::warn!(job = self.job.name, reason, "job tries again later");
        self.around.progress.is(JobState::Retrying, Some(reason));
        if is_newer {
            return self.around.lease.leave(self.around.pace.left).await;
        }
        let pause = self.backoff.pause();
        tokio::select! {
            () = self.around.lease.lost(epoch) => {}
            () = tokio::time::sleep(pause) => {}
        }
    }

    async fn granted(&mut self) -> Option<i64> {
        let Surroundings { lease, progress, .. } = &mut self.around;
        lease.granted(|| progress.is(JobState::Standby, None)).await
    }

    async fn work(&mut self, epoch: i64) -> Result<Infallible, Trouble> {
        let pool = self.around.parts.pools.engine.clone();
        let mut prune_at = moment();
        loop {
            if moment() >= prune_at {
                job_runs::prune(&pool, self.job.name, self.around.pace.remembered).await?;
                prune_at = moment() + PRUNE_EACH;
            }
            let tenants = self.around.parts.facts.tenants().await?;
            for place in &tenants {
                self.schedule(place).await?;
            }
            self.carry_out_all(&tenants, epoch).await?;
            self.backoff.reset();
            self.around.progress.is(JobState::Waiting, None);
            tokio::time::sleep(self.around.pace.look).await;
        }
    }

    /// Carries out all that are open. One that meets what a newer build wrote stays open, and stops none of another tenant.
    async fn carry_out_all(&self, tenants: &[TenantPlace], epoch: i64) -> Result<(), Trouble> {
        let mut newer = None;
        for run in job_runs::open(&self.around.parts.pools.engine, self.job.name).await? {
            let Some(place) = tenants.iter().find(|place| place.tenant == run.tenant) else { continue };
            self.around.progress.is(JobState::Running, None);
            match self.carry_out(run, place, epoch).await {
                Err(Trouble::Newer(reason)) => newer = Some(reason),
                carried_out => carried_out?,
            }
        }
        newer.map_or(Ok(()), |reason| Err(Trouble::Newer(reason)))
    }

    /// Makes the run known whose moment has come for a tenant.
    async fn schedule(&mut self, place: &TenantPlace) -> Result<(), Trouble> {
        let now = self.around.parts.clock.now();
        let Some(moment) = self.job.schedule.latest(place.zone, now) else { return Ok(()) };
        if moment <= place.since || self.seen_to.get(&place.tenant) == Some(&moment) {
            return Ok(());
        }
        let is_idle = self.job.leaves_no_trace && self.due(&self.caller(place, None), None, 1).await?.is_empty();
        if !is_idle {
            let pool = &self.around.parts.pools.engine;
            job_runs::schedule(pool, new_id(), (self.job.name, place.tenant), moment).await?;
        }
        self.seen_to.insert(place.tenant, moment);
        Ok(())
    }

    /// Carries a run out, part after part, behind those that were done.
    async fn carry_out(&self, run: JobRun, place: &TenantPlace, epoch: i64) -> Result<(), Trouble> {
        let pool = &self.around.parts.pools.engine;
        if !job_runs::begin(pool, run.id, epoch).await? {
            return Err(Trouble::Fenced);
        }
        let caller = self.caller(place, Some(run.id));
        let mut cursor = run.cursor;
        loop {
            let part = self.due(&caller, cursor.as_deref(), self.around.pace.part).await?;
            let Some(last) = part.last().map(|account| account.cursor.clone()) else { break };
            let (tally, error) = self.act_on(&caller, part).await?;
            if !job_runs::note(pool, (run.id, epoch), &tally, (&last, error.as_deref())).await? {
                return Err(Trouble::Fenced);
            }
            cursor = Some(last);
        }
        if !job_runs::end(pool, run.id, epoch).await? {
            return Err(Trouble::Fenced);
        }
        metrics::counter!("job_runs_total", "job" => self.job.name).increment(1);
        Ok(())
    }

    async fn act_on(&self, caller: &Caller, part: Vec<DueAccount>) -> Result<(Tally, Option<String>), Trouble> {
        let acting: Vec<_> =
            part.iter().map(|account| (self.job.act)(&self.around.commands, caller, account.id)).collect();
        let acted = stream::iter(acting).buffered(self.around.pace.side_by_side);
        let leaves = self.around.lease.may_leave();
        let outcomes: Vec<Outcome> = acted.map(|answer| outcome_of(answer, leaves)).try_collect().await?;
        let count = |wanted: fn(&Outcome) -> bool| {
            i64::try_from(outcomes.iter().filter(|outcome| wanted(outcome)).count()).unwrap_or(i64::MAX)
        };
        let tally = Tally {
            examined: count(|_| true),
            changed: count(|outcome| matches!(outcome, Outcome::Changed)),
            refused: count(|outcome| matches!(outcome, Outcome::Refused(_))),
        };
        let error = outcomes.into_iter().find_map(|outcome| match outcome {
            Outcome::Refused(code) => Some(format!("refused: {code}")),
            Outcome::Changed | Outcome::Unchanged => None,
        });
        Ok((tally, error))
    }

    async fn due(&self, caller: &Caller, after: Option<&str>, limit: u32) -> Result<Vec<DueAccount>, Trouble> {
        let (tenant, what, now, today) = (caller.tenant, self.job.due, caller.now, caller.today());
        Ok(self.around.parts.facts.due(AskDue { tenant, what, now, today, after, limit }).await?)
    }

    /// The job, acting now for a tenant. All that a run does is found by the id of the run.
    fn caller(&self, place: &TenantPlace, run: Option<Uuid>) -> Caller {
        Caller {
            tenant: place.tenant,
            actor: self.job.actor.to_owned(),
            scopes: vec![self.job.scope],
            now: self.around.parts.clock.now(),
            zone: place.zone,
            settings: place.settings,
            request_id: None,
            correlation_id: run.map(|run| run.to_string()),
            via: Door::Job,
        }
    }
}

/// What came of one account.
enum Outcome {
    Changed,
    Unchanged,
    /// With the code of the refusal.
    Refused(String),
}

/// `leaves`: what a newer build wrote is left to a node of that build, before it counts as a refusal.
fn outcome_of(answer: Result<crate::execute::Committed, CommandError>, leaves: bool) -> Result<Outcome, Trouble> {
    match answer {
        Ok(committed) if committed.events.is_empty() || committed.repeated => Ok(Outcome::Unchanged),
        Ok(_) => Ok(Outcome::Changed),
        Err(error @ (CommandError::Conflict | CommandError::Unavailable { .. } | CommandError::Busy)) => {
            Err(Trouble::Transient(error.to_string()))
        }
        Err(error @ CommandError::Newer(_)) if leaves => Err(Trouble::Newer(error.to_string())),
        Err(error) => Ok(Outcome::Refused(error.refusal().map_or(error.kind(), |refusal| &refusal.code).to_owned())),
    }
}
