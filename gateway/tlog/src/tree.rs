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
use evidence::merkle::Frontier;
use evidence::tile::{WIDTH, locate};

/// Bits of an index that one tile level takes.
const TILE_HEIGHT: u32 = 8;
/// A tree of 2⁶⁴ leaves has this many tile levels.
const MAX_LEVELS: u32 = 8;

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
    frontier: Frontier,
    /// Per level, the hashes of the tile that is not full yet.
    edge: Vec<Vec<Hash>>,
}

impl Tree {
    /// The edge of a stored tree. `tile` yields the bytes of a tile; of a tile that is missing or too narrow
    /// the place (level, number) is given back.
    pub fn load<E>(
        size: u64,
        mut tile: impl FnMut(u32, u64) -> Result<Option<Vec<u8>>, E>,
    ) -> Result<Result<Self, (u32, u64)>, E> {
        let mut edge = vec![];
        for level in (0..MAX_LEVELS).take_while(|level| at_level(size, *level) > 0) {
            let (number, width) = (at_level(size, level) / WIDTH, at_level(size, level) % WIDTH);
            let mut hashes = vec![];
            if width > 0 {
                hashes = split(&tile(level, number)?.unwrap_or_default());
                // The store may hold a wider tile than this size needs; a narrower one is a hole.
                let Some(kept) = usize::try_from(width).ok().filter(|kept| *kept <= hashes.len()) else {
                    return Ok(Err((level, number)));
                };
                hashes.truncate(kept);
            }
            edge.push(hashes);
        }
        // Every subtree of the frontier ends in an unfinished tile: a finished one belongs to a larger subtree.
        let frontier = Frontier::load(size, |level, index| {
            let (tile_level, number, from, bits) = locate(level, index);
            let hashes = edge.get(usize::from(tile_level));
            hashes.and_then(|hashes| fold(hashes, from, bits)).ok_or((u32::from(tile_level), number))
        });
        Ok(frontier.map(|frontier| Self { frontier, edge }))
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root; of the empty tree SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        self.frontier.root()
    }

    /// Appends a leaf hash; tiles that become full are pushed to `full`.
    pub fn append(&mut self, leaf: Hash, full: &mut Vec<HashTile>) {
        let edge = &mut self.edge;
        self.frontier.append(leaf, |level, index, hash| {
            if level % TILE_HEIGHT != 0 {
                return;
            }
            let level = level / TILE_HEIGHT;
            let row = level as usize;
            if edge.len() == row {
                edge.push(vec![]);
            }
            edge[row].push(hash);
            if edge[row].len() as u64 == WIDTH {
                let bytes = std::mem::take(&mut edge[row]).concat();
                full.push(HashTile { level, number: index / WIDTH, bytes });
            }
        });
    }

    /// The unfinished tiles that differ from those of the tree of size `since`.
    pub fn unfinished(&self, since: u64) -> Vec<HashTile> {
        let size = self.size();
        let changed = |level: &u32| at_level(size, *level) != at_level(since, *level);
        let tile = |level: u32| {
            let hashes = self.edge.get(level as usize).filter(|hashes| !hashes.is_empty())?;
            Some(HashTile { level, number: at_level(size, level) / WIDTH, bytes: hashes.concat() })
        };
        (0..MAX_LEVELS).filter(changed).filter_map(tile).collect()
    }
}

/// How many hashes tile level `level` has in a tree of `size` leaves.
fn at_level(size: u64, level: u32) -> u64 {
    size.checked_shr(TILE_HEIGHT * level).unwrap_or(0)
}

/// The hashes of a tile; an odd rest is dropped.
pub(crate) fn split(tile: &[u8]) -> Vec<Hash> {
    tile.as_chunks::<32>().0.to_vec()
}

/// Root of the subtree over the hashes `from..from + 2^bits` of a tile, if it is so wide.
pub(crate) fn fold(hashes: &[Hash], from: u64, bits: u32) -> Option<Hash> {
    let from = usize::try_from(from).ok()?;
    let mut frontier = Frontier::new();
    for hash in hashes.get(from..from.checked_add(1 << bits)?)? {
        frontier.append(*hash, |_, _, _| {});
    }
    Some(frontier.root())
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::hash::node;
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
