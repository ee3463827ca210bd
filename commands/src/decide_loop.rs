//! The decide loop: one task per node that decides all commands, one after the other, and hands the outcome to the store.
//!
//! A command takes this way:
//!
//! 1. It waits for an equal one that is under way (same command id or once-only fact), and for its turn on each stream of
//!    its scope: on each stream commands are decided in the order in which they came. Streams that are not in memory are
//!    loaded outside the loop ([`crate::loading`]).
//! 2. It is decided on the states in memory, which include what is still pending. Its events go into those states at once,
//!    and an append goes to the store: every stream of the scope with the version it was decided on, also those only read,
//!    and the tickets of the pending requests whose events the states include. So the store accepts it only if all that it
//!    saw came true. A refusal, and an answer that needs no event, goes to the store in the same way, as a check.
//! 3. The verdict comes back as a message. Committed: the answer goes out. Conflict, or a request it rested on was refused:
//!    the states are forgotten, and it waits for its turn again, with its place kept.
//!
//! Invariants:
//!
//! - A state in memory is committed, but for the events of requests whose verdict is awaited. Each stream knows the last
//!   request that wrote to it; that one rests on the one before it, and so on: its ticket stands for all of them.
//! - A refused request takes the states it wrote to with it. What was decided on them in between is refused by the store,
//!   through the tickets, even when the versions agree again by coincidence.
//! - A stream is loaded only when no request that touched it awaits a verdict: what is read then is not about to change by
//!   our own doing, and commands that are to be decided again are all back at their places.
//! - Verdicts are handled in the order of submission.
//!
//! It knows nothing of the domain but how a state evolves.

mod job;
mod streams;
mod submission;
#[cfg(test)]
mod tests;
mod verdicts;

pub(crate) use job::Job;

use crate::cache::{Held, StreamKey};
use crate::error::CommandError;
use crate::execute::Config;
use crate::loading::{LoadError, died, load};
use domain::AggregateState;
use futures::FutureExt;
use job::{Part, Scoped};
use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use store::{AppendError, Appended, EventStore, Receipt};
use streams::Streams;
use submission::Flight;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, WeakUnboundedSender, unbounded_channel};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use uuid::Uuid;

/// What the loop is told.
#[derive(Debug)]
pub(crate) enum Message {
    /// A command came.
    Submitted(Box<Job>),
    /// A stream was loaded.
    Loaded(StreamKey, Result<Held, LoadError>),
    /// Somebody wants to look at a stream's state, to know what to ask for.
    Looked(Look),
    /// The store judged the oldest request that awaits its verdict.
    Verdict(Result<Appended, AppendError>),
}

/// Is told what is there.
type See = Box<dyn FnOnce(Result<&AggregateState, LoadError>) + Send>;

/// A look at the state of a stream. What it sees may be pending, and another the moment after: no answer rests on it.
pub(crate) struct Look {
    pub(crate) key: StreamKey,
    pub(crate) see: See,
    pub(crate) _place: OwnedSemaphorePermit,
}

impl fmt::Debug for Look {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Look").field("key", &self.key).finish_non_exhaustive()
    }
}

/// Starts the loop; it ends when the sender and its clones are dropped.
pub(crate) fn start(store: Arc<dyn EventStore>, config: Config) -> UnboundedSender<Message> {
    let (inbox, messages) = unbounded_channel();
    let (receipts, undecided) = unbounded_channel();
    tokio::spawn(await_verdicts(undecided, inbox.downgrade()));
    tokio::spawn(DecideLoop::new(store, config, inbox.downgrade(), receipts).run(messages));
    inbox
}

/// Brings the verdicts back in the order in which the requests were submitted.
async fn await_verdicts(mut receipts: UnboundedReceiver<Receipt>, inbox: WeakUnboundedSender<Message>) {
    while let Some(receipt) = receipts.recv().await {
        let verdict = receipt.verdict().await;
        let Some(inbox) = inbox.upgrade() else { return };
        if inbox.send(Message::Verdict(verdict)).is_err() {
            return;
        }
    }
}

