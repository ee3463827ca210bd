//! Campaigns give more for some purchases, for a time; a refund takes back what the rest would not have earned.

use super::*;
use crate::birth_date::BirthDate;
use crate::ids::{CampaignId, CategoryCode, Channel, Sku};
use crate::loyalty::campaigns::{
    BirthdayRule, CAMPAIGN_VERSIONS_MAX, CampaignDraft, CampaignName, CampaignPoints, CampaignRules, RUNNING_MAX,
};
use crate::loyalty::commands::{ProgrammeCommand, ProgrammeError};
use crate::loyalty::events::ProgrammeEvent;
use crate::loyalty::programme::{EarnBand, EarnCaps, EarnedOf, PendingRule, Programme};
use crate::loyalty::sale::{Buyer, KnownBuyer};
use crate::purchase::{LineGivenBack, PurchaseLine};

const ON: &str = "2026-02-09";

fn id(number: u128) -> CampaignId {
    CampaignId::new(uuid::Uuid::from_u128(number))
}

fn rules(change: impl FnOnce(&mut CampaignRules)) -> CampaignRules {
    let mut rules = CampaignRules::default();
    change(&mut rules);
    rules
}

fn double() -> CampaignRules {
    rules(|rules| rules.multiplier_percent = Some(200))
}

fn double_wine() -> CampaignRules {
    CampaignRules { categories: vec![category("wine")], ..double() }
}

fn birthday(within_days: u32, points_per_birthday: Option<i64>) -> BirthdayRule {
    BirthdayRule { within_days, points_per_birthday }
}

/// Who was born on that day.
pub(super) fn born(on: &str) -> Buyer {
    Buyer::Known(KnownBuyer { birth_date: BirthDate::parse(on).ok(), ..KnownBuyer::default() })
}

fn bonus(points: i64) -> CampaignRules {
    rules(|rules| rules.bonus_points = Some(points))
}

pub(super) fn category(code: &str) -> CategoryCode {
    CategoryCode::parse(code).unwrap()
}

fn capped(points_per_order: Option<i64>, points_per_day: Option<i64>) -> EarnCaps {
    EarnCaps { points_per_order, points_per_day }
}

fn name() -> CampaignName {
    CampaignName::parse("Wine weeks").unwrap()
}

pub(super) fn published(
    number: u128,
    version: u32,
    rules: CampaignRules,
    (from, until): (&str, Option<&str>),
) -> ProgrammeEvent {
    let (campaign, name, published_on) = (id(number), name(), day("2026-01-01"));
    ProgrammeEvent::CampaignPublished {
        campaign,
        version,
        name,
        rules,
        from: day(from),
        until: until.map(day),
        published_on,
    }
}

fn ended(number: u128, on: &str) -> ProgrammeEvent {
    ProgrammeEvent::CampaignEnded { campaign: id(number), on: day(on), ended_on: day("2026-01-01") }
}

fn folded(events: &[ProgrammeEvent]) -> LoyaltyProgramme {
    LoyaltyProgramme::fold(LoyaltyProgramme::default(), events)
}

/// These campaigns, numbered from one, all the time, beside rules.
fn under(programme: &Programme, campaigns: impl IntoIterator<Item = CampaignRules>) -> LoyaltyProgramme {
    let campaigns = (1..).zip(campaigns).map(|(number, rules)| published(number, 1, rules, ("2020-01-01", None)));
    LoyaltyProgramme::fold(LoyaltyProgramme::always(programme.clone()), &campaigns.collect::<Vec<_>>())
}

fn during(campaigns: impl IntoIterator<Item = CampaignRules>) -> LoyaltyProgramme {
    under(&Programme::standard(), campaigns)
}

fn line(sku: &str, of: &str, quantity: u32, amount: &str) -> PurchaseLine {
    PurchaseLine { sku: Sku::parse(sku).unwrap(), category: Some(category(of)), quantity, amount: usd(amount) }
}

/// Two bottles of wine for 40 and bread for 10.
fn sale(total: &str) -> Sale {
    let lines = vec![line("red", "wine", 2, "40.00"), line("loaf", "bread", 1, "10.00")];
    Sale { lines, ..Sale::of_total(order("order-1"), usd(total), day(ON)) }
}

fn buy(sale: Sale, programme: &LoyaltyProgramme) -> LoyaltyCommand {
    let now = noon(&sale.on.to_string());
    LoyaltyCommand::Earn { sale, programme: programme.clone(), now }
}

/// What a member gets for a purchase, and what of it which campaign gave.
fn points(sale: Sale, programme: &LoyaltyProgramme) -> (i64, Vec<(u128, i64)>) {
    let state = given::<LoyaltyAccount>([enrolled()]).state();
    earned_of(&LoyaltyAccount::decide(&state, buy(sale, programme)).unwrap())
}

