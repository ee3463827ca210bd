//! What the timeline says of events, and what it does not.

use super::{CustomerTimeline, TimelineRow};
use crate::folding::recorded;
use crate::loyalty::stories::{day, decided, earn, enrol, hold, hold_id, money, order, redeem, release, review};
use crate::read_model::{ReadModel, Recorded};
use domain::Event;
use domain::access::events::AccessEvent;
use domain::credit::events::{CreditEvent, CreditGroupEvent};
use domain::credit::financials::CreditNote;
use domain::credit::policy::Policy;
use domain::credit::reasons::ReleaseCause;
use domain::credit::terms::Terms;
use domain::customers::events::{Contact, CustomerEvent, CustomerKind, ExternalReference};
use domain::email::Email;
use domain::event::Personal;
use domain::ids::{Actor, Channel, ExternalSystem, Language, PaymentId};
use domain::text::{PersonName, ReasonText, ReferenceText};
use serde_json::{Value, json};
use uuid::Uuid;

fn of_customer(event: impl Into<Event>, nth: i32) -> Recorded {
    Recorded { customer_id: Some(Uuid::from_u128(1)), ..recorded(event, nth) }
}

fn row_of(recorded: &Recorded) -> Option<TimelineRow> {
    let key = *CustomerTimeline::keys(recorded).first()?;
    CustomerTimeline::apply(&key, None, recorded)
}

fn created() -> CustomerEvent {
    let contact = Contact {
        name: Some(PersonName::parse("Ana López").unwrap()),
        emails: vec![Email::parse("ana@example.com").unwrap()],
        references: vec![ExternalReference {
            system: ExternalSystem::parse("stripe").unwrap(),
            reference: ReferenceText::parse("cus_123").unwrap(),
        }],
        ..Contact::default()
    };
    CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: Some(Language::parse("es-MX").unwrap()),
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal: Personal::Known(contact),
    }
}

#[test]
fn a_registration_says_when_and_what_but_not_who() {
    let row = row_of(&of_customer(created(), 1)).unwrap();
    assert_eq!((row.position.0, row.event_type.as_str(), row.customer), (10, "customer.created", Uuid::from_u128(1)));
    assert_eq!(row.facts, json!({"kind": "individual", "language": "es-MX", "on": "2026-01-10"}));
}

#[test]
fn a_purchase_shows_its_order_and_total_and_its_points_the_balance() {
    let (total, on) = (money(2_450), day("2026-02-09"));
    let channel = Some(Channel::parse("store-12").unwrap());
    let bought = CustomerEvent::PurchaseRecorded { order: order(7), channel, lines: vec![], total, on };
    let shown = json!({
        "order_id": "order-7", "channel": "store-12", "lines": 0, "total": "24.50", "currency": "USD", "on": "2026-02-09",
    });
    assert_eq!(row_of(&of_customer(bought, 1)).unwrap().facts, shown);
    let story = decided([enrol("2026-01-10"), earn(7, 100_000, "2026-02-09"), redeem(200, 8, "2026-02-10")]);
    let facts: Vec<Value> =
        story.into_iter().zip(1..).filter_map(|(event, nth)| Some(row_of(&of_customer(event, nth))?.facts)).collect();
    assert_eq!(facts[0], json!({"currency": "USD", "on": "2026-01-10"}));
    assert_eq!((&facts[1]["points"], &facts[1]["expires_on"]), (&json!(1_000), &json!("2028-02-09")));
    assert_eq!((&facts[2]["from"], &facts[2]["to"]), (&json!("bronze"), &json!("silver")));
    assert_eq!((&facts[3]["discount"], &facts[3]["balance"]), (&json!("2.00"), &json!(800)));
}

#[test]
fn a_hold_shows_its_discount_and_how_it_ended_and_a_review_its_outcome() {
    let story = [
        enrol("2026-01-10"),
        earn(7, 100_000, "2026-02-09"),
        hold(200, 8, "2026-02-10", 15),
        release(8, "2026-02-10"),
        review("2027-01-10"),
        review("2028-01-10"),
    ];
    let events = decided(story).into_iter().zip(1..);
    let facts: Vec<Value> = events.filter_map(|(event, nth)| Some(row_of(&of_customer(event, nth))?.facts)).collect();
    let placed = json!({
        "hold_id": hold_id(8), "order_id": "order-8", "points": 200, "discount": "2.00", "currency": "USD",
        "balance": 800, "on": "2026-02-10", "lapses_at": "2026-02-10T12:15:00Z",
    });
    assert_eq!(facts[3], placed);
    assert_eq!((&facts[4]["reason"], &facts[4]["balance"]), (&json!("cancelled"), &json!(1_000)));
    assert_eq!(facts[5], json!({"tier": "silver", "earned_12_months": 1_000, "on": "2027-01-10"}));
    assert_eq!(facts[6], json!({"from": "silver", "to": "bronze", "earned_12_months": 0, "on": "2028-01-10"}));
}

#[test]
fn what_happened_to_nobody_in_particular_is_on_no_timeline() {
    assert_eq!(row_of(&recorded(created(), 1)), None);
    assert_eq!(row_of(&of_customer(AccessEvent::KeyRevoked { key: Uuid::from_u128(7) }, 1)), None);
}

#[test]
fn credit_shows_who_decided_what_was_used_and_what_came_of_it_but_no_note() {
    let personal = CreditNote { note: ReasonText::parse("Pays late in winter.").ok() };
    let (limit, terms, approved_by) = (money(500_000), Terms::of_days(30).unwrap(), Actor::parse("key:7").unwrap());
    let (policy, on) = (Policy::default_in(limit.currency()), day("2026-01-10"));
    let approved = CreditEvent::Approved { limit, terms, policy, approved_by, on, personal: personal.into() };
    assert_eq!(
        row_of(&of_customer(approved, 1)).unwrap().facts,
        json!({"limit": "5000.00", "currency": "USD", "days": 30, "approved_by": "key:7", "on": "2026-01-10"})
    );
    let cause = ReleaseCause::Payment { payment: PaymentId::parse("payment-1").unwrap() };
    let (amount, outstanding) = (money(2_450), money(50));
    let released = CreditEvent::Released { order: order(7), amount, outstanding, cause, on };
    let shown = json!({
        "order_id": "order-7", "amount": "24.50", "outstanding": "0.50", "currency": "USD", "cause": "payment",
        "payment_id": "payment-1", "on": "2026-01-10",
    });
    assert_eq!(row_of(&of_customer(released, 2)).unwrap().facts, shown);
    let dissolved = CreditGroupEvent::Dissolved { on };
    assert_eq!(row_of(&of_customer(dissolved, 3)), None);
}
