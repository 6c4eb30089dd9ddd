//! The workshop's log: one agent's window statements as a gateway has logged them, with the checkpoints that an
//! hourly refresh of the agent's newest checkpoint leaves in a bundle (the one it names and the one after it).

use crate::shop::{Kind, Shop};
use evidence::hash::{leaf, sha256};
use evidence::merkle::Frontier;
use evidence::note::Checkpoint;
use evidence::payload::{Definition, Genesis, Machine, RawCommitment, SeenCheckpoint};
use kpi::column;
use verify::testing::{PER_STATEMENT, STEP, TestProject};

/// How many machines.
pub(crate) const MACHINES: u32 = 50;
/// Statements in an hour.
const HOURLY: u32 = 3600 / (STEP * PER_STATEMENT);

/// A project of fifty machines with its log.
pub(crate) struct Logged {
    /// The project; it packs the bundle.
    pub(crate) project: TestProject,
    shop: Shop,
    tree: Frontier,
    seen: Option<SeenCheckpoint>,
    statements: u32,
}

impl Logged {
    /// The project with its genesis as entry 0.
    pub(crate) fn new() -> Self {
        let project = TestProject::with(fifty);
        let mut tree = Frontier::new();
        tree.append(leaf(&project.entries[0]), |_, _, _| ());
        Self { project, shop: Shop::new(0..MACHINES), tree, seen: None, statements: 0 }
    }

    /// The next statement. Gives the windows that it says, minute by minute.
    pub(crate) fn statement(&mut self) -> Vec<Vec<kpi::MachineWindow>> {
        let (rows, columns) = self.shop.columns(PER_STATEMENT);
        let (seen, number) = (self.seen, self.statements);
        self.project.windows_with(|batch| {
            batch.columns = columns;
            batch.checkpoint = seen;
            // A root as unlike the last one as real ones are.
            batch.raw = RawCommitment { root: sha256(&number.to_be_bytes()), blocks: 3 };
        });
        if let Some(entry) = self.project.entries.last() {
            self.tree.append(leaf(entry), |_, _, _| ());
        }
        match self.statements % HOURLY {
            0 => self.seal(true),
            1 => self.seal(false),
            _ => {}
        }
        self.statements += 1;
        rows
    }

    /// A checkpoint over everything, ten seconds after the last window.
    pub(crate) fn seal(&mut self, is_seen: bool) {
        let origin = self.project.genesis.origin.clone();
        let checkpoint = Checkpoint { origin, size: self.tree.size(), root: self.tree.root() };
        let time = self.project.now() + 10;
        let note = self.project.note(&checkpoint, Some(time));
        if is_seen {
            let Checkpoint { size, root, .. } = checkpoint;
            self.seen = Some(SeenCheckpoint { size, root, time, note_hash: sha256(&note) });
        }
        self.project.notes.push(note);
    }
}

fn fifty(genesis: &mut Genesis) {
    let mapping = |m: u32| Definition::new(format!("mapping/m-{m:02}"), format!("machine {m}"));
    genesis.definitions = (0..MACHINES).map(mapping).collect();
    genesis.machines = (0..MACHINES).map(|m| machine(m, genesis)).collect();
}

fn machine(index: u32, genesis: &Genesis) -> Machine {
    let every =
        [column::ENERGY, column::ENERGY_Q, column::POWER_MEAN, column::POWER_PEAK, column::FAULT_COUNT];
    let reads = column::READS_EXPECTED..=column::SESSIONS;
    let mut columns: Vec<u8> =
        (0..=8).chain(every).chain(reads).chain(own(Kind::of(index)).iter().copied()).collect();
    columns.sort_unstable();
    let position = usize::try_from(index).unwrap_or(0);
    Machine {
        index,
        id: format!("m-{index:02}"),
        name: format!("{index} 号机"),
        columns,
        mapping: genesis.definitions[position].hash,
        ..genesis.machines[0].clone()
    }
}

/// Columns beside states, energy, power and reads.
fn own(kind: Kind) -> &'static [u8] {
    match kind {
        Kind::Cnc => &[column::PARTS, column::PARTS_Q, column::SPINDLE_MS],
        Kind::Robot => &[column::PARTS, column::PARTS_Q, column::GOOD, column::GOOD_Q],
        Kind::Press => &[],
    }
}
