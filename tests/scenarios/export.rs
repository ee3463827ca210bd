//! All that is known of a person, handed to programs and to the person.

use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;

/// A key made on the command line.
fn key(world: &World, flags: &[&str]) -> String {
    let key = world.run_json(&[&["key", "create", "crm", "--json"], flags].concat());
    key["key"].as_str().expect("it is told once").to_owned()
}

/// The page, as its reader sees it.
fn plain(html: &str) -> String {
    let html = html.replace("&#60;", "<").replace("&#62;", ">").replace("&#34;", "\"").replace("&#39;", "'");
    html.replace("&#38;", "&")
}

async fn page(world: &World, customer: &str) -> String {
    let answer = world.open(None, &format!("/v1/customers/{customer}/export?format=html"), None).await;
    assert_eq!(answer.status(), 200);
    plain(&answer.text().await.expect("a page"))
}

/// All that can be told of a person, each with what tells it, before and after it was changed.
const PLANTED: [&str; 46] = [
    "Planted Núñez",
    "Planted & Daughters",
    "planted-1@example.com",
    "planted-2@example.com",
    "+34600123456",
    "12345678Z",
    "cus_planted",
    "planted-crm-7",
    "web-planted",
    "Later Núñez",
    "Later & Sons",
    "later@example.com",
    "+34600654321",
    "XDD123456",
    "Planted Neighbour",
    "Planted Street 1",
    "Planted Floor 3",
    "Planted Town",
    "Planted Region",
    "28013",
    "+34611111111",
    "Ring planted twice",
    "Later Street 2",
    "planted-channel",
    "planted-interest",
    "planted-topic",
    "planted-post",
    "No planted nuts",
    "The planted usual",
    "Extra planted hot",
    "planted-sku-1",
    "No later nuts",
    "order-planted-1",
    "planted-till",
    "planted-sku-2",
    "planted-category",
    "refund-planted-1",
    "order-planted-2",
    "planted-user",
    "planted-tag",
    "planted-rep",
    "planted-route",
    "planted-note",
    "planted-table",
    "America/Mexico_City",
    "planted because",
];

/// A customer with something in each field that can hold anything.
async fn planted(world: &World) -> String {
    let done = async |method: Method, path: &str, body: Value| {
        let answer = world.ask_as(Some(world.key()), method, path, Some(body)).await;
        assert!(answer.status < 300, "{path}: {}", answer.body);
        answer.body
    };
    let register = json!({
        "kind": "business", "name": "Planted Núñez", "company": "Planted & Daughters", "language": "es", "currency": "EUR",
        "emails": ["planted-1@example.com", "planted-2@example.com"], "phones": ["+34600123456"], "loyalty": true,
        "documents": [{"kind": "dni", "number": "12345678Z"}], "source": "web-planted", "birth_date": "1971-03-09",
        "references": [{"system": "stripe", "reference": "cus_planted"}, {"system": "crm", "reference": "planted-crm-7"}],
    });
    let customer =
        done(Method::POST, "/v1/customers", register).await["customer_id"].as_str().expect("an id").to_owned();
    let own = |path: &str| format!("/v1/customers/{customer}{path}");
    let change = json!({
        "name": "Later Núñez", "company": "Later & Sons", "emails": ["later@example.com"], "phones": ["+34600654321"],
        "documents": [{"kind": "passport", "number": "XDD123456", "country": "MX"}],
    });
    assert_eq!(world.patch(&own(""), None, change).await.status, 200);
    let address = json!({
        "kind": "shipping", "name": "Planted Neighbour", "line1": "Planted Street 1", "line2": "Planted Floor 3",
        "city": "Planted Town", "region": "Planted Region", "postal_code": "28013", "country": "ES", "phone": "+34611111111",
        "instructions": "Ring planted twice",
    });
    let address =
        done(Method::POST, &own("/addresses"), address).await["address_id"].as_str().expect("an id").to_owned();
    let moved = world.patch(&own(&format!("/addresses/{address}")), None, json!({"line1": "Later Street 2"})).await;
    assert_eq!(moved.status, 200, "{}", moved.body);
    for restriction in ["No planted nuts", "No later nuts"] {
        let likes = json!({
            "channels": ["planted-channel"], "categories": ["planted-interest"], "restrictions": [restriction],
            "notifications": [{"topic": "planted-topic", "channels": ["planted-post"]}, {"topic": "nothing", "channels": []}],
            "favourite_orders": [{
                "name": "The planted usual", "items": [{"sku": "planted-sku-1", "quantity": 2}], "note": "Extra planted hot",
            }],
        });
        let changed = world.patch(&own("/preferences"), None, likes).await;
        assert_eq!(changed.status, 200, "{}", changed.body);
    }
    let lines = json!([{"sku": "planted-sku-2", "category": "planted-category", "quantity": 1, "amount": "500.00"}]);
    let bought = json!({"order_id": "order-planted-1", "total": "500.00", "currency": "EUR", "channel": "planted-till", "lines": lines});
    done(Method::POST, &own("/purchases"), bought).await;
    let refund =
        json!({"order_id": "order-planted-1", "refund_id": "refund-planted-1", "amount": "100.00", "currency": "EUR"});
    done(Method::POST, &own("/refunds"), refund).await;
    done(Method::PUT, &own("/user"), json!({"user_id": "planted-user"})).await;
    done(Method::POST, &own("/tags"), json!({"tags": ["planted-tag"]})).await;
    done(Method::PUT, &own("/assignment"), json!({"rep": "planted-rep", "route": "planted-route"})).await;
    let noted = json!({
        "metadata": {"planted-name": "planted-note"}, "terms": {"volume_discount": {"code": "planted-table"}, "payment_days": 30},
        "time_zone": "America/Mexico_City",
    });
    done(Method::PATCH, &own(""), noted).await;
    done(Method::PUT, &own("/portal"), json!({"permissions": ["orders"]})).await;
    done(Method::PUT, &own("/block"), json!({"reason": "other", "note": "planted because"})).await;
    done(Method::DELETE, &own("/block"), Value::Null).await;
    done(Method::POST, &own("/loyalty/redeem"), json!({"order_id": "order-planted-2", "points": 100})).await;
    customer
}

