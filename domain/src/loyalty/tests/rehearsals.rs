//! Histories under other rules.

use super::any_history::asked_at;
use super::pending::{any_asked, under};
use super::*;
use crate::loyalty::programme::{EarnBand, EarnCaps, EarnedOf, PendingRule, Programme};
use crate::loyalty::rehearsal::{Fact, MemberOutcome, MemberRehearsal, Standing, Sums, Told};
use crate::loyalty::sale::Buyer;
use std::collections::BTreeSet;

mod campaigns;

fn doubling_above(units: i64) -> Programme {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn.push(EarnBand { above: units, points_per_unit: 2, of: EarnedOf::Part });
    rules
}

/// What is asked of an account, and told as it is recorded.
struct Story {
    account: LoyaltyAccount,
    told: Vec<Told>,
    appends: i64,
}

impl Story {
    fn of_a_member() -> Self {
        let account = given::<LoyaltyAccount>([enrolled()]).state();
        let mut story = Self { account, told: vec![], appends: 0 };
        story.tell(Fact::Account(enrolled()), noon("2026-01-10"), noon("2026-01-10"));
        story
    }

    fn tell(&mut self, fact: Fact, at: Moment, now: Moment) {
        let recorded_at = now.at + TimeDelta::microseconds(self.appends);
        self.told.push(Told { fact, at, recorded_at, reviewed_on: now.today });
    }

    /// As it is decided in reality, by the standard rules: first what the customer did is recorded, then what the account makes of it.
    fn when(self, command: LoyaltyCommand) -> Self {
        self.when_asked(command, false)
    }

    /// Who imports purchases may state a time, which the log does not know.
    fn when_asked(mut self, command: LoyaltyCommand, by_import: bool) -> Self {
        let by_import = by_import && matches!(command, LoyaltyCommand::Earn { .. });
        self.appends += 1;
        let Ok(events) = LoyaltyAccount::decide(&self.account, command.clone()) else { return self };
        let now = asked_at(&command).expect("all but the first have a time");
        let bought_on = |on: NaiveDate| if by_import { noon(&on.to_string()).min(now) } else { now };
        let occurred = match &command {
            LoyaltyCommand::Earn { sale, .. } => bought_on(sale.on),
            _ => now,
        };
        match command {
            LoyaltyCommand::Earn { sale, .. } => {
                // The log tells who bought, but nobody opens it.
                let buyer = Buyer::AsRecorded { campaigns: BTreeSet::new() };
                self.tell(Fact::Purchase(Sale { buyer, ..sale }), occurred, now);
            }
            LoyaltyCommand::Reverse { refunded, .. } => {
                // The log tells of each refund what it gave back itself.
                let refunded = SaleRefund { given_back: Vec::new(), ..refunded };
                self.tell(Fact::Refund(refunded), now, now);
            }
            _ => {}
        }
        for event in events {
            self.account = LoyaltyAccount::evolve(self.account, &event);
            let at = if by_import { came_about(&event, occurred).min(now) } else { now };
            self.tell(Fact::Account(event), at, now);
        }
        self
    }

    fn rehearsed(self, rules: Programme, today: &str) -> MemberOutcome {
        let rehearsed = LoyaltyProgramme::always(rules);
        self.replayed(&rehearsed).end(&standard(), &rehearsed, noon(today)).expect("a member")
    }

    fn replayed(self, programme: &LoyaltyProgramme) -> MemberRehearsal {
        let mut rehearsal = MemberRehearsal::new(noon("2026-01-10"));
        self.told.into_iter().for_each(|told| rehearsal.take(told, programme));
        rehearsal
    }
}

/// The time in the log of what follows from something that is told of a time.
fn came_about(event: &LoyaltyEvent, told: Moment) -> Moment {
    let begins = |day: NaiveDate| utc(day.and_time(chrono::NaiveTime::MIN).and_utc());
    match event {
        LoyaltyEvent::PointsEarned { pending_since: Some(_), earned_on: on, .. }
        | LoyaltyEvent::PointsExpired { expires_on: on, .. }
        | LoyaltyEvent::TierDowngraded { on, .. }
        | LoyaltyEvent::TierKept { on, .. } => begins(*on),
        LoyaltyEvent::TierUpgraded { on, .. } => begins(*on).max(told),
        LoyaltyEvent::HoldReleased { released_at, .. } => utc(*released_at),
        _ => told,
    }
}

fn standing(tier: Tier, points: i64) -> Standing {
    Standing { tier, points }
}

