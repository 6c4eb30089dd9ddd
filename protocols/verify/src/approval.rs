//! Which definitions and state mappings windows may rest on. Field 10 of a window is one hash over everything in
//! force for its agent, so approvals are kept as sets: the genesis' set, and one more for each approving plan.

use std::collections::BTreeMap;

use evidence::Hash;
use evidence::payload::{Definition, definitions_in_force};

use crate::roster::Roster;

/// Mapping hashes of all machines from a moment on.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Approved {
    from: i64,
    mappings: BTreeMap<u32, Hash>,
}

/// All sets of mappings that were ever approved.
#[derive(Debug)]
pub(crate) struct Approvals {
    definitions: Vec<Definition>,
    genesis: BTreeMap<u32, Hash>,
    /// Approved changes in the order in which they take effect; those of one moment as they were logged.
    changes: Vec<(i64, u32, Hash)>,
    sets: Vec<Approved>,
    /// Hash and effective time of every set, by agent; emptied when the roster or the sets change.
    hashes: BTreeMap<String, Vec<(i64, Hash)>>,
    /// The set that an agent's last windows rest on, by its place in `sets`.
    used: BTreeMap<String, usize>,
}

impl Approvals {
    /// The genesis' set, in force from ever.
    pub(crate) fn new(definitions: Vec<Definition>, roster: &Roster) -> Self {
        let mappings: BTreeMap<u32, Hash> =
            roster.machines().iter().map(|m| (m.entry.index, m.entry.mapping)).collect();
        Self {
            definitions,
            genesis: mappings.clone(),
            changes: Vec::new(),
            sets: vec![Approved { from: i64::MIN, mappings }],
            hashes: BTreeMap::new(),
            used: BTreeMap::new(),
        }
    }

    /// A plan approves another mapping of a machine from `from` (UTC s) on. Changes follow each other by the time
    /// of their effect, not of their signature: what takes effect next year is in no set of this year.
    pub(crate) fn approve(&mut self, machine: u32, mapping: Hash, from: i64) {
        let at = self.changes.partition_point(|(effect, ..)| *effect <= from);
        self.changes.insert(at, (from, machine, mapping));
        let mut mappings = self.genesis.clone();
        for (i, &(from, machine, mapping)) in self.changes.iter().enumerate() {
            mappings.insert(machine, mapping);
            let set = Approved { from, mappings: mappings.clone() };
            // Sets that were approved before a change came between stay so.
            if i >= at && !self.sets.contains(&set) {
                self.sets.push(set);
            }
        }
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
        let found = hashes.iter().rposition(|(from, approved)| *from <= t0 && approved == hash);
        if let Some(set) = found
            && self.used.get(agent) != Some(&set)
        {
            self.used.insert(agent.to_owned(), set);
        }
        found.is_some()
    }

    fn hash(&self, set: &Approved, machines: &[u32]) -> Hash {
        let mappings: Vec<(u32, Hash)> =
            machines.iter().filter_map(|index| Some((*index, *set.mappings.get(index)?))).collect();
        definitions_in_force(&self.definitions, &mappings)
    }

    /// The mapping of an agent's machine: the one that its last windows rest on, else the one approved at `t`
    /// (UTC s). An older one stays approved, so the newest is not always the one that was used.
    pub(crate) fn in_force(&self, agent: &str, machine: u32, t: i64) -> Option<Hash> {
        let used = self.used.get(agent).and_then(|set| self.sets[*set].mappings.get(&machine));
        used.copied().or_else(|| self.at(machine, t))
    }

    fn at(&self, machine: u32, t: i64) -> Option<Hash> {
        let changes = self.changes.iter().take_while(|(from, ..)| *from <= t);
        let last = changes.filter(|(_, of, _)| *of == machine).last().map(|(.., hash)| *hash);
        last.or_else(|| self.genesis.get(&machine).copied())
    }
}
