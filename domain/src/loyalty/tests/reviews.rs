//! The yearly review: on the anniversary of the enrolment, 2026-01-10.

use super::*;

fn review(today: &str) -> LoyaltyCommand {
    LoyaltyCommand::Review { programme: standard(), now: noon(today) }
}

fn downgraded(from: Tier, to: Tier, earned_12_months: i64, on: &str) -> LoyaltyEvent {
    LoyaltyEvent::TierDowngraded { from, to, earned_12_months, on: day(on) }
}

fn kept(tier: Tier, earned_12_months: i64, on: &str) -> LoyaltyEvent {
    LoyaltyEvent::TierKept { tier, earned_12_months, on: day(on) }
}

/// Gold since 2026-02-09.
fn gold() -> Vec<LoyaltyEvent> {
    vec![enrolled(), earned(1, "order-1", 5_000, "2026-02-09"), upgraded(Tier::Bronze, Tier::Gold, 5_000, "2026-02-09")]
}

#[test]
fn a_tier_is_kept_with_the_points_of_the_year_and_lost_without() {
    given::<LoyaltyAccount>(gold()).when(review("2027-01-09")).then([]);
    let state =
        given::<LoyaltyAccount>(gold()).when(review("2027-01-10")).then([kept(Tier::Gold, 5_000, "2027-01-10")]);
    assert_eq!(member(&state).review_on(), Some(day("2028-01-10")));
    let lost = LoyaltyAccount::decide(&state, review("2028-01-10")).unwrap();
    assert_eq!(lost, [downgraded(Tier::Gold, Tier::Bronze, 0, "2028-01-10")]);
    let state = LoyaltyAccount::fold(state, &lost);
    assert_eq!((member(&state).tier(), member(&state).review_on()), (Tier::Bronze, None));
}

#[test]
fn a_review_is_made_once() {
    let state = after(&given::<LoyaltyAccount>(gold()).state(), review("2027-01-10"));
    assert_eq!(LoyaltyAccount::decide(&state, review("2027-01-10")), Ok(vec![]));
    assert_eq!(LoyaltyAccount::decide(&state, review("2027-12-31")), Ok(vec![]));
}

#[test]
fn a_tier_falls_as_far_as_the_points_do() {
    let history = gold().into_iter().chain([earned(2, "order-2", 1_200, "2027-03-01")]).chain([kept(
        Tier::Gold,
        5_000,
        "2027-01-10",
    )]);
    given::<LoyaltyAccount>(history).when(review("2028-01-10")).then([downgraded(
        Tier::Gold,
        Tier::Silver,
        1_200,
        "2028-01-10",
    )]);
}

#[test]
fn the_lowest_tier_is_not_reviewed_and_a_reached_one_not_before_the_next_anniversary() {
    given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 10, "2026-02-09")]).when(review("2028-01-10")).then([]);
    let silver = [
        enrolled(),
        earned(1, "order-1", 1_000, "2027-01-10"),
        upgraded(Tier::Bronze, Tier::Silver, 1_000, "2027-01-10"),
    ];
    assert_eq!(member(&given::<LoyaltyAccount>(silver).state()).review_on(), Some(day("2028-01-10")));
}

#[test]
fn nothing_but_a_review_lowers_a_tier() {
    let reversed =
        LoyaltyAccount::decide(&given::<LoyaltyAccount>(gold()).state(), reverse("order-1", "0.00", "2026-02-20"));
    let state = given::<LoyaltyAccount>(gold().into_iter().chain(reversed.unwrap())).state();
    assert_eq!(member(&state).tier(), Tier::Gold);
    let events = LoyaltyAccount::decide(&state, settle("2027-01-10")).unwrap();
    assert_eq!(member(&LoyaltyAccount::fold(state.clone(), &events)).tier(), Tier::Gold);
    let lost = LoyaltyAccount::decide(&state, review("2027-01-10")).unwrap();
    assert_eq!(lost, [downgraded(Tier::Gold, Tier::Bronze, 0, "2027-01-10")]);
}

#[test]
fn a_late_review_judges_as_of_its_day_and_does_not_take_what_was_earned_again_meanwhile() {
    let year_without = gold().into_iter().chain([kept(Tier::Gold, 5_000, "2027-01-10")]);
    let since = [earned(2, "order-2", 1_500, "2028-01-20")];
    given::<LoyaltyAccount>(year_without.chain(since)).when(review("2028-01-25")).then([downgraded(
        Tier::Gold,
        Tier::Silver,
        1_500,
        "2028-01-10",
    )]);
    // What counted on the day counts in a late review, too: here the purchase of nearly a year before.
    let history = gold().into_iter().chain([earned(2, "order-2", 10, "2027-02-20")]);
    given::<LoyaltyAccount>(history).when(review("2027-02-25")).then([kept(Tier::Gold, 5_000, "2027-01-10")]);
}

#[test]
fn reviews_that_were_missed_are_made_in_their_order() {
    given::<LoyaltyAccount>(gold()).when(review("2028-06-01")).then([
        expired(1, 5_000, "2028-02-09", 0),
        kept(Tier::Gold, 5_000, "2027-01-10"),
        downgraded(Tier::Gold, Tier::Bronze, 0, "2028-01-10"),
    ]);
}

#[test]
fn who_enrolled_on_the_29th_of_february_is_reviewed_on_the_28th() {
    let enrolled = LoyaltyEvent::Enrolled { currency: code("USD"), on: day("2024-02-29") };
    let history = [
        enrolled,
        earned(1, "order-1", 1_000, "2024-03-01"),
        upgraded(Tier::Bronze, Tier::Silver, 1_000, "2024-03-01"),
    ];
    given::<LoyaltyAccount>(history).when(review("2025-02-28")).then([kept(Tier::Silver, 1_000, "2025-02-28")]);
}
