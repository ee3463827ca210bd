//! Customers, their purchases and what is given back.

use crate::support::World;
use crate::support::world::Answer;
use reqwest::Method;
use serde_json::{Value, json};

#[tokio::test]
async fn a_customer_registers_buys_and_sees_the_points_of_that_purchase() {
    let world = World::start().await;
    let body = json!({
        "name": "Ana Torres", "emails": ["Ana@Example.com"], "phones": ["+34612345678"],
        "references": [{"system": "erp", "reference": "A-17"}], "currency": "EUR", "loyalty": true
    });
    let registered = world.post("/v1/customers", body).await;
    assert_eq!(registered.status, 201);
    let customer = registered.body["customer_id"].as_str().unwrap().to_owned();
    assert_eq!(registered.headers["location"].to_str().unwrap(), format!("/v1/customers/{customer}"));

    let bought = world.buys(&customer, "order-1", "120.99").await;
    assert_eq!((bought.status, bought.body["points_earned"].as_i64()), (201, Some(120)));

    let loyalty = world.loyalty_at(&customer, bought.position).await;
    assert_eq!((&loyalty["balance"], &loyalty["tier"]), (&json!(120), &json!("bronze")));
    assert_eq!(loyalty["points_to_next_tier"], 880);

    for search in ["phone=%2B34612345678", "email=ana@example.com", "reference=erp:A-17"] {
        let found = world.get(&format!("/v1/customers?{search}&min_position={}", bought.position.unwrap())).await;
        assert_eq!(found.body["items"][0]["customer_id"], customer, "{search}");
        assert_eq!(found.body["items"][0]["purchase_count"], 1);
    }
    let history = world.get(&format!("/v1/customers/{customer}/events")).await;
    let kinds: Vec<_> = history.body["events"].as_array().unwrap().iter().map(|event| event["type"].clone()).collect();
    let expected =
        ["customer.created", "loyalty.account.enrolled", "customer.purchase.recorded", "loyalty.points.earned"];
    assert_eq!(kinds, expected);
}

#[tokio::test]
async fn a_tier_begins_with_the_purchase_that_reaches_it_and_counts_from_the_next_one_on() {
    let world = World::start().await;
    let customer = world.member("tier@example.com").await;
    let first = world.buys(&customer, "order-1", "1000.00").await;
    assert_eq!((&first.body["points_earned"], &first.body["tier_upgraded"]), (&json!(1_000), &json!("silver")));
    let second = world.buys(&customer, "order-2", "19.99").await;
    assert_eq!(second.body["points_earned"], 23);
    let loyalty = world.loyalty_at(&customer, second.position).await;
    assert_eq!((&loyalty["balance"], &loyalty["tier"]), (&json!(1_023), &json!("silver")));
}

#[tokio::test]
async fn a_refund_takes_back_what_the_order_earned_and_no_more_than_was_bought_is_given_back() {
    let world = World::start().await;
    let customer = world.member("refund@example.com").await;
    world.buys(&customer, "order-1", "80.00").await;
    world.buys(&customer, "order-2", "40.00").await;
    let refunds = format!("/v1/customers/{customer}/refunds");
    let part = json!({"order_id": "order-1", "refund_id": "r-1", "amount": "30.00", "currency": "EUR"});
    let given = world.post(&refunds, part.clone()).await;
    assert_eq!((given.status, &given.body["points_reversed"]), (201, &json!(30)));
    assert_eq!((&given.body["refunded"], &given.body["remaining"]), (&json!("30.00"), &json!("50.00")));

    let again = world.post(&refunds, part).await;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)));
    let too_much = json!({"order_id": "order-1", "refund_id": "r-2", "amount": "50.01", "currency": "EUR"});
    assert_eq!(
        world.post(&refunds, too_much).await.refusal(),
        "422 refund_exceeds_purchase /amount refund_exceeds_purchase"
    );
    let unknown = json!({"order_id": "order-9", "refund_id": "r-3"});
    assert_eq!(world.post(&refunds, unknown).await.refusal(), "422 order_not_refundable");

    let rest = world.post(&refunds, json!({"order_id": "order-1", "refund_id": "r-4"})).await;
    assert_eq!((&rest.body["amount"], &rest.body["remaining"]), (&json!("50.00"), &json!("0.00")));
    assert_eq!(world.loyalty_at(&customer, rest.position).await["balance"], 40);
}

