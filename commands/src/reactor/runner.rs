//! Runs one reactor: takes its lease, follows the log from its checkpoint, issues the commands that follow from each event,
//! and moves the checkpoint when they are carried out.
//!
//! Streams go side by side, the events of one stream one after the other. What goes wrong is *transient* (the database is
//! away, too many commands wait: all since the checkpoint is done again, and what was carried out is recognised) or the fault
//! of an *event* (it cannot be read, the reaction panics, its command is refused): then it is put aside with those behind it.
//! What a *newer* build wrote is left for a while to nodes of that build; should there be none, it is put aside, too.

use super::progress::{Progress, ReactorState};
use super::{Occurrence, Reactor, key_of};
use crate::caller::{Caller, Door};
use crate::encoding::decode;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request};
use crate::identity::IdempotencyKey;
use crate::leased::Lease;
use crate::refusals;
use chrono_tz::Tz;
use domain::access::settings::TenantSettings;
use domain::{DecodeError, Event};
use futures::{FutureExt, StreamExt, TryStreamExt, stream};
use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;
use store::consumer::parked::{self, Parking, StreamKey, key_of as stream_key};
use store::consumer::{Backoff, Checkpoint};
use store::{Filter, Metadata, Position, ReadAll, RecordedEvent, Signal, StoreError, StreamId, TypePattern};
use tokio::time::MissedTickBehavior;

/// How a runner paces itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pace {
    /// So many streams are acted on side by side.
    pub streams_max: usize,
    /// First pause after transient trouble; it doubles.
    pub retry_first: Duration,
    /// Longest pause after transient trouble.
    pub retry_longest: Duration,
    /// For so long it is left to other nodes when there is something that a newer build wrote.
    pub left: Duration,
    /// How often events that were put aside are looked at, and how long a checkpoint over events of no concern may wait.
    pub look: Duration,
    /// First pause of an event that was put aside; it doubles.
    pub parked_first: Duration,
    /// Longest pause of an event that was put aside.
    pub parked_longest: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            streams_max: 64,
            retry_first: Duration::from_millis(100),
            retry_longest: Duration::from_secs(5),
            left: Duration::from_secs(30),
            look: Duration::from_secs(1),
            parked_first: Duration::from_secs(60),
            parked_longest: Duration::from_secs(3_600),
        }
    }
}

/// At most so many streams are tried again at a look.
const TRIED_AGAIN_MAX: i64 = 64;

/// What an operator does about a log that was restored.
const RESTART: &str = "let it begin again with `clientela reactors restart NAME`";

/// Why following the log ended.
#[derive(Debug)]
enum Trouble {
    Transient(String),
    /// There is something that a newer build wrote.
    Newer(String),
    /// The checkpoint does not belong to this log.
    Unfit(String),
    /// An owner with a newer lease has written.
    Fenced,
}

impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Unavailable(_) => Self::Transient(error.to_string()),
            StoreError::BeyondHead { asked, head } => Self::Unfit(format!(
                "its checkpoint {asked} is beyond the head of the log, {head}: the log was restored to an older point; {RESTART}"
            )),
            StoreError::Corrupt { .. } => Self::Unfit(error.to_string()),
        }
    }
}

/// What a runner is given by its node.
#[derive(Debug, Clone)]
pub(super) struct Surroundings {
    pub(super) parts: super::Parts,
    pub(super) commands: Commands,
    pub(super) lease: Lease,
    pub(super) progress: Arc<Progress>,
    pub(super) pace: Pace,
}

/// The runner of one reactor on one node.
pub(super) struct Runner {
    reactor: Reactor,
    around: Surroundings,
    backoff: Backoff,
}

/// Where one run of it stands.
struct Run {
    checkpoint: Checkpoint,
    /// All up to here is of no concern or done.
    through: Position,
    /// The streams of which events are put aside.
    aside: HashSet<StreamKey>,
}

impl Runner {
    pub(super) fn new(reactor: Reactor, around: Surroundings) -> Self {
        let backoff = Backoff::new(around.pace.retry_first, around.pace.retry_longest);
        Self { reactor, around, backoff }
    }

