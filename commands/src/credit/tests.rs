//! Lines of credit through the whole pipeline: what happens once, who may, groups, many orders at once, what becomes of customers.

use super::availability::{Availability, availability};
use super::deciding::{Approve, RequestCredit, approve, request};
use super::due::{dun, expire_due, lapse_due_holds, note_overdue};
use super::groups::{FormGroup, Membership, add_member, form, remove_member};
use super::orders::{Authorise, Capture, Release, UseCredit, Void, authorise, capture, release, use_credit, void};
use super::payments::{ApplyPayment, RefundUnapplied, ReversePayment, apply, refund, reverse};
use super::standing::{Close, Suspend, close, suspend};
use super::temporary::{GrantTemporary, grant};
use super::{group_stream, line_stream};
use crate::customers::{Block, Delete, Erase, Merge, Register, Update, block, delete, erase, merge, register, update};
use crate::encoding::decode;
use crate::identity::IdempotencyKey;
use crate::testing::node::{Node, caller, event_types, refusal_code};
use crate::{Caller, CommandError, Committed, Scope};
use domain::credit::credit_group::CreditGroup;
use domain::credit::events::CreditEvent;
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::policy::Policy;
use domain::credit::terms::Terms;
use domain::customers::blocking::{BlockNote, BlockReason};
use domain::customers::commands::CustomerPatch;
use domain::customers::events::{Contact, CustomerKind, ErasureGround};
use domain::email::Email;
use domain::ids::{
    CaseId, CreditGroupId, CreditLineId, CustomerId, HoldId, OrderId, PaymentId, ReasonCode, RefundId, ReleaseId,
};
use domain::text::{CompanyName, ReasonText};
use domain::{Currency, Decider, Event, Money};
use futures::future::join_all;

fn eur(amount: &str) -> Money {
    Money::parse(amount, Currency::parse("EUR").unwrap()).unwrap()
}

fn order(name: &str) -> OrderId {
    OrderId::parse(name).unwrap()
}

fn because(word: &str) -> ReasonCode {
    ReasonCode::parse(word).unwrap()
}

/// Somebody else than the usual caller.
fn manager() -> Caller {
    Caller { actor: "key:018f0000-0000-7000-8000-0000000000bb".to_owned(), ..caller() }
}

fn days_later(days: i64) -> Caller {
    Caller { now: caller().now + chrono::TimeDelta::days(days), ..caller() }
}

async fn registered(node: &Node, name: &str, kind: CustomerKind) -> CustomerId {
    let emails = vec![Email::parse(&format!("{name}@example.com")).unwrap()];
    let contact = Contact { emails, company: CompanyName::parse("Torres S.L.").ok(), ..Contact::default() };
    let request =
        Register { kind, contact, language: None, currency: None, source: None, enrol_in: None, referrer: None };
    register(&node.commands, &caller(), None, request).await.unwrap().customer().unwrap()
}

async fn business(node: &Node, name: &str) -> CustomerId {
    registered(node, name, CustomerKind::Business).await
}

fn wanting(customer: CustomerId, amount: &str) -> RequestCredit {
    RequestCredit { customer, amount: eur(amount), financials: Financials::default() }
}

fn approving(line: CreditLineId, limit: &str) -> Approve {
    let (terms, note) = (Terms::of_days(30).unwrap(), CreditNote::default());
    Approve { line, limit: eur(limit), terms, policy: None, note }
}

/// The line of a new business.
async fn line(node: &Node, name: &str, limit: &str) -> (CustomerId, CreditLineId) {
    let customer = business(node, name).await;
    request(&node.commands, &caller(), None, wanting(customer, limit)).await.unwrap();
    let line = CreditLineId::of(customer, Currency::parse("EUR").unwrap());
    approve(&node.commands, &manager(), None, approving(line, limit)).await.unwrap();
    (customer, line)
}

fn using(line: CreditLineId, name: &str, amount: &str) -> UseCredit {
    UseCredit { line, order: order(name), amount: eur(amount), invoice: None, override_reason: None }
}

fn holding(line: CreditLineId, name: &str, amount: &str) -> Authorise {
    Authorise { line, order: order(name), amount: eur(amount), override_reason: None }
}

fn paying(line: CreditLineId, name: &str, amount: &str) -> ApplyPayment {
    let payment = PaymentId::parse(name).unwrap();
    ApplyPayment { line, payment, amount: eur(amount), orders: vec![], received_at: None }
}

