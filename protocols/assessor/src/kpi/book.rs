//! A file's records as the totals of machines, by the same windows that an agent signs: one minute each, whole
//! milliseconds of each state, registers at their ends. From here on the figures of a file and of a bundle come
//! out of the same calls.
//!
//! What no record covers is unknown. A register bridges it; an amount that is stated row by row does not.

use kpi::calendar::Stretch;
use kpi::chain::{Booking, QUANTITIES};
use kpi::cycle::{CycleEntry, CycleKind, Cycles};
use kpi::figure::{Feeds, StateFrom};
use kpi::leaf::LEAVES;
use kpi::totals::{Hole, MachineTotals, Standing};
use kpi::{
    Amount, AmountQuality, Calendar, CounterBreak, Cuts, Leaf, MachineKind, MachineWindow, Period, Quantity,
};
use verify::timeline::{Gatherer, Timeline, TimelineCell, TimelineRow};

use super::problem::{Problem, Words};
use super::record::{Record, Recorded, Records, States};

/// Length of a window, s.
pub const STEP_S: u32 = 60;
const STEP_MS: i64 = STEP_S as i64 * 1000;

/// One machine of a file.
#[derive(Clone, Debug)]
pub struct BookedMachine {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Line.
    pub line: String,
    /// Totals of its windows.
    pub totals: MachineTotals,
    /// The calendar they were made with.
    pub calendar: Calendar,
    /// Its declared cycles.
    pub cycles: Cycles,
    /// Where its figures come from.
    pub feeds: Feeds,
}

/// A file's machines, booked.
#[derive(Clone, Debug)]
pub struct Book {
    /// In order of the file.
    pub machines: Vec<BookedMachine>,
    /// Where time is cut.
    pub cuts: Cuts,
    /// Minutes east of UTC.
    pub offset_min: i32,
    /// From the first record to the last, widened to whole windows.
    pub extent: Period,
    /// States and energy over time.
    pub timeline: Timeline,
    /// Energy between neighbouring readings (mWh), machine by machine in order of time.
    pub energy: Vec<Vec<Measured>>,
    /// The file states sums of times, in which no order of faults can be seen.
    pub has_sums: bool,
}

/// Energy between two readings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Measured {
    /// From one reading to the next.
    pub over: Period,
    /// mWh; `None` when it is unknown.
    pub mwh: Option<u64>,
}

/// From the first to the last record, widened to whole windows.
pub fn extent(records: &Records) -> Option<Period> {
    let all = || records.machines.iter().flat_map(|m| &m.records);
    let from = all().map(|r| r.from_ms).min()?;
    let to = all().map(|r| r.to_ms).max()?;
    let step = i64::from(STEP_S);
    Some(Period { from: down(from) / STEP_MS * step, to: up(to) / STEP_MS * step })
}

fn down(ms: i64) -> i64 {
    ms.div_euclid(STEP_MS) * STEP_MS
}

fn up(ms: i64) -> i64 {
    down(ms + STEP_MS - 1)
}

/// Books every record. `boundaries` are the moments (UTC s) at which any figure begins or ends.
pub fn book(
    records: &Records,
    cuts: Cuts,
    extent: Period,
    calendars: &dyn Fn(&str) -> Calendar,
    boundaries: &[i64],
) -> Result<Book, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut machines = Vec::new();
    let mut gatherer = Gatherer::new(i64::from(STEP_S), records.machines.len());
    let mut energy = Vec::new();
    for (place, machine) in records.machines.iter().enumerate() {
        let calendar = calendars(&machine.id);
        for record in &machine.records {
            problems.extend(divided(record, &calendar, boundaries));
        }
        let kind = if records.has_states { MachineKind::Machine } else { MachineKind::Meter };
        let totals = MachineTotals::new(records.measured).of_kind(kind);
        let mut booking = Walk {
            totals,
            cuts: &cuts,
            calendar: &calendar,
            gatherer: &mut gatherer,
            energy: Vec::new(),
            place,
            has_states: records.has_states,
            open: None,
            next: None,
            read: [Read::default(); QUANTITIES],
            told_ms: [None; QUANTITIES],
            pending: [None; QUANTITIES],
            doubt: [false; QUANTITIES],
            before: None,
        };
        for record in &machine.records {
            booking.record(record);
        }
        booking.flush();
        energy.push(booking.energy);
        let totals = booking.totals;
        machines.push(BookedMachine {
            id: machine.id.clone(),
            name: machine.name.clone(),
            line: machine.line.clone(),
            totals,
            cycles: cycles(machine, &cuts)
                .map_err(|words| vec![Problem { place: super::problem::Place::File, words }])?,
            calendar,
            feeds: Feeds {
                state: StateFrom::Declaration,
                parts: records.measured[Quantity::Parts.index()],
                power_meter: false,
                spindle: false,
                cutting: false,
            },
        });
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let ids: Vec<String> = machines.iter().map(|m| m.id.clone()).collect();
    let mut timeline = gatherer.finish(&ids, Some(extent));
    if records.has_sums {
        timeline.rows = records.machines.iter().map(|m| sums_row(m, extent)).collect();
    }
    let (offset_min, has_sums) = (records.offset_min, records.has_sums);
    Ok(Book { machines, cuts, offset_min, extent, timeline, energy, has_sums })
}

