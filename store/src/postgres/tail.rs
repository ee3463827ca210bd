//! The end of the log: one reader per node. The node's own commits are pushed to it; those of other nodes it learns of by a
//! hint (NOTIFY) or, should one be lost, by looking each second. Subscriptions share what it reads; who falls behind reads
//! the log itself and slows nobody. Readers outside take what is new from [`Recent`], at a pace that depends on how many they are.

use super::committed::{Commit, Committed, Recent};
use super::database::{Database, Role};
use super::read::{Extent, PAGE, Page, Reader};
use crate::{Filter, Position, RecordedEvent, Signal, StoreError};
use sqlx::postgres::PgListener;
use sqlx::{Connection, PgConnection, PgPool};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, Semaphore, SemaphorePermit, broadcast, mpsc, watch};
use tracing::{debug, warn};

/// Batches a subscriber may be behind before it reads the log itself.
const BATCHES_MAX: usize = 256;
/// How often the tail looks although nobody told it to.
const POLL: Duration = Duration::from_secs(1);
/// Hints to other nodes are at least so far apart.
const HINT_GAP: Duration = Duration::from_millis(5);
/// Readers outside who read a page at the same time; the projectors and the writer keep the other sessions.
const PAGE_READERS_MAX: usize = 4;
/// What one delivery to a reader outside may cost. When there are so many readers that a round of them takes longer than
/// [`ROUND_MIN`], each has its own moment in the round, and what came since the last one is delivered together.
const DELIVERY: Duration = Duration::from_micros(50);
const ROUND_MIN: Duration = Duration::from_millis(1);
const CHANNEL: &str = "clientela_log";

/// The place where subscriptions meet the end of the log.
#[derive(Debug, Clone)]
pub(super) struct Tail {
    batches: broadcast::Sender<Committed>,
    head: watch::Receiver<Position>,
    recent: Recent,
    turns: Arc<Semaphore>,
    readers: Arc<Readers>,
}

/// The readers outside: how many there are, how many there have been, and when rounds began.
#[derive(Debug)]
struct Readers {
    there: AtomicU32,
    numbered: AtomicU32,
    since: Instant,
}

impl Tail {
    /// Starts the reader, the hint sender and the hint listener; they end with `stop`.
    pub(super) fn start(reader: Reader, database: &Database, own: mpsc::Receiver<Committed>, stop: &Stop) -> Self {
        let (batches, _) = broadcast::channel(BATCHES_MAX);
        let (head_sender, head) = watch::channel(Position(0));
        let hinted = Arc::new(Notify::new());
        let commits = Arc::new(Notify::new());
        stop.spawn(listen(database.pool(Role::Engine, 1), Arc::clone(&hinted)));
        stop.spawn(send_hints(database.clone(), Arc::clone(&commits)));
        let recent = Recent::default();
        let (batches_out, kept) = (batches.clone(), recent.clone());
        let follower = Follower { reader, batches: batches_out, recent: kept, head: head_sender, at: None, commits };
        stop.spawn(follower.run(own, hinted));
        let readers =
            Arc::new(Readers { there: AtomicU32::new(0), numbered: AtomicU32::new(0), since: Instant::now() });
        Self { batches, head, recent, turns: Arc::new(Semaphore::new(PAGE_READERS_MAX)), readers }
    }

    /// Counts a reader outside for as long as what is answered lives.
    pub(super) fn admit(&self) -> Admitted {
        self.readers.there.fetch_add(1, Ordering::Relaxed);
        let number = self.readers.numbered.fetch_add(1, Ordering::Relaxed);
        Admitted { readers: Arc::clone(&self.readers), number }
    }

    /// How many readers outside there are.
    pub(super) fn readers(&self) -> u32 {
        self.readers.there.load(Ordering::Relaxed)
    }

    /// The head as this node has seen it, to wait for a change of it.
    pub(super) fn head(&self) -> watch::Receiver<Position> {
        self.head.clone()
    }

    /// What was committed last behind a position, if it is still kept.
    pub(super) fn recent(&self, after: Position) -> Option<Vec<Committed>> {
        self.recent.after(after)
    }

    /// A turn to read a page for a reader outside.
    pub(super) async fn turn(&self) -> Option<SemaphorePermit<'_>> {
        self.turns.acquire().await.ok()
    }

    /// The newest position this node has seen; may be a moment behind the log.
    pub(super) fn seen(&self) -> Position {
        *self.head.borrow()
    }

    pub(super) fn subscribe(&self) -> broadcast::Receiver<Committed> {
        self.batches.subscribe()
    }
}

/// A reader outside, as long as it is there.
#[derive(Debug)]
pub(super) struct Admitted {
    readers: Arc<Readers>,
    number: u32,
}

