//! `/v1/credit-groups`: lines that share a limit, such as those of a parent and its branches.

use super::money;
use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, NoParameters, Parameters, PathId, PathIds};
use crate::http::customers::is_repeated;
use crate::http::lists::{self, Cursor, ListView};
use crate::http::wire::Fields;
use crate::http::{Done, Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::credit::groups::{ChangeGroupLimit, FormGroup, Membership};
use commands::{Caller, Committed, Scope};
use domain::Currency;
use domain::credit::aging::within_limits;
use domain::ids::{CreditGroupId, CreditLineId, CustomerId, ReasonCode};
use projections::ReadModel;
use projections::credit::credit_groups::{self, CreditGroups, GroupStanding, GroupStory};
use serde::{Deserialize, Serialize};
use store::Position;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(form_credit_group, list_credit_groups))
        .routes(routes!(get_credit_group, dissolve_credit_group))
        .routes(routes!(change_credit_group_limit))
        .routes(routes!(add_credit_group_member, remove_credit_group_member))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditGroupBody {
    /// The customer that the others belong to.
    #[schema(value_type = Uuid)]
    parent_id: String,
    limit: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
}

#[derive(Serialize, ToSchema)]
struct CreditGroupFormed {
    group_id: Option<Uuid>,
    parent_id: Uuid,
    #[schema(value_type = schemas::Amount)]
    limit: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    position: i64,
    repeated: bool,
}

