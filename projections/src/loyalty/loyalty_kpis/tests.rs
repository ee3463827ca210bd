//! The figures of a story by day, and that they are the sums of the ledger over any history.

use super::{Figures, KpiRow, LoyaltyKpis, Moved, UNTOLD};
use crate::folding::{TENANT, recorded};
use crate::loyalty::loyalty_ledger::{LoyaltyLedger, Movement};
use crate::loyalty::stories::{
    adjust, any_command, as_far_as_allowed, day, decided, earn, enrol, give_back, noon, redeem, reverse, settle,
};
use crate::read_model::{ReadModel, Recorded, Rows};
use domain::Decider;
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::events::LoyaltyEvent;
use domain::loyalty::loyalty_account::LoyaltyAccount;
use proptest::prelude::*;
use std::collections::BTreeMap;

fn story(events: impl IntoIterator<Item = LoyaltyEvent>) -> Vec<Recorded> {
    events.into_iter().zip(1..).map(|(event, nth)| recorded(event, nth)).collect()
}

fn rows_of(story: &[Recorded]) -> Rows<LoyaltyKpis> {
    let mut rows = Rows::<LoyaltyKpis>::new();
    for recorded in story {
        for key in LoyaltyKpis::keys(recorded) {
            let before = rows.remove(&key);
            rows.extend(LoyaltyKpis::apply(&key, before, recorded).map(|row| (key, row)));
        }
    }
    rows
}

fn on<'a>(rows: &'a Rows<LoyaltyKpis>, date: &str) -> &'a KpiRow {
    &rows[&(TENANT, day(date))]
}

#[test]
fn a_day_counts_what_happened_on_it() {
    let rows = rows_of(&story(decided([
        enrol("2026-01-10"),
        earn(1, 25_000, "2026-02-09"),
        earn(2, 15_000, "2026-02-09"),
        reverse(2, 1, 5000, "2026-02-09"),
        redeem(200, 3, "2026-02-09"),
        settle("2028-06-01"),
    ])));
    assert_eq!(rows.len(), 3);
    assert_eq!(on(&rows, "2026-01-10").figures, Figures { enrolled: 1, ..Figures::default() });
    let moved = |points, count| Moved { points, count };
    let busy = Figures {
        earned: moved(400, 2),
        redeemed: moved(200, 1),
        reversed: moved(100, 1),
        discounts: BTreeMap::from([("USD".to_owned(), 200)]),
        ..Figures::default()
    };
    assert_eq!((on(&rows, "2026-02-09").position.0, &on(&rows, "2026-02-09").figures), (50, &busy));
    assert_eq!(on(&rows, "2028-02-09").figures, Figures { expired: moved(100, 2), ..Figures::default() });
    let owed = |points| BTreeMap::from([("USD".to_owned(), points)]);
    assert_eq!((&on(&rows, "2026-02-09").owed, &on(&rows, "2028-02-09").owed), (&owed(100), &owed(-100)));
    assert_eq!(on(&rows, "2026-01-10").owed, BTreeMap::new());
}

#[test]
fn points_given_and_taken_by_hand_are_owed_and_earn_nothing() {
    let rows = rows_of(&story(decided([
        enrol("2026-01-10"),
        adjust(500, 1, "2026-02-09"),
        adjust(-200, 2, "2026-02-09"),
        redeem(100, 3, "2026-02-09"),
    ])));
    let day = on(&rows, "2026-02-09");
    assert_eq!((day.figures.adjusted, day.figures.earned), (Moved { points: 300, count: 2 }, Moved::default()));
    assert_eq!((day.figures.redeemed_by_earned(), &day.owed), (None, &BTreeMap::from([("USD".to_owned(), 200)])));
}

#[test]
fn points_that_come_back_are_a_figure_of_their_own_and_lower_the_ratio() {
    let rows = rows_of(&story(decided([
        enrol("2026-01-10"),
        earn(1, 40_000, "2026-02-09"),
        redeem(200, 3, "2026-02-09"),
        give_back(3, 1, (1, 4), "2026-02-09"),
        give_back(3, 2, (4, 4), "2026-02-10"),
    ])));
    let day = on(&rows, "2026-02-09");
    assert_eq!(
        (day.figures.redeemed, day.figures.returned),
        (Moved { points: 200, count: 1 }, Moved { points: 50, count: 1 })
    );
    assert_eq!(
        (day.figures.redeemed_by_earned(), &day.owed),
        (Some(3_750), &BTreeMap::from([("USD".to_owned(), 250)]))
    );
    assert_eq!(on(&rows, "2026-02-10").owed, BTreeMap::from([("USD".to_owned(), 150)]));
}

#[test]
fn a_tier_is_no_figure() {
    let upgraded = decided([enrol("2026-01-10"), earn(1, 100_000, "2026-02-09")]).pop().unwrap();
    assert_eq!(upgraded.event_type(), "loyalty.tier.upgraded");
    assert_eq!(LoyaltyKpis::keys(&recorded(upgraded, 1)), []);
}

