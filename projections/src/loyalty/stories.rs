//! Histories of an account as the domain decides them, for the tests of the folds.

use chrono::{Days, Months, NaiveDate, TimeDelta};
use domain::ids::{AdjustmentId, CustomerId, HoldId, OrderId, RefundId, RewardCode, Sku, StampCardCode, TransferId};
use domain::loyalty::adjustments::{AdjustmentNote, AdjustmentReason};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::events::{LoyaltyEvent, MovedLot};
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::programme::{PendingRule, Programme, StampCard};
use domain::loyalty::sale::{Sale, SaleRefund};
use domain::purchase::{PurchaseLine, RefundedLine};
use domain::{Currency, Decider, Moment, Money};
use proptest::prelude::*;

pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

pub(crate) fn noon(date: &str) -> Moment {
    noon_of(day(date))
}

fn noon_of(today: NaiveDate) -> Moment {
    Moment { at: today.and_hms_opt(12, 0, 0).unwrap().and_utc(), today }
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

/// What a new account makes of some commands, and what it comes to; those that it refuses are left out.
pub(crate) fn as_far_as_allowed(commands: Vec<LoyaltyCommand>) -> (Vec<LoyaltyEvent>, LoyaltyAccount) {
    let mut state = LoyaltyAccount::initial();
    let mut history = vec![];
    for command in [enrol("2026-01-10")].into_iter().chain(commands) {
        let Ok(events) = LoyaltyAccount::decide(&state, command) else { continue };
        state = LoyaltyAccount::fold(state, &events);
        history.extend(events);
    }
    (history, state)
}

pub(crate) fn enrol(on: &str) -> LoyaltyCommand {
    LoyaltyCommand::Enrol { currency: usd(), on: day(on) }
}

pub(crate) fn earn(number: u8, minor: i64, on: &str) -> LoyaltyCommand {
    LoyaltyCommand::Earn {
        sale: Sale::of_total(order(number), money(minor), day(on)),
        programme: LoyaltyProgramme::default(),
        now: noon(on),
    }
}

pub(crate) fn redeem(points: i64, number: u8, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Redeem { points, order: order(number), programme: LoyaltyProgramme::default(), now: noon(today) }
}

/// Held at noon for so many minutes.
pub(crate) fn hold(points: i64, number: u8, today: &str, minutes: i64) -> LoyaltyCommand {
    hold_at(points, number, noon(today), TimeDelta::minutes(minutes))
}

fn hold_at(points: i64, number: u8, now: Moment, lasting: TimeDelta) -> LoyaltyCommand {
    let at = now.at + lasting;
    let lapses = Moment { at, today: at.date_naive() };
    LoyaltyCommand::PlaceHold {
        hold: hold_id(number),
        points,
        order: order(number),
        lapses,
        programme: LoyaltyProgramme::default(),
        now,
    }
}

/// The hold of an order has its number.
pub(crate) fn hold_id(number: u8) -> HoldId {
    HoldId::new(uuid::Uuid::from_u128(number.into()))
}

pub(crate) fn capture(number: u8, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::CaptureHold { hold: hold_id(number), order: order(number), now: noon(today) }
}

pub(crate) fn release(number: u8, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::ReleaseHold { hold: hold_id(number), now: noon(today) }
}

pub(crate) fn settle(today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Settle { now: noon(today) }
}

pub(crate) fn review(today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Review { programme: LoyaltyProgramme::default(), now: noon(today) }
}

/// To another account.
pub(crate) fn send(points: i64, number: u8, today: &str) -> LoyaltyCommand {
    send_at(points, number, noon(today))
}

fn send_at(points: i64, number: u8, now: Moment) -> LoyaltyCommand {
    LoyaltyCommand::SendTransfer {
        transfer: transfer(number),
        to: other_account(),
        points,
        reason: None,
        programme: LoyaltyProgramme::default(),
        now,
    }
}

/// From another account, of one day.
pub(crate) fn receive(points: i64, number: u8, earned_on: &str, today: &str) -> LoyaltyCommand {
    let earned_on = day(earned_on);
    receive_at(
        vec![MovedLot { lot: 1, points, earned_on, expires_on: earned_on + Months::new(24) }],
        number,
        noon(today),
    )
}

fn receive_at(lots: Vec<MovedLot>, number: u8, now: Moment) -> LoyaltyCommand {
    let (transfer, from, currency) = (transfer(number), other_account(), usd());
    LoyaltyCommand::ReceiveTransfer { transfer, from, lots, reason: None, currency, now }
}

fn transfer(number: u8) -> TransferId {
    TransferId::parse(&format!("transfer-{number}")).unwrap()
}

fn other_account() -> CustomerId {
    CustomerId::new(uuid::Uuid::from_u128(2))
}

/// What comes is not too old yet, as no account gives what is.
fn any_transfer() -> impl Strategy<Value = LoyaltyCommand> {
    let send = (1_i64..2_000, 0_u8..12, any_moment()).prop_map(|(points, number, now)| send_at(points, number, now));
    let part = (1_i64..900, 0_u64..700, 1_u64..700);
    let received = (prop::collection::vec(part, 1..4), 0_u8..12, any_moment());
    let receive = received.prop_map(|(parts, number, now)| {
        let lots = parts.into_iter().zip(1..).map(|((points, ago, ahead), lot)| {
            let (earned_on, expires_on) = (now.today - Days::new(ago), now.today + Days::new(ahead));
            MovedLot { lot, points, earned_on, expires_on }
        });
        receive_at(lots.collect(), number, now)
    });
    prop_oneof![send, receive]
}

/// A refund of an order of which so much remains.
pub(crate) fn reverse(number: u8, refund: u8, remaining: i64, today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Reverse {
        refunded: SaleRefund::remaining(order(number), refund_id(refund), money(remaining), day(today)),
        programme: LoyaltyProgramme::default(),
        now: noon(today),
    }
}

/// A refund of an order of which such a share is refunded by then.
pub(crate) fn give_back(number: u8, refund: u8, share: (i64, i64), today: &str) -> LoyaltyCommand {
    give_back_at(number, refund, share, noon(today))
}

fn give_back_at(number: u8, refund: u8, share: (i64, i64), now: Moment) -> LoyaltyCommand {
    LoyaltyCommand::Return { order: order(number), refund: refund_id(refund), share, on: now.today, now }
}

/// So many points given by hand; below zero taken.
pub(crate) fn adjust(points: i64, number: u8, today: &str) -> LoyaltyCommand {
    adjust_at(points, number, noon(today))
}

fn adjust_at(points: i64, number: u8, now: Moment) -> LoyaltyCommand {
    let adjustment = AdjustmentId::parse(&format!("adjustment-{number}")).unwrap();
    LoyaltyCommand::Adjust {
        adjustment,
        points,
        reason: AdjustmentReason::Goodwill,
        note: AdjustmentNote::default(),
        programme: LoyaltyProgramme::default(),
        now,
    }
}

fn refund_id(number: u8) -> RefundId {
    RefundId::parse(&format!("refund-{number}")).unwrap()
}

fn any_day() -> impl Strategy<Value = NaiveDate> {
    (0_u64..1_500).prop_map(|days| day("2026-01-10") + Days::new(days))
}

pub(crate) fn any_moment() -> impl Strategy<Value = Moment> {
    (any_day(), 0_i64..60).prop_map(|(day, minutes)| {
        let noon = noon_of(day);
        Moment { at: noon.at + TimeDelta::minutes(minutes), ..noon }
    })
}

/// The standard rules, sometimes with points that are pending first: some days, or until somebody says so.
fn any_programme() -> impl Strategy<Value = LoyaltyProgramme> {
    let pending = prop::option::of((1_u32..=60).prop_map(Some)).prop_map(|days| pending_for(days.flatten()));
    prop_oneof![3 => Just(LoyaltyProgramme::default()), 1 => pending]
}

pub(crate) fn pending_for(days: Option<u32>) -> LoyaltyProgramme {
    let pending = Some(PendingRule { vest_after_days: days });
    LoyaltyProgramme::always(Programme { pending, ..Programme::clone(&Programme::standard()) })
}

/// Purchases that are stamped on a card of three, their refunds, and rewards that are handed over.
fn any_stamping() -> impl Strategy<Value = LoyaltyCommand> {
    let stamped = (0_u8..12, 1_u32..8, prop::option::of(1_u32..24), any_moment());
    let stamp = stamped.prop_map(|(number, quantity, months, now)| {
        let lines = vec![PurchaseLine { sku: latte(), category: None, quantity, amount: money(300) }];
        let sale = Sale { lines, ..Sale::of_total(order(number), money(300), now.today) };
        LoyaltyCommand::Stamp { sale, programme: with_a_card(months), now }
    });
    let refunded = (0_u8..12, 0_u8..6, 0_u32..4, 0_i64..3, any_moment());
    let take_back = refunded.prop_map(|(number, refund, quantity, left, now)| {
        let lines = vec![RefundedLine { line: 0, sku: latte(), quantity, amount: money(300) }];
        let refunded = SaleRefund::remaining(order(number), refund_id(refund), money(left), now.today);
        LoyaltyCommand::TakeStampsBack { refunded: SaleRefund { lines, ..refunded }, now }
    });
    let redeemed = (1_u32..12, 0_u8..12, any_moment());
    let redeem = redeemed.prop_map(|(reward, number, now)| {
        let order = order(number);
        LoyaltyCommand::RedeemReward { reward, order, now }
    });
    prop_oneof![3 => stamp, 1 => take_back, 2 => redeem]
}

fn with_a_card(reward_expiry_months: Option<u32>) -> LoyaltyProgramme {
    let card = StampCard {
        code: StampCardCode::parse("coffee").unwrap(),
        categories: vec![],
        products: vec![latte()],
        stamps: 3,
        reward: RewardCode::parse("free_coffee").unwrap(),
        reward_expiry_months,
    };
    LoyaltyProgramme::always(Programme { stamp_cards: vec![card], ..Programme::clone(&Programme::standard()) })
}

fn latte() -> Sku {
    Sku::parse("latte-1").unwrap()
}

/// Holds last for minutes or for years here, so that all else happens while they are open, too.
pub(crate) fn any_command() -> impl Strategy<Value = LoyaltyCommand> {
    let number = 0_u8..12;
    let points = (1_i64..20).prop_map(|hundreds| hundreds * 100);
    let earned = (number.clone(), 0_i64..200000, any_day(), any_programme(), any_moment());
    let earn = earned.prop_map(|(number, minor, on, programme, now)| LoyaltyCommand::Earn {
        sale: Sale::of_total(order(number), money(minor), on),
        programme,
        now,
    });
    let redeemed = (number.clone(), points.clone(), any_moment());
    let redeem = redeemed.prop_map(|(number, points, now)| LoyaltyCommand::Redeem {
        points,
        order: order(number),
        programme: LoyaltyProgramme::default(),
        now,
    });
    let reversed = (number.clone(), 0_u8..6, 0_i64..100000, any_moment());
    let reverse = reversed.prop_map(|(number, refund, minor, now)| LoyaltyCommand::Reverse {
        refunded: SaleRefund::remaining(order(number), refund_id(refund), money(minor), now.today),
        programme: LoyaltyProgramme::default(),
        now,
    });
    let lasting = prop_oneof![(1_i64..60).prop_map(TimeDelta::minutes), (1_i64..900).prop_map(TimeDelta::days)];
    let held = (number.clone(), points, lasting, any_moment());
    let hold = held.prop_map(|(number, points, lasting, now)| hold_at(points, number, now, lasting));
    let captured = (number.clone(), any_moment());
    let capture = captured.prop_map(|(number, now)| LoyaltyCommand::CaptureHold {
        hold: hold_id(number),
        order: order(number),
        now,
    });
    let released = (number, any_moment());
    let release = released.prop_map(|(number, now)| LoyaltyCommand::ReleaseHold { hold: hold_id(number), now });
    let returned = (0_u8..12, 0_u8..6, 0_i64..10, any_moment());
    let give_back = returned.prop_map(|(number, refund, part, now)| give_back_at(number, refund, (part, 9), now));
    let adjusted = (-2_000_i64..2_000, 0_u8..20, any_moment());
    let adjust = adjusted.prop_map(|(points, number, now)| adjust_at(points, number, now));
    let vested = (prop::option::of(0_u8..12), any_moment());
    let vest = vested.prop_map(|(number, now)| LoyaltyCommand::Vest {
        order: number.map(order),
        programme: LoyaltyProgramme::default(),
        now,
    });
    let settle = any_moment().prop_map(|now| LoyaltyCommand::Settle { now });
    let review = any_moment().prop_map(|now| LoyaltyCommand::Review { programme: LoyaltyProgramme::default(), now });
    prop_oneof![
        6 => earn, 3 => redeem, 3 => reverse, 4 => hold, 2 => capture, 2 => release, 2 => adjust, 3 => give_back, 1 => settle,
        1 => review, 3 => any_transfer(), 2 => vest, 4 => any_stamping()
    ]
}
