//! Merges through the whole pipeline: points, claims and refunds go with the survivor, from any node, once.

use super::held_claims;
use super::{Merge, merge};
use crate::customers::{
    Delete, Erase, RecordPurchase, Refund, Register, delete, email_claim, erase, record_purchase, refund, register,
    restore,
};
use crate::encoding::decode;
use crate::identity::IdempotencyKey;
use crate::loyalty::programme::{Publish, publish};
use crate::loyalty::vesting::{Vest, vest};
use crate::loyalty::{Earn, Enrol, Redeem, account_stream, earn, enrol, holds, redeem};
use crate::testing::node::{Node, caller, event_types, refusal_code};
use crate::{Caller, Committed, Scope};
use domain::customers::customer::Customer;
use domain::customers::events::{Contact, CustomerKind, ErasureGround, ExternalReference};
use domain::email::Email;
use domain::ids::{CustomerId, OrderId, RefundId};
use domain::loyalty::programme::{PendingRule, Programme};
use domain::{Currency, Decider, Event, Money};
use futures::future::join_all;
use store::ClaimKey;

fn money(amount: &str) -> Money {
    Money::parse(amount, Currency::parse("EUR").unwrap()).unwrap()
}

fn person(name: &str, enrol_in: Option<&str>) -> Register {
    let reference = ExternalReference { system: "erp".parse().unwrap(), reference: name.parse().unwrap() };
    let email = Email::parse(&format!("{name}@example.com")).unwrap();
    Register {
        kind: CustomerKind::Individual,
        contact: Contact { emails: vec![email], references: vec![reference], ..Contact::default() },
        language: None,
        currency: None,
        source: None,
        enrol_in: enrol_in.map(|code| Currency::parse(code).unwrap()),
        referrer: None,
    }
}

async fn customer(node: &Node, name: &str, enrol_in: Option<&str>) -> CustomerId {
    register(&node.commands, &caller(), None, person(name, enrol_in)).await.unwrap().customer().unwrap()
}

async fn buys(node: &Node, customer: CustomerId, order: &str, amount: &str) -> Result<Committed, crate::CommandError> {
    let (order, total) = (OrderId::parse(order).unwrap(), money(amount));
    let request = RecordPurchase { customer, order, channel: None, lines: vec![], total, at: None };
    record_purchase(&node.commands, &caller(), None, request).await
}

fn giving_back(customer: CustomerId, order: &str, refund: &str) -> Refund {
    let (order, refund) = (OrderId::parse(order).unwrap(), RefundId::parse(refund).unwrap());
    Refund { customer, refund, order, amount: None, lines: vec![], at: None }
}

async fn merges(node: &Node, survivor: CustomerId, duplicate: CustomerId) -> Result<Committed, crate::CommandError> {
    merge(&node.commands, &caller(), None, Merge { survivor, duplicate }).await
}

fn state_of(node: &Node, customer: CustomerId) -> Customer {
    let recorded = node.store.events_of(super::customer_stream(customer));
    recorded.iter().fold(Customer::initial(), |state, event| match decode(event).unwrap() {
        Event::Customer(event) => Customer::evolve(state, &event),
        Event::Loyalty(_) | Event::Programme(_) | Event::Credit(_) | Event::CreditGroup(_) | Event::Access(_) => state,
    })
}

fn claim_of(name: &str) -> ClaimKey {
    email_claim(&Email::parse(&format!("{name}@example.com")).unwrap())
}

#[tokio::test]
async fn a_duplicate_is_merged_in_one_append_and_once() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", Some("EUR")).await, customer(&node, "double", Some("EUR")).await);
    buys(&node, double, "order-1", "250.00").await.unwrap();
    let merged = merges(&node, ana, double).await.unwrap();
    let expected = [
        "customer.updated",
        "customer.reference.linked",
        "customer.duplicate.absorbed",
        "customer.lifecycle.changed",
        "loyalty.account.absorbed",
        "customer.merged",
        "loyalty.account.merged",
    ];
    assert_eq!(event_types(&merged), expected);
    assert_eq!((merged.customer(), merged.position.0 - merged.first.0), (Some(ana), 6));
    assert_eq!(node.available(ana), 250);
    let again = merges(&node.another(), ana, double).await.unwrap();
    assert_eq!((event_types(&again), again.position), (vec![], merged.position));
    let itself = merges(&node, ana, ana).await;
    assert_eq!(refusal_code(&itself), "merge_with_itself");
    let nobody = CustomerId::new(uuid::Uuid::nil());
    assert_eq!(refusal_code(&merges(&node, ana, nobody).await), "duplicate_not_found");
    assert_eq!(refusal_code(&merges(&node, nobody, ana).await), "customer_not_found");
    let reader = Caller { scopes: vec![Scope::CustomersRead], ..caller() };
    let request = Merge { survivor: ana, duplicate: double };
    assert_eq!(refusal_code(&merge(&node.commands, &reader, None, request).await), "forbidden");
}