#[tokio::test]
async fn an_equal_request_gets_the_first_answer_again_and_another_one_under_its_key_is_refused() {
    let world = World::start().await;
    let customer = world.member("twice@example.com").await;
    let path = format!("/v1/customers/{customer}/purchases");
    let order = json!({"order_id": "order-1", "total": "10.00", "currency": "EUR"});
    let first = world.post_keyed(&path, "till-4/77", order.clone()).await;
    let again = world.post_keyed(&path, "till-4/77", order).await;
    assert_eq!((first.status, again.status), (201, 200));
    assert_eq!((first.position, &again.body["repeated"]), (again.position, &json!(true)));
    assert_eq!(first.body["points_earned"], again.body["points_earned"]);

    let other = json!({"order_id": "order-2", "total": "10.00", "currency": "EUR"});
    let refused = world.post_keyed(&path, "till-4/77", other).await;
    assert_eq!(refused.refusal(), "409 idempotency_key_reused Idempotency-Key idempotency_key_reused");
    assert_eq!(world.loyalty_at(&customer, first.position).await["balance"], 10);
}

#[tokio::test]
async fn an_order_counts_once_whatever_the_key() {
    let world = World::start().await;
    let customer = world.member("once@example.com").await;
    let first = world.buys(&customer, "order-1", "10.00").await;
    let again = world.buys(&customer, "order-1", "10.00").await;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)));
    assert_eq!(world.head().await, first.position.unwrap(), "nothing was written");
    let other_total = world.buys(&customer, "order-1", "11.00").await;
    assert_eq!(other_total.status, 409, "{}", other_total.body);
    let earn = json!({"order_id": "order-1", "total": "10.00", "currency": "EUR"});
    let earned = world.post(&format!("/v1/customers/{customer}/loyalty/earn"), earn).await;
    assert_eq!(earned.body["points_earned"], 0, "{}", earned.body);
    assert_eq!(world.loyalty_at(&customer, first.position).await["balance"], 10);
}

#[tokio::test]
async fn an_address_belongs_to_one_customer() {
    let world = World::start().await;
    world.member("ana@example.com").await;
    let head = world.head().await;
    let same = json!({"name": "Eva", "emails": ["ANA@example.com"]});
    assert_eq!(world.post("/v1/customers", same).await.refusal(), "409 email_taken /emails/0 email_taken");
    assert_eq!(world.head().await, head);
}

/// One mailbox is one customer's, however its domain is written.
#[tokio::test]
async fn a_mailbox_is_one_customers_and_found_in_whatever_letters_its_domain_is_written() {
    let world = World::start().await;
    let ana = world.member("ana@españa.es").await;
    for email in ["ana@xn--espaa-rta.es", "ANA@ESPAÑA.es", "ana@ｅspaña.es"] {
        let taken = world.post("/v1/customers", json!({"emails": ["other@example.com", email]})).await;
        assert_eq!(taken.refusal(), "409 email_taken /emails/1 email_taken", "{email}: {}", taken.body);
        let found = world.get(&format!("/v1/customers?email={email}&min_position={}", world.head().await)).await.body;
        assert_eq!(found["items"][0]["customer_id"], json!(ana), "{email}: {found}");
    }
    assert!(world.run(&["check", "claims"]).status.success());
    let changed = world.patch(&format!("/v1/customers/{ana}"), None, json!({"emails": ["ana@example.com"]})).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    world.member("ana@xn--espaa-rta.es").await;
    assert!(world.run(&["check", "claims"]).status.success());
}

const SETTINGS: &str = "/v1/tenant/settings";

