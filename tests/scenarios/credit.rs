//! Commercial credit from a caller's point of view: asked for, given, used by many at once, paid, refused.

use crate::support::World;
use crate::support::world::Answer;
use commands::Scope;
use commands::credit::deciding::{Approve, RequestCredit, approve, request};
use commands::credit::orders::{UseCredit, use_credit};
use domain::credit::financials::{CreditNote, Financials};
use domain::credit::terms::Terms;
use domain::ids::{CreditLineId, CustomerId, OrderId};
use domain::{Currency, Money};
use futures::StreamExt;
use futures::stream;
use reqwest::Method;
use serde_json::{Value, json};

/// So many requests are under way at once.
const AT_ONCE: usize = 64;

/// A key that may do this, of somebody else than the administrator.
pub(crate) fn key(world: &World, scopes: &[&str]) -> String {
    let scopes = scopes.iter().flat_map(|scope| ["--scope", scope]);
    let words: Vec<_> = ["key", "create", "test", "--json"].into_iter().chain(scopes).collect();
    world.run_json(&words)["key"].as_str().expect("the key is told once").to_owned()
}

pub(crate) async fn business(world: &World, name: &str) -> String {
    let emails = [format!("{name}@example.com")];
    let body = json!({"kind": "business", "company": format!("{name} S.L."), "emails": emails});
    let registered = world.post("/v1/customers", body).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    registered.body["customer_id"].as_str().expect("an id").to_owned()
}

/// A line that was asked for with the admin key and given by somebody else.
pub(crate) async fn line(world: &World, name: &str, limit: &str) -> (String, String) {
    let (customer, manager) = (business(world, name).await, key(world, &["credit:approve"]));
    let asked = json!({"amount": limit, "currency": "EUR"});
    let asked = world.post(&format!("/v1/customers/{customer}/credit-lines"), asked).await;
    assert_eq!(asked.status, 201, "{}", asked.body);
    let line = format!("/v1/credit-lines/{}", asked.body["line_id"].as_str().expect("an id"));
    let terms = json!({"limit": limit, "currency": "EUR", "term_days": 30});
    let given = world.ask_as(Some(&manager), Method::POST, &format!("{line}/approve"), Some(terms)).await;
    assert_eq!((given.status, &given.body["changed"]), (200, &json!(true)), "{}", given.body);
    (customer, line)
}

pub(crate) async fn uses(world: &World, line: &str, order: &str, amount: &str) -> Answer {
    world.post(&format!("{line}/uses"), json!({"order_id": order, "amount": amount, "currency": "EUR"})).await
}

pub(crate) async fn put(world: &World, path: &str, body: Option<Value>) -> Answer {
    world.ask_as(Some(world.key()), Method::PUT, path, body).await
}

pub(crate) async fn delete(world: &World, path: &str) -> Answer {
    world.ask_as(Some(world.key()), Method::DELETE, path, None).await
}

pub(crate) async fn available(world: &World, line: &str, amount: &str) -> Value {
    let seen = world.get(&format!("{line}/availability?amount={amount}&currency=EUR")).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    seen.body
}

/// How many events of a type the audit trail has.
async fn recorded(world: &World, kind: &str) -> usize {
    let (mut count, mut cursor) = (0, String::new());
    let head = world.head().await;
    loop {
        let path = format!("/v1/audit/events?type={kind}&limit=200&min_position={head}{cursor}");
        let page = world.get(&path).await;
        assert_eq!(page.status, 200, "{}", page.body);
        count += page.body["items"].as_array().expect("a list").len();
        match page.body["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return count,
        }
    }
}

/// By how much the rows of a statement changed what is owed, in cents.
fn changes(rows: &[&str]) -> i64 {
    rows.iter().filter_map(|row| row.split(',').nth(9)?.replace('.', "").parse::<i64>().ok()).sum()
}

fn count(answers: &[Answer], status: u16) -> usize {
    answers.iter().filter(|answer| answer.status == status).count()
}

