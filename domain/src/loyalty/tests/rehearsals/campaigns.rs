//! Rehearsals keep the campaigns that there were, each purchase those of its time.

use super::super::campaigns::{any_campaign, born, category, published};
use super::*;
use crate::ids::Sku;
use crate::loyalty::campaigns::{BirthdayRule, CampaignRules};
use crate::loyalty::events::ProgrammeEvent;
use crate::purchase::{LineGivenBack, PurchaseLine, RefundedLine};
use std::collections::BTreeMap;

/// A story in which campaigns are published on the way.
struct WithCampaigns {
    story: Story,
    programme: LoyaltyProgramme,
    /// From which fact on which campaigns were known.
    known: Vec<(usize, LoyaltyProgramme)>,
    given_back: BTreeMap<OrderId, Vec<LineGivenBack>>,
}

impl WithCampaigns {
    fn new() -> Self {
        let (story, programme) = (Story::of_a_member(), standard());
        Self { story, known: vec![(0, programme.clone())], programme, given_back: BTreeMap::new() }
    }

    fn publish(mut self, event: &ProgrammeEvent) -> Self {
        self.programme = LoyaltyProgramme::evolve(self.programme, event);
        self.known.push((self.story.told.len(), self.programme.clone()));
        self
    }

    fn when(mut self, (command, by_import): (LoyaltyCommand, bool)) -> Self {
        let command = match command {
            LoyaltyCommand::Earn { sale, now, .. } => {
                let sale = Sale { lines: lines_of(sale.total), buyer: born("1984-02-29"), ..sale };
                LoyaltyCommand::Earn { sale, programme: self.programme.clone(), now }
            }
            LoyaltyCommand::Reverse { refunded, now, .. } => self.refund(refunded, now),
            LoyaltyCommand::RefundOrder { refunded, now, .. } => {
                LoyaltyCommand::RefundOrder { refunded, programme: self.programme.clone(), now }
            }
            command => command,
        };
        self.story = self.story.when_asked(command, by_import);
        self
    }

    /// A refund gives an article of the first line back, and tells the account of all that came back by then.
    fn refund(&mut self, refunded: SaleRefund, now: Moment) -> LoyaltyCommand {
        let sku = Sku::parse("first").unwrap();
        let lines = vec![RefundedLine { line: 0, sku, quantity: 1, amount: usd("3.00") }];
        let known = self.given_back.entry(refunded.order.clone()).or_default();
        LineGivenBack::add(known, &lines);
        let given_back = known.clone();
        if refunded.remaining_total.is_zero() {
            known.clear();
        }
        let refunded = SaleRefund { lines, given_back, ..refunded };
        LoyaltyCommand::Reverse { refunded, programme: self.programme.clone(), now }
    }

    /// Replays it under other rules, each fact with the campaigns that were known then.
    fn rehearsed(self, rules: &Programme, today: &str) -> MemberOutcome {
        let mut rehearsal = MemberRehearsal::new(noon("2026-01-10"));
        let mut rehearsed = LoyaltyProgramme::always(rules.clone());
        let mut known = self.known.iter().peekable();
        for (nth, told) in self.story.told.into_iter().enumerate() {
            while let Some((_, programme)) = known.next_if(|(from, _)| *from <= nth) {
                rehearsed = with_campaigns(rules, programme);
            }
            rehearsal.take(told, &rehearsed);
        }
        for (_, programme) in known {
            rehearsed = with_campaigns(rules, programme);
        }
        rehearsal.end(&self.programme, &rehearsed, noon(today)).expect("a member")
    }
}

/// The rules beside the campaigns of a programme that has made none of its own.
fn with_campaigns(rules: &Programme, programme: &LoyaltyProgramme) -> LoyaltyProgramme {
    let mut of = serde_json::to_value(programme).unwrap();
    of["versions"] = serde_json::to_value(LoyaltyProgramme::always(rules.clone())).unwrap()["versions"].take();
    serde_json::from_value(of).unwrap()
}

