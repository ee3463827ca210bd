//! What a purchase of a member costs to decide beside as many campaigns as may run, on one core.

use crate::Settings;
use crate::cpu::of_this_thread;
use crate::measure::median;
use crate::table::{Line, Table};
use chrono::{DateTime, NaiveDate, Utc};
use domain::ids::{CampaignId, CategoryCode, OrderId, Sku};
use domain::loyalty::campaigns::{BirthdayRule, CampaignName, CampaignRules, RUNNING_MAX};
use domain::loyalty::commands::LoyaltyCommand;
use domain::loyalty::events::{LoyaltyEvent, ProgrammeEvent};
use domain::loyalty::loyalty_account::LoyaltyAccount;
use domain::loyalty::loyalty_programme::LoyaltyProgramme;
use domain::loyalty::programme::EarnCaps;
use domain::loyalty::sale::Sale;
use domain::purchase::PurchaseLine;
use domain::{Currency, Decider, Moment, Money};
use std::hint::black_box;
use uuid::Uuid;

/// The lines of the purchase, each of a category of its own.
const LINES: u32 = 10;
/// How often it is decided in a round.
const TIMES: usize = 2_000;
const ON: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 2).expect("a day");

/// Counted in processor time, so that what else the machine does is left out.
pub(crate) fn run(settings: Settings, table: &mut Table) {
    let (none, all) = (LoyaltyProgramme::initial(), beside(RUNNING_MAX));
    let (mut without, mut with, mut ratios) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..settings.rounds {
        let (bare, beside) = (micros(&none), micros(&all));
        without.push(bare);
        with.push(beside);
        ratios.push(beside / bare);
    }
    let what = format!("a purchase of {LINES} lines beside {RUNNING_MAX} campaigns, one core");
    let line = Line::new("campaigns", what, median(with.into_iter()), "µs");
    table.add(line.beside("without", median(without.into_iter()), median(ratios.into_iter())));
}

fn micros(programme: &LoyaltyProgramme) -> f64 {
    let enrolled = LoyaltyEvent::Enrolled { currency: currency(), on: ON };
    let member = LoyaltyAccount::evolve(LoyaltyAccount::initial(), &enrolled);
    let begun = of_this_thread();
    for _ in 0..TIMES {
        let now = Moment { at: DateTime::<Utc>::UNIX_EPOCH, today: ON };
        let command = LoyaltyCommand::Earn { sale: sale(), programme: programme.clone(), now };
        black_box(LoyaltyAccount::decide(&member, command)).expect("it earns");
    }
    (of_this_thread() - begun).as_secs_f64() * 1e6 / TIMES as f64
}

/// So many campaigns, each for a category, every second with a cap for the day and every fifth for birthdays.
fn beside(campaigns: usize) -> LoyaltyProgramme {
    let published = (0..campaigns).map(|number| ProgrammeEvent::CampaignPublished {
        campaign: CampaignId::new(Uuid::from_u128(number as u128 + 1)),
        version: 1,
        name: CampaignName::parse("More").expect("a name"),
        rules: CampaignRules {
            categories: vec![category(number)],
            multiplier_percent: Some(200),
            birthday: (number % 5 == 0).then_some(BirthdayRule { within_days: 3, points_per_birthday: Some(500) }),
            caps: EarnCaps { points_per_day: (number % 2 == 0).then_some(1_000), ..EarnCaps::default() },
            ..CampaignRules::default()
        },
        from: ON,
        until: None,
        published_on: ON,
    });
    LoyaltyProgramme::fold(LoyaltyProgramme::initial(), &published.collect::<Vec<_>>())
}

fn sale() -> Sale {
    let amount = |minor| Money::from_minor(minor, currency()).expect("an amount");
    let line = |number: u32| PurchaseLine {
        sku: Sku::parse(&format!("article-{number}")).expect("an article"),
        category: Some(category(number as usize)),
        quantity: 1,
        amount: amount(1_000),
    };
    let order = OrderId::parse("order-1").expect("an order");
    Sale { lines: (0..LINES).map(line).collect(), ..Sale::of_total(order, amount(i64::from(LINES) * 1_000), ON) }
}

fn category(number: usize) -> CategoryCode {
    CategoryCode::parse(&format!("category-{number}")).expect("a category")
}

fn currency() -> Currency {
    Currency::parse("EUR").expect("a currency")
}
