//! Finding customers, and seeing in one answer what is known of them.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

async fn registers(world: &World, body: Value) -> i64 {
    let registered = world.post("/v1/customers", body).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    registered.position.expect("a command answers with its position")
}

fn names(list: &Value) -> Vec<&str> {
    list["items"].as_array().expect("a list").iter().filter_map(|item| item["name"].as_str()).collect()
}

/// The secret of a key made on the command line.
fn key(world: &World, flags: &[&str]) -> String {
    let key = world.run_json(&[&["key", "create", "test", "--json"], flags].concat());
    key["key"].as_str().expect("it is told once").to_owned()
}

#[tokio::test]
async fn people_are_found_by_name_page_by_page_and_after_their_words_also_over_a_rebuild() {
    let world = World::start().await;
    let mut last = 0;
    for (number, name) in ["José Núñez", "JOSE MARÍA Paz", "Josefa Nunes", "Ana Paz"].iter().enumerate() {
        last = registers(&world, json!({"name": name, "emails": [format!("n{number}@example.com")]})).await;
    }
    let found = async |asked: &str| world.get(&format!("/v1/customers?{asked}&min_position={last}")).await;
    let first = found("name=jos%C3%A9&limit=2").await;
    assert_eq!((first.status, first.position), (200, Some(last)), "{}", first.body);
    let cursor = first.body["next_cursor"].as_str().expect("there is more");
    let second = found(&format!("name=jos%C3%A9&limit=2&cursor={cursor}")).await;
    assert_eq!((names(&second.body), &second.body["next_cursor"]), (vec!["Josefa Nunes"], &Value::Null));
    let mut exact = names(&first.body);
    exact.sort_unstable();
    assert_eq!(exact, ["JOSE MARÍA Paz", "José Núñez"]);
    assert_eq!(names(&found("name=nun+jos").await.body).len(), 2);
    let misspelt = found("name=jsoe+paz").await;
    assert_eq!((names(&misspelt.body), &misspelt.body["next_cursor"]), (vec!["JOSE MARÍA Paz"], &Value::Null));
    let nobody = found("name=zz").await;
    assert_eq!((names(&nobody.body).len(), nobody.position), (0, Some(last)));

    world.run_json(&["rebuild", "customers", "--json"]);
    assert_eq!(names(&found("name=paz+mar").await.body), ["JOSE MARÍA Paz"]);
}

#[tokio::test]
async fn a_customer_is_found_by_each_contact_that_nobody_else_may_have() {
    let world = World::start().await;
    let ana = json!({
        "name": "Ana Paz", "phones": ["+34612345678", "+34612345679"], "emails": ["ana@example.com", "ANA.PAZ@Example.com"]
    });
    let last = registers(&world, ana).await;
    let found = async |asked: &str| world.get(&format!("/v1/customers?{asked}&min_position={last}")).await;
    for asked in [
        "phone=%2B34612345678",
        "phone=%2B34612345679",
        "email=ana@example.com",
        "email=ana.paz@example.com",
        "email=Ana.Paz@EXAMPLE.com",
    ] {
        let found = found(asked).await;
        assert_eq!((names(&found.body), found.position), (vec!["Ana Paz"], Some(last)), "{asked}");
    }
    let nobody = found("email=%2B34612345679@example.com").await;
    assert_eq!((names(&nobody.body).len(), nobody.position), (0, Some(last)));
    for (taken, refusal) in [
        (json!({"phones": ["+34612345679"]}), "409 phone_taken /phones/0 phone_taken"),
        (json!({"emails": ["ana.paz@example.com"]}), "409 email_taken /emails/0 email_taken"),
    ] {
        assert_eq!(world.post("/v1/customers", taken).await.refusal(), refusal);
    }
}

