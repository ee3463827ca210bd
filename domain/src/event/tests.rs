//! How events are written down and read again, beside what the golden files show.

use super::*;
use crate::customers::events::{Contact, CustomerKind};
use crate::email::Email;
use crate::ids::{Label, TenantId, TimeZoneName};

fn created() -> Event {
    let contact = Contact { emails: vec![Email::parse("ana@example.com").unwrap()], ..Contact::default() };
    CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: "2026-01-10".parse().unwrap(),
        personal: contact.into(),
    }
    .into()
}

fn tenant_created() -> Event {
    AccessEvent::TenantCreated {
        tenant: TenantId::new(7).unwrap(),
        name: Label::parse("shop").unwrap(),
        time_zone: TimeZoneName::parse("Europe/Madrid").unwrap(),
    }
    .into()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn a_payload_is_compact_sorted_and_without_nulls_and_holds_nothing_personal() {
    let encoded = created().encode();
    assert_eq!(text(&encoded.payload), r#"{"kind":"individual","registered_on":"2026-01-10"}"#);
    assert_eq!(encoded.personal.as_deref().map(text), Some(r#"{"emails":["ana@example.com"]}"#));
    assert_eq!((encoded.event_type, encoded.schema_version), ("customer.created", 2));
    assert_eq!(text(&tenant_created().encode().payload), r#"{"name":"shop","tenant":7,"time_zone":"Europe/Madrid"}"#);
}

#[test]
fn what_was_opened_comes_back() {
    let encoded = created().encode();
    let personal = encoded.personal.as_deref().map_or(Sealed::Absent, Sealed::Opened);
    assert_eq!(Event::decode("customer.created", 1, &encoded.payload, personal), Ok(created()));
}

#[test]
fn an_erased_person_reads_as_erased_and_is_written_without() {
    let payload = created().encode().payload;
    for sealed in [Sealed::Erased, Sealed::Absent] {
        let event = Event::decode("customer.created", 1, &payload, sealed).unwrap();
        assert!(matches!(&event, Event::Customer(CustomerEvent::Created { personal: Personal::Erased, .. })));
        assert_eq!((event.encode().payload, event.encode().personal), (payload.clone(), None));
    }
}

#[test]
fn an_unknown_type_a_newer_version_and_a_damaged_row_are_told_apart() {
    let decode = |event_type: &str, version, payload: &str| {
        Event::decode(event_type, version, payload.as_bytes(), Sealed::Absent).unwrap_err()
    };
    assert_eq!(
        decode("customer.cloned", 1, "{}"),
        DecodeError::UnknownType { event_type: "customer.cloned".to_owned() }
    );
    for schema_version in [0, 3] {
        let event_type = "customer.created".to_owned();
        let unknown = DecodeError::UnknownVersion { event_type, schema_version, newest: 2 };
        assert_eq!(decode("customer.created", schema_version, "{}"), unknown);
    }
    for damaged in ["", "{}", "[]", r#"{"kind":"cat","registered_on":"2026-01-10"}"#, r#"{"kind":"individual"} x"#] {
        let error = decode("customer.created", 1, damaged);
        assert!(matches!(error, DecodeError::Malformed { part: "payload", .. }), "{damaged}: {error}");
    }
}

#[test]
fn a_damaged_personal_part_is_reported_without_a_word_of_it() {
    let personal = br#"{"emails":["not an address"]}"#;
    let error =
        Event::decode("customer.created", 1, &created().encode().payload, Sealed::Opened(personal)).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { part: "personal", .. }));
    assert!(!error.to_string().contains("address"), "{error}");
}

#[test]
fn a_personal_part_where_none_is_declared_is_damage() {
    let payload = tenant_created().encode().payload;
    let error = Event::decode("access.tenant.created", 1, &payload, Sealed::Opened(b"{}")).unwrap_err();
    assert!(matches!(error, DecodeError::Malformed { part: "personal", .. }));
}

#[test]
fn a_field_of_a_newer_minor_change_is_ignored() {
    let payload = br#"{"kind":"individual","registered_on":"2026-01-10","shoe_size":42}"#;
    assert!(Event::decode("customer.created", 1, payload, Sealed::Absent).is_ok());
}

#[test]
fn wire_names_are_unique_and_begin_with_their_context() {
    let unique: std::collections::BTreeSet<_> = Event::TYPES.iter().collect();
    assert_eq!(unique.len(), Event::TYPES.len());
    assert!(
        Event::TYPES
            .iter()
            .all(|name| ["customer.", "loyalty.", "credit.", "access."].iter().any(|start| name.starts_with(start)))
    );
}

#[test]
fn upcasters_stand_for_types_that_exist() {
    let lost = UPCASTERS.into_iter().flatten().find(|upcaster| !Event::TYPES.contains(&upcaster.event_type));
    assert!(lost.is_none());
}

#[test]
fn an_old_version_is_lifted_in_both_parts_before_it_is_read() {
    const RENAMED: &[Upcaster] = &[Upcaster {
        event_type: "customer.created",
        from: 1,
        lift: |fields| {
            fields.payload.insert("language".to_owned(), "es".into());
            if let Some(personal) = &mut fields.personal {
                let mails = personal.remove("mails").unwrap_or_default();
                personal.insert("emails".to_owned(), mails);
            }
        },
    }];
    let read = |schema_version, personal| {
        let payload = br#"{"kind":"individual","registered_on":"2026-01-10"}"#;
        let stored =
            Stored { event_type: "customer.created", schema_version, payload, personal, upcasters: &[RENAMED] };
        stored.read(CustomerEvent::open)
    };
    let lifted = read(1, Sealed::Opened(br#"{"mails":["ana@example.com"]}"#)).unwrap();
    let CustomerEvent::Created { language, personal, .. } = lifted else { panic!("{lifted:?}") };
    assert_eq!(language.as_ref().map(crate::ids::Language::as_str), Some("es"));
    assert_eq!(personal.known().map(|contact| contact.emails.len()), Some(1));
    let erased = read(1, Sealed::Erased).unwrap();
    assert!(matches!(erased, CustomerEvent::Created { personal: Personal::Erased, language: Some(_), .. }));
    let newest = read(2, Sealed::Erased).unwrap();
    assert!(matches!(newest, CustomerEvent::Created { language: None, .. }));
    assert!(matches!(read(3, Sealed::Erased), Err(DecodeError::UnknownVersion { newest: 2, .. })));
}
