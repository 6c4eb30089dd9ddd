//! A workshop of fifty machines, minute by minute, as an agent that polls it every second sees it: 30 machine
//! tools with controllers, 10 robot cells, 10 presses known by their meters only.
//!
//! The physics is that of the simulated plant. Programmes are made anew for each day: shifts, a break, cycles that
//! differ by some per cent, set-ups, holds and faults; powers are read with the noise of a real meter, and answers
//! are stamped some milliseconds after each second. The same seed gives the same workshop.

use evidence::column::Column;
use kpi::{Amount, AmountQuality, MachineWindow, column};
use plumbline_tests::sim::plant::{Activity, Machine, Phase};
use std::collections::BTreeMap;

/// Length of a window, ms.
const MINUTE_MS: u32 = 60_000;
const DAY_S: u64 = 86_400;
const HOUR_MS: u64 = 3_600_000;

/// What a machine is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Controller, part counter, spindle, meter.
    Cnc,
    /// Controller, part and good-part counter, meter.
    Robot,
    /// Meter only.
    Press,
}

impl Kind {
    pub(crate) fn of(machine: u32) -> Self {
        match machine % 5 {
            3 => Self::Robot,
            4 => Self::Press,
            _ => Self::Cnc,
        }
    }

    /// Points read every second.
    fn points(self) -> u32 {
        match self {
            Self::Cnc | Self::Robot => 6,
            Self::Press => 2,
        }
    }
}

/// Repeatable chance (`SplitMix64`).
#[derive(Clone, Debug)]
struct Dice(u64);

impl Dice {
    fn roll(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn between(&mut self, from: u64, to: u64) -> u64 {
        from + self.roll() % (to - from + 1)
    }
}

/// The workshop with time running in minutes.
pub(crate) struct Shop {
    stations: Vec<Station>,
    minute: u64,
}

struct Station {
    kind: Kind,
    machine: Machine,
    dice: Dice,
    cycle_ms: u64,
    power_w: u64,
    leaf: usize,
    /// What the last answer said, to count what changed.
    seen: (i64, i64, i64),
}

impl Shop {
    /// These machines of the workshop, at midnight.
    pub(crate) fn new(machines: std::ops::Range<u32>) -> Self {
        Self { stations: machines.map(Station::new).collect(), minute: 0 }
    }

    /// What every machine did in the next minute, in the order of their indices.
    pub(crate) fn minute(&mut self) -> Vec<MachineWindow> {
        if self.minute.is_multiple_of(DAY_S / 60) {
            self.stations.iter_mut().for_each(Station::begin_day);
        }
        self.minute += 1;
        self.stations.iter_mut().map(Station::minute).collect()
    }

    /// The next `minutes` minutes as columns, the way the agent signs them: machine by machine, energy in the
    /// finest meter's steps (1 Wh), columns that are all zero left out.
    pub(crate) fn columns(&mut self, minutes: u32) -> (Vec<Vec<MachineWindow>>, BTreeMap<u8, Column>) {
        let rows: Vec<_> = (0..minutes).map(|_| self.minute()).collect();
        let mut columns = BTreeMap::new();
        for id in column::ALL {
            let scale = if id == column::ENERGY { 1000 } else { 1 };
            let machines = 0..self.stations.len();
            let values = machines.flat_map(|m| rows.iter().map(move |row| row[m].get(id) / scale)).collect();
            let column = Column { exponent: 0, values };
            if !column.is_zero() {
                columns.insert(id, column);
            }
        }
        (rows, columns)
    }
}

impl Station {
    fn new(index: u32) -> Self {
        let mut dice = Dice(u64::from(index) * 7919 + 1);
        let (cycle_s, watts) = match Kind::of(index) {
            Kind::Cnc => (dice.between(90, 400), dice.between(6_000, 18_000)),
            Kind::Robot => (dice.between(30, 80), dice.between(3_000, 7_000)),
            Kind::Press => (dice.between(240, 900), dice.between(4_000, 30_000)),
        };
        let (energy, parts) = (dice.between(100_000, 90_000_000), dice.between(100, 400_000));
        let machine = Machine::new(vec![phase(Activity::Off, HOUR_MS, 0, 0)], energy, parts);
        Self {
            kind: Kind::of(index),
            machine,
            dice,
            cycle_ms: cycle_s * 1000,
            power_w: watts,
            leaf: 1,
            seen: (0, 0, 0),
        }
    }

    /// A new day's programme; the registers go on. What good parts there are is counted anew from all parts,
    /// as a counter that is set at the change of day.
    fn begin_day(&mut self) {
        let (energy, parts) = (self.machine.energy_wh(), self.machine.parts());
        let mut day = vec![];
        match self.kind {
            Kind::Robot => self.shift(&mut day, 24 * HOUR_MS),
            Kind::Cnc => {
                day.push(phase(Activity::Off, 7 * HOUR_MS + self.dice.between(0, HOUR_MS / 2), 0, 0));
                self.shift(&mut day, 11 * HOUR_MS + HOUR_MS / 2);
                day.push(phase(Activity::Idle, HOUR_MS, self.power_w / 7, 0));
                self.shift(&mut day, 21 * HOUR_MS);
            }
            Kind::Press => {
                day.push(phase(Activity::Off, 8 * HOUR_MS, 0, 0));
                self.shift(&mut day, 17 * HOUR_MS);
            }
        }
        let used: u64 = day.iter().map(|p| p.length_ms).sum();
        // Long enough for a day that the shift has overrun, and for the next midnight's first answers.
        day.push(phase(Activity::Off, 24 * HOUR_MS + HOUR_MS - used.min(24 * HOUR_MS), 0, 0));
        self.machine = Machine::new(day, energy, parts);
    }

