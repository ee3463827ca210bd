//! What others call a customer, what it is filed under, and who looks after it.

use crate::support::World;
use crate::support::world::Answer;
use reqwest::Method;
use serde_json::{Value, json};

/// The answer once it reflects the position of a command.
async fn seen(world: &World, path: &str, after: &Answer) -> Answer {
    assert!(after.status < 300, "{}", after.body);
    let position = after.position.expect("a command answers with its position");
    let joint = if path.contains('?') { '&' } else { '?' };
    let answer = world.get(&format!("{path}{joint}min_position={position}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer
}

async fn put(world: &World, path: &str, body: Value) -> Answer {
    world.ask_as(Some(world.key()), Method::PUT, path, Some(body)).await
}

fn ids(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("a list").iter().filter_map(|item| item["customer_id"].as_str()).collect()
}

#[tokio::test]
async fn a_customer_is_found_by_what_others_call_it_until_they_do_not_any_more() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let stripe = json!({"system": "stripe", "reference": "cus_7"});
    let linked = world.post(&format!("{path}/references"), stripe.clone()).await;
    assert_eq!((linked.status, &linked.body["changed"], linked.etag()), (200, &json!(true), Some("\"2\"")));
    let again = world.post(&format!("{path}/references"), stripe.clone()).await;
    assert_eq!((again.status, &again.body["changed"], again.etag()), (200, &json!(false), None));
    let other = world.post(&format!("{path}/references"), json!({"system": "stripe", "reference": "cus_8"})).await;
    assert_eq!(other.refusal(), "409 reference_already_linked /system reference_already_linked");
    let user = put(&world, &format!("{path}/user"), json!({"user_id": "auth0|7"})).await;
    assert_eq!((user.status, &user.body["changed"]), (200, &json!(true)), "{}", user.body);

    let shown = seen(&world, &path, &user).await.body;
    assert_eq!((&shown["references"], &shown["user_id"]), (&json!([stripe]), &json!("auth0|7")));
    for asked in ["reference=stripe:cus_7", "user_id=auth0%7C7"] {
        assert_eq!(ids(&seen(&world, &format!("/v1/customers?{asked}"), &user).await.body), [&customer], "{asked}");
    }
    let overview = seen(&world, &format!("{path}/overview"), &user).await.body;
    assert_eq!(overview["customer"], shown);

    let eva = world.member("eva@example.com").await;
    let eva = format!("/v1/customers/{eva}");
    assert_eq!(
        world.post(&format!("{eva}/references"), stripe.clone()).await.refusal(),
        "409 reference_taken /reference reference_taken"
    );
    let taken = put(&world, &format!("{eva}/user"), json!({"user_id": "auth0|7"})).await;
    assert_eq!(taken.refusal(), "409 user_taken /user_id user_taken");
    for what in ["references/stripe", "user"] {
        let gone = world.ask_as(Some(world.key()), Method::DELETE, &format!("{path}/{what}"), None).await;
        assert_eq!((gone.status, &gone.body["changed"]), (200, &json!(true)), "{}", gone.body);
        let again = world.ask_as(Some(world.key()), Method::DELETE, &format!("{path}/{what}"), None).await;
        assert_eq!((again.status, &again.body["changed"]), (200, &json!(false)));
    }
    assert_eq!(world.post(&format!("{eva}/references"), stripe).await.status, 200, "it is free");
    let moved = put(&world, &format!("{eva}/user"), json!({"user_id": "auth0|7"})).await;
    let found = seen(&world, "/v1/customers?user_id=auth0%7C7", &moved).await.body;
    assert_eq!(format!("/v1/customers/{}", ids(&found)[0]), eva);
    let timeline = seen(&world, &format!("{path}/timeline?type=customer.reference.*"), &moved).await.body;
    assert_eq!(timeline["items"][1]["facts"], json!({"system": "stripe"}));
    assert!(!timeline.to_string().contains("cus_7"), "{timeline}");
}

#[tokio::test]
async fn links_that_cannot_be() {
    let world = World::start().await;
    let only = world.post("/v1/customers", json!({"references": [{"system": "erp", "reference": "7"}]})).await;
    let path = format!("/v1/customers/{}", only.body["customer_id"].as_str().expect("an id"));
    let two = json!({"references": [{"system": "erp", "reference": "8"}, {"system": "erp", "reference": "9"}]});
    let twice = world.post("/v1/customers", two).await;
    assert_eq!(twice.refusal(), "409 reference_already_linked /references/1/system reference_already_linked");
    let head = world.head().await;
    for (body, refusal) in [
        (json!({"system": "ERP", "reference": "7"}), "422 validation_failed /system invalid_character"),
        (json!({"system": "crm", "reference": ""}), "422 validation_failed /reference empty"),
        (json!({"system": "crm"}), "422 validation_failed /reference missing_field"),
        (json!({"system": "crm", "reference": "7", "url": "x"}), "422 validation_failed /url unknown_field"),
    ] {
        assert_eq!(world.post(&format!("{path}/references"), body.clone()).await.refusal(), refusal, "{body}");
    }
    for (what, refusal) in [
        ("references/erp", "422 contact_required"),
        ("references/ERP", "400 invalid_parameter system invalid_parameter"),
        ("tags/V.I.P", "400 invalid_parameter tag invalid_parameter"),
    ] {
        let refused = world.ask_as(Some(world.key()), Method::DELETE, &format!("{path}/{what}"), None).await;
        assert_eq!(refused.refusal(), refusal, "{what}");
    }
    let user = put(&world, &format!("{path}/user"), json!({"user_id": " "})).await;
    assert_eq!(user.refusal(), "422 validation_failed /user_id empty");
    let nobody = "/v1/customers/00000000-0000-7000-8000-000000000000";
    let reference = json!({"system": "crm", "reference": "7"});
    assert_eq!(world.post(&format!("{nobody}/references"), reference).await.refusal(), "404 customer_not_found");
    assert_eq!(world.head().await, head);
}

#[tokio::test]
async fn customers_are_found_by_what_they_are_filed_under_and_by_who_looks_after_them() {
    let world = World::start().await;
    let mut all = Vec::new();
    let mut last = None;
    for number in 0..3 {
        let customer = world.member(&format!("c{number}@example.com")).await;
        let path = format!("/v1/customers/{customer}");
        let tagged = world.post(&format!("{path}/tags"), json!({"tags": ["wholesale", "vip"]})).await;
        assert_eq!((tagged.status, &tagged.body["changed"]), (200, &json!(true)), "{}", tagged.body);
        let assigned = put(&world, &format!("{path}/assignment"), json!({"rep": "rep-1", "route": "north"})).await;
        assert_eq!((assigned.status, &assigned.body["changed"]), (200, &json!(true)), "{}", assigned.body);
        all.push(customer);
        last = Some(assigned);
    }
    let last = last.expect("there were some");
    for asked in ["tag=vip", "rep=rep-1"] {
        let first = seen(&world, &format!("/v1/customers?{asked}&limit=2"), &last).await.body;
        assert_eq!(ids(&first), all[..2], "{asked}");
        let cursor = first["next_cursor"].as_str().expect("there is more");
        let second = seen(&world, &format!("/v1/customers?{asked}&limit=2&cursor={cursor}"), &last).await.body;
        assert_eq!((ids(&second), &second["next_cursor"]), (vec![all[2].as_str()], &Value::Null), "{asked}");
    }
    let first = format!("/v1/customers/{}", all[0]);
    let shown = seen(&world, &first, &last).await.body;
    assert_eq!(
        ["tags", "rep", "route"].map(|field| shown[field].clone()),
        [json!(["vip", "wholesale"]), json!("rep-1"), json!("north")]
    );
    let again = world.post(&format!("{first}/tags"), json!({"tags": ["vip"]})).await;
    assert_eq!(again.body["changed"], false);
    let untagged = world.ask_as(Some(world.key()), Method::DELETE, &format!("{first}/tags/vip"), None).await;
    assert_eq!((untagged.status, &untagged.body["changed"]), (200, &json!(true)), "{}", untagged.body);
    let nobody = put(&world, &format!("{first}/assignment"), json!({"rep": null})).await;
    for asked in ["tag=vip", "rep=rep-1"] {
        assert_eq!(ids(&seen(&world, &format!("/v1/customers?{asked}"), &nobody).await.body), all[1..], "{asked}");
    }
    world.run_json(&["rebuild", "customers", "--json"]);
    assert_eq!(ids(&world.get("/v1/customers?tag=vip").await.body), all[1..]);
    let empty = seen(&world, "/v1/customers?tag=nobody", &nobody).await;
    assert_eq!((ids(&empty.body).len(), empty.position), (0, nobody.position));
}

#[tokio::test]
async fn members_are_found_by_their_tier_in_pages() {
    let world = World::start().await;
    let mut gold = Vec::new();
    let mut last = world.buys(&world.member("bronze@example.com").await, "order-1", "10.00").await;
    for number in 0..3 {
        let customer = world.member(&format!("gold{number}@example.com")).await;
        last = world.buys(&customer, "order-1", "5000.00").await;
        gold.push(customer);
    }
    let first = seen(&world, "/v1/customers?tier=gold&limit=2", &last).await.body;
    assert_eq!(ids(&first), gold[..2]);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = seen(&world, &format!("/v1/customers?tier=gold&limit=2&cursor={cursor}"), &last).await.body;
    assert_eq!((ids(&second), &second["next_cursor"]), (vec![gold[2].as_str()], &Value::Null));
    let merge = json!({"duplicate_id": gold[0]});
    let merged = world.post(&format!("/v1/customers/{}/merges", gold[1]), merge).await;
    assert_eq!(ids(&seen(&world, "/v1/customers?tier=gold", &merged).await.body), gold[1..]);
    assert_eq!(ids(&seen(&world, "/v1/customers?tier=platinum", &merged).await.body).len(), 0);
    assert_eq!(world.get("/v1/customers?tier=iron").await.refusal(), "400 invalid_parameter tier invalid_parameter");
    assert_eq!(
        world.get("/v1/customers?tier=gold&cursor=b7").await.refusal(),
        "400 invalid_cursor cursor invalid_cursor"
    );
}

#[tokio::test]
async fn customers_are_found_by_their_segment_and_the_few_for_whom_most_is_done() {
    let world = World::start().await;
    let mut all = Vec::new();
    for number in 0..4 {
        all.push(world.member(&format!("buyer{number}@example.com")).await);
    }
    let path = |customer: &str| format!("/v1/customers/{customer}/segment");
    let scores = json!({"recency": 5, "frequency": 4, "monetary": 5});
    let champion = json!({"segment": "champions", "scores": scores});
    for customer in &all[..3] {
        assert_eq!(put(&world, &path(customer), champion.clone()).await.body["changed"], true);
    }
    let moved = json!({"segment": "champions", "scores": {"recency": 4, "frequency": 4, "monetary": 4}});
    assert_eq!(put(&world, &path(&all[0]), moved).await.body["changed"], false, "scores alone are no change");
    let last = put(&world, &path(&all[3]), json!({"segment": "cannot_lose", "is_vip": true})).await;

    let first = seen(&world, "/v1/customers?segment=champions&limit=2", &last).await.body;
    assert_eq!(ids(&first), all[..2]);
    let cursor = first["next_cursor"].as_str().expect("there is more");
    let second = seen(&world, &format!("/v1/customers?segment=champions&limit=2&cursor={cursor}"), &last).await.body;
    assert_eq!((ids(&second), &second["next_cursor"]), (vec![all[2].as_str()], &Value::Null));
    assert_eq!(ids(&world.get("/v1/customers?vip=true").await.body), all[3..]);
    let shown = seen(&world, &format!("/v1/customers/{}", all[0]), &last).await.body["segment"].clone();
    let since = shown["since"].clone();
    assert_eq!(shown, json!({"segment": "champions", "is_vip": false, "since": since, "scores": scores}));

    let none = put(&world, &path(&all[0]), json!({})).await;
    assert_eq!(ids(&seen(&world, "/v1/customers?segment=champions", &none).await.body), all[1..3]);
    let timeline = format!("/v1/customers/{}/timeline?type=customer.segment.changed", all[0]);
    let told = seen(&world, &timeline, &none).await.body["items"].clone();
    let moves = |item: &Value| (item["facts"]["from"].clone(), item["facts"]["to"].clone());
    let told: Vec<_> = told.as_array().expect("a list").iter().map(moves).collect();
    assert_eq!(told, [(json!("champions"), Value::Null), (Value::Null, json!("champions"))]);
    world.run_json(&["rebuild", "customers", "--json"]);
    assert_eq!(ids(&world.get("/v1/customers?segment=champions").await.body), all[1..3]);

    let wrong = [
        (json!({"segment": "whales"}), "422 validation_failed /segment unknown_segment"),
        (
            json!({"segment": "lost", "scores": {"recency": 0, "frequency": 1, "monetary": 1}}),
            "422 validation_failed /scores/recency out_of_range",
        ),
    ];
    for (body, refusal) in wrong {
        assert_eq!(put(&world, &path(&all[1]), body).await.refusal(), refusal);
    }
    assert_eq!(
        world.get("/v1/customers?segment=vip").await.refusal(),
        "400 invalid_parameter segment invalid_parameter"
    );
    assert_eq!(world.get("/v1/customers?vip=false").await.refusal(), "400 invalid_parameter vip invalid_parameter");
}

#[tokio::test]
async fn who_is_blocked_redeems_and_holds_nothing_and_buys_as_ever() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    assert_eq!(world.buys(&customer, "order-1", "500.00").await.status, 201);
    let hold = |order: &str| json!({"order_id": order, "points": 100});
    let held = world.post(&format!("{path}/loyalty/holds"), hold("order-2")).await;
    assert_eq!(held.status, 201, "{}", held.body);
    let redeemed = world.post(&format!("{path}/loyalty/redeem"), hold("order-3")).await;
    assert_eq!(redeemed.status, 201, "{}", redeemed.body);

    let block = json!({"reason": "abuse", "note": "buys and gives back"});
    let blocked = put(&world, &format!("{path}/block"), block.clone()).await;
    assert_eq!((blocked.status, &blocked.body["changed"]), (200, &json!(true)), "{}", blocked.body);
    assert_eq!(put(&world, &format!("{path}/block"), block.clone()).await.body["changed"], false);
    let shown = seen(&world, &path, &blocked).await.body;
    assert_eq!((&shown["status"], &shown["blocked"]["reason"]), (&json!("blocked"), &json!("abuse")));
    assert_eq!(shown["blocked"]["note"], "buys and gives back");
    let found = seen(&world, "/v1/customers?email=ana@example.com", &blocked).await.body;
    assert_eq!(found["items"][0]["status"], "blocked", "the till has to see it");

    for what in ["holds", "redeem"] {
        let refused = world.post(&format!("{path}/loyalty/{what}"), hold("order-4")).await;
        assert_eq!((refused.refusal().as_str(), &refused.body["reason"]), ("409 customer_blocked", &json!("abuse")));
    }
    let again = world.post(&format!("{path}/loyalty/redeem"), hold("order-3")).await;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "what was redeemed is: {}", again.body);
    let bought = world.buys(&customer, "order-5", "10.00").await;
    assert_eq!((bought.status, &bought.body["points_earned"]), (201, &json!(10)), "{}", bought.body);
    let id = held.body["hold_id"].as_str().expect("an id");
    let captured = world.post(&format!("{path}/loyalty/holds/{id}/capture"), json!({"order_id": "order-2"})).await;
    assert_eq!(captured.status, 201, "the discount was promised: {}", captured.body);

    let free = world.ask_as(Some(world.key()), Method::DELETE, &format!("{path}/block"), None).await;
    assert_eq!((free.status, &free.body["changed"]), (200, &json!(true)));
    let shown = seen(&world, &path, &free).await.body;
    assert_eq!((&shown["status"], &shown["blocked"]), (&json!("active"), &Value::Null));
    assert_eq!(world.post(&format!("{path}/loyalty/holds"), hold("order-4")).await.status, 201);
    for (body, refusal) in [
        (json!({"reason": "ugly"}), "422 validation_failed /reason invalid_value"),
        (json!({}), "422 validation_failed /reason missing_field"),
        (json!({"reason": "other", "note": ""}), "422 validation_failed /note empty"),
    ] {
        assert_eq!(put(&world, &format!("{path}/block"), body.clone()).await.refusal(), refusal, "{body}");
    }
}