#[tokio::test]
async fn flow_3_credit_approval() {
    let world = World::start().await;
    let shop = business(&world, "shop").await;
    let body = json!({"amount": "12000.00", "currency": "EUR", "financials": {
        "annual_revenue": "640000.00", "equity": "81000.00", "net_income": "-1200.00", "employees": 12,
        "years_in_business": 7, "credit_bureau_score": "B+ 612", "references": "Mayoristas del Sur", "note": "second shop",
    }});
    let asked = world.post(&format!("/v1/customers/{shop}/credit-lines"), body.clone()).await;
    assert_eq!((asked.status, &asked.body["customer_id"]), (201, &json!(shop)), "{}", asked.body);
    let again = world.post(&format!("/v1/customers/{shop}/credit-lines"), body).await;
    assert_eq!((again.status, &again.body["line_id"]), (200, &asked.body["line_id"]));
    let line = format!("/v1/credit-lines/{}", asked.body["line_id"].as_str().expect("an id"));
    let waiting = available(&world, &line, "100.00").await;
    assert_eq!((&waiting["verdict"], &waiting["reason"]), (&json!("refused"), &json!("credit_not_approved")));

    let terms = json!({"limit": "10000.00", "currency": "EUR", "term_days": 30});
    let own = world.post(&format!("{line}/approve"), terms.clone()).await;
    assert_eq!(own.refusal(), "422 approver_is_requester");
    let manager = key(&world, &["credit:approve"]);
    let given = world.ask_as(Some(&manager), Method::POST, &format!("{line}/approve"), Some(terms)).await;
    assert_eq!((given.status, &given.body["changed"]), (200, &json!(true)), "{}", given.body);

    let position = given.position.expect("a position");
    let told = world.get(&format!("/v1/customers/{shop}/timeline?min_position={position}")).await;
    assert!(told.body.to_string().contains("credit.approved"), "who sends messages hears of it: {}", told.body);
    let seen = available(&world, &line, "10000.00").await;
    assert_eq!(
        (&seen["verdict"], &seen["available"], &seen["limit"]),
        (&json!("passes"), &json!("10000.00"), &json!("10000.00"))
    );
    let beyond = available(&world, &line, "10000.01").await;
    assert_eq!((&beyond["reason"], &beyond["bound"]), (&json!("credit_limit_exceeded"), &json!("line")));

    let of_customer = format!("/v1/customers/{shop}/credit-lines/availability?amount=1.00&currency");
    let seen = world.get(&format!("{of_customer}=EUR")).await;
    assert_eq!((seen.status, &seen.body["line_id"]), (200, &asked.body["line_id"]), "{}", seen.body);
    assert_eq!(world.get(&format!("{of_customer}=USD")).await.refusal(), "404 credit_not_requested");
    let dollars = world.get(&format!("{line}/availability?amount=1.00&currency=USD")).await;
    assert_eq!(dollars.refusal(), "422 currency_mismatch /currency currency_mismatch");
}

#[tokio::test]
async fn flow_4_credit_purchase() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "10000.00").await;
    assert_eq!(available(&world, &line, "1200.00").await["verdict"], "passes");
    let used = uses(&world, &line, "order-7", "1200.00").await;
    assert_eq!((used.status, &used.body["paid"]), (201, &json!("0.00")), "{}", used.body);
    let today = chrono::NaiveDate::parse_from_str(used.body["due_on"].as_str().expect("a day"), "%Y-%m-%d");
    let today = today.expect("a day") - chrono::TimeDelta::days(30);
    let now = chrono::DateTime::from_timestamp(super::access::since_epoch().as_secs().cast_signed(), 0).expect("now");
    assert!((now.date_naive() - today).num_days().abs() <= 1, "due in thirty days: {}", used.body);
    let again = uses(&world, &line, "order-7", "1200.00").await;
    assert_eq!((again.status, &again.body["due_on"], again.position), (200, &used.body["due_on"], used.position));
    assert_eq!(available(&world, &line, "1.00").await["available"], "8800.00");

    let payment = json!({"payment_id": "p-1", "amount": "1500.00", "currency": "EUR", "order_ids": ["order-7"]});
    let paid = world.post(&format!("{line}/payments"), payment.clone()).await;
    let of_it = json!([{"order_id": "order-7", "amount": "1200.00", "outstanding": "0.00"}]);
    assert_eq!(
        (paid.status, &paid.body["paid"], &paid.body["unapplied"]),
        (201, &of_it, &json!("300.00")),
        "{}",
        paid.body
    );
    assert_eq!(world.post(&format!("{line}/payments"), payment).await.status, 200, "applied once");
    let seen = available(&world, &line, "1.00").await;
    assert_eq!(
        (&seen["used"], &seen["unapplied"], &seen["available"]),
        (&json!("0.00"), &json!("300.00"), &json!("10300.00"))
    );
    let next = uses(&world, &line, "order-8", "500.00").await;
    assert_eq!((next.status, &next.body["paid"]), (201, &json!("300.00")), "what came in before pays: {}", next.body);
    let bounced = world.post(&format!("{line}/payments/p-1/reverse"), json!({"reason": "bounced"})).await;
    assert_eq!(bounced.status, 201, "{}", bounced.body);
    assert_eq!(available(&world, &line, "1.00").await["used"], "1700.00");
}

