//! `/v1/loyalty/programme`: the rules of a tenant's loyalty programme, in versions.

use crate::Api;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, NoParameters, Parameters};
use crate::http::wire::Fields;
use crate::http::{Done, Found, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::loyalty::programme::Publish;
use commands::{Caller, Scope};
use domain::ids::{BenefitCode, CategoryCode, RehearsalId, RewardCode, Sku, StampCardCode};
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::programme::{
    EarnBand, EarnCaps, EarnedOf, PendingRule, Programme, RedeemRule, StampCard, Tier, TierRule,
};
use projections::loyalty::loyalty_programmes::{self, LoyaltyProgrammes, ProgrammeRow};
use projections::{AsOf, ReadModel};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

/// The rules of a programme.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct RulesBody {
    /// What purchases earn: bands by the size of the total, the lowest first. The first begins at 0.
    #[schema(min_items = 1, max_items = 20)]
    earn: Vec<EarnBandBody>,
    redeem: RedeemRuleBody,
    /// Points live for so many calendar months.
    #[schema(minimum = 1, maximum = 120, example = 24)]
    expiry_months: u32,
    /// Bronze, silver, gold and platinum, each once, in this order.
    #[schema(min_items = 4, max_items = 4, example = json!([
        {"tier": "bronze", "from_points": 0, "multiplier_percent": 100},
        {"tier": "silver", "from_points": 1000, "multiplier_percent": 125},
        {"tier": "gold", "from_points": 5000, "multiplier_percent": 150, "benefits": ["free_shipping"]},
        {"tier": "platinum", "from_points": 20000, "multiplier_percent": 200, "benefits": ["free_shipping", "early_access"]},
    ]))]
    tiers: Vec<TierBody>,
    /// The most that purchases earn.
    #[serde(default, skip_serializing_if = "CapsBody::is_none")]
    caps: CapsBody,
    /// Points of a purchase are pending until they vest; without it they are earned at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pending: Option<PendingBody>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 20)]
    stamp_cards: Vec<StampCardBody>,
}

#[derive(Debug, Clone, Copy, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct CapsBody {
    #[schema(minimum = 1, example = 500)]
    pub(super) points_per_order: Option<i64>,
    /// By the business date of the purchases.
    #[schema(minimum = 1, example = 1000)]
    pub(super) points_per_day: Option<i64>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct PendingBody {
    /// So many days after the purchase points vest; without it when somebody says so only.
    #[schema(minimum = 1, maximum = 365, example = 14)]
    vest_after_days: Option<u32>,
}

/// So many of these articles earn a reward.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct StampCardBody {
    #[schema(example = "coffee")]
    code: String,
    /// The articles that earn a stamp each, by their categories.
    #[serde(default)]
    #[schema(max_items = 100, example = json!(["hot-drinks"]))]
    categories: Vec<String>,
    /// And by name.
    #[serde(default)]
    #[schema(max_items = 100, example = json!(["22423"]))]
    products: Vec<String>,
    #[schema(minimum = 1, maximum = 100, example = 10)]
    stamps: u32,
    /// What a full card is worth.
    #[schema(example = "free_coffee")]
    reward: String,
    /// A reward can be redeemed for so many calendar months; without it for ever.
    #[schema(minimum = 1, maximum = 120, example = 6)]
    reward_expiry_months: Option<u32>,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EarnBandBody {
    /// For totals above so many whole units of the currency.
    #[serde(default)]
    #[schema(minimum = 0, example = 0)]
    above: i64,
    /// Points for each whole unit.
    #[schema(minimum = 0, maximum = 1_000_000, example = 1)]
    points_per_unit: i64,
    /// `part`: of what lies above the band's beginning, the rest earns as below. `total`: of the whole total.
    #[serde(default, deserialize_with = "crate::body::word")]
    #[schema(value_type = schemas::EarnedOf)]
    of: EarnedOf,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RedeemRuleBody {
    /// Points that are worth one whole unit of discount.
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    points_per_unit: i64,
    #[schema(minimum = 1, maximum = 1_000_000, example = 100)]
    multiple_of: i64,
    /// The fewest points that are redeemed at once: a multiple of `multiple_of`.
    #[schema(minimum = 1, example = 100)]
    minimum: i64,
}

#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct TierBody {
    #[serde(deserialize_with = "crate::body::word")]
    #[schema(value_type = schemas::Tier)]
    tier: Tier,
    /// Points earned within twelve months that reach it.
    #[schema(minimum = 0)]
    from_points: i64,
    /// What multiplies the points of a purchase.
    #[schema(minimum = 0, maximum = 10_000)]
    multiplier_percent: i64,
    /// What else its members enjoy.
    #[serde(default)]
    #[schema(max_items = 20)]
    benefits: Vec<String>,
}