/// Settings with documents taken strictly or not, as they are put.
fn strict(strict_documents: bool) -> Value {
    json!({"strict_documents": strict_documents, "risk_weights": {}})
}

async fn puts(world: &World, key: &str, settings: Value) -> Answer {
    world.ask_as(Some(key), Method::PUT, SETTINGS, Some(settings)).await
}

fn with_document(number: &str) -> Value {
    json!({"name": "Ana", "documents": [{"kind": "dni", "number": number}]})
}

/// Codes and places of the warnings of an answer.
fn warned(body: &Value) -> Vec<String> {
    let told = |warning: &Value| format!("{} {}", warning["code"], warning["pointer"]).replace('"', "");
    body["warnings"].as_array().into_iter().flatten().map(told).collect()
}

/// A tenant of its own, and a key of it that may do all.
fn another_tenant(world: &World) -> String {
    let number = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let made = world.run_json(&["key", "create", "all", "--scope", "admin", "--tenant", &number, "--json"]);
    made["key"].as_str().expect("it is told once").to_owned()
}

#[tokio::test]
async fn what_somebody_should_look_at_is_taken_with_a_warning_at_its_place() {
    let world = World::start().await;
    let body = json!({
        "emails": ["ana@example.com", "x@sub.10minutemail.com"],
        "documents": [{"kind": "nif", "number": "12345678Z"}, {"kind": "nie", "number": "X1234567A"}],
    });
    let registered = world.post("/v1/customers", body).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let expected = ["disposable_email /emails/1", "wrong_control_character /documents/1/number"];
    assert_eq!(warned(&registered.body), expected);
    let detail = registered.body["warnings"][1]["detail"].as_str().expect("words");
    assert!(detail.ends_with("expected L"), "{detail}");

    let path = format!("/v1/customers/{}", registered.body["customer_id"].as_str().expect("an id"));
    let documents = json!([{"kind": "dni", "number": "12345678A"}]);
    let changed = world.patch(&path, None, json!({"documents": documents})).await;
    assert_eq!((changed.status, warned(&changed.body)), (200, vec![expected[1].replace('1', "0")]), "{}", changed.body);
    let kept = world.get(&format!("{path}/documents?min_position={}", changed.position.expect("a position"))).await;
    assert_eq!(kept.body["items"][0]["number"], "12345678A");
    let named = world.patch(&path, None, json!({"name": "Ana Torres"})).await;
    assert_eq!((named.status, named.body.get("warnings")), (200, None), "of what was not told nothing is said");
}

#[tokio::test]
async fn a_tenant_that_takes_documents_strictly_refuses_a_wrong_control_character_and_others_do_not() {
    let world = World::start().await;
    let theirs = another_tenant(&world);
    let first = world.post_keyed("/v1/customers", "k-1", with_document("12345678A")).await;
    assert_eq!((first.status, warned(&first.body).len()), (201, 1), "{}", first.body);
    let changed = puts(&world, world.key(), strict(true)).await;
    assert_eq!((changed.status, &changed.body["repeated"]), (200, &json!(false)), "{}", changed.body);

    let head = world.head().await;
    let refusal = "422 wrong_control_character /documents/0/number wrong_control_character";
    let refused = world.post("/v1/customers", with_document("87654321A")).await;
    assert_eq!(refused.refusal(), refusal, "{}", refused.body);
    let path = format!("/v1/customers/{}", first.body["customer_id"].as_str().expect("an id"));
    let documents = json!({"documents": [{"kind": "dni", "number": "87654321A"}]});
    assert_eq!(world.patch(&path, None, documents).await.refusal(), refusal);
    let row = json!({"row": 1, "name": "Eva", "document": {"kind": "dni", "number": "87654321A"}});
    let import = json!({"system": "erp", "rows": [row]});
    let imported = world.post("/v1/imports/customers", import.clone()).await;
    let told = &imported.body["results"][0];
    assert_eq!((&told["code"], &told["field"]), (&json!("wrong_control_character"), &json!("/document/number")));
    assert_eq!(world.head().await, head, "nothing may be written");
    let again = world.post_keyed("/v1/customers", "k-1", with_document("12345678A")).await;
    assert_eq!((again.status, &again.body["customer_id"]), (200, &first.body["customer_id"]), "it was taken before");
    let named = world.patch(&path, None, json!({"name": "Ana Torres"})).await;
    assert_eq!(named.status, 200, "what is recorded stands in nobody's way");
    assert_eq!(world.post("/v1/customers", with_document("87654321X")).await.status, 201);

    let body = Some(with_document("87654321A"));
    let elsewhere = world.ask_as(Some(&theirs), Method::POST, "/v1/customers", body).await;
    assert_eq!((elsewhere.status, warned(&elsewhere.body).len()), (201, 1), "{}", elsewhere.body);
    let of_theirs = world.ask_as(Some(&theirs), Method::GET, SETTINGS, None).await;
    assert_eq!(of_theirs.body["strict_documents"], false);

    assert_eq!(puts(&world, world.key(), strict(false)).await.status, 200);
    let taken = world.post("/v1/imports/customers", import).await;
    assert_eq!(taken.body["results"][0]["outcome"], "recorded", "{}", taken.body);
    assert_eq!(warned(&taken.body["results"][0]), ["wrong_control_character /document/number"]);
}