#[tokio::test]
async fn all_that_was_ever_told_of_a_person_is_in_what_is_handed_out() {
    let world = World::start().await;
    let customer = planted(&world).await;
    let path = format!("/v1/customers/{customer}/export");
    let whole = world.get(&path).await;
    assert_eq!((whole.status, &whole.body["complete"]), (200, &json!(true)), "{}", whole.body);
    let (told, shown) = (whole.body.to_string(), page(&world, &customer).await);
    for planted in PLANTED {
        assert!(told.contains(planted), "JSON lacks {planted}");
        assert!(shown.contains(planted), "the page lacks {planted}");
    }
    // Dates are written for people there.
    assert!(told.contains("1971-03-09") && shown.contains("9 March 1971"), "{shown}");
    let own: Vec<_> =
        whole.body["events"].as_array().expect("events").iter().map(|event| event["position"].clone()).collect();
    let mut audited = world
        .get(&format!("/v1/audit/events?customer={customer}&limit=200&min_position={}", world.head().await))
        .await
        .body;
    let mut positions: Vec<_> =
        audited["items"].as_array_mut().expect("a list").iter().map(|item| item["position"].clone()).collect();
    positions.reverse();
    assert_eq!(own, positions[..positions.len() - 1], "every event but the page's own, in the order of the log");
    assert!(whole.body["events"].as_array().expect("events").iter().all(|event| event["personal_state"] != "sealed"));
    let count = |table: &str| whole.body["tables"][table].as_array().map(Vec::len);
    let tables = ["customers", "customer_references", "customer_contacts", "customer_documents", "customer_addresses"];
    assert_eq!(tables.map(count), [Some(1), Some(2), Some(2), Some(1), Some(1)]);
    let tables = ["customer_preferences", "loyalty_balances", "loyalty_ledger", "customer_words"];
    assert_eq!(tables.map(count), [Some(1), Some(1), Some(3), Some(3)]);
    assert_eq!(whole.body["recipients"][0]["name"], "admin", "{}", whole.body["recipients"]);
    assert_eq!(shown.matches(", to the program “admin”").count(), 2, "this page, and the export before");
    for words in [
        "Who you are",
        "You spent 100 points for 1.00 EUR off order order-planted-2",
        "the program “admin”",
        "nothing is missing",
    ] {
        assert!(shown.contains(words), "{words}");
    }
}

#[tokio::test]
async fn each_time_is_recorded_before_anything_leaves_and_changes_nothing_else() {
    let world = World::start().await;
    let customer = planted(&world).await;
    let path = format!("/v1/customers/{customer}");
    let before = world.get(&format!("{path}?min_position={}", world.head().await)).await;
    let whole = world.get(&format!("{path}/export")).await;
    let events = whole.body["events"].as_array().expect("events");
    let last = events.last().expect("it is not empty");
    assert_eq!((&last["type"], &last["position"]), (&json!("customer.exported"), &whole.body["position"]));
    assert_eq!(last["payload"], json!({"format": "json", "events": events.len() - 1}));
    let position = whole.position.expect("the position that it reflects");
    let after = world.get(&format!("{path}?min_position={position}")).await;
    let (mut then, mut now) = (before.body.clone(), after.body);
    assert_ne!(then["version"].take(), now["version"].take());
    assert_eq!(then, now, "the stream has grown, the customer is as it was");
    let audit = world.get(&format!("/v1/audit/events?type=customer.exported&min_position={position}")).await.body;
    assert_eq!((&audit["items"][0]["customer_id"], &audit["items"][0]["via"]), (&json!(customer), &json!("http")));
    let head = world.head().await;
    let looked = world.look(&format!("{path}/export")).await;
    assert_eq!(
        (looked.status().as_u16(), world.head().await),
        (200, head),
        "whoever looks at the headers has got nothing"
    );
    world.get(&format!("{path}/export")).await;
    assert_eq!(world.head().await, head + 1, "a second time is another one");
}

