//! The Merkle tree of RFC 6962, section 2.1, over leaf hashes: growing it, proving inclusion and
//! consistency, checking proofs.
//!
//! Proofs are built from a function that gives the hash of any complete subtree, so that this module need not
//! know where hashes are kept. `node(level, index)` is the root of the subtree over the leaves
//! `index·2^level ..< (index+1)·2^level`.

use crate::hash::{Hash, node as hash_node, sha256};

/// Root of the empty tree: SHA-256 of nothing.
pub fn empty_root() -> Hash {
    sha256(&[])
}

/// A tree that only grows, kept as the roots of its complete subtrees: O(log n) memory.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// Roots of the complete subtrees, largest first; one for each bit set in `size`.
    roots: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A tree of `size` leaves from its complete subtrees.
    pub fn load<E>(size: u64, mut node: impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Self, E> {
        let roots = subtrees(0, size)
            .into_iter()
            .map(|(level, index)| node(level, index))
            .collect::<Result<_, E>>()?;
        Ok(Self { size, roots })
    }

    /// Number of leaves.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Adds a leaf hash and calls `completed(level, index, hash)` for every subtree that it completes, the leaf
    /// itself (level 0) first.
    pub fn append(&mut self, leaf: Hash, mut completed: impl FnMut(u32, u64, Hash)) {
        let (mut hash, mut level, mut index) = (leaf, 0, self.size);
        completed(level, index, hash);
        while index % 2 == 1 {
            if let Some(left) = self.roots.pop() {
                hash = hash_node(&left, &hash);
            }
            (level, index) = (level + 1, index / 2);
            completed(level, index, hash);
        }
        self.roots.push(hash);
        self.size += 1;
    }

    /// The root of the tree.
    pub fn root(&self) -> Hash {
        fold(&self.roots)
    }
}

/// The root of a tree from its complete subtrees, largest first.
fn fold(roots: &[Hash]) -> Hash {
    roots.iter().rev().copied().reduce(|right, left| hash_node(&left, &right)).unwrap_or_else(empty_root)
}

/// The complete subtrees that tile the leaves `from..to`, in order, as (level, index).
fn subtrees(mut from: u64, to: u64) -> Vec<(u32, u64)> {
    let mut found = Vec::new();
    while from < to {
        let aligned = if from == 0 { 63 } else { from.trailing_zeros() };
        let fitting = (to - from).ilog2();
        let level = aligned.min(fitting);
        found.push((level, from >> level));
        from += 1 << level;
    }
    found
}

/// The root over the leaves `from..to`, where `from` begins a subtree of RFC 6962's splitting.
fn range_root<E>(from: u64, to: u64, node: &mut impl FnMut(u32, u64) -> Result<Hash, E>) -> Result<Hash, E> {
    let roots = subtrees(from, to).into_iter().map(|(l, i)| node(l, i)).collect::<Result<Vec<_>, E>>()?;
    Ok(fold(&roots))
}

/// Largest power of two below `n` (n ≥ 2).
fn split(n: u64) -> u64 {
    1 << (n - 1).ilog2()
}

/// Inclusion proof of leaf `index` in the tree of `size` leaves (RFC 6962, 2.1.1), from the leaf upwards.
/// Empty when `index` is not in the tree.
pub fn inclusion_proof<E>(
    index: u64,
    size: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let (mut from, mut to) = (0, size);
    let mut proof = Vec::new();
    while to - from > 1 && index < size {
        let middle = from + split(to - from);
        if index < middle {
            proof.push(range_root(middle, to, &mut node)?);
            to = middle;
        } else {
            proof.push(range_root(from, middle, &mut node)?);
            from = middle;
        }
    }
    proof.reverse();
    Ok(proof)
}

/// Consistency proof between the trees of `old` and `new` leaves (RFC 6962, 2.1.2); empty when `old` is 0 or
/// equals `new`.
pub fn consistency_proof<E>(
    old: u64,
    new: u64,
    mut node: impl FnMut(u32, u64) -> Result<Hash, E>,
) -> Result<Vec<Hash>, E> {
    let mut proof = Vec::new();
    if old == 0 || old >= new {
        return Ok(proof);
    }
    let (mut from, mut to, mut whole) = (0, new, true);
    while old != to {
        let middle = from + split(to - from);
        if old <= middle {
            proof.push(range_root(middle, to, &mut node)?);
            to = middle;
        } else {
            proof.push(range_root(from, middle, &mut node)?);
            (from, whole) = (middle, false);
        }
    }
    if !whole {
        proof.push(range_root(from, to, &mut node)?);
    }
    proof.reverse();
    Ok(proof)
}

/// Why a proof does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProofError {
    /// The index or size is not possible.
    #[error("the proof speaks of a leaf or size outside the tree")]
    Range,
    /// Too many or too few hashes.
    #[error("the proof has the wrong number of hashes")]
    Length,
    /// It leads to another root.
    #[error("the proof leads to another root")]
    Root,
}

/// Checks an inclusion proof (RFC 9162, 2.1.3.2).
pub fn verify_inclusion(
    leaf: Hash,
    index: u64,
    size: u64,
    proof: &[Hash],
    root: &Hash,
) -> Result<(), ProofError> {
    if root_from_inclusion(leaf, index, size, proof)? == *root { Ok(()) } else { Err(ProofError::Root) }
}

