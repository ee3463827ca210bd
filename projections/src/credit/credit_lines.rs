//! Table `credit_lines`: every line of credit that was ever asked for, as of its last event.
//!
//! A row knows no clock. Holds and temporary credit whose time has come since the last event are ended by the query, as of the caller's
//! moment ([`CreditLineRow::at`]), so what is available is right although no job ran. What jobs have to do, and when, stands in the row: it
//! follows from the events alone.
//!
//! Nothing of what a business told of itself, and of what was said about it, is here.

pub mod due;
mod evolving;
mod pending;
pub mod standing;

pub use standing::CreditStanding;

use crate::query::{AsOf, Page, failed, get, lowest_position, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use crate::time_travel::{TimeTravelError, Until, row_of};
use chrono::{DateTime, NaiveDate, Utc};
use domain::aggregate::Category;
use domain::credit::events::CreditEvent;
use domain::credit::policy::Policy;
use domain::credit::reasons::{RejectReason, SuspensionCause};
use domain::ids::HoldId;
use domain::{Currency, Event, Moment};
use serde::{Deserialize, Serialize};
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;
use sqlx::types::Json;
use sqlx::{PgConnection, Postgres};
use std::collections::BTreeSet;
use store::postgres::Pools;
use store::{EventStore, Position, StoreError, StreamId, TenantId, Version};
use uuid::Uuid;

/// What a query of lines rests on: what a group has left is told by the other one.
const PROJECTORS: &[&str] = &["credit_lines", "credit_groups"];

/// How far a line has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It is to be decided on.
    Requested,
    /// It was not given.
    Rejected,
    /// It may be used.
    Active,
    /// Nothing new is bought on it for now.
    Suspended,
    /// It is over.
    Closed,
}

impl Status {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Requested, Self::Rejected, Self::Active, Self::Suspended, Self::Closed];

    /// The word in the table and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Requested => "requested",
            Self::Rejected => "rejected",
            Self::Active => "active",
            Self::Suspended => "suspended",
            Self::Closed => "closed",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == text)
    }

    /// Whether it was given and is not over.
    #[must_use]
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Active | Self::Suspended)
    }
}

/// Credit that is promised to an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HoldRow {
    /// Its id.
    pub hold: HoldId,
    /// The order.
    pub order: String,
    /// How much.
    pub amount_minor: i64,
    /// From when on it is over by itself.
    pub lapses_at: DateTime<Utc>,
    /// The business date of that moment.
    pub lapses_on: NaiveDate,
}

/// Credit for some time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemporaryRow {
    /// The case because of which.
    pub case: String,
    /// How much more may be used.
    pub amount_minor: i64,
    /// The first day on which it is gone.
    pub expires_on: NaiveDate,
}

/// An order that was bought on the line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UseRow {
    /// The order.
    pub order: String,
    /// How much it was.
    pub amount_minor: i64,
    /// What is to be paid still.
    pub outstanding_minor: i64,
    /// When it was bought.
    pub used_on: NaiveDate,
    /// The last day on which it is paid in time.
    pub due_on: NaiveDate,
    /// Whether it was told to be overdue.
    pub is_overdue: bool,
    /// Whether somebody bears with its being overdue: then it stops no order.
    pub is_borne: bool,
    /// Of one that is paid: until when a payment that turns out to be none may bring it back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kept_until: Option<NaiveDate>,
}

