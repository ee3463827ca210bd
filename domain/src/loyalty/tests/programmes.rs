//! The rules have versions, and each purchase is of one of them.

use super::*;
use crate::ids::RehearsalId;
use crate::loyalty::commands::{ProgrammeCommand, ProgrammeError};
use crate::loyalty::events::{ProgrammeEvent, RehearsalOutcome};
use crate::loyalty::programme::{EarnBand, EarnedOf, Programme, ProgrammeFault};
use crate::loyalty::sale::{Sale, SaleRefund};

fn doubling_above(units: i64) -> Programme {
    let mut rules = Programme::clone(&Programme::standard());
    rules.earn.push(EarnBand { above: units, points_per_unit: 2, of: EarnedOf::Part });
    rules
}

fn publish(rules: Programme, from: &str) -> ProgrammeCommand {
    ProgrammeCommand::Publish { rules, from: day(from), rehearsal: None, on: day("2026-02-01") }
}

fn published(version: u32, rules: Programme, from: &str) -> ProgrammeEvent {
    let (from, published_on) = (day(from), day("2026-02-01"));
    ProgrammeEvent::Published { version, from, rules, rehearsal: None, published_on }
}

fn rehearsal(number: u128) -> RehearsalId {
    RehearsalId::new(uuid::Uuid::from_u128(number))
}

fn rehearsed(number: u128, rules: Programme) -> ProgrammeEvent {
    let (rehearsal, rehearsed_on) = (rehearsal(number), day("2026-02-01"));
    ProgrammeEvent::Rehearsed { rehearsal, rules, outcome: outcome(), rehearsed_on }
}

fn outcome() -> RehearsalOutcome {
    RehearsalOutcome { position: 1, ..RehearsalOutcome::default() }
}

fn programme(events: &[ProgrammeEvent]) -> LoyaltyProgramme {
    LoyaltyProgramme::fold(LoyaltyProgramme::initial(), events)
}

#[test]
fn versions_are_numbered_and_the_same_once_more_is_none() {
    let first = published(1, doubling_above(50), "2026-03-01");
    given::<LoyaltyProgramme>([]).when(publish(doubling_above(50), "2026-03-01")).then([first.clone()]);
    given::<LoyaltyProgramme>([first.clone()]).when(publish(doubling_above(50), "2026-03-01")).then([]);
    given::<LoyaltyProgramme>([first]).when(publish(doubling_above(70), "2026-03-01")).then([published(
        2,
        doubling_above(70),
        "2026-03-01",
    )]);
}

#[test]
fn rules_that_make_no_programme_are_refused_where_they_are_wrong() {
    let faulty = doubling_above(-1);
    let fault = ProgrammeFault::OutOfRange { at: "/earn/1/above".to_owned(), min: 0, max: POINTS_MAX };
    let refused = given::<LoyaltyProgramme>([]).when(publish(faulty, "2026-03-01"));
    refused.then_refused(ProgrammeError::Faulty(fault.clone()));
    let refusal = Refusal::from(ProgrammeError::Faulty(fault));
    assert_eq!((refusal.kind, refusal.code.as_str()), (RefusalKind::Invalid, "out_of_range"));
    assert_eq!(refusal.field.as_deref(), Some("/rules/earn/1/above"));
}

#[test]
fn the_latest_version_whose_date_has_come_holds() {
    let programme = programme(&[
        published(1, doubling_above(10), "2026-03-01"),
        published(2, doubling_above(20), "2026-06-01"),
        published(3, doubling_above(30), "2026-04-01"),
    ]);
    let on = |date| programme.on(day(date)).version;
    assert_eq!((on("2026-02-28"), on("2026-03-01"), on("2026-03-31")), (None, Some(1), Some(1)));
    assert_eq!((on("2026-04-01"), on("2026-07-01")), (Some(3), Some(3)), "it takes the place of what was planned");
    assert_eq!(programme.on(day("2026-01-01")).rules, Programme::standard());
    assert_eq!(*programme.version(Some(2)).rules, doubling_above(20));
}

