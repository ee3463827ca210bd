//! The one pipeline that all commands go through: load → decide → append → on conflict load and decide again.
//!
//! [`Commands`] is the handle; behind it one task per node decides, command after command (see [`crate::decide_loop`]).
//! An answer is given only when the store has committed what it rests on, refusals and answers without events included.

use crate::cache::StreamKey;
use crate::caller::Caller;
use crate::changes::Changes;
use crate::clock::moment;
use crate::decide_loop::{self, Job, Look, Message};
use crate::error::CommandError;
use crate::identity::{IdempotencyKey, Once, command_id, fingerprint};
use crate::loading::LoadError;
use crate::refusals;
use crate::states::{States, stream_of};
use chrono::{DateTime, Utc};
use domain::ids::CustomerId;
use domain::{Aggregate, AggregateState, Event, Refusal};
use serde::Serialize;
use serde_json::Value;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use store::{ClaimKey, EventStore, Identity, Metadata, OtherName, Position, StreamId, Version};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{Semaphore, oneshot};
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

/// Bounds of the pipeline.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// At most so many commands are under way; one more is answered [`CommandError::Busy`].
    pub commands_max: usize,
    /// At most so many decisions await the store's verdict.
    pub undecided_max: usize,
    /// At most so many idle states are kept.
    pub cache_entries_max: usize,
    /// At most so many bytes of idle states are kept, roughly.
    pub cache_bytes_max: usize,
    /// At most so many streams are loaded at the same time.
    pub loads_max: usize,
    /// A command is decided at most so often because others changed its streams.
    pub attempts_max: u32,
    /// A command is answered within this time.
    pub deadline: Duration,
    /// A snapshot is made when a stream has grown by so many events.
    pub snapshot_every: Version,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            commands_max: 16_384,
            undecided_max: 4_096,
            cache_entries_max: 100_000,
            cache_bytes_max: 64 * 1024 * 1024,
            loads_max: 16,
            attempts_max: 16,
            deadline: Duration::from_secs(10),
            snapshot_every: 100,
        }
    }
}