impl RulesBody {
    pub(crate) fn read(&self, pointer: &str, fields: &mut Fields) -> Option<Programme> {
        let tiers = fields.keep_each(&format!("{pointer}/tiers"), &self.tiers, TierBody::read);
        let stamp_cards = fields.keep_each(&format!("{pointer}/stamp_cards"), &self.stamp_cards, StampCardBody::read);
        let RedeemRuleBody { points_per_unit, multiple_of, minimum } = self.redeem;
        let CapsBody { points_per_order, points_per_day } = self.caps;
        let band =
            |body: &EarnBandBody| EarnBand { above: body.above, points_per_unit: body.points_per_unit, of: body.of };
        Some(Programme {
            earn: self.earn.iter().map(band).collect(),
            redeem: RedeemRule { points_per_unit, multiple_of, minimum },
            expiry_months: self.expiry_months,
            tiers: tiers?,
            caps: EarnCaps { points_per_order, points_per_day },
            pending: self.pending.map(|body| PendingRule { vest_after_days: body.vest_after_days }),
            stamp_cards: stamp_cards?,
        })
    }
}

impl TierBody {
    fn read(&self, pointer: &str, fields: &mut Fields) -> Option<TierRule> {
        let benefits = fields.keep_all(&format!("{pointer}/benefits"), &self.benefits, BenefitCode::parse);
        let (tier, from_points, multiplier_percent) = (self.tier, self.from_points, self.multiplier_percent);
        Some(TierRule { tier, from_points, multiplier_percent, benefits: benefits? })
    }
}

impl CapsBody {
    pub(super) const fn is_none(&self) -> bool {
        self.points_per_order.is_none() && self.points_per_day.is_none()
    }
}

impl StampCardBody {
    fn read(&self, pointer: &str, fields: &mut Fields) -> Option<StampCard> {
        let code = fields.keep(&format!("{pointer}/code"), StampCardCode::parse(&self.code));
        let categories = fields.keep_all(&format!("{pointer}/categories"), &self.categories, CategoryCode::parse);
        let products = fields.keep_all(&format!("{pointer}/products"), &self.products, Sku::parse);
        let reward = fields.keep(&format!("{pointer}/reward"), RewardCode::parse(&self.reward));
        Some(StampCard {
            code: code?,
            categories: categories?,
            products: products?,
            stamps: self.stamps,
            reward: reward?,
            reward_expiry_months: self.reward_expiry_months,
        })
    }
}

impl From<&StampCard> for StampCardBody {
    fn from(card: &StampCard) -> Self {
        Self {
            code: card.code.as_str().to_owned(),
            categories: card.categories.iter().map(|category| category.as_str().to_owned()).collect(),
            products: card.products.iter().map(|product| product.as_str().to_owned()).collect(),
            stamps: card.stamps,
            reward: card.reward.as_str().to_owned(),
            reward_expiry_months: card.reward_expiry_months,
        }
    }
}

impl From<&Programme> for RulesBody {
    fn from(rules: &Programme) -> Self {
        let RedeemRule { points_per_unit, multiple_of, minimum } = rules.redeem;
        let band =
            |band: &EarnBand| EarnBandBody { above: band.above, points_per_unit: band.points_per_unit, of: band.of };
        let tier = |rule: &TierRule| TierBody {
            tier: rule.tier,
            from_points: rule.from_points,
            multiplier_percent: rule.multiplier_percent,
            benefits: rule.benefits.iter().map(|benefit| benefit.as_str().to_owned()).collect(),
        };
        Self {
            earn: rules.earn.iter().map(band).collect(),
            redeem: RedeemRuleBody { points_per_unit, multiple_of, minimum },
            expiry_months: rules.expiry_months,
            tiers: rules.tiers.iter().map(tier).collect(),
            caps: CapsBody { points_per_order: rules.caps.points_per_order, points_per_day: rules.caps.points_per_day },
            pending: rules.pending.map(|rule| PendingBody { vest_after_days: rule.vest_after_days }),
            stamp_cards: rules.stamp_cards.iter().map(Into::into).collect(),
        }
    }
}

/// The rules that hold.
#[derive(Serialize, ToSchema)]
pub(super) struct ProgrammeView {
    /// The version; none: the standard rules.
    version: Option<u32>,
    /// Since which business date.
    from: Option<NaiveDate>,
    rules: RulesBody,
}

/// A version of the rules.
#[derive(Serialize, ToSchema)]
pub(super) struct VersionView {
    version: i32,
    from: NaiveDate,
    rules: RulesBody,
    rehearsal_id: Option<Uuid>,
    published_on: NaiveDate,
}