#[tokio::test]
async fn what_a_customer_may_see_in_the_portal_is_a_set_of_words() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let portal = format!("{path}/portal");
    let granted = put(&world, &portal, json!({"permissions": ["profile", "orders", "orders"]})).await;
    assert_eq!((granted.status, &granted.body["changed"]), (200, &json!(true)), "{}", granted.body);
    assert_eq!(seen(&world, &path, &granted).await.body["portal"], json!(["orders", "profile"]));
    let again = put(&world, &portal, json!({"permissions": ["orders", "profile"]})).await;
    assert_eq!(again.body["changed"], false);
    for (body, refusal) in [
        (json!({"permissions": []}), "422 permission_required /permissions permission_required"),
        (json!({"permissions": ["https://example.com"]}), "422 validation_failed /permissions/0 invalid_value"),
        (json!({"permissions": ["orders"], "url": "x"}), "422 validation_failed /url unknown_field"),
    ] {
        assert_eq!(put(&world, &portal, body.clone()).await.refusal(), refusal, "{body}");
    }
    let revoked = world.ask_as(Some(world.key()), Method::DELETE, &portal, None).await;
    assert_eq!((revoked.status, &revoked.body["changed"]), (200, &json!(true)));
    assert_eq!(seen(&world, &path, &revoked).await.body["portal"], json!([]));
}

