//! How an event of the log is shown outside: as a line of a history, or as a CloudEvent of the feed.
//!
//! Its personal part is shown as far as the reader had it opened; nothing is decided here.

use crate::openapi::schemas;
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use store::{Metadata, Personal, RecordedEvent, Version};
use utoipa::ToSchema;
use uuid::Uuid;

/// A line of a history.
#[derive(Serialize, ToSchema)]
pub(crate) struct EventView {
    position: i64,
    #[schema(value_type = schemas::EventId)]
    id: String,
    #[serde(rename = "type")]
    #[schema(value_type = schemas::EventType)]
    kind: &'static str,
    schema_version: i16,
    #[schema(value_type = schemas::Stream)]
    stream: String,
    /// Place in the stream.
    #[schema(value_type = i32)]
    version: Version,
    occurred_at: DateTime<Utc>,
    recorded_at: DateTime<Utc>,
    #[schema(value_type = schemas::Actor)]
    actor: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::RequestId>)]
    request_id: Option<String>,
    /// The trace that it belongs to, or the run of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "4bf92f3577b34da6a3ce929d0e0e4736")]
    correlation_id: Option<String>,
    /// The event that it follows from.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "customer-018f0000-0000-7000-8000-000000000001/2")]
    causation_id: Option<String>,
    /// The door that the command came in by.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Door>)]
    via: Option<String>,
    #[schema(value_type = schemas::Facts)]
    payload: Box<RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schemas::Facts>)]
    personal: Option<Box<RawValue>>,
    /// Whether there is personal data, and whether it is shown.
    #[schema(value_type = schemas::PersonalState)]
    personal_state: &'static str,
}

/// CloudEvents 1.0 in JSON. Names of extensions have no underscores there.
#[derive(Serialize)]
pub(crate) struct CloudEvent<'a> {
    specversion: &'static str,
    id: String,
    source: String,
    #[serde(rename = "type")]
    kind: &'static str,
    time: DateTime<Utc>,
    datacontenttype: &'static str,
    subject: String,
    /// Whom it concerns, where its stream is not the customer's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    customerid: Option<Uuid>,
    position: i64,
    recordedat: DateTime<Utc>,
    streamversion: Version,
    schemaversion: i16,
    personalstate: &'static str,
    data: Data<'a>,
}

