//! Customers: claims, purchases with their points, refunds and imports, through the whole pipeline.

use super::{
    Erase, ImportOptions, LinkReference, LinkUser, PurchaseRow, RecordPurchase, Refund, Register, RowOutcome,
    UnlinkReference, Update, email_claim, erase, import_purchases, link_reference, link_user, record_purchase, refund,
    register, unlink_reference, unlink_user, update,
};
use crate::error::CommandError;
use crate::loyalty::{self, Earn, Redeem};
use crate::testing::node::{Node, caller, event_types, refusal_code};
use crate::{Caller, Committed, Scope};
use chrono::NaiveDate;
use domain::customers::commands::CustomerPatch;
use domain::customers::events::{Contact, CustomerEvent, CustomerKind, ErasureGround, ExternalReference};
use domain::email::Email;
use domain::ids::{CustomerId, OrderId, RefundId};
use domain::loyalty::events::LoyaltyEvent;
use domain::phone::Phone;
use domain::{Currency, Event, Money, Patch, RefusalKind};

fn currency(code: &str) -> Currency {
    Currency::parse(code).unwrap()
}

fn money(amount: &str, code: &str) -> Money {
    Money::parse(amount, currency(code)).unwrap()
}

fn order(text: &str) -> OrderId {
    OrderId::parse(text).unwrap()
}

fn reference(text: &str) -> ExternalReference {
    ExternalReference { system: "erp".parse().unwrap(), reference: text.parse().unwrap() }
}

fn person(email: &str) -> Register {
    Register {
        kind: CustomerKind::Individual,
        contact: Contact {
            emails: vec![Email::parse(email).unwrap()],
            phones: vec![],
            references: vec![reference(email.split('@').next().unwrap())],
            ..Contact::default()
        },
        language: None,
        currency: None,
        source: None,
        enrol_in: Some(currency("EUR")),
        referrer: None,
    }
}

fn bought(customer: CustomerId, order_id: &str, amount: &str) -> RecordPurchase {
    RecordPurchase {
        customer,
        order: order(order_id),
        channel: None,
        lines: vec![],
        total: money(amount, "EUR"),
        at: None,
    }
}

fn given_back(customer: CustomerId, order_id: &str, refund_id: &str, amount: Option<&str>) -> Refund {
    let amount = amount.map(|amount| money(amount, "EUR"));
    let (refund, order, lines) = (RefundId::parse(refund_id).unwrap(), order(order_id), vec![]);
    Refund { customer, refund, order, amount, lines, at: None }
}

async fn member(node: &Node, email: &str) -> CustomerId {
    register(&node.commands, &caller(), None, person(email)).await.unwrap().customer().unwrap()
}

#[tokio::test]
async fn a_customer_and_the_account_are_made_in_one_append() {
    let node = Node::start();
    let committed = register(&node.commands, &caller(), None, person("ana@example.com")).await.unwrap();
    assert_eq!(event_types(&committed), ["customer.created", "loyalty.account.enrolled"]);
    let customer = committed.customer().unwrap();
    let events = node.store.events();
    assert!(events.iter().all(|event| event.subject_id == Some(customer.as_uuid())));
    assert!(events.iter().all(|event| event.customer_id == Some(customer.as_uuid())));
    assert!(!events[0].payload.contains("ana@example.com"));
    assert_eq!(node.store.reads(), []);
}

#[tokio::test]
async fn an_address_is_one_customers_however_it_is_written() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let phone = Register {
        contact: Contact { phones: vec![Phone::parse("+34600123456", None).unwrap()], ..Contact::default() },
        ..person("b@example.com")
    };
    register(&node.commands, &caller(), None, phone.clone()).await.unwrap();
    let mut same = person("Ana@EXAMPLE.com");
    same.contact.references.clear();
    let refused = register(&node.commands, &caller(), None, same).await.unwrap_err();
    assert!(matches!(&refused, CommandError::Claimed { owner, .. } if *owner == ana.as_uuid()));
    assert_eq!(refused.refusal().unwrap().code, "email_taken");
    assert!(!serde_json::to_string(refused.refusal().unwrap()).unwrap().contains(&ana.to_string()));
    assert_eq!(refusal_code(&register(&node.commands, &caller(), None, phone).await), "phone_taken");
    let same_reference = Register {
        contact: Contact { references: vec![reference("ana")], ..Contact::default() },
        ..person("c@example.com")
    };
    assert_eq!(refusal_code(&register(&node.commands, &caller(), None, same_reference).await), "reference_taken");
}