fn earned_of(events: &[LoyaltyEvent]) -> (i64, Vec<(u128, i64)>) {
    match events.first() {
        Some(
            LoyaltyEvent::PointsEarned { points, campaigns, .. }
            | LoyaltyEvent::PointsPending { points, campaigns, .. },
        ) => (*points, told(campaigns)),
        _ => (0, vec![]),
    }
}

fn told(campaigns: &[CampaignPoints]) -> Vec<(u128, i64)> {
    campaigns.iter().map(|given| (given.campaign.as_uuid().as_u128(), given.points)).collect()
}

fn back(line: u32, quantity: u32, amount: &str) -> LineGivenBack {
    LineGivenBack { line, quantity, minor: usd(amount).minor() }
}

fn give_back(id: &str, remaining: &str, given_back: &[LineGivenBack], programme: &LoyaltyProgramme) -> LoyaltyCommand {
    let refunded = SaleRefund::remaining(order("order-1"), refund(id), usd(remaining), day(ON));
    let refunded = SaleRefund { given_back: given_back.to_vec(), ..refunded };
    LoyaltyCommand::Reverse { refunded, programme: programme.clone(), now: noon(ON) }
}

fn taken(events: &[LoyaltyEvent]) -> (i64, Vec<(u128, i64)>) {
    match events {
        [LoyaltyEvent::PointsReversed { points, campaigns, .. }] => (*points, told(campaigns)),
        _ => (0, vec![]),
    }
}

mod giving {
    use super::*;

    #[test]
    fn without_lines_that_match_there_is_nothing_more() {
        assert_eq!(points(sale("50.00"), &during([])), (50, vec![]));
        let total_only = Sale::of_total(order("order-1"), usd("50.00"), day(ON));
        assert_eq!(points(total_only.clone(), &during([double_wine()])), (50, vec![]), "nobody knows what it was");
        assert_eq!(points(total_only, &during([double()])), (100, vec![(1, 50)]));
        let fish = CampaignRules { categories: vec![category("fish")], ..double() };
        assert_eq!(points(sale("50.00"), &during([fish])), (50, vec![]));
    }

    #[test]
    fn a_multiplier_is_for_what_was_paid_for_the_articles_that_are_named() {
        assert_eq!(points(sale("50.00"), &during([double_wine()])), (90, vec![(1, 40)]));
        let red = CampaignRules { products: vec![Sku::parse("red").unwrap()], ..double() };
        assert_eq!(points(sale("50.00"), &during([red])), (90, vec![(1, 40)]));
        // 5.00 off 50.00: 36.00 were paid for the wine.
        assert_eq!(points(sale("45.00"), &during([double_wine()])), (81, vec![(1, 36)]));
        // 5.00 for carriage: that is no wine.
        assert_eq!(points(sale("55.00"), &during([double_wine()])), (95, vec![(1, 40)]));
        let half_more = CampaignRules { multiplier_percent: Some(150), ..double_wine() };
        assert_eq!(points(sale("50.00"), &during([half_more])), (70, vec![(1, 20)]));
        assert_eq!(points(sale("0.00"), &during([double_wine(), bonus(5)])), (0, vec![]), "nothing for what was free");
    }

    #[test]
    fn a_bonus_is_for_a_purchase_and_points_for_each_article() {
        assert_eq!(points(sale("50.00"), &during([bonus(25)])), (75, vec![(1, 25)]));
        let bottles = rules(|rules| (rules.categories, rules.points_per_article) = (vec![category("wine")], Some(30)));
        assert_eq!(points(sale("50.00"), &during([bottles])), (110, vec![(1, 60)]));
        let mut discounted = sale("45.00");
        discounted.lines.push(line("coupon", "wine", 3, "-5.00"));
        let bottles = rules(|rules| (rules.categories, rules.points_per_article) = (vec![category("wine")], Some(30)));
        assert_eq!(points(discounted, &during([bottles])), (105, vec![(1, 60)]), "what lowers a price is no article");
    }

    #[test]
    fn campaigns_add_up_and_none_multiplies_what_another_gave() {
        let triple = CampaignRules { multiplier_percent: Some(300), ..double_wine() };
        let campaigns = during([double(), triple, bonus(7)]);
        assert_eq!(points(sale("50.00"), &campaigns), (50 + 50 + 80 + 7, vec![(1, 50), (2, 80), (3, 7)]));
    }

    #[test]
    fn a_channel_a_tier_and_a_minimum_are_asked_for() {
        let web = Channel::parse("web").unwrap();
        let online = CampaignRules { channels: vec![web.clone()], ..double() };
        assert_eq!(points(sale("50.00"), &during([online.clone()])).0, 50);
        assert_eq!(points(Sale { channel: Some(web), ..sale("50.00") }, &during([online])).0, 100);
        assert_eq!(points(sale("50.00"), &during([CampaignRules { tiers: vec![Tier::Gold], ..double() }])).0, 50);
        assert_eq!(points(sale("50.00"), &during([CampaignRules { tiers: vec![Tier::Bronze], ..double() }])).0, 100);
        let from = |minimum, rules| during([CampaignRules { minimum_amount: Some(minimum), ..rules }]);
        assert_eq!(points(sale("50.00"), &from(50, bonus(9))).0, 59);
        assert_eq!(points(sale("49.99"), &from(50, bonus(9))).0, 49);
        assert_eq!(points(sale("50.00"), &from(41, double_wine())).0, 50, "40.00 of it are wine");
    }