#[test]
fn purchases_earn_by_the_rehearsed_rules_and_bring_another_tier() {
    let story = Story::of_a_member()
        .when(earn("order-1", "40.00", "2026-02-01"))
        .when(earn("order-2", "600.00", "2026-02-02"))
        .when(earn("order-3", "100.00", "2026-02-03"));
    let outcome = story.rehearsed(doubling_above(50), "2026-02-03");
    assert_eq!(outcome.purchases, 3);
    assert_eq!(outcome.known, standing(Tier::Bronze, 740));
    // 40; 50 + 2 × 550; then as silver 125 % of 50 + 2 × 50.
    assert_eq!(outcome.rehearsed, standing(Tier::Silver, 40 + 1_150 + 187));
}

#[test]
fn a_purchase_that_earned_nothing_may_earn_by_other_rules_and_the_other_way_round() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn = vec![
        EarnBand { above: 0, points_per_unit: 0, of: EarnedOf::Part },
        EarnBand { above: 50, points_per_unit: 3, of: EarnedOf::Total },
    ];
    let story = Story::of_a_member()
        .when(earn("order-1", "40.00", "2026-02-01"))
        .when(earn("order-2", "60.00", "2026-02-02"))
        .when(reverse("order-1", "0.00", "2026-02-03"));
    let outcome = story.rehearsed(rules, "2026-02-03");
    assert_eq!((outcome.purchases, outcome.known.points, outcome.rehearsed.points), (2, 60, 180));
}

#[test]
fn a_refund_takes_back_by_the_rehearsed_rules() {
    let story = Story::of_a_member().when(earn("order-1", "100.00", "2026-02-01")).when(reverse(
        "order-1",
        "60.00",
        "2026-02-02",
    ));
    let outcome = story.rehearsed(doubling_above(50), "2026-02-03");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (60, 70));
}

#[test]
fn what_was_spent_stays_spent_and_what_is_missing_is_owed() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn[0].points_per_unit = 0;
    let story = Story::of_a_member()
        .when(earn("order-1", "300.00", "2026-02-01"))
        .when(redeem(200, "order-2", "2026-02-02"))
        .when(place(1, 100, "order-3", "2026-02-03T12:00:00Z"))
        .when(capture(1, "order-3", "2026-02-03T12:05:00Z"));
    let outcome = story.rehearsed(rules, "2026-02-04");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (0, -300));
}

#[test]
fn a_hold_that_came_back_is_not_owed() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn[0].points_per_unit = 0;
    let story = || {
        Story::of_a_member().when(earn("order-1", "300.00", "2026-02-01")).when(place(
            1,
            100,
            "order-3",
            "2026-02-03T12:00:00Z",
        ))
    };
    let released = story().when(release(1, "2026-02-03T12:05:00Z")).rehearsed(rules.clone(), "2026-02-04");
    assert_eq!((released.known.points, released.rehearsed.points), (300, 0));
    let lapsed = story().when(settle("2026-02-04")).rehearsed(rules.clone(), "2026-02-04");
    assert_eq!((lapsed.known.points, lapsed.rehearsed.points), (300, 0));
    assert_eq!(story().rehearsed(rules, "2026-02-03").known.points, 300, "held points count");
}

#[test]
fn points_expire_and_tiers_are_reviewed_by_the_rehearsed_rules() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.expiry_months = 6;
    rules.tiers[1].from_points = 500;
    let story = || Story::of_a_member().when(earn("order-1", "600.00", "2026-02-01"));
    assert_eq!(story().rehearsed(rules.clone(), "2026-07-31").rehearsed, standing(Tier::Silver, 600));
    let outcome = story().rehearsed(rules.clone(), "2026-08-01");
    assert_eq!((outcome.known, outcome.rehearsed), (standing(Tier::Bronze, 600), standing(Tier::Silver, 0)));
    assert_eq!(story().rehearsed(rules, "2028-01-10").rehearsed, standing(Tier::Bronze, 0));
}

#[test]
fn a_purchase_told_late_earns_by_the_tier_that_reviews_had_left_by_then() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.tiers[1].from_points = 500;
    let story = || Story::of_a_member().when(earn("order-1", "600.00", "2026-02-01"));
    let told = |on: &str| earn_late("order-2", "4.00", "2027-01-05", on);
    let points = |story: Story| story.rehearsed(rules.clone(), "2028-01-20").rehearsed.points;
    assert_eq!(points(story().when(told("2027-01-05"))), 600 + 5);
    assert_eq!(points(story().when(told("2028-01-09"))), 600 + 5, "silver was kept");
    assert_eq!(points(story().when(told("2028-01-10"))), 600 + 4, "silver was lost");
}

