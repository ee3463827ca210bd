//! The Merkle tree over the log, as RFC 6962 §2 and RFC 9162 §2.1 say: which hashes a proof holds, and how roots are made of them.
//!
//! Leaf `n` is the leaf hash of position `n + 1`; a node is SHA-256(0x01 ‖ left ‖ right). A **subtree** of level `l` and index `i`
//! stands over the `2^l` leaves from `i·2^l` on: once they are all there, its root never changes. Roots of such subtrees are all that
//! a proof is made of. They are kept in **tiles** of 256, as C2SP tlog-tiles says: tile `n` of tile level `L` holds the roots of the
//! subtrees of level `8·L` and index `256·n` … `256·n + 255`.
//!
//! Nothing here reads or writes anything; verification is the offline verifier's.

use sha2::{Digest, Sha256};

/// A hash of the tree.
pub type Hash = [u8; 32];

/// Hashes in a tile.
pub const TILE_WIDTH: u64 = 256;
/// Bytes of a full tile.
pub const TILE_BYTES: usize = 256 * 32;
/// Levels of the tree from one tile level to the next.
const TILE_HEIGHT: u32 = 8;

/// A subtree all of whose leaves are there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Subtree {
    /// It has `2^level` leaves.
    pub level: u32,
    /// How many of its size stand to its left.
    pub index: u64,
}

/// A tile of the tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Its hashes are roots of subtrees of level `8 · level`.
    pub level: u8,
    /// How many of its level stand to its left.
    pub index: u64,
}

/// Consecutive leaves, from `start` up to `end`, that RFC 6962 makes one node of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The first leaf.
    pub start: u64,
    /// The leaf behind the last one.
    pub end: u64,
}

impl Tile {
    /// The subtree whose root is the hash at a place of this tile.
    #[must_use]
    pub fn subtree(self, place: u64) -> Subtree {
        Subtree { level: u32::from(self.level) * TILE_HEIGHT, index: self.index * TILE_WIDTH + place }
    }

    /// The subtree that stands over the whole tile.
    #[must_use]
    pub fn whole(self) -> Subtree {
        Subtree { level: (u32::from(self.level) + 1) * TILE_HEIGHT, index: self.index }
    }

    /// How many full tiles of a level a tree of this size has.
    #[must_use]
    pub fn count(level: u8, size: u64) -> u64 {
        size.checked_shr((u32::from(level) + 1) * TILE_HEIGHT).unwrap_or(0)
    }
}

impl Subtree {
    /// The tile that has what its root is made of, and the places there: one hash or a power of two of them.
    #[must_use]
    pub fn place(self) -> (Tile, std::ops::Range<u64>) {
        let (level, above) = (self.level / TILE_HEIGHT, self.level % TILE_HEIGHT);
        let first = self.index << above;
        let tile = Tile { level: level as u8, index: first / TILE_WIDTH }; // there are 8 tile levels
        let place = first % TILE_WIDTH;
        (tile, place..place + (1 << above))
    }
}

impl Span {
    /// The subtrees side by side that make up these leaves, the largest first.
    #[must_use]
    pub fn subtrees(self) -> Vec<Subtree> {
        let mut start = self.start;
        let mut found = Vec::new();
        while start < self.end {
            let level = (self.end - start).ilog2();
            found.push(Subtree { level, index: start >> level });
            start += 1 << level;
        }
        found
    }
}

/// The hash of a node.
#[must_use]
pub fn node(left: &Hash, right: &Hash) -> Hash {
    let mut hasher = Sha256::new_with_prefix([0x01]);
    hasher.update(left);
    hasher.update(right);
    hasher.finalize().into()
}

/// The root over the roots of [`Span::subtrees`], in their order; that of an empty tree for none.
#[must_use]
pub fn root(subtrees: &[Hash]) -> Hash {
    let folded = subtrees.iter().rev().copied().reduce(|right, left| node(&left, &right));
    folded.unwrap_or_else(|| Sha256::digest([]).into())
}

/// The root over hashes of one level, whose number is a power of two.
#[must_use]
pub fn perfect_root(hashes: &[Hash]) -> Hash {
    let mut level = hashes.to_vec();
    while level.len() > 1 {
        level = level.chunks_exact(2).map(|pair| node(&pair[0], &pair[1])).collect();
    }
    level.first().copied().unwrap_or_else(|| root(&[]))
}

