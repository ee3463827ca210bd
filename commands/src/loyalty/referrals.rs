//! What a campaign gives to who sent a customer: points of another account than the one that bought.
//!
//! Once for each first purchase, by an adjustment that is named after it; taken back by another one, as far as the points are there. Who is
//! no member, or not any more, or is blocked, is given nothing, and that is no refusal. Of who was merged its survivor is asked.

use super::programme::programme_stream;
use super::{Today, account_stream, adjusted_once, rules_of};
use crate::changes::Changes;
use crate::customers::customer_stream;
use crate::execute::{Request, content_of};
use crate::identity::Once;
use crate::other_names::also_of_duplicates;
use crate::states::States;
use chrono::{DateTime, NaiveDate, Utc};
use chrono_tz::Tz;
use domain::customers::commands::CustomerError;
use domain::customers::customer::Customer;
use domain::ids::{AdjustmentId, CustomerId, OrderId};
use domain::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use domain::loyalty::commands::{LoyaltyCommand, LoyaltyError};
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::{Decider, Moment, Refusal};
use serde::Serialize;
use store::TenantId;

/// What is given for a referral, or taken back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct ReferralBonus {
    /// Who sent the customer.
    pub(crate) customer: CustomerId,
    /// Who was sent, as it was called then.
    pub(crate) referred: CustomerId,
    /// Its first purchase.
    pub(crate) order: OrderId,
    /// How many points.
    pub(crate) points: i64,
    /// Whether that was given back.
    pub(crate) is_back: bool,
}

/// Gives what is due to who sent a customer, or takes it back.
pub(crate) fn referral_bonus(tenant: TenantId, bonus: ReferralBonus, at: DateTime<Utc>, on: NaiveDate) -> Request {
    let (customer, content) = (bonus.customer, content_of(&bonus));
    let names = Adjustments::of(tenant, &bonus);
    let facts = {
        let names = names.clone();
        move |customer| [adjusted_once(customer, &names.given), adjusted_once(customer, &names.taken_back)]
    };
    let of_survivor = bonus.clone();
    let now = Moment { at, today: on };
    let today = Today { now, occurred_at: at, zone: Tz::UTC, tenant };
    let decide = move |states: &States<'_>| decide(states, &bonus, &names, &today);
    let asked = Request::new("loyalty.referral_bonus", at, [account_stream(customer)], decide).content(content);
    let asked = asked.seeing([programme_stream(tenant), customer_stream(customer)]);
    also_of_duplicates(asked, tenant, customer, facts).of_survivor(move |survivor| {
        referral_bonus(tenant, ReferralBonus { customer: survivor, ..of_survivor.clone() }, at, on)
    })
}

/// The names of both adjustments of a referral.
#[derive(Debug, Clone)]
struct Adjustments {
    given: AdjustmentId,
    taken_back: AdjustmentId,
}

impl Adjustments {
    /// Made of who was sent and its order, whose ids are too long together. Frozen for ever.
    fn of(tenant: TenantId, bonus: &ReferralBonus) -> Self {
        let referral = Once::new(account_stream(bonus.referred), "refer", bonus.order.as_str()).id(tenant);
        let named = |what: &str| {
            AdjustmentId::parse(&format!("{what}:{referral}")).expect("a word and a UUID are an id of this alphabet")
        };
        Self { given: named("referral"), taken_back: named("referral-back") }
    }
}

fn decide(states: &States<'_>, bonus: &ReferralBonus, names: &Adjustments, today: &Today) -> Result<Changes, Refusal> {
    let customer = bonus.customer;
    let (mut changes, account) = (Changes::none(), states.get::<LoyaltyAccount>(customer.as_uuid()));
    let known = match states.get::<Customer>(customer.as_uuid()) {
        Customer::Active(known) => known,
        Customer::Merged { into } => return Err(CustomerError::Merged { survivor: *into }.into()),
        Customer::Unregistered | Customer::Deleted(_) | Customer::Erased => return Ok(changes),
    };
    let is_one = customer == bonus.referred || known.duplicates().contains(&bonus.referred);
    if account.member().is_err() || (!bonus.is_back && (is_one || known.require_unblocked().is_err())) {
        return Ok(changes);
    }
    let adjusting = Adjusting { states, names, today, customer };
    let adjusted =
        if bonus.is_back { adjusting.take_back(account, bonus.points) } else { adjusting.give(account, bonus.points) };
    match adjusted {
        // An account that is full is given nothing, and everything else goes on.
        Err(LoyaltyError::AdjustedPointsLimit { .. }) => {}
        adjusted => today.append(&mut changes, customer, adjusted?),
    }
    Ok(changes)
}

/// Both adjustments of a referral, on the account of who sent the customer.
struct Adjusting<'a> {
    states: &'a States<'a>,
    names: &'a Adjustments,
    today: &'a Today,
    customer: CustomerId,
}

impl Adjusting<'_> {
    fn give(&self, account: &LoyaltyAccount, points: i64) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
        self.adjust(account, &self.names.given, points)
    }

    /// As many points as are there, held ones too. Whether they had been given is the log's to know, which refuses to have them given twice:
    /// so what was never given is given and taken at once, and leaves everything as it was.
    fn take_back(&self, account: &LoyaltyAccount, points: i64) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
        let mut events = LoyaltyAccount::decide(account, LoyaltyCommand::Settle { now: self.today.now })?;
        let settled = LoyaltyAccount::fold(account.clone(), &events);
        let given = self.give(&settled, points)?;
        let was_given = given.is_empty();
        events.extend(given);
        let given = LoyaltyAccount::fold(account.clone(), &events);
        let there = match was_given {
            true => given.member()?.available().saturating_add(given.member()?.held()).min(points),
            false => points,
        };
        if there <= 0 {
            return Ok(Vec::new());
        }
        events.extend(self.adjust(&given, &self.names.taken_back, there.saturating_neg())?);
        Ok(events)
    }

    /// Once; the log says whether it was.
    fn adjust(
        &self,
        account: &LoyaltyAccount,
        name: &AdjustmentId,
        points: i64,
    ) -> Result<Vec<LoyaltyEvent>, LoyaltyError> {
        if self.states.happened(adjusted_once(self.customer, name).id(self.today.tenant)) {
            return Ok(Vec::new());
        }
        let (programme, note) = (rules_of(self.states, self.today.tenant), AdjustmentNote::default());
        let (adjustment, reason, now) = (name.clone(), AdjustmentReason::Referral, self.today.now);
        LoyaltyAccount::decide(account, LoyaltyCommand::Adjust { adjustment, points, reason, note, programme, now })
    }
}