struct DecideLoop {
    store: Arc<dyn EventStore>,
    inbox: WeakUnboundedSender<Message>,
    receipts: UnboundedSender<Receipt>,
    loads: Arc<Semaphore>,
    snapshots: Arc<Semaphore>,
    /// Commands under way, by their place in the order of arrival.
    jobs: HashMap<u64, Job>,
    /// Commands that came while too many requests awaited their verdict.
    backlog: VecDeque<Job>,
    /// By the ids of commands under way: the equal ones that wait for them.
    twins: HashMap<Uuid, Vec<Job>>,
    streams: Streams,
    /// Streams whose turn it was while too many requests awaited their verdict.
    stalled: VecDeque<StreamKey>,
    /// Requests that await their verdict, oldest first.
    flights: VecDeque<(u64, Flight)>,
    next_place: u64,
    next_flight: u64,
    meters: Meters,
    config: Config,
}

struct Meters {
    conflicts: metrics::Counter,
    cache_hits: metrics::Counter,
    cache_misses: metrics::Counter,
    decide_seconds: metrics::Histogram,
    queue_depth: metrics::Gauge,
}

impl Meters {
    fn new() -> Self {
        Self {
            conflicts: metrics::counter!("clientela_command_conflicts_total"),
            cache_hits: metrics::counter!("clientela_state_cache_hits_total"),
            cache_misses: metrics::counter!("clientela_state_cache_misses_total"),
            decide_seconds: metrics::histogram!("clientela_decide_seconds"),
            queue_depth: metrics::gauge!("clientela_commands_under_way"),
        }
    }
}

const MESSAGES_AT_ONCE: usize = 256;
const SNAPSHOTS_AT_ONCE: usize = 4;

impl DecideLoop {
    fn new(
        store: Arc<dyn EventStore>,
        config: Config,
        inbox: WeakUnboundedSender<Message>,
        receipts: UnboundedSender<Receipt>,
    ) -> Self {
        Self {
            store,
            inbox,
            receipts,
            loads: Arc::new(Semaphore::new(config.loads_max)),
            snapshots: Arc::new(Semaphore::new(SNAPSHOTS_AT_ONCE)),
            jobs: HashMap::new(),
            backlog: VecDeque::new(),
            twins: HashMap::new(),
            streams: Streams::new(config.cache_entries_max, config.cache_bytes_max),
            stalled: VecDeque::new(),
            flights: VecDeque::new(),
            next_place: 0,
            next_flight: 0,
            meters: Meters::new(),
            config,
        }
    }

    async fn run(mut self, mut messages: UnboundedReceiver<Message>) {
        let mut received = Vec::with_capacity(MESSAGES_AT_ONCE);
        while messages.recv_many(&mut received, MESSAGES_AT_ONCE).await > 0 {
            for message in received.drain(..) {
                self.handle(message);
                self.go_on();
            }
            self.meters.queue_depth.set((self.jobs.len() + self.backlog.len()) as f64);
        }
    }

    fn handle(&mut self, message: Message) {
        match message {
            Message::Submitted(job) => {
                let place = self.next_place;
                self.next_place += 1;
                self.backlog.push_back(job.at_place(place));
            }
            Message::Loaded(key, loaded) => self.loaded(key, loaded),
            Message::Looked(look) => self.look(look),
            Message::Verdict(verdict) => self.judged(verdict),
        }
    }

    /// Takes up what was put off, as long as not too many requests await their verdict.
    fn go_on(&mut self) {
        while self.flights.len() < self.config.undecided_max {
            if let Some(key) = self.stalled.pop_front() {
                self.stir(vec![key]);
            } else if let Some(job) = self.backlog.pop_front() {
                self.admit(job);
            } else {
                return;
            }
        }
    }

    /// Lets a command in, unless an equal one is under way: then it waits for that one's end.
    fn admit(&mut self, job: Job) {
        let ids = job.ids();
        if let Some(twin) = ids.iter().flatten().find(|id| self.twins.contains_key(*id)) {
            self.twins.entry(*twin).or_default().push(job);
            return;
        }
        for id in ids.into_iter().flatten() {
            self.twins.insert(id, Vec::new());
        }
        self.enter(job);
    }

    /// Gives a command its place on each stream of its scope, and decides it if it is its turn.
    fn enter(&mut self, job: Job) {
        let (place, keys) = (job.place, Arc::clone(&job.scope));
        for scoped in keys.iter() {
            match self.streams.enlist(scoped, place) {
                true => self.meters.cache_hits.increment(1),
                false => self.meters.cache_misses.increment(1),
            }
        }
        self.jobs.insert(place, job);
        if keys.is_empty() {
            self.decide(place);
        } else {
            self.stir(keys.iter().map(|scoped| scoped.key).collect());
        }
    }

