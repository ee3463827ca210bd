//! The streams that commands are at work on: their states with what is pending, and whose turn it is.
//!
//! It decides nothing and reads nothing; streams without work go to the [`Cache`].

use super::job::{Part, Scoped};
use crate::cache::{Cache, Held, StreamKey};
use crate::loading::nothing;
use domain::Category;
use std::collections::{BTreeSet, HashMap};
use store::Ticket;

/// A request whose events a state includes and whose verdict is awaited. It rests on all earlier ones of the stream.
#[derive(Debug, Clone)]
pub(super) struct Writer {
    pub(super) flight: u64,
    pub(super) ticket: Ticket,
}

/// A state that commands are decided on.
#[derive(Debug)]
pub(super) struct Working {
    pub(super) held: Held,
    /// Which time the stream was brought into memory: tells this state from one that was forgotten meanwhile.
    pub(super) generation: u64,
    /// The last of the requests whose events the state includes, until its verdict.
    pub(super) last_writer: Option<Writer>,
}

#[derive(Debug)]
enum State {
    Absent,
    Loading,
    Ready(Working),
}

#[derive(Debug)]
struct Slot {
    state: State,
    /// How many requests that touched the stream await their verdict.
    flights: u32,
    /// Commands that wait for their turn, by place.
    waiting: BTreeSet<u64>,
    /// Commands that wait to look at it, by place: for its state, and for those before them to have written.
    looking: BTreeSet<u64>,
    /// Whether something has come about that these wait for.
    news: bool,
}

/// All streams with work.
#[derive(Debug)]
pub(super) struct Streams {
    slots: HashMap<StreamKey, Slot>,
    idle: Cache,
    generations: u64,
}

impl Streams {
    pub(super) fn new(entries_max: usize, bytes_max: usize) -> Self {
        Self { slots: HashMap::new(), idle: Cache::new(entries_max, bytes_max), generations: 0 }
    }

    /// Puts a command in the line of a stream; says whether the state is in memory.
    pub(super) fn enlist(&mut self, scoped: &Scoped, place: u64) -> bool {
        if !self.slots.contains_key(&scoped.key) {
            let held = self.idle.take(&scoped.key).or_else(|| initial(scoped));
            let state = held.map_or(State::Absent, |held| self.working(held));
            let (waiting, looking) = (BTreeSet::new(), BTreeSet::new());
            self.slots.insert(scoped.key, Slot { state, flights: 0, waiting, looking, news: false });
        }
        self.slots.get_mut(&scoped.key).is_some_and(|slot| {
            match scoped.part {
                Part::Writes | Part::Creates => slot.waiting.insert(place),
                Part::Sees => slot.looking.insert(place),
            };
            matches!(slot.state, State::Ready(_))
        })
    }

