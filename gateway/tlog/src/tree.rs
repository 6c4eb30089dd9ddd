//! The right edge of a Merkle tree cut into C2SP tiles: enough to append, to know the root, and to name the
//! tiles that an append changes.
//!
//! Only the unfinished tile of each level is kept (at most 255 hashes a level); finished tiles live in the
//! store. Nothing here reads or writes.
//!
//! ```text
//!  level 1   [ h0 h1 h2 ]               each: root of one full tile of level 0
//!              |  |  |
//!  level 0   [256][256][256] [ l768 l769 ]   leaf hashes; the last tile is unfinished
//! ```

use evidence::Hash;
use evidence::hash::node;

/// Hashes in a full tile, C2SP tlog-tiles.
pub const TILE_WIDTH: u64 = 256;
/// Bits of an index that one tile level takes.
pub const TILE_HEIGHT: u32 = 8;
/// A tree of 2⁶⁴ leaves has this many tile levels.
pub const MAX_LEVELS: u32 = 8;

/// A hash tile: `level` 0 holds leaf hashes; `bytes` are 1 to 256 hashes one after the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HashTile {
    /// Tile level.
    pub level: u32,
    /// Tile number within the level.
    pub number: u64,
    /// Its hashes.
    pub bytes: Vec<u8>,
}

/// The tree's size and right edge.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tree {
    size: u64,
    /// Per level, the hashes of the tile that is not full yet.
    edge: Vec<Vec<Hash>>,
}

impl Tree {
    /// The edge of a stored tree. `tile` yields the bytes of a tile; `None` or a tile that is too short
    /// gives back the place that is missing.
    pub fn load<E>(
        size: u64,
        mut tile: impl FnMut(u32, u64) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Result<Self, (u32, u64)>, E> {
        let mut edge = vec![];
        let mut level = 0;
        while at_level(size, level) > 0 {
            let at_this_level = at_level(size, level);
            let (number, width) = (at_this_level / TILE_WIDTH, at_this_level % TILE_WIDTH);
            let mut hashes = vec![];
            if width > 0 {
                hashes = split(&tile(level, number)?.unwrap_or_default());
                // The store may hold a wider tile than this size needs; a narrower one is a hole.
                let Some(kept) = usize::try_from(width).ok().filter(|w| *w <= hashes.len()) else {
                    return Ok(Err((level, number)));
                };
                hashes.truncate(kept);
            }
            edge.push(hashes);
            level += 1;
        }
        Ok(Ok(Self { size, edge }))
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Appends a leaf hash; tiles that become full are pushed to `full`.
    pub fn append(&mut self, leaf: Hash, full: &mut Vec<HashTile>) {
        self.size += 1;
        let mut carry = leaf;
        for level in 0..MAX_LEVELS {
            let row = level as usize;
            if self.edge.len() == row {
                self.edge.push(vec![]);
            }
            let hashes = &mut self.edge[row];
            hashes.push(carry);
            if hashes.len() as u64 != TILE_WIDTH {
                return;
            }
            let hashes = std::mem::take(hashes);
            let number = at_level(self.size, level) / TILE_WIDTH - 1;
            full.push(HashTile { level, number, bytes: hashes.concat() });
            carry = perfect(&hashes);
        }
    }

    /// The unfinished tiles that differ from those of the tree of size `since`.
    pub fn unfinished(&self, since: u64) -> Vec<HashTile> {
        let changed = |level: &u32| at_level(self.size, *level) != at_level(since, *level);
        let tile = |level: u32| {
            let hashes = self.edge.get(level as usize).filter(|hashes| !hashes.is_empty())?;
            let number = at_level(self.size, level) / TILE_WIDTH;
            Some(HashTile { level, number, bytes: hashes.concat() })
        };
        (0..MAX_LEVELS).filter(changed).filter_map(tile).collect()
    }

    /// The root, RFC 6962 section 2.1; of the empty tree SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        // The tree is a row of perfect subtrees of falling size; the root folds them from the right.
        let mut root: Option<Hash> = None;
        for hashes in &self.edge {
            let mut end = hashes.len();
            while end > 0 {
                let width = 1 << end.trailing_zeros();
                let subtree = perfect(&hashes[end - width..end]);
                root = Some(root.map_or(subtree, |right| node(&subtree, &right)));
                end -= width;
            }
        }
        root.unwrap_or_else(|| evidence::hash::sha256(b""))
    }
}

/// How many hashes tile level `level` has in a tree of `size` leaves.
pub fn at_level(size: u64, level: u32) -> u64 {
    size.checked_shr(TILE_HEIGHT * level).unwrap_or(0)
}

/// The hashes of a tile; an odd rest is dropped.
pub fn split(tile: &[u8]) -> Vec<Hash> {
    tile.as_chunks::<32>().0.to_vec()
}

/// Root of a perfect subtree over a power of two of hashes.
pub fn perfect(hashes: &[Hash]) -> Hash {
    let mut row = hashes.to_vec();
    while row.len() > 1 {
        row = row.as_chunks::<2>().0.iter().map(|[left, right]| node(left, right)).collect();
    }
    row[0]
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    fn leaf(n: u64) -> Hash {
        evidence::hash::leaf(&n.to_be_bytes())
    }

    /// RFC 6962 section 2.1, word for word.
    fn by_definition(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => evidence::hash::sha256(b""),
            1 => leaves[0],
            n => {
                let k = n.next_power_of_two() / 2;
                node(&by_definition(&leaves[..k]), &by_definition(&leaves[k..]))
            }
        }
    }

    #[test]
    fn the_root_is_the_one_of_the_definition_at_every_size() {
        let leaves: Vec<Hash> = (0..700).map(leaf).collect();
        let mut tree = Tree::default();
        for n in 0..=leaves.len() {
            if n % 7 == 0 || (250..262).contains(&n) || (510..520).contains(&n) {
                assert_eq!(tree.root(), by_definition(&leaves[..n]), "{n} leaves");
            }
            if let Some(next) = leaves.get(n) {
                tree.append(*next, &mut vec![]);
            }
        }
    }

    #[test]
    fn a_tree_loaded_from_its_tiles_goes_on_where_it_was() {
        let mut tiles: BTreeMap<(u32, u64), Vec<u8>> = BTreeMap::new();
        let mut tree = Tree::default();
        let mut store = |new: Vec<HashTile>| {
            for tile in new {
                tiles.insert((tile.level, tile.number), tile.bytes);
            }
            tiles.clone()
        };
        for n in 0..70_000 {
            let mut full = vec![];
            let since = tree.size();
            tree.append(leaf(n), &mut full);
            let near_an_edge = [255, 256, 257, 65_535, 65_536, 65_537, 69_999].contains(&tree.size());
            full.extend(tree.unfinished(since));
            if near_an_edge || full.len() > 1 {
                let tiles = store(full);
                let read = |level, number| Ok::<_, ()>(tiles.get(&(level, number)).cloned());
                assert_eq!(Tree::load(tree.size(), read).unwrap().unwrap(), tree);
            }
        }
    }

    #[test]
    fn a_missing_tile_is_named() {
        let none = |_, _| Ok::<_, ()>(None);
        assert_eq!(Tree::load(0, none).unwrap().unwrap(), Tree::default());
        assert_eq!(Tree::load(300, none).unwrap().unwrap_err(), (0, 1));
        assert_eq!(Tree::load(256, none).unwrap().unwrap_err(), (1, 0));
    }
}
