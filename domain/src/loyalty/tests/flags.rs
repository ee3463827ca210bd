//! Orders that are bought and given back, again and again, are flagged until somebody has looked at it.

use super::*;
use crate::ids::ReasonCode;
use crate::loyalty::flags::FlagKind;

const LOOP: FlagKind = FlagKind::BuyRefundLoop;

/// Buys and gives back so many orders, one a day from a day on.
fn looped(mut state: LoyaltyAccount, orders: u32, from: &str) -> LoyaltyAccount {
    for number in 0..orders {
        let on = (day(from) + Days::new(number.into())).to_string();
        let order_id = format!("order-{from}-{number}");
        state = after(&state, earn(&order_id, "20.00", &on));
        state = after(&state, reverse(&order_id, "0.00", &on));
    }
    state
}

fn flags(state: &LoyaltyAccount) -> Vec<FlagKind> {
    member(state).flags().collect()
}

fn clear(on: &str) -> LoyaltyCommand {
    LoyaltyCommand::ClearFlag { flag: LOOP, reason: Some(ReasonCode::parse("talked-to").unwrap()), now: noon(on) }
}

fn new_member() -> LoyaltyAccount {
    given::<LoyaltyAccount>([enrolled()]).state()
}

#[test]
fn five_orders_given_back_within_a_month_are_flagged_once() {
    assert_eq!(flags(&looped(new_member(), 4, "2026-02-01")), []);
    let state = looped(new_member(), 4, "2026-02-01");
    let state = after(&state, earn("order-7", "20.00", "2026-02-20"));
    let told = LoyaltyAccount::decide(&state, reverse("order-7", "0.00", "2026-02-20")).unwrap();
    let raised =
        LoyaltyEvent::FlagRaised { flag: LOOP, orders: 5, since: day("2026-02-01"), raised_on: day("2026-02-20") };
    assert_eq!(told.last(), Some(&raised));
    let state = looped(state, 9, "2026-03-01");
    assert_eq!(flags(&state), [LOOP]);
}

#[test]
fn orders_given_back_in_part_or_long_apart_are_none() {
    let mut state = new_member();
    for number in 0..9 {
        let order_id = format!("order-{number}");
        state = after(&state, earn(&order_id, "20.00", "2026-02-01"));
        state = after(&state, reverse(&order_id, "10.00", "2026-02-02"));
    }
    assert_eq!(flags(&state), []);
    for month in 1..=9 {
        state = looped(state, 1, &format!("2026-0{month}-01"));
    }
    assert_eq!(flags(&state), []);
}

#[test]
fn who_has_looked_at_it_clears_it_and_what_was_counted_counts_no_more() {
    let state = looped(new_member(), 5, "2026-02-01");
    let cleared = after(&state, clear("2026-02-06"));
    assert_eq!(flags(&cleared), []);
    assert_eq!(LoyaltyAccount::decide(&cleared, clear("2026-02-07")), Err(LoyaltyError::NotFlagged { flag: LOOP }));
    assert_eq!(flags(&looped(cleared.clone(), 4, "2026-02-08")), []);
    assert_eq!(flags(&looped(cleared, 5, "2026-02-08")), [LOOP]);
}

#[test]
fn a_flag_comes_along_when_accounts_become_one() {
    let duplicate = looped(new_member(), 5, "2026-02-01");
    let absorb = LoyaltyCommand::Absorb {
        duplicate: CustomerId::new(uuid::Uuid::from_u128(9)),
        account: Box::new(member(&duplicate).clone()),
        programme: standard(),
        now: noon("2026-03-01"),
    };
    assert_eq!(flags(&after(&new_member(), absorb)), [LOOP]);
}
