//! Asking for credit, and deciding about that.

use super::standing::PolicyBody;
use super::{CreditDone, money, note};
use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, PathId};
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::credit::deciding::{Approve, Reject, RequestCredit};
use commands::{Caller, Scope};
use domain::credit::financials::Financials;
use domain::credit::reasons::RejectReason;
use domain::credit::terms::{Terms, TermsError};
use domain::ids::{CreditLineId, CustomerId};
use domain::text::{ReasonText, ScoreText, TradeReferences};
use domain::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// What a business tells of itself; each as far as it likes.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct FinancialsBody {
    /// What it takes in a year.
    annual_revenue: Option<AmountText>,
    /// What it owns less what it owes; may be below zero.
    equity: Option<AmountText>,
    /// What was left of a year's revenue; may be below zero.
    net_income: Option<AmountText>,
    #[schema(minimum = 0, example = 12)]
    employees: Option<u32>,
    #[schema(minimum = 0, example = 7)]
    years_in_business: Option<u16>,
    /// How a credit bureau rates it.
    #[schema(example = "B+ 612", max_length = 64)]
    credit_bureau_score: Option<String>,
    /// Who can say how it pays.
    #[schema(example = "Mayoristas del Sur, since 2019", max_length = 1000)]
    references: Option<String>,
    #[schema(example = "Opens a second shop in May", max_length = 500)]
    note: Option<String>,
}

