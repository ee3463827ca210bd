//! Commands on loyalty accounts: who may, on which stream, with which facts. The rules are the domain's.
//!
//! What may happen once only is named so that the log holds it once, whatever way it came: an order earns once and redeems
//! once, a refund reverses and gives back once, an adjustment and a transfer are made once, pending points vest once, a lot expires once, a hold ends once, a tier is reviewed
//! once a year; an order is stamped once on a card, a reward is redeemed or expires once.

pub mod adjustments;
pub mod campaigns;
pub mod due;
pub mod flags;
pub mod holds;
pub mod jobs;
pub mod programme;
pub mod reactors;
mod referrals;
pub mod refunds;
pub mod rehearsals;
pub mod rewards;
#[cfg(test)]
mod tests;
pub mod transfers;
pub mod vesting;

use crate::caller::{Caller, Scope, beginning_of};
use crate::changes::{Change, Changes};
use crate::customers::buyer_of;
use crate::error::CommandError;
use crate::execute::{Commands, Committed, Request, content_of};
use crate::identity::{IdempotencyKey, Once};
use crate::other_names::also_of_duplicates;
use crate::states::{States, stream_of};
use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use domain::customers::customer::{Customer, Order};
use domain::ids::{AdjustmentId, CustomerId, HoldId, OrderId, RefundId};
use domain::loyalty::commands::{LoyaltyCommand, LoyaltyError};
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::sale::Sale;
use domain::{Currency, Decider, Moment, Money, Refusal};
use programme::programme_stream;
use serde::Serialize;
use store::{StreamId, TenantId};

/// A customer to become a member.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Enrol {
    /// Who.
    pub customer: CustomerId,
    /// The only currency in which the account earns.
    pub currency: Currency,
}

/// Points to be earned without a purchase being recorded here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Earn {
    /// Whose account.
    pub customer: CustomerId,
    /// The order; earns once, whatever way it is told of.
    pub order: OrderId,
    /// What was paid.
    pub total: Money,
    /// When; now if not given.
    pub at: Option<DateTime<Utc>>,
}

/// Points to become a discount.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Redeem {
    /// Whose account.
    pub customer: CustomerId,
    /// How many.
    pub points: i64,
    /// The order that is discounted; redeems once.
    pub order: OrderId,
}

/// Makes a customer a member.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn enrol(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Enrol,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (content, on) = (content_of(&request), caller.today());
    let Enrol { customer, currency } = request;
    let scope = [stream_of::<Customer>(customer.as_uuid()), account_stream(customer)];
    let decide = move |states: &States<'_>| {
        states.get::<Customer>(customer.as_uuid()).active()?;
        let account = states.get::<LoyaltyAccount>(customer.as_uuid());
        let enrolled = LoyaltyAccount::decide(account, LoyaltyCommand::Enrol { currency, on })?;
        Ok(Changes::of(account_stream(customer), enrolled))
    };
    commands.execute(caller, Request::new("loyalty.enrol", caller.now, scope, decide).content(content).keyed(key)).await
}

/// Earns points with an order. One that has earned already, with a purchase or otherwise, earns nothing more.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn earn(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Earn,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    caller.require_business_time("/occurred_at", request.at)?;
    let (occurred_at, content) = (request.at.unwrap_or(caller.now), content_of(&request));
    let (on, now) = (caller.business_date(occurred_at), caller.this_moment());
    let Earn { customer, order, total, .. } = request;
    let tenant = caller.tenant;
    let (once, earning, told) = (earned_once(customer, &order), order.clone(), order.clone());
    let once_id = once.id(caller.tenant);
    let command = move |states: &States<'_>| {
        if states.happened(once_id) {
            return LoyaltyCommand::Settle { now };
        }
        let known = states.get::<Customer>(customer.as_uuid());
        let total = not_given_back(known, &order, total);
        let (sale, buyer) = (Sale::of_total(order.clone(), total, on), buyer_of(known));
        LoyaltyCommand::Earn { sale: Sale { buyer, ..sale }, programme: rules_of(states, tenant), now }
    };
    let request =
        on_account_at(occurred_at, caller, "loyalty.earn", customer, command).seeing([programme_stream(tenant)]);
    let request = provided(unless_deleted(request, customer), move |states| {
        let is_recorded = states.get::<Customer>(customer.as_uuid()).order(&told).is_some();
        match states.get::<LoyaltyAccount>(customer.as_uuid()) {
            LoyaltyAccount::Member(member) if !is_recorded => Ok(member.require_total(&told, total)?),
            _ => Ok(()),
        }
    });
    let request = request.content(content).once(once).keyed(key);
    let facts = move |customer| [earned_once(customer, &earning)];
    commands.execute(caller, also_of_duplicates(request, tenant, customer, facts)).await
}

