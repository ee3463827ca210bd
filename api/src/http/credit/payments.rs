//! Money that comes in, and such as turns out not to.

use super::money;
use crate::Api;
use crate::amount::AmountText;
use crate::body::{AnyJsonBody, JsonBody};
use crate::headers::{Idempotency, PathId, PathIdAnd};
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::credit::payments::{ApplyPayment, ApplyUnapplied, RefundUnapplied, ReversePayment};
use commands::{Caller, Committed, Scope};
use domain::Currency;
use domain::credit::events::{CreditEvent, RestoredUse};
use domain::credit::reasons::ReleaseCause;
use domain::ids::{CreditLineId, OrderId, PaymentId, ReasonCode, RefundId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(pay_credit))
        .routes(routes!(reverse_credit_payment))
        .routes(routes!(apply_unapplied_credit))
        .routes(routes!(refund_unapplied_credit))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditPaymentBody {
    /// Applied once on this line. On another line it is another payment: two customers may use one number.
    #[schema(value_type = schemas::PaymentId)]
    payment_id: String,
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// What it is for, in this order, each once, at most 1,000; the oldest due first, unless it is said.
    #[serde(default)]
    #[schema(value_type = Vec<schemas::OrderId>)]
    order_ids: Vec<String>,
    #[schema(value_type = Option<schemas::When>)]
    received_at: Option<String>,
}

impl CreditPaymentBody {
    fn read(&self, line: CreditLineId, caller: &Caller) -> Result<ApplyPayment, Problem> {
        let mut fields = Fields::default();
        let payment = fields.keep("/payment_id", PaymentId::parse(&self.payment_id));
        let amount = money(&mut fields, "/amount", &self.amount, &self.currency);
        let orders = fields.keep_all("/order_ids", &self.order_ids, OrderId::parse);
        let at = fields.when("/received_at", self.received_at.as_ref());
        let read = || {
            let received_at = at?.map(|when| when.moment(caller));
            Some(ApplyPayment { line, payment: payment?, amount: amount?, orders: orders?, received_at })
        };
        let read = read();
        fields.end(read)
    }
}

/// What was paid of an order.
#[derive(Serialize, ToSchema)]
struct PaidOrderView {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    /// What of it is to be paid still.
    #[schema(value_type = schemas::Amount)]
    outstanding: String,
}

#[derive(Serialize, ToSchema)]
struct CreditPaidView {
    line_id: Uuid,
    /// Null when the payment was applied by another request: what it paid then is not known to this answer.
    paid: Option<Vec<PaidOrderView>>,
    /// What of the payment pays nothing yet; null of money that came in before, and of a payment that was applied by another request.
    #[schema(value_type = Option<schemas::Amount>)]
    unapplied: Option<String>,
    /// Whether nothing is overdue any more that had suspended the line.
    resumed: bool,
    /// Told only of a payment that was applied before and has turned out to be none since: it pays nothing any more.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    #[schema(required = false)]
    reversed: bool,
    position: i64,
    repeated: bool,
}

impl CreditPaidView {
    fn of(line: CreditLineId, committed: &Committed) -> Self {
        let paid = committed.credit_events().filter_map(|event| match event {
            CreditEvent::Released {
                order,
                amount,
                outstanding,
                cause: ReleaseCause::Payment { .. } | ReleaseCause::Unapplied {},
                ..
            } => Some(PaidOrderView {
                order_id: order.as_str().to_owned(),
                amount: amount.amount(),
                outstanding: outstanding.amount(),
            }),
            _ => None,
        });
        let unapplied = committed.credit_events().find_map(|event| match event {
            CreditEvent::PaymentApplied { unapplied, .. } => Some(unapplied.amount()),
            _ => None,
        });
        Self {
            line_id: line.as_uuid(),
            paid: Some(paid.collect()),
            unapplied,
            resumed: committed.credit_events().any(|event| matches!(event, CreditEvent::Resumed { .. })),
            position: committed.position.0,
            reversed: false,
            repeated: is_repeated(committed),
        }
    }

    /// Of a payment that was applied before, by this request or another one, it is told what has become of it.
    async fn of_payment(
        (api, caller): (&Api, &Caller),
        line: CreditLineId,
        payment: PaymentId,
        committed: &Committed,
    ) -> Result<Self, Problem> {
        let view = Self::of(line, committed);
        if !view.repeated {
            return Ok(view);
        }
        let reversed = commands::credit::payments::is_reversed(&api.commands, caller, line, payment).await?;
        let paid = view.paid.filter(|_| view.unapplied.is_some());
        Ok(Self { paid, reversed, ..view })
    }
}

