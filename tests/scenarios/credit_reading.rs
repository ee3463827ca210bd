//! What is known of commercial credit, as callers read it: what there is not, what is over, what was, what is to be changed.

use crate::credit::{business, delete, key, line, put, uses};
use crate::operating::comes_to_show;
use crate::support::World;
use reqwest::Method;
use serde_json::{Value, json};

const NOWHERE: &str = "00000000-0000-7000-8000-000000000000";

/// A query that sees all that there is by now.
async fn seen(world: &World, path: &str) -> Value {
    let sign = if path.contains('?') { '&' } else { '?' };
    let answer = world.get(&format!("{path}{sign}min_position={}", world.head().await)).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    answer.body
}

#[tokio::test]
async fn of_a_line_that_is_none_nothing_is_told() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "theirs", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let theirs = theirs["key"].as_str().expect("a key");
    for part in ["", "/movements", "/aging", "/events", "/statement?from=2026-01-01&to=2026-02-01"] {
        let nowhere = world.get(&format!("/v1/credit-lines/{NOWHERE}{part}")).await;
        assert_eq!(nowhere.refusal(), "404 credit_not_requested", "{part}");
        let own = world.open(None, &format!("{line}{part}"), None).await;
        assert_eq!(own.status(), 200, "of a line that nothing has moved, {part}");
        let foreign = world.ask_as(Some(theirs), Method::GET, &format!("{line}{part}"), None).await;
        assert_eq!(foreign.refusal(), "404 credit_not_requested", "{part}");
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused_by_name() {
    let world = World::start().await;
    let (customer, line) = line(&world, "shop", "100.00").await;
    let lines = format!("/v1/customers/{customer}/credit-lines");
    let group = format!("/v1/credit-groups/{NOWHERE}");
    for path in ["/v1/credit/aging", &lines, &format!("{line}/aging"), &group] {
        let refused = world.get(&format!("{path}?colour=red")).await;
        assert_eq!(refused.refusal(), "400 invalid_parameter colour invalid_parameter", "{path}");
    }
    let period = [("10000-01-01", "10000-02-01", "from"), ("-0001-01-01", "-0001-02-01", "from")];
    let period = period.into_iter().chain([("0000-01-01", "0000-02-01", "from"), ("2026-01-01", "2026-1-31", "to")]);
    for (from, to, name) in period.chain([("262143-01-01", "262143-01-02", "from"), ("2025-01-01", "2026-02-06", "to")])
    {
        let refused = world.get(&format!("{line}/statement?from={from}&to={to}")).await;
        assert_eq!(refused.refusal(), format!("400 invalid_parameter {name} invalid_parameter"), "{from} to {to}");
    }
    let farthest = world.open(None, &format!("{line}/statement?from=9999-01-01&to=9999-12-31"), None).await;
    assert_eq!(farthest.status(), 200);
}

#[tokio::test]
async fn what_is_made_says_where_it_is_and_a_dissolved_group_that_it_is_over() {
    let world = World::start().await;
    let shop = business(&world, "parent").await;
    let asked = json!({"amount": "90.00", "currency": "USD"});
    let asked = world.post(&format!("/v1/customers/{shop}/credit-lines"), asked).await;
    let at = asked.headers["location"].to_str().expect("text").to_owned();
    assert_eq!(seen(&world, &at).await["line_id"], asked.body["line_id"]);

    let (parent, line) = line(&world, "branch", "60.00").await;
    let formed =
        world.post("/v1/credit-groups", json!({"parent_id": parent, "limit": "90.00", "currency": "EUR"})).await;
    let group = formed.headers["location"].to_str().expect("text").to_owned();
    let member = format!("{group}/members/{}", line.rsplit('/').next().expect("an id"));
    assert_eq!(put(&world, &member, None).await.status, 200);
    assert_eq!(uses(&world, &line, "order-1", "30.00").await.status, 201);
    let living = seen(&world, &group).await;
    assert_eq!((&living["available"], &living["dissolved_on"]), (&json!("60.00"), &Value::Null), "{living}");
    let shown = seen(&world, &line).await;
    assert_eq!(shown["group_available"], "60.00");
    let past = seen(&world, &format!("{line}?at_version={}", shown["version"])).await;
    assert_eq!(
        (&past["group_id"], &past["group_available"]),
        (&shown["group_id"], &Value::Null),
        "nobody knows: {past}"
    );

    assert_eq!(delete(&world, &member).await.status, 200);
    assert_eq!(delete(&world, &group).await.status, 200);
    let over = seen(&world, &group).await;
    assert_eq!((&over["available"], &over["members"]), (&json!("0.00"), &json!([])), "{over}");
    assert_eq!(over["dissolved_on"], over["formed_on"], "on the same day: {over}");
}

#[tokio::test]
async fn what_can_be_changed_can_be_read_and_is_changed_only_as_it_was_seen() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    let fresh = world.get(&format!("{line}?min_position={}", world.head().await)).await;
    assert_eq!((fresh.etag(), fresh.body["policy"]["counts"].as_str()), (Some("\"2\""), Some("open_orders")));
    let policy = json!({"tolerance_percent": 10, "counts": "invoices", "review_on": "2999-01-01",
        "overdue_block": {"minimum": "5.00", "grace_days": 3}, "suspend_when_overdue": false,
        "dunning": [{"after_days": 3, "minimum": "5.00", "channels": ["email", "phone"]}]});
    let changes = [
        ("policy", json!({"currency": "EUR", "policy": policy})),
        ("limit", json!({"limit": "90.00", "currency": "EUR", "reason": "review"})),
        ("terms", json!({"term_days": 60, "reason": "asked"})),
    ];
    for (nth, (part, change)) in changes.iter().enumerate() {
        let (path, seen) = (format!("{line}/{part}"), format!("\"{}\"", nth + 2));
        let changed = world.put(&path, Some(&seen), change.clone()).await;
        let next = format!("\"{}\"", nth + 3);
        assert_eq!((changed.status, changed.etag()), (200, Some(next.as_str())), "{part}: {}", changed.body);
        let stale = world.put(&path, Some(&seen), change.clone()).await;
        assert_eq!(stale.refusal(), "412 version_changed If-Match version_changed", "{part}");
    }

    let hold = json!({"order_id": "order-1", "amount": "30.00", "currency": "EUR"});
    let hold = world.post(&format!("{line}/holds"), hold).await;
    let extra = json!({"case_id": "case-1", "amount": "50.00", "currency": "EUR", "expires_on": "2999-01-01"});
    assert_eq!(world.post(&format!("{line}/temporary"), extra.clone()).await.status, 201);
    assert_eq!(put(&world, &format!("{line}/dunning/pauses/case-2"), None).await.status, 200);
    let shown = seen(&world, &line).await;
    assert_eq!(shown["policy"], policy);
    let held = json!([{"hold_id": hold.body["hold_id"], "order_id": "order-1", "amount": "30.00", "lapses_at": hold.body["lapses_at"]}]);
    assert_eq!(shown["holds"], held);
    assert_eq!(
        shown["temporary_credit"],
        json!([{"case_id": "case-1", "amount": "50.00", "expires_on": "2999-01-01"}])
    );
    assert_eq!(shown["dunning"], json!({"level": 0, "last_sent_on": null, "paused_by": ["case-2"]}));
    let again = json!({"currency": shown["currency"], "policy": shown["policy"]});
    let again = world.put(&format!("{line}/policy"), None, again).await;
    assert_eq!((again.status, &again.body["changed"]), (200, &json!(false)), "as it is told it is taken");
    let before = world.get(&format!("{line}?at_version=2")).await;
    assert_eq!((&before.body["policy"], &before.body["holds"]), (&fresh.body["policy"], &json!([])), "{}", before.body);
    assert_eq!(before.etag(), None, "the past does not change");
}

