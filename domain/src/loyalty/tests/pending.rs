//! Pending points vest on their day or when somebody says so; caps bound what purchases earn.

use super::*;
use crate::loyalty::programme::{EarnCaps, PendingRule, Programme};

const RETURN_WINDOW: u32 = 14;

fn rules(change: impl FnOnce(&mut Programme)) -> LoyaltyProgramme {
    let mut rules = Programme::clone(&Programme::standard());
    change(&mut rules);
    LoyaltyProgramme::always(rules)
}

fn vesting_after(days: Option<u32>) -> LoyaltyProgramme {
    rules(|rules| rules.pending = Some(PendingRule { vest_after_days: days }))
}

fn capped(points_per_order: Option<i64>, points_per_day: Option<i64>) -> LoyaltyProgramme {
    rules(|rules| rules.caps = EarnCaps { points_per_order, points_per_day })
}

fn buy(order_id: &str, total: &str, on: &str, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    let sale = Sale::of_total(order(order_id), usd(total), day(on));
    LoyaltyCommand::Earn { sale, programme: programme.clone(), now: noon(on) }
}

fn give_back(refund_id: &str, remaining: &str, on: &str, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    let refunded = SaleRefund::remaining(order("order-1"), refund(refund_id), usd(remaining), day(on));
    LoyaltyCommand::Reverse { refunded, programme: programme.clone(), now: noon(on) }
}

fn vest(order_id: Option<&str>, on: &str, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    LoyaltyCommand::Vest { order: order_id.map(order), programme: programme.clone(), now: noon(on) }
}

fn spend(points: i64, on: &str, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    LoyaltyCommand::Redeem { points, order: order("order-9"), programme: programme.clone(), now: noon(on) }
}

/// A member who bought on the 9th of February for so much.
fn bought(total: &str, programme: &LoyaltyProgramme) -> LoyaltyAccount {
    let enrolled = given::<LoyaltyAccount>([enrolled()]).state();
    after(&enrolled, buy("order-1", total, "2026-02-09", programme))
}

fn points(state: &LoyaltyAccount) -> (i64, i64) {
    (member(state).available(), member(state).pending())
}

#[test]
fn points_are_pending_until_the_purchase_cannot_be_given_back_any_more() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let told = LoyaltyAccount::decide(
        &given::<LoyaltyAccount>([enrolled()]).state(),
        buy("order-1", "1200.00", "2026-02-09", &rules),
    );
    let pending = LoyaltyEvent::PointsPending {
        order: order("order-1"),
        total: usd("1200.00"),
        programme: Some(1),
        tier: Tier::Bronze,
        base_points: 1_200,
        multiplier_percent: 100,
        points: 1_200,
        lot: 1,
        pending_on: day("2026-02-09"),
        vests_on: Some(day("2026-02-23")),
        expires_on: Some(day("2028-02-23")),
        campaigns: vec![],
        capped: 0,
        pending: 1_200,
        balance: 0,
    };
    assert_eq!(told, Ok(vec![pending]));
    let state = bought("1200.00", &rules);
    assert_eq!((points(&state), member(&state).tier()), ((0, 1_200), Tier::Bronze));
    assert_eq!(LoyaltyAccount::decide(&state, vest(None, "2026-02-22", &rules)), Ok(vec![]));

    let vested = LoyaltyAccount::decide(&state, vest(None, "2026-02-25", &rules)).unwrap();
    let LoyaltyEvent::PointsEarned { earned_on, expires_on, pending_since, points: earned, .. } = &vested[0] else {
        panic!("{vested:?}")
    };
    assert_eq!((*earned_on, *expires_on), (day("2026-02-23"), day("2028-02-23")), "whenever it is noticed");
    assert_eq!((*pending_since, *earned), (Some(day("2026-02-09")), 1_200));
    assert!(matches!(vested[1], LoyaltyEvent::TierUpgraded { to: Tier::Silver, .. }), "{vested:?}");
    let state = after(&state, vest(None, "2026-02-25", &rules));
    assert_eq!((points(&state), lots(&state)), ((1_200, 0), vec![(1, 1_200)]));
    assert_eq!(LoyaltyAccount::decide(&state, vest(None, "2026-02-26", &rules)), Ok(vec![]));
}

#[test]
fn pending_points_are_not_spent_and_those_that_have_vested_are_although_no_job_ran() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let state = bought("200.00", &rules);
    let refused = LoyaltyAccount::decide(&state, spend(100, "2026-02-22", &rules));
    assert_eq!(refused, Err(LoyaltyError::InsufficientPoints { points: 100, available: 0 }));
    assert_eq!(points(&after(&state, spend(100, "2026-02-23", &rules))), (100, 0));
}

