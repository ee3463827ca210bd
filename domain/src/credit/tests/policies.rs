//! Which rules make a policy.

use super::*;
use crate::credit::policy::{DunningChannel, DunningLevel, PolicyFault};

fn faulty(change: impl FnOnce(&mut Policy)) -> Option<PolicyFault> {
    let mut policy = Policy::default_in(code("EUR"));
    change(&mut policy);
    policy.check(code("EUR"), day("2026-01-15")).err()
}

fn level(after_days: u16) -> DunningLevel {
    DunningLevel { after_days, minimum: eur("0.00"), channels: vec![DunningChannel::Sms] }
}

#[test]
fn the_usual_rules_and_those_at_their_bounds_are_sound() {
    for currency in ["EUR", "JPY"] {
        assert_eq!(Policy::default_in(code(currency)).check(code(currency), day("2026-01-15")), Ok(()));
    }
    let at_bounds = faulty(|policy| {
        policy.tolerance_percent = 100;
        policy.overdue_block.grace_days = 365;
        policy.review_on = Some(day("2026-01-15"));
        policy.dunning = (1..=5).map(level).collect();
    });
    assert_eq!(at_bounds, None);
}

#[test]
fn each_fault_is_told_with_its_place() {
    let told = |change: fn(&mut Policy)| faulty(change).map(|fault| (fault.code(), fault.at()));
    let fault = |code, at: &str| Some((code, at.to_owned()));
    assert_eq!(told(|policy| policy.tolerance_percent = 101), fault("tolerance_too_high", "/tolerance_percent"));
    let at = "/overdue_block/grace_days";
    assert_eq!(told(|policy| policy.overdue_block.grace_days = 366), fault("grace_too_long", at));
    let at = "/overdue_block/minimum";
    assert_eq!(told(|policy| policy.overdue_block.minimum = eur("-0.01")), fault("negative_minimum", at));
    assert_eq!(told(|policy| policy.overdue_block.minimum = usd("1.00")), fault("currency_mismatch", at));
    assert_eq!(told(|policy| policy.dunning = (1..=6).map(level).collect()), fault("too_many_levels", "/dunning"));
    let yesterday = |policy: &mut Policy| policy.review_on = Some(day("2026-01-14"));
    assert_eq!(told(yesterday), fault("review_not_ahead", "/review_on"));
    let at = "/dunning/1/after_days";
    assert_eq!(told(|policy| policy.dunning[1].after_days = 1), fault("levels_out_of_order", at));
    let at = "/dunning/0/after_days";
    assert_eq!(told(|policy| policy.dunning = vec![level(0)]), fault("levels_out_of_order", at));
    assert_eq!(told(|policy| policy.dunning = vec![level(3_651)]), fault("levels_out_of_order", at));
    let at = "/dunning/2/minimum";
    assert_eq!(told(|policy| policy.dunning[2].minimum = eur("-0.01")), fault("negative_minimum", at));
    assert_eq!(told(|policy| policy.dunning[2].minimum = usd("1.00")), fault("currency_mismatch", at));
    let at = "/dunning/0/channels";
    assert_eq!(told(|policy| policy.dunning[0].channels.clear()), fault("channels_required", at));
    let twice = told(|policy| policy.dunning[0].channels = vec![DunningChannel::Email; 2]);
    assert_eq!(twice, fault("channels_required", at));
}

#[test]
fn rules_that_make_no_policy_are_refused_and_the_same_change_nothing() {
    let change = |policy| CreditCommand::ChangePolicy { policy: Box::new(policy), now: noon("2026-02-01") };
    let usual = Policy::default_in(code("EUR"));
    given::<CreditLine>(open("1000.00")).when(change(usual.clone())).then([]);
    let policy = Policy { tolerance_percent: 5, ..usual.clone() };
    given::<CreditLine>(open("1000.00"))
        .when(change(policy.clone()))
        .then([CreditEvent::PolicyChanged { policy, on: day("2026-02-01") }]);
    let fault = PolicyFault::Tolerance { limit: 100 };
    given::<CreditLine>(open("1000.00"))
        .when(change(Policy { tolerance_percent: 101, ..usual }))
        .then_refused(CreditError::Faulty(fault));
    let over = Policy { review_on: Some(day("2026-01-31")), ..Policy::default_in(code("EUR")) };
    let review = PolicyFault::ReviewOver { today: day("2026-02-01") };
    given::<CreditLine>(open("1000.00")).when(change(over.clone())).then_refused(CreditError::Faulty(review));
    given::<CreditLine>(open_with("1000.00", over.clone())).when(change(over)).then([]);
    let refusal = Refusal::from(CreditError::Faulty(fault));
    assert_eq!((refusal.field.as_deref(), &refusal.facts["limit"]), (Some("/policy/tolerance_percent"), &100.into()));
}
