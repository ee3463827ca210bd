//! What is left of a person who was erased: in every answer, feed, table and file.

mod afterwards;
mod looks;

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

/// What tells who somebody is, planted in every field that can hold it.
pub(crate) const PLANTED: [&str; 13] = [
    "Planted Quixote",
    "planted-quixote@example.org",
    "+34600987654",
    "PLANTEDREF77",
    "X1234567L",
    "Planted Street 9",
    "Plantedville",
    "plantedline2",
    "planted allergies",
    "plantedlogin99",
    "planted metadata",
    "planted block note",
    "1971-03-09",
];

/// A customer with everything known of it, and some history.
pub(crate) async fn person(world: &World) -> String {
    let body = json!({
        "name": PLANTED[0],
        "emails": [PLANTED[1]],
        "phones": [PLANTED[2]],
        "documents": [{"kind": "nie", "number": PLANTED[4], "country": "ES"}],
        "references": [{"system": "erp", "reference": PLANTED[3]}],
        "birth_date": PLANTED[12],
        "language": "es",
        "loyalty": {"currency": "EUR"},
    });
    let created = world.post("/v1/customers", body).await;
    assert_eq!(created.status, 201, "{}", created.body);
    let id = created.body["customer_id"].as_str().expect("an id").to_owned();
    let address = json!({
        "kind": "shipping", "line1": PLANTED[5], "line2": PLANTED[7], "city": PLANTED[6], "country": "ES",
    });
    let added = world.post(&format!("/v1/customers/{id}/addresses"), address).await;
    assert_eq!(added.status, 201, "{}", added.body);
    let preferences = json!({"restrictions": [PLANTED[8]], "channels": ["web"]});
    let changed = world.patch(&format!("/v1/customers/{id}/preferences"), None, preferences).await;
    assert_eq!(changed.status, 200, "{}", changed.body);
    let user = Some(json!({"user_id": PLANTED[9]}));
    let linked = world.ask_as(Some(world.key()), Method::PUT, &format!("/v1/customers/{id}/user"), user).await;
    assert_eq!(linked.status, 200, "{}", linked.body);
    let noted = world.patch(&format!("/v1/customers/{id}"), None, json!({"metadata": {"size": PLANTED[10]}})).await;
    assert_eq!(noted.status, 200, "{}", noted.body);
    let block = Some(json!({"reason": "other", "note": PLANTED[11]}));
    let blocked = world.ask_as(Some(world.key()), Method::PUT, &format!("/v1/customers/{id}/block"), block).await;
    assert_eq!(blocked.status, 200, "{}", blocked.body);
    let free = world.ask_as(Some(world.key()), Method::DELETE, &format!("/v1/customers/{id}/block"), None).await;
    assert_eq!(free.status, 200, "{}", free.body);
    let tagged = world.post(&format!("/v1/customers/{id}/tags"), json!({"tags": ["vip"]})).await;
    assert_eq!(tagged.status, 200, "{}", tagged.body);
    world.buys(&id, "order-1", "250.00").await;
    id
}

/// What somebody of long standing has done: bought, spent points, given something back, and been given points with a word about it.
pub(crate) async fn has_a_history(world: &World, id: &str) {
    world.buys(id, "history-1", "300.00").await;
    let path = |what: &str| format!("/v1/customers/{id}/{what}");
    let lines = json!([{"sku": "22423", "category": "wine", "quantity": 2, "amount": "80.00"}]);
    let by_lines =
        json!({"order_id": "history-2", "total": "80.00", "currency": "EUR", "channel": "web", "lines": lines});
    let done = [
        ("purchases", by_lines),
        ("loyalty/redeem", json!({"order_id": "history-3", "points": 100})),
        ("refunds", json!({"order_id": "history-1", "refund_id": "r-1", "amount": "50.00", "currency": "EUR"})),
        (
            "loyalty/adjustments",
            json!({"adjustment_id": "history-4", "points": 10, "reason": "goodwill", "note": PLANTED[11]}),
        ),
        ("loyalty/holds", json!({"order_id": "history-5", "points": 100})),
    ];
    for (what, body) in done {
        let answer = world.post(&path(what), body).await;
        assert_eq!(answer.status, 201, "{what}: {}", answer.body);
        if let Some(hold) = answer.body["hold_id"].as_str() {
            let released = world.post(&path(&format!("loyalty/holds/{hold}/release")), json!({})).await;
            assert!(released.status < 300, "{}", released.body);
        }
    }
}

pub(crate) fn assert_nothing_planted(what: &str, text: &str) {
    let lower = text.to_lowercase();
    for planted in PLANTED {
        assert!(!lower.contains(&planted.to_lowercase()), "{what} still says {planted}: {text}");
    }
}

