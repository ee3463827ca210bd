//! Table `credit_movements`: every movement of what is owed on a line of credit, for statements.
//!
//! A movement is one event, and no later event touches its row. The balance is what is outstanding, less money that came in and paid
//! nothing yet. Money counts when it comes in: what it pays then moves it from one to the other, and leaves the balance as it is. Balances
//! are summed up by the query.

use crate::query::{AsOf, Back, Page, failed, get, listed, lowest_position, page, word};
use crate::read_model::{ChangeOf, ReadModel, Recorded, Rows, made};
use crate::tables::{Columns, TableRow, Writer};
use chrono::{DateTime, NaiveDate, Utc};
use domain::credit::events::CreditEvent;
use domain::credit::reasons::ReleaseCause;
use domain::{Currency, Event, Money};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;
use store::postgres::Pools;
use store::{Position, StoreError, TenantId};
use uuid::Uuid;

/// How what is owed moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Movement {
    /// An order was bought.
    Used,
    /// Money came in.
    Received,
    /// An order was paid with it.
    Paid,
    /// An order was paid with money that had come in before.
    PaidFromUnapplied,
    /// What was bought came to nothing, or to less.
    Cancelled,
    /// Money that had come in turned out to be none.
    Reversed,
    /// Money that had paid nothing was paid out.
    Refunded,
}

impl Movement {
    const ALL: [Self; 7] = [
        Self::Used,
        Self::Received,
        Self::Paid,
        Self::PaidFromUnapplied,
        Self::Cancelled,
        Self::Reversed,
        Self::Refunded,
    ];

    /// The word in the table and on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Used => "used",
            Self::Received => "received",
            Self::Paid => "paid",
            Self::PaidFromUnapplied => "paid_from_unapplied",
            Self::Cancelled => "cancelled",
            Self::Reversed => "reversed",
            Self::Refunded => "refunded",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// A row of `credit_movements`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MovementRow {
    /// Position of its event.
    pub position: Position,
    /// Whose business it is.
    pub tenant: TenantId,
    /// The line.
    pub line: Uuid,
    /// Whose line it is.
    pub customer: Option<Uuid>,
    /// How it moved.
    pub kind: Movement,
    /// How much was bought, came in, was paid or cancelled.
    pub amount: Money,
    /// What was added to what is outstanding: below zero where it was paid or cancelled.
    pub outstanding_minor: i64,
    /// What was added to the money that paid nothing yet.
    pub unapplied_minor: i64,
    /// The order.
    pub order: Option<String>,
    /// The payment.
    pub payment: Option<String>,
    /// The invoice.
    pub invoice: Option<String>,
    /// The hold that had kept the order.
    pub hold: Option<Uuid>,
    /// What who cancelled it calls that.
    pub release: Option<String>,
    /// What who paid money out calls that.
    pub refund: Option<String>,
    /// Why it was cancelled, reversed or paid out.
    pub reason: Option<String>,
    /// The last day on which what was bought is paid in time.
    pub due_on: Option<NaiveDate>,
    /// The business date on which the money came.
    pub received_on: Option<NaiveDate>,
    /// Business date.
    pub moved_on: NaiveDate,
    /// Business time.
    pub occurred_at: DateTime<Utc>,
    /// When it was appended.
    pub recorded_at: DateTime<Utc>,
}

/// A movement with what is owed after it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatementLine {
    /// The movement.
    pub movement: MovementRow,
    /// What is outstanding after it, less money that paid nothing yet; below zero when the customer has something good.
    pub balance_minor: i64,
}

/// The movements of a period, or a part of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What was owed before the period.
    pub opening_minor: i64,
    /// What is owed at its end.
    pub closing_minor: i64,
    /// The movements, the oldest first, and behind which one to go on.
    pub page: Page<StatementLine, Place>,
}

/// A place in a statement: a business date and a position.
pub type Place = (NaiveDate, Position);

/// The read model.
#[derive(Debug, Clone, Copy)]
pub struct CreditMovements;

impl ReadModel for CreditMovements {
    const NAME: &'static str = "credit_movements";
    const VERSION: i32 = 2;
    const TABLES: &'static [&'static str] = &["credit_movements"];
    const TABLES_SQL: &'static str = include_str!("credit_movements/tables.sql");
    const INDEXES_SQL: &'static str = include_str!("credit_movements/indexes.sql");
    const PERSONAL: &'static [&'static str] = &[];
    const HANDLES: &'static [&'static str] = &[
        "credit.used",
        "credit.payment.applied",
        "credit.released",
        "credit.payment.reversed",
        "credit.unapplied.refunded",
    ];
    const REVEALS: bool = false;
    const APPEND_ONLY: bool = true;

    type Key = Position;
    type Row = MovementRow;

    fn keys(recorded: &Recorded) -> Vec<Position> {
        match &recorded.event {
            Event::Credit(event) => moved(event, recorded).map(|_| recorded.position).into_iter().collect(),
            Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => {
                vec![]
            }
        }
    }

    fn apply(_: &Position, row: Option<MovementRow>, recorded: &Recorded) -> Option<MovementRow> {
        match &recorded.event {
            Event::Credit(event) => moved(event, recorded).or(row),
            Event::Customer(_) | Event::Loyalty(_) | Event::Programme(_) | Event::CreditGroup(_) | Event::Access(_) => {
                row
            }
        }
    }

    async fn load(_: &mut PgConnection, _: &[Position]) -> Result<Rows<Self>, sqlx::Error> {
        Ok(Rows::<Self>::new())
    }

    async fn write(writer: &mut Writer<'_>, changes: &[ChangeOf<Self>]) -> Result<(), sqlx::Error> {
        writer.put(made(changes)).await
    }
}

