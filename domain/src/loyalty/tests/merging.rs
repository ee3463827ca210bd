//! Accounts whose customers turned out to be one.

use super::*;
use crate::loyalty::programme::Programme;
use crate::loyalty::sale::{Sale, SaleRefund};

const SURVIVOR: CustomerId = CustomerId::new(uuid::Uuid::from_u128(1));
const DUPLICATE: CustomerId = CustomerId::new(uuid::Uuid::from_u128(2));

fn merge_into(today: &str) -> LoyaltyCommand {
    LoyaltyCommand::MergeInto { into: SURVIVOR, now: noon(today) }
}

fn absorb(duplicate: &LoyaltyAccount, today: &str) -> LoyaltyCommand {
    let account = Box::new(member(duplicate).clone());
    LoyaltyCommand::Absorb { duplicate: DUPLICATE, account, programme: standard(), now: noon(today) }
}

fn account(commands: impl IntoIterator<Item = LoyaltyCommand>) -> LoyaltyAccount {
    let empty = given::<LoyaltyAccount>([enrolled()]).state();
    commands.into_iter().fold(empty, |state, command| after(&state, command))
}

/// What the survivor comes to.
fn absorbed(survivor: &LoyaltyAccount, duplicate: &LoyaltyAccount) -> LoyaltyAccount {
    after(survivor, absorb(duplicate, "2026-03-01"))
}

#[test]
fn the_duplicates_account_is_over_and_names_whose_took_over() {
    let state = account([earn("order-1", "250.00", "2026-02-09")]);
    let merged = LoyaltyEvent::Merged { into: SURVIVOR, points: 250, currency: code("USD"), on: day("2026-03-01") };
    assert_eq!(LoyaltyAccount::decide(&state, merge_into("2026-03-01")), Ok(vec![merged]));
    let state = after(&state, merge_into("2026-03-01"));
    assert_eq!(LoyaltyAccount::decide(&state, merge_into("2026-03-02")), Ok(vec![]));
    for command in [
        earn("order-2", "1.00", "2026-03-02"),
        redeem(100, "order-2", "2026-03-02"),
        settle("2026-03-02"),
        LoyaltyCommand::Enrol { currency: code("USD"), on: day("2026-03-02") },
    ] {
        let error = LoyaltyAccount::decide(&state, command);
        assert_eq!(error, Err(LoyaltyError::AccountMerged { survivor: SURVIVOR }));
    }
    let (into, now) = (CustomerId::new(uuid::Uuid::from_u128(9)), noon("2026-03-03"));
    let follows = LoyaltyEvent::Merged { into, points: 0, currency: code("USD"), on: now.today };
    assert_eq!(LoyaltyAccount::decide(&state, LoyaltyCommand::MergeInto { into, now }), Ok(vec![follows]));
}

#[test]
fn held_points_are_of_a_sale_that_is_being_made_and_come_first() {
    let state = account([earn("order-1", "250.00", "2026-02-09"), place(1, 100, "order-7", "2026-03-01T12:00:00Z")]);
    let lapses_at = "2026-03-01T12:15:00Z".parse().unwrap();
    let refused = LoyaltyAccount::decide(&state, merge_into("2026-03-01"));
    assert_eq!(refused, Err(LoyaltyError::HoldsOpen { lapses_at }));
    let later = LoyaltyAccount::decide(&state, merge_into("2026-03-02")).unwrap();
    assert!(matches!(later[..], [LoyaltyEvent::HoldReleased { .. }, LoyaltyEvent::Merged { points: 250, .. }]));
}

#[test]
fn all_points_come_with_their_dates_behind_those_that_are_there() {
    let survivor = account([earn("order-1", "100.00", "2026-02-01")]);
    let duplicate = account([
        earn("order-2", "50.00", "2026-01-15"),
        earn("order-3", "300.00", "2026-02-10"),
        redeem(100, "order-4", "2026-02-11"),
    ]);
    let state = absorbed(&survivor, &duplicate);
    assert_eq!(lots(&state), [(1, 100), (3, 250)]);
    assert_eq!(member(&state).lots()[1].expires_on, day("2028-02-10"));
    assert_eq!(member(&state).available(), 350);
    assert_eq!(lots(&after(&state, earn("order-9", "10.00", "2026-03-02"))).last(), Some(&(4, 10)));
}

