//! Customers that turn out to be one, such as are deleted, and that whoever forgets one of the former forgets both.

use crate::erasure::{assert_nothing_planted, has_a_history, person};
use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

/// A member with a phone and a reference.
async fn member(world: &World, name: &str, phone: &str) -> String {
    let body = json!({
        "name": name, "emails": [format!("{name}@example.com")], "phones": [phone],
        "references": [{"system": "erp", "reference": name}], "loyalty": {"currency": "EUR"},
    });
    let registered = world.post("/v1/customers", body).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    text(&registered.body["customer_id"]).to_owned()
}

async fn merge(world: &World, survivor: &str, duplicate: &str) -> i64 {
    let merged = world.post(&format!("/v1/customers/{survivor}/merges"), json!({"duplicate_id": duplicate})).await;
    assert_eq!(merged.status, 201, "{}", merged.body);
    merged.position.expect("a position")
}

#[tokio::test]
async fn two_customers_become_one_with_all_they_had() {
    let world = World::start().await;
    let (ana, double) = (member(&world, "ana", "+34600111222").await, member(&world, "double", "+34600333444").await);
    world.buys(&ana, "order-1", "600.00").await;
    world.buys(&double, "order-2", "700.00").await;
    let merges = format!("/v1/customers/{ana}/merges");
    let merged = world.post(&merges, json!({"duplicate_id": double})).await;
    assert_eq!((merged.status, &merged.body["balance"]), (201, &json!(1300)), "{}", merged.body);
    assert_eq!((&merged.body["tier"], &merged.body["tier_upgraded"]), (&json!("silver"), &json!("silver")));
    let again = world.post(&merges, json!({"duplicate_id": double})).await;
    assert_eq!((again.status, &again.body["repeated"]), (200, &json!(true)), "{}", again.body);
    let position = merged.position.expect("a position");

    let gone = world.get(&format!("/v1/customers/{double}?min_position={position}")).await.body;
    assert_eq!((&gone["status"], &gone["merged_into"]), (&json!("merged"), &json!(ana)));
    let kept = world.get(&format!("/v1/customers/{ana}?min_position={position}")).await.body;
    assert_eq!(
        (&kept["status"], &kept["purchase_count"], &kept["merged_into"]),
        (&json!("active"), &json!(2), &Value::Null)
    );
    for search in ["phone=%2B34600333444", "email=double@example.com", "reference=erp:double", "name=ana"] {
        let found = world.get(&format!("/v1/customers?{search}&min_position={position}")).await.body;
        assert_eq!(found["items"][0]["customer_id"], json!(ana), "{search}: {found}");
        assert_eq!(found["items"].as_array().map(Vec::len), Some(1), "{search}: {found}");
    }
    let taken = world.post("/v1/customers", json!({"emails": ["double@example.com"]})).await;
    assert_eq!(taken.refusal(), "409 email_taken /emails/0 email_taken");

    let account = world.loyalty_at(&ana, Some(position)).await;
    assert_eq!((&account["balance"], &account["earned_last_12_months"]), (&json!(1300), &json!(1300)));
    let closed = world.loyalty_at(&double, Some(position)).await;
    assert_eq!(
        (&closed["balance"], &closed["transferred_out"], &closed["expiries"]),
        (&json!(0), &json!(700), &json!([]))
    );
    let rows = world.get(&format!("/v1/customers/{ana}/loyalty/ledger?min_position={position}")).await.body;
    let row = &rows["items"][0];
    assert_eq!((&row["kind"], &row["points"], &row["balance"]), (&json!("merged_in"), &json!(700), &json!(1300)));
    assert_eq!(row["other_customer_id"], json!(double));
    let kpis = world.get(&format!("/v1/loyalty/kpis?min_position={position}")).await;
    assert_eq!(kpis.body["outstanding_points"], 1300, "{}", kpis.body);
    let checked = world.run(&["check", "--all"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
}

#[tokio::test]
async fn both_logins_lead_to_the_survivor_until_they_are_taken_away() {
    let world = World::start().await;
    let (ana, double) = (member(&world, "ana", "+34600111222").await, member(&world, "double", "+34600333444").await);
    let user = async |customer: &str, user: &str| {
        let path = format!("/v1/customers/{customer}/user");
        world.ask_as(Some(world.key()), Method::PUT, &path, Some(json!({"user_id": user}))).await
    };
    for (customer, name) in [(&ana, "login-a"), (&double, "login-b")] {
        assert_eq!(user(customer, name).await.status, 200);
    }
    let third = member(&world, "third", "+34600555666").await;
    let position = merge(&world, &ana, &double).await;
    let found = async |user: &str, position: i64| {
        let found = world.get(&format!("/v1/customers?user_id={user}&min_position={position}")).await.body;
        found["items"][0]["customer_id"].clone()
    };
    assert_eq!((found("login-a", position).await, found("login-b", position).await), (json!(ana), json!(ana)));
    let shown = world.get(&format!("/v1/customers/{ana}")).await.body;
    assert_eq!((&shown["user_id"], &shown["other_user_ids"]), (&json!("login-a"), &json!(["login-b"])));
    assert_eq!(user(&third, "login-b").await.refusal(), "409 user_taken /user_id user_taken");
    let export = world.open(None, &format!("/v1/customers/{ana}/export?format=html"), None).await;
    assert!(export.text().await.expect("a page").contains("login-a, login-b"));
    let checked = world.run(&["check", "claims"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));

    let position = merge(&world, &third, &ana).await;
    assert_eq!((found("login-a", position).await, found("login-b", position).await), (json!(third), json!(third)));
    assert!(world.run(&["check", "claims"]).status.success());
    let path = format!("/v1/customers/{third}/user");
    assert_eq!(world.ask_as(Some(world.key()), Method::DELETE, &path, None).await.status, 200);
    let eva = member(&world, "eva", "+34600777888").await;
    let taken = user(&eva, "login-b").await;
    assert_eq!(taken.status, 200, "it is free: {}", taken.body);
    assert_eq!(found("login-b", taken.position.expect("a position")).await, json!(eva));
    assert!(world.run(&["check", "--all"]).status.success());
}

#[tokio::test]
async fn the_history_of_both_is_told_with_the_survivors_and_each_alone() {
    let world = World::start().await;
    let (ana, double) = (member(&world, "ana", "+34600111222").await, member(&world, "double", "+34600333444").await);
    world.buys(&double, "order-2", "70.00").await;
    let position = merge(&world, &ana, &double).await;
    let third = member(&world, "third", "+34600555666").await;
    let position = merge(&world, &third, &ana).await.max(position);
    let purchases = async |customer: &str| {
        let path = format!("/v1/customers/{customer}/timeline?type=customer.purchase.recorded&min_position={position}");
        world.get(&path).await.body["items"].clone()
    };
    for customer in [&third, &double] {
        assert_eq!(purchases(customer).await[0]["facts"]["order_id"], "order-2", "{customer}");
    }
    assert_eq!(purchases(&ana).await, json!([]), "that one is merged itself");
    let gone = world.get(&format!("/v1/customers/{double}")).await.body;
    assert_eq!(gone["merged_into"], json!(third), "no answer leads over two");

    let (mut told, mut cursor) = (Vec::new(), String::new());
    loop {
        let page =
            world.get(&format!("/v1/customers/{third}/events?limit=3&min_position={position}{cursor}")).await.body;
        let events = page["events"].as_array().expect("events").clone();
        told.extend(events.iter().map(|event| event["position"].as_i64().expect("a position")));
        match &page["next_cursor"] {
            Value::String(next) => cursor = format!("&cursor={next}"),
            _ => break,
        }
    }
    let count = async |customer: &str| {
        let page = world.get(&format!("/v1/customers/{customer}/events?limit=100")).await.body;
        page["events"].as_array().map_or(0, Vec::len)
    };
    let alone = count(&double).await + count(&ana).await;
    assert!(told.is_sorted() && told.len() > alone, "{told:?}");
    assert_eq!(told.len(), count(&third).await);
    let export = world.get(&format!("/v1/customers/{third}/export")).await.body;
    assert_eq!(export["subjects"].as_array().map(Vec::len), Some(3), "{}", export["subjects"]);
}

#[tokio::test]
async fn what_the_duplicate_bought_is_given_back_by_the_survivor() {
    let world = World::start().await;
    let (ana, double) = (member(&world, "ana", "+34600111222").await, member(&world, "double", "+34600333444").await);
    world.buys(&double, "order-2", "70.00").await;
    let merged = merge(&world, &ana, &double).await;
    let told_again = world.buys(&ana, "order-2", "70.00").await;
    assert_eq!(
        (told_again.status, &told_again.body["points_earned"]),
        (200, &json!(70)),
        "as then: {}",
        told_again.body
    );
    // The repeat answers with the position of then, before the merge.
    assert_eq!(world.loyalty_at(&ana, Some(merged)).await["balance"], 70, "once");
    let refund = json!({"order_id": "order-2", "refund_id": "refund-1"});
    let of_duplicate = world.post(&format!("/v1/customers/{double}/refunds"), refund.clone()).await;
    assert_eq!(
        (of_duplicate.refusal(), &of_duplicate.body["survivor"]),
        ("409 customer_merged".to_owned(), &json!(ana))
    );
    let refunded = world.post(&format!("/v1/customers/{ana}/refunds"), refund.clone()).await;
    assert_eq!(
        (refunded.status, &refunded.body["amount"], &refunded.body["points_reversed"]),
        (201, &json!("70.00"), &json!(70))
    );
    assert_eq!(refunded.body["balance"], 0, "{}", refunded.body);
    assert_eq!(world.post(&format!("/v1/customers/{ana}/refunds"), refund).await.status, 200);
    let order = json!({"order_id": "order-3", "total": "1.00", "currency": "EUR"});
    for path in ["purchases", "loyalty/earn"] {
        let refused = world.post(&format!("/v1/customers/{double}/{path}"), order.clone()).await;
        assert_eq!(
            (refused.refusal(), &refused.body["survivor"]),
            ("409 customer_merged".to_owned(), &json!(ana)),
            "{path}"
        );
    }
}

#[tokio::test]
async fn what_is_no_merge_is_refused() {
    let world = World::start().await;
    let (ana, double) = (member(&world, "ana", "+34600111222").await, member(&world, "double", "+34600333444").await);
    let dollars = json!({"emails": ["usd@example.com"], "loyalty": {"currency": "USD"}});
    let dollars = text(&world.post("/v1/customers", dollars).await.body["customer_id"]).to_owned();
    let deleted = world.member("deleted@example.com").await;
    let path = format!("/v1/customers/{deleted}");
    assert_eq!(world.ask_as(Some(world.key()), Method::DELETE, &path, None).await.status, 200);
    let erased = world.member("erased@example.com").await;
    world.post(&format!("/v1/customers/{erased}/erase"), json!({})).await;
    let third = world.member("third@example.com").await;
    let fourth = world.member("fourth@example.com").await;
    merge(&world, &fourth, &third).await;
    let nobody = "018f0000-0000-7000-8000-000000000001";
    let head = world.head().await;
    let merges = |survivor: &str| format!("/v1/customers/{survivor}/merges");
    for (survivor, duplicate, refusal) in [
        (ana.as_str(), ana.as_str(), "422 merge_with_itself /duplicate_id merge_with_itself"),
        (&ana, nobody, "422 duplicate_not_found /duplicate_id duplicate_not_found"),
        (&ana, "double", "422 validation_failed /duplicate_id not_a_uuid"),
        (&ana, &dollars, "422 currency_mismatch /duplicate_id currency_mismatch"),
        (&ana, &deleted, "409 duplicate_deleted"),
        (&ana, &erased, "409 duplicate_erased"),
        (&ana, &third, "409 already_merged"),
        (nobody, &double, "404 customer_not_found"),
        (&deleted, &double, "409 customer_deleted"),
        (&erased, &double, "409 customer_erased"),
        (&third, &double, "409 customer_merged"),
    ] {
        let refused = world.post(&merges(survivor), json!({"duplicate_id": duplicate})).await;
        assert!(refused.refusal().starts_with(refusal), "{survivor} {duplicate}: {}", refused.body);
    }
    let merged = world.post(&merges(&ana), json!({"duplicate_id": third})).await;
    assert_eq!(merged.body["survivor"], json!(fourth), "{}", merged.body);
    let reader = world.run_json(&["key", "create", "reader", "--scope", "customers:read", "--json"]);
    let forbidden =
        world.ask_as(reader["key"].as_str(), Method::POST, &merges(&ana), Some(json!({"duplicate_id": double}))).await;
    assert_eq!(forbidden.refusal(), "403 scope_missing");
    assert_eq!(world.head().await, head + 1, "only the key was made");
}

#[tokio::test]
async fn a_deleted_customer_is_kept_and_nothing_happens_to_it_until_it_is_restored() {
    let world = World::start().await;
    let ana = member(&world, "ana", "+34600111222").await;
    world.buys(&ana, "order-1", "350.00").await;
    let path = format!("/v1/customers/{ana}");
    let delete =
        async |query: &str| world.ask_as(Some(world.key()), Method::DELETE, &format!("{path}{query}"), None).await;
    assert_eq!(delete("?reason=Left%20us").await.refusal(), "400 invalid_parameter reason invalid_parameter");
    let deleted = delete("?reason=left").await;
    assert_eq!((deleted.status, deleted.body["position"].as_i64()), (200, deleted.position), "{}", deleted.body);
    let position = deleted.position.expect("a position");
    assert_eq!(delete("").await.status, 200, "once more changes nothing");
    let seen = world.get(&format!("{path}?min_position={position}")).await.body;
    assert_eq!((&seen["status"], &seen["name"]), (&json!("deleted"), &json!("ana")));
    let found = world.get(&format!("/v1/customers?phone=%2B34600111222&min_position={position}")).await.body;
    assert_eq!(found["items"], json!([]), "it is not found at the till");
    let again = || json!({"emails": ["new@example.com"], "phones": ["+34600111222"]});
    let taken = world.post_keyed("/v1/customers", "till-7", again()).await;
    assert_eq!(taken.refusal(), "409 phone_taken /phones/0 phone_taken");
    assert_eq!((&taken.body["customer_id"], &taken.body["customer_status"]), (&json!(ana), &json!("deleted")));
    assert_eq!(
        world.post_keyed("/v1/customers", "till-7", again()).await.body["customer_id"],
        json!(ana),
        "told again"
    );
    let writer = world.run_json(&["key", "create", "till", "--scope", "customers:write", "--json"]);
    let blind = world.ask_as(writer["key"].as_str(), Method::POST, "/v1/customers", Some(again())).await;
    assert_eq!(
        (blind.refusal().as_str(), &blind.body["customer_id"]),
        ("409 phone_taken /phones/0 phone_taken", &Value::Null)
    );
    let order = json!({"order_id": "order-2", "total": "1.00", "currency": "EUR"});
    let points = json!({"order_id": "order-3", "points": 100});
    for (called, body) in [
        ("purchases", order.clone()),
        ("refunds", json!({"order_id": "order-1", "refund_id": "refund-1"})),
        ("loyalty/earn", order),
        ("loyalty/redeem", points.clone()),
        ("loyalty/holds", points),
        ("addresses", json!({"kind": "shipping", "line1": "Calle Mayor 1", "country": "ES"})),
    ] {
        assert_eq!(world.post(&format!("{path}/{called}"), body).await.refusal(), "409 customer_deleted", "{called}");
    }
    assert_eq!(world.patch(&path, None, json!({"name": "Eva"})).await.refusal(), "409 customer_deleted");
    assert_eq!(world.get(&format!("{path}/loyalty")).await.body["balance"], 350);
    assert_eq!(world.get(&format!("{path}/export")).await.status, 200);
    let restored = world.post(&format!("{path}/restore"), json!({})).await;
    assert_eq!(restored.status, 200, "{}", restored.body);
    assert_eq!(
        world.post(&format!("{path}/loyalty/redeem"), json!({"order_id": "order-3", "points": 100})).await.status,
        201
    );
    let position = restored.position.expect("a position");
    assert_eq!(world.get(&format!("{path}?min_position={position}")).await.body["status"], "active");
    let reader = world.run_json(&["key", "create", "reader", "--scope", "customers:read", "--json"]);
    let forbidden = world.ask_as(reader["key"].as_str(), Method::DELETE, &path, None).await;
    assert_eq!(forbidden.refusal(), "403 scope_missing");
    let nobody = "/v1/customers/018f0000-0000-7000-8000-000000000001";
    assert_eq!(world.ask_as(Some(world.key()), Method::DELETE, nobody, None).await.refusal(), "404 customer_not_found");
    assert_eq!(delete("").await.status, 200);
    assert_eq!(world.post(&format!("{path}/erase"), json!({})).await.status, 200, "who is deleted can be erased");
}

#[tokio::test]
async fn whoever_forgets_one_of_them_forgets_both() {
    for asks_for_the_duplicate in [false, true] {
        let world = World::start().await;
        let survivor = member(&world, "survivor", "+34600111222").await;
        let duplicate = person(&world).await;
        has_a_history(&world, &survivor).await;
        has_a_history(&world, &duplicate).await;
        merge(&world, &survivor, &duplicate).await;
        let asked = if asks_for_the_duplicate { &duplicate } else { &survivor };
        let erased = world.post(&format!("/v1/customers/{asked}/erase"), json!({})).await;
        assert_eq!((erased.status, &erased.body["pending"]), (200, &json!([])), "{}", erased.body);
        let mut subjects: Vec<_> = erased.body["subjects"].as_array().expect("subjects").iter().map(text).collect();
        let mut both = [survivor.as_str(), &duplicate];
        subjects.sort_unstable();
        both.sort_unstable();
        assert_eq!(subjects, both);
        let position = erased.position.expect("a position");
        for id in both {
            let blank = world.get(&format!("/v1/customers/{id}?min_position={position}")).await.body;
            assert_eq!(
                (&blank["status"], &blank["name"], &blank["references"]),
                (&json!("erased"), &Value::Null, &json!([]))
            );
            for path in ["contacts", "documents", "addresses", "preferences", "timeline", "events", "loyalty/ledger"] {
                let answer = world.get(&format!("/v1/customers/{id}/{path}")).await;
                assert_nothing_planted(path, &answer.body.to_string());
                assert!(!answer.body.to_string().contains("survivor@"), "{path}: {}", answer.body);
            }
            assert_eq!(world.get(&format!("/v1/customers/{id}/export")).await.body["code"], "erased");
        }
        for claimed in ["planted-quixote@example.org", "survivor@example.com"] {
            let other = world.post("/v1/customers", json!({"emails": [claimed]})).await;
            assert_eq!(other.status, 201, "{claimed} is free again: {}", other.body);
        }
        let stranger = world.member("stranger@example.com").await;
        let refused = world.post(&format!("/v1/customers/{stranger}/merges"), json!({"duplicate_id": duplicate})).await;
        assert_eq!(refused.refusal(), "409 duplicate_erased /duplicate_id duplicate_erased");
        let checked = world.run(&["check", "--all"]);
        assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    }
}

#[tokio::test]
async fn the_survivor_keeps_what_it_lacked_and_a_kind_is_set_right_later() {
    let world = World::start().await;
    let ana = member(&world, "ana", "+34600111222").await;
    let shop = json!({"kind": "business", "company": "Torres S.L.", "emails": ["shop@example.com"], "references": [{"system": "erp", "reference": "shop"}]});
    let shop = text(&world.post("/v1/customers", shop).await.body["customer_id"]).to_owned();
    let patch = json!({"terms": {"payment_days": 30}, "metadata": {"door": "blue"}});
    assert_eq!(world.patch(&format!("/v1/customers/{shop}"), None, patch).await.status, 200);
    let portal = Some(json!({"permissions": ["orders"]}));
    let granted = world.ask_as(Some(world.key()), Method::PUT, &format!("/v1/customers/{shop}/portal"), portal).await;
    assert_eq!(granted.status, 200, "{}", granted.body);
    let position = merge(&world, &ana, &shop).await;
    let kept = world.get(&format!("/v1/customers/{ana}?min_position={position}")).await.body;
    assert_eq!((&kept["kind"], &kept["company"]), (&json!("business"), &json!("Torres S.L.")));
    assert_eq!((&kept["terms"]["payment_days"], &kept["metadata"]), (&json!(30), &json!({"door": "blue"})));
    assert_eq!(kept["portal"], json!(["orders"]));

    let path = format!("/v1/customers/{ana}");
    let person = json!({"kind": "individual"});
    assert_eq!(world.patch(&path, None, person).await.refusal(), "422 business_only /terms business_only");
    let person = world.patch(&path, None, json!({"kind": "individual", "terms": null})).await;
    assert_eq!((person.status, &person.body["changed"]), (200, &json!(["kind", "terms"])), "{}", person.body);
    for (body, refusal) in [
        (json!({"kind": null}), "422 validation_failed /kind missing_field"),
        (json!({"kind": "persona"}), "422 validation_failed /kind invalid_value"),
        (json!({"kind": "business", "company": null}), "422 company_required /company company_required"),
    ] {
        assert_eq!(world.patch(&path, None, body).await.refusal(), refusal);
    }
    let one =
        world.ask_as(Some(world.key()), Method::DELETE, &format!("{path}/references/erp?reference=shop"), None).await;
    let kept = world.get(&format!("{path}?min_position={}", one.position.expect("a position"))).await.body;
    assert_eq!(
        (&kept["references"], &kept["kind"]),
        (&json!([{"system": "erp", "reference": "ana"}]), &json!("individual"))
    );
    let free = world.post("/v1/customers", json!({"references": [{"system": "erp", "reference": "shop"}]})).await;
    assert_eq!(free.status, 201, "{}", free.body);
    assert!(world.run(&["check", "--all"]).status.success());
}

#[tokio::test]
async fn a_merge_and_a_refund_that_are_told_again_are_answered_as_they_were() {
    let world = World::start().await;
    let (ana, double) = (member(&world, "ana", "+34600111222").await, member(&world, "double", "+34600333444").await);
    world.buys(&double, "order-2", "70.00").await;
    let refund = json!({"order_id": "order-2", "refund_id": "refund-1", "amount": "20.00", "currency": "EUR"});
    let refunded = world.post(&format!("/v1/customers/{double}/refunds"), refund.clone()).await;
    assert_eq!((refunded.status, &refunded.body["remaining"]), (201, &json!("50.00")), "{}", refunded.body);
    let merges = format!("/v1/customers/{ana}/merges");
    let merged = world.post(&merges, json!({"duplicate_id": double})).await;
    assert_eq!(merged.body["balance"], 50, "{}", merged.body);
    let again = world.post(&merges, json!({"duplicate_id": double})).await;
    assert_eq!((again.status, &again.body["balance"]), (200, &json!(50)), "{}", again.body);
    let told = world.post(&format!("/v1/customers/{ana}/refunds"), refund).await;
    assert_eq!((told.status, &told.body["repeated"]), (200, &json!(true)), "{}", told.body);
    for field in ["amount", "refunded", "remaining", "currency", "points_reversed"] {
        assert_eq!(told.body[field], refunded.body[field], "{field}: {}", told.body);
    }
    let rest = world
        .post(&format!("/v1/customers/{ana}/refunds"), json!({"order_id": "order-2", "refund_id": "refund-2"}))
        .await;
    assert_eq!((rest.status, &rest.body["amount"]), (201, &json!("50.00")), "{}", rest.body);
}