#[test]
fn the_ratio_is_rounded_and_of_nothing_there_is_none() {
    let ratio = |redeemed, earned| {
        let moved = |points| Moved { points, count: 1 };
        Figures { redeemed: moved(redeemed), earned: moved(earned), ..Figures::default() }.redeemed_by_earned()
    };
    assert_eq!((ratio(100, 300), ratio(200, 300), ratio(300, 200)), (Some(3_333), Some(6_667), Some(15_000)));
    assert_eq!((ratio(100, 0), ratio(i64::MAX, i64::MAX)), (None, Some(10_000)));
}

#[test]
fn any_stored_sums_make_a_row() {
    let mut earned = decided([enrol("2026-01-10"), earn(1, 10_000, "2026-02-09")]).pop().unwrap();
    if let LoyaltyEvent::PointsEarned { points, .. } = &mut earned {
        *points = i64::MAX;
    }
    let (points, expires_on) = (i64::MAX, day("2026-02-09"));
    let (hold, order, refund, currency, balance) = (None, None, None, None, 0);
    let expired = LoyaltyEvent::PointsExpired { lot: 1, points, expires_on, hold, order, refund, currency, balance };
    let twice = [earned, expired].into_iter().flat_map(|event| [event.clone(), event]);
    let row = &rows_of(&story(twice))[&(TENANT, day("2026-02-09"))];
    let figures = &row.figures;
    assert_eq!((figures.earned.points, figures.earned.count, figures.expired.points), (i64::MAX, 2, i64::MAX));
    let owed = [("USD".to_owned(), i64::MAX), (UNTOLD.to_owned(), -i64::MAX - 1)];
    assert_eq!(row.owed, BTreeMap::from(owed), "an expiry of an old version tells no currency");
}

/// The tables say in SQL what the programme says here.
#[test]
fn a_hundred_points_are_worth_one() {}

proptest! {
    /// A rebuild folds stretches of the log apart.
    #[test]
    fn two_parts_of_a_story_combine_to_the_whole(commands in prop::collection::vec(any_command(), 0..60), cut in any::<prop::sample::Index>()) {
        let story = story(as_far_as_allowed(commands).0);
        let (earlier, later) = story.split_at(cut.index(story.len() + 1));
        let mut combined = rows_of(earlier);
        for (key, row) in rows_of(later) {
            let row = match combined.remove(&key) {
                Some(before) => LoyaltyKpis::COMBINE.unwrap()(before, row),
                None => row,
            };
            combined.insert(key, row);
        }
        prop_assert_eq!(combined, rows_of(&story));
    }

    /// The sums over all days are those of the ledger.
    #[test]
    fn the_figures_are_the_sums_of_the_ledger(commands in prop::collection::vec(any_command(), 0..60)) {
        let (history, state) = as_far_as_allowed(commands);
        let closing = LoyaltyAccount::decide(&state, LoyaltyCommand::Close { now: noon("2031-01-01") }).unwrap();
        let closed = rows_of(&story(history.clone().into_iter().chain(closing)));
        let story = story(history);
        let mut sums = Figures::default();
        rows_of(&story).values().for_each(|row| sums.add(&row.figures));
        let mut ledger = Figures { enrolled: 1, discounts: sums.discounts.clone(), ..Figures::default() };
        let (mut discount, mut elsewhere) = (0, 0);
        for recorded in &story {
            let Some(key) = LoyaltyLedger::keys(recorded).pop() else { continue };
            let row = LoyaltyLedger::apply(&key, None, recorded).unwrap();
            match row.kind {
                Movement::Earned => ledger.earned.once(row.points),
                Movement::Held | Movement::Released | Movement::Closed => {}
                Movement::TransferredIn
                | Movement::TransferredOut
                | Movement::MergedIn
                | Movement::MergedOut => elsewhere -= row.points,
                Movement::Redeemed => {
                    ledger.redeemed.once(-row.points - row.held);
                    discount += row.amount.unwrap().minor();
                }
                Movement::Reversed => ledger.reversed.once(-row.points),
                Movement::Returned => ledger.returned.once(row.points),
                Movement::Adjusted => ledger.adjusted.once(row.points),
                Movement::Expired => ledger.expired.once(-row.points),
            }
        }
        prop_assert_eq!(&sums, &ledger);
        let member = state.member().unwrap();
        let owed: i64 = rows_of(&story).values().flat_map(|row| row.owed.values()).sum();
        prop_assert_eq!(owed, member.available() + member.held() + elsewhere, "what is owed is what this account and the others have");
        let owed: i64 = closed.values().flat_map(|row| row.owed.values()).sum();
        prop_assert_eq!(owed, elsewhere, "nothing is owed to an account that is closed");
        prop_assert_eq!(sums.discounts.values().sum::<i64>(), discount);
    }
}
