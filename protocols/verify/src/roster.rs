//! The roster in force: which agent measures which machine, and what each machine measures. It starts from the
//! genesis, which must not contradict itself, and changes only by the registrar's key statements.

use std::collections::{BTreeMap, BTreeSet};

use evidence::Hash;
use evidence::payload::{Genesis, Machine};
use evidence::statement::{Header, Role};
use kpi::chain::QUANTITIES;
use kpi::figure::{Feeds, StateFrom};
use kpi::leaf::LEAVES;
use kpi::{Cuts, EvidenceClass, MachineKind, MachineTotals, Period, Quantity, column};

use crate::code::DefectCode;

/// Column of the last leaf state.
const LAST_STATE: u8 = 8;

/// The roster in force.
#[derive(Clone, Debug)]
pub(crate) struct Roster {
    machines: Vec<Rostered>,
    by_index: BTreeMap<u32, usize>,
    by_agent: BTreeMap<String, Vec<u32>>,
}

/// A machine with what follows from its roster entry.
#[derive(Clone, Debug)]
pub(crate) struct Rostered {
    pub(crate) entry: Machine,
    pub(crate) kind: MachineKind,
    pub(crate) class: EvidenceClass,
}

impl Roster {
    /// From a genesis that was checked.
    pub(crate) fn new(genesis: &Genesis) -> Self {
        let mut entries = genesis.machines.clone();
        entries.sort_by_key(|m| m.index);
        let machines: Vec<Rostered> = entries.into_iter().map(Rostered::new).collect();
        let by_index = machines.iter().enumerate().map(|(i, m)| (m.entry.index, i)).collect();
        let mut by_agent = BTreeMap::<String, Vec<u32>>::new();
        for machine in &machines {
            by_agent.entry(machine.entry.agent.clone()).or_default().push(machine.entry.index);
        }
        Self { machines, by_index, by_agent }
    }

    /// All machines, by index.
    pub(crate) fn machines(&self) -> &[Rostered] {
        &self.machines
    }

    /// Place of a machine in [`Self::machines`].
    pub(crate) fn place(&self, index: u32) -> Option<usize> {
        self.by_index.get(&index).copied()
    }

    /// Indices of the machines an agent measures, ascending.
    pub(crate) fn of_agent(&self, agent: &str) -> &[u32] {
        self.by_agent.get(agent).map_or(&[], Vec::as_slice)
    }

    /// Gives machines to another agent. `false` when one of them does not exist.
    pub(crate) fn hand_over(&mut self, machines: &[u32], agent: &str) -> bool {
        if machines.iter().any(|&index| self.place(index).is_none()) {
            return false;
        }
        for own in self.by_agent.values_mut() {
            own.retain(|index| !machines.contains(index));
        }
        let own = self.by_agent.entry(agent.to_owned()).or_default();
        own.extend_from_slice(machines);
        own.sort_unstable();
        own.dedup();
        for &index in machines {
            if let Some(place) = self.place(index) {
                agent.clone_into(&mut self.machines[place].entry.agent);
            }
        }
        true
    }
}

impl Rostered {
    fn new(entry: Machine) -> Self {
        Self { kind: kind(&entry), class: evidence_class(&entry), entry }
    }
}

/// Which quantities a machine measures, by [`Quantity::index`]: the roster's columns decide, never the data.
pub fn measured(machine: &Machine) -> [bool; QUANTITIES] {
    Quantity::ALL.map(|q| machine.columns.contains(&q.column()))
}

/// What a machine tells of itself.
pub fn kind(machine: &Machine) -> MachineKind {
    match machine.columns.first() {
        None => MachineKind::Listed,
        Some(&first) if first <= LAST_STATE => MachineKind::Machine,
        Some(_) => MachineKind::Meter,
    }
}

/// Empty totals of a machine, as its roster entry calls for.
pub fn totals(machine: &Machine) -> MachineTotals {
    MachineTotals::new(measured(machine)).of_kind(kind(machine))
}

