//! Totals of one machine, kept per cell between two cuts: what windows add up to. Memory is O(cells), however
//! many windows go in. Totals of neighbouring stretches append to what one walk over both would give.
//!
//! Nothing here decides which windows may be counted, and nothing here divides.

mod columns;

use crate::amount::AmountQuality;
use crate::calendar::{Calendar, Place, SLOTS, Slot, Stretch};
use crate::chain::{Booking, Chain, CounterBreak, QUANTITIES, Quantity};
use crate::faults::FaultRun;
use crate::leaf::{LEAVES, Leaf};
use crate::period::{Cuts, Period};
use crate::times::Times;
use crate::window::MachineWindow;

pub use columns::{ColumnError, Columns};

/// How a signed window is to be taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// It may be counted. Otherwise it is signed but its content is not used: late, or its mapping is not
    /// approved; then its states are UNKNOWN and its registers are not believed.
    pub counted: bool,
    /// It is the first window its stream ever signed.
    pub opening: bool,
}

/// What a machine of the roster tells of itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum MachineKind {
    /// States, and whatever quantities it measures.
    #[default]
    Machine,
    /// Quantities only: a meter without states.
    Meter,
    /// Nothing: it is listed, counts in the denominators that ask for all machines, and is never measured.
    Listed,
}

/// A signed stretch without windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hole {
    /// The box was off.
    Down,
    /// Windows were made and lost; the loss is signed.
    Loss,
}

/// What one cell adds up to. All times in milliseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// Time in each leaf, by slot; of counted windows only.
    pub states_ms: [[u64; LEAVES]; SLOTS],
    /// Time of counted windows.
    pub counted_ms: u64,
    /// Time of windows that are signed but not counted.
    pub uncounted_ms: u64,
    /// Signed down time.
    pub down_ms: u64,
    /// Signed losses.
    pub loss_ms: u64,
    /// Reads that were due.
    pub reads_expected: u64,
    /// Reads answered well.
    pub reads_good: u64,
    /// Values that changed.
    pub changed: u64,
    /// Sessions alive or established, summed over windows.
    pub sessions: u64,
    /// A window saw another identity than the roster's.
    pub identity_differs: bool,
    /// Time connected.
    pub connected_ms: u64,
    /// Time cutting.
    pub cutting_ms: u64,
    /// Time of dry run.
    pub dry_run_ms: u64,
    /// Time of warm-up.
    pub warmup_ms: u64,
    /// Time with the spindle turning.
    pub spindle_ms: u64,
    /// Entries into FAULT.
    pub fault_count: u64,
    /// Faults of busy time.
    pub faults: FaultRun,
    /// What lies wholly within this cell, by quantity.
    pub amounts: [CellAmount; QUANTITIES],
}

/// The part of an amount that lies wholly within one cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CellAmount {
    /// Sum of known differences, mWh or pieces.
    pub sum: u128,
    /// Seconds those differences cover.
    pub covered_s: u64,
    /// Some stretch within this cell is unknown: anything upwards may have to be added.
    pub unknown: bool,
    /// Some of it was integrated from power.
    pub integrated: bool,
    /// The part of it in planned busy time.
    pub busy: BusyAmount,
}

/// The part of an amount in planned busy time. What the rest is lies outside.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct BusyAmount {
    /// Sum of differences over stretches wholly in busy time.
    pub sum: u128,
    /// Seconds those cover.
    pub covered_s: u64,
    /// Sum of differences over stretches partly in busy time: they may lie on either side.
    pub astride: u128,
    /// Some unknown stretch reaches into busy time.
    pub unknown: bool,
}

/// Where a stretch lies in the plan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Side {
    Busy,
    Astride,
    Outside,
}

impl From<bool> for Side {
    /// Of a stretch in one slot, by whether that is busy time.
    fn from(busy: bool) -> Self {
        if busy { Self::Busy } else { Self::Outside }
    }
}

/// An amount over a stretch that crosses a cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The stretch.
    pub over: Period,
    /// The amount, or `None` when it is unknown.
    pub amount: Option<u64>,
}

