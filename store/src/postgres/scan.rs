//! Scanning: stretches of the log by binary COPY, twice as fast as rows of a query. A stretch is read to its end before it is handed
//! on, so a slow reader holds no statement and no snapshot open.

use super::database::unavailable;
use super::names::Names;
use super::read::Reader;
use crate::scan::{PageStream, Scan, ScannedEvent, ScannedPage};
use crate::{Filter, Personal, Position, StoreError, StreamId, TenantId};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use futures::{FutureExt, StreamExt, TryFutureExt, TryStreamExt};
use sqlx::postgres::PgPoolCopyExt;
use std::fmt::Write;
use uuid::Uuid;

/// Positions in one stretch.
const STRETCH: i64 = 4_000;
/// What a binary COPY begins with (PostgreSQL's manual, COPY, "Binary Format"); flags and the length of an extension follow.
const SIGNATURE: &[u8] = b"PGCOPY\n\xff\r\n\0";
/// Stands in the place of a row's number of columns when there are no more rows.
const END_OF_ROWS: i16 = -1;
/// 2000-01-01, from which PostgreSQL counts microseconds, in microseconds from 1970-01-01.
const EPOCH_MICROS: i64 = 946_684_800_000_000;

pub(super) fn scan(reader: Reader, scan: Scan) -> PageStream {
    async move { Ok(Scanning::begin(reader, scan).await?.pages()) }.try_flatten_stream().boxed()
}

/// A scan under way.
struct Scanning {
    reader: Reader,
    scan: Scan,
    /// `and type = any(…)`, or nothing.
    types: String,
}

impl Scanning {
    /// The head is asked for before the names: those of all events up to it are known then.
    async fn begin(reader: Reader, mut scan: Scan) -> Result<Self, StoreError> {
        let head = reader.head().await?;
        if scan.after > head {
            return Err(StoreError::BeyondHead { asked: scan.after, head });
        }
        scan.through = scan.through.min(head);
        reader.names.load(&reader.pool).await.map_err(unavailable)?;
        let (_, codes) = reader.codes(&Filter { types: scan.types.clone(), ..Filter::default() }).await?;
        let types = codes.map_or_else(String::new, |codes| only_of(&codes));
        Ok(Self { reader, scan, types })
    }

    fn pages(self) -> PageStream {
        futures::stream::unfold(self, Self::next).boxed()
    }

    async fn next(mut self) -> Option<(Result<ScannedPage, StoreError>, Self)> {
        let (after, through) = (self.scan.after, self.scan.through);
        if after >= through {
            return None;
        }
        let end = through.min(Position(after.0 + STRETCH));
        let page = self.stretch(after, end).await.map(|messages| self.page(messages));
        self.scan.after = if page.is_ok() { end } else { through };
        Some((page, self))
    }

    async fn stretch(&self, after: Position, end: Position) -> Result<Vec<Bytes>, StoreError> {
        let personal = if self.scan.reveal { "subject_id, personal" } else { "null::uuid, null::bytea" };
        let metadata = if self.scan.metadata { "metadata" } else { "null::text" };
        // COPY takes no parameters; all that is put in here is numbers.
        let sql = format!(
            "copy (select position, tenant, category, type, schema_version, stream, version, customer_id, occurred_at, \
             recorded_at, payload, {metadata}, {personal} from events where position > {after} and position <= {end} \
             {types} order by position) to stdout (format binary)",
            types = self.types
        );
        let mut copy = self.reader.pool.copy_out_raw(&sql).await.map_err(unavailable)?;
        let mut messages = Vec::with_capacity(STRETCH as usize + 1);
        while let Some(message) = copy.try_next().await.map_err(unavailable)? {
            messages.push(message);
        }
        Ok(messages)
    }

    fn page(&self, messages: Vec<Bytes>) -> ScannedPage {
        let reader = self.reader.clone();
        async move {
            let mut events = read_rows(&reader.names, messages)?;
            reader.keyring.open(&reader.pool, &mut events).await?;
            Ok(events)
        }
        .boxed()
    }
}

fn only_of(codes: &[i16]) -> String {
    let mut condition = String::from("and type = any('{");
    for (index, code) in codes.iter().enumerate() {
        let comma = if index == 0 { "" } else { "," };
        let _ = write!(condition, "{comma}{code}"); // a String takes everything
    }
    condition + "}'::int2[])"
}

/// The rows of a binary COPY. PostgreSQL sends each in a message of its own, the first one behind the head.
fn read_rows(names: &Names, messages: Vec<Bytes>) -> Result<Vec<ScannedEvent>, StoreError> {
    let mut events = Vec::with_capacity(messages.len());
    let mut last = Position(0);
    for message in messages {
        let mut rest = Columns::of(&message);
        rest.skip_head().ok_or_else(|| malformed(last))?;
        while !rest.is_empty() {
            if is_end(&mut rest).ok_or_else(|| malformed(last))? {
                break;
            }
            let event = rest.event(names, last)?;
            last = event.position;
            events.push(event);
        }
    }
    Ok(events)
}