#[tokio::test]
async fn a_person_says_how_far_a_customer_has_come_and_milestones_are_kept() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    for (stage, changed) in [("at_risk", true), ("churned", true), ("at_risk", true), ("at_risk", false)] {
        let said = world.post(&format!("{path}/lifecycle"), json!({"stage": stage})).await;
        assert_eq!((said.status, &said.body["changed"]), (200, &json!(changed)), "{}", said.body);
    }
    let shown = world.get(&format!("{path}?min_position={}", world.head().await)).await.body;
    assert_eq!(shown["lifecycle"], "at_risk");
    let reached: Vec<_> = shown["milestones"].as_object().expect("an object").keys().collect();
    assert_eq!(reached, ["at_risk", "churned", "prospect"]);
    assert_eq!(shown["milestones"]["prospect"], shown["registered_on"]);
    assert_eq!(world.buys(&customer, "order-1", "10.00").await.status, 201);
    for (body, refusal) in [
        (json!({"stage": "prospect"}), "422 no_prospect /stage no_prospect"),
        (json!({"stage": "lost"}), "422 validation_failed /stage invalid_value"),
    ] {
        assert_eq!(world.post(&format!("{path}/lifecycle"), body.clone()).await.refusal(), refusal, "{body}");
    }
}

#[tokio::test]
async fn the_terms_of_a_business_and_others_notes_are_changed_with_the_rest() {
    let world = World::start().await;
    let body = json!({"kind": "business", "company": "Torres S.L.", "emails": ["shop@example.com"]});
    let registered = world.post("/v1/customers", body).await;
    let path = format!("/v1/customers/{}", registered.body["customer_id"].as_str().expect("an id"));
    let steps =
        json!({"currency": "EUR", "steps": [{"from": "1000", "percent": "2.5"}, {"from": "5000.00", "percent": 5}]});
    let patch = json!({
        "time_zone": "Europe/Madrid", "terms": {"payment_days": 30, "volume_discount": steps}, "metadata": {"crm/id": "7"},
    });
    let changed = world.patch(&path, None, patch.clone()).await;
    assert_eq!(changed.body["changed"], json!(["time_zone", "terms", "metadata"]), "{}", changed.body);
    let shown = seen(&world, &path, &changed).await.body;
    let told = json!({"currency": "EUR", "steps": [{"from": "1000.00", "percent": "2.50"}, {"from": "5000.00", "percent": "5.00"}]});
    assert_eq!(shown["terms"], json!({"payment_days": 30, "volume_discount": told}));
    assert_eq!((&shown["time_zone"], &shown["metadata"]), (&json!("Europe/Madrid"), &json!({"crm/id": "7"})));
    assert_eq!(world.patch(&path, None, patch).await.body["changed"], json!([]));
    let code = json!({"terms": {"volume_discount": {"code": "W-A"}}, "metadata": {"crm/id": null, "b": "2"}});
    let changed = world.patch(&path, None, code).await;
    let shown = seen(&world, &path, &changed).await.body;
    assert_eq!(shown["terms"], json!({"payment_days": 30, "volume_discount": {"code": "W-A"}}));
    assert_eq!(shown["metadata"], json!({"b": "2"}));

    let head = world.head().await;
    let discount = |steps: Value| json!({"terms": {"volume_discount": {"currency": "EUR", "steps": steps}}});
    for (body, refusal) in [
        (json!({"time_zone": "Mars/Phobos"}), "422 unknown_time_zone /time_zone unknown_time_zone"),
        (json!({"terms": {"payment_days": 366}}), "422 too_many_days /terms/payment_days too_many_days"),
        (json!({"terms": {"payment_days": -1}}), "422 validation_failed /terms/payment_days invalid_value"),
        (
            json!({"terms": {"volume_discount": {"code": "A", "steps": []}}}),
            "422 validation_failed /terms/volume_discount code_or_steps",
        ),
        (discount(json!([])), "422 step_required /terms/volume_discount/steps step_required"),
        (
            discount(json!([{"from": "1", "percent": "101"}])),
            "422 validation_failed /terms/volume_discount/steps/0/percent invalid_percent",
        ),
        (
            discount(json!([{"from": "2", "percent": "1"}, {"from": "1", "percent": "2"}])),
            "422 steps_out_of_order /terms/volume_discount/steps/1 steps_out_of_order",
        ),
        (json!({"metadata": {"a b": "1"}}), "422 validation_failed /metadata/a b invalid_character"),
        (json!({"metadata": {"a": 7}}), "422 validation_failed /metadata/a wrong_type"),
    ] {
        assert_eq!(world.patch(&path, None, body.clone()).await.refusal(), refusal, "{body}");
    }
    assert_eq!(world.head().await, head);
    let person = world.member("ana@example.com").await;
    let refused = world.patch(&format!("/v1/customers/{person}"), None, json!({"terms": {"payment_days": 30}})).await;
    assert_eq!(refused.refusal(), "422 business_only /terms business_only");
}