/// An amount over a period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct AmountBounds {
    /// Least amount.
    pub lower: u128,
    /// Greatest amount; `None` when nothing bounds it.
    pub upper: Option<u128>,
    /// Seconds of the period that known differences cover.
    pub covered_s: u64,
    /// Some of it was integrated from power.
    pub integrated: bool,
}

/// What one window booked, by quantity.
pub type Booked = [Booking; QUANTITIES];

/// A window or hole that does not follow what was already added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("time from {from} (UTC s) is added, but time up to {reach} already was")]
pub struct OrderError {
    /// Start of the window or hole, UTC s.
    pub from: i64,
    /// End of the time already added, UTC s.
    pub reach: i64,
}

/// Totals of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct MachineTotals {
    measured: [bool; QUANTITIES],
    kind: MachineKind,
    /// Ascending. Windows come in order of time, so the last one is nearly always the one that grows.
    cells: Vec<(Period, Cell)>,
    chains: [Chain; QUANTITIES],
    spans: [Vec<(Span, Side)>; QUANTITIES],
    begin: Option<i64>,
    reach: Option<i64>,
    place: Place,
}

impl MachineTotals {
    /// Totals of a machine that measures the quantities its roster says.
    pub fn new(measured: [bool; QUANTITIES]) -> Self {
        Self { measured, ..Self::default() }
    }

    /// The same of another kind of machine.
    #[must_use]
    pub fn of_kind(mut self, kind: MachineKind) -> Self {
        self.kind = kind;
        self
    }

    /// What the machine tells of itself.
    pub fn kind(&self) -> MachineKind {
        self.kind
    }

    /// Whether the roster says that the machine measures a quantity.
    pub fn measures(&self, quantity: Quantity) -> bool {
        self.measured[quantity.index()]
    }

    /// The end of the time added so far, UTC s.
    pub fn reach(&self) -> Option<i64> {
        self.reach
    }

    /// Adds the window that starts at `t` (UTC s, on the window grid). Windows come in order of time; one that
    /// was already added is refused and changes nothing.
    pub fn window(
        &mut self,
        cuts: &Cuts,
        calendar: &Calendar,
        t: i64,
        window: &MachineWindow,
        breaks: &[CounterBreak],
        standing: Standing,
    ) -> Result<Booked, OrderError> {
        let to = t + cuts.step_s();
        self.follow(t, to)?;
        let stretch = self.place.stretch(calendar, t);
        let cell = self.cell(cuts, t);
        if standing.counted {
            cell.count(window, stretch.slot, Period { from: t, to });
        } else {
            cell.uncounted_ms += ms(cuts.step_s());
        }
        let plan = (calendar, stretch);
        Ok(self.book(cuts, plan, Period { from: t, to }, window, breaks, standing))
    }

    fn book(
        &mut self,
        cuts: &Cuts,
        plan: (&Calendar, Stretch),
        Period { from, to }: Period,
        window: &MachineWindow,
        breaks: &[CounterBreak],
        Standing { counted, opening }: Standing,
    ) -> Booked {
        let amounts = [window.energy, window.parts, window.good_parts];
        let mut booked = [Booking::Nothing; QUANTITIES];
        for quantity in Quantity::ALL {
            let i = quantity.index();
            if !self.measured[i] {
                continue;
            }
            let flags = (counted, opening);
            booked[i] = self.chains[i].window(from, to, amounts[i], breaks, quantity, flags);
            self.enter(cuts, plan, quantity, booked[i]);
            if amounts[i].quality == AmountQuality::Integrated {
                self.cell(cuts, from).amounts[i].integrated = true;
            }
        }
        booked
    }

    /// Adds a signed stretch without windows, `[from, to)` in UTC s.
    pub fn hole(&mut self, cuts: &Cuts, kind: Hole, from: i64, to: i64) -> Result<(), OrderError> {
        self.follow(from, to)?;
        for over in cuts.cells(Period { from, to }).filter_map(|c| c.overlap(Period { from, to })) {
            let cell = self.cell(cuts, over.from);
            match kind {
                Hole::Down => cell.down_ms += over.ms(),
                Hole::Loss => cell.loss_ms += over.ms(),
            }
        }
        for chain in &mut self.chains {
            chain.signed_hole(from, to);
        }
        Ok(())
    }

