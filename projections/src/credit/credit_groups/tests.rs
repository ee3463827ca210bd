//! Groups and their lines.

use super::{CreditGroups, GroupRow, GroupStanding, Key, MemberRow, Row};
use crate::credit::stories::{customer, day, money};
use crate::folding::recorded;
use crate::read_model::ReadModel;
use domain::credit::events::CreditGroupEvent;
use domain::ids::{CreditLineId, ReasonCode};
use std::collections::BTreeMap;
use uuid::Uuid;

fn line(number: u128) -> CreditLineId {
    CreditLineId::new(Uuid::from_u128(number))
}

fn formed() -> CreditGroupEvent {
    CreditGroupEvent::Formed { parent: customer(), limit: money(500_000), on: day("2026-01-01") }
}

fn added(number: u128, minor: i64, on: &str) -> CreditGroupEvent {
    CreditGroupEvent::MemberAdded { line: line(number), customer: customer(), exposure: money(minor), on: day(on) }
}

fn removed(number: u128, on: &str) -> CreditGroupEvent {
    CreditGroupEvent::MemberRemoved { line: line(number), on: day(on) }
}

fn takes(number: u128, minor: i64) -> CreditGroupEvent {
    CreditGroupEvent::ExposureChanged { line: line(number), exposure: money(minor) }
}

fn rows_of(events: impl IntoIterator<Item = CreditGroupEvent>) -> (Option<GroupRow>, Vec<MemberRow>) {
    let mut rows = BTreeMap::<Key, Row>::new();
    for (event, nth) in events.into_iter().zip(1..) {
        let recorded = recorded(event, nth);
        for key in CreditGroups::keys(&recorded) {
            if let Some(row) = CreditGroups::apply(&key, rows.remove(&key), &recorded) {
                rows.insert(key, row);
            }
        }
    }
    let group = rows.values().find_map(|row| row.group().copied());
    (group, rows.values().filter_map(|row| row.member().copied()).collect())
}

#[test]
fn a_group_is_formed_gets_another_limit_and_is_dissolved() {
    let reason = ReasonCode::parse("review").unwrap();
    let changed =
        CreditGroupEvent::LimitChanged { from: money(500_000), to: money(400_000), reason, on: day("2026-02-01") };
    let group = rows_of([formed(), changed.clone()]).0.unwrap();
    assert_eq!((group.parent, group.limit, group.formed_on), (customer().as_uuid(), money(400_000), day("2026-01-01")));
    assert_eq!((group.dissolved_on, group.position.0 > group.created_position.0), (None, true));
    let dissolved = CreditGroupEvent::Dissolved { on: day("2026-03-01") };
    assert_eq!(rows_of([formed(), dissolved]).0.unwrap().dissolved_on, Some(day("2026-03-01")));
    assert_eq!(rows_of([changed]).0, None, "a group begins with its forming");
}

#[test]
fn a_line_takes_of_the_limit_what_was_told_last_and_nothing_once_it_has_left() {
    let story = [formed(), added(1, 10_000, "2026-01-02"), added(2, 0, "2026-01-03"), takes(1, 30_000)];
    let members = rows_of(story.clone()).1;
    assert_eq!(members.iter().map(|member| member.exposure.minor()).collect::<Vec<_>>(), [30_000, 0]);
    let left = story.into_iter().chain([removed(1, "2026-02-01"), takes(1, 40_000)]);
    let member = rows_of(left.clone()).1[0];
    assert_eq!((member.exposure, member.left_on), (money(0), Some(day("2026-02-01"))));
    let member = rows_of(left.chain([added(1, 5000, "2026-03-01")])).1[0];
    assert_eq!((member.exposure, member.joined_on, member.left_on), (money(5000), day("2026-03-01"), None));
}

#[test]
fn more_may_be_taken_than_there_is() {
    let group = rows_of([formed()]).0.unwrap();
    assert_eq!(GroupStanding { group, members: 1, exposure_minor: 600_000 }.available_minor(), -100_000);
    let over = GroupRow { dissolved_on: Some(day("2026-03-01")), ..group };
    assert_eq!(GroupStanding { group: over, members: 0, exposure_minor: 0 }.available_minor(), 0);
}