fn hold_of(committed: &Committed) -> HoldId {
    let placed = committed.credit_events().find_map(|event| match event {
        CreditEvent::HoldPlaced { hold, .. } => Some(*hold),
        _ => None,
    });
    placed.unwrap()
}

async fn seen(node: &Node, line: CreditLineId) -> Availability {
    availability(&node.commands, &caller(), line, eur("0.01")).await.unwrap().0
}

#[tokio::test]
async fn credit_is_asked_for_by_a_business_and_given_by_somebody_else() {
    let node = Node::start();
    let person = registered(&node, "ana", CustomerKind::Individual).await;
    let asked = request(&node.commands, &caller(), None, wanting(person, "1000.00")).await;
    assert_eq!(refusal_code(&asked), "business_only");
    let shop = business(&node, "shop").await;
    let line = CreditLineId::of(shop, Currency::parse("EUR").unwrap());
    let early = approve(&node.commands, &manager(), None, approving(line, "1000.00")).await;
    assert_eq!(refusal_code(&early), "credit_not_requested");
    let asked = request(&node.commands, &caller(), None, wanting(shop, "1000.00")).await.unwrap();
    assert_eq!((event_types(&asked), asked.events[0].stream), (vec!["credit.requested"], line_stream(line)));
    assert_eq!(node.store.events_of(line_stream(line))[0].customer_id, Some(shop.as_uuid()));
    let own = approve(&node.commands, &caller(), None, approving(line, "1000.00")).await;
    assert_eq!(refusal_code(&own), "approver_is_requester");
    let given = approve(&node.commands, &manager(), None, approving(line, "900.00")).await.unwrap();
    assert_eq!(event_types(&given), ["credit.approved"]);
    let seen = seen(&node, line).await;
    assert_eq!((seen.customer, seen.figures.available, seen.obstacle), (shop, eur("900.00"), None));
}

#[tokio::test]
async fn each_scope_allows_its_own() {
    let node = Node::start();
    let (_, line) = line(&node, "shop", "100.00").await;
    let clerk = Caller { scopes: vec![Scope::CreditWrite], ..caller() };
    let forbidden = |answer: Result<Committed, CommandError>, needed: Scope| {
        assert!(matches!(answer, Err(CommandError::Forbidden { scope }) if scope == needed), "{answer:?}");
    };
    let reader = Caller { scopes: vec![Scope::CreditRead], ..caller() };
    forbidden(use_credit(&node.commands, &reader, None, using(line, "o-1", "1.00")).await, Scope::CreditWrite);
    forbidden(apply(&node.commands, &reader, None, paying(line, "p-1", "1.00")).await, Scope::CreditWrite);
    forbidden(approve(&node.commands, &clerk, None, approving(line, "1.00")).await, Scope::CreditApprove);
    let suspended = Suspend { line, note: CreditNote::default() };
    forbidden(suspend(&node.commands, &clerk, None, suspended).await, Scope::CreditApprove);
    let forced = UseCredit { override_reason: Some(because("shipped")), ..using(line, "o-1", "500.00") };
    forbidden(use_credit(&node.commands, &clerk, None, forced.clone()).await, Scope::CreditApprove);
    let forced = use_credit(&node.commands, &manager(), None, forced).await.unwrap();
    let by_whom = forced.credit_events().find_map(|event| match event {
        CreditEvent::Used { overridden, .. } => overridden.clone(),
        _ => None,
    });
    assert_eq!(by_whom.unwrap().released_by.as_str(), manager().actor);
}