    #[test]
    fn the_tier_multiplies_what_a_multiplier_gives_and_not_a_bonus() {
        let silver = given::<LoyaltyAccount>([
            enrolled(),
            earned(1, "order-0", 1_000, "2026-02-01"),
            upgraded(Tier::Bronze, Tier::Silver, 1_000, "2026-02-01"),
        ]);
        let campaigns = during([double_wine(), bonus(10)]);
        let told = LoyaltyAccount::decide(&silver.state(), buy(sale("50.00"), &campaigns)).unwrap();
        // 62.5, 50 more for the wine, and 10.
        assert_eq!(earned_of(&told), (62 + 50 + 10, vec![(1, 50), (2, 10)]));
    }

    #[test]
    fn what_an_order_and_a_day_of_a_member_get_is_capped() {
        let capped_order = CampaignRules { caps: capped(Some(30), None), ..double() };
        assert_eq!(points(sale("50.00"), &during([capped_order])), (80, vec![(1, 30)]));
        let campaigns = during([CampaignRules { caps: capped(None, Some(70)), ..double() }]);
        let state = given::<LoyaltyAccount>([enrolled()]).state();
        let first = after(&state, buy(sale("50.00"), &campaigns));
        let again = |on: &str| buy(Sale { order: order("order-2"), on: day(on), ..sale("50.00") }, &campaigns);
        assert_eq!(earned_of(&LoyaltyAccount::decide(&first, again(ON)).unwrap()), (70, vec![(1, 20)]));
        assert_eq!(earned_of(&LoyaltyAccount::decide(&first, again("2026-02-10")).unwrap()), (100, vec![(1, 50)]));
        let returned = after(&first, give_back("r-1", "0.00", &[], &campaigns));
        let told = LoyaltyAccount::decide(&returned, again(ON)).unwrap();
        assert_eq!(earned_of(&told), (100, vec![(1, 50)]), "what was given back frees the day again");
    }

    #[test]
    fn the_caps_of_the_programme_are_over_all() {
        let mut programme = Programme::clone(&Programme::standard());
        programme.caps = capped(Some(70), None);
        let campaigns = under(&programme, [double()]);
        let state = given::<LoyaltyAccount>([enrolled()]).state();
        let told = LoyaltyAccount::decide(&state, buy(sale("50.00"), &campaigns)).unwrap();
        assert!(matches!(&told[..], [LoyaltyEvent::PointsEarned { points: 70, base_points: 50, capped: 30, .. }]));
        let bought = LoyaltyAccount::fold(state, &told);
        // 40.00 remain, which would have earned 80.
        assert_eq!(LoyaltyAccount::decide(&bought, give_back("r-1", "40.00", &[], &campaigns)), Ok(vec![]));
        let told = LoyaltyAccount::decide(&bought, give_back("r-1", "30.00", &[], &campaigns)).unwrap();
        assert_eq!(taken(&told), (10, vec![(1, 20)]), "what campaigns gave is told as it was before these caps");
    }
}

mod birthdays {
    use super::*;

    fn around(within_days: u32, points_per_birthday: Option<i64>) -> CampaignRules {
        CampaignRules { birthday: Some(birthday(within_days, points_per_birthday)), ..bonus(100) }
    }

    fn of(buyer: Buyer, order_id: &str, on: &str) -> Sale {
        Sale { buyer, order: order(order_id), on: day(on), ..sale("50.00") }
    }

    #[test]
    fn a_campaign_gives_around_a_birthday_and_to_nobody_whose_day_is_not_known() {
        let campaigns = during([around(3, None)]);
        let told = |buyer: Buyer, on: &str| points(of(buyer, "order-1", on), &campaigns).0;
        let days = ["2026-02-05", "2026-02-06", "2026-02-09", "2026-02-12", "2026-02-13"];
        assert_eq!(days.map(|on| told(born("1990-02-09"), on)), [50, 150, 150, 150, 50]);
        assert_eq!(told(Buyer::default(), ON), 50);
        let only_the_day = during([around(0, None)]);
        let told =
            ["2026-02-08", "2026-02-09"].map(|on| points(of(born("1990-02-09"), "order-1", on), &only_the_day).0);
        assert_eq!(told, [50, 150]);
    }

