//! From the engine's outputs to what is signed: window batches, event batches, the enrolment request.
//!
//! Pure: sequence numbers, keys, clock claims and commitments are passed in; nothing is sealed or stored here.

use crate::configuration::{Configuration, Machine, RosterEntry};
use crate::window::{ClosedWindow, Event, Output, What};
use evidence::Hash;
use evidence::column::Column;
use evidence::enrol::{Enrolment, ProposedMachine};
use evidence::key::PublicKey;
use evidence::payload::{
    ClockClaim, EventBatch, EventCode, EventValue, Flags, Genesis, MAX_CELLS, Place, RawCommitment,
    SeenCheckpoint, WindowBatch, definitions_in_force,
};
use evidence::statement::{MAX_STATEMENT, Payload};
use kpi::column;
use std::collections::{BTreeMap, VecDeque};

/// What holds for every statement of a project.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Length of a window, s.
    pub step_s: u32,
    /// Windows in a statement.
    pub per_statement: u32,
    /// Power of ten, in Wh, of energy columns.
    pub energy_exponent: i8,
    /// Bytes of ids in the envelope: agent and project, each of which stands there as UTF-8.
    pub id_bytes: usize,
}

/// What is said beside the windows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// Place in the agent's stream.
    pub place: Place,
    /// Counts the agent's starts.
    pub boot_epoch: u64,
    /// What the agent says of its clock.
    pub clock: ClockClaim,
    /// Newest cosigned checkpoint it has verified.
    pub checkpoint: Option<SeenCheckpoint>,
    /// Commitment to the raw blocks.
    pub raw: RawCommitment,
    /// Hash of the definitions in force.
    pub definitions: Hash,
}

/// A payload to be sealed and how many of the outputs it stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What is signed.
    pub payload: Payload,
    /// The outputs it says, from the first.
    pub outputs: usize,
}

/// Everything of an envelope but ids and payload: tags, header names, key id, signature, lengths.
const ENVELOPE_BYTES: usize = 320;

/// The next statement, if the outputs are enough for one: a full batch, or a shorter one because the next
/// window does not follow, or because of `flush`.
pub fn next(outputs: &VecDeque<Output>, shape: &Shape, context: &Context, flush: bool) -> Option<Draft> {
    let windows = run(outputs, shape);
    let full = windows.len() == usize::try_from(shape.per_statement).unwrap_or(usize::MAX);
    let broken = windows
        .last()
        .is_some_and(|last| outputs.iter().skip(last + 1).any(|output| matches!(output, Output::Window(_))));
    if !full && !broken && !flush {
        return None;
    }
    if let Some(draft) = largest(windows.len(), |n| window_draft(outputs, windows[n - 1] + 1, shape, context))
    {
        return Some(draft);
    }
    // Not even one window fits beside its events, or there is none: events alone, as many as fit.
    let events = outputs.iter().take_while(|output| matches!(output, Output::Event(_))).count();
    largest(events, |n| event_draft(outputs, n, shape, context))
}

/// The draft of the largest count from 1 to `most` that fits, found by halving: more never takes less room.
fn largest(most: usize, draft: impl Fn(usize) -> Option<Draft>) -> Option<Draft> {
    let (mut best, mut low, mut high) = (None, 1, most);
    // A whole batch nearly always fits.
    let mut n = most;
    while low <= high {
        match draft(n) {
            Some(found) => (best, low) = (Some(found), n + 1),
            None => high = n - 1,
        }
        n = usize::midpoint(low, high);
    }
    best
}

fn window_draft(outputs: &VecDeque<Output>, taken: usize, shape: &Shape, context: &Context) -> Option<Draft> {
    let batch = batch(outputs.iter().take(taken), shape, context);
    let cells: usize = batch.columns.values().map(|column| column.values.len()).sum();
    let payload = Payload::Window(Box::new(batch));
    (cells <= MAX_CELLS && fits(&payload, shape)).then_some(Draft { payload, outputs: taken })
}

fn event_draft(outputs: &VecDeque<Output>, n: usize, shape: &Shape, context: &Context) -> Option<Draft> {
    let events = outputs.iter().take(n).filter_map(|output| match output {
        Output::Event(event) => Some(event),
        Output::Window(_) => None,
    });
    let payload = Payload::Event(event_batch(events, shape, context));
    fits(&payload, shape).then_some(Draft { payload, outputs: n })
}

