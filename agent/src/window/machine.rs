//! One machine's running figures: its points, its state, its registers, and what the open window has gathered.
//!
//! Everything is told to it in order of time; it does not know the journal, other machines or the emission of
//! windows.

use super::cell::Cell;
use super::input::LinkIndex;
use super::link::LinkState;
use super::output::{Event, What};
use super::plan::{EnergyPlan, Factor, Feeds, MachinePlan};
use super::timeline::Timeline;
use crate::counter::{Break, Counter, CounterModel, Integral, Moment, Reading};
use crate::state::{Inputs, StateTracker};
use kpi::{Amount, AmountQuality, MachineWindow, column};
use observation::{Decimal, Mono, Observation, Utc, Value};
use serde::{Deserialize, Serialize};

/// One register and its standing in the open window.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Register {
    counter: Counter,
    /// The last window end had no valid reading, or there was no window.
    gap: bool,
    /// A counter event lies in the open window.
    broken: bool,
}

/// One machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct MachineState {
    pub(super) id: String,
    pub(super) cells: Vec<Cell>,
    pub(super) tracker: StateTracker,
    pub(super) age_due: Option<Mono>,
    /// Whether the last known state was FAULT, so that an interruption of knowledge is no new fault.
    pub(super) in_fault: bool,
    energy: Register,
    parts: Register,
    good_parts: Register,
    integral: Integral,
    said: Option<String>,
    pub(super) accrued: Mono,
    connected: bool,
    connected_ms: i64,
    power_mw: Option<i64>,
    power_mw_ms: i64,
    power_known_ms: i64,
    peak_mw: Option<i64>,
    changed: u32,
    identity: u8,
}

/// What the machine must be told beside its own memory.
pub(super) struct Around<'a> {
    pub(super) plan: &'a MachinePlan,
    pub(super) links: &'a [LinkState],
    pub(super) timeline: &'a Timeline,
    /// The open window, ms.
    pub(super) window: Option<(i64, i64)>,
}

/// The machine's points as its rules see them.
struct View<'a> {
    cells: &'a [Cell],
    around: &'a Around<'a>,
    now: Mono,
}

impl Inputs for View<'_> {
    fn value(&self, index: usize) -> Option<&Value> {
        let plan = self.around.plan.points.get(index)?;
        self.cells.get(index)?.value(plan, self.around.confirmed(index))
    }

    fn age_ms(&self, index: usize) -> Option<u64> {
        self.cells.get(index)?.age_ms(self.now)
    }
}

impl Around<'_> {
    fn link(&self, point: usize) -> Option<&LinkState> {
        let link = self.plan.points.get(point)?.link.0;
        self.links.get(usize::try_from(link).ok()?)
    }

    pub(super) fn confirmed(&self, point: usize) -> bool {
        self.link(point).is_some_and(|link| link.confirmed)
    }

    /// Every link of the machine stands and something heard over it may still be believed: a machine half of whose
    /// points cannot be heard is not connected, nor is a device that takes connections and never answers.
    fn connected(&self, cells: &[Cell]) -> bool {
        let points = &self.plan.points;
        let heard = |link: LinkIndex| {
            let own = cells.iter().zip(points).filter(|(_, p)| p.link == link);
            own.into_iter().any(|(cell, plan)| cell.value(plan, true).is_some())
        };
        !points.is_empty()
            && (0..points.len())
                .all(|i| self.link(i).is_some_and(|link| link.up && link.confirmed) && heard(points[i].link))
    }

    /// How much window time ran between two moments, ms: in the open window and beyond its end.
    fn elapsed(&self, from: Mono, to: Mono) -> (i64, i64) {
        let end = self.window.map_or(i64::MAX, |(_, end)| end);
        self.timeline.spans(from, to).fold((0, 0), |(inside, beyond), (a, b)| {
            let cut = end.clamp(a, b);
            (inside + (cut - a), beyond + (b - cut))
        })
    }

    fn moment(&self, now: Mono) -> Moment {
        Moment { window_ms: self.timeline.at(now), mono: Some(now) }
    }
}