#[tokio::test]
async fn a_document_is_looked_for_as_it_was_registered_and_in_pages() {
    let world = World::start().await;
    let with = |name: &str, documents: Value| json!({"name": name, "documents": documents});
    registers(&world, with("Ana", json!([{"kind": "nif", "number": "ES12345678Z"}]))).await;
    registers(&world, with("Eva", json!([{"kind": "passport", "number": "12345678Z", "country": "MX"}]))).await;
    let same = json!([{"kind": "passport", "number": "ES12345678Z", "country": "FR"}]);
    let last = registers(&world, with("Léa", same)).await;
    let found = async |asked: &str| world.get(&format!("/v1/customers?{asked}&min_position={last}")).await;
    for (asked, expected) in [
        ("document=ES12345678Z", &["Ana", "Eva", "Léa"][..]),
        ("document=es-12345678-z", &["Ana", "Eva", "Léa"]),
        ("document=12345678Z", &["Ana", "Eva"]),
        ("document=ES12345678A", &[]),
    ] {
        assert_eq!(names(&found(asked).await.body), expected, "{asked}");
    }
    let first = found("document=ES12345678Z&limit=2").await;
    let cursor = first.body["next_cursor"].as_str().expect("there is more");
    let second = found(&format!("document=ES12345678Z&limit=2&cursor={cursor}")).await;
    assert_eq!((names(&first.body), names(&second.body)), (vec!["Ana", "Eva"], vec!["Léa"]));
    assert_eq!(second.body["next_cursor"], Value::Null);
    assert_eq!(found("document=12345678Z&cursor=n7").await.refusal(), "400 invalid_cursor cursor invalid_cursor");
}

#[tokio::test]
async fn what_cannot_be_looked_for_is_refused_and_says_why() {
    let world = World::start().await;
    registers(&world, json!({"name": "Ana Paz", "phones": ["+34612345678"]})).await;
    let nine = "a+b+c+d+e+f+g+h+i";
    for (asked, refusal) in [
        ("name=", "400 invalid_parameter name invalid_parameter"),
        ("name=%2A", "400 invalid_parameter name invalid_parameter"),
        (format!("name={nine}").as_str(), "400 invalid_parameter name invalid_parameter"),
        (format!("name={}", "x".repeat(201)).as_str(), "400 invalid_parameter name invalid_parameter"),
        ("name=ana&limit=0", "400 invalid_parameter limit invalid_parameter"),
        ("name=ana&limit=201", "400 invalid_parameter limit invalid_parameter"),
        ("name=ana&cursor=garbage", "400 invalid_cursor cursor invalid_cursor"),
        ("name=ana&cursor=b7", "400 invalid_cursor cursor invalid_cursor"),
        ("phone=%2B34612345678&cursor=b7", "400 invalid_cursor cursor invalid_cursor"),
        ("phone=none", "400 invalid_parameter phone invalid_parameter"),
        ("reference=erp", "400 invalid_parameter reference invalid_parameter"),
        ("name=ana&surname=paz", "400 invalid_parameter surname invalid_parameter"),
        ("name=ana&phone=%2B34612345678", "400 one_criterion_needed"),
        ("limit=5", "400 one_criterion_needed"),
    ] {
        assert_eq!(world.get(&format!("/v1/customers?{asked}")).await.refusal(), refusal, "{asked}");
    }
}

#[tokio::test]
async fn names_are_looked_for_by_those_who_may_see_them_and_within_the_own_tenant() {
    let world = World::start().await;
    let last = registers(&world, json!({"name": "Ana Paz", "phones": ["+34612345678"]})).await;
    let till = key(&world, &["--scope", "customers:read"]);
    let by_name = format!("/v1/customers?name=ana&min_position={last}");
    let refused = world.ask_as(Some(&till), Method::GET, &by_name, None).await;
    assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!("customers:pii")));
    let by_phone = format!("/v1/customers?phone=%2B34612345678&min_position={last}");
    let masked = world.ask_as(Some(&till), Method::GET, &by_phone, None).await;
    assert_eq!(names(&masked.body), ["A***"]);

    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let theirs = key(&world, &["--scope", "admin", "--tenant", &tenant["tenant"].to_string()]);
    for path in [by_name, by_phone] {
        let path = path.as_str();
        let found = world.ask_as(Some(&theirs), Method::GET, path, None).await;
        assert_eq!((found.status, names(&found.body).len()), (200, 0), "{path}: {}", found.body);
        assert!(
            found.position.is_some_and(|reflected| reflected >= last),
            "{path}: an empty answer reflects something"
        );
    }
}

