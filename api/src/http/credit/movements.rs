//! What moved what is owed on a line of credit, and the statement that is sent to its customer.

use super::reading::{line_not_found, require_line};
use crate::Api;
use crate::headers::{MinPosition, Parameters, PathId, X_POSITION};
use crate::http::lists::{self, ListView, wrong};
use crate::http::wire::date_as_written;
use crate::http::{Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use chrono::{DateTime, Datelike, NaiveDate, TimeDelta, Utc};
use commands::{Caller, Scope};
use domain::credit::aging::within_limits;
use domain::{Currency, Money};
use projections::credit::credit_groups::CreditGroups;
use projections::credit::credit_lines::{self, CreditLines};
use projections::credit::credit_movements::{self, CreditMovements, MovementRow, StatementLine};
use projections::{AsOf, ReadModel};
use serde::{Deserialize, Serialize};
use store::Position;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(list_credit_movements)).routes(routes!(get_credit_statement))
}

/// What movements rest on, and that there is a line at all.
const MOVEMENTS: &[&str] = &[CreditMovements::NAME, CreditLines::NAME, CreditGroups::NAME];
/// The longest period of a statement, in days.
const STATEMENT_DAYS_MAX: i64 = 400;
/// So many movements of a statement are read at a time.
const STATEMENT_PART: usize = 1_000;
/// The first row of a statement.
const COLUMNS: &str =
    "on,kind,order_id,invoice_id,payment_id,refund_id,due_on,received_on,amount,change,balance,currency";

/// A movement of what is owed.
#[derive(Serialize, ToSchema)]
pub(super) struct CreditMovementView {
    position: i64,
    #[schema(example = "used")]
    kind: &'static str,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// What it added to the balance. Nothing, where money that had come in pays an order: the balance fell when it came.
    #[schema(value_type = schemas::Amount)]
    change: String,
    /// What is owed after it, less money that paid nothing yet; below zero when the customer has something good.
    #[schema(value_type = schemas::Amount)]
    balance: String,
    #[schema(value_type = Option<schemas::OrderId>)]
    order_id: Option<String>,
    #[schema(example = "pay-7")]
    payment_id: Option<String>,
    #[schema(example = "inv-7")]
    invoice_id: Option<String>,
    #[schema(example = "refund-7")]
    refund_id: Option<String>,
    /// Why it was cancelled, taken back or paid out.
    #[schema(value_type = Option<schemas::ReasonCode>)]
    reason: Option<String>,
    due_on: Option<NaiveDate>,
    /// When a payment came, as it was told. What is owed moves on the day on which that was recorded.
    received_on: Option<NaiveDate>,
    on: NaiveDate,
    recorded_at: DateTime<Utc>,
}

impl From<StatementLine> for CreditMovementView {
    fn from(StatementLine { movement, balance_minor }: StatementLine) -> Self {
        let currency = movement.amount.currency();
        Self {
            position: movement.position.0,
            kind: movement.kind.as_str(),
            amount: movement.amount.amount(),
            currency,
            change: change(&movement).amount(),
            balance: within_limits(balance_minor, currency).amount(),
            order_id: movement.order,
            payment_id: movement.payment,
            invoice_id: movement.invoice,
            refund_id: movement.refund,
            reason: movement.reason,
            due_on: movement.due_on,
            received_on: movement.received_on,
            on: movement.moved_on,
            recorded_at: movement.recorded_at,
        }
    }
}

fn change(movement: &MovementRow) -> Money {
    within_limits(movement.outstanding_minor.saturating_sub(movement.unapplied_minor), movement.amount.currency())
}

