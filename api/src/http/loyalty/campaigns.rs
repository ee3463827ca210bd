//! `/v1/loyalty/campaigns`: what purchases earn beside the rules of the programme, for a time; and what that gave so far.

use super::programme::CapsBody;
use crate::Api;
use crate::body::{AnyJsonBody, JsonBody};
use crate::headers::{Idempotency, MinPosition, NoParameters, Parameters, PathId};
use crate::http::lists::{self, ListView};
use crate::http::wire::{Fields, date_as_written};
use crate::http::{Done, Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::loyalty::campaigns::{EndCampaign, PublishCampaign};
use commands::{Caller, Committed, Scope};
use domain::ids::{CampaignId, CategoryCode, Channel, Sku};
use domain::loyalty::campaigns::{BirthdayRule, CampaignName, CampaignPoints, CampaignRules};
use domain::loyalty::programme::{EarnCaps, Tier};
use domain::segment::Segment;
use projections::ReadModel;
use projections::loyalty::loyalty_campaigns::{self, CampaignStory, KnownCampaign, KnownVersion, LoyaltyCampaigns};
use projections::loyalty::loyalty_ledger::OfCampaign;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

pub(super) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(list, publish))
        .routes(routes!(get))
        .routes(routes!(change))
        .routes(routes!(end))
}

/// What a campaign gave with a purchase.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct CampaignPointsView {
    campaign_id: Uuid,
    /// The version of the campaign.
    #[schema(example = 1)]
    version: u32,
    /// Before the caps of the programme.
    #[schema(example = 120)]
    points: i64,
}

impl From<&CampaignPoints> for CampaignPointsView {
    fn from(given: &CampaignPoints) -> Self {
        Self { campaign_id: given.campaign.as_uuid(), version: given.version, points: given.points }
    }
}

impl From<OfCampaign> for CampaignPointsView {
    fn from(OfCampaign { campaign_id, version, points }: OfCampaign) -> Self {
        Self { campaign_id, version, points }
    }
}

/// Which purchases a campaign is for, and what it gives: at least one of `multiplier_percent`, `bonus_points`, `points_per_article` and
/// `referrer_points`.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignRulesBody {
    /// Only for articles of these categories, by the lines of purchases.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100, example = json!(["wine"]))]
    categories: Vec<String>,
    /// Only for these articles. With categories: for both.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100, example = json!(["22423"]))]
    products: Vec<String>,
    /// Only for what is sold there.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 100, example = json!(["web"]))]
    channels: Vec<String>,
    /// Only for members of these tiers, as they are before the purchase.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::body::words")]
    #[schema(max_items = 4, value_type = Vec<schemas::Tier>)]
    tiers: Vec<Tier>,
    /// Only for buyers of these segments, as they are before the purchase.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "crate::body::words")]
    #[schema(max_items = 11, value_type = Vec<schemas::Segment>)]
    segments: Vec<Segment>,
    /// Only for the few customers for whom most is done.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(example = false)]
    vip: bool,
    /// Only around a member's birthday; nothing for whom none is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    birthday: Option<BirthdayBody>,
    /// Only for the first purchase of a customer that another one sent, as it is recorded; points earned without a purchase are none.
    #[serde(default, skip_serializing_if = "is_false")]
    #[schema(example = false)]
    referred: bool,
    /// Only if at least so many whole units were paid for what it is for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000_000, example = 20)]
    minimum_amount: Option<i64>,
    /// What multiplies the points of what it is for: 200 doubles them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 101, maximum = 10_000, example = 200)]
    multiplier_percent: Option<i64>,
    /// Points for each purchase.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    bonus_points: Option<i64>,
    /// Points for each article; needs categories or products.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000, example = 10)]
    points_per_article: Option<i64>,
    /// Points for who sent the customer, given when those of the purchase are, if it is a member then; needs `referred`. No multiplier and
    /// no cap is for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, maximum = 1_000_000)]
    referrer_points: Option<i64>,
    /// The most that it gives to a member.
    #[serde(default, skip_serializing_if = "CapsBody::is_none")]
    caps: CapsBody,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