#[tokio::test]
async fn a_person_is_handed_out_to_who_may_see_persons_and_in_its_own_tenant_only() {
    let world = World::start().await;
    let customer = world.member("walls@example.com").await;
    let path = format!("/v1/customers/{customer}/export");
    let head = world.head().await;
    let ask = async |key: &str, path: &str| world.ask_as(Some(key), Method::GET, path, None).await;
    let blind = ask(&key(&world, &["--scope", "customers:read"]), &path).await;
    assert_eq!((blind.refusal().as_str(), &blind.body["scope"]), ("403 scope_missing", &json!("customers:pii")));
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = key(&world, &["--scope", "admin", "--tenant", &tenant]);
    assert_eq!(ask(&theirs, &path).await.refusal(), "404 customer_not_found");
    let nobody = "/v1/customers/00000000-0000-7000-8000-000000000000/export";
    assert_eq!(world.get(nobody).await.refusal(), "404 customer_not_found");
    assert_eq!(world.get("/v1/customers/ana/export").await.refusal(), "400 invalid_id id invalid_id");
    assert_eq!(
        world.get(&format!("{path}?format=pdf")).await.refusal(),
        "400 invalid_parameter format invalid_parameter"
    );
    let exported = world.get("/v1/audit/events?type=customer.exported").await.body;
    assert_eq!(exported["items"], json!([]), "nobody got anything");
    assert!(world.head().await >= head);
    let sees = key(&world, &["--scope", "customers:read", "--scope", "customers:pii"]);
    assert_eq!(ask(&sees, &path).await.status, 200);
}

#[tokio::test]
async fn a_page_runs_nothing_whatever_people_write() {
    let world = World::start().await;
    let hostile = r#"<script>alert("1")</script>"#;
    let registered = world.post("/v1/customers", json!({"name": hostile, "emails": ["a@example.com"]})).await;
    let customer = registered.body["customer_id"].as_str().expect("an id").to_owned();
    let answer = world.open(None, &format!("/v1/customers/{customer}/export?format=html"), None).await;
    let header = |name: &str| answer.headers()[name].to_str().expect("text").to_owned();
    let policy = header("content-security-policy");
    assert!(policy.starts_with("default-src 'none'; style-src 'sha256-") && policy.ends_with("sandbox"), "{policy}");
    assert_eq!(
        (header("content-type"), header("cache-control")),
        ("text/html; charset=utf-8".to_owned(), "no-store".to_owned())
    );
    let html = answer.text().await.expect("a page");
    assert!(!html.contains("<script") && plain(&html).contains(hostile), "{html}");
}

#[tokio::test]
async fn a_long_history_is_handed_out_whole() {
    let world = World::start().await;
    let rows: Vec<_> = (1..=1_000)
        .map(|n| json!({"row": n, "customer": "4711", "key": format!("k-{n}"), "total": "1.00", "on": "2026-01-10"}))
        .collect();
    let imported = world.post("/v1/imports/purchases", json!({"system": "erp", "currency": "EUR", "rows": rows})).await;
    let customer = imported.body["results"][0]["customer_id"].as_str().expect("an id").to_owned();
    let whole = world.get(&format!("/v1/customers/{customer}/export")).await.body;
    assert_eq!(whole["complete"], true);
    let events = whole["events"].as_array().expect("events");
    let of_kind = |kind: &str| events.iter().filter(|event| event["type"] == kind).count();
    assert_eq!((of_kind("customer.purchase.recorded"), of_kind("loyalty.points.earned")), (1_000, 1_000));
    assert_eq!(events.last().expect("the export")["payload"]["events"], events.len() - 1);
    // The rows are read afterwards: they may have what the events end with.
    let rows = whole["tables"]["customer_timeline"].as_array().map_or(0, Vec::len);
    assert!(events.len() - rows <= 1, "{rows} of {} in several parts", events.len());
    let html = page(&world, &customer).await;
    assert_eq!(html.matches("You bought for 1.00 EUR").count(), 1_000);
    assert_eq!(html.matches("<td>10 January 2026</td><td>k-").count(), 1_000, "purchases");
}

#[tokio::test]
async fn the_command_line_writes_a_file_for_its_owner_alone() {
    let world = World::start().await;
    let customer = world.member("file@example.com").await;
    let file = world.folder().join("export.html");
    let name = file.to_str().expect("a name");
    let output = world.run(&["export", &customer, "--format", "html", "--output", name]);
    assert!(output.status.success() && output.stdout.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(file.metadata().expect("it is there").permissions().mode() & 0o777, 0o600);
    assert!(fs::read_to_string(&file).expect("a page").contains("file@example.com"));
    assert_eq!(world.run_json(&["export", &customer])["complete"], true);
    let unknown = world.run(&["export", "00000000-0000-7000-8000-000000000000", "--output", name]);
    assert!(!unknown.status.success() && fs::read_to_string(&file).expect("a page").contains("file@example.com"));
    let left: Vec<_> =
        fs::read_dir(world.folder()).expect("a folder").flatten().map(|entry| entry.file_name()).collect();
    assert!(left.iter().all(|name| !name.to_string_lossy().contains("unfinished")), "{left:?}");
}