impl MachineState {
    pub(super) fn new(plan: &MachinePlan, from: Mono) -> Self {
        Self {
            id: plan.id.clone(),
            cells: plan.points.iter().map(|_| Cell::new(from)).collect(),
            tracker: StateTracker::new(&plan.rules, from),
            age_due: None,
            in_fault: false,
            energy: Register::default(),
            parts: Register::default(),
            good_parts: Register::default(),
            integral: Integral::default(),
            said: None,
            accrued: from,
            connected: false,
            connected_ms: 0,
            power_mw: None,
            power_mw_ms: 0,
            power_known_ms: 0,
            peak_mw: None,
            changed: 0,
            identity: 0,
        }
    }

    /// What outlives a change of the configuration: registers and identity.
    pub(super) fn inherit(&mut self, before: &Self) {
        self.energy = before.energy.clone();
        self.parts = before.parts.clone();
        self.good_parts = before.good_parts.clone();
        self.integral = before.integral;
        self.said.clone_from(&before.said);
        self.in_fault = before.in_fault;
    }

    /// The same machine under another plan, from `from` on. The registers stay and what the open window has
    /// gathered; with `remapped`, its numbers mean something else and nothing measured before counts for it.
    pub(super) fn replanned(&mut self, plan: &MachinePlan, from: Mono, remapped: bool) -> Self {
        let mut next = Self::new(plan, from);
        next.inherit(self);
        (next.connected_ms, next.changed) = (self.connected_ms, self.changed);
        if remapped {
            next.open_after_gap();
        } else {
            (next.power_mw_ms, next.power_known_ms) = (self.power_mw_ms, self.power_known_ms);
            (next.peak_mw, next.identity) = (self.peak_mw, self.identity);
        }
        if let Some(first) = next.cells.first_mut() {
            for cell in &mut self.cells {
                first.add_reads(cell.take_reads());
            }
        }
        next
    }

    /// A restart: the registers stay, nothing that was heard is believed, monotonic time begins anew.
    pub(super) fn reboot(&mut self, plan: &MachinePlan, from: Mono) {
        for cell in &mut self.cells {
            cell.reboot(from);
        }
        for register in [&mut self.energy, &mut self.parts, &mut self.good_parts] {
            register.counter.forget_monotonic_time();
        }
        self.tracker = StateTracker::new(&plan.rules, from);
        self.age_due = None;
        self.accrued = from;
        self.connected = false;
        self.power_mw = None;
    }

    /// The next window does not follow the last one: its amounts bridge a gap.
    pub(super) fn open_after_gap(&mut self) {
        for register in [&mut self.energy, &mut self.parts, &mut self.good_parts] {
            register.gap = true;
        }
    }

    /// Takes an observation. Events are appended to `events`.
    pub(super) fn observe(
        &mut self,
        around: &Around<'_>,
        slot: usize,
        observation: &Observation,
        now: Mono,
        events: &mut Vec<Event>,
    ) {
        let Some(plan) = around.plan.points.get(slot) else { return };
        let value = readable(observation, plan.factor, plan.feeds);
        let counted = value.as_ref().and_then(|v| register_value(v, plan.feeds));
        let before = self.cells[slot].value(plan, around.confirmed(slot)).cloned();
        let effect = self.cells[slot].observe(plan, observation, value, now, around.confirmed(slot));
        self.changed += u32::from(effect.changed);
        if !effect.taken {
            return;
        }
        if let Some(value) = counted {
            self.count(around, plan.feeds, value, now, events);
        }
        if plan.feeds == Feeds::Identity {
            self.identify(around, slot, now, events);
        }
        let after = self.cells[slot].value(plan, around.confirmed(slot));
        let matters = around.plan.rules.watches(slot) && before.as_ref() != after;
        // Whether the machine is heard at all may have changed.
        let heard = before.is_some() != after.is_some();
        if matters || heard || !around.plan.rules.ages().is_empty() {
            self.evaluate(around, now);
        }
    }