#[tokio::test]
async fn what_the_duplicate_claimed_is_the_survivors() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", None).await, customer(&node, "double", None).await);
    merges(&node, ana, double).await.unwrap();
    let again = register(&node.commands, &caller(), None, person("double", None)).await.unwrap_err();
    assert!(matches!(again, crate::CommandError::Claimed { owner, .. } if owner == ana.as_uuid()), "{again:?}");
    let (kept, gone) = (held_claims(&state_of(&node, ana)), held_claims(&state_of(&node, double)));
    assert!(kept.contains(&claim_of("ana")) && kept.contains(&claim_of("double")) && gone.is_empty());
    assert_eq!(kept.iter().filter(|claim| claim.kind == "reference:erp").count(), 2);
}

#[tokio::test]
async fn an_order_of_the_duplicate_is_given_back_by_the_survivor_once_and_told_a_second_time_it_counts_no_more() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", Some("EUR")).await, customer(&node, "double", Some("EUR")).await);
    let bought = buys(&node, double, "order-1", "250.00").await.unwrap();
    merges(&node, ana, double).await.unwrap();
    let again = buys(&node, ana, "order-1", "250.00").await.unwrap();
    assert_eq!((again.repeated, again.first, again.position), (true, bought.first, bought.position));
    let order = OrderId::parse("order-1").unwrap();
    let told = Earn { customer: ana, order, total: money("250.00"), at: None };
    assert_eq!(event_types(&earn(&node.commands, &caller(), None, told).await.unwrap()), [""; 0]);
    for name in ["refund-1", "refund-2"] {
        let of_duplicate = refund(&node.commands, &caller(), None, giving_back(double, "order-1", name)).await;
        let refusal = of_duplicate.unwrap_err();
        let refusal = refusal.refusal().unwrap();
        assert_eq!((refusal.code.as_str(), &refusal.facts["survivor"]), ("customer_merged", &ana.to_string().into()));
    }
    let clerk = caller();
    let asked = || refund(&node.commands, &clerk, None, giving_back(ana, "order-1", "refund-1"));
    let refunded = asked().await.unwrap();
    assert_eq!(event_types(&refunded), ["customer.purchase.refunded", "loyalty.points.reversed"]);
    assert!(asked().await.unwrap().repeated);
    assert_eq!(node.available(ana), 0);
}

#[tokio::test]
async fn who_was_merged_names_the_survivor_whatever_it_is_asked() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", Some("EUR")).await, customer(&node, "double", Some("EUR")).await);
    merges(&node, ana, double).await.unwrap();
    assert_eq!(refusal_code(&buys(&node, double, "order-1", "1.00").await), "customer_merged");
    let order = OrderId::parse("order-2").unwrap();
    let spends = Redeem { customer: double, points: 100, order };
    assert_eq!(refusal_code(&redeem(&node.commands, &caller(), None, spends).await), "customer_merged");
    let enrols = Enrol { customer: double, currency: Currency::parse("EUR").unwrap() };
    assert_eq!(refusal_code(&enrol(&node.commands, &caller(), None, enrols).await), "customer_merged");
    let third = customer(&node, "third", None).await;
    assert_eq!(refusal_code(&merges(&node, double, third).await), "customer_merged");
    assert_eq!(refusal_code(&merges(&node, third, double).await), "already_merged");
}

#[tokio::test]
async fn who_was_merged_into_a_duplicate_goes_with_it() {
    let node = Node::start();
    let mut three = Vec::new();
    for name in ["ana", "double", "third"] {
        three.push(customer(&node, name, Some("EUR")).await);
    }
    let [first, second, last] = three[..] else { panic!("three") };
    buys(&node, first, "order-1", "100.00").await.unwrap();
    merges(&node, second, first).await.unwrap();
    merges(&node.another(), last, second).await.unwrap();
    assert_eq!(state_of(&node, first), Customer::Merged { into: last });
    assert_eq!(state_of(&node, last).active().unwrap().duplicates().len(), 2);
    assert_eq!(node.available(last), 100);
    let refunded = refund(&node.commands, &caller(), None, giving_back(last, "order-1", "refund-1")).await.unwrap();
    assert_eq!(event_types(&refunded), ["customer.purchase.refunded", "loyalty.points.reversed"]);
    let (ground, customer) = (ErasureGround::Request, first);
    erase(&node.commands, &caller(), None, Erase { customer, ground }).await.unwrap();
    for id in [first, second, last] {
        assert_eq!(state_of(&node, id), Customer::Erased, "whoever is forgotten, all are");
    }
    let other = self::customer(&node, "other", None).await;
    assert_eq!(refusal_code(&merges(&node, other, last).await), "duplicate_erased");
    assert_eq!(refusal_code(&merges(&node, last, other).await), "customer_erased");
}