#[tokio::test]
async fn what_a_business_told_of_itself_is_read_by_who_may_see_who_it_is_until_it_is_erased() {
    let world = World::start().await;
    let shop = business(&world, "shop").await;
    let asked = json!({"amount": "100.00", "currency": "EUR", "financials": {"equity": "-81000.00", "credit_bureau_score": "B+ 612"}});
    let asked = world.post(&format!("/v1/customers/{shop}/credit-lines"), asked).await;
    let line = format!("/v1/credit-lines/{}", asked.body["line_id"].as_str().expect("an id"));
    let refused = world.post(&format!("{line}/reject"), json!({"reason": "incomplete", "note": "too young"})).await;
    assert_eq!(refused.status, 200, "{}", refused.body);
    let events = format!("{line}/events");
    let as_seen_by = async |scopes: &[&str]| {
        let answer = world.ask_as(Some(&key(&world, scopes)), Method::GET, &events, None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.body["events"].clone()
    };
    let approver = as_seen_by(&["credit:read", "credit:approve", "customers:pii"]).await;
    assert_eq!((&approver[0]["type"], &approver[0]["personal_state"]), (&json!("credit.requested"), &json!("opened")));
    assert_eq!(approver[0]["personal"]["credit_bureau_score"], "B+ 612", "{approver}");
    assert_eq!(approver[1]["personal"]["note"], "too young", "{approver}");
    let reader = as_seen_by(&["credit:read", "credit:approve"]).await;
    assert!(reader[0]["personal"].is_null() && reader[0]["personal_state"] == "sealed", "{reader}");
    assert_eq!(reader[0]["payload"], approver[0]["payload"], "the rest is no secret");

    let first = world.get(&format!("{events}?limit=1")).await;
    let next = first.body["next_cursor"].as_str().expect("there is more");
    let second = world.get(&format!("{events}?limit=1&cursor={next}")).await;
    assert_eq!(json!([first.body["events"][0], second.body["events"][0]]), approver);
    assert_eq!(second.body.get("next_cursor"), None);
    assert_eq!(world.get(&format!("{events}?cursor=bffff")).await.body["events"], json!([]));
    assert_eq!(
        world.get(&format!("{events}?cursor=made-up")).await.refusal(),
        "400 invalid_cursor cursor invalid_cursor"
    );
    let nowhere = world.get(&format!("/v1/credit-lines/{NOWHERE}/events?cursor=b7")).await;
    assert_eq!(nowhere.refusal(), "404 credit_not_requested");

    assert_eq!(world.post(&format!("/v1/customers/{shop}/erase"), json!({})).await.status, 200);
    let erased = as_seen_by(&["credit:read", "customers:pii"]).await;
    for event in erased.as_array().expect("a list") {
        assert!(event["personal"].is_null() && event["personal_state"] == "erased", "{event}");
    }
}

#[tokio::test]
async fn the_overview_of_a_customer_tells_the_credit_to_who_may_read_it() {
    let world = World::start().await;
    let (shop, line) = line(&world, "shop", "100.00").await;
    assert_eq!(uses(&world, &line, "order-1", "30.00").await.status, 201);
    let overview = format!("/v1/customers/{shop}/overview");
    let lines = seen(&world, &format!("/v1/customers/{shop}/credit-lines")).await;
    assert_eq!(lines["items"][0]["used"], "30.00");
    assert_eq!(seen(&world, &overview).await["credit"], lines["items"]);
    let clerk = key(&world, &["customers:read", "loyalty:read"]);
    let told = world.ask_as(Some(&clerk), Method::GET, &overview, None).await;
    assert_eq!((told.status, told.body.get("credit")), (200, None), "{}", told.body);
    let timeline = format!("/v1/customers/{shop}/timeline");
    let listed = world.ask_as(Some(&clerk), Method::GET, &timeline, None).await;
    for entries in [&told.body["timeline"], &listed.body["items"]] {
        assert_eq!(types(entries), ["customer.created"], "nothing of credit: {entries}");
    }
    let banker = key(&world, &["customers:read", "credit:read"]);
    let bankers = world.ask_as(Some(&banker), Method::GET, &timeline, None).await;
    let all = ["credit.used", "credit.approved", "credit.requested", "customer.created"];
    assert_eq!(types(&bankers.body["items"]), all);
    assert_eq!(types(&seen(&world, &overview).await["timeline"]), all);
    for (key, kind, scope) in [(&clerk, "credit.*", "credit:read"), (&banker, "loyalty.*", "loyalty:read")] {
        let refused = world.ask_as(Some(key), Method::GET, &format!("{timeline}?type={kind}"), None).await;
        assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!(scope)));
    }
}

