//! Step 2: the Merkle tree of RFC 6962, as far as a verifier needs it: the two checks of RFC 9162, §2.1.3.2 and §2.1.4.2.

use crate::Wrong;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use sha2::{Digest, Sha256};

/// SHA-256.
pub type Hash = [u8; 32];

/// A tree of 2⁶³ leaves has no longer path.
pub const PATH_MAX: usize = 63;

/// The root of a tree without leaves: the hash of nothing.
#[must_use]
pub fn empty_root() -> Hash {
    Sha256::digest([]).into()
}

/// The node over two others.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    Sha256::new_with_prefix([0x01]).chain_update(left).chain_update(right).finalize().into()
}

/// The root that a leaf and its path lead to, in a tree of so many leaves.
///
/// # Errors
/// When the leaf lies beyond the tree, or the path has not the length of its place.
pub fn root_of(leaf: Hash, index: u64, size: u64, path: &[Hash]) -> Result<Hash, Wrong> {
    if index >= size {
        return Err(Wrong::BeyondHead { index, size });
    }
    let mut place = Place { of: index, last: size - 1 };
    let mut root = leaf;
    for sibling in path {
        if place.is_root() {
            return Err(Wrong::too_many(path.len()));
        }
        root = if place.is_right() { node(sibling, &root) } else { node(&root, sibling) };
        place.rise();
    }
    if place.is_root() { Ok(root) } else { Err(Wrong::too_few(path.len())) }
}

/// That a tree of `to` leaves with the root `to_root` begins with that of `from` leaves and the root `from_root`.
///
/// # Errors
/// When it does not, or the hashes do not show it.
pub fn grew(from: u64, from_root: &Hash, to: u64, to_root: &Hash, hashes: &[Hash]) -> Result<(), Wrong> {
    if from > to {
        return Err(Wrong::Shrunk { from, to });
    }
    if from == 0 || from == to {
        return grew_trivially(from, from_root, to_root, hashes, from == to);
    }
    // The root of a full tree is a node of the larger one, so that the proof leaves it out.
    let (first, rest) = match hashes {
        all if from.is_power_of_two() => (from_root, all),
        [first, rest @ ..] => (first, rest),
        [] => return Err(Wrong::too_few(0)),
    };
    let mut place = Place { of: from - 1, last: to - 1 };
    while place.of & 1 == 1 {
        place.rise_once();
    }
    let (mut older, mut newer) = (*first, *first);
    for hash in rest {
        if place.is_root() {
            return Err(Wrong::too_many(hashes.len()));
        }
        if place.is_right() {
            older = node(hash, &older);
            newer = node(hash, &newer);
        } else {
            newer = node(&newer, hash);
        }
        place.rise();
    }
    match (place.is_root(), older == *from_root, newer == *to_root) {
        (false, ..) => Err(Wrong::too_few(hashes.len())),
        (true, false, _) => Err(Wrong::Rewritten { which: "older" }),
        (true, true, false) => Err(Wrong::Rewritten { which: "newer" }),
        (true, true, true) => Ok(()),
    }
}

/// Out of nothing everything grows, and what did not grow is the same.
fn grew_trivially(
    size: u64,
    from_root: &Hash,
    to_root: &Hash,
    hashes: &[Hash],
    is_same_size: bool,
) -> Result<(), Wrong> {
    if !hashes.is_empty() {
        return Err(Wrong::too_many(hashes.len()));
    }
    if size == 0 && *from_root != empty_root() {
        return Err(Wrong::Rewritten { which: "older" });
    }
    if is_same_size && from_root != to_root {
        return Err(Wrong::Forked { size, one: text(from_root), other: text(to_root) });
    }
    Ok(())
}

/// A hash as heads write it.
#[must_use]
pub fn text(hash: &Hash) -> String {
    BASE64_STANDARD.encode(hash)
}

/// A hash as heads write it; there is one way only.
pub(crate) fn hash(what: &'static str, text: &str) -> Result<Hash, Wrong> {
    let read = BASE64_STANDARD.decode(text).ok().and_then(|bytes| Hash::try_from(bytes).ok());
    read.ok_or_else(|| Wrong::unreadable(what, format!("{text:?} is no hash of 32 bytes in base64")))
}

/// Hashes of a path or a proof.
pub(crate) fn hashes<'a>(
    what: &'static str,
    texts: impl ExactSizeIterator<Item = &'a str>,
) -> Result<Vec<Hash>, Wrong> {
    // A proof of consistency may have one more than a path: the node that it begins at.
    if texts.len() > PATH_MAX + 1 {
        return Err(Wrong::too_many(texts.len()));
    }
    texts.map(|text| hash(what, text)).collect()
}

/// Where one is on the way up: a node among those of its level, and the last of them.
struct Place {
    of: u64,
    last: u64,
}

impl Place {
    fn is_root(&self) -> bool {
        self.last == 0
    }

    /// Whether the sibling stands to the left. The last node of a level may have none there; then it is its own parent.
    fn is_right(&self) -> bool {
        self.of & 1 == 1 || self.of == self.last
    }

    /// To the next node that has a sibling.
    fn rise(&mut self) {
        if self.is_right() {
            while self.of & 1 == 0 && self.of != 0 {
                self.rise_once();
            }
        }
        self.rise_once();
    }

    fn rise_once(&mut self) {
        self.of >>= 1;
        self.last >>= 1;
    }
}