#[test]
fn points_vest_when_somebody_says_so_and_only_once() {
    let rules = vesting_after(None);
    let state = bought("200.00", &rules);
    assert_eq!(LoyaltyAccount::decide(&state, vest(None, "2027-02-09", &rules)), Ok(vec![]), "never by themselves");
    let state = after(&state, vest(Some("order-1"), "2026-02-12", &rules));
    assert_eq!(points(&state), (200, 0));
    assert_eq!(LoyaltyAccount::decide(&state, vest(Some("order-1"), "2026-02-13", &rules)), Ok(vec![]));
    let unknown = LoyaltyAccount::decide(&state, vest(Some("order-2"), "2026-02-13", &rules));
    assert_eq!(unknown, Err(LoyaltyError::PointsNotPending { order: order("order-2") }));
}

#[test]
fn an_order_with_pending_points_earns_no_more() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let state = bought("200.00", &rules);
    assert_eq!(LoyaltyAccount::decide(&state, buy("order-1", "200.00", "2026-02-10", &rules)), Ok(vec![]));
}

#[test]
fn a_refund_takes_pending_points_back_and_nothing_is_owed() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let state = bought("200.00", &rules);
    let part = after(&state, give_back("refund-1", "150.00", "2026-02-10", &rules));
    assert_eq!((points(&part), member(&part).debt()), ((0, 150), 0));
    let repeated = LoyaltyAccount::decide(&part, give_back("refund-1", "150.00", "2026-02-10", &rules));
    assert_eq!(repeated, Ok(vec![]));
    let whole = after(&part, give_back("refund-2", "0.00", "2026-02-11", &rules));
    assert_eq!(points(&whole), (0, 0));
    assert_eq!(LoyaltyAccount::decide(&whole, vest(None, "2026-02-23", &rules)), Ok(vec![]));

    let vested = after(&part, vest(None, "2026-02-23", &rules));
    assert_eq!(points(&vested), (150, 0));
    let late = after(&vested, give_back("refund-2", "0.00", "2026-03-11", &rules));
    assert_eq!((points(&late), member(&late).debt()), ((0, 0), 0), "no more than had vested");
}

#[test]
fn a_purchase_told_late_has_vested_already() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let enrolled = given::<LoyaltyAccount>([enrolled()]).state();
    let sale = Sale::of_total(order("order-1"), usd("200.00"), day("2026-01-15"));
    let told = LoyaltyCommand::Earn { sale, programme: rules, now: noon("2026-02-09") };
    let events = LoyaltyAccount::decide(&enrolled, told).unwrap();
    assert!(
        matches!(events[..], [LoyaltyEvent::PointsPending { .. }, LoyaltyEvent::PointsEarned { points: 200, .. }]),
        "{events:?}"
    );
    assert_eq!(points(&LoyaltyAccount::fold(enrolled, &events)), (200, 0));
}

#[test]
fn a_survivor_takes_over_what_is_pending_and_it_vests_there() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let (survivor, other) = (bought("100.00", &rules), given::<LoyaltyAccount>([enrolled()]).state());
    let other = after(&other, buy("order-2", "300.00", "2026-02-11", &rules));
    let other = after(&other, {
        let refunded = SaleRefund::remaining(order("order-2"), refund("refund-7"), usd("250.00"), day("2026-02-12"));
        LoyaltyCommand::Reverse { refunded, programme: rules.clone(), now: noon("2026-02-12") }
    });
    let account = Box::new(member(&other).clone());
    let duplicate = CustomerId::new(uuid::Uuid::from_u128(7));
    let absorb = LoyaltyCommand::Absorb { duplicate, account, programme: rules.clone(), now: noon("2026-02-13") };
    let joined = after(&survivor, absorb);
    assert_eq!((points(&joined), member(&joined).earned_last_12_months(day("2026-02-13"))), ((0, 350), 0));
    let vested = after(&joined, vest(None, "2026-02-25", &rules));
    assert_eq!((points(&vested), lots(&vested)), ((350, 0), vec![(1, 100), (2, 250)]));
    let refunded = SaleRefund::remaining(order("order-2"), refund("refund-8"), usd("0.00"), day("2026-03-01"));
    let given_back = LoyaltyCommand::Reverse { refunded, programme: rules, now: noon("2026-03-01") };
    assert_eq!(points(&after(&vested, given_back)), (100, 0));
}

fn settle_before(survivor: &LoyaltyAccount, on: &str, rules: &LoyaltyProgramme) -> LoyaltyCommand {
    let with = Some(Box::new(member(survivor).clone()));
    LoyaltyCommand::SettleBeforeMerge { with, programme: rules.clone(), now: noon(on) }
}