    /// Appends totals of the same machine over later time, made with the same cuts and calendar.
    pub fn append(&mut self, cuts: &Cuts, calendar: &Calendar, later: Self) -> Result<(), OrderError> {
        let Some(reach) = later.reach else { return Ok(()) };
        self.follow(later.begin.unwrap_or(reach), reach)?;
        for (period, cell) in later.cells {
            let at = self.at(period);
            self.cells[at].1.add(&cell);
        }
        for quantity in Quantity::ALL {
            let i = quantity.index();
            let seam = self.chains[i].append(&later.chains[i]);
            self.enter(cuts, (calendar, calendar.stretch(reach)), quantity, seam);
            self.spans[i].extend_from_slice(&later.spans[i]);
        }
        Ok(())
    }

    /// The cells and their stretches, in order.
    pub fn cells(&self) -> impl Iterator<Item = (Period, &Cell)> {
        self.cells.iter().map(|(period, cell)| (*period, cell))
    }

    /// The cell that starts at `from`, if anything fell into it.
    pub fn cell_at(&self, from: i64) -> Option<&Cell> {
        let at = self.cells.binary_search_by_key(&from, |(period, _)| period.from).ok()?;
        self.cells.get(at).map(|(_, cell)| cell)
    }

    /// Where sums of a quantity start: the end of its first reading's window, UTC s.
    pub fn sums_start(&self, quantity: Quantity) -> Option<i64> {
        self.chains[quantity.index()].sums_start()
    }

    /// Times over a period. What no counted window covers is unknown.
    pub fn times(&self, cuts: &Cuts, calendar: &Calendar, period: Period) -> Times {
        let mut times = Times::default();
        for (over, cell) in self.cells_of(cuts, period) {
            let none = [[0; LEAVES]; SLOTS];
            let states = cell.map_or(&none, |cell| &cell.states_ms);
            times += Times::new(states, calendar.slots_ms(over)).with_orders(calendar.orders_ms(over));
        }
        times
    }

