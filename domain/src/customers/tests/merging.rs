//! Customers that turn out to be one, and such as are deleted.

use super::*;
use crate::birth_date::BirthDate;
use crate::customers::blocking::{BlockNote, BlockReason};
use crate::customers::commands::RefundLine;
use crate::customers::customer::EMAILS_MAX;
use crate::customers::links::OTHER_USERS_MAX;
use crate::customers::merging::{DUPLICATES_MAX, MERGED_ORDERS_MAX};
use crate::customers::portal::PortalPermission;
use crate::customers::terms::{TermsPatch, VolumeDiscount};
use crate::ids::{CustomerId, MetadataKey, ReasonCode};
use crate::segment::{Segment, Segmented};
use crate::text::MetadataText;

const SURVIVOR: CustomerId = CustomerId::new(Uuid::from_u128(1));
const DUPLICATE: CustomerId = CustomerId::new(Uuid::from_u128(2));
const THIRD: CustomerId = CustomerId::new(Uuid::from_u128(3));

fn merge_into(into: CustomerId) -> CustomerCommand {
    CustomerCommand::MergeInto { into, on: day("2026-03-01") }
}

fn merged(into: CustomerId) -> CustomerEvent {
    CustomerEvent::Merged { into, on: day("2026-03-01") }
}

fn absorb(id: CustomerId, duplicate: &Customer) -> CustomerCommand {
    let duplicate = Box::new(duplicate.active().unwrap().clone());
    CustomerCommand::Absorb { into: SURVIVOR, id, duplicate, on: day("2026-03-01") }
}

fn known_by(contact: Contact) -> Customer {
    after(&given::<Customer>([]).state(), register(CustomerKind::Individual, contact))
}

fn after(state: &Customer, command: CustomerCommand) -> Customer {
    let events = Customer::decide(state, command).unwrap();
    Customer::fold(state.clone(), &events)
}

/// Of two, what the survivor comes to.
fn absorbed(survivor: &Customer, duplicate: &Customer) -> Customer {
    after(survivor, absorb(DUPLICATE, duplicate))
}

#[test]
fn a_duplicate_is_merged_once() {
    let state = given::<Customer>([created()]).when(merge_into(SURVIVOR)).then([merged(SURVIVOR)]);
    assert_eq!(state, Customer::Merged { into: SURVIVOR });
    let history = || [created(), merged(SURVIVOR)];
    given::<Customer>(history()).when(merge_into(SURVIVOR)).then([]);
    let elsewhere = CustomerError::AlreadyMerged { survivor: SURVIVOR };
    given::<Customer>(history()).when(merge_into(THIRD)).then_refused(elsewhere);
    given::<Customer>([]).when(merge_into(SURVIVOR)).then_refused(CustomerError::DuplicateNotFound);
    let deleted = CustomerEvent::Deleted { reason: None, on: day("2026-02-01") };
    given::<Customer>([created(), deleted]).when(merge_into(SURVIVOR)).then_refused(CustomerError::DuplicateDeleted);
    let (reason, personal) = (BlockReason::Fraud, BlockNote::default().into());
    let blocked = CustomerEvent::Blocked { reason, on: day("2026-02-01"), personal };
    given::<Customer>([created(), blocked]).when(merge_into(SURVIVOR)).then_refused(CustomerError::DuplicateBlocked);
    let (ground, subjects, on) = (ErasureGround::Request, vec![Uuid::nil()], day("2026-02-01"));
    let erased = CustomerEvent::Erased { ground, subjects, on };
    given::<Customer>([created(), erased]).when(merge_into(SURVIVOR)).then_refused(CustomerError::DuplicateErased);
}