#[tokio::test]
async fn an_order_is_charged_once_and_what_does_not_fit_is_an_event_each_time() {
    let node = Node::start();
    let (_, line) = line(&node, "shop", "100.00").await;
    let used = use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    let again = use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    assert_eq!((again.events, again.repeated), (used.events, true));
    let other = use_credit(&node.commands, &caller(), None, using(line, "o-1", "61.00")).await;
    assert_eq!(refusal_code(&other), "order_already_charged");
    let key = || Some(IdempotencyKey::new("till/1").unwrap());
    let keyed = use_credit(&node.commands, &caller(), key(), using(line, "o-2", "40.01")).await.unwrap();
    assert_eq!(event_types(&keyed), ["credit.limit.exceeded"]);
    let told = keyed.clone().within_the_limit().unwrap_err();
    assert_eq!((told.code.as_str(), &told.facts["available"]["amount"]), ("credit_limit_exceeded", &"40.00".into()));
    let repeated = use_credit(&node.commands, &caller(), key(), using(line, "o-2", "40.01")).await.unwrap();
    assert_eq!((&repeated.events, repeated.repeated), (&keyed.events, true));
    use_credit(&node.commands, &caller(), None, using(line, "o-2", "40.01")).await.unwrap();
    let types = node.store.events_of(line_stream(line));
    assert_eq!(types.iter().filter(|event| event.event_type == "credit.limit.exceeded").count(), 2);
    let fits = use_credit(&node.commands, &caller(), None, using(line, "o-2", "40.00")).await.unwrap();
    assert_eq!(event_types(&fits.within_the_limit().unwrap()), ["credit.used"]);
}

#[tokio::test]
async fn a_hold_is_captured_or_voided_or_lapses_once() {
    let node = Node::start();
    let (_, line) = line(&node, "shop", "100.00").await;
    let placed = authorise(&node.commands, &caller(), None, holding(line, "o-1", "80.00")).await.unwrap();
    let hold = hold_of(&placed);
    assert_eq!(seen(&node, line).await.figures.available, eur("20.00"));
    let suspended = Suspend { line, note: CreditNote::default() };
    suspend(&node.commands, &manager(), None, suspended).await.unwrap();
    let shipped = Capture { line, hold, order: order("o-1"), amount: eur("70.00"), invoice: None };
    let captured = capture(&node.commands, &caller(), None, shipped.clone()).await.unwrap();
    assert_eq!(event_types(&captured), ["credit.used"], "what was shipped is invoiced");
    assert!(capture(&node.commands, &days_later(9), None, shipped).await.unwrap().repeated);
    assert_eq!(refusal_code(&void(&node.commands, &caller(), None, Void { line, hold }).await), "hold_over");
    let forced = Authorise { override_reason: Some(because("known")), ..holding(line, "o-2", "10.00") };
    let hold = hold_of(&authorise(&node.commands, &manager(), None, forced).await.unwrap());
    let lapsed = lapse_due_holds(&node.commands, &days_later(7), line).await.unwrap();
    assert_eq!(event_types(&lapsed), ["credit.hold.released"]);
    assert_eq!(lapsed.events[0].occurred_at, days_later(7).now);
    assert_eq!(event_types(&lapse_due_holds(&node.commands, &days_later(8), line).await.unwrap()), [""; 0]);
    let voided = void(&node.commands, &days_later(8), None, Void { line, hold }).await.unwrap();
    assert_eq!(event_types(&voided), [""; 0]);
}

#[tokio::test]
async fn money_is_applied_once_reversed_once_and_given_back_once() {
    let node = Node::start();
    let (_, line) = line(&node, "shop", "100.00").await;
    use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    let paid = apply(&node.commands, &caller(), None, paying(line, "p-1", "70.00")).await.unwrap();
    assert_eq!(event_types(&paid), ["credit.payment.applied", "credit.released"]);
    assert_eq!(seen(&node, line).await.figures.unapplied, eur("10.00"));
    assert!(apply(&node.another().commands, &caller(), None, paying(line, "p-1", "70.00")).await.unwrap().repeated);
    let other = apply(&node.commands, &caller(), None, paying(line, "p-1", "71.00")).await;
    assert_eq!(refusal_code(&other), "payment_already_applied");
    let unknown = ApplyPayment { orders: vec![order("o-9")], ..paying(line, "p-2", "1.00") };
    assert_eq!(refusal_code(&apply(&node.commands, &caller(), None, unknown).await), "unknown_order");
    let bounced = || ReversePayment { line, payment: PaymentId::parse("p-1").unwrap(), reason: because("bounced") };
    let reversed = reverse(&node.commands, &caller(), None, bounced()).await.unwrap();
    assert_eq!(event_types(&reversed), ["credit.payment.reversed"]);
    assert!(reverse(&node.commands, &caller(), None, bounced()).await.unwrap().repeated);
    let returned = |amount| Release {
        line,
        release: ReleaseId::parse("r-1").unwrap(),
        order: order("o-1"),
        amount: eur(amount),
        reason: because("returned"),
    };
    let given_back = release(&node.commands, &caller(), None, returned("20.00")).await.unwrap();
    assert_eq!(event_types(&given_back), ["credit.released"]);
    assert!(release(&node.commands, &caller(), None, returned("20.00")).await.unwrap().repeated);
    let otherwise = release(&node.commands, &caller(), None, returned("21.00")).await;
    assert_eq!(
        (refusal_code(&otherwise), seen(&node, line).await.figures.used),
        ("release_already_made", eur("40.00"))
    );
}

