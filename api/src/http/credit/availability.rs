//! Whether an order would be bought on credit, told from the states that commands are decided on.

use crate::Api;
use crate::headers::{Parameters, PathId};
use crate::http::Found;
use crate::http::lists::wrong;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::credit::availability::{Availability, availability};
use commands::{Caller, Scope};
use domain::credit::reasons::Bound;
use domain::ids::{CreditLineId, CustomerId};
use domain::{Currency, Money};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedFor {
    /// How much the order would take.
    #[param(inline, value_type = schemas::Amount, example = "149.90")]
    amount: String,
    #[param(inline, value_type = schemas::Currency, example = "EUR")]
    currency: String,
}

impl AskedFor {
    fn read(&self) -> Result<Money, Problem> {
        let currency = Currency::parse(&self.currency).map_err(|error| wrong("currency", &error.to_string()))?;
        Money::parse(&self.amount, currency).map_err(|error| wrong("amount", &error.to_string()))
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct CreditAvailabilityView {
    line_id: Uuid,
    customer_id: Uuid,
    /// The group that the line shares a limit with.
    group_id: Option<Uuid>,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// What the order would take.
    #[schema(value_type = schemas::Amount)]
    amount: String,
    /// What an order may take at most, as far as that is a matter of limits: the line's, and its group's.
    #[schema(value_type = schemas::Amount)]
    available: String,
    #[schema(value_type = schemas::Amount)]
    limit: String,
    /// The limit, the tolerance on it, and what was granted for a time.
    #[schema(value_type = schemas::Amount)]
    ceiling: String,
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
    #[schema(value_type = schemas::CreditVerdict)]
    verdict: &'static str,
    /// The code with which the order would be refused.
    #[schema(example = "credit_limit_exceeded")]
    reason: Option<String>,
    /// The same in words.
    #[schema(example = "40.00 EUR is available")]
    message: Option<String>,
    /// Whose limit it is, if it is one.
    #[schema(value_type = Option<schemas::CreditBound>)]
    bound: Option<&'static str>,
}

impl CreditAvailabilityView {
    fn of(line: Uuid, amount: Money, Availability { customer, group, figures, obstacle }: Availability) -> Self {
        Self {
            line_id: line,
            customer_id: customer.as_uuid(),
            group_id: group.map(|group| group.as_uuid()),
            currency: figures.limit.currency(),
            amount: amount.amount(),
            available: figures.available.amount(),
            limit: figures.limit.amount(),
            ceiling: figures.ceiling.amount(),
            used: figures.used.amount(),
            held: figures.held.amount(),
            unapplied: figures.unapplied.amount(),
            overdue: figures.overdue.amount(),
            verdict: if obstacle.is_some() { "refused" } else { "passes" },
            bound: obstacle.as_ref().and_then(|obstacle| obstacle.bound).map(Bound::as_str),
            message: obstacle.as_ref().map(|obstacle| obstacle.message.clone()),
            reason: obstacle.map(|obstacle| obstacle.code),
        }
    }
}

/// Tells whether an order of so much would be bought, and what is available.
///
/// Nothing is changed or promised by that. The answer reflects everything that was committed before it: no position has to be waited for.
#[utoipa::path(
    get, path = "/v1/credit-lines/{line}/availability", tag = "credit", operation_id = "check_credit",
    params(("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), AskedFor),
    responses(
        (status = 200, description = "As it is now", body = CreditAvailabilityView,
            headers(("X-Position" = i64, description = "The position that the answer reflects"))),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "conflict"),
        (status = 422, description = "currency_mismatch"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
pub(super) async fn check_credit(
    State(api): State<Api>,
    caller: Caller,
    PathId(line): PathId,
    Parameters(asked): Parameters<AskedFor>,
) -> Result<Found<CreditAvailabilityView>, Problem> {
    caller.require(Scope::CreditRead)?;
    check((&api, &caller), CreditLineId::new(line), asked.read()?).await
}

/// Tells the same of the line that a customer has in a currency, for who knows no line.
#[utoipa::path(
    get, path = "/v1/customers/{id}/credit-lines/availability", tag = "credit", operation_id = "check_credit_of_customer",
    params(PathId, AskedFor),
    responses(
        (status = 200, description = "As it is now", body = CreditAvailabilityView,
            headers(("X-Position" = i64, description = "The position that the answer reflects"))),
        (status = 404, description = "credit_not_requested"),
        (status = 409, description = "conflict"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
pub(super) async fn check_credit_of_customer(
    State(api): State<Api>,
    caller: Caller,
    PathId(customer): PathId,
    Parameters(asked): Parameters<AskedFor>,
) -> Result<Found<CreditAvailabilityView>, Problem> {
    caller.require(Scope::CreditRead)?;
    let amount = asked.read()?;
    check((&api, &caller), CreditLineId::of(CustomerId::new(customer), amount.currency()), amount).await
}

async fn check(
    (api, caller): (&Api, &Caller),
    line: CreditLineId,
    amount: Money,
) -> Result<Found<CreditAvailabilityView>, Problem> {
    let (found, position) = availability(&api.commands, caller, line, amount).await?;
    Ok(Found { position, version: None, body: CreditAvailabilityView::of(line.as_uuid(), amount, found) })
}
