//! What a case does to a line: credit for some time, no reminders.

use super::{CreditDone, money};
use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, PathId, PathIdAnd};
use crate::http::Done;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::credit::dunning::DunningPause;
use commands::credit::temporary::{GrantTemporary, SettleTemporary};
use commands::{Caller, Scope};
use domain::ids::{CaseId, CreditLineId};
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(grant_temporary_credit))
        .routes(routes!(settle_temporary_credit))
        .routes(routes!(pause_dunning, resume_dunning))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct GrantTemporaryBody {
    /// The case because of which; it grants once.
    #[schema(value_type = schemas::CaseId)]
    case_id: String,
    amount: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// The first day on which it is gone.
    #[schema(value_type = schemas::Day)]
    expires_on: String,
}

/// Lets more be used for some time, because of a case: somebody says that a payment was made, and it is looked for.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/temporary", tag = "credit", operation_id = "grant_temporary_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency),
    request_body = GrantTemporaryBody,
    responses(
        (status = 201, description = "Given", body = CreditDone),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "temporary_already_granted, too_many_cases, credit_not_approved, credit_rejected, credit_closed, customer_blocked, customer_deleted, customer_merged, customer_erased"),
        (status = 422, description = "amount_not_positive, currency_mismatch, expiry_not_ahead"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn grant_temporary_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<GrantTemporaryBody>,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let (mut fields, line) = (Fields::default(), CreditLineId::new(line));
    let case = fields.keep("/case_id", CaseId::parse(&body.case_id));
    let amount = money(&mut fields, "/amount", &body.amount, &body.currency);
    let expires_on = fields.day("/expires_on", Some(&body.expires_on)).flatten();
    let read = || Some(GrantTemporary { line, case: case?, amount: amount?, expires_on: expires_on? });
    let read = read();
    let committed = commands::credit::temporary::grant(&api.commands, &caller, key, fields.end(read)?).await?;
    Ok(CreditDone::once(line, &committed))
}

/// Ends credit for some time, because its case is over.
#[utoipa::path(
    post, path = "/v1/credit-lines/{line}/temporary/{case}/settle", tag = "credit", operation_id = "settle_temporary_credit",
    params(
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"),
        ("case" = String, Path, description = "The case", example = "case-4711"), Idempotency,
    ),
    responses(
        (status = 200, description = "Gone", body = CreditDone),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "credit_not_requested, temporary_not_found"),
        (status = 409, description = "credit_not_approved, credit_rejected, credit_closed"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn settle_temporary_credit(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(line, case): PathIdAnd<CaseId>,
    Idempotency(key): Idempotency,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let line = CreditLineId::new(line);
    let request = SettleTemporary { line, case };
    let committed = commands::credit::temporary::settle(&api.commands, &caller, key, request).await?;
    Ok(CreditDone::changed(line, &committed))
}

/// Does not remind the customer of what is overdue while a case is open. There may be several.
#[utoipa::path(
    put, path = "/v1/credit-lines/{line}/dunning/pauses/{case}", tag = "credit", operation_id = "pause_dunning",
    params(
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"),
        ("case" = String, Path, description = "The case", example = "case-4711"), Idempotency,
    ),
    responses(
        (status = 200, description = "As it was asked", body = CreditDone),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "too_many_cases, credit_not_approved, credit_rejected, credit_closed"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn pause_dunning(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(line, case): PathIdAnd<CaseId>,
    Idempotency(key): Idempotency,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let line = CreditLineId::new(line);
    let request = DunningPause { line, case };
    let committed = commands::credit::dunning::pause(&api.commands, &caller, key, request).await?;
    Ok(CreditDone::changed(line, &committed))
}

/// Reminds the customer again, unless another case is open.
#[utoipa::path(
    delete, path = "/v1/credit-lines/{line}/dunning/pauses/{case}", tag = "credit", operation_id = "resume_dunning",
    params(
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"),
        ("case" = String, Path, description = "The case", example = "case-4711"), Idempotency,
    ),
    responses(
        (status = 200, description = "As it was asked", body = CreditDone),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "credit_not_approved, credit_rejected, credit_closed"),
    ),
    security(("key" = [Scope::CreditWrite])),
)]
async fn resume_dunning(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(line, case): PathIdAnd<CaseId>,
    Idempotency(key): Idempotency,
) -> Result<Done<CreditDone>, Problem> {
    caller.require(Scope::CreditWrite)?;
    let line = CreditLineId::new(line);
    let request = DunningPause { line, case };
    let committed = commands::credit::dunning::resume(&api.commands, &caller, key, request).await?;
    Ok(CreditDone::changed(line, &committed))
}