    /// Evaluates states and power again, after anything they rest on may have changed.
    pub(super) fn evaluate(&mut self, around: &Around<'_>, now: Mono) {
        self.accrue(around, now);
        let view = View { cells: &self.cells, around, now };
        let power = around.plan.feeding(Feeds::Power).and_then(|slot| view.value(slot));
        self.power_mw = power.and_then(Value::number).and_then(milliwatts);
        self.tracker.observe(now, &around.plan.rules, &view);
        self.connected = around.connected(&self.cells);
        self.peak_mw = self.peak_mw.max(self.power_mw);
        self.age_due = self.next_age(around.plan, now);
    }

    /// Counts the time since the last call for what held during it. Returns how much of it lies beyond the
    /// open window: the moment at which a window ends is a whole millisecond of the monotonic clock, and
    /// where clocks drift that may be a millisecond of window time late.
    fn accrue(&mut self, around: &Around<'_>, now: Mono) -> i64 {
        let (ran, beyond) = around.elapsed(self.accrued, now);
        self.hold(ran);
        if let Some(mw) = self.power_mw
            && around.plan.energy == EnergyPlan::FromPower
        {
            self.integral.add(mw, now.since(self.accrued));
        }
        self.accrued = self.accrued.max(now);
        beyond
    }

    /// What holds now holds for `ms` of the open window.
    fn hold(&mut self, ms: i64) {
        if self.connected {
            self.connected_ms += ms;
        }
        if let Some(mw) = self.power_mw {
            self.power_known_ms += ms;
            self.power_mw_ms = self.power_mw_ms.saturating_add(mw.saturating_mul(ms));
        }
    }

    /// The next moment at which a comparison with an age turns, with both sides of its limit.
    fn next_age(&self, plan: &MachinePlan, now: Mono) -> Option<Mono> {
        let turns = plan.rules.ages().iter().filter_map(|(slot, limit_ms)| {
            let read = self.cells.get(*slot)?.read_at()?;
            let turns = [*limit_ms, limit_ms.saturating_add(1)].map(|age| Mono(read.0.saturating_add(age)));
            turns.into_iter().filter(|at| *at > now).min()
        });
        turns.min()
    }

    fn count(&mut self, around: &Around<'_>, feeds: Feeds, value: i64, now: Mono, events: &mut Vec<Event>) {
        let plan = around.plan;
        let (register, model, column) = match feeds {
            Feeds::Energy => match &plan.energy {
                EnergyPlan::Register(model) => (&mut self.energy, model, column::ENERGY),
                EnergyPlan::None | EnergyPlan::FromPower => return,
            },
            Feeds::Parts => match &plan.parts {
                Some(model) => (&mut self.parts, model, column::PARTS),
                None => return,
            },
            Feeds::GoodParts => match &plan.good_parts {
                Some(model) => (&mut self.good_parts, model, column::GOOD),
                None => return,
            },
            Feeds::Rules | Feeds::Power | Feeds::Identity => return,
        };
        if let Some(what) = register.read(value, around.moment(now), model, column) {
            events.push(Event { at: Utc(around.timeline.at(now)), machine: Some(plan.index), what });
        }
    }

    fn identify(&mut self, around: &Around<'_>, slot: usize, now: Mono, events: &mut Vec<Event>) {
        let Some(plan) = around.plan.points.get(slot) else { return };
        let Some(said) = self.cells[slot].value(plan, around.confirmed(slot)).map(text) else { return };
        if self.said.as_ref().is_some_and(|before| *before != said) {
            let what = What::Identity { before: self.said.clone(), after: said.clone() };
            events.push(Event { at: Utc(around.timeline.at(now)), machine: Some(around.plan.index), what });
        }
        self.identity = self.identity.max(verdict(around.plan, &said));
        self.said = Some(said);
    }

