//! Between the domain's events and the store's: the only place that knows both forms.

use crate::changes::Change;
use chrono::{DateTime, Utc};
use domain::ids::CustomerId;
use domain::{Category, DecodeError, Event, Sealed};
use store::{BoxError, NewEvent, Personal, RecordedEvent, StreamId};
use uuid::Uuid;

/// The event as it is to be appended.
///
/// # Errors
/// When the domain wrote something that is not text; it never does.
pub(crate) fn encode(change: &Change, occurred_at: DateTime<Utc>) -> Result<NewEvent, BoxError> {
    let encoded = change.event.encode();
    if change.stream.category == Category::Credit.as_str() && change.customer.is_none() {
        return Err("an event on a line of credit that does not say whose it is".into());
    }
    Ok(NewEvent {
        event_type: encoded.event_type,
        schema_version: encoded.schema_version,
        occurred_at: change.occurred_at.unwrap_or(occurred_at),
        once_id: change.once_id,
        subject_id: subject_of(&change.stream, change.customer),
        customer_id: customer_of(&change.stream, change.customer),
        payload: String::from_utf8(encoded.payload)?,
        personal: encoded.personal,
    })
}

/// The recorded event in the words of the domain.
///
/// # Errors
/// Tells apart what a newer build wrote and what is damaged.
pub(crate) fn decode(recorded: &RecordedEvent) -> Result<Event, DecodeError> {
    Event::decode(recorded.event_type, recorded.schema_version, recorded.payload.as_bytes(), sealed(&recorded.personal))
}

/// Whose personal data a stream's events and snapshots hold: a loyalty account has the id of its customer, a line of credit one of
/// its own, so that its customer has to be told. What operators wrote about a projector is sealed under a key of that stream.
pub(crate) fn subject_of(stream: &StreamId, customer: Option<CustomerId>) -> Option<Uuid> {
    match Category::parse(stream.category)? {
        Category::Customer | Category::Loyalty | Category::Projection => Some(stream.id),
        Category::Credit => customer.map(|customer| customer.as_uuid()),
        Category::Programme | Category::CreditGroup | Category::Tenant | Category::ApiKey => None,
    }
}

/// On whose timeline a stream's events stand.
fn customer_of(stream: &StreamId, customer: Option<CustomerId>) -> Option<Uuid> {
    match Category::parse(stream.category)? {
        Category::Customer | Category::Loyalty => Some(stream.id),
        Category::Credit => customer.map(|customer| customer.as_uuid()),
        Category::Programme | Category::CreditGroup | Category::Tenant | Category::ApiKey | Category::Projection => {
            None
        }
    }
}

fn sealed(personal: &Personal) -> Sealed<'_> {
    match personal {
        Personal::Absent => Sealed::Absent,
        Personal::Opened(bytes) => Sealed::Opened(bytes),
        Personal::Erased | Personal::Sealed(_) => Sealed::Erased,
    }
}

#[cfg(test)]
mod tests {
    use super::{encode, subject_of};
    use crate::changes::Change;
    use chrono::DateTime;
    use domain::credit::events::{CreditEvent, CreditGroupEvent};
    use domain::ids::{CreditGroupId, CreditLineId, CustomerId};
    use domain::{Category, Currency};
    use store::StreamId;
    use uuid::Uuid;

    #[test]
    fn what_happens_to_a_line_of_credit_is_sealed_for_its_customer_and_not_for_nobody() {
        let customer = CustomerId::new(Uuid::from_u128(7));
        let line = CreditLineId::of(customer, Currency::parse("EUR").unwrap());
        let stream = StreamId { category: Category::Credit.as_str(), id: line.as_uuid() };
        let joined = CreditEvent::GroupJoined { group: CreditGroupId::new(Uuid::from_u128(8)), on: Default::default() };
        let told = encode(&Change::new(stream, joined.clone()).of_customer(customer), DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((told.subject_id, told.customer_id), (Some(customer.as_uuid()), Some(customer.as_uuid())));
        assert_eq!(subject_of(&stream, Some(customer)), Some(customer.as_uuid()));
        assert!(encode(&Change::new(stream, joined), DateTime::UNIX_EPOCH).is_err());
    }

    #[test]
    fn a_group_of_lines_is_of_nobody() {
        let stream = StreamId { category: Category::CreditGroup.as_str(), id: Uuid::from_u128(8) };
        let change = Change::new(stream, CreditGroupEvent::Dissolved { on: Default::default() });
        let told = encode(&change, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!((told.subject_id, told.customer_id), (None, None));
    }
}
