//! Rows of `events` as they are read.

use super::database::unavailable;
use super::names::Names;
use crate::event::Rendering;
use crate::{Name, Personal, Position, RecordedEvent, StoreError, StreamId, TenantId};
use bytes::Bytes;
use sqlx::postgres::PgRow;
use sqlx::{Decode, PgPool, Postgres, Row, Type};

/// The columns that [`to_events`] reads, in the words of SQL and in the order of [`to_event`].
macro_rules! columns {
    () => {
        "category, type, position, tenant, schema_version, stream, version, command_id, once_id, subject_id, customer_id, \
         occurred_at, recorded_at, metadata, payload, personal, leaf_hash"
    };
}
pub(super) use columns;

/// Turns rows into events; codes that another node has introduced meanwhile are looked up once.
pub(super) async fn to_events(pool: &PgPool, names: &Names, rows: &[PgRow]) -> Result<Vec<RecordedEvent>, StoreError> {
    for row in rows {
        let codes: (i16, i16) = (row.try_get(0).map_err(unavailable)?, row.try_get(1).map_err(unavailable)?);
        if names.name(codes.0).is_none() || names.name(codes.1).is_none() {
            names.load(pool).await.map_err(unavailable)?;
            break;
        }
    }
    rows.iter().map(|row| to_event(names, row)).collect()
}

fn to_event(names: &Names, row: &PgRow) -> Result<RecordedEvent, StoreError> {
    let mut columns = Columns { row, next: 0 };
    let (category, event_type): (i16, i16) =
        (columns.next().map_err(unavailable)?, columns.next().map_err(unavailable)?);
    let position: i64 = columns.next().map_err(unavailable)?;
    let (category, event_type) = (names.require(category, position)?, names.require(event_type, position)?);
    columns.rest(Position(position), category, event_type).map_err(|error| StoreError::Corrupt {
        table: "events",
        column: "(several)",
        row: position.to_string(),
        reason: error.to_string(),
    })
}

/// The columns of a row one after the other: looked up by name, they took as long as all else that reading does.
struct Columns<'r> {
    row: &'r PgRow,
    next: usize,
}

impl<'r> Columns<'r> {
    fn next<T: Decode<'r, Postgres> + Type<Postgres>>(&mut self) -> Result<T, sqlx::Error> {
        let index = self.next;
        self.next += 1;
        self.row.try_get(index)
    }

    /// Fields of a struct literal are evaluated in the order written, which is that of the statement.
    fn rest(mut self, position: Position, category: Name, event_type: Name) -> Result<RecordedEvent, sqlx::Error> {
        Ok(RecordedEvent {
            position,
            event_type,
            tenant: TenantId(self.next()?),
            schema_version: self.next()?,
            stream: StreamId { category, id: self.next()? },
            version: self.next()?,
            command_id: self.next()?,
            once_id: self.next()?,
            subject_id: self.next()?,
            customer_id: self.next()?,
            occurred_at: self.next()?,
            recorded_at: self.next()?,
            metadata: self.next::<&str>()?.into(),
            payload: self.next::<&str>()?.into(),
            personal: self
                .next::<Option<&[u8]>>()?
                .map_or(Personal::Absent, |bytes| Personal::Sealed(Bytes::copy_from_slice(bytes))),
            leaf_hash: self.next::<&[u8]>()?.try_into().unwrap_or_default(),
            rendering: Rendering::default(),
        })
    }
}
