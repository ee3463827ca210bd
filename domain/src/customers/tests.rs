//! What customers may do, as given / when / then.

mod links;
mod merging;
mod profile;
mod referring;
mod refunds;
mod standing;
mod terms;

use chrono::NaiveDate;
use proptest::prelude::*;

use crate::birth_date::BirthDate;
use crate::country::Country;
use crate::customers::commands::{CustomerCommand, CustomerError, CustomerPatch};
use crate::customers::customer::Customer;
use crate::customers::events::{
    Contact, CustomerEvent, CustomerField, CustomerKind, ErasureGround, ExternalReference, LifecycleStage, PurchaseLine,
};
use crate::decider::Decider;
use crate::document::{Document, DocumentKind};
use crate::email::Email;
use crate::event::Personal;
use crate::ids::{Channel, ExternalSystem, OrderId, RefundId, Sku};
use crate::money::{Currency, Money};
use crate::patch::Patch;
use crate::phone::Phone;
use crate::refusal::{Refusal, RefusalKind};
use crate::testing::given;
use crate::text::{CompanyName, PersonName, ReferenceText};
use uuid::Uuid;

#[test]
fn a_customer_is_registered() {
    given::<Customer>([]).when(register(CustomerKind::Individual, by_email())).then([created()]);
}

#[test]
fn one_way_of_contact_is_enough_whichever_it_is() {
    for contact in [by_email(), by_phone(), by_reference()] {
        let registered = given::<Customer>([]).when(register(CustomerKind::Individual, contact.clone())).then([
            CustomerEvent::Created {
                personal: contact.clone().into(),
                kind: CustomerKind::Individual,
                language: None,
                currency: None,
                source: None,
                registered_on: day("2026-01-10"),
            },
        ]);
        assert_eq!(registered.active().unwrap().contact().known(), Some(&contact));
    }
}

#[test]
fn nobody_is_registered_without_any_contact() {
    given::<Customer>([])
        .when(register(CustomerKind::Individual, Contact::default()))
        .then_refused(CustomerError::ContactRequired);
}

#[test]
fn a_business_needs_a_company_name() {
    given::<Customer>([])
        .when(register(CustomerKind::Business, by_email()))
        .then_refused(CustomerError::CompanyRequired);
    let contact = Contact { company: Some(CompanyName::parse("Café Núñez").unwrap()), ..by_email() };
    assert!(Customer::decide(&Customer::initial(), register(CustomerKind::Business, contact)).is_ok());
}

fn emails(count: usize) -> Vec<Email> {
    (0..count).map(|nth| Email::parse(&format!("ana{nth}@example.com")).unwrap()).collect()
}

#[test]
fn contacts_are_bounded() {
    let most = Contact { emails: emails(10), ..Contact::default() };
    assert!(Customer::decide(&Customer::initial(), register(CustomerKind::Individual, most)).is_ok());
    let phones = (0..11).map(|nth| Phone::parse(&format!("+346001234{nth:02}"), None).unwrap()).collect();
    let reference = |nth| ExternalReference {
        system: ExternalSystem::parse("erp").unwrap(),
        reference: ReferenceText::parse(&format!("{nth}")).unwrap(),
    };
    let references = (0..21).map(reference).collect();
    for (items, limit, contact) in [
        ("emails", 10, Contact { emails: emails(11), ..Contact::default() }),
        ("phones", 10, Contact { phones, ..Contact::default() }),
        ("references", 20, Contact { references, ..Contact::default() }),
    ] {
        given::<Customer>([])
            .when(register(CustomerKind::Individual, contact))
            .then_refused(CustomerError::TooMany { items, limit });
    }
}

#[test]
fn the_same_registration_again_changes_nothing_and_another_is_refused() {
    given::<Customer>([created()]).when(register(CustomerKind::Individual, by_email())).then([]);
    given::<Customer>([created()])
        .when(register(CustomerKind::Individual, by_phone()))
        .then_refused(CustomerError::AlreadyRegistered);
}