#[test]
fn an_order_of_the_duplicate_earns_and_redeems_no_second_time_and_is_taken_back_once() {
    let duplicate = account([
        earn("order-2", "150.00", "2026-01-15"),
        reverse("order-2", "100.00", "2026-01-16"),
        redeem(100, "order-4", "2026-02-11"),
    ]);
    let state = absorbed(&account([]), &duplicate);
    assert_eq!(LoyaltyAccount::decide(&state, earn("order-2", "150.00", "2026-03-02")), Ok(vec![]));
    assert_eq!(LoyaltyAccount::decide(&state, redeem(100, "order-4", "2026-03-02")), Ok(vec![]));
    assert_eq!(LoyaltyAccount::decide(&state, reverse("order-2", "100.00", "2026-03-02")), Ok(vec![]));
    let refunded = after(&state, reverse_by("refund-2", "order-2", "0.00", "2026-03-02"));
    assert_eq!(member(&refunded).available(), -100, "what was spent is owed");
    assert_eq!(member(&refunded).earned_last_12_months(day("2026-03-02")), 0);
}

#[test]
fn redeemed_points_come_back_to_the_survivor_under_new_numbers_with_the_expiry_they_had() {
    let give_back = |refund, part| returns::give_back_at("order-4", refund, (part, 2), noon("2026-03-05"));
    let duplicate = account([
        earn("order-2", "150.00", "2026-01-15"),
        earn("order-3", "250.00", "2026-02-15"),
        redeem(300, "order-4", "2026-02-20"),
        returns::give_back_at("order-4", "refund-1", (1, 2), noon("2026-02-21")),
    ]);
    assert_eq!(lots(&duplicate), [(2, 250)]);
    let state = absorbed(&account([earn("order-1", "100.00", "2026-02-01")]), &duplicate);
    assert_eq!(lots(&state), [(1, 100), (3, 250)]);
    assert_eq!(LoyaltyAccount::decide(&state, give_back("refund-1", 1)), Ok(vec![]), "told again");
    let earns = after(&state, earn("order-9", "10.00", "2026-03-02"));
    assert_eq!(lots(&earns).last(), Some(&(4, 10)));
    let state = after(&earns, give_back("refund-2", 2));
    let dated: Vec<_> = member(&state).lots().iter().map(|lot| (lot.number, lot.points, lot.expires_on)).collect();
    let expected = [
        (2, 150, day("2028-01-15")),
        (1, 100, day("2028-02-01")),
        (3, 250, day("2028-02-15")),
        (4, 10, day("2028-03-02")),
    ];
    assert_eq!(dated, expected);
}

#[test]
fn what_was_paid_comes_along_so_a_part_gives_a_part_of_the_redeemed_points_back() {
    let duplicate = account([
        earn("order-1", "300.00", "2026-01-15"),
        earn("order-2", "500.00", "2026-02-09"),
        redeem(300, "order-2", "2026-02-09"),
    ]);
    let once = absorbed(&account([]), &duplicate);
    let twice = absorbed(&account([]), &once);
    for state in [once, twice] {
        assert_eq!(member(&state).require_total(&order("order-2"), usd("500.00")), Ok(()));
        let other = LoyaltyError::OrderAlreadyEarned { order: order("order-2"), total: usd("500.00") };
        assert_eq!(member(&state).require_total(&order("order-2"), usd("600.00")), Err(other));
        let share = member(&state).share_given_back(&order("order-2"), usd("250.00")).unwrap();
        let part = after(&state, returns::give_back_at("order-2", "refund-1", share, noon("2026-03-02")));
        assert_eq!(member(&part).available(), 500 + 150);
        let share = member(&part).share_given_back(&order("order-2"), usd("0.00")).unwrap();
        let whole = after(&part, returns::give_back_at("order-2", "refund-2", share, noon("2026-03-03")));
        assert_eq!(member(&whole).available(), 500 + 300);
    }
}

#[test]
fn what_both_redeemed_for_an_order_comes_back_with_it() {
    let survivor = account([earn("order-1", "100.00", "2026-01-15"), redeem(100, "order-7", "2026-02-09")]);
    let duplicate = account([earn("order-2", "200.00", "2026-02-01"), redeem(200, "order-7", "2026-02-09")]);
    let state = absorbed(&survivor, &duplicate);
    let part = after(&state, returns::give_back_at("order-7", "refund-1", (1, 3), noon("2026-03-02")));
    assert_eq!(lots(&part), [(2, 100)]);
    let whole = after(&part, returns::give_back_at("order-7", "refund-2", (1, 1), noon("2026-03-03")));
    assert_eq!(lots(&whole), [(1, 100), (2, 200)]);
    let more = returns::give_back_at("order-7", "refund-3", (1, 1), noon("2026-03-03"));
    assert_eq!(LoyaltyAccount::decide(&whole, more), Ok(vec![]), "once");
    let third = absorbed(&account([]), &state);
    let whole = after(&third, returns::give_back_at("order-7", "refund-1", (1, 1), noon("2026-03-02")));
    assert_eq!(member(&whole).available(), 300, "of a survivor that is merged, too");
}