/// A row of `credit_lines`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreditLineRow {
    /// Its id.
    pub line: Uuid,
    /// Whose business it is.
    pub tenant: TenantId,
    /// Whose line it is.
    pub customer: Uuid,
    /// The only currency in which it is used and paid.
    pub currency: Currency,
    /// How far it has come.
    pub status: Status,
    /// Why nothing new is bought; empty: it is.
    pub suspended_for: BTreeSet<SuspensionCause>,
    /// For how much was asked last.
    pub requested_minor: i64,
    /// Who asked.
    pub requested_by: String,
    /// When.
    pub requested_on: NaiveDate,
    /// Why it was not given.
    pub rejected_for: Option<RejectReason>,
    /// Who decided so.
    pub rejected_by: Option<String>,
    /// When.
    pub rejected_on: Option<NaiveDate>,
    /// Who gave it.
    pub approved_by: Option<String>,
    /// When.
    pub approved_on: Option<NaiveDate>,
    /// What may be used, without tolerance and temporary credit; none until it is given.
    pub limit_minor: Option<i64>,
    /// In how many days what is bought now is to be paid.
    pub term_days: Option<i32>,
    /// The rules. Of a line that was asked for again: by which what is owed still is reminded of.
    pub policy: Option<Policy>,
    /// Why it was closed.
    pub closed_for: Option<String>,
    /// When.
    pub closed_on: Option<NaiveDate>,
    /// What is to be paid.
    pub used_minor: i64,
    /// What is promised to orders, also by holds that lapsed since.
    pub held_minor: i64,
    /// What has come in and paid nothing yet.
    pub unapplied_minor: i64,
    /// Orders with something outstanding, the oldest due first.
    pub uses: Vec<UseRow>,
    /// Orders that are paid, as far as payments may still be taken back. Queries leave it empty: nobody but the fold needs it.
    pub paid: Vec<UseRow>,
    /// Open holds, in the order in which they lapse.
    pub holds: Vec<HoldRow>,
    /// What cases granted for a time, the next to expire first.
    pub temporary: Vec<TemporaryRow>,
    /// The group that it shares a limit with.
    pub group: Option<Uuid>,
    /// How many levels of dunning were sent since something is overdue.
    pub dunning_level: i32,
    /// When the last one was.
    pub dunned_on: Option<NaiveDate>,
    /// The cases because of which the customer is not reminded.
    pub dunning_paused_by: BTreeSet<String>,
    /// The last day before the limit has to be looked at again.
    pub review_on: Option<NaiveDate>,
    /// When the first of the holds lapses.
    pub next_lapse_at: Option<DateTime<Utc>>,
    /// When the first of the temporary credit is gone.
    pub next_expiry_on: Option<NaiveDate>,
    /// The first day on which something is overdue that was not told, or for too long for the line to go on.
    pub next_overdue_on: Option<NaiveDate>,
    /// The first day on which the customer is to be reminded.
    pub next_dunning_on: Option<NaiveDate>,
    /// The first day on which the line is to be suspended because nobody looked at its limit.
    pub next_review_on: Option<NaiveDate>,
    /// The latest business date of its events since it was given.
    pub latest_on: NaiveDate,
    /// When something happened to it last.
    pub updated_at: DateTime<Utc>,
    /// Position of its first event: the order in which lines are listed.
    pub created_position: Position,
    /// Position of its last event.
    pub position: Position,
    /// Version of its stream.
    pub version: Version,
}

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct CreditLines;