#[test]
fn only_what_changes_is_told() {
    let patch = CustomerPatch {
        name: Patch::Set(PersonName::parse("Ana Torres").unwrap()),
        emails: Patch::Keep,
        phones: Patch::Set(by_phone().phones),
        language: Patch::Remove,
        currency: Patch::Set(Currency::parse("EUR").unwrap()),
        ..CustomerPatch::default()
    };
    let told = updated(
        &[CustomerField::Name, CustomerField::Phones, CustomerField::Currency],
        Contact { name: Some(PersonName::parse("Ana Torres").unwrap()), ..by_phone() },
    );
    let state = given::<Customer>([created()]).when(CustomerCommand::Update(patch.clone())).then([told.clone()]);
    let customer = state.active().unwrap();
    let after = Contact { emails: by_email().emails, name: Some("Ana Torres".parse().unwrap()), ..by_phone() };
    assert_eq!((customer.contact().known(), customer.profile().currency.unwrap().code()), (Some(&after), "EUR"));
    given::<Customer>([created(), told]).when(CustomerCommand::Update(patch)).then([]);
}

#[test]
fn what_is_taken_away_is_named_and_has_no_value() {
    let named = Contact { name: Some("Ana".parse().unwrap()), ..by_phone() };
    let history = [created(), updated(&[CustomerField::Name, CustomerField::Phones], named)];
    let patch = CustomerPatch { name: Patch::Remove, emails: Patch::Remove, ..CustomerPatch::default() };
    let told = updated(&[CustomerField::Name, CustomerField::Emails], Contact::default());
    let state = given::<Customer>(history).when(CustomerCommand::Update(patch)).then([told]);
    assert_eq!(state.active().unwrap().contact().known(), Some(&by_phone()));
}

#[test]
fn a_date_of_birth_is_told_changed_and_taken_away() {
    let born = BirthDate::parse("1984-02-29").ok();
    let change = |birth_date| CustomerCommand::Update(CustomerPatch { birth_date, ..CustomerPatch::default() });
    let told = updated(&[CustomerField::BirthDate], Contact { birth_date: born, ..Contact::default() });
    let state = given::<Customer>([created()]).when(change(Patch::Set(born.unwrap()))).then([told.clone()]);
    assert_eq!(state.active().unwrap().contact().known().unwrap().birth_date, born);
    given::<Customer>([created(), told.clone()]).when(change(Patch::Set(born.unwrap()))).then([]);
    let gone = updated(&[CustomerField::BirthDate], Contact::default());
    let state = given::<Customer>([created(), told]).when(change(Patch::Remove)).then([gone]);
    assert_eq!(state.active().unwrap().contact().known().unwrap().birth_date, None);
}

#[test]
fn a_change_that_changes_nothing_is_none() {
    let patch = CustomerPatch {
        name: Patch::Remove,
        emails: Patch::Set(by_email().emails),
        language: Patch::Remove,
        ..CustomerPatch::default()
    };
    given::<Customer>([created()]).when(CustomerCommand::Update(patch)).then([]);
    given::<Customer>([created()]).when(CustomerCommand::Update(CustomerPatch::default())).then([]);
}

