//! Subscriptions of readers outside: perhaps thousands of them, any of them slow.
//!
//! What lies ready for one reader is bounded by [`Room`], in events and in bytes. Who is further behind lets go of everything
//! that was pushed and reads the log page by page, a few readers at a time, so that neither the writer nor the projectors notice.

use super::read::{Extent, Page, Reader};
use super::tail::{End, Tail};
use super::writer::Committed;
use crate::feed::{BUFFERED_BYTES_MAX, BUFFERED_EVENTS_MAX};
use crate::{Filter, Personal, Position, RecordedEvent, Signal, SignalStream, StoreError};
use futures::StreamExt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, broadcast, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// A page takes half of the room, so that one can be read while the one before is sent.
const PAGE_EVENTS: usize = BUFFERED_EVENTS_MAX / 2;
/// A filter that lets little through looks at so many positions at a time, which is a matter of milliseconds.
const PAGE_POSITIONS: i64 = 20_000;
/// An event takes one place for each such part of it: all places together are both bounds at once.
const PLACE_BYTES: usize = BUFFERED_BYTES_MAX / BUFFERED_EVENTS_MAX;
/// Signals that lie ready; those without events take no room.
const SIGNALS_MAX: usize = 2 * BUFFERED_EVENTS_MAX;

/// What is asked for.
pub(super) struct Feed {
    pub(super) after: Position,
    pub(super) filter: Filter,
    pub(super) reveal: bool,
}

/// One such subscription on its way from the past to the present.
pub(super) struct BoundedFollow {
    reader: Reader,
    tail: Tail,
    feed: Feed,
    at: Position,
    out: mpsc::Sender<Buffered>,
    room: Arc<Semaphore>,
}

/// A signal that lies ready, and the room that it takes until it is fetched.
type Buffered = (Result<Signal, StoreError>, Option<Room>);
type Room = OwnedSemaphorePermit;

impl BoundedFollow {
    /// The subscription, to be run, and what its reader fetches from.
    pub(super) fn new(reader: Reader, tail: Tail, feed: Feed) -> (Self, SignalStream) {
        let (out, signals) = mpsc::channel::<Buffered>(SIGNALS_MAX);
        let room = Arc::new(Semaphore::new(BUFFERED_EVENTS_MAX));
        let signals = ReceiverStream::new(signals).map(|(signal, room)| {
            drop(room);
            signal
        });
        let at = feed.after;
        (Self { reader, tail, feed, at, out, room }, signals.boxed())
    }

    pub(super) async fn run(mut self) {
        if let Err(End::Failed(error)) = self.follow().await {
            let _ = self.out.send((Err(error), None)).await;
        }
    }