/// The root an inclusion proof leads to.
pub fn root_from_inclusion(leaf: Hash, index: u64, size: u64, proof: &[Hash]) -> Result<Hash, ProofError> {
    if index >= size {
        return Err(ProofError::Range);
    }
    let (mut at, mut last, mut hash) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at % 2 == 1 || at == last {
            hash = hash_node(sibling, &hash);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            hash = hash_node(&hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    if last == 0 { Ok(hash) } else { Err(ProofError::Length) }
}

/// Checks a consistency proof (RFC 9162, 2.1.4.2).
pub fn verify_consistency(old: (u64, &Hash), new: (u64, &Hash), proof: &[Hash]) -> Result<(), ProofError> {
    let ((old_size, old_root), (new_size, new_root)) = (old, new);
    if old_size > new_size {
        return Err(ProofError::Range);
    }
    if old_size == new_size || old_size == 0 {
        let same = old_size == 0 || old_root == new_root;
        return match (same, proof.is_empty()) {
            (true, true) => Ok(()),
            (false, _) => Err(ProofError::Root),
            (true, false) => Err(ProofError::Length),
        };
    }
    let mut hashes = proof.iter();
    let (mut at, mut last) = (old_size - 1, new_size - 1);
    while at % 2 == 1 {
        (at, last) = (at >> 1, last >> 1);
    }
    let first =
        if old_size.is_power_of_two() { old_root } else { hashes.next().ok_or(ProofError::Length)? };
    let (mut old_hash, mut new_hash) = (*first, *first);
    for sibling in hashes {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if at % 2 == 1 || at == last {
            old_hash = hash_node(sibling, &old_hash);
            new_hash = hash_node(sibling, &new_hash);
            while at % 2 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new_hash = hash_node(&new_hash, sibling);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    match (last, old_hash == *old_root && new_hash == *new_root) {
        (0, true) => Ok(()),
        (0, false) => Err(ProofError::Root),
        _ => Err(ProofError::Length),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::hash::leaf;
    use std::collections::HashMap;
    use std::convert::Infallible;

    /// The eight leaf inputs of transparency-dev/merkle's `testonly` package and the roots of the trees over
    /// the first n of them, as published there and in the tests of RFC 6962 logs.
    const INPUTS: [&str; 8] =
        ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    struct Tree {
        frontier: Frontier,
        nodes: HashMap<(u32, u64), Hash>,
        roots: Vec<Hash>,
    }

    fn tree(leaves: impl IntoIterator<Item = Vec<u8>>) -> Tree {
        let mut t = Tree { frontier: Frontier::new(), nodes: HashMap::new(), roots: vec![empty_root()] };
        for entry in leaves {
            t.frontier.append(leaf(&entry), |level, index, hash| {
                t.nodes.insert((level, index), hash);
            });
            t.roots.push(t.frontier.root());
        }
        t
    }

    impl Tree {
        fn node(&self) -> impl FnMut(u32, u64) -> Result<Hash, Infallible> {
            |level, index| Ok(self.nodes[&(level, index)])
        }
    }

    #[test]
    fn the_public_vectors_give_the_public_roots() {
        let t = tree(INPUTS.map(|hex| hex::decode(hex).unwrap()));
        for (n, root) in ROOTS.iter().enumerate() {
            assert_eq!(hex::encode(t.roots[n + 1]), *root, "tree of {} leaves", n + 1);
        }
        assert_eq!(
            hex::encode(empty_root()),
            "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
        );
    }

    #[test]
    fn every_leaf_and_every_earlier_tree_is_proven_and_nothing_else() {
        let t = tree((0u8..40).map(|i| vec![i]));
        for size in 1..=40u64 {
            let root = &t.roots[usize::try_from(size).unwrap()];
            assert_eq!(Frontier::load(size, t.node()).unwrap().root(), *root);
            for index in 0..size {
                let hash = leaf(&[u8::try_from(index).unwrap()]);
                let proof = inclusion_proof(index, size, t.node()).unwrap();
                assert_eq!(verify_inclusion(hash, index, size, &proof, root), Ok(()));
                assert_eq!(verify_inclusion(empty_root(), index, size, &proof, root), Err(ProofError::Root));
                let mut longer = proof.clone();
                longer.push(hash);
                assert_eq!(verify_inclusion(hash, index, size, &longer, root), Err(ProofError::Length));
            }
            for old in 0..=size {
                let old_root = &t.roots[usize::try_from(old).unwrap()];
                let proof = consistency_proof(old, size, t.node()).unwrap();
                assert_eq!(
                    verify_consistency((old, old_root), (size, root), &proof),
                    Ok(()),
                    "{old} to {size}"
                );
                if old > 0 {
                    let wrong = leaf(b"wrong");
                    assert!(verify_consistency((old, &wrong), (size, root), &proof).is_err());
                    assert!(verify_consistency((old, old_root), (size, &wrong), &proof).is_err());
                }
            }
        }
        assert_eq!(verify_consistency((2, &t.roots[2]), (1, &t.roots[1]), &[]), Err(ProofError::Range));
        assert_eq!(verify_inclusion(leaf(&[0]), 1, 1, &[], &t.roots[1]), Err(ProofError::Range));
    }
}
