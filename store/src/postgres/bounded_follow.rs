//! Subscriptions of readers outside: perhaps thousands of them, any of them slow.
//!
//! What lies ready for one reader is bounded by [`Room`], in events and in bytes. Whatever is new is fetched from what the node
//! keeps of the newest commits; who is further behind reads the log page by page, a few readers at a time. Nothing is pushed to a
//! reader, so that one who stands still costs nothing.

use super::committed::Committed;
use super::read::{Extent, Page, Reader};
use super::tail::{Admitted, End, Tail};
use crate::feed::{BUFFERED_BYTES_MAX, BUFFERED_EVENTS_MAX};
use crate::{Filter, Position, RecordedEvent, Signal, SignalStream, StoreError};
use futures::StreamExt;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use tokio_stream::wrappers::ReceiverStream;

/// A page takes at most half of the room, so that one can be read while the one before is sent.
const PAGE_PLACES_MAX: usize = BUFFERED_EVENTS_MAX / 2;
/// Many readers have smaller pages: all that lies ready on a node is bounded too.
const PAGE_PLACES_MIN: usize = 4;
const NODE_BYTES_MAX: usize = 512 * 1024 * 1024;
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
    admitted: Admitted,
    /// The head of the log when it was last asked for.
    head: Position,
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
        let (admitted, head) = (tail.admit(), Position(0));
        (Self { reader, tail, feed, at, out, room, admitted, head }, signals.boxed())
    }

    pub(super) async fn run(mut self) {
        if let Err(End::Failed(error)) = self.follow().await {
            let _ = self.out.send((Err(error), None)).await;
        }
    }

    async fn follow(&mut self) -> Result<(), End> {
        let mut head = self.tail.head();
        while !self.read_page().await? {}
        self.say((Ok(Signal::CaughtUp(self.at)), None)).await?;
        loop {
            while self.at != *head.borrow_and_update() {
                match self.tail.recent(self.at) {
                    Some(batches) => self.take(&batches).await?,
                    None if self.read_page().await? => break,
                    None => {}
                }
            }
            tokio::select! {
                changed = head.changed() => changed.map_err(|_| closing())?,
                () = self.out.closed() => return Err(End::Unheard),
            }
            self.admitted.moment().await;
        }
    }

    /// Passes on what was committed last, as far as there is room.
    async fn take(&mut self, batches: &[Committed]) -> Result<(), End> {
        let (page_places, room) = self.room_for_a_page().await?;
        let (mut events, mut left, mut through) = (Vec::new(), page_places, self.at);
        'room: for batch in batches {
            let shown = batch.shown(&self.reader, &self.feed.filter, self.feed.reveal).await?;
            let fresh = shown.iter().skip_while(|event| event.position <= self.at);
            for event in fresh.filter(|event| self.feed.filter.accepts(event)) {
                let places = places(event);
                if places > left && !events.is_empty() {
                    break 'room;
                }
                left = left.saturating_sub(places);
                through = event.position;
                events.push(Arc::clone(event));
            }
            through = batch.ends().map_or(through, |(_, last)| last);
        }
        self.pass_on(events, through, room, page_places - left).await
    }

    /// Passes on a page of the log; true: there is no more of it. The head is asked for when the page begins where it was.
    async fn read_page(&mut self) -> Result<bool, End> {
        // First the room, then the page: while the reader stands still nothing is held for it but what lies ready.
        let (page_places, room) = self.room_for_a_page().await?;
        let is_asked = self.head <= self.at;
        if is_asked {
            self.head = self.reader.head().await?;
        }
        let Page { events, through, .. } = self.page(page_places).await?;
        let places = places_of(events.iter());
        self.pass_on(events.into_iter().map(Arc::new).collect(), through, room, places).await?;
        Ok(is_asked && through == self.head)
    }

    async fn pass_on(
        &mut self,
        events: Vec<Arc<RecordedEvent>>,
        through: Position,
        mut room: Room,
        places: usize,
    ) -> Result<(), End> {
        drop(room.split(room.num_permits().saturating_sub(places)));
        if events.is_empty() && through > self.at {
            // Nothing for this reader but a place to resume from. When many of them lie ready, a later one will do.
            let _ = self.out.try_send((Ok(Signal::Events { events, through }), None));
        } else if through > self.at {
            self.say((Ok(Signal::Events { events, through }), Some(room))).await?;
        }
        self.at = through;
        Ok(())
    }

    /// The next page, opened as far as it may be, cut so that it takes no more places than it may.
    async fn page(&self, places_max: usize) -> Result<Page, StoreError> {
        let _turn = self.tail.turn().await;
        let extent = Extent { events: places_max as i64, positions: PAGE_POSITIONS };
        let mut page = self.reader.page_below(self.head, self.at, &self.feed.filter, extent).await?;
        let fitting = fitting(page.events.iter(), places_max).max(1);
        if fitting < page.events.len() {
            page.events.truncate(fitting);
            page.through = page.events.last().map_or(page.through, |last| last.position);
        }
        if self.feed.reveal {
            self.reader.keyring.open(&self.reader.pool, &mut page.events).await?;
        }
        Ok(page)
    }

    /// How many places a page may take now, and so much room at least, once no more than a page lies ready.
    async fn room_for_a_page(&self) -> Result<(usize, Room), End> {
        let page = page_places(self.tail.readers());
        let all_but_a_page = (BUFFERED_EVENTS_MAX - page) as u32;
        tokio::select! {
            room = Arc::clone(&self.room).acquire_many_owned(all_but_a_page) => {
                Ok((page, room.map_err(|_| End::Unheard)?))
            }
            () = self.out.closed() => Err(End::Unheard),
        }
    }

    async fn say(&self, signal: Buffered) -> Result<(), End> {
        self.out.send(signal).await.map_err(|_| End::Unheard)
    }
}

/// The places of a page, when so many readers are there: for each lie two of them ready.
fn page_places(readers: u32) -> usize {
    let for_each = NODE_BYTES_MAX / PLACE_BYTES / 2 / readers.max(1) as usize;
    for_each.clamp(PAGE_PLACES_MIN, PAGE_PLACES_MAX)
}

fn closing() -> End {
    End::Failed(StoreError::Unavailable("the event store is closing".into()))
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
    event.bytes().div_ceil(PLACE_BYTES)
}

#[cfg(test)]
mod tests {
    use super::{PAGE_PLACES_MAX, PAGE_PLACES_MIN, page_places};

    #[test]
    fn a_few_readers_have_whole_pages_and_thousands_share_what_there_is() {
        assert_eq!([0, 1, 500].map(page_places), [PAGE_PLACES_MAX; 3]);
        assert_eq!((page_places(2_000), page_places(10_000)), (32, 6));
        assert_eq!(page_places(u32::MAX), PAGE_PLACES_MIN);
    }
}
