//! Answers of a server, whole: right ones are proved, and whatever is changed in them is found.

#[path = "support/large.rs"]
mod large;

use clientela_verify::{Head, Key, Wrong, consistency, event, tree};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

static KEYS: LazyLock<Vec<Key>> = LazyLock::new(|| Key::all(&text("log.key.pub")).expect("the key can be read"));

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/answers")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(folder().join(name)).expect("the file is there")
}

fn answers(beginning: &str) -> Vec<(String, String)> {
    let entries = std::fs::read_dir(folder()).expect("the folder is there").flatten();
    let names = entries.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut found: Vec<(String, String)> =
        names.filter(|name| name.starts_with(beginning)).map(|name| (name.clone(), text(&name))).collect();
    found.sort();
    assert!(found.len() >= 5, "{beginning}: {}", found.len());
    found
}

/// An answer with something changed.
fn changed(name: &str, change: impl FnOnce(&mut Value)) -> Vec<u8> {
    let mut answer = serde_json::from_str(&text(name)).expect("JSON");
    change(&mut answer);
    answer.to_string().into_bytes()
}

fn code<T: std::fmt::Debug>(checked: Result<T, Wrong>) -> &'static str {
    checked.expect_err("it is wrong").code()
}

#[test]
fn what_is_right_is_proved() {
    for (name, answer) in answers("event-") {
        let proved = event(answer.as_bytes(), &KEYS).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(name, format!("event-{}-of-{}.json", proved.event.position, proved.head.size));
        let kept = Head::open(&text(&format!("head-{}.txt", proved.head.size)), &KEYS).expect("a head");
        assert_eq!(proved.head.same_as(&kept), Ok(()));
    }
    for (name, answer) in answers("consistency-") {
        let (from, to) = consistency(answer.as_bytes(), &KEYS).unwrap_or_else(|wrong| panic!("{name}: {wrong}"));
        assert_eq!(name, format!("consistency-{}-to-{}.json", from.size, to.size));
    }
}

#[test]
fn each_change_is_named() {
    let of = |change: fn(&mut Value)| code(event(&changed("event-30-of-300.json", change), &KEYS));
    assert_eq!(of(|answer| answer["event"]["payload"] = "{}".into()), "leaf_differs");
    assert_eq!(of(|answer| answer["event"]["tenant"] = 2.into()), "leaf_differs");
    assert_eq!(of(|answer| answer["event"]["type"] = "customer.closed".into()), "leaf_differs");
    assert_eq!(of(|answer| answer["event"]["personal"] = Value::Null), "leaf_differs");
    assert_eq!(of(|answer| answer["event"]["personal"] = "".into()), "leaf_differs");
    assert_eq!(of(|answer| answer["leaf_hash"] = "00".into()), "leaf_differs");
    assert_eq!(of(|answer| answer["position"] = 31.into()), "position_differs");
    assert_eq!(of(|answer| in_proof(answer, "index 29", "index 28")), "index_differs");
    assert_eq!(of(|answer| in_proof(answer, "index 29", "index 029")), "unreadable");
    assert_eq!(of(|answer| in_proof(answer, "+Grt", "+Gru")), "path_differs");
    assert_eq!(of(|answer| in_proof(answer, "+Grtnr1+DwRqDNp+9jRBxm1ta2xZbARf/gb8yea8vFA=\n", "")), "path_length");
    assert_eq!(of(|answer| in_proof(answer, "\n300\n", "\n301\n")), "signature_wrong");
    assert_eq!(of(|answer| in_proof(answer, "— clientela", "— clientele")), "unknown_key");
    assert_eq!(of(|answer| in_proof(answer, "proof@v1", "proof@v2")), "unreadable");
    assert_eq!(of(|answer| answer["event"]["checked"] = true.into()), "unreadable", "no leaf covers it");
    assert_eq!(of(|answer| drop(answer["event"].as_object_mut().expect("an object").remove("once_id"))), "unreadable");
    assert_eq!(of(|answer| answer["event"]["position"] = i64::MIN.into()), "position_differs");
}