#[tokio::test]
async fn of_two_merges_crossing_each_other_one_is_made() {
    for _ in 0..8 {
        let node = Node::start();
        let (ana, double) = (customer(&node, "ana", Some("EUR")).await, customer(&node, "double", Some("EUR")).await);
        buys(&node, ana, "order-1", "100.00").await.unwrap();
        buys(&node, double, "order-2", "50.00").await.unwrap();
        let other = node.another();
        let answers = join_all([merges(&node, ana, double), merges(&other, double, ana)]).await;
        let mut codes: Vec<_> = answers.iter().map(refusal_code).collect();
        codes.sort_unstable();
        assert_eq!(codes, ["customer_merged", "done"]);
        let survivor = if answers[0].is_ok() { ana } else { double };
        assert_eq!(node.available(survivor), 150);
    }
}

#[tokio::test]
async fn a_purchase_at_the_moment_of_a_merge_is_the_survivors_or_told_where_to_go() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", Some("EUR")).await, customer(&node, "double", Some("EUR")).await);
    let other = node.another();
    let names: Vec<String> = (0..16).map(|nth| format!("order-{nth}")).collect();
    let bought = async { join_all(names.iter().map(|name| buys(&other, double, name, "10.00"))).await };
    let (merged, bought) = futures::join!(merges(&node, ana, double), bought);
    merged.unwrap();
    assert!(bought.iter().all(|answer| ["done", "customer_merged"].contains(&refusal_code(answer))));
    let count = bought.iter().filter(|answer| answer.is_ok()).count();
    assert_eq!(node.available(ana), 10 * count as i64);
}

#[tokio::test]
async fn held_points_and_other_currencies_are_in_the_way() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", None).await, customer(&node, "double", Some("EUR")).await);
    buys(&node, double, "order-1", "250.00").await.unwrap();
    let order = OrderId::parse("order-2").unwrap();
    let hold = holds::PlaceHold { customer: double, points: 100, order };
    holds::place(&node.commands, &caller(), None, hold).await.unwrap();
    let key = || Some(IdempotencyKey::new("desk-1").unwrap());
    let request = || Merge { survivor: ana, duplicate: double };
    assert_eq!(refusal_code(&merge(&node.commands, &caller(), key(), request()).await), "holds_open");
    let later = Caller { now: caller().now + chrono::TimeDelta::minutes(15), ..caller() };
    let dollars = customer(&node, "eve", Some("USD")).await;
    let abroad = Merge { survivor: dollars, duplicate: double };
    assert_eq!(refusal_code(&merge(&node.commands, &later, None, abroad).await), "currency_mismatch");
    let merged = merge(&node.commands, &later, None, request()).await.unwrap();
    assert!(event_types(&merged).contains(&"loyalty.hold.released"));
    assert_eq!(node.available(ana), 250, "who was no member is one now");
}

#[tokio::test]
async fn a_deleted_customer_keeps_its_claims_and_its_points_and_spends_none() {
    let node = Node::start();
    let ana = customer(&node, "ana", Some("EUR")).await;
    buys(&node, ana, "order-1", "250.00").await.unwrap();
    let request = || Delete { customer: ana, reason: None, force_credit: false };
    let deleted = delete(&node.commands, &caller(), None, request(), None).await.unwrap();
    assert_eq!(event_types(&deleted), ["customer.deleted"]);
    assert_eq!(event_types(&delete(&node.commands, &caller(), None, request(), None).await.unwrap()), [""; 0]);
    assert_eq!(refusal_code(&buys(&node, ana, "order-2", "1.00").await), "customer_deleted");
    let spends = |order: &str| Redeem { customer: ana, points: 100, order: OrderId::parse(order).unwrap() };
    let refused = redeem(&node.commands, &caller(), None, spends("order-3")).await;
    assert_eq!(refusal_code(&refused), "customer_deleted");
    let again = register(&node.commands, &caller(), None, person("ana", None)).await;
    assert_eq!(refusal_code(&again), "email_taken");
    assert_eq!(held_claims(&state_of(&node, ana)).len(), 2);
    let restored = restore(&node.commands, &caller(), None, ana, None).await.unwrap();
    assert_eq!(event_types(&restored), ["customer.restored"]);
    assert!(redeem(&node.commands, &caller(), None, spends("order-3")).await.is_ok());
    delete(&node.commands, &caller(), None, request(), None).await.unwrap();
    let gone = Erase { customer: ana, ground: ErasureGround::Request };
    erase(&node.commands, &caller(), None, gone).await.unwrap();
    assert_eq!(state_of(&node, ana), Customer::Erased);
}

