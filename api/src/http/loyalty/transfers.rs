//! `POST /v1/customers/{id}/loyalty/transfers`: points that go to another account.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Idempotency, PathId};
use crate::http::Done;
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use commands::loyalty::transfers::Transfer;
use commands::{Caller, Committed, Scope};
use domain::Event;
use domain::ids::{CustomerId, ReasonCode, TransferId};
use domain::loyalty::events::LoyaltyEvent;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct TransferBody {
    /// Your name for it: the same one is made once.
    #[schema(value_type = schemas::TransferId)]
    transfer_id: String,
    /// Whose account the points go to.
    #[schema(value_type = Uuid)]
    to: String,
    #[schema(minimum = 1, example = 500)]
    points: i64,
    /// A word that reports can count.
    #[schema(value_type = Option<schemas::ReasonCode>)]
    reason: Option<String>,
}

impl TransferBody {
    fn read(&self, customer: CustomerId) -> Result<Transfer, Problem> {
        let mut fields = Fields::default();
        let transfer = fields.keep("/transfer_id", TransferId::parse(&self.transfer_id));
        let to = fields.keep("/to", CustomerId::parse(&self.to));
        let reason = fields.keep("/reason", self.reason.as_deref().map(ReasonCode::parse).transpose());
        let read = || Some(Transfer { customer, transfer: transfer?, to: to?, points: self.points, reason: reason? });
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct TransferredView {
    customer_id: Uuid,
    #[schema(value_type = schemas::TransferId)]
    transfer_id: String,
    to: Uuid,
    points: i64,
    /// What is left to the account that they came from.
    balance: Option<i64>,
    position: i64,
    repeated: bool,
}

/// Moves points to another member's account, the oldest first, with the dates they have.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/transfers", tag = "loyalty", operation_id = "transfer_points",
    params(PathId, Idempotency),
    request_body = TransferBody,
    responses(
        (status = 201, description = "Transferred", body = TransferredView),
        (status = 404, description = "not_a_member, customer_not_found"),
        (status = 409, description = "transfer_already_made, account_closed, customer_erased, customer_merged, customer_deleted, customer_blocked"),
        (status = 422, description = "points_not_positive, insufficient_points, points_limit, transfer_to_itself, receiver_not_a_member, receiver_closed, receiver_deleted, receiver_merged, currency_mismatch"),
    ),
    security(("key" = [Scope::LoyaltyAdjust])),
)]
pub(super) async fn transfer(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<TransferBody>,
) -> Result<Done<TransferredView>, Problem> {
    caller.require(Scope::LoyaltyAdjust)?;
    let request = body.read(CustomerId::new(id))?;
    let (transfer_id, to) = (request.transfer.as_str().to_owned(), request.to.as_uuid());
    let committed = commands::loyalty::transfers::transfer(&api.commands, &caller, key, request).await?;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let (points, balance) = (body.points, left_by(&committed));
    let view = TransferredView { customer_id: id, transfer_id, to, points, balance, position: position.0, repeated };
    Ok(Done::once(repeated, position, view))
}

fn left_by(committed: &Committed) -> Option<i64> {
    committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::TransferSent { balance, .. }) => Some(*balance),
        Event::Loyalty(_)
        | Event::Customer(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
    })
}
