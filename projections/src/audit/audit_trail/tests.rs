//! Every event is a row that says who caused it; and a search asks only for what was given.

use super::{AuditPlace, AuditTrail, Search};
use crate::folding::recorded;
use crate::loyalty::stories::{decided, earn, enrol};
use crate::read_model::ReadModel;
use chrono::{DateTime, Utc};
use domain::access::events::AccessEvent;
use store::Position;
use uuid::Uuid;

#[test]
fn any_event_is_a_row_with_its_actor_and_request() {
    let mut events: Vec<_> = decided([enrol("2026-01-10"), earn(1, 2400, "2026-02-09")])
        .into_iter()
        .zip(1..)
        .map(|(event, nth)| recorded(event, nth))
        .collect();
    events.push(recorded(AccessEvent::KeyRevoked { key: Uuid::from_u128(7) }, 3));
    let rows = events.iter().map(|recorded| {
        let key = AuditTrail::keys(recorded)[0];
        AuditTrail::apply(&key, None, recorded).unwrap()
    });
    let told: Vec<_> = rows.map(|row| (row.position, row.event_type, row.category, row.occasion)).collect();
    let types: Vec<_> =
        told.iter().map(|(position, kind, category, _)| (position.0, kind.as_str(), category.as_str())).collect();
    let expected = [
        (10, "loyalty.account.enrolled", "loyalty"),
        (20, "loyalty.points.earned", "loyalty"),
        (30, "access.key.revoked", "access_key"),
    ];
    assert_eq!(types, expected);
    let occasion = &told[2].3;
    assert_eq!((occasion.actor.as_str(), occasion.request_id.as_deref()), ("key:till-1", Some("req-1")));
}

fn statement(search: Search, before: Option<AuditPlace>) -> String {
    search.statement(before, 2).sql().as_str().to_owned()
}

fn time(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

#[test]
fn a_search_asks_for_what_was_given_and_nothing_else() {
    let plain = statement(Search::default(), None);
    assert!(
        plain.contains("from audit_trail e where true order by e.recorded_at desc, e.position desc limit $1"),
        "{plain}"
    );
    let all = Search {
        actor: Some("cli".to_owned()),
        request: Some("req-1".to_owned()),
        customer: Some(Uuid::from_u128(1)),
        stream: Some("customer-1".to_owned()),
        types: Some(vec!["customer.created"]),
        from: Some(time("2026-01-10T00:00:00Z")),
        to: Some(time("2026-01-11T00:00:00Z")),
    };
    let all = statement(all, None);
    let conditions = "and event_type = $1 and actor = $2 and request_id = $3 and customer_id = $4 and stream = $5 \
                      and recorded_at >= $6 and recorded_at < $7";
    assert!(all.contains(conditions), "{all}");
}

#[test]
fn several_types_are_read_one_by_one_unless_something_rarer_is_asked_for() {
    let types = Some(vec!["customer.created", "loyalty.points.earned"]);
    let some = statement(Search { types: types.clone(), ..Search::default() }, None);
    assert!(some.contains("unnest($1) of_type (name)") && some.contains("event_type = of_type.name"), "{some}");
    let of_actor = statement(Search { types, actor: Some("cli".to_owned()), ..Search::default() }, None);
    assert!(of_actor.contains("event_type = any($1) and actor = $2"), "{of_actor}");
}

#[test]
fn a_search_ends_at_its_end_or_at_its_place_whichever_comes_first() {
    let place = |text: &str| Some(AuditPlace { recorded_at: time(text), position: Position(9) });
    let to = Some(time("2026-01-11T00:00:00Z"));
    let within = statement(Search { to, ..Search::default() }, place("2026-01-10T00:00:00Z"));
    assert!(within.contains("(recorded_at, position) < ($1, $2)") && !within.contains("recorded_at <"), "{within}");
    let outside = statement(Search { to, ..Search::default() }, place("2026-01-11T00:00:00Z"));
    assert!(outside.contains("recorded_at < $1") && !outside.contains("(recorded_at, position)"), "{outside}");
}