/// A pure decision. It may be made several times, on newer states each time.
pub type Decide = Box<dyn Fn(&States<'_>) -> Result<Changes, Refusal> + Send + Sync>;

/// Under which other names the once-only facts of a request may stand in the log, by the states that it is decided on.
pub type OtherNames = Box<dyn Fn(&States<'_>) -> Vec<OtherName> + Send + Sync>;

/// The same request, of the customer that another one turned out to be.
pub type OfSurvivor = Box<dyn Fn(CustomerId) -> Request + Send + Sync>;

/// Commands that must happen in the order in which they were taken in, or not yet: when one is answered that it may happen
/// later, those behind it are answered so too. Clones are the same series.
#[derive(Debug, Clone, Default)]
pub struct Series {
    broken: Arc<AtomicBool>,
}

impl Series {
    pub(crate) fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }

    pub(crate) fn note<T>(&self, answer: &Result<T, CommandError>) {
        if answer.as_ref().is_err_and(CommandError::may_pass) {
            self.broken.store(true, Ordering::Release);
        }
    }
}

/// A command, ready to be decided.
pub struct Request {
    /// What is asked, for ever the same: `loyalty.redeem`. Part of how a repeat is recognised.
    pub verb: &'static str,
    /// The caller's name for this request.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The once-only fact it is about.
    pub once: Option<Once>,
    /// Other names of that fact, and of those that its events record.
    pub other_names: Option<OtherNames>,
    /// The parsed request: what makes two requests the same. The clock is no part of it.
    pub content: Value,
    /// The streams it reads and perhaps writes, in the order in which their events get positions.
    pub scope: Vec<StreamId>,
    /// Those of them that cannot exist yet, because their ids are new: they are not looked for.
    pub fresh: Vec<StreamId>,
    /// The streams that it only looks at, as many others do at the same time: rules of the tenant, say.
    pub seen: Vec<StreamId>,
    /// The series it belongs to.
    pub series: Option<Series>,
    /// Whether its answer is not kept when it makes no event: it is then decided again when it comes again.
    pub forgetful: bool,
    /// Id of the event that it follows from.
    pub cause: Option<String>,
    /// Business time of its events.
    pub occurred_at: DateTime<Utc>,
    /// What is asked instead, of a survivor, when it is refused because its customer was merged. For who cannot be told: a reactor.
    pub of_survivor: Option<OfSurvivor>,
    /// Where what it claims stands in what its caller sent, as JSON pointers.
    pub claimed_at: Vec<(ClaimKey, String)>,
    /// The decision.
    pub decide: Decide,
}

impl Request {
    /// A command on some streams.
    pub fn new(
        verb: &'static str,
        occurred_at: DateTime<Utc>,
        scope: impl IntoIterator<Item = StreamId>,
        decide: impl Fn(&States<'_>) -> Result<Changes, Refusal> + Send + Sync + 'static,
    ) -> Self {
        Self {
            verb,
            idempotency_key: None,
            once: None,
            other_names: None,
            content: Value::Null,
            scope: scope.into_iter().collect(),
            fresh: Vec::new(),
            seen: Vec::new(),
            series: None,
            forgetful: false,
            cause: None,
            occurred_at,
            of_survivor: None,
            claimed_at: Vec::new(),
            decide: Box::new(decide),
        }
    }

    /// With the places of what it claims: one that is another's is named by its place.
    #[must_use]
    pub fn claiming(self, claimed_at: Vec<(ClaimKey, String)>) -> Self {
        Self { claimed_at, ..self }
    }

    /// With the caller's name for it.
    #[must_use]
    pub fn keyed(self, key: Option<IdempotencyKey>) -> Self {
        Self { idempotency_key: key, ..self }
    }

    /// About a fact that may happen once only.
    #[must_use]
    pub fn once(self, once: Once) -> Self {
        Self { once: Some(once), ..self }
    }

    /// With what makes two requests the same.
    #[must_use]
    pub fn content(self, content: Value) -> Self {
        Self { content, ..self }
    }

    /// Only as long as a stream of its scope is at the version that the caller has seen, if one was named. What there is not is
    /// left to the decision: it says so better.
    #[must_use]
    pub fn only_if_at(self, stream: StreamId, seen: Option<Version>) -> Self {
        let Some(seen) = seen else { return self };
        let (decide, content) = (self.decide, serde_json::json!({"only_if_at": seen, "request": self.content}));
        let decide = move |states: &States<'_>| match states.version(&stream) {
            version if version == seen || version == 0 => decide(states),
            version => Err(refusals::changed_since(seen, version)),
        };
        Self { decide: Box::new(decide), content, ..self }
    }

    /// Refused for what does not depend on any state, if there is something. Decided like all else, so that what was carried out before is
    /// still answered as it was when rules have become stricter since.
    #[must_use]
    pub fn refused_for(self, refusal: Option<Refusal>) -> Self {
        match refusal {
            Some(refusal) => Self { decide: Box::new(move |_| Err(refusal.clone())), ..self },
            None => self,
        }
    }

    /// As the next of a series.
    #[must_use]
    pub fn in_series(self, series: &Series) -> Self {
        Self { series: Some(series.clone()), ..self }
    }

    /// Which looks at other streams, too, without writing to them. It rests on them as on those of its scope, but commands do not
    /// take turns for it.
    #[must_use]
    pub fn seeing(self, seen: impl IntoIterator<Item = StreamId>) -> Self {
        Self { seen: seen.into_iter().collect(), ..self }
    }

    /// Not to be remembered when it makes no event.
    #[must_use]
    pub fn forgetful(self) -> Self {
        Self { forgetful: true, ..self }
    }

    /// Which is asked of the survivor when its customer was merged, if a reactor asks it.
    #[must_use]
    pub fn of_survivor(self, asked: impl Fn(CustomerId) -> Self + Send + Sync + 'static) -> Self {
        Self { of_survivor: Some(Box::new(asked)), ..self }
    }

    /// Which follows from an event.
    #[must_use]
    pub fn caused_by(self, event_id: String) -> Self {
        Self { cause: Some(event_id), ..self }
    }

    /// Which makes new streams, under ids that were just made.
    #[must_use]
    pub fn creating(self, fresh: impl IntoIterator<Item = StreamId>) -> Self {
        Self { fresh: fresh.into_iter().collect(), ..self }
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request").field("verb", &self.verb).field("scope", &self.scope).finish_non_exhaustive()
    }
}

/// A command that was carried out, or needed nothing done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Committed {
    /// Position of its last event; without events the head of the log at which the answer held. Who has seen the log up to
    /// here sees what the command did.
    pub position: Position,
    /// Position of its first event.
    pub first: Position,
    /// What happened.
    pub events: Vec<RecordedDomainEvent>,
    /// When it was recorded, by the database's clock.
    pub recorded_at: DateTime<Utc>,
    /// Whether this is the answer of an earlier, equal request.
    pub repeated: bool,
}

/// An event that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordedDomainEvent {
    /// What happened.
    pub event: Event,
    /// On which stream.
    pub stream: StreamId,
    /// As which of its events.
    pub version: Version,
    /// Where in the log.
    pub position: Position,
    /// When, in business time.
    pub occurred_at: DateTime<Utc>,
}

/// The handle of the pipeline; clones share it. The loop ends when the last handle and the last pending answer are dropped.
#[derive(Clone)]
pub struct Commands {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn EventStore>,
    inbox: UnboundedSender<Message>,
    places: Arc<Semaphore>,
    deadline: Duration,
}

impl fmt::Debug for Commands {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Commands").field("places", &self.inner.places).finish_non_exhaustive()
    }
}

impl Commands {
    /// Starts the pipeline on a store. To be called within a tokio runtime.
    #[must_use]
    pub fn start(store: Arc<dyn EventStore>, config: Config) -> Self {
        let places = Arc::new(Semaphore::new(config.commands_max));
        let deadline = config.deadline;
        let inbox = decide_loop::start(Arc::clone(&store), config);
        Self { inner: Arc::new(Inner { store, inbox, places, deadline }) }
    }