    /// Runs until the node stops.
    pub(super) async fn run(mut self) {
        while let Some(epoch) = self.granted().await {
            let interruption = self.around.lease.lost(epoch);
            // Wherever it is interrupted, it is as after a crash: the next run does the same again, and it counts once.
            let followed = tokio::select! {
                biased;
                () = interruption => continue,
                followed = AssertUnwindSafe(self.follow(epoch)).catch_unwind() => followed,
            };
            let trouble = match followed {
                Ok(Ok(never)) => match never {},
                Ok(Err(trouble)) => trouble,
                Err(_panic) => Trouble::Transient("the reactor panicked".to_owned()),
            };
            let is_newer = matches!(trouble, Trouble::Newer(_));
            let pause = self.stumble(trouble);
            if is_newer {
                self.around.lease.leave(self.around.pace.left).await;
                continue;
            }
            tokio::select! {
                () = self.around.lease.lost(epoch) => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
        self.around.progress.is(ReactorState::Stopped);
    }

    async fn granted(&mut self) -> Option<i64> {
        let Surroundings { lease, progress, .. } = &mut self.around;
        lease.granted(|| progress.is(ReactorState::Standby)).await
    }

    async fn follow(&mut self, epoch: i64) -> Result<std::convert::Infallible, Trouble> {
        let mut run = self.begin(epoch).await?;
        let types = self.reactor.handles.iter().map(|name| TypePattern::parse(name)).collect();
        let filter = Filter { types, ..Filter::default() };
        let mut signals = self.around.parts.store.subscribe(run.checkpoint.position, filter, false);
        let mut look = tokio::time::interval(self.around.pace.look);
        look.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                signal = signals.next() => match signal {
                    Some(Ok(Signal::Events { events, through })) => self.take(&mut run, &events, through).await?,
                    Some(Ok(Signal::CaughtUp(position))) => {
                        run.through = run.through.max(position);
                        self.around.progress.is(ReactorState::Live);
                    }
                    Some(Err(error)) => return Err(error.into()),
                    None => return Err(Trouble::Transient("the subscription ended".to_owned())),
                },
                _ = look.tick() => {
                    self.try_again(&mut run).await?;
                    if run.through > run.checkpoint.position {
                        self.advance(&mut run, &[]).await?;
                    }
                }
            }
        }
    }

    /// Makes this node the only one that can move the checkpoint.
    async fn begin(&self, epoch: i64) -> Result<Run, Trouble> {
        let (pool, actor) = (&self.around.parts.pools.engine, self.reactor.actor);
        let begun = parked::begin(pool, actor, epoch).await.map_err(transient)?;
        let checkpoint = begun.ok_or(Trouble::Fenced)?;
        let head = self.around.parts.store.head().await?;
        if checkpoint.position > head {
            return Err(StoreError::BeyondHead { asked: checkpoint.position, head }.into());
        }
        if !parked::has_followed_this_log(pool, actor, &checkpoint).await.map_err(transient)? {
            let at = checkpoint.position;
            let reason = format!(
                "the log has another event at its checkpoint {at}: it was restored to an older point; {RESTART}"
            );
            return Err(Trouble::Unfit(reason));
        }
        let aside = parked::streams(pool, actor).await.map_err(transient)?;
        self.around.progress.reached(checkpoint.position);
        self.around.progress.is(ReactorState::CatchingUp);
        Ok(Run { checkpoint, through: checkpoint.position, aside })
    }

    /// Acts on events, then moves the checkpoint past them.
    async fn take(&mut self, run: &mut Run, events: &[Arc<RecordedEvent>], through: Position) -> Result<(), Trouble> {
        run.through = through;
        if events.is_empty() {
            return Ok(());
        }
        let acting = by_stream(events).into_iter().map(|(stream, events)| {
            let waits = run.aside.contains(&stream_key(&stream));
            self.act_in_order(events, waits)
        });
        let streams_max = self.around.pace.streams_max;
        let parking: Vec<Vec<Parking>> =
            stream::iter(acting.collect::<Vec<_>>()).buffer_unordered(streams_max).try_collect().await?;
        let parking: Vec<Parking> = parking.into_iter().flatten().collect();
        self.advance(run, &parking).await?;
        run.aside.extend(parking.iter().map(|event| stream_key(&event.stream)));
        metrics::counter!("reactor_events_total", "reactor" => self.reactor.name).increment(events.len() as u64);
        Ok(())
    }