#[test]
fn a_history_imported_at_once_is_not_reviewed_in_the_middle() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.tiers[1].from_points = 500;
    let import = |story: Story, (order, total, on)| story.when_asked(earn_late(order, total, on, "2030-06-01"), true);
    let rows =
        [("order-1", "600.00", "2026-02-01"), ("order-2", "100.00", "2028-07-01"), ("order-3", "100.00", "2029-06-01")];
    let story = rows.into_iter().fold(Story::of_a_member(), import);
    let outcome = story.rehearsed(rules, "2030-06-01");
    assert_eq!(outcome.rehearsed, standing(Tier::Bronze, 125 + 125), "silver until the first review");
}

#[test]
fn an_order_that_only_the_account_knows_is_given_back_by_the_rehearsed_rules() {
    let refund = |number: &str, remaining: &str| {
        let refunded = SaleRefund::remaining(order("order-1"), refund(number), usd(remaining), day("2026-02-03"));
        LoyaltyCommand::RefundOrder { refunded, programme: standard(), now: noon("2026-02-03") }
    };
    let told = || Story::of_a_member().when(earn("order-1", "400.00", "2026-02-01")).when(refund("refund-1", "300.00"));
    let outcome = told().rehearsed(doubling_above(50), "2026-02-04");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (300, 50 + 2 * 250));
    let whole = told().when(refund("refund-2", "0.00")).rehearsed(doubling_above(50), "2026-02-04");
    assert_eq!((whole.known.points, whole.rehearsed.points), (0, 0));
}

#[test]
fn a_duplicate_hands_over_what_it_would_have_and_its_orders() {
    let (rules, now) = (LoyaltyProgramme::always(doubling_above(50)), noon("2026-02-03"));
    let id = CustomerId::new(uuid::Uuid::from_u128(9));
    let duplicate = Story::of_a_member().when(earn("order-9", "400.00", "2026-02-02"));
    let account = Box::new(duplicate.account.member().expect("a member").clone());
    let absorb = LoyaltyCommand::Absorb { duplicate: id, account, programme: standard(), now };
    let survivor = Story::of_a_member().when(earn("order-1", "300.00", "2026-02-01")).when(absorb);
    let mut rehearsal = survivor.replayed(&rules);
    rehearsal.absorb(id, duplicate.replayed(&rules), &rules);
    let refund =
        Fact::Refund(SaleRefund::remaining(order("order-9"), refund("refund-1"), usd("100.00"), day("2026-02-03")));
    let recorded_at = DateTime::UNIX_EPOCH + TimeDelta::days(99);
    let unrefunded = rehearsal.clone().end(&standard(), &rules, now).expect("a member");
    assert_eq!((unrefunded.purchases, unrefunded.known.points), (2, 700));
    // 50 + 2 × 250, and 50 + 2 × 350: together enough for silver.
    assert_eq!(unrefunded.rehearsed, standing(Tier::Silver, 550 + 750));
    rehearsal.take(Told { fact: refund, at: now, recorded_at, reviewed_on: now.today }, &rules);
    let outcome = rehearsal.end(&standard(), &rules, now).expect("a member");
    assert_eq!(outcome.rehearsed.points, 550 + 150);
}

#[test]
fn points_given_by_hand_or_by_others_stay_and_pay_what_is_owed() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn[0].points_per_unit = 0;
    let adjust = |number: &str, points, on| super::adjustments::adjust_at(number, points, noon(on));
    let story = Story::of_a_member()
        .when(earn("order-1", "300.00", "2026-02-01"))
        .when(redeem(200, "order-2", "2026-02-02"))
        .when(adjust("a-1", 500, "2026-02-03"))
        .when(adjust("a-2", -100, "2026-02-04"));
    let outcome = story.rehearsed(rules, "2026-02-05");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (500, 200));
}

