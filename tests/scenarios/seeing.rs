//! What can be seen of history: statements of points, timelines, the audit trail, the figures of a programme.

use crate::support::World;
use crate::support::world::Answer;
use reqwest::Method;
use serde_json::{Value, json};

/// The answer once it reflects the position of a command.
async fn seen(world: &World, path: &str, after: &Answer) -> Value {
    let position = after.position.expect("a command answers with its position");
    let joint = if path.contains('?') { '&' } else { '?' };
    let answer = world.get(&format!("{path}{joint}min_position={position}")).await;
    assert_eq!(answer.status, 200, "{path}: {}", answer.body);
    assert!(answer.position.is_some_and(|reflected| reflected >= position), "{path}: {:?}", answer.position);
    answer.body
}

fn items(list: &Value) -> &[Value] {
    list["items"].as_array().expect("a list")
}

fn all_of<'a>(list: &'a Value, field: &str) -> Vec<&'a Value> {
    items(list).iter().map(|item| &item[field]).collect()
}

/// Two purchases, part of the second given back, and a redemption.
async fn story(world: &World, customer: &str) -> Answer {
    world.buys(customer, "order-1", "250.00").await;
    world.buys(customer, "order-2", "100.00").await;
    let part = json!({"order_id": "order-2", "refund_id": "r-1", "amount": "40.00", "currency": "EUR"});
    world.post(&format!("/v1/customers/{customer}/refunds"), part).await;
    let redeem = json!({"order_id": "order-3", "points": 200});
    let redeemed = world.post(&format!("/v1/customers/{customer}/loyalty/redeem"), redeem).await;
    assert_eq!(redeemed.status, 201, "{}", redeemed.body);
    redeemed
}

/// A key made on the command line: its id and its secret.
fn key(world: &World, flags: &[&str]) -> (String, String) {
    let key = world.run_json(&[&["key", "create", "test", "--json"], flags].concat());
    let text = |field: &str| key[field].as_str().expect("it is told once").to_owned();
    (text("id"), text("key"))
}

#[tokio::test]
async fn a_ledger_shows_each_movement_with_the_balance_that_it_left() {
    let world = World::start().await;
    let customer = world.member("ledger@example.com").await;
    let path = format!("/v1/customers/{customer}/loyalty/ledger");
    assert_eq!(
        items(&seen(&world, &path, &world.post("/v1/customers", json!({"phones": ["+34612345678"]})).await).await),
        &[] as &[Value]
    );
    let last = story(&world, &customer).await;
    let ledger = seen(&world, &path, &last).await;
    let told: Vec<_> = items(&ledger)
        .iter()
        .map(|row| {
            json!([row["kind"], row["points"], row["balance"], row["order_id"], row["refund_id"], row["amount"]])
        })
        .collect();
    let expected = [
        json!(["redeemed", -200, 110, "order-3", null, "2.00"]),
        json!(["reversed", -40, 310, "order-2", "r-1", null]),
        json!(["earned", 100, 350, "order-2", null, "100.00"]),
        json!(["earned", 250, 250, "order-1", null, "250.00"]),
    ];
    assert_eq!(told, expected);
    assert_eq!(ledger["next_cursor"], Value::Null);
    assert_eq!(world.loyalty_at(&customer, last.position).await["balance"], 110);
}

#[tokio::test]
async fn pages_follow_each_other_without_a_gap_or_a_repeat_while_more_is_added() {
    let world = World::start().await;
    let customer = world.member("pages@example.com").await;
    let mut last = world.buys(&customer, "order-0", "1.00").await;
    for order in 1..60 {
        last = world.buys(&customer, &format!("order-{order}"), "1.00").await;
    }
    for list in ["loyalty/ledger?", "timeline?type=loyalty.points.earned&"] {
        let path = format!("/v1/customers/{customer}/{list}limit=25");
        let (mut page, mut balances, mut sizes) = (seen(&world, &path, &last).await, vec![], vec![]);
        loop {
            sizes.push(items(&page).len());
            let balance = |item: &Value| item.get("balance").or(item["facts"].get("balance")).and_then(Value::as_i64);
            balances.extend(items(&page).iter().filter_map(balance));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            let cursor = cursor.to_owned();
            world.buys(&customer, &format!("{}-{}", &list[..4], sizes.len()), "1.00").await;
            page = world.get(&format!("{path}&cursor={cursor}")).await.body;
        }
        let newest = balances[0];
        assert_eq!(
            balances,
            (newest - i64::try_from(balances.len()).expect("few") + 1..=newest).rev().collect::<Vec<_>>()
        );
        assert_eq!((sizes.iter().sum::<usize>(), balances.last()), (balances.len(), Some(&1)), "{sizes:?}");
        last = world.buys(&customer, &format!("{}-last", &list[..4]), "1.00").await;
    }
}

