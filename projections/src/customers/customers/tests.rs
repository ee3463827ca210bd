//! The fold of a customer's row.

use super::{CustomerReference, CustomerRow, CustomerStatus, Customers};
use crate::folding::{folded, recorded};
use crate::read_model::ReadModel;
use chrono::{Days, NaiveDate};
use domain::customers::blocking::{BlockNote, BlockReason};
use domain::customers::events::{
    Contact, CustomerEvent, CustomerField, CustomerKind, ErasureGround, ExternalReference, LifecycleStage,
    LinkedReference, LinkedUser,
};
use domain::customers::metadata::Metadata;
use domain::customers::portal::PortalPermission;
use domain::customers::terms::Terms;
use domain::email::Email;
use domain::event::Personal;
use domain::ids::{CustomerId, ExternalSystem, OrderId, RefundId, RepCode, RouteCode, Tag};
use domain::phone::Phone;
use domain::text::{PersonName, ReasonText, ReferenceText, UserId};
use domain::{Currency, Event, Money};
use std::collections::BTreeSet;
use uuid::Uuid;

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn money(minor: i64) -> Money {
    Money::from_minor(minor, Currency::parse("USD").unwrap()).unwrap()
}

fn ana() -> Contact {
    Contact {
        name: Some(PersonName::parse("Ana López").unwrap()),
        company: None,
        emails: vec![Email::parse("Ana@Example.com").unwrap(), Email::parse("second@example.com").unwrap()],
        phones: vec![Phone::parse("+34 600 000 001", None).unwrap()],
        references: vec![ExternalReference {
            system: ExternalSystem::parse("stripe").unwrap(),
            reference: ReferenceText::parse("cus_123").unwrap(),
        }],
        ..Contact::default()
    }
}

fn created(personal: Personal<Contact>) -> CustomerEvent {
    CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal,
    }
}

fn bought(number: u8, on: &str) -> CustomerEvent {
    let order = OrderId::parse(&format!("order-{number}")).unwrap();
    CustomerEvent::PurchaseRecorded { order, channel: None, lines: vec![], total: money(1_000), on: day(on) }
}

fn refunded(number: u8, on: &str) -> CustomerEvent {
    CustomerEvent::PurchaseRefunded {
        order: OrderId::parse(&format!("order-{number}")).unwrap(),
        refund: RefundId::parse("refund-1").unwrap(),
        amount: money(1_000),
        refunded: money(1_000),
        remaining: money(0),
        lines: vec![],
        on: day(on),
    }
}

fn row_of(events: impl IntoIterator<Item = CustomerEvent>) -> Option<CustomerRow> {
    folded::<Customers>(&Uuid::from_u128(1), events.into_iter().map(Event::from))
}

#[test]
fn a_customer_is_found_by_the_first_of_each_contact_normalised() {
    let row = row_of([created(ana().into())]).unwrap();
    assert_eq!(row.email.as_deref(), Some("ana@example.com"));
    assert_eq!(row.phone.as_deref(), Some("+34600000001"));
    assert_eq!(row.stripe_customer_id.as_deref(), Some("cus_123"));
    let stripe = CustomerReference { system: "stripe".to_owned(), reference: "cus_123".to_owned() };
    assert_eq!(row.references.into_iter().collect::<Vec<_>>(), [stripe]);
    assert_eq!((row.version, row.position.0, row.created_position.0), (1, 10, 10));
}

#[test]
fn a_change_leaves_what_it_does_not_name_and_blanks_what_has_no_value() {
    use CustomerField as F;
    let changed = CustomerEvent::Updated {
        changed: vec![F::Name, F::Emails, F::Phones, F::Language, F::Currency],
        language: None,
        currency: Some(Currency::parse("EUR").unwrap()),
        time_zone: None,
        kind: None,
        personal: Contact { emails: vec![Email::parse("New@example.com").unwrap()], ..Contact::default() }.into(),
    };
    let row = row_of([created(ana().into()), changed]).unwrap();
    assert_eq!((row.name, row.email.as_deref(), row.phone), (None, Some("new@example.com"), None));
    assert_eq!((row.language, row.currency.as_deref()), (None, Some("EUR")));
    assert_eq!((row.stripe_customer_id.as_deref(), row.references.len()), (Some("cus_123"), 1));
    assert_eq!((row.version, row.position.0), (2, 20));
    let named = CustomerEvent::Updated {
        changed: vec![F::Name],
        language: None,
        currency: None,
        time_zone: None,
        kind: None,
        personal: Contact { name: Some(PersonName::parse("Eva").unwrap()), ..Contact::default() }.into(),
    };
    let row = row_of([created(ana().into()), named]).unwrap();
    assert_eq!((row.name.as_deref(), row.email.as_deref()), (Some("Eva"), Some("ana@example.com")));
}