#[tokio::test]
async fn a_reference_and_a_user_are_one_customers_until_they_are_unlinked() {
    let node = Node::start();
    let (ana, eva) = (member(&node, "ana@example.com").await, member(&node, "eva@example.com").await);
    let erp = |name: &str| ExternalReference { system: "crm".parse().unwrap(), reference: name.parse().unwrap() };
    let links = async |customer, name: &str| {
        let request = LinkReference { customer, reference: erp(name) };
        link_reference(&node.commands, &caller(), None, request, None).await
    };
    let logs_in = async |customer, user: &str| {
        let request = LinkUser { customer, user: user.parse().unwrap() };
        link_user(&node.commands, &caller(), None, request, None).await
    };
    assert_eq!(event_types(&links(ana, "7").await.unwrap()), ["customer.reference.linked"]);
    assert_eq!(refusal_code(&links(eva, "7").await), "reference_taken");
    assert_eq!(event_types(&logs_in(ana, "one").await.unwrap()), ["customer.user.linked"]);
    assert_eq!(refusal_code(&logs_in(eva, "one").await), "user_taken");
    assert!(!node.store.events().last().unwrap().payload.contains("one"));
    logs_in(ana, "two").await.unwrap();
    logs_in(eva, "one").await.unwrap();
    assert_eq!(refusal_code(&logs_in(eva, "two").await), "user_taken");
    let request = UnlinkReference { customer: ana, system: "crm".parse().unwrap(), reference: None };
    unlink_reference(&node.commands, &caller(), None, request, None).await.unwrap();
    links(eva, "7").await.unwrap();
    unlink_user(&node.commands, &caller(), None, ana, None).await.unwrap();
    logs_in(eva, "two").await.unwrap();
    let reader = Caller { scopes: vec![Scope::CustomersRead], ..caller() };
    let refused = unlink_user(&node.commands, &reader, None, eva, None).await;
    assert!(matches!(refused, Err(CommandError::Forbidden { scope: Scope::CustomersWrite })));
}

fn change(customer: CustomerId, patch: CustomerPatch) -> Update {
    Update { customer, patch }
}

fn emails(texts: &[&str]) -> CustomerPatch {
    let emails = texts.iter().map(|text| Email::parse(text).unwrap()).collect();
    CustomerPatch { emails: Patch::Set(emails), ..CustomerPatch::default() }
}

#[tokio::test]
async fn an_address_that_is_given_up_is_anothers_and_one_that_is_kept_is_not() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let eva = member(&node, "eva@example.com").await;
    let takes = |customer, texts: &'static [&'static str]| {
        let request = change(customer, emails(texts));
        let node = &node;
        async move { update(&node.commands, &caller(), None, request, None).await }
    };
    assert_eq!(refusal_code(&takes(eva, &["ANA@example.com"]).await), "email_taken");
    let moved = takes(ana, &["new@example.com", "second@example.com"]).await.unwrap();
    assert_eq!((event_types(&moved), moved.events[0].version), (vec!["customer.updated"], 2));
    assert!(!node.store.events().last().unwrap().payload.contains("example.com"));
    assert_eq!(refusal_code(&takes(eva, &["second@example.com"]).await), "email_taken");
    takes(eva, &["ana@example.com"]).await.unwrap();
    takes(ana, &["second@example.com", "new@example.com"]).await.unwrap();
    assert_eq!(refusal_code(&takes(eva, &["new@example.com"]).await), "email_taken");
    assert_eq!(takes(ana, &["second@example.com", "new@example.com"]).await.unwrap().events, []);
    let scope = Caller { scopes: vec![Scope::CustomersRead, Scope::CustomersPii], ..caller() };
    let refused = update(&node.commands, &scope, None, change(ana, emails(&[])), None).await;
    assert!(matches!(refused, Err(CommandError::Forbidden { scope: Scope::CustomersWrite })));
}