#[tokio::test]
async fn what_is_overdue_is_told_once_stops_orders_and_is_reminded_of() {
    let node = Node::start();
    let (_, line) = line(&node, "shop", "100.00").await;
    use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    let noted = note_overdue(&node.commands, &days_later(31), line).await.unwrap();
    assert_eq!(event_types(&noted), ["credit.overdue"]);
    assert_eq!(event_types(&note_overdue(&node.commands, &days_later(31), line).await.unwrap()), [""; 0]);
    let reminded = dun(&node.commands, &days_later(36), line).await.unwrap();
    assert_eq!(event_types(&reminded), ["credit.suspended", "credit.dunning.sent"]);
    let refused = use_credit(&node.commands, &days_later(36), None, using(line, "o-2", "1.00")).await;
    assert_eq!(refusal_code(&refused), "credit_suspended");
    let paid = apply(&node.commands, &days_later(37), None, paying(line, "p-1", "60.00")).await.unwrap();
    assert_eq!(event_types(&paid), ["credit.payment.applied", "credit.released", "credit.resumed"]);
}

#[tokio::test]
async fn a_case_grants_once_until_its_day() {
    let node = Node::start();
    let (_, line) = line(&node, "shop", "100.00").await;
    let more = |amount| GrantTemporary {
        line,
        case: CaseId::parse("case-1").unwrap(),
        amount: eur(amount),
        expires_on: days_later(2).today(),
    };
    let granted = grant(&node.commands, &caller(), None, more("50.00")).await.unwrap();
    assert_eq!(event_types(&granted), ["credit.temporary.granted"]);
    let other = grant(&node.commands, &caller(), None, more("51.00")).await;
    assert_eq!(
        (refusal_code(&other), seen(&node, line).await.figures.available),
        ("temporary_already_granted", eur("150.00"))
    );
    let expired = expire_due(&node.commands, &days_later(3), line).await.unwrap();
    assert_eq!(expired.events[0].occurred_at.to_rfc3339(), "2026-11-24T00:00:00+00:00");
    let again = grant(&node.commands, &days_later(3), None, more("50.00")).await.unwrap();
    assert_eq!((again.events, again.repeated), (granted.events, true));
}

#[tokio::test]
async fn a_thousand_orders_at_two_nodes_use_what_there_is_and_each_refusal_is_told() {
    let node = Node::start();
    let (_, line) = line(&node, "shop", "100.00").await;
    let (other, clerk) = (node.another(), caller());
    let tills = [&node.commands, &other.commands];
    let uses = (0..200).map(|n| use_credit(tills[n % 2], &clerk, None, using(line, &format!("o-{n}"), "1.00")));
    let answers: Vec<_> = join_all(uses).await.into_iter().map(|answer| answer.unwrap().within_the_limit()).collect();
    assert_eq!(answers.iter().filter(|answer| answer.is_ok()).count(), 100);
    let told = node.store.events_of(line_stream(line));
    let count = |kind: &str| told.iter().filter(|event| event.event_type == kind).count();
    assert_eq!((count("credit.used"), count("credit.limit.exceeded")), (100, 100));
}

/// What the log says the members of a group take.
fn exposure(node: &Node, group: CreditGroupId) -> Money {
    let recorded = node.store.events_of(group_stream(group));
    let state = recorded.iter().fold(CreditGroup::initial(), |state, recorded| match decode(recorded).unwrap() {
        Event::CreditGroup(event) => CreditGroup::evolve(state, &event),
        _ => state,
    });
    state.formed().unwrap().exposure()
}

async fn group(node: &Node, parent: CustomerId, limit: &str) -> CreditGroupId {
    let formed = form(&node.commands, &caller(), None, FormGroup { parent, limit: eur(limit) }).await.unwrap();
    formed.formed_group().unwrap()
}

