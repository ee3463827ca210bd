//! Folding a batch in memory: decode, keys, apply. Pure; an event that cannot be digested is named, not skipped.

use crate::read_model::{Change, ChangeOf, Occasion, ReadModel, Recorded, Rows};
use domain::{Event, Sealed};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use store::{Personal, Position, RecordedEvent, ScannedEvent};

/// An event that a read model cannot digest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Poison {
    /// Its place in the batch.
    pub(crate) index: usize,
    /// Its place in the log.
    pub(crate) position: Position,
    /// Its id.
    pub(crate) event_id: String,
    /// What is wrong. It holds no personal data.
    pub(crate) reason: String,
}

impl Poison {
    /// Names the event at `index` of a batch.
    pub(crate) fn new(events: &[Arc<RecordedEvent>], index: usize, reason: impl Into<String>) -> Self {
        let event = &events[index];
        Self { index, position: event.position, event_id: event.id(), reason: reason.into() }
    }
}

/// Decodes a batch up to its first event that cannot be decoded.
pub(crate) fn decode<M: ReadModel>(events: &[Arc<RecordedEvent>]) -> (Vec<Recorded>, Option<Poison>) {
    let mut decoded = Vec::with_capacity(events.len());
    for (index, event) in events.iter().enumerate() {
        match decode_one::<M>(event) {
            Ok(recorded) => decoded.push(recorded),
            Err(reason) => return (decoded, Some(Poison::new(events, index, reason))),
        }
    }
    (decoded, None)
}

/// Decodes a page of a scan; one event that cannot be decoded spoils it.
pub(crate) fn decode_scanned<M: ReadModel>(events: &[ScannedEvent]) -> Result<Vec<Recorded>, (Position, String)> {
    // Not collected: a result does not say how many there will be, and the events were moved again and again.
    let mut decoded = Vec::with_capacity(events.len());
    for event in events {
        decoded.push(decode_scanned_one::<M>(event).map_err(|reason| (event.position, reason))?);
    }
    Ok(decoded)
}

/// The keys that a batch touches, each once, in order: rows are always locked in the same sequence.
pub(crate) fn keys<M: ReadModel>(decoded: &[Recorded]) -> Result<Vec<M::Key>, Undigested> {
    let mut at = 0;
    let keys = catch_unwind(AssertUnwindSafe(|| {
        let mut keys = Vec::with_capacity(decoded.len());
        for (index, recorded) in decoded.iter().enumerate() {
            at = index;
            keys.extend(M::keys(recorded));
        }
        keys.sort_unstable();
        keys.dedup();
        keys
    }));
    keys.map_err(|_panic| Undigested { index: at })
}

/// Applies a batch to the rows it touches; answers with those that changed, in the order of their keys.
pub(crate) fn fold<M: ReadModel>(mut loaded: Rows<M>, decoded: &[Recorded]) -> Result<Vec<ChangeOf<M>>, Undigested> {
    let mut at = 0;
    let folded = catch_unwind(AssertUnwindSafe(|| {
        let mut changes: HashMap<M::Key, ChangeOf<M>> = HashMap::new();
        for (index, recorded) in decoded.iter().enumerate() {
            at = index;
            for key in M::keys(recorded) {
                let change = changes.entry(key).or_insert_with_key(|key| {
                    let before = loaded.remove(key);
                    Change { key: key.clone(), after: before.clone(), before }
                });
                change.after = M::apply(&change.key, change.after.take(), recorded);
            }
        }
        changes
    }));
    let folded = folded.map_err(|_panic| Undigested { index: at })?;
    let mut changes: Vec<ChangeOf<M>> = folded.into_values().filter(|change| change.before != change.after).collect();
    changes.sort_unstable_by(|left, right| left.key.cmp(&right.key));
    Ok(changes)
}

/// The fold panicked at an event. What the panic said stays in the log of the process: it may quote the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Undigested {
    /// Place of the event in the batch.
    pub(crate) index: usize,
}

/// A decoded event in the place of the one that was read, live or by a scan.
macro_rules! recorded {
    ($read:expr, $event:expr, $occasion:expr) => {
        Recorded {
            event: $event,
            tenant: $read.tenant,
            stream: $read.stream,
            version: $read.version,
            position: $read.position,
            customer_id: $read.customer_id,
            occurred_at: $read.occurred_at,
            recorded_at: $read.recorded_at,
            occasion: $occasion,
        }
    };
}

/// Decodes one event.
pub(crate) fn decode_one<M: ReadModel>(read: &RecordedEvent) -> Result<Recorded, String> {
    let event = Event::decode(read.event_type, read.schema_version, read.payload.as_bytes(), sealed(&read.personal));
    Ok(recorded!(read, event.map_err(|error| error.to_string())?, occasion::<M>(read.metadata.as_bytes())?))
}

fn decode_scanned_one<M: ReadModel>(read: &ScannedEvent) -> Result<Recorded, String> {
    let event = Event::decode(read.event_type, read.schema_version, &read.payload, sealed(&read.personal));
    let metadata = read.metadata.as_deref().unwrap_or(b"{}");
    Ok(recorded!(read, event.map_err(|error| error.to_string())?, occasion::<M>(metadata)?))
}

fn sealed(personal: &Personal) -> Sealed<'_> {
    match personal {
        Personal::Opened(opened) => Sealed::Opened(opened),
        Personal::Absent | Personal::Sealed(_) => Sealed::Absent,
        Personal::Erased => Sealed::Erased,
    }
}

/// Read only for those who tell it: a third of the decoding otherwise.
fn occasion<M: ReadModel>(metadata: &[u8]) -> Result<Occasion, String> {
    match M::TELLS_OCCASION {
        true => serde_json::from_slice(metadata).map_err(|error| format!("malformed metadata: {error}")),
        false => Ok(Occasion::default()),
    }
}

#[cfg(test)]
mod tests;