#[tokio::test]
async fn a_change_of_what_was_seen_is_refused_when_it_has_changed_since() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let named =
        |name: &str| change(ana, CustomerPatch { name: Patch::Set(name.parse().unwrap()), ..Default::default() });
    let key = |text: &str| Some(text.try_into().unwrap());
    update(&node.commands, &caller(), key("k-1"), named("Ana"), Some(1)).await.unwrap();
    let stale = update(&node.commands, &caller(), key("k-2"), named("Eva"), Some(1)).await.unwrap_err();
    let refusal = stale.refusal().unwrap();
    assert_eq!((refusal.kind, refusal.code.as_str()), (RefusalKind::Stale, "version_changed"));
    assert_eq!(serde_json::to_string(&refusal.facts).unwrap(), r#"{"expected_version":1,"version":2}"#);
    let again = update(&node.commands, &caller(), key("k-1"), named("Ana"), Some(1)).await.unwrap();
    assert!(again.repeated, "a repeat is no change of what has changed");
    let other = update(&node.commands, &caller(), key("k-1"), named("Ana"), Some(2)).await;
    assert!(matches!(other, Err(CommandError::KeyReused)));
    update(&node.another().commands, &caller(), None, named("Eva"), Some(2)).await.unwrap();
    let nobody = Update { customer: CustomerId::new(crate::ids::new_id()), ..named("Eva") };
    assert_eq!(refusal_code(&update(&node.commands, &caller(), None, nobody, Some(7)).await), "customer_not_found");
}

#[tokio::test]
async fn of_two_who_change_what_they_have_seen_one_is_refused() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let other = node.another();
    let named =
        |name: &str| change(ana, CustomerPatch { name: Patch::Set(name.parse().unwrap()), ..Default::default() });
    let clerk = caller();
    let (one, two) = tokio::join!(
        update(&node.commands, &clerk, None, named("Ana"), Some(1)),
        update(&other.commands, &clerk, None, named("Eva"), Some(1)),
    );
    let mut codes = [refusal_code(&one), refusal_code(&two)];
    codes.sort_unstable();
    assert_eq!(codes, ["done", "version_changed"]);
}

#[tokio::test]
async fn a_keyed_registration_makes_one_customer() {
    let node = Node::start();
    let key = || Some("r-1".try_into().unwrap());
    let first = register(&node.commands, &caller(), key(), person("ana@example.com")).await.unwrap();
    let again = register(&node.commands, &caller(), key(), person("ana@example.com")).await.unwrap();
    assert_eq!((first.customer(), again.repeated), (again.customer(), true));
    let other = register(&node.commands, &caller(), key(), person("eva@example.com")).await;
    assert!(matches!(other, Err(CommandError::KeyReused)));
}

#[tokio::test]
async fn a_purchase_and_its_points_are_one_append() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let committed = record_purchase(&node.commands, &caller(), None, bought(ana, "7", "1200.50")).await.unwrap();
    let types = ["customer.purchase.recorded", "loyalty.points.earned", "loyalty.tier.upgraded"];
    assert_eq!(event_types(&committed), types);
    assert_eq!(node.available(ana), 1_200);
    let again = record_purchase(&node.commands, &caller(), None, bought(ana, "7", "1200.50")).await.unwrap();
    assert_eq!((again.events, again.repeated), (committed.events, true));
    let other = record_purchase(&node.commands, &caller(), None, bought(ana, "7", "99.00")).await;
    assert_eq!(refusal_code(&other), "order_already_recorded");
}

#[tokio::test]
async fn who_is_no_member_earns_nothing() {
    let node = Node::start();
    let request = Register { enrol_in: None, ..person("ana@example.com") };
    let ana = register(&node.commands, &caller(), None, request).await.unwrap().customer().unwrap();
    let committed = record_purchase(&node.commands, &caller(), None, bought(ana, "7", "50.00")).await.unwrap();
    assert_eq!(event_types(&committed), ["customer.purchase.recorded"]);
}

#[tokio::test]
async fn an_order_that_earned_already_is_recorded_without_points() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let earn = Earn { customer: ana, order: order("7"), total: money("50.00", "EUR"), at: None };
    loyalty::earn(&node.commands, &caller(), None, earn.clone()).await.unwrap();
    let committed = record_purchase(&node.commands, &caller(), None, bought(ana, "7", "50.00")).await.unwrap();
    assert_eq!(event_types(&committed), ["customer.purchase.recorded"]);
    record_purchase(&node.commands, &caller(), None, bought(ana, "8", "10.00")).await.unwrap();
    let late = loyalty::earn(&node.commands, &caller(), None, Earn { order: order("8"), ..earn }).await.unwrap();
    assert_eq!(event_types(&late), [""; 0]);
    assert_eq!(node.available(ana), 60);
}

