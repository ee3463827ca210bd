//! How a customer stands with us: what it is filed under, who looks after it, what it may, and how far it has come. All of it stands
//! in `GET /v1/customers/{id}`.

use super::profile::ChangeDone;
use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Guards, PathId, PathIdAnd};
use crate::http::Done;
use crate::http::wire::Fields;
use crate::openapi::parameters::OfTag;
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::customers::{Assign, Block, ChangeLifecycle, ChangeSegment, GrantPortal, Tags};
use commands::{Caller, Scope};
use domain::customers::assignment::Assignment;
use domain::customers::blocking::{BlockNote, BlockReason};
use domain::customers::events::LifecycleStage;
use domain::customers::portal::PortalPermission;
use domain::ids::{CustomerId, RepCode, RouteCode, Tag};
use domain::segment::{Score, Scores, Segment, Segmented};
use domain::text::ReasonText;
use projections::customers::customers::standing::SegmentRow;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(tag))
        .routes(routes!(untag))
        .routes(routes!(assign))
        .routes(routes!(grant_portal, revoke_portal))
        .routes(routes!(block, unblock))
        .routes(routes!(change_lifecycle))
        .routes(routes!(change_segment))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TagsBody {
    /// Small letters, digits, dots, underscores and hyphens.
    #[schema(max_items = 50, example = json!(["wholesale", "vip"]))]
    tags: Vec<String>,
}

