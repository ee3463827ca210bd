//! The feed: who follows it gets everything that is meant for it, in order and once, whatever happens to either side.

use crate::support::World;
use crate::support::feed::{Message, Reader, positions};
use nix::sys::signal::Signal;
use reqwest::Method;
use serde_json::{Value, json};
use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpSocket;

type Fits<'a> = &'a dyn Fn(&Message) -> bool;

/// A key with these scopes: its secret and its id.
fn key(world: &World, flags: &[&str]) -> (String, String) {
    let key = world.run_json(&[&["key", "create", "follower", "--json"], flags].concat());
    let text = |name: &str| key[name].as_str().expect("a text").to_owned();
    (text("key"), text("id"))
}

async fn refused(world: &World, path: &str, last: Option<&str>) -> (u16, Value) {
    let response = world.open(None, path, last).await;
    let status = response.status().as_u16();
    (status, response.json().await.expect("a problem"))
}

/// So many purchases of one customer, written as fast as one request can.
async fn import(world: &World, name: &str, count: u64) -> i64 {
    let row =
        |n: u64| json!({"row": n, "customer": name, "key": format!("k-{n}"), "total": "2.00", "on": "1998-01-01"});
    let rows: Vec<Value> = (1..=count).map(row).collect();
    let body = json!({"system": "till", "currency": "EUR", "rows": rows, "now": "1998-06-30"});
    let answer = world.post("/v1/imports/purchases", body).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.position.expect("a position")
}

#[tokio::test]
async fn a_reader_gets_what_was_and_then_what_happens_without_a_gap() {
    let world = World::start().await;
    let customer = world.member("live@example.com").await;
    world.buys(&customer, "order-0", "10.00").await;
    let head = world.head().await;
    let mut reader = Reader::open(&world, None, "", None).await;
    let (before, caught_up) = reader.until("caught-up").await;
    assert_eq!(positions(&before), (1..=head).collect::<Vec<_>>());
    assert_eq!(caught_up.id, Some(head));
    for n in 1..=20 {
        world.buys(&customer, &format!("order-{n}"), "10.00").await;
    }
    let end = world.head().await;
    let after = reader.events(usize::try_from(end - head).expect("it grew")).await;
    assert_eq!(positions(&after), (head + 1..=end).collect::<Vec<_>>());

    let Message { data, event, .. } = before.iter().find(|one| one.event == "customer.created").expect("it is there");
    assert_eq!((&data["specversion"], &data["type"]), (&json!("1.0"), &json!(event)));
    assert_eq!(data["source"], format!("/tenants/1/customer/{customer}"));
    assert_eq!((&data["subject"], &data["streamversion"]), (&json!(format!("customer-{customer}")), &json!(1)));
    let history = world.get(&format!("/v1/customers/{customer}/events")).await.body;
    let line = &history["events"][0];
    for (own, same) in [("id", "id"), ("time", "occurred_at"), ("recordedat", "recorded_at"), ("position", "position")]
    {
        assert_eq!(data[own], line[same], "{own}");
    }
    assert_eq!(data["data"]["personal"], line["personal"]);

    let mut fresh = Reader::open(&world, None, "?from=now", None).await;
    assert_eq!(fresh.next().await.expect("a message").event, "caught-up");
    world.buys(&customer, "order-21", "10.00").await;
    assert_eq!(fresh.events(1).await[0].id, Some(end + 1));
}

#[tokio::test]
async fn a_reader_goes_on_where_it_was_whether_the_server_stopped_or_crashed() {
    let mut world = World::start().await;
    let customer = world.member("again@example.com").await;
    let mut seen = Vec::new();
    for (round, signal) in [Signal::SIGTERM, Signal::SIGKILL].into_iter().enumerate() {
        world.buys(&customer, &format!("order-{round}"), "10.00").await;
        let mut reader = Reader::open(&world, None, "", seen.last().copied()).await;
        seen.extend(positions(&reader.until("caught-up").await.0));
        let begun = Instant::now();
        world.end(signal);
        if signal == Signal::SIGTERM {
            assert!(begun.elapsed() < Duration::from_secs(10), "an open feed holds up no shutdown");
            assert_eq!(reader.until("end").await.1.data["reason"], "shutdown");
        }
        assert!(reader.next().await.is_none());
        world.serve(&[]);
        world.buys(&customer, &format!("order-{round}-b"), "10.00").await;
    }
    let mut reader = Reader::open(&world, None, "?from=0", seen.last().copied()).await;
    seen.extend(positions(&reader.until("caught-up").await.0));
    assert_eq!(seen, (1..=world.head().await).collect::<Vec<_>>());
}

