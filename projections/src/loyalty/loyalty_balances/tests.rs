//! The row against the domain's own account, over any history; and what the query makes of it.

use super::{Expiry, LoyaltyBalanceRow, LoyaltyBalances, rebalanced};
use crate::folding::{folded, recorded};
use crate::loyalty::stories::{
    adjust, any_command, any_moment, as_far_as_allowed, capture, day, decided, earn, enrol, hold, money, noon, order,
    receive, redeem, release, review, send, settle,
};
use crate::read_model::ReadModel;
use chrono::{Days, TimeDelta};
use domain::ids::{CustomerId, RefundId};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::events::{LotPoints, LoyaltyEvent};
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::programme::Programme;
use domain::loyalty::programme::Tier;
use domain::{Decider, Event, Moment};
use proptest::prelude::*;
use uuid::Uuid;

fn row_of(events: Vec<LoyaltyEvent>) -> LoyaltyBalanceRow {
    folded::<LoyaltyBalances>(&Uuid::from_u128(1), events.into_iter().map(Event::from)).unwrap()
}

#[test]
fn a_purchase_is_a_lot_that_expires() {
    let row = row_of(decided([enrol("2026-01-10"), earn(1, 2450, "2026-02-09")]));
    assert_eq!((row.available, row.lifetime_earned, row.earned_last_12_months), (24, 24, 24));
    let balance = row.at(noon("2026-02-09"), &Programme::standard());
    assert_eq!(balance.expiries, [Expiry { points: 24, expires_on: day("2028-02-09") }]);
}

#[test]
fn a_lot_that_is_due_is_gone_although_no_job_recorded_it() {
    let row = row_of(decided([enrol("2026-01-10"), earn(1, 2400, "2026-02-09"), earn(2, 3000, "2026-03-09")]));
    let before = row.clone().at(noon("2028-02-08"), &Programme::standard());
    let after = row.at(noon("2028-02-09"), &Programme::standard());
    assert_eq!((before.available, before.expired, before.expiries.len()), (54, 0, 2));
    assert_eq!((after.available, after.expired, after.expiries.len()), (30, 24, 1));
}

#[test]
fn a_recorded_expiry_shows_the_same_balance_as_an_unrecorded_one() {
    let bought = [enrol("2026-01-10"), earn(1, 2400, "2026-02-09"), earn(2, 3000, "2026-03-09")];
    let now = noon("2028-02-20");
    let shown = row_of(decided(bought.clone())).at(now, &Programme::standard());
    let recorded =
        row_of(decided(bought.into_iter().chain([LoyaltyCommand::Settle { now }]))).at(now, &Programme::standard());
    assert_eq!(
        (shown.available, shown.expired, shown.expiries),
        (recorded.available, recorded.expired, recorded.expiries)
    );
}

#[test]
fn points_of_the_last_twelve_months_fall_out_by_the_date_of_the_question() {
    let row = row_of(decided([enrol("2026-01-10"), earn(1, 60000, "2026-02-09"), earn(2, 30000, "2026-08-09")]));
    let on = |today| row.clone().at(noon(today), &Programme::standard()).earned_last_12_months;
    assert_eq!((on("2026-08-09"), on("2027-02-08"), on("2027-02-09"), on("2027-08-09")), (900, 900, 300, 0));
}

#[test]
fn a_used_up_lot_counts_for_the_tier_until_its_year_is_over() {
    let row = row_of(decided([enrol("2026-01-10"), earn(1, 20000, "2026-02-09"), redeem(200, 9, "2026-02-10")]));
    assert_eq!((row.available, row.earned_last_12_months, row.lots.len()), (0, 200, 1));
    let later = decided([
        enrol("2026-01-10"),
        earn(1, 20000, "2026-02-09"),
        redeem(200, 9, "2026-02-10"),
        earn(2, 10000, "2027-03-01"),
    ]);
    let row = row_of(later);
    assert_eq!((row.earned_last_12_months, row.lots.len()), (100, 1), "the old lot is forgotten");
}