#[tokio::test]
async fn what_cannot_be_listed_is_refused_and_says_why() {
    let world = World::start().await;
    let customer = world.member("refused@example.com").await;
    let lists = [
        format!("/v1/customers/{customer}/loyalty/ledger"),
        format!("/v1/customers/{customer}/timeline"),
        "/v1/audit/events".to_owned(),
    ];
    for list in &lists {
        for (wrong, refusal) in [
            ("cursor=garbage", "400 invalid_cursor cursor invalid_cursor"),
            ("cursor=", "400 invalid_cursor cursor invalid_cursor"),
            ("limit=0", "400 invalid_parameter limit invalid_parameter"),
            ("limit=201", "400 invalid_parameter limit invalid_parameter"),
            ("limit=many", "400 invalid_parameter limit invalid_parameter"),
            ("page=2", "400 invalid_parameter page invalid_parameter"),
        ] {
            assert_eq!(world.get(&format!("{list}?{wrong}")).await.refusal(), refusal, "{list}?{wrong}");
        }
    }
    for (path, parameter) in [
        (format!("{}?type=customer.exploded", lists[1]), "type"),
        (format!("{}?type=nothing.*", lists[2]), "type"),
        (format!("{}?actor=", lists[2]), "actor"),
        (format!("{}?actor=a%00b", lists[2]), "actor"),
        (format!("{}?request=a%20b", lists[2]), "request"),
        (format!("{}?correlation=a%20b", lists[2]), "correlation"),
        (format!("{}?causation=", lists[2]), "causation"),
        (format!("{}?via=window", lists[2]), "via"),
        (format!("{}?order=a%20b", lists[2]), "order"),
        (format!("{}?stream=customer", lists[2]), "stream"),
        (format!("{}?stream=nothing-00000000-0000-7000-8000-000000000000", lists[2]), "stream"),
        (format!("{}?customer=ana", lists[2]), "customer"),
        (format!("{}?from=yesterday", lists[2]), "from"),
        (format!("{}?to=2026-13-01", lists[2]), "to"),
        ("/v1/loyalty/kpis?from=2026-1-1".to_owned(), "from"),
        ("/v1/loyalty/kpis?from=2026-03-02&to=2026-03-01".to_owned(), "from"),
        ("/v1/loyalty/kpis?from=2020-01-01&to=2026-03-01".to_owned(), "from"),
    ] {
        let refusal = format!("400 invalid_parameter {parameter} invalid_parameter");
        assert_eq!(world.get(&path).await.refusal(), refusal, "{path}");
    }
}

#[tokio::test]
async fn who_may_not_see_a_list_does_not_and_another_tenants_customer_does_not_exist() {
    let world = World::start().await;
    let customer = world.member("walls@example.com").await;
    let last = story(&world, &customer).await;
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let (_, theirs) = key(&world, &["--scope", "admin", "--tenant", &tenant["tenant"].to_string()]);
    let theirs = async |path: &str| world.ask_as(Some(&theirs), Method::GET, path, None).await;
    let (ledger, timeline) =
        (format!("/v1/customers/{customer}/loyalty/ledger"), format!("/v1/customers/{customer}/timeline"));
    assert_eq!(theirs(&ledger).await.refusal(), "404 not_a_member");
    assert_eq!(theirs(&timeline).await.refusal(), "404 customer_not_found");
    let position = last.position.expect("a position");
    let audited = theirs(&format!("/v1/audit/events?customer={customer}&min_position={position}")).await;
    assert_eq!((audited.status, items(&audited.body).len()), (200, 0), "{}", audited.body);
    let kpis = theirs("/v1/loyalty/kpis").await;
    assert_eq!((&kpis.body["points_earned"], &kpis.body["outstanding"]), (&json!(0), &json!([])));

    let nobody = "/v1/customers/00000000-0000-7000-8000-000000000000";
    assert_eq!(world.get(&format!("{nobody}/loyalty/ledger")).await.refusal(), "404 not_a_member");
    assert_eq!(world.get(&format!("{nobody}/timeline")).await.refusal(), "404 customer_not_found");
    let (_, feeder) = key(&world, &["--scope", "feed:read"]);
    for (path, scope) in [
        (ledger.as_str(), "loyalty:read"),
        (&timeline, "customers:read"),
        ("/v1/audit/events", "audit:read"),
        ("/v1/loyalty/kpis", "loyalty:read"),
    ] {
        let refused = world.ask_as(Some(&feeder), Method::GET, path, None).await;
        assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!(scope)));
    }
}

