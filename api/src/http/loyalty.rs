//! Loyalty over HTTP: become a member, earn, hold, redeem, see the balance.

use crate::Api;
use crate::amount::AmountText;
use crate::body::JsonBody;
use crate::headers::{Idempotency, MinPosition, Parameters, PathId};
use crate::http::customers::is_repeated;
use crate::http::wire::Fields;
use crate::http::{Done, Found, time_travel, wait_for};
use crate::openapi::schemas;
use crate::problem::Problem;
use axum::extract::State;
use chrono::NaiveDate;
use commands::loyalty::{Earn, Enrol, Redeem};
use commands::{Caller, Committed, Scope};
use domain::ids::{BenefitCode, CustomerId, OrderId};
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::programme::Tier;
use domain::{Currency, Event, Money};
use projections::ReadModel;
use projections::loyalty::loyalty_balances::{self, LoyaltyBalance, LoyaltyBalances};
use projections::loyalty::loyalty_programmes::{self, LoyaltyProgrammes};
use projections::time_travel::TimeTravelError;
use serde::{Deserialize, Serialize};
use std::time::Duration;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use uuid::Uuid;

mod adjustments;
mod campaigns;
mod flags;
mod holds;
mod kpis;
mod ledger;
mod programme;
mod refunds;
mod rehearsals;
mod rewards;
mod transfers;
mod vesting;

pub(crate) fn routes() -> OpenApiRouter<Api> {
    OpenApiRouter::new()
        .routes(routes!(enrol, get_loyalty))
        .routes(routes!(earn))
        .routes(routes!(redeem))
        .routes(routes!(refunds::give_back))
        .routes(routes!(adjustments::adjust))
        .routes(routes!(vesting::vest))
        .routes(routes!(holds::place))
        .routes(routes!(holds::capture))
        .routes(routes!(holds::release))
        .routes(routes!(rewards::redeem))
        .routes(routes!(flags::list_flags))
        .routes(routes!(flags::clear))
        .routes(routes!(transfers::transfer))
        .routes(routes!(ledger::get_ledger))
        .routes(routes!(ledger::list_movements))
        .routes(routes!(kpis::get_kpis))
        .routes(routes!(programme::get_programme))
        .routes(routes!(programme::list_versions, programme::publish))
        .routes(routes!(rehearsals::list_rehearsals, rehearsals::rehearse))
        .merge(campaigns::routes())
}

/// A command has been carried out: its answer waits no longer for a figure that it merely shows.
const BALANCE_PATIENCE: Duration = Duration::from_secs(1);

/// What a command did to the points of a customer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, ToSchema)]
pub(crate) struct PointsView {
    points_earned: i64,
    /// Points that vest later.
    #[serde(skip_serializing_if = "is_zero")]
    points_pending: i64,
    #[serde(skip_serializing_if = "is_zero")]
    points_reversed: i64,
    /// Points that had been redeemed for an order that was given back.
    #[serde(skip_serializing_if = "is_zero")]
    points_returned: i64,
    /// How many more points it would have been without the caps of the programme.
    #[serde(skip_serializing_if = "is_zero")]
    points_capped: i64,
    /// What of the points of this purchase campaigns gave.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    campaigns: Vec<campaigns::CampaignPointsView>,
    /// None for who is no member; none, too, when it is not known yet.
    balance: Option<i64>,
    #[schema(value_type = Option<schemas::Tier>)]
    tier: Option<Tier>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Tier>)]
    tier_upgraded: Option<Tier>,
    #[serde(flatten)]
    cards: rewards::CardsView,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this signature")]
const fn is_zero(points: &i64) -> bool {
    *points == 0
}

impl PointsView {
    /// From the events of the command; what they do not say from the balances as they are known. Who is no member has none.
    pub(crate) async fn of(api: &Api, caller: &Caller, account: Uuid, committed: &Committed) -> Self {
        // A request that was made of a duplicate, before it was merged, is told as it was then.
        let told = Self::told_by(committed, committed.customer().map_or(account, |customer| customer.as_uuid()));
        if told.balance.is_some() && told.tier.is_some() {
            return told;
        }
        // What it tells has to be as of the position that it names.
        let patience = BALANCE_PATIENCE.min(api.config.min_position_timeout);
        if api.projections.wait_for(&[LoyaltyBalances::NAME], committed.position, patience).await.is_err() {
            tracing::warn!(position = committed.position.0, "a balance is not known yet");
            return told;
        }
        match loyalty_balances::find(&api.pools, caller.tenant, account, caller.this_moment()).await {
            Ok(Some(known)) => Self {
                balance: told.balance.or(Some(known.value.available)),
                tier: told.tier.or(Some(known.value.tier)),
                ..told
            },
            Ok(None) => told,
            Err(error) => {
                // The command was carried out: its answer must not fail for a figure that it merely shows.
                tracing::warn!(%error, "a balance could not be read");
                told
            }
        }
    }

