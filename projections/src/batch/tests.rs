//! Folding a batch: order, poison, panics.

use super::{decode, fold, keys};
use crate::folding::{TENANT, recorded};
use crate::loyalty::loyalty_balances::LoyaltyBalances;
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows};
use crate::tables::Writer;
use chrono::{DateTime, NaiveDate};
use domain::loyalty::events::LoyaltyEvent;
use domain::{Currency, Event};
use sqlx::PgConnection;
use std::collections::HashMap;
use std::sync::Arc;
use store::{Personal, Position, RecordedEvent, Rendering, StreamId};
use uuid::Uuid;

fn enrolled() -> Event {
    let on = NaiveDate::from_ymd_opt(2026, 1, 10).unwrap();
    LoyaltyEvent::Enrolled { currency: Currency::parse("USD").unwrap(), on }.into()
}

fn stored(payload: &str, position: i64) -> Arc<RecordedEvent> {
    Arc::new(RecordedEvent {
        position: Position(position),
        tenant: TENANT,
        stream: StreamId { category: "loyalty", id: Uuid::from_u128(1) },
        version: 1,
        event_type: "loyalty.account.enrolled",
        schema_version: 1,
        command_id: None,
        once_id: None,
        subject_id: None,
        customer_id: None,
        occurred_at: DateTime::UNIX_EPOCH,
        recorded_at: DateTime::UNIX_EPOCH,
        metadata: r#"{"actor":"cli"}"#.into(),
        payload: payload.into(),
        personal: Personal::Absent,
        leaf_hash: [0; 32],
        rendering: Rendering::default(),
    })
}

/// Counts events by stream; panics at the third version of any.
struct Counts;

impl ReadModel for Counts {
    const NAME: &'static str = "counts";
    const VERSION: i32 = 1;
    const TABLES: &'static [&'static str] = &[];
    const TABLES_SQL: &'static str = "";
    const INDEXES_SQL: &'static str = "";
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &[];
    const REVEALS: bool = false;
    type Key = Uuid;
    type Row = i32;

    fn keys(recorded: &Recorded) -> Vec<Uuid> {
        vec![recorded.stream.id]
    }

    fn apply(_: &Uuid, row: Option<i32>, recorded: &Recorded) -> Option<i32> {
        assert_ne!(recorded.version, 3, "poison");
        Some(row.unwrap_or_default() + 1)
    }

    async fn load(_: &mut PgConnection, _: &[Uuid]) -> Result<Rows<Self>, sqlx::Error> {
        Ok(HashMap::new())
    }

    async fn write(_: &mut Writer<'_>, _: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        Ok(())
    }
}

#[test]
fn decoding_stops_at_the_first_event_that_makes_no_sense_and_names_it() {
    let good = r#"{"currency":"USD","on":"2026-01-10"}"#;
    let (decoded, poison) =
        decode::<LoyaltyBalances>(&[stored(good, 4), stored(r#"{"currency":"???"}"#, 5), stored(good, 6)]);
    let poison = poison.unwrap();
    assert_eq!((decoded.len(), poison.index, poison.position), (1, 1, Position(5)));
    assert_eq!(poison.event_id, format!("loyalty-{}/1", Uuid::from_u128(1)));
}

#[test]
fn a_panic_is_pinned_on_its_event() {
    let events: Vec<_> = (1..=4).map(|nth| recorded(enrolled(), nth)).collect();
    assert_eq!(fold::<Counts>(HashMap::new(), &events).unwrap_err().index, 2);
    let changes = fold::<Counts>(HashMap::new(), &events[..2]).unwrap();
    assert_eq!(changes.iter().map(|change| (change.before, change.after)).collect::<Vec<_>>(), [(None, Some(2))]);
}

#[test]
fn a_key_is_asked_for_once() {
    let events: Vec<_> = (1..=4).map(|nth| recorded(enrolled(), nth)).collect();
    assert_eq!(keys::<LoyaltyBalances>(&events).unwrap(), [Uuid::from_u128(1)]);
}

#[test]
fn a_row_that_did_not_change_is_not_written() {
    let events = [recorded(enrolled(), 1)];
    let changes = fold::<LoyaltyBalances>(HashMap::new(), &events).unwrap();
    let written: Rows<LoyaltyBalances> =
        changes.into_iter().map(|change| (change.key, change.after.unwrap())).collect();
    assert!(fold::<LoyaltyBalances>(written, &events).unwrap().is_empty());
}