#[test]
fn the_rules_of_a_registration_hold_after_a_change_too() {
    let change = |patch| given::<Customer>([created()]).when(CustomerCommand::Update(patch));
    let patch = |emails| CustomerPatch { emails, ..CustomerPatch::default() };
    change(patch(Patch::Remove)).then_refused(CustomerError::ContactRequired);
    change(patch(Patch::Set(emails(11)))).then_refused(CustomerError::TooMany { items: "emails", limit: 10 });
    let dni = Document::parse(DocumentKind::Dni, "12345678Z", Country::ES).unwrap();
    let passport = |nth: u32| Document::parse(DocumentKind::Passport, &format!("XDD{nth:06}"), Country::ES).unwrap();
    let all = |count| [dni.clone()].into_iter().chain((1..count).map(passport)).collect();
    let documents = |count| CustomerPatch { documents: Patch::Set(all(count)), ..patch(Patch::Remove) };
    let by_document = Contact { documents: vec![dni.clone()], ..Contact::default() };
    change(documents(1)).then([updated(&[CustomerField::Emails, CustomerField::Documents], by_document)]);
    change(documents(11)).then_refused(CustomerError::TooMany { items: "documents", limit: 10 });

    let shop = Contact { company: Some("Café".parse().unwrap()), ..by_email() };
    let business = Customer::decide(&Customer::initial(), register(CustomerKind::Business, shop)).unwrap();
    let no_company = CustomerPatch { company: Patch::Remove, ..CustomerPatch::default() };
    given::<Customer>(business).when(CustomerCommand::Update(no_company)).then_refused(CustomerError::CompanyRequired);
}

#[test]
fn a_customer_is_erased_once_and_nothing_happens_to_it_again() {
    let erased = || CustomerEvent::Erased { ground: ErasureGround::Request, subjects: vec![], on: day("2026-02-09") };
    let erase = || CustomerCommand::Erase { ground: ErasureGround::Request, subjects: vec![], on: day("2026-02-09") };
    given::<Customer>([]).when(erase()).then_refused(CustomerError::NotFound);
    let state = given::<Customer>([created()]).when(erase()).then([erased()]);
    assert_eq!(state, Customer::Erased, "nothing of who it was is kept");
    given::<Customer>([created(), erased()]).when(erase()).then([]);
    let change = CustomerCommand::Update(CustomerPatch { name: Patch::Remove, ..CustomerPatch::default() });
    for command in [register(CustomerKind::Individual, by_email()), change, record("order-7", "1.00", "2026-02-10")] {
        given::<Customer>([created(), erased()]).when(command).then_refused(CustomerError::Erased);
    }
    given::<Customer>([created(), erased()]).when(advance("order-6")).then([]);
}

#[test]
fn what_a_backup_brought_back_is_erased_whatever_the_log_says_and_so_is_who_is_one_person_with_a_customer() {
    let erased = |ground, subjects: &[u128]| CustomerEvent::Erased {
        ground,
        subjects: subjects.iter().copied().map(Uuid::from_u128).collect(),
        on: day("2026-02-09"),
    };
    let erase = |ground, subjects: &[u128]| CustomerCommand::Erase {
        ground,
        subjects: subjects.iter().copied().map(Uuid::from_u128).collect(),
        on: day("2026-02-09"),
    };
    let restored = ErasureGround::Restored;
    for before in [vec![], vec![created()], vec![created(), erased(ErasureGround::Request, &[1])]] {
        let state = given::<Customer>(before).when(erase(restored, &[1])).then([erased(restored, &[1])]);
        assert_eq!(state, Customer::Erased);
    }
    let request = ErasureGround::Request;
    given::<Customer>([]).when(erase(request, &[1])).then_refused(CustomerError::NotFound);
    given::<Customer>([]).when(erase(request, &[1, 2])).then([erased(request, &[1, 2])]);
}

#[test]
fn nobody_and_who_was_erased_are_not_changed() {
    let change = || CustomerCommand::Update(CustomerPatch { name: Patch::Remove, ..CustomerPatch::default() });
    given::<Customer>([]).when(change()).then_refused(CustomerError::NotFound);
    let CustomerEvent::Created { kind, language, currency, source, registered_on, .. } = created() else {
        unreachable!()
    };
    let personal = Personal::Erased;
    let erased = CustomerEvent::Created { kind, language, currency, source, registered_on, personal };
    given::<Customer>([erased]).when(change()).then_refused(CustomerError::Erased);
}

#[test]
fn a_purchase_is_recorded() {
    given::<Customer>([created()]).when(record("order-7", "24.50", "2026-02-09")).then([recorded(
        "order-7",
        "24.50",
        "2026-02-09",
    )]);
}