/// The row of a replay, which cannot open anything any more, is the row that was blanked.
#[test]
fn who_is_erased_is_blank_whether_it_was_known_before_or_not() {
    let erased = CustomerEvent::Erased { ground: ErasureGround::Request, subjects: vec![], on: day("2026-03-03") };
    let told =
        |personal: Personal<Contact>| row_of([created(personal), bought(1, "2026-03-01"), erased.clone()]).unwrap();
    let row = told(ana().into());
    assert_eq!(row, told(Personal::Erased));
    assert_eq!((row.status, row.purchase_count, row.version), (CustomerStatus::Erased, 1, 3));
    let personal = [row.name, row.company, row.email, row.phone, row.user_id, row.stripe_customer_id];
    assert_eq!((personal, row.references), ([const { None }; 6], BTreeSet::new()));
}

#[test]
fn a_change_of_who_was_erased_tells_nothing() {
    let changed = CustomerEvent::Updated {
        changed: vec![CustomerField::Name, CustomerField::Emails],
        language: None,
        currency: None,
        time_zone: None,
        kind: None,
        personal: Personal::Erased,
    };
    let row = row_of([created(Personal::Erased), changed.clone()]).unwrap();
    assert_eq!((row.status, row.name, row.email), (CustomerStatus::Erased, None, None));
    assert_eq!(row_of([changed]), None);
}

#[test]
fn a_purchase_told_late_does_not_become_the_last_one() {
    let row =
        row_of([created(ana().into()), bought(1, "2026-03-01"), bought(2, "2026-02-01"), refunded(1, "2026-03-02")])
            .unwrap();
    assert_eq!(row.purchase_count, 2);
    assert_eq!((row.first_purchase_on, row.last_purchase_on), (Some(day("2026-02-01")), Some(day("2026-03-01"))));
    assert_eq!((row.version, row.position.0, row.created_position.0), (4, 40, 10));
}

#[test]
fn a_row_is_never_updated_back_in_time() {
    let key = Uuid::from_u128(1);
    let row = Customers::apply(&key, None, &recorded(created(ana().into()), 1)).unwrap();
    let (latest, mut late) = (row.updated_at, recorded(bought(1, "2026-03-01"), 2));
    late.occurred_at = latest - Days::new(30);
    let row = Customers::apply(&key, Some(row), &late).unwrap();
    assert_eq!((row.updated_at, row.version), (latest, 2));
    let row = Customers::apply(&key, Some(row), &recorded(bought(2, "2026-03-01"), 3)).unwrap();
    assert!(row.updated_at > latest);
}

#[test]
fn who_was_erased_is_blank_and_keeps_the_count() {
    let row = row_of([created(Personal::Erased), bought(1, "2026-03-01")]).unwrap();
    assert_eq!((row.status, row.purchase_count), (CustomerStatus::Erased, 1));
    assert_eq!((row.name, row.email, row.phone, row.stripe_customer_id), (None, None, None, None));
    assert!(row.references.is_empty());
}

#[test]
fn a_customer_is_a_prospect_until_a_stage_is_recorded() {
    let row = row_of([created(ana().into())]).unwrap();
    assert_eq!((row.lifecycle, row.lifecycle_since), (LifecycleStage::Prospect, None));
    let (from, to) = (LifecycleStage::Prospect, LifecycleStage::New);
    let moved = CustomerEvent::LifecycleChanged { from, to, on: day("2026-03-01") };
    let row = row_of([created(ana().into()), bought(1, "2026-03-01"), moved]).unwrap();
    assert_eq!((row.lifecycle, row.lifecycle_since), (LifecycleStage::New, Some(day("2026-03-01"))));
    assert_eq!((row.version, row.position.0), (3, 30));
}

#[test]
fn the_customer_of_stripe_is_the_reference_of_that_system() {
    let system = |text: &str| ExternalSystem::parse(text).unwrap();
    let linked = |text: &str, name: &str| CustomerEvent::ReferenceLinked {
        system: system(text),
        personal: LinkedReference { reference: ReferenceText::parse(name).unwrap() }.into(),
    };
    let unlinked = |text: &str| CustomerEvent::ReferenceUnlinked { system: system(text) };
    let of = |events: Vec<CustomerEvent>| {
        let row = row_of([created(ana().into())].into_iter().chain(events)).unwrap();
        (row.stripe_customer_id, row.references.len())
    };
    assert_eq!(of(vec![unlinked("stripe")]), (None, 0));
    assert_eq!(of(vec![linked("erp", "4711")]), (Some("cus_123".to_owned()), 2));
    assert_eq!(of(vec![unlinked("stripe"), linked("stripe", "cus_4")]), (Some("cus_4".to_owned()), 1));
    let erased = CustomerEvent::ReferenceLinked { system: system("erp"), personal: Personal::Erased };
    assert_eq!(of(vec![erased]), (Some("cus_123".to_owned()), 1));
}

