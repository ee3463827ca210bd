//! `PUT /v1/customers/{id}/referrer`: who sent a customer. It stands in `GET /v1/customers/{id}`.

use super::profile::ChangeDone;
use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Guards, PathId};
use crate::http::Done;
use crate::http::wire::Fields;
use crate::problem::Problem;
use axum::extract::State;
use commands::customers::Refer;
use commands::{Caller, Scope};
use domain::ids::CustomerId;
use serde::Deserialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new().routes(routes!(refer))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct ReferrerBody {
    /// The customer that sent this one.
    #[schema(value_type = Uuid)]
    referrer_id: String,
}

/// Tells who sent a customer, before it buys anything.
///
/// Once: the same again changes nothing, and there is no other one later. That both may be one person is no reason to refuse it; it is
/// remembered, for who rewards it.
#[utoipa::path(
    put, path = "/v1/customers/{id}/referrer", tag = "customers", operation_id = "refer_customer",
    params(PathId, Guards),
    request_body = ReferrerBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted, already_referred, already_bought, circular_referral, referrer_erased, referrer_deleted, referrer_merged, referrer_blocked"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "self_referral, referrer_not_found"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn refer(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<ReferrerBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let referrer = fields.keep("/referrer_id", CustomerId::parse(&body.referrer_id));
    let request = Refer { customer: CustomerId::new(id), referrer: fields.end(referrer)? };
    let committed = commands::customers::refer(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}
