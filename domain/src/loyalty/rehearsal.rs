//! A member's history under other rules: what rules decide is decided anew, what people did stays as it was.
//!
//! Purchases earn, refunds take back, points expire and tiers are reviewed by the rehearsed rules, through the decisions of
//! [`LoyaltyAccount`] itself. Enrolments, redemptions, holds, adjustments and transfers are facts: where fewer points are there
//! than were spent, the rest is owed. A duplicate hands over what it would have had. Beside it the account is kept as it was, so that both can be compared.
//!
//! The time of a decision is the latest that the history has told so far: points that expired in reality show that their day
//! had come. Reviews are made, and points vest, when a job did that in reality: by the clock on the wall, whatever dates people told of.

use std::collections::BTreeMap;

use chrono::{DateTime, NaiveDate, Utc};

use crate::calendar::Moment;
use crate::decider::Decider;
use crate::ids::{CustomerId, OrderId};
use crate::loyalty::commands::LoyaltyCommand;
use crate::loyalty::events::{LoyaltyEvent, RehearsalOutcome, ReleaseReason};
use crate::loyalty::loyalty_account::{LoyaltyAccount, Member};
use crate::loyalty::loyalty_programme::LoyaltyProgramme;
use crate::loyalty::programme::{Programme, Tier};
use crate::loyalty::sale::{Buyer, Sale, SaleRefund};
use crate::money::Currency;
use crate::purchase::LineGivenBack;

/// What happened to a customer, as far as it concerns points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fact {
    /// Something was bought.
    Purchase(Sale),
    /// Something was given back.
    Refund(SaleRefund),
    /// An event of the account.
    Account(LoyaltyEvent),
}

/// A fact with its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// The fact.
    pub fact: Fact,
    /// A moment that had come when it was decided on, the latest that is known.
    pub at: Moment,
    /// When it was recorded: the same for all that was recorded together.
    pub recorded_at: DateTime<Utc>,
    /// The day of the latest time by then that all tiers were to be reviewed.
    pub reviewed_on: NaiveDate,
}

/// The history of one customer under other rules, and as it was.
#[derive(Debug, Clone)]
pub struct MemberRehearsal {
    known: LoyaltyAccount,
    rehearsed: LoyaltyAccount,
    now: Moment,
    /// When the facts of late were recorded.
    recorded_at: Option<DateTime<Utc>>,
    /// The latest day as of which the tier was reviewed, if it was to be.
    reviewed_on: NaiveDate,
    /// The latest day on which pending points were let vest.
    vested_on: NaiveDate,
    /// What is decided when all that was due by then is told: it is recorded with it, and behind it.
    undecided: Option<Undecided>,
    /// The programme when the facts of late were recorded: by it and its campaigns they are decided.
    programme: Option<LoyaltyProgramme>,
    /// What was given back of which lines, of orders that were given back by lines and of which something remains.
    given_back: BTreeMap<OrderId, Vec<LineGivenBack>>,
    latest_purchase: Option<OrderId>,
    purchases: i64,
}

#[derive(Debug, Clone)]
enum Undecided {
    Purchase(Box<Sale>),
    Refund(Box<SaleRefund>),
    /// What time brings, and nothing else; not all that lets expire what is due lets vest what is due, too.
    Due {
        vests: bool,
    },
}

impl MemberRehearsal {
    /// A customer without history.
    #[must_use]
    pub const fn new(at: Moment) -> Self {
        let (known, rehearsed) = (LoyaltyAccount::NotEnrolled, LoyaltyAccount::NotEnrolled);
        let (reviewed_on, vested_on) = (NaiveDate::MIN, NaiveDate::MIN);
        Self {
            known,
            rehearsed,
            now: at,
            recorded_at: None,
            reviewed_on,
            vested_on,
            undecided: None,
            programme: None,
            given_back: BTreeMap::new(),
            latest_purchase: None,
            purchases: 0,
        }
    }