#[test]
fn points_given_by_hand_are_a_lot_that_counts_for_no_tier_and_is_forgotten_once_used_up() {
    let story = [enrol("2026-01-10"), adjust(250, 1, "2026-02-09")];
    let row = row_of(decided(story.clone()));
    assert_eq!((row.available, row.adjusted, row.lifetime_earned, row.earned_last_12_months), (250, 250, 0, 0));
    assert_eq!(row.next_expiry_on, Some(day("2028-02-09")));
    let used = [redeem(200, 9, "2026-02-10"), adjust(-50, 2, "2026-02-11")];
    let row = row_of(decided(story.into_iter().chain(used)));
    assert_eq!((row.available, row.adjusted, row.lots.len()), (0, 200, 0));
}

#[test]
fn held_points_are_not_available_until_they_come_back() {
    let story = [enrol("2026-01-10"), earn(1, 25_000, "2026-02-09"), hold(200, 7, "2026-02-10", 15)];
    let row = row_of(decided(story.clone()));
    assert_eq!((row.available, row.held, row.holds.len()), (50, 200, 1));
    assert_eq!((row.next_lapse_at, row.next_expiry_on), (Some(row.holds[0].lapses_at), Some(day("2028-02-09"))));
    let Moment { at, today } = noon("2026-02-10");
    let after =
        |minutes| row.clone().at(Moment { at: at + TimeDelta::minutes(minutes), today }, &Programme::standard());
    assert_eq!((after(14).available, after(14).held, after(14).holds.len()), (50, 200, 1));
    assert_eq!((after(15).available, after(15).held, after(15).holds.len()), (250, 0, 0));
    let captured = row_of(decided(story.clone().into_iter().chain([capture(7, "2026-02-10")])));
    assert_eq!((captured.available, captured.held, captured.redeemed, captured.next_lapse_at), (50, 0, 200, None));
    let released = row_of(decided(story.into_iter().chain([release(7, "2026-02-10")])));
    assert_eq!((released.available, released.held, released.redeemed), (250, 0, 0));
}

#[test]
fn what_a_hold_kept_beyond_its_time_is_gone_when_it_lapses() {
    let story = [enrol("2026-01-10"), earn(1, 25_000, "2026-02-09"), hold(200, 7, "2028-02-08", 24 * 60)];
    let row = row_of(decided(story));
    let shown = |now| {
        let balance = row.clone().at(now, &Programme::standard());
        (balance.available, balance.held, balance.expired)
    };
    assert_eq!(shown(noon("2028-02-08")), (50, 200, 0));
    assert_eq!(shown(Moment { today: day("2028-02-09"), ..noon("2028-02-08") }), (0, 200, 50));
    assert_eq!(shown(noon("2028-02-09")), (0, 0, 250));
}

#[test]
fn a_review_is_foreseen_and_its_outcome_recorded() {
    let row = row_of(decided([enrol("2026-01-10"), earn(1, 500_000, "2026-02-09")]));
    assert_eq!((row.tier, row.review_on, review_to(&row)), (Tier::Gold, Some(day("2027-01-10")), Some(Tier::Gold)));
    let kept = row_of(decided([enrol("2026-01-10"), earn(1, 500_000, "2026-02-09"), review("2027-01-10")]));
    assert_eq!(
        (kept.tier, kept.review_on, review_to(&kept)),
        (Tier::Gold, Some(day("2028-01-10")), Some(Tier::Bronze))
    );
    let lost = [enrol("2026-01-10"), earn(1, 500_000, "2026-02-09"), review("2028-01-10"), settle("2028-02-09")];
    let lost = row_of(decided(lost));
    assert_eq!((lost.tier, lost.review_on, review_to(&lost), lost.next_expiry_on), (Tier::Bronze, None, None, None));
}

