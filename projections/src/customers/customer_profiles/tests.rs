//! The fold of what is known of a customer beside its row.

use super::contacts::ContactKind;
use super::{CustomerProfiles, ProfileRow};
use crate::folding::{folded, recorded};
use crate::read_model::ReadModel;
use domain::country::Country;
use domain::customers::address::{Address, AddressKind};
use domain::customers::events::{Contact, CustomerEvent, CustomerField, CustomerKind, ErasureGround};
use domain::customers::preferences::{PersonalPreferences, Preferences};
use domain::document::{Document, DocumentKind};
use domain::email::Email;
use domain::event::Personal;
use domain::phone::Phone;
use domain::{Currency, Event, Money};
use uuid::Uuid;

fn row_of(events: impl IntoIterator<Item = CustomerEvent>) -> Option<ProfileRow> {
    folded::<CustomerProfiles>(&Uuid::from_u128(1), events.into_iter().map(Event::from))
}

fn emails(texts: &[&str]) -> Contact {
    Contact { emails: texts.iter().map(|text| Email::parse(text).unwrap()).collect(), ..Contact::default() }
}

fn created(personal: Personal<Contact>) -> CustomerEvent {
    CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: "2026-01-10".parse().unwrap(),
        personal,
    }
}

fn changed(field: CustomerField, personal: Personal<Contact>) -> CustomerEvent {
    CustomerEvent::Updated {
        changed: vec![field],
        language: None,
        currency: None,
        time_zone: None,
        kind: None,
        personal,
    }
}

fn address() -> Address {
    Address {
        name: None,
        line1: "Calle Mayor 1".parse().unwrap(),
        line2: None,
        city: None,
        region: None,
        postal_code: None,
        country: Country::ES,
        phone: None,
        instructions: None,
    }
}

fn added(number: u128, kind: AddressKind, is_default: bool) -> CustomerEvent {
    CustomerEvent::AddressAdded { address: Uuid::from_u128(number), kind, is_default, personal: address().into() }
}

fn defaults(row: &ProfileRow) -> Vec<(u128, bool)> {
    row.addresses.iter().map(|address| (address.id.as_u128(), address.is_default)).collect()
}

#[test]
fn contacts_are_all_of_each_kind_the_primary_ones_first() {
    let phone = Phone::parse("+34600123456", None).unwrap();
    let contact = Contact { phones: vec![phone], ..emails(&["Ana@example.com", "second@example.com"]) };
    let told = |row: &ProfileRow| -> Vec<_> {
        row.contacts.iter().map(|row| (row.kind, row.rank, row.value.clone())).collect()
    };
    let row = row_of([created(contact.clone().into())]).unwrap();
    let phone = (ContactKind::Phone, 1, "+34600123456".to_owned());
    let email = |rank, text: &str| (ContactKind::Email, rank, text.to_owned());
    assert_eq!(told(&row), [email(1, "Ana@example.com"), email(2, "second@example.com"), phone.clone()]);
    let turned = changed(CustomerField::Emails, emails(&["second@example.com"]).into());
    assert_eq!(told(&row_of([created(contact.into()), turned]).unwrap()), [email(1, "second@example.com"), phone]);
}

#[test]
fn documents_stand_as_they_are_searched_for() {
    let document = Document::parse(DocumentKind::Dni, "12345678-z", Country::ES).unwrap();
    let contact = Contact { documents: vec![document], ..Contact::default() };
    let row = row_of([created(contact.into())]).unwrap();
    let document = &row.documents[0];
    assert_eq!(
        (document.kind.as_str(), document.number.as_str(), document.country.as_str()),
        ("dni", "12345678Z", "ES")
    );
    assert_eq!(row_of([changed(CustomerField::Documents, Contact::default().into())]), None, "nothing is left");
}