    /// Goes on by a fact, in the order in which they were recorded.
    pub fn take(&mut self, mut told: Told, programme: &LoyaltyProgramme) {
        // It comes with what it is about, and moves no points of this account.
        if matches!(told.fact, Fact::Account(LoyaltyEvent::ReferralChanged { .. })) {
            return;
        }
        self.hear_of_campaigns(&told.fact);
        let (with_the_last, is_due) = (self.recorded_at == Some(told.recorded_at), self.is_due(&told.fact));
        if !(with_the_last && is_due) {
            self.decide_last();
        }
        self.now = self.now.max(told.at);
        if !with_the_last {
            self.recorded_at = Some(told.recorded_at);
            self.programme = Some(programme.clone());
            self.vest_by(told.reviewed_on, programme);
            self.review_by(told.reviewed_on, programme);
        }
        if let Fact::Refund(refunded) = &mut told.fact {
            self.add_given_back(refunded);
        }
        match told.fact {
            Fact::Purchase(sale) => self.undecided = Some(Undecided::Purchase(Box::new(sale))),
            Fact::Refund(refunded) => self.undecided = Some(Undecided::Refund(Box::new(refunded))),
            Fact::Account(event) if is_due => self.take_due(&event),
            Fact::Account(event) => self.take_event(&event, programme),
        }
    }

    /// Takes over what a duplicate would have by the rehearsed rules, behind the fact that it took over what there was.
    pub fn absorb(&mut self, duplicate: CustomerId, mut other: Self, programme: &LoyaltyProgramme) {
        let now = self.now;
        other.decide_last();
        other.decide(LoyaltyCommand::Settle { now });
        self.given_back.append(&mut other.given_back);
        self.purchases = self.purchases.saturating_add(other.purchases);
        if let Ok(member) = other.rehearsed.member() {
            let (account, programme) = (Box::new(member.clone()), programme.clone());
            self.decide(LoyaltyCommand::Absorb { duplicate, account, programme, now });
        }
    }

    /// What came of it by a moment; none when the customer is no member, or not any more.
    #[must_use]
    pub fn end(mut self, known: &LoyaltyProgramme, rehearsed: &LoyaltyProgramme, now: Moment) -> Option<MemberOutcome> {
        self.decide_last();
        let now = self.now.max(now);
        let (enrolled_in, purchases) = (self.known.member().ok()?.currency(), self.purchases);
        let standing = |mut account: LoyaltyAccount, programme: &LoyaltyProgramme| {
            decide(&mut account, LoyaltyCommand::Review { programme: programme.clone(), now });
            account.member().ok().map(Standing::of)
        };
        let (known, rehearsed) = (standing(self.known, known)?, standing(self.rehearsed, rehearsed)?);
        Some(MemberOutcome { currency: enrolled_in, purchases, known, rehearsed })
    }

    /// Whom a campaign was for is told with what was earned, which stands behind the purchase and is told before that is decided.
    fn hear_of_campaigns(&mut self, fact: &Fact) {
        let (Some(Undecided::Purchase(sale)), Fact::Account(event)) = (&mut self.undecided, fact) else { return };
        if let LoyaltyEvent::PointsPending { order, .. } | LoyaltyEvent::PointsEarned { order, .. } = event
            && *order == sale.order
        {
            sale.buyer = buyer_of(event);
        }
    }

    /// A refund tells its own lines; an account may ask for all that were given back by then.
    fn add_given_back(&mut self, refunded: &mut SaleRefund) {
        let known = self.given_back.entry(refunded.order.clone()).or_default();
        LineGivenBack::add(known, &refunded.lines);
        refunded.given_back.clone_from(known);
        if known.is_empty() || refunded.remaining_total.is_zero() {
            self.given_back.remove(&refunded.order);
        }
    }