fn absorb(duplicate: &LoyaltyAccount, on: &str, rules: &LoyaltyProgramme) -> LoyaltyCommand {
    let (duplicate, account) = (CustomerId::new(uuid::Uuid::from_u128(7)), Box::new(member(duplicate).clone()));
    LoyaltyCommand::Absorb { duplicate, account, programme: rules.clone(), now: noon(on) }
}

#[test]
fn what_is_pending_of_an_order_that_the_survivor_knows_too_vests_as_only_the_survivors_copy_is_given_back() {
    for days in [Some(RETURN_WINDOW), None] {
        let rules = vesting_after(days);
        let vested = after(&bought("100.00", &rules), vest(Some("order-1"), "2026-02-10", &rules));
        for (survivor, before) in [(vested, (100, 0)), (bought("100.00", &rules), (0, 100))] {
            let duplicate = after(&bought("50.00", &rules), buy("order-2", "7.00", "2026-02-09", &rules));
            let told = LoyaltyAccount::decide(&duplicate, settle_before(&survivor, "2026-02-12", &rules)).unwrap();
            let (on, since) = (day("2026-02-12"), Some(day("2026-02-09")));
            assert!(
                matches!(&told[..], [LoyaltyEvent::PointsEarned { points: 50, earned_on, pending_since, .. }]
                    if (*earned_on, *pending_since) == (on, since)),
                "{told:?}"
            );
            let settled = LoyaltyAccount::fold(duplicate.clone(), &told);
            assert_eq!(LoyaltyAccount::decide(&settled, settle_before(&survivor, "2026-02-12", &rules)), Ok(vec![]));
            let joined = after(&survivor, absorb(&settled, "2026-02-12", &rules));
            assert_eq!(points(&joined), (before.0 + 50, before.1 + 7));
            assert_eq!(joined, after(&survivor, absorb(&duplicate, "2026-02-12", &rules)), "whoever forgot to settle");
            let back = after(&joined, give_back("refund-1", "0.00", "2026-02-13", &rules));
            assert_eq!((points(&back), member(&back).debt()), ((50, 7), 0), "the survivor's 100 are gone");
        }
    }
}

#[test]
fn what_was_due_before_the_merge_vests_on_its_day() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let survivor = bought("100.00", &rules);
    let told =
        LoyaltyAccount::decide(&bought("50.00", &rules), settle_before(&survivor, "2026-03-01", &rules)).unwrap();
    let on = day("2026-02-23");
    assert!(
        matches!(&told[..], [LoyaltyEvent::PointsEarned { points: 50, earned_on, .. }] if *earned_on == on),
        "{told:?}"
    );
}

#[test]
fn what_the_survivor_has_pending_stays_so_when_the_duplicates_has_vested() {
    let rules = vesting_after(Some(RETURN_WINDOW));
    let duplicate = after(&bought("50.00", &rules), vest(Some("order-1"), "2026-02-10", &rules));
    let joined = after(&bought("100.00", &rules), absorb(&duplicate, "2026-02-12", &rules));
    assert_eq!(points(&joined), (50, 100));
    assert_eq!(points(&after(&joined, vest(None, "2026-02-23", &rules))), (150, 0));
}

#[test]
fn an_order_earns_no_more_than_its_cap_and_a_refund_takes_back_what_lies_above_what_is_left() {
    let rules = capped(Some(500), None);
    let state = bought("600.00", &rules);
    assert_eq!(points(&state), (500, 0));
    let part = after(&state, give_back("refund-1", "550.00", "2026-02-10", &rules));
    assert_eq!(points(&part), (500, 0), "the rest would have earned as much");
    let more = after(&part, give_back("refund-2", "200.00", "2026-02-11", &rules));
    assert_eq!(points(&more), (200, 0));
    assert_eq!(points(&after(&more, give_back("refund-3", "0.00", "2026-02-12", &rules))), (0, 0));
}

