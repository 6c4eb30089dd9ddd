//! Where figures come from: a verified bundle or a file. Both answer the same questions by the same calls of
//! `kpi`; what differs is who vouches for the totals.

use std::collections::BTreeSet;

use kpi::calendar::ShiftRun;
use kpi::energy::CarrierAmount;
use kpi::leaf::LEAVES;
use kpi::{Calendar, EvidenceClass, KpiId, MachineKind, Period, Scope, Subject, Times, kpis};
use verify::ledger::states_ms;
use verify::report::KpiTable;
use verify::timeline::{Timeline, TimelineCell, TimelineRow};
use verify::{Ledger, Verified};

use super::book::{Book, Measured};

/// What a machine is called.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, schemars::JsonSchema)]
pub struct MachineName {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Line; empty where none is given.
    pub line: String,
}

/// A source of figures.
pub trait Books {
    /// Every machine.
    fn machines(&self) -> Vec<MachineName>;
    /// From the first to the last second there is, or the period that the assessor's trust file names.
    fn extent(&self) -> Period;
    /// Minutes east of UTC.
    fn offset_min(&self) -> i32;
    /// The figures of the machines that `inside` lets in, together.
    fn table(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> KpiTable;
    /// Electricity of the machines that `inside` lets in and that measure it.
    fn electricity(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> Vec<CarrierAmount>;
    /// Milliseconds in each leaf state of the machines that `inside` lets in; what nothing covers is UNKNOWN.
    fn states_ms(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> [u64; LEAVES];
    /// The calendar of a machine.
    fn calendar(&self, machine: &str) -> Option<&Calendar>;
    /// States and energy over time.
    fn timeline(&self) -> &Timeline;
    /// Energy of the machines that `inside` lets in and that measure it, machine by machine in order of time.
    fn energy(&self, inside: &dyn Fn(&str) -> bool) -> Vec<Vec<Measured>>;
}

/// A verified bundle's ledger with the timeline of its report.
pub struct BundleBooks {
    /// Totals.
    pub ledger: Verified<Ledger>,
    /// States and energy over time.
    pub timeline: Timeline,
}

impl Books for BundleBooks {
    fn machines(&self) -> Vec<MachineName> {
        let name = |m: verify::ledger::LedgerMachine<'_>| MachineName {
            id: m.id.to_owned(),
            name: if m.name.is_empty() { m.id.to_owned() } else { m.name.to_owned() },
            line: m.line.to_owned(),
        };
        self.ledger.machines().map(name).collect()
    }

    fn extent(&self) -> Period {
        self.ledger.extent()
    }

    fn offset_min(&self) -> i32 {
        self.ledger.utc_offset_min()
    }

    fn table(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> KpiTable {
        self.ledger.table(period, inside)
    }

    fn electricity(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> Vec<CarrierAmount> {
        self.ledger.electricity(period, inside)
    }

    fn states_ms(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> [u64; LEAVES] {
        self.ledger.states_ms(period, inside)
    }

    fn calendar(&self, machine: &str) -> Option<&Calendar> {
        self.ledger.calendar(machine)
    }

    fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    fn energy(&self, inside: &dyn Fn(&str) -> bool) -> Vec<Vec<Measured>> {
        self.timeline
            .rows
            .iter()
            .filter(|r| inside(&r.machine))
            .map(drawn_energy)
            .filter(|e| !e.is_empty())
            .collect()
    }
}

/// What stands for the hash of a state mapping where a file names the states.
const AS_WRITTEN: &str = "as written in the file";

impl Books for Book {
    fn machines(&self) -> Vec<MachineName> {
        let name = |m: &super::book::BookedMachine| MachineName {
            id: m.id.clone(),
            name: m.name.clone(),
            line: m.line.clone(),
        };
        self.machines.iter().map(name).collect()
    }

    fn extent(&self) -> Period {
        self.extent
    }

    fn offset_min(&self) -> i32 {
        self.offset_min
    }

    fn table(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> KpiTable {
        let subjects: Vec<Subject<'_>> = self
            .machines
            .iter()
            .filter(|m| inside(&m.id))
            .map(|m| Subject {
                id: &m.id,
                totals: &m.totals,
                digital: false,
                feeds: m.feeds,
                mapping: AS_WRITTEN,
                calendar: &m.calendar,
                cycles: Some(&m.cycles),
            })
            .collect();
        let scope = Scope { period, cuts: &self.cuts, statements: None, good_condition: None };
        let mut times = Times::default();
        for subject in subjects.iter().filter(|s| s.totals.kind() == MachineKind::Machine) {
            times += subject.totals.times(&self.cuts, subject.calendar, period);
        }
        let mut kpis = kpis(scope, &subjects);
        kpis.retain(|kpi| self.can_tell(kpi.id));
        for kpi in &mut kpis {
            // A register that somebody typed is a declaration, whatever it was read from.
            kpi.class = EvidenceClass::D;
        }
        KpiTable { name: String::new(), period, machine: None, times, kpis }
    }

    fn electricity(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> Vec<CarrierAmount> {
        let machines = self.machines.iter().filter(|m| inside(&m.id));
        let of =
            |m: &super::book::BookedMachine| CarrierAmount::electricity(&m.id, &m.totals, &self.cuts, period);
        // What a file says is a declaration.
        machines.filter_map(of).map(|amount| CarrierAmount { class: EvidenceClass::D, ..amount }).collect()
    }

    fn states_ms(&self, period: Period, inside: &dyn Fn(&str) -> bool) -> [u64; LEAVES] {
        let machines = self.machines.iter().filter(|m| inside(&m.id));
        states_ms(machines.map(|m| &m.totals), &self.cuts, period)
    }

    fn calendar(&self, machine: &str) -> Option<&Calendar> {
        self.machines.iter().find(|m| m.id == machine).map(|m| &m.calendar)
    }

    fn timeline(&self) -> &Timeline {
        &self.timeline
    }

    fn energy(&self, inside: &dyn Fn(&str) -> bool) -> Vec<Vec<Measured>> {
        let own = self.machines.iter().zip(&self.energy).filter(|(m, e)| inside(&m.id) && !e.is_empty());
        let own: Vec<Vec<Measured>> = own.map(|(_, energy)| energy.clone()).collect();
        if self.has_sums || own.iter().all(|e| e.len() <= MOST_STRETCHES) {
            return own;
        }
        self.timeline
            .rows
            .iter()
            .filter(|r| inside(&r.machine))
            .map(drawn_energy)
            .filter(|e| !e.is_empty())
            .collect()
    }
}

/// Stretches of one machine that a picture can show; beyond, cells of the timeline are drawn.
const MOST_STRETCHES: usize = 1_000;

/// Energy by the cells of a timeline. A cell whose bounds differ is not known.
fn drawn_energy(row: &TimelineRow) -> Vec<Measured> {
    let one = |cell: &TimelineCell| {
        let energy = cell.energy_mwh?;
        let mwh = energy.upper.filter(|upper| *upper == energy.lower);
        Some(Measured { over: Period { from: cell.from, to: cell.to }, mwh })
    };
    row.cells.iter().filter_map(one).collect()
}

impl Book {
    /// No file proves a connection or what was read, and sums of times hide the order of faults: such figures are left
    /// out, since a zero would mean something that nobody said.
    pub fn can_tell(&self, id: KpiId) -> bool {
        match id {
            KpiId::ConnectionRate
            | KpiId::ConnectionRateAll
            | KpiId::ConnectionRateDue
            | KpiId::ConnectionRateCalendar
            | KpiId::EverConnected
            | KpiId::Acquisition => false,
            KpiId::Mtbf | KpiId::Mttr => !self.has_sums,
            _ => true,
        }
    }
}

/// The shifts of a period over the machines that count, each with the name it has in the plan. Shifts of different
/// machines that begin and end together are one.
pub fn shifts(books: &dyn Books, period: Period, inside: &dyn Fn(&str) -> bool) -> Vec<(String, Period)> {
    let mut all: BTreeSet<(i64, i64, String)> = BTreeSet::new();
    for machine in books.machines().iter().filter(|m| inside(&m.id)) {
        let Some(calendar) = books.calendar(&machine.id) else { continue };
        let runs = calendar.shifts(period);
        all.extend(runs.into_iter().map(|ShiftRun { name, over, .. }| (over.from, over.to, name)));
    }
    all.into_iter().map(|(from, to, name)| (name, Period { from, to })).collect()
}