#[tokio::test]
async fn members_of_a_group_use_no_more_than_both_limits_at_two_nodes() {
    let node = Node::start();
    let (parent, one) = line(&node, "parent", "60.00").await;
    let (_, two) = line(&node, "branch", "60.00").await;
    use_credit(&node.commands, &caller(), None, using(two, "before", "10.00")).await.unwrap();
    let group = group(&node, parent, "90.00").await;
    for line in [one, two] {
        add_member(&node.commands, &caller(), None, Membership { group, line }).await.unwrap();
    }
    assert_eq!(exposure(&node, group), eur("10.00"));
    let (other, clerk) = (node.another(), caller());
    let tills = [&node.commands, &other.commands];
    let uses = (0..120)
        .map(|n| use_credit(tills[n % 2], &clerk, None, using([one, two][n / 2 % 2], &format!("o-{n}"), "1.00")));
    let answers = join_all(uses).await;
    let outcome = |answer: &Result<Committed, CommandError>| {
        match answer {
            Ok(committed) => committed.credit_exceeded().map_or("used", |exceeded| exceeded.bound.as_str()),
            Err(_) => refusal_code(answer),
        }
        .to_owned()
    };
    let outcomes: Vec<_> = answers.iter().map(outcome).collect();
    assert!(
        outcomes.iter().all(|outcome| ["used", "group", "line", "conflict"].contains(&outcome.as_str())),
        "{outcomes:?}"
    );
    let used = outcomes.iter().filter(|outcome| *outcome == "used").count() as i64;
    assert_eq!(exposure(&node, group).minor(), 1_000 + used * 100);
    assert!(exposure(&node, group).minor() <= 9_000 && outcomes.iter().any(|outcome| outcome == "group"));
    let left = seen(&node, one).await.figures;
    assert_eq!(left.available.minor(), (6_000 - left.used.minor()).min(9_000 - exposure(&node, group).minor()));
}

#[tokio::test]
async fn a_line_that_joins_and_leaves_is_looked_up_anew() {
    let node = Node::start();
    let (parent, line) = line(&node, "parent", "100.00").await;
    let (small, large) = (group(&node, parent, "30.00").await, group(&node, parent, "80.00").await);
    let used = use_credit(&node.commands, &caller(), None, using(line, "o-1", "20.00")).await.unwrap();
    assert_eq!(event_types(&used), ["credit.used"]);
    add_member(&node.commands, &caller(), None, Membership { group: small, line }).await.unwrap();
    let second = add_member(&node.commands, &caller(), None, Membership { group: large, line }).await;
    assert_eq!(refusal_code(&second), "credit_in_group");
    let too_much = use_credit(&node.commands, &caller(), None, using(line, "o-2", "10.01")).await.unwrap();
    assert_eq!(event_types(&too_much), ["credit.limit.exceeded"]);
    let used = use_credit(&node.commands, &caller(), None, using(line, "o-2", "10.00")).await.unwrap();
    assert_eq!(event_types(&used), ["credit.used", "credit.group.exposure.changed"]);
    // Another node moves it while this one still believes otherwise.
    let other = node.another();
    for _ in 0..2 {
        remove_member(&other.commands, &caller(), None, Membership { group: small, line }).await.unwrap();
    }
    add_member(&other.commands, &caller(), None, Membership { group: large, line }).await.unwrap();
    let key = Some(IdempotencyKey::new("till/3").unwrap());
    let used = use_credit(&node.commands, &caller(), key, using(line, "o-3", "50.00")).await.unwrap();
    assert_eq!(event_types(&used), ["credit.used", "credit.group.exposure.changed"]);
    assert_eq!((exposure(&node, small), exposure(&node, large)), (eur("0.00"), eur("80.00")));
    let shut = Close { line, reason: because("over"), note: CreditNote::default() };
    assert_eq!(refusal_code(&close(&node.commands, &caller(), None, shut).await), "credit_in_use");
}