    /// Takes a command out of the line of a stream.
    pub(super) fn delist(&mut self, key: &StreamKey, place: u64) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.news |= slot.waiting.remove(&place);
            slot.looking.remove(&place);
        }
    }

    /// The first in the line.
    pub(super) fn next_place(&self, key: &StreamKey) -> Option<u64> {
        self.slots.get(key)?.waiting.first().copied()
    }

    /// Those who wait to look at the stream, in the order of their places, if something has come about that they wait for.
    pub(super) fn lookers_with_news(&mut self, key: &StreamKey) -> Vec<u64> {
        let Some(slot) = self.slots.get_mut(key) else { return Vec::new() };
        let news = std::mem::take(&mut slot.news);
        slot.looking.iter().copied().filter(|_| news).collect()
    }

    /// They are to be asked again.
    pub(super) fn remind_lookers(&mut self, key: &StreamKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.news = true;
        }
    }

    /// Whether a command can be decided as far as the stream goes: it is the first in the line, or looks and none before it is to write.
    pub(super) fn is_turn(&self, scoped: &Scoped, place: u64) -> bool {
        let next = self.next_place(&scoped.key);
        let turn = match scoped.part {
            Part::Writes | Part::Creates => next == Some(place),
            Part::Sees => next.is_none_or(|next| place < next),
        };
        turn && self.working_on(&scoped.key).is_some()
    }

    /// Whether the stream is to be loaded now; it is, from now on. Not while a request that touched it is under way.
    pub(super) fn begin_load(&mut self, key: &StreamKey) -> bool {
        match self.slots.get_mut(key) {
            Some(slot) if slot.flights == 0 && slot.is_awaited() && matches!(slot.state, State::Absent) => {
                slot.state = State::Loading;
                true
            }
            Some(_) | None => false,
        }
    }

    /// Brings a loaded state in.
    pub(super) fn hold(&mut self, key: &StreamKey, held: Held) {
        let state = self.working(held);
        if let Some(slot) = self.slots.get_mut(key) {
            slot.state = state;
            slot.news = true;
        }
    }

    /// The state could not be loaded: the whole line is sent away.
    pub(super) fn give_up(&mut self, key: &StreamKey) -> Vec<u64> {
        let Some(slot) = self.slots.get_mut(key) else { return Vec::new() };
        slot.state = State::Absent;
        let (waiting, looking) = (std::mem::take(&mut slot.waiting), std::mem::take(&mut slot.looking));
        waiting.into_iter().chain(looking).collect()
    }

    pub(super) fn working_on(&self, key: &StreamKey) -> Option<&Working> {
        match &self.slots.get(key)?.state {
            State::Ready(working) => Some(working),
            State::Absent | State::Loading => None,
        }
    }

    pub(super) fn working_on_mut(&mut self, key: &StreamKey) -> Option<&mut Working> {
        match &mut self.slots.get_mut(key)?.state {
            State::Ready(working) => Some(working),
            State::Absent | State::Loading => None,
        }
    }

    /// A request that touches the stream, and perhaps writes to it, was submitted.
    pub(super) fn depart(&mut self, key: &StreamKey, writer: Option<Writer>) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.flights += 1;
            if let (State::Ready(working), Some(writer)) = (&mut slot.state, writer) {
                working.last_writer = Some(writer);
            }
        }
    }

    /// A request that touched the stream was judged.
    pub(super) fn arrive(&mut self, key: &StreamKey) {
        if let Some(slot) = self.slots.get_mut(key) {
            slot.flights -= 1;
        }
    }

    /// A request that wrote to the stream is committed.
    pub(super) fn keep(&mut self, key: &StreamKey, flight: u64) {
        if let Some(working) = self.working_on_mut(key)
            && working.last_writer.as_ref().is_some_and(|writer| writer.flight == flight)
        {
            working.last_writer = None;
        }
    }

    /// Forgets the state, unless it is already another one than that of `generation`.
    pub(super) fn forget(&mut self, key: &StreamKey, generation: u64) {
        if self.working_on(key).is_some_and(|working| working.generation == generation)
            && let Some(slot) = self.slots.get_mut(key)
        {
            slot.state = State::Absent;
        }
    }

    /// The state of a stream as far as it is in memory, with what is pending.
    pub(super) fn peek(&self, key: &StreamKey) -> Option<&Held> {
        self.working_on(key).map(|working| &working.held).or_else(|| self.idle.peek(key))
    }

    /// Puts a stream without work away. That a stream has no events is not worth a place in the cache.
    pub(super) fn rest(&mut self, key: &StreamKey) {
        let at_rest = |slot: &Slot| slot.flights == 0 && !slot.is_awaited() && !matches!(slot.state, State::Loading);
        if self.slots.get(key).is_some_and(at_rest)
            && let Some(Slot { state: State::Ready(working), .. }) = self.slots.remove(key)
            && working.held.version > 0
        {
            self.idle.put(*key, working.held);
        }
    }

    fn working(&mut self, held: Held) -> State {
        self.generations += 1;
        State::Ready(Working { held, generation: self.generations, last_writer: None })
    }
}

impl Slot {
    fn is_awaited(&self) -> bool {
        !self.waiting.is_empty() || !self.looking.is_empty()
    }
}

fn initial(scoped: &Scoped) -> Option<Held> {
    let category = Category::parse(scoped.key.stream.category).filter(|_| scoped.part == Part::Creates)?;
    Some(nothing(category))
}
