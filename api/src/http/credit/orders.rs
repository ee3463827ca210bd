//! Orders that are bought on credit: at once, or held first; and given back.

use super::money;
use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, PathId, PathIdAnd, PathIds};
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::{DateTime, NaiveDate, Utc};
use commands::credit::orders::{Authorise, Capture, ChargedOrder, Release, UseCredit, Void};
use commands::{Caller, Committed, Scope};
use domain::credit::events::CreditEvent;
use domain::credit::reasons::ReleaseCause;
use domain::ids::{CreditLineId, HoldId, InvoiceId, OrderId, ReasonCode, ReleaseId};
use domain::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(use_credit))
        .routes(routes!(authorise_credit))
        .routes(routes!(capture_credit))
        .routes(routes!(void_credit))
        .routes(routes!(release_credit))
}

/// That the order passes in spite of limit, suspension and debt. Needs `credit:approve`, and is recorded.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct OverrideBody {
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
}

impl OverrideBody {
    fn read(given: Option<&Self>, fields: &mut Fields) -> Option<Option<ReasonCode>> {
        fields.keep_optional("/override/reason", given.map(|given| &given.reason), ReasonCode::parse)
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UseCreditBody {
    /// Uses credit once.
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// Kept as it is said first: the same order again with another invoice changes nothing.
    #[schema(value_type = Option<schemas::InvoiceId>)]
    invoice_id: Option<String>,
    #[serde(rename = "override")]
    overridden: Option<OverrideBody>,
}

#[derive(Serialize, ToSchema)]
struct CreditUseView {
    line_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// The last day on which it is paid in time.
    #[schema(value_type = Option<schemas::Day>)]
    due_on: Option<NaiveDate>,
    /// What of it money has paid that had come in before; null when it was bought by another request.
    #[schema(value_type = Option<schemas::Amount>)]
    paid: Option<String>,
    /// The hold that had kept it.
    hold_id: Option<Uuid>,
    position: i64,
    repeated: bool,
}

impl CreditUseView {
    /// From the events; what had been charged before, by another request, as the line knows it.
    async fn answer(
        (api, caller): (&Api, &Caller),
        line: CreditLineId,
        (order, amount): (OrderId, Money),
        committed: Committed,
    ) -> Result<Done<Self>, Problem> {
        let told = charged_by(&committed);
        let is_told = told.is_some();
        let charged = match told {
            Some(charged) => Some(charged),
            None => commands::credit::orders::charged(&api.commands, caller, line, order.clone()).await?,
        };
        let paid = committed.credit_events().find_map(|event| match event {
            CreditEvent::Released { amount, cause: ReleaseCause::Unapplied {}, order: of, .. } if *of == order => {
                Some(*amount)
            }
            _ => None,
        });
        let (position, repeated) = (committed.position, is_repeated(&committed));
        let view = Self {
            line_id: line.as_uuid(),
            order_id: order.as_str().to_owned(),
            amount: amount.amount(),
            currency: amount.currency(),
            due_on: charged.as_ref().map(|charged| charged.due_on),
            paid: is_told.then(|| paid.unwrap_or(Money::zero(amount.currency())).amount()),
            hold_id: charged.and_then(|charged| charged.hold).map(|hold| hold.as_uuid()),
            position: position.0,
            repeated,
        };
        Ok(Done::once(repeated, position, view))
    }
}

fn charged_by(committed: &Committed) -> Option<ChargedOrder> {
    committed.credit_events().find_map(|event| match event {
        CreditEvent::Used { due_on, hold, .. } => Some(ChargedOrder { due_on: *due_on, hold: *hold }),
        _ => None,
    })
}

/// Buys an order on credit.
///
/// It is due after the days of the line's terms. What does not fit is refused with what is available, and recorded.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/uses", tag = "credit", operation_id = "use_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = UseCreditBody,
    responses(
        (status = 201, description = "Bought", body = CreditUseView),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_suspended, credit_overdue, credit_review_due, order_already_charged, order_held, too_many_uses, credit_not_approved, credit_rejected, credit_closed, customer_blocked, customer_deleted, customer_merged, customer_erased"),
        (status = 422, description = "credit_limit_exceeded, amount_not_positive, currency_mismatch"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn use_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<UseCreditBody>,
) -> Result<Done<CreditUseView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let order = fields.keep("/order_id", OrderId::parse(&body.order_id));
    let amount = money(&mut fields, "/amount", &body.amount, &body.currency);
    let invoice = fields.keep_optional("/invoice_id", body.invoice_id.as_ref(), InvoiceId::parse);
    let override_reason = OverrideBody::read(body.overridden.as_ref(), &mut fields);
    let read = || {
        let (order, amount) = (order.clone()?, amount?);
        Some(UseCredit { line, order, amount, invoice: invoice?, override_reason: override_reason? })
    };
    let read = read();
    let request = fields.end(read)?;
    let asked = (request.order.clone(), request.amount);
    let committed = commands::credit::orders::use_credit(&api.commands, &caller, key, request).await?;
    CreditUseView::answer((&api, &caller), line, asked, committed.within_the_limit()?).await
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AuthoriseCreditBody {
    /// Has one open hold at most.
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    #[serde(rename = "override")]
    overridden: Option<OverrideBody>,
}

#[derive(Serialize, ToSchema)]
struct CreditHoldView {
    line_id: Uuid,
    hold_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    lapses_at: DateTime<Utc>,
    position: i64,
    repeated: bool,
}

/// Promises credit to an order, for seven days.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/holds", tag = "credit", operation_id = "authorise_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = AuthoriseCreditBody,
    responses(
        (status = 201, description = "Promised", body = CreditHoldView),
        (status = 404, description = "credit_not_requested, hold_not_found"),
        (status = 409, description = "credit_suspended, credit_overdue, credit_review_due, order_already_charged, order_held, too_many_holds, too_many_uses, credit_not_approved, credit_rejected, credit_closed, customer_blocked, customer_deleted, customer_merged, customer_erased"),
        (status = 422, description = "credit_limit_exceeded, amount_not_positive, currency_mismatch"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn authorise_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<AuthoriseCreditBody>,
) -> Result<Done<CreditHoldView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let order = fields.keep("/order_id", OrderId::parse(&body.order_id));
    let amount = money(&mut fields, "/amount", &body.amount, &body.currency);
    let override_reason = OverrideBody::read(body.overridden.as_ref(), &mut fields);
    let read = || Some(Authorise { line, order: order.clone()?, amount: amount?, override_reason: override_reason? });
    let read = read();
    let request = fields.end(read)?;
    let (order, amount) = (request.order.clone(), request.amount);
    let committed = commands::credit::orders::authorise(&api.commands, &caller, key, request).await?;
    let committed = committed.within_the_limit()?;
    let (hold, lapses_at) = match placed_by(&committed) {
        Some(placed) => placed,
        None => open_hold(&api, &caller, line, order.clone()).await?,
    };
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let view = CreditHoldView {
        line_id: line.as_uuid(),
        hold_id: hold.as_uuid(),
        order_id: order.as_str().to_owned(),
        amount: amount.amount(),
        currency: amount.currency(),
        lapses_at,
        position: position.0,
        repeated,
    };
    Ok(Done::once(repeated, position, view))
}

fn placed_by(committed: &Committed) -> Option<(HoldId, DateTime<Utc>)> {
    committed.credit_events().find_map(|event| match event {
        CreditEvent::HoldPlaced { hold, lapses_at, .. } => Some((*hold, *lapses_at)),
        _ => None,
    })
}

/// The hold that the order has had before: the command found it and made no event.
async fn open_hold(
    api: &Api,
    caller: &Caller,
    line: CreditLineId,
    order: OrderId,
) -> Result<(HoldId, DateTime<Utc>), Problem> {
    let held = commands::credit::orders::held(&api.commands, caller, line, order).await?;
    let gone = "the hold of this order ended while it was looked up; ask again";
    held.ok_or_else(|| Problem::not_found("hold_not_found", gone))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CaptureCreditBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    /// How much of what was promised; the rest comes free.
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// Kept as it is said first: the same order again with another invoice changes nothing.
    #[schema(value_type = Option<schemas::InvoiceId>)]
    invoice_id: Option<String>,
}

/// Uses what was promised to an order. What was shipped is invoiced, whatever became of the line meanwhile.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/holds/{hold}/capture", tag = "credit", operation_id = "capture_credit",
    params(
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"),
        ("hold" = Uuid, Path, description = "The hold", example = "018f0000-0000-7000-8000-000000000002"), Idempotency,
    ),
    request_body = CaptureCreditBody,
    responses(
        (status = 201, description = "Used", body = CreditUseView),
        (status = 404, description = "credit_not_requested, hold_not_found"),
        (status = 409, description = "hold_over, hold_of_another_order, order_already_charged, credit_not_approved, credit_rejected, credit_closed"),
        (status = 422, description = "capture_exceeds_hold, amount_not_positive, currency_mismatch"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn capture_credit(
    State(api): State<Api>,
    caller: Caller,
    PathIds(line, hold): PathIds,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CaptureCreditBody>,
) -> Result<Done<CreditUseView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let (mut fields, line, hold) = (Fields::default(), CreditLineId::new(line), HoldId::new(hold));
    let order = fields.keep("/order_id", OrderId::parse(&body.order_id));
    let amount = money(&mut fields, "/amount", &body.amount, &body.currency);
    let invoice = fields.keep_optional("/invoice_id", body.invoice_id.as_ref(), InvoiceId::parse);
    let read = || Some(Capture { line, hold, order: order.clone()?, amount: amount?, invoice: invoice? });
    let read = read();
    let request = fields.end(read)?;
    let asked = (request.order.clone(), request.amount);
    let committed = commands::credit::orders::capture(&api.commands, &caller, key, request).await?;
    CreditUseView::answer((&api, &caller), line, asked, committed).await
}

#[derive(Serialize, ToSchema)]
struct CreditVoidedView {
    line_id: Uuid,
    hold_id: Uuid,
    position: i64,
    repeated: bool,
}

/// Gives back what was promised to an order.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/holds/{hold}/void", tag = "credit", operation_id = "void_credit",
    params(
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"),
        ("hold" = Uuid, Path, description = "The hold", example = "018f0000-0000-7000-8000-000000000002"), Idempotency,
    ),
    responses(
        (status = 201, description = "Given back", body = CreditVoidedView),
        (status = 404, description = "credit_not_requested, hold_not_found"),
        (status = 409, description = "hold_over, credit_not_approved, credit_rejected, credit_closed"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn void_credit(
    State(api): State<Api>,
    caller: Caller,
    PathIds(line, hold): PathIds,
    Idempotency(key): Idempotency,
) -> Result<Done<CreditVoidedView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let request = Void { line: CreditLineId::new(line), hold: HoldId::new(hold) };
    let committed = commands::credit::orders::void(&api.commands, &caller, key, request).await?;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let view = CreditVoidedView { line_id: line, hold_id: hold, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReleaseCreditBody {
    /// Your name for it: the same one is given back once.
    #[schema(value_type = schemas::ReleaseId)]
    release_id: String,
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct CreditReleasedView {
    line_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::ReleaseId)]
    release_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// What of the order is to be paid still; none when it was given back before, by another request.
    #[schema(value_type = Option<schemas::Amount>)]
    outstanding: Option<String>,
    /// What of it had been paid already, and is unapplied now.
    #[schema(value_type = Option<schemas::Amount>)]
    unapplied: Option<String>,
    position: i64,
    repeated: bool,
}

/// Gives back what an order used, because it came to nothing, or to less.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/uses/{order}/releases", tag = "credit", operation_id = "release_credit",
    params(
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"),
        ("order" = String, Path, description = "The order", example = "order-7"), Idempotency,
    ),
    request_body = ReleaseCreditBody,
    responses(
        (status = 201, description = "Given back", body = CreditReleasedView),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "credit_not_requested, unknown_order"),
        (status = 409, description = "release_already_made, order_held, credit_not_approved, credit_rejected"),
        (status = 422, description = "release_exceeds_use, amount_not_positive, currency_mismatch"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn release_credit(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(line, order): PathIdAnd<OrderId>,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<ReleaseCreditBody>,
) -> Result<Done<CreditReleasedView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let release = fields.keep("/release_id", ReleaseId::parse(&body.release_id));
    let amount = money(&mut fields, "/amount", &body.amount, &body.currency);
    let reason = fields.keep("/reason", ReasonCode::parse(&body.reason));
    let (order_id, release_id) = (order.as_str().to_owned(), body.release_id.clone());
    let read = || Some(Release { line, release: release?, order, amount: amount?, reason: reason? });
    let read = read();
    let request = fields.end(read)?;
    let amount = request.amount;
    let committed = commands::credit::orders::release(&api.commands, &caller, key, request).await?;
    let told = committed.credit_events().find_map(|event| match event {
        CreditEvent::Released { outstanding, cause: ReleaseCause::Cancelled { unapplied, .. }, .. } => {
            Some((outstanding.amount(), unapplied.amount()))
        }
        _ => None,
    });
    let (outstanding, unapplied) = told.unzip();
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let (line_id, currency, amount) = (line.as_uuid(), amount.currency(), amount.amount());
    let position_of = position.0;
    let view = CreditReleasedView {
        line_id,
        order_id,
        release_id,
        amount,
        currency,
        outstanding,
        unapplied,
        position: position_of,
        repeated,
    };
    Ok(Done::once(repeated, position, view))
}