    /// Carries a command out.
    ///
    /// # Errors
    /// As [`CommandError`] says.
    pub async fn execute(&self, caller: &Caller, request: Request) -> Result<Committed, CommandError> {
        self.submit(caller, request).await
    }

    /// Takes a command in at once, behind those taken in before, and answers later: so many can be under way in order.
    pub fn submit(
        &self,
        caller: &Caller,
        request: Request,
    ) -> impl Future<Output = Result<Committed, CommandError>> + Send + 'static {
        let (verb, asked_at) = (request.verb, moment());
        let handle = self.clone();
        let deadline = asked_at + self.inner.deadline;
        let taken_in = self.take_in(caller, request, deadline);
        async move {
            let result = match taken_in {
                Ok(answer) => answer_by(deadline, answer).await,
                Err(error) => Err(error),
            };
            observe(verb, asked_at, &result);
            drop(handle);
            result
        }
    }

    /// Looks at a state, to know which streams a command has to be asked of. Nothing may rest on what it sees: it can be another when
    /// the command is decided, which has to compare ([`refusals::outdated`]).
    pub(crate) async fn look<A: Aggregate, T: Send + 'static>(
        &self,
        caller: &Caller,
        id: Uuid,
        see: impl FnOnce(&A) -> T + Send + 'static,
    ) -> Result<T, CommandError> {
        let deadline = moment() + self.inner.deadline;
        let place = Arc::clone(&self.inner.places).try_acquire_owned().map_err(|_| CommandError::Busy)?;
        let (tell, told) = oneshot::channel();
        let see = move |state: Result<&AggregateState, LoadError>| {
            let seen = state.map_err(|error| error.answer()).and_then(|state| match A::of(state) {
                Some(state) => Ok(see(state)),
                None => Err(CommandError::internal("a stream holds another aggregate than its category says")),
            });
            // Who asked may have given up waiting.
            let _ = tell.send(seen);
        };
        let key = StreamKey { tenant: caller.tenant, stream: stream_of::<A>(id) };
        let look = Look { key, see: Box::new(see), _place: place };
        let closed = |_| CommandError::unavailable("the decide loop has ended");
        self.inner.inbox.send(Message::Looked(look)).map_err(closed)?;
        answer_by(deadline, told).await
    }

    pub(crate) fn store(&self) -> &dyn EventStore {
        self.inner.store.as_ref()
    }

    fn take_in(&self, caller: &Caller, request: Request, deadline: Instant) -> Result<Answer, CommandError> {
        let place = Arc::clone(&self.inner.places).try_acquire_owned().map_err(|_| CommandError::Busy);
        request.series.iter().for_each(|series| series.note(&place));
        let place = place?;
        let (answer, answered) = oneshot::channel();
        let job = Job::new(caller, identity_of(caller, &request), request, deadline, (answer, place));
        let closed = |_| CommandError::unavailable("the decide loop has ended");
        self.inner.inbox.send(Message::Submitted(Box::new(job))).map_err(closed)?;
        Ok(answered)
    }
}

type Answer = oneshot::Receiver<Result<Committed, CommandError>>;

async fn answer_by<T>(
    deadline: Instant,
    answer: oneshot::Receiver<Result<T, CommandError>>,
) -> Result<T, CommandError> {
    match timeout_at(deadline, answer).await {
        Ok(Ok(result)) => result,
        Ok(Err(_)) => Err(CommandError::unavailable("the decide loop has ended")),
        Err(_) => Err(CommandError::unavailable("no verdict of the event store in time")),
    }
}

pub(crate) fn identity_of(caller: &Caller, request: &Request) -> Identity {
    let key = request.idempotency_key.as_ref();
    let command_id = key.map(|key| command_id(caller.tenant, &caller.actor, request.verb, key));
    let once_id = request.once.as_ref().map(|once| once.id(caller.tenant));
    match command_id.or(once_id) {
        Some(_) => Identity { command_id, once_id, fingerprint: fingerprint(request.verb, &request.content) },
        None => Identity::default(),
    }
}

pub(crate) fn metadata_of(caller: &Caller) -> Metadata {
    Metadata {
        actor: caller.actor.clone(),
        request_id: caller.request_id.clone(),
        correlation_id: caller.correlation_id.clone(),
        via: Some(caller.via.as_str().to_owned()),
        ..Metadata::default()
    }
}

/// A parsed request as the value that its fingerprint is made of.
pub(crate) fn content_of(request: &impl Serialize) -> Value {
    serde_json::to_value(request).unwrap_or_default()
}

fn observe(verb: &'static str, asked_at: Instant, result: &Result<Committed, CommandError>) {
    let outcome = match result {
        Ok(committed) if committed.repeated => "repeated",
        Ok(_) => "committed",
        Err(error) => error.kind(),
    };
    metrics::counter!("clientela_commands_total", "verb" => verb, "outcome" => outcome).increment(1);
    metrics::histogram!("clientela_command_seconds", "verb" => verb).record(asked_at.elapsed().as_secs_f64());
}