    fn decide_last(&mut self) {
        let (programme, now) = (self.programme.clone().unwrap_or_default(), self.now);
        match self.undecided.take() {
            None => {}
            Some(Undecided::Purchase(sale)) => self.purchase(*sale, &programme),
            Some(Undecided::Refund(refunded)) => {
                self.decide(LoyaltyCommand::Reverse { refunded: *refunded, programme, now });
            }
            Some(Undecided::Due { vests: true }) => self.decide(LoyaltyCommand::Vest { order: None, programme, now }),
            Some(Undecided::Due { vests: false }) => self.decide(LoyaltyCommand::Settle { now }),
        }
    }

    /// Whether it tells that time has passed, and what follows from that.
    fn is_due(&self, fact: &Fact) -> bool {
        let Fact::Account(event) = fact else { return false };
        match event {
            LoyaltyEvent::PointsEarned { pending_since: Some(_), .. } => self.asked_to_vest(event).is_none(),
            LoyaltyEvent::PointsExpired { .. }
            | LoyaltyEvent::RewardExpired { .. }
            | LoyaltyEvent::TierUpgraded { .. }
            | LoyaltyEvent::HoldReleased { reason: ReleaseReason::Lapsed, .. } => true,
            _ => false,
        }
    }

    /// Of all that is due together nothing is decided before the last is told.
    fn take_due(&mut self, event: &LoyaltyEvent) {
        self.keep(event);
        let is_vested = matches!(event, LoyaltyEvent::PointsEarned { .. });
        match &mut self.undecided {
            Some(Undecided::Purchase(_) | Undecided::Refund(_)) => {}
            Some(Undecided::Due { vests }) => *vests |= is_vested,
            none @ None => *none = Some(Undecided::Due { vests: is_vested }),
        }
    }

    fn take_event(&mut self, event: &LoyaltyEvent, programme: &LoyaltyProgramme) {
        self.decide_before(event, programme);
        self.keep(event);
        match event {
            LoyaltyEvent::PointsPending { order, total, pending_on: on, .. }
            | LoyaltyEvent::PointsEarned { order, total, earned_on: on, pending_since: None, .. }
                if self.latest_purchase.as_ref() != Some(order) =>
            {
                let sale = Sale::of_total(order.clone(), *total, *on);
                self.purchase(Sale { buyer: buyer_of(event), ..sale }, programme);
            }
            LoyaltyEvent::OrderRefunded { order, refund, remaining, refunded_on } => {
                let refunded = SaleRefund::remaining(order.clone(), refund.clone(), *remaining, *refunded_on);
                let (programme, now) = (programme.clone(), self.now);
                self.decide(LoyaltyCommand::Reverse { refunded, programme: programme.clone(), now });
                self.follow(event, &programme);
            }
            LoyaltyEvent::HoldReleased { hold, reason: ReleaseReason::Cancelled, .. } => {
                self.decide(LoyaltyCommand::ReleaseHold { hold: *hold, now: self.now });
            }
            LoyaltyEvent::TierKept { .. } | LoyaltyEvent::TierDowngraded { .. } => {
                self.review(self.now.today, programme);
            }
            event => self.follow(event, programme),
        }
    }

    /// The rehearsed account goes on by a fact.
    fn follow(&mut self, event: &LoyaltyEvent, programme: &LoyaltyProgramme) {
        let rehearsed = std::mem::replace(&mut self.rehearsed, LoyaltyAccount::NotEnrolled);
        self.rehearsed = rehearsed.after_fact(event, &programme.on(self.now.today).rules);
    }