    /// Cycles until `end_ms` of the day.
    fn shift(&mut self, day: &mut Vec<Phase>, end_ms: u64) {
        let mut at: u64 = day.iter().map(|p| p.length_ms).sum();
        let idle_w = self.power_w / 7;
        while at < end_ms {
            let length = self.cycle_ms * self.dice.between(92, 108) / 100 + self.dice.between(0, 999);
            let power = self.power_w * self.dice.between(90, 105) / 100;
            let gap = match self.dice.between(0, 99) {
                0 => phase(Activity::Fault, self.dice.between(60_000, 1_200_000), idle_w / 2, 0),
                1..=3 => phase(Activity::Held, self.dice.between(10_000, 90_000), idle_w, 0),
                4..=6 => phase(Activity::Setup, self.dice.between(300_000, 1_500_000), idle_w, 0),
                7..=30 => phase(Activity::Waiting, self.dice.between(5_000, 60_000), idle_w, 0),
                _ => phase(Activity::Idle, self.dice.between(4_000, 40_000), idle_w, 0),
            };
            at += length + gap.length_ms;
            day.push(phase(Activity::Producing, length, power, 1));
            day.push(gap);
        }
    }

    fn minute(&mut self) -> MachineWindow {
        let mut window = MachineWindow::default();
        let (mut mark, mut watts, mut peak, mut now) = (0_u32, 0_i64, 0_i64, 0_u32);
        for second in 0..60 {
            let answered = second * 1000 + u32::try_from(self.dice.between(5, 25)).unwrap_or(5);
            self.machine.advance(u64::from(answered - now));
            now = answered;
            let leaf = leaf(self.machine.activity());
            if leaf != self.leaf {
                window.states_ms[self.leaf] += answered - mark;
                (mark, self.leaf) = (answered, leaf);
                window.changed += 1;
                window.fault_count += u32::from(leaf == 2);
            }
            let shown = signed(self.machine.power_w() * self.dice.between(985, 1015) / 1000);
            watts += shown;
            peak = peak.max(shown);
            let seen = (shown, self.energy_wh(), signed(self.machine.parts()));
            window.changed += u32::from(seen.0 != self.seen.0) + u32::from(seen.1 != self.seen.1);
            window.changed += u32::from(self.kind != Kind::Press && seen.2 != self.seen.2);
            self.seen = seen;
        }
        self.machine.advance(u64::from(MINUTE_MS - now));
        window.states_ms[self.leaf] += MINUTE_MS - mark;
        self.figures(&mut window, watts / 60, peak);
        window
    }

    fn figures(&mut self, window: &mut MachineWindow, mean_w: i64, peak_w: i64) {
        let register = |register| Amount { register, quality: AmountQuality::Register };
        window.energy = register(self.energy_wh() * 1000);
        if self.kind != Kind::Press {
            window.parts = register(signed(self.machine.parts()));
        }
        if self.kind == Kind::Robot {
            window.good_parts = register(signed(self.machine.good_parts()));
        }
        if self.kind == Kind::Cnc {
            // The spindle stands still while tools are changed.
            let changes = u32::try_from(self.dice.between(0, 4) * 1001).unwrap_or(0);
            window.spindle_ms = window.states_ms[5].saturating_sub(changes);
        }
        window.reads_expected = self.kind.points() * 60;
        // One window in two hundred misses an answer or two.
        let missed = if self.dice.between(0, 199) == 0 { self.dice.between(1, 2) } else { 0 };
        window.reads_good = window.reads_expected - u32::try_from(missed).unwrap_or(0);
        (window.connected_ms, window.sessions) = (MINUTE_MS, 1);
        (window.power_mean_w, window.power_peak_w) = (Some(mean_w), Some(peak_w));
    }

    /// The meter's register, Wh: machines with controllers have meters of 0.01 kWh, presses of 1 Wh.
    fn energy_wh(&self) -> i64 {
        let wh = signed(self.machine.energy_wh());
        if self.kind == Kind::Press { wh } else { wh / 10 * 10 }
    }
}

fn phase(activity: Activity, length_ms: u64, power_w: u64, parts: u64) -> Phase {
    Phase { activity, length_ms, power_w, parts }
}

fn leaf(activity: Activity) -> usize {
    match activity {
        Activity::Off => 1,
        Activity::Fault => 2,
        Activity::Setup => 4,
        Activity::Producing => 5,
        Activity::Held => 6,
        Activity::Waiting => 7,
        Activity::Idle => 8,
    }
}

fn signed(x: u64) -> i64 {
    i64::try_from(x).unwrap_or(i64::MAX)
}