#[test]
fn what_had_come_back_of_the_duplicates_copy_is_no_part_of_the_survivors() {
    let survivor = account([earn("order-1", "100.00", "2026-01-15"), redeem(100, "order-7", "2026-02-09")]);
    let given_back = |part| {
        let back = returns::give_back_at("order-7", "refund-1", (part, 2), noon("2026-02-10"));
        account([earn("order-2", "200.00", "2026-02-01"), redeem(200, "order-7", "2026-02-09"), back])
    };
    let half =
        |state: &LoyaltyAccount| after(state, returns::give_back_at("order-7", "refund-2", (1, 2), noon("2026-03-02")));
    let whole =
        |state: &LoyaltyAccount| after(state, returns::give_back_at("order-7", "refund-3", (1, 1), noon("2026-03-03")));
    let state = absorbed(&survivor, &given_back(2));
    assert_eq!((member(&half(&state)).available(), member(&whole(&half(&state))).available()), (250, 300));
    let state = absorbed(&survivor, &given_back(1));
    assert_eq!((member(&half(&state)).available(), member(&whole(&half(&state))).available()), (200, 300));
}

/// Two tills told it, each of another customer: each may have been an order of its own. What was earned is not taken away by a merge, and
/// the customer knows one copy from then on.
#[test]
fn of_an_order_that_both_earned_with_the_points_of_both_stay_and_the_survivors_copy_is_given_back() {
    let survivor = account([earn("order-1", "100.00", "2026-02-09")]);
    let duplicate = account([earn("order-1", "50.00", "2026-02-10")]);
    let state = absorbed(&survivor, &duplicate);
    assert_eq!(lots(&state), [(1, 100), (2, 50)]);
    let part = after(&state, reverse("order-1", "40.00", "2026-03-02"));
    assert_eq!(lots(&part), [(1, 40), (2, 50)], "by the total of the survivor's copy");
    let whole = after(&part, reverse_by("refund-2", "order-1", "0.00", "2026-03-03"));
    assert_eq!((lots(&whole), member(&whole).debt()), (vec![(2, 50)], 0));
    let more = reverse_by("refund-3", "order-1", "0.00", "2026-03-04");
    assert_eq!(LoyaltyAccount::decide(&whole, more), Ok(vec![]));
}

#[test]
fn no_new_lot_takes_the_number_of_one_to_which_points_come_back() {
    let by_hand = adjustments::adjust_at("by-hand", 300, noon("2026-02-15"));
    let state = absorbed(&account([]), &account([by_hand, redeem(300, "order-4", "2026-02-20")]));
    assert_eq!(lots(&state), []);
    let earns = after(&state, earn("order-9", "10.00", "2026-03-02"));
    let back = after(&earns, returns::give_back_at("order-4", "refund-1", (1, 1), noon("2026-03-05")));
    assert_eq!(lots(&back), [(1, 300), (2, 10)]);
}

#[test]
fn an_order_is_taken_back_by_the_rules_that_it_earned_by() {
    let mut twice = Programme::clone(&Programme::standard());
    twice.earn[0].points_per_unit = 2;
    let programme = LoyaltyProgramme::always(twice);
    let earn = |programme: &LoyaltyProgramme| LoyaltyCommand::Earn {
        sale: Sale::of_total(order("order-2"), usd("150.00"), day("2026-02-09")),
        programme: programme.clone(),
        now: noon("2026-02-09"),
    };
    let state = absorbed(&account([]), &account([earn(&programme)]));
    let reverse = LoyaltyCommand::Reverse {
        refunded: SaleRefund::remaining(order("order-2"), refund("refund-1"), usd("100.00"), day("2026-03-02")),
        programme,
        now: noon("2026-03-02"),
    };
    assert_eq!(member(&after(&state, reverse)).available(), 200);
}

#[test]
fn a_debt_on_either_side_is_paid_by_the_other() {
    let owing = account([
        earn("order-2", "100.00", "2026-02-09"),
        redeem(100, "order-4", "2026-02-11"),
        reverse("order-2", "0.00", "2026-02-12"),
    ]);
    let rich = account([earn("order-1", "250.00", "2026-02-09")]);
    for (survivor, duplicate) in [(&rich, &owing), (&owing, &rich)] {
        let state = absorbed(survivor, duplicate);
        assert_eq!((member(&state).available(), member(&state).debt()), (150, 0));
    }
    let both = absorbed(&owing, &owing);
    assert_eq!((member(&both).available(), member(&both).debt()), (-200, 200));
}