/// The points that feed a machine, as its roster entry declares them: a machine without a data interface has its
/// state inferred from power; the columns say which registers and witnesses there are.
pub fn feeds(machine: &Machine) -> Feeds {
    let measured = measured(machine);
    let has = |column| machine.columns.contains(&column);
    Feeds {
        state: if machine.flags.digital { StateFrom::Controller } else { StateFrom::Inference },
        parts: measured[Quantity::Parts.index()] || measured[Quantity::GoodParts.index()],
        power_meter: has(column::POWER_MEAN),
        spindle: has(column::SPINDLE_MS),
        cutting: has(column::CUTTING_MS),
    }
}

/// How directly a machine's state is measured, from what feeds it.
pub fn evidence_class(machine: &Machine) -> EvidenceClass {
    feeds(machine).class()
}

/// What a genesis says wrongly of itself. Empty when it can be used.
pub(crate) fn contradictions(genesis: &Genesis, signer: Option<&Header>) -> Vec<(DefectCode, String)> {
    let mut found = Vec::new();
    let mut wrong = |detail: String| found.push((DefectCode::GenesisContent, detail));
    let agents: BTreeSet<&str> =
        genesis.keys.iter().filter(|k| k.role == Role::Agent).map(|k| k.id.as_str()).collect();
    unique("key", genesis.keys.iter().map(|k| k.key.kid().to_string()), &mut wrong);
    unique("machine index", genesis.machines.iter().map(|m| m.index.to_string()), &mut wrong);
    unique("machine id", genesis.machines.iter().map(|m| m.id.clone()), &mut wrong);
    unique("period", genesis.periods.iter().map(|p| p.name.clone()), &mut wrong);
    unique("definition", genesis.definitions.iter().map(|d| d.id.clone()), &mut wrong);
    if let Some(signer) = signer
        && !genesis.keys.iter().any(|k| (k.key.kid(), k.role, &k.id) == (signer.kid, signer.role, &signer.id))
    {
        wrong(format!("the registrar {:?} that signed it is not among its keys", signer.id));
    }
    for machine in &genesis.machines {
        let (id, agent) = (&machine.id, &machine.agent);
        if machine.columns.is_empty() != agent.is_empty() {
            wrong(format!("machine {id:?} must have an agent and columns, or neither if it is only listed"));
        } else if !agent.is_empty() && !agents.contains(agent.as_str()) {
            wrong(format!("machine {id:?} belongs to agent {agent:?}, which has no key"));
        }
        let states = machine.columns.iter().filter(|&&c| c <= LAST_STATE).count();
        if states != 0 && states != LEAVES {
            wrong(format!("machine {id:?} has the columns of {states} leaf states; all nine or none"));
        }
    }
    if genesis.windows_per_statement == 0 {
        wrong("a statement of no windows".into());
    }
    match cuts(genesis, &[]).map(|cuts| crate::calendar::of_genesis(genesis, cuts.grid())) {
        Err(e) => wrong(e.to_string()),
        Ok(Err(e)) => wrong(e.to_string()),
        Ok(Ok(_)) => {}
    }
    // Decoding has compared every definition's text with its hash, unless the hash stands alone.
    let texts: BTreeSet<Hash> = genesis.definitions.iter().map(|d| d.hash).collect();
    let measured = genesis.machines.iter().filter(|m| !m.columns.is_empty());
    for machine in measured.filter(|m| !texts.contains(&m.mapping)) {
        let detail = format!("the state mapping of machine {:?} is no definition of the genesis", machine.id);
        found.push((DefectCode::GenesisDefinition, detail));
    }
    found
}

/// Where time is cut: at midnights, at the genesis' periods and at the periods asked for.
pub(crate) fn cuts(genesis: &Genesis, asked: &[Period]) -> Result<Cuts, kpi::period::CutError> {
    let mut periods: Vec<Period> =
        genesis.periods.iter().map(|p| Period { from: p.from, to: p.to }).collect();
    periods.extend_from_slice(asked);
    Cuts::new(genesis.step_s, genesis.utc_offset_min, &periods)
}

fn unique(what: &str, names: impl Iterator<Item = String>, wrong: &mut impl FnMut(String)) {
    let mut seen = BTreeSet::new();
    for name in names {
        if !seen.insert(name.clone()) {
            wrong(format!("{what} {name} occurs twice"));
        }
    }
}
