//! The totals behind a report, kept when somebody asks for figures that no report has: other periods, some of
//! the machines, days. The figures come out of the same call as the report's, so the two can never disagree.
//!
//! Like figures, a ledger exists only of an authentic bundle.

use evidence::Hash;
use evidence::hash::sha256;
use kpi::energy::CarrierAmount;
use kpi::leaf::LEAVES;
use kpi::{Calendar, Cuts, EvidenceClass, Leaf, MachineKind, MachineTotals, Period};

use crate::assemble::table;
use crate::project::Project;
use crate::report::KpiTable;

/// What is asked beyond the report.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Asking {
    /// Periods whose boundaries must be cuts. Local midnights always are.
    pub periods: Vec<Period>,
}

/// A period that was asked for beside the trust file's and that this project cannot answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
pub struct AskError(pub kpi::period::CutError);

/// The statements with a counted window: the time they speak of and their leaf hashes, in order of the log.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counted(Vec<(Period, Hash)>);

impl Counted {
    pub(crate) fn push(&mut self, over: Period, leaf: Hash) {
        self.0.push((over, leaf));
    }

    /// Hash of the statements behind the figures of a period, as [`kpi::Kpi::statements`] defines it.
    fn hash(&self, period: Period) -> Hash {
        let inside = self.0.iter().filter(|(over, _)| over.overlap(period).is_some());
        inside.fold([0; 32], |hash, (_, leaf)| sha256(&[hash, *leaf].concat()))
    }
}

/// Totals of every machine of an authentic bundle.
pub struct Ledger {
    project: Project,
    extent: Period,
    retroactive: bool,
}

/// What a ledger knows of a machine besides its totals.
#[derive(Clone, Copy, Debug)]
pub struct LedgerMachine<'a> {
    /// Machine id.
    pub id: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its line.
    pub line: &'a str,
    /// What it tells of itself.
    pub kind: MachineKind,
    /// How directly its state is measured.
    pub class: EvidenceClass,
}

impl Ledger {
    pub(crate) fn new(project: Project, extent: Period, retroactive: bool) -> Self {
        Self { project, extent, retroactive }
    }

    /// Every machine of the roster, in its order.
    pub fn machines(&self) -> impl Iterator<Item = LedgerMachine<'_>> {
        self.project.roster.machines().iter().map(|own| LedgerMachine {
            id: &own.entry.id,
            name: &own.entry.name,
            line: &own.entry.line,
            kind: own.kind,
            class: own.class,
        })
    }

    /// The period of the report: the trust file's, else from the first to the last signed second.
    pub fn extent(&self) -> Period {
        self.extent
    }

    /// Where time is cut.
    pub fn cuts(&self) -> &Cuts {
        &self.project.cuts
    }

    /// What was planned for a machine of the roster.
    pub fn calendar(&self, machine: &str) -> Option<&Calendar> {
        let machines = self.project.roster.machines();
        let place = machines.iter().position(|own| own.entry.id == machine)?;
        self.project.machines.get(place).map(|state| &state.calendar)
    }

    /// Offset of local time, minutes east of UTC.
    pub fn utc_offset_min(&self) -> i32 {
        self.project.genesis.utc_offset_min
    }

    /// Milliseconds in each leaf state of the machines that `inside` lets in, over a period made of whole cells.
    pub fn states_ms(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> [u64; LEAVES] {
        let machines = self.project.roster.machines().iter().zip(&self.project.machines);
        let totals = machines.filter(|(own, _)| inside(&own.entry.id)).map(|(_, state)| &state.totals);
        states_ms(totals, &self.project.cuts, period)
    }

    /// Whether a plan reached back before it was signed. The figures here rest on what was planned at the time.
    pub fn is_retroactive(&self) -> bool {
        self.retroactive
    }

    /// Electricity of the machines that `inside` lets in and that measure it, over a period made of whole cells.
    pub fn electricity(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> Vec<CarrierAmount> {
        let machines = self.project.roster.machines().iter().zip(&self.project.machines);
        let chosen = machines.filter(|(own, _)| inside(&own.entry.id));
        let one = |(own, state): (&crate::roster::Rostered, &crate::machine::MachineState)| {
            CarrierAmount::electricity(&own.entry.id, &state.totals, &self.project.cuts, period)
        };
        chosen.filter_map(one).collect()
    }

    /// The figures of the machines that `inside` lets in, together, over a period made of whole cells.
    pub fn table(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> KpiTable {
        let statements = hex::encode(self.project.counted.hash(period));
        table(&self.project, period, &statements, inside)
    }
}

/// Time of machines with states in each leaf state, planned or not; what no counted window covers is UNKNOWN.
pub fn states_ms<'a>(
    totals: impl Iterator<Item = &'a MachineTotals>,
    cuts: &Cuts,
    period: Period,
) -> [u64; LEAVES] {
    let mut sums = [0; LEAVES];
    for totals in totals.filter(|t| t.kind() == MachineKind::Machine) {
        for (over, cell) in totals.cells_of(cuts, period) {
            let mut known = 0;
            for states in cell.iter().flat_map(|cell| &cell.states_ms) {
                for (sum, ms) in sums.iter_mut().zip(states).skip(1) {
                    *sum += ms;
                    known += ms;
                }
            }
            sums[Leaf::Unknown.index()] += over.ms().saturating_sub(known);
        }
    }
    sums
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger").field("extent", &self.extent).finish_non_exhaustive()
    }
}