#[tokio::test]
async fn a_thousand_orders_at_once_use_no_more_than_the_limit_and_each_refusal_is_recorded() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    let orders = stream::iter(0..1_000).map(|order| {
        let (world, line) = (&world, &line);
        async move { uses(world, line, &format!("order-{order}"), "1.00").await }
    });
    let answers: Vec<_> = orders.buffer_unordered(AT_ONCE).collect().await;
    assert_eq!((count(&answers, 201), count(&answers, 422)), (100, 900));
    let refused = answers.iter().find(|answer| answer.status == 422).expect("one");
    assert_eq!(
        (refused.refusal().as_str(), &refused.body["available"]["amount"]),
        ("422 credit_limit_exceeded /amount credit_limit_exceeded", &json!("0.00"))
    );
    assert_eq!((recorded(&world, "credit.used").await, recorded(&world, "credit.limit.exceeded").await), (100, 900));
    let seen = available(&world, &line, "0.01").await;
    assert_eq!((&seen["used"], &seen["available"]), (&json!("100.00"), &json!("0.00")));
}

#[tokio::test]
async fn what_does_not_fit_is_answered_again_by_its_key_and_recorded_anew_without() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    let body = json!({"order_id": "o-1", "amount": "100.01", "currency": "EUR"});
    let path = format!("{line}/uses");
    let first = world.post_keyed(&path, "till-1", body.clone()).await;
    assert_eq!(first.refusal(), "422 credit_limit_exceeded /amount credit_limit_exceeded");
    let raised = json!({"limit": "200.00", "currency": "EUR", "reason": "review"});
    assert_eq!(put(&world, &format!("{line}/limit"), Some(raised)).await.status, 200);
    let again = world.post_keyed(&path, "till-1", body.clone()).await;
    assert_eq!((again.refusal(), &again.body["available"]), (first.refusal(), &first.body["available"]));
    assert_eq!(recorded(&world, "credit.limit.exceeded").await, 1);
    assert_eq!(world.post(&path, body).await.status, 201, "asked anew it fits by now");
}

#[tokio::test]
async fn members_of_a_group_together_use_no_more_than_its_limit() {
    let world = World::start().await;
    let (parent, one) = line(&world, "parent", "60.00").await;
    let (_, two) = line(&world, "branch", "60.00").await;
    let formed = json!({"parent_id": parent, "limit": "90.00", "currency": "EUR"});
    let formed = world.post("/v1/credit-groups", formed).await;
    assert_eq!(formed.status, 201, "{}", formed.body);
    let group = format!("/v1/credit-groups/{}", formed.body["group_id"].as_str().expect("an id"));
    let member = |line: &str| format!("{group}/members/{}", line.rsplit('/').next().expect("an id"));
    for line in [&one, &two] {
        let added = put(&world, &member(line), None).await;
        assert_eq!((added.status, &added.body["changed"]), (200, &json!(true)), "{}", added.body);
    }
    let orders = stream::iter(0..200).map(|order| {
        let (world, line) = (&world, [&one, &two][order % 2]);
        async move { uses(world, line, &format!("order-{order}"), "1.00").await }
    });
    let answers: Vec<_> = orders.buffer_unordered(AT_ONCE).collect().await;
    assert_eq!((count(&answers, 201), count(&answers, 422)), (90, 110));
    let (first, second) = (available(&world, &one, "0.01").await, available(&world, &two, "0.01").await);
    let minor = |seen: &Value| seen["used"].as_str().and_then(|used| used.replace('.', "").parse::<i64>().ok());
    assert_eq!(minor(&first).zip(minor(&second)).map(|(one, two)| one + two), Some(9_000), "{first} {second}");
    assert_eq!(recorded(&world, "credit.limit.exceeded").await, 110);

    assert_eq!(delete(&world, &group).await.refusal(), "409 credit_group_has_members");
    let more = json!({"limit": "100.00", "currency": "EUR", "reason": "season"});
    assert_eq!(put(&world, &format!("{group}/limit"), Some(more)).await.status, 200);
    for line in [&one, &two] {
        assert_eq!(delete(&world, &member(line)).await.status, 200);
    }
    assert_eq!(delete(&world, &group).await.status, 200);
    assert_eq!(put(&world, &member(&one), None).await.refusal(), "409 credit_group_dissolved");
}