fn types(entries: &Value) -> Vec<&str> {
    entries.as_array().expect("a list").iter().filter_map(|entry| entry["type"].as_str()).collect()
}

#[tokio::test]
async fn groups_are_listed_those_of_a_parent_apart() {
    let world = World::start().await;
    let (one, other) = (business(&world, "one").await, business(&world, "other").await);
    let mut formed = Vec::new();
    for parent in [&one, &other, &one] {
        let group = json!({"parent_id": parent, "limit": "90.00", "currency": "EUR"});
        formed.push(world.post("/v1/credit-groups", group).await.body["group_id"].clone());
    }
    let ids =
        |page: &Value| page["items"].as_array().expect("a list").iter().map(|row| row["group_id"].clone()).collect();
    let all: Vec<Value> = ids(&seen(&world, "/v1/credit-groups").await);
    assert_eq!(all, formed);
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let theirs = world.run_json(&["key", "create", "theirs", "--scope", "admin", "--tenant", &tenant, "--json"]);
    let foreign = world.ask_as(theirs["key"].as_str(), Method::GET, "/v1/credit-groups", None).await;
    assert_eq!((foreign.status, &foreign.body["items"]), (200, &json!([])), "another tenant has none");
    let first = seen(&world, &format!("/v1/credit-groups?parent_id={one}&limit=1")).await;
    assert_eq!(
        (&first["items"][0]["group_id"], &first["items"][0]["member_count"]),
        (&formed[0], &json!(0)),
        "{first}"
    );
    let next = first["next_cursor"].as_str().expect("there is more");
    let second: Vec<Value> = ids(&seen(&world, &format!("/v1/credit-groups?parent_id={one}&cursor={next}")).await);
    assert_eq!(second, [formed[2].clone()]);
}

