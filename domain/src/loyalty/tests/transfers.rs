//! Transfers: points that go to another account with the dates they had.

use super::*;

const GIVER: CustomerId = CustomerId::new(uuid::Uuid::from_u128(1));
const RECEIVER: CustomerId = CustomerId::new(uuid::Uuid::from_u128(2));

fn transfer() -> TransferId {
    TransferId::parse("transfer-1").unwrap()
}

fn send(points: i64, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::SendTransfer {
        transfer: transfer(),
        to: RECEIVER,
        points,
        reason: None,
        programme: standard(),
        now: noon(today),
    }
}

fn receive(lots: Vec<MovedLot>, currency: &str, today: &str) -> LoyaltyCommand {
    let (transfer, currency, now) = (transfer(), code(currency), noon(today));
    LoyaltyCommand::ReceiveTransfer { transfer, from: GIVER, lots, reason: None, currency, now }
}

/// A part of a lot that was earned on a day.
fn part(lot: u32, points: i64, earned_on: &str) -> MovedLot {
    MovedLot { lot, points, earned_on: day(earned_on), expires_on: day(earned_on) + chrono::Months::new(24) }
}

fn sent(points: i64, lots: Vec<MovedLot>, balance: i64) -> LoyaltyEvent {
    let (currency, sent_on) = (code("USD"), day("2026-03-01"));
    LoyaltyEvent::TransferSent {
        transfer: transfer(),
        to: RECEIVER,
        points,
        lots,
        reason: None,
        currency,
        sent_on,
        balance,
    }
}

fn received(lots: Vec<MovedLot>, paid_debt: i64, balance: i64) -> LoyaltyEvent {
    LoyaltyEvent::TransferReceived {
        transfer: transfer(),
        from: GIVER,
        points: lots.iter().map(|lot| lot.points).sum(),
        lots,
        paid_debt,
        reason: None,
        currency: code("USD"),
        received_on: day("2026-03-01"),
        balance,
    }
}

/// 250 points of January and 100 of February.
fn with_points() -> Vec<LoyaltyEvent> {
    vec![
        enrolled(),
        earned(1, "order-1", 250, "2026-01-15"),
        with_balance(350, earned(2, "order-2", 100, "2026-02-09")),
    ]
}

#[test]
fn the_oldest_points_go_first_and_keep_their_dates() {
    let lots = vec![part(1, 250, "2026-01-15"), part(2, 50, "2026-02-09")];
    let giver =
        given::<LoyaltyAccount>(with_points()).when(send(300, "2026-03-01")).then([sent(300, lots.clone(), 50)]);
    assert_eq!(super::lots(&giver), [(2, 50)]);
    let receiver = given::<LoyaltyAccount>([enrolled()])
        .when(receive(lots.clone(), "USD", "2026-03-01"))
        .then([received(lots, 0, 300)]);
    assert_eq!(super::lots(&receiver), [(1, 250), (2, 50)]);
    assert_eq!(member(&receiver).lots()[0].expires_on, day("2028-01-15"));
}

#[test]
fn a_transfer_is_made_once_by_its_id() {
    let lots = vec![part(1, 250, "2026-01-15"), part(2, 50, "2026-02-09")];
    let giver = || with_points().into_iter().chain([sent(300, lots.clone(), 50)]);
    given::<LoyaltyAccount>(giver()).when(send(300, "2026-03-02")).then([]);
    let already = || LoyaltyError::TransferAlreadyMade { transfer: transfer() };
    given::<LoyaltyAccount>(giver()).when(send(10, "2026-03-02")).then_refused(already());
    let elsewhere = LoyaltyCommand::SendTransfer {
        transfer: transfer(),
        to: GIVER,
        points: 300,
        reason: None,
        programme: standard(),
        now: noon("2026-03-02"),
    };
    given::<LoyaltyAccount>(giver()).when(elsewhere).then_refused(already());
    let received = [enrolled(), received(lots.clone(), 0, 300)];
    given::<LoyaltyAccount>(received.clone()).when(receive(lots.clone(), "USD", "2026-03-02")).then([]);
    let back = after(&given::<LoyaltyAccount>(received).state(), send(100, "2026-03-02"));
    assert_eq!(member(&back).available(), 200, "an id of who gives is not one of who receives");
}

#[test]
fn more_than_there_is_and_nothing_are_refused() {
    let giving = |points| given::<LoyaltyAccount>(with_points()).when(send(points, "2026-03-01"));
    giving(351).then_refused(LoyaltyError::InsufficientPoints { points: 351, available: 350 });
    for points in [0, -100, i64::MIN] {
        giving(points).then_refused(LoyaltyError::PointsNotPositive { points });
    }
    given::<LoyaltyAccount>([]).when(send(1, "2026-03-01")).then_refused(LoyaltyError::NotAMember);
}

#[test]
fn held_points_stay() {
    let held = after(&given::<LoyaltyAccount>(with_points()).state(), place(1, 300, "order-7", "2026-03-01T12:00:00Z"));
    let refused = LoyaltyAccount::decide(&held, send(100, "2026-03-01"));
    assert_eq!(refused, Err(LoyaltyError::InsufficientPoints { points: 100, available: 50 }));
    assert_eq!(lots(&after(&held, send(50, "2026-03-01"))), []);
}

#[test]
fn what_is_due_expires_before_anything_goes() {
    let state = given::<LoyaltyAccount>(with_points()).state();
    let refused = LoyaltyAccount::decide(&state, send(300, "2028-01-15"));
    assert_eq!(refused, Err(LoyaltyError::InsufficientPoints { points: 300, available: 100 }));
}