impl FinancialsBody {
    fn read(&self, fields: &mut Fields, currency: Option<Currency>) -> Option<Financials> {
        let mut amount = |name: &str, amount: Option<&AmountText>| -> Option<Option<Money>> {
            let Some(amount) = amount else { return Some(None) };
            fields.money(&format!("/financials/{name}"), amount, currency).map(Some)
        };
        let annual_revenue = amount("annual_revenue", self.annual_revenue.as_ref());
        let equity = amount("equity", self.equity.as_ref());
        let net_income = amount("net_income", self.net_income.as_ref());
        let score = self.credit_bureau_score.as_ref();
        let credit_bureau_score = fields.keep_optional("/financials/credit_bureau_score", score, ScoreText::parse);
        let references = self.references.as_ref();
        let references = fields.keep_optional("/financials/references", references, TradeReferences::parse);
        let note = fields.keep_optional("/financials/note", self.note.as_ref(), ReasonText::parse);
        Some(Financials {
            annual_revenue: annual_revenue?,
            equity: equity?,
            net_income: net_income?,
            employees: self.employees,
            years_in_business: self.years_in_business,
            credit_bureau_score: credit_bureau_score?,
            references: references?,
            note: note?,
        })
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RequestCreditBody {
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// Amounts are in the same currency. What is told here is personal.
    #[serde(default)]
    financials: FinancialsBody,
}

impl RequestCreditBody {
    fn read(&self, customer: CustomerId) -> Result<RequestCredit, Problem> {
        let mut fields = Fields::default();
        let currency = fields.keep("/currency", Currency::parse(&self.currency));
        let amount = fields.money("/amount", &self.amount, currency);
        let financials = self.financials.read(&mut fields, currency);
        let read = || Some(RequestCredit { customer, amount: amount?, financials: financials? });
        let read = read();
        fields.end(read)
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct CreditRequestedView {
    customer_id: Uuid,
    /// The line, by which it is called from now on: one for each customer and currency.
    line_id: Uuid,
    #[schema(value_type = schemas::Amount)]
    amount: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    position: i64,
    repeated: bool,
}

/// Asks for credit for a business.
///
/// There is one line for each currency. One that was rejected or closed can be asked for again.
#[utoipa::path(
    post, path = "/v1/customers/{id}/credit-lines", tag = "credit", operation_id = "request_credit",
    params(PathId, Idempotency),
    request_body = RequestCreditBody,
    responses(
        (status = 201, description = "Asked for", body = CreditRequestedView,
            headers(("Location" = String, description = "Path of the line"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "credit_already_requested, credit_already_open, customer_blocked, customer_deleted, customer_merged, customer_erased"),
        (status = 422, description = "business_only, amount_not_positive, currency_mismatch"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
pub(super) async fn request_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RequestCreditBody>,
) -> Result<Done<CreditRequestedView>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let request = body.read(CustomerId::new(id))?;
    let amount = request.amount;
    let line_id = CreditLineId::of(request.customer, amount.currency()).as_uuid();
    let committed = commands::credit::deciding::request(&api.commands, &caller, key, request).await?;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let (amount, currency) = (amount.amount(), amount.currency());
    let view = CreditRequestedView { customer_id: id, line_id, amount, currency, position: position.0, repeated };
    Ok(Done::once(repeated, position, view).at(format!("/v1/credit-lines/{line_id}")))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ApproveCreditBody {
    limit: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// In how many days what is bought is to be paid.
    #[schema(minimum = 1, maximum = 365, example = 30)]
    term_days: i64,
    /// The usual rules, unless others are said: no tolerance, holds count, overdue for more than five days stops orders and suspends,
    /// reminders after 1, 15 and 30 days.
    policy: Option<PolicyBody>,
    #[schema(example = "Pays other suppliers in time", max_length = 500)]
    note: Option<String>,
}

impl ApproveCreditBody {
    fn read(&self, line: CreditLineId) -> Result<Approve, Problem> {
        let mut fields = Fields::default();
        let limit = money(&mut fields, "/limit", &self.limit, &self.currency);
        let terms = fields.keep("/term_days", terms_of(self.term_days));
        let currency = limit.map(|limit| limit.currency());
        let policy = self.policy.as_ref().map(|policy| policy.read(&mut fields, currency));
        let note = note(&mut fields, self.note.as_ref());
        let policy = match policy {
            Some(policy) => policy.map(Some),
            None => Some(None),
        };
        let read = || Some(Approve { line, limit: limit?, terms: terms?, policy: policy?, note: note? });
        let read = read();
        fields.end(read)
    }
}

pub(super) fn terms_of(days: i64) -> Result<Terms, TermsError> {
    u16::try_from(days).map_err(|_| TermsError).and_then(Terms::of_days)
}

/// Gives the credit that was asked for. Who asked does not decide.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/approve", tag = "credit", operation_id = "approve_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = ApproveCreditBody,
    responses(
        (status = 200, description = "Given", body = CreditDone),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_already_approved, credit_rejected, credit_closed, customer_blocked, customer_deleted, customer_merged, customer_erased"),
        (status = 422, description = "approver_is_requester, business_only, currency_mismatch, limit_not_positive, tolerance_too_high, grace_too_long, negative_minimum, review_not_ahead, too_many_levels, levels_out_of_order, channels_required"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
pub(super) async fn approve_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<ApproveCreditBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let line = CreditLineId::new(line);
    let request = body.read(line)?;
    let committed = commands::credit::deciding::approve(&api.commands, &caller, key, request).await?;
    Ok(CreditDone::changed(line, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct RejectCreditBody {
    #[schema(value_type = schemas::CreditRejectReason)]
    reason: String,
    #[schema(example = "Asks again next year", max_length = 500)]
    note: Option<String>,
}

/// Does not give the credit that was asked for.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/reject", tag = "credit", operation_id = "reject_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = RejectCreditBody,
    responses(
        (status = 200, description = "Not given", body = CreditDone),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_already_approved, credit_rejected, credit_closed"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
pub(super) async fn reject_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RejectCreditBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let reason = fields.keep_word("/reason", &body.reason, RejectReason::ALL, RejectReason::as_str);
    let note = note(&mut fields, body.note.as_ref());
    let (reason, note) = fields.end(reason.zip(note))?;
    let request = Reject { line, reason, note };
    let committed = commands::credit::deciding::reject(&api.commands, &caller, key, request).await?;
    Ok(CreditDone::changed(line, &committed))
}