    #[test]
    fn what_is_given_for_one_birthday_is_capped_and_for_the_next_one_again() {
        let campaigns = during([around(10, Some(150))]);
        let mut state = given::<LoyaltyAccount>([enrolled()]).state();
        let mut told = Vec::new();
        for (nth, on) in ["2025-12-31", "2026-01-10", "2026-01-10", "2026-12-30"].into_iter().enumerate() {
            let buying = buy(of(born("1990-01-04"), &format!("order-{nth}"), on), &campaigns);
            let events = LoyaltyAccount::decide(&state, buying).unwrap();
            told.push(earned_of(&events).0);
            state = LoyaltyAccount::fold(state, &events);
        }
        assert_eq!(told, [150, 100, 50, 150]);
    }

    #[test]
    fn what_a_refund_takes_back_frees_the_birthday_again() {
        let campaigns = during([around(10, Some(100))]);
        let state = given::<LoyaltyAccount>([enrolled()]).state();
        let bought = after(&state, buy(of(born("1990-02-09"), "order-1", ON), &campaigns));
        let again = || buy(of(born("1990-02-09"), "order-2", "2026-02-10"), &campaigns);
        assert_eq!(earned_of(&LoyaltyAccount::decide(&bought, again()).unwrap()).0, 50);
        let returned = after(&bought, give_back("r-1", "0.00", &[], &campaigns));
        assert_eq!(earned_of(&LoyaltyAccount::decide(&returned, again()).unwrap()).0, 150);
    }

    #[test]
    fn a_history_tells_whom_it_was_for() {
        let campaigns = during([around(3, None), around(3, None)]);
        let recorded = Buyer::AsRecorded { campaigns: [id(2)].into() };
        assert_eq!(points(of(recorded, "order-1", "2026-07-07"), &campaigns), (150, vec![(2, 100)]));
    }
}

mod periods {
    use super::*;

    fn of_day(on: &str, programme: &LoyaltyProgramme) -> i64 {
        points(Sale { on: day(on), ..sale("50.00") }, programme).0
    }

    #[test]
    fn a_campaign_gives_from_its_first_day_to_its_last() {
        let march = folded(&[published(1, 1, double(), ("2026-03-01", Some("2026-03-31")))]);
        let told = ["2026-02-28", "2026-03-01", "2026-03-31", "2026-04-01"].map(|on| of_day(on, &march));
        assert_eq!(told, [50, 100, 100, 50]);
    }

    #[test]
    fn a_purchase_gets_the_version_that_was_published_last_of_those_whose_day_had_come() {
        let history = [
            published(1, 1, double(), ("2026-03-01", Some("2026-03-31"))),
            published(1, 2, bonus(7), ("2026-03-10", Some("2026-04-15"))),
        ];
        let told = ["2026-03-09", "2026-03-10", "2026-04-15", "2026-04-16"].map(|on| of_day(on, &folded(&history)));
        assert_eq!(told, [100, 57, 57, 50]);
        let shorter = published(1, 2, double(), ("2026-03-01", Some("2026-03-05")));
        let told = ["2026-03-05", "2026-03-06"].map(|on| of_day(on, &folded(&[history[0].clone(), shorter.clone()])));
        assert_eq!(told, [100, 50], "the last one has the last word");
    }

    #[test]
    fn what_was_ended_gives_nothing_from_that_day_on_and_still_something_for_days_before() {
        let history = [published(1, 1, double(), ("2026-03-01", None)), ended(1, "2026-03-10")];
        assert_eq!(["2026-03-09", "2026-03-10"].map(|on| of_day(on, &folded(&history))), [100, 50]);
    }

    #[test]
    fn a_refund_is_by_the_version_that_the_purchase_earned_by() {
        let first = published(1, 1, double(), ("2026-02-01", None));
        let bought = after(
            &given::<LoyaltyAccount>([enrolled()]).state(),
            buy(sale("50.00"), &folded(std::slice::from_ref(&first))),
        );
        let changed = folded(&[first, published(1, 2, bonus(1), ("2026-02-01", None)), ended(1, "2026-02-01")]);
        let told = LoyaltyAccount::decide(&bought, give_back("r-1", "20.00", &[], &changed)).unwrap();
        assert_eq!(taken(&told), (60, vec![(1, 30)]));
    }
}

mod taking_back {
    use super::*;