#[test]
fn who_is_merged_names_the_survivor_and_can_only_follow_it_or_be_erased() {
    let state = given::<Customer>([created(), merged(SURVIVOR)]).state();
    let names = CustomerError::Merged { survivor: SURVIVOR };
    for command in [record("order-1", "10.00", "2026-02-09"), refund("refund-1", None), absorb(THIRD, &registered())] {
        assert_eq!(Customer::decide(&state, command), Err(names.clone()));
    }
    assert_eq!(Customer::decide(&state, advance("order-1")), Ok(vec![]), "there is nothing to refuse");
    let refusal = Refusal::from(names);
    assert_eq!(
        (refusal.kind, refusal.facts["survivor"].as_str()),
        (RefusalKind::Conflict, Some(&*SURVIVOR.to_string()))
    );
    let follow = |from| CustomerCommand::FollowMerge { from, into: THIRD, on: day("2026-03-01") };
    assert_eq!(Customer::decide(&state, follow(SURVIVOR)), Ok(vec![merged(THIRD)]));
    assert_eq!(Customer::decide(&state, follow(DUPLICATE)), Ok(vec![]), "it went with another one");
    let (ground, subjects, on) = (ErasureGround::Request, vec![Uuid::nil()], day("2026-03-02"));
    assert_eq!(after(&state, CustomerCommand::Erase { ground, subjects, on }), Customer::Erased);
}

#[test]
fn the_survivor_gains_what_it_lacked_and_keeps_what_it_had() {
    let name = |text| Some(PersonName::parse(text).unwrap());
    let born = BirthDate::parse("1984-02-29").ok();
    let own = Contact { name: name("Ana"), ..by_email() };
    let other =
        Contact { name: name("A. Torres"), company: CompanyName::parse("Torres").ok(), birth_date: born, ..by_phone() };
    let other = Contact { emails: vec![Email::parse("second@example.com").unwrap()], ..other };
    let survivor = absorbed(&known_by(own.clone()), &known_by(other.clone()));
    let contact = survivor.active().unwrap().contact().known().unwrap().clone();
    assert_eq!((contact.name, contact.company, contact.birth_date), (own.name, other.company, born));
    assert_eq!(contact.emails, [own.emails, other.emails].concat());
    assert_eq!(contact.phones, other.phones);
    assert_eq!(survivor.active().unwrap().duplicates().iter().collect::<Vec<_>>(), [&DUPLICATE]);
}

#[test]
fn terms_notes_tags_and_what_it_may_see_come_as_far_as_they_are_lacked_and_there_is_room() {
    let note = |name: &str, text: &str| (name.parse().unwrap(), Some(text.parse().unwrap()));
    let patch = |notes: Vec<(MetadataKey, Option<MetadataText>)>, days, code: Option<&str>| {
        let discount = code.map(|code| VolumeDiscount::Code(code.parse().unwrap()));
        let terms =
            TermsPatch { payment_days: Patch::Set(days), volume_discount: discount.map_or(Patch::Keep, Patch::Set) };
        CustomerCommand::Update(CustomerPatch {
            terms: Patch::Set(terms),
            metadata: Patch::Set(notes.into_iter().collect()),
            ..CustomerPatch::default()
        })
    };
    let tags = |from: usize, count: usize| {
        CustomerCommand::Tag((from..from + count).map(|nth| format!("tag-{nth:02}").parse().unwrap()).collect())
    };
    let sees = |permissions: &[PortalPermission]| CustomerCommand::GrantPortal(permissions.iter().copied().collect());
    let business = |contact: Contact, asked: Vec<CustomerCommand>| {
        let contact = Contact { company: CompanyName::parse("Torres").ok(), ..contact };
        let known = after(&given::<Customer>([]).state(), register(CustomerKind::Business, contact));
        asked.into_iter().fold(known, |state, command| after(&state, command))
    };
    let own = [patch(vec![note("a", "1")], 30, None), tags(0, 49), sees(&[PortalPermission::Orders])];
    let other = [
        patch(vec![note("a", "2"), note("b", "2")], 60, Some("WHOLESALE-A")),
        tags(48, 3),
        sees(&[PortalPermission::Invoices]),
    ];
    let survivor = absorbed(&business(by_email(), own.to_vec()), &business(by_phone(), other.to_vec()));
    let survivor = survivor.active().unwrap();
    assert_eq!(survivor.tags().iter().count(), 50, "one of two had room");
    assert_eq!(survivor.portal, [PortalPermission::Orders, PortalPermission::Invoices].into());
    assert_eq!((survivor.terms.payment_days, survivor.terms.volume_discount.is_some()), (Some(30), true));
    let notes: Vec<_> =
        survivor.metadata.known().unwrap().notes.values().map(|text| text.as_str().to_owned()).collect();
    assert_eq!(notes, ["1", "2"]);
}