#[tokio::test]
async fn who_is_blocked_or_deleted_buys_nothing_and_pays_all_the_same() {
    let node = Node::start();
    let (shop, line) = line(&node, "shop", "100.00").await;
    use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    let blocked = Block { customer: shop, reason: BlockReason::ALL[0], note: BlockNote::default() };
    block(&node.commands, &caller(), None, blocked, None).await.unwrap();
    let refused = use_credit(&node.commands, &caller(), None, using(line, "o-2", "1.00")).await;
    assert_eq!(refusal_code(&refused), "customer_blocked");
    assert_eq!(seen(&node, line).await.obstacle.unwrap().code, "customer_blocked");
    let gone = |force_credit| Delete { customer: shop, reason: None, force_credit };
    assert_eq!(refusal_code(&delete(&node.commands, &caller(), None, gone(false), None).await), "credit_open");
    let clerk = Caller { scopes: vec![Scope::CustomersWrite], ..caller() };
    let forbidden = delete(&node.commands, &clerk, None, gone(true), None).await;
    assert!(matches!(forbidden, Err(CommandError::Forbidden { scope: Scope::CreditApprove })));
    delete(&node.commands, &caller(), None, gone(true), None).await.unwrap();
    let refused = use_credit(&node.commands, &caller(), None, using(line, "o-2", "1.00")).await;
    assert_eq!(refusal_code(&refused), "customer_deleted");
    apply(&node.commands, &caller(), None, paying(line, "p-1", "60.00")).await.unwrap();
    assert_eq!(seen(&node, line).await.figures.used, eur("0.00"));
}

#[tokio::test]
async fn a_duplicate_with_credit_is_not_merged_until_its_line_is_over() {
    let node = Node::start();
    let (duplicate, line_of_duplicate) = line(&node, "one", "100.00").await;
    let survivor = business(&node, "two").await;
    let one = Merge { survivor, duplicate };
    let refused = merge(&node.commands, &caller(), None, one.clone()).await;
    assert_eq!(refusal_code(&refused), "duplicate_has_credit");
    let facts = &refused.as_ref().unwrap_err().refusal().unwrap().facts;
    assert_eq!(facts["line"], line_of_duplicate.to_string());
    request(&node.commands, &caller(), None, wanting(survivor, "5.00")).await.unwrap();
    assert_eq!(refusal_code(&merge(&node.commands, &caller(), None, one.clone()).await), "both_have_credit");
    let shut = Close { line: line_of_duplicate, reason: because("over"), note: CreditNote::default() };
    close(&node.commands, &caller(), None, shut).await.unwrap();
    merge(&node.commands, &caller(), None, one).await.unwrap();
    let again = request(&node.commands, &caller(), None, wanting(duplicate, "5.00")).await;
    assert_eq!(refusal_code(&again), "customer_merged");
}

#[tokio::test]
async fn what_is_owed_outlives_line_and_customer() {
    let node = Node::start();
    let (shop, line) = line(&node, "shop", "100.00").await;
    let survivor = business(&node, "survivor").await;
    use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    apply(&node.commands, &caller(), None, paying(line, "p-1", "60.00")).await.unwrap();
    let shut = Close { line, reason: because("over"), note: CreditNote::default() };
    close(&node.commands, &caller(), None, shut).await.unwrap();
    let bounced = ReversePayment { line, payment: PaymentId::parse("p-1").unwrap(), reason: because("bounced") };
    let reversed = reverse(&node.commands, &caller(), None, bounced).await.unwrap();
    assert_eq!(event_types(&reversed), ["credit.payment.reversed"]);
    let owed = seen(&node, line).await;
    assert_eq!((owed.figures.used, owed.figures.available), (eur("60.00"), eur("0.00")));
    assert_eq!(owed.obstacle.unwrap().code, "credit_closed");
    let gone = Delete { customer: shop, reason: None, force_credit: false };
    assert_eq!(refusal_code(&delete(&node.commands, &caller(), None, gone, None).await), "credit_open");
    merge(&node.commands, &caller(), None, Merge { survivor, duplicate: shop }).await.unwrap();
    let reminded = dun(&node.commands, &days_later(31), line).await.unwrap();
    assert_eq!(event_types(&reminded), ["credit.overdue", "credit.dunning.sent"]);
    let paid = apply(&node.commands, &days_later(32), None, paying(line, "p-2", "70.00")).await.unwrap();
    assert_eq!(event_types(&paid), ["credit.payment.applied", "credit.released"]);
    let back = |amount| RefundUnapplied {
        line,
        refund: RefundId::parse("r-1").unwrap(),
        amount: eur(amount),
        reason: because("overpaid"),
    };
    let refunded = refund(&node.commands, &days_later(32), None, back("10.00")).await.unwrap();
    assert_eq!(event_types(&refunded), ["credit.unapplied.refunded"]);
    assert!(refund(&node.another().commands, &days_later(33), None, back("10.00")).await.unwrap().repeated);
    let otherwise = refund(&node.commands, &days_later(33), None, back("9.00")).await;
    assert_eq!(refusal_code(&otherwise), "refund_already_made");
}

