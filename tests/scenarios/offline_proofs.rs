//! What the server proves, before a verifier that shares no code with it; and both before vectors of an independent implementation.

use crate::support::World;
use clientela_verify::{Head, Key, consistency, event};
use serde_json::Value;
use sha2::{Digest, Sha256};
use store::merkle::{self, Hash, Span};

/// An answer as it came, byte for byte.
async fn answer(world: &World, path: &str) -> (u16, String) {
    let response = world.open(None, path, None).await;
    (response.status().as_u16(), response.text().await.expect("a text"))
}

#[tokio::test]
async fn who_has_nothing_but_the_key_believes_all_that_the_server_proves() {
    let world = World::start().await;
    let keys = Key::all(&answer(&world, "/v1/audit/key").await.1).expect("the log's key");
    let member = world.member("proved@example.com").await;
    let mut heads = Vec::new();
    for order in ["order-1", "order-2"] {
        let position = world.buys(&member, order, "12.00").await.position.expect("a position");
        let (_, proof) = answer(&world, &format!("/v1/audit/proof?position={position}")).await;
        heads.push(event(proof.as_bytes(), &keys).unwrap_or_else(|wrong| panic!("{wrong}: {proof}")).head);
    }
    let (mut proved, mut sealed) = (0, 0);
    for position in 1..=world.head().await {
        let (status, proof) = answer(&world, &format!("/v1/audit/proof?position={position}")).await;
        assert_eq!(status, 200, "{proof}");
        let checked = event(proof.as_bytes(), &keys).unwrap_or_else(|wrong| panic!("{wrong}: {proof}"));
        assert_eq!(checked.event.position, position);
        proved += 1;
        sealed += i32::from(checked.event.personal.is_some());
    }
    assert!(proved > 5 && sealed > 0, "{proved} events, {sealed} of them of a person");

    let path = format!("/v1/audit/consistency?from={}", heads[0].size);
    let (from, to) = consistency(answer(&world, &path).await.1.as_bytes(), &keys).expect("the log has only grown");
    assert_eq!((from, to), (heads[0].clone(), heads[1].clone()));
    let list: Value = serde_json::from_str(&answer(&world, "/v1/audit/heads").await.1).expect("JSON");
    for item in list["items"].as_array().expect("items") {
        let head = Head::open(item["checkpoint"].as_str().expect("a text"), &keys).expect("it is signed");
        assert_eq!(item["size"], head.size);
    }
}

fn vectors() -> Value {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/verify/tests/vectors/tree.json");
    serde_json::from_slice(&std::fs::read(file).expect("the vectors")).expect("JSON")
}

/// The root over the leaves of the vectors that stand in a span.
fn root_of(span: &Span) -> Hash {
    let leaf = |index: u64| Sha256::new_with_prefix([0x00]).chain_update(index.to_be_bytes()).finalize().into();
    let of_subtree =
        |first: u64, count: u64| merkle::perfect_root(&(first..first + count).map(leaf).collect::<Vec<_>>());
    let subtrees = span.subtrees().into_iter().map(|of| of_subtree(of.index << of.level, 1 << of.level));
    merkle::root(&subtrees.collect::<Vec<_>>())
}

#[test]
fn roots_and_proofs_of_the_server_are_those_of_the_vectors() {
    let vectors = vectors();
    let texts = |hashes: Vec<Hash>| Value::from(hashes.iter().map(clientela_verify::tree::text).collect::<Vec<_>>());
    let made = |spans: &[Span]| texts(spans.iter().map(root_of).collect());
    let number = |value: &Value| value.as_u64().expect("a number");
    for (end, root) in (0..).zip(vectors["roots"].as_array().expect("a list")) {
        assert_eq!(&made(&[Span { start: 0, end }])[0], root, "of {end} leaves");
    }
    for proof in vectors["inclusion"].as_array().expect("a list") {
        let spans = merkle::inclusion(number(&proof["index"]), number(&proof["size"]));
        assert_eq!(made(&spans), proof["path"], "{} of {}", proof["index"], proof["size"]);
    }
    for proof in vectors["consistency"].as_array().expect("a list") {
        let spans = merkle::consistency(number(&proof["from"]), number(&proof["to"]));
        assert_eq!(made(&spans), proof["hashes"], "{} to {}", proof["from"], proof["to"]);
    }
}
