//! What was committed, as the subscriptions of a node share it: pushed once, its personal parts opened once, and the newest of it
//! kept for a moment for readers outside who are a little behind.

use super::erasing;
use super::read::Reader;
use super::sealing::Subject;
use crate::{Filter, Personal, Position, RecordedEvent, StoreError};
use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::OnceCell;

/// Most bytes of events that are kept, but for a batch that is larger by itself.
const RECENT_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Nothing is kept for longer: what was opened is as old at most as a key may be ([`super::sealing`]).
const RECENT_AGE_MAX: Duration = Duration::from_secs(60);
/// Batches that a reader takes at a time.
const TAKEN_MAX: usize = 64;

/// A batch as it is shared.
pub(super) type Committed = Arc<Commit>;

/// Events that were committed together, or read together.
#[derive(Debug)]
pub(super) struct Commit {
    events: Vec<Arc<RecordedEvent>>,
    has_personal: bool,
    opened: OnceCell<Vec<Arc<RecordedEvent>>>,
    bytes: usize,
    since: Instant,
}

impl Commit {
    pub(super) fn new(events: Vec<RecordedEvent>) -> Committed {
        let has_personal = events.iter().any(|event| event.personal != Personal::Absent);
        let bytes = events.iter().map(RecordedEvent::bytes).sum();
        let events = events.into_iter().map(Arc::new).collect();
        Arc::new(Self { events, has_personal, opened: OnceCell::new(), bytes, since: Instant::now() })
    }

    /// Who was erased in it.
    pub(super) fn erased(&self) -> Vec<Subject> {
        erasing::erased_by(self.events.iter().map(AsRef::as_ref))
    }

    /// The first and the last position.
    pub(super) fn ends(&self) -> Option<(Position, Position)> {
        Some((self.events.first()?.position, self.events.last()?.position))
    }

    /// At least all events that the filter lets through, opened if they are to be: by the first who asks, for all.
    pub(super) async fn shown(
        &self,
        reader: &Reader,
        filter: &Filter,
        reveal: bool,
    ) -> Result<Cow<'_, [Arc<RecordedEvent>]>, StoreError> {
        if !reveal || !self.has_personal {
            return Ok(Cow::Borrowed(&self.events));
        }
        match self.opened.get_or_try_init(|| opened(reader, self.events.iter())).await {
            Ok(opened) => Ok(Cow::Borrowed(opened)),
            // An event that cannot be opened concerns only those for whom it is meant.
            Err(_) => opened(reader, self.events.iter().filter(|event| filter.accepts(event))).await.map(Cow::Owned),
        }
    }
}

async fn opened(
    reader: &Reader,
    events: impl Iterator<Item = &Arc<RecordedEvent>>,
) -> Result<Vec<Arc<RecordedEvent>>, StoreError> {
    let mut opened: Vec<RecordedEvent> = events.map(|event| RecordedEvent::clone(event)).collect();
    reader.keyring.open(&reader.pool, &mut opened).await?;
    Ok(opened.into_iter().map(Arc::new).collect())
}

/// The newest batches of a node, without a gap. Clones share them.
#[derive(Debug, Clone, Default)]
pub(super) struct Recent(Arc<RwLock<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    batches: VecDeque<Committed>,
    bytes: usize,
}

impl Recent {
    /// Keeps a batch that follows the one before.
    pub(super) fn push(&self, batch: Committed) {
        let mut kept = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        kept.bytes += batch.bytes;
        kept.batches.push_back(batch);
        while kept.bytes > RECENT_BYTES_MAX && kept.batches.len() > 1 {
            kept.drop_oldest();
        }
    }