#[tokio::test]
async fn a_member_earns_nothing_in_another_currency_than_the_account_s() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let dollars = RecordPurchase { total: money("50.00", "USD"), ..bought(ana, "7", "1.00") };
    let bought = record_purchase(&node.commands, &caller(), None, dollars).await.unwrap();
    assert_eq!((event_types(&bought), node.available(ana)), (vec!["customer.purchase.recorded"], 0));
}

#[tokio::test]
async fn a_refund_takes_the_points_back_once() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    record_purchase(&node.commands, &caller(), None, bought(ana, "7", "500.00")).await.unwrap();
    let part = given_back(ana, "7", "r1", Some("200.00"));
    let committed = refund(&node.commands, &caller(), None, part.clone()).await.unwrap();
    assert_eq!(event_types(&committed), ["customer.purchase.refunded", "loyalty.points.reversed"]);
    assert!(refund(&node.commands, &caller(), None, part).await.unwrap().repeated);
    assert_eq!(node.available(ana), 300);
    let other = given_back(ana, "7", "r1", Some("100.00"));
    assert_eq!(refusal_code(&refund(&node.commands, &caller(), None, other).await), "refund_already_recorded");
    refund(&node.commands, &caller(), None, given_back(ana, "7", "r2", None)).await.unwrap();
    assert_eq!(node.available(ana), 0);
    let more = given_back(ana, "7", "r3", Some("1.00"));
    assert_eq!(refusal_code(&refund(&node.commands, &caller(), None, more).await), "refund_exceeds_purchase");
}

#[tokio::test]
async fn a_refund_takes_back_what_was_earned_and_gives_back_what_was_redeemed_in_one_append() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    record_purchase(&node.commands, &caller(), None, bought(ana, "6", "500.00")).await.unwrap();
    let redeeming = Redeem { customer: ana, points: 300, order: order("7") };
    loyalty::redeem(&node.commands, &caller(), None, redeeming).await.unwrap();
    record_purchase(&node.commands, &caller(), None, bought(ana, "7", "90.00")).await.unwrap();
    assert_eq!(node.available(ana), 290);
    let third = refund(&node.commands, &caller(), None, given_back(ana, "7", "r1", Some("30.00"))).await.unwrap();
    let all = ["customer.purchase.refunded", "loyalty.points.reversed", "loyalty.points.returned"];
    assert_eq!((event_types(&third), node.available(ana)), (all.to_vec(), 360));
    let again = refund(&node.another().commands, &caller(), None, given_back(ana, "7", "r1", Some("30.00"))).await;
    assert!(again.unwrap().repeated);
    let rest = refund(&node.commands, &caller(), None, given_back(ana, "7", "r2", None)).await.unwrap();
    assert_eq!((event_types(&rest), node.available(ana)), (all.to_vec(), 500));
    assert!(node.store.events().iter().rev().take(3).all(|event| event.once_id.is_some()));
}

#[tokio::test]
async fn what_comes_back_expires_although_its_lot_did_long_ago() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    record_purchase(&node.commands, &caller(), None, bought(ana, "6", "500.00")).await.unwrap();
    let redeeming = Redeem { customer: ana, points: 300, order: order("7") };
    let later = Caller { now: "2027-01-01T10:00:00Z".parse().unwrap(), ..caller() };
    loyalty::redeem(&node.commands, &later, None, redeeming).await.unwrap();
    record_purchase(&node.commands, &later, None, bought(ana, "7", "90.00")).await.unwrap();
    let too_late = Caller { now: "2028-12-01T10:00:00Z".parse().unwrap(), ..caller() };
    loyalty::due::expire_due(&node.commands, &too_late, ana).await.unwrap();
    let told = refund(&node.commands, &too_late, None, given_back(ana, "7", "r1", None)).await.unwrap();
    let expected =
        ["customer.purchase.refunded", "loyalty.points.reversed", "loyalty.points.returned", "loyalty.points.expired"];
    assert_eq!((event_types(&told), node.available(ana)), (expected.to_vec(), 0));
}