impl Admitted {
    /// Waits for this reader's moment, so that many of them leave the processors to the writer.
    pub(super) async fn moment(&self) {
        let readers = self.readers.there.load(Ordering::Relaxed);
        if let Some(wait) = wait(self.readers.since.elapsed(), self.number, readers) {
            tokio::time::sleep(wait).await;
        }
    }
}

impl Drop for Admitted {
    fn drop(&mut self) {
        self.readers.there.fetch_sub(1, Ordering::Relaxed);
    }
}

/// How long it is to the next moment of the reader with this number; none when there are so few that all may go at once.
fn wait(now: Duration, number: u32, readers: u32) -> Option<Duration> {
    let round = DELIVERY * readers;
    if round < ROUND_MIN {
        return None;
    }
    let moment = DELIVERY * (number % readers);
    let since = (now + round - moment).as_micros() % round.as_micros();
    Some(round - Duration::from_micros(u64::try_from(since).ok()?))
}

/// Ends the background tasks of a store.
#[derive(Debug, Clone, Default)]
pub(super) struct Stop(tokio_util::sync::CancellationToken);

impl Stop {
    pub(super) fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        let token = self.0.clone();
        tokio::spawn(async move {
            tokio::select! {
                () = token.cancelled() => {}
                () = task => {}
            }
        });
    }

    pub(super) fn stop(&self) {
        self.0.cancel();
    }
}

struct Follower {
    reader: Reader,
    batches: broadcast::Sender<Committed>,
    recent: Recent,
    head: watch::Sender<Position>,
    at: Option<Position>,
    commits: Arc<Notify>,
}

impl Follower {
    async fn run(mut self, mut own: mpsc::Receiver<Committed>, hinted: Arc<Notify>) {
        let mut poll = tokio::time::interval(POLL);
        poll.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            let outcome = tokio::select! {
                batch = own.recv() => match batch {
                    Some(batch) => {
                        self.commits.notify_one();
                        self.take(batch).await
                    }
                    None => return,
                },
                () = hinted.notified() => self.read_on(None).await,
                _ = poll.tick() => {
                    self.recent.forget_old();
                    self.read_on(None).await
                }
            };
            if let Err(error) = outcome {
                debug!(error = &error as &dyn std::error::Error, "the tail cannot read the log now");
            }
        }
    }

    /// A batch that this node committed: pushed on as it is, after whatever other nodes wrote before it.
    async fn take(&mut self, batch: Committed) -> Result<(), StoreError> {
        let Some((first, last)) = batch.ends() else { return Ok(()) };
        let before = Position(first.0 - 1);
        match self.at {
            Some(at) if at == before => {}
            Some(at) if at >= last => return Ok(()),
            Some(at) if at > before => return self.read_on(Some(last)).await,
            Some(_) => self.read_on(Some(before)).await?,
            None => {}
        }
        self.say(batch, last);
        Ok(())
    }

    /// Reads what is behind `at`, up to `until` or the head.
    async fn read_on(&mut self, until: Option<Position>) -> Result<(), StoreError> {
        let Some(mut at) = self.at else {
            let head = self.reader.head().await?;
            self.at = Some(head);
            self.head.send_replace(head);
            return Ok(());
        };
        loop {
            let page = match self.reader.page(at, &Filter::default(), Extent::events(PAGE)).await {
                Err(StoreError::BeyondHead { head, .. }) => {
                    warn!(%head, %at, "the log was restored to an older point");
                    self.at = None;
                    self.recent.clear();
                    return Ok(());
                }
                other => other?,
            };
            let until = until.unwrap_or(page.head).min(page.head);
            let events: Vec<_> = page.events.into_iter().filter(|event| event.position <= until).collect();
            at = page.through.min(until);
            if !events.is_empty() {
                self.say(Commit::new(events), at);
            }
            if at >= until {
                return Ok(());
            }
        }
    }

    fn say(&mut self, batch: Committed, last: Position) {
        self.at = Some(last);
        self.forget(&batch);
        self.recent.push(Arc::clone(&batch));
        let _ = self.batches.send(batch); // nobody may be listening
        self.head.send_replace(last);
    }
}

impl Follower {
    /// Lets go of what this node holds of persons who were erased, wherever that was done.
    fn forget(&self, batch: &Committed) {
        let erased = batch.erased();
        if !erased.is_empty() {
            self.reader.keyring.forget_erased(&erased);
            self.recent.clear();
        }
    }
}

