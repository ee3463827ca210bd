//! Customers that others sent.

use super::*;
use crate::customers::address::{Address, AddressKind};
use crate::customers::blocking::{BlockNote, BlockReason};
use crate::customers::referring::Referral;
use crate::ids::CustomerId;

const FRIEND: CustomerId = CustomerId::new(Uuid::from_u128(1));
const REFERRER: CustomerId = CustomerId::new(Uuid::from_u128(2));
const THIRD: CustomerId = CustomerId::new(Uuid::from_u128(3));

fn refer(by: CustomerId, referrer: &Customer) -> CustomerCommand {
    let referrer = Box::new(referrer.clone());
    CustomerCommand::Refer { id: FRIEND, by, referrer, on: day("2026-03-01") }
}

fn referred(by: CustomerId, looks_alike: bool) -> CustomerEvent {
    CustomerEvent::Referred { by, looks_alike, on: day("2026-03-01") }
}

/// Somebody of whom that is known.
fn person(name: &str, birth_date: &str, addresses: &[Address]) -> Customer {
    let (name, birth_date) = (PersonName::parse(name).ok(), BirthDate::parse(birth_date).ok());
    let events = [CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal: Contact { name, birth_date, ..by_phone() }.into(),
    }];
    let added = addresses.iter().enumerate().map(|(nth, address)| CustomerEvent::AddressAdded {
        address: Uuid::from_u128(nth as u128),
        kind: AddressKind::Shipping,
        is_default: nth == 0,
        personal: address.clone().into(),
    });
    given::<Customer>(events.into_iter().chain(added)).state()
}

fn home(line1: &str, line2: Option<&str>, postal_code: Option<&str>, city: &str) -> Address {
    Address {
        name: None,
        line1: line1.parse().unwrap(),
        line2: line2.map(|line| line.parse().unwrap()),
        city: city.parse().ok(),
        region: None,
        postal_code: postal_code.map(|code| code.parse().unwrap()),
        country: Country::parse("ES").unwrap(),
        phone: None,
        instructions: None,
    }
}

fn after(state: &Customer, events: &[CustomerEvent]) -> Customer {
    Customer::fold(state.clone(), events)
}

#[test]
fn a_customer_is_referred_once_and_the_same_again_changes_nothing() {
    let state = given::<Customer>([created()]).when(refer(REFERRER, &registered())).then([referred(REFERRER, false)]);
    assert_eq!(state.active().unwrap().referral(), Some(Referral { by: REFERRER, looks_alike: false }));
    let history = || [created(), referred(REFERRER, false)];
    given::<Customer>(history()).when(refer(REFERRER, &registered())).then([]);
    given::<Customer>(history()).when(refer(REFERRER, &Customer::Erased)).then([]);
    let merged = absorbing(&registered(), REFERRER);
    given::<Customer>(history()).when(refer(THIRD, &merged)).then([]);
    let refusal = CustomerError::AlreadyReferred { referrer: REFERRER };
    given::<Customer>(history()).when(refer(THIRD, &registered())).then_refused(refusal.clone());
    assert_eq!(Refusal::from(refusal).facts["referrer"].as_str(), Some(&*REFERRER.to_string()));
}

#[test]
fn who_has_bought_is_referred_no_more_though_it_gave_all_back() {
    let bought = || [created(), recorded("order-1", "10.00", "2026-02-09")];
    given::<Customer>(bought()).when(refer(REFERRER, &registered())).then_refused(CustomerError::AlreadyBought);
    let back = bought().into_iter().chain([refunded("refund-1", "10.00", "10.00", "0.00")]);
    given::<Customer>(back).when(refer(REFERRER, &registered())).then_refused(CustomerError::AlreadyBought);
    let known = [created(), referred(REFERRER, false), recorded("order-1", "10.00", "2026-02-09")];
    given::<Customer>(known).when(refer(REFERRER, &registered())).then([]);
}

#[test]
fn nobody_refers_itself_or_the_one_who_referred_it() {
    given::<Customer>([created()]).when(refer(FRIEND, &registered())).then_refused(CustomerError::SelfReferral);
    let circle = || after(&registered(), &[referred(FRIEND, false)]);
    given::<Customer>([created()]).when(refer(REFERRER, &circle())).then_refused(CustomerError::CircularReferral);
    let other = after(&registered(), &[referred(THIRD, false)]);
    given::<Customer>([created()]).when(refer(REFERRER, &other)).then([referred(REFERRER, false)]);
    let friend = absorbing(&registered(), THIRD);
    assert_eq!(Customer::decide(&friend, refer(REFERRER, &other)), Err(CustomerError::CircularReferral), "it is one");
}

