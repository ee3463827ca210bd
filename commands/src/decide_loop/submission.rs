//! From a command whose turn it is to a request at the store.

use super::DecideLoop;
use super::job::{Job, Scoped};
use super::streams::{Streams, Writer};
use crate::cache::{Held, StreamKey};
use crate::changes::Changes;
use crate::clock::moment;
use crate::encoding::encode;
use crate::error::CommandError;
use crate::loading::versions_since_snapshot;
use crate::refusals;
use crate::states::{States, StreamState};
use chrono::{DateTime, Utc};
use domain::{AggregateState, Event, Refusal};
use serde::{Deserialize, Serialize};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use store::{
    AppendRequest, BoxError, ClaimChange, Expected, Identity, OtherName, StreamAppend, StreamId, SubjectChanges,
    TenantId, Version,
};
use uuid::Uuid;

/// A request that awaits its verdict.
#[derive(Debug)]
pub(super) struct Flight {
    /// Place of its command.
    pub(super) place: u64,
    pub(super) touched: Vec<Touched>,
    pub(super) purpose: Purpose,
    /// States to keep as snapshots once it is committed.
    pub(super) snapshots: Vec<(StreamKey, Held)>,
}

/// A stream that a request was decided on.
#[derive(Debug)]
pub(super) struct Touched {
    pub(super) key: StreamKey,
    pub(super) generation: u64,
    pub(super) wrote: bool,
}

/// What a request is for.
#[derive(Debug)]
pub(super) enum Purpose {
    /// To make these events happen.
    Happen(Vec<Happened>),
    /// To make sure that a refusal holds.
    Refuse(Refusal),
    /// To have an answer remembered that the store itself gave.
    Remember(CommandError),
}

/// An event on its way, as it will be told of.
#[derive(Debug)]
pub(super) struct Happened {
    pub(super) event: Event,
    pub(super) stream: StreamId,
    pub(super) version: Version,
    pub(super) occurred_at: DateTime<Utc>,
}

/// What is remembered of a keyed command that made no event. Stored for 30 days: its form must stay readable.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Outcome {
    /// There was nothing to do.
    Unchanged,
    /// It was refused.
    Refused(Refused),
}

/// A refusal, and who holds what was taken.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Refused {
    #[serde(flatten)]
    pub(super) refusal: Refusal,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) owner: Option<Uuid>,
}

/// What was decided, before it is submitted.
struct Decision {
    purpose: Purpose,
    other_names: Vec<OtherName>,
    streams: Vec<StreamAppend>,
    claims: Vec<ClaimChange>,
    subjects: SubjectChanges,
}

impl DecideLoop {
    /// Decides the command at a place; all streams of its scope are in memory.
    pub(super) fn decide(&mut self, place: u64) {
        let begun = moment();
        let Some(job) = self.jobs.get(&place) else { return };
        if let Some(reason) = job.is_too_late(begun) {
            self.finish(place, Err(CommandError::unavailable(reason)));
            return;
        }
        let Some(states) = self.states_for(job) else {
            self.unanswerable(place, "a stream of the scope is not in memory");
            return;
        };
        let decided = catch_unwind(AssertUnwindSafe(|| ((job.decide)(&states), job.other_names(&states))));
        match decided {
            Ok((Ok(changes), other_names)) => self.carry_out(place, changes, other_names),
            Ok((Err(refusal), other_names)) => self.check_refusal(place, refusal, other_names),
            Err(_) => self.unanswerable(place, "its decision panicked"),
        }
        self.meters.decide_seconds.record(begun.elapsed().as_secs_f64());
    }

    fn states_for<'a>(&'a self, job: &'a Job) -> Option<States<'a>> {
        let streams = job.scope.iter().map(|scoped| {
            let held = &self.streams.working_on(&scoped.key)?.held;
            Some(StreamState { stream: scoped.key.stream, state: &held.state, version: held.version })
        });
        Some(States::new(streams.collect::<Option<_>>()?, &job.happened))
    }

    fn carry_out(&mut self, place: u64, changes: Changes, other_names: Vec<OtherName>) {
        match self.draft(place, changes, other_names) {
            Ok(decision) => self.submit(place, decision),
            Err(error) => {
                tracing::error!(error, "a decision cannot be appended");
                self.finish(place, Err(CommandError::internal(error)));
            }
        }
    }

    fn check_refusal(&mut self, place: u64, refusal: Refusal, other_names: Vec<OtherName>) {
        let Some(job) = self.jobs.get(&place) else { return };
        let streams = job.scope.iter().map(|scoped| self.belief(job, scoped.key, true)).collect();
        self.submit(
            place,
            Decision {
                purpose: Purpose::Refuse(refusal),
                other_names,
                streams,
                claims: Vec::new(),
                subjects: SubjectChanges::default(),
            },
        );
    }