#[test]
fn a_purchase_of_nobody_is_refused() {
    given::<Customer>([]).when(record("order-7", "24.50", "2026-02-09")).then_refused(CustomerError::NotFound);
}

#[test]
fn a_purchase_may_be_free_but_not_negative() {
    given::<Customer>([created()]).when(record("order-7", "0.00", "2026-02-09")).then([recorded(
        "order-7",
        "0.00",
        "2026-02-09",
    )]);
    given::<Customer>([created()])
        .when(record("order-7", "-0.01", "2026-02-09"))
        .then_refused(CustomerError::NegativeTotal { total: usd("-0.01") });
}

#[test]
fn lines_need_not_add_up_but_are_in_the_currency_of_the_total() {
    let bought = |lines| record_lines("order-7", lines);
    assert!(Customer::decide(&registered(), bought(vec![line("1.00", 1), line("99.00", 3)])).is_ok());
    let euro =
        PurchaseLine { amount: Money::parse("1.00", Currency::parse("EUR").unwrap()).unwrap(), ..line("1.00", 1) };
    given::<Customer>([created()])
        .when(bought(vec![line("1.00", 1), euro]))
        .then_refused(CustomerError::LineCurrency { line: 1, expected: Currency::parse("USD").unwrap() });
}

#[test]
fn a_line_of_nothing_and_too_many_lines_are_refused() {
    given::<Customer>([created()])
        .when(record_lines("order-7", vec![line("1.00", 0)]))
        .then_refused(CustomerError::LineQuantity { line: 0 });
    assert!(Customer::decide(&registered(), record_lines("order-7", vec![line("1.00", 1); 500])).is_ok());
    given::<Customer>([created()])
        .when(record_lines("order-7", vec![line("1.00", 1); 501]))
        .then_refused(CustomerError::TooMany { items: "lines", limit: 500 });
}

#[test]
fn the_same_order_is_recorded_only_once() {
    let bought = [created(), recorded("order-7", "24.50", "2026-02-09")];
    given::<Customer>(bought.clone()).when(record("order-7", "24.50", "2026-02-09")).then([]);
    given::<Customer>(bought).when(record("order-7", "24.50", "2026-02-10")).then([]);
}

#[test]
fn an_order_with_other_content_is_refused() {
    let conflict = || CustomerError::OrderAlreadyRecorded { order: order("order-7"), total: usd("24.50") };
    let bought = [created(), recorded("order-7", "24.50", "2026-02-09")];
    given::<Customer>(bought.clone()).when(record("order-7", "24.51", "2026-02-09")).then_refused(conflict());
    let other_lines = CustomerCommand::RecordPurchase {
        order: order("order-7"),
        channel: Some(Channel::parse("web").unwrap()),
        lines: vec![line("24.50", 2)],
        total: usd("24.50"),
        on: day("2026-02-09"),
    };
    given::<Customer>(bought).when(other_lines).then_refused(conflict());
}

#[test]
fn an_order_is_refunded_in_part_and_then_the_rest() {
    let bought = [created(), recorded("order-7", "24.50", "2026-02-09")];
    let first = refunded("refund-1", "10.00", "10.00", "14.50");
    given::<Customer>(bought.clone()).when(refund("refund-1", Some("10.00"))).then([first.clone()]);
    let rest = refunded("refund-2", "14.50", "24.50", "0.00");
    let state = given::<Customer>(bought.into_iter().chain([first])).when(refund("refund-2", None)).then([rest]);
    let recorded = state.order(&order("order-7")).unwrap();
    assert_eq!((recorded.refunded(), recorded.remaining()), (usd("24.50"), usd("0.00")));
}

