//! The answer of a server whose log has a thousand million events: nobody needs the other events to make one.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use clientela_verify::leaf::Event;
use clientela_verify::tree::{self, Hash};
use ed25519_dalek::{Signer, SigningKey};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

pub(crate) const EVENTS: u64 = 1_000_000_000;
const POSITION: u64 = 700_000_001;
/// Hashes from leaf to root in a tree of 2³⁰ leaves at most.
const LEVELS: u64 = 30;
const NAME: &str = "clientela/0123456789abcdef";

/// The answer and the verifier key of its log.
pub(crate) fn answer() -> (Value, String) {
    let event = json!({
        "position": POSITION, "tenant": 1, "category": "customer", "stream": "01920000-0000-7000-8000-000000000001",
        "version": 7, "type": "customer.purchase.recorded", "schema_version": 1,
        "command_id": "01920000-0000-7000-8000-000000000002", "once_id": null, "subject_id": null,
        "customer_id": "01920000-0000-7000-8000-000000000001", "occurred_at": "2026-11-27T02:00:00.000000Z",
        "recorded_at": "2026-11-27T02:00:00.123456Z", "metadata": "{\"actor\":\"till-1\"}",
        "payload": "{\"currency\":\"EUR\",\"order\":\"order-7\",\"total\":\"120.00\"}", "personal": null,
    });
    let leaf = serde_json::from_value::<Event>(event.clone()).expect("an event").leaf();
    let path: Vec<Hash> = (0..LEVELS).map(|level| Sha256::digest(level.to_be_bytes()).into()).collect();
    let root = tree::root_of(leaf, POSITION - 1, EVENTS, &path).expect("a path of the right length");
    let lines: Vec<String> = path.iter().map(tree::text).collect();
    let (head, key) = signed(&format!("{NAME}\n{EVENTS}\n{}\n", tree::text(&root)));
    let proof = format!("c2sp.org/tlog-proof@v1\nindex {}\n{}\n\n{head}", POSITION - 1, lines.join("\n"));
    (json!({ "position": POSITION, "event": event, "leaf_hash": hex::encode(leaf), "proof": proof }), key)
}

fn signed(text: &str) -> (String, String) {
    let secret = SigningKey::from_bytes(&[7; 32]);
    let public = [&[0x01], secret.verifying_key().as_bytes().as_slice()].concat();
    let id = &Sha256::new_with_prefix(NAME).chain_update(b"\n").chain_update(&public).finalize()[..4];
    let signature = BASE64_STANDARD.encode([id, &secret.sign(text.as_bytes()).to_bytes()].concat());
    let key = format!("{NAME}+{}+{}", hex::encode(id), BASE64_STANDARD.encode(public));
    (format!("{text}\n— {NAME} {signature}\n"), key)
}
