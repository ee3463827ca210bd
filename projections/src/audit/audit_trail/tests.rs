//! Every event is a row that says who caused it; and a search asks only for what was given.

use super::{AuditTrail, Search};
use crate::folding::recorded;
use crate::loyalty::stories::{decided, earn, enrol};
use crate::query::Back;
use crate::read_model::ReadModel;
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

#[test]
fn a_search_asks_for_what_was_given_and_nothing_else() {
    let statement = |search: Search| search.statement(Back { before: Position(9), limit: 2 }).sql().as_str().to_owned();
    let plain = statement(Search::default());
    assert!(plain.contains("where position < $1 order by position desc limit $2"), "{plain}");
    let all = statement(Search {
        actor: Some("cli".to_owned()),
        customer: Some(Uuid::from_u128(1)),
        types: Some(vec!["customer.created"]),
        from: Some("2026-01-10T00:00:00Z".parse().unwrap()),
        to: Some("2026-01-11T00:00:00Z".parse().unwrap()),
    });
    let conditions =
        "and actor = $2 and customer_id = $3 and event_type = $4 and occurred_at >= $5 and occurred_at < $6";
    assert!(all.contains(conditions), "{all}");
    let some =
        statement(Search { types: Some(vec!["customer.created", "loyalty.points.earned"]), ..Search::default() });
    assert!(some.contains("and event_type = any($2)"), "{some}");
}