/// When an event is said to have happened, and its business date.
fn times(committed: &Committed, event_type: &str) -> (String, NaiveDate) {
    let found = committed.events.iter().find(|recorded| recorded.event.event_type() == event_type).unwrap();
    let on = match &found.event {
        Event::Customer(CustomerEvent::PurchaseRefunded { on, .. })
        | Event::Loyalty(
            LoyaltyEvent::PointsReversed { reversed_on: on, .. } | LoyaltyEvent::TierUpgraded { on, .. },
        ) => *on,
        other => panic!("{other:?}"),
    };
    (found.occurred_at.to_rfc3339(), on)
}

fn at(text: &str) -> Option<chrono::DateTime<chrono::Utc>> {
    Some(text.parse().unwrap())
}

#[tokio::test]
async fn a_refund_that_is_told_late_and_its_points_are_of_one_time_and_one_date() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let then = RecordPurchase { at: at("2026-02-08T10:00:00Z"), ..bought(ana, "7", "500.00") };
    record_purchase(&node.commands, &caller(), None, then).await.unwrap();
    let late = Refund { at: at("2026-02-10T10:00:00Z"), ..given_back(ana, "7", "r1", Some("200.00")) };
    let committed = refund(&node.commands, &caller(), None, late).await.unwrap();
    let expected = ("2026-02-10T10:00:00+00:00".to_owned(), "2026-02-10".parse().unwrap());
    for event_type in ["customer.purchase.refunded", "loyalty.points.reversed"] {
        assert_eq!(times(&committed, event_type), expected, "{event_type}");
    }
}

#[tokio::test]
async fn a_tier_that_a_late_purchase_reaches_is_reached_on_the_day_of_the_latest_one() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let madrid = Caller { zone: chrono_tz::Europe::Madrid, ..caller() };
    let buys = async |order: &str, amount: &str, when: &str| {
        let bought = RecordPurchase { at: at(when), ..bought(ana, order, amount) };
        record_purchase(&node.commands, &madrid, None, bought).await.unwrap()
    };
    buys("1", "900.00", "2026-02-10T15:00:00Z").await;
    let late = buys("2", "200.00", "2025-12-01T09:00:00Z").await;
    let day = |text: &str| text.parse::<NaiveDate>().unwrap();
    assert_eq!(times(&late, "loyalty.tier.upgraded"), ("2026-02-09T23:00:00+00:00".to_owned(), day("2026-02-10")));
    let next = buys("3", "4000.00", "2026-02-11T09:00:00Z").await;
    assert_eq!(times(&next, "loyalty.tier.upgraded"), ("2026-02-11T09:00:00+00:00".to_owned(), day("2026-02-11")));
}

#[tokio::test]
async fn a_refund_of_what_earned_nothing_takes_nothing() {
    let node = Node::start();
    let request = Register { enrol_in: None, ..person("ana@example.com") };
    let ana = register(&node.commands, &caller(), None, request).await.unwrap().customer().unwrap();
    let dollars = RecordPurchase { total: money("50.00", "USD"), ..bought(ana, "7", "1.00") };
    record_purchase(&node.commands, &caller(), None, dollars).await.unwrap();
    let enrol = loyalty::Enrol { customer: ana, currency: currency("EUR") };
    loyalty::enrol(&node.commands, &caller(), None, enrol).await.unwrap();
    let refunded = refund(&node.commands, &caller(), None, given_back(ana, "7", "r1", None)).await.unwrap();
    assert_eq!(event_types(&refunded), ["customer.purchase.refunded"]);
}

#[tokio::test]
async fn a_scope_is_needed() {
    let node = Node::start();
    let till = Caller { scopes: vec![Scope::LoyaltyWrite], ..caller() };
    let refused = register(&node.commands, &till, None, person("ana@example.com")).await;
    assert!(matches!(refused, Err(CommandError::Forbidden { scope: Scope::CustomersWrite })));
}

fn row(customer: &str, key: &str, amount: &str, on: &str) -> PurchaseRow {
    let on: NaiveDate = on.parse().unwrap();
    PurchaseRow { customer: reference(customer), order: None, row_key: order(key), total: money(amount, "EUR"), on }
}

