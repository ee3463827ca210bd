//! What is known of lines of credit: how they stand, what is to be paid and how old it is.

use super::standing::PolicyBody;
use crate::Api;
use crate::headers::{MinPosition, NoParameters, Parameters, PathId};
use crate::http::customers::customer_not_found;
use crate::http::lists::{self, Cursor, ListView, wrong};
use crate::http::{Found, time_travel, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use commands::{Caller, Scope};
use domain::Currency;
use domain::credit::aging::{Aging, within_limits};
use domain::credit::reasons::RejectReason;
use domain::ids::HoldId;
use projections::credit::credit_aging::{self, Aged, AgedSum, CreditAging, UseRow};
use projections::credit::credit_groups::CreditGroups;
use projections::credit::credit_lines::standing::CreditStanding;
use projections::credit::credit_lines::{self, CreditLines, HoldRow, Status, TemporaryRow};
use projections::customers::customers::{self, Customers};
use projections::time_travel::TimeTravelError;
use projections::{AsOf, ReadModel};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use store::Position;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(get_credit_line))
        .routes(routes!(list_credit_lines))
        .routes(routes!(list_credit_lines_of_customer))
        .routes(routes!(list_credit_uses))
        .routes(routes!(get_credit_line_aging))
        .routes(routes!(get_credit_aging))
}

/// What a line rests on: what a group has left is told by the other one.
const LINES: &[&str] = &[CreditLines::NAME, CreditGroups::NAME];

/// A line of credit as it stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreditLineView {
    line_id: Uuid,
    customer_id: Uuid,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    #[schema(example = "active")]
    status: &'static str,
    /// Why nothing new is bought.
    #[schema(value_type = Vec<schemas::SuspensionCause>)]
    suspended_for: Vec<&'static str>,
    #[schema(value_type = schemas::Amount)]
    requested: String,
    #[schema(example = "key:018f0000-0000-7000-8000-000000000001")]
    requested_by: String,
    requested_on: NaiveDate,
    #[schema(example = "key:018f0000-0000-7000-8000-000000000002")]
    approved_by: Option<String>,
    approved_on: Option<NaiveDate>,
    #[schema(value_type = Option<schemas::CreditRejectReason>)]
    rejected_for: Option<&'static str>,
    rejected_on: Option<NaiveDate>,
    #[schema(value_type = Option<schemas::Amount>)]
    limit: Option<String>,
    /// In how many days what is bought now is to be paid.
    #[schema(example = 30)]
    term_days: Option<i32>,
    /// The limit, the tolerance on it, and what was granted for a time.
    #[schema(value_type = schemas::Amount)]
    ceiling: String,
    /// What may still be used by its own limit; below zero when more was taken than there is.
    #[schema(value_type = schemas::Amount)]
    available: String,
    /// What is to be paid.
    #[schema(value_type = schemas::Amount)]
    used: String,
    /// What is promised to orders.
    #[schema(value_type = schemas::Amount)]
    held: String,
    /// What came in and paid nothing yet.
    #[schema(value_type = schemas::Amount)]
    unapplied: String,
    /// What was not paid in time.
    #[schema(value_type = schemas::Amount)]
    overdue: String,
    /// What was granted for a time.
    #[schema(value_type = schemas::Amount)]
    temporary: String,
    aging: AgingView,
    /// The group that it shares a limit with.
    group_id: Option<Uuid>,
    /// What the group has left; not told of the past.
    #[schema(value_type = Option<schemas::Amount>)]
    group_available: Option<String>,
    /// The last day before the limit has to be looked at again.
    review_on: Option<NaiveDate>,
    updated_at: DateTime<Utc>,
    version: i32,
}