#[tokio::test]
async fn an_order_is_held_captured_voided_and_given_back() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    let holds = format!("{line}/holds");
    let body = json!({"order_id": "o-1", "amount": "80.00", "currency": "EUR"});
    let held = world.post(&holds, body.clone()).await;
    assert_eq!(held.status, 201, "{}", held.body);
    let again = world.post(&holds, body).await;
    assert_eq!((again.status, &again.body["hold_id"]), (200, &held.body["hold_id"]));
    assert_eq!(uses(&world, &line, "o-1", "80.00").await.refusal(), "409 order_held");
    assert_eq!(available(&world, &line, "1.00").await["held"], "80.00");
    let hold = format!("{holds}/{}", held.body["hold_id"].as_str().expect("an id"));
    let too_much = json!({"order_id": "o-1", "amount": "80.01", "currency": "EUR"});
    let too_much = world.post(&format!("{hold}/capture"), too_much).await;
    assert_eq!(too_much.refusal(), "422 capture_exceeds_hold /amount capture_exceeds_hold");
    let shipped = json!({"order_id": "o-1", "amount": "70.00", "currency": "EUR", "invoice_id": "2026/77"});
    let captured = world.post(&format!("{hold}/capture"), shipped.clone()).await;
    assert_eq!((captured.status, &captured.body["hold_id"]), (201, &held.body["hold_id"]), "{}", captured.body);
    assert_eq!(world.post(&format!("{hold}/capture"), shipped).await.status, 200);
    assert_eq!(world.post(&format!("{hold}/void"), json!({})).await.refusal(), "409 hold_over");
    let other = world.post(&holds, json!({"order_id": "o-2", "amount": "30.00", "currency": "EUR"})).await;
    let other = format!("{holds}/{}/void", other.body["hold_id"].as_str().expect("an id"));
    assert_eq!((world.post(&other, json!({})).await.status, world.post(&other, json!({})).await.status), (201, 200));
    let back = json!({"release_id": "cn-1", "amount": "20.00", "currency": "EUR", "reason": "returned"});
    let back = world.post(&format!("{line}/uses/o-1/releases"), back).await;
    assert_eq!((back.status, &back.body["outstanding"]), (201, &json!("50.00")), "{}", back.body);
    assert_eq!(available(&world, &line, "1.00").await["available"], "50.00");
}

