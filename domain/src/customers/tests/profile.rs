//! What customers may do with their addresses and preferences, as given / when / then.

use uuid::Uuid;

use crate::country::Country;
use crate::customers::address::{Address, AddressKind, AddressPatch};
use crate::customers::commands::{CustomerCommand, CustomerError};
use crate::customers::customer::Customer;
use crate::customers::events::{Contact, CustomerEvent, CustomerKind};
use crate::customers::preferences::{
    Billing, BillingPatch, FavouriteItem, FavouriteOrder, PersonalPreferences, Preferences, PreferencesPatch,
};
use crate::email::Email;
use crate::event::Personal;
use crate::patch::Patch;
use crate::testing::given;

const SHIPPING: AddressKind = AddressKind::Shipping;
const BILLING: AddressKind = AddressKind::Billing;

#[test]
fn the_first_address_of_a_kind_is_its_default_and_a_later_one_when_it_says_so() {
    given::<Customer>([created()]).when(add(1, SHIPPING, false)).then([added(1, SHIPPING, true)]);
    let one = || [created(), added(1, SHIPPING, true)];
    given::<Customer>(one()).when(add(2, SHIPPING, false)).then([added(2, SHIPPING, false)]);
    given::<Customer>(one()).when(add(2, BILLING, false)).then([added(2, BILLING, true)]);
    let state = given::<Customer>(one()).when(add(2, SHIPPING, true)).then([added(2, SHIPPING, true)]);
    assert_eq!(state.active().unwrap().addresses().default_of(SHIPPING), Some(id(2)), "there is one default");
}

#[test]
fn the_default_moves_with_the_address_that_becomes_it() {
    let two = || [created(), added(1, SHIPPING, true), added(2, SHIPPING, false), added(3, BILLING, true)];
    let to_default = |as_default| change(2, AddressPatch::default(), as_default);
    let state = given::<Customer>(two()).when(to_default(Some(true))).then([changed(2, true, address())]);
    assert_eq!(state.active().unwrap().addresses().default_of(SHIPPING), Some(id(2)));
    assert_eq!(state.active().unwrap().addresses().default_of(BILLING), Some(id(3)));
    let snapshot = serde_json::to_string(&state).unwrap();
    assert_eq!(serde_json::from_str::<Customer>(&snapshot).unwrap(), state);
    given::<Customer>(two()).when(to_default(Some(false))).then([]);
    given::<Customer>(two())
        .when(change(1, AddressPatch::default(), Some(false)))
        .then_refused(CustomerError::DefaultAddressNeeded);
}

#[test]
fn an_address_changes_where_it_is_told_to() {
    let patch = AddressPatch {
        line1: Some("Calle Nueva 2".parse().unwrap()),
        city: Patch::Remove,
        postal_code: Patch::Set("28001".parse().unwrap()),
        ..AddressPatch::default()
    };
    let after = Address {
        line1: "Calle Nueva 2".parse().unwrap(),
        city: None,
        postal_code: Some("28001".parse().unwrap()),
        ..address()
    };
    let one = [created(), added(1, SHIPPING, true)];
    let told = changed(1, true, after);
    given::<Customer>(one.clone()).when(change(1, patch.clone(), None)).then([told.clone()]);
    given::<Customer>(one.into_iter().chain([told])).when(change(1, patch, None)).then([]);
}

#[test]
fn an_address_that_goes_leaves_the_default_to_the_oldest_of_its_kind() {
    let history = || {
        [
            created(),
            added(1, BILLING, true),
            added(2, SHIPPING, true),
            added(3, SHIPPING, false),
            added(4, SHIPPING, false),
        ]
    };
    let state = given::<Customer>(history()).when(remove(2)).then([removed(2, SHIPPING, Some(3))]);
    assert_eq!(state.active().unwrap().addresses().default_of(SHIPPING), Some(id(3)));
    given::<Customer>(history()).when(remove(4)).then([removed(4, SHIPPING, None)]);
    let state = given::<Customer>(history()).when(remove(1)).then([removed(1, BILLING, None)]);
    assert_eq!(state.active().unwrap().addresses().default_of(BILLING), None);
    let gone = history().into_iter().chain([removed(1, BILLING, None)]);
    given::<Customer>(gone).when(remove(1)).then_refused(CustomerError::AddressNotFound);
}