/// Pays what is owed: the oldest due first, or the orders that are named.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/payments", tag = "credit", operation_id = "pay_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = CreditPaymentBody,
    responses(
        (status = 201, description = "Applied", body = CreditPaidView),
        (status = 404, description = "credit_not_requested, unknown_order"),
        (status = 409, description = "payment_already_applied, order_settled, credit_not_approved, credit_rejected"),
        (status = 422, description = "amount_not_positive, currency_mismatch, too_many_orders, order_named_twice, in_the_future, too_long_ago"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn pay_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CreditPaymentBody>,
) -> Result<Done<CreditPaidView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let line = CreditLineId::new(line);
    let request = body.read(line, &caller)?;
    let payment = request.payment.clone();
    let committed = commands::credit::payments::apply(&api.commands, &caller, key, request).await?;
    let view = CreditPaidView::of_payment((&api, &caller), line, payment, &committed).await?;
    Ok(Done::once(view.repeated, committed.position, view))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReversePaymentBody {
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
}

/// What is to be paid again.
#[derive(Serialize, ToSchema)]
struct RestoredOrderView {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
}

#[derive(Serialize, ToSchema)]
struct CreditPaymentReversedView {
    line_id: Uuid,
    #[schema(value_type = schemas::PaymentId)]
    payment_id: String,
    /// Null when it was taken back by another request.
    restored: Option<Vec<RestoredOrderView>>,
    position: i64,
    repeated: bool,
}

/// Takes a payment back, all of it, because it turned out to be none: what it paid is to be paid again.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/payments/{payment}/reverse", tag = "credit", operation_id = "reverse_credit_payment",
    params(
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"),
        ("payment" = String, Path, description = "The payment", example = "payment-7"), Idempotency,
    ),
    request_body = ReversePaymentBody,
    responses(
        (status = 201, description = "Taken back", body = CreditPaymentReversedView),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "credit_not_requested, payment_not_found"),
        (status = 409, description = "payment_too_old, credit_not_approved, credit_rejected"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn reverse_credit_payment(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(line, payment): PathIdAnd<PaymentId>,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<ReversePaymentBody>,
) -> Result<Done<CreditPaymentReversedView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let reason = fields.keep("/reason", ReasonCode::parse(&body.reason));
    let (reason, payment_id) = (fields.end(reason)?, payment.as_str().to_owned());
    let request = ReversePayment { line, payment, reason };
    let committed = commands::credit::payments::reverse(&api.commands, &caller, key, request).await?;
    let restored = committed.credit_events().find_map(|event| match event {
        CreditEvent::PaymentReversed { restored, .. } => Some(restored.iter().map(Into::into).collect()),
        _ => None,
    });
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let line_id = line.as_uuid();
    let view = CreditPaymentReversedView { line_id, payment_id, restored, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}

impl From<&RestoredUse> for RestoredOrderView {
    fn from(RestoredUse { order, amount }: &RestoredUse) -> Self {
        Self { order_id: order.as_str().to_owned(), amount: amount.amount() }
    }
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ApplyUnappliedBody {
    /// In this order, each once, at most 1,000; the oldest due first, unless it is said.
    #[serde(default)]
    #[schema(value_type = Vec<schemas::OrderId>)]
    order_ids: Vec<String>,
}

/// Pays what is owed with money that came in before.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/unapplied/apply", tag = "credit", operation_id = "apply_unapplied_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = Option<ApplyUnappliedBody>,
    responses(
        (status = 200, description = "As far as it goes", body = CreditPaidView),
        (status = 404, description = "credit_not_requested, unknown_order"),
        (status = 409, description = "credit_not_approved, credit_rejected"),
        (status = 422, description = "too_many_orders, order_named_twice"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn apply_unapplied_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    AnyJsonBody(body): AnyJsonBody<ApplyUnappliedBody>,
) -> Result<Done<CreditPaidView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let orders = fields.keep_all("/order_ids", &body.order_ids, OrderId::parse);
    let request = ApplyUnapplied { line, orders: fields.end(orders)? };
    let committed = commands::credit::payments::apply_unapplied(&api.commands, &caller, key, request).await?;
    Ok(Done::changed(committed.position, None, CreditPaidView::of(line, &committed)))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RefundUnappliedBody {
    /// Your name for it: the same one is made once on this line.
    #[schema(value_type = schemas::RefundId)]
    refund_id: String,
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
}

#[derive(Serialize, ToSchema)]
struct CreditRefundedView {
    line_id: Uuid,
    #[schema(value_type = schemas::RefundId)]
    refund_id: String,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// What has come in and pays nothing yet, after it; null when it was made by another request.
    #[schema(value_type = Option<schemas::Amount>)]
    unapplied: Option<String>,
    position: i64,
    repeated: bool,
}

/// Records that money was paid out which came in before and paid nothing, on a line that was closed, too.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/refunds", tag = "credit", operation_id = "refund_unapplied_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = RefundUnappliedBody,
    responses(
        (status = 201, description = "Paid out", body = CreditRefundedView),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "refund_already_made, credit_not_approved, credit_rejected"),
        (status = 422, description = "refund_exceeds_unapplied, amount_not_positive, currency_mismatch"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn refund_unapplied_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RefundUnappliedBody>,
) -> Result<Done<CreditRefundedView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let refund = fields.keep("/refund_id", RefundId::parse(&body.refund_id));
    let amount = money(&mut fields, "/amount", &body.amount, &body.currency);
    let reason = fields.keep("/reason", ReasonCode::parse(&body.reason));
    let read = || Some(RefundUnapplied { line, refund: refund?, amount: amount?, reason: reason? });
    let read = read();
    let request = fields.end(read)?;
    let (refund_id, amount) = (body.refund_id, request.amount);
    let committed = commands::credit::payments::refund(&api.commands, &caller, key, request).await?;
    let unapplied = committed.credit_events().find_map(|event| match event {
        CreditEvent::UnappliedRefunded { unapplied, .. } => Some(unapplied.amount()),
        _ => None,
    });
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let (line_id, currency, amount) = (line.as_uuid(), amount.currency(), amount.amount());
    let view = CreditRefundedView { line_id, refund_id, amount, currency, unapplied, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}
