//! Orders that only the account knows, given back; and refunds that are told in another currency than the account was.

use super::*;

fn refund_order(refund_id: &str, order_id: &str, remaining: &str) -> LoyaltyCommand {
    let refunded = SaleRefund::remaining(order(order_id), refund(refund_id), usd(remaining), day("2026-02-20"));
    LoyaltyCommand::RefundOrder { refunded, programme: standard(), now: noon("2026-02-20") }
}

fn refunded(refund_id: &str, order_id: &str, remaining: &str) -> LoyaltyEvent {
    let (order, refund) = (order(order_id), refund(refund_id));
    LoyaltyEvent::OrderRefunded { order, refund, remaining: usd(remaining), refunded_on: day("2026-02-20") }
}

fn nothing(order_id: &str, left: &str) -> LoyaltyError {
    LoyaltyError::NothingGivenBack { order: order(order_id), left: usd(left) }
}

pub(super) fn any_refund_of_an_order() -> impl Strategy<Value = LoyaltyCommand> {
    (1..8, 1..5, 0_i64..300_000, any_moment()).prop_map(|(order_number, refund_number, remaining, now)| {
        let (order, refund) = (order(&format!("order-{order_number}")), refund(&format!("refund-{refund_number}")));
        let remaining = Money::from_minor(remaining, code("USD")).unwrap();
        let refunded = SaleRefund::remaining(order, refund, remaining, now.today);
        LoyaltyCommand::RefundOrder { refunded, programme: standard(), now }
    })
}

/// An account that was told an order of 100.00, and spent 100 points for another one.
fn told() -> LoyaltyAccount {
    let state = given::<LoyaltyAccount>([enrolled()]).state();
    let earned =
        after(&after(&state, earn("order-1", "100.00", "2026-02-01")), earn("order-2", "100.00", "2026-02-02"));
    after(&earned, redeem(100, "order-7", "2026-02-03"))
}

fn points_moved(state: &LoyaltyAccount, command: LoyaltyCommand) -> (i64, LoyaltyAccount) {
    let events = LoyaltyAccount::decide(state, command).unwrap();
    let next = LoyaltyAccount::fold(state.clone(), &events);
    (member(&next).available() - member(state).available(), next)
}

#[test]
fn an_order_is_given_back_in_parts_until_nothing_is_left_of_it() {
    let given = LoyaltyAccount::decide(&told(), refund_order("refund-1", "order-2", "60.00")).unwrap();
    assert_eq!(given.first(), Some(&refunded("refund-1", "order-2", "60.00")));
    let (moved, part) = points_moved(&told(), refund_order("refund-1", "order-2", "60.00"));
    assert_eq!(moved, -40);
    assert_eq!(LoyaltyAccount::decide(&part, refund_order("refund-1", "order-2", "60.00")), Ok(vec![]));
    let again = |remaining| LoyaltyAccount::decide(&part, refund_order("refund-2", "order-2", remaining));
    assert_eq!(again("60.00"), Err(nothing("order-2", "60.00")));
    assert_eq!(again("99.00"), Err(nothing("order-2", "60.00")), "what was given back stays so");
    let (moved, whole) = points_moved(&part, refund_order("refund-2", "order-2", "0.00"));
    assert_eq!(moved, -60);
    let more = LoyaltyAccount::decide(&whole, refund_order("refund-3", "order-2", "0.00"));
    assert_eq!(more, Err(nothing("order-2", "0.00")));
    let too_much = LoyaltyAccount::decide(&told(), refund_order("refund-1", "order-2", "100.00"));
    assert_eq!(too_much, Err(nothing("order-2", "100.00")));
}

#[test]
fn a_part_that_earned_nothing_is_told_all_the_same() {
    let given = LoyaltyAccount::decide(&told(), refund_order("refund-1", "order-2", "99.99")).unwrap();
    assert_eq!(given.len(), 2, "a point goes: {given:?}");
    let state = LoyaltyAccount::fold(told(), &given);
    let given = LoyaltyAccount::decide(&state, refund_order("refund-2", "order-2", "99.50")).unwrap();
    assert_eq!(given, [refunded("refund-2", "order-2", "99.50")]);
}

#[test]
fn an_order_that_was_only_discounted_is_given_back_whole_and_once() {
    let part = LoyaltyAccount::decide(&told(), refund_order("refund-1", "order-7", "5.00"));
    assert_eq!(part, Err(LoyaltyError::TotalNotKnown { order: order("order-7") }));
    let (moved, state) = points_moved(&told(), refund_order("refund-1", "order-7", "0.00"));
    assert_eq!(moved, 100);
    assert_eq!(LoyaltyAccount::decide(&state, refund_order("refund-2", "order-7", "0.00")), Ok(vec![]));
    let unknown = LoyaltyAccount::decide(&state, refund_order("refund-2", "order-9", "0.00"));
    assert_eq!(unknown, Err(LoyaltyError::OrderNotKnown { order: order("order-9") }));
}

/// The account earned with what it was told in its own currency, the purchase was recorded in another.
#[test]
fn a_refund_in_another_currency_takes_back_the_same_share() {
    let eur = |amount: &str| Money::parse(amount, code("EUR")).unwrap();
    let reverse = |total: Option<&str>, remaining: &str| {
        let told = SaleRefund::remaining(order("order-2"), refund("refund-1"), eur(remaining), day("2026-02-20"));
        let refunded = SaleRefund { total: total.map(eur), ..told };
        LoyaltyCommand::Reverse { refunded, programme: standard(), now: noon("2026-02-20") }
    };
    assert_eq!(points_moved(&told(), reverse(Some("90.00"), "0.00")).0, -100);
    assert_eq!(points_moved(&told(), reverse(Some("90.00"), "45.00")).0, -50);
    assert_eq!(points_moved(&told(), reverse(Some("90.00"), "90.00")).0, 0);
    assert_eq!(
        LoyaltyAccount::decide(&told(), reverse(None, "0.00")),
        Err(mismatch()),
        "nobody knows of what it is a part"
    );
}