fn in_proof(answer: &mut Value, from: &str, to: &str) {
    let proof = answer["proof"].as_str().expect("a text");
    assert!(proof.contains(from), "{proof}");
    answer["proof"] = proof.replace(from, to).into();
}

#[test]
fn an_event_of_an_older_head_than_itself_is_not_proved() {
    let older = text("head-7.txt");
    let answer = changed("event-30-of-300.json", |answer| {
        let proof = answer["proof"].as_str().expect("a text");
        let (path, _) = proof.split_once("\n\n").expect("an empty line");
        answer["proof"] = format!("{path}\n\n{older}").into();
    });
    assert_eq!(event(&answer, &KEYS), Err(Wrong::BeyondHead { index: 29, size: 7 }));
}

#[test]
fn an_event_that_was_written_anew_has_another_root() {
    let answer = changed("event-30-of-300.json", |answer| answer["event"]["payload"] = "{}".into());
    let Err(Wrong::Leaf { computed, .. }) = event(&answer, &KEYS) else { panic!("the leaf differs") };
    let answer = changed("event-30-of-300.json", |answer| {
        answer["event"]["payload"] = "{}".into();
        answer["leaf_hash"] = computed.into();
    });
    assert_eq!(code(event(&answer, &KEYS)), "path_differs");
}

#[test]
fn keys_come_from_elsewhere() {
    let others = Key::all(&text("other.key.pub")).expect("a key");
    assert_eq!(code(event(text("event-30-of-300.json").as_bytes(), &others)), "unknown_key");
    assert_eq!(code(consistency(text("consistency-7-to-300.json").as_bytes(), &others)), "unknown_key");
    assert_eq!(code(event(text("event-30-of-300.json").as_bytes(), &[])), "unknown_key");
}

#[test]
fn heads_that_were_kept_are_compared() {
    let head = |size: u64| Head::open(&text(&format!("head-{size}.txt")), &KEYS).expect("a head");
    assert_eq!(head(300).same_as(&head(300)), Ok(()));
    assert_eq!(head(300).same_as(&head(7)), Err(Wrong::NotComparable { kept: 7, size: 300 }));
    let published = text("head-7.txt") + "\n" + &text("head-256.txt") + "\n" + &text("head-300.txt") + "\n";
    let kept = Head::all(&(published.clone() + "clientela/0123456789abcdef\n301"), &KEYS).expect("half a head is none");
    assert_eq!(kept, [head(7), head(256), head(300)]);
    assert_eq!(Head::all(&text("head-7.txt"), &KEYS), Ok(vec![head(7)]));
    assert_eq!(code(Head::all(&published.replace("\n256\n", "\n255\n"), &KEYS)), "signature_wrong");
    assert_eq!(code(Head::all("", &KEYS)), "unreadable");
    assert_eq!(head(256).is_among(&kept), Ok(()));
    assert_eq!(head(1).is_among(&kept), Err(Wrong::NotComparable { kept: 300, size: 1 }));
    let rewritten = Head { root: [7; 32], ..head(256) };
    assert_eq!(code(rewritten.is_among(&kept)), "forked");
    let rewritten = Head { root: [7; 32], ..head(300) };
    assert_eq!(code(rewritten.same_as(&head(300))), "forked");
    let foreign = Head { origin: "clientela/other".to_owned(), ..head(300) };
    assert_eq!(code(foreign.same_as(&head(300))), "two_logs");
}