#[tokio::test]
async fn a_timeline_tells_what_happened_and_not_to_whom() {
    let world = World::start().await;
    let customer = world.member("timeline@example.com").await;
    let last = story(&world, &customer).await;
    let path = format!("/v1/customers/{customer}/timeline");
    let timeline = seen(&world, &path, &last).await;
    let expected = [
        "loyalty.points.redeemed",
        "loyalty.points.reversed",
        "customer.purchase.refunded",
        "loyalty.points.earned",
        "customer.purchase.recorded",
        "loyalty.points.earned",
        "customer.purchase.recorded",
        "loyalty.account.enrolled",
        "customer.created",
    ];
    assert_eq!(all_of(&timeline, "type"), expected);
    let bought = &items(&timeline)[6]["facts"];
    assert_eq!(
        (&bought["order_id"], &bought["total"], &bought["currency"]),
        (&json!("order-1"), &json!("250.00"), &json!("EUR"))
    );
    let whole = timeline.to_string();
    assert!(!whole.contains("timeline@example.com") && !whole.contains("Torres"), "{whole}");
    let refunds = seen(&world, &format!("{path}?type=customer.purchase.refunded"), &last).await;
    assert_eq!(all_of(&refunds, "type"), ["customer.purchase.refunded"]);
    assert_eq!(items(&refunds)[0]["facts"]["remaining"], "60.00");
    let points = seen(&world, &format!("{path}?type=loyalty.points.*&limit=3"), &last).await;
    assert_eq!((items(&points).len(), points["next_cursor"].is_string()), (3, true));

    let (_, desk) = key(&world, &["--scope", "customers:read"]);
    let ask = async |query: &str| world.ask_as(Some(&desk), Method::GET, &format!("{path}{query}"), None).await;
    let without_points: Vec<_> = expected.into_iter().filter(|name| !name.starts_with("loyalty.")).collect();
    for query in ["", "?type=*"] {
        assert_eq!(all_of(&ask(query).await.body, "type"), without_points, "{query}");
    }
    let first = ask("?limit=1").await;
    let cursor = first.body["next_cursor"].as_str().expect("there is more");
    assert_eq!(all_of(&ask(&format!("?limit=1&cursor={cursor}")).await.body, "type"), [without_points[1]]);
    let refused = ask("?type=loyalty.points.*").await;
    assert_eq!((refused.refusal().as_str(), &refused.body["scope"]), ("403 scope_missing", &json!("loyalty:read")));
}