#[tokio::test]
async fn only_who_may_says_something_of_a_customer_and_only_of_its_own_tenants() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let user = put(&world, &format!("{path}/user"), json!({"user_id": "auth0|7"})).await;
    assert_eq!(user.status, 200, "{}", user.body);
    let made = world.run_json(&["key", "create", "reader", "--scope", "customers:read", "--json"]);
    let reader = made["key"].as_str().expect("it is told once").to_owned();
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let number = tenant["tenant"].to_string();
    let made = world.run_json(&["key", "create", "other", "--scope", "admin", "--tenant", &number, "--json"]);
    let other = made["key"].as_str().expect("it is told once").to_owned();
    let calls = [
        (Method::POST, "references", Some(json!({"system": "erp", "reference": "7"}))),
        (Method::DELETE, "references/erp", None),
        (Method::PUT, "user", Some(json!({"user_id": "auth0|8"}))),
        (Method::DELETE, "user", None),
        (Method::POST, "tags", Some(json!({"tags": ["vip"]}))),
        (Method::DELETE, "tags/vip", None),
        (Method::PUT, "assignment", Some(json!({"rep": "rep-1"}))),
        (Method::PUT, "portal", Some(json!({"permissions": ["orders"]}))),
        (Method::DELETE, "portal", None),
        (Method::PUT, "block", Some(json!({"reason": "fraud"}))),
        (Method::DELETE, "block", None),
        (Method::POST, "lifecycle", Some(json!({"stage": "churned"}))),
        (Method::PUT, "segment", Some(json!({"segment": "lost"}))),
    ];
    let head = world.head().await;
    for (method, what, body) in calls {
        let asked = format!("{path}/{what}");
        let refused = world.ask_as(Some(&reader), method.clone(), &asked, body.clone()).await;
        assert_eq!((refused.status, &refused.body["code"]), (403, &json!("scope_missing")), "{what}");
        let refused = world.ask_as(Some(&other), method, &asked, body).await;
        assert_eq!(refused.refusal(), "404 customer_not_found", "{what}");
    }
    assert_eq!(world.head().await, head);
    let masked = world.ask_as(Some(&reader), Method::GET, &format!("{path}?min_position={head}"), None).await;
    assert_eq!((&masked.body["masked"], &masked.body["user_id"]), (&json!(true), &json!("a***")));
}