fn rows() -> Vec<PurchaseRow> {
    let mut rows: Vec<PurchaseRow> =
        (0..60).map(|n| row(&format!("c{}", n % 7), &format!("row-{n}"), "100.00", "2026-03-04")).collect();
    rows.push(row("c0", "minus", "-1.00", "2026-03-05"));
    rows.push(row("c1", "row-1", "100.00", "2026-03-04"));
    rows
}

fn told(outcomes: &[RowOutcome]) -> (usize, usize, Vec<&str>) {
    let recorded = outcomes.iter().filter(|outcome| matches!(outcome, RowOutcome::Recorded { .. })).count();
    let repeated = outcomes.iter().filter(|outcome| matches!(outcome, RowOutcome::Repeated { .. })).count();
    let refused = outcomes.iter().filter_map(|outcome| match outcome {
        RowOutcome::Refused(refusal) => Some(refusal.code.as_str()),
        RowOutcome::Failed(error) => panic!("{error:?}"),
        RowOutcome::Recorded { .. } | RowOutcome::Repeated { .. } => None,
    });
    (recorded, repeated, refused.collect())
}

#[tokio::test]
async fn an_import_says_of_each_row_what_became_of_it() {
    let node = Node::start();
    let options = ImportOptions::default();
    let outcomes = import_purchases(&node.commands, &caller(), &options, &rows()).await.unwrap();
    assert_eq!(told(&outcomes), (60, 1, vec!["negative_total"]));
    let events = node.store.events();
    assert_eq!(events.iter().filter(|event| event.event_type == "customer.created").count(), 7);
    let orders: Vec<String> = events
        .iter()
        .filter(|event| event.event_type == "customer.purchase.recorded")
        .map(|event| serde_json::from_str::<serde_json::Value>(&event.payload).unwrap()["order"].to_string())
        .collect();
    let in_order: Vec<String> = (0..60).map(|n| format!("\"row-{n}\"")).collect();
    assert_eq!(orders, in_order);
}

#[tokio::test]
async fn an_import_made_again_changes_nothing() {
    let node = Node::start();
    let options = ImportOptions::default();
    import_purchases(&node.commands, &caller(), &options, &rows()[..30]).await.unwrap();
    let other = node.another();
    let outcomes = import_purchases(&other.commands, &caller(), &options, &rows()).await.unwrap();
    assert_eq!(told(&outcomes), (30, 31, vec!["negative_total"]));
    let count = node.store.events().len();
    let outcomes = import_purchases(&node.another().commands, &caller(), &options, &rows()).await.unwrap();
    assert_eq!(told(&outcomes), (0, 61, vec!["negative_total"]));
    assert_eq!(node.store.events().len(), count);
}

#[tokio::test]
async fn two_imports_at_once_make_each_customer_once() {
    let node = Node::start();
    let (other, options) = (node.another(), ImportOptions::default());
    let (clerk, machine) = (caller(), Caller { actor: "key:2".to_owned(), ..caller() });
    let rows = rows();
    let (one, two) = tokio::join!(
        import_purchases(&node.commands, &clerk, &options, &rows),
        import_purchases(&other.commands, &machine, &options, &rows),
    );
    let (one, two) = (told(&one.unwrap()).0, told(&two.unwrap()).0);
    assert_eq!(one + two, 60);
    let events = node.store.events();
    assert_eq!(events.iter().filter(|event| event.event_type == "customer.created").count(), 7);
    assert_eq!(events.iter().filter(|event| event.event_type == "customer.purchase.recorded").count(), 60);
}

#[tokio::test]
async fn claims_are_normalised() {
    let claim = |text| email_claim(&Email::parse(text).unwrap());
    assert_eq!(claim("Ana@Example.com"), claim("ana@example.COM"));
}

