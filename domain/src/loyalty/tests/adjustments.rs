//! Adjustments: points given and taken by hand.

use super::*;
use crate::event::Personal;
use crate::ids::AdjustmentId;
use crate::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use crate::loyalty::loyalty_account::ADJUSTMENT_MAX;
use crate::text::ReasonText;

pub(super) fn adjust_at(adjustment: &str, points: i64, now: Moment) -> LoyaltyCommand {
    let (adjustment, reason) = (AdjustmentId::parse(adjustment).unwrap(), AdjustmentReason::Goodwill);
    LoyaltyCommand::Adjust { adjustment, points, reason, note: AdjustmentNote::default(), programme: standard(), now }
}

fn adjust(points: i64) -> LoyaltyCommand {
    adjust_at("adjustment-1", points, noon("2026-03-01"))
}

fn adjusted(points: i64, balance: i64) -> LoyaltyEvent {
    LoyaltyEvent::PointsAdjusted {
        adjustment: AdjustmentId::parse("adjustment-1").unwrap(),
        points,
        reason: AdjustmentReason::Goodwill,
        lot: None,
        expires_on: None,
        from: vec![],
        paid_debt: 0,
        adjusted_on: day("2026-03-01"),
        currency: code("USD"),
        balance,
        personal: AdjustmentNote::default().into(),
    }
}

/// Points that made a lot.
fn given_as(number: u32, mut event: LoyaltyEvent) -> LoyaltyEvent {
    if let LoyaltyEvent::PointsAdjusted { lot, expires_on, .. } = &mut event {
        (*lot, *expires_on) = (Some(number), Some(day("2028-03-01")));
    }
    event
}

fn taken_from<const N: usize>(lots: [(u32, i64); N], mut event: LoyaltyEvent) -> LoyaltyEvent {
    if let LoyaltyEvent::PointsAdjusted { from, .. } = &mut event {
        *from = lots.map(|(lot, points)| LotPoints { lot, points }).to_vec();
    }
    event
}

#[test]
fn points_given_are_a_lot_that_expires_and_counts_for_no_tier() {
    let history = [enrolled(), earned(1, "order-1", 100, "2026-02-09")];
    let state = given::<LoyaltyAccount>(history).when(adjust(5_000)).then([given_as(2, adjusted(5_000, 5_100))]);
    assert_eq!(lots(&state), [(1, 100), (2, 5_000)]);
    assert_eq!(member(&state).earned_last_12_months(day("2026-03-01")), 100);
    assert_eq!(member(&state).tier(), Tier::Bronze);
    let late = LoyaltyAccount::decide(&state, settle("2028-03-01")).unwrap();
    assert_eq!(late, [expired(1, 100, "2028-02-09", 5_000), expired(2, 5_000, "2028-03-01", 0)]);
}

#[test]
fn the_next_purchase_makes_a_lot_of_its_own() {
    let state = given::<LoyaltyAccount>([enrolled(), given_as(1, adjusted(50, 50))]).state();
    let bought = LoyaltyAccount::decide(&state, earn("order-1", "7.00", "2026-03-02")).unwrap();
    assert!(matches!(bought[..], [LoyaltyEvent::PointsEarned { lot: 2, balance: 57, .. }]));
}

#[test]
fn points_taken_are_the_oldest_and_never_more_than_are_available() {
    let history = || [enrolled(), earned(1, "order-1", 100, "2026-02-09"), earned(2, "order-2", 50, "2026-01-15")];
    given::<LoyaltyAccount>(history()).when(adjust(-70)).then([taken_from([(2, 50), (1, 20)], adjusted(-70, 80))]);
    given::<LoyaltyAccount>(history())
        .when(adjust(-151))
        .then_refused(LoyaltyError::InsufficientPoints { points: 151, available: 150 });
}

#[test]
fn held_points_are_not_taken() {
    let history = [enrolled(), earned(1, "order-1", 250, "2026-02-09")];
    let held = after(&given::<LoyaltyAccount>(history).state(), place(1, 200, "order-7", "2026-03-01T12:00:00Z"));
    assert_eq!(
        LoyaltyAccount::decide(&held, adjust(-51)),
        Err(LoyaltyError::InsufficientPoints { points: 51, available: 50 })
    );
}