    /// Writes the events down, with the beliefs that they rest on.
    fn draft(&self, place: u64, changes: Changes, other_names: Vec<OtherName>) -> Result<Decision, BoxError> {
        let job = self.jobs.get(&place).ok_or("the command is gone")?;
        let reads_only = changes.events.is_empty();
        let mut streams: Vec<StreamAppend> =
            job.scope.iter().map(|scoped| self.belief(job, scoped.key, reads_only)).collect();
        let mut happening: Vec<Vec<Happened>> = streams.iter().map(|_| Vec::new()).collect();
        for change in changes.events {
            let index = streams.iter().position(|append| append.stream == change.stream);
            let index = index.ok_or("an event on a stream outside the scope of the command")?;
            let append = &mut streams[index];
            append.events.push(encode(&change, job.occurred_at)?);
            let version = self.version(&job.scope[index].key) + Version::try_from(append.events.len())?;
            let occurred_at = change.occurred_at.unwrap_or(job.occurred_at);
            happening[index].push(Happened { event: change.event, stream: change.stream, version, occurred_at });
        }
        let happening = happening.into_iter().flatten().collect();
        let Changes { claims, subjects, .. } = changes;
        Ok(Decision { purpose: Purpose::Happen(happening), other_names, streams, claims, subjects })
    }

    fn version(&self, key: &StreamKey) -> Version {
        self.streams.working_on(key).map_or(0, |working| working.held.version)
    }

    /// What the command believes of a stream. Of another tenant's stream, which reads as empty, nothing is believed, lest
    /// the answer tell that it exists.
    fn belief(&self, job: &Job, key: StreamKey, reads_only: bool) -> StreamAppend {
        let expected = match self.version(&key) {
            0 if reads_only && job.foreign.contains(&key.stream) => Expected::Any,
            0 => Expected::NoStream,
            version => Expected::Exact(version),
        };
        StreamAppend { stream: key.stream, expected, events: Vec::new() }
    }

    fn submit(&mut self, place: u64, decision: Decision) {
        let Some(job) = self.jobs.get(&place) else { return };
        let scope = Arc::clone(&job.scope);
        let request = AppendRequest {
            tenant: job.tenant,
            metadata: job.metadata.clone(),
            identity: job.asked_identity(),
            other_names: decision.other_names,
            outcome: outcome_of(job, &decision.purpose),
            streams: decision.streams,
            claims: decision.claims,
            subjects: decision.subjects,
            rests_on: Vec::new(),
        };
        match self.evolve(&decision.purpose, &request) {
            Ok(snapshots) => {
                let touched = self.touched_by(&request);
                self.hand_in(request, Flight { place, touched, purpose: decision.purpose, snapshots });
            }
            Err(Panicked) => {
                self.forget_all(&scope);
                self.unanswerable(place, "a state could not be evolved");
            }
        }
    }

    /// Has the store remember its own refusal as the answer of a keyed command; it is given when that is done.
    pub(super) fn remember(&mut self, place: u64, error: CommandError) {
        let Some(job) = self.jobs.get(&place) else { return };
        let (Some(_), Some(refused)) = (job.identity.command_id.filter(|_| !job.forgetful), Refused::of(&error)) else {
            return self.finish(place, Err(error));
        };
        let request = AppendRequest {
            tenant: job.tenant,
            metadata: job.metadata.clone(),
            identity: Identity { once_id: None, ..job.identity },
            other_names: Vec::new(),
            streams: Vec::new(),
            claims: Vec::new(),
            subjects: SubjectChanges::default(),
            outcome: Some(Outcome::Refused(refused).to_text()),
            rests_on: Vec::new(),
        };
        self.hand_in(
            request,
            Flight { place, touched: Vec::new(), purpose: Purpose::Remember(error), snapshots: Vec::new() },
        );
    }

    fn hand_in(&mut self, request: AppendRequest, flight: Flight) {
        let number = self.next_flight;
        self.next_flight += 1;
        let rests_on = self.rests_on(&flight.touched);
        #[cfg(test)]
        crate::testing::lineage::announce(
            Arc::as_ptr(&self.loads) as usize,
            number,
            rests_on.iter().map(|writer| writer.flight),
        );
        let rests_on = rests_on.into_iter().map(|writer| writer.ticket).collect();
        let receipt = self.store.submit(AppendRequest { rests_on, ..request });
        for touched in &flight.touched {
            let writer = touched.wrote.then(|| Writer { flight: number, ticket: receipt.ticket() });
            self.streams.depart(&touched.key, writer);
        }
        self.flights.push_back((number, flight));
        // The receiver lives as long as this loop.
        let _ = self.receipts.send(receipt);
    }