#[test]
fn what_is_no_address_of_the_customer_is_not_found() {
    let one = || [created(), added(1, SHIPPING, true)];
    given::<Customer>(one()).when(remove(7)).then_refused(CustomerError::AddressNotFound);
    given::<Customer>(one())
        .when(change(7, AddressPatch::default(), None))
        .then_refused(CustomerError::AddressNotFound);
    given::<Customer>(one()).when(add(1, SHIPPING, false)).then_refused(CustomerError::AddressKnown);
    for command in [add(1, SHIPPING, false), change(1, AddressPatch::default(), None), remove(1)] {
        given::<Customer>([]).when(command).then_refused(CustomerError::NotFound);
    }
}

#[test]
fn addresses_are_bounded() {
    let most = || std::iter::once(created()).chain((1..=50).map(|number| added(number, SHIPPING, number == 1)));
    given::<Customer>(most())
        .when(add(51, BILLING, false))
        .then_refused(CustomerError::TooMany { items: "addresses", limit: 50 });
    let one_gone = most().chain([removed(50, SHIPPING, None)]);
    given::<Customer>(one_gone).when(add(51, BILLING, false)).then([added(51, BILLING, true)]);
}

#[test]
fn of_who_was_erased_addresses_can_only_go() {
    let erased = || {
        let CustomerEvent::AddressAdded { address, kind, is_default, .. } = added(1, SHIPPING, true) else {
            unreachable!()
        };
        let personal = Personal::Erased;
        [created_as(Personal::Erased), CustomerEvent::AddressAdded { address, kind, is_default, personal }]
    };
    given::<Customer>(erased()).when(add(2, SHIPPING, false)).then_refused(CustomerError::Erased);
    given::<Customer>(erased())
        .when(change(1, AddressPatch::default(), Some(true)))
        .then_refused(CustomerError::Erased);
    given::<Customer>(erased()).when(prefer(liking("web"))).then_refused(CustomerError::Erased);
    given::<Customer>(erased()).when(remove(1)).then([removed(1, SHIPPING, None)]);
}

#[test]
fn preferences_keep_what_is_not_named() {
    let told = preferring(&["web"], &[]);
    given::<Customer>([created()]).when(prefer(liking("web"))).then([told.clone()]);
    let restricted =
        PreferencesPatch { restrictions: Patch::Set(vec!["no nuts".parse().unwrap()]), ..PreferencesPatch::default() };
    let both = preferring(&["web"], &["no nuts"]);
    given::<Customer>([created(), told.clone()]).when(prefer(restricted.clone())).then([both.clone()]);
    given::<Customer>([created(), both.clone()]).when(prefer(restricted)).then([]);
    let nothing = PreferencesPatch { channels: Patch::Remove, ..PreferencesPatch::default() };
    given::<Customer>([created(), both]).when(prefer(nothing)).then([preferring(&[], &["no nuts"])]);
    given::<Customer>([created()]).when(prefer(PreferencesPatch::default())).then([]);
    given::<Customer>([]).when(prefer(liking("web"))).then_refused(CustomerError::NotFound);
}

#[test]
fn how_a_customer_is_billed_changes_member_by_member() {
    let billed = |currency: Option<&str>, language: Option<&str>| {
        let billing = Billing {
            currency: currency.map(|code| code.parse().unwrap()),
            language: language.map(|code| code.parse().unwrap()),
            delivery: Some("email".parse().unwrap()),
        };
        preferring_as(Preferences { billing: Some(billing), ..Preferences::default() }, &[])
    };
    let patch = |billing| prefer(PreferencesPatch { billing, ..PreferencesPatch::default() });
    let in_english = || {
        let language = Patch::Set("en".parse().unwrap());
        patch(Patch::Set(BillingPatch { language, ..BillingPatch::default() }))
    };
    let euros = || billed(Some("EUR"), None);
    let history = [created(), euros()];
    given::<Customer>(history.clone()).when(in_english()).then([billed(Some("EUR"), Some("en"))]);
    let without = BillingPatch { currency: Patch::Remove, ..BillingPatch::default() };
    given::<Customer>(history.clone()).when(patch(Patch::Set(without))).then([billed(None, None)]);
    given::<Customer>(history.clone()).when(patch(Patch::Set(BillingPatch::default()))).then([]);
    given::<Customer>(history).when(patch(Patch::Remove)).then([preferring(&[], &[])]);
    let first = Billing { currency: None, language: Some("en".parse().unwrap()), delivery: None };
    let first = preferring_as(Preferences { billing: Some(first), ..Preferences::default() }, &[]);
    given::<Customer>([created()]).when(in_english()).then([first]);
}