fn malformed(after: Position) -> StoreError {
    StoreError::Corrupt {
        table: "events",
        column: "(several)",
        row: format!("after {after}"),
        reason: "the binary COPY is not what it should be".into(),
    }
}

/// What is left of a message. Whatever is not there, or not as long as it should be, is none.
pub(super) struct Columns<'m> {
    message: &'m Bytes,
    rest: &'m [u8],
}

/// Whether there are no more rows in the message.
pub(super) fn is_end(columns: &mut Columns<'_>) -> Option<bool> {
    Some(i16::from_be_bytes(columns.take()?) == END_OF_ROWS)
}

impl<'m> Columns<'m> {
    pub(super) fn of(message: &'m Bytes) -> Self {
        Self { message, rest: message }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    pub(super) fn skip_head(&mut self) -> Option<()> {
        if let Some(behind) = self.rest.strip_prefix(SIGNATURE) {
            self.rest = behind;
            let _flags: [u8; 4] = self.take()?;
            let extension = usize::try_from(i32::from_be_bytes(self.take()?)).ok()?;
            self.rest = self.rest.get(extension..)?;
        }
        Some(())
    }

    fn event(&mut self, names: &Names, after: Position) -> Result<ScannedEvent, StoreError> {
        let row = self.row().ok_or_else(|| malformed(after))?;
        Ok(ScannedEvent {
            position: Position(row.position),
            tenant: TenantId(row.tenant),
            stream: StreamId { category: names.require(row.category, row.position)?, id: row.stream },
            version: row.version,
            event_type: names.require(row.event_type, row.position)?,
            schema_version: row.schema_version,
            customer_id: row.customer_id,
            occurred_at: time(row.occurred_at).ok_or_else(|| malformed(after))?,
            recorded_at: time(row.recorded_at).ok_or_else(|| malformed(after))?,
            payload: row.payload,
            metadata: row.metadata,
            subject_id: row.subject_id,
            personal: row.personal.map_or(Personal::Absent, Personal::Sealed),
        })
    }

    /// The columns in the order of the statement; fields of a struct literal are evaluated in the order written.
    fn row(&mut self) -> Option<RawRow> {
        Some(RawRow {
            position: i64::from_be_bytes(self.fixed()??),
            tenant: i32::from_be_bytes(self.fixed()??),
            category: i16::from_be_bytes(self.fixed()??),
            event_type: i16::from_be_bytes(self.fixed()??),
            schema_version: i16::from_be_bytes(self.fixed()??),
            stream: Uuid::from_bytes(self.fixed()??),
            version: i32::from_be_bytes(self.fixed()??),
            customer_id: self.fixed()?.map(Uuid::from_bytes),
            occurred_at: i64::from_be_bytes(self.fixed()??),
            recorded_at: i64::from_be_bytes(self.fixed()??),
            payload: self.bytes()??,
            metadata: self.bytes()?,
            subject_id: self.fixed()?.map(Uuid::from_bytes),
            personal: self.bytes()?,
        })
    }

    fn take<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (taken, behind) = self.rest.split_first_chunk::<N>()?;
        self.rest = behind;
        Some(*taken)
    }

    /// A value behind its length, or null.
    pub(super) fn value(&mut self) -> Option<Option<&'m [u8]>> {
        // −1 stands for null.
        let Ok(length) = usize::try_from(i32::from_be_bytes(self.take()?)) else { return Some(None) };
        let (value, behind) = self.rest.split_at_checked(length)?;
        self.rest = behind;
        Some(Some(value))
    }

    pub(super) fn fixed<const N: usize>(&mut self) -> Option<Option<[u8; N]>> {
        self.value()?.map_or(Some(None), |value| value.try_into().ok().map(Some))
    }

    fn bytes(&mut self) -> Option<Option<Bytes>> {
        Some(self.value()?.map(|value| self.message.slice_ref(value)))
    }
}

/// A row as it was sent.
struct RawRow {
    position: i64,
    tenant: i32,
    category: i16,
    event_type: i16,
    schema_version: i16,
    stream: Uuid,
    version: i32,
    customer_id: Option<Uuid>,
    occurred_at: i64,
    recorded_at: i64,
    payload: Bytes,
    metadata: Option<Bytes>,
    subject_id: Option<Uuid>,
    personal: Option<Bytes>,
}

pub(super) fn time(micros: i64) -> Option<DateTime<Utc>> {
    DateTime::from_timestamp_micros(micros.checked_add(EPOCH_MICROS)?)
}