#[tokio::test]
async fn filters_let_through_what_they_name_and_the_rest_is_passed_over_with_checkpoints() {
    let world = World::start().await;
    let (one, other) = (world.member("one@example.com").await, world.member("other@example.com").await);
    world.buys(&one, "order-1", "10.00").await;
    world.buys(&other, "order-2", "10.00").await;
    let all = Reader::open(&world, None, "", None).await.until("caught-up").await.0;
    let told = async |query: &str| positions(&Reader::open(&world, None, query, None).await.until("caught-up").await.0);
    let expected = |fits: Fits| -> Vec<i64> {
        all.iter().filter(|message| fits(message)).map(|message| message.id.expect("an id")).collect()
    };
    let source = |message: &Message| message.data["source"].as_str().unwrap_or_default().to_owned();
    let is_of = |id: &str| all.iter().filter(|message| source(message).ends_with(id)).count();
    assert!(is_of(&one) > 2 && is_of(&other) > 2);
    let cases: [(String, Fits); 6] = [
        ("?type=loyalty.*".to_owned(), &|message| message.event.starts_with("loyalty.")),
        (format!("?customer={one}"), &|message| source(message).ends_with(&one)),
        (format!("?stream=customer:{one}"), &|message| source(message) == format!("/tenants/1/customer/{one}")),
        ("?category=loyalty,customer".to_owned(), &|message| !source(message).contains("access")),
        ("?type=customer.created&type=access.*".to_owned(), &|message| {
            message.event == "customer.created" || message.event.starts_with("access.")
        }),
        (format!("?category=loyalty&customer={other}"), &|message| {
            source(message) == format!("/tenants/1/loyalty/{other}")
        }),
    ];
    for (query, fits) in cases {
        let expected = expected(fits);
        assert!(!expected.is_empty(), "{query}");
        assert_eq!(told(&query).await, expected, "{query}");
    }

    let mut nothing = Reader::open(&world, None, "?type=nothing.like.it", None).await;
    let (events, caught_up) = nothing.until("caught-up").await;
    assert_eq!((events.len(), caught_up.id), (0, Some(world.head().await)));
    world.buys(&one, "order-3", "10.00").await;
    let (events, checkpoint) = nothing.until("checkpoint").await;
    assert!(events.is_empty() && checkpoint.id > caught_up.id, "{checkpoint:?}");
    assert_eq!(checkpoint.data["position"], json!(checkpoint.id));
}

#[tokio::test]
async fn a_reader_sees_its_own_tenant_only_and_no_person_without_the_right_scope() {
    let world = World::start().await;
    world.member("ours@example.com").await;
    let tenant = world.run_json(&["tenant", "create", "acme", "--time-zone", "Europe/Madrid", "--json"]);
    let number = tenant["tenant"].to_string();
    let (theirs, _) = key(&world, &["--scope", "admin", "--tenant", &number]);
    let body = json!({"name": "Eva Ruiz", "emails": ["theirs@example.com"]});
    assert_eq!(world.ask_as(Some(&theirs), Method::POST, "/v1/customers", Some(body)).await.status, 201);

    let text = async |key: Option<&str>| {
        let (events, _) = Reader::open(&world, key, "", None).await.until("caught-up").await;
        events.iter().map(|event| event.data.to_string()).collect::<Vec<_>>().join("\n")
    };
    let (of_us, of_them) = (text(None).await, text(Some(&theirs)).await);
    assert!(of_us.contains("ours@example.com") && !of_us.contains("/tenants/2/") && !of_us.contains("Eva"), "{of_us}");
    assert!(of_them.contains("theirs@example.com") && !of_them.contains("/tenants/1/"), "{of_them}");

    let (blind, _) = key(&world, &["--scope", "feed:read"]);
    let masked = text(Some(&blind)).await;
    assert!(masked.contains("customer.created") && masked.contains("\"personalstate\":\"sealed\""), "{masked}");
    assert!(!masked.contains("ours@example.com") && !masked.contains("Torres"), "{masked}");
    let (seeing, _) = key(&world, &["--scope", "feed:read,customers:pii"]);
    assert!(text(Some(&seeing)).await.contains("ours@example.com"));

    let (other, _) = key(&world, &["--scope", "customers:read"]);
    let refusal = async |key| world.ask_as(key, Method::GET, "/v1/feed", None).await.refusal();
    assert_eq!(refusal(Some(other.as_str())).await, "403 scope_missing");
    assert_eq!(refusal(None).await, "401 key_missing");
    let document = world.ask_as(None, Method::GET, "/asyncapi.json", None).await;
    assert_eq!((document.status, &document.body["asyncapi"]), (200, &json!("3.0.0")));
}