#[test]
fn who_logs_in_what_it_is_filed_under_and_who_looks_after_it_stand_in_the_row() {
    let tags = |texts: &[&str]| texts.iter().map(|text| Tag::parse(text).unwrap()).collect();
    let user = LinkedUser { user: UserId::parse("auth0|7").unwrap() };
    let (rep, route) = (Some(RepCode::parse("rep-1").unwrap()), Some(RouteCode::parse("north").unwrap()));
    let told = [
        created(ana().into()),
        CustomerEvent::UserLinked { besides: false, personal: user.into() },
        CustomerEvent::Tagged { tags: tags(&["b2b", "vip"]) },
        CustomerEvent::Untagged { tags: tags(&["b2b"]) },
        CustomerEvent::Assigned { rep, route },
    ];
    let row = row_of(told.clone()).unwrap();
    assert_eq!((row.user_id.as_deref(), row.rep.as_deref()), (Some("auth0|7"), Some("rep-1")));
    assert_eq!(
        (row.route.as_deref(), row.tags.iter().map(String::as_str).collect::<Vec<_>>()),
        (Some("north"), vec!["vip"])
    );
    let nobody = [CustomerEvent::UserUnlinked {}, CustomerEvent::Assigned { rep: None, route: None }];
    let row = row_of(told.clone().into_iter().chain(nobody)).unwrap();
    assert_eq!((row.user_id, row.rep, row.route), (None, None, None));
    let erased = CustomerEvent::Erased { ground: ErasureGround::Request, subjects: vec![], on: day("2026-03-03") };
    let row = row_of(told.into_iter().chain([erased])).unwrap();
    assert_eq!((row.user_id, row.tags.len()), (None, 0));
}

#[test]
fn logins_of_duplicates_stand_beside_its_own() {
    let linked = |besides, user: &str| {
        let user = LinkedUser { user: UserId::parse(user).unwrap() };
        CustomerEvent::UserLinked { besides, personal: user.into() }
    };
    let told = [created(ana().into()), linked(false, "ana"), linked(true, "double"), linked(true, "third")];
    let logins = |told: Vec<CustomerEvent>| {
        let row = row_of(told).unwrap();
        (row.user_id, row.other_user_ids)
    };
    let texts = |texts: &[&str]| texts.iter().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(logins(told.to_vec()), (Some("ana".to_owned()), texts(&["double", "third"])));
    let then = |event| told.iter().cloned().chain([event]).collect();
    assert_eq!(logins(then(linked(false, "double"))), (Some("double".to_owned()), texts(&["third", "ana"])));
    assert_eq!(logins(then(linked(false, "eva"))), (Some("eva".to_owned()), texts(&["double", "third"])));
    assert_eq!(logins(then(CustomerEvent::UserUnlinked {})), (None, vec![]));
    let erased = CustomerEvent::Erased { ground: ErasureGround::Request, subjects: vec![], on: day("2026-03-03") };
    assert_eq!(logins(then(erased)), (None, vec![]));
}

#[test]
fn who_is_blocked_is_so_until_it_is_not_and_the_words_go_with_the_person() {
    let note = BlockNote { note: Some(ReasonText::parse("two invoices").unwrap()) };
    let blocked = |personal| CustomerEvent::Blocked { reason: BlockReason::Debt, on: day("2026-03-01"), personal };
    let row = row_of([created(ana().into()), blocked(note.clone().into())]).unwrap();
    let block = row.standing.block.unwrap();
    assert_eq!(
        (row.status, block.reason, block.since),
        (CustomerStatus::Blocked, BlockReason::Debt, day("2026-03-01"))
    );
    assert_eq!(block.note.as_deref(), Some("two invoices"));
    let free = CustomerEvent::Unblocked { on: day("2026-03-02") };
    let row = row_of([created(ana().into()), blocked(note.clone().into()), free]).unwrap();
    assert_eq!((row.status, row.standing.block), (CustomerStatus::Active, None));
    let erased = CustomerEvent::Erased { ground: ErasureGround::Request, subjects: vec![], on: day("2026-03-03") };
    let live = row_of([created(ana().into()), blocked(note.into()), erased.clone()]).unwrap();
    assert_eq!(Some(&live), row_of([created(Personal::Erased), blocked(Personal::Erased), erased]).as_ref());
    assert_eq!((live.status, live.standing.block.unwrap().note), (CustomerStatus::Erased, None));
}

