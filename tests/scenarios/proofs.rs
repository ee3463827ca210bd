//! Proofs as an auditor asks for them, and what is refused.

use crate::support::World;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use std::time::Duration;
use store::leaf::Leaf;
use store::merkle::{self, Hash};
use store::signed_note::{VerifierKey, open};
use store::{Position, StreamId, TenantId};
use uuid::Uuid;

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

fn leaked(value: &Value, name: &str) -> &'static str {
    Box::leak(text(value, name).to_owned().into_boxed_str())
}

fn hash(line: &str) -> Hash {
    STANDARD.decode(line).expect("base64").try_into().expect("32 bytes")
}

/// The leaf as it is made of nothing but the answer.
fn leaf(event: &Value) -> Hash {
    let number = |name: &str| event[name].as_i64().expect(name);
    let id = |name: &str| event[name].as_str().map(|id| id.parse::<Uuid>().expect(name));
    let time = |name: &str| text(event, name).parse::<DateTime<Utc>>().expect(name);
    let personal = event["personal"].as_str().map(|sealed| STANDARD.decode(sealed).expect("base64"));
    let leaf = Leaf {
        position: Position(number("position")),
        tenant: TenantId(number("tenant") as i32),
        stream: StreamId { category: leaked(event, "category"), id: id("stream").expect("a stream") },
        version: number("version") as i32,
        event_type: leaked(event, "type"),
        schema_version: number("schema_version") as i16,
        command_id: id("command_id"),
        once_id: id("once_id"),
        subject_id: id("subject_id"),
        customer_id: id("customer_id"),
        occurred_at: time("occurred_at"),
        recorded_at: time("recorded_at"),
        metadata: text(event, "metadata"),
        payload: text(event, "payload"),
        personal: personal.as_deref(),
    };
    leaf.hash()
}

/// The size and the root that a signed head says.
fn head(checkpoint: &str, key: &VerifierKey) -> (u64, Hash) {
    let signed = open(checkpoint, std::slice::from_ref(key)).expect("it is signed");
    let lines: Vec<_> = signed.lines().collect();
    assert_eq!((lines.len(), lines[0]), (3, key.name()));
    (lines[1].parse().expect("a size"), hash(lines[2]))
}

/// Checks an answer as an auditor does; the size of the head that it rests on.
fn verified(answer: &Value, key: &VerifierKey) -> u64 {
    let leaf = leaf(&answer["event"]);
    assert_eq!(text(answer, "leaf_hash"), hex::encode(leaf));
    let (proof, checkpoint) = text(answer, "proof").split_once("\n\n").expect("a head");
    let (size, root) = head(checkpoint, key);
    let index = answer["position"].as_u64().expect("a position") - 1;
    let mut lines = proof.lines();
    assert_eq!(lines.next(), Some("c2sp.org/tlog-proof@v1"));
    assert_eq!(lines.next(), Some(format!("index {index}").as_str()));
    let path: Vec<_> = lines.map(hash).collect();
    let spans = merkle::inclusion(index, size);
    assert_eq!(path.len(), spans.len());
    let folded = spans.iter().zip(&path).fold(leaf, |hash, (span, beside)| match span.start > index {
        true => merkle::node(&hash, beside),
        false => merkle::node(beside, &hash),
    });
    assert_eq!(folded, root, "event {index} of {size}");
    size
}

async fn key_of(world: &World) -> VerifierKey {
    let response = world.open(Some(world.key()), "/v1/audit/key", None).await;
    assert_eq!(response.headers()["content-type"], "text/plain; charset=utf-8");
    VerifierKey::parse(&response.text().await.expect("a text")).expect("one key")
}

#[tokio::test]
async fn an_event_is_proved_just_after_it_was_written() {
    let world = World::start().await;
    let key = key_of(&world).await;
    let member = world.member("audited@example.com").await;
    for order in ["order-1", "order-2", "order-3"] {
        let position = world.buys(&member, order, "10.00").await.position.expect("a position");
        let proof = world.get(&format!("/v1/audit/proof?position={position}")).await;
        assert_eq!(proof.status, 200, "{}", proof.body);
        assert!(verified(&proof.body, &key) >= position as u64);
        assert!(text(&proof.body, "proof").len() <= 2_048);
    }
    let head = world.head().await;
    for position in 1..=head {
        let proof = world.get(&format!("/v1/audit/proof?position={position}")).await;
        if proof.status == 200 {
            verified(&proof.body, &key);
        }
    }
    let path = format!("/v1/audit/events?customer={member}&type=customer.*&min_position={head}&limit=200");
    let written = world.get(&path).await.body["items"].as_array().cloned().expect("events");
    let registered = written.last().expect("the first one");
    let proof = world.get(&format!("/v1/audit/proof?position={}", registered["position"])).await;
    let shown = proof.body.to_string();
    assert!(proof.body["event"]["personal"].is_string() && !shown.contains("audited@example.com"), "{shown}");
}