    /// Lets everything happen that can: loads what is missing, decides commands whose turn it is.
    fn stir(&mut self, mut changed: Vec<StreamKey>) {
        while let Some(key) = changed.pop() {
            if self.streams.begin_load(&key) {
                self.load(key);
                continue;
            }
            for looker in self.streams.lookers_with_news(&key) {
                if !self.take_turn(looker, &mut changed) {
                    self.streams.remind_lookers(&key);
                    self.stalled.push_back(key);
                    break;
                }
            }
            match self.streams.next_place(&key) {
                Some(place) if self.take_turn(place, &mut changed) => {}
                Some(_) => self.stalled.push_back(key),
                None => self.streams.rest(&key),
            }
        }
    }

    /// Decides a command if it is its turn; tells on which streams others may have theirs now. False when it is its turn but too many
    /// requests await their verdict.
    fn take_turn(&mut self, place: u64, changed: &mut Vec<StreamKey>) -> bool {
        let Some(scope) = self.scope_if_its_turn(place) else { return true };
        if self.flights.len() >= self.config.undecided_max {
            return false;
        }
        for scoped in scope.iter() {
            self.streams.delist(&scoped.key, place);
        }
        self.decide(place);
        changed.extend(scope.iter().filter(|scoped| scoped.part != Part::Sees).map(|scoped| scoped.key));
        true
    }

    fn scope_if_its_turn(&self, place: u64) -> Option<Arc<[Scoped]>> {
        let scope = &self.jobs.get(&place)?.scope;
        let turn = scope.iter().all(|scoped| self.streams.is_turn(scoped, place));
        turn.then(|| Arc::clone(scope))
    }

    /// The streams of a command's scope.
    fn keys_of(&self, place: u64) -> Vec<StreamKey> {
        self.jobs.get(&place).map_or_else(Vec::new, |job| job.scope.iter().map(|scoped| scoped.key).collect())
    }

    fn load(&self, key: StreamKey) {
        let (store, loads, inbox) = (Arc::clone(&self.store), Arc::clone(&self.loads), self.inbox.clone());
        tokio::spawn(async move {
            let _turn = loads.acquire_owned().await;
            let loading = AssertUnwindSafe(load(store.as_ref(), key)).catch_unwind();
            let loaded = loading.await.unwrap_or_else(|panic| Err(died(panic)));
            if let Some(inbox) = inbox.upgrade() {
                let _ = inbox.send(Message::Loaded(key, loaded));
            }
        });
    }

    /// Lets somebody look; at a stream that is not in memory when it was read, which nobody waits for.
    fn look(&self, look: Look) {
        if let Some(held) = self.streams.peek(&look.key) {
            return (look.see)(Ok(&held.state));
        }
        let (store, loads) = (Arc::clone(&self.store), Arc::clone(&self.loads));
        tokio::spawn(async move {
            let _turn = loads.acquire_owned().await;
            match load(store.as_ref(), look.key).await {
                Ok(held) => (look.see)(Ok(&held.state)),
                Err(error) => (look.see)(Err(error)),
            }
        });
    }

    fn loaded(&mut self, key: StreamKey, loaded: Result<Held, LoadError>) {
        match loaded {
            Ok(held) => {
                self.streams.hold(&key, held);
                self.stir(vec![key]);
            }
            Err(error) => {
                tracing::warn!(stream = %key.stream, tenant = %key.tenant, %error, "a stream could not be loaded");
                let mut changed = vec![key];
                for place in self.streams.give_up(&key) {
                    changed.extend(self.keys_of(place));
                    self.finish(place, Err(error.answer()));
                }
                self.stir(changed);
            }
        }
    }

    /// Ends a command with its answer.
    fn finish(&mut self, place: u64, answer: job::Answered) {
        if let Some(job) = self.end(place) {
            job.answer(answer);
        }
    }

    /// Ends a command; who waited for it comes back. Its answer is up to the caller.
    fn end(&mut self, place: u64) -> Option<Job> {
        let job = self.jobs.remove(&place)?;
        for scoped in job.scope.iter() {
            self.streams.delist(&scoped.key, place);
        }
        for id in job.ids().into_iter().flatten() {
            let waiting = self.twins.remove(&id).unwrap_or_default();
            for twin in waiting.into_iter().rev() {
                self.backlog.push_front(twin);
            }
        }
        Some(job)
    }

    fn unanswerable(&mut self, place: u64, reason: &'static str) {
        tracing::error!(reason, "a command could not be decided");
        self.finish(place, Err(CommandError::internal(reason)));
    }
}