#[tokio::test]
async fn keys_and_tenants_are_on_the_feed_of_who_may_read_the_audit_trail() {
    let world = World::start().await;
    let customer = world.member("audited@example.com").await;
    let (plain, _) = key(&world, &["--scope", "feed:read"]);
    let (auditor, _) = key(&world, &["--scope", "feed:read,audit:read"]);
    let kinds = async |key: Option<&str>, query: &str| {
        let (events, _) = Reader::open(&world, key, query, None).await.until("caught-up").await;
        events.into_iter().map(|event| event.event).collect::<Vec<_>>()
    };
    let is_access = |kind: &String| kind.starts_with("access.");
    let seen = kinds(Some(&plain), "").await;
    assert!(seen.iter().any(|kind| kind == "customer.created") && !seen.iter().any(is_access), "{seen:?}");
    assert_eq!(kinds(Some(&plain), "?type=access.*").await, Vec::<String>::new());
    let ours = kinds(Some(&plain), &format!("?customer={customer}&category=customer")).await;
    assert_eq!(ours, ["customer.created"]);
    for key in [Some(auditor.as_str()), None] {
        assert!(kinds(key, "?type=access.*").await.iter().any(|kind| kind == "access.key.created"));
        assert!(kinds(key, "?category=access_key").await.iter().all(is_access));
    }
    for query in ["category=access_key", "category=customer,access_tenant", &format!("stream=access_key:{customer}")] {
        let answer = world.ask_as(Some(&plain), Method::GET, &format!("/v1/feed?{query}"), None).await;
        let told = (answer.refusal(), answer.body["scope"].clone());
        assert_eq!(told, ("403 scope_missing".to_owned(), json!("audit:read")), "{query}");
    }
    let with_a_ticket = async |key: &str| {
        let ticket = ticket(&world, Some(key), json!({})).await;
        kinds(NO_KEY, &ticket).await
    };
    assert!(!with_a_ticket(&plain).await.iter().any(is_access));
    assert!(with_a_ticket(&auditor).await.iter().any(is_access));
}

#[tokio::test]
async fn cursors_and_filters_that_cannot_be_are_refused() {
    let world = World::start().await;
    let head = world.head().await;
    let (status, body) = refused(&world, "/v1/feed", Some("yesterday")).await;
    assert_eq!((status, &body["errors"][0]["header"]), (400, &json!("Last-Event-ID")), "{body}");
    let (status, body) = refused(&world, "/v1/feed?from=yesterday", None).await;
    assert_eq!((status, &body["errors"][0]["parameter"]), (400, &json!("from")), "{body}");
    let (status, body) = refused(&world, "/v1/feed?since=1", None).await;
    assert_eq!((status, &body["errors"][0]["parameter"]), (400, &json!("since")), "{body}");
    let beyond = (head + 1).to_string();
    let (status, body) = refused(&world, "/v1/feed", Some(&beyond)).await;
    assert_eq!((status, &body["code"], &body["head"]), (409, &json!("position_beyond_head"), &json!(head)), "{body}");
    let (status, body) = refused(&world, &format!("/v1/feed?from={beyond}"), None).await;
    assert_eq!((status, &body["errors"][0]["parameter"]), (409, &json!("from")), "{body}");
    let mut at_the_head = Reader::open(&world, None, &format!("?from={head}"), None).await;
    assert_eq!(at_the_head.next().await.expect("a message").event, "caught-up");
}

#[tokio::test]
async fn a_reader_that_stands_still_slows_nobody_and_misses_nothing() {
    let world = World::start().await;
    world.member("still@example.com").await;
    let head = world.head().await;
    // A small window, so that the server's socket is full early.
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4_096).expect("it is small");
    let mut still = socket.connect(world.host().parse().expect("an address")).await.expect("connected");
    let request = format!("GET /v1/feed HTTP/1.1\r\nHost: {}\r\nX-Api-Key: {}\r\n\r\n", world.host(), world.key());
    still.write_all(request.as_bytes()).await.expect("sent");
    let mut other = Reader::open(&world, None, "?from=now", None).await;
    other.until("caught-up").await;

    let mut slowest = Duration::ZERO;
    for name in ["a", "b", "c"] {
        import(&world, name, 1_000).await;
        let begun = Instant::now();
        world.member(&format!("{name}@example.com")).await;
        slowest = slowest.max(begun.elapsed());
    }
    let end = world.head().await;
    assert!(end - head >= 2_000, "{head} to {end}");
    assert!(slowest < Duration::from_secs(5), "a command took {slowest:?}");
    let events = other.events(usize::try_from(end - head).expect("it grew")).await;
    assert_eq!(positions(&events), (head + 1..=end).collect::<Vec<_>>());

    let mut text = String::new();
    let wanted = format!("id: {end}\n");
    let mut buffer = vec![0; 64 * 1024];
    while !text.contains(&wanted) {
        let read = tokio::time::timeout(Duration::from_secs(20), still.read(&mut buffer)).await.expect("in time");
        let read = read.expect("it is connected");
        assert!(read > 0, "the server closed the connection");
        text.push_str(&String::from_utf8_lossy(&buffer[..read]));
    }
    let events = text
        .split("\n\n")
        .filter(|block| block.contains("\"specversion\""))
        .filter_map(|block| block.lines().find_map(|line| line.strip_prefix("id: "))?.parse::<i64>().ok());
    assert_eq!(events.collect::<Vec<_>>(), (1..=end).collect::<Vec<_>>());
}

