//! What is owed on lines that are over, money that is paid out, and answers to who asks once more.

use crate::credit::{available, business, delete, key, line, put, uses};
use crate::support::World;
use crate::support::world::Answer;
use commands::credit::deciding::{Approve, RequestCredit, approve, request};
use commands::credit::orders::{UseCredit, use_credit};
use commands::credit::payments::{ApplyPayment, apply};
use commands::credit::standing::{Close, close};
use commands::{Caller, Commands, Scope};
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::terms::Terms;
use domain::ids::{CreditLineId, CustomerId, OrderId, PaymentId, ReasonCode};
use domain::{Currency, Money};
use reqwest::Method;
use serde_json::json;

fn eur(amount: &str) -> Money {
    Money::parse(amount, Currency::parse("EUR").expect("a currency")).expect("an amount")
}

async fn pays(world: &World, line: &str, payment: &str, amount: &str) -> Answer {
    world.post(&format!("{line}/payments"), json!({"payment_id": payment, "amount": amount, "currency": "EUR"})).await
}

async fn bounces(world: &World, line: &str, payment: &str) -> Answer {
    world.post(&format!("{line}/payments/{payment}/reverse"), json!({"reason": "bounced"})).await
}

async fn refunds(world: &World, line: &str, refund: &str, amount: &str) -> Answer {
    let body = json!({"refund_id": refund, "amount": amount, "currency": "EUR", "reason": "overpaid"});
    world.post(&format!("{line}/refunds"), body).await
}

async fn closes(world: &World, line: &str) -> Answer {
    world.post(&format!("{line}/close"), json!({"reason": "moved"})).await
}

#[tokio::test]
async fn a_line_that_was_closed_is_paid_and_owed_and_paid_out() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    uses(&world, &line, "o-1", "60.00").await;
    assert_eq!(pays(&world, &line, "p-1", "70.00").await.body["unapplied"], "10.00");
    assert_eq!(closes(&world, &line).await.refusal(), "409 credit_in_use");
    let refunded = refunds(&world, &line, "r-1", "10.00").await;
    assert_eq!((refunded.status, &refunded.body["unapplied"]), (201, &json!("0.00")), "{}", refunded.body);
    assert_eq!(refunds(&world, &line, "r-1", "10.00").await.status, 200, "paid out once");
    let otherwise = refunds(&world, &line, "r-1", "9.00").await;
    assert_eq!(otherwise.refusal(), "409 refund_already_made /refund_id refund_already_made");
    let too_much = refunds(&world, &line, "r-2", "0.01").await;
    assert_eq!(too_much.refusal(), "422 refund_exceeds_unapplied /amount refund_exceeds_unapplied");
    assert_eq!(too_much.body["unapplied"]["amount"], "0.00");
    assert_eq!(closes(&world, &line).await.status, 200);

    let bounced = bounces(&world, &line, "p-1").await;
    let restored = json!([{"order_id": "o-1", "amount": "60.00"}]);
    assert_eq!((bounced.status, &bounced.body["restored"]), (201, &restored), "{}", bounced.body);
    let position = bounced.position.expect("a position");
    let shown = world.get(&format!("{line}?min_position={position}")).await.body;
    let told = ["status", "used", "unapplied", "available"].map(|field| shown[field].clone());
    assert_eq!(
        told,
        ["closed", "60.00", "-10.00", "-70.00"].map(|text| json!(text)),
        "what was paid out is owed, too: {shown}"
    );
    let seen = available(&world, &line, "1.00").await;
    assert_eq!((&seen["used"], &seen["reason"]), (&json!("60.00"), &json!("credit_closed")), "{seen}");
    assert_eq!(uses(&world, &line, "o-2", "1.00").await.refusal(), "409 credit_closed");

    let paid = pays(&world, &line, "p-2", "70.00").await;
    assert_eq!((paid.status, &paid.body["unapplied"]), (201, &json!("10.00")), "{}", paid.body);
    let position = paid.position.expect("a position");
    let moved = world.get(&format!("{line}/movements?min_position={position}")).await.body;
    let told: Vec<_> = moved["items"].as_array().expect("a list").iter().map(|row| row["kind"].as_str()).collect();
    assert_eq!(
        told.into_iter().flatten().collect::<Vec<_>>(),
        ["paid", "received", "reversed", "refunded", "paid", "received", "used"]
    );
    assert_eq!(moved["items"][0]["balance"], "0.00");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