#[test]
fn points_that_were_transferred_count_for_the_tier_of_who_earned_them() {
    let sent = row_of(decided([enrol("2026-01-10"), earn(1, 25_000, "2026-02-09"), send(200, 1, "2026-02-10")]));
    assert_eq!((sent.available, sent.transferred_out, sent.earned_last_12_months), (50, 200, 250));
    let received = row_of(decided([enrol("2026-01-10"), receive(200, 1, "2025-02-09", "2026-02-10")]));
    assert_eq!((received.available, received.transferred_in, received.earned_last_12_months), (200, 200, 0));
    assert_eq!((received.lifetime_earned, received.next_expiry_on), (0, Some(day("2027-02-09"))));
}

#[test]
fn an_event_of_an_account_nobody_enrolled_makes_no_row() {
    let mut events = decided([enrol("2026-01-10"), earn(1, 2450, "2026-02-09")]);
    let earned = events.remove(1);
    assert_eq!(LoyaltyBalances::apply(&Uuid::from_u128(1), None, &recorded(earned, 2)), None);
}

#[test]
fn any_stored_sums_make_a_row() {
    let lot = |lot: u32| LoyaltyEvent::PointsEarned {
        order: order(1),
        total: money(100),
        programme: None,
        tier: Tier::Bronze,
        base_points: i64::MAX,
        multiplier_percent: 100,
        points: i64::MAX,
        lot,
        earned_on: day("2026-02-09"),
        expires_on: day("2028-02-09"),
        paid_debt: 0,
        campaigns: Vec::new(),
        capped: 0,
        pending_since: None,
        balance: i64::MIN,
    };
    let from = vec![LotPoints { lot: 1, points: i64::MAX }; 3];
    let redeemed = LoyaltyEvent::PointsRedeemed {
        order: order(1),
        points: i64::MAX,
        discount: money(100),
        from: from.clone(),
        hold: None,
        redeemed_on: day("2026-02-10"),
        balance: i64::MIN,
    };
    let reversed = LoyaltyEvent::PointsReversed {
        order: order(1),
        refund: RefundId::parse("refund-1").unwrap(),
        lot: 1,
        points: i64::MAX,
        from,
        reversed_on: day("2026-02-10"),
        currency: None,
        pending: false,
        campaigns: vec![],
        balance: i64::MIN,
    };
    let expired = LoyaltyEvent::PointsExpired {
        lot: 1,
        points: i64::MAX,
        expires_on: day("2028-02-09"),
        hold: None,
        order: None,
        refund: None,
        currency: None,
        balance: i64::MIN,
    };
    let enrolled = decided([enrol("2026-01-10")]);
    let twice =
        [lot(1), lot(2), lot(3), redeemed, reversed, expired].into_iter().flat_map(|event| [event.clone(), event]);
    let row = row_of(enrolled.into_iter().chain(twice).collect());
    assert_eq!(
        (row.lifetime_earned, row.redeemed, row.reversed, row.expired),
        (i64::MAX, i64::MAX, i64::MAX, i64::MAX)
    );
    assert_eq!(row.clone().at(noon("2026-03-01"), &Programme::standard()).expiries[0].points, i64::MAX);
    let due = row.at(noon("2028-02-09"), &Programme::standard());
    assert_eq!((due.available, due.expired, due.earned_last_12_months), (i64::MIN, i64::MAX, 0));
}

#[test]
fn a_row_is_never_updated_back_in_time() {
    let key = Uuid::from_u128(1);
    let [enrolled, earned] = decided([enrol("2026-01-10"), earn(1, 2450, "2026-02-09")]).try_into().unwrap();
    let row = LoyaltyBalances::apply(&key, None, &recorded(enrolled, 1)).unwrap();
    let (latest, mut late) = (row.updated_at, recorded(earned, 2));
    late.occurred_at = latest - Days::new(30);
    let row = LoyaltyBalances::apply(&key, Some(row), &late).unwrap();
    assert_eq!((row.updated_at, row.version), (latest, 2));
}