#[tokio::test]
async fn an_overview_is_one_answer_that_reflects_what_was_done_before() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    for order in 1..=6 {
        world.buys(&customer, &format!("order-{order}"), "20.00").await;
    }
    let redeem = json!({"order_id": "order-7", "points": 100});
    let last = world.post(&format!("/v1/customers/{customer}/loyalty/redeem"), redeem).await.position;
    let last = last.expect("a command answers with its position");
    let path = format!("/v1/customers/{customer}/overview");
    let overview = world.get(&format!("{path}?min_position={last}")).await;
    assert_eq!((overview.status, overview.position), (200, Some(last)), "{}", overview.body);
    let body = &overview.body;
    assert_eq!(body["customer"], world.get(&format!("/v1/customers/{customer}")).await.body);
    assert_eq!(body["loyalty"], world.get(&format!("/v1/customers/{customer}/loyalty")).await.body);
    assert_eq!((&body["loyalty"]["balance"], &body["loyalty"]["tier"]), (&json!(20), &json!("bronze")));
    assert_eq!(
        (&body["figures"]["purchase_count"], &body["figures"]["days_since_last_purchase"]),
        (&json!(6), &json!(0))
    );
    let orders: Vec<_> =
        body["last_purchases"].as_array().expect("a list").iter().map(|entry| &entry["facts"]["order_id"]).collect();
    assert_eq!(orders, ["order-6", "order-5", "order-4", "order-3", "order-2"]);
    let timeline = world.get(&format!("/v1/customers/{customer}/timeline?limit=20")).await;
    assert_eq!(
        (&body["timeline"], &body["timeline"][0]["type"]),
        (&timeline.body["items"], &json!("loyalty.points.redeemed"))
    );

    let stranger = registers(&world, json!({"name": "Eva", "emails": ["eva@example.com"]})).await;
    let found = world.get(&format!("/v1/customers?email=eva@example.com&min_position={stranger}")).await;
    let id = found.body["items"][0]["customer_id"].as_str().expect("an id");
    let overview = world.get(&format!("/v1/customers/{id}/overview?min_position={stranger}")).await;
    assert_eq!((overview.position, &overview.body["loyalty"]), (Some(stranger), &Value::Null));
}

#[tokio::test]
async fn an_overview_has_the_walls_and_masks_of_its_parts() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}/overview?min_position={}", world.head().await);
    let till = key(&world, &["--scope", "customers:read", "--scope", "loyalty:read"]);
    let masked = world.ask_as(Some(&till), Method::GET, &path, None).await;
    assert_eq!((masked.status, &masked.body["customer"]["name"]), (200, &json!("A***")), "{}", masked.body);
    for (scope, missing) in [("customers:read", "loyalty:read"), ("loyalty:read", "customers:read")] {
        let refused = world.ask_as(Some(&key(&world, &["--scope", scope])), Method::GET, &path, None).await;
        assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!(missing)));
    }
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let theirs = key(&world, &["--scope", "admin", "--tenant", &tenant["tenant"].to_string()]);
    assert_eq!(world.ask_as(Some(&theirs), Method::GET, &path, None).await.refusal(), "404 customer_not_found");
    let nobody = "/v1/customers/00000000-0000-7000-8000-000000000000/overview";
    assert_eq!(world.get(nobody).await.refusal(), "404 customer_not_found");
    assert_eq!(world.get("/v1/customers/ana/overview").await.refusal(), "400 invalid_id id invalid_id");
    assert_eq!(world.get(&format!("{path}&page=2")).await.refusal(), "400 invalid_parameter page invalid_parameter");
    let ahead = format!("/v1/customers/{customer}/overview?min_position=999999");
    assert_eq!(world.get(&ahead).await.refusal(), "400 position_beyond_head");
}