/// Files a customer under something more.
#[utoipa::path(
    post, path = "/v1/customers/{id}/tags", tag = "customers", operation_id = "tag_customer",
    params(PathId, Guards),
    request_body = TagsBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "too_many"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn tag(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<TagsBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let tags = fields.keep_all("/tags", &body.tags, Tag::parse);
    let request = Tags { customer: CustomerId::new(id), tags: fields.end(tags)? };
    let committed = commands::customers::tag(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

/// Files a customer under something no more. What it is not filed under is not taken away.
#[utoipa::path(
    delete, path = "/v1/customers/{id}/tags/{tag}", tag = "customers", operation_id = "untag_customer",
    params(OfTag, Guards),
    responses(
        (status = 200, description = "Gone", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 400, description = "invalid_parameter"),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn untag(
    State(api): State<Api>,
    caller: Caller,
    PathIdAnd(id, tag): PathIdAnd<Tag>,
    Guards { key, seen }: Guards,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = Tags { customer: CustomerId::new(id), tags: vec![tag] };
    let committed = commands::customers::untag(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct AssignmentBody {
    /// Nobody, unless it is said.
    #[schema(example = "rep-12", max_length = 64)]
    rep: Option<String>,
    /// None, unless it is said.
    #[schema(example = "north-3", max_length = 64)]
    route: Option<String>,
}

/// Tells who of ours looks after a customer, and on which round. What is not named is nobody's any more.
#[utoipa::path(
    put, path = "/v1/customers/{id}/assignment", tag = "customers", operation_id = "assign_customer",
    params(PathId, Guards),
    request_body = AssignmentBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn assign(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<AssignmentBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let rep = fields.keep_optional("/rep", body.rep.as_ref(), RepCode::parse);
    let route = fields.keep_optional("/route", body.route.as_ref(), RouteCode::parse);
    let read = || Some(Assignment { rep: rep?, route: route? });
    let read = read();
    let request = Assign { customer: CustomerId::new(id), assignment: fields.end(read)? };
    let committed = commands::customers::assign(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PortalBody {
    /// All that the customer may then.
    #[schema(value_type = Vec<schemas::PortalPermission>, min_items = 1)]
    #[serde(deserialize_with = "crate::body::words")]
    permissions: BTreeSet<PortalPermission>,
}

/// Lets a customer see and do this in the portal, and nothing else.
#[utoipa::path(
    put, path = "/v1/customers/{id}/portal", tag = "customers", operation_id = "grant_portal",
    params(PathId, Guards),
    request_body = PortalBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "permission_required"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn grant_portal(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<PortalBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = GrantPortal { customer: CustomerId::new(id), permissions: body.permissions };
    let committed = commands::customers::grant_portal(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

/// Lets a customer see and do nothing in the portal any more.
#[utoipa::path(
    delete, path = "/v1/customers/{id}/portal", tag = "customers", operation_id = "revoke_portal",
    params(PathId, Guards),
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn revoke_portal(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = CustomerId::new(id);
    let committed = commands::customers::revoke_portal(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BlockBody {
    #[schema(value_type = schemas::BlockReason)]
    #[serde(deserialize_with = "crate::body::word")]
    reason: BlockReason,
    /// The same in words.
    #[schema(example = "two invoices of last year", max_length = 500)]
    note: Option<String>,
}

/// Lets a customer redeem and hold no points.
///
/// What the customer buys is recorded all the same, and earns points as ever.
#[utoipa::path(
    put, path = "/v1/customers/{id}/block", tag = "customers", operation_id = "block_customer",
    params(PathId, Guards),
    request_body = BlockBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn block(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<BlockBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let note = fields.keep_optional("/note", body.note.as_ref(), ReasonText::parse);
    let note = BlockNote { note: fields.end(note)? };
    let request = Block { customer: CustomerId::new(id), reason: body.reason, note };
    let committed = commands::customers::block(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

/// Lets a customer do what others may.
#[utoipa::path(
    delete, path = "/v1/customers/{id}/block", tag = "customers", operation_id = "unblock_customer",
    params(PathId, Guards),
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn unblock(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = CustomerId::new(id);
    let committed = commands::customers::unblock(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct LifecycleBody {
    #[schema(value_type = schemas::LifecycleStage)]
    #[serde(deserialize_with = "crate::body::word")]
    stage: LifecycleStage,
}

/// Says how far a customer has come, where purchases cannot tell: that somebody stays away, above all.
///
/// The next purchase goes on from there.
#[utoipa::path(
    post, path = "/v1/customers/{id}/lifecycle", tag = "customers", operation_id = "change_lifecycle",
    params(PathId, Guards),
    request_body = LifecycleBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
        (status = 422, description = "no_prospect"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn change_lifecycle(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<LifecycleBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let request = ChangeLifecycle { customer: CustomerId::new(id), to: body.stage };
    let committed = commands::customers::change_lifecycle(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct SegmentBody {
    /// In no segment, unless it is said.
    #[schema(value_type = Option<schemas::Segment>)]
    segment: Option<String>,
    /// Whether it is one of the few for whom most is done.
    #[serde(default)]
    #[schema(example = false)]
    is_vip: bool,
    /// What that follows from, if it is known.
    scores: Option<ScoresView>,
}

/// In which fifth of all buyers a customer is: 5 for the best.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ScoresView {
    /// How lately it bought.
    #[schema(minimum = 1, maximum = 5, example = 5)]
    recency: u8,
    /// How often.
    #[schema(minimum = 1, maximum = 5, example = 4)]
    frequency: u8,
    /// For how much money.
    #[schema(minimum = 1, maximum = 5, example = 5)]
    monetary: u8,
}

impl ScoresView {
    fn read(&self, fields: &mut Fields) -> Option<Scores> {
        let recency = fields.keep("/scores/recency", Score::new(self.recency));
        let frequency = fields.keep("/scores/frequency", Score::new(self.frequency));
        let monetary = fields.keep("/scores/monetary", Score::new(self.monetary));
        Some(Scores { recency: recency?, frequency: frequency?, monetary: monetary? })
    }
}

/// Which kind of buyer a customer is.
#[derive(Serialize, ToSchema)]
pub(super) struct SegmentView {
    /// None: it is in no segment.
    #[schema(value_type = Option<schemas::Segment>)]
    segment: Option<&'static str>,
    /// Whether it is one of the few for whom most is done.
    is_vip: bool,
    /// The business date since which both are so.
    since: Option<NaiveDate>,
    /// What they follow from, when that was told.
    scores: Option<ScoresView>,
}

impl From<SegmentRow> for SegmentView {
    fn from(SegmentRow { segmented, scores, since }: SegmentRow) -> Self {
        let scores = scores.map(|Scores { recency, frequency, monetary }| ScoresView {
            recency: recency.get(),
            frequency: frequency.get(),
            monetary: monetary.get(),
        });
        Self { segment: segmented.segment.map(Segment::as_str), is_vip: segmented.is_vip, since, scores }
    }
}

/// Says which kind of buyer a customer is, as whoever works that out has found it.
///
/// Campaigns for the segment are for its next purchase. What is said again, with whatever scores, changes nothing.
#[utoipa::path(
    put, path = "/v1/customers/{id}/segment", tag = "customers", operation_id = "change_segment",
    params(PathId, Guards),
    request_body = SegmentBody,
    responses(
        (status = 200, description = "As it was asked", body = ChangeDone,
            headers(("ETag" = String, description = "The customer's version, when something changed"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_erased, customer_merged, customer_deleted"),
        (status = 412, description = "version_changed"),
    ),
    security(("key" = [Scope::CustomersWrite])),
)]
async fn change_segment(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Guards { key, seen }: Guards,
    JsonBody(body): JsonBody<SegmentBody>,
) -> Result<Done<ChangeDone>, Problem> {
    caller.require(Scope::CustomersWrite)?;
    let mut fields = Fields::default();
    let segment = fields.keep_optional("/segment", body.segment.as_ref(), str::parse::<Segment>);
    let scores = body.scores.as_ref().map(|scores| scores.read(&mut fields));
    let read = || Some((segment?, scores.map_or(Some(None), |scores| scores.map(Some))?));
    let read = read();
    let (segment, scores) = fields.end(read)?;
    let to = Segmented { segment, is_vip: body.is_vip };
    let request = ChangeSegment { customer: CustomerId::new(id), to, scores };
    let committed = commands::customers::change_segment(&api.commands, &caller, key, request, seen).await?;
    Ok(ChangeDone::answer(id, &committed))
}
