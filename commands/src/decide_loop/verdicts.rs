//! What the store's verdicts mean for the commands that wait for them.

use super::DecideLoop;
use super::job::Job;
use super::submission::{Flight, Happened, Outcome, Purpose, Refused};
use crate::cache::{Held, StreamKey};
use crate::encoding::{decode, subject_of};
use crate::error::CommandError;
use crate::execute::{Committed, RecordedDomainEvent};
use crate::loading::{LoadError, with_sources};
use crate::refusals;
use domain::Refusal;
use futures::TryStreamExt;
use std::sync::Arc;
use store::{
    AppendError, Appended, EventStore, Expected, Filter, Position, ReadAll, RecordedEvent, Repeat, Snapshot,
    StoreError, StreamId,
};
use uuid::Uuid;

impl DecideLoop {
    /// The store judged the oldest request.
    pub(super) fn judged(&mut self, verdict: Result<Appended, AppendError>) {
        let Some((number, flight)) = self.flights.pop_front() else {
            tracing::error!("a verdict came for no request");
            return;
        };
        let touched: Vec<StreamKey> = flight.touched.iter().map(|touched| touched.key).collect();
        for key in &touched {
            self.streams.arrive(key);
        }
        match verdict {
            Ok(appended) => self.kept(number, flight, &appended),
            Err(error) => self.refused(&flight, error),
        }
        self.stir(touched);
    }

    fn kept(&mut self, number: u64, flight: Flight, appended: &Appended) {
        for touched in &flight.touched {
            self.streams.keep(&touched.key, number);
        }
        for (key, held) in flight.snapshots {
            self.save_snapshot(key, held);
        }
        match flight.purpose {
            Purpose::Happen(events) => self.finish(flight.place, Ok(committed(events, appended))),
            Purpose::Refuse(refusal) => self.finish(flight.place, Err(CommandError::Refused(refusal))),
            Purpose::Remember(error) => self.finish(flight.place, Err(error)),
        }
    }

    fn refused(&mut self, flight: &Flight, error: AppendError) {
        for touched in flight.touched.iter().filter(|touched| touched.wrote) {
            self.streams.forget(&touched.key, touched.generation);
        }
        let place = flight.place;
        match error {
            AppendError::Conflict { stream, expected, actual } => {
                let touched = flight.touched.iter().find(|touched| touched.key.stream == stream);
                if let Some(touched) = touched {
                    self.streams.forget(&touched.key, touched.generation);
                }
                self.conflicted(place, stream, expected == Expected::NoStream && actual > 0);
            }
            // A repeat is recognised before it is asked what it rests on, so a row of repeats does not go one by one.
            AppendError::Undermined => self.again(place),
            AppendError::Repeated(repeat) => self.repeated(place, repeat),
            AppendError::KeyReused => self.finish(place, Err(CommandError::KeyReused)),
            AppendError::AlreadyHappened { once_id, .. } => self.already_happened(place, once_id),
            AppendError::Claimed { key, owner } => {
                let field = self.jobs.get(&place).and_then(|job| job.place_of(&key));
                let refusal = Refusal { field, ..refusals::taken(&key.kind) };
                self.remember(place, CommandError::Claimed { refusal, owner });
            }
            AppendError::SubjectErased(_) => self.remember(place, CommandError::Refused(refusals::erased())),
            // Who is one person with whom is looked up before a command is submitted, not here.
            AppendError::MoreLinked(_) => self.finish(place, Err(CommandError::Conflict)),
            AppendError::Invalid(reason) => self.unanswerable(place, reason),
            AppendError::Busy => self.finish(place, Err(CommandError::unavailable(AppendError::Busy))),
            AppendError::Unavailable(cause) => self.finish(place, Err(CommandError::unavailable(cause))),
        }
    }

    /// Gives a command its places back, to be decided when it is its turn.
    fn again(&mut self, place: u64) {
        let Some(scope) = self.jobs.get(&place).map(|job| Arc::clone(&job.scope)) else { return };
        for scoped in scope.iter() {
            self.streams.enlist(scoped, place);
        }
        match scope.is_empty() {
            true => self.decide(place),
            false => self.stir(scope.iter().map(|scoped| scoped.key).collect()),
        }
    }

    fn conflicted(&mut self, place: u64, stream: StreamId, read_as_empty: bool) {
        self.meters.conflicts.increment(1);
        let Some(job) = self.jobs.get_mut(&place) else { return };
        job.conflicts += 1;
        if read_as_empty {
            note_contradiction(job, stream);
        }
        match job.conflicts >= self.config.attempts_max {
            true => self.finish(place, Err(CommandError::Conflict)),
            false => self.again(place),
        }
    }

