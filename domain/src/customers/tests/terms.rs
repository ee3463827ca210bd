//! On which terms a business buys, what others note, and where its clocks are, as given / when / then.

use super::{by_email, created, day};
use crate::customers::commands::{CustomerCommand, CustomerError, CustomerPatch};
use crate::customers::customer::Customer;
use crate::customers::events::{Contact, CustomerEvent, CustomerField, CustomerKind};
use crate::customers::metadata::Metadata;
use crate::customers::terms::{DiscountStep, Percent, Terms, TermsPatch, VolumeDiscount};
use crate::decider::Decider;
use crate::event::Personal;
use crate::money::{Currency, Money};
use crate::patch::Patch;
use crate::testing::given;

#[test]
fn a_percentage_is_more_than_nothing_and_at_most_all_to_the_hundredth() {
    for (text, hundredths) in
        [("2.5", 250), ("2.50", 250), ("0.01", 1), ("100", 10_000), ("007", 700), ("100.00", 10_000)]
    {
        assert_eq!(Percent::parse(text).map(Percent::hundredths), Ok(hundredths), "{text}");
    }
    for text in ["", "0", "0.00", "100.01", "101", "2.505", "-1", "+1", "1e1", ".5", "5.", "1,5", " 5", "1000", "5.5.5"]
    {
        assert!(Percent::parse(text).is_err(), "{text}");
    }
    assert_eq!(Percent::parse("2.5").unwrap().to_string(), "2.50");
    assert!(serde_json::from_str::<Percent>("0").is_err() && serde_json::from_str::<Percent>("10001").is_err());
}

#[test]
fn terms_are_changed_member_by_member_and_told_as_a_whole() {
    let days = TermsPatch { payment_days: Patch::Set(30), ..TermsPatch::default() };
    let told = terms_changed(None, Some(30));
    given::<Customer>([business()]).when(terms(days.clone())).then([told.clone()]);
    given::<Customer>([business(), told.clone()]).when(terms(days)).then([]);
    let code = || Some(VolumeDiscount::Code("W-A".parse().unwrap()));
    let discounted = TermsPatch { volume_discount: Patch::Set(code().unwrap()), ..TermsPatch::default() };
    let both = terms_changed(code(), Some(30));
    given::<Customer>([business(), told]).when(terms(discounted)).then([both.clone()]);
    let none = CustomerPatch { terms: Patch::Remove, ..CustomerPatch::default() };
    given::<Customer>([business(), both]).when(CustomerCommand::Update(none)).then([terms_changed(None, None)]);
}

#[test]
fn only_a_business_has_terms_and_within_bounds() {
    let days = |days| terms(TermsPatch { payment_days: Patch::Set(days), ..TermsPatch::default() });
    given::<Customer>([created()]).when(days(30)).then_refused(CustomerError::BusinessOnly);
    let none = CustomerPatch { terms: Patch::Remove, ..CustomerPatch::default() };
    given::<Customer>([created()]).when(CustomerCommand::Update(none)).then([]);
    given::<Customer>([business()]).when(days(365)).then([terms_changed(None, Some(365))]);
    given::<Customer>([business()]).when(days(366)).then_refused(CustomerError::PaymentDays { limit: 365 });
}

#[test]
fn steps_go_up_in_one_currency() {
    let discount = |steps: &[(&str, &str, &str)]| {
        terms(TermsPatch { volume_discount: Patch::Set(stepped(steps)), ..TermsPatch::default() })
    };
    let good = [("0.00", "EUR", "1"), ("100.00", "EUR", "2.5")];
    given::<Customer>([business()]).when(discount(&good)).then([terms_changed(Some(stepped(&good)), None)]);
    given::<Customer>([business()]).when(discount(&[])).then_refused(CustomerError::StepRequired);
    for (steps, step) in [
        (&[("-1.00", "EUR", "1")][..], 0),
        (&[("10.00", "EUR", "1"), ("10.00", "EUR", "2")], 1),
        (&[("10.00", "EUR", "2"), ("20.00", "EUR", "2")], 1),
        (&[("10.00", "EUR", "1"), ("20.00", "USD", "2")], 1),
        (&[("10.00", "EUR", "1"), ("20.00", "EUR", "2"), ("15.00", "EUR", "3")], 2),
    ] {
        given::<Customer>([business()]).when(discount(steps)).then_refused(CustomerError::StepOrder { step });
    }
    let many: Vec<_> = (1..=21).map(|n| (format!("{n}.00"), format!("{n}"))).collect();
    let many: Vec<_> = many.iter().map(|(from, percent)| (from.as_str(), "EUR", percent.as_str())).collect();
    let items = "terms/volume_discount/steps";
    given::<Customer>([business()]).when(discount(&many)).then_refused(CustomerError::TooMany { items, limit: 20 });
}

#[test]
fn notes_are_kept_until_they_are_taken_away() {
    let told = noted(&[("a", "1"), ("b", "2")]);
    given::<Customer>([created()]).when(note(&[("a", Some("1")), ("b", Some("2")), ("c", None)])).then([told.clone()]);
    given::<Customer>([created(), told.clone()]).when(note(&[("a", Some("1"))])).then([]);
    given::<Customer>([created(), told.clone()]).when(note(&[("a", None)])).then([noted(&[("b", "2")])]);
    let none = CustomerPatch { metadata: Patch::Remove, ..CustomerPatch::default() };
    given::<Customer>([created(), told]).when(CustomerCommand::Update(none)).then([noted(&[])]);
    let names: Vec<String> = (0..51).map(|n| format!("n{n}")).collect();
    let many: Vec<_> = names.iter().map(|name| (name.as_str(), Some("x"))).collect();
    given::<Customer>([created()])
        .when(note(&many))
        .then_refused(CustomerError::TooMany { items: "metadata", limit: 50 });
}