    async fn advance(&mut self, run: &mut Run, parking: &[Parking]) -> Result<(), Trouble> {
        let (pool, pause) = (&self.around.parts.pools.engine, self.around.pace.parked_first);
        let moving = parked::advance_past(pool, self.reactor.actor, &run.checkpoint, run.through, (parking, pause));
        if !moving.await.map_err(transient)? {
            return Err(Trouble::Fenced);
        }
        run.checkpoint.position = run.through;
        self.backoff.reset();
        self.around.progress.reached(run.through);
        Ok(())
    }

    /// Acts on the events of one stream; says which are to be put aside.
    async fn act_in_order(&self, events: Vec<&RecordedEvent>, waits: bool) -> Result<Vec<Parking>, Trouble> {
        let mut parking = Vec::new();
        for event in events {
            if waits || !parking.is_empty() {
                parking.push(Parking::of(event, None));
            } else if let Err(reason) = self.act_on(event).await? {
                let (reactor, position) = (self.reactor.name, event.position.0);
                tracing::error!(reactor, position, event_id = event.id(), reason, "an event is put aside");
                parking.push(Parking::of(event, Some(reason)));
            }
        }
        Ok(parking)
    }

    /// Issues the commands that follow from an event; why that cannot be, when it is the event's fault.
    async fn act_on(&self, event: &RecordedEvent) -> Result<Result<(), String>, Trouble> {
        let requests = match self.reaction_to(event)? {
            Ok(requests) => requests,
            Err(reason) => return Ok(Err(reason)),
        };
        let caller = self.caller_of(event);
        for (index, request) in requests.into_iter().enumerate() {
            let Some(key) = key_of(&event.id(), index) else { return Ok(Err("its id is no key".to_owned())) };
            let verb = request.verb;
            match self.carry_out(&caller, request, (key, event.id())).await {
                // Under this key it was carried out before, by a build that said it in other words: it counts once.
                Ok(_) | Err(CommandError::KeyReused) => {}
                Err(error @ (CommandError::Conflict | CommandError::Unavailable { .. } | CommandError::Busy)) => {
                    return Err(Trouble::Transient(format!("{verb}: {error}")));
                }
                Err(error @ CommandError::Newer(_)) if self.around.lease.may_leave() => {
                    return Err(Trouble::Newer(format!("{verb}: {error}")));
                }
                Err(error) => {
                    let code = error.refusal().map_or(error.kind(), |refusal| &refusal.code);
                    return Ok(Err(format!("{verb} was refused: {code}")));
                }
            }
        }
        Ok(Ok(()))
    }

    /// Of who was merged meanwhile, its survivor is asked where the request says how.
    async fn carry_out(
        &self,
        caller: &Caller,
        mut request: Request,
        (key, cause): (IdempotencyKey, String),
    ) -> Result<Committed, CommandError> {
        loop {
            let of_survivor = request.of_survivor.take();
            let asked = request.keyed(Some(key.clone())).forgetful().caused_by(cause.clone());
            let answer = self.around.commands.execute(caller, asked).await;
            let survivor = answer.as_ref().err().and_then(CommandError::refusal).and_then(refusals::survivor);
            match (survivor, of_survivor) {
                (Some(survivor), Some(asked_of)) => request = asked_of(survivor),
                _ => return answer,
            }
        }
    }

    /// What follows from an event; why that cannot be said, when it is the event's fault.
    fn reaction_to(&self, event: &RecordedEvent) -> Result<Result<Vec<Request>, String>, Trouble> {
        match decode(event) {
            Ok(decoded) => Ok(self.reaction_to_decoded(event, decoded)),
            Err(error @ DecodeError::UnknownVersion { .. }) if self.around.lease.may_leave() => {
                Err(Trouble::Newer(error.to_string()))
            }
            Err(error) => Ok(Err(error.to_string())),
        }
    }

    fn reaction_to_decoded(&self, event: &RecordedEvent, decoded: Event) -> Result<Vec<Request>, String> {
        let occurrence = Occurrence {
            event: decoded,
            tenant: event.tenant,
            stream: event.stream,
            version: event.version,
            position: event.position,
            customer_id: event.customer_id,
            occurred_at: event.occurred_at,
        };
        // What a panic says stays in the log of the process: it may quote the event.
        let react = AssertUnwindSafe(|| (self.reactor.react)(&occurrence));
        catch_unwind(react).map_err(|_| "the reactor panicked at this event".to_owned())
    }