/// Tells what moved what is owed on a line, the newest first, with what was owed after it.
#[utoipa::path(
    get, path = "/v1/credit-lines/{line}/movements", tag = "credit", operation_id = "list_credit_movements",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), lists::Asked, MinPosition),
    responses(
        (status = 200, description = "A part of the movements", body = ListView<CreditMovementView>),
        (status = 404, description = "credit_not_requested"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
async fn list_credit_movements(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Parameters(asked): Parameters<lists::Asked>,
    min_position: MinPosition,
) -> Result<Found<ListView<CreditMovementView>>, Problem> {
    caller.require(Scope::CreditRead)?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    wait_for(&api, MOVEMENTS, min_position).await?;
    let page = credit_movements::list(&api.pools, caller.tenant, line, back).await?;
    if page.value.rows.is_empty() {
        require_line(&api, &caller, line).await?;
    }
    Ok(Found::list(page, CreditMovementView::from))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Period {
    /// The first business date.
    #[param(inline, value_type = schemas::Day, example = "2026-01-01")]
    from: String,
    /// The last one; at most 400 days later.
    #[param(inline, value_type = schemas::Day, example = "2026-03-31")]
    to: String,
}

impl Period {
    fn read(&self) -> Result<(NaiveDate, NaiveDate), Problem> {
        let (from, to) = (day("from", &self.from)?, day("to", &self.to)?);
        if to < from || to - from > TimeDelta::days(STATEMENT_DAYS_MAX) {
            return Err(wrong("to", "must not be before from, and at most 400 days after it"));
        }
        Ok((from, to))
    }
}

/// Years have four digits and begin with the first.
fn day(name: &str, text: &str) -> Result<NaiveDate, Problem> {
    let read = date_as_written(text).filter(|day| day.year() > 0);
    read.ok_or_else(|| wrong(name, "must be a date such as 2026-03-01"))
}

/// Gives the statement of a period as CSV: what was owed before, each movement with what was owed after it, and what is owed at its end.
#[utoipa::path(
    get, path = "/v1/credit-lines/{line}/statement", tag = "credit", operation_id = "get_credit_statement",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Period, MinPosition),
    responses(
        (status = 200, description = "The statement", content((schemas::CreditStatement = "text/csv"))),
        (status = 404, description = "credit_not_requested"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
async fn get_credit_statement(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Parameters(period): Parameters<Period>,
    min_position: MinPosition,
) -> Result<Response, Problem> {
    caller.require(Scope::CreditRead)?;
    let (from, to) = period.read()?;
    wait_for(&api, MOVEMENTS, min_position).await?;
    let known = credit_lines::find(&api.pools, caller.tenant, line, caller.this_moment()).await?;
    let AsOf { position: known_at, value } = known.ok_or_else(line_not_found)?;
    let (table, moved_at) = statement(&api, &caller, (line, value.line.currency), (from, to)).await?;
    let name = format!("attachment; filename=\"statement-{from}-{to}.csv\"");
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
        (header::CONTENT_DISPOSITION, name),
        (X_POSITION, known_at.min(moved_at).0.to_string()),
    ];
    Ok((headers, table.join("\r\n") + "\r\n").into_response())
}

/// The rows, and up to which position they tell what moved: the first part says the least.
async fn statement(
    api: &Api,
    caller: &Caller,
    (line, currency): (Uuid, Currency),
    (from, to): (NaiveDate, NaiveDate),
) -> Result<(Vec<String>, Position), Problem> {
    let mut table = vec![COLUMNS.to_owned()];
    let (mut after, mut reflected) = (None, None);
    loop {
        let part = credit_movements::statement(&api.pools, caller.tenant, line, (from, to), (after, STATEMENT_PART));
        let AsOf { position, value } = part.await?;
        let reflected = *reflected.get_or_insert_with(|| {
            table.push(sum_row(from, "opening", value.opening_minor, currency));
            position
        });
        table.extend(value.page.rows.iter().map(|line| csv_row(line, currency)));
        if value.page.next.is_none() {
            table.push(sum_row(to, "closing", value.closing_minor, currency));
            return Ok((table, reflected));
        }
        after = value.page.next;
    }
}

fn sum_row(on: NaiveDate, kind: &str, minor: i64, currency: Currency) -> String {
    format!("{on},{kind},,,,,,,,,{},{currency}", within_limits(minor, currency).amount())
}

/// A row of RFC 4180. Ids and codes have no letters that would have to be quoted.
fn csv_row(StatementLine { movement, balance_minor }: &StatementLine, currency: Currency) -> String {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let day = |day: Option<NaiveDate>| day.map(|day| day.to_string()).unwrap_or_default();
    [
        movement.moved_on.to_string(),
        movement.kind.as_str().to_owned(),
        text(&movement.order),
        text(&movement.invoice),
        text(&movement.payment),
        text(&movement.refund),
        day(movement.due_on),
        day(movement.received_on),
        movement.amount.amount(),
        change(movement).amount(),
        within_limits(*balance_minor, currency).amount(),
        currency.to_string(),
    ]
    .join(",")
}