/// The hashes of a tile.
#[must_use]
pub fn hashes(bytes: &[u8]) -> Vec<Hash> {
    bytes.as_chunks::<32>().0.to_vec()
}

/// The nodes that prove a leaf in a tree of `size` leaves, from the leaf upwards (RFC 9162 §2.1.3). `leaf` is below `size`.
#[must_use]
pub fn inclusion(leaf: u64, size: u64) -> Vec<Span> {
    let mut path = Vec::new();
    let mut tree = Span { start: 0, end: size };
    while tree.end - tree.start > 1 {
        let (left, right) = halves(tree);
        let (inside, beside) = if leaf < right.start { (left, right) } else { (right, left) };
        path.push(beside);
        tree = inside;
    }
    path.reverse();
    path
}

/// The nodes that prove that a tree of `to` leaves begins with the one of `from` leaves (RFC 9162 §2.1.4). `from` is at most `to`.
#[must_use]
pub fn consistency(from: u64, to: u64) -> Vec<Span> {
    let mut path = Vec::new();
    let mut tree = Span { start: 0, end: to };
    while from > tree.start && from < tree.end {
        let (left, right) = halves(tree);
        let (inside, beside) = if from <= right.start { (left, right) } else { (right, left) };
        path.push(beside);
        tree = inside;
    }
    // What is left ends where the older tree ends: the verifier knows it already when it is that tree.
    if tree.start > 0 {
        path.push(tree);
    }
    path.reverse();
    path
}

/// What RFC 6962 splits a tree into: the left one is the largest perfect one that is smaller than all.
fn halves(tree: Span) -> (Span, Span) {
    let split = tree.start + (1 << (tree.end - tree.start - 1).ilog2());
    (Span { end: split, ..tree }, Span { start: split, ..tree })
}

/// A full tile that has just come into being.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FullTile {
    /// Which.
    pub tile: Tile,
    /// Its hashes.
    pub hashes: Vec<Hash>,
}

impl FullTile {
    /// As it is stored.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.hashes.concat()
    }
}

/// The right edge of a growing tree: on each tile level the hashes that are no full tile yet.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    levels: Vec<Vec<Hash>>,
}

impl Frontier {
    /// The edge of a tree of full tiles only: `levels[L]` are the hashes that stand on tile level `L` behind its full tiles.
    #[must_use]
    pub fn new(size: u64, levels: Vec<Vec<Hash>>) -> Self {
        Self { size, levels }
    }

    /// How many leaves there are.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf. Tiles that it completes are appended to `full`, a lower one before the one above.
    pub fn push(&mut self, leaf: Hash, full: &mut Vec<FullTile>) {
        self.size += 1;
        let mut hash = leaf;
        for level in 0_u8.. {
            let at = usize::from(level);
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            self.levels[at].push(hash);
            if self.levels[at].len() as u64 != TILE_WIDTH {
                return;
            }
            let hashes = std::mem::take(&mut self.levels[at]);
            hash = perfect_root(&hashes);
            let index = Tile::count(level, self.size) - 1;
            full.push(FullTile { tile: Tile { level, index }, hashes });
        }
    }

    /// The root of the tree as it is.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut subtrees = Vec::new();
        for hashes in self.levels.iter().rev() {
            let mut rest = hashes.as_slice();
            while !rest.is_empty() {
                let (perfect, behind) = rest.split_at(1 << rest.len().ilog2());
                subtrees.push(perfect_root(perfect));
                rest = behind;
            }
        }
        root(&subtrees)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tlog_tiles::tlog;

    fn leaf(number: u64) -> Hash {
        tlog::record_hash(&number.to_be_bytes()).0
    }

    /// A tree as the independent implementation keeps it: all hashes of all levels.
    #[derive(Default)]
    struct Theirs(Vec<tlog::Hash>);

    impl tlog::HashReader for Theirs {
        fn read_hashes(&self, indexes: &[u64]) -> Result<Vec<tlog::Hash>, tlog::Error> {
            Ok(indexes.iter().map(|index| self.0[usize::try_from(*index).unwrap()]).collect())
        }
    }

    impl Theirs {
        fn of(size: u64) -> Self {
            let mut tree = Self::default();
            for number in 0..size {
                let hashes = tlog::stored_hashes(number, &number.to_be_bytes(), &tree).unwrap();
                tree.0.extend(hashes);
            }
            tree
        }
    }