    /// The stretches of a period between cuts, each with its cell if anything fell into it.
    ///
    /// A boundary of `period` that is no cut is allowed only where nothing was added beyond it, as with the
    /// extent of all that was added: cells are never split.
    pub fn cells_of<'a>(
        &'a self,
        cuts: &'a Cuts,
        period: Period,
    ) -> impl Iterator<Item = (Period, Option<&'a Cell>)> {
        cuts.cells(period).filter_map(move |cell| Some((cell.overlap(period)?, self.cell_at(cell.from))))
    }

    /// Makes the next difference of a quantity worthless: its counter broke where no window can say how.
    pub fn spoil(&mut self, quantity: Quantity) {
        self.chains[quantity.index()].spoil();
    }

    /// An amount over a period, in mWh or pieces. An amount over a stretch that crosses the period's boundary
    /// may lie on either side of it; where nothing was read, nothing bounds it.
    pub fn amount(&self, cuts: &Cuts, quantity: Quantity, period: Period) -> AmountBounds {
        let i = quantity.index();
        let mut bounds = AmountBounds { upper: Some(0), ..AmountBounds::default() };
        for cell in self.cells_of(cuts, period).filter_map(|(_, cell)| cell) {
            let amount = cell.amounts[i];
            bounds.lower += amount.sum;
            bounds.covered_s += amount.covered_s;
            bounds.integrated |= amount.integrated;
            bounds.upper = bounds.upper.filter(|_| !amount.unknown).map(|u| u + amount.sum);
        }
        for (span, _) in self.spans_in(i, period) {
            let Some(inside) = period.overlap(span.over) else { continue };
            let amount = span.amount.map(u128::from);
            bounds.upper = bounds.upper.zip(amount).map(|(u, a)| u + a);
            if let (true, Some(amount)) = (inside == span.over, amount) {
                bounds.lower += amount;
                bounds.covered_s += inside.seconds();
            }
        }
        let covered =
            self.chains[i].covers().is_some_and(|(from, to)| from <= period.from && period.to <= to);
        if !covered {
            bounds.upper = None;
        }
        bounds
    }

    /// The part of an amount in planned busy time, in mWh or pieces: parts count where their completion lies in
    /// busy time, and where that cannot be told they may lie on either side. `covered_s` is of busy time too.
    pub fn busy_amount(&self, cuts: &Cuts, quantity: Quantity, period: Period) -> AmountBounds {
        let i = quantity.index();
        let mut bounds = AmountBounds { upper: Some(0), ..AmountBounds::default() };
        for cell in self.cells_of(cuts, period).filter_map(|(_, cell)| cell) {
            let CellAmount { integrated, busy, .. } = cell.amounts[i];
            bounds.lower += busy.sum;
            bounds.covered_s += busy.covered_s;
            bounds.integrated |= integrated;
            bounds.upper = bounds.upper.filter(|_| !busy.unknown).map(|u| u + busy.sum + busy.astride);
        }
        for (span, side) in self.spans_in(i, period).iter().filter(|(_, side)| *side != Side::Outside) {
            let Some(inside) = period.overlap(span.over) else { continue };
            let amount = span.amount.map(u128::from);
            bounds.upper = bounds.upper.zip(amount).map(|(u, a)| u + a);
            if let (true, Side::Busy, Some(amount)) = (inside == span.over, side, amount) {
                bounds.lower += amount;
                bounds.covered_s += inside.seconds();
            }
        }
        if !self.chains[i].covers().is_some_and(|(from, to)| from <= period.from && period.to <= to) {
            bounds.upper = None;
        }
        bounds
    }

    /// The spans of a quantity that reach into a period. They are in order of time and do not overlap.
    fn spans_in(&self, quantity: usize, period: Period) -> &[(Span, Side)] {
        let spans = &self.spans[quantity];
        let from = spans.partition_point(|(span, _)| span.over.to <= period.from);
        let to = spans.partition_point(|(span, _)| span.over.from < period.to);
        spans.get(from..to).unwrap_or_default()
    }

    /// Faults of busy time over a period.
    pub fn faults(&self, cuts: &Cuts, period: Period) -> FaultRun {
        let mut run = FaultRun::default();
        for cell in self.cells_of(cuts, period).filter_map(|(_, cell)| cell) {
            run.append(cell.faults);
        }
        run
    }

    fn follow(&mut self, from: i64, to: i64) -> Result<(), OrderError> {
        if let Some(reach) = self.reach.filter(|&reach| from < reach) {
            return Err(OrderError { from, reach });
        }
        self.begin = self.begin.or(Some(from));
        self.reach = Some(to);
        Ok(())
    }

    /// The cell that holds `t`.
    fn cell(&mut self, cuts: &Cuts, t: i64) -> &mut Cell {
        let at = match self.cells.last() {
            Some((period, _)) if period.from <= t && t < period.to => self.cells.len() - 1,
            _ => self.at(cuts.cell(t)),
        };
        &mut self.cells[at].1
    }

    fn at(&mut self, cell: Period) -> usize {
        match self.cells.binary_search_by_key(&cell.from, |(period, _)| period.from) {
            Ok(at) => at,
            Err(at) => {
                self.cells.insert(at, (cell, Cell::default()));
                at
            }
        }
    }

    fn enter(
        &mut self,
        cuts: &Cuts,
        (calendar, stretch): (&Calendar, Stretch),
        quantity: Quantity,
        booking: Booking,
    ) {
        let (from, to, amount) = match booking {
            Booking::Nothing => return,
            Booking::Known { from, to, amount } => (from, to, Some(amount)),
            Booking::Unknown { from, to, .. } => (from, to, None),
        };
        let over = Period { from, to };
        let side = Side::of(calendar, stretch, over);
        let within = self.cells.last().is_some_and(|(period, _)| period.contains(over));
        if !within && !cuts.cell(from).contains(over) {
            self.spans[quantity.index()].push((Span { over, amount }, side));
            return;
        }
        let cell = &mut self.cell(cuts, from).amounts[quantity.index()];
        cell.enter(over, amount, side);
    }
}

