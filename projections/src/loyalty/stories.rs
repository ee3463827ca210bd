//! Histories of an account as the domain decides them, for the tests of the folds.

use chrono::{Days, NaiveDate};
use domain::ids::{OrderId, RefundId};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::{Currency, Decider, Money};
use proptest::prelude::*;

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn usd() -> Currency {
    Currency::parse("USD").unwrap()
}

pub(crate) fn money(minor: i64) -> Money {
    Money::from_minor(minor, usd()).unwrap()
}

pub(crate) fn order(number: u8) -> OrderId {
    OrderId::parse(&format!("order-{number}")).unwrap()
}

pub(crate) fn decided(commands: impl IntoIterator<Item = LoyaltyCommand>) -> Vec<LoyaltyEvent> {
    let mut state = LoyaltyAccount::initial();
    let mut history = vec![];
    for command in commands {
        let events = LoyaltyAccount::decide(&state, command).unwrap();
        state = LoyaltyAccount::fold(state, &events);
        history.extend(events);
    }
    history
}

pub(crate) fn enrol(on: &str) -> LoyaltyCommand {
    LoyaltyCommand::Enrol { currency: usd(), on: day(on) }
}

pub(crate) fn earn(number: u8, minor: i64, on: &str) -> LoyaltyCommand {
    LoyaltyCommand::Earn { order: order(number), total: money(minor), on: day(on), today: day(on) }
}

pub(crate) fn redeem(points: i64, number: u8, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Redeem { points, order: order(number), today: day(today) }
}

/// A refund of an order of which so much remains.
pub(crate) fn reverse(number: u8, refund: u8, remaining: i64, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Reverse {
        order: order(number),
        refund: refund_id(refund),
        remaining_total: money(remaining),
        today: day(today),
    }
}

fn refund_id(number: u8) -> RefundId {
    RefundId::parse(&format!("refund-{number}")).unwrap()
}

pub(crate) fn any_day() -> impl Strategy<Value = NaiveDate> {
    (0_u64..1_500).prop_map(|days| day("2026-01-10") + Days::new(days))
}

pub(crate) fn any_command() -> impl Strategy<Value = LoyaltyCommand> {
    let number = 0_u8..12;
    let earned = (number.clone(), 0_i64..200000, any_day(), any_day());
    let earn = earned.prop_map(|(number, minor, on, today)| LoyaltyCommand::Earn {
        order: order(number),
        total: money(minor),
        on,
        today,
    });
    let redeemed = (number.clone(), 1_i64..20, any_day());
    let redeem = redeemed.prop_map(|(number, hundreds, today)| LoyaltyCommand::Redeem {
        points: hundreds * 100,
        order: order(number),
        today,
    });
    let reversed = (number, 0_u8..6, 0_i64..100000, any_day());
    let reverse = reversed.prop_map(|(number, refund, minor, today)| LoyaltyCommand::Reverse {
        order: order(number),
        refund: refund_id(refund),
        remaining_total: money(minor),
        today,
    });
    let expire = any_day().prop_map(|today| LoyaltyCommand::Expire { today });
    prop_oneof![5 => earn, 3 => redeem, 3 => reverse, 1 => expire]
}