#[test]
fn lots_of_the_same_dates_become_one() {
    let lots = vec![part(4, 10, "2026-02-09"), part(5, 20, "2026-02-09"), part(9, 5, "2026-01-15")];
    let merged = vec![part(2, 5, "2026-01-15"), part(3, 30, "2026-02-09")];
    given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 100, "2026-02-20")])
        .when(receive(lots, "USD", "2026-03-01"))
        .then([received(merged, 0, 135)]);
}

#[test]
fn points_that_come_pay_what_is_owed_first_with_the_oldest() {
    let owing = [
        enrolled(),
        earned(1, "order-1", 100, "2026-02-09"),
        redeemed("order-9", 100, "1.00", 0),
        out_of([], reversed("order-1", 100, -100)),
    ];
    let lots = vec![part(7, 60, "2026-01-15"), part(8, 60, "2026-02-09")];
    let numbered = vec![part(2, 60, "2026-01-15"), part(3, 60, "2026-02-09")];
    let state = given::<LoyaltyAccount>(owing.clone())
        .when(receive(lots, "USD", "2026-03-01"))
        .then([received(numbered, 100, 20)]);
    assert_eq!((super::lots(&state), member(&state).debt()), (vec![(3, 20)], 0));
    given::<LoyaltyAccount>(owing)
        .when(send(1, "2026-03-01"))
        .then_refused(LoyaltyError::InsufficientPoints { points: 1, available: -100 });
}

#[test]
fn who_cannot_receive_is_refused_apart_from_who_cannot_give() {
    let lots = || vec![part(1, 100, "2026-02-09")];
    given::<LoyaltyAccount>([])
        .when(receive(lots(), "USD", "2026-03-01"))
        .then_refused(LoyaltyError::ReceiverNotAMember);
    let closed = LoyaltyEvent::Closed { points: 0, held: 0, currency: code("USD"), on: day("2026-02-09") };
    given::<LoyaltyAccount>([enrolled(), closed])
        .when(receive(lots(), "USD", "2026-03-01"))
        .then_refused(LoyaltyError::ReceiverClosed);
    given::<LoyaltyAccount>([enrolled()])
        .when(receive(lots(), "EUR", "2026-03-01"))
        .then_refused(LoyaltyError::ReceiverCurrency { expected: code("USD"), given: code("EUR") });
    let mut nearly_full = received(vec![part(1, POINTS_MAX - 50, "2026-02-09")], 0, POINTS_MAX - 50);
    if let LoyaltyEvent::TransferReceived { from, .. } = &mut nearly_full {
        *from = RECEIVER;
    }
    given::<LoyaltyAccount>([enrolled(), nearly_full])
        .when(receive(lots(), "USD", "2026-03-01"))
        .then_refused(LoyaltyError::ReceiverLimit { limit: POINTS_MAX });
    for error in [LoyaltyError::ReceiverNotAMember, LoyaltyError::ReceiverClosed, LoyaltyError::TransferToItself] {
        assert_eq!(Refusal::from(error).field.as_deref(), Some("/to"));
    }
}

#[test]
fn a_tier_follows_who_earned_the_points_and_not_who_has_them() {
    let rich = vec![
        enrolled(),
        earned(1, "order-1", 1_000, "2026-02-09"),
        upgraded(Tier::Bronze, Tier::Silver, 1_000, "2026-02-09"),
    ];
    let giver = after(&given::<LoyaltyAccount>(rich).state(), send(1_000, "2026-03-01"));
    assert_eq!((member(&giver).tier(), member(&giver).earned_last_12_months(day("2026-03-01"))), (Tier::Silver, 1_000));
    let lots = vec![part(1, 1_000, "2026-02-09")];
    let receiver = after(&given::<LoyaltyAccount>([enrolled()]).state(), receive(lots, "USD", "2026-03-01"));
    let receiver = member(&receiver);
    assert_eq!((receiver.tier(), receiver.earned_last_12_months(day("2026-03-01"))), (Tier::Bronze, 0));
}

#[test]
fn an_order_that_is_given_back_after_its_points_went_is_owed() {
    let giver = after(&given::<LoyaltyAccount>(with_points()).state(), send(350, "2026-03-01"));
    let owing = after(&giver, reverse("order-1", "0.00", "2026-03-02"));
    assert_eq!(member(&owing).available(), -250);
}

/// To one that gives and takes in turn; what comes is not too old yet, as no account gives what is.
pub(super) fn any_transfer() -> impl Strategy<Value = LoyaltyCommand> {
    let any_id = || (1..9).prop_map(|number| TransferId::parse(&format!("transfer-{number}")).unwrap());
    let send = (any_id(), 1_i64..2_000, any_moment()).prop_map(|(transfer, points, now)| {
        LoyaltyCommand::SendTransfer { transfer, to: RECEIVER, points, reason: None, programme: standard(), now }
    });
    let part = (1_u32..9, 1_i64..900, 0_u64..700, 1_u64..700);
    let receive = (any_id(), prop::collection::vec(part, 1..4), any_moment()).prop_map(|(transfer, parts, now)| {
        let lots = parts.into_iter().map(|(lot, points, ago, ahead)| MovedLot {
            lot,
            points,
            earned_on: now.today - Days::new(ago),
            expires_on: now.today + Days::new(ahead),
        });
        let (lots, currency) = (lots.collect(), code("USD"));
        LoyaltyCommand::ReceiveTransfer { transfer, from: GIVER, lots, reason: None, currency, now }
    });
    prop_oneof![send, receive]
}