/// The row of an event that moves what is owed.
fn moved(event: &CreditEvent, recorded: &Recorded) -> Option<MovementRow> {
    use CreditEvent as E;
    let row = |kind, amount: &Money, on: &NaiveDate| MovementRow::of(recorded, kind, *amount, *on);
    match event {
        E::Used { order, amount, hold, invoice, on, due_on, .. } => Some(MovementRow {
            outstanding_minor: amount.minor(),
            order: Some(order.as_str().to_owned()),
            hold: hold.map(|hold| hold.as_uuid()),
            invoice: invoice.as_ref().map(|invoice| invoice.as_str().to_owned()),
            due_on: Some(*due_on),
            ..row(Movement::Used, amount, on)
        }),
        E::PaymentApplied { payment, amount, received_on, on, .. } => Some(MovementRow {
            unapplied_minor: amount.minor(),
            payment: Some(payment.as_str().to_owned()),
            received_on: Some(*received_on),
            ..row(Movement::Received, amount, on)
        }),
        E::Released { .. } => released(event, recorded),
        E::PaymentReversed { payment, amount, from_unapplied, reason, on, .. } => Some(MovementRow {
            outstanding_minor: amount.minor().saturating_sub(from_unapplied.minor()),
            unapplied_minor: from_unapplied.minor().saturating_neg(),
            payment: Some(payment.as_str().to_owned()),
            reason: Some(reason.as_str().to_owned()),
            ..row(Movement::Reversed, amount, on)
        }),
        E::UnappliedRefunded { refund, amount, reason, on, .. } => Some(MovementRow {
            unapplied_minor: amount.minor().saturating_neg(),
            refund: Some(refund.as_str().to_owned()),
            reason: Some(reason.as_str().to_owned()),
            ..row(Movement::Refunded, amount, on)
        }),
        E::Requested { .. }
        | E::Approved { .. }
        | E::Rejected { .. }
        | E::LimitChanged { .. }
        | E::TermsChanged { .. }
        | E::PolicyChanged { .. }
        | E::Suspended { .. }
        | E::Resumed { .. }
        | E::Closed { .. }
        | E::HoldPlaced { .. }
        | E::HoldReleased { .. }
        | E::LimitExceeded { .. }
        | E::Overdue { .. }
        | E::DunningSent { .. }
        | E::DunningPaused { .. }
        | E::DunningResumed { .. }
        | E::TemporaryGranted { .. }
        | E::TemporarySettled { .. }
        | E::TemporaryExpired { .. }
        | E::GroupJoined { .. }
        | E::GroupLeft { .. } => None,
    }
}

/// The row of credit that came free.
fn released(event: &CreditEvent, recorded: &Recorded) -> Option<MovementRow> {
    let CreditEvent::Released { order, amount, cause, on, .. } = event else { return None };
    let (minor, order) = (amount.minor(), Some(order.as_str().to_owned()));
    let row = |kind| MovementRow { order, ..MovementRow::of(recorded, kind, *amount, *on) };
    let less = minor.saturating_neg();
    Some(match cause {
        ReleaseCause::Payment { payment } => MovementRow {
            outstanding_minor: less,
            unapplied_minor: less,
            payment: Some(payment.as_str().to_owned()),
            ..row(Movement::Paid)
        },
        ReleaseCause::Unapplied {} => {
            MovementRow { outstanding_minor: less, unapplied_minor: less, ..row(Movement::PaidFromUnapplied) }
        }
        ReleaseCause::Cancelled { release, reason, unapplied } => MovementRow {
            outstanding_minor: less.saturating_add(unapplied.minor()),
            unapplied_minor: unapplied.minor(),
            release: Some(release.as_str().to_owned()),
            reason: Some(reason.as_str().to_owned()),
            ..row(Movement::Cancelled)
        },
    })
}