    fn already_happened(&mut self, place: u64, once_id: Uuid) {
        let Some(job) = self.jobs.get_mut(&place) else { return };
        match job.happened.contains(&once_id) {
            true => self.remember(place, CommandError::Refused(refusals::already_happened())),
            false => {
                job.happened.push(once_id);
                self.again(place);
            }
        }
    }

    fn repeated(&mut self, place: u64, repeat: Repeat) {
        let Some(job) = self.end(place) else { return };
        let (store, reads) = (Arc::clone(&self.store), Arc::clone(&self.loads));
        tokio::spawn(async move {
            let _turn = reads.acquire_owned().await;
            let answer = first_answer(store.as_ref(), &job, repeat).await;
            job.answer(answer);
        });
    }

    fn save_snapshot(&self, key: StreamKey, held: Held) {
        let Ok(turn) = Arc::clone(&self.snapshots).try_acquire_owned() else { return };
        let store = Arc::clone(&self.store);
        tokio::spawn(async move {
            let snapshot = Snapshot {
                aggregate_version: held.state.category().snapshot_version(),
                stream_version: held.version,
                subject_id: subject_of(&key.stream, held.state.customer()),
                state: held.state.snapshot(),
            };
            if let Err(error) = store.save_snapshot(key.tenant, &key.stream, snapshot).await {
                tracing::warn!(stream = %key.stream, error = with_sources(&error), "a snapshot could not be kept");
            }
            drop(turn);
        });
    }
}

/// A stream that reads as empty, though the log has events there, was changed meanwhile; if it reads as empty once more, it
/// is another tenant's.
fn note_contradiction(job: &mut Job, stream: StreamId) {
    match job.contradicted.contains(&stream) {
        true => job.foreign.push(stream),
        false => job.contradicted.push(stream),
    }
}

fn committed(events: Vec<Happened>, appended: &Appended) -> Committed {
    let positions = appended.first.0..;
    let told = events.into_iter().zip(positions).map(|(happened, position)| RecordedDomainEvent {
        event: happened.event,
        stream: happened.stream,
        version: happened.version,
        position: Position(position),
        occurred_at: happened.occurred_at,
    });
    Committed {
        position: appended.last,
        first: appended.first,
        events: told.collect(),
        recorded_at: appended.recorded_at,
        repeated: false,
    }
}

/// The answer that an equal command got when it was first made.
async fn first_answer(store: &dyn EventStore, job: &Job, repeat: Repeat) -> Result<Committed, CommandError> {
    match repeat {
        Repeat::Events { first, count } => {
            let events =
                read_events(store, job, first, count).await.map_err(|error| LoadError::from(error).answer())?;
            retell(&events, count)
        }
        Repeat::Outcome(text) => match serde_json::from_str(&text) {
            Ok(Outcome::Refused(Refused { refusal, owner })) => Err(match owner {
                Some(owner) => CommandError::Claimed { refusal, owner },
                None => CommandError::Refused(refusal),
            }),
            Ok(Outcome::Unchanged) => {
                let head = store.head().await.map_err(|error| LoadError::from(error).answer())?;
                Ok(Committed {
                    position: head,
                    first: head,
                    events: Vec::new(),
                    recorded_at: job.asked_at,
                    repeated: true,
                })
            }
            Err(error) => Err(CommandError::internal(error)),
        },
    }
}

async fn read_events(
    store: &dyn EventStore,
    job: &Job,
    first: Position,
    count: i32,
) -> Result<Vec<RecordedEvent>, StoreError> {
    let filter = Filter { tenant: Some(job.tenant), ..Filter::default() };
    let limit = u64::from(count.unsigned_abs());
    store.read_all(ReadAll { after: Position(first.0 - 1), filter, limit, reveal: true }).try_collect().await
}

fn retell(events: &[RecordedEvent], count: i32) -> Result<Committed, CommandError> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Err(CommandError::internal("the events of a repeated command are gone"));
    };
    if last.position.0 - first.position.0 != i64::from(count) - 1 {
        return Err(CommandError::internal("the events of a repeated command are not in a row"));
    }
    let told = events.iter().map(|recorded| {
        let event = decode(recorded).map_err(|error| LoadError::from(error).answer())?;
        Ok(RecordedDomainEvent {
            event,
            stream: recorded.stream,
            version: recorded.version,
            position: recorded.position,
            occurred_at: recorded.occurred_at,
        })
    });
    Ok(Committed {
        position: last.position,
        first: first.position,
        events: told.collect::<Result<_, CommandError>>()?,
        recorded_at: first.recorded_at,
        repeated: true,
    })
}
