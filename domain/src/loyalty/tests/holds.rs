//! Holds: points set aside for an order, captured, released, lapsed.

use super::*;
use crate::loyalty::loyalty_account::HoldEnd;

const NOON: &str = "2026-03-01T12:00:00Z";
const SOON: &str = "2026-03-01T12:14:59Z";
const TOO_LATE: &str = "2026-03-01T12:15:00Z";

/// 250 points in a lot that lives until 2028-02-09.
fn with_points() -> Vec<LoyaltyEvent> {
    vec![enrolled(), earned(1, "order-1", 250, "2026-02-09")]
}

fn with(history: Vec<LoyaltyEvent>, more: impl IntoIterator<Item = LoyaltyEvent>) -> Vec<LoyaltyEvent> {
    history.into_iter().chain(more).collect()
}

/// Out of the first lot, at noon of 2026-03-01.
fn placed(number: u128, points: i64, order_id: &str, balance: i64) -> LoyaltyEvent {
    LoyaltyEvent::HoldPlaced {
        hold: hold(number),
        order: order(order_id),
        points,
        discount: usd(&format!("{}.00", points / 100)),
        from: vec![LotPoints { lot: 1, points }],
        placed_on: day("2026-03-01"),
        lapses_at: TOO_LATE.parse().unwrap(),
        lapses_on: day("2026-03-01"),
        balance,
    }
}

fn released(number: u128, points: i64, order_id: &str, balance: i64) -> LoyaltyEvent {
    LoyaltyEvent::HoldReleased {
        hold: hold(number),
        order: order(order_id),
        points,
        reason: ReleaseReason::Cancelled,
        paid_debt: 0,
        returned: vec![LotPoints { lot: 1, points }],
        released_at: SOON.parse().unwrap(),
        released_on: day("2026-03-01"),
        balance,
    }
}

fn lapsed(mut event: LoyaltyEvent) -> LoyaltyEvent {
    if let LoyaltyEvent::HoldReleased { reason, released_at, .. } = &mut event {
        *reason = ReleaseReason::Lapsed;
        *released_at = TOO_LATE.parse().unwrap();
    }
    event
}

fn captured(number: u128, mut event: LoyaltyEvent) -> LoyaltyEvent {
    if let LoyaltyEvent::PointsRedeemed { hold, .. } = &mut event {
        *hold = Some(self::hold(number));
    }
    event
}

#[test]
fn held_points_are_not_available_and_become_the_promised_discount() {
    let state = given::<LoyaltyAccount>(with_points())
        .when(place(1, 200, "order-7", NOON))
        .then([placed(1, 200, "order-7", 50)]);
    assert_eq!((member(&state).available(), member(&state).held()), (50, 200));
    let state = given::<LoyaltyAccount>(with(with_points(), [placed(1, 200, "order-7", 50)]))
        .when(capture(1, "order-7", SOON))
        .then([captured(1, redeemed("order-7", 200, "2.00", 50))]);
    assert_eq!((member(&state).available(), member(&state).held()), (50, 0));
}

#[test]
fn the_same_hold_is_placed_captured_and_released_only_once() {
    let held = with(with_points(), [placed(1, 200, "order-7", 50)]);
    given::<LoyaltyAccount>(held.clone()).when(place(2, 200, "order-7", SOON)).then([]);
    let spent = with(held.clone(), [captured(1, redeemed("order-7", 200, "2.00", 50))]);
    given::<LoyaltyAccount>(spent.clone()).when(capture(1, "order-7", SOON)).then([]);
    let already = LoyaltyError::OrderAlreadyRedeemed { order: order("order-7"), points: 200 };
    given::<LoyaltyAccount>(spent.clone()).when(redeem(200, "order-7", "2026-03-01")).then_refused(already.clone());
    given::<LoyaltyAccount>(spent.clone()).when(place(2, 200, "order-7", SOON)).then_refused(already);
    given::<LoyaltyAccount>(spent)
        .when(release(1, SOON))
        .then_refused(LoyaltyError::HoldOver { hold: hold(1), ended: HoldEnd::Captured });
    let back = with(held, [released(1, 200, "order-7", 250)]);
    given::<LoyaltyAccount>(back.clone()).when(release(1, SOON)).then([]);
    given::<LoyaltyAccount>(back)
        .when(capture(1, "order-7", SOON))
        .then_refused(LoyaltyError::HoldOver { hold: hold(1), ended: HoldEnd::Cancelled });
}

#[test]
fn never_more_is_held_or_redeemed_than_is_available() {
    let held = with(with_points(), [placed(1, 200, "order-7", 50)]);
    let too_many = LoyaltyError::InsufficientPoints { points: 100, available: 50 };
    given::<LoyaltyAccount>(held.clone()).when(place(2, 100, "order-8", SOON)).then_refused(too_many.clone());
    given::<LoyaltyAccount>(held).when(redeem(100, "order-8", "2026-03-01")).then_refused(too_many);
    given::<LoyaltyAccount>(with_points())
        .when(place(1, 150, "order-7", NOON))
        .then_refused(LoyaltyError::PointsNotRedeemable { points: 150, multiple_of: 100, minimum: 100 });
}

#[test]
fn an_order_has_one_hold_and_is_not_redeemed_beside_it() {
    let held = || with(with_points(), [placed(1, 100, "order-7", 150)]);
    let conflict = LoyaltyError::OrderAlreadyHeld { order: order("order-7"), hold: hold(1), points: 100 };
    given::<LoyaltyAccount>(held()).when(place(2, 200, "order-7", SOON)).then_refused(conflict.clone());
    given::<LoyaltyAccount>(held()).when(redeem(100, "order-7", "2026-03-01")).then_refused(conflict.clone());
    given::<LoyaltyAccount>(held())
        .when(capture(1, "order-8", SOON))
        .then_refused(LoyaltyError::HoldOfAnotherOrder { hold: hold(1), order: order("order-7") });
    let refusal = Refusal::from(conflict);
    assert_eq!((refusal.kind, &refusal.facts["hold"]), (RefusalKind::Conflict, &hold(1).to_string().into()));
}