#[tokio::test]
async fn what_is_still_to_come_is_refused() {
    let node = Node::start();
    let ana = register(&node.commands, &caller(), None, person("ana@example.com")).await.unwrap().customer().unwrap();
    let buy = |order_id: &str, at: &str| RecordPurchase { at: at.parse().ok(), ..bought(ana, order_id, "10.00") };
    let soon = record_purchase(&node.commands, &caller(), None, buy("soon", "2026-11-23T12:00:00Z")).await;
    assert_eq!(refusal_code(&soon), "done", "a day ahead may be the difference of two clocks");
    let later = record_purchase(&node.commands, &caller(), None, buy("later", "2026-11-23T12:00:01Z")).await;
    assert_eq!(refusal_code(&later), "in_the_future");
    let rows = [row("new", "row-1", "10.00", "2027-01-01"), row("new", "row-2", "10.00", "2026-11-22")];
    let before = node.store.events().len();
    let outcomes = import_purchases(&node.commands, &caller(), &ImportOptions::default(), &rows[..1]).await.unwrap();
    assert_eq!((told(&outcomes), node.store.events().len()), ((0, 0, vec!["in_the_future"]), before));
    let outcomes = import_purchases(&node.commands, &caller(), &ImportOptions::default(), &rows).await.unwrap();
    assert_eq!(told(&outcomes), (1, 0, vec!["in_the_future"]));
}

#[tokio::test]
async fn what_lies_before_1900_is_refused() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    let buy = |order_id: &str, at: &str| RecordPurchase { at: at.parse().ok(), ..bought(ana, order_id, "10.00") };
    let first = record_purchase(&node.commands, &caller(), None, buy("first", "1900-01-01T00:00:00Z")).await;
    assert_eq!(refusal_code(&first), "done");
    let before = record_purchase(&node.commands, &caller(), None, buy("before", "0001-01-01T00:00:00Z")).await;
    assert_eq!(refusal_code(&before), "too_long_ago");
    let rows = [row("new", "row-1", "10.00", "1899-12-31"), row("new", "row-2", "10.00", "1900-01-01")];
    let outcomes = import_purchases(&node.commands, &caller(), &ImportOptions::default(), &rows).await.unwrap();
    assert_eq!(told(&outcomes), (1, 0, vec!["too_long_ago"]));
    assert!(matches!(&outcomes[0], RowOutcome::Refused(refusal) if refusal.field.as_deref() == Some("/on")));
}

#[tokio::test]
async fn a_purchase_of_more_points_than_an_account_holds_is_refused_whole() {
    let node = Node::start();
    let request = Register { enrol_in: Some(currency("JPY")), ..person("ana@example.com") };
    let ana = register(&node.commands, &caller(), None, request).await.unwrap().customer().unwrap();
    let buy = |order_id: &str, total: &str| RecordPurchase { total: money(total, "JPY"), ..bought(ana, order_id, "1") };
    record_purchase(&node.commands, &caller(), None, buy("7", "1000000000000000")).await.unwrap();
    let events = node.store.events().len();
    let more = record_purchase(&node.commands, &caller(), None, buy("8", "1")).await;
    assert_eq!((refusal_code(&more), node.store.events().len()), ("points_limit", events));
    assert_eq!(node.available(ana), 1_000_000_000_000_000);
}

#[tokio::test]
async fn a_customer_is_erased_once_and_takes_nothing_more() {
    let node = Node::start();
    let ana = member(&node, "ana@example.com").await;
    record_purchase(&node.commands, &caller(), None, bought(ana, "order-1", "250.00")).await.unwrap();
    let request = Erase { customer: ana, ground: ErasureGround::Request };
    let may_not = Caller { scopes: vec![Scope::CustomersWrite], ..caller() };
    let refused = erase(&node.commands, &may_not, None, request.clone()).await.unwrap_err();
    assert!(matches!(refused, CommandError::Forbidden { scope: Scope::CustomersErase }));
    let erased = erase(&node.commands, &caller(), None, request.clone()).await.unwrap();
    assert_eq!(event_types(&erased), ["loyalty.account.closed", "customer.erased"]);
    assert!(erase(&node.commands, &caller(), None, request).await.unwrap().events.is_empty());
    let late = record_purchase(&node.commands, &caller(), None, bought(ana, "order-2", "1.00")).await;
    assert_eq!(refusal_code(&late), "customer_erased");
    let earn = Earn { customer: ana, order: order("order-3"), total: money("1.00", "EUR"), at: None };
    let earned = loyalty::earn(&node.commands, &caller(), None, earn).await;
    assert_eq!(refusal_code(&earned), "account_closed");
    let nobody = Erase { customer: CustomerId::new(crate::ids::new_id()), ground: ErasureGround::Request };
    assert_eq!(refusal_code(&erase(&node.commands, &caller(), None, nobody).await), "customer_not_found");
}