#[tokio::test]
async fn settings_are_changed_whole_by_administrators_and_the_same_again_is_no_event() {
    let world = World::start().await;
    let wanted = json!({"strict_documents": true, "risk_weights": {"blocked": 100, "velocity": 15}});
    let changed = puts(&world, world.key(), wanted.clone()).await;
    assert_eq!((changed.status, &changed.body["risk_weights"]["blocked"]), (200, &json!(100)), "{}", changed.body);
    let head = world.head().await;
    let seen = world.get(&format!("{SETTINGS}?min_position={head}")).await;
    assert_eq!((&seen.body["strict_documents"], &seen.body["risk_weights"]["duplicate"]), (&json!(true), &json!(15)));
    for same in [wanted, seen.body.clone()] {
        let again = puts(&world, world.key(), same).await;
        assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "{}", again.body);
    }
    let made =
        world.run_json(&["key", "create", "reader", "--scope", "customers:read", "--scope", "operations", "--json"]);
    let reader = made["key"].as_str().expect("it is told once");
    let head = world.head().await;
    assert_eq!(puts(&world, reader, strict(false)).await.refusal(), "403 scope_missing");
    assert_eq!(world.ask_as(Some(reader), Method::GET, SETTINGS, None).await.refusal(), "403 scope_missing");
    let weights = |weights: Value| json!({"strict_documents": true, "risk_weights": weights});
    for (body, refusal) in [
        (json!({"risk_weights": {}}), "/strict_documents missing_field"),
        (json!({"strict_documents": true}), "/risk_weights missing_field"),
        (weights(json!({"blocked": 101})), "/risk_weights/blocked out_of_range"),
        (weights(json!({"blocked": -1})), "/risk_weights/blocked out_of_range"),
        (weights(json!({"star/sign": 1})), "/risk_weights/star~1sign unknown_factor"),
    ] {
        let refused = puts(&world, world.key(), body.clone()).await.refusal();
        assert_eq!(refused, format!("422 validation_failed {refusal}"), "{body}");
    }
    assert_eq!(world.head().await, head, "nothing may be written");

    let shown = world.run_json(&["tenant", "settings", "--json"]);
    assert_eq!((&shown["strict_documents"], &shown["risk_weights"]["blocked"]), (&json!(true), &json!(100)));
    let told = world.run_json(&["tenant", "settings", "default", "--strict-documents", "off", "--json"]);
    assert_eq!((&told["strict_documents"], &told["risk_weights"]["blocked"]), (&json!(false), &json!(100)));
    let seen = world.get(&format!("{SETTINGS}?min_position={}", world.head().await)).await;
    assert_eq!(seen.body["strict_documents"], false);
    assert!(!world.run(&["tenant", "settings", "nobody"]).status.success());
}