#[test]
fn preferences_are_bounded_and_an_order_is_of_something() {
    let ask = |patch| given::<Customer>([created()]).when(prefer(patch));
    let texts = |count| Patch::Set(vec!["no nuts".parse().unwrap(); count]);
    let restrictions = |count| PreferencesPatch { restrictions: texts(count), ..PreferencesPatch::default() };
    ask(restrictions(50)).then([preferring(&[], &["no nuts"; 50])]);
    ask(restrictions(51)).then_refused(CustomerError::TooMany { items: "restrictions", limit: 50 });
    let channels = Patch::Set(vec!["web".parse().unwrap(); 51]);
    ask(PreferencesPatch { channels, ..PreferencesPatch::default() })
        .then_refused(CustomerError::TooMany { items: "channels", limit: 50 });
    let order = |items: Vec<u32>| {
        let item = |quantity| FavouriteItem { sku: "latte".parse().unwrap(), quantity };
        let items = items.into_iter().map(item).collect();
        let order = FavouriteOrder { name: "the usual".parse().unwrap(), items, note: None };
        PreferencesPatch { favourite_orders: Patch::Set(vec![order]), ..PreferencesPatch::default() }
    };
    ask(order(vec![1, 0])).then_refused(CustomerError::QuantityRequired { items: "favourite_orders" });
    ask(order(vec![1; 51])).then_refused(CustomerError::TooMany { items: "favourite_orders", limit: 50 });
}

fn id(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn created() -> CustomerEvent {
    let contact = Contact { emails: vec![Email::parse("ana@example.com").unwrap()], ..Contact::default() };
    created_as(contact.into())
}

fn created_as(personal: Personal<Contact>) -> CustomerEvent {
    CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: "2026-01-10".parse().unwrap(),
        personal,
    }
}

fn address() -> Address {
    Address {
        name: None,
        line1: "Calle Mayor 1".parse().unwrap(),
        line2: None,
        city: Some("Madrid".parse().unwrap()),
        region: None,
        postal_code: None,
        country: Country::ES,
        phone: None,
        instructions: None,
    }
}

fn add(number: u128, kind: AddressKind, as_default: bool) -> CustomerCommand {
    CustomerCommand::AddAddress { id: id(number), kind, as_default, address: address() }
}

fn added(number: u128, kind: AddressKind, is_default: bool) -> CustomerEvent {
    CustomerEvent::AddressAdded { address: id(number), kind, is_default, personal: address().into() }
}

fn change(number: u128, patch: AddressPatch, as_default: Option<bool>) -> CustomerCommand {
    CustomerCommand::ChangeAddress { id: id(number), patch, as_default }
}

fn changed(number: u128, is_default: bool, address: Address) -> CustomerEvent {
    CustomerEvent::AddressChanged { address: id(number), kind: SHIPPING, is_default, personal: address.into() }
}

fn remove(number: u128) -> CustomerCommand {
    CustomerCommand::RemoveAddress { id: id(number) }
}

fn removed(number: u128, kind: AddressKind, new_default: Option<u128>) -> CustomerEvent {
    CustomerEvent::AddressRemoved { address: id(number), kind, new_default: new_default.map(id) }
}

fn prefer(patch: PreferencesPatch) -> CustomerCommand {
    CustomerCommand::ChangePreferences(patch)
}

fn liking(channel: &str) -> PreferencesPatch {
    PreferencesPatch { channels: Patch::Set(vec![channel.parse().unwrap()]), ..PreferencesPatch::default() }
}

fn preferring(channels: &[&str], restrictions: &[&str]) -> CustomerEvent {
    let channels = channels.iter().map(|text| text.parse().unwrap()).collect();
    preferring_as(Preferences { channels, ..Preferences::default() }, restrictions)
}

fn preferring_as(preferences: Preferences, restrictions: &[&str]) -> CustomerEvent {
    let restrictions = restrictions.iter().map(|text| text.parse().unwrap()).collect();
    CustomerEvent::PreferencesChanged {
        preferences,
        personal: PersonalPreferences { restrictions, favourite_orders: vec![] }.into(),
    }
}