#[test]
fn who_takes_over_a_business_is_one_and_a_customer_since_the_earlier_day() {
    let company = Contact { company: CompanyName::parse("Torres").ok(), ..by_phone() };
    let business = after(&given::<Customer>([]).state(), register(CustomerKind::Business, company));
    let survivor = absorbed(&registered(), &business);
    assert_eq!(survivor.active().unwrap().profile().kind, CustomerKind::Business);
    let person = absorbed(&business, &registered());
    assert_eq!(person.active().unwrap().profile().kind, CustomerKind::Business, "and stays one");
    let since = |on: &str| {
        let contact =
            Contact { emails: vec![Email::parse(&format!("{on}@example.com")).unwrap()], ..Contact::default() };
        let command = CustomerCommand::Register {
            kind: CustomerKind::Individual,
            contact,
            language: None,
            currency: None,
            source: None,
            registered_on: day(on),
        };
        after(&given::<Customer>([]).state(), command)
    };
    for (own, other) in [("2024-05-01", "2025-01-01"), ("2025-01-01", "2024-05-01")] {
        let survivor = absorbed(&since(own), &since(other));
        assert_eq!(survivor.active().unwrap().profile().registered_on, day("2024-05-01"));
    }
}

#[test]
fn two_references_of_one_system_are_both_kept_the_survivors_own_first() {
    let reference = |text| ExternalReference {
        system: ExternalSystem::parse("stripe").unwrap(),
        reference: ReferenceText::parse(text).unwrap(),
    };
    let of = |text| known_by(Contact { references: vec![reference(text)], ..Contact::default() });
    let survivor = absorbed(&of("cus_1"), &of("cus_2"));
    let contact = survivor.active().unwrap().contact().known().unwrap();
    assert_eq!(contact.references, [reference("cus_1"), reference("cus_2")]);
    let unlink = |text: &str| CustomerCommand::UnlinkReference {
        system: ExternalSystem::parse("stripe").unwrap(),
        reference: ReferenceText::parse(text).ok(),
    };
    let left = after(&survivor, unlink("cus_1"));
    assert_eq!(left.active().unwrap().contact().known().unwrap().references, [reference("cus_2")]);
    assert_eq!(Customer::decide(&survivor, unlink("cus_3")), Ok(vec![]));
    assert_eq!(Customer::decide(&left, unlink("cus_2")), Err(CustomerError::ContactRequired), "the last one stays");
}

#[test]
fn all_logins_lead_to_the_survivor() {
    let logs_in = |state: &Customer, user: &str| after(state, CustomerCommand::LinkUser(user.parse().unwrap()));
    let logins = |state: &Customer| state.active().unwrap().logins().all().map(ToString::to_string).collect::<Vec<_>>();
    let (own, other) = (logs_in(&registered(), "ana"), logs_in(&known_by(by_phone()), "double"));
    let survivor = absorbed(&own, &other);
    assert_eq!(logins(&survivor), ["ana", "double"]);
    assert_eq!(logins(&absorbed(&registered(), &survivor)), ["ana", "double"], "the first becomes its own");
    assert_eq!(logins(&absorbed(&survivor, &logs_in(&known_by(by_reference()), "third"))), ["ana", "double", "third"]);
    let mut many = own;
    for nth in 0..OTHER_USERS_MAX {
        let duplicate = logs_in(&known_by(by_phone()), &format!("user-{nth}"));
        many = after(&many, absorb(CustomerId::new(Uuid::from_u128(100 + nth as u128)), &duplicate));
    }
    let refused = Customer::decide(&many, absorb(THIRD, &other));
    assert_eq!(refused, Err(CustomerError::MergeTooMany { items: "user_ids", limit: OTHER_USERS_MAX }));
}