#[test]
fn a_log_that_does_not_begin_with_the_older_one_is_found() {
    let of = |change: fn(&mut Value)| code(consistency(&changed("consistency-7-to-300.json", change), &KEYS));
    assert_eq!(of(|answer| answer["hashes"][3] = tree::text(&[7; 32]).into()), "rewritten");
    assert_eq!(of(|answer| answer["hashes"] = json!([])), "path_length");
    assert_eq!(of(|answer| answer["from"] = text("head-1.txt").into()), "path_length");
    assert_eq!(of(|answer| answer["from"] = answer["to"].clone()), "path_length");
    assert_eq!(of(|answer| answer["hashes"] = vec![tree::text(&[7; 32]); 65].into()), "path_length");
    let swap = |answer: &mut Value| {
        let from = answer["from"].take();
        answer["from"] = std::mem::replace(&mut answer["to"], from);
    };
    assert_eq!(code(consistency(&changed("consistency-7-to-300.json", swap), &KEYS)), "shrunk");
}

/// What reads the same is the same: spaces between the parts of JSON, the two cases of an escape.
fn means_the_same(one: &[u8], other: &[u8]) -> bool {
    let read = |bytes: &[u8]| serde_json::from_slice::<Value>(bytes).ok();
    read(one).is_some_and(|value| Some(value) == read(other))
}

#[test]
fn whatever_bit_is_flipped_is_found() {
    for name in
        ["event-30-of-300.json", "event-1-of-1.json", "consistency-7-to-300.json", "consistency-256-to-300.json"]
    {
        let answer = text(name).into_bytes();
        for bit in 0..answer.len() * 8 {
            let mut flipped = answer.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let is_proved = event(&flipped, &KEYS).is_ok() || consistency(&flipped, &KEYS).is_ok();
            assert!(!is_proved || means_the_same(&answer, &flipped), "{name}: bit {bit}");
        }
    }
    let head = text("head-300.txt").into_bytes();
    for bit in 0..head.len() * 8 {
        let mut flipped = head.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(String::from_utf8(flipped).map_or(true, |note| Head::open(&note, &KEYS).is_err()), "bit {bit}");
    }
}

#[test]
fn whatever_byte_is_lost_or_put_in_is_found() {
    for name in ["event-30-of-300.json", "consistency-7-to-300.json"] {
        let answer = text(name).into_bytes();
        for at in 0..answer.len() {
            let mut shorter = answer.clone();
            shorter.remove(at);
            let mut longer = answer.clone();
            longer.insert(at, answer[(at * 31) % answer.len()]);
            for other in [&shorter, &longer, &answer[..at].to_vec()] {
                let is_proved = event(other, &KEYS).is_ok() || consistency(other, &KEYS).is_ok();
                assert!(!is_proved || means_the_same(&answer, other), "{name}: byte {at}");
            }
        }
    }
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), note in "(\\PC|\n|— )*") {
        prop_assert!(event(&bytes, &KEYS).is_err());
        prop_assert!(consistency(&bytes, &KEYS).is_err());
        prop_assert!(Head::open(&note, &KEYS).is_err());
        prop_assert!(note.parse::<Key>().is_err());
    }

    #[test]
    fn no_place_in_no_tree_makes_it_panic(
        index in any::<u64>(), size in any::<u64>(), path in proptest::collection::vec(any::<[u8; 32]>(), 0..66),
    ) {
        let _checked = tree::root_of([7; 32], index, size, &path);
        let _checked = tree::grew(index.min(size), &[7; 32], index.max(size), &[8; 32], &path);
    }

    #[test]
    fn no_other_texts_in_the_fields_are_proved(field in 0..4_usize, other in "(\\PC|\n)*") {
        let name = ["leaf_hash", "proof", "event", "position"][field];
        let answer = changed("event-30-of-300.json", |answer| answer[name] = other.into());
        prop_assert!(event(&answer, &KEYS).is_err());
    }
}

#[test]
fn a_proof_of_a_thousand_million_events_fits_into_two_thousand_bytes() {
    let (answer, key) = large::answer();
    let proved = event(answer.to_string().as_bytes(), &[key.parse().expect("a key")]).expect("it is right");
    assert_eq!(proved.head.size, large::EVENTS);
    let proof = answer["proof"].as_str().expect("a text").len();
    assert!(proof <= 2_000, "{proof} bytes");
}
