//! Redeemed points that come back with a refund.

use super::*;
use crate::loyalty::events::MovedLot;

/// Two lots: the first expires a month before the second.
fn with_points() -> Vec<LoyaltyEvent> {
    vec![
        enrolled(),
        earned(1, "order-1", 150, "2026-01-15"),
        with_balance(400, earned(2, "order-2", 250, "2026-02-15")),
    ]
}

/// 300 points spent for `order-7`: all of the first lot and 150 of the second.
fn spent() -> Vec<LoyaltyEvent> {
    let redeemed = out_of([(1, 150), (2, 150)], redeemed("order-7", 300, "3.00", 100));
    with_points().into_iter().chain([redeemed]).collect()
}

pub(super) fn give_back_at(order_id: &str, refund_id: &str, share: (i64, i64), now: Moment) -> LoyaltyCommand {
    LoyaltyCommand::Return { order: order(order_id), refund: refund(refund_id), share, on: now.today, now }
}

fn give_back(refund_id: &str, part: i64, whole: i64, today: &str) -> LoyaltyCommand {
    give_back_at("order-7", refund_id, (part, whole), noon(today))
}

fn returned(refund_id: &str, points: i64, lots: &[(u32, i64)], balance: i64) -> LoyaltyEvent {
    let lots = lots.iter().map(|&(lot, points)| {
        let earned_on = day(if lot == 1 { "2026-01-15" } else { "2026-02-15" });
        MovedLot { lot, points, earned_on, expires_on: earned_on + chrono::Months::new(24) }
    });
    LoyaltyEvent::PointsReturned {
        order: order("order-7"),
        refund: refund(refund_id),
        points,
        returned: lots.collect(),
        paid_debt: 0,
        returned_on: day("2026-03-05"),
        currency: code("USD"),
        balance,
    }
}

#[test]
fn what_was_redeemed_for_an_order_comes_back_to_its_lots_with_the_expiry_they_had() {
    let state = given::<LoyaltyAccount>(spent()).when(give_back("refund-1", 1, 1, "2026-03-05")).then([returned(
        "refund-1",
        300,
        &[(1, 150), (2, 150)],
        400,
    )]);
    let lots: Vec<_> = member(&state).lots().iter().map(|lot| (lot.number, lot.points, lot.expires_on)).collect();
    assert_eq!(lots, [(1, 150, day("2028-01-15")), (2, 250, day("2028-02-15"))]);
    assert_eq!(LoyaltyAccount::decide(&state, give_back("refund-2", 1, 1, "2026-03-05")), Ok(vec![]));
}

#[test]
fn parts_come_back_in_proportion_never_more_than_was_redeemed_and_all_at_the_end() {
    let mut state = given::<LoyaltyAccount>(spent()).state();
    let mut told = vec![];
    for (nth, share) in [(1, (100, 701)), (2, (333, 701)), (3, (700, 701)), (4, (701, 701)), (5, (701, 701))] {
        let events =
            LoyaltyAccount::decide(&state, give_back(&format!("refund-{nth}"), share.0, share.1, "2026-03-05"));
        for event in events.unwrap() {
            let LoyaltyEvent::PointsReturned { points, returned, .. } = &event else { panic!("{event:?}") };
            told.push((*points, returned.iter().map(|part| (part.lot, part.points)).collect::<Vec<_>>()));
            state = LoyaltyAccount::evolve(state, &event);
        }
    }
    // Those drawn last come back first.
    let expected = [(42, vec![(2, 42)]), (100, vec![(2, 100)]), (157, vec![(1, 149), (2, 8)]), (1, vec![(1, 1)])];
    assert_eq!(told, expected);
    assert_eq!(lots(&state), [(1, 150), (2, 250)]);
}

#[test]
fn captured_points_come_back_too() {
    let at = "2026-03-01T12:00:00Z";
    let held = after(&given::<LoyaltyAccount>(with_points()).state(), place(1, 300, "order-7", at));
    let captured = after(&held, capture(1, "order-7", at));
    let state = after(&captured, give_back("refund-1", 1, 1, "2026-03-05"));
    assert_eq!((lots(&state), member(&state).held()), (vec![(1, 150), (2, 250)], 0));
}

#[test]
fn what_is_held_comes_back_only_when_nothing_remains_of_the_order() {
    let history = with_points();
    let held = after(&given::<LoyaltyAccount>(history).state(), place(1, 300, "order-7", "2026-03-01T12:00:00Z"));
    let asked = |share| give_back_at("order-7", "refund-1", share, moment("2026-03-01T12:05:00Z"));
    assert_eq!(LoyaltyAccount::decide(&held, asked((1, 2))), Ok(vec![]));
    let told = LoyaltyAccount::decide(&held, asked((2, 2))).unwrap();
    assert!(matches!(
        told[..],
        [LoyaltyEvent::HoldReleased { points: 300, reason: ReleaseReason::Cancelled, balance: 400, .. }]
    ));
    // What was captured after a refund in part comes back with the next one.
    let captured = after(&held, capture(1, "order-7", "2026-03-01T12:10:00Z"));
    let told = LoyaltyAccount::decide(&captured, give_back("refund-2", 3, 4, "2026-03-05")).unwrap();
    assert!(matches!(told[..], [LoyaltyEvent::PointsReturned { points: 225, .. }]));
}

#[test]
fn what_comes_back_too_late_expires_at_once() {
    let told =
        LoyaltyAccount::decide(&given::<LoyaltyAccount>(spent()).state(), give_back("refund-1", 1, 1, "2028-01-20"));
    let told = told.unwrap();
    assert!(matches!(told[0], LoyaltyEvent::PointsReturned { points: 300, balance: 400, .. }));
    let gone = LoyaltyEvent::PointsExpired {
        lot: 1,
        points: 150,
        expires_on: day("2028-01-15"),
        hold: None,
        order: Some(order("order-7")),
        refund: Some(refund("refund-1")),
        currency: Some(code("USD")),
        balance: 250,
    };
    assert_eq!(told[1..], [gone]);
    let state = LoyaltyAccount::fold(given::<LoyaltyAccount>(spent()).state(), &told);
    assert_eq!(lots(&state), [(2, 250)]);
}

#[test]
fn what_comes_back_pays_what_is_owed_first() {
    let owing = spent().into_iter().chain([out_of([(2, 100)], reversed("order-2", 250, -150))]);
    let state = given::<LoyaltyAccount>(owing).state();
    let told = LoyaltyAccount::decide(&state, give_back("refund-2", 1, 1, "2026-03-05")).unwrap();
    assert!(matches!(told[..], [LoyaltyEvent::PointsReturned { points: 300, paid_debt: 150, balance: 150, .. }]));
    let state = LoyaltyAccount::fold(state, &told);
    assert_eq!((lots(&state), member(&state).debt()), (vec![(2, 150)], 0));
}

#[test]
fn an_order_that_was_not_discounted_gives_nothing_back() {
    given::<LoyaltyAccount>(with_points()).when(give_back("refund-1", 1, 1, "2026-03-05")).then([]);
    given::<LoyaltyAccount>(spent()).when(give_back("refund-1", 0, 1, "2026-03-05")).then([]);
    given::<LoyaltyAccount>([]).when(give_back("refund-1", 1, 1, "2026-03-05")).then_refused(LoyaltyError::NotAMember);
}

#[test]
fn an_order_is_not_redeemed_again_because_its_points_came_back() {
    let back = spent().into_iter().chain([returned("refund-1", 300, &[(1, 150), (2, 150)], 400)]);
    given::<LoyaltyAccount>(back).when(redeem(300, "order-7", "2026-03-06")).then([]);
}