impl ReadModel for CreditLines {
    const NAME: &'static str = "credit_lines";
    const VERSION: i32 = 2;
    const TABLES: &'static [&'static str] = &["credit_lines"];
    const TABLES_SQL: &'static str = include_str!("credit_lines/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("credit_lines/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = CreditEvent::TYPES;
    const REVEALS: bool = false;

    type Key = Uuid;
    type Row = CreditLineRow;

    fn keys(recorded: &Recorded) -> Vec<Uuid> {
        match &recorded.event {
            Event::Credit(_) => vec![recorded.stream.id],
            Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => {
                vec![]
            }
        }
    }

    fn apply(_: &Uuid, row: Option<CreditLineRow>, recorded: &Recorded) -> Option<CreditLineRow> {
        match &recorded.event {
            Event::Credit(event) => evolving::apply(row, event, recorded),
            Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => {
                row
            }
        }
    }

    async fn load(conn: &mut PgConnection, keys: &[Uuid]) -> Result<Rows<Self>, sqlx::Error> {
        let sql =
            concat!(include_str!("credit_lines/columns.sql"), ", l.paid from credit_lines l where l.line_id = any($1)");
        let rows = sqlx::query(sql).bind(keys).fetch_all(conn).await?;
        let whole = |row: &PgRow| {
            let Json(paid) = get(row, "paid")?;
            Ok(CreditLineRow { paid, ..read(row)? })
        };
        rows.iter().map(|row| whole(row).map(|row| (row.line, row))).collect()
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

fn read(row: &PgRow) -> Result<CreditLineRow, sqlx::Error> {
    let (Json(uses), Json(holds), Json(temporary)) = (get(row, "uses")?, get(row, "holds")?, get(row, "temporary")?);
    Ok(CreditLineRow {
        line: get(row, "line_id")?,
        tenant: TenantId(get(row, "tenant")?),
        customer: get(row, "customer_id")?,
        currency: word(row, "currency", |code| Currency::parse(code).ok())?,
        status: word(row, "status", Status::parse)?,
        suspended_for: causes(row)?,
        requested_minor: get(row, "requested_minor")?,
        requested_by: get(row, "requested_by")?,
        requested_on: get(row, "requested_on")?,
        rejected_for: rejected_for(row)?,
        rejected_by: get(row, "rejected_by")?,
        rejected_on: get(row, "rejected_on")?,
        approved_by: get(row, "approved_by")?,
        approved_on: get(row, "approved_on")?,
        limit_minor: get(row, "limit_minor")?,
        term_days: get(row, "term_days")?,
        policy: get::<Option<Json<_>>>(row, "policy")?.map(|Json(policy)| policy),
        closed_for: get(row, "closed_for")?,
        closed_on: get(row, "closed_on")?,
        used_minor: get(row, "used_minor")?,
        held_minor: get(row, "held_minor")?,
        unapplied_minor: get(row, "unapplied_minor")?,
        uses,
        paid: Vec::new(),
        holds,
        temporary,
        group: get(row, "group_id")?,
        dunning_level: get(row, "dunning_level")?,
        dunned_on: get(row, "dunned_on")?,
        dunning_paused_by: get::<Vec<String>>(row, "dunning_paused_by")?.into_iter().collect(),
        review_on: get(row, "review_on")?,
        next_lapse_at: get(row, "next_lapse_at")?,
        next_expiry_on: get(row, "next_expiry_on")?,
        next_overdue_on: get(row, "next_overdue_on")?,
        next_dunning_on: get(row, "next_dunning_on")?,
        next_review_on: get(row, "next_review_on")?,
        latest_on: get(row, "latest_on")?,
        updated_at: get(row, "updated_at")?,
        created_position: Position(get(row, "created_position")?),
        position: Position(get(row, "position")?),
        version: get(row, "version")?,
    })
}

fn causes(row: &PgRow) -> Result<BTreeSet<SuspensionCause>, sqlx::Error> {
    let words: Vec<String> = get(row, "suspended_for")?;
    let unknown = |error| sqlx::Error::ColumnDecode { index: "suspended_for".to_owned(), source: Box::new(error) };
    words.iter().map(|word| SuspensionCause::parse(word).map_err(unknown)).collect()
}

fn rejected_for(row: &PgRow) -> Result<Option<RejectReason>, sqlx::Error> {
    match get::<Option<&str>>(row, "rejected_for")? {
        Some(_) => word(row, "rejected_for", |text| RejectReason::parse(text).ok()).map(Some),
        None => Ok(None),
    }
}

impl TableRow for CreditLineRow {
    const TABLE: &'static str = "credit_lines";

    fn put(&self, to: &mut Columns) {
        let suspended_for: Vec<_> = self.suspended_for.iter().map(|cause| cause.as_str().to_owned()).collect();
        let paused_by: Vec<_> = self.dunning_paused_by.iter().cloned().collect();
        to.put("line_id", self.line)
            .put("tenant", self.tenant.0)
            .put("customer_id", self.customer)
            .put("currency", self.currency.code())
            .put("status", self.status.as_str())
            .put_list("suspended_for", &suspended_for)
            .put("requested_minor", self.requested_minor)
            .put("requested_by", self.requested_by.as_str())
            .put("requested_on", self.requested_on)
            .put("rejected_for", self.rejected_for.map(RejectReason::as_str))
            .put("rejected_by", self.rejected_by.as_deref())
            .put("rejected_on", self.rejected_on)
            .put("approved_by", self.approved_by.as_deref())
            .put("approved_on", self.approved_on)
            .put("limit_minor", self.limit_minor)
            .put("term_days", self.term_days)
            .put("policy", self.policy.as_ref().map(Json))
            .put("closed_for", self.closed_for.as_deref())
            .put("closed_on", self.closed_on)
            .put("used_minor", self.used_minor)
            .put("held_minor", self.held_minor)
            .put("unapplied_minor", self.unapplied_minor)
            .put("uses", Json(&self.uses))
            .put("paid", Json(&self.paid))
            .put("holds", Json(&self.holds))
            .put("temporary", Json(&self.temporary))
            .put("group_id", self.group)
            .put("dunning_level", self.dunning_level)
            .put("dunned_on", self.dunned_on)
            .put_list("dunning_paused_by", &paused_by)
            .put("review_on", self.review_on)
            .put("next_lapse_at", self.next_lapse_at)
            .put("next_expiry_on", self.next_expiry_on)
            .put("next_overdue_on", self.next_overdue_on)
            .put("next_dunning_on", self.next_dunning_on)
            .put("next_review_on", self.next_review_on)
            .put("latest_on", self.latest_on)
            .put("updated_at", self.updated_at)
            .put("created_position", self.created_position.0)
            .put("position", self.position.0)
            .put("version", self.version);
    }
}

/// A line by its id, at the caller's moment.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find(
    pools: &Pools,
    tenant: TenantId,
    line: Uuid,
    now: Moment,
) -> Result<Option<AsOf<CreditStanding>>, StoreError> {
    let sql = concat!(
        include_str!("credit_lines/columns.sql"),
        include_str!("credit_lines/from.sql"),
        "where l.line_id = $1"
    );
    let found = pools.request.fetch_optional(tenant, sqlx::query(sql).bind(line)).await;
    let found = found.map_err(failed("credit_lines"))?;
    let told = |row: &PgRow| crate::query::as_of(row, standing(row, now)?);
    found.map(|row| told(&row)).transpose().map_err(failed("credit_lines"))
}