#[test]
fn a_hold_that_nobody_placed_is_not_found() {
    for command in [capture(9, "order-7", NOON), release(9, NOON)] {
        given::<LoyaltyAccount>(with_points()).when(command).then_refused(LoyaltyError::HoldNotFound { hold: hold(9) });
    }
    assert_eq!(Refusal::from(LoyaltyError::HoldNotFound { hold: hold(9) }).kind, RefusalKind::NotFound);
}

#[test]
fn a_hold_lapses_after_fifteen_minutes_whether_or_not_a_job_ran() {
    let held = || with(with_points(), [placed(1, 200, "order-7", 50)]);
    given::<LoyaltyAccount>(held()).when(LoyaltyCommand::Settle { now: moment(SOON) }).then([]);
    let lapsed = lapsed(released(1, 200, "order-7", 250));
    given::<LoyaltyAccount>(held()).when(LoyaltyCommand::Settle { now: moment(TOO_LATE) }).then([lapsed.clone()]);
    given::<LoyaltyAccount>(held()).when(release(1, TOO_LATE)).then([lapsed.clone()]);
    let again = LoyaltyAccount::decide(&given::<LoyaltyAccount>(held()).state(), place(2, 100, "order-7", TOO_LATE));
    let again = again.unwrap();
    assert_eq!(again[0], lapsed);
    assert!(matches!(again[1..], [LoyaltyEvent::HoldPlaced { points: 100, balance: 150, .. }]));
    given::<LoyaltyAccount>(held())
        .when(capture(1, "order-7", TOO_LATE))
        .then_refused(LoyaltyError::HoldOver { hold: hold(1), ended: HoldEnd::Lapsed });
}

#[test]
fn the_promise_is_kept_although_the_points_grow_too_old_meanwhile() {
    let (early, late) = ("2028-02-08T23:55:00Z", "2028-02-09T00:05:00Z");
    let state = after(&given::<LoyaltyAccount>(with_points()).state(), place(1, 200, "order-7", early));
    let state = LoyaltyAccount::fold(state, &[expired(1, 50, "2028-02-09", 0)]);
    let spent = LoyaltyAccount::decide(&state, capture(1, "order-7", late)).unwrap();
    assert!(matches!(spent[..], [LoyaltyEvent::PointsRedeemed { points: 200, balance: 0, .. }]));
}

#[test]
fn what_comes_back_too_late_expires_at_once() {
    let (early, late) = ("2028-02-08T23:55:00Z", "2028-02-09T00:05:00Z");
    let held = after(&given::<LoyaltyAccount>(with_points()).state(), place(1, 200, "order-7", early));
    let back = LoyaltyAccount::decide(&held, release(1, late)).unwrap();
    let told: Vec<_> = back.iter().map(|event| (event.event_type(), points_and_balance(event))).collect();
    let expected = [
        ("loyalty.points.expired", (50, 0)),
        ("loyalty.hold.released", (200, 200)),
        ("loyalty.points.expired", (200, 0)),
    ];
    assert_eq!(told, expected);
    assert!(matches!(back[2], LoyaltyEvent::PointsExpired { lot: 1, hold: Some(_), .. }));
    let state = LoyaltyAccount::fold(held, &back);
    assert_eq!((lots(&state), member(&state).held()), (vec![], 0));
}

#[test]
fn what_comes_back_pays_what_is_owed_first() {
    let history =
        with(with_points(), [placed(1, 200, "order-7", 50), out_of([(1, 50)], reversed("order-1", 150, -100))]);
    let state = given::<LoyaltyAccount>(history.clone()).state();
    assert_eq!((member(&state).available(), member(&state).held()), (-100, 200));
    let back = LoyaltyAccount::decide(&state, release(1, SOON)).unwrap();
    let returned = vec![LotPoints { lot: 1, points: 100 }];
    assert!(
        matches!(&back[..], [LoyaltyEvent::HoldReleased { paid_debt: 100, returned: to, balance: 100, .. }] if *to == returned)
    );
    let state = LoyaltyAccount::fold(state, &back);
    assert_eq!((lots(&state), member(&state).debt()), (vec![(1, 100)], 0));
    // What was promised before is spent although points are owed.
    given::<LoyaltyAccount>(history)
        .when(capture(1, "order-7", SOON))
        .then([captured(1, redeemed("order-7", 200, "2.00", -100))]);
}

#[test]
fn an_account_has_no_more_than_so_many_holds() {
    let mut state = given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 5_000, "2026-02-09")]).state();
    for number in 0..32 {
        state = after(&state, place(number, 100, &format!("o-{number}"), NOON));
    }
    let one_more = LoyaltyAccount::decide(&state, place(32, 100, "o-32", NOON));
    assert_eq!(one_more, Err(LoyaltyError::TooManyHolds { limit: 32 }));
    assert_eq!(member(&state).held(), 3_200);
}

fn points_and_balance(event: &LoyaltyEvent) -> (i64, i64) {
    match event {
        LoyaltyEvent::PointsExpired { points, balance, .. } | LoyaltyEvent::HoldReleased { points, balance, .. } => {
            (*points, *balance)
        }
        other => panic!("{other:?}"),
    }
}