/// Which days are around a birthday, and how much is given for one.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct BirthdayBody {
    /// For so many days before it and after it, and on the day. Who was born on the 29th of February has it on the 28th in other years.
    #[schema(maximum = 60, example = 3)]
    within_days: u32,
    /// The most points for one birthday, whatever is bought around it.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1, example = 500)]
    points_per_birthday: Option<i64>,
}

impl CampaignRulesBody {
    fn read(&self, pointer: &str, fields: &mut Fields) -> Option<CampaignRules> {
        let categories = fields.keep_all(&format!("{pointer}/categories"), &self.categories, CategoryCode::parse);
        let products = fields.keep_all(&format!("{pointer}/products"), &self.products, Sku::parse);
        let channels = fields.keep_all(&format!("{pointer}/channels"), &self.channels, Channel::parse);
        let CapsBody { points_per_order, points_per_day } = self.caps;
        Some(CampaignRules {
            categories: categories?,
            products: products?,
            channels: channels?,
            tiers: self.tiers.clone(),
            segments: self.segments.clone(),
            vip: self.vip,
            birthday: self.birthday.as_ref().map(|rule| BirthdayRule {
                within_days: rule.within_days,
                points_per_birthday: rule.points_per_birthday,
            }),
            minimum_amount: self.minimum_amount,
            multiplier_percent: self.multiplier_percent,
            bonus_points: self.bonus_points,
            points_per_article: self.points_per_article,
            referred: self.referred,
            referrer_points: self.referrer_points,
            caps: EarnCaps { points_per_order, points_per_day },
        })
    }
}