impl Side {
    /// Nearly always `over` is one window in the stretch at hand.
    fn of(calendar: &Calendar, at_hand: Stretch, over: Period) -> Self {
        let known = at_hand.over.contains(over) && at_hand.slot != Slot::Undated;
        match if known { Some(at_hand.slot.is_busy()) } else { calendar.is_busy(over) } {
            Some(true) => Self::Busy,
            Some(false) => Self::Outside,
            None => Self::Astride,
        }
    }
}

impl CellAmount {
    fn enter(&mut self, over: Period, amount: Option<u64>, side: Side) {
        let Some(amount) = amount else {
            self.unknown = true;
            self.busy.unknown |= side != Side::Outside;
            return;
        };
        let amount = u128::from(amount);
        self.sum += amount;
        self.covered_s += over.seconds();
        match side {
            Side::Busy => {
                self.busy.sum += amount;
                self.busy.covered_s += over.seconds();
            }
            Side::Astride => self.busy.astride += amount,
            Side::Outside => {}
        }
    }

    fn add(&mut self, other: &Self) {
        self.sum += other.sum;
        self.covered_s += other.covered_s;
        self.unknown |= other.unknown;
        self.integrated |= other.integrated;
        self.busy.sum += other.busy.sum;
        self.busy.covered_s += other.busy.covered_s;
        self.busy.astride += other.busy.astride;
        self.busy.unknown |= other.busy.unknown;
    }
}

impl Cell {
    fn count(&mut self, window: &MachineWindow, slot: Slot, over: Period) {
        if slot.is_busy() {
            let run_ms = run_ms(slot, |leaf| u64::from(window.states_ms[leaf.index()]));
            let fault_ms = window.states_ms[Leaf::Fault.index()];
            self.faults.append(FaultRun::window(over, window.fault_count.into(), fault_ms.into(), run_ms));
        }
        for (total, &ms) in self.states_ms[slot.index()].iter_mut().zip(&window.states_ms) {
            *total += u64::from(ms);
        }
        self.counted_ms += over.ms();
        self.reads_expected += u64::from(window.reads_expected);
        self.reads_good += u64::from(window.reads_good);
        self.changed += u64::from(window.changed);
        self.sessions += u64::from(window.sessions);
        self.identity_differs |= window.identity == 2;
        self.connected_ms += u64::from(window.connected_ms);
        self.cutting_ms += u64::from(window.cutting_ms);
        self.dry_run_ms += u64::from(window.dry_run_ms);
        self.warmup_ms += u64::from(window.warmup_ms);
        self.spindle_ms += u64::from(window.spindle_ms);
        self.fault_count += u64::from(window.fault_count);
    }

    fn add(&mut self, other: &Self) {
        for (own, others) in self.states_ms.iter_mut().flatten().zip(other.states_ms.iter().flatten()) {
            *own += others;
        }
        self.counted_ms += other.counted_ms;
        self.uncounted_ms += other.uncounted_ms;
        self.down_ms += other.down_ms;
        self.loss_ms += other.loss_ms;
        self.reads_expected += other.reads_expected;
        self.reads_good += other.reads_good;
        self.changed += other.changed;
        self.sessions += other.sessions;
        self.identity_differs |= other.identity_differs;
        self.connected_ms += other.connected_ms;
        self.cutting_ms += other.cutting_ms;
        self.dry_run_ms += other.dry_run_ms;
        self.warmup_ms += other.warmup_ms;
        self.spindle_ms += other.spindle_ms;
        self.fault_count += other.fault_count;
        self.faults.append(other.faults);
        for (own, others) in self.amounts.iter_mut().zip(&other.amounts) {
            own.add(others);
        }
    }
}

/// APT + AUST of busy time in a slot: set-up counts with an order only.
fn run_ms(slot: Slot, state_ms: impl Fn(Leaf) -> u64) -> u64 {
    let setup = if slot == Slot::Ordered { state_ms(Leaf::Setup) } else { 0 };
    state_ms(Leaf::Producing) + setup
}

fn ms(seconds: i64) -> u64 {
    u64::try_from(seconds).unwrap_or(0) * 1000
}