/// Bought, paid and closed long enough ago for what was bought to be late.
async fn closed_long_ago(till: &(Commands, Caller), shop: &str) -> CreditLineId {
    let (commands, clerk) = till;
    let manager = Caller { actor: "manager".to_owned(), ..clerk.clone() };
    let customer = CustomerId::parse(shop).expect("an id");
    let line = CreditLineId::of(customer, eur("0.00").currency());
    let asked = RequestCredit { customer, amount: eur("100.00"), financials: Financials::default() };
    request(commands, clerk, None, asked).await.expect("asked");
    let (terms, note) = (Terms::of_days(30).expect("days"), CreditNote::default());
    let given = Approve { line, limit: eur("100.00"), terms, policy: None, note: note.clone() };
    approve(commands, &manager, None, given).await.expect("given");
    let order = OrderId::parse("o-1").expect("an order");
    let bought = UseCredit { line, order, amount: eur("40.00"), invoice: None, override_reason: None };
    use_credit(commands, clerk, None, bought).await.expect("bought");
    let payment = PaymentId::parse("p-1").expect("a payment");
    let paid = ApplyPayment { line, payment, amount: eur("40.00"), orders: vec![], received_at: None };
    apply(commands, clerk, None, paid).await.expect("paid");
    let shut = Close { line, reason: ReasonCode::parse("moved").expect("a reason"), note };
    close(commands, clerk, None, shut).await.expect("closed");
    line
}

#[tokio::test]
async fn who_owes_on_a_line_that_is_over_is_reminded_unless_deleted_or_erased() {
    let world = World::with_background().await;
    let shops = [business(&world, "one").await, business(&world, "two").await, business(&world, "three").await];
    let (commands, clerk) = world.till_ago(60 * 24 * 50).await;
    let till = (commands, Caller { scopes: vec![Scope::Admin], ..clerk });
    let mut lines = vec![];
    for shop in &shops {
        let line = format!("/v1/credit-lines/{}", closed_long_ago(&till, shop).await);
        assert_eq!(bounces(&world, &line, "p-1").await.status, 201);
        lines.push(line);
    }
    let [_, deleted, erased] = &shops;
    let path = format!("/v1/customers/{deleted}");
    assert_eq!(delete(&world, &path).await.refusal(), "409 credit_open");
    assert_eq!(delete(&world, &format!("{path}?force_credit=true")).await.status, 200);
    assert_eq!(world.post(&format!("/v1/customers/{erased}/erase"), json!({})).await.status, 200);
    let head = world.head().await;
    world.get(&format!("/v1/customers/{deleted}?min_position={head}")).await;
    world.get(&format!("{}?min_position={head}", lines[0])).await;
    let ran = |job: &str| world.run_json(&["jobs", "run", job, "--json"])["changed"].clone();
    assert_eq!(ran("credit_overdue"), 3, "what is late is told of all");
    let head = world.head().await;
    let late = world.get(&format!("{}?min_position={head}", lines[0])).await.body;
    assert_eq!((&late["status"], &late["overdue"]), (&json!("closed"), &json!("40.00")));
    assert_eq!(ran("credit_dunning"), 1);
    for line in &lines {
        assert_eq!(pays(&world, line, "p-2", "40.00").await.status, 201, "and all may pay");
    }
}

