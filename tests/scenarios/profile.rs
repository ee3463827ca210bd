//! What is known of a customer, and how it changes.

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

/// A key made on the command line.
fn key(world: &World, flags: &[&str]) -> String {
    let key = world.run_json(&[&["key", "create", "test", "--json"], flags].concat());
    key["key"].as_str().expect("it is told once").to_owned()
}

#[tokio::test]
async fn a_customer_changes_and_is_found_by_what_is_new() {
    let world = World::start().await;
    let customer = world.member("ana@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let patch = json!({
        "name": "Ana Núñez", "emails": ["New@Example.com"], "phones": ["+34612345678"], "language": "es", "currency": null
    });
    let changed = world.patch(&path, None, patch.clone()).await;
    assert_eq!((changed.status, changed.etag()), (200, Some("\"2\"")), "{}", changed.body);
    assert_eq!(changed.body["changed"], json!(["name", "emails", "phones", "language", "currency"]));

    let now = seen(&world, &path, &changed).await;
    assert_eq!((now.etag(), &now.body["version"]), (Some("\"2\""), &json!(2)));
    let told = ["name", "email", "phone", "language", "currency"].map(|field| now.body[field].clone());
    assert_eq!(told, [json!("Ana Núñez"), json!("new@example.com"), json!("+34612345678"), json!("es"), Value::Null]);
    for (search, count) in [("phone=%2B34612345678", 1), ("email=NEW@example.com", 1), ("email=ana@example.com", 0)] {
        let found = seen(&world, &format!("/v1/customers?{search}"), &changed).await;
        assert_eq!(found.body["items"].as_array().map(Vec::len), Some(count), "{search}");
    }
    assert_eq!(world.post("/v1/customers", json!({"emails": ["ana@example.com"]})).await.status, 201, "it is free");
    let taken = world.patch(&path, None, json!({"emails": ["ana@example.com"]})).await;
    assert_eq!(taken.refusal(), "409 email_taken /emails/0 email_taken");

    let head = world.head().await;
    let again = world.patch(&path, None, patch).await;
    assert_eq!((again.status, &again.body["changed"], again.etag()), (200, &json!([]), None));
    assert_eq!(world.head().await, head, "what changes nothing is not written");

    let timeline = seen(&world, &format!("{path}/timeline?type=customer.updated"), &changed).await.body;
    assert_eq!(timeline["items"][0]["facts"]["changed"], changed.body["changed"]);
    assert!(!timeline.to_string().contains("example.com") && !timeline.to_string().contains("Ana"), "{timeline}");
    let audited = seen(&world, &format!("/v1/audit/events?customer={customer}&type=customer.updated"), &changed).await;
    assert_eq!(audited.body["items"][0]["id"], format!("customer-{customer}/2"));
}