    /// What is due comes first, as in reality: whoever gives points back, or takes others in, lets nothing vest.
    fn decide_before(&mut self, event: &LoyaltyEvent, programme: &LoyaltyProgramme) {
        use LoyaltyEvent as E;
        let (now, programme) = (self.now, programme.clone());
        match event {
            E::HoldReleased { .. }
            | E::PointsRedeemed { hold: Some(_), .. }
            | E::PointsReturned { .. }
            | E::TransferReceived { .. }
            | E::StampAdded { .. }
            | E::StampRemoved { .. }
            | E::RewardEarned { .. }
            | E::RewardWithdrawn { .. }
            | E::RewardRedeemed { .. }
            | E::RewardReturned { .. }
            | E::RewardExpired { .. }
            | E::ReferralChanged { .. }
            | E::FlagRaised { .. }
            | E::FlagCleared { .. }
            | E::Absorbed { .. }
            | E::Merged { .. }
            | E::Closed { .. } => self.decide(LoyaltyCommand::Settle { now }),
            E::Enrolled { .. }
            | E::PointsPending { .. }
            | E::PointsEarned { .. }
            | E::PointsRedeemed { hold: None, .. }
            | E::PointsReversed { .. }
            | E::OrderRefunded { .. }
            | E::PointsAdjusted { .. }
            | E::PointsExpired { .. }
            | E::HoldPlaced { .. }
            | E::TierUpgraded { .. }
            | E::TierDowngraded { .. }
            | E::TierKept { .. }
            | E::TransferSent { .. } => {
                let order = self.asked_to_vest(event).filter(|order| self.is_pending(order));
                self.decide(LoyaltyCommand::Vest { order, programme, now });
            }
        }
    }

    /// The account as it was goes on.
    fn keep(&mut self, event: &LoyaltyEvent) {
        let known = std::mem::replace(&mut self.known, LoyaltyAccount::NotEnrolled);
        self.known = LoyaltyAccount::evolve(known, event);
    }

    /// The order whose points somebody let vest before their day, or that had none.
    fn asked_to_vest(&self, event: &LoyaltyEvent) -> Option<OrderId> {
        let LoyaltyEvent::PointsEarned { order, earned_on, pending_since: Some(_), .. } = event else { return None };
        let known = self.known.member().ok()?;
        (known.vests_on(order) != Some(*earned_on)).then(|| order.clone())
    }

    fn is_pending(&self, order: &OrderId) -> bool {
        self.rehearsed.member().is_ok_and(|member| member.is_pending(order))
    }

    fn purchase(&mut self, sale: Sale, programme: &LoyaltyProgramme) {
        let may_earn = |member: &Member| member.currency() == sale.total.currency() && !member.has_earned(&sale.order);
        if self.rehearsed.member().is_ok_and(may_earn) {
            self.purchases = self.purchases.saturating_add(1);
            self.latest_purchase = Some(sale.order.clone());
            let (programme, now) = (programme.clone(), self.now);
            self.decide(LoyaltyCommand::Earn { sale, programme, now });
        }
    }

    /// Lets vest what a job would have by a day, but for what had not vested in reality either yet. Once for a day: an import of long
    /// ago is decided as of its own dates.
    fn vest_by(&mut self, on: NaiveDate, programme: &LoyaltyProgramme) {
        if on <= self.vested_on {
            return;
        }
        self.vested_on = on;
        let today = before_what_was_not_done(&self.known, Member::next_vesting, on);
        if self.rehearsed.member().is_ok_and(|member| member.next_vesting().is_some_and(|day| day <= today)) {
            let now = Moment { today, ..self.now };
            self.decide(LoyaltyCommand::Vest { order: None, programme: programme.clone(), now });
        }
    }

    /// Makes the reviews that were asked for by a day, but for those that were not made in reality either yet: they count what was
    /// earned meanwhile, as they did there. Once for a day: who reaches a tier later by what was bought long ago keeps it until the next.
    fn review_by(&mut self, on: NaiveDate, programme: &LoyaltyProgramme) {
        let today = before_what_was_not_done(&self.known, Member::review_on, on);
        if today > self.reviewed_on {
            self.review(today, programme);
        }
    }

    fn review(&mut self, today: NaiveDate, programme: &LoyaltyProgramme) {
        self.reviewed_on = self.reviewed_on.max(today);
        if self.rehearsed.member().is_ok_and(|member| member.review_on().is_some_and(|on| on <= today)) {
            let now = Moment { today, ..self.now };
            self.decide(LoyaltyCommand::Review { programme: programme.clone(), now });
        }
    }