/// Of what was recorded as a purchase no more earns than what was not given back.
fn not_given_back(known: &Customer, order: &OrderId, total: Money) -> Money {
    let remaining = known.order(order).map(Order::remaining);
    let less = remaining.filter(|left| left.currency() == total.currency() && left.minor() < total.minor());
    less.unwrap_or(total)
}

/// Turns points into a discount, once per order.
///
/// # Errors
/// As [`CommandError`] says.
pub async fn redeem(
    commands: &Commands,
    caller: &Caller,
    key: Option<IdempotencyKey>,
    request: Redeem,
) -> Result<Committed, CommandError> {
    caller.require(Scope::LoyaltyWrite)?;
    let (content, now) = (content_of(&request), caller.this_moment());
    let Redeem { customer, points, order } = request;
    let (once, spending_on, tenant) = (redeemed_once(customer, &order), order.clone(), caller.tenant);
    let request = spending(caller, "loyalty.redeem", customer, move |states| LoyaltyCommand::Redeem {
        points,
        order: order.clone(),
        programme: rules_of(states, tenant),
        now,
    });
    let request = request.seeing([programme_stream(tenant)]).content(content).once(once).keyed(key);
    let facts = move |customer| [redeemed_once(customer, &spending_on)];
    commands.execute(caller, also_of_duplicates(request, tenant, customer, facts)).await
}

/// The stream of a customer's loyalty account.
#[must_use]
pub fn account_stream(customer: CustomerId) -> StreamId {
    stream_of::<LoyaltyAccount>(customer.as_uuid())
}

/// What a purchase does for a member: it earns points, unless its order has before or it was paid in another currency than the account
/// earns in, who sent the member is given some, and its articles are stamped.
pub(crate) fn sold(
    account: &LoyaltyAccount,
    (sale, has_earned): (Sale, bool),
    programme: LoyaltyProgramme,
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    let has_cards = !programme.on(sale.on).rules.stamp_cards.is_empty();
    let member = account.member()?;
    let earns = !has_earned && !member.has_earned(&sale.order) && member.currency() == sale.total.currency();
    let mut events = match earns {
        false => Vec::new(),
        true => {
            let (sale, programme) = (sale.clone(), programme.clone());
            LoyaltyAccount::decide(account, LoyaltyCommand::Earn { sale, programme, now })?
        }
    };
    let referral = noted_referral(account, &events, (&sale, &programme), now)?;
    events.extend(referral);
    if has_cards {
        let earned = LoyaltyAccount::fold(account.clone(), &events);
        events.extend(LoyaltyAccount::decide(&earned, LoyaltyCommand::Stamp { sale, programme, now })?);
    }
    Ok(events)
}

/// What who sent the customer is given for its first purchase, which has earned so far what is told.
fn noted_referral(
    account: &LoyaltyAccount,
    earned: &[LoyaltyEvent],
    (sale, programme): (&Sale, &LoyaltyProgramme),
    now: Moment,
) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
    if sale.buyer.referred().is_none() {
        return Ok(Vec::new());
    }
    let tier = earned.iter().find_map(|event| match event {
        LoyaltyEvent::PointsEarned { order, tier, .. } | LoyaltyEvent::PointsPending { order, tier, .. } => {
            (*order == sale.order).then_some(*tier)
        }
        _ => None,
    });
    let account = LoyaltyAccount::fold(account.clone(), earned);
    let (sale, programme) = (sale.clone(), programme.clone());
    LoyaltyAccount::decide(&account, LoyaltyCommand::NoteReferral { sale, tier, programme, now })
}

/// The rules of a tenant; the request has to be seeing [`programme_stream`].
pub(crate) fn rules_of(states: &States<'_>, tenant: TenantId) -> LoyaltyProgramme {
    states.get::<LoyaltyProgramme>(programme_stream(tenant).id).clone()
}