#[tokio::test]
async fn who_asks_once_more_is_told_what_is_known() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    assert_eq!(pays(&world, &line, "p-0", "5.00").await.body["unapplied"], "5.00");
    assert_eq!(uses(&world, &line, "o-1", "60.00").await.body["paid"], "5.00");
    let again = uses(&world, &line, "o-1", "60.00").await;
    assert_eq!((again.status, &again.body["paid"]), (200, &json!("5.00")), "the log knows: {}", again.body);
    let other = json!({"order_id": "o-1", "amount": "60.00", "currency": "EUR", "invoice_id": "inv-1"});
    let other = world.post(&format!("{line}/uses"), other).await;
    assert_eq!((other.status, &other.body["paid"], &other.body["due_on"]), (200, &json!(null), &again.body["due_on"]));
    let first = pays(&world, &line, "p-1", "10.00").await;
    assert_eq!((first.status, first.body.get("reversed")), (201, None), "{}", first.body);
    let again = pays(&world, &line, "p-1", "10.00").await;
    assert_eq!((again.status, again.body.get("reversed")), (200, None), "{}", again.body);
    assert_eq!(bounces(&world, &line, "p-1").await.status, 201);
    let again = pays(&world, &line, "p-1", "10.00").await;
    assert_eq!((again.status, again.body.get("reversed")), (200, Some(&json!(true))), "{}", again.body);
}

#[tokio::test]
async fn what_no_line_can_do_is_refused_by_name() {
    let world = World::start().await;
    let (customer, line) = line(&world, "shop", "100.00").await;
    uses(&world, &line, "o-1", "60.00").await;
    let head = world.head().await;
    let names = |count: usize| (0..count).map(|number| format!("o-{number}")).collect::<Vec<_>>();
    let naming =
        |orders: &[String]| json!({"payment_id": "p-1", "amount": "1.00", "currency": "EUR", "order_ids": orders});
    for (orders, code) in [(names(1_001), "too_many_orders"), (vec!["o-1".to_owned(); 2], "order_named_twice")] {
        let refusal = format!("422 {code} /order_ids {code}");
        assert_eq!(world.post(&format!("{line}/payments"), naming(&orders)).await.refusal(), refusal);
        let unapplied = world.post(&format!("{line}/unapplied/apply"), json!({"order_ids": orders})).await;
        assert_eq!(unapplied.refusal(), refusal);
    }
    let policy = json!({"currency": "EUR", "policy": {"tolerance_percent": 0, "counts": "invoices", "review_on": "2026-01-31",
        "overdue_block": {"minimum": "0.00", "grace_days": 0}, "suspend_when_overdue": false, "dunning": []}});
    let past = put(&world, &format!("{line}/policy"), Some(policy)).await;
    assert_eq!(past.refusal(), "422 review_not_ahead /policy/review_on review_not_ahead");
    assert_eq!(world.head().await, head, "nothing has changed");

    let asked = json!({"amount": "50.00", "currency": "USD"});
    let asked = world.post(&format!("/v1/customers/{customer}/credit-lines"), asked).await;
    let dollars = format!("/v1/credit-lines/{}", asked.body["line_id"].as_str().expect("an id"));
    let path = format!("/v1/customers/{customer}");
    let person = world.ask_as(Some(world.key()), Method::PATCH, &path, Some(json!({"kind": "individual"}))).await;
    assert_eq!(person.status, 200, "{}", person.body);
    let manager = key(&world, &["credit:approve"]);
    let given = json!({"limit": "50.00", "currency": "USD", "term_days": 30});
    let given = world.ask_as(Some(&manager), Method::POST, &format!("{dollars}/approve"), Some(given)).await;
    assert_eq!(given.refusal(), "422 business_only");
    let group = json!({"parent_id": customer, "limit": "1.00", "currency": "EUR"});
    assert_eq!(world.post("/v1/credit-groups", group).await.refusal(), "422 business_only");
}