impl MovementRow {
    fn of(recorded: &Recorded, kind: Movement, amount: Money, moved_on: NaiveDate) -> Self {
        Self {
            position: recorded.position,
            tenant: recorded.tenant,
            line: recorded.stream.id,
            customer: recorded.customer_id,
            kind,
            amount,
            outstanding_minor: 0,
            unapplied_minor: 0,
            order: None,
            payment: None,
            invoice: None,
            hold: None,
            release: None,
            refund: None,
            reason: None,
            due_on: None,
            received_on: None,
            moved_on,
            occurred_at: recorded.occurred_at,
            recorded_at: recorded.recorded_at,
        }
    }
}

fn read(row: &PgRow) -> Result<MovementRow, sqlx::Error> {
    let minor = get(row, "amount_minor")?;
    Ok(MovementRow {
        position: Position(get(row, "position")?),
        tenant: TenantId(get(row, "tenant")?),
        line: get(row, "line_id")?,
        customer: get(row, "customer_id")?,
        kind: word(row, "kind", Movement::parse)?,
        amount: word(row, "currency", |code| Money::from_minor(minor, Currency::parse(code).ok()?).ok())?,
        outstanding_minor: get(row, "outstanding_minor")?,
        unapplied_minor: get(row, "unapplied_minor")?,
        order: get(row, "order_id")?,
        payment: get(row, "payment_id")?,
        invoice: get(row, "invoice_id")?,
        hold: get(row, "hold_id")?,
        release: get(row, "release_id")?,
        refund: get(row, "refund_id")?,
        reason: get(row, "reason")?,
        due_on: get(row, "due_on")?,
        received_on: get(row, "received_on")?,
        moved_on: get(row, "moved_on")?,
        occurred_at: get(row, "occurred_at")?,
        recorded_at: get(row, "recorded_at")?,
    })
}

fn statement_line(row: &PgRow) -> Result<StatementLine, sqlx::Error> {
    Ok(StatementLine { movement: read(row)?, balance_minor: get(row, "balance_minor")? })
}

impl TableRow for MovementRow {
    const TABLE: &'static str = "credit_movements";

    fn put(&self, to: &mut Columns) {
        to.put("position", self.position.0)
            .put("tenant", self.tenant.0)
            .put("line_id", self.line)
            .put("customer_id", self.customer)
            .put("kind", self.kind.as_str())
            .put("currency", self.amount.currency().code().to_owned())
            .put("amount_minor", self.amount.minor())
            .put("outstanding_minor", self.outstanding_minor)
            .put("unapplied_minor", self.unapplied_minor)
            .put("order_id", self.order.as_deref())
            .put("payment_id", self.payment.as_deref())
            .put("invoice_id", self.invoice.as_deref())
            .put("hold_id", self.hold)
            .put("release_id", self.release.as_deref())
            .put("refund_id", self.refund.as_deref())
            .put("reason", self.reason.as_deref())
            .put("due_on", self.due_on)
            .put("received_on", self.received_on)
            .put("moved_on", self.moved_on)
            .put("occurred_at", self.occurred_at)
            .put("recorded_at", self.recorded_at);
    }
}

/// The movements of a line, the newest first, each with what was owed after it.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn list(
    pools: &Pools,
    tenant: TenantId,
    line: Uuid,
    back: Back,
) -> Result<AsOf<Page<StatementLine>>, StoreError> {
    let query =
        sqlx::query(include_str!("credit_movements/page.sql")).bind(line).bind(back.before.0).bind(back.fetched());
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_movements"))?;
    page(&found, back, statement_line).map_err(failed("credit_movements"))
}

/// The movements of a line on the business dates of a period, both ends included, the oldest first, behind a place in it.
///
/// # Errors
/// When the database is away, or a row makes no sense.
pub async fn statement(
    pools: &Pools,
    tenant: TenantId,
    line: Uuid,
    (from, to): (NaiveDate, NaiveDate),
    (after, limit): (Option<Place>, usize),
) -> Result<AsOf<Statement>, StoreError> {
    // Of what is read afterwards it says the least.
    let reflected = lowest_position(pools, tenant, &["credit_movements"]).await?;
    let query = sqlx::query(include_str!("credit_movements/statement.sql"))
        .bind(line)
        .bind(from)
        .bind(to)
        .bind(after.map(|(day, _)| day))
        .bind(after.map(|(_, position)| position.0))
        .bind(Back::newest(limit).fetched());
    let found = pools.request.fetch_all(tenant, query).await.map_err(failed("credit_movements"))?;
    let read = || {
        let place = |row: &PgRow| Ok((get(row, "moved_on")?, Position(get(row, "position")?)));
        let page = listed(&found, limit, statement_line, place)?.value;
        let sum = |column| found.first().map_or(Ok(0), |row| get(row, column));
        Ok(Statement { opening_minor: sum("opening_minor")?, closing_minor: sum("closing_minor")?, page })
    };
    let value = read().map_err(failed("credit_movements"))?;
    Ok(AsOf { value, position: reflected })
}

#[cfg(test)]
mod tests;