#[tokio::test]
async fn the_audit_trail_is_searched_by_who_whom_what_and_when() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    world.buys(&ana, "order-1", "10.00").await;
    let (till, secret) = key(&world, &["--scope", "customers:write"]);
    let body = json!({"order_id": "order-2", "total": "20.00", "currency": "EUR", "occurred_at": "2020-05-05"});
    let path = format!("/v1/customers/{eva}/purchases");
    let last = world.ask_as(Some(&secret), Method::POST, &path, Some(body)).await;
    assert_eq!(last.status, 201, "{}", last.body);
    let search = async |query: &str| seen(&world, &format!("/v1/audit/events?{query}"), &last).await;

    let by_till = search(&format!("actor=key:{till}")).await;
    let made = ["loyalty.points.expired", "loyalty.points.earned", "customer.purchase.recorded"];
    assert_eq!(all_of(&by_till, "type"), made, "so old a purchase earns what is gone already");
    assert_eq!(all_of(&by_till, "customer_id"), [&json!(eva), &json!(eva), &json!(eva)]);
    assert_eq!(items(&by_till)[1]["id"], format!("loyalty-{eva}/2"));
    let requests = all_of(&by_till, "request_id");
    assert!(requests[0].is_string() && requests.iter().all(|id| *id == requests[0]), "of one request: {requests:?}");

    let of_ana = search(&format!("customer={ana}")).await;
    assert_eq!((items(&of_ana).len(), all_of(&of_ana, "customer_id").iter().all(|id| **id == json!(ana))), (4, true));
    let keys = search("type=access.key.*").await;
    assert_eq!(all_of(&keys, "type"), ["access.key.created", "access.key.created"], "the admin's and the till's");
    let request = requests[0].as_str().expect("an id");
    assert_eq!(all_of(&search(&format!("request={request}")).await, "position"), all_of(&by_till, "position"));
    let of_stream = search(&format!("stream=loyalty-{eva}")).await;
    let ids = [3, 2, 1].map(|version| json!(format!("loyalty-{eva}/{version}")));
    assert_eq!(all_of(&of_stream, "id"), ids.iter().collect::<Vec<_>>());
    // Times are those of the log: what happened in 2020 was told now. A moment begins a range and does not belong to what ends there.
    assert_eq!(items(&search("from=2020-05-05&to=2020-05-05").await).len(), 0);
    let recorded_at = items(&by_till)[0]["recorded_at"].as_str().expect("a time");
    assert_eq!(all_of(&search(&format!("from={recorded_at}")).await, "position"), all_of(&by_till, "position"));
    let earlier = search(&format!("to={recorded_at}&limit=1")).await;
    let first = items(&by_till)[2]["position"].as_i64().expect("a position");
    assert_eq!(items(&earlier)[0]["position"], first - 1);
    let both = search(&format!("actor=key:{till}&customer={ana}")).await;
    assert_eq!(items(&both).len(), 0);

    let (mut in_pages, mut asked) = (vec![], "limit=3&type=*".to_owned());
    loop {
        let page = search(&asked).await;
        in_pages.extend(items(&page).iter().filter_map(|item| item["position"].as_i64()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        asked = format!("limit=3&type=*&cursor={cursor}");
    }
    let all = search("limit=200").await;
    let positions: Vec<i64> = items(&all).iter().filter_map(|item| item["position"].as_i64()).collect();
    assert_eq!(positions, (1..=world.head().await).rev().collect::<Vec<_>>(), "every event is there");
    assert_eq!(in_pages, positions, "also page by page, batches cut in two");
}

#[tokio::test]
async fn the_audit_trail_says_by_which_door_and_because_of_what() {
    let world = World::with_background().await;
    let ana = world.member("ana@example.com").await;
    let body = json!({"order_id": "order-1", "total": "10.00", "currency": "EUR"});
    let bought =
        world.traced("4bf92f3577b34da6a3ce929d0e0e4736", &format!("/v1/customers/{ana}/purchases"), body).await;
    assert_eq!(bought.status, 201, "{}", bought.body);
    let rows = json!([{"row": 1, "customer": "4711", "key": "k-1", "total": "1.00", "on": "2026-01-10"}]);
    let import = json!({"system": "erp", "currency": "EUR", "rows": rows});
    let imported = world.post("/v1/imports/purchases", import).await;
    assert_eq!(imported.status, 200, "{}", imported.body);
    // The reactor says in its own time that the first purchase made a new customer of each.
    let began = std::time::Instant::now();
    let moved = loop {
        let moved = world.get("/v1/audit/events?via=reactor&type=customer.lifecycle.changed").await.body;
        if items(&moved).len() == 2 {
            break moved;
        }
        assert!(began.elapsed().as_secs() < 30, "{moved}");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    };
    let search = async |query: &str| seen(&world, &format!("/v1/audit/events?{query}"), &imported).await;

    let of_ana = items(&moved).iter().find(|item| item["customer_id"] == *ana).expect("hers");
    assert_eq!(of_ana["causation_id"], format!("customer-{ana}/2"), "the purchase is why");
    assert_eq!(of_ana["correlation_id"], "4bf92f3577b34da6a3ce929d0e0e4736", "and the trace goes on");
    let caused = search(&format!("causation=customer-{ana}/2")).await;
    assert_eq!(all_of(&caused, "position"), [&of_ana["position"]]);
    let traced = search("correlation=4bf92f3577b34da6a3ce929d0e0e4736").await;
    let told = ["customer.lifecycle.changed", "loyalty.points.earned", "customer.purchase.recorded"];
    assert_eq!(all_of(&traced, "type"), told);
    assert_eq!(all_of(&search("order=order-1").await, "type"), told[1..]);
    assert_eq!(all_of(&search(&format!("order=order-1&customer={ana}&via=http")).await, "type"), told[1..]);

    let by_door = async |door: &str| search(&format!("via={door}&limit=200")).await;
    let of_import = by_door("import").await;
    let (types, requests) = (all_of(&of_import, "type"), all_of(&of_import, "request_id"));
    assert_eq!(
        (types.last(), types.contains(&&json!("customer.purchase.recorded"))),
        (Some(&&json!("customer.created")), true)
    );
    assert!(requests.iter().all(|request| *request == requests[0] && request.is_string()), "{requests:?}");
    assert!(all_of(&by_door("cli").await, "type").contains(&&json!("access.key.created")));
    assert_eq!((items(&by_door("http").await).len(), items(&by_door("job").await).len()), (4, 0));
    for item in items(&search("").await) {
        assert_eq!(item["proof"], format!("/v1/audit/proof?position={}", item["position"]));
    }
    let history = world.get(&format!("/v1/customers/{ana}/events")).await.body;
    let last = history["events"].as_array().and_then(|events| events.last()).expect("the change");
    assert_eq!((&last["via"], &last["causation_id"]), (&json!("reactor"), &json!(format!("customer-{ana}/2"))));
}

#[tokio::test]
async fn the_figures_of_the_programme_are_the_sums_of_the_ledgers() {
    let world = World::start().await;
    let (ana, eva) = (world.member("ana@example.com").await, world.member("eva@example.com").await);
    story(&world, &ana).await;
    world.buys(&eva, "order-1", "30.00").await;
    let long_ago = json!({"order_id": "order-2", "total": "70.00", "currency": "EUR", "occurred_at": "2020-05-05"});
    let last = world.post(&format!("/v1/customers/{eva}/purchases"), long_ago).await;
    let (mut sums, mut balances) = ([0; 4], 0);
    for customer in [&ana, &eva] {
        let ledger = seen(&world, &format!("/v1/customers/{customer}/loyalty/ledger"), &last).await;
        for row in items(&ledger) {
            let kinds = ["earned", "redeemed", "reversed", "expired"];
            let kind = kinds.iter().position(|kind| row["kind"] == *kind).expect("a known kind");
            sums[kind] += row["points"].as_i64().expect("points").abs();
        }
        balances += world.loyalty_at(customer, last.position).await["balance"].as_i64().expect("a balance");
    }
    let lately = seen(&world, "/v1/loyalty/kpis", &last).await;
    let then = seen(&world, "/v1/loyalty/kpis?from=2020-01-01&to=2020-12-31", &last).await;
    let gone = seen(&world, "/v1/loyalty/kpis?from=2022-01-01&to=2022-12-31", &last).await;
    let told = ["points_earned", "points_redeemed", "points_reversed", "points_expired"]
        .map(|figure| [&lately, &then, &gone].iter().filter_map(|range| range[figure].as_i64()).sum::<i64>());
    assert_eq!(told, sums);
    assert_eq!(lately["outstanding_points"], balances);
    let due = lately["outstanding"][0]["due_points"].as_i64().expect("points");
    assert_eq!(balances + due, sums[0] - sums[1] - sums[2] - sums[3], "nothing is lost");

    assert_eq!((&lately["points_earned"], &lately["redemption_ratio"]), (&json!(380), &json!("0.5263")));
    assert_eq!(
        lately["movements"],
        json!({"earned": 3, "redeemed": 1, "reversed": 1, "returned": 0, "adjusted": 0, "expired": 0})
    );
    assert_eq!(lately["discounts"], json!([{"amount": "2.00", "currency": "EUR"}]));
    assert_eq!((&lately["members_enrolled"], &lately["outstanding"][0]["worth"]), (&json!(2), &json!("1.40")));
    assert_eq!((&then["points_earned"], &then["days"][0]["day"]), (&json!(70), &json!("2020-05-05")));
    assert_eq!((&then["redemption_ratio"], &gone["redemption_ratio"]), (&json!("0.0000"), &Value::Null));
}