#[tokio::test]
async fn an_order_of_the_duplicate_that_is_told_with_another_total_is_refused_as_without_a_merge() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", Some("EUR")).await, customer(&node, "double", Some("EUR")).await);
    let earning =
        |customer, total| Earn { customer, order: OrderId::parse("web-1").unwrap(), total: money(total), at: None };
    let first = earn(&node.commands, &caller(), None, earning(double, "500.00")).await.unwrap();
    merges(&node, ana, double).await.unwrap();
    let other = earn(&node.commands, &caller(), None, earning(ana, "600.00")).await;
    assert_eq!(refusal_code(&other), "order_already_earned");
    let again = earn(&node.commands, &caller(), None, earning(ana, "500.00")).await.unwrap();
    assert_eq!((again.repeated, again.events), (true, first.events), "answered as it was then");
}

/// Two members who bought 100 and 50 with the same order, whose points wait for somebody to say so; of the first somebody has.
async fn both_bought(node: &Node) -> (CustomerId, CustomerId) {
    let pending = Some(PendingRule { vest_after_days: None });
    let rules = Programme { pending, ..Programme::clone(&Programme::standard()) };
    publish(&node.commands, &caller(), None, Publish { rules, from: None, rehearsal: None }).await.unwrap();
    let (ana, double) = (customer(node, "ana", Some("EUR")).await, customer(node, "double", Some("EUR")).await);
    buys(node, ana, "order-1", "100.00").await.unwrap();
    buys(node, double, "order-1", "50.00").await.unwrap();
    vest(&node.commands, &caller(), None, vesting(ana)).await.unwrap();
    (ana, double)
}

fn vesting(customer: CustomerId) -> Vest {
    Vest { customer, order: OrderId::parse("order-1").unwrap() }
}

fn loyalty_types(node: &Node, customer: CustomerId) -> Vec<&'static str> {
    node.store.events_of(account_stream(customer)).iter().map(|event| decode(event).unwrap().event_type()).collect()
}

#[tokio::test]
async fn what_is_pending_of_an_order_that_both_know_vests_with_the_merge_and_the_survivors_copy_is_given_back() {
    let node = Node::start();
    let (ana, double) = both_bought(&node).await;
    merges(&node, ana, double).await.unwrap();
    let expected =
        ["loyalty.account.enrolled", "loyalty.points.pending", "loyalty.points.earned", "loyalty.account.merged"];
    assert_eq!(loyalty_types(&node, double), expected);
    assert_eq!(node.available(ana), 150);
    assert_eq!(
        event_types(&vest(&node.commands, &caller(), None, vesting(ana)).await.unwrap()),
        ["loyalty.points.earned"]
    );
    assert_eq!(node.available(ana), 150, "answered as it was then");
    refund(&node.commands, &caller(), None, giving_back(ana, "order-1", "refund-1")).await.unwrap();
    assert_eq!(node.available(ana), 50);
}

#[tokio::test]
async fn what_both_redeemed_for_an_order_is_told_again_as_it_was_and_comes_back_together() {
    let node = Node::start();
    let (ana, double) = (customer(&node, "ana", Some("EUR")).await, customer(&node, "double", Some("EUR")).await);
    let redeeming = |customer, points| Redeem { customer, points, order: OrderId::parse("order-7").unwrap() };
    for (customer, order, points) in [(ana, "order-1", 100), (double, "order-2", 200)] {
        buys(&node, customer, order, "200.00").await.unwrap();
        redeem(&node.commands, &caller(), None, redeeming(customer, points)).await.unwrap();
    }
    buys(&node, ana, "order-7", "1.00").await.unwrap();
    merges(&node, ana, double).await.unwrap();
    assert_eq!(node.available(ana), 101);
    assert!(redeem(&node.commands, &caller(), None, redeeming(ana, 100)).await.unwrap().repeated);
    let of_the_other_copy = redeem(&node.commands, &caller(), None, redeeming(ana, 200)).await;
    assert_eq!(refusal_code(&of_the_other_copy), "order_already_redeemed");
    assert_eq!(node.available(ana), 101);
    refund(&node.commands, &caller(), None, giving_back(ana, "order-7", "refund-1")).await.unwrap();
    assert_eq!(node.available(ana), 400);
}