impl From<CreditStanding> for CreditLineView {
    fn from(standing: CreditStanding) -> Self {
        let amount = |minor| standing.money(minor).amount();
        let line = &standing.line;
        Self {
            line_id: line.line,
            customer_id: line.customer,
            currency: line.currency,
            status: line.status.as_str(),
            suspended_for: line.suspended_for.iter().map(|cause| cause.as_str()).collect(),
            requested: amount(line.requested_minor),
            requested_by: line.requested_by.clone(),
            requested_on: line.requested_on,
            approved_by: line.approved_by.clone(),
            approved_on: line.approved_on,
            rejected_for: line.rejected_for.map(RejectReason::as_str),
            rejected_on: line.rejected_on,
            limit: line.limit_minor.map(amount),
            term_days: line.term_days,
            ceiling: amount(standing.ceiling_minor),
            available: amount(standing.available_minor),
            used: amount(line.used_minor),
            held: amount(line.held_minor),
            unapplied: amount(line.unapplied_minor),
            overdue: amount(standing.overdue_minor),
            temporary: amount(standing.temporary_minor),
            aging: standing.aging.into(),
            group_id: line.group,
            group_available: standing.group_left_minor.map(amount),
            review_on: line.review_on,
            updated_at: line.updated_at,
            version: line.version,
        }
    }
}

/// A line of credit with all that can be changed of it.
#[derive(Serialize, ToSchema)]
struct CreditLineDetails {
    #[serde(flatten)]
    line: CreditLineView,
    /// The rules; none until it is given. Of a line that is asked for again: by which what is owed still is reminded of.
    policy: Option<PolicyBody>,
    /// What is promised to orders, the next to lapse first.
    holds: Vec<OpenHoldView>,
    /// What was granted for a time, the next to expire first.
    temporary_credit: Vec<TemporaryCreditView>,
    dunning: DunningView,
}

/// Credit that is promised to an order.
#[derive(Serialize, ToSchema)]
struct OpenHoldView {
    #[schema(value_type = Uuid)]
    hold_id: HoldId,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    lapses_at: DateTime<Utc>,
}

/// Credit because of a case.
#[derive(Serialize, ToSchema)]
struct TemporaryCreditView {
    #[schema(value_type = schemas::CaseId)]
    case_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    /// The first day on which it is gone.
    expires_on: NaiveDate,
}

/// How far reminding has come.
#[derive(Serialize, ToSchema)]
struct DunningView {
    /// How many levels were sent since something is overdue.
    #[schema(example = 0)]
    level: i32,
    last_sent_on: Option<NaiveDate>,
    /// The cases because of which nobody is reminded.
    #[schema(value_type = Vec<schemas::CaseId>)]
    paused_by: BTreeSet<String>,
}

impl From<CreditStanding> for CreditLineDetails {
    fn from(standing: CreditStanding) -> Self {
        let hold = |hold: &HoldRow| OpenHoldView {
            hold_id: hold.hold,
            order_id: hold.order.clone(),
            amount: standing.money(hold.amount_minor).amount(),
            lapses_at: hold.lapses_at,
        };
        let temporary = |temporary: &TemporaryRow| TemporaryCreditView {
            case_id: temporary.case.clone(),
            amount: standing.money(temporary.amount_minor).amount(),
            expires_on: temporary.expires_on,
        };
        let line = &standing.line;
        Self {
            policy: line.policy.clone().map(PolicyBody::from),
            holds: line.holds.iter().map(hold).collect(),
            temporary_credit: line.temporary.iter().map(temporary).collect(),
            dunning: DunningView {
                level: line.dunning_level,
                last_sent_on: line.dunned_on,
                paused_by: line.dunning_paused_by.clone(),
            },
            line: standing.into(),
        }
    }
}

/// What is to be paid, by how many days ago it was due.
#[derive(Serialize, ToSchema)]
pub(super) struct AgingView {
    /// Not due yet, or due today.
    #[schema(value_type = schemas::Amount)]
    current: String,
    #[schema(value_type = schemas::Amount)]
    days_1_to_30: String,
    #[schema(value_type = schemas::Amount)]
    days_31_to_60: String,
    #[schema(value_type = schemas::Amount)]
    days_61_to_90: String,
    #[schema(value_type = schemas::Amount)]
    over_90_days: String,
}

impl From<Aging> for AgingView {
    fn from(aging: Aging) -> Self {
        let [current, days_1_to_30, days_31_to_60, days_61_to_90, over_90_days] =
            aging.classes().map(|amount| amount.amount());
        Self { current, days_1_to_30, days_31_to_60, days_61_to_90, over_90_days }
    }
}

pub(super) fn line_not_found() -> Problem {
    Problem::not_found("credit_not_requested", "no credit was requested under this id")
}