#[tokio::test]
async fn a_payment_says_when_it_came_and_counts_when_it_was_recorded() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    assert_eq!(uses(&world, &line, "order-1", "30.00").await.status, 201);
    let payment = json!({"payment_id": "p-1", "amount": "30.00", "currency": "EUR", "received_at": "2026-01-02"});
    assert_eq!(world.post(&format!("{line}/payments"), payment).await.status, 201);
    let moved = seen(&world, &format!("{line}/movements")).await;
    let moved = moved["items"].as_array().expect("a list").clone();
    let received = moved.iter().find(|row| row["kind"] == "received").expect("it came");
    let today = moved.last().expect("the use")["on"].clone();
    assert_eq!((&received["received_on"], &received["on"]), (&json!("2026-01-02"), &today));
    assert!(moved.iter().all(|row| row["kind"] == "received" || row["received_on"].is_null()), "{moved:?}");
    let today = today.as_str().expect("a day");
    let statement = world.open(None, &format!("{line}/statement?from={today}&to={today}"), None).await;
    let statement = statement.text().await.expect("CSV");
    assert!(
        statement.contains(&format!("{today},received,,,p-1,,,2026-01-02,30.00,-30.00,0.00,EUR\r\n")),
        "{statement}"
    );
    let columns: Vec<_> = statement.lines().map(|row| row.matches(',').count()).collect();
    assert!(columns.iter().all(|count| *count == 11), "{statement}");
}

#[tokio::test]
async fn what_of_credit_stays_after_an_erasure_is_said_before_and_in_the_receipt() {
    let world = World::start().await;
    let (shop, _) = line(&world, "shop", "100.00").await;
    let exported = seen(&world, &format!("/v1/customers/{shop}/export")).await;
    assert!(exported["kept_after_erasure"].to_string().contains("Credit: how much was asked for"), "{exported}");
    let erased = world.post(&format!("/v1/customers/{shop}/erase"), json!({})).await;
    let receipt = erased.body["receipt"].as_str().expect("a note");
    assert!(receipt.contains("purchases, points, credit and dates"), "{receipt}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_reflects_no_more_than_its_movements_do() {
    let world = World::start().await;
    let (_, line) = line(&world, "shop", "100.00").await;
    assert_eq!(uses(&world, &line, "order-1", "30.00").await.status, 201);
    seen(&world, &format!("{line}/movements")).await;
    world.run_json(&["projections", "pause", "credit_movements", "--json"]);
    comes_to_show(&world, "credit_movements", "paused");
    let later = uses(&world, &line, "order-2", "30.00").await.position.expect("a position");
    let shown = world.get(&format!("{line}?min_position={later}")).await;
    assert_eq!((shown.status, &shown.body["used"]), (200, &json!("60.00")), "the line has gone on: {}", shown.body);
    let today = shown.body["approved_on"].as_str().expect("a day");
    let statement = world.open(None, &format!("{line}/statement?from={today}&to={today}"), None).await;
    let reflected = statement.headers()["x-position"].to_str().expect("text").parse::<i64>().expect("a number");
    let statement = statement.text().await.expect("CSV");
    assert!(reflected < later && !statement.contains("order-2"), "{reflected} < {later}: {statement}");
}
