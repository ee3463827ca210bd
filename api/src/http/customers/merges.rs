//! Customers that turn out to be one, and such as are deleted: `POST /v1/customers/{id}/merges`, `DELETE /v1/customers/{id}`,
//! `POST /v1/customers/{id}/restore`.

use super::is_repeated;
use super::profile::ChangeDone;
use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Guards, Idempotency, Parameters, PathId};
use crate::http::Done;
use crate::http::lists::wrong;
use crate::http::loyalty::PointsView;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::customers::{Delete, Merge};
use commands::{Caller, Scope};
use domain::ids::{CustomerId, ReasonCode};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(merge)).routes(routes!(delete)).routes(routes!(restore))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct MergeBody {
    /// The customer that this one was known as besides.
    #[schema(value_type = Uuid)]
    duplicate_id: String,
}

#[derive(Serialize, ToSchema)]
struct MergedView {
    customer_id: Uuid,
    duplicate_id: Uuid,
    /// Of the account that goes on.
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// Merges a duplicate into this customer, which takes over all it had.
///
/// Its e-mails, phones, documents, references, login, points, and the orders that can still be given back. The duplicate answers with
/// status `merged` from then on, and its history is told with that of this one. There is no way back.
#[utoipa::path(
    post, path = "/v1/customers/{id}/merges", tag = "customers", operation_id = "merge_customer",
    params(PathId, Idempotency),
    request_body = MergeBody,
    responses(
        (status = 201, description = "Merged", body = MergedView),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_merged, customer_deleted, customer_erased, already_merged, duplicate_erased, duplicate_deleted, duplicate_blocked, holds_open, account_closed, duplicate_has_credit, both_have_credit"),
        (status = 422, description = "merge_with_itself, duplicate_not_found, currency_mismatch, points_limit, too_many"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn merge(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<MergeBody>,
) -> Result<Done<MergedView>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let duplicate = fields.keep("/duplicate_id", CustomerId::parse(&body.duplicate_id));
    let duplicate = fields.end(duplicate)?;
    let request = Merge { survivor: CustomerId::new(id), duplicate };
    let committed = commands::customers::merge(&api.commands, &caller, key, request).await?;
    let points = PointsView::of(&api, &caller, id, &committed).await;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let duplicate_id = duplicate.as_uuid();
    let view = MergedView { customer_id: id, duplicate_id, points, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct Asked {
    /// Why, as a word that reports can count.
    #[param(inline, value_type = Option<schemas::ReasonCode>)]
    reason: Option<String>,
    /// Whether in spite of what is open on a line of credit; needs `credit:approve`, too.
    #[serde(default)]
    #[param(inline, default = false, example = false)]
    force_credit: bool,
}

/// Deletes a customer: nothing is forgotten, and nothing happens to it until it is restored.
#[utoipa::path(
    delete, path = "/v1/customers/{id}", tag = "customers", operation_id = "delete_customer",
    params(PathId, Asked, Guards),
    responses(
        (status = 200, description = "Deleted", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_merged, customer_erased, credit_open"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn delete(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(asked): Parameters<Asked>,
    Guards { key, seen }: Guards,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let reason = asked.reason.as_deref().map(ReasonCode::parse).transpose();
    let reason = reason.map_err(|error| wrong("reason", &error.to_string()))?;
    let request = Delete { customer: CustomerId::new(id), reason, force_credit: asked.force_credit };
    let committed = commands::customers::delete(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

/// Makes a deleted customer one again. One that is not deleted stays as it is.
#[utoipa::path(
    post, path = "/v1/customers/{id}/restore", tag = "customers", operation_id = "restore_customer",
    params(PathId, Guards),
    responses(
        (status = 200, description = "A customer", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_merged, customer_erased"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn restore(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let committed = commands::customers::restore(&api.commands, &caller, key, CustomerId::new(id), seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}