#[test]
fn who_is_no_customer_or_is_blocked_refers_nobody() {
    let erased = {
        let (ground, subjects, on) = (ErasureGround::Request, vec![Uuid::nil()], day("2026-02-01"));
        after(&registered(), &[CustomerEvent::Erased { ground, subjects, on }])
    };
    let deleted = after(&registered(), &[CustomerEvent::Deleted { reason: None, on: day("2026-02-01") }]);
    let merged = after(&registered(), &[CustomerEvent::Merged { into: THIRD, on: day("2026-02-01") }]);
    let (reason, personal) = (BlockReason::Abuse, BlockNote::default().into());
    let blocked = after(&registered(), &[CustomerEvent::Blocked { reason, on: day("2026-02-01"), personal }]);
    for (referrer, refusal) in [
        (Customer::Unregistered, CustomerError::ReferrerNotFound),
        (erased, CustomerError::ReferrerErased),
        (deleted, CustomerError::ReferrerDeleted),
        (merged, CustomerError::ReferrerMerged { survivor: THIRD }),
        (blocked, CustomerError::ReferrerBlocked),
    ] {
        given::<Customer>([created()]).when(refer(REFERRER, &referrer)).then_refused(refusal.clone());
        assert_eq!(Refusal::from(refusal).field.as_deref(), Some("/referrer_id"));
    }
    given::<Customer>([]).when(refer(REFERRER, &registered())).then_refused(CustomerError::NotFound);
    let gone = [created(), CustomerEvent::Deleted { reason: None, on: day("2026-02-01") }];
    given::<Customer>(gone).when(refer(REFERRER, &registered())).then_refused(CustomerError::Deleted);
}

#[test]
fn two_look_alike_by_name_by_address_or_by_birthday_and_last_name() {
    let (nowhere, calle) = (&[][..], home("Calle Mayor, 1", Some("2º B"), Some("28001"), "Madrid"));
    let written = home("CALLE MAYOR 1", Some("2o b"), Some("28 001"), "madrid");
    let ana = person("Ana Núñez", "1984-02-29", std::slice::from_ref(&calle));
    for (other, expected) in [
        (person("ANA  NUNEZ", "1990-01-01", nowhere), true),
        (person("Eva Núñez", "1984-02-29", nowhere), true),
        (person("Eva Núñez", "1990-01-01", nowhere), false),
        (person("Eva Ruiz", "1984-02-29", nowhere), false),
        (person("Ana", "1990-01-01", nowhere), false),
        (person("Eva Ruiz", "1990-01-01", &[home("Otra 3", None, None, "Madrid"), written]), true),
        (person("Eva Ruiz", "1990-01-01", &[home("Calle Mayor 1", Some("3 A"), Some("28001"), "Madrid")]), false),
        (person("Eva Ruiz", "1990-01-01", &[home("Calle Mayor 1", Some("2º B"), Some("08001"), "Madrid")]), false),
    ] {
        let decided = Customer::decide(&ana, refer(REFERRER, &other)).unwrap();
        assert_eq!(decided, [referred(REFERRER, expected)], "{:?}", other.active().unwrap().contact());
    }
    let (one, other) = (person("Ana", "", nowhere), person("Ana", "", nowhere));
    assert_eq!(Customer::decide(&one, refer(REFERRER, &other)).unwrap(), [referred(REFERRER, false)], "a first name");
}

/// A customer into which another one was merged.
fn absorbing(survivor: &Customer, duplicate: CustomerId) -> Customer {
    after(survivor, &merged_with(survivor, duplicate, &given::<Customer>([created()]).state()))
}

fn merged_with(survivor: &Customer, id: CustomerId, duplicate: &Customer) -> Vec<CustomerEvent> {
    let duplicate = Box::new(duplicate.active().unwrap().clone());
    Customer::decide(survivor, CustomerCommand::Absorb { into: FRIEND, id, duplicate, on: day("2026-03-01") }).unwrap()
}

fn referrer_after(survivor: &Customer, duplicate: &Customer) -> Option<Referral> {
    after(survivor, &merged_with(survivor, THIRD, duplicate)).active().unwrap().referral()
}

#[test]
fn who_sent_the_duplicate_has_sent_the_survivor_unless_one_of_them_has_bought() {
    let nobody = registered();
    let sent = |by, looks_alike| after(&registered(), &[referred(by, looks_alike)]);
    let expected = Some(Referral { by: REFERRER, looks_alike: true });
    assert_eq!(referrer_after(&nobody, &sent(REFERRER, true)), expected);
    let own = CustomerId::new(Uuid::from_u128(4));
    let kept = Some(Referral { by: own, looks_alike: false });
    assert_eq!(referrer_after(&sent(own, false), &sent(REFERRER, true)), kept, "its own");
    let bought = |state: &Customer| after(state, &[recorded("order-1", "10.00", "2026-02-09")]);
    assert_eq!(referrer_after(&bought(&nobody), &sent(REFERRER, true)), None);
    assert_eq!(referrer_after(&nobody, &bought(&sent(REFERRER, true))), None);
    let told = merged_with(&nobody, THIRD, &sent(REFERRER, true));
    assert_eq!(told.last(), Some(&referred(REFERRER, true)), "an event says so");
}

#[test]
fn who_turns_out_to_be_one_with_its_referrer_was_referred_by_nobody() {
    let sent = |by| after(&registered(), &[referred(by, false)]);
    assert_eq!(referrer_after(&registered(), &sent(FRIEND)), None, "the survivor had sent the duplicate");
    assert_eq!(referrer_after(&sent(THIRD), &registered()), None, "the duplicate had sent the survivor");
    let expected = Some(Referral { by: REFERRER, looks_alike: false });
    assert_eq!(referrer_after(&sent(THIRD), &sent(REFERRER)), expected, "and was sent by another one");
    let before = absorbing(&registered(), REFERRER);
    assert_eq!(referrer_after(&before, &sent(REFERRER)), None, "one that was merged before");
}