    fn bought(programme: &LoyaltyProgramme) -> LoyaltyAccount {
        after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(sale("50.00"), programme))
    }

    #[test]
    fn lines_that_matched_take_more_with_them_than_others() {
        let wine = during([double_wine()]);
        let told = |remaining, lines: &[LineGivenBack]| {
            taken(&LoyaltyAccount::decide(&bought(&wine), give_back("r-1", remaining, lines, &wine)).unwrap())
        };
        assert_eq!(told("40.00", &[back(1, 1, "10.00")]), (10, vec![]), "the bread");
        assert_eq!(told("30.00", &[back(0, 1, "20.00")]), (40, vec![(1, 20)]), "a bottle");
        // Told by the amount only: of each as much as of the whole.
        assert_eq!(told("25.00", &[]), (45, vec![(1, 20)]));
        // A bottle came back, and 10.00 of the other 30.00 beside.
        assert_eq!(told("20.00", &[back(0, 1, "20.00")]), (57, vec![(1, 27)]));
        // A bottle came back for half its price: it is no bottle that was bought any more.
        assert_eq!(told("40.00", &[back(0, 1, "20.00")]), (30, vec![(1, 20)]));
        assert_eq!(told("0.00", &[]), (90, vec![(1, 40)]));
    }

    #[test]
    fn what_remains_keeps_no_more_than_the_day_had_left_for_it() {
        let campaigns = during([CampaignRules { caps: capped(None, Some(70)), ..double() }]);
        let first = Sale { order: order("order-0"), ..sale("50.00") };
        let before = after(&given::<LoyaltyAccount>([enrolled()]).state(), buy(first, &campaigns));
        let capped = after(&before, buy(sale("50.00"), &campaigns));
        let told = LoyaltyAccount::decide(&capped, give_back("r-1", "40.00", &[], &campaigns)).unwrap();
        assert_eq!(taken(&told), (10, vec![]), "20 were given, and are kept");
    }

    #[test]
    fn articles_that_come_back_take_their_points_with_them() {
        let bottles = during([rules(|rules| {
            (rules.categories, rules.points_per_article) = (vec![category("wine")], Some(30));
        })]);
        let one = bought(&bottles);
        let told = LoyaltyAccount::decide(&one, give_back("r-1", "30.00", &[back(0, 1, "20.00")], &bottles)).unwrap();
        assert_eq!(taken(&told), (20 + 30, vec![(1, 30)]));
        let rest = LoyaltyAccount::fold(one, &told);
        let told = LoyaltyAccount::decide(&rest, give_back("r-2", "0.00", &[], &bottles)).unwrap();
        assert_eq!(taken(&told), (30 + 30, vec![(1, 30)]));
    }

    #[test]
    fn a_bonus_goes_when_nothing_remains_or_less_than_was_asked_for() {
        let all = during([bonus(25)]);
        let told = LoyaltyAccount::decide(&bought(&all), give_back("r-1", "10.00", &[], &all)).unwrap();
        assert_eq!(taken(&told), (40, vec![]));
        let some = during([CampaignRules { minimum_amount: Some(30), ..bonus(25) }]);
        let told = LoyaltyAccount::decide(&bought(&some), give_back("r-1", "29.99", &[], &some)).unwrap();
        assert_eq!(taken(&told), (21 + 25, vec![(1, 25)]));
    }

    #[test]
    fn pending_points_are_taken_back_with_what_campaigns_gave_and_the_rest_vests() {
        let mut programme = Programme::clone(&Programme::standard());
        programme.pending = Some(PendingRule { vest_after_days: Some(14) });
        let wine = under(&programme, [double_wine()]);
        let pending = bought(&wine);
        let told = LoyaltyAccount::decide(&pending, give_back("r-1", "30.00", &[back(0, 1, "20.00")], &wine)).unwrap();
        assert_eq!(taken(&told), (40, vec![(1, 20)]));
        let rest = LoyaltyAccount::fold(pending, &told);
        let vest = LoyaltyCommand::Vest { order: None, programme: wine.clone(), now: noon("2026-02-23") };
        let vested = LoyaltyAccount::decide(&rest, vest).unwrap();
        assert_eq!(earned_of(&vested), (50, vec![(1, 20)]));
        let earned = LoyaltyAccount::fold(rest, &vested);
        let told = LoyaltyAccount::decide(&earned, give_back("r-2", "0.00", &[], &wine)).unwrap();
        assert_eq!(taken(&told), (50, vec![(1, 20)]));
    }

    #[test]
    fn a_duplicate_hands_over_what_campaigns_gave() {
        let now = noon(ON);
        let mut pending_rules = Programme::clone(&Programme::standard());
        pending_rules.pending = Some(PendingRule { vest_after_days: Some(14) });
        for wine in [during([double_wine()]), under(&pending_rules, [double_wine()])] {
            let account = Box::new(member(&bought(&wine)).clone());
            let absorb = LoyaltyCommand::Absorb {
                duplicate: CustomerId::new(uuid::Uuid::from_u128(9)),
                account,
                programme: wine.clone(),
                now,
            };
            let joined = after(&given::<LoyaltyAccount>([enrolled()]).state(), absorb);
            assert!(member(&joined).asks_for_lines(&order("order-1")));
            let bottle = give_back("r-1", "30.00", &[back(0, 1, "20.00")], &wine);
            assert_eq!(taken(&LoyaltyAccount::decide(&joined, bottle).unwrap()), (40, vec![(1, 20)]));
        }
    }
}

mod publishing {
    use super::*;

    fn draft(rules: CampaignRules, from: &str, until: Option<&str>) -> CampaignDraft {
        CampaignDraft { name: name(), rules, from: day(from), until: until.map(day) }
    }