#[test]
fn never_more_is_refunded_than_was_bought() {
    let refunded_once =
        || [created(), recorded("order-7", "24.50", "2026-02-09"), refunded("refund-1", "10.00", "10.00", "14.50")];
    given::<Customer>(refunded_once())
        .when(refund("refund-2", Some("14.51")))
        .then_refused(CustomerError::RefundExceedsPurchase { remaining: usd("14.50") });
    let all = refunded_once().into_iter().chain([refunded("refund-2", "14.50", "24.50", "0.00")]);
    given::<Customer>(all)
        .when(refund("refund-3", None))
        .then_refused(CustomerError::RefundExceedsPurchase { remaining: usd("0.00") });
}

#[test]
fn a_refund_of_nothing_or_in_another_currency_is_refused() {
    let bought = || [created(), recorded("order-7", "24.50", "2026-02-09")];
    for amount in ["0.00", "-1.00"] {
        given::<Customer>(bought())
            .when(refund("refund-1", Some(amount)))
            .then_refused(CustomerError::RefundNotPositive);
    }
    let (expected, given_in) = (Currency::parse("USD").unwrap(), Currency::parse("EUR").unwrap());
    let CustomerCommand::Refund { refund, order, on, today, .. } = refund("refund-1", None) else { unreachable!() };
    let (amount, lines) = (Some(Money::zero(given_in)), vec![]);
    let in_euro = CustomerCommand::Refund { refund, order, amount, lines, on, today };
    given::<Customer>(bought()).when(in_euro).then_refused(CustomerError::RefundCurrency { expected, given: given_in });
}

#[test]
fn the_same_refund_is_made_only_once() {
    let part = [created(), recorded("order-7", "24.50", "2026-02-09"), refunded("refund-1", "10.00", "10.00", "14.50")];
    given::<Customer>(part.clone()).when(refund("refund-1", Some("10.00"))).then([]);
    let conflict = || CustomerError::RefundAlreadyRecorded {
        refund: refund_id("refund-1"),
        order: order("order-7"),
        amount: usd("10.00"),
    };
    given::<Customer>(part.clone()).when(refund("refund-1", Some("9.00"))).then_refused(conflict());
    given::<Customer>(part).when(refund("refund-1", None)).then_refused(conflict());
    let whole = [created(), recorded("order-7", "24.50", "2026-02-09"), refunded("refund-1", "24.50", "24.50", "0.00")];
    given::<Customer>(whole).when(refund("refund-1", None)).then([]);
}

#[test]
fn a_refund_id_belongs_to_one_order() {
    let two = [
        created(),
        recorded("order-7", "24.50", "2026-02-09"),
        recorded("order-8", "24.50", "2026-02-09"),
        refunded("refund-1", "10.00", "10.00", "14.50"),
    ];
    let of_the_other = CustomerCommand::Refund {
        refund: refund_id("refund-1"),
        order: order("order-8"),
        amount: Some(usd("10.00")),
        lines: vec![],
        on: day("2026-02-20"),
        today: day("2026-02-20"),
    };
    let conflict = CustomerError::RefundAlreadyRecorded {
        refund: refund_id("refund-1"),
        order: order("order-7"),
        amount: usd("10.00"),
    };
    given::<Customer>(two).when(of_the_other).then_refused(conflict);
}

#[test]
fn an_order_is_refundable_for_24_months_and_an_unknown_one_never() {
    let refused = || CustomerError::OrderNotRefundable { order: order("order-7") };
    let bought = || [created(), recorded("order-7", "24.50", "2026-02-09")];
    given::<Customer>(bought()).when(refund_on("refund-1", "2028-02-08")).then([refunded_on(
        "refund-1",
        "24.50",
        "24.50",
        "0.00",
        "2028-02-08",
    )]);
    given::<Customer>(bought()).when(refund_on("refund-1", "2028-02-09")).then_refused(refused());
    given::<Customer>([created()]).when(refund_on("refund-1", "2026-02-20")).then_refused(refused());
}

#[test]
fn what_is_out_of_reach_is_forgotten() {
    let refund = refunded("refund-1", "10.00", "10.00", "14.50");
    let events =
        [created(), recorded("order-7", "24.50", "2026-02-09"), refund, recorded("order-8", "1.00", "2028-02-09")];
    let state = given::<Customer>(events).state();
    assert!(state.order(&order("order-7")).is_none());
    assert!(state.order(&order("order-8")).is_some());
    assert!(!serde_json::to_string(&state).unwrap().contains("refund-1"));
}