/// A statement of events alone, for when no window can follow.
pub fn event_batch<'a>(
    events: impl Iterator<Item = &'a Event>,
    shape: &Shape,
    context: &Context,
) -> EventBatch {
    EventBatch {
        place: context.place,
        boot_epoch: context.boot_epoch,
        clock: context.clock.clone(),
        events: events.map(|e| event(e, shape.energy_exponent)).collect(),
    }
}

fn fits(payload: &Payload, shape: &Shape) -> bool {
    payload.encode().len() + ENVELOPE_BYTES + shape.id_bytes <= MAX_STATEMENT
}

/// Positions of the windows that one statement can hold: each follows the one before and has its machines.
fn run(outputs: &VecDeque<Output>, shape: &Shape) -> Vec<usize> {
    let step_ms = i64::from(shape.step_s) * 1000;
    let mut positions = vec![];
    let mut last: Option<&ClosedWindow> = None;
    for (i, output) in outputs.iter().enumerate() {
        let Output::Window(window) = output else { continue };
        let follows = last.is_none_or(|l| l.start.0 + step_ms == window.start.0 && same_machines(l, window));
        if !follows || positions.len() == usize::try_from(shape.per_statement).unwrap_or(usize::MAX) {
            break;
        }
        positions.push(i);
        last = Some(window);
    }
    positions
}

fn same_machines(a: &ClosedWindow, b: &ClosedWindow) -> bool {
    a.machines.iter().map(|(i, _)| i).eq(b.machines.iter().map(|(i, _)| i))
}

fn batch<'a>(outputs: impl Iterator<Item = &'a Output>, shape: &Shape, context: &Context) -> WindowBatch {
    let (mut windows, mut events) = (vec![], vec![]);
    for output in outputs {
        match output {
            Output::Window(window) => windows.push(window),
            Output::Event(e) => events.push(event(e, shape.energy_exponent)),
        }
    }
    let machines: Vec<u32> = windows.first().map_or(vec![], |w| w.machines.iter().map(|(i, _)| *i).collect());
    WindowBatch {
        place: context.place,
        boot_epoch: context.boot_epoch,
        t0: windows.first().map_or(0, |w| w.start.0.div_euclid(1000)),
        step: shape.step_s,
        n: u32::try_from(windows.len()).unwrap_or(u32::MAX),
        clock: context.clock.clone(),
        checkpoint: context.checkpoint,
        columns: columns(&windows, machines.len(), shape.energy_exponent),
        machines,
        raw: context.raw,
        definitions: context.definitions,
        events,
    }
}

/// Machine by machine, window by window; a column that is all zero is left out.
fn columns(windows: &[&ClosedWindow], machines: usize, energy_exponent: i8) -> BTreeMap<u8, Column> {
    let mut columns = BTreeMap::new();
    for id in column::ALL {
        let exponent = if id == column::ENERGY { energy_exponent } else { 0 };
        let values = (0..machines)
            .flat_map(|m| windows.iter().map(move |w| scaled(id, w.machines[m].1.get(id), energy_exponent)))
            .collect();
        let column = Column { exponent, values };
        if !column.is_zero() {
            columns.insert(id, column);
        }
    }
    columns
}

/// A value of a column as the integer that is signed. Energy is kept in mWh and signed at the resolution of the
/// meters; a register never falls by rounding, since all are rounded down alike.
fn scaled(id: u8, value: i64, energy_exponent: i8) -> i64 {
    if id != column::ENERGY {
        return value;
    }
    match u32::try_from(i32::from(energy_exponent) + 3) {
        Ok(power) => 10i64.checked_pow(power).map_or(0, |p| value.div_euclid(p)),
        // Finer than 1 mWh is refused by the configuration.
        Err(_) => value,
    }
}

