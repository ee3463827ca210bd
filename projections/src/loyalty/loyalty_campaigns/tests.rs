//! What campaigns gave, folded from events.

use super::*;
use crate::folding::{TENANT, recorded};
use domain::ids::{CampaignId, OrderId, RefundId};
use domain::loyalty::campaigns::CampaignName;
use domain::loyalty::programme::Tier;
use domain::{Currency, Money};
use std::collections::BTreeMap;

/// The account of all events of [`recorded`].
const ACCOUNT: Uuid = Uuid::from_u128(1);

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn published(number: u128, version: u32, name: &str) -> Event {
    ProgrammeEvent::CampaignPublished {
        campaign: CampaignId::new(id(number)),
        version,
        name: CampaignName::parse(name).unwrap(),
        rules: CampaignRules { bonus_points: Some(50), ..CampaignRules::default() },
        from: day("2026-03-01"),
        until: Some(day("2026-03-31")),
        published_on: day("2026-02-20"),
    }
    .into()
}

fn of(campaigns: &[(u128, i64)]) -> Vec<CampaignPoints> {
    let of_campaign = |(number, points): &(u128, i64)| CampaignPoints {
        campaign: CampaignId::new(id(*number)),
        version: 1,
        points: *points,
        matched: None,
    };
    campaigns.iter().map(of_campaign).collect()
}

fn earned(campaigns: &[(u128, i64)], pending_since: Option<NaiveDate>) -> Event {
    LoyaltyEvent::PointsEarned {
        order: OrderId::parse("order-1").unwrap(),
        total: Money::parse("50.00", Currency::parse("EUR").unwrap()).unwrap(),
        programme: None,
        tier: Tier::Bronze,
        base_points: 50,
        multiplier_percent: 100,
        points: 100,
        lot: 1,
        earned_on: day("2026-03-02"),
        expires_on: day("2028-03-02"),
        paid_debt: 0,
        campaigns: of(campaigns),
        capped: 0,
        pending_since,
        balance: 100,
    }
    .into()
}

fn reversed(campaigns: &[(u128, i64)], pending: bool) -> Event {
    LoyaltyEvent::PointsReversed {
        order: OrderId::parse("order-1").unwrap(),
        refund: RefundId::parse("refund-1").unwrap(),
        lot: 1,
        points: 60,
        from: vec![],
        reversed_on: day("2026-03-03"),
        currency: None,
        pending,
        campaigns: of(campaigns),
        balance: 0,
    }
    .into()
}

fn rows(events: impl IntoIterator<Item = Event>) -> BTreeMap<Key, Row> {
    let mut rows = BTreeMap::new();
    for (event, nth) in events.into_iter().zip(1..) {
        let recorded = recorded(event, nth);
        for key in LoyaltyCampaigns::keys(&recorded) {
            let row = LoyaltyCampaigns::apply(&key, rows.remove(&key), &recorded);
            rows.extend(row.map(|row| (key, row)));
        }
    }
    rows
}

fn campaign(rows: &BTreeMap<Key, Row>, number: u128) -> CampaignRow {
    let Some(Row::Campaign(row)) = rows.get(&Key::Campaign(TENANT, id(number))) else { panic!("no row") };
    row.clone()
}

const fn given(orders: i64, points: i64, taken_back: i64) -> Given {
    Given { orders, points, taken_back }
}

#[test]
fn a_campaign_shows_its_last_version_and_each_version_is_a_row() {
    let ended = ProgrammeEvent::CampaignEnded {
        campaign: CampaignId::new(id(7)),
        on: day("2026-03-10"),
        ended_on: day("2026-03-09"),
    };
    let rows = rows([published(7, 1, "Wine"), published(8, 1, "Bread"), published(7, 2, "Red wine"), ended.into()]);
    let wine = campaign(&rows, 7);
    assert_eq!((wine.name.as_str(), wine.version, wine.position), ("Red wine", 2, Position(10)));
    assert_eq!((wine.over_from, campaign(&rows, 8).over_from), (Some(day("2026-03-10")), None));
    for (version, name, position) in [(1, "Wine", 10), (2, "Red wine", 30)] {
        let Some(Row::Version(row)) = rows.get(&Key::Version(TENANT, id(7), version)) else { panic!("no row") };
        assert_eq!((row.name.as_str(), row.position), (name, Position(position)));
    }
    assert_eq!(rows.len(), 5);
}

#[test]
fn what_a_campaign_gave_is_counted_once_and_what_was_taken_back_apart() {
    let rows = rows([
        published(7, 1, "Wine"),
        published(8, 1, "Bread"),
        earned(&[(7, 40), (8, 10)], None),
        earned(&[(7, 20)], None),
        // Points that vest were counted when they were pending.
        earned(&[(7, 20)], Some(day("2026-02-01"))),
        reversed(&[(7, 15)], false),
        reversed(&[(7, 5)], true),
    ]);
    assert_eq!((campaign(&rows, 7).given, campaign(&rows, 8).given), (given(2, 60, 20), given(1, 10, 0)));
    let Some(Row::Member(member)) = rows.get(&Key::Member(TENANT, id(7), ACCOUNT)) else { panic!("no row") };
    assert_eq!((member.given, member.position), (given(2, 60, 20), Position(70)));
}

#[test]
fn a_purchase_without_campaigns_touches_no_row() {
    assert_eq!(rows([earned(&[], None), reversed(&[], false)]), BTreeMap::new());
}