    fn begin(number: u128, draft: CampaignDraft) -> ProgrammeCommand {
        ProgrammeCommand::BeginCampaign { campaign: id(number), draft, on: day("2026-01-01") }
    }

    fn change(number: u128, draft: CampaignDraft) -> ProgrammeCommand {
        ProgrammeCommand::ChangeCampaign { campaign: id(number), draft, on: day("2026-01-01") }
    }

    fn end(number: u128, from: &str) -> ProgrammeCommand {
        ProgrammeCommand::EndCampaign { campaign: id(number), from: day(from), on: day("2026-01-01") }
    }

    #[test]
    fn a_campaign_is_published_changed_and_ended() {
        let march = ("2026-03-01", Some("2026-03-31"));
        let first = published(1, 1, double(), march);
        given::<LoyaltyProgramme>([]).when(begin(1, draft(double(), march.0, march.1))).then([first.clone()]);
        given::<LoyaltyProgramme>([first.clone()]).when(change(1, draft(double(), march.0, march.1))).then([]);
        let second = published(1, 2, bonus(5), march);
        given::<LoyaltyProgramme>([first.clone()]).when(change(1, draft(bonus(5), march.0, march.1))).then([second]);
        given::<LoyaltyProgramme>([first.clone()]).when(end(1, "2026-03-10")).then([ended(1, "2026-03-10")]);
        let history = || [first.clone(), ended(1, "2026-03-10")];
        given::<LoyaltyProgramme>(history()).when(end(1, "2026-03-10")).then([]);
        given::<LoyaltyProgramme>(history()).when(end(1, "2026-03-09")).then([ended(1, "2026-03-09")]);
        let over = || ProgrammeError::CampaignEnded { campaign: id(1), on: day("2026-03-10") };
        given::<LoyaltyProgramme>(history()).when(end(1, "2026-03-11")).then_refused(over());
        given::<LoyaltyProgramme>(history()).when(change(1, draft(bonus(5), march.0, None))).then_refused(over());
    }

    #[test]
    fn what_there_is_not_cannot_be_changed_or_ended() {
        let unknown = || ProgrammeError::CampaignNotFound { campaign: id(2) };
        let history = || [published(1, 1, double(), ("2026-03-01", None))];
        given::<LoyaltyProgramme>(history())
            .when(change(2, draft(double(), "2026-03-01", None)))
            .then_refused(unknown());
        given::<LoyaltyProgramme>(history()).when(end(2, "2026-03-01")).then_refused(unknown());
        assert_eq!(Refusal::from(unknown()).kind, RefusalKind::NotFound);
    }

    #[test]
    fn as_many_campaigns_and_versions_as_there_may_be() {
        let month = |month: u32| (format!("2025-{month:02}-01"), format!("2025-{month:02}-28"));
        let full: Vec<_> =
            (0..RUNNING_MAX as u128).map(|nth| published(nth, 1, double(), ("2026-02-01", None))).collect();
        let (over_from, over_until) = month(3);
        let over = published(999, 1, double(), (&over_from, Some(&over_until)));
        let more = || begin(1_000, draft(double(), "2026-03-01", None));
        let history = || full.iter().cloned().chain([over.clone()]);
        given::<LoyaltyProgramme>(history())
            .when(more())
            .then_refused(ProgrammeError::TooManyCampaigns { limit: RUNNING_MAX });
        let with_one_ended = history().chain([ended(7, "2026-01-01")]);
        let told = LoyaltyProgramme::decide(&given::<LoyaltyProgramme>(with_one_ended).state(), more());
        assert_eq!(told.map(|events| events.len()), Ok(1));
        let versions =
            (1..=CAMPAIGN_VERSIONS_MAX as u32).map(|version| published(1, version, double(), ("2026-02-01", None)));
        given::<LoyaltyProgramme>(versions)
            .when(change(1, draft(bonus(5), "2026-03-01", None)))
            .then_refused(ProgrammeError::TooManyCampaignVersions { limit: CAMPAIGN_VERSIONS_MAX });
    }
}

pub(super) fn any_campaign() -> impl Strategy<Value = CampaignRules> {
    let articles = prop_oneof![Just(vec![]), Just(vec!["a"]), Just(vec!["a", "b"])];
    let points = |max: i64| prop::option::of(1..max);
    let caps = (prop::option::of(1_i64..200), prop::option::of(1_i64..300));
    let gives = (prop::option::of(101_i64..400), points(100), points(20));
    let birthday = (0_u32..60, points(300)).prop_map(|(days, most)| birthday(days, most));
    let asks = (articles, prop::option::of(1_i64..60), prop::option::weighted(0.3, birthday));
    (asks, gives, caps).prop_map(|((articles, minimum_amount, birthday), gives, caps)| CampaignRules {
        birthday,
        categories: articles.into_iter().map(category).collect(),
        minimum_amount,
        multiplier_percent: gives.0,
        bonus_points: gives.1,
        points_per_article: gives.2,
        caps: capped(caps.0, caps.1),
        ..CampaignRules::default()
    })
}