/// Both cycles of a machine, for all of time: a file has one of each.
fn cycles(machine: &Recorded, cuts: &Cuts) -> Result<Cycles, Words> {
    let entry = |kind, ms: Option<u64>| {
        ms.map(|ms| CycleEntry {
            machine: machine.id.clone(),
            kind,
            product: None,
            from: 0,
            seconds_per_part: format!("{ms}/1000"),
        })
    };
    let entries: Vec<CycleEntry> = [
        entry(CycleKind::Planned, machine.planned_cycle_ms),
        entry(CycleKind::Theoretical, machine.theoretical_cycle_ms),
    ]
    .into_iter()
    .flatten()
    .collect();
    Cycles::of(&machine.id, &entries, cuts.grid())
        .map_err(|e| Words::new(format!("节拍有误：{e}"), e.to_string()))
}

/// Why a record of sums cannot be counted: a boundary or a change of the plan falls inside, and nobody knows on
/// which side of it the states lay.
fn divided(record: &Record, calendar: &Calendar, boundaries: &[i64]) -> Option<Problem> {
    if !matches!(record.states, States::Sums(_)) {
        return None;
    }
    let say = |zh: &str, en: &str| Some(Problem { place: record.place.clone(), words: Words::new(zh, en) });
    if record.from_ms % STEP_MS != 0 || record.to_ms % STEP_MS != 0 {
        return say(
            "按状态汇总时长的行必须起止于整分钟",
            "a row with sums of times must begin and end on whole minutes",
        );
    }
    let inside = Period { from: record.from_ms / 1000, to: record.to_ms / 1000 };
    if boundaries.iter().any(|&b| inside.from < b && b < inside.to) {
        return say(
            "所问时段的边界落在本行之内，各状态在边界哪一侧无从得知；请拆分本行或改用整行的时段",
            "a boundary of a period falls inside this row, and on which side the states lay is not known; split the row or ask for periods of whole rows",
        );
    }
    let mut slots = calendar.stretches(inside).map(|Stretch { slot, .. }| slot);
    let first = slots.next();
    if slots.any(|slot| Some(slot) != first) {
        return say(
            "计划（班次、保养或订单）在本行之内变化；请按班次拆分本行",
            "the plan (shift, maintenance or order) changes inside this row; split the row by shift",
        );
    }
    None
}

/// What was last read of a quantity.
#[derive(Clone, Copy, Debug, Default)]
struct Read {
    /// The end of the window of the last reading, ms.
    at_ms: Option<i64>,
    register: i64,
}

/// The window that is being filled.
struct Open {
    from_ms: i64,
    window: MachineWindow,
    filled_ms: u64,
    breaks: Vec<CounterBreak>,
    spoil: [bool; QUANTITIES],
}

struct Walk<'a> {
    totals: MachineTotals,
    cuts: &'a Cuts,
    calendar: &'a Calendar,
    gatherer: &'a mut Gatherer,
    energy: Vec<Measured>,
    place: usize,
    has_states: bool,
    open: Option<Open>,
    /// Where the next window follows without a gap, ms.
    next: Option<i64>,
    read: [Read; QUANTITIES],
    /// The end of the last record that stated an amount, ms.
    told_ms: [Option<i64>; QUANTITIES],
    /// A break between two readings of the same moment.
    pending: [Option<CounterBreak>; QUANTITIES],
    /// The next amount leaves a moment out.
    doubt: [bool; QUANTITIES],
    /// The last interval's state and end.
    before: Option<(Leaf, i64)>,
}