    /// The machine's points on a link are not believed any more.
    pub(super) fn lose_link(&mut self, around: &Around<'_>, link: u32, now: Mono) {
        for (i, (cell, plan)) in self.cells.iter_mut().zip(&around.plan.points).enumerate() {
            if plan.link.0 == link {
                cell.lose(plan, now, around.confirmed(i));
            }
        }
    }

    /// Counts reads up to a moment, before a session's standing changes or a window ends.
    pub(super) fn count_reads(&mut self, around: &Around<'_>, now: Mono) {
        for (i, (cell, plan)) in self.cells.iter_mut().zip(&around.plan.points).enumerate() {
            cell.count_until(plan, now, around.confirmed(i), false);
        }
    }

    /// The stream's first window begins at `now`.
    pub(super) fn begin(&mut self, around: &Around<'_>, now: Mono) {
        self.close(around, now, 0, &mut MachineWindow::default());
        for register in [&mut self.energy, &mut self.parts, &mut self.good_parts] {
            register.gap = false;
        }
    }

    /// For `ms` nothing was asked.
    pub(super) fn miss(&mut self, plan: &MachinePlan, ms: u64) {
        for (cell, plan) in self.cells.iter_mut().zip(&plan.points) {
            cell.miss(plan, ms);
        }
    }

    /// The window ends at `now`: everything gathered goes into `row`, except states, which settle later.
    pub(super) fn close(&mut self, around: &Around<'_>, now: Mono, sessions: u32, row: &mut MachineWindow) {
        let beyond = self.accrue(around, now);
        self.count_reads(around, now);
        for cell in &mut self.cells {
            let reads = cell.take_reads();
            row.reads_expected = row.reads_expected.saturating_add(reads.expected);
            row.reads_good = row.reads_good.saturating_add(reads.good);
        }
        row.connected_ms = u32::try_from(std::mem::take(&mut self.connected_ms)).unwrap_or(0);
        row.changed = std::mem::take(&mut self.changed);
        // Beside those on links that a change of the plan has ended.
        row.sessions = row.sessions.saturating_add(sessions);
        self.close_amounts(around, row);
        self.close_power(around.plan, row);
        row.identity = std::mem::take(&mut self.identity);
        self.identity = self.standing_identity(around);
        self.hold(beyond);
    }

    fn valid(&self, around: &Around<'_>, feeds: Feeds) -> bool {
        let Some(slot) = around.plan.feeding(feeds) else { return false };
        let plan = &around.plan.points[slot];
        self.cells[slot].value(plan, around.confirmed(slot)).is_some()
    }

    fn close_amounts(&mut self, around: &Around<'_>, row: &mut MachineWindow) {
        let plan = around.plan;
        row.energy = match &plan.energy {
            EnergyPlan::None => Amount::default(),
            EnergyPlan::Register(_) => {
                let valid = self.valid(around, Feeds::Energy);
                self.energy.close(valid)
            }
            EnergyPlan::FromPower => Amount {
                register: self.integral.register(),
                // A single millisecond of unknown power makes the window's energy unknown: an integral
                // cannot bridge a gap as a register can.
                quality: if around.window.is_some_and(|(start, end)| self.power_known_ms == end - start) {
                    AmountQuality::Integrated
                } else {
                    AmountQuality::Missing
                },
            },
        };
        if plan.parts.is_some() {
            let valid = self.valid(around, Feeds::Parts);
            row.parts = self.parts.close(valid);
        }
        if plan.good_parts.is_some() {
            let valid = self.valid(around, Feeds::GoodParts);
            row.good_parts = self.good_parts.close(valid);
        }
    }