fn any_lines() -> impl Strategy<Value = Vec<PurchaseLine>> {
    let line =
        (prop_oneof![Just("a"), Just("b"), Just("c")], 1_u32..5, -500_i64..8_000).prop_map(|(of, quantity, minor)| {
            PurchaseLine { amount: Money::from_minor(minor, code("USD")).unwrap(), ..line("x", of, quantity, "0.00") }
        });
    prop::collection::vec(line, 0..6)
}

fn any_programme() -> impl Strategy<Value = Programme> {
    let caps = (prop::option::of(1_i64..300), prop::option::of(1_i64..400));
    (caps, any::<bool>(), prop_oneof![Just(EarnedOf::Part), Just(EarnedOf::Total)], any::<bool>()).prop_map(
        |(caps, pending, of, banded)| {
            let mut rules = Programme::clone(&Programme::standard());
            rules.caps = capped(caps.0, caps.1);
            rules.pending = pending.then_some(PendingRule { vest_after_days: Some(5) });
            if banded {
                rules.earn.push(EarnBand { above: 40, points_per_unit: 3, of });
            }
            rules
        },
    )
}

/// Refunds of a purchase, as the customer's side tells them: what remains falls, lines come back piece by piece, some of it for another
/// price than they had; in the end nothing remains.
fn refunds_of(sale: &Sale, steps: &[(prop::sample::Index, bool, u8)]) -> Vec<(Money, Vec<LineGivenBack>)> {
    let mut remaining = sale.total.minor();
    let mut back: Vec<LineGivenBack> = Vec::new();
    let mut told = Vec::new();
    for (index, by_line, share) in steps {
        let place = if sale.lines.is_empty() || !by_line { None } else { Some(index.index(sale.lines.len())) };
        if let Some(place) = place {
            let line = &sale.lines[place];
            let number = u32::try_from(place).unwrap();
            let quantity = back.iter().find(|known| known.line == number).map_or(0, |known| known.quantity) + 1;
            back.retain(|known| known.line != number);
            let quantity = quantity.min(line.quantity);
            let minor = line.amount.minor() * i64::from(quantity) / i64::from(line.quantity);
            back.push(LineGivenBack { line: number, quantity, minor });
        }
        remaining -= remaining * i64::from(*share) / 300;
        told.push((Money::from_minor(remaining, sale.total.currency()).unwrap(), back.clone()));
    }
    told.push((Money::zero(sale.total.currency()), back));
    told
}