#[tokio::test]
async fn places_are_counted_and_a_revoked_key_loses_its_own() {
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    let settings = "feed_clients_max = 3\nfeed_clients_per_key_max = 2\nfeed_recheck_seconds = 1\n";
    fs::write(world.folder().join("feed.toml"), settings).expect("written");
    world.serve(&["--config", "feed.toml"]);
    let (secret, id) = key(&world, &["--scope", "feed:read"]);
    let mut first = Reader::open(&world, Some(&secret), "?from=now", None).await;
    let _second = Reader::open(&world, Some(&secret), "?from=now", None).await;
    let over = async |key: Option<&str>| {
        let response = world.open(key, "/v1/feed", None).await;
        (response.status().as_u16(), response.headers().contains_key("retry-after"))
    };
    assert_eq!(over(Some(&secret)).await, (503, true), "a third one of the same key");
    let _third = Reader::open(&world, None, "?from=now", None).await;
    assert_eq!(over(None).await, (503, true), "a fourth one of all");
    let metrics = world.open(None, "/metrics", None).await.text().await.expect("figures");
    assert!(metrics.contains("feed_clients 3"), "{metrics}");

    world.run_json(&["key", "revoke", &id, "--json"]);
    let (_, end) = first.until("end").await;
    assert_eq!((&end.data["reason"], end.id), (&json!("key_revoked"), None));
    assert!(first.next().await.is_none());
    let _fourth = Reader::open(&world, None, "?from=now", None).await;
}

#[tokio::test]
async fn hundreds_follow_and_who_is_too_many_is_told_so() {
    const PLACES: usize = 300;
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    let settings = format!("feed_clients_max = {PLACES}\nfeed_clients_per_key_max = {PLACES}\n");
    fs::write(world.folder().join("feed.toml"), settings).expect("written");
    world.serve(&["--config", "feed.toml"]);
    let mut readers = Vec::new();
    for _ in 0..PLACES {
        readers.push(Reader::open(&world, None, "?from=now", None).await);
    }
    for _ in 0..50 {
        let response = world.open(None, "/v1/feed", None).await;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        assert_eq!((header("retry-after"), header("connection")), (Some("10"), Some("close")));
        let problem: Value = response.json().await.expect("a problem");
        assert_eq!((&problem["status"], &problem["code"]), (&json!(503), &json!("too_many_readers")));
    }
    let customer = world.member("all@example.com").await;
    for reader in &mut readers {
        let told = reader.events(1).await.remove(0);
        assert_eq!(told.data["source"], format!("/tenants/1/customer/{customer}"));
    }
}