    fn close_power(&mut self, plan: &MachinePlan, row: &mut MachineWindow) {
        let (work, known) = (std::mem::take(&mut self.power_mw_ms), std::mem::take(&mut self.power_known_ms));
        let peak = std::mem::replace(&mut self.peak_mw, self.power_mw);
        if plan.power_is_independent && known > 0 {
            row.power_mean_w = Some(half_even(i128::from(work), i128::from(known) * 1000));
            row.power_peak_w = peak.map(|mw| half_even(i128::from(mw), 1000));
        }
    }

    fn standing_identity(&self, around: &Around<'_>) -> u8 {
        match &self.said {
            Some(said) if self.valid(around, Feeds::Identity) => verdict(around.plan, said),
            _ => 0,
        }
    }
}

impl Register {
    fn read(&mut self, value: i64, now: Moment, model: &CounterModel, column: u8) -> Option<What> {
        let Reading::Broken { why, last, first } = self.counter.read(value, now, model) else { return None };
        self.broken = true;
        Some(match why {
            Break::Exchanged => What::MeterExchanged { column, last, first },
            _ => What::CounterBreak { column, last, first },
        })
    }

    /// The register at the end of a window, `valid` if its last value may still be believed.
    fn close(&mut self, valid: bool) -> Amount {
        let gap = std::mem::replace(&mut self.gap, !valid);
        let quality = match (std::mem::take(&mut self.broken), valid, gap) {
            (true, _, _) => AmountQuality::CounterEvent,
            (false, true, true) => AmountQuality::Bridged,
            (false, true, false) => AmountQuality::Register,
            (false, false, _) => AmountQuality::Missing,
        };
        Amount { register: self.counter.last().unwrap_or(0), quality }
    }
}

impl MachinePlan {
    /// The point that feeds a quantity.
    pub(super) fn feeding(&self, feeds: Feeds) -> Option<usize> {
        self.points.iter().position(|p| p.feeds == feeds)
    }
}

fn verdict(plan: &MachinePlan, said: &str) -> u8 {
    match &plan.identity {
        Some(expected) if expected == said => 1,
        Some(_) => 2,
        None => 0,
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Bool(b) => b.to_string(),
        Value::Number(n) => n.to_string(),
        Value::Text(s) => s.trim().to_owned(),
    }
}

/// The value in the unit of what it feeds, if the observation is good and a register's value can be one.
fn readable(observation: &Observation, factor: Option<Factor>, feeds: Feeds) -> Option<Value> {
    let value = observation.value.clone().filter(|_| observation.quality.is_good())?;
    let value = match factor {
        Some(factor) => Value::Number(factor.apply(value.number()?)?),
        None => value,
    };
    let counts = matches!(feeds, Feeds::Energy | Feeds::Parts | Feeds::GoodParts);
    if counts && register_value(&value, feeds).is_none() {
        return None;
    }
    Some(value)
}

/// A register's value as the integer that is signed: mWh, rounded down, or pieces. What is negative, too large
/// or a fraction of a piece is no reading of a register.
fn register_value(value: &Value, feeds: Feeds) -> Option<i64> {
    let number = value.number()?;
    let whole = match feeds {
        Feeds::Energy => number.floor_at_exponent(-3)?,
        Feeds::Parts | Feeds::GoodParts => number.at_exponent(0)?,
        Feeds::Rules | Feeds::Power | Feeds::Identity => return None,
    };
    i64::try_from(whole).ok().filter(|n| *n >= 0)
}

fn milliwatts(watts: Decimal) -> Option<i64> {
    i64::try_from(watts.floor_at_exponent(-3)?).ok()
}

/// `n / d` rounded to the nearest whole number, halves to the even one. `d` is positive.
fn half_even(n: i128, d: i128) -> i64 {
    let (whole, rest) = (n.div_euclid(d), n.rem_euclid(d));
    let up = match (rest * 2).cmp(&d) {
        std::cmp::Ordering::Less => false,
        std::cmp::Ordering::Greater => true,
        std::cmp::Ordering::Equal => whole % 2 != 0,
    };
    i64::try_from(whole + i128::from(up)).unwrap_or(i64::MAX)
}