/// Tells other nodes that there is something new: one NOTIFY for all commits since the last one, on a connection of its own,
/// because a NOTIFY inside the append's transaction would take a lock over the whole cluster.
async fn send_hints(database: Database, commits: Arc<Notify>) {
    let mut connection: Option<PgConnection> = None;
    loop {
        commits.notified().await;
        if connection.is_none() {
            // A hint is not worth a flush to disk.
            let options = database.options(Role::Engine).options([("synchronous_commit", "off")]);
            connection = PgConnection::connect_with(&options).await.ok();
        }
        let Some(open) = connection.as_mut() else { continue };
        if sqlx::raw_sql("notify clientela_log").execute(open).await.is_err() {
            connection = None; // the poll covers for a lost hint
        }
        tokio::time::sleep(HINT_GAP).await;
    }
}

async fn listen(pool: PgPool, hinted: Arc<Notify>) {
    loop {
        if let Ok(mut listener) = PgListener::connect_with(&pool).await
            && listener.listen(CHANNEL).await.is_ok()
        {
            hinted.notify_one(); // something may have come before the first hint
            while listener.recv().await.is_ok() {
                hinted.notify_one();
            }
        }
        tokio::time::sleep(POLL).await;
    }
}

/// One subscription on its way from the past to the present.
pub(super) struct Follow {
    pub(super) reader: Reader,
    pub(super) tail: Tail,
    pub(super) filter: Filter,
    pub(super) reveal: bool,
    pub(super) at: Position,
    pub(super) out: mpsc::Sender<Result<Signal, StoreError>>,
}

/// Why a subscription ends.
pub(super) enum End {
    /// Nobody listens any more.
    Unheard,
    /// It cannot go on.
    Failed(StoreError),
}

impl From<StoreError> for End {
    fn from(error: StoreError) -> Self {
        Self::Failed(error)
    }
}

impl Follow {
    pub(super) async fn run(mut self) {
        if let Err(End::Failed(error)) = self.follow().await {
            let _ = self.out.send(Err(error)).await;
        }
    }

    async fn follow(&mut self) -> Result<(), End> {
        let mut live = self.tail.subscribe();
        self.catch_up().await?;
        self.send(Signal::CaughtUp(self.at)).await?;
        loop {
            let batch = tokio::select! {
                batch = live.recv() => batch,
                () = self.out.closed() => return Err(End::Unheard),
            };
            match batch {
                Ok(batch) => self.take(&batch).await?,
                Err(broadcast::error::RecvError::Lagged(_)) => self.catch_up().await?,
                Err(broadcast::error::RecvError::Closed) => {
                    return Err(End::Failed(StoreError::Unavailable("the event store is closing".into())));
                }
            }
        }
    }

    async fn catch_up(&mut self) -> Result<(), End> {
        loop {
            let Page { mut events, through, head } =
                self.reader.page(self.at, &self.filter, Extent::events(PAGE)).await?;
            if self.reveal {
                self.reader.keyring.open(&self.reader.pool, &mut events).await?;
            }
            if through > self.at {
                self.say(events.into_iter().map(Arc::new).collect(), through).await?;
            }
            if through == head {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, batch: &Commit) -> Result<(), End> {
        let Some((first, last)) = batch.ends() else { return Ok(()) };
        if last <= self.at {
            return Ok(());
        }
        if first.0 > self.at.0 + 1 {
            self.catch_up().await?;
        }
        let shown = batch.shown(&self.reader, &self.filter, self.reveal).await?;
        let fresh = shown.iter().filter(|event| event.position > self.at && self.filter.accepts(event));
        let events = fresh.cloned().collect();
        if last > self.at {
            self.say(events, last).await?;
        }
        Ok(())
    }

    async fn say(&mut self, events: Vec<Arc<RecordedEvent>>, through: Position) -> Result<(), End> {
        self.send(Signal::Events { events, through }).await?;
        self.at = through;
        Ok(())
    }

    async fn send(&self, signal: Signal) -> Result<(), End> {
        self.out.send(Ok(signal)).await.map_err(|_| End::Unheard)
    }
}

#[cfg(test)]
mod tests {
    use super::wait;
    use std::time::Duration;

    #[test]
    fn a_few_readers_go_at_once_and_many_one_after_the_other() {
        let micros =
            |now, number, readers| wait(Duration::from_micros(now), number, readers).map(|wait| wait.as_micros());
        assert_eq!([micros(7, 0, 0), micros(7, 0, 1), micros(7, 18, 19)], [None; 3]);
        let all: Vec<_> = (0..4).map(|number| micros(12_000_000, number, 100)).collect();
        assert_eq!(all, [5_000, 50, 100, 150].map(Some), "the first has just had its moment");
        assert_eq!(micros(12_000_051, 1, 100), Some(4_999));
        assert_eq!(micros(12_000_051, 101, 100), Some(4_999), "numbers go on when readers leave");
        assert_eq!(micros(0, 99, 100), Some(4_950), "at the very beginning");
    }
}