    /// Lets go of what is too old to be kept.
    pub(super) fn forget_old(&self) {
        let mut kept = self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner);
        while kept.batches.front().is_some_and(|oldest| oldest.since.elapsed() > RECENT_AGE_MAX) {
            kept.drop_oldest();
        }
    }

    /// Lets go of everything: the log is another one.
    pub(super) fn clear(&self) {
        *self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner) = Kept::default();
    }

    /// The batches that go on behind a position; none when they begin later or end there.
    pub(super) fn after(&self, position: Position) -> Option<Vec<Committed>> {
        let kept = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        let next = kept.batches.partition_point(|batch| batch.ends().is_none_or(|(_, last)| last <= position));
        let (first, _) = kept.batches.get(next)?.ends()?;
        (first.0 <= position.0 + 1).then(|| kept.batches.iter().skip(next).take(TAKEN_MAX).cloned().collect())
    }
}

impl Kept {
    fn drop_oldest(&mut self) {
        self.bytes -= self.batches.pop_front().map_or(0, |batch| batch.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::{Commit, Committed, RECENT_BYTES_MAX, Recent};
    use crate::event::Rendering;
    use crate::{Personal, Position, RecordedEvent, StreamId, TenantId};
    use chrono::DateTime;
    use std::ops::RangeInclusive;
    use uuid::Uuid;

    fn batch(positions: RangeInclusive<i64>, payload_bytes: usize) -> Committed {
        let payload = "x".repeat(payload_bytes);
        Commit::new(positions.map(|position| recorded(position, &payload)).collect())
    }

    fn recorded(position: i64, payload: &str) -> RecordedEvent {
        RecordedEvent {
            position: Position(position),
            tenant: TenantId(1),
            stream: StreamId { category: "contract", id: Uuid::nil() },
            version: 1,
            event_type: "contract.happened",
            schema_version: 1,
            command_id: None,
            once_id: None,
            subject_id: None,
            customer_id: None,
            occurred_at: DateTime::UNIX_EPOCH,
            recorded_at: DateTime::UNIX_EPOCH,
            metadata: "{}".into(),
            payload: payload.into(),
            personal: Personal::Absent,
            leaf_hash: [0; 32],
            rendering: Rendering::default(),
        }
    }

    fn firsts(recent: &Recent, position: i64) -> Option<Vec<i64>> {
        let batches = recent.after(Position(position))?;
        Some(batches.iter().filter_map(|batch| Some(batch.ends()?.0.0)).collect())
    }

    #[test]
    fn it_goes_on_behind_a_position_or_says_that_it_cannot() {
        let recent = Recent::default();
        assert_eq!(firsts(&recent, 0), None, "there is nothing");
        for positions in [5..=6, 7..=9, 10..=10] {
            recent.push(batch(positions, 10));
        }
        assert_eq!(firsts(&recent, 3), None, "4 is missing");
        assert_eq!(firsts(&recent, 4), Some(vec![5, 7, 10]));
        assert_eq!(firsts(&recent, 5), Some(vec![5, 7, 10]), "from within a batch");
        assert_eq!(firsts(&recent, 6), Some(vec![7, 10]));
        assert_eq!(firsts(&recent, 9), Some(vec![10]));
        assert_eq!((firsts(&recent, 10), firsts(&recent, 11)), (None, None), "nothing is newer");
        recent.forget_old();
        assert_eq!(firsts(&recent, 9), Some(vec![10]), "it is not old");
        recent.clear();
        assert_eq!(firsts(&recent, 9), None);
    }

    #[test]
    fn it_is_bounded_in_bytes() {
        let recent = Recent::default();
        recent.push(batch(1..=1, 2 * RECENT_BYTES_MAX));
        assert_eq!(firsts(&recent, 0), Some(vec![1]), "one is kept whatever its size");
        for n in 2..=9 {
            recent.push(batch(n..=n, RECENT_BYTES_MAX / 4));
        }
        assert_eq!(firsts(&recent, 0), None);
        assert_eq!(firsts(&recent, 6), Some(vec![7, 8, 9]));
        assert_eq!(firsts(&recent, 5), None);
    }
}