fn event(event: &Event, energy_exponent: i8) -> evidence::payload::Event {
    let int = EventValue::Int;
    let counter = |id: u8, value: i64| EventValue::Counter(id, scaled(id, value, energy_exponent));
    let (code, before, after) = match &event.what {
        What::Boot { version, binary } => {
            (EventCode::Boot, EventValue::Null, EventValue::Program(version.clone(), *binary))
        }
        What::ClockStep { expected, shown } => (EventCode::ClockStep, int(expected.0), int(shown.0)),
        What::Down { from, to } => (EventCode::Down, int(from.0), int(to.0)),
        What::Loss { from, to } => (EventCode::Loss, int(from.0), int(to.0)),
        What::Configuration { before, after } => {
            (EventCode::Configuration, EventValue::Hash(*before), EventValue::Hash(*after))
        }
        What::CounterBreak { column, last, first } => {
            (EventCode::Counter, counter(*column, *last), counter(*column, *first))
        }
        What::MeterExchanged { column, last, first } => {
            (EventCode::MeterExchanged, counter(*column, *last), counter(*column, *first))
        }
        What::Identity { before, after } => {
            let before = before.clone().map_or(EventValue::Null, EventValue::Text);
            (EventCode::Identity, before, EventValue::Text(after.clone()))
        }
        What::Note { text } => (EventCode::Note, EventValue::Null, EventValue::Text(text.clone())),
    };
    evidence::payload::Event { t_ms: event.at.0, code, machine: event.machine, before, after }
}

/// The machines of the roster that an agent measures.
pub fn roster(genesis: &Genesis, agent: &str) -> Vec<RosterEntry> {
    let own = genesis.machines.iter().filter(|m| m.agent == agent);
    own.map(|m| RosterEntry { index: m.index, id: m.id.clone(), identity: m.identity.clone() }).collect()
}

impl Configuration {
    /// What holds for every statement of a project.
    pub fn shape(&self, project: &str) -> Shape {
        Shape {
            step_s: self.window.step_s,
            per_statement: self.window.per_statement,
            energy_exponent: self.energy_exponent(project),
            id_bytes: self.agent.id.len() + project.len(),
        }
    }

    /// One exponent for all machines of a project: that of its finest register, so that no digit is lost.
    fn energy_exponent(&self, project: &str) -> i8 {
        let exponents = self.machines_of(project).filter_map(Machine::energy_exponent);
        exponents.min().unwrap_or(0)
    }

    /// Hash of the definitions in force: those of the genesis with the mappings of this configuration. A machine
    /// of the roster that is not configured keeps the mapping that was approved; it measures nothing.
    pub fn definitions(&self, genesis: &Genesis) -> Hash {
        let own = genesis.machines.iter().filter(|m| m.agent == self.agent.id);
        let mappings: Vec<(u32, Hash)> = own
            .map(|m| {
                let configured = self.machines_of(&genesis.project).find(|c| c.id == m.id);
                (m.index, configured.map_or(m.mapping, |c| c.mapping.hash))
            })
            .collect();
        definitions_in_force(&genesis.definitions, &mappings)
    }

    /// Machines whose mapping is not the one in the genesis: they count as UNKNOWN until a plan approves it.
    pub fn unapproved<'a>(&'a self, genesis: &'a Genesis) -> impl Iterator<Item = &'a Machine> {
        self.machines_of(&genesis.project).filter(move |configured| {
            let own = genesis.machines.iter().find(|m| m.agent == self.agent.id && m.id == configured.id);
            own.is_some_and(|m| m.mapping != configured.mapping.hash)
        })
    }

    /// The request to join a project, with this configuration's roster as a proposal.
    pub fn enrolment(&self, project: &str, key: &PublicKey, program: &str) -> Enrolment {
        Enrolment {
            agent: self.agent.id.clone(),
            project: project.to_owned(),
            key: key.clone(),
            machines: self.machines_of(project).map(proposed).collect(),
            step_s: self.window.step_s,
            windows_per_statement: self.window.per_statement,
            program: program.to_owned(),
        }
    }
}

fn proposed(machine: &Machine) -> ProposedMachine {
    let facts = &machine.facts;
    ProposedMachine {
        id: machine.id.clone(),
        name: machine.name.clone(),
        line: machine.line.clone(),
        kind: machine.kind.key().to_owned(),
        columns: machine.columns(),
        mapping: machine.mapping.text.clone(),
        planned_cycle_ms: facts.planned_cycle_ms,
        flags: Flags {
            key_operation: facts.key_operation,
            numerically_controlled: facts.numerically_controlled,
            digital: facts.digital,
            domestic: facts.domestic,
        },
        identity: facts.identity.clone(),
        rated_w: facts.rated_w,
        theoretical_cycle_ms: facts.theoretical_cycle_ms,
    }
}

#[cfg(test)]
#[path = "statement_tests.rs"]
mod tests;
