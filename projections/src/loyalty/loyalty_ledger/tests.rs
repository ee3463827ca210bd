//! The rows of a story, and that they add up to the account over any history.

use super::{LedgerRow, LoyaltyLedger, Movement};
use crate::folding::recorded;
use crate::loyalty::stories::{
    any_command, as_far_as_allowed, capture, day, decided, earn, enrol, hold, hold_id, money, receive, redeem, release,
    reverse, send, settle,
};
use crate::read_model::ReadModel;
use domain::loyalty::events::LoyaltyEvent;
use proptest::prelude::*;

fn rows_of(events: impl IntoIterator<Item = LoyaltyEvent>) -> Vec<LedgerRow> {
    let recorded = events.into_iter().zip(1..).map(|(event, nth)| recorded(event, nth));
    let rows = recorded.flat_map(|recorded| {
        let keys = LoyaltyLedger::keys(&recorded);
        keys.into_iter().filter_map(move |key| LoyaltyLedger::apply(&key, None, &recorded))
    });
    rows.collect()
}

#[test]
fn a_purchase_a_refund_and_a_redemption_are_rows_with_running_balances() {
    let rows = rows_of(decided([
        enrol("2026-01-10"),
        earn(1, 25_000, "2026-02-09"),
        earn(2, 10_000, "2026-02-10"),
        reverse(2, 1, 4000, "2026-02-11"),
        redeem(200, 3, "2026-02-12"),
    ]));
    let told: Vec<_> = rows.iter().map(|row| (row.position.0, row.kind, row.points, row.balance)).collect();
    let expected = [
        (20, Movement::Earned, 250, 250),
        (30, Movement::Earned, 100, 350),
        (40, Movement::Reversed, -60, 290),
        (50, Movement::Redeemed, -200, 90),
    ];
    assert_eq!(told, expected);
    let facts = |row: &LedgerRow| (row.lot, row.order.clone(), row.refund.clone(), row.amount, row.moved_on);
    let some = |text: &str| Some(text.to_owned());
    assert_eq!(facts(&rows[0]), (Some(1), some("order-1"), None, Some(money(25_000)), day("2026-02-09")));
    assert_eq!(facts(&rows[2]), (Some(2), some("order-2"), some("refund-1"), None, day("2026-02-11")));
    assert_eq!(facts(&rows[3]), (None, some("order-3"), None, Some(money(200)), day("2026-02-12")));
}

#[test]
fn held_points_leave_the_balance_when_they_are_held_and_not_when_they_are_spent() {
    let rows = rows_of(decided([
        enrol("2026-01-10"),
        earn(1, 50_000, "2026-02-09"),
        hold(200, 7, "2026-02-10", 15),
        hold(100, 8, "2026-02-10", 15),
        capture(7, "2026-02-10"),
        release(8, "2026-02-10"),
    ]));
    let told: Vec<_> = rows[1..].iter().map(|row| (row.kind, row.points, row.held, row.balance)).collect();
    let expected = [
        (Movement::Held, -200, 200, 300),
        (Movement::Held, -100, 100, 200),
        (Movement::Redeemed, 0, -200, 200),
        (Movement::Released, 100, -100, 300),
    ];
    assert_eq!(told, expected);
    let (seven, eight) = (Some(hold_id(7).as_uuid()), Some(hold_id(8).as_uuid()));
    assert_eq!(rows[1..].iter().map(|row| row.hold).collect::<Vec<_>>(), [seven, eight, seven, eight]);
    assert_eq!((rows[1].amount, rows[3].amount, rows[4].amount), (Some(money(200)), Some(money(200)), None));
}

#[test]
fn points_expire_on_the_day_they_are_gone_whenever_that_is_recorded() {
    let bought = [enrol("2026-01-10"), earn(1, 2400, "2026-02-09"), settle("2028-06-01")];
    let expired = rows_of(decided(bought)).pop().unwrap();
    assert_eq!((expired.kind, expired.points, expired.balance), (Movement::Expired, -24, 0));
    assert_eq!((expired.moved_on, expired.order, expired.amount), (day("2028-02-09"), None, None));
}

#[test]
fn a_transfer_is_a_row_that_names_the_account_at_the_other_end() {
    let sent = rows_of(decided([enrol("2026-01-10"), earn(1, 25_000, "2026-02-09"), send(200, 1, "2026-02-10")]));
    let received = rows_of(decided([enrol("2026-01-10"), receive(200, 1, "2025-02-09", "2026-02-10")]));
    let told = [&sent[1], &received[0]].map(|row| (row.kind, row.points, row.balance, row.moved_on));
    let on = day("2026-02-10");
    assert_eq!(told, [(Movement::TransferredOut, -200, 50, on), (Movement::TransferredIn, 200, 200, on)]);
    for row in [&sent[1], &received[0]] {
        assert_eq!((row.transfer.as_deref(), row.other_account), (Some("transfer-1"), Some(uuid::Uuid::from_u128(2))));
    }
}

#[test]
fn what_moves_no_points_is_no_row() {
    let enrolled_and_upgraded = decided([enrol("2026-01-10"), earn(1, 100_000, "2026-02-09")]);
    let types: Vec<_> = enrolled_and_upgraded.iter().map(LoyaltyEvent::event_type).collect();
    assert_eq!(types, ["loyalty.account.enrolled", "loyalty.points.earned", "loyalty.tier.upgraded"]);
    assert_eq!(rows_of(enrolled_and_upgraded).len(), 1);
}

proptest! {
    /// Each row leaves the balance before plus its points, and the last one what the account has; so with held points.
    #[test]
    fn the_rows_add_up_to_the_account(commands in prop::collection::vec(any_command(), 0..60)) {
        let (history, state) = as_far_as_allowed(commands);
        let (mut balance, mut held) = (0, 0);
        for row in rows_of(history) {
            balance += row.points;
            held += row.held;
            prop_assert_eq!(row.balance, balance, "{:?}", row);
        }
        let member = state.member().unwrap();
        prop_assert_eq!((member.available(), member.held()), (balance, held));
    }
}
