//! The log's tree, recomputed from every entry: its root, its hash tiles, the roots at sizes that somebody saw,
//! and receipts. O(log n) memory.

use std::collections::BTreeMap;

use evidence::Hash;
use evidence::merkle::Frontier;
use evidence::tile::{Tile, WIDTH};

/// Hashes of one tile level that are not yet written out.
#[derive(Default)]
struct Level {
    index: u64,
    hashes: Vec<Hash>,
}

/// The growing tree.
#[derive(Default)]
pub(crate) struct Tree {
    frontier: Frontier,
    levels: BTreeMap<u8, Level>,
    full: Vec<(Tile, Vec<Hash>)>,
}

impl Tree {
    /// Adds a leaf.
    pub(crate) fn append(&mut self, leaf: Hash) {
        let (levels, full) = (&mut self.levels, &mut self.full);
        self.frontier.append(leaf, |level, _, hash| {
            // Tiles hold the complete subtrees of every eighth level.
            let Some(level) = u8::try_from(level / 8).ok().filter(|_| level % 8 == 0) else { return };
            let own = levels.entry(level).or_default();
            own.hashes.push(hash);
            if own.hashes.len() as u64 == WIDTH {
                full.push((
                    Tile { level: Some(level), index: own.index, width: 256 },
                    std::mem::take(&mut own.hashes),
                ));
                own.index += 1;
            }
        });
    }

    /// Full tiles that were completed since the last call.
    pub(crate) fn completed(&mut self) -> Vec<(Tile, Vec<Hash>)> {
        std::mem::take(&mut self.full)
    }

    /// The partial tiles at the tree's edge.
    pub(crate) fn partial(&self) -> Vec<(Tile, Vec<Hash>)> {
        let tile = |level: u8, own: &Level| {
            let width = u16::try_from(own.hashes.len()).ok().filter(|&w| w > 0)?;
            Some((Tile { level: Some(level), index: own.index, width }, own.hashes.clone()))
        };
        self.levels.iter().filter_map(|(&level, own)| tile(level, own)).collect()
    }

    /// Number of leaves.
    pub(crate) fn size(&self) -> u64 {
        self.frontier.size()
    }

    /// The root.
    pub(crate) fn root(&self) -> Hash {
        self.frontier.root()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use evidence::hash::leaf;
    use evidence::tile::hash_tiles;

    #[test]
    fn the_tiles_are_exactly_those_of_the_tree() {
        let mut tree = Tree::default();
        let mut tiles = Vec::new();
        for i in 0..70_000u32 {
            tree.append(leaf(&i.to_be_bytes()));
            tiles.extend(tree.completed());
        }
        tiles.extend(tree.partial());
        let mut got: Vec<Tile> = tiles.into_iter().map(|(tile, _)| tile).collect();
        got.sort_unstable();
        let mut want: Vec<Tile> = hash_tiles(70_000).collect();
        want.sort_unstable();
        assert_eq!(got, want);
    }
}