/// What happened: the payload, with the personal part as its member `personal` when it is shown.
#[derive(Serialize)]
#[serde(untagged)]
enum Data<'a> {
    Clear(&'a RawValue),
    Whole(BTreeMap<String, &'a RawValue>),
}

impl EventView {
    /// # Errors
    /// When the stored row is damaged.
    pub(crate) fn of(event: &RecordedEvent) -> serde_json::Result<Self> {
        let metadata: Metadata = serde_json::from_str(&event.metadata)?;
        Ok(Self {
            position: event.position.0,
            id: event.id(),
            kind: event.event_type,
            schema_version: event.schema_version,
            stream: event.stream.to_string(),
            version: event.version,
            occurred_at: event.occurred_at,
            recorded_at: event.recorded_at,
            actor: metadata.actor,
            request_id: metadata.request_id,
            correlation_id: metadata.correlation_id,
            causation_id: metadata.causation_id,
            via: metadata.via,
            payload: payload(event)?.to_owned(),
            personal: personal(event)?.map(RawValue::to_owned),
            personal_state: personal_state(event),
        })
    }
}

impl<'a> CloudEvent<'a> {
    /// # Errors
    /// When the stored row is damaged.
    pub(crate) fn of(event: &'a RecordedEvent) -> serde_json::Result<Self> {
        let data = match personal(event)? {
            None => Data::Clear(payload(event)?),
            Some(personal) => {
                let mut members: BTreeMap<String, &RawValue> = serde_json::from_str(&event.payload)?;
                members.insert("personal".to_owned(), personal);
                Data::Whole(members)
            }
        };
        Ok(Self {
            specversion: "1.0",
            id: event.id(),
            source: format!("/tenants/{}/{}/{}", event.tenant, event.stream.category, event.stream.id),
            kind: event.event_type,
            time: event.occurred_at,
            datacontenttype: "application/json",
            subject: event.stream.to_string(),
            customerid: event.customer_id,
            position: event.position.0,
            recordedat: event.recorded_at,
            streamversion: event.version,
            schemaversion: event.schema_version,
            personalstate: personal_state(event),
            data,
        })
    }
}

fn payload(event: &RecordedEvent) -> serde_json::Result<&RawValue> {
    serde_json::from_str(&event.payload)
}

fn personal(event: &RecordedEvent) -> serde_json::Result<Option<&RawValue>> {
    match &event.personal {
        Personal::Opened(bytes) => serde_json::from_slice(bytes).map(Some),
        Personal::Absent | Personal::Sealed(_) | Personal::Erased => Ok(None),
    }
}

fn personal_state(event: &RecordedEvent) -> &'static str {
    match &event.personal {
        Personal::Absent => "absent",
        Personal::Sealed(_) => "sealed",
        Personal::Opened(_) => "opened",
        Personal::Erased => "erased",
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::{CloudEvent, EventView};
    use serde_json::json;
    use std::sync::Arc;
    use store::{Personal, Position, RecordedEvent, Rendering, StreamId, TenantId};
    use uuid::Uuid;

    /// The first event of a customer.
    pub(crate) fn recorded(position: i64, personal: Personal) -> RecordedEvent {
        RecordedEvent {
            position: Position(position),
            tenant: TenantId(1),
            stream: StreamId { category: "customer", id: Uuid::nil() },
            version: 1,
            event_type: "customer.registered",
            schema_version: 1,
            command_id: None,
            once_id: None,
            subject_id: Some(Uuid::nil()),
            customer_id: Some(Uuid::nil()),
            occurred_at: "2026-03-01T12:00:00Z".parse().expect("a time"),
            recorded_at: "2026-03-01T12:00:01Z".parse().expect("a time"),
            metadata: Arc::from(r#"{"actor":"cli"}"#),
            payload: Arc::from(r#"{"kind":"individual"}"#),
            personal,
            leaf_hash: [0; 32],
            rendering: Rendering::default(),
        }
    }

    #[test]
    fn a_cloud_event_has_what_the_standard_asks_for_and_where_it_stands() {
        let event = recorded(7, Personal::Opened(r#"{"name":"Ana"}"#.into()));
        let shown = serde_json::to_value(CloudEvent::of(&event).expect("it is whole")).expect("plain data");
        let expected = json!({
            "specversion": "1.0",
            "id": "customer-00000000-0000-0000-0000-000000000000/1",
            "source": "/tenants/1/customer/00000000-0000-0000-0000-000000000000",
            "type": "customer.registered",
            "time": "2026-03-01T12:00:00Z",
            "datacontenttype": "application/json",
            "subject": "customer-00000000-0000-0000-0000-000000000000",
            "customerid": "00000000-0000-0000-0000-000000000000",
            "position": 7,
            "recordedat": "2026-03-01T12:00:01Z",
            "streamversion": 1,
            "schemaversion": 1,
            "personalstate": "opened",
            "data": {"kind": "individual", "personal": {"name": "Ana"}},
        });
        assert_eq!(shown, expected);
    }

    #[test]
    fn what_was_not_opened_or_is_erased_is_not_shown() {
        for (personal, state) in [
            (Personal::Absent, "absent"),
            (Personal::Sealed(r#"{"name":"Ana"}"#.into()), "sealed"),
            (Personal::Erased, "erased"),
        ] {
            let event = recorded(7, personal);
            let cloud = serde_json::to_value(CloudEvent::of(&event).expect("it is whole")).expect("plain data");
            assert_eq!((&cloud["data"], &cloud["personalstate"]), (&json!({"kind": "individual"}), &json!(state)));
            let line = serde_json::to_value(EventView::of(&event).expect("it is whole")).expect("plain data");
            assert_eq!((line.get("personal"), &line["personal_state"]), (None, &json!(state)));
        }
    }
}
