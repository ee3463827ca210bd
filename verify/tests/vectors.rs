//! Trees and notes as an independent implementation makes them: see `vectors/README.md`.

use clientela_verify::tree::{self, Hash};
use clientela_verify::{Head, Key, Wrong, note};
use serde_json::Value;
use sha2::{Digest, Sha256};

fn vectors(name: &str) -> Value {
    let path = format!("{}/tests/vectors/{name}", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_slice(&std::fs::read(path).expect("the file is there")).expect("it is JSON")
}

fn hash(value: &Value) -> Hash {
    use base64::Engine;
    let bytes = base64::prelude::BASE64_STANDARD.decode(value.as_str().expect("a text")).expect("base64");
    bytes.try_into().expect("32 bytes")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

fn number(value: &Value) -> u64 {
    value.as_u64().expect("a number")
}

fn leaf(data: &[u8]) -> Hash {
    Sha256::new_with_prefix([0x00]).chain_update(data).finalize().into()
}

/// The root as RFC 6962 defines it, without any thought of speed.
fn root(leaves: &[Hash]) -> Hash {
    match leaves {
        [] => tree::empty_root(),
        [leaf] => *leaf,
        many => {
            let (left, right) = many.split_at(many.len().next_power_of_two() / 2);
            tree::node(&root(left), &root(right))
        }
    }
}

fn leaves(count: u64) -> Vec<Hash> {
    (0..count).map(|index| leaf(&index.to_be_bytes())).collect()
}

#[test]
fn the_roots_of_certificate_transparency_are_met() {
    let vectors = vectors("transparency.json");
    let roots: Vec<&str> = list(&vectors["roots"]).iter().map(|root| root.as_str().expect("a text")).collect();
    // Known from the tests of Google's implementation.
    assert_eq!(roots[0], "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_eq!(roots[1], "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
    assert_eq!(roots[7], "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c");
    assert_eq!(roots[8], "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328");
    let inputs = list(&vectors["inputs"]).iter();
    let leaves: Vec<Hash> =
        inputs.map(|input| leaf(&hex::decode(input.as_str().expect("a text")).expect("hexadecimal"))).collect();
    for (size, expected) in roots.iter().enumerate() {
        assert_eq!(hex::encode(root(&leaves[..size])), *expected, "of {size} leaves");
    }
}

#[test]
fn roots_of_all_sizes_to_300_are_met() {
    let leaves = leaves(300);
    for (size, expected) in list(&vectors("tree.json")["roots"]).iter().enumerate() {
        assert_eq!(root(&leaves[..size]), hash(expected), "of {size} leaves");
    }
}

#[test]
fn paths_lead_to_the_root_and_no_others_do() {
    let vectors = vectors("tree.json");
    let (roots, leaves) = (list(&vectors["roots"]), leaves(300));
    for proof in list(&vectors["inclusion"]) {
        let (index, size) = (number(&proof["index"]), number(&proof["size"]));
        let path: Vec<Hash> = list(&proof["path"]).iter().map(hash).collect();
        let expected = hash(&roots[usize::try_from(size).expect("small")]);
        let leaf = leaves[usize::try_from(index).expect("small")];
        assert_eq!(tree::root_of(leaf, index, size, &path), Ok(expected), "{index} of {size}");
        for other in altered(&path) {
            assert_ne!(tree::root_of(leaf, index, size, &other), Ok(expected), "{index} of {size}");
        }
        assert_ne!(tree::root_of([7; 32], index, size, &path), Ok(expected), "another leaf");
        if index > 0 {
            assert_ne!(tree::root_of(leaf, index - 1, size, &path), Ok(expected), "another place");
        }
    }
    assert_eq!(tree::root_of(leaves[0], 7, 7, &[]), Err(Wrong::BeyondHead { index: 7, size: 7 }));
    assert_eq!(tree::root_of(leaves[0], 0, 0, &[]), Err(Wrong::BeyondHead { index: 0, size: 0 }));
}

#[test]
fn consistency_is_seen_and_nothing_else_is_taken_for_it() {
    let vectors = vectors("tree.json");
    let root = |size: u64| hash(&list(&vectors["roots"])[usize::try_from(size).expect("small")]);
    for proof in list(&vectors["consistency"]) {
        let (from, to) = (number(&proof["from"]), number(&proof["to"]));
        let hashes: Vec<Hash> = list(&proof["hashes"]).iter().map(hash).collect();
        assert_eq!(tree::grew(from, &root(from), to, &root(to), &hashes), Ok(()), "{from} to {to}");
        for other in altered(&hashes) {
            assert!(tree::grew(from, &root(from), to, &root(to), &other).is_err(), "{from} to {to}");
        }
        assert!(tree::grew(from, &[7; 32], to, &root(to), &hashes).is_err(), "another beginning");
        assert!(tree::grew(from, &root(from), to, &[7; 32], &hashes).is_err(), "another end");
        if from < to {
            assert_eq!(
                tree::grew(to, &root(to), from, &root(from), &hashes),
                Err(Wrong::Shrunk { from: to, to: from })
            );
        }
    }
    assert_eq!(tree::grew(0, &root(0), 300, &root(300), &[]), Ok(()), "out of nothing");
    assert!(tree::grew(0, &[7; 32], 300, &root(300), &[]).is_err(), "nothing has one root");
    assert!(tree::grew(0, &root(0), 300, &root(300), &[[7; 32]]).is_err(), "nothing is to be shown");
    assert!(matches!(tree::grew(300, &root(299), 300, &root(300), &[]), Err(Wrong::Forked { size: 300, .. })));
}

/// All that differs by one hash: a bit of it, its place, itself.
fn altered(hashes: &[Hash]) -> Vec<Vec<Hash>> {
    let mut all = Vec::new();
    for index in 0..hashes.len() {
        let mut flipped = hashes.to_vec();
        flipped[index][index % 32] ^= 1 << (index % 8);
        let mut shorter = hashes.to_vec();
        shorter.remove(index);
        let mut swapped = hashes.to_vec();
        swapped.swap(index, (index + 1) % hashes.len());
        let mut longer = hashes.to_vec();
        longer.insert(index, [7; 32]);
        all.extend([flipped, shorter, swapped, longer]);
    }
    all.push([hashes, &[[7; 32]]].concat());
    all.retain(|other| other != hashes);
    all
}

#[test]
fn keys_and_notes_are_read_as_go_writes_them() {
    let vectors = vectors("notes.json");
    let text = |name: &str| vectors[name].as_str().expect("a text");
    let key: Key = text("key").parse().expect("a key");
    let other: Key = text("other_key").parse().expect("a key");
    let namesake: Key = text("namesake_key").parse().expect("a key");
    assert_eq!(key.to_string(), "clientela/0123456789abcdef+80746a0f");
    let ours = std::slice::from_ref(&key);
    for signed in ["signed", "signed_by_two"] {
        assert_eq!(note::open(text(signed), ours), Ok((text("text"), &key)), "{signed}");
        assert!(Head::open(text(signed), ours).is_ok_and(|head| head.size == 0), "{signed}");
    }
    let both = [other, key.clone()];
    assert_eq!(note::open(text("signed_by_two"), &both), Ok((text("text"), &both[0])));
    for stranger in ["signed_by_other", "by_namesake"] {
        assert!(matches!(note::open(text(stranger), ours), Err(Wrong::UnknownKey { .. })), "{stranger}");
    }
    assert!(note::open(text("by_namesake"), &[namesake]).is_ok());
    let receipt = Head::open(text("receipt"), ours);
    assert!(
        matches!(receipt, Err(Wrong::OtherLog { .. })),
        "a receipt is signed by the key of the log, and no head: {receipt:?}"
    );
    assert!(matches!(Head::open(text("extended"), ours), Err(Wrong::Unreadable { .. })));
}

#[test]
fn a_key_with_one_letter_wrong_is_refused() {
    let vectors = vectors("notes.json");
    let key = vectors["key"].as_str().expect("a text");
    for index in 0..key.len() {
        let mut other = key.as_bytes().to_vec();
        other[index] = if other[index] == b'B' { b'C' } else { b'B' };
        let other = String::from_utf8(other).expect("ASCII");
        assert!(other.parse::<Key>().is_err(), "{other}");
    }
    for other in ["", "+", "++", "a+b", vectors["secret"].as_str().expect("a text")] {
        assert!(other.parse::<Key>().is_err(), "{other}");
    }
}