#[test]
fn who_publishes_may_refer_to_a_rehearsal_of_the_same_rules_only() {
    let refers = |number, rules| ProgrammeCommand::Publish {
        rules,
        from: day("2026-03-01"),
        rehearsal: Some(rehearsal(number)),
        on: day("2026-02-01"),
    };
    let history = [rehearsed(7, doubling_above(50))];
    given::<LoyaltyProgramme>(history.clone()).when(refers(7, doubling_above(50))).then([ProgrammeEvent::Published {
        version: 1,
        from: day("2026-03-01"),
        rules: doubling_above(50),
        rehearsal: Some(rehearsal(7)),
        published_on: day("2026-02-01"),
    }]);
    let of_others = ProgrammeError::RehearsalOfOtherRules { rehearsal: rehearsal(7) };
    given::<LoyaltyProgramme>(history.clone()).when(refers(7, doubling_above(60))).then_refused(of_others);
    let unknown = ProgrammeError::RehearsalNotFound { rehearsal: rehearsal(8) };
    given::<LoyaltyProgramme>(history).when(refers(8, doubling_above(50))).then_refused(unknown);
}

#[test]
fn a_rehearsal_is_recorded_once() {
    let record = || ProgrammeCommand::RecordRehearsal {
        rehearsal: rehearsal(7),
        rules: doubling_above(50),
        outcome: outcome(),
        on: day("2026-02-01"),
    };
    given::<LoyaltyProgramme>([]).when(record()).then([rehearsed(7, doubling_above(50))]);
    given::<LoyaltyProgramme>([rehearsed(7, doubling_above(50))]).when(record()).then([]);
}

#[test]
fn a_purchase_earns_by_the_rules_of_its_date_and_says_which() {
    let rules = programme(&[published(1, doubling_above(50), "2026-03-01")]);
    let earned = |on: &str| {
        let command = LoyaltyCommand::Earn {
            sale: Sale::of_total(order("order-7"), usd("100.00"), day(on)),
            programme: rules.clone(),
            now: noon("2026-03-05"),
        };
        let events = LoyaltyAccount::decide(&given::<LoyaltyAccount>([enrolled()]).state(), command).unwrap();
        match &events[..] {
            [LoyaltyEvent::PointsEarned { programme, points, .. }] => (*programme, *points),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(earned("2026-02-28"), (None, 100), "told late, it is still of February");
    assert_eq!(earned("2026-03-01"), (Some(1), 150));
}

#[test]
fn a_refund_takes_back_by_the_rules_that_its_purchase_earned_by() {
    let before = programme(&[published(1, doubling_above(50), "2026-01-01")]);
    let bought = LoyaltyCommand::Earn {
        sale: Sale::of_total(order("order-7"), usd("100.00"), day("2026-02-09")),
        programme: before.clone(),
        now: noon("2026-02-09"),
    };
    let state = after(&given::<LoyaltyAccount>([enrolled()]).state(), bought);
    let changed = LoyaltyProgramme::evolve(before, &published(2, doubling_above(99), "2026-02-10"));
    let refunded = LoyaltyCommand::Reverse {
        refunded: SaleRefund::remaining(order("order-7"), refund("refund-1"), usd("60.00"), day("2026-02-20")),
        programme: changed,
        now: noon("2026-02-20"),
    };
    let events = LoyaltyAccount::decide(&state, refunded).unwrap();
    assert!(matches!(events[..], [LoyaltyEvent::PointsReversed { points: 80, balance: 70, .. }]), "{events:?}");
}

#[test]
fn points_are_worth_what_the_rules_of_the_day_say() {
    let mut generous = Programme::clone(&Programme::standard());
    generous.redeem.points_per_unit = 50;
    let spend =
        |programme| LoyaltyCommand::Redeem { points: 100, order: order("order-8"), programme, now: noon("2026-03-01") };
    let state = given::<LoyaltyAccount>([enrolled(), earned(1, "order-1", 250, "2026-02-09")]).state();
    let events = LoyaltyAccount::decide(&state, spend(LoyaltyProgramme::always(generous))).unwrap();
    assert!(matches!(&events[..], [LoyaltyEvent::PointsRedeemed { discount, .. }] if *discount == usd("2.00")));
}

#[test]
fn a_review_is_by_the_rules_of_its_day() {
    let mut strict = Programme::clone(&Programme::standard());
    strict.tiers[1].from_points = 2_000;
    let rules = programme(&[published(1, strict, "2026-06-01")]);
    let history = [
        enrolled(),
        earned(1, "order-1", 1_200, "2026-02-09"),
        upgraded(Tier::Bronze, Tier::Silver, 1_200, "2026-02-09"),
    ];
    let state = given::<LoyaltyAccount>(history).state();
    let review = LoyaltyCommand::Review { programme: rules, now: noon("2027-01-10") };
    let events = LoyaltyAccount::decide(&state, review).unwrap();
    assert!(matches!(events[..], [LoyaltyEvent::TierDowngraded { to: Tier::Bronze, .. }]), "{events:?}");
}