proptest! {
    /// After each event of any history, the row says what the domain's account says.
    #[test]
    fn the_row_is_the_account(commands in prop::collection::vec(any_command(), 0..60), asked in any_moment()) {
        keeps_up([enrol("2026-01-10")].into_iter().chain(commands), asked)?;
    }

    /// So does that of an account which took over another one, a member's or nobody's.
    #[test]
    fn the_row_is_the_account_that_absorbed_another(
        own in prop::collection::vec(any_command(), 0..30),
        other in prop::collection::vec(any_command(), 0..30),
        later in prop::collection::vec(any_command(), 0..30),
        is_member in any::<bool>(),
        (now, asked) in (any_moment(), any_moment()),
    ) {
        let settled = other.into_iter().chain([LoyaltyCommand::Settle { now }]).collect();
        let account = Box::new(as_far_as_allowed(settled).1.member().unwrap().clone());
        let absorb = LoyaltyCommand::Absorb { duplicate: CustomerId::new(Uuid::from_u128(2)), account, programme: LoyaltyProgramme::default(), now };
        let before = [enrol("2026-01-10")].into_iter().chain(own).filter(|_| is_member);
        keeps_up(before.chain([absorb]).chain(later), asked)?;
    }
}

fn keeps_up(commands: impl Iterator<Item = LoyaltyCommand>, asked: Moment) -> Result<(), TestCaseError> {
    let key = Uuid::from_u128(1);
    let mut state = LoyaltyAccount::initial();
    let mut row = None;
    let mut nth = 0;
    let mut sums = Sums::default();
    for command in commands {
        let Ok(events) = LoyaltyAccount::decide(&state, command) else { continue };
        for event in events {
            nth += 1;
            state = LoyaltyAccount::evolve(state, &event);
            sums.add(&event);
            let recorded = recorded(event, nth);
            // Where nothing is left out, time travel finds the balances that the events state.
            prop_assert_eq!(&rebalanced(recorded.clone(), row.as_ref()).event, &recorded.event);
            row = LoyaltyBalances::apply(&key, row, &recorded);
            same(&state, row.as_ref().unwrap(), &sums, asked)?;
        }
    }
    Ok(())
}

/// Totals of the events, counted in the plainest way.
#[derive(Debug, Default, PartialEq, Eq)]
struct Sums {
    earned: i64,
    redeemed: i64,
    reversed: i64,
    expired: i64,
    adjusted: i64,
    transferred_in: i64,
    transferred_out: i64,
    returned: i64,
}

impl Sums {
    fn add(&mut self, event: &LoyaltyEvent) {
        use LoyaltyEvent as E;
        match event {
            E::PointsEarned { points, .. } => self.earned += points,
            E::PointsRedeemed { points, .. } => self.redeemed += points,
            E::PointsReversed { points, pending: false, .. } => self.reversed += points,
            E::PointsExpired { points, .. } => self.expired += points,
            E::PointsAdjusted { points, .. } => self.adjusted += points,
            E::TransferReceived { points, .. } | E::Absorbed { points, .. } => self.transferred_in += points,
            E::TransferSent { points, .. } => self.transferred_out += points,
            E::PointsReturned { points, .. } => self.returned += points,
            E::Enrolled { .. }
            | E::PointsPending { .. }
            | E::PointsReversed { pending: true, .. }
            | E::TierUpgraded { .. }
            | E::TierDowngraded { .. }
            | E::TierKept { .. }
            | E::OrderRefunded { .. }
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
            | E::HoldPlaced { .. }
            | E::HoldReleased { .. }
            | E::Merged { .. }
            | E::Closed { .. } => {}
        }
    }
}

