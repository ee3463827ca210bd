//! What others call a customer, as given / when / then.

use super::{by_email, created, day, register};
use crate::customers::commands::{CustomerCommand, CustomerError};
use crate::customers::customer::Customer;
use crate::customers::events::{Contact, CustomerEvent, CustomerKind, ExternalReference, LinkedReference, LinkedUser};
use crate::event::Personal;
use crate::refusal::Refusal;
use crate::testing::given;

#[test]
fn a_reference_is_linked_once_and_found_in_the_contact() {
    let state = given::<Customer>([created()]).when(link("erp", "4711")).then([linked("erp", "4711")]);
    assert_eq!(state.active().unwrap().contact().known().unwrap().references, [reference("erp", "4711")]);
    given::<Customer>([created(), linked("erp", "4711")]).when(link("erp", "4711")).then([]);
    given::<Customer>([created(), linked("erp", "4711")])
        .when(link("stripe", "cus_1"))
        .then([linked("stripe", "cus_1")]);
}

#[test]
fn another_reference_of_the_system_is_not_put_in_the_place_of_the_first() {
    let refused = || CustomerError::ReferenceLinked { system: "erp".parse().unwrap() };
    given::<Customer>([created(), linked("erp", "4711")]).when(link("erp", "4712")).then_refused(refused());
    given::<Customer>([created(), linked("erp", "4711"), unlinked("erp")])
        .when(link("erp", "4712"))
        .then([linked("erp", "4712")]);
    let two = Contact { references: vec![reference("erp", "1"), reference("erp", "2")], ..by_email() };
    let twice = CustomerError::ReferenceTwice { system: "erp".parse().unwrap(), reference: 1 };
    assert_eq!(Refusal::from(twice.clone()).field.as_deref(), Some("/references/1/system"));
    given::<Customer>([]).when(register(CustomerKind::Individual, two)).then_refused(twice);
}

#[test]
fn who_was_registered_with_two_references_of_a_system_loses_both_and_can_be_changed() {
    let two = Contact { references: vec![reference("erp", "1"), reference("erp", "2")], ..by_email() };
    let state = given::<Customer>([created_as(two.into())]).when(unlink("erp")).then([unlinked("erp")]);
    assert_eq!(state.active().unwrap().contact().known().unwrap().references, []);
}

#[test]
fn references_are_bounded() {
    let most = || std::iter::once(created()).chain((0..20).map(|n| linked(&format!("system-{n}"), "7")));
    given::<Customer>(most())
        .when(link("erp", "4711"))
        .then_refused(CustomerError::TooMany { items: "references", limit: 20 });
    given::<Customer>(most().chain([unlinked("system-7")])).when(link("erp", "4711")).then([linked("erp", "4711")]);
}

#[test]
fn the_last_contact_may_not_go_whatever_is_linked_beside() {
    let only = || created_as(Contact { references: vec![reference("erp", "4711")], ..Contact::default() }.into());
    given::<Customer>([only()]).when(unlink("erp")).then_refused(CustomerError::ContactRequired);
    given::<Customer>([only(), user_linked("ana")]).when(unlink("erp")).then_refused(CustomerError::ContactRequired);
    given::<Customer>([only(), linked("stripe", "cus_1")]).when(unlink("erp")).then([unlinked("erp")]);
    given::<Customer>([created()]).when(unlink("erp")).then([]);
}

#[test]
fn a_customer_logs_in_as_one_user_at_a_time() {
    let state = given::<Customer>([created()]).when(link_user("ana")).then([user_linked("ana")]);
    assert_eq!(state.active().unwrap().logins().own().map(ToString::to_string).as_deref(), Some("ana"));
    given::<Customer>([created(), user_linked("ana")]).when(link_user("ana")).then([]);
    let state = given::<Customer>([created(), user_linked("ana")]).when(link_user("eva")).then([user_linked("eva")]);
    assert_eq!(state.active().unwrap().logins().own().map(ToString::to_string).as_deref(), Some("eva"));
    let nobody = given::<Customer>([created(), user_linked("ana")])
        .when(CustomerCommand::UnlinkUser)
        .then([CustomerEvent::UserUnlinked {}]);
    assert_eq!(nobody.active().unwrap().logins().own(), None);
    given::<Customer>([created()]).when(CustomerCommand::UnlinkUser).then([]);
}

#[test]
fn a_login_that_came_with_a_duplicate_stays_until_all_are_taken_away() {
    let besides = |user: &str| CustomerEvent::UserLinked {
        besides: true,
        personal: LinkedUser { user: user.parse().unwrap() }.into(),
    };
    let logins = |state: &Customer| {
        let logins = state.active().unwrap().logins();
        (logins.own().map(ToString::to_string), logins.all().map(ToString::to_string).collect::<Vec<_>>())
    };
    let history = || [created(), user_linked("ana"), besides("double")];
    let state = given::<Customer>(history()).when(link_user("double")).then([user_linked("double")]);
    assert_eq!(
        logins(&state),
        (Some("double".to_owned()), vec!["double".to_owned(), "ana".to_owned()]),
        "changed places"
    );
    let state = given::<Customer>(history()).when(link_user("eva")).then([user_linked("eva")]);
    assert_eq!(logins(&state).1, ["eva", "double"], "the own one is replaced");
    let state = given::<Customer>(history()).when(CustomerCommand::UnlinkUser).then([CustomerEvent::UserUnlinked {}]);
    assert_eq!(logins(&state).1, [""; 0]);
    let erased = CustomerEvent::UserLinked { besides: true, personal: Personal::Erased };
    let state = given::<Customer>([created(), user_linked("ana"), erased]).state();
    assert_eq!(logins(&state).1, ["ana"]);
}

#[test]
fn nobody_and_who_was_erased_are_called_nothing() {
    let commands = || [link("erp", "4711"), unlink("erp"), link_user("ana")];
    for command in commands() {
        given::<Customer>([]).when(command).then_refused(CustomerError::NotFound);
    }
    for command in commands() {
        given::<Customer>([created_as(Personal::Erased)]).when(command).then_refused(CustomerError::Erased);
    }
    let erased = CustomerEvent::UserLinked { besides: false, personal: Personal::Erased };
    let state = given::<Customer>([created(), erased]).state();
    assert_eq!(state.active().unwrap().logins().own(), None);
}

fn created_as(personal: Personal<Contact>) -> CustomerEvent {
    CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal,
    }
}

fn reference(system: &str, reference: &str) -> ExternalReference {
    ExternalReference { system: system.parse().unwrap(), reference: reference.parse().unwrap() }
}

fn link(system: &str, name: &str) -> CustomerCommand {
    CustomerCommand::LinkReference(reference(system, name))
}

fn linked(system: &str, name: &str) -> CustomerEvent {
    let personal = LinkedReference { reference: name.parse().unwrap() }.into();
    CustomerEvent::ReferenceLinked { system: system.parse().unwrap(), personal }
}

fn unlink(system: &str) -> CustomerCommand {
    CustomerCommand::UnlinkReference { system: system.parse().unwrap(), reference: None }
}

fn unlinked(system: &str) -> CustomerEvent {
    CustomerEvent::ReferenceUnlinked { system: system.parse().unwrap() }
}

fn link_user(user: &str) -> CustomerCommand {
    CustomerCommand::LinkUser(user.parse().unwrap())
}

fn user_linked(user: &str) -> CustomerEvent {
    CustomerEvent::UserLinked { besides: false, personal: LinkedUser { user: user.parse().unwrap() }.into() }
}