    /// The reactor, acting on the occasion of an event. Its clock is the event's, whenever it acts, and the tenant's settings of now are
    /// not asked for: what follows from an event may not depend on when that is worked out.
    fn caller_of(&self, event: &RecordedEvent) -> Caller {
        let metadata: Metadata = serde_json::from_str(&event.metadata).unwrap_or_default();
        Caller {
            tenant: event.tenant,
            actor: self.reactor.actor.to_owned(),
            scopes: Vec::new(),
            now: event.recorded_at,
            zone: Tz::UTC,
            settings: TenantSettings::default(),
            request_id: metadata.request_id,
            correlation_id: metadata.correlation_id,
            via: Door::Reactor,
        }
    }

    /// Tries what was put aside once more, where its time has come.
    async fn try_again(&self, run: &mut Run) -> Result<(), Trouble> {
        if run.aside.is_empty() {
            return Ok(());
        }
        let (pool, actor) = (&self.around.parts.pools.engine, self.reactor.actor);
        for first in parked::due(pool, actor, TRIED_AGAIN_MAX).await.map_err(transient)? {
            let mut next = Some(first);
            while let Some(position) = next {
                let event = self.event_at(position).await?;
                let stream = stream_key(&event.stream);
                if !self.try_one_again(&event, run.checkpoint.epoch).await? {
                    break;
                }
                next = parked::next_of(pool, actor, &stream, position).await.map_err(transient)?;
                if next.is_none() {
                    run.aside.remove(&stream);
                }
            }
        }
        Ok(())
    }

    /// Whether those behind it may follow.
    async fn try_one_again(&self, event: &RecordedEvent, epoch: i64) -> Result<bool, Trouble> {
        let (pool, actor, pace) = (&self.around.parts.pools.engine, self.reactor.actor, self.around.pace);
        let acted = self.act_on(event).await?;
        let noted = match &acted {
            Ok(()) => parked::take_back(pool, actor, epoch, event.position).await,
            Err(reason) => {
                let pauses = (pace.parked_first, pace.parked_longest);
                parked::failed_again(pool, actor, epoch, (event.position, reason), pauses).await
            }
        };
        if noted.map_err(transient)? { Ok(acted.is_ok()) } else { Err(Trouble::Fenced) }
    }

    async fn event_at(&self, position: Position) -> Result<RecordedEvent, Trouble> {
        let (after, filter) = (Position(position.0 - 1), Filter::default());
        let read = self.around.parts.store.read_all(ReadAll { after, filter, limit: 1, reveal: false });
        let mut found: Vec<RecordedEvent> = read.try_collect().await?;
        found.pop().ok_or_else(|| Trouble::Unfit(format!("there is no event at {position}, which was put aside")))
    }

    /// Says what went wrong to all who ask, and how long to pause.
    fn stumble(&mut self, trouble: Trouble) -> Duration {
        let (name, position) = (self.reactor.name, self.around.progress.position().0);
        let (state, reason) = match trouble {
            Trouble::Transient(reason) | Trouble::Newer(reason) => (ReactorState::Retrying, reason),
            Trouble::Fenced => (ReactorState::Retrying, "another node has taken it over".to_owned()),
            Trouble::Unfit(reason) => (ReactorState::Failed, reason),
        };
        tracing::warn!(reactor = name, position, reason, "reactor tries again later");
        self.around.progress.stumbled(state, reason);
        self.backoff.pause()
    }
}

fn transient(error: impl std::fmt::Display) -> Trouble {
    Trouble::Transient(error.to_string())
}

/// Streams in the order of their first events, each with its events in order.
fn by_stream(events: &[Arc<RecordedEvent>]) -> Vec<(StreamId, Vec<&RecordedEvent>)> {
    let mut places: HashMap<StreamId, usize> = HashMap::new();
    let mut grouped: Vec<(StreamId, Vec<&RecordedEvent>)> = Vec::new();
    for event in events {
        let place = *places.entry(event.stream).or_insert_with(|| {
            grouped.push((event.stream, Vec::new()));
            grouped.len() - 1
        });
        grouped[place].1.push(event);
    }
    grouped
}