    async fn follow(&mut self) -> Result<(), End> {
        let mut live = self.tail.subscribe();
        self.catch_up().await?;
        self.say((Ok(Signal::CaughtUp(self.at)), None)).await?;
        loop {
            let batch = tokio::select! {
                batch = live.recv() => batch,
                () = self.out.closed() => return Err(End::Unheard),
            };
            let is_in_time = match batch {
                Ok(batch) => self.take(&batch).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => false,
                Err(broadcast::error::RecvError::Closed) => {
                    return Err(End::Failed(StoreError::Unavailable("the event store is closing".into())));
                }
            };
            if !is_in_time {
                // A reader that stands still must not keep batches alive: it listens again once there is room.
                drop(live);
                drop(self.room_for_a_page().await?);
                live = self.tail.subscribe();
                self.catch_up().await?;
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            // First the room, then the page: while the reader stands still nothing is held for it but what lies ready.
            let mut room = self.room_for_a_page().await?;
            let Page { events, through, head } = self.page().await?;
            let places = places_of(events.iter());
            drop(room.split(PAGE_EVENTS.saturating_sub(places)));
            if through > self.at {
                let events = events.into_iter().map(Arc::new).collect();
                self.say((Ok(Signal::Events { events, through }), Some(room))).await?;
                self.at = through;
            }
            if through == head {
                return Ok(());
            }
        }
    }

    /// The next page, opened as far as it may be, cut so that it fits into half of the room.
    async fn page(&self) -> Result<Page, StoreError> {
        let _turn = self.tail.turn().await;
        let extent = Extent { events: PAGE_EVENTS as i64, positions: PAGE_POSITIONS };
        let mut page = self.reader.page(self.at, &self.feed.filter, extent).await?;
        let fitting = fitting(page.events.iter(), PAGE_EVENTS).max(1);
        if fitting < page.events.len() {
            page.events.truncate(fitting);
            page.through = page.events.last().map_or(page.through, |last| last.position);
        }
        if self.feed.reveal {
            self.reader.keyring.open(&self.reader.pool, &mut page.events).await?;
        }
        Ok(page)
    }

    /// Passes a pushed batch on as far as there is room now; false: the rest has to come from the log.
    async fn take(&mut self, batch: &Committed) -> Result<bool, End> {
        let (Some(first), Some(last)) = (batch.first(), batch.last()) else { return Ok(true) };
        if last.position <= self.at {
            return Ok(true);
        }
        if first.position.0 > self.at.0 + 1 {
            return Ok(false);
        }
        let fresh = batch.iter().filter(|event| event.position > self.at && self.feed.filter.accepts(event));
        let fresh: Vec<_> = fresh.cloned().collect();
        let mut rest = fresh.as_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(fitting(rest.iter().map(AsRef::as_ref), PAGE_EVENTS).max(1));
            let Some(room) = self.room_now(now) else { return Ok(false) };
            let through = if later.is_empty() { last.position } else { now.last().map_or(self.at, |e| e.position) };
            let events = self.opened(now).await?;
            self.say((Ok(Signal::Events { events, through }), Some(room))).await?;
            (self.at, rest) = (through, later);
        }
        if self.at < last.position {
            self.pass_over(last.position);
        }
        Ok(true)
    }

    /// Nothing for this reader, but a place to resume from. When many of them lie ready, a later one will do.
    fn pass_over(&mut self, through: Position) {
        let _ = self.out.try_send((Ok(Signal::Events { events: Vec::new(), through }), None));
        self.at = through;
    }

    async fn opened(&self, events: &[Arc<RecordedEvent>]) -> Result<Vec<Arc<RecordedEvent>>, StoreError> {
        if !self.feed.reveal || events.iter().all(|event| event.personal == Personal::Absent) {
            return Ok(events.to_vec());
        }
        let mut opened: Vec<RecordedEvent> = events.iter().map(|event| RecordedEvent::clone(event)).collect();
        self.reader.keyring.open(&self.reader.pool, &mut opened).await?;
        Ok(opened.into_iter().map(Arc::new).collect())
    }

    fn room_now(&self, events: &[Arc<RecordedEvent>]) -> Option<Room> {
        let places = places_of(events.iter().map(AsRef::as_ref)).min(BUFFERED_EVENTS_MAX);
        Arc::clone(&self.room).try_acquire_many_owned(u32::try_from(places).ok()?).ok()
    }

    async fn room_for_a_page(&self) -> Result<Room, End> {
        tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(PAGE_EVENTS as u32) => room.map_err(|_| End::Unheard),
            () = self.out.closed() => Err(End::Unheard),
        }
    }

    async fn say(&self, signal: Buffered) -> Result<(), End> {
        self.out.send(signal).await.map_err(|_| End::Unheard)
    }
}

/// How many events from the first on take at most so many places.
fn fitting<'a>(events: impl Iterator<Item = &'a RecordedEvent>, places_max: usize) -> usize {
    let taken = events.scan(0, |taken, event| {
        *taken += places(event);
        Some(*taken)
    });
    taken.take_while(|taken| *taken <= places_max).count()
}

fn places_of<'a>(events: impl Iterator<Item = &'a RecordedEvent>) -> usize {
    events.map(places).sum()
}

fn places(event: &RecordedEvent) -> usize {
    let personal = match &event.personal {
        Personal::Sealed(bytes) | Personal::Opened(bytes) => bytes.len(),
        Personal::Absent | Personal::Erased => 0,
    };
    let bytes = size_of::<RecordedEvent>() + event.metadata.len() + event.payload.len() + personal;
    bytes.div_ceil(PLACE_BYTES)
}