    /// The pending requests whose events the states include; each stands for those before it.
    fn rests_on(&self, touched: &[Touched]) -> Vec<Writer> {
        let writers = touched.iter().filter_map(|touched| self.streams.working_on(&touched.key)?.last_writer.clone());
        let mut writers: Vec<Writer> = writers.collect();
        writers.sort_unstable_by_key(|writer| writer.flight);
        writers.dedup_by_key(|writer| writer.flight);
        writers
    }

    /// Lets the states in memory include what is about to be submitted; says which of them are due for a snapshot.
    fn evolve(&mut self, purpose: &Purpose, request: &AppendRequest) -> Result<Vec<(StreamKey, Held)>, Panicked> {
        let (tenant, streams) = (request.tenant, &mut self.streams);
        if let Purpose::Happen(events) = purpose {
            let evolving = || events.iter().for_each(|happened| evolve_by(streams, tenant, happened));
            catch_unwind(AssertUnwindSafe(evolving)).map_err(|_| Panicked)?;
        }
        let mut snapshots = Vec::new();
        for append in request.streams.iter().filter(|append| !append.events.is_empty()) {
            let key = StreamKey { tenant, stream: append.stream };
            let Some(working) = self.streams.working_on_mut(&key) else { continue };
            working.held.bytes += append.events.iter().map(|event| event.payload.len()).sum::<usize>();
            if versions_since_snapshot(&working.held) >= self.config.snapshot_every {
                working.held.snapshot_version = working.held.version;
                snapshots.push((key, working.held.clone()));
            }
        }
        Ok(snapshots)
    }

    fn touched_by(&self, request: &AppendRequest) -> Vec<Touched> {
        let touched = |append: &StreamAppend| {
            let key = StreamKey { tenant: request.tenant, stream: append.stream };
            let generation = self.streams.working_on(&key)?.generation;
            Some(Touched { key, generation, wrote: !append.events.is_empty() })
        };
        request.streams.iter().filter_map(touched).collect()
    }

    fn forget_all(&mut self, scope: &[Scoped]) {
        for scoped in scope {
            if let Some(generation) = self.streams.working_on(&scoped.key).map(|working| working.generation) {
                self.streams.forget(&scoped.key, generation);
            }
        }
    }
}

/// A bug of the domain: a state that panics when it evolves. It is forgotten with the states of the same command.
struct Panicked;

fn evolve_by(streams: &mut Streams, tenant: TenantId, happened: &Happened) {
    if let Some(working) = streams.working_on_mut(&StreamKey { tenant, stream: happened.stream }) {
        let held = &mut working.held;
        let placeholder = AggregateState::initial(held.state.category());
        held.state = std::mem::replace(&mut held.state, placeholder).evolve(&happened.event);
        held.version += 1;
    }
}

/// What is to be remembered of a keyed command that makes no event.
fn outcome_of(job: &Job, purpose: &Purpose) -> Option<String> {
    job.identity.command_id.filter(|_| !job.forgetful)?;
    match purpose {
        // Nobody is told so: it is asked again, of other streams.
        Purpose::Refuse(refusal) if refusals::is_outdated(refusal) => None,
        Purpose::Happen(events) if events.is_empty() => Some(Outcome::Unchanged.to_text()),
        Purpose::Refuse(refusal) => Some(Outcome::Refused(Refused { refusal: refusal.clone(), owner: None }).to_text()),
        Purpose::Happen(_) | Purpose::Remember(_) => None,
    }
}

impl Refused {
    fn of(error: &CommandError) -> Option<Self> {
        let owner = if let CommandError::Claimed { owner, .. } = error { Some(*owner) } else { None };
        error.refusal().map(|refusal| Self { refusal: refusal.clone(), owner })
    }
}

impl Outcome {
    fn to_text(&self) -> String {
        serde_json::to_string(self).expect("a refusal is made of texts and JSON values")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use domain::RefusalKind;

    #[test]
    fn what_is_remembered_stays_readable() {
        let refusal = Refusal {
            kind: RefusalKind::Conflict,
            code: "email_taken".to_owned(),
            message: "the e-mail is taken".to_owned(),
            field: None,
            facts: serde_json::Map::new(),
        };
        let refused = r#"{"refused":{"kind":"conflict","code":"email_taken","message":"the e-mail is taken"}}"#;
        let outcome = |owner| Outcome::Refused(Refused { refusal: refusal.clone(), owner });
        assert_eq!(outcome(None).to_text(), refused);
        assert_eq!(serde_json::from_str::<Outcome>(refused).unwrap(), outcome(None));
        let of_somebody = outcome(Some(Uuid::nil())).to_text();
        assert_eq!(serde_json::from_str::<Outcome>(&of_somebody).unwrap(), outcome(Some(Uuid::nil())));
        assert_eq!(Outcome::Unchanged.to_text(), r#""unchanged""#);
    }
}