#[test]
fn what_comes_back_with_a_refund_goes_to_its_lot_or_pays_what_is_owed() {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn[0].points_per_unit = 0;
    let given_back = |part| returns::give_back_at("order-2", "refund-1", (part, 3), noon("2026-02-03"));
    let story = |part| {
        let story = Story::of_a_member().when(earn("order-1", "300.00", "2026-02-01"));
        story.when(redeem(300, "order-2", "2026-02-02")).when(given_back(part))
    };
    let points = |outcome: MemberOutcome| (outcome.known.points, outcome.rehearsed.points);
    assert_eq!(points(story(1).rehearsed(rules.clone(), "2026-02-04")), (100, -200));
    assert_eq!(points(story(3).rehearsed(rules.clone(), "2026-02-04")), (300, 0));
    rules.earn[0].points_per_unit = 2;
    rules.expiry_months = 6;
    assert_eq!(points(story(1).rehearsed(rules.clone(), "2026-07-31")), (100, 400));
    assert_eq!(points(story(1).rehearsed(rules, "2026-08-01")), (100, 0), "with the expiry it had");
}

fn vesting_after(days: Option<u32>) -> Programme {
    let pending = Some(PendingRule { vest_after_days: days });
    Programme { pending, ..Programme::clone(&Programme::standard()) }
}

#[test]
fn points_are_pending_by_the_rehearsed_rules_and_earned_when_they_vest() {
    let story = || {
        let story = Story::of_a_member().when(earn("order-1", "1200.00", "2026-02-01"));
        story.when(earn("order-2", "100.00", "2026-02-10")).when(earn("order-3", "100.00", "2026-02-15"))
    };
    let rehearsed = |today| story().rehearsed(vesting_after(Some(14)), today).rehearsed;
    assert_eq!(rehearsed("2026-02-15"), standing(Tier::Silver, 1_200), "the first has vested");
    assert_eq!(rehearsed("2026-02-24"), standing(Tier::Silver, 1_300), "the second was bought as bronze");
    assert_eq!(rehearsed("2026-03-01"), standing(Tier::Silver, 1_300 + 125));
    let never = story().rehearsed(vesting_after(None), "2026-03-01");
    assert_eq!((never.known.points, never.rehearsed), (1_200 + 125 + 125, standing(Tier::Bronze, 0)));
}

#[test]
fn what_somebody_let_vest_vests_as_well_by_other_rules_and_the_rest_on_its_day() {
    let really = LoyaltyProgramme::always(vesting_after(None));
    let vest =
        LoyaltyCommand::Vest { order: Some(order("order-1")), programme: really.clone(), now: noon("2026-02-05") };
    let story = || {
        let story = Story::of_a_member().when(under(&really, earn("order-1", "300.00", "2026-02-01")));
        story.when(under(&really, earn("order-2", "100.00", "2026-02-01"))).when(vest.clone())
    };
    let points = |rules, today| {
        let outcome = story().rehearsed(rules, today);
        (outcome.known.points, outcome.rehearsed.points)
    };
    assert_eq!(points(vesting_after(Some(14)), "2026-02-06"), (300, 300));
    assert_eq!(points(vesting_after(Some(14)), "2026-02-15"), (300, 400));
    assert_eq!(points(Programme::clone(&Programme::standard()), "2026-02-06"), (300, 400), "nothing was pending");
}

#[test]
fn points_that_a_job_lets_vest_are_reviewed_although_nothing_else_happens() {
    let mut rules = vesting_after(Some(14));
    rules.tiers[1].from_points = 500;
    let story = Story::of_a_member().when(earn("order-1", "600.00", "2026-02-01"));
    let outcome = story.when(earn("order-2", "100.00", "2028-01-20")).rehearsed(rules, "2028-02-28");
    assert_eq!(outcome.rehearsed, standing(Tier::Bronze, 100), "silver was lost before the second");
}

#[test]
fn a_history_imported_at_once_vests_by_the_dates_that_it_tells() {
    let import = |story: Story, (order, total, on)| story.when_asked(earn_late(order, total, on, "2027-06-01"), true);
    let rows = [
        ("order-1", "1200.00", "2026-02-01"),
        ("order-2", "100.00", "2026-02-10"),
        ("order-3", "100.00", "2026-02-15"),
    ];
    let story = rows.into_iter().fold(Story::of_a_member(), import);
    let outcome = story.rehearsed(vesting_after(Some(14)), "2027-06-01");
    assert_eq!(outcome.rehearsed.points, 1_200 + 100 + 125);
}