#[tokio::test]
async fn bad_input_is_refused_by_name_and_changes_nothing() {
    let world = World::start().await;
    let (customer, line) = line(&world, "shop", "100.00").await;
    uses(&world, &line, "o-1", "10.00").await;
    let payment = |id: &str, amount: &str| json!({"payment_id": id, "amount": amount, "currency": "EUR"});
    assert_eq!(world.post(&format!("{line}/payments"), payment("p-1", "5.00")).await.status, 201);
    let head = world.head().await;
    let order = |amount: &str, currency: &str| json!({"order_id": "o-2", "amount": amount, "currency": currency});
    let approved = |days: i64| json!({"limit": "10.00", "currency": "EUR", "term_days": days});
    let named = json!({"payment_id": "p-2", "amount": "5.00", "currency": "EUR", "order_ids": ["o-9"]});
    let terms = |days: i64| json!({"term_days": days, "reason": "asked"});
    let unknown = "/v1/credit-lines/018f0000-0000-7000-8000-000000000001";
    let soon = json!({"case_id": "c-1", "amount": "5.00", "currency": "EUR", "expires_on": "2020-01-01"});
    let back = json!({"release_id": "r-1", "amount": "10.01", "currency": "EUR", "reason": "returned"});
    let cases = [
        (format!("{line}/uses"), order("1.001", "EUR"), "422 validation_failed /amount too_many_decimals"),
        (format!("{line}/uses"), order("1.00", "USD"), "422 currency_mismatch /currency currency_mismatch"),
        (format!("{line}/uses"), order("0.00", "EUR"), "422 amount_not_positive /amount amount_not_positive"),
        (format!("{line}/uses"), order("-1", "EUR"), "422 amount_not_positive /amount amount_not_positive"),
        (
            format!("{line}/uses"),
            json!({"order_id": "o-1", "amount": "11.00", "currency": "EUR"}),
            "409 order_already_charged",
        ),
        (format!("{line}/holds"), order("1.00", "YEN"), "422 validation_failed /currency unknown_currency"),
        (
            format!("{line}/payments"),
            payment("p-1", "6.00"),
            "409 payment_already_applied /payment_id payment_already_applied",
        ),
        (format!("{line}/payments"), named, "404 unknown_order"),
        (format!("{line}/payments/p-9/reverse"), json!({"reason": "bounced"}), "404 payment_not_found"),
        (format!("{line}/uses/o-9/releases"), back.clone(), "404 unknown_order"),
        (format!("{line}/uses/o-1/releases"), back, "422 release_exceeds_use /amount release_exceeds_use"),
        (format!("{line}/approve"), approved(0), "422 validation_failed /term_days invalid_term"),
        (format!("{line}/approve"), approved(366), "422 validation_failed /term_days invalid_term"),
        (format!("{line}/temporary"), soon, "422 expiry_not_ahead /expires_on expiry_not_ahead"),
        (format!("{line}/close"), json!({"reason": "over"}), "409 credit_in_use"),
        (format!("{unknown}/uses"), order("1.00", "EUR"), "404 credit_not_requested"),
        (
            format!("/v1/customers/{customer}/credit-lines"),
            json!({"amount": "9", "currency": "EUR"}),
            "409 credit_already_open",
        ),
    ];
    for (path, body, refusal) in cases {
        assert_eq!(world.post(&path, body.clone()).await.refusal(), refusal, "{path} {body}");
    }
    assert_eq!(
        put(&world, &format!("{line}/terms"), Some(terms(0))).await.refusal(),
        "422 validation_failed /term_days invalid_term"
    );
    let person = world.member("ana@example.com").await;
    let head_with_person = world.head().await;
    let asked = json!({"amount": "9.00", "currency": "EUR"});
    let asked = world.post(&format!("/v1/customers/{person}/credit-lines"), asked).await;
    assert_eq!(asked.refusal(), "422 business_only");
    assert_eq!(world.get(&format!("{line}/availability?amount=1.001&currency=EUR")).await.status, 400);
    assert!(head_with_person > head && world.head().await == head_with_person, "nothing has changed");
}

#[tokio::test]
async fn a_suspended_line_buys_nothing_and_an_override_is_recorded() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    assert_eq!(world.post(&format!("{line}/suspend"), json!({"note": "cheques bounce"})).await.status, 200);
    assert_eq!(uses(&world, &line, "o-1", "1.00").await.refusal(), "409 credit_suspended");
    let forced = json!({"order_id": "o-1", "amount": "1.00", "currency": "EUR", "override": {"reason": "agreed"}});
    let clerk = key(&world, &["credit:write"]);
    let refused = world.ask_as(Some(&clerk), Method::POST, &format!("{line}/uses"), Some(forced.clone())).await;
    assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!("credit:approve")));
    assert_eq!(world.post(&format!("{line}/uses"), forced).await.status, 201);
    assert_eq!(world.post(&format!("{line}/resume"), json!({"cause": "by_hand"})).await.status, 200);
    assert_eq!(uses(&world, &line, "o-2", "1.00").await.status, 201);
    let case = format!("{line}/dunning/pauses/case-1");
    assert_eq!((put(&world, &case, None).await.status, delete(&world, &case).await.status), (200, 200));
    let policy = json!({"currency": "EUR", "policy": {"tolerance_percent": 10, "counts": "invoices",
        "overdue_block": {"minimum": "0.00", "grace_days": 0}, "suspend_when_overdue": false,
        "dunning": [{"after_days": 3, "minimum": "5.00", "channels": ["email", "phone"]}]}});
    assert_eq!(put(&world, &format!("{line}/policy"), Some(policy)).await.status, 200);
    assert_eq!(available(&world, &line, "1.00").await["ceiling"], "110.00");
    let extra = json!({"case_id": "c-1", "amount": "50.00", "currency": "EUR", "expires_on": "2999-01-01"});
    assert_eq!(world.post(&format!("{line}/temporary"), extra).await.status, 201);
    assert_eq!(available(&world, &line, "1.00").await["ceiling"], "160.00");
    assert_eq!(world.post(&format!("{line}/temporary/c-1/settle"), json!({})).await.status, 200);
    assert_eq!(available(&world, &line, "1.00").await["ceiling"], "110.00");
}

