//! `/v1/customers/{id}/references` and `/v1/customers/{id}/user`: what others call a customer. Both stand in `GET /v1/customers/{id}`.

use super::ReferenceBody;
use super::profile::ChangeDone;
use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Guards, Parameters, PathId, PathIdAnd};
use crate::http::Done;
use crate::http::lists::wrong;
use crate::http::wire::Fields;
use crate::openapi::parameters::OfReference;
use crate::problem::Problem;
use axum::extract::State;
use commands::customers::{LinkReference, LinkUser, UnlinkReference};
use commands::{Caller, Scope};
use domain::ids::{CustomerId, ExternalSystem};
use domain::text::{ReferenceText, UserId};
use serde::Deserialize;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(link_reference))
        .routes(routes!(unlink_reference))
        .routes(routes!(link_user, unlink_user))
}

/// Tells what another system calls a customer.
///
/// A system has one name for a customer: to give another one, take the old one away first.
#[utoipa::path(
    post, path = "/v1/customers/{id}/references", tag = "customers", operation_id = "link_reference",
    params(PathId, Guards),
    request_body = ReferenceBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted, reference_taken, reference_already_linked"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "too_many"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn link_reference(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<ReferenceBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let reference = body.read("", &mut fields);
    let request = LinkReference { customer: CustomerId::new(id), reference: fields.end(reference)? };
    let committed = commands::customers::link_reference(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct AskedReference {
    /// Which of the system's names, where a merge has left several; all if not given.
    #[param(example = "4711")]
    reference: Option<String>,
}

/// Forgets what another system calls a customer. What is not there is not taken away.
#[utoipa::path(
    delete, path = "/v1/customers/{id}/references/{system}", tag = "customers", operation_id = "unlink_reference",
    params(OfReference, AskedReference, Guards),
    responses(
        (status = 200, description = "Gone", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "contact_required"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn unlink_reference(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(id, system): PathIdAnd<ExternalSystem>,
    Parameters(asked): Parameters<AskedReference>,
    Guards { key, seen }: Guards,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let reference = asked.reference.as_deref().map(ReferenceText::parse).transpose();
    let reference = reference.map_err(|error| wrong("reference", &error.to_string()))?;
    let request = UnlinkReference { customer: CustomerId::new(id), system, reference };
    let committed = commands::customers::unlink_reference(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct UserBody {
    /// The user of the authentication service.
    #[schema(example = "auth0|5f7c8ec7c33c6c004bbafe82", max_length = 128)]
    user_id: String,
}

/// Tells as whom a customer logs in, instead of the one before.
///
/// One whom a duplicate logged in as changes places with it. The others of duplicates stay.
#[utoipa::path(
    put, path = "/v1/customers/{id}/user", tag = "customers", operation_id = "link_user",
    params(PathId, Guards),
    request_body = UserBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted, user_taken"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn link_user(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<UserBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let user = fields.keep("/user_id", UserId::parse(&body.user_id));
    let request = LinkUser { customer: CustomerId::new(id), user: fields.end(user)? };
    let committed = commands::customers::link_user(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

/// Forgets as whom a customer logs in, also as its duplicates did.
#[utoipa::path(
    delete, path = "/v1/customers/{id}/user", tag = "customers", operation_id = "unlink_user",
    params(PathId, Guards),
    responses(
        (status = 200, description = "Gone", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn unlink_user(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let customer = CustomerId::new(id);
    let committed = commands::customers::unlink_user(&api.commands, &caller, key, customer, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}