impl Walk<'_> {
    fn record(&mut self, record: &Record) {
        for quantity in Quantity::ALL {
            self.before_record(record, quantity);
        }
        match record.states {
            States::One(leaf) => {
                let enters = leaf == Leaf::Fault && self.before != Some((Leaf::Fault, record.from_ms));
                self.time(record.from_ms, record.to_ms, Some(leaf), enters);
                self.before = Some((leaf, record.to_ms));
            }
            States::Sums(sums) => {
                let mut at = record.from_ms;
                for leaf in Leaf::ALL {
                    let ms = i64::try_from(sums[leaf.index()]).unwrap_or(0);
                    self.time(at, at + ms, Some(leaf), false);
                    at += ms;
                }
                self.time(at, record.to_ms, Some(Leaf::Unknown), false);
                self.before = None;
            }
            States::Silent => {
                self.time(record.from_ms, record.to_ms, self.has_states.then_some(Leaf::Unknown), false);
                self.before = None;
            }
        }
        for quantity in Quantity::ALL {
            self.after_record(record, quantity);
        }
    }

    /// The register at a record's start: stated, or where an amount must be counted from.
    fn before_record(&mut self, record: &Record, quantity: Quantity) {
        let (reading, i) = (record.readings[quantity.index()], quantity.index());
        let at = up(record.from_ms);
        let contiguous = self.read[i].at_ms == Some(at);
        if let Some(opening) = reading.opening {
            if !contiguous {
                self.put(at, quantity, opening);
            } else if self.read[i].register < signed(opening) {
                // What was counted between the two readings was counted by nobody's row. Energy is energy; parts would
                // be credited on the word of a reading that contradicts the one before.
                self.window_at(at).spoil[i] |= quantity != Quantity::Energy;
                self.put(at, quantity, opening);
            } else if self.read[i].register > signed(opening) {
                // The two readings stand on either side of an exchange or reset; the next one closes it.
                let (last, first) = (self.read[i].register, signed(opening));
                self.pending[i] = Some(CounterBreak { quantity, last, first });
            }
        } else if reading.amount.is_some() && self.told_ms[i] != Some(record.from_ms) {
            if contiguous {
                // Less than a window is missing, so that only the next amount can carry the doubt.
                self.doubt[i] = true;
            } else {
                let register = self.read[i].register;
                let known = self.read[i].at_ms.is_some();
                self.window_at(at).spoil[i] = known;
                self.put_signed(at, quantity, register);
            }
        }
    }

    fn after_record(&mut self, record: &Record, quantity: Quantity) {
        let (reading, i) = (record.readings[quantity.index()], quantity.index());
        let at = up(record.to_ms);
        if let Some(register) = reading.register {
            self.put(at, quantity, register);
        } else if let Some(amount) = reading.amount {
            let register = self.read[i].register.saturating_add(signed(amount));
            self.put_signed(at, quantity, register);
            self.told_ms[i] = Some(record.to_ms);
        }
    }

    fn put(&mut self, at_ms: i64, quantity: Quantity, register: u64) {
        self.put_signed(at_ms, quantity, signed(register));
    }

    fn put_signed(&mut self, at_ms: i64, quantity: Quantity, register: i64) {
        let i = quantity.index();
        let before = std::mem::replace(&mut self.read[i], Read { at_ms: Some(at_ms), register });
        // A fall within one window is a fall, although the window keeps its last reading only.
        if before.at_ms == Some(at_ms) && register < before.register && self.pending[i].is_none() {
            self.doubt[i] = true;
        }
        let (pending, doubt) = (self.pending[i].take(), std::mem::take(&mut self.doubt[i]));
        let open = self.window_at(at_ms);
        open.breaks.extend(pending);
        open.spoil[i] |= doubt;
        let broken = open.breaks.iter().any(|b| b.quantity == quantity);
        let quality = if broken { AmountQuality::CounterEvent } else { AmountQuality::Register };
        let amount = Amount { register, quality };
        match quantity {
            Quantity::Energy => open.window.energy = amount,
            Quantity::Parts => open.window.parts = amount,
            Quantity::GoodParts => open.window.good_parts = amount,
        }
    }

    /// The window that ends at `end_ms`.
    fn window_at(&mut self, end_ms: i64) -> &mut Open {
        let from_ms = end_ms - STEP_MS;
        if self.open.as_ref().is_none_or(|open| open.from_ms != from_ms) {
            self.flush();
        }
        let blank = || Open {
            from_ms,
            window: MachineWindow::default(),
            filled_ms: 0,
            breaks: Vec::new(),
            spoil: [false; QUANTITIES],
        };
        self.open.get_or_insert_with(blank)
    }

    /// Time in a state, or time of a meter that has none.
    fn time(&mut self, from_ms: i64, to_ms: i64, leaf: Option<Leaf>, enters: bool) {
        let mut at = from_ms;
        while at < to_ms {
            let end = down(at) + STEP_MS;
            let ms = u32::try_from(end.min(to_ms) - at).unwrap_or(0);
            let open = self.window_at(end);
            if let Some(leaf) = leaf {
                open.window.states_ms[leaf.index()] += ms;
                open.filled_ms += u64::from(ms);
                open.window.fault_count += u32::from(enters && at == from_ms);
            }
            at = end;
        }
    }

    /// Adds the open window to the totals, and what lies between it and the one before as a hole.
    fn flush(&mut self) {
        let Some(mut open) = self.open.take() else { return };
        let t = open.from_ms / 1000;
        if let Some(next) = self.next.filter(|next| *next < open.from_ms) {
            // Windows come in order, since records do not overlap.
            let _ = self.totals.hole(self.cuts, Hole::Loss, next / 1000, t);
        }
        for quantity in Quantity::ALL.into_iter().filter(|q| open.spoil[q.index()]) {
            self.totals.spoil(quantity);
        }
        if self.has_states {
            let rest = u64::try_from(STEP_MS).unwrap_or(0).saturating_sub(open.filled_ms);
            open.window.states_ms[Leaf::Unknown.index()] += u32::try_from(rest).unwrap_or(0);
        }
        let standing = Standing { counted: true, opening: false };
        let booked = self.totals.window(self.cuts, self.calendar, t, &open.window, &open.breaks, standing);
        self.next = Some(open.from_ms + STEP_MS);
        if self.has_states {
            self.gatherer.window(self.place, t, &open.window.states_ms);
        } else {
            self.gatherer.window(self.place, t, &MachineWindow::unknown(STEP_S * 1000).states_ms);
        }
        let (over, mwh) = match booked.map(|b| b[Quantity::Energy.index()]) {
            Ok(Booking::Known { from, to, amount }) => (Period { from, to }, Some(amount)),
            Ok(Booking::Unknown { from, to, .. }) => (Period { from, to }, None),
            Ok(Booking::Nothing) | Err(_) => return,
        };
        self.gatherer.energy(self.place, over, mwh);
        self.energy.push(Measured { over, mwh });
    }
}

/// A row of the timeline out of sums: one cell a record with the shares of its states, since nobody knows in which
/// order they came.
fn sums_row(machine: &Recorded, extent: Period) -> TimelineRow {
    let mut cells = Vec::new();
    let mut at = extent.from;
    let gap = |from: i64, to: i64| TimelineCell {
        from,
        to,
        missing_ms: Period { from, to }.ms(),
        ..TimelineCell::default()
    };
    for record in &machine.records {
        let over = Period { from: record.from_ms / 1000, to: record.to_ms / 1000 };
        if at < over.from {
            cells.push(gap(at, over.from));
        }
        let mut states_ms = if let States::Sums(sums) = record.states { sums } else { [0; LEAVES] };
        states_ms[Leaf::Unknown.index()] += over.ms().saturating_sub(states_ms.iter().sum());
        cells.push(TimelineCell { from: over.from, to: over.to, states_ms, ..TimelineCell::default() });
        at = over.to;
    }
    if at < extent.to {
        cells.push(gap(at, extent.to));
    }
    TimelineRow { machine: machine.id.clone(), cells }
}

fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

const _: () = assert!(LEAVES == 9, "the columns of a file name nine states");