#[test]
fn a_new_default_is_the_only_one_of_its_kind_and_one_that_goes_leaves_it() {
    let (shipping, billing) = (AddressKind::Shipping, AddressKind::Billing);
    let history = || [added(1, shipping, true), added(2, billing, true), added(3, shipping, true)];
    assert_eq!(defaults(&row_of(history()).unwrap()), [(1, false), (2, true), (3, true)]);
    let new_default = Some(Uuid::from_u128(1));
    let gone = CustomerEvent::AddressRemoved { address: Uuid::from_u128(3), kind: shipping, new_default };
    assert_eq!(defaults(&row_of(history().into_iter().chain([gone])).unwrap()), [(1, true), (2, true)]);
    let moved = CustomerEvent::AddressChanged {
        address: Uuid::from_u128(1),
        kind: shipping,
        is_default: true,
        personal: Address { line1: "Calle Nueva 2".parse().unwrap(), ..address() }.into(),
    };
    let row = row_of(history().into_iter().chain([moved])).unwrap();
    assert_eq!(defaults(&row), [(1, true), (2, true), (3, false)]);
    assert_eq!((row.addresses[0].line1.as_str(), row.addresses[0].position.0), ("Calle Nueva 2", 40));
}

#[test]
fn preferences_are_those_told_last() {
    let told = |channel: &str, restriction: &str| CustomerEvent::PreferencesChanged {
        preferences: Preferences { channels: vec![channel.parse().unwrap()], ..Preferences::default() },
        personal: PersonalPreferences { restrictions: vec![restriction.parse().unwrap()], favourite_orders: vec![] }
            .into(),
    };
    let preferences = row_of([told("web", "no nuts"), told("store-1", "no milk")]).unwrap().preferences.unwrap();
    assert_eq!(
        (preferences.channels, preferences.restrictions),
        (vec!["store-1".to_owned()], vec!["no milk".to_owned()])
    );
    assert_eq!(preferences.position.0, 20);
}

#[test]
fn of_who_is_erased_nothing_is_left_at_all() {
    let preferences = CustomerEvent::PreferencesChanged {
        preferences: Preferences { channels: vec!["web".parse().unwrap()], ..Preferences::default() },
        personal: Personal::Erased,
    };
    let on = "2026-03-03".parse().unwrap();
    let erased = CustomerEvent::Erased { ground: ErasureGround::Request, subjects: vec![], on };
    let known = [created(emails(&["ana@example.com"]).into()), added(1, AddressKind::Shipping, true)];
    assert_eq!(row_of(known.into_iter().chain([preferences, erased])), None);
}

#[test]
fn of_who_was_erased_nothing_is_left_that_tells_who_it_was() {
    let erased = |number| CustomerEvent::AddressAdded {
        address: Uuid::from_u128(number),
        kind: AddressKind::Shipping,
        is_default: true,
        personal: Personal::Erased,
    };
    assert!(CustomerProfiles::keys(&recorded(created(Personal::Erased), 1)).is_empty());
    assert_eq!(row_of([erased(1), changed(CustomerField::Emails, Personal::Erased)]), None);
    let preferences = CustomerEvent::PreferencesChanged {
        preferences: Preferences { channels: vec!["web".parse().unwrap()], ..Preferences::default() },
        personal: Personal::Erased,
    };
    let row = row_of([erased(1), preferences]).unwrap();
    let preferences = row.preferences.unwrap();
    assert_eq!((row.addresses.len(), preferences.channels.len(), preferences.restrictions.len()), (0, 1, 0));
}

#[test]
fn what_changes_nothing_here_touches_nothing() {
    let reference = created(Contact { name: Some("Ana".parse().unwrap()), ..Contact::default() }.into());
    let total = Money::from_minor(1_000, Currency::parse("EUR").unwrap()).unwrap();
    let (order, on) = ("order-1".parse().unwrap(), "2026-02-09".parse().unwrap());
    let bought = CustomerEvent::PurchaseRecorded { order, channel: None, lines: vec![], total, on };
    let named = changed(CustomerField::Name, Contact::default().into());
    for event in [reference, bought, named] {
        assert!(CustomerProfiles::keys(&recorded(event, 1)).is_empty());
    }
}