proptest! {
    /// Whatever comes back in whatever parts: never more is taken than was given, by each campaign and in sum, and in the end all of it.
    #[test]
    fn in_the_end_all_comes_back_and_never_more_than_was_given(
        (programme, campaigns) in (any_programme(), prop::collection::vec(any_campaign(), 0..4)),
        (lines, total) in (any_lines(), 0_i64..20_000),
        steps in prop::collection::vec((any::<prop::sample::Index>(), any::<bool>(), 0_u8..=255), 0..8),
        vests_after in 0_usize..9,
    ) {
        let campaigns = under(&programme, campaigns);
        let total = Money::from_minor(total, code("USD")).unwrap();
        let sale = Sale { lines, ..Sale::of_total(order("order-1"), total, day(ON)) };
        let state = given::<LoyaltyAccount>([enrolled()]).state();
        let bought = LoyaltyAccount::decide(&state, buy(sale.clone(), &campaigns)).unwrap();
        let (mut left, by_campaign) = earned_of(&bought);
        let mut by_campaign: std::collections::BTreeMap<_, _> = by_campaign.into_iter().collect();
        let mut state = LoyaltyAccount::fold(state, &bought);
        for (nth, (remaining, given_back)) in refunds_of(&sale, &steps).into_iter().enumerate() {
            if nth == vests_after {
                let vest = LoyaltyCommand::Vest { order: None, programme: campaigns.clone(), now: noon("2026-02-20") };
                state = after(&state, vest);
            }
            let command = give_back(&format!("r-{nth}"), &remaining.amount(), &given_back, &campaigns);
            let told = LoyaltyAccount::decide(&state, command).unwrap();
            let (points, of_campaigns) = taken(&told);
            prop_assert!(points >= 0 && points <= left, "{points} of {left}");
            left -= points;
            for (campaign, points) in of_campaigns {
                let known = by_campaign.get_mut(&campaign).expect("it gave something");
                *known -= points;
                prop_assert!(points > 0 && *known >= 0, "{campaign} gave too little for {points}");
            }
            state = LoyaltyAccount::fold(state, &told);
        }
        prop_assert_eq!(left, 0);
        prop_assert_eq!((member(&state).available(), member(&state).pending()), (0, 0));
        if !bought.is_empty() {
            prop_assert!(by_campaign.values().all(|left| *left == 0), "{by_campaign:?}");
        }
    }

    /// Caps hold over any number of purchases of a day: those of each campaign, and those of the programme over all.
    #[test]
    fn caps_hold_whatever_campaigns_there_are(
        (programme, campaigns) in (any_programme(), prop::collection::vec(any_campaign(), 0..4)),
        purchases in prop::collection::vec((any_lines(), 0_i64..20_000), 1..6),
    ) {
        let under = under(&programme, campaigns.clone());
        let mut state = given::<LoyaltyAccount>([enrolled()]).state();
        let (mut of_day, mut by_campaign) = (0, std::collections::BTreeMap::<u128, i64>::new());
        for (nth, (lines, total)) in purchases.into_iter().enumerate() {
            let total = Money::from_minor(total, code("USD")).unwrap();
            let sale = Sale { lines, ..Sale::of_total(order(&format!("order-{nth}")), total, day(ON)) };
            let told = LoyaltyAccount::decide(&state, buy(sale, &under)).unwrap();
            let (points, of_campaigns) = earned_of(&told);
            of_day += points;
            prop_assert!(points <= programme.caps.points_per_order.unwrap_or(i64::MAX));
            for (number, points) in of_campaigns {
                let rules = &campaigns[usize::try_from(number - 1).unwrap()];
                let sum = by_campaign.entry(number).or_default();
                *sum += points;
                prop_assert!(points > 0 && points <= rules.caps.points_per_order.unwrap_or(i64::MAX));
                prop_assert!(*sum <= rules.caps.points_per_day.unwrap_or(i64::MAX));
            }
            state = LoyaltyAccount::fold(state, &told);
        }
        prop_assert!(of_day <= programme.caps.points_per_day.unwrap_or(i64::MAX));
    }

    /// Campaigns that are for others, or of other days, change nothing at all.
    #[test]
    fn campaigns_that_are_for_others_change_nothing(
        programme in any_programme(),
        campaign in any_campaign(),
        (lines, total) in (any_lines(), 0_i64..20_000),
    ) {
        let gold = CampaignRules { tiers: vec![Tier::Gold], ..campaign.clone() };
        let before = published(2, 1, campaign, ("2020-01-01", Some("2026-02-08")));
        let campaigns = LoyaltyProgramme::fold(under(&programme, [gold]), &[before]);
        let total = Money::from_minor(total, code("USD")).unwrap();
        let sale = Sale { lines, ..Sale::of_total(order("order-1"), total, day(ON)) };
        let state = given::<LoyaltyAccount>([enrolled()]).state();
        let decide = |programme: &LoyaltyProgramme| LoyaltyAccount::decide(&state, buy(sale.clone(), programme));
        prop_assert_eq!(decide(&campaigns), decide(&under(&programme, [])));
    }
}

mod segments {
    use super::*;
    use crate::segment::{Segment, Segmented};

    fn buyer(segment: Option<Segment>, is_vip: bool) -> Buyer {
        Buyer::Known(KnownBuyer { segmented: Segmented { segment, is_vip }, ..KnownBuyer::default() })
    }

    fn bought_by(buyer: Buyer, campaign: CampaignRules) -> i64 {
        points(Sale { buyer, ..sale("50.00") }, &during([campaign])).0
    }

    fn sleepers() -> CampaignRules {
        CampaignRules { segments: vec![Segment::AboutToSleep, Segment::AtRisk], ..bonus(100) }
    }

    #[test]
    fn a_campaign_gives_to_buyers_of_its_segments_and_to_nobody_of_none() {
        let of = |segment| bought_by(buyer(segment, false), sleepers());
        assert_eq!(
            [Segment::AboutToSleep, Segment::AtRisk, Segment::Lost].map(|segment| of(Some(segment))),
            [150, 150, 50]
        );
        assert_eq!(of(None), 50);
    }

    #[test]
    fn a_campaign_for_the_few_gives_to_them_whatever_their_segment() {
        let few = || CampaignRules { vip: true, ..bonus(100) };
        assert_eq!(bought_by(buyer(Some(Segment::Champions), false), few()), 50);
        assert_eq!(bought_by(buyer(None, true), few()), 150);
        let both = || CampaignRules { vip: true, ..sleepers() };
        assert_eq!(bought_by(buyer(Some(Segment::Champions), true), both()), 50);
        assert_eq!(bought_by(buyer(Some(Segment::AtRisk), true), both()), 150);
    }

    #[test]
    fn a_history_tells_whom_it_was_for() {
        let campaigns = during([sleepers(), CampaignRules { vip: true, ..bonus(10) }]);
        let recorded = Buyer::AsRecorded { campaigns: [id(2)].into() };
        assert_eq!(points(Sale { buyer: recorded, ..sale("50.00") }, &campaigns), (60, vec![(2, 10)]));
    }
}