impl From<&CampaignRules> for CampaignRulesBody {
    fn from(rules: &CampaignRules) -> Self {
        let EarnCaps { points_per_order, points_per_day } = rules.caps;
        Self {
            categories: rules.categories.iter().map(|category| category.as_str().to_owned()).collect(),
            products: rules.products.iter().map(|product| product.as_str().to_owned()).collect(),
            channels: rules.channels.iter().map(|channel| channel.as_str().to_owned()).collect(),
            tiers: rules.tiers.clone(),
            segments: rules.segments.clone(),
            vip: rules.vip,
            birthday: rules.birthday.as_ref().map(|rule| BirthdayBody {
                within_days: rule.within_days,
                points_per_birthday: rule.points_per_birthday,
            }),
            minimum_amount: rules.minimum_amount,
            multiplier_percent: rules.multiplier_percent,
            bonus_points: rules.bonus_points,
            points_per_article: rules.points_per_article,
            referred: rules.referred,
            referrer_points: rules.referrer_points,
            caps: CapsBody { points_per_order, points_per_day },
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CampaignBody {
    #[schema(max_length = 100, example = "Double points on wine")]
    name: String,
    /// The first business date for which it holds; today, unless it is said.
    #[schema(value_type = Option<schemas::Day>)]
    from: Option<String>,
    /// The last business date on which it gives anything; without it until it is ended.
    #[schema(value_type = Option<schemas::Day>)]
    until: Option<String>,
    rules: CampaignRulesBody,
}

impl CampaignBody {
    fn read(&self) -> Result<PublishCampaign, Problem> {
        let mut fields = Fields::default();
        let name = fields.keep("/name", CampaignName::parse(&self.name));
        let (from, until) = (fields.day("/from", self.from.as_ref()), fields.day("/until", self.until.as_ref()));
        let rules = self.rules.read("/rules", &mut fields);
        let read = || Some(PublishCampaign { name: name?, rules: rules?, from: from?, until: until? });
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct PublishedCampaignView {
    campaign_id: Uuid,
    /// The number of the version; none when nothing changed.
    #[schema(example = 1)]
    version: Option<u32>,
    position: i64,
    repeated: bool,
}

impl PublishedCampaignView {
    fn of(committed: &Committed, campaign: Uuid) -> Self {
        let published = committed.published_campaign();
        Self {
            campaign_id: published.map_or(campaign, |(campaign, _)| campaign.as_uuid()),
            version: published.map(|(_, version)| version),
            position: committed.position.0,
            repeated: committed.repeated || published.is_none(),
        }
    }
}

/// Publishes a campaign: what purchases of its days earn beside the rules of the programme.
///
/// Several campaigns add up: each gives what it would give alone. Purchases that were made before stay as they are.
#[utoipa::path(
    post, path = "/v1/loyalty/campaigns", tag = "loyalty", operation_id = "publish_loyalty_campaign",
    params(Idempotency),
    request_body = CampaignBody,
    responses(
        (status = 201, description = "Published", body = PublishedCampaignView,
            headers(("Location" = String, description = "Path of the campaign"))),
        (status = 409, description = "campaign_exists"),
        (status = 422, description = "until_before_from, nothing_given, articles_required, referred_required, out_of_range, twice, too_many, \
            too_many_campaigns, too_many_versions"),
    ),
    security(("key" = [Scope::Admin])),
)]
async fn publish(
    State(api): State<Api>,
    caller: Caller,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CampaignBody>,
) -> Result<Done<PublishedCampaignView>, Problem> {
    caller.require(Scope::Admin)?;
    let request = body.read()?;
    let committed = commands::loyalty::campaigns::begin_campaign(&api.commands, &caller, key, request).await?;
    let view = PublishedCampaignView::of(&committed, Uuid::nil());
    let path = format!("/v1/loyalty/campaigns/{}", view.campaign_id);
    Ok(Done::once(view.repeated, committed.position, view).at(path))
}

/// Publishes another version of a campaign, which holds from its first day on in place of those before it.
///
/// Purchases that were decided stay as they are, and are given back by the version that they earned by.
#[utoipa::path(
    post, path = "/v1/loyalty/campaigns/{id}/versions", tag = "loyalty", operation_id = "change_loyalty_campaign",
    params(PathId, Idempotency),
    request_body = CampaignBody,
    responses(
        (status = 201, description = "Published", body = PublishedCampaignView),
        (status = 404, description = "campaign_not_found"),
        (status = 409, description = "campaign_ended"),
        (status = 422, description = "until_before_from, nothing_given, articles_required, referred_required, out_of_range, twice, too_many, \
            too_many_campaigns, too_many_versions"),
    ),
    security(("key" = [Scope::Admin])),
)]
async fn change(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<CampaignBody>,
) -> Result<Done<PublishedCampaignView>, Problem> {
    caller.require(Scope::Admin)?;
    let (request, campaign) = (body.read()?, CampaignId::new(id));
    let committed =
        commands::loyalty::campaigns::change_campaign(&api.commands, &caller, key, campaign, request).await?;
    let view = PublishedCampaignView::of(&committed, id);
    Ok(Done::once(view.repeated, committed.position, view))
}

#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct EndCampaignBody {
    /// The first business date on which it gives nothing any more; today, unless it is said.
    #[schema(value_type = Option<schemas::Day>)]
    on: Option<String>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct EndedCampaignView {
    campaign_id: Uuid,
    position: i64,
    repeated: bool,
}

/// Ends a campaign for good. Purchases that were decided stay as they are.
///
/// Without a body it ends today.
#[utoipa::path(
    post, path = "/v1/loyalty/campaigns/{id}/end", tag = "loyalty", operation_id = "end_loyalty_campaign",
    params(PathId, Idempotency),
    request_body = EndCampaignBody,
    responses(
        (status = 201, description = "Ended", body = EndedCampaignView),
        (status = 404, description = "campaign_not_found"),
        (status = 409, description = "campaign_ended"),
    ),
    security(("key" = [Scope::Admin])),
)]
async fn end(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    AnyJsonBody(body): AnyJsonBody<EndCampaignBody>,
) -> Result<Done<EndedCampaignView>, Problem> {
    caller.require(Scope::Admin)?;
    let mut fields = Fields::default();
    let on = fields.day("/on", body.on.as_ref());
    let request = EndCampaign { campaign: CampaignId::new(id), on: fields.end(on)? };
    let committed = commands::loyalty::campaigns::end_campaign(&api.commands, &caller, key, request).await?;
    let repeated = committed.repeated || committed.events.is_empty();
    let view = EndedCampaignView { campaign_id: id, position: committed.position.0, repeated };
    Ok(Done::once(repeated, committed.position, view))
}

/// A version of a campaign.
#[derive(Serialize, ToSchema)]
pub(super) struct CampaignVersionView {
    version: i32,
    #[schema(example = "Double points on wine")]
    name: String,
    /// The first business date for which it holds.
    from: NaiveDate,
    /// The last business date on which it gives anything.
    until: Option<NaiveDate>,
    rules: CampaignRulesBody,
    published_on: NaiveDate,
}