    fn of_leaves(spans: &[Span]) -> Vec<Hash> {
        let of_subtree = |subtree: &Subtree| {
            let first = subtree.index << subtree.level;
            perfect_root(&(first..first + (1 << subtree.level)).map(leaf).collect::<Vec<_>>())
        };
        let of_span = |span: &Span| root(&span.subtrees().iter().map(of_subtree).collect::<Vec<_>>());
        spans.iter().map(of_span).collect()
    }

    fn theirs(hashes: &[tlog::Hash]) -> Vec<Hash> {
        hashes.iter().map(|hash| hash.0).collect()
    }

    fn agree(from: u64, size: u64, tree: &Theirs) {
        let whole = of_leaves(&[Span { start: 0, end: size }])[0];
        assert_eq!(whole, tlog::tree_hash(size, tree).unwrap().0, "the root of {size}");
        if from < size {
            let proof = tlog::prove_record(size, from, tree).unwrap();
            assert_eq!(of_leaves(&inclusion(from, size)), theirs(&proof), "leaf {from} of {size}");
        }
        if (1..=size).contains(&from) {
            let proof = tlog::prove_tree(size, from, tree).unwrap();
            assert_eq!(of_leaves(&consistency(from, size)), theirs(&proof), "{from} to {size}");
        }
    }

    #[test]
    fn all_small_trees_are_those_of_an_independent_implementation() {
        let tree = Theirs::of(40);
        for size in 1..=40 {
            (0..=size).for_each(|from| agree(from, size, &tree));
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(24))]
        #[test]
        fn larger_trees_are_too((from, size) in (1_u64..900).prop_flat_map(|size| (0..=size, Just(size)))) {
            agree(from, size, &Theirs::of(size));
        }

        #[test]
        fn a_proof_of_any_tree_is_made_of_nodes_side_by_side((from, size) in (1_u64..1 << 62).prop_flat_map(|size| (1..=size, Just(size)))) {
            let mut spans = inclusion(from - 1, size);
            spans.push(Span { start: from - 1, end: from });
            spans.sort_by_key(|span| span.start);
            prop_assert!(spans.iter().all(|span| span.start < span.end));
            prop_assert!(spans.windows(2).all(|pair| pair[0].end == pair[1].start));
            prop_assert_eq!((spans[0].start, spans[spans.len() - 1].end), (0, size));
            prop_assert!(inclusion(from - 1, size).len() <= 62);
            prop_assert!(consistency(from, size).len() <= 64);
        }
    }

    #[test]
    fn what_grows_leaf_by_leaf_is_the_tree_and_its_tiles_are_those_of_tlog_tiles() {
        let size = 256 * 256 + 700;
        let tree = Theirs::of(size);
        let (mut frontier, mut full) = (Frontier::default(), Vec::new());
        for number in 0..size {
            if number % 9_973 == 0 {
                assert_eq!(frontier.root(), of_leaves(&[Span { start: 0, end: number }])[0], "at {number}");
            }
            frontier.push(leaf(number), &mut full);
        }
        assert_eq!(frontier.root(), tlog::tree_hash(size, &tree).unwrap().0);
        assert_eq!(full.len() as u64, Tile::count(0, size) + Tile::count(1, size));
        for FullTile { tile, hashes } in full.iter().filter(|full| full.tile.index % 50 == 2 || full.tile.level == 1) {
            let other = tlog_tiles::Tile::new(8, tile.level, tile.index, 256, false);
            assert_eq!(hashes.concat(), other.read_data(&tree).unwrap(), "{tile:?}");
        }
        assert_eq!(hashes(&full[0].bytes()), full[0].hashes);
    }

    #[test]
    fn a_subtree_is_found_in_its_tile() {
        let at = |level, index| Subtree { level, index }.place();
        assert_eq!(at(0, 700), (Tile { level: 0, index: 2 }, 188..189));
        assert_eq!(at(7, 5), (Tile { level: 0, index: 2 }, 128..256));
        assert_eq!(at(8, 5), (Tile { level: 1, index: 0 }, 5..6));
        assert_eq!(at(17, 9), (Tile { level: 2, index: 0 }, 18..20));
        assert_eq!(Tile { level: 1, index: 3 }.subtree(4), Subtree { level: 8, index: 772 });
        assert_eq!(Tile { level: 1, index: 3 }.whole(), Subtree { level: 16, index: 3 });
        assert_eq!(
            [Tile::count(0, 255), Tile::count(0, 256), Tile::count(1, 65_536), Tile::count(9, u64::MAX)],
            [0, 1, 1, 0]
        );
    }
}