#[test]
fn what_is_changed_at_once_is_told_in_one_go() {
    let patch = CustomerPatch {
        time_zone: Patch::Set("Europe/Madrid".parse().unwrap()),
        terms: Patch::Set(TermsPatch { payment_days: Patch::Set(30), ..TermsPatch::default() }),
        metadata: Patch::Set([("a".parse().unwrap(), Some("1".parse().unwrap()))].into()),
        ..CustomerPatch::default()
    };
    let moved = CustomerEvent::Updated {
        changed: vec![CustomerField::TimeZone],
        language: None,
        currency: None,
        time_zone: Some("Europe/Madrid".parse().unwrap()),
        kind: None,
        personal: Contact::default().into(),
    };
    let told = [moved, terms_changed(None, Some(30)), noted(&[("a", "1")])];
    let state = given::<Customer>([business()]).when(CustomerCommand::Update(patch.clone())).then(told.clone());
    let zone = state.active().unwrap().profile().time_zone.as_ref().map(ToString::to_string);
    assert_eq!(zone.as_deref(), Some("Europe/Madrid"));
    given::<Customer>([business()].into_iter().chain(told)).when(CustomerCommand::Update(patch)).then([]);
}

#[test]
fn of_who_was_erased_nothing_is_noted() {
    given::<Customer>([created(), CustomerEvent::MetadataChanged { personal: Personal::Erased }])
        .when(note(&[("a", Some("1"))]))
        .then_refused(CustomerError::Erased);
}

#[test]
fn a_change_that_names_nothing_new_is_the_request_that_it_was_before() {
    let text = serde_json::to_string(&CustomerPatch::default()).unwrap();
    assert!(!text.contains("terms") && !text.contains("metadata") && !text.contains("time_zone"), "{text}");
}

fn business() -> CustomerEvent {
    CustomerEvent::Created {
        kind: CustomerKind::Business,
        language: None,
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal: Contact { company: Some("Café Núñez".parse().unwrap()), ..by_email() }.into(),
    }
}

fn terms(patch: TermsPatch) -> CustomerCommand {
    CustomerCommand::Update(CustomerPatch { terms: Patch::Set(patch), ..CustomerPatch::default() })
}

fn terms_changed(volume_discount: Option<VolumeDiscount>, payment_days: Option<u16>) -> CustomerEvent {
    CustomerEvent::TermsChanged { terms: Terms { volume_discount, payment_days } }
}

fn stepped(steps: &[(&str, &str, &str)]) -> VolumeDiscount {
    let step = |(from, currency, percent): &(&str, &str, &str)| DiscountStep {
        from: Money::parse(from, Currency::parse(currency).unwrap()).unwrap(),
        percent: Percent::parse(percent).unwrap(),
    };
    VolumeDiscount::Steps(steps.iter().map(step).collect())
}

fn note(notes: &[(&str, Option<&str>)]) -> CustomerCommand {
    let note = |(name, text): &(&str, Option<&str>)| (name.parse().unwrap(), text.map(|text| text.parse().unwrap()));
    let metadata = Patch::Set(notes.iter().map(note).collect());
    CustomerCommand::Update(CustomerPatch { metadata, ..CustomerPatch::default() })
}

fn noted(notes: &[(&str, &str)]) -> CustomerEvent {
    let note = |(name, text): &(&str, &str)| (name.parse().unwrap(), text.parse().unwrap());
    CustomerEvent::MetadataChanged { personal: Metadata { notes: notes.iter().map(note).collect() }.into() }
}

#[test]
fn a_kind_is_set_right_later() {
    let kind = |kind| CustomerPatch { kind: Some(kind), ..CustomerPatch::default() };
    let change = |patch| CustomerCommand::Update(patch);
    given::<Customer>([created()])
        .when(change(kind(CustomerKind::Business)))
        .then_refused(CustomerError::CompanyRequired);
    let named = CustomerPatch { company: Patch::Set("Torres".parse().unwrap()), ..kind(CustomerKind::Business) };
    let state = Customer::decide(&given::<Customer>([created()]).state(), change(named)).unwrap();
    assert!(
        matches!(&state[..], [CustomerEvent::Updated { changed, kind: Some(CustomerKind::Business), .. }]
        if changed == &[CustomerField::Company, CustomerField::Kind]),
        "{state:?}"
    );
    let person = || kind(CustomerKind::Individual);
    let state = Customer::fold(
        given::<Customer>([business()]).state(),
        &Customer::decide(&given::<Customer>([business()]).state(), change(person())).unwrap(),
    );
    assert_eq!(state.active().unwrap().profile().kind, CustomerKind::Individual);
    let with_terms = || [business(), terms_changed(None, Some(30))];
    given::<Customer>(with_terms()).when(change(person())).then_refused(CustomerError::BusinessOnly);
    let both = CustomerPatch { terms: Patch::Remove, ..person() };
    let events = Customer::decide(&given::<Customer>(with_terms()).state(), change(both)).unwrap();
    assert_eq!(events.len(), 2, "{events:?}");
    given::<Customer>([business()]).when(change(kind(CustomerKind::Business))).then([]);
}