    fn decide(&mut self, command: LoyaltyCommand) {
        decide(&mut self.rehearsed, command);
    }
}

/// Who bought, as far as it is told by what was earned.
fn buyer_of(event: &LoyaltyEvent) -> Buyer {
    let given = match event {
        LoyaltyEvent::PointsPending { campaigns, .. } | LoyaltyEvent::PointsEarned { campaigns, .. } => &campaigns[..],
        _ => &[],
    };
    Buyer::AsRecorded { campaigns: given.iter().map(|given| given.campaign).collect() }
}

/// A day, or the last one before what was due in reality and had not been done.
fn before_what_was_not_done(known: &LoyaltyAccount, due: fn(&Member) -> Option<NaiveDate>, on: NaiveDate) -> NaiveDate {
    let not_done = known.member().ok().and_then(due).and_then(|day| day.pred_opt());
    not_done.map_or(on, |before| before.min(on))
}

/// Carries a command out; one that would be refused changes nothing.
fn decide(account: &mut LoyaltyAccount, command: LoyaltyCommand) {
    let events = LoyaltyAccount::decide(account, command).unwrap_or_default();
    let before = std::mem::replace(account, LoyaltyAccount::NotEnrolled);
    *account = LoyaltyAccount::fold(before, &events);
}

/// What a member has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Standing {
    /// The tier.
    pub tier: Tier,
    /// The points, available and held; below zero when points are owed.
    pub points: i64,
}

impl Standing {
    fn of(member: &Member) -> Self {
        Self { tier: member.tier(), points: member.available().saturating_add(member.held()) }
    }
}

/// What rules would have changed for a member.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemberOutcome {
    /// The account's currency.
    pub currency: Currency,
    /// The purchases since the enrolment.
    pub purchases: i64,
    /// What the member has.
    pub known: Standing,
    /// What the member would have.
    pub rehearsed: Standing,
}

/// What rules would have changed for all, as it adds up.
#[derive(Debug, Clone, Default)]
pub struct Sums {
    members: i64,
    purchases: i64,
    upgraded: i64,
    downgraded: i64,
    points: BTreeMap<Currency, (i64, i64)>,
}

impl Sums {
    /// Adds a member.
    pub fn add(&mut self, member: &MemberOutcome) {
        let MemberOutcome { currency, purchases, known, rehearsed } = member;
        self.members = self.members.saturating_add(1);
        self.purchases = self.purchases.saturating_add(*purchases);
        self.upgraded = self.upgraded.saturating_add((rehearsed.tier > known.tier).into());
        self.downgraded = self.downgraded.saturating_add((rehearsed.tier < known.tier).into());
        let points = self.points.entry(*currency).or_default();
        *points = (points.0.saturating_add(known.points), points.1.saturating_add(rehearsed.points));
    }

    /// All of it, with what the points are worth by the rules of today and by those that were rehearsed.
    #[must_use]
    pub fn outcome(&self, position: i64, known: &Programme, rehearsed: &Programme) -> RehearsalOutcome {
        let (of_known, of_rehearsed) = (|points: &(i64, i64)| points.0, |points: &(i64, i64)| points.1);
        let worth = |rules: &Programme, of: fn(&(i64, i64)) -> i64| {
            self.points.iter().filter_map(|(currency, points)| rules.discount(of(points), *currency)).collect()
        };
        let sum = |of: fn(&(i64, i64)) -> i64| self.points.values().map(of).fold(0, i64::saturating_add);
        RehearsalOutcome {
            position,
            members: self.members,
            purchases: self.purchases,
            upgraded: self.upgraded,
            downgraded: self.downgraded,
            points: sum(of_known),
            rehearsed_points: sum(of_rehearsed),
            liabilities: worth(known, of_known),
            rehearsed_liabilities: worth(rehearsed, of_rehearsed),
        }
    }
}