/// A command on one account.
fn on_account(
    caller: &Caller,
    verb: &'static str,
    customer: CustomerId,
    command: impl Fn(&States<'_>) -> LoyaltyCommand + Send + Sync + 'static,
) -> Request {
    on_account_at(caller.now, caller, verb, customer, command)
}

/// A command on one account by which points are spent: not of who is blocked.
fn spending(
    caller: &Caller,
    verb: &'static str,
    customer: CustomerId,
    command: impl Fn(&States<'_>) -> LoyaltyCommand + Send + Sync + 'static,
) -> Request {
    let asked = unless_deleted(on_account(caller, verb, customer, command), customer);
    provided(asked, move |states| require_unblocked(states, customer))
}

/// Who is not there, or not any more, has no account either, and is told so.
fn require_unblocked(states: &States<'_>, customer: CustomerId) -> Result<(), Refusal> {
    match states.get::<Customer>(customer.as_uuid()).active() {
        Ok(known) => Ok(known.require_unblocked()?),
        Err(_) => Ok(()),
    }
}

/// A request that is refused for a reason of its own before it is decided.
fn provided(request: Request, check: impl Fn(&States<'_>) -> Result<(), Refusal> + Send + Sync + 'static) -> Request {
    let decide = request.decide;
    let decide = move |states: &States<'_>| check(states).and_then(|()| decide(states));
    Request { decide: Box::new(decide), ..request }
}

/// A command on one account about something that happened at a time of its own.
fn on_account_at(
    occurred_at: DateTime<Utc>,
    caller: &Caller,
    verb: &'static str,
    customer: CustomerId,
    command: impl Fn(&States<'_>) -> LoyaltyCommand + Send + Sync + 'static,
) -> Request {
    let today = Today::of(caller, occurred_at);
    let decide = move |states: &States<'_>| {
        let account = states.get::<LoyaltyAccount>(customer.as_uuid());
        let events = LoyaltyAccount::decide(account, command(states))?;
        let mut changes = Changes::none();
        today.append(&mut changes, customer, events);
        Ok::<_, Refusal>(changes)
    };
    Request::new(verb, occurred_at, [account_stream(customer)], decide)
}

/// Points of a customer that is deleted stay as they are: none is earned, none is spent.
fn unless_deleted(request: Request, customer: CustomerId) -> Request {
    let Request { mut scope, decide, .. } = request;
    scope.push(stream_of::<Customer>(customer.as_uuid()));
    let decide = move |states: &States<'_>| match states.get::<Customer>(customer.as_uuid()) {
        Customer::Deleted(_) => Err(LoyaltyError::CustomerDeleted.into()),
        Customer::Unregistered | Customer::Active(_) | Customer::Merged { .. } | Customer::Erased => decide(states),
    };
    Request { scope, decide: Box::new(decide), ..request }
}

/// An order earns points.
pub(crate) fn earned_once(customer: CustomerId, order: &OrderId) -> Once {
    Once::new(account_stream(customer), "earn", order.as_str())
}

/// The pending points of an order vest.
fn vested_once(customer: CustomerId, order: &OrderId) -> Once {
    Once::new(account_stream(customer), "vest", order.as_str())
}

/// An order becomes a discount, held before or not.
fn redeemed_once(customer: CustomerId, order: &OrderId) -> Once {
    Once::new(account_stream(customer), "redeem", order.as_str())
}

/// Held points come back.
fn ended_once(customer: CustomerId, hold: HoldId) -> Once {
    Once::new(account_stream(customer), "end_hold", hold.to_string())
}

/// Points are given or taken by hand.
fn adjusted_once(customer: CustomerId, adjustment: &AdjustmentId) -> Once {
    Once::new(account_stream(customer), "adjust", adjustment.as_str())
}

/// What names a refund of an order, in once-only facts: no order or refund has a space in it. Frozen for ever.
pub(crate) fn refund_key(order: &OrderId, refund: &RefundId) -> String {
    format!("{order} {refund}")
}

/// The moment of a command, where the tenant is, and the time of what it tells.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Today {
    pub(crate) now: Moment,
    occurred_at: DateTime<Utc>,
    zone: Tz,
    tenant: TenantId,
}

impl Today {
    pub(crate) fn of(caller: &Caller, occurred_at: DateTime<Utc>) -> Self {
        Self { now: caller.this_moment(), occurred_at, zone: caller.zone, tenant: caller.tenant }
    }

    /// Adds an account's events, each with the once-only fact that it records. What comes about with time has the time when it
    /// came about, whenever that is noticed.
    pub(crate) fn append(&self, changes: &mut Changes, customer: CustomerId, events: Vec<LoyaltyEvent>) {
        for event in events {
            let once = once_of(customer, &event);
            let occurred_at = self.came_about(&event);
            changes.push(Change {
                stream: account_stream(customer),
                event: event.into(),
                once_id: once.map(|once| once.id(self.tenant)),
                occurred_at,
                customer: None,
            });
        }
    }

    /// Points vest and expire, and tiers are reviewed, when their day begins; a hold lapses when it does. A tier that a late purchase
    /// reaches with later ones is reached on their day. None: at the time of what the command tells.
    fn came_about(&self, event: &LoyaltyEvent) -> Option<DateTime<Utc>> {
        use LoyaltyEvent as E;
        match event {
            E::PointsExpired { expires_on: on, .. }
            | E::RewardExpired { expires_on: on, .. }
            | E::TierDowngraded { on, .. }
            | E::TierKept { on, .. } => Some(beginning_of(*on, self.zone)),
            E::PointsEarned { pending_since: Some(_), earned_on: on, .. } => {
                let begins = beginning_of(*on, self.zone);
                Some(if *on < self.now.today { begins } else { begins.max(self.occurred_at) })
            }
            // Whenever the purchase was: the other account is given its points now.
            E::ReferralChanged { .. } => Some(self.now.at),
            E::TierUpgraded { on, .. } => Some(beginning_of(*on, self.zone).max(self.occurred_at)),
            E::HoldReleased { released_at, .. } => Some(*released_at),
            E::Enrolled { .. }
            | E::PointsPending { .. }
            | E::PointsEarned { pending_since: None, .. }
            | E::HoldPlaced { .. }
            | E::PointsRedeemed { .. }
            | E::PointsReversed { .. }
            | E::OrderRefunded { .. }
            | E::PointsAdjusted { .. }
            | E::TransferSent { .. }
            | E::TransferReceived { .. }
            | E::PointsReturned { .. }
            | E::StampAdded { .. }
            | E::StampRemoved { .. }
            | E::RewardEarned { .. }
            | E::RewardWithdrawn { .. }
            | E::RewardRedeemed { .. }
            | E::RewardReturned { .. }
            | E::FlagRaised { .. }
            | E::FlagCleared { .. }
            | E::Merged { .. }
            | E::Absorbed { .. }
            | E::Closed { .. } => None,
        }
    }
}

fn once_of(customer: CustomerId, event: &LoyaltyEvent) -> Option<Once> {
    let account = account_stream(customer);
    match event {
        LoyaltyEvent::PointsEarned { order, pending_since: Some(_), .. } => Some(vested_once(customer, order)),
        LoyaltyEvent::PointsPending { order, .. } | LoyaltyEvent::PointsEarned { order, pending_since: None, .. } => {
            Some(earned_once(customer, order))
        }
        LoyaltyEvent::PointsRedeemed { order, .. } => Some(redeemed_once(customer, order)),
        LoyaltyEvent::PointsReversed { order, refund, .. } => {
            Some(Once::new(account, "reverse", refund_key(order, refund)))
        }
        LoyaltyEvent::OrderRefunded { order, refund, .. } => Some(refunds::refunded_once(customer, order, refund)),
        LoyaltyEvent::PointsAdjusted { adjustment, .. } => Some(adjusted_once(customer, adjustment)),
        LoyaltyEvent::PointsReturned { order, refund, .. } => {
            Some(Once::new(account, "return", refund_key(order, refund)))
        }
        LoyaltyEvent::PointsExpired { lot, hold, order, refund, .. } => {
            let came_back = match (hold, order, refund) {
                (Some(hold), ..) => format!(" {hold}"),
                (None, Some(order), Some(refund)) => format!(" {}", refund_key(order, refund)),
                (None, ..) => String::new(),
            };
            Some(Once::new(account, "expire", format!("{lot}{came_back}")))
        }
        LoyaltyEvent::HoldReleased { hold, .. } => Some(ended_once(customer, *hold)),
        LoyaltyEvent::TierDowngraded { on, .. } | LoyaltyEvent::TierKept { on, .. } => {
            Some(Once::new(account, "review", on.to_string()))
        }
        LoyaltyEvent::TransferSent { transfer, .. } => Some(transfers::sent_once(customer, transfer)),
        LoyaltyEvent::TransferReceived { transfer, from, .. } => {
            Some(Once::new(account, "receive_transfer", format!("{from} {transfer}")))
        }
        LoyaltyEvent::StampAdded { order, card, .. } => Some(Once::new(account, "stamp", format!("{order} {card}"))),
        LoyaltyEvent::StampRemoved { order, refund, card, .. } => {
            Some(Once::new(account, "take_stamps_back", format!("{} {card}", refund_key(order, refund))))
        }
        LoyaltyEvent::RewardRedeemed { reward, .. } => Some(rewards::redeemed_once(customer, *reward)),
        LoyaltyEvent::RewardExpired { reward, .. } => Some(Once::new(account, "expire_reward", reward.to_string())),
        LoyaltyEvent::ReferralChanged { customer, order, status, .. } => {
            Some(Once::new(account, "change_referral", format!("{customer} {order} {}", status.as_str())))
        }
        LoyaltyEvent::Enrolled { .. }
        | LoyaltyEvent::RewardEarned { .. }
        | LoyaltyEvent::RewardWithdrawn { .. }
        | LoyaltyEvent::RewardReturned { .. }
        | LoyaltyEvent::FlagRaised { .. }
        | LoyaltyEvent::FlagCleared { .. }
        | LoyaltyEvent::TierUpgraded { .. }
        | LoyaltyEvent::HoldPlaced { .. }
        | LoyaltyEvent::Merged { .. }
        | LoyaltyEvent::Absorbed { .. }
        | LoyaltyEvent::Closed { .. } => None,
    }
}