#[test]
fn more_than_a_customer_may_have_is_no_merge() {
    let emails = |from: usize, count: usize| {
        let emails = (from..from + count).map(|nth| Email::parse(&format!("a{nth}@example.com")).unwrap());
        known_by(Contact { emails: emails.collect(), ..Contact::default() })
    };
    let refused = Customer::decide(&emails(0, EMAILS_MAX), absorb(DUPLICATE, &emails(100, 1)));
    let error = CustomerError::MergeTooMany { items: "emails", limit: EMAILS_MAX };
    assert_eq!(refused, Err(error.clone()));
    assert_eq!(Refusal::from(error).field.as_deref(), Some("/duplicate_id"));
    let phone = known_by(by_phone());
    let mut survivor = registered();
    for nth in 0..DUPLICATES_MAX {
        let customer =
            Contact { phones: vec![Phone::parse(&format!("+3460012{nth:04}"), None).unwrap()], ..by_phone() };
        let id = CustomerId::new(Uuid::from_u128(100 + nth as u128));
        // Only the first few fit with their phones; the others have a reference that both know.
        let duplicate = if nth < 5 { known_by(customer) } else { known_by(by_email()) };
        survivor = after(&survivor, absorb(id, &duplicate));
    }
    let refused = Customer::decide(&survivor, absorb(THIRD, &phone));
    assert_eq!(refused, Err(CustomerError::MergeTooMany { items: "duplicates", limit: DUPLICATES_MAX }));
}

#[test]
fn an_order_of_the_duplicate_is_given_back_by_the_survivor_and_recorded_no_second_time() {
    let part = refund("refund-1", Some("10.00"));
    let duplicate = after(&after(&known_by(by_phone()), record("order-7", "24.50", "2026-02-09")), part.clone());
    let survivor = absorbed(&registered(), &duplicate);
    assert_eq!(Customer::decide(&survivor, record("order-7", "24.50", "2026-02-09")), Ok(vec![]), "told again");
    assert_eq!(Customer::decide(&survivor, part), Ok(vec![]), "told again");
    let rest = Customer::decide(&survivor, refund("refund-2", None)).unwrap();
    assert_eq!(rest, [refunded("refund-2", "14.50", "24.50", "0.00")]);
}

#[test]
fn an_order_of_the_duplicate_is_given_back_by_its_lines() {
    let cups = |refund: &str, quantity| CustomerCommand::Refund {
        refund: refund_id(refund),
        order: order("order-7"),
        amount: None,
        lines: vec![RefundLine { sku: Sku::parse("cup").unwrap(), quantity }],
        on: day("2026-03-02"),
        today: day("2026-03-02"),
    };
    let sku = Sku::parse("cup").unwrap();
    let bought = CustomerCommand::RecordPurchase {
        order: order("order-7"),
        channel: None,
        lines: vec![PurchaseLine { sku: sku.clone(), category: None, quantity: 3, amount: usd("10.00") }],
        total: usd("10.00"),
        on: day("2026-02-09"),
    };
    let duplicate = after(&after(&known_by(by_phone()), bought.clone()), cups("refund-1", 1));
    let survivor = absorbed(&registered(), &duplicate);
    assert_eq!(Customer::decide(&survivor, bought), Ok(vec![]), "told again");
    assert_eq!(Customer::decide(&survivor, cups("refund-1", 1)), Ok(vec![]), "told again");
    let other = Customer::decide(&survivor, cups("refund-1", 2));
    assert!(matches!(other, Err(CustomerError::RefundAlreadyRecorded { .. })), "{other:?}");
    let more = CustomerError::LineExceedsPurchase { line: 0, sku, remaining: 2 };
    assert_eq!(Customer::decide(&survivor, cups("refund-2", 3)), Err(more));
    let over = after(&survivor, cups("refund-2", 2));
    assert_eq!(over.order(&order("order-7")).unwrap().remaining(), usd("0.00"));
    let again = absorbed(&known_by(by_reference()), &over);
    let refused = Customer::decide(&again, cups("refund-3", 1));
    assert!(matches!(refused, Err(CustomerError::RefundExceedsPurchase { .. })), "it is over: {refused:?}");
}

#[test]
fn many_orders_come_in_parts_and_too_many_not_at_all() {
    let mut duplicate = known_by(by_phone());
    for nth in 0..1_001 {
        duplicate = after(&duplicate, record(&format!("order-{nth}"), "1.00", "2026-02-09"));
    }
    let events = Customer::decide(&registered(), absorb(DUPLICATE, &duplicate)).unwrap();
    let parts = events.iter().filter_map(|event| match event {
        CustomerEvent::DuplicateAbsorbed { part, parts, orders, purchases, .. } => {
            Some((*part, *parts, orders.len(), *purchases))
        }
        _ => None,
    });
    assert_eq!(parts.collect::<Vec<_>>(), [(1, 3, 500, 1_001), (2, 3, 500, 0), (3, 3, 1, 0)]);
    for nth in 1_001..=MERGED_ORDERS_MAX {
        duplicate = after(&duplicate, record(&format!("order-{nth}"), "1.00", "2026-02-09"));
    }
    let refused = Customer::decide(&registered(), absorb(DUPLICATE, &duplicate));
    assert_eq!(refused, Err(CustomerError::MergeTooMany { items: "orders", limit: MERGED_ORDERS_MAX }));
}