/// Refuses an id of no line, where nothing else tells it from a line on which nothing has happened.
pub(super) async fn require_line(api: &Api, caller: &Caller, line: Uuid) -> Result<(), Problem> {
    let known = credit_lines::find(&api.pools, caller.tenant, line, caller.this_moment()).await?;
    known.map(|_| ()).ok_or_else(line_not_found)
}

/// Tells how a line of credit stands, as of now or as it was.
#[utoipa::path(
    get, path = "/v1/credit-lines/{line}", tag = "credit", operation_id = "get_credit_line",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), time_travel::Asked, MinPosition),
    responses(
        (status = 200, description = "The line", body = CreditLineDetails,
            headers(("ETag" = String, description = "The line's version; none of the past"))),
        (status = 404, description = "credit_not_requested"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
async fn get_credit_line(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Parameters(asked): Parameters<time_travel::Asked>,
    min_position: MinPosition,
) -> Result<Found<CreditLineDetails>, Problem> {
    caller.require(Scope::CreditRead)?;
    if let Some(past) = asked.read(&caller)? {
        let (position, _place) = time_travel::reflected(&api, &caller, min_position).await?;
        let row = credit_lines::find_past(&*api.store, caller.tenant, line, past.until).await;
        let row = row.map_err(|error| match error {
            TimeTravelError::Unknown => line_not_found(),
            error => error.into(),
        })?;
        let then = past.moment(&caller, row.updated_at);
        let mut body = CreditLineDetails::from(row.at(then, None));
        // What the other lines of its group took then is told by their events, not by its own.
        body.line.group_available = None;
        return Ok(Found { position, version: None, body });
    }
    wait_for(&api, LINES, min_position).await?;
    let found = credit_lines::find(&api.pools, caller.tenant, line, caller.this_moment()).await?;
    let found = found.ok_or_else(line_not_found)?;
    Ok(Found { position: found.position, version: Some(found.value.line.version), body: found.value.into() })
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct LinesAsked {
    /// Only those that have come so far: `requested` is what waits for a decision.
    #[param(example = "requested")]
    status: Option<String>,
    /// Most lines of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "b2a")]
    cursor: Option<String>,
}

/// Lists lines of credit, those asked for first before the others.
#[utoipa::path(
    get, path = "/v1/credit-lines", tag = "credit", operation_id = "list_credit_lines",
    params(LinesAsked, MinPosition),
    responses((status = 200, description = "A part of the lines", body = ListView<CreditLineView>)),
    security(("key" = [Scope::CreditRead])),
)]
async fn list_credit_lines(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<LinesAsked>,
    min_position: MinPosition,
) -> Result<Found<ListView<CreditLineView>>, Problem> {
    caller.require(Scope::CreditRead)?;
    let status = asked.status.as_deref().map(|text| Status::parse(text).ok_or_else(unknown_status)).transpose()?;
    let limit = lists::limit(asked.limit)?;
    let after = asked.cursor.as_deref().map(Position::parse).transpose()?.unwrap_or(Position(0));
    wait_for(&api, LINES, min_position).await?;
    let page = credit_lines::list(&api.pools, caller.tenant, status, (after, limit), caller.this_moment()).await?;
    Ok(Found::list(page, CreditLineView::from))
}

fn unknown_status() -> Problem {
    wrong("status", "must be requested, rejected, active, suspended or closed")
}

/// Tells all lines of credit of a customer, one for each currency.
#[utoipa::path(
    get, path = "/v1/customers/{id}/credit-lines", tag = "credit", operation_id = "list_credit_lines_of_customer",
    params(PathId, MinPosition),
    responses(
        (status = 200, description = "The lines", body = ListView<CreditLineView>),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
async fn list_credit_lines_of_customer(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ListView<CreditLineView>>, Problem> {
    caller.require(Scope::CreditRead)?;
    wait_for(&api, &[CreditLines::NAME, CreditGroups::NAME, Customers::NAME], min_position).await?;
    let AsOf { position, value } = credit_lines::find_of(&api.pools, caller.tenant, id, caller.this_moment()).await?;
    if value.is_empty() && customers::find(&api.pools, caller.tenant, id).await?.is_none() {
        return Err(customer_not_found());
    }
    let body = ListView::whole(value.into_iter().map(CreditLineView::from).collect());
    Ok(Found { position, version: None, body })
}

/// An order that is not paid.
#[derive(Serialize, ToSchema)]
pub(super) struct OpenUseView {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(example = "inv-7")]
    invoice_id: Option<String>,
    /// What it used.
    #[schema(value_type = schemas::Amount)]
    amount: String,
    /// What is to be paid still.
    #[schema(value_type = schemas::Amount)]
    outstanding: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    used_on: NaiveDate,
    /// The last day on which it is paid in time.
    due_on: NaiveDate,
    /// How many days it is late; nothing of one that is not.
    #[schema(example = 12)]
    days_overdue: i64,
}

impl OpenUseView {
    fn of(used: UseRow, today: NaiveDate) -> Self {
        let currency = used.amount.currency();
        Self {
            order_id: used.order,
            invoice_id: used.invoice,
            amount: used.amount.amount(),
            outstanding: within_limits(used.outstanding_minor, currency).amount(),
            currency,
            used_on: used.used_on,
            due_on: used.due_on,
            days_overdue: (today - used.due_on).num_days().max(0),
        }
    }
}

/// Lists the orders on a line that are not paid, the oldest due first.
#[utoipa::path(
    get, path = "/v1/credit-lines/{line}/uses", tag = "credit", operation_id = "list_credit_uses",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), MinPosition),
    responses(
        (status = 200, description = "All of them", body = ListView<OpenUseView>),
        (status = 404, description = "credit_not_requested"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
async fn list_credit_uses(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ListView<OpenUseView>>, Problem> {
    caller.require(Scope::CreditRead)?;
    let (position, aged) = aged_of_line(&api, &caller, line, min_position).await?;
    let view = |used| OpenUseView::of(used, caller.today());
    Ok(Found { position, version: None, body: ListView::whole(aged.uses.into_iter().map(view).collect()) })
}

async fn aged_of_line(
    api: &Api,
    caller: &Caller,
    line: Uuid,
    min_position: MinPosition,
) -> Result<(Position, Aged), Problem> {
    wait_for(api, &[CreditAging::NAME, CreditLines::NAME], min_position).await?;
    let AsOf { position, value } = credit_aging::of_line(&api.pools, caller.tenant, line, caller.today()).await?;
    if value.uses.is_empty() {
        require_line(api, caller, line).await?;
    }
    Ok((position, value))
}

/// What is to be paid in a currency.
#[derive(Serialize, ToSchema)]
pub(super) struct AgedSumView {
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// How many orders are not paid.
    #[schema(example = 3)]
    orders: i64,
    aging: AgingView,
}

impl From<AgedSum> for AgedSumView {
    fn from(sum: AgedSum) -> Self {
        Self { currency: sum.currency, orders: sum.orders, aging: sum.aging.into() }
    }
}

/// Tells what is to be paid on a line, by how old it is today.
#[utoipa::path(
    get, path = "/v1/credit-lines/{line}/aging", tag = "credit", operation_id = "get_credit_line_aging",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), MinPosition),
    responses(
        (status = 200, description = "In sum; nothing when nothing is to be paid", body = ListView<AgedSumView>),
        (status = 404, description = "credit_not_requested"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
async fn get_credit_line_aging(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ListView<AgedSumView>>, Problem> {
    caller.require(Scope::CreditRead)?;
    let (position, aged) = aged_of_line(&api, &caller, line, min_position).await?;
    let body = ListView::whole(aged.sums.into_iter().map(AgedSumView::from).collect());
    Ok(Found { position, version: None, body })
}

/// Tells what all customers have to pay, by how old it is today, for each currency.
#[utoipa::path(
    get, path = "/v1/credit/aging", tag = "credit", operation_id = "get_credit_aging",
    params(MinPosition),
    responses((status = 200, description = "In sum", body = ListView<AgedSumView>)),
    security(("key" = [Scope::CreditRead])),
)]
async fn get_credit_aging(
    State(api): State<Api>,
    caller: Caller,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ListView<AgedSumView>>, Problem> {
    caller.require(Scope::CreditRead)?;
    wait_for(&api, &[CreditAging::NAME], min_position).await?;
    let AsOf { position, value } = credit_aging::of_all(&api.pools, caller.tenant, caller.today()).await?;
    let body = ListView::whole(value.into_iter().map(AgedSumView::from).collect());
    Ok(Found { position, version: None, body })
}