fn lines_of(total: Money) -> Vec<PurchaseLine> {
    let half = Money::from_minor(total.minor() / 2, total.currency()).unwrap();
    let rest = total.checked_sub(half).unwrap();
    let line = |sku, of, amount| PurchaseLine {
        sku: Sku::parse(sku).unwrap(),
        category: Some(category(of)),
        quantity: 3,
        amount,
    };
    vec![line("first", "a", half), line("second", "c", rest)]
}

fn any_campaigns() -> impl Strategy<Value = Vec<(prop::sample::Index, CampaignRules, u64, Option<u64>)>> {
    let from = 0_u64..1_500;
    prop::collection::vec((any::<prop::sample::Index>(), any_campaign(), from, prop::option::of(0_u64..900)), 0..6)
}

proptest! {
    /// The rules that hold change nothing, whatever campaigns came on the way.
    #[test]
    fn the_rules_that_hold_change_nothing_beside_campaigns(commands in any_commands(), campaigns in any_campaigns()) {
        let mut story = WithCampaigns::new();
        for (nth, command) in commands.iter().cloned().enumerate() {
            for (number, (at, rules, from, lasts)) in (1..).zip(&campaigns) {
                if at.index(commands.len()) == nth {
                    let from = day("2026-01-10") + Days::new(*from);
                    let until = lasts.map(|days| (from + Days::new(days)).to_string());
                    story = story.publish(&published(number, 1, rules.clone(), (&from.to_string(), until.as_deref())));
                }
            }
            story = story.when(command);
        }
        let outcome = story.rehearsed(&Programme::standard(), "2030-06-01");
        prop_assert_eq!(outcome.known, outcome.rehearsed);
    }
}

#[test]
fn a_refund_by_lines_is_rehearsed_with_those_that_came_back_before() {
    let campaign =
        CampaignRules { categories: vec![category("a")], multiplier_percent: Some(200), ..CampaignRules::default() };
    let story = WithCampaigns::new()
        .publish(&published(1, 1, campaign, ("2026-02-01", None)))
        .when((earn("order-1", "100.00", "2026-02-01"), false))
        .when((reverse_by("refund-1", "order-1", "97.00", "2026-02-02"), false))
        .when((reverse_by("refund-2", "order-1", "94.00", "2026-02-03"), false));
    let outcome = story.rehearsed(&Programme::standard(), "2026-02-04");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (94 + 44, 94 + 44));
}

#[test]
fn other_rules_give_more_of_a_multiplier_and_the_same_bonus() {
    let campaign = CampaignRules { multiplier_percent: Some(200), bonus_points: Some(30), ..CampaignRules::default() };
    let story = || {
        WithCampaigns::new()
            .when((earn("order-1", "100.00", "2026-02-01"), false))
            .publish(&published(1, 1, campaign.clone(), ("2026-02-01", None)))
            .when((earn("order-2", "100.00", "2026-02-02"), false))
    };
    let outcome = story().rehearsed(&Programme::standard(), "2026-02-03");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (100 + 230, 100 + 230));
    let outcome = story().rehearsed(&doubling_above(50), "2026-02-03");
    assert_eq!(outcome.rehearsed.points, 150 + 150 + 150 + 30);
}

#[test]
fn a_birthday_is_that_of_who_bought_though_nobody_asks_when_they_were_born() {
    let birthday = BirthdayRule { within_days: 2, points_per_birthday: Some(70) };
    let campaign = CampaignRules { bonus_points: Some(50), birthday: Some(birthday), ..CampaignRules::default() };
    let story = || {
        WithCampaigns::new()
            .publish(&published(1, 1, campaign.clone(), ("2026-02-01", None)))
            .when((earn("order-1", "100.00", "2026-02-25"), false))
            .when((earn("order-2", "100.00", "2026-02-26"), false))
            .when((earn("order-3", "100.00", "2026-03-01"), false))
    };
    let outcome = story().rehearsed(&Programme::standard(), "2026-03-03");
    assert_eq!((outcome.known.points, outcome.rehearsed.points), (300 + 50 + 20, 300 + 50 + 20));
    let outcome = story().rehearsed(&doubling_above(50), "2026-03-03");
    assert_eq!(outcome.rehearsed.points, 450 + 50 + 20);
}