fn same(state: &LoyaltyAccount, row: &LoyaltyBalanceRow, sums: &Sums, asked: Moment) -> Result<(), TestCaseError> {
    let member = state.member().unwrap();
    let lots: Vec<_> =
        member.lots().iter().map(|lot| (lot.number, lot.points, lot.earned_on, lot.expires_on)).collect();
    let left = row.lots.iter().filter(|lot| lot.left > 0);
    let shown: Vec<_> = left.map(|lot| (lot.lot, lot.left, lot.earned_on, lot.expires_on)).collect();
    prop_assert_eq!(lots, shown);
    prop_assert_eq!(member.available(), row.available);
    prop_assert_eq!(member.debt(), (-row.available).max(0));
    prop_assert_eq!(member.tier(), row.tier);
    let counted = Sums {
        earned: row.lifetime_earned,
        redeemed: row.redeemed,
        reversed: row.reversed,
        expired: row.expired,
        adjusted: row.adjusted,
        transferred_in: row.transferred_in,
        transferred_out: row.transferred_out,
        returned: row.returned,
    };
    prop_assert_eq!(sums, &counted);
    prop_assert_eq!((member.held(), member.review_on()), (row.held, row.review_on));
    let gone = counted.redeemed + counted.reversed + counted.expired + counted.transferred_out;
    let come = counted.earned + counted.adjusted + counted.transferred_in + counted.returned;
    prop_assert_eq!(row.available + row.held, come - gone);
    if let Some(reference) = row.earned_reference_on {
        prop_assert_eq!(member.earned_last_12_months(reference), row.earned_last_12_months);
    }
    prop_assert_eq!(member.pending(), row.pending);
    let cards: Vec<_> = member.stamp_cards().map(|(card, stamps)| (card.as_str(), stamps)).collect();
    let shown: Vec<_> = row.stamp_cards.iter().map(|row| (row.card.as_str(), row.stamps)).collect();
    prop_assert_eq!(cards, shown);
    let rewards: Vec<_> = member.rewards().iter().map(|reward| (reward.number, reward.expires_on)).collect();
    let shown: Vec<_> = row.rewards.iter().map(|row| (row.reward, row.expires_on)).collect();
    prop_assert_eq!(rewards, shown);
    let vest = LoyaltyCommand::Vest { order: None, programme: LoyaltyProgramme::default(), now: asked };
    let due = LoyaltyAccount::decide(state, vest).unwrap();
    let later = LoyaltyAccount::fold(state.clone(), &due);
    let later = later.member().unwrap();
    let balance = row.clone().at(asked, &Programme::standard());
    prop_assert_eq!((later.available(), later.held()), (balance.available, balance.held), "at {:?}", asked);
    prop_assert_eq!((later.pending(), later.tier()), (balance.pending, balance.tier), "at {:?}", asked);
    prop_assert_eq!(later.earned_last_12_months(asked.today), balance.earned_last_12_months, "at {:?}", asked);
    let coming: i64 = balance.expiries.iter().map(|expiry| expiry.points).sum();
    prop_assert_eq!(coming, balance.available.max(0));
    projected(state, row)
}

/// What the row says the next review will decide is what it decides.
fn projected(state: &LoyaltyAccount, row: &LoyaltyBalanceRow) -> Result<(), TestCaseError> {
    let Some(today) = row.review_on else { return Ok(()) };
    let at = today.and_hms_opt(12, 0, 0).unwrap().and_utc();
    let events = LoyaltyAccount::decide(
        state,
        LoyaltyCommand::Review { programme: LoyaltyProgramme::default(), now: Moment { at, today } },
    )
    .unwrap();
    let reviewed = LoyaltyAccount::fold(state.clone(), &events);
    prop_assert_eq!(Some(reviewed.member().unwrap().tier()), review_to(row));
    Ok(())
}

/// The tier after the next review, by the standard rules.
fn review_to(row: &LoyaltyBalanceRow) -> Option<Tier> {
    row.projected_tier(&Programme::standard())
}