#[test]
fn an_order_told_years_late_is_still_recorded_only_once() {
    let events = [
        created(),
        recorded("order-8", "1.00", "2026-02-09"),
        recorded("order-7", "24.50", "2019-02-09"),
        recorded("order-9", "1.00", "2026-02-10"),
    ];
    given::<Customer>(events).when(record("order-7", "24.50", "2019-02-09")).then([]);
}

#[test]
fn a_refusal_says_what_remains_and_which_field_is_wrong() {
    let refusal = Refusal::from(CustomerError::RefundExceedsPurchase { remaining: usd("14.50") });
    assert_eq!((refusal.kind, refusal.code.as_str()), (RefusalKind::Invalid, "refund_exceeds_purchase"));
    assert_eq!(refusal.field.as_deref(), Some("/amount"));
    assert_eq!(serde_json::to_string(&refusal.facts).unwrap(), r#"{"remaining":{"amount":"14.50","currency":"USD"}}"#);
    let stored = serde_json::to_string(&refusal).unwrap();
    assert_eq!(serde_json::from_str::<Refusal>(&stored).unwrap(), refusal);
    let line = Refusal::from(CustomerError::LineQuantity { line: 3 });
    assert_eq!(line.field.as_deref(), Some("/lines/3/quantity"));
    assert!(Refusal::from(CustomerError::NotFound).facts.is_empty());
}

proptest! {
    /// Whatever is asked in whatever order: an order never gives back more than it took, and nothing is decided twice.
    #[test]
    fn no_history_refunds_more_than_was_bought(commands in prop::collection::vec(any_command(), 0..40)) {
        let mut state = registered();
        for command in commands {
            let Ok(events) = Customer::decide(&state, command.clone()) else { continue };
            state = Customer::fold(state, &events);
            prop_assert_eq!(Customer::decide(&state, command), Ok(vec![]));
            for name in ORDERS {
                let order = state.order(&order(name));
                prop_assert!(order.is_none_or(|order| !order.remaining().is_negative() && !order.refunded().is_negative()));
            }
        }
    }
}

const ORDERS: [&str; 3] = ["order-1", "order-2", "order-3"];

fn any_command() -> impl Strategy<Value = CustomerCommand> {
    let order_id = prop::sample::select(&ORDERS[..]).prop_map(order);
    let date = (0_u64..1_500).prop_map(|days| day("2026-01-10") + chrono::Days::new(days));
    let amount = (0_i64..3_000).prop_map(|minor| Money::from_minor(minor, Currency::parse("USD").unwrap()).unwrap());
    let refund = prop::sample::select(&["refund-1", "refund-2", "refund-3", "refund-4"][..]).prop_map(refund_id);
    let lines = prop::collection::vec(refunds::any_line(), 0..4);
    let purchase = (order_id.clone(), amount.clone(), lines, date.clone()).prop_map(|(order, total, lines, on)| {
        CustomerCommand::RecordPurchase { order, channel: None, lines, total, on }
    });
    let lines = prop::collection::vec(refunds::any_part(), 0..3);
    let refund =
        (refund, order_id, prop::option::of(amount), lines, date).prop_map(|(refund, order, amount, lines, today)| {
            CustomerCommand::Refund { refund, order, amount, lines, on: today, today }
        });
    prop_oneof![purchase, refund]
}

#[test]
fn the_first_purchase_makes_a_customer_new_and_the_second_an_active_one() {
    use LifecycleStage::{Active, New, Prospect};
    let first = [created(), recorded("order-1", "1.00", "2026-02-01")];
    given::<Customer>(first.clone()).when(advance("order-1")).then([moved(Prospect, New, "2026-02-01")]);
    let second = [moved(Prospect, New, "2026-02-01"), recorded("order-2", "1.00", "2026-02-02")];
    let second: Vec<_> = first.into_iter().chain(second).collect();
    let state = given::<Customer>(second).when(advance("order-2")).then([moved(New, Active, "2026-02-02")]);
    assert_eq!(state.active().unwrap().lifecycle().stage(), Active);
}

#[test]
fn a_stage_is_recorded_once_and_none_is_left_out() {
    use LifecycleStage::{Active, New, Prospect};
    let bought = [created(), recorded("order-1", "1.00", "2026-02-01"), recorded("order-2", "1.00", "2026-02-02")];
    let steps = [moved(Prospect, New, "2026-02-01"), moved(New, Active, "2026-02-02")];
    given::<Customer>(bought.clone()).when(advance("order-1")).then([steps[0].clone()]);
    given::<Customer>(bought.clone()).when(advance("order-2")).then(steps.clone());
    let recorded_all: Vec<_> = bought.into_iter().chain(steps).collect();
    given::<Customer>(recorded_all.clone()).when(advance("order-1")).then([]);
    given::<Customer>(recorded_all).when(advance("order-2")).then([]);
    given::<Customer>([]).when(advance("order-1")).then_refused(CustomerError::NotFound);
}

#[test]
fn who_buys_again_after_a_year_is_won_back_and_active_with_the_next_purchase() {
    use LifecycleStage::{Active, New, Prospect, WonBack};
    let bought = |days: [&str; 3]| {
        let purchases = days.iter().zip(1..).map(|(on, n)| recorded(&format!("order-{n}"), "1.00", on));
        [created()].into_iter().chain(purchases).collect::<Vec<_>>()
    };
    given::<Customer>(bought(["2024-02-29", "2025-02-28", "2025-03-01"])).when(advance("order-3")).then([
        moved(Prospect, New, "2024-02-29"),
        moved(New, WonBack, "2025-02-28"),
        moved(WonBack, Active, "2025-03-01"),
    ]);
    let steady = [moved(Prospect, New, "2024-02-29"), moved(New, Active, "2025-02-27")];
    given::<Customer>(bought(["2024-02-29", "2025-02-27", "2024-01-01"])).when(advance("order-2")).then(steady);
    given::<Customer>(bought(["2024-02-29", "2025-02-27", "2024-01-01"])).when(advance("order-3")).then([]);
}

fn advance(order_id: &str) -> CustomerCommand {
    CustomerCommand::AdvanceLifecycle { order: order(order_id) }
}

fn moved(from: LifecycleStage, to: LifecycleStage, on: &str) -> CustomerEvent {
    CustomerEvent::LifecycleChanged { from, to, on: day(on) }
}

fn registered() -> Customer {
    given::<Customer>([created()]).state()
}

fn register(kind: CustomerKind, contact: Contact) -> CustomerCommand {
    let registered_on = day("2026-01-10");
    CustomerCommand::Register { kind, contact, language: None, currency: None, source: None, registered_on }
}

fn created() -> CustomerEvent {
    CustomerEvent::Created {
        kind: CustomerKind::Individual,
        language: None,
        currency: None,
        source: None,
        registered_on: day("2026-01-10"),
        personal: by_email().into(),
    }
}

#[test]
fn what_is_told_twice_is_kept_once() {
    let mail = |texts: &[&str]| texts.iter().map(|text| Email::parse(text).unwrap()).collect::<Vec<_>>();
    let twice = Contact { emails: mail(&["Ana@example.com", "ana@example.com", "b@example.com"]), ..by_reference() };
    let twice = Contact { references: [by_reference().references, by_reference().references].concat(), ..twice };
    let events = Customer::decide(&Customer::initial(), register(CustomerKind::Individual, twice.clone())).unwrap();
    let state = Customer::fold(Customer::initial(), &events);
    let contact = state.active().unwrap().contact().known().unwrap().clone();
    assert_eq!((contact.emails, contact.references.len()), (mail(&["Ana@example.com", "b@example.com"]), 1));
    assert_eq!(Customer::decide(&state, register(CustomerKind::Individual, twice)), Ok(vec![]), "told again");
    let emails = Patch::Set(mail(&["c@example.com", "C@example.com"]));
    let patched =
        Customer::decide(&state, CustomerCommand::Update(CustomerPatch { emails, ..CustomerPatch::default() }));
    assert!(
        matches!(&patched.unwrap()[..], [CustomerEvent::Updated { personal, .. }] if personal.known().unwrap().emails.len() == 1)
    );
}

fn updated(changed: &[CustomerField], contact: Contact) -> CustomerEvent {
    let currency = changed.contains(&CustomerField::Currency).then(|| Currency::parse("EUR").unwrap());
    CustomerEvent::Updated {
        changed: changed.to_vec(),
        language: None,
        currency,
        time_zone: None,
        kind: None,
        personal: contact.into(),
    }
}

fn by_email() -> Contact {
    Contact { emails: vec![Email::parse("ana@example.com").unwrap()], ..Contact::default() }
}

fn by_phone() -> Contact {
    Contact { phones: vec![Phone::parse("+34600123456", None).unwrap()], ..Contact::default() }
}

fn by_reference() -> Contact {
    let system = ExternalSystem::parse("stripe").unwrap();
    let reference = ReferenceText::parse("cus_7").unwrap();
    Contact { references: vec![ExternalReference { system, reference }], ..Contact::default() }
}

fn record(order_id: &str, total: &str, on: &str) -> CustomerCommand {
    CustomerCommand::RecordPurchase {
        order: order(order_id),
        channel: None,
        lines: vec![],
        total: usd(total),
        on: day(on),
    }
}

fn record_lines(order_id: &str, lines: Vec<PurchaseLine>) -> CustomerCommand {
    CustomerCommand::RecordPurchase {
        order: order(order_id),
        channel: None,
        lines,
        total: usd("24.50"),
        on: day("2026-02-09"),
    }
}

fn recorded(order_id: &str, total: &str, on: &str) -> CustomerEvent {
    CustomerEvent::PurchaseRecorded {
        order: order(order_id),
        channel: None,
        lines: vec![],
        total: usd(total),
        on: day(on),
    }
}

fn line(amount: &str, quantity: u32) -> PurchaseLine {
    PurchaseLine { sku: Sku::parse("85123A").unwrap(), category: None, quantity, amount: usd(amount) }
}

fn refund(refund: &str, amount: Option<&str>) -> CustomerCommand {
    let (on, today) = (day("2026-02-20"), day("2026-02-20"));
    let (refund, order, lines) = (refund_id(refund), order("order-7"), vec![]);
    CustomerCommand::Refund { refund, order, amount: amount.map(usd), lines, on, today }
}

fn refund_on(refund: &str, today: &str) -> CustomerCommand {
    let (on, today) = (day(today), day(today));
    let (refund, order, lines) = (refund_id(refund), order("order-7"), vec![]);
    CustomerCommand::Refund { refund, order, amount: None, lines, on, today }
}

fn refunded(refund: &str, amount: &str, in_total: &str, remaining: &str) -> CustomerEvent {
    refunded_on(refund, amount, in_total, remaining, "2026-02-20")
}

fn refunded_on(refund: &str, amount: &str, in_total: &str, remaining: &str, on: &str) -> CustomerEvent {
    CustomerEvent::PurchaseRefunded {
        order: order("order-7"),
        refund: refund_id(refund),
        amount: usd(amount),
        refunded: usd(in_total),
        remaining: usd(remaining),
        lines: vec![],
        on: day(on),
    }
}

fn usd(amount: &str) -> Money {
    Money::parse(amount, Currency::parse("USD").unwrap()).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn order(text: &str) -> OrderId {
    OrderId::parse(text).unwrap()
}

fn refund_id(text: &str) -> RefundId {
    RefundId::parse(text).unwrap()
}