#[test]
fn the_stage_is_that_of_the_one_who_bought_last() {
    let bought = |orders: &[(&str, &str)]| {
        let mut state = registered();
        for (order, on) in orders {
            state = after(&after(&state, record(order, "1.00", on)), advance(order));
        }
        state
    };
    let (nobody, once, twice) = (
        bought(&[]),
        bought(&[("order-1", "2026-02-01")]),
        bought(&[("order-2", "2026-01-01"), ("order-3", "2026-01-02")]),
    );
    let stage = |own: &Customer, other: &Customer| absorbed(own, other).active().unwrap().lifecycle().stage();
    assert_eq!(stage(&nobody, &nobody), LifecycleStage::Prospect);
    assert_eq!((stage(&nobody, &once), stage(&once, &nobody)), (LifecycleStage::New, LifecycleStage::New));
    assert_eq!(stage(&once, &bought(&[("order-9", "2026-01-01")])), LifecycleStage::Active, "it bought twice");
    assert_eq!((stage(&once, &twice), stage(&twice, &once)), (LifecycleStage::Active, LifecycleStage::Active));
}

#[test]
fn who_is_in_no_segment_takes_over_that_of_the_duplicate() {
    let in_segment = |state: &Customer, segment, is_vip| {
        let to = Segmented { segment: Some(segment), is_vip };
        after(state, CustomerCommand::ChangeSegment { to, scores: None, on: day("2026-02-01") })
    };
    let segment = |own: &Customer, other: &Customer| absorbed(own, other).active().unwrap().segmented();
    let (none, loyal) = (registered(), in_segment(&registered(), Segment::Loyal, true));
    let lost = in_segment(&registered(), Segment::Lost, false);
    assert_eq!(segment(&none, &loyal), Segmented { segment: Some(Segment::Loyal), is_vip: true });
    assert_eq!(segment(&lost, &loyal), Segmented { segment: Some(Segment::Lost), is_vip: false });
    assert_eq!(segment(&none, &none), Segmented::default());
}

#[test]
fn who_was_merged_before_comes_with_the_duplicate() {
    let duplicate = after(&known_by(by_phone()), absorb(THIRD, &known_by(by_reference())));
    let survivor = absorbed(&registered(), &duplicate);
    assert_eq!(survivor.active().unwrap().duplicates().iter().collect::<Vec<_>>(), [&DUPLICATE, &THIRD]);
}

#[test]
fn a_customer_is_deleted_and_restored_and_nothing_happens_between() {
    let delete = || CustomerCommand::Delete { reason: ReasonCode::parse("closed").ok(), on: day("2026-03-01") };
    let restore = || CustomerCommand::Restore { on: day("2026-03-02") };
    let deleted = CustomerEvent::Deleted { reason: ReasonCode::parse("closed").ok(), on: day("2026-03-01") };
    let restored = CustomerEvent::Restored { on: day("2026-03-02") };
    let state = given::<Customer>([created()]).when(delete()).then([deleted.clone()]);
    assert_eq!(state.holder().unwrap().contact().known(), Some(&by_email()));
    for command in [record("order-1", "10.00", "2026-02-09"), refund("refund-1", None), absorb(THIRD, &registered())] {
        assert_eq!(Customer::decide(&state, command), Err(CustomerError::Deleted));
    }
    given::<Customer>([created(), deleted.clone()]).when(delete()).then([]);
    let back = given::<Customer>([created(), deleted]).when(restore()).then([restored]);
    assert_eq!(back, given::<Customer>([created()]).state());
    given::<Customer>([created()]).when(restore()).then([]);
    given::<Customer>([]).when(delete()).then_refused(CustomerError::NotFound);
    let names = || CustomerError::Merged { survivor: SURVIVOR };
    given::<Customer>([created(), merged(SURVIVOR)]).when(delete()).then_refused(names());
    given::<Customer>([created(), merged(SURVIVOR)]).when(restore()).then_refused(names());
}