#[test]
fn the_tier_is_the_higher_one_or_what_both_have_earned_together() {
    let (low, middle, high) = (
        account([earn("order-1", "600.00", "2026-02-09")]),
        account([earn("order-2", "600.00", "2026-02-10")]),
        account([earn("order-3", "5000.00", "2026-02-10")]),
    );
    let together = absorbed(&low, &middle);
    assert_eq!(
        (member(&together).tier(), member(&together).earned_last_12_months(day("2026-03-01"))),
        (Tier::Silver, 1_200)
    );
    assert_eq!(member(&absorbed(&low, &high)).tier(), Tier::Gold);
    let kept = absorbed(&high, &low);
    assert_eq!((member(&kept).tier(), member(&kept).review_on()), (Tier::Gold, member(&high).review_on()));
    let of_old = account([earn("order-3", "5000.00", "2026-02-10"), settle("2028-03-01")]);
    let later = LoyaltyAccount::decide(&account([]), absorb(&of_old, "2028-03-01")).unwrap();
    let upgraded = later.iter().any(|event| matches!(event, LoyaltyEvent::TierUpgraded { to: Tier::Gold, .. }));
    assert!(upgraded, "a tier is lost at a review only");
}

#[test]
fn who_was_no_member_becomes_one_in_the_duplicates_currency_since_its_enrolment() {
    let duplicate = account([earn("order-2", "150.00", "2026-01-15")]);
    let events = LoyaltyAccount::decide(&LoyaltyAccount::NotEnrolled, absorb(&duplicate, "2026-03-01")).unwrap();
    let state = LoyaltyAccount::fold(LoyaltyAccount::NotEnrolled, &events);
    assert_eq!((member(&state).currency(), member(&state).enrolled_on()), (code("USD"), day("2026-01-10")));
    assert_eq!(member(&state).available(), 150);
}

#[test]
fn what_does_not_fit_together_is_refused() {
    let euros =
        given::<LoyaltyAccount>([LoyaltyEvent::Enrolled { currency: code("EUR"), on: day("2026-01-10") }]).state();
    let duplicate = account([earn("order-2", "150.00", "2026-01-15")]);
    let refused = LoyaltyAccount::decide(&euros, absorb(&duplicate, "2026-03-01"));
    let error = LoyaltyError::DuplicateCurrency { expected: code("EUR"), given: code("USD") };
    assert_eq!(refused, Err(error.clone()));
    assert_eq!(Refusal::from(error).field.as_deref(), Some("/duplicate_id"));
    let closed = LoyaltyAccount::decide(&LoyaltyAccount::Closed, absorb(&duplicate, "2026-03-01"));
    assert_eq!(closed, Err(LoyaltyError::AccountClosed));
}

#[test]
fn many_orders_come_in_parts() {
    let mut duplicate = account([]);
    for nth in 0..1_001 {
        duplicate = after(&duplicate, earn(&format!("order-{nth}"), "1.00", "2026-02-09"));
    }
    let survivor = account([earn("order-a", "10.00", "2026-02-09")]);
    let events = LoyaltyAccount::decide(&survivor, absorb(&duplicate, "2026-03-01")).unwrap();
    let parts = events.iter().filter_map(|event| match event {
        LoyaltyEvent::Absorbed { part, parts, points, balance, lots, .. } => {
            Some((*part, *parts, *points, *balance, lots.len()))
        }
        _ => None,
    });
    let expected = [(1, 3, 500, 510, 500), (2, 3, 500, 1_010, 500), (3, 3, 1, 1_011, 1)];
    assert_eq!(parts.collect::<Vec<_>>(), expected);
    assert_eq!(member(&LoyaltyAccount::fold(survivor, &events)).available(), 1_011);
}

proptest! {
    /// Any two accounts together have what both had, and what is earned later counts with what was earned before.
    #[test]
    fn nothing_is_lost_and_nothing_made(
        own in prop::collection::vec(any_command(), 0..40),
        other in prop::collection::vec(any_command(), 0..40),
    ) {
        let decided = |commands: Vec<LoyaltyCommand>| {
            let empty = given::<LoyaltyAccount>([enrolled()]).state();
            commands.into_iter().fold(empty, |state, command| {
                let events = LoyaltyAccount::decide(&state, command).unwrap_or_default();
                LoyaltyAccount::fold(state, &events)
            })
        };
        let (survivor, duplicate) = (decided(own), decided(other));
        let now = "2031-01-01";
        let settled = |state: &LoyaltyAccount| after(state, settle(now));
        let (survivor, duplicate) = (settled(&survivor), settled(&duplicate));
        let events = LoyaltyAccount::decide(&survivor, absorb(&duplicate, now)).unwrap();
        let joined = LoyaltyAccount::fold(survivor.clone(), &events);
        let (before, after) = (member(&survivor), member(&joined));
        prop_assert_eq!(after.available(), before.available() + member(&duplicate).available());
        prop_assert!(after.debt() == 0 || after.lots().is_empty());
        prop_assert!(after.tier() >= before.tier().max(member(&duplicate).tier()));
        prop_assert!(after.lots().is_sorted_by_key(|lot| (lot.expires_on, lot.number)));
    }
}