#[test]
fn the_first_time_that_a_stage_is_reached_is_kept() {
    use LifecycleStage as S;
    let moved = |from, to, on: &str| CustomerEvent::LifecycleChanged { from, to, on: day(on) };
    let told = [
        created(ana().into()),
        moved(S::Prospect, S::New, "2026-03-01"),
        moved(S::New, S::Churned, "2026-04-01"),
        moved(S::Churned, S::New, "2026-05-01"),
        moved(S::New, S::Churned, "2026-06-01"),
    ];
    let row = row_of(told).unwrap();
    assert_eq!((row.lifecycle, row.lifecycle_since), (S::Churned, Some(day("2026-06-01"))));
    let reached: Vec<_> = row.standing.milestones.into_iter().collect();
    assert_eq!(reached, [("churned".to_owned(), day("2026-04-01")), ("new".to_owned(), day("2026-03-01"))]);
}

#[test]
fn terms_the_portal_and_notes_are_as_they_were_told_last() {
    let terms = Terms { volume_discount: None, payment_days: Some(30) };
    let notes = Metadata { notes: [("size".parse().unwrap(), "42".parse().unwrap())].into() };
    let told = [
        created(ana().into()),
        CustomerEvent::TermsChanged { terms: terms.clone() },
        CustomerEvent::MetadataChanged { personal: notes.into() },
        CustomerEvent::PortalGranted { permissions: vec![PortalPermission::Orders] },
    ];
    let row = row_of(told.clone()).unwrap();
    assert_eq!((row.standing.terms, row.standing.portal), (terms, vec!["orders".to_owned()]));
    assert_eq!(row.standing.metadata, [("size".to_owned(), "42".to_owned())].into());
    let later = [CustomerEvent::PortalRevoked {}, CustomerEvent::MetadataChanged { personal: Personal::Erased }];
    let row = row_of(told.into_iter().chain(later)).unwrap();
    assert!(row.standing.portal.is_empty() && row.standing.metadata.is_empty());
}

#[test]
fn a_purchase_of_nobody_makes_no_row() {
    assert_eq!(row_of([bought(1, "2026-03-01")]), None);
}

#[test]
fn a_merged_row_names_the_survivor_whose_row_counts_what_both_bought() {
    let survivor = CustomerId::new(Uuid::from_u128(7));
    let on = day("2026-03-01");
    let merged = row_of([created(ana().into()), bought(1, "2026-02-01"), CustomerEvent::Merged { into: survivor, on }]);
    let merged = merged.unwrap();
    assert_eq!((merged.status, merged.merged_into), (CustomerStatus::Merged, Some(survivor.as_uuid())));
    assert_eq!(
        (merged.merged_position.map(|position| position.0), merged.name.as_deref()),
        (Some(30), Some("Ana López"))
    );
    let part = |purchases, date: Option<&str>| CustomerEvent::DuplicateAbsorbed {
        duplicate: survivor,
        part: 1,
        parts: 2,
        duplicates: vec![],
        purchases,
        registered_on: date.map(|_| day("2025-12-31")),
        first_purchase_on: date.map(day),
        last_purchase_on: date.map(day),
        orders: vec![],
        on,
    };
    let survives = [created(ana().into()), bought(1, "2026-02-01"), part(3, Some("2026-02-20")), part(0, None)];
    let row = row_of(survives).unwrap();
    assert_eq!((row.status, row.purchase_count, row.merged_into), (CustomerStatus::Active, 4, None));
    assert_eq!((row.first_purchase_on, row.last_purchase_on), (Some(day("2026-02-01")), Some(day("2026-02-20"))));
    assert_eq!(row.registered_on, day("2025-12-31"), "since the earlier of the two");
    let second = LinkedReference { reference: ReferenceText::parse("cus_000").unwrap() };
    let system = ExternalSystem::parse("stripe").unwrap();
    let linked = CustomerEvent::ReferenceLinked { system, personal: second.into() };
    let row = row_of([created(ana().into()), linked]).unwrap();
    assert_eq!((row.stripe_customer_id.as_deref(), row.references.len()), (Some("cus_123"), 2), "its own stays");
}

#[test]
fn a_deleted_row_keeps_what_it_had_until_it_is_restored() {
    let on = day("2026-03-01");
    let deleted = [created(ana().into()), CustomerEvent::Deleted { reason: None, on }];
    let row = row_of(deleted.clone()).unwrap();
    assert_eq!((row.status, row.email.as_deref()), (CustomerStatus::Deleted, Some("ana@example.com")));
    let row = row_of(deleted.into_iter().chain([CustomerEvent::Restored { on }])).unwrap();
    assert_eq!(row.status, CustomerStatus::Active);
}