/// Forms a group of lines that share a limit. It has no members yet.
#[utoipa::path(
    post, path = "/v1/credit-groups", tag = "credit", operation_id = "form_credit_group",
    params(Idempotency),
    request_body = CreditGroupBody,
    responses(
        (status = 201, description = "Formed", body = CreditGroupFormed,
            headers(("Location" = String, description = "Path of the group"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "customer_deleted, customer_merged, customer_erased"),
        (status = 422, description = "business_only, limit_not_positive"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn form_credit_group(
    State(api): State<Api>,
    caller: Caller,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CreditGroupBody>,
) -> Result<Done<CreditGroupFormed>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let mut fields = Fields::default();
    let parent = fields.keep("/parent_id", CustomerId::parse(&body.parent_id));
    let limit = money(&mut fields, "/limit", &body.limit, &body.currency);
    let (parent, limit) = fields.end(parent.zip(limit))?;
    let committed = commands::credit::groups::form(&api.commands, &caller, key, FormGroup { parent, limit }).await?;
    let (position, repeated) = (committed.position, is_repeated(&committed));
    let group_id = committed.formed_group().map(|group| group.as_uuid());
    let view = CreditGroupFormed {
        group_id,
        parent_id: parent.as_uuid(),
        limit: limit.amount(),
        currency: limit.currency(),
        position: position.0,
        repeated,
    };
    let location = group_id.map(|group| format!("/v1/credit-groups/{group}"));
    Ok(Done { location, ..Done::once(repeated, position, view) })
}

/// A group of lines that share a limit.
#[derive(Serialize, ToSchema)]
struct CreditGroupView {
    group_id: Uuid,
    /// The customer that the others belong to.
    parent_id: Uuid,
    #[schema(value_type = schemas::Amount)]
    limit: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// What is left; below zero when more was taken, nothing once it is dissolved.
    #[schema(value_type = schemas::Amount)]
    available: String,
    formed_on: NaiveDate,
    /// None: it lives.
    dissolved_on: Option<NaiveDate>,
    members: Vec<GroupMemberView>,
}

/// A line of a group.
#[derive(Serialize, ToSchema)]
struct GroupMemberView {
    line_id: Uuid,
    customer_id: Uuid,
    /// What it takes of the limit.
    #[schema(value_type = schemas::Amount)]
    exposure: String,
}

impl From<GroupStory> for CreditGroupView {
    fn from(GroupStory { standing, members }: GroupStory) -> Self {
        let limit = standing.group.limit;
        let member = |member: credit_groups::MemberRow| GroupMemberView {
            line_id: member.line,
            customer_id: member.customer,
            exposure: member.exposure.amount(),
        };
        Self {
            group_id: standing.group.group,
            parent_id: standing.group.parent,
            limit: limit.amount(),
            currency: limit.currency(),
            available: within_limits(standing.available_minor(), limit.currency()).amount(),
            formed_on: standing.group.formed_on,
            dissolved_on: standing.group.dissolved_on,
            members: members.into_iter().map(member).collect(),
        }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
struct GroupsAsked {
    /// Only those of this customer.
    parent_id: Option<Uuid>,
    /// Most groups of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "b2a")]
    cursor: Option<String>,
}

/// A group, without its lines.
#[derive(Serialize, ToSchema)]
struct CreditGroupSummary {
    group_id: Uuid,
    /// The customer that the others belong to.
    parent_id: Uuid,
    #[schema(value_type = schemas::Amount)]
    limit: String,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    /// What is left; below zero when more was taken, nothing once it is dissolved.
    #[schema(value_type = schemas::Amount)]
    available: String,
    /// How many lines share the limit.
    #[schema(example = 3)]
    member_count: i64,
    formed_on: NaiveDate,
    /// None: it lives.
    dissolved_on: Option<NaiveDate>,
}

impl From<GroupStanding> for CreditGroupSummary {
    fn from(standing: GroupStanding) -> Self {
        let limit = standing.group.limit;
        Self {
            group_id: standing.group.group,
            parent_id: standing.group.parent,
            limit: limit.amount(),
            currency: limit.currency(),
            available: within_limits(standing.available_minor(), limit.currency()).amount(),
            member_count: standing.members,
            formed_on: standing.group.formed_on,
            dissolved_on: standing.group.dissolved_on,
        }
    }
}

/// Lists groups, those formed first before the others.
#[utoipa::path(
    get, path = "/v1/credit-groups", tag = "credit", operation_id = "list_credit_groups",
    params(GroupsAsked, MinPosition),
    responses((status = 200, description = "A part of the groups", body = ListView<CreditGroupSummary>)),
    security(("key" = [Scope::CreditRead])),
)]
async fn list_credit_groups(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<GroupsAsked>,
    min_position: MinPosition,
) -> Result<Found<ListView<CreditGroupSummary>>, Problem> {
    caller.require(Scope::CreditRead)?;
    let limit = lists::limit(asked.limit)?;
    let after = asked.cursor.as_deref().map(Position::parse).transpose()?.unwrap_or(Position(0));
    wait_for(&api, &[CreditGroups::NAME], min_position).await?;
    let page = credit_groups::list(&api.pools, caller.tenant, asked.parent_id, (after, limit)).await?;
    Ok(Found::list(page, CreditGroupSummary::from))
}

/// Tells a group with its lines, what each takes of the limit and what is left.
#[utoipa::path(
    get, path = "/v1/credit-groups/{group}", tag = "credit", operation_id = "get_credit_group",
    params(("group" = Uuid, Path, description = "The group", example = "018f0000-0000-7000-8000-000000000003"), MinPosition),
    responses(
        (status = 200, description = "The group", body = CreditGroupView),
        (status = 404, description = "credit_group_not_found"),
    ),
    security(("key" = [Scope::CreditRead])),
)]
async fn get_credit_group(
    State(api): State<Api>,
    caller: Caller,
    PathId(group): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<CreditGroupView>, Problem> {
    caller.require(Scope::CreditRead)?;
    wait_for(&api, &[CreditGroups::NAME], min_position).await?;
    let found = credit_groups::find(&api.pools, caller.tenant, group).await?;
    let found = found.ok_or_else(|| Problem::not_found("credit_group_not_found", "there is no such group"))?;
    Ok(Found { position: found.position, version: None, body: found.value.into() })
}

/// A change of a group.
#[derive(Serialize, ToSchema)]
struct CreditGroupDone {
    group_id: Uuid,
    /// Whether anything is otherwise than before.
    changed: bool,
    position: i64,
    repeated: bool,
}

impl CreditGroupDone {
    fn answer(group: Uuid, committed: &Committed) -> Done<Self> {
        let (changed, repeated) = (!committed.events.is_empty(), committed.repeated);
        let view = Self { group_id: group, changed, position: committed.position.0, repeated };
        Done::changed(committed.position, None, view)
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct CreditGroupLimitBody {
    limit: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    /// A word that reports can count.
    #[schema(value_type = schemas::ReasonCode)]
    reason: String,
}

/// Lets all lines of a group together use more or less.
#[utoipa::path(
    put, path = "/v1/credit-groups/{group}/limit", tag = "credit", operation_id = "change_credit_group_limit",
    params(("group" = Uuid, Path, description = "The group", example = "018f0000-0000-7000-8000-000000000003"), Idempotency),
    request_body = CreditGroupLimitBody,
    responses(
        (status = 200, description = "As it was asked", body = CreditGroupDone),
        (status = 404, description = "credit_group_not_found"),
        (status = 409, description = "credit_group_dissolved"),
        (status = 422, description = "currency_mismatch, limit_not_positive"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn change_credit_group_limit(
    State(api): State<Api>,
    caller: Caller,
    PathId(group): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CreditGroupLimitBody>,
) -> Result<Done<CreditGroupDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let mut fields = Fields::default();
    let limit = money(&mut fields, "/limit", &body.limit, &body.currency);
    let reason = fields.keep("/reason", ReasonCode::parse(&body.reason));
    let (limit, reason) = fields.end(limit.zip(reason))?;
    let request = ChangeGroupLimit { group: CreditGroupId::new(group), limit, reason };
    let committed = commands::credit::groups::change_limit(&api.commands, &caller, key, request).await?;
    Ok(CreditGroupDone::answer(group, &committed))
}

/// Ends a group that has no members any more.
#[utoipa::path(
    delete, path = "/v1/credit-groups/{group}", tag = "credit", operation_id = "dissolve_credit_group",
    params(("group" = Uuid, Path, description = "The group", example = "018f0000-0000-7000-8000-000000000003"), Idempotency),
    responses(
        (status = 200, description = "Over", body = CreditGroupDone),
        (status = 404, description = "credit_group_not_found"),
        (status = 409, description = "credit_group_has_members"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn dissolve_credit_group(
    State(api): State<Api>,
    caller: Caller,
    PathId(group): PathId,
    Idempotency(key): Idempotency,
) -> Result<Done<CreditGroupDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let id = CreditGroupId::new(group);
    let committed = commands::credit::groups::dissolve(&api.commands, &caller, key, id).await?;
    Ok(CreditGroupDone::answer(group, &committed))
}

/// Lets a line share the limit of a group, with what it has used already.
#[utoipa::path(
    put, path = "/v1/credit-groups/{group}/members/{line}", tag = "credit", operation_id = "add_credit_group_member",
    params(
        ("group" = Uuid, Path, description = "The group", example = "018f0000-0000-7000-8000-000000000003"),
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency,
    ),
    responses(
        (status = 200, description = "A member", body = CreditGroupDone),
        (status = 404, description = "credit_group_not_found, credit_not_requested"),
        (status = 409, description = "credit_group_dissolved, credit_in_group, too_many_members, credit_not_approved, credit_rejected, credit_closed, customer_deleted, customer_merged, customer_erased"),
        (status = 422, description = "currency_mismatch"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn add_credit_group_member(
    State(api): State<Api>,
    caller: Caller,
    PathIds(group, line): PathIds,
    Idempotency(key): Idempotency,
) -> Result<Done<CreditGroupDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let request = Membership { group: CreditGroupId::new(group), line: CreditLineId::new(line) };
    let committed = commands::credit::groups::add_member(&api.commands, &caller, key, request).await?;
    Ok(CreditGroupDone::answer(group, &committed))
}

/// Lets a line share the limit of a group no more.
#[utoipa::path(
    delete, path = "/v1/credit-groups/{group}/members/{line}", tag = "credit", operation_id = "remove_credit_group_member",
    params(
        ("group" = Uuid, Path, description = "The group", example = "018f0000-0000-7000-8000-000000000003"),
        ("line" = Uuid, Path, description = "The line of credit", example = "018f0000-0000-7000-8000-000000000001"), Idempotency,
    ),
    responses(
        (status = 200, description = "No member", body = CreditGroupDone),
        (status = 404, description = "credit_group_not_found, credit_not_requested"),
        (status = 409, description = "credit_group_dissolved, credit_in_group, credit_not_approved, credit_rejected, credit_closed"),
    ),
    security(("key" = [Scope::CreditApprove])),
)]
async fn remove_credit_group_member(
    State(api): State<Api>,
    caller: Caller,
    PathIds(group, line): PathIds,
    Idempotency(key): Idempotency,
) -> Result<Done<CreditGroupDone>, Problem> {
    caller.require(Scope::CreditApprove)?;
    let request = Membership { group: CreditGroupId::new(group), line: CreditLineId::new(line) };
    let committed = commands::credit::groups::remove_member(&api.commands, &caller, key, request).await?;
    Ok(CreditGroupDone::answer(group, &committed))
}
