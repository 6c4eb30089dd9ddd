//! Looks for what is false without being provably so. Each check is a small state machine a machine or stream;
//! together they keep O(machines × days). Thresholds are data with a version.
//!
//! Nothing here spoils authenticity or completeness, and nothing here is fed with windows that do not count.

mod clock;
mod energy;
mod repeat;
mod state;
#[cfg(test)]
mod tests;
mod thresholds;

use std::collections::BTreeMap;

use kpi::chain::{Booking, Doubt};
use kpi::totals::Booked;
use kpi::{MachineWindow, Period, Quantity};

use crate::finding::{Finding, FindingCode};
use crate::report::{Answer, LISTED, Plausible};
pub use thresholds::Thresholds;

/// A finding before machine numbers become ids.
#[derive(Clone, Debug)]
pub(crate) struct Found {
    pub(crate) code: FindingCode,
    pub(crate) other: Option<(usize, Period)>,
    pub(crate) period: Period,
    pub(crate) measured: String,
    pub(crate) threshold: String,
}

/// One counted window of one machine.
pub(crate) struct Seen<'a> {
    pub(crate) over: Period,
    pub(crate) window: &'a MachineWindow,
    pub(crate) booked: &'a Booked,
    /// Mean power in W, where the roster gives the machine an independent power point.
    pub(crate) power_w: Option<i64>,
    /// One step of the energy register, mWh.
    pub(crate) resolution_mwh: u64,
}

impl Seen<'_> {
    /// The energy of exactly this window, mWh.
    fn own_energy(&self) -> Option<u64> {
        match self.booked[Quantity::Energy.index()] {
            Booking::Known { from, to, amount } if (Period { from, to }) == self.over => Some(amount),
            _ => None,
        }
    }
}

/// All checks over all machines and streams.
pub(crate) struct Watch {
    thresholds: Thresholds,
    machines: Vec<Machine>,
    runs: repeat::Runs,
    findings: Vec<(Subject, Found)>,
    omitted: BTreeMap<String, u64>,
    counts: BTreeMap<FindingCode, usize>,
}

#[derive(Default)]
struct Machine {
    constant: energy::Constant,
    power: energy::PowerBlock,
    idle: state::IdlePower,
    run: repeat::Rolling,
    identity: Option<Period>,
    rated_w: Option<u64>,
}

enum Subject {
    Machine(usize),
    Agent(String),
}

impl Watch {
    /// Watches machines with these rated powers, W.
    pub(crate) fn new(rated_w: impl IntoIterator<Item = Option<u64>>) -> Self {
        let machines = rated_w.into_iter().map(|rated_w| Machine { rated_w, ..Machine::default() });
        Self {
            thresholds: Thresholds::current(),
            machines: machines.collect(),
            runs: repeat::Runs::default(),
            findings: Vec::new(),
            omitted: BTreeMap::new(),
            counts: BTreeMap::new(),
        }
    }

    /// One counted window. `day` numbers the day it lies in.
    pub(crate) fn window(&mut self, machine: usize, day: i64, seen: &Seen<'_>) {
        let limits = &self.thresholds;
        let own = &mut self.machines[machine];
        let mut found = counters(seen);
        found.extend(energy::above_rated(seen, own.rated_w, limits));
        found.extend(own.constant.window(seen, limits));
        found.extend(own.power.window(seen, limits));
        found.extend(own.idle.window(seen, limits));
        if let Some((hash, over)) = own.run.window(seen, day, limits) {
            found.extend(self.runs.seen(machine, day, hash, over, limits));
        }
        if seen.window.identity == 2 {
            let since = own.identity.get_or_insert(seen.over);
            since.to = seen.over.to;
        } else if let Some(over) = own.identity.take() {
            found.push(identity(over));
        }
        for one in found {
            self.add(Subject::Machine(machine), one);
        }
    }

    /// One statement's clock of a stream. See [`clock::Clock::statement`].
    pub(crate) fn clock(&mut self, agent: &str, clock: &mut clock::Clock, reading: clock::ClockReading) {
        if let Some(found) = clock.statement(reading, &self.thresholds) {
            self.add(Subject::Agent(agent.to_owned()), found);
        }
    }

    /// A finding that another part of the verification made.
    pub(crate) fn note(&mut self, agent: &str, found: Found) {
        self.add(Subject::Agent(agent.to_owned()), found);
    }

    fn add(&mut self, subject: Subject, found: Found) {
        let count = self.counts.entry(found.code).or_default();
        *count += 1;
        if *count <= LISTED {
            self.findings.push((subject, found));
        } else {
            *self.omitted.entry(found.code.text().to_owned()).or_default() += 1;
        }
    }

    /// The verdict; `ids` are the machines' ids.
    pub(crate) fn finish(mut self, ids: &[String]) -> Plausible {
        for machine in 0..self.machines.len() {
            let own = &mut self.machines[machine];
            let mut last = own.constant.finish(&self.thresholds);
            last.extend(own.idle.finish(&self.thresholds));
            last.extend(own.identity.take().map(identity));
            for one in last {
                self.add(Subject::Machine(machine), one);
            }
        }
        let findings: Vec<Finding> = self.findings.into_iter().map(|(s, f)| named(&s, f, ids)).collect();
        Plausible {
            verdict: if findings.is_empty() { Answer::Yes } else { Answer::No },
            thresholds: self.thresholds.version,
            findings,
            omitted: self.omitted,
        }
    }
}

pub(crate) use clock::{Clock, ClockReading};

fn named(subject: &Subject, found: Found, ids: &[String]) -> Finding {
    let id = |machine: usize| ids.get(machine).cloned().unwrap_or_default();
    Finding {
        code: found.code,
        zh: found.code.zh(),
        en: found.code.en(),
        subject: match subject {
            Subject::Machine(machine) => id(*machine),
            Subject::Agent(agent) => agent.clone(),
        },
        other: found.other.map(|(machine, _)| id(machine)),
        period: found.period,
        other_period: found.other.map(|(_, period)| period),
        measured: found.measured,
        threshold: found.threshold,
    }
}

fn identity(period: Period) -> Found {
    Found {
        code: FindingCode::IdentityDiffers,
        other: None,
        period,
        measured: "another identity than the roster's".into(),
        threshold: "none".into(),
    }
}

fn counters(seen: &Seen<'_>) -> Vec<Found> {
    let mut found = Vec::new();
    for quantity in Quantity::ALL {
        let Booking::Unknown { from, to, doubt } = seen.booked[quantity.index()] else { continue };
        let measured = match doubt {
            Doubt::Fell => "the register fell, or the pieces around its event do not fit",
            Doubt::NoEvent => "the window says that the counter broke, and no event says how",
            // Time that nobody signed is a matter of completeness.
            Doubt::Hole => continue,
        };
        found.push(Found {
            code: FindingCode::CounterWithoutEvent,
            other: None,
            period: Period { from, to },
            measured: format!("column {}: {measured}", quantity.column()),
            threshold: "every break has an event".into(),
        });
    }
    found
}