#[tokio::test]
async fn an_erased_customer_is_nobody_in_every_answer() {
    let world = World::start().await;
    let id = person(&world).await;
    let erased = world.post(&format!("/v1/customers/{id}/erase"), json!({})).await;
    assert_eq!(erased.status, 200, "{}", erased.body);
    assert_eq!(erased.body["subjects"], json!([id]));
    assert_eq!((&erased.body["ground"], &erased.body["pending"]), (&json!("request"), &json!([])));
    assert_eq!(erased.body["repeated"], false);
    let position = erased.position.expect("a position");
    let paths = [
        format!("/v1/customers/{id}"),
        format!("/v1/customers/{id}/contacts"),
        format!("/v1/customers/{id}/documents"),
        format!("/v1/customers/{id}/addresses"),
        format!("/v1/customers/{id}/preferences"),
        format!("/v1/customers/{id}/overview"),
        format!("/v1/customers/{id}/timeline"),
        format!("/v1/customers/{id}/events"),
        format!("/v1/customers/{id}/loyalty"),
        format!("/v1/customers/{id}/loyalty/ledger"),
        format!("/v1/customers/{id}/erasure"),
        format!("/v1/customers/{id}?at_version=1"),
        format!("/v1/audit/events?customer={id}"),
    ];
    for path in &paths {
        let joint = if path.contains('?') { '&' } else { '?' };
        let asked = match path.contains("erasure") || path.contains("at_version") {
            true => path.clone(),
            false => format!("{path}{joint}min_position={position}"),
        };
        let answer = world.get(&asked).await;
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        assert_nothing_planted(path, &answer.body.to_string());
    }
    let customer = world.get(&paths[0]).await.body;
    assert_eq!(
        (&customer["status"], &customer["name"], &customer["email"]),
        (&json!("erased"), &Value::Null, &Value::Null)
    );
    for path in &paths[1..4] {
        assert_eq!(world.get(path).await.body["items"], json!([]), "{path}");
    }
    let account = world.get(&paths[8]).await.body;
    assert_eq!((&account["balance"], &account["next_tier"]), (&json!(0), &Value::Null));
    for search in ["email=planted-quixote@example.org", "phone=%2B34600987654", "name=planted", "document=X1234567L"] {
        let found = world.get(&format!("/v1/customers?{search}")).await;
        assert!(found.status == 404 || found.body["items"] == json!([]), "{search}: {}", found.body);
    }
    // The address is free again, for somebody else.
    let other = world.post("/v1/customers", json!({"emails": [PLANTED[1]]})).await;
    assert_eq!(other.status, 201, "{}", other.body);
}

#[tokio::test]
async fn an_erasure_is_made_once_and_refuses_what_comes_later() {
    let world = World::start().await;
    let id = person(&world).await;
    let path = format!("/v1/customers/{id}/erase");
    assert_eq!(world.get(&format!("/v1/customers/{id}/erasure")).await.body["code"], "not_erased");
    let first = world.post(&path, json!({"ground": "retention"})).await;
    let again = world.post(&path, json!({})).await;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "{}", again.body);
    for field in ["position", "receipt", "ground", "erased_at"] {
        assert_eq!(again.body[field], first.body[field], "{field}");
    }
    let receipt = world.get(&format!("/v1/customers/{id}/erasure")).await;
    assert_eq!(receipt.body["receipt"], first.body["receipt"]);
    assert!(first.body["receipt"].as_str().is_some_and(|note| note.starts_with("clientela/erasure/v1\n{")));
    let purchase = json!({"order_id": "order-2", "total": "1.00", "currency": "EUR"});
    let named = json!({"name": "Somebody"});
    let patched = world.patch(&format!("/v1/customers/{id}"), None, named).await;
    assert_eq!(patched.refusal(), "409 customer_erased");
    for (path, refusal) in [("purchases", "409 customer_erased"), ("loyalty/earn", "409 account_closed")] {
        let refused = world.post(&format!("/v1/customers/{id}/{path}"), purchase.clone()).await;
        assert_eq!(refused.refusal(), refusal, "{path}");
    }
    let export = world.get(&format!("/v1/customers/{id}/export")).await;
    assert_eq!((export.status, &export.body["code"]), (410, &json!("erased")));
    let unasked = world.run(&["erase", &id]);
    assert!(!unasked.status.success() && String::from_utf8_lossy(&unasked.stderr).contains("--yes"));
    let told = world.run_json(&["erase", &id, "--yes", "--json"]);
    assert_eq!((&told["receipt"], &told["repeated"]), (&first.body["receipt"], &json!(true)));
    let nobody = world.post("/v1/customers/0198c2f0-0000-7000-8000-000000000001/erase", json!({})).await;
    assert_eq!((nobody.status, &nobody.body["code"]), (404, &json!("customer_not_found")));
}