impl From<KnownVersion> for CampaignVersionView {
    fn from(known: KnownVersion) -> Self {
        Self {
            version: known.version,
            name: known.name,
            from: known.from_on,
            until: known.until_on,
            rules: (&known.rules).into(),
            published_on: known.published_on,
        }
    }
}

/// A campaign, by the version that was asked for, and what it gave so far.
#[derive(Serialize, ToSchema)]
pub(super) struct CampaignView {
    campaign_id: Uuid,
    #[serde(flatten)]
    version: CampaignVersionView,
    /// The first business date on which it gives nothing any more, because it was ended.
    over_from: Option<NaiveDate>,
    /// With how many orders it gave points.
    orders: i64,
    /// Before the caps of the programme may have cut them.
    points_given: i64,
    /// Those that were taken back because orders were given back.
    points_taken_back: i64,
}

impl From<KnownCampaign> for CampaignView {
    fn from(known: KnownCampaign) -> Self {
        Self {
            campaign_id: known.campaign_id,
            version: known.version.into(),
            over_from: known.over_from,
            orders: known.given.orders,
            points_given: known.given.points,
            points_taken_back: known.given.taken_back,
        }
    }
}

/// A campaign by its last version, with all of them.
#[derive(Serialize, ToSchema)]
pub(super) struct CampaignStoryView {
    #[serde(flatten)]
    campaign: CampaignView,
    /// To how many members it gave points.
    members: i64,
    /// The first one first.
    versions: Vec<CampaignVersionView>,
}

impl From<CampaignStory> for CampaignStoryView {
    fn from(known: CampaignStory) -> Self {
        let versions = known.versions.into_iter().map(Into::into).collect();
        Self { campaign: known.campaign.into(), members: known.members, versions }
    }
}

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AskedCampaigns {
    /// Only those that give something on this business date, by the versions that do.
    #[param(value_type = Option<schemas::Day>)]
    on: Option<String>,
    /// Most items of an answer.
    #[param(minimum = 1, maximum = 200, default = 50, example = 50)]
    limit: Option<usize>,
    /// Where to go on: `next_cursor` of the answer before.
    #[param(example = "b2a")]
    cursor: Option<String>,
}

/// Lists the campaigns, the newest first, by their last versions or by those of a day.
#[utoipa::path(
    get, path = "/v1/loyalty/campaigns", tag = "loyalty", operation_id = "list_loyalty_campaigns",
    params(AskedCampaigns, MinPosition),
    responses((status = 200, description = "A part of the list", body = ListView<CampaignView>)),
    security(("key" = [Scope::LoyaltyRead])),
)]
async fn list(
    State(api): State<Api>,
    caller: Caller,
    Parameters(asked): Parameters<AskedCampaigns>,
    min_position: MinPosition,
) -> Result<Found<ListView<CampaignView>>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    let read = |text| date_as_written(text).ok_or_else(|| lists::wrong("on", "must be a date such as 2026-03-01"));
    let on = asked.on.as_deref().map(read).transpose()?;
    let back = lists::back(asked.limit, asked.cursor.as_deref())?;
    wait_for(&api, &[LoyaltyCampaigns::NAME], min_position).await?;
    let page = loyalty_campaigns::list(&api.pools, caller.tenant, on, back).await?;
    Ok(Found::list(page, CampaignView::from))
}

/// Tells a campaign with all its versions, and what it gave so far.
#[utoipa::path(
    get, path = "/v1/loyalty/campaigns/{id}", tag = "loyalty", operation_id = "get_loyalty_campaign",
    params(PathId, MinPosition),
    responses(
        (status = 200, description = "The campaign", body = CampaignStoryView),
        (status = 404, description = "campaign_not_found"),
    ),
    security(("key" = [Scope::LoyaltyRead])),
)]
async fn get(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<CampaignStoryView>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    wait_for(&api, &[LoyaltyCampaigns::NAME], min_position).await?;
    let found = loyalty_campaigns::find(&api.pools, caller.tenant, id).await?;
    let unknown = || Problem::not_found("campaign_not_found", "there is no such campaign");
    let found = found.ok_or_else(unknown)?;
    Ok(Found { position: found.position, version: None, body: found.value.into() })
}