/// All lines of a customer, one for each currency, at the caller's moment.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn find_of(
    pools: &Pools,
    tenant: TenantId,
    customer: Uuid,
    now: Moment,
) -> Result<AsOf<Vec<CreditStanding>>, StoreError> {
    let sql = concat!(
        include_str!("credit_lines/columns.sql"),
        include_str!("credit_lines/from.sql"),
        "where l.customer_id = $1 order by l.currency"
    );
    all(pools, tenant, sqlx::query(sql).bind(customer), now).await
}

/// The lines that have come so far, or all, the oldest first, behind a place in the list of requests.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    status: Option<Status>,
    (after, limit): (Position, usize),
    now: Moment,
) -> Result<AsOf<Page<CreditStanding>>, StoreError> {
    let fetched = i64::try_from(limit).unwrap_or(i64::MAX).saturating_add(1);
    let query = match status {
        None => {
            let sql = concat!(
                include_str!("credit_lines/columns.sql"),
                include_str!("credit_lines/from.sql"),
                include_str!("credit_lines/all.sql")
            );
            sqlx::query(sql).bind(after.0).bind(fetched)
        }
        Some(status) => {
            let sql = concat!(
                include_str!("credit_lines/columns.sql"),
                include_str!("credit_lines/from.sql"),
                include_str!("credit_lines/by_status.sql")
            );
            sqlx::query(sql).bind(after.0).bind(fetched).bind(status.as_str())
        }
    };
    let AsOf { value: mut rows, position } = all(pools, tenant, query, now).await?;
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    let next = rows.last().filter(|_| has_more).map(|last| last.line.created_position);
    Ok(AsOf { value: Page { rows, next }, position })
}

async fn all(
    pools: &Pools,
    tenant: TenantId,
    query: Query<'_, Postgres, PgArguments>,
    now: Moment,
) -> Result<AsOf<Vec<CreditStanding>>, StoreError> {
    // An answer says what it reflects, also when it is empty; so the position is read before.
    let position = lowest_position(pools, tenant, PROJECTORS).await?;
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_lines"))?;
    let rows = found.iter().map(|row| standing(row, now)).collect::<Result<_, _>>().map_err(failed("credit_lines"))?;
    Ok(AsOf { value: rows, position })
}

fn standing(row: &PgRow, now: Moment) -> Result<CreditStanding, sqlx::Error> {
    Ok(read(row)?.at(now, get(row, "group_left")?))
}

/// A line as it was, from its events.
///
/// # Errors
/// As [`TimeTravelError`] says.
pub async fn find_past(
    store: &dyn EventStore,
    tenant: TenantId,
    line: Uuid,
    until: Until,
) -> Result<CreditLineRow, TimeTravelError> {
    let stream = StreamId { category: Category::Credit.as_str(), id: line };
    row_of::<CreditLines>(store, tenant, stream, until, |recorded, _| recorded).await
}

/// What of the credit that was given in a currency is used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Utilisation {
    /// The currency.
    pub currency: Currency,
    /// How many lines may be used, or are suspended.
    pub lines: i64,
    /// How many of them are suspended.
    pub suspended: i64,
    /// What may be used, without tolerance and temporary credit.
    pub limit_minor: i64,
    /// What is to be paid.
    pub used_minor: i64,
    /// What is promised to orders, also by holds that lapsed since the last event of their lines.
    pub held_minor: i64,
    /// What has come in and paid nothing yet.
    pub unapplied_minor: i64,
}

/// What of all credit that was given is used, by currency.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn utilisation(pools: &Pools, tenant: TenantId) -> Result<AsOf<Vec<Utilisation>>, StoreError> {
    let position = lowest_position(pools, tenant, &["credit_lines"]).await?;
    let query = sqlx::query(include_str!("credit_lines/utilisation.sql"));
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_lines"))?;
    let read = |row: &PgRow| {
        Ok(Utilisation {
            currency: word(row, "currency", |code| Currency::parse(code).ok())?,
            lines: get(row, "lines")?,
            suspended: get(row, "suspended")?,
            limit_minor: get(row, "limit_minor")?,
            used_minor: get(row, "used_minor")?,
            held_minor: get(row, "held_minor")?,
            unapplied_minor: get(row, "unapplied_minor")?,
        })
    };
    let rows = found.iter().map(read).collect::<Result<_, sqlx::Error>>().map_err(failed("credit_lines"))?;
    Ok(AsOf { value: rows, position })
}

#[cfg(test)]
mod tests;
