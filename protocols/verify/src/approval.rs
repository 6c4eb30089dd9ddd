//! Which definitions and state mappings windows may rest on. Field 10 of a window is one hash over everything in
//! force for its agent, so approvals are kept as sets: the genesis' set, and one more for each approving plan.

use std::collections::BTreeMap;

use evidence::Hash;
use evidence::payload::{Definition, definitions_in_force};

use crate::roster::Roster;

/// Mapping hashes of all machines from a moment on.
#[derive(Clone, Debug)]
struct Approved {
    from: i64,
    mappings: BTreeMap<u32, Hash>,
}

/// All sets of mappings that were ever approved.
#[derive(Debug)]
pub(crate) struct Approvals {
    definitions: Vec<Definition>,
    sets: Vec<Approved>,
    /// Hash and effective time of every set, by agent; emptied when the roster or the sets change.
    hashes: BTreeMap<String, Vec<(i64, Hash)>>,
}

impl Approvals {
    /// The genesis' set, in force from ever.
    pub(crate) fn new(definitions: Vec<Definition>, roster: &Roster) -> Self {
        let mappings = roster.machines().iter().map(|m| (m.entry.index, m.entry.mapping)).collect();
        Self { definitions, sets: vec![Approved { from: i64::MIN, mappings }], hashes: BTreeMap::new() }
    }

    /// A plan approves another mapping of a machine from `from` (UTC s) on.
    pub(crate) fn approve(&mut self, machine: u32, mapping: Hash, from: i64) {
        let mut mappings = self.sets.last().map(|set| set.mappings.clone()).unwrap_or_default();
        mappings.insert(machine, mapping);
        self.sets.push(Approved { from, mappings });
        self.hashes.clear();
    }

    /// Forgets what was derived from the roster.
    pub(crate) fn roster_changed(&mut self) {
        self.hashes.clear();
    }

    /// Whether an agent's windows from `t0` on may rest on the definitions of this hash. A set stays approved
    /// when a later one comes: the agent changes over at a moment of its own.
    pub(crate) fn holds(&mut self, agent: &str, roster: &Roster, hash: &Hash, t0: i64) -> bool {
        if !self.hashes.contains_key(agent) {
            let hashes = self.sets.iter().map(|set| (set.from, self.hash(set, roster.of_agent(agent))));
            self.hashes.insert(agent.to_owned(), hashes.collect());
        }
        let hashes = self.hashes.get(agent).map_or(&[][..], Vec::as_slice);
        hashes.iter().any(|(from, approved)| *from <= t0 && approved == hash)
    }

    fn hash(&self, set: &Approved, machines: &[u32]) -> Hash {
        let mappings: Vec<(u32, Hash)> =
            machines.iter().filter_map(|index| Some((*index, *set.mappings.get(index)?))).collect();
        definitions_in_force(&self.definitions, &mappings)
    }

    /// The newest approved mapping of a machine.
    pub(crate) fn newest(&self, machine: u32) -> Option<Hash> {
        self.sets.last().and_then(|set| set.mappings.get(&machine)).copied()
    }
}