#[tokio::test]
async fn heads_are_listed_and_each_continues_the_one_before() {
    let world = World::start().await;
    let key = key_of(&world).await;
    let member = world.member("followed@example.com").await;
    let mut sizes = Vec::new();
    for order in ["order-1", "order-2"] {
        let position = world.buys(&member, order, "10.00").await.position.expect("a position");
        let proof = world.get(&format!("/v1/audit/proof?position={position}")).await;
        sizes.push(verified(&proof.body, &key));
    }
    let list = world.get("/v1/audit/heads").await.body;
    let listed: Vec<_> = list["items"].as_array().expect("items").iter().map(|head| head["size"].as_u64()).collect();
    assert_eq!(listed[..2], [Some(sizes[1]), Some(sizes[0])], "the newest first");
    for item in list["items"].as_array().expect("items") {
        let (size, root) = head(text(item, "checkpoint"), &key);
        assert_eq!((item["size"].as_u64(), text(item, "root")), (Some(size), STANDARD.encode(root).as_str()));
    }
    let page = world.get("/v1/audit/heads?limit=1").await.body;
    let next = world.get(&format!("/v1/audit/heads?limit=1&cursor={}", text(&page, "next_cursor"))).await.body;
    assert_eq!((&page["items"][0], &next["items"][0]), (&list["items"][0], &list["items"][1]));

    let proof = world.get(&format!("/v1/audit/consistency?from={}", sizes[0])).await;
    assert_eq!(proof.status, 200, "{}", proof.body);
    assert_eq!(head(text(&proof.body, "from"), &key).0, sizes[0]);
    assert_eq!(head(text(&proof.body, "to"), &key).0, sizes[1]);
    let hashes = proof.body["hashes"].as_array().expect("hashes");
    assert_eq!(hashes.len(), merkle::consistency(sizes[0], sizes[1]).len());
    let same = world.get(&format!("/v1/audit/consistency?from={0}&to={0}", sizes[0])).await;
    assert_eq!(same.body["hashes"], json!([]));
}

#[tokio::test]
async fn what_cannot_be_proved_is_refused() {
    let world = World::start().await;
    let position = world.buys(&world.member("refused@example.com").await, "order-1", "1.00").await.position;
    let path = format!("/v1/audit/proof?position={}", position.expect("a position"));
    let beyond = world.get("/v1/audit/proof?position=999999").await;
    assert_eq!(beyond.refusal(), "404 beyond_head");
    let head = world.head().await;
    assert_eq!((&beyond.body["position"], &beyond.body["head"]), (&json!(999_999), &json!(head)));
    let tenant = world.run_json(&["tenant", "create", "acme", "--json"])["tenant"].to_string();
    let made = world.run_json(&["key", "create", "theirs", "--json", "--scope", "audit:read", "--tenant", &tenant]);
    let theirs = world.ask_as(made["key"].as_str(), reqwest::Method::GET, &path, None).await;
    assert_eq!(theirs.refusal(), "404 event_not_found");
    let made = world.run_json(&["key", "create", "other", "--json", "--scope", "customers:read"]);
    for path in [path.as_str(), "/v1/audit/heads", "/v1/audit/consistency?from=1", "/v1/audit/key"] {
        let other = world.ask_as(made["key"].as_str(), reqwest::Method::GET, path, None).await;
        assert_eq!(other.refusal(), "403 scope_missing", "{path}");
        assert_eq!(world.ask_as(None, reqwest::Method::GET, path, None).await.refusal(), "401 key_missing", "{path}");
    }
    for (path, refusal) in [
        ("/v1/audit/proof", "400 invalid_parameter"),
        ("/v1/audit/proof?position=0", "400 invalid_parameter"),
        ("/v1/audit/proof?position=-1", "400 invalid_parameter"),
        ("/v1/audit/proof?position=x", "400 invalid_parameter"),
        ("/v1/audit/proof?position=9223372036854775807", "404 beyond_head"),
        ("/v1/audit/heads?limit=0", "400 invalid_parameter"),
        ("/v1/audit/heads?cursor=x", "400 invalid_cursor"),
        ("/v1/audit/consistency?from=2&to=1", "400 invalid_parameter"),
        ("/v1/audit/consistency?from=123456789", "404 head_not_found"),
        ("/v1/audit/consistency?from=18446744073709551615", "404 head_not_found"),
    ] {
        let told = world.get(path).await.refusal();
        assert!(told.starts_with(refusal), "{path}: {told}");
    }
}

#[tokio::test]
async fn the_tree_is_built_by_itself_and_says_how_it_is() {
    let world = World::start().await;
    let member = world.member("built@example.com").await;
    for order in 0.. {
        if world.buys(&member, &format!("order-{order}"), "1.00").await.position > Some(260) {
            break;
        }
    }
    let tree = async || world.get("/health").await.body["components"]["tree"].clone();
    let built = async {
        let is_there = |tree: Value| tree["built"].as_u64() >= Some(256) && tree["head"].is_u64();
        while !is_there(tree().await) {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), built)
        .await
        .expect("it is built in time, and a first head is signed");
    let tree = tree().await;
    assert_eq!((text(&tree, "state"), tree["error"].is_null()), ("building", true), "{tree}");
}