#[tokio::test]
async fn who_was_deleted_or_erased_is_not_reminded() {
    let node = Node::start();
    let (deleted, one) = line(&node, "one", "100.00").await;
    let (erased, two) = line(&node, "two", "100.00").await;
    for line in [one, two] {
        use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    }
    let gone = Delete { customer: deleted, reason: None, force_credit: true };
    delete(&node.commands, &caller(), None, gone, None).await.unwrap();
    let forgotten = Erase { customer: erased, ground: ErasureGround::ALL[0] };
    erase(&node.commands, &caller(), None, forgotten).await.unwrap();
    for line in [one, two] {
        let told = dun(&node.commands, &days_later(31), line).await.unwrap();
        assert_eq!(event_types(&told), ["credit.overdue"]);
    }
}

#[tokio::test]
async fn who_is_no_business_any_more_is_given_no_credit_and_forms_no_group() {
    let node = Node::start();
    let customer = business(&node, "shop").await;
    request(&node.commands, &caller(), None, wanting(customer, "100.00")).await.unwrap();
    let patch = CustomerPatch { kind: Some(CustomerKind::Individual), ..CustomerPatch::default() };
    let person = Update { customer, patch };
    update(&node.commands, &caller(), None, person, None).await.unwrap();
    let line = CreditLineId::of(customer, Currency::parse("EUR").unwrap());
    let refused = approve(&node.commands, &manager(), None, approving(line, "100.00")).await;
    assert_eq!(refusal_code(&refused), "business_only");
    let refused = form(&node.commands, &caller(), None, FormGroup { parent: customer, limit: eur("9.00") }).await;
    assert_eq!(refusal_code(&refused), "business_only");
}

#[tokio::test]
async fn who_was_erased_pays_and_nothing_personal_is_written_any_more() {
    let node = Node::start();
    let (shop, line) = line(&node, "shop", "100.00").await;
    use_credit(&node.commands, &caller(), None, using(line, "o-1", "60.00")).await.unwrap();
    let forgotten = Erase { customer: shop, ground: ErasureGround::ALL[0] };
    erase(&node.commands, &caller(), None, forgotten).await.unwrap();
    let note = CreditNote { note: ReasonText::parse("Ana does not pay").ok() };
    suspend(&node.commands, &manager(), None, Suspend { line, note }).await.unwrap();
    let noted = note_overdue(&node.commands, &days_later(40), line).await.unwrap();
    assert_eq!(event_types(&noted), ["credit.overdue", "credit.suspended"]);
    let paid = apply(&node.commands, &days_later(40), None, paying(line, "p-1", "60.00")).await.unwrap();
    assert_eq!(event_types(&paid), ["credit.payment.applied", "credit.released", "credit.resumed"]);
    let events = node.store.events_of(line_stream(line));
    assert!(events.iter().skip(3).all(|event| event.personal == store::Personal::Absent));
    let refused = use_credit(&node.commands, &caller(), None, using(line, "o-2", "1.00")).await;
    assert_eq!(refusal_code(&refused), "customer_erased");
}

#[tokio::test]
async fn a_policy_is_the_usual_one_unless_another_is_said() {
    let node = Node::start();
    let customer = business(&node, "shop").await;
    request(&node.commands, &caller(), None, wanting(customer, "100.00")).await.unwrap();
    let line = CreditLineId::of(customer, Currency::parse("EUR").unwrap());
    let euro = Currency::parse("EUR").unwrap();
    let wrong = Policy { tolerance_percent: 101, ..Policy::default_in(euro) };
    let wrong = Approve { policy: Some(wrong), ..approving(line, "100.00") };
    let refused = approve(&node.commands, &manager(), None, wrong).await;
    assert_eq!(refusal_code(&refused), "tolerance_too_high");
    let policy = Some(Policy { tolerance_percent: 10, ..Policy::default_in(euro) });
    approve(&node.commands, &manager(), None, Approve { policy, ..approving(line, "100.00") }).await.unwrap();
    assert_eq!(seen(&node, line).await.figures.ceiling, eur("110.00"));
}