#[test]
fn the_orders_of_a_day_earn_no_more_than_its_cap() {
    let rules = capped(None, Some(500));
    let state = bought("400.00", &rules);
    let told = LoyaltyAccount::decide(&state, buy("order-2", "300.00", "2026-02-09", &rules)).unwrap();
    assert!(
        matches!(told[..], [LoyaltyEvent::PointsEarned { base_points: 300, points: 100, capped: 200, .. }]),
        "{told:?}"
    );
    let state = LoyaltyAccount::fold(state, &told);
    let told = LoyaltyAccount::decide(&state, buy("order-3", "1.00", "2026-02-09", &rules)).unwrap();
    assert!(matches!(told[..], [LoyaltyEvent::PointsEarned { points: 0, capped: 1, balance: 500, .. }]), "{told:?}");
    let cut = LoyaltyAccount::fold(state.clone(), &told);
    let again = LoyaltyAccount::decide(&cut, buy("order-3", "1.00", "2026-02-10", &rules));
    assert_eq!(again, Ok(vec![]), "another day does not free the order");
    assert_eq!(points(&after(&state, buy("order-4", "1.00", "2026-02-10", &rules))), (501, 0));
}

#[test]
fn the_caps_of_a_day_count_what_is_pending_too() {
    let rules = rules(|rules| {
        rules.caps = EarnCaps { points_per_order: None, points_per_day: Some(500) };
        rules.pending = Some(PendingRule { vest_after_days: Some(1) });
    });
    let state = after(&bought("400.00", &rules), buy("order-2", "300.00", "2026-02-09", &rules));
    assert_eq!(points(&state), (0, 500));
    let next = after(&state, buy("order-3", "400.00", "2026-02-10", &rules));
    assert_eq!(points(&next), (500, 400), "what vests on a day was earned with the sales of another");
}

/// What is asked under rules with pending points and caps.
pub(super) fn any_asked() -> impl Strategy<Value = LoyaltyCommand> {
    let orders = 1..8;
    let of_order = |number: i32| order(&format!("order-{number}"));
    let vest = (prop::option::of(orders), any_moment()).prop_map(move |(number, now)| LoyaltyCommand::Vest {
        order: number.map(of_order),
        programme: standard(),
        now,
    });
    prop_oneof![8 => any_command(), 1 => vest]
}

pub(super) fn under(rules: &LoyaltyProgramme, mut command: LoyaltyCommand) -> LoyaltyCommand {
    use LoyaltyCommand as C;
    match &mut command {
        C::Earn { programme, .. }
        | C::Redeem { programme, .. }
        | C::Reverse { programme, .. }
        | C::RefundOrder { programme, .. }
        | C::PlaceHold { programme, .. }
        | C::Adjust { programme, .. }
        | C::SendTransfer { programme, .. }
        | C::Stamp { programme, .. }
        | C::NoteReferral { programme, .. }
        | C::Vest { programme, .. }
        | C::SettleBeforeMerge { programme, .. }
        | C::Absorb { programme, .. }
        | C::Review { programme, .. } => *programme = rules.clone(),
        C::Enrol { .. }
        | C::CaptureHold { .. }
        | C::ReleaseHold { .. }
        | C::Return { .. }
        | C::ReceiveTransfer { .. }
        | C::MergeInto { .. }
        | C::Settle { .. }
        | C::TakeStampsBack { .. }
        | C::GiveReferralBack { .. }
        | C::RedeemReward { .. }
        | C::FlagSelfReferral { .. }
        | C::ClearFlag { .. }
        | C::Close { .. } => {}
    }
    command
}

proptest! {
    /// Whatever is asked: what is pending is what became pending, less what vested and what was taken back of it; no
    /// purchase earns more than the cap of its day.
    #[test]
    fn pending_points_vest_or_are_taken_back(
        commands in prop::collection::vec(any_asked(), 1..60),
        days in prop::option::of(1_u32..400),
        per_day in prop::option::of(1_i64..2_000),
    ) {
        let rules = rules(|rules| {
            rules.pending = Some(PendingRule { vest_after_days: days });
            rules.caps.points_per_day = per_day;
        });
        let mut state = given::<LoyaltyAccount>([enrolled()]).state();
        let mut pending = 0;
        for command in super::any_history::in_time(commands) {
            for event in LoyaltyAccount::decide(&state, under(&rules, command)).unwrap_or_default() {
                match &event {
                    LoyaltyEvent::PointsPending { points, pending: told, .. } => {
                        pending += points;
                        prop_assert_eq!(pending, *told);
                        prop_assert!(*points <= per_day.unwrap_or(i64::MAX));
                    }
                    LoyaltyEvent::PointsEarned { points, pending_since, .. } => {
                        let is_told = pending_since.is_some() || *points == 0;
                        prop_assert!(is_told, "all points of purchases are pending first");
                        pending -= points;
                    }
                    LoyaltyEvent::PointsReversed { points, pending: true, .. } => pending -= points,
                    _ => {}
                }
                state = LoyaltyAccount::evolve(state, &event);
                prop_assert_eq!(member(&state).pending(), pending);
                prop_assert!(pending >= 0);
            }
        }
    }
}