#[test]
fn a_duplicate_hands_over_what_would_be_pending() {
    let (rules, now) = (LoyaltyProgramme::always(vesting_after(Some(14))), noon("2026-02-05"));
    let id = CustomerId::new(uuid::Uuid::from_u128(9));
    let duplicate = Story::of_a_member().when(earn("order-9", "400.00", "2026-02-02"));
    let account = Box::new(duplicate.account.member().expect("a member").clone());
    let absorb = LoyaltyCommand::Absorb { duplicate: id, account, programme: standard(), now };
    let survivor = Story::of_a_member().when(earn("order-1", "300.00", "2026-02-04")).when(absorb);
    let mut rehearsal = survivor.replayed(&rules);
    rehearsal.absorb(id, duplicate.replayed(&rules), &rules);
    let points = |today| rehearsal.clone().end(&standard(), &rules, noon(today)).expect("a member").rehearsed.points;
    assert_eq!(["2026-02-15", "2026-02-16", "2026-02-18"].map(points), [0, 400, 700]);
}

#[test]
fn purchases_are_capped_by_the_rehearsed_rules() {
    let caps = EarnCaps { points_per_order: Some(500), points_per_day: Some(700) };
    let rules = Programme { caps, ..Programme::clone(&Programme::standard()) };
    let story = Story::of_a_member()
        .when(earn("order-1", "600.00", "2026-02-01"))
        .when(earn("order-2", "300.00", "2026-02-01"))
        .when(earn("order-3", "300.00", "2026-02-02"))
        .when(reverse("order-1", "100.00", "2026-02-03"));
    let outcome = story.rehearsed(rules, "2026-02-03");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (700, 100 + 200 + 300));
}

#[test]
fn sums_are_worth_what_the_rules_say() {
    let mut sums = Sums::default();
    let member = |known, rehearsed| MemberOutcome { currency: code("USD"), purchases: 2, known, rehearsed };
    sums.add(&member(standing(Tier::Bronze, 1_000), standing(Tier::Silver, 3_000)));
    sums.add(&member(standing(Tier::Gold, 500), standing(Tier::Bronze, -100)));
    let mut rules = Programme::clone(&Programme::standard());
    rules.redeem.points_per_unit = 50;
    let outcome = sums.outcome(7, &Programme::standard(), &rules);
    assert_eq!((outcome.position, outcome.members, outcome.purchases), (7, 2, 4));
    assert_eq!((outcome.upgraded, outcome.downgraded), (1, 1));
    assert_eq!((outcome.points, outcome.rehearsed_points), (1_500, 2_900));
    assert_eq!((outcome.liabilities, outcome.rehearsed_liabilities), (vec![usd("15.00")], vec![usd("58.00")]));
}

/// What is asked, in time, and whether it comes by an import if it can.
fn any_commands() -> impl Strategy<Value = Vec<(LoyaltyCommand, bool)>> {
    prop::collection::vec((any_asked(), any::<bool>()), 0..60).prop_map(|mut commands| {
        commands.sort_by_key(|(command, _)| (asked_at(command), !matches!(command, LoyaltyCommand::Settle { .. })));
        commands
    })
}

/// Rules under which points may be pending, and orders and days earn no more than so much.
fn any_rules() -> impl Strategy<Value = Programme> {
    let pending = prop::option::of(prop::option::of(1_u32..366));
    let cap = || prop::option::of(1_i64..2_500);
    (pending, cap(), cap()).prop_map(|(pending, points_per_order, points_per_day)| {
        let mut rules = Programme::clone(&Programme::standard());
        rules.pending = pending.map(|vest_after_days| PendingRule { vest_after_days });
        rules.caps = EarnCaps { points_per_order, points_per_day };
        rules
    })
}

fn really(story: Story, (command, by_import): (LoyaltyCommand, bool)) -> Story {
    story.when_asked(command, by_import)
}