#[tokio::test]
async fn the_command_line_follows_across_a_restart_and_ends_well() {
    let mut world = World::start().await;
    let customer = world.member("tail@example.com").await;
    let mut tail = world.command();
    tail.args(["feed", "tail", "--from", "start", "--json", "--category", "customer"]).stdout(Stdio::piped());
    let mut process = tail.stderr(Stdio::null()).spawn().expect("it starts");
    let mut lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
    let mut next = || -> Value {
        let line = lines.next().expect("a line").expect("text");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(next()["type"], "customer.created");
    world.end(Signal::SIGKILL);
    world.serve(&[]);
    let bought = world.buys(&customer, "order-1", "10.00").await;
    assert_eq!(bought.status, 201);
    let event = next();
    assert_eq!((&event["type"], &event["streamversion"]), (&json!("customer.purchase.recorded"), &json!(2)), "{event}");
    let pid = nix::unistd::Pid::from_raw(i32::try_from(process.id()).expect("a pid"));
    nix::sys::signal::kill(pid, Signal::SIGINT).expect("the signal is sent");
    assert_eq!(process.wait().expect("it ends").code(), Some(0));

    let wrong = world.run(&["feed", "tail", "--type", "No Type"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("400 invalid_type"), "{wrong:?}");
}

async fn ticket(world: &World, key: Option<&str>, body: Value) -> String {
    let answer = world.ask_as(key.or(Some(world.key())), Method::POST, "/v1/feed/tickets", Some(body)).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    format!("?ticket={}", answer.body["ticket"].as_str().expect("a text"))
}

/// Without any key, as a browser asks.
const NO_KEY: Option<&str> = Some("");

#[tokio::test]
async fn a_page_follows_with_a_ticket_over_restarts_and_sees_persons_only_when_it_was_to() {
    let mut world = World::start().await;
    let customer = world.member("page@example.com").await;
    let (plain, personal) =
        (ticket(&world, None, json!({})).await, ticket(&world, None, json!({"personal": true})).await);
    let (mut seen, mut text) = (Vec::new(), String::new());
    for signal in [Signal::SIGKILL, Signal::SIGTERM] {
        let mut reader = Reader::open(&world, NO_KEY, &plain, seen.last().copied()).await;
        let events = reader.until("caught-up").await.0;
        seen.extend(positions(&events));
        events.iter().for_each(|event| text.push_str(&event.data.to_string()));
        world.end(signal);
        world.serve(&[]);
        world.buys(&customer, &format!("order-{}", seen.len()), "10.00").await;
    }
    let mut reader = Reader::open(&world, NO_KEY, &plain, seen.last().copied()).await;
    seen.extend(positions(&reader.until("caught-up").await.0));
    assert_eq!(seen, (1..=world.head().await).collect::<Vec<_>>());
    assert!(text.contains("\"personalstate\":\"sealed\"") && !text.contains("page@example.com"), "{text}");
    let shown = Reader::open(&world, NO_KEY, &personal, None).await.until("caught-up").await.0;
    assert!(shown.iter().any(|event| event.data.to_string().contains("page@example.com")));
}

#[tokio::test]
async fn a_ticket_is_for_a_while_for_the_feed_and_for_as_long_as_its_key() {
    let mut world = World::start().await;
    world.end(Signal::SIGTERM);
    fs::write(world.folder().join("feed.toml"), "feed_recheck_seconds = 1\n").expect("written");
    world.serve(&["--config", "feed.toml"]);
    let (follower, id) = key(&world, &["--scope", "feed:read"]);
    let (other, _) = key(&world, &["--scope", "customers:read"]);
    let issue = async |key: Option<&str>, body: Value| {
        world.ask_as(key, Method::POST, "/v1/feed/tickets", Some(body)).await.refusal()
    };
    assert_eq!(issue(None, json!({})).await, "401 key_missing");
    assert_eq!(issue(Some(&other), json!({})).await, "403 scope_missing");
    assert_eq!(issue(Some(&follower), json!({"personal": true})).await, "403 scope_missing");
    for seconds in [0, -1, 86_401, i64::MAX] {
        assert_eq!(
            issue(Some(&follower), json!({"seconds": seconds})).await,
            "422 validation_failed /seconds out_of_range",
            "{seconds}"
        );
    }

    let own = ticket(&world, Some(&follower), json!({})).await;
    let ask = async |path: &str| world.ask_as(None, Method::GET, path, None).await.refusal();
    assert_eq!(ask(&format!("/v1/customers{own}")).await, "401 key_missing", "it opens nothing else");
    assert_eq!(ask(&format!("/v1/feed{own}&from=x")).await, "400 invalid_position from invalid_position");
    assert_eq!(ask(&format!("/v1/feed{own}00")).await, "401 ticket_unknown");
    assert_eq!(ask("/v1/feed?ticket=").await, "401 ticket_unknown");

    let short = ticket(&world, Some(&follower), json!({"seconds": 2})).await;
    let mut reader = Reader::open(&world, NO_KEY, &format!("{short}&from=now"), None).await;
    assert_eq!(reader.until("end").await.1.data["reason"], "ticket_expired");
    assert_eq!(ask(&format!("/v1/feed{short}")).await, "401 ticket_expired");

    let mut reader = Reader::open(&world, NO_KEY, &own, None).await;
    world.run_json(&["key", "revoke", &id, "--json"]);
    assert_eq!(reader.until("end").await.1.data["reason"], "key_revoked");
    assert_eq!(ask(&format!("/v1/feed{own}")).await, "401 key_revoked");
}