#[tokio::test]
async fn an_overdue_line_buys_nothing_until_it_is_paid() {
    let world = World::start().await;
    let shop = business(&world, "shop").await;
    let (commands, clerk) = world.till_ago(60 * 24 * 50).await;
    let clerk = commands::Caller { scopes: vec![Scope::Admin], ..clerk };
    let manager = commands::Caller { actor: "manager".to_owned(), ..clerk.clone() };
    let (customer, euro) = (CustomerId::parse(&shop).expect("an id"), Currency::parse("EUR").expect("a currency"));
    let (line, eur) = (CreditLineId::of(customer, euro), |text: &str| Money::parse(text, euro).expect("an amount"));
    let asked = RequestCredit { customer, amount: eur("100.00"), financials: Financials::default() };
    request(&commands, &clerk, None, asked).await.expect("asked");
    let (terms, note) = (Terms::of_days(30).expect("days"), CreditNote::default());
    let given = Approve { line, limit: eur("100.00"), terms, policy: None, note };
    approve(&commands, &manager, None, given).await.expect("given");
    let order = OrderId::parse("o-1").expect("an order");
    let bought = UseCredit { line, order, amount: eur("40.00"), invoice: None, override_reason: None };
    use_credit(&commands, &clerk, None, bought).await.expect("bought");

    let line = format!("/v1/credit-lines/{line}");
    assert_eq!(uses(&world, &line, "o-2", "1.00").await.refusal(), "409 credit_overdue");
    let seen = available(&world, &line, "1.00").await;
    assert_eq!((&seen["overdue"], &seen["reason"]), (&json!("40.00"), &json!("credit_overdue")));
    let paid = world
        .post(&format!("{line}/payments"), json!({"payment_id": "p-1", "amount": "40.00", "currency": "EUR"}))
        .await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    assert_eq!(uses(&world, &line, "o-2", "1.00").await.status, 201);
}

#[tokio::test]
async fn a_customer_with_open_credit_is_not_deleted_or_merged_unseen() {
    let world = World::start().await;
    let (shop, line_of_shop) = line(&world, "shop", "100.00").await;
    let other = business(&world, "other").await;
    uses(&world, &line_of_shop, "o-1", "40.00").await;
    let path = format!("/v1/customers/{shop}");
    let refused = delete(&world, &path).await;
    assert_eq!(
        (refused.refusal().as_str(), &refused.body["outstanding"]["amount"]),
        ("409 credit_open", &json!("40.00"))
    );
    let clerk = key(&world, &["customers:write"]);
    let forced = format!("{path}?force_credit=true");
    let forbidden = world.ask_as(Some(&clerk), Method::DELETE, &forced, None).await;
    assert_eq!(forbidden.refusal(), "403 scope_missing");
    let merges = format!("/v1/customers/{other}/merges");
    let merged = world.post(&merges, json!({"duplicate_id": shop})).await;
    assert_eq!(
        (merged.refusal().as_str(), &merged.body["line"]),
        ("409 duplicate_has_credit", &json!(line_of_shop.rsplit('/').next()))
    );
    assert!(merged.body["detail"].as_str().is_some_and(|detail| detail.contains("other way round")), "{}", merged.body);
    let (both, _) = line(&world, "both", "100.00").await;
    let merged = world.post(&format!("/v1/customers/{both}/merges"), json!({"duplicate_id": shop})).await;
    assert_eq!(merged.refusal(), "409 both_have_credit");
    assert_eq!(delete(&world, &forced).await.status, 200);
    assert_eq!(uses(&world, &line_of_shop, "o-2", "1.00").await.refusal(), "409 customer_deleted");
    let payment = json!({"payment_id": "p-1", "amount": "40.00", "currency": "EUR"});
    assert_eq!(world.post(&format!("{line_of_shop}/payments"), payment).await.status, 201);
    let survivor = world.post(&format!("/v1/customers/{both}/merges"), json!({"duplicate_id": other})).await;
    assert_eq!(survivor.status, 201, "a survivor's line stays: {}", survivor.body);
}