    /// A command may be about several accounts.
    fn told_by(committed: &Committed, account: Uuid) -> Self {
        committed.events.iter().filter(|recorded| recorded.stream.id == account).fold(
            Self::default(),
            |told, recorded| match &recorded.event {
                Event::Loyalty(event) => told.after(event),
                Event::Customer(_)
                | Event::Programme(_)
                | Event::Credit(_)
                | Event::CreditGroup(_)
                | Event::Access(_) => told,
            },
        )
    }

    fn after(mut self, event: &LoyaltyEvent) -> Self {
        use LoyaltyEvent as E;
        self.cards.tell(event);
        match event {
            E::Enrolled { .. } => Self { balance: Some(0), tier: Some(Tier::Bronze), ..self },
            E::PointsPending { points, capped, tier, campaigns, balance, .. } => Self {
                points_pending: self.points_pending + points,
                points_capped: self.points_capped + capped,
                campaigns: campaigns.iter().map(Into::into).collect(),
                balance: Some(*balance),
                tier: Some(*tier),
                ..self
            },
            // Of another purchase, of an earlier day.
            E::PointsEarned { pending_since: Some(_), balance, .. } => Self { balance: Some(*balance), ..self },
            E::PointsEarned { points, capped, balance, tier, campaigns, pending_since: None, .. } => Self {
                points_earned: self.points_earned + points,
                points_capped: self.points_capped + capped,
                campaigns: campaigns.iter().map(Into::into).collect(),
                balance: Some(*balance),
                tier: Some(*tier),
                ..self
            },
            E::TierUpgraded { to, .. } => Self { tier: Some(*to), tier_upgraded: Some(*to), ..self },
            E::TierDowngraded { to: tier, .. } | E::TierKept { tier, .. } => Self { tier: Some(*tier), ..self },
            E::PointsReversed { points, balance, .. } => {
                Self { points_reversed: self.points_reversed + points, balance: Some(*balance), ..self }
            }
            E::PointsReturned { points, balance, .. } => {
                Self { points_returned: self.points_returned + points, balance: Some(*balance), ..self }
            }
            E::PointsRedeemed { balance, .. }
            | E::PointsAdjusted { balance, .. }
            | E::PointsExpired { balance, .. }
            | E::HoldPlaced { balance, .. }
            | E::HoldReleased { balance, .. }
            | E::TransferSent { balance, .. }
            | E::TransferReceived { balance, .. }
            | E::Absorbed { balance, .. } => Self { balance: Some(*balance), ..self },
            E::Merged { .. } | E::Closed { .. } => Self { balance: Some(0), ..self },
            // They move no points.
            E::OrderRefunded { .. }
            | E::StampAdded { .. }
            | E::StampRemoved { .. }
            | E::RewardEarned { .. }
            | E::RewardWithdrawn { .. }
            | E::RewardRedeemed { .. }
            | E::RewardReturned { .. }
            | E::RewardExpired { .. }
            | E::ReferralChanged { .. }
            | E::FlagRaised { .. }
            | E::FlagCleared { .. } => self,
        }
    }
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EnrolBody {
    #[schema(value_type = schemas::Currency)]
    currency: String,
}

#[derive(Serialize, ToSchema)]
struct EnrolledView {
    customer_id: Uuid,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// Makes a customer a member of the loyalty programme.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty", tag = "loyalty", operation_id = "enrol_member",
    params(PathId, Idempotency),
    request_body = EnrolBody,
    responses(
        (status = 201, description = "A member", body = EnrolledView,
            headers(("Location" = String, description = "Path of the account"))),
        (status = 404, description = "customer_not_found"),
        (status = 409, description = "account_closed, customer_erased, customer_merged, customer_deleted"),
        (status = 422, description = "currency_mismatch"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
async fn enrol(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<EnrolBody>,
) -> Result<Done<EnrolledView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let mut fields = Fields::default();
    let currency = fields.keep("/currency", Currency::parse(&body.currency));
    let currency = fields.end(currency)?;
    let request = Enrol { customer: CustomerId::new(id), currency };
    let committed = commands::loyalty::enrol(&api.commands, &caller, key, request).await?;
    let points = PointsView::of(&api, &caller, id, &committed).await;
    let repeated = is_repeated(&committed);
    let view = EnrolledView { customer_id: id, currency, points, position: committed.position.0, repeated };
    Ok(Done::once(repeated, committed.position, view).at(format!("/v1/customers/{id}/loyalty")))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct EarnBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    total: AmountText,
    #[schema(value_type = schemas::Currency)]
    currency: String,
    #[schema(value_type = Option<schemas::When>)]
    occurred_at: Option<String>,
}

impl EarnBody {
    fn read(&self, customer: CustomerId, caller: &Caller) -> Result<Earn, Problem> {
        let mut fields = Fields::default();
        let order = fields.keep("/order_id", OrderId::parse(&self.order_id));
        let currency = fields.keep("/currency", Currency::parse(&self.currency));
        let total = fields.money("/total", &self.total, currency);
        let at = fields.when("/occurred_at", self.occurred_at.as_ref());
        let read = || {
            let at = at?.map(|when| when.moment(caller));
            Some(Earn { customer, order: order?, total: total?, at })
        };
        fields.end(read())
    }
}

#[derive(Serialize, ToSchema)]
struct EarnedView {
    customer_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[serde(flatten)]
    points: PointsView,
    position: i64,
    repeated: bool,
}

/// Earns points by an order that is recorded elsewhere.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/earn", tag = "loyalty", operation_id = "earn_points",
    params(PathId, Idempotency),
    request_body = EarnBody,
    responses(
        (status = 201, description = "Earned", body = EarnedView),
        (status = 404, description = "not_a_member, customer_not_found"),
        (status = 409, description = "account_closed, customer_erased, customer_merged, customer_deleted, order_already_earned"),
        (status = 422, description = "currency_mismatch, negative_total, points_limit, in_the_future, too_long_ago"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
async fn earn(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<EarnBody>,
) -> Result<Done<EarnedView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let request = body.read(CustomerId::new(id), &caller)?;
    let order_id = request.order.as_str().to_owned();
    let committed = commands::loyalty::earn(&api.commands, &caller, key, request).await?;
    let points = PointsView::of(&api, &caller, id, &committed).await;
    let repeated = is_repeated(&committed);
    let view = EarnedView { customer_id: id, order_id, points, position: committed.position.0, repeated };
    Ok(Done::once(repeated, committed.position, view))
}

#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct RedeemBody {
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    #[schema(minimum = 1, example = 500)]
    points: i64,
}

#[derive(Serialize, ToSchema)]
struct RedeemedView {
    customer_id: Uuid,
    #[schema(value_type = schemas::OrderId)]
    order_id: String,
    points: i64,
    #[schema(value_type = Option<schemas::Amount>)]
    discount: Option<String>,
    #[schema(value_type = Option<schemas::Currency>)]
    currency: Option<Currency>,
    balance: Option<i64>,
    position: i64,
    repeated: bool,
}

/// Turns points into a discount on an order.
#[utoipa::path(
    post, path = "/v1/customers/{id}/loyalty/redeem", tag = "loyalty", operation_id = "redeem_points",
    params(PathId, Idempotency),
    request_body = RedeemBody,
    responses(
        (status = 201, description = "Redeemed", body = RedeemedView),
        (status = 404, description = "not_a_member, customer_not_found"),
        (status = 409, description = "order_already_redeemed, order_already_held, already_happened, account_closed, customer_blocked, customer_erased, customer_merged, customer_deleted"),
        (status = 422, description = "points_not_redeemable, insufficient_points"),
    ),
    security(("key" = [Scope::LoyaltyWrite])),
)]
async fn redeem(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Idempotency(key): Idempotency,
    JsonBody(body): JsonBody<RedeemBody>,
) -> Result<Done<RedeemedView>, Problem> {
    caller.require(Scope::LoyaltyWrite)?;
    let mut fields = Fields::default();
    let order = fields.keep("/order_id", OrderId::parse(&body.order_id));
    let order = fields.end(order)?;
    let order_id = order.as_str().to_owned();
    let request = Redeem { customer: CustomerId::new(id), points: body.points, order };
    let committed = commands::loyalty::redeem(&api.commands, &caller, key, request).await?;
    let redeemed: Option<(Money, i64)> = committed.events.iter().find_map(|recorded| match &recorded.event {
        Event::Loyalty(LoyaltyEvent::PointsRedeemed { discount, balance, .. }) => Some((*discount, *balance)),
        Event::Loyalty(_)
        | Event::Customer(_)
        | Event::Programme(_)
        | Event::Credit(_)
        | Event::CreditGroup(_)
        | Event::Access(_) => None,
    });
    let repeated = is_repeated(&committed);
    let view = RedeemedView {
        customer_id: id,
        order_id,
        points: body.points,
        discount: redeemed.map(|(discount, _)| discount.amount()),
        currency: redeemed.map(|(discount, _)| discount.currency()),
        balance: redeemed.map(|(_, balance)| balance),
        position: committed.position.0,
        repeated,
    };
    Ok(Done::once(repeated, committed.position, view))
}

#[derive(Serialize, ToSchema)]
pub(crate) struct LoyaltyView {
    customer_id: Uuid,
    /// Whose account took over what there was, when the customer was merged into another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    merged_into: Option<Uuid>,
    #[schema(value_type = schemas::Currency)]
    currency: Currency,
    balance: i64,
    pending: i64,
    held: i64,
    #[schema(value_type = schemas::Tier)]
    tier: Tier,
    /// What members of the tier enjoy.
    #[schema(value_type = Vec<String>, example = json!(["free_shipping"]))]
    benefits: Vec<BenefitCode>,
    #[schema(value_type = Option<schemas::Tier>)]
    next_tier: Option<Tier>,
    points_to_next_tier: Option<i64>,
    earned_last_12_months: i64,
    lifetime_earned: i64,
    redeemed: i64,
    expired: i64,
    reversed: i64,
    /// Points redeemed for orders that were given back, and come back themselves.
    returned: i64,
    /// Points given by hand, less those taken by hand.
    adjusted: i64,
    transferred_in: i64,
    transferred_out: i64,
    enrolled_on: NaiveDate,
    expiries: Vec<ExpiryView>,
    holds: Vec<holds::HoldView>,
    /// What is pending, in the order in which it vests.
    pending_points: Vec<vesting::PendingView>,
    /// The stamp cards of the programme, and others that have stamps.
    stamp_cards: Vec<rewards::StampCardView>,
    /// The rewards that can be handed over, in the order in which they expire.
    rewards: Vec<rewards::RewardView>,
    review_on: Option<NaiveDate>,
    #[schema(value_type = Option<schemas::Tier>)]
    projected_tier: Option<Tier>,
    version: i32,
}

#[derive(Serialize, ToSchema)]
struct ExpiryView {
    points: i64,
    expires_on: NaiveDate,
}

impl From<LoyaltyBalance> for LoyaltyView {
    fn from(known: LoyaltyBalance) -> Self {
        let expiries = known.expiries.into_iter();
        Self {
            customer_id: known.account,
            merged_into: known.merged_into,
            currency: known.currency,
            balance: known.available,
            pending: known.pending,
            held: known.held,
            tier: known.tier,
            benefits: known.benefits,
            next_tier: known.next_tier,
            points_to_next_tier: known.points_to_next_tier,
            earned_last_12_months: known.earned_last_12_months,
            lifetime_earned: known.lifetime_earned,
            redeemed: known.redeemed,
            expired: known.expired,
            reversed: known.reversed,
            returned: known.returned,
            adjusted: known.adjusted,
            transferred_in: known.transferred_in,
            transferred_out: known.transferred_out,
            enrolled_on: known.enrolled_on,
            expiries: expiries
                .map(|expiry| ExpiryView { points: expiry.points, expires_on: expiry.expires_on })
                .collect(),
            holds: known.holds.into_iter().map(Into::into).collect(),
            pending_points: known.pending_points.into_iter().map(Into::into).collect(),
            stamp_cards: known.stamp_cards.into_iter().map(Into::into).collect(),
            rewards: known.rewards.into_iter().map(Into::into).collect(),
            review_on: known.review_on,
            projected_tier: known.projected_tier,
            version: known.version,
        }
    }
}

/// Tells a member's points, as of today or as they were.
#[utoipa::path(
    get, path = "/v1/customers/{id}/loyalty", tag = "loyalty",
    params(PathId, time_travel::Asked, MinPosition),
    responses(
        (status = 200, description = "The account", body = LoyaltyView),
        (status = 404, description = "not_a_member"),
    ),
    security(("key" = [Scope::LoyaltyRead])),
)]
async fn get_loyalty(
    State(api): State<Api>,
    caller: Caller,
    PathId(id): PathId,
    Parameters(asked): Parameters<time_travel::Asked>,
    min_position: MinPosition,
) -> Result<Found<LoyaltyView>, Problem> {
    caller.require(Scope::LoyaltyRead)?;
    if let Some(past) = asked.read(&caller)? {
        let (position, _place) = time_travel::reflected(&api, &caller, min_position).await?;
        let row = loyalty_balances::find_past(&*api.store, caller.tenant, id, past.until).await;
        let row = row.map_err(|error| match error {
            TimeTravelError::Unknown => not_a_member(),
            error => error.into(),
        })?;
        let then = past.moment(&caller, row.updated_at);
        let rules = loyalty_programmes::programme(&api.pools, caller.tenant).await?.on(then.today).rules;
        return Ok(Found { position, version: None, body: row.at(then, &rules).into() });
    }
    wait_for(&api, &[LoyaltyBalances::NAME, LoyaltyProgrammes::NAME], min_position).await?;
    let known = loyalty_balances::find(&api.pools, caller.tenant, id, caller.this_moment()).await?;
    let known = known.ok_or_else(not_a_member)?;
    // No ETag: the balance also changes with the day.
    Ok(Found { position: known.position, version: None, body: known.value.into() })
}

fn not_a_member() -> Problem {
    Problem::not_found("not_a_member", "the customer is not a member of the loyalty programme")
}
