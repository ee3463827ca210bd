//! What the server answers, and the steps that check it.

use crate::head::number;
use crate::leaf::Event;
use crate::tree::{self, Hash};
use crate::{Head, Key, Wrong};
use serde::Deserialize;
use serde::de::DeserializeOwned;

const TITLE: &str = "c2sp.org/tlog-proof@v1";

/// The answer of `GET /v1/audit/proof`.
#[derive(Deserialize)]
struct ProofAnswer {
    position: i64,
    event: Event,
    leaf_hash: String,
    proof: String,
}

/// The answer of `GET /v1/audit/consistency`.
#[derive(Deserialize)]
struct ConsistencyAnswer {
    from: String,
    to: String,
    hashes: Vec<String>,
}

/// An event that is in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProvedEvent {
    /// It, with all its columns.
    pub event: Event,
    /// Its hash.
    pub leaf: Hash,
    /// What it is in.
    pub head: Head,
}

/// Checks the answer of `GET /v1/audit/proof`: event → leaf → path → head → signature.
///
/// # Errors
/// At the first step that does not hold.
pub fn event(answer: &[u8], keys: &[Key]) -> Result<ProvedEvent, Wrong> {
    let ProofAnswer { position, event, leaf_hash, proof } = json("the answer", answer)?;
    if position != event.position {
        return Err(Wrong::Position { position, shown: event.position });
    }
    let leaf = event.leaf();
    if hex::encode(leaf) != leaf_hash {
        return Err(Wrong::Leaf { computed: hex::encode(leaf), stated: leaf_hash });
    }
    let Proof { index, path, checkpoint } = Proof::read(&proof)?;
    let expected = position.checked_sub(1).and_then(|index| u64::try_from(index).ok());
    let expected = expected.ok_or_else(|| Wrong::unreadable("the event", "positions begin at 1"))?;
    if index != expected {
        return Err(Wrong::Index { index, position, expected });
    }
    let head = Head::open(checkpoint, keys)?;
    let root = tree::root_of(leaf, index, head.size, &path)?;
    if root != head.root {
        return Err(Wrong::Path { computed: tree::text(&root), root: tree::text(&head.root) });
    }
    Ok(ProvedEvent { event, leaf, head })
}

/// Checks the answer of `GET /v1/audit/consistency`: the log of the second head begins with that of the first. Who has kept a
/// head compares it with the first: the server chose both.
///
/// # Errors
/// When it does not, or this does not show it.
pub fn consistency(answer: &[u8], keys: &[Key]) -> Result<(Head, Head), Wrong> {
    let answer: ConsistencyAnswer = json("the answer", answer)?;
    let (from, to) = (Head::open(&answer.from, keys)?, Head::open(&answer.to, keys)?);
    to.of_one_log(&from)?;
    let hashes = tree::hashes("a hash of the proof", answer.hashes.iter().map(String::as_str))?;
    tree::grew(from.size, &from.root, to.size, &to.root, &hashes)?;
    Ok((from, to))
}

/// An inclusion proof in the text form of C2SP tlog-proof: title, index, path, empty line, head.
struct Proof<'a> {
    index: u64,
    path: Vec<Hash>,
    checkpoint: &'a str,
}

impl<'a> Proof<'a> {
    fn read(text: &'a str) -> Result<Self, Wrong> {
        let unreadable = |why: &str| Wrong::unreadable("the proof", why);
        let (path, checkpoint) =
            text.split_once("\n\n").ok_or_else(|| unreadable("there is no empty line before the head"))?;
        let mut lines = path.split('\n');
        if lines.next() != Some(TITLE) {
            return Err(unreadable("its first line is not c2sp.org/tlog-proof@v1"));
        }
        let index = lines.next().and_then(|line| line.strip_prefix("index "));
        let index = number("the index of the proof", index.ok_or_else(|| unreadable("its second line has no index"))?)?;
        let path: Vec<&str> = lines.collect();
        let path = tree::hashes("a hash of the path", path.into_iter())?;
        Ok(Self { index, path, checkpoint })
    }
}

fn json<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, Wrong> {
    serde_json::from_slice(bytes).map_err(|error| Wrong::unreadable(what, error.to_string()))
}