#[tokio::test]
async fn who_has_seen_an_old_version_changes_nothing() {
    let world = World::start().await;
    let customer = world.member("seen@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let first = world.get(&format!("{path}?min_position={}", world.head().await)).await;
    assert_eq!(first.etag(), Some("\"1\""));
    let changed = world.patch(&path, first.etag(), json!({"name": "Ana"})).await;
    assert_eq!((changed.status, changed.etag()), (200, Some("\"2\"")));

    let head = world.head().await;
    let stale = world.patch(&path, first.etag(), json!({"name": "Eva"})).await;
    assert_eq!(stale.refusal(), "412 version_changed If-Match version_changed");
    assert_eq!((&stale.body["expected_version"], &stale.body["version"]), (&json!(1), &json!(2)));
    for odd in ["2", "W/\"2\"", "\"two\"", "\"1\", \"2\""] {
        let refused = world.patch(&path, Some(odd), json!({"name": "Eva"})).await;
        assert_eq!(refused.refusal(), "400 invalid_if_match If-Match invalid_if_match", "{odd}");
    }
    assert_eq!(world.head().await, head);
    assert_eq!(world.patch(&path, Some("*"), json!({"name": "Eva"})).await.etag(), Some("\"3\""));
    let bought = world.buys(&customer, "order-1", "10.00").await;
    assert_eq!(seen(&world, &path, &bought).await.etag(), Some("\"4\""), "a purchase is a change too");
}

#[tokio::test]
async fn changes_that_cannot_be() {
    let world = World::start().await;
    let customer = world.member("odd@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let head = world.head().await;
    for (body, refusal) in [
        (json!({"nickname": "Ana"}), "422 validation_failed /nickname unknown_field"),
        (json!({"kind": "business"}), "422 company_required /company company_required"),
        (json!({"references": []}), "422 validation_failed /references unknown_field"),
        (json!({"name": 7}), "422 validation_failed /name wrong_type"),
        (json!({"name": ""}), "422 validation_failed /name empty"),
        (json!({"name": "x".repeat(201)}), "422 validation_failed /name too_long"),
        (json!({"company": "a\u{0}b"}), "422 validation_failed /company control_character"),
        (json!({"emails": "ana@example.com"}), "422 validation_failed /emails wrong_type"),
        (json!({"emails": ["ana@example.com", null]}), "422 validation_failed /emails/1 wrong_type"),
        (json!({"emails": ["ana@example.com", "b@"]}), "422 validation_failed /emails/1 invalid_email"),
        (json!({"phones": ["+1"]}), "422 validation_failed /phones/0 invalid_phone"),
        (json!({"language": "es_MX"}), "422 validation_failed /language invalid_character"),
        (json!({"currency": "XXQ"}), "422 validation_failed /currency unknown_currency"),
        (json!({"emails": null}), "422 contact_required"),
        (json!({"emails": []}), "422 contact_required"),
        (json!([]), "422 validation_failed  wrong_type"),
    ] {
        assert_eq!(world.patch(&path, None, body.clone()).await.refusal(), refusal, "{body}");
    }
    let many: Vec<_> = (0..11).map(|n| format!("ana{n}@example.com")).collect();
    assert_eq!(world.patch(&path, None, json!({"emails": many})).await.refusal(), "422 too_many /emails too_many");
    let nobody = "/v1/customers/00000000-0000-7000-8000-000000000000";
    assert_eq!(world.patch(nobody, None, json!({"name": "Ana"})).await.refusal(), "404 customer_not_found");
    assert_eq!(world.patch(nobody, Some("\"1\""), json!({"name": "Ana"})).await.refusal(), "404 customer_not_found");
    assert_eq!(world.patch("/v1/customers/ana", None, json!({})).await.refusal(), "400 invalid_id id invalid_id");
    assert_eq!(world.head().await, head);
}

#[tokio::test]
async fn only_who_may_changes_a_customer_and_only_its_own_tenants() {
    let world = World::start().await;
    let customer = world.member("mine@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let theirs = key(&world, &["--scope", "admin", "--tenant", &tenant["tenant"].to_string()]);
    let reader = key(&world, &["--scope", "customers:read", "--scope", "customers:pii"]);
    let head = world.head().await;
    let ask = async |key: &str| world.ask_as(Some(key), Method::PATCH, &path, Some(json!({"name": "Eva"}))).await;
    assert_eq!(ask(&theirs).await.refusal(), "404 customer_not_found");
    let refused = ask(&reader).await;
    assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!("customers:write")));
    assert_eq!(world.head().await, head);
}

#[tokio::test]
async fn addresses_come_move_the_default_and_go() {
    let world = World::start().await;
    let customer = world.member("sent@example.com").await;
    let path = format!("/v1/customers/{customer}/addresses");
    let home = json!({
        "kind": "shipping", "name": "Ana Torres", "line1": "Calle Mayor 1", "line2": "3º B", "city": "Madrid",
        "region": "Madrid", "postal_code": "28013", "country": "ES", "phone": "+34612345678", "instructions": "ring twice"
    });
    let first = world.post(&path, home.clone()).await;
    assert_eq!((first.status, first.etag(), &first.body["is_default"]), (201, Some("\"2\""), &json!(true)));
    let home_id = first.body["address_id"].as_str().expect("an id").to_owned();
    let home_path = format!("{path}/{home_id}");
    assert_eq!(first.headers["location"].to_str().expect("text"), home_path);
    let shown = seen(&world, &home_path, &first).await;
    for (field, value) in home.as_object().expect("an object") {
        assert_eq!(&shown.body[field], value, "{field}");
    }
    let work = json!({"kind": "shipping", "line1": "Gran Vía 2", "country": "ES", "is_default": true});
    let second = world.post(&path, work).await;
    let work_id = second.body["address_id"].as_str().expect("an id").to_owned();
    let office = json!({"kind": "billing", "line1": "Rue 3", "country": "FR"});
    let third = world.post(&path, office).await;
    let defaults = |list: &Value| -> Vec<_> {
        list["items"].as_array().expect("a list").iter().map(|item| item["is_default"].clone()).collect()
    };
    let all = seen(&world, &path, &third).await;
    assert_eq!((defaults(&all.body), all.etag()), (vec![json!(false), json!(true), json!(true)], Some("\"4\"")));

    let stale = world.patch(&home_path, Some("\"3\""), json!({"is_default": true})).await;
    assert_eq!(stale.refusal(), "412 version_changed If-Match version_changed");
    let moved = world.patch(&home_path, all.etag(), json!({"is_default": true, "city": null, "line2": "4º A"})).await;
    assert_eq!((moved.status, moved.etag(), &moved.body["is_default"]), (200, Some("\"5\""), &json!(true)));
    let all = seen(&world, &path, &moved).await;
    assert_eq!(defaults(&all.body), [true, false, true].map(Value::from));
    assert_eq!((&all.body["items"][0]["city"], &all.body["items"][0]["line2"]), (&Value::Null, &json!("4º A")));
    let same = world.patch(&home_path, None, json!({"line2": "4º A"})).await;
    assert_eq!((same.status, same.body.get("version")), (200, None), "nothing changed");

    let gone = world.ask_as(Some(world.key()), Method::DELETE, &home_path, None).await;
    assert_eq!((gone.status, &gone.body["new_default"]), (200, &json!(work_id)));
    let all = seen(&world, &path, &gone).await;
    assert_eq!(defaults(&all.body), [true, true].map(Value::from));
    assert_eq!(world.get(&home_path).await.refusal(), "404 address_not_found");
    let twice = world.ask_as(Some(world.key()), Method::DELETE, &home_path, None).await;
    assert_eq!(twice.refusal(), "404 address_not_found");

    let timeline =
        seen(&world, &format!("/v1/customers/{customer}/timeline?type=customer.address.*"), &gone).await.body;
    let kinds: Vec<_> = timeline["items"].as_array().expect("a list").iter().map(|item| &item["type"]).collect();
    let added = "customer.address.added";
    assert_eq!(kinds, ["customer.address.removed", "customer.address.changed", added, added, added]);
    assert_eq!(timeline["items"][0]["facts"]["new_default"], json!(work_id));
    assert!(!timeline.to_string().contains("Mayor") && !timeline.to_string().contains("Madrid"), "{timeline}");
    let audited =
        seen(&world, &format!("/v1/audit/events?customer={customer}&type=customer.address.removed"), &gone).await;
    assert_eq!(audited.body["items"].as_array().map(Vec::len), Some(1));
}

#[tokio::test]
async fn contacts_documents_and_preferences_are_seen_as_they_were_given() {
    let world = World::start().await;
    let body = json!({"documents": [{"kind": "dni", "number": "12345678-z"}]});
    let registered = world.post("/v1/customers", body).await;
    assert_eq!(registered.status, 201, "a document is enough to know a customer by: {}", registered.body);
    let path = format!("/v1/customers/{}", registered.body["customer_id"].as_str().expect("an id"));
    let documents = json!([
        {"kind": "nif", "number": "12345678Z"}, {"kind": "passport", "number": "g 1234", "country": "MX"}
    ]);
    let patch = json!({
        "emails": ["Ana@Example.com", "second@example.com"], "phones": ["+34612345678"], "documents": documents
    });
    let changed = world.patch(&path, None, patch).await;
    let contacts = seen(&world, &format!("{path}/contacts"), &changed).await;
    let told: Vec<_> = contacts.body["items"].as_array().expect("a list").iter().map(|item| &item["value"]).collect();
    assert_eq!(told, ["Ana@example.com", "second@example.com", "+34612345678"]);
    let documents = seen(&world, &format!("{path}/documents"), &changed).await.body;
    assert_eq!((&documents["items"][1]["number"], &documents["items"][1]["country"]), (&json!("G1234"), &json!("MX")));
    for (number, count) in [("12345678-z", 1), ("g%201234", 1), ("87654321X", 0)] {
        let found = world.get(&format!("/v1/customers?document={number}")).await;
        assert_eq!(found.body["items"].as_array().map(Vec::len), Some(count), "{number}: {}", found.body);
    }
    for odd in ["", "-", "12_34", "1%002", &"7".repeat(33)] {
        let refused = world.get(&format!("/v1/customers?document={odd}")).await;
        assert_eq!(refused.refusal(), "400 invalid_parameter document invalid_parameter", "{odd}");
    }
    let same = json!({"documents": [{"kind": "dni", "number": "12345678Z"}]});
    assert_eq!(world.post("/v1/customers", same).await.refusal(), "409 document_taken /documents/0 document_taken");

    let preferences = format!("{path}/preferences");
    let nothing = world.get(&preferences).await;
    assert_eq!((&nothing.body["channels"], &nothing.body["billing"]), (&json!([]), &Value::Null));
    let wanted = json!({
        "channels": ["store-1"], "categories": ["coffee"], "restrictions": ["no nuts"],
        "notifications": [{"topic": "offers", "channels": ["email"]}], "billing": {"currency": "EUR", "delivery": "email"},
        "favourite_orders": [{"name": "the usual", "items": [{"sku": "latte", "quantity": 2}], "note": "extra hot"}]
    });
    let liked = world.patch(&preferences, None, wanted.clone()).await;
    assert_eq!((liked.status, &liked.body["changed"]), (200, &json!(true)), "{}", liked.body);
    let now = seen(&world, &preferences, &liked).await;
    for (field, value) in wanted.as_object().expect("an object").iter().filter(|(field, _)| *field != "billing") {
        assert_eq!(&now.body[field], value, "{field}");
    }
    assert_eq!((&now.body["billing"]["currency"], now.etag()), (&json!("EUR"), liked.etag()));
    let spoken = world.patch(&preferences, None, json!({"billing": {"language": "en", "delivery": null}})).await;
    let now = seen(&world, &preferences, &spoken).await;
    assert_eq!(now.body["billing"], json!({"currency": "EUR", "language": "en", "delivery": null}), "it is merged");
    let less = world.patch(&preferences, now.etag(), json!({"channels": null, "billing": null})).await;
    let now = seen(&world, &preferences, &less).await.body;
    assert_eq!((&now["channels"], &now["billing"], &now["categories"]), (&json!([]), &Value::Null, &json!(["coffee"])));
}

#[tokio::test]
async fn what_of_a_profile_cannot_be_is_refused_and_named() {
    let world = World::start().await;
    let customer = world.member("strict@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let (addresses, preferences) = (format!("{path}/addresses"), format!("{path}/preferences"));
    let home = json!({"kind": "shipping", "line1": "Calle Mayor 1", "country": "ES"});
    let added = world.post(&addresses, home.clone()).await;
    let address = format!("{addresses}/{}", added.body["address_id"].as_str().expect("an id"));
    let head = world.head().await;
    let with = |name: &str, value: Value| {
        let mut body = home.clone();
        body[name] = value;
        body
    };
    for (body, refusal) in [
        (json!({"line1": "x", "country": "ES"}), "422 validation_failed /kind missing_field"),
        (json!({"kind": "shipping", "country": "ES"}), "422 validation_failed /line1 missing_field"),
        (with("kind", json!("holiday")), "422 validation_failed /kind invalid_value"),
        (with("line1", json!(" ")), "422 validation_failed /line1 empty"),
        (with("line2", json!("x".repeat(201))), "422 validation_failed /line2 too_long"),
        (with("city", json!("x".repeat(101))), "422 validation_failed /city too_long"),
        (with("region", json!("x".repeat(101))), "422 validation_failed /region too_long"),
        (with("postal_code", json!("9".repeat(21))), "422 validation_failed /postal_code too_long"),
        (with("instructions", json!("x".repeat(501))), "422 validation_failed /instructions too_long"),
        (with("country", json!("XX")), "422 validation_failed /country unknown_country"),
        (with("phone", json!("12")), "422 validation_failed /phone invalid_phone"),
        (with("street", json!("x")), "422 validation_failed /street unknown_field"),
    ] {
        assert_eq!(world.post(&addresses, body.clone()).await.refusal(), refusal, "{body}");
    }
    for (body, refusal) in [
        (json!({"kind": "billing"}), "422 validation_failed /kind unknown_field"),
        (json!({"line1": null}), "422 validation_failed /line1 missing_field"),
        (json!({"country": null}), "422 validation_failed /country missing_field"),
        (json!({"is_default": false}), "422 default_address_needed /is_default default_address_needed"),
        (json!({"is_default": "yes"}), "422 validation_failed /is_default wrong_type"),
    ] {
        assert_eq!(world.patch(&address, None, body.clone()).await.refusal(), refusal, "{body}");
    }
    let order =
        |quantity: i64| json!({"favourite_orders": [{"name": "x", "items": [{"sku": "a", "quantity": quantity}]}]});
    for (body, refusal) in [
        (json!({"colour": "red"}), "422 validation_failed /colour unknown_field"),
        (json!({"channels": ["The Web"]}), "422 validation_failed /channels/0 invalid_character"),
        (json!({"notifications": [{"topic": ""}]}), "422 validation_failed /notifications/0/topic empty"),
        (json!({"billing": {"currency": "XXQ"}}), "422 validation_failed /billing/currency unknown_currency"),
        (json!({"restrictions": ["x".repeat(201)]}), "422 validation_failed /restrictions/0 too_long"),
        (json!({"categories": vec!["a"; 51]}), "422 too_many /categories too_many"),
        (order(0), "422 quantity_required /favourite_orders quantity_required"),
        (order(-1), "422 validation_failed /favourite_orders/0/items/0/quantity invalid_value"),
    ] {
        assert_eq!(world.patch(&preferences, None, body.clone()).await.refusal(), refusal, "{body}");
    }
    for (document, refusal) in [
        (json!({"kind": "tax_id", "number": "B58378431", "country": "ES"}), "/documents/0/number wrong_country"),
        (json!({"kind": "national_id", "number": "1234", "country": "ES"}), "/documents/0/number wrong_country"),
        (json!({"kind": "dni", "number": "1234"}), "/documents/0/number invalid_document"),
        (json!({"kind": "cif", "number": "A58818501", "country": "FR"}), "/documents/0/number wrong_country"),
        (json!({"kind": "passport", "number": "G1234"}), "/documents/0/country missing_field"),
        (json!({"kind": "passport", "number": "G1234", "country": "XX"}), "/documents/0/country unknown_country"),
        (json!({"kind": "library_card", "number": "1"}), "/documents/0/kind invalid_value"),
    ] {
        let answer = world.patch(&path, None, json!({"documents": [document]})).await;
        assert_eq!(answer.refusal(), format!("422 validation_failed {refusal}"), "{document}");
    }
    assert_eq!(world.head().await, head, "nothing may be written");
}

/// For who may see who somebody is.
#[tokio::test]
async fn a_date_of_birth_is_known_changed_and_shown_to_few() {
    let world = World::start().await;
    let born = json!({"emails": ["born@example.com"], "birth_date": "1984-02-29"});
    let registered = world.post("/v1/customers", born).await;
    assert_eq!(registered.status, 201, "{}", registered.body);
    let path = format!("/v1/customers/{}", registered.body["customer_id"].as_str().expect("an id"));
    assert_eq!(seen(&world, &path, &registered).await.body["birth_date"], "1984-02-29");
    let reader = key(&world, &["--scope", "customers:read"]);
    let masked = world.ask_as(Some(&reader), Method::GET, &path, None).await;
    assert_eq!((&masked.body["masked"], &masked.body["birth_date"]), (&json!(true), &Value::Null), "{}", masked.body);

    let changed = world.patch(&path, None, json!({"birth_date": "1985-03-01"})).await;
    assert_eq!((changed.status, &changed.body["changed"]), (200, &json!(["birth_date"])), "{}", changed.body);
    assert_eq!(seen(&world, &path, &changed).await.body["birth_date"], "1985-03-01");
    let timeline = seen(&world, &format!("{path}/timeline"), &changed).await.body.to_string();
    assert!(!timeline.contains("1985-03-01"), "{timeline}");
    let known = seen(&world, &format!("{path}/export"), &changed).await.body.to_string();
    assert!(known.contains("1984-02-29") && known.contains("1985-03-01"), "what was said, and what is");
    for (date, refusal) in [
        ("1985-02-29", "422 validation_failed /birth_date invalid_date"),
        ("1899-12-31", "422 validation_failed /birth_date too_long_ago"),
        ("2999-01-01", "422 in_the_future /birth_date in_the_future"),
    ] {
        assert_eq!(world.patch(&path, None, json!({"birth_date": date})).await.refusal(), refusal);
        let other = json!({"emails": ["other@example.com"], "birth_date": date});
        assert_eq!(world.post("/v1/customers", other.clone()).await.refusal(), refusal);
    }
    let gone = world.patch(&path, None, json!({"birth_date": null})).await;
    assert_eq!(seen(&world, &path, &gone).await.body["birth_date"], Value::Null);
}

#[tokio::test]
async fn a_profile_is_masked_without_the_scope_and_another_tenants_is_not_there() {
    let world = World::start().await;
    let customer = world.member("hidden@example.com").await;
    let path = format!("/v1/customers/{customer}");
    let home = json!({"kind": "shipping", "line1": "Calle Mayor 1", "city": "Madrid", "country": "ES"});
    let added = world.post(&format!("{path}/addresses"), home.clone()).await;
    let address = format!("{path}/addresses/{}", added.body["address_id"].as_str().expect("an id"));
    world.patch(&path, None, json!({"documents": [{"kind": "dni", "number": "12345678Z"}]})).await;
    let wanted = json!({"restrictions": ["peanuts"], "favourite_orders": [{"name": "usual", "items": []}]});
    let last = world.patch(&format!("{path}/preferences"), None, wanted).await;
    let reader = key(&world, &["--scope", "customers:read"]);
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let theirs = key(&world, &["--scope", "admin", "--tenant", &tenant["tenant"].to_string()]);
    let lists = ["addresses", "contacts", "documents", "preferences"].map(|list| format!("{path}/{list}"));
    for list in lists.iter().chain([&address]) {
        seen(&world, list, &last).await;
        let masked = world.ask_as(Some(&reader), Method::GET, list, None).await;
        let text = masked.body.to_string();
        assert_eq!(masked.status, 200, "{list}");
        for secret in ["Calle", "adrid", "hidden", "12345678", "peanuts", "usual"] {
            assert!(!text.contains(secret), "{list}: {text}");
        }
        let foreign = world.ask_as(Some(&theirs), Method::GET, list, None).await;
        assert_eq!(foreign.refusal(), "404 customer_not_found", "{list}");
    }
    let found = world.ask_as(Some(&theirs), Method::GET, "/v1/customers?document=12345678Z", None).await;
    assert_eq!(found.body["items"], json!([]));
    let head = world.head().await;
    for (method, path, body) in [
        (Method::POST, &lists[0], Some(home)),
        (Method::PATCH, &address, Some(json!({"city": null}))),
        (Method::DELETE, &address, None),
        (Method::PATCH, &lists[3], Some(json!({"channels": ["web"]}))),
    ] {
        let refused = world.ask_as(Some(&reader), method.clone(), path, body.clone()).await;
        assert_eq!(
            (refused.refusal().as_str(), &refused.body["scope"]),
            ("403 scope_missing", &json!("customers:write"))
        );
        let foreign = world.ask_as(Some(&theirs), method, path, body).await;
        assert_eq!(foreign.refusal(), "404 customer_not_found", "{path}");
    }
    assert_eq!(world.head().await, head);
}