#[test]
fn points_given_pay_what_is_owed_first() {
    let owing = [
        enrolled(),
        earned(1, "order-1", 100, "2026-02-09"),
        redeemed("order-7", 100, "1.00", 0),
        out_of([], reversed("order-1", 100, -100)),
    ];
    let state = given::<LoyaltyAccount>(owing).state();
    let told = LoyaltyAccount::decide(&state, adjust(130)).unwrap();
    assert!(matches!(told[..], [LoyaltyEvent::PointsAdjusted { points: 130, paid_debt: 100, balance: 30, .. }]));
    let state = LoyaltyAccount::fold(state, &told);
    assert_eq!((lots(&state), member(&state).debt()), (vec![(2, 30)], 0));
}

#[test]
fn an_adjustment_is_made_once_and_another_under_its_id_is_refused() {
    let history = || [enrolled(), given_as(1, adjusted(50, 50))];
    given::<LoyaltyAccount>(history()).when(adjust(50)).then([]);
    let adjustment = || AdjustmentId::parse("adjustment-1").unwrap();
    let made = || LoyaltyError::AdjustmentAlreadyMade { adjustment: adjustment(), points: 50 };
    given::<LoyaltyAccount>(history()).when(adjust(-50)).then_refused(made());
    let note = AdjustmentNote { note: Some(ReasonText::parse("A broken cup").unwrap()) };
    for (reason, note) in [(AdjustmentReason::Fraud, AdjustmentNote::default()), (AdjustmentReason::Goodwill, note)] {
        let (adjustment, points, now) = (adjustment(), 50, noon("2026-03-01"));
        given::<LoyaltyAccount>(history())
            .when(LoyaltyCommand::Adjust { adjustment, points, reason, note, programme: standard(), now })
            .then_refused(made());
    }
    assert_eq!(Refusal::from(made()).field.as_deref(), Some("/adjustment_id"));
}

#[test]
fn nothing_and_far_too_much_are_refused() {
    given::<LoyaltyAccount>([enrolled()]).when(adjust(0)).then_refused(LoyaltyError::AdjustmentOfNothing);
    for points in [ADJUSTMENT_MAX + 1, -ADJUSTMENT_MAX - 1, i64::MIN, i64::MAX] {
        given::<LoyaltyAccount>([enrolled()])
            .when(adjust(points))
            .then_refused(LoyaltyError::AdjustmentLimit { points, limit: ADJUSTMENT_MAX });
    }
    let mut full = [enrolled(), earned(1, "order-1", 1, "2026-02-09")];
    if let LoyaltyEvent::PointsEarned { points, .. } = &mut full[1] {
        *points = POINTS_MAX;
    }
    let refused = LoyaltyError::AdjustedPointsLimit { available: POINTS_MAX, points: 1, limit: POINTS_MAX };
    given::<LoyaltyAccount>(full).when(adjust(1)).then_refused(refused.clone());
    assert_eq!((refused.code(), Refusal::from(refused.clone()).field.as_deref()), ("points_limit", Some("/points")));
    given::<LoyaltyAccount>([]).when(adjust(1)).then_refused(LoyaltyError::NotAMember);
}

#[test]
fn so_many_adjustments_are_remembered() {
    let mut state = given::<LoyaltyAccount>([enrolled()]).state();
    for number in 0..100 {
        state = after(&state, adjust_at(&format!("adjustment-{number}"), 1, noon("2026-03-01")));
    }
    let bytes = serde_json::to_vec(&state).unwrap().len();
    assert!(bytes < 12_000, "{bytes} bytes");
    assert_eq!(LoyaltyAccount::decide(&state, adjust_at("adjustment-99", 1, noon("2026-03-01"))), Ok(vec![]));
}

#[test]
fn what_was_said_is_forgotten_with_the_person_and_the_points_are_not() {
    let mut event = given_as(1, adjusted(50, 50));
    if let LoyaltyEvent::PointsAdjusted { personal, .. } = &mut event {
        *personal = Personal::Erased;
    }
    assert_eq!(lots(&given::<LoyaltyAccount>([enrolled(), event]).state()), [(1, 50)]);
}