impl From<ProgrammeRow> for VersionView {
    fn from(row: ProgrammeRow) -> Self {
        Self {
            version: row.version,
            from: row.from_on,
            rules: (&row.rules).into(),
            rehearsal_id: row.rehearsal_id,
            published_on: row.published_on,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(super) struct VersionsView {
    /// In the order in which they were published.
    versions: Vec<VersionView>,
}

/// Tells the rules that hold today.
#[utoipa::path(
    get, path = "/v1/loyalty/programme", tag = "loyalty", operation_id = "get_loyalty_programme",
    params(MinPosition),
    responses((status = 200, description = "The rules", body = ProgrammeView)),
    security(("key" = [Scope::LoyaltyRead])),
)]
pub(super) async fn get_programme(
    State(api): State<Api>,
    caller: Caller,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<ProgrammeView>, Problem> {
    let AsOf { value: rows, position } = known(&api, &caller, min_position).await?;
    let programme: LoyaltyProgramme = rows.into_iter().map(ProgrammeRow::into_version).collect();
    let in_force = programme.on(caller.today());
    let from = programme.versions().iter().find(|known| Some(known.number) == in_force.version);
    let body = ProgrammeView {
        version: in_force.version,
        from: from.map(|known| known.from),
        rules: (&*in_force.rules).into(),
    };
    Ok(Found { position, version: None, body })
}

/// Lists all versions of the rules.
#[utoipa::path(
    get, path = "/v1/loyalty/programme/versions", tag = "loyalty", operation_id = "list_loyalty_programme_versions",
    params(MinPosition),
    responses((status = 200, description = "The versions", body = VersionsView)),
    security(("key" = [Scope::LoyaltyRead])),
)]
pub(super) async fn list_versions(
    State(api): State<Api>,
    caller: Caller,
    Parameters(NoParameters {}): Parameters<NoParameters>,
    min_position: MinPosition,
) -> Result<Found<VersionsView>, Problem> {
    let AsOf { value: rows, position } = known(&api, &caller, min_position).await?;
    let versions = rows.into_iter().map(Into::into).collect();
    Ok(Found { position, version: None, body: VersionsView { versions } })
}

async fn known(api: &Api, caller: &Caller, min_position: MinPosition) -> Result<AsOf<Vec<ProgrammeRow>>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    wait_for(api, &[LoyaltyProgrammes::NAME], min_position).await?;
    Ok(loyalty_programmes::all(&api.pools, caller.tenant).await?)
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct PublishBody {
    /// The first business date for which the rules hold; today, unless it is said.
    #[schema(value_type = Option<schemas::Day>)]
    from: Option<String>,
    rules: RulesBody,
    /// The rehearsal of these rules.
    rehearsal_id: Option<Uuid>,
}

#[derive(Serialize, ToSchema)]
pub(super) struct PublishedView {
    /// The number of the version; none when nothing changed.
    version: Option<u32>,
    from: NaiveDate,
    position: i64,
    repeated: bool,
}

/// Publishes rules that hold from a date on, until a later version does.
///
/// Nothing that has happened changes: points that were earned stay, and a refund takes back by the rules that its purchase earned by.
#[utoipa::path(
    post, path = "/v1/loyalty/programme/versions", tag = "loyalty", operation_id = "publish_loyalty_programme",
    params(Idempotency),
    request_body = PublishBody,
    responses(
        (status = 201, description = "Published", body = PublishedView),
        (status = 422, description = "out_of_range, out_of_order, gap, tiers_required, band_required, not_a_multiple, twice, \
            articles_required, too_many, \
            rehearsal_not_found, rehearsal_of_other_rules, too_many_versions"),
    ),
    security(("key" = [Scope::Admin])),
)]
pub(super) async fn publish(
    State(api): State<Api>,
    caller: Caller,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<PublishBody>,
) -> Result<Done<PublishedView>, Problem> {
    caller.require(Scope::Admin)?;
    let mut fields = Fields::default();
    let from = fields.day("/from", body.from.as_ref());
    let rules = body.rules.read("/rules", &mut fields);
    let read = || Some(Publish { rules: rules?, from: from?, rehearsal: body.rehearsal_id.map(RehearsalId::new) });
    let request = fields.end(read())?;
    let from = request.from.unwrap_or(caller.today());
    let committed = commands::loyalty::programme::publish(&api.commands, &caller, key, request).await?;
    let version = committed.published_version();
    let repeated = committed.repeated || version.is_none();
    let view = PublishedView { version, from, position: committed.position.0, repeated };
    Ok(Done::once(repeated, committed.position, view))
}
