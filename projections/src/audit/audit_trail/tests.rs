//! Every event is a row that says who caused it.

use super::AuditTrail;
use crate::folding::recorded;
use crate::loyalty::stories::{decided, earn, enrol};
use crate::read_model::ReadModel;
use domain::access::events::AccessEvent;
use uuid::Uuid;

#[test]
fn any_event_is_a_row_with_its_actor_and_request() {
    let mut events: Vec<_> = decided([enrol("2026-01-10"), earn(1, 2400, "2026-02-09")])
        .into_iter()
        .zip(1..)
        .map(|(event, nth)| recorded(event, nth))
        .collect();
    events.push(recorded(AccessEvent::KeyRevoked { key: Uuid::from_u128(7) }, 3));
    let row = |recorded| AuditTrail::apply(&AuditTrail::keys(recorded)[0], None, recorded).unwrap();
    let told: Vec<_> =
        events.iter().map(row).map(|row| (row.position, row.event_type, row.category, row.occasion)).collect();
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
    let why = (occasion.correlation_id.as_deref(), occasion.causation_id.as_deref(), occasion.via.as_deref());
    assert_eq!(why, (Some("trace-1"), Some("customer-1/7"), Some("http")));
    let orders: Vec<_> = events.iter().map(|recorded| row(recorded).order).collect();
    assert_eq!(orders, [None, Some("order-1".to_owned()), None]);
}