#[tokio::test]
async fn who_was_erased_pays_what_is_owed() {
    let world = World::start().await;
    let (shop, line) = line(&world, "shop", "100.00").await;
    uses(&world, &line, "o-1", "40.00").await;
    let erased = world.post(&format!("/v1/customers/{shop}/erase"), json!({})).await;
    assert_eq!(erased.status, 200, "{}", erased.body);
    assert_eq!(uses(&world, &line, "o-2", "1.00").await.refusal(), "409 customer_erased");
    let suspended = world.post(&format!("{line}/suspend"), json!({"note": "does not pay"})).await;
    assert_eq!(suspended.status, 200, "nothing personal is written any more: {}", suspended.body);
    let payment = json!({"payment_id": "p-1", "amount": "40.00", "currency": "EUR"});
    assert_eq!(world.post(&format!("{line}/payments"), payment).await.status, 201);
    assert_eq!(available(&world, &line, "1.00").await["reason"], "customer_erased");
    assert_eq!(world.post(&format!("{line}/close"), json!({"reason": "over"})).await.status, 200);
}

#[tokio::test]
async fn each_call_asks_for_its_scope_and_another_tenants_line_is_none() {
    let world = World::start().await;
    let (shop, line) = line(&world, "shop", "100.00").await;
    let (reader, clerk, manager) =
        (key(&world, &["credit:read"]), key(&world, &["credit:write"]), key(&world, &["credit:approve"]));
    let order = json!({"order_id": "o-1", "amount": "1.00", "currency": "EUR"});
    let limit = json!({"limit": "90.00", "currency": "EUR", "reason": "review"});
    let calls = [
        (Method::GET, format!("{line}/availability?amount=1.00&currency=EUR"), None, "credit:read"),
        (
            Method::POST,
            format!("/v1/customers/{shop}/credit-lines"),
            Some(json!({"amount": "1", "currency": "USD"})),
            "credit:write",
        ),
        (Method::POST, format!("{line}/uses"), Some(order.clone()), "credit:write"),
        (Method::POST, format!("{line}/unapplied/apply"), None, "credit:write"),
        (Method::PUT, format!("{line}/limit"), Some(limit), "credit:approve"),
        (Method::POST, format!("{line}/suspend"), None, "credit:approve"),
        (
            Method::POST,
            "/v1/credit-groups".to_owned(),
            Some(json!({"parent_id": shop, "limit": "1", "currency": "EUR"})),
            "credit:approve",
        ),
    ];
    for (method, path, body, scope) in calls {
        for (key, own) in [(&reader, "credit:read"), (&clerk, "credit:write"), (&manager, "credit:approve")] {
            let answer = world.ask_as(Some(key), method.clone(), &path, body.clone()).await;
            let expected = if own == scope { Value::Null } else { json!(scope) };
            assert_eq!(answer.body["scope"], expected, "{method} {path} with {own}: {}", answer.body);
            assert!(own != scope || answer.status < 300, "{method} {path}: {}", answer.body);
        }
    }
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let number = tenant["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "theirs", "--scope", "admin", "--tenant", &number, "--json"]);
    let theirs = theirs["key"].as_str().expect("a key");
    let head = world.head().await;
    for path in [format!("{line}/uses"), format!("{line}/holds")] {
        let foreign = world.ask_as(Some(theirs), Method::POST, &path, Some(order.clone())).await;
        assert_eq!(foreign.refusal(), "404 credit_not_requested");
    }
    assert_eq!(world.head().await, head);
}

#[tokio::test]
async fn what_is_owed_is_told_by_line_by_movement_and_by_age() {
    let world = World::start().await;
    let (customer, line) = line(&world, "shop", "1000.00").await;
    assert_eq!(uses(&world, &line, "order-1", "300.00").await.status, 201);
    assert_eq!(uses(&world, &line, "order-2", "200.00").await.status, 201);
    let payment = json!({"payment_id": "pay-1", "amount": "350.00", "currency": "EUR"});
    let paid = world.post(&format!("{line}/payments"), payment).await;
    assert_eq!(paid.status, 201, "{}", paid.body);
    let seen = async |path: String| {
        let sign = if path.contains('?') { '&' } else { '?' };
        let answer = world.get(&format!("{path}{sign}min_position={}", paid.position.expect("a position"))).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        answer.body
    };
    let shown = seen(line.clone()).await;
    let told = ["status", "limit", "used", "available", "unapplied", "overdue"].map(|field| shown[field].clone());
    assert_eq!(told, ["active", "1000.00", "150.00", "850.00", "0.00", "0.00"].map(|text| json!(text)), "{shown}");
    let listed = seen(format!("/v1/customers/{customer}/credit-lines")).await["items"].clone();
    let members = listed[0].as_object().expect("a line");
    assert!(members.len() > 20 && members.iter().all(|(name, value)| shown[name] == *value), "{listed} {shown}");
    assert_eq!(seen("/v1/credit-lines?status=active".to_owned()).await["items"], listed);
    assert_eq!(seen("/v1/credit-lines?status=requested".to_owned()).await["items"], json!([]));
    let before = seen(format!("{line}?at_version=3")).await;
    assert_eq!((&before["used"], &before["available"]), (&json!("300.00"), &json!("700.00")), "{before}");

    let moved = seen(format!("{line}/movements")).await;
    let moved: Vec<_> = moved["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|row| (row["kind"].clone(), row["balance"].clone()))
        .collect();
    assert_eq!(moved.last(), Some(&(json!("used"), json!("300.00"))), "{moved:?}");
    assert_eq!(moved.first().map(|row| &row.1), Some(&json!("150.00")), "{moved:?}");
    let today = shown["approved_on"].as_str().expect("a day");
    let statement = world.open(None, &format!("{line}/statement?from={today}&to={today}"), None).await;
    let statement = statement.text().await.expect("CSV");
    let rows: Vec<&str> = statement.lines().collect();
    assert_eq!(
        rows[0],
        "on,kind,order_id,invoice_id,payment_id,refund_id,due_on,received_on,amount,change,balance,currency"
    );
    assert_eq!(rows[1], format!("{today},opening,,,,,,,,,0.00,EUR"));
    assert!(
        rows[2].starts_with(&format!("{today},used,order-1,,,")) && rows[2].ends_with(",300.00,300.00,300.00,EUR"),
        "{rows:?}"
    );
    assert_eq!(rows.last().copied(), Some(format!("{today},closing,,,,,,,,,150.00,EUR").as_str()));
    assert_eq!(changes(&rows), 15_000, "they sum up to what is owed: {rows:?}");
    let turned = world.get(&format!("{line}/statement?from=2026-02-01&to=2026-01-01")).await;
    assert_eq!(turned.refusal(), "400 invalid_parameter to invalid_parameter");

    let aged = json!([{"currency": "EUR", "orders": 1, "aging": {
        "current": "150.00", "days_1_to_30": "0.00", "days_31_to_60": "0.00", "days_61_to_90": "0.00", "over_90_days": "0.00",
    }}]);
    assert_eq!(seen(format!("{line}/aging")).await["items"], aged);
    assert_eq!(seen("/v1/credit/aging".to_owned()).await["items"], aged);
    let open = seen(format!("{line}/uses")).await["items"].clone();
    let due_on = open[0]["due_on"].clone();
    let expected = json!([{"order_id": "order-2", "invoice_id": null, "amount": "200.00", "outstanding": "150.00",
        "currency": "EUR", "used_on": today, "due_on": due_on, "days_overdue": 0}]);
    assert_eq!(open, expected);
    let nowhere = "00000000-0000-7000-8000-000000000000";
    assert_eq!(world.get(&format!("/v1/credit-lines/{nowhere}")).await.refusal(), "404 credit_not_requested");
    assert_eq!(world.get(&format!("/v1/credit-lines/{nowhere}/uses")).await.refusal(), "404 credit_not_requested");
    assert_eq!(world.get(&format!("/v1/credit-groups/{nowhere}")).await.refusal(), "404 credit_group_not_found");
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}
