//! The roster as derived tables need it: whose machine is whose, and which definitions a window may rest on. A
//! fold over the genesis, hand-overs and approving plans, by the same rules as the assessor's program.

use evidence::Hash;
use evidence::key::Kid;
use evidence::payload::{Definition, Genesis, KeyAction, KeyChange, Plan, PlanBody, definitions_in_force};
use evidence::statement::Payload;
use std::collections::BTreeMap;

/// The roster at a place of the log.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    pub(crate) step_s: u32,
    pub(crate) windows_per_statement: u32,
    /// Agent id by machine index.
    machines: BTreeMap<u32, String>,
    /// Holder's id by key.
    holders: BTreeMap<Kid, String>,
    definitions: Vec<Definition>,
    /// Mapping hashes of all machines, each set with the moment (UTC s) from which it is approved.
    sets: Vec<(i64, BTreeMap<u32, Hash>)>,
    /// Hashes of the approved sets by agent; emptied when the roster changes.
    hashes: BTreeMap<String, Vec<(i64, Hash)>>,
}

impl Roster {
    /// From entry 0.
    pub(crate) fn of(genesis: &Genesis) -> Self {
        Self {
            step_s: genesis.step_s,
            windows_per_statement: genesis.windows_per_statement,
            machines: genesis.machines.iter().map(|m| (m.index, m.agent.clone())).collect(),
            holders: genesis.keys.iter().map(|k| (k.key.kid(), k.id.clone())).collect(),
            definitions: genesis.definitions.clone(),
            sets: vec![(i64::MIN, genesis.machines.iter().map(|m| (m.index, m.mapping)).collect())],
            hashes: BTreeMap::new(),
        }
    }

    /// Whether a statement changes the roster. Such entries are read again when the tables are opened.
    pub(crate) fn concerns(payload: &Payload) -> bool {
        matches!(payload, Payload::Genesis(_) | Payload::Key(_) | Payload::Plan(_))
    }

    /// Takes a later statement in.
    pub(crate) fn change(&mut self, payload: &Payload) {
        match payload {
            Payload::Key(change) => self.key(change),
            Payload::Plan(plan) => self.plan(plan),
            _ => {}
        }
    }

    fn key(&mut self, change: &KeyChange) {
        let Some(key) = &change.key else { return };
        self.holders.insert(key.key.kid(), key.id.clone());
        if change.action != KeyAction::HandOver {
            return;
        }
        let from = change.subject.and_then(|kid| self.holders.get(&kid)).cloned();
        for (machine, agent) in &mut self.machines {
            let named = match &change.machines {
                Some(machines) => machines.contains(machine),
                None => Some(&*agent) == from.as_ref(),
            };
            if named {
                agent.clone_from(&key.id);
            }
        }
        self.hashes.clear();
    }

    fn plan(&mut self, plan: &Plan) {
        let PlanBody::Mapping { machine, hash, .. } = &plan.body else { return };
        let mut mappings = self.sets.last().map(|(_, mappings)| mappings.clone()).unwrap_or_default();
        mappings.insert(*machine, *hash);
        self.sets.push((plan.effective_from, mappings));
        self.hashes.clear();
    }

    /// Whether a machine is this agent's.
    pub(crate) fn owns(&self, agent: &str, machine: u32) -> bool {
        self.machines.get(&machine).is_some_and(|owner| owner == agent)
    }

    /// An agent's machines, ascending.
    pub(crate) fn machines_of(&self, agent: &str) -> Vec<u32> {
        self.machines.iter().filter(|(_, owner)| *owner == agent).map(|(machine, _)| *machine).collect()
    }

    /// Every machine with its agent and the newest mapping that was approved for it.
    pub(crate) fn machines(&self) -> impl Iterator<Item = (u32, &str, Option<Hash>)> {
        let newest = self.sets.last().map(|(_, mappings)| mappings);
        self.machines.iter().map(move |(machine, agent)| {
            (*machine, agent.as_str(), newest.and_then(|mappings| mappings.get(machine)).copied())
        })
    }

    /// Whether an agent's windows from `t0` on may rest on the definitions of this hash. A set stays approved
    /// when a later one comes: the agent changes over at a moment of its own.
    pub(crate) fn approves(&mut self, agent: &str, hash: &Hash, t0: i64) -> bool {
        if !self.hashes.contains_key(agent) {
            let own = self.machines_of(agent);
            let in_force = |(from, mappings): &(i64, BTreeMap<u32, Hash>)| {
                let own: Vec<_> = own.iter().filter_map(|m| Some((*m, *mappings.get(m)?))).collect();
                (*from, definitions_in_force(&self.definitions, &own))
            };
            let hashes = self.sets.iter().map(in_force).collect();
            self.hashes.insert(agent.to_owned(), hashes);
        }
        let approved = self.hashes.get(agent).map_or(&[][..], Vec::as_slice);
        approved.iter().any(|(from, known)| *from <= t0 && known == hash)
    }
}