proptest! {
    /// The rules that have held all the time give what is, whatever was asked, in whatever order, and however late the jobs ran.
    #[test]
    fn the_rules_that_hold_change_nothing(commands in any_commands()) {
        let story = commands.into_iter().fold(Story::of_a_member(), really);
        let account = story.account.clone();
        let outcome = story.rehearsed(Programme::clone(&Programme::standard()), "2030-06-01");
        let reviewed = after(&account, LoyaltyCommand::Review { programme: standard(), now: noon("2030-06-01") });
        let is = standing(member(&reviewed).tier(), member(&reviewed).available() + member(&reviewed).held());
        prop_assert_eq!((outcome.known, outcome.rehearsed), (is, is));
    }

    /// Also in the middle of the story, when much is still alive.
    #[test]
    fn the_rules_that_hold_change_nothing_yet(commands in any_commands()) {
        let commands = commands.into_iter().filter(|(command, _)| asked_at(command) < Some(noon("2027-10-01")));
        let story = commands.fold(Story::of_a_member(), really);
        let outcome = story.rehearsed(Programme::clone(&Programme::standard()), "2027-10-01");
        prop_assert_eq!(outcome.known, outcome.rehearsed);
    }

    /// Nor do those under which points are pending and purchases are capped, on whatever day one looks.
    #[test]
    fn rules_with_pending_points_and_caps_that_hold_change_nothing(
        commands in any_commands(), rules in any_rules(), until in any_moment(),
    ) {
        let held = LoyaltyProgramme::always(rules);
        let commands = commands.into_iter().filter(|(command, _)| asked_at(command) <= Some(until));
        let story = commands.map(|(command, door)| (under(&held, command), door)).fold(Story::of_a_member(), really);
        let reviewed = after(&story.account, LoyaltyCommand::Review { programme: held.clone(), now: until });
        let is = standing(member(&reviewed).tier(), member(&reviewed).available() + member(&reviewed).held());
        let outcome = story.replayed(&held).end(&held, &held, until).expect("a member");
        prop_assert_eq!((outcome.known, outcome.rehearsed), (is, is));
    }

    /// Other rules give what they would have given, had they held, in whatever order and however late it was told: what people do does
    /// not depend on them here, and tiers are reviewed each day.
    #[test]
    fn other_rules_give_what_they_would_have_given(commands in any_commands()) {
        let mut rules = doubling_above(50);
        (rules.expiry_months, rules.tiers[1].from_points, rules.earn[0].points_per_unit) = (12, 500, 0);
        let under = |programme: LoyaltyProgramme| {
            let commands = commands.iter().filter_map(|(command, door)| Some((by(command.clone(), &programme)?, *door)));
            with_reviews(commands, &programme)
        };
        let really = under(LoyaltyProgramme::always(rules.clone())).account;
        let review = LoyaltyCommand::Review { programme: LoyaltyProgramme::always(rules.clone()), now: noon("2030-06-01") };
        let really = after(&really, review);
        let outcome = under(standard()).rehearsed(rules, "2030-06-01");
        prop_assert_eq!(outcome.rehearsed, standing(member(&really).tier(), member(&really).available()));
    }
}

/// Under rules by which tiers are reviewed, too, before anything else on a day.
fn with_reviews(commands: impl Iterator<Item = (LoyaltyCommand, bool)>, programme: &LoyaltyProgramme) -> Story {
    let mut reviewed_on = None;
    commands.fold(Story::of_a_member(), |story, asked| {
        let now = asked_at(&asked.0).expect("all of these have a time");
        let review = LoyaltyCommand::Review { programme: programme.clone(), now };
        let is_reviewed = reviewed_on.replace(now.today) == Some(now.today);
        really(if is_reviewed { story } else { story.when(review) }, asked)
    })
}

proptest! {
    /// So do those under which points are pending and purchases are capped. An import of long ago is looked at below.
    #[test]
    fn other_rules_with_pending_points_and_caps_give_what_they_would_have_given(
        commands in any_commands(), rules in any_rules(), caps in any_rules(), until in any_moment(),
    ) {
        let held = LoyaltyProgramme::always(Programme { pending: None, ..caps });
        let rehearsed = LoyaltyProgramme::always(rules.clone());
        let commands: Vec<_> = commands.into_iter().filter(|(command, _)| asked_at(command) <= Some(until)).collect();
        let told = |programme: &LoyaltyProgramme| {
            let by = |(command, door): &(LoyaltyCommand, bool)| {
                Some((by(command.clone(), programme)?, *door && rules.pending.is_none()))
            };
            with_reviews(commands.iter().filter_map(by), programme)
        };
        let really = after(&told(&rehearsed).account, LoyaltyCommand::Review { programme: rehearsed.clone(), now: until });
        let outcome = told(&held).replayed(&rehearsed).end(&held, &rehearsed, until).expect("a member");
        prop_assert_eq!(outcome.rehearsed, standing(member(&really).tier(), member(&really).available()));
    }
}

/// A purchase or a refund of one under a programme; the rest is left out: whether it is refused depends on what the account remembers.
fn by(command: LoyaltyCommand, rules: &LoyaltyProgramme) -> Option<LoyaltyCommand> {
    use LoyaltyCommand as C;
    let programme = rules.clone();
    match command {
        C::Earn { sale, now, .. } => {
            let on = sale.on.min(now.today);
            Some(C::Earn { sale: Sale { on, ..sale }, programme, now })
        }
        C::Reverse { refunded, now, .. } => Some(C::Reverse { refunded, programme, now }),
        _ => None,
    }
}
