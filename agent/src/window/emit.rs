//! The end of the engine's line: states that have settled are booked into their windows, and windows that cannot
//! change any more are put out with the events of their time.

use super::engine::{Engine, Held, State};
use super::output::{ClosedWindow, Event, Output};
use crate::state::Segment;
use kpi::{Leaf, MachineWindow};
use observation::{Mono, Utc};

impl Engine {
    /// Settles states up to `settled` and puts out the windows that have ended before it.
    pub(super) fn put_out(&mut self, settled: Mono) {
        for m in 0..self.state.machines.len() {
            let processed = self.state.processed;
            let mut segments = vec![];
            self.with_machine(m, |machine, around, _| {
                machine.tracker.advance(processed, &around.plan.rules);
                segments = machine.tracker.settle(settled, &around.plan.rules);
            });
            for segment in segments {
                self.book(m, &segment);
            }
        }
        let reached = self.state.timeline.at(settled);
        let step = i64::from(self.plan.step_ms);
        while self.state.windows.front().is_some_and(|w| w.closed && w.start + step <= reached) {
            if let Some(window) = self.state.windows.pop_front() {
                self.put_out_window(window);
            }
        }
        let counted = self.state.machines.iter().map(|m| m.accrued).min().unwrap_or(settled);
        self.state.timeline.forget(settled.min(counted));
    }

    pub(super) fn book(&mut self, m: usize, segment: &Segment) {
        let State { timeline, windows, machines, .. } = &mut self.state;
        let step = i64::from(self.plan.step_ms);
        for (from, to) in timeline.spans(segment.from, segment.to) {
            for window in windows.iter_mut() {
                let ms = to.min(window.start + step) - from.max(window.start);
                if let Ok(ms) = u32::try_from(ms) {
                    add(&mut window.rows[m], segment, ms);
                }
            }
        }
        if segment.leaf == Leaf::Unknown {
            return;
        }
        let fault = segment.leaf == Leaf::Fault;
        if std::mem::replace(&mut machines[m].in_fault, fault) || !fault {
            return;
        }
        let began = timeline.at(segment.from);
        if let Some(window) = windows.iter_mut().find(|w| (w.start..w.start + step).contains(&began)) {
            window.rows[m].fault_count += 1;
        }
    }

    fn put_out_window(&mut self, mut window: Held) {
        let end = window.start + i64::from(self.plan.step_ms);
        for row in &mut window.rows {
            // Time in which nothing settled (the program was off, the clock skipped it) is unknown time.
            let known: u32 = row.states_ms.iter().skip(1).sum();
            row.states_ms[0] = self.plan.step_ms.saturating_sub(known);
        }
        let (now, later) = std::mem::take(&mut self.state.events).into_iter().partition(|e| e.at.0 < end);
        self.state.events = later;
        if self.state.signed_until.is_some_and(|signed| end <= signed) {
            return;
        }
        self.state.outputs.extend(sorted(now).into_iter().map(Output::Event));
        let machines = self.plan.machines.iter().map(|m| m.index).zip(window.rows).collect();
        self.state.outputs.push_back(Output::Window(ClosedWindow { start: Utc(window.start), machines }));
    }
}

fn sorted(mut events: Vec<Event>) -> Vec<Event> {
    events.sort_by_key(|event| event.at);
    events
}

fn add(row: &mut MachineWindow, segment: &Segment, ms: u32) {
    row.states_ms[segment.leaf.index()] += ms;
    let flags = [&mut row.cutting_ms, &mut row.dry_run_ms, &mut row.warmup_ms, &mut row.spindle_ms];
    for (counted, on) in flags.into_iter().zip(segment.flags) {
        *counted += if on { ms } else { 0 };
    }
}
