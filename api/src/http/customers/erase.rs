//! `POST /v1/customers/{id}/erase`: forgets who a customer is, for good. `GET /v1/customers/{id}/erasure` is the receipt.

use crate::Api;
use crate::body::JsonBody;
use crate::erasing::Erased;
use crate::headers::{Idempotency, PathId};
use crate::http::Done;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::Json;
use axum::extract::State;
use chrono::{DateTime, Utc};
use commands::customers::Erase;
use commands::customers::receipt::{ErasureReceipt, LeftBefore};
use commands::{Caller, Scope};
use domain::customers::events::ErasureGround;
use domain::ids::CustomerId;
use serde::{Deserialize, Serialize};
use store::{Position, scrubs};
use utoipa::ToSchema;
use uuid::Uuid;

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EraseBody {
    /// Why: the person asked for it, or nothing allows to keep the data any longer.
    #[serde(default, deserialize_with = "crate::body::word")]
    ground: Ground,
}

/// Why a person is erased.
#[derive(Debug, Clone, Copy, Default, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Ground {
    #[default]
    Request,
    Retention,
}

impl From<Ground> for ErasureGround {
    fn from(ground: Ground) -> Self {
        match ground {
            Ground::Request => Self::Request,
            Ground::Retention => Self::Retention,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct ErasedView {
    customer_id: Uuid,
    /// All that were this person and were erased together.
    subjects: Vec<Uuid>,
    #[schema(value_type = schemas::ErasureGround)]
    ground: ErasureGround,
    #[schema(value_type = schemas::Actor)]
    actor: String,
    position: i64,
    erased_at: DateTime<Utc>,
    /// Read models that were seen to hold nothing of the person any more when the receipt was written.
    #[schema(example = json!(["customers", "audit_trail"]))]
    blanked: Vec<String>,
    /// Those that were still on their way.
    #[schema(example = json!([]))]
    pending: Vec<String>,
    /// What had left before, and is out of reach here: readers, exports, analysts.
    #[schema(value_type = schemas::LeftBefore)]
    left_before: LeftBefore,
    /// What is kept, and why.
    #[schema(example = json!(["orders, amounts and points, without the person: bookkeeping and tax law"]))]
    kept: Vec<String>,
    /// The receipt, signed with the key of the log (C2SP signed-note): to be handed to the person.
    #[schema(example = "clientela/erasure/v1\n{…}\n\n— clientela/0123456789abcdef …\n")]
    receipt: String,
    repeated: bool,
    /// That an older backup had brought the person back, and it was erased once more. All else is as it was at first: `position` is of the
    /// log of then.
    again: Option<ErasedAgainView>,
    /// Since when no byte of the person is in the files of the database any more; none until the next scrub.
    scrubbed_at: Option<DateTime<Utc>>,
}

/// An erasure that was made once more.
#[derive(Serialize, ToSchema)]
pub(super) struct ErasedAgainView {
    position: i64,
    erased_at: DateTime<Utc>,
    /// The signed receipt of that.
    #[schema(example = "clientela/erasure/v1\n{…}\n\n— clientela/0123456789abcdef …\n")]
    receipt: String,
}

impl From<Erased> for ErasedView {
    fn from(erased: Erased) -> Self {
        let Erased { receipt, note, repeated, again } = erased;
        let again = again.map(|again| ErasedAgainView {
            position: again.position.0,
            erased_at: again.erased_at,
            receipt: again.note,
        });
        let ErasureReceipt {
            customer_id,
            subjects,
            ground,
            actor,
            position,
            erased_at,
            blanked,
            pending,
            left_before,
            kept,
            ..
        } = receipt;
        Self {
            customer_id,
            subjects,
            ground,
            actor,
            position,
            erased_at,
            blanked,
            pending,
            left_before,
            kept,
            receipt: note,
            repeated,
            again,
            scrubbed_at: None,
        }
    }
}

impl ErasedView {
    async fn of(api: &Api, erased: Erased) -> Result<Self, Problem> {
        let view = Self::from(erased);
        let position = view.again.as_ref().map_or(view.position, |again| again.position);
        let scrubbed_at = scrubs::scrubbed_at(&api.pools.engine, Position(position)).await?;
        Ok(Self { scrubbed_at, ..view })
    }
}

/// Forgets who a customer is, for good.
///
/// The key of all that is personal is destroyed, with that of everybody who is the same person; nothing of it can be read any more, from
/// the log, from tables, from feeds. E-mail addresses and the like are free again, the loyalty account is closed. It cannot be undone. Once
/// more changes nothing and answers with the same receipt.
#[utoipa::path(
    post, path = "/v1/customers/{id}/erase", tag = "customers", operation_id = "erase_customer",
    params(PathId, Idempotency),
    request_body = EraseBody,
    responses(
        (status = 200, description = "Erased", body = ErasedView),
        (status = 404, description = "customer_not_found"),
    ),
    security(("key" = [Scope::CustomersErase])),
)]
pub(super) async fn erase_customer(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<EraseBody>,
) -> Result<Done<ErasedView>, Problem> {
    caller.require(Scope::CustomersErase)?;
    let request = Erase { customer: CustomerId::new(id), ground: body.ground.into() };
    let erased = ErasedView::of(&api, api.eraser().erase(&caller, key, request).await?).await?;
    // Of the log as it is: the first erasure may have been in one that is lost.
    let position = erased.again.as_ref().map_or(erased.position, |again| again.position);
    Ok(Done::changed(Position(position), None, erased))
}

/// The receipt of a customer's erasure.
#[utoipa::path(
    get, path = "/v1/customers/{id}/erasure", tag = "customers", operation_id = "get_erasure",
    params(PathId),
    responses(
        (status = 200, description = "The receipt", body = ErasedView),
        (status = 404, description = "not_erased"),
    ),
    security(("key" = [Scope::AuditRead])),
)]
pub(super) async fn get_erasure(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
) -> Result<Json<ErasedView>, Problem> {
    caller.require(Scope::AuditRead)?;
    match api.eraser().receipt(caller.tenant, CustomerId::new(id)).await? {
        Some(erased) => Ok(Json(ErasedView::of(&api, erased).await?)),
        None => Err(Problem::not_found("not_erased", "no customer of this id was erased")),
    }
}
