//! The window engine of one project: journal records in, closed windows and events out.
//!
//! It is a function of its records alone. It has no clock: time is what the records say. Fed with the same
//! records after a crash it holds the identical open window, whatever the pauses between them were.
//!
//! How far it works at a time is bounded by three moments:
//!
//! ```text
//!  … settled ────────── processed ───────── until
//!        states final        │                 end of the last record
//!        (longest dwell      a little before it, and at most the last
//!         behind processed)  sign of life of every subscribed session
//! ```
//!
//! A window is put out once it has ended before the settled moment; nothing in it can change any more.

use super::input::{Input, LinkIndex, Record};
use super::link::LinkState;
use super::machine::{Around, MachineState};
use super::output::{Event, Output, What};
use super::plan::Plan;
use super::timeline::Timeline;
use evidence::Hash;
use kpi::{Leaf, MachineWindow};
use observation::{Mono, PointId, Utc};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;

mod restart;

/// News takes this long at most from its stamp to the journal, ms. What is older is complete, so that an answer of
/// the last moment of a window is counted in it although it was committed with the next record. News that takes
/// longer is not lost; it counts late.
const ON_THE_WAY_MS: u64 = 250;

/// The engine.
#[derive(Debug)]
pub struct Engine {
    pub(super) plan: Arc<Plan>,
    /// Machine and position of each point.
    places: HashMap<PointId, (usize, usize)>,
    /// Longest silence of an unbroken session, by link, where points are subscribed.
    silence_ms: Vec<Option<u64>>,
    /// Machines with a point on the link, by link.
    pub(super) on_link: Vec<Vec<usize>>,
    pub(super) dwell_ms: u64,
    pub(super) state: State,
}

/// Everything that is remembered. See `memory.rs` for how it outlives the program.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct State {
    pub(super) fingerprint: Hash,
    pub(super) configuration: Option<Hash>,
    pub(super) timeline: Timeline,
    pub(super) processed: Mono,
    pub(super) until: Mono,
    pub(super) inbox: VecDeque<(Mono, Arrival)>,
    pub(super) due: BTreeSet<(Mono, Due)>,
    pub(super) links: Vec<LinkState>,
    pub(super) machines: Vec<MachineState>,
    /// End of the last window of an engine that was before this one.
    pub(super) resumes_at: Option<i64>,
    /// Where a stream that has no window yet will begin: with a whole one, so that registers have been read when
    /// its sums start.
    pub(super) begins_at: Option<i64>,
    /// Windows that end at or before this are in statements already.
    pub(super) signed_until: Option<i64>,
    /// Missing windows are signed as lost, not as down.
    pub(super) losing: bool,
    pub(super) windows: VecDeque<Held>,
    pub(super) events: Vec<Event>,
    pub(super) outputs: VecDeque<Output>,
}

/// Something in line to be worked on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Arrival {
    Input(Input),
    /// From here on a session is not confirmed.
    Unconfirmed(LinkIndex),
}

/// Something that comes due by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(super) enum Due {
    /// A value of this machine and position may have reached the end of its validity.
    Expiry(usize, usize),
    /// A comparison with an age turns.
    Age(usize),
}

/// A window that is not put out yet. The last one is open.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Held {
    pub(super) start: i64,
    pub(super) closed: bool,
    #[serde(with = "super::memory::rows")]
    pub(super) rows: Vec<MachineWindow>,
}

impl Engine {
    /// An engine that begins a stream, or continues one whose last window ended at `resumes_at`.
    pub fn new(plan: Arc<Plan>, resumes_at: Option<Utc>) -> Self {
        let step = i64::from(plan.step_ms);
        let floor = (plan.not_before.0.saturating_add(step - 1)).div_euclid(step) * step;
        let floor = floor.max(resumes_at.map_or(i64::MIN, |end| end.0));
        let state = State {
            fingerprint: plan.fingerprint,
            configuration: None,
            timeline: Timeline::new(floor),
            processed: Mono(0),
            until: Mono(0),
            inbox: VecDeque::new(),
            due: BTreeSet::new(),
            links: vec![LinkState::default(); plan.links],
            machines: plan.machines.iter().map(|m| MachineState::new(m, Mono(0))).collect(),
            resumes_at: resumes_at.map(|end| end.0),
            begins_at: None,
            signed_until: resumes_at.map(|end| end.0),
            losing: false,
            windows: VecDeque::new(),
            events: vec![],
            outputs: VecDeque::new(),
        };
        Self::with_state(plan, state)
    }

    pub(super) fn with_state(plan: Arc<Plan>, state: State) -> Self {
        let mut places = HashMap::new();
        let mut silence_ms = vec![None; plan.links];
        let mut on_link = vec![vec![]; plan.links];
        for (m, machine) in plan.machines.iter().enumerate() {
            for (p, point) in machine.points.iter().enumerate() {
                places.insert(point.id, (m, p));
                let Some(link) = index(point.link, plan.links) else { continue };
                silence_ms[link] = silence_ms[link].max(point.validity.silence_ms());
                if !on_link[link].contains(&m) {
                    on_link[link].push(m);
                }
            }
        }
        let dwell_ms = plan.machines.iter().map(|m| m.rules.max_dwell_ms()).max().unwrap_or(0);
        Self { plan, places, silence_ms, on_link, dwell_ms, state }
    }

    /// Applies a record of the journal.
    pub fn apply(&mut self, record: &Record) {
        match record {
            Record::Boot(boot) => self.boot(boot),
            Record::Step { inputs, until } => {
                self.receive(inputs, until.mono);
                if let Some(step) = self.state.timeline.extend(*until) {
                    let at = Utc(self.state.timeline.reached());
                    let what = What::ClockStep { expected: step.expected, shown: step.shown };
                    self.state.events.push(Event { at, machine: None, what });
                }
                self.state.until = self.state.until.max(until.mono);
                self.work_until(self.horizon());
                self.put_out(Mono(self.state.processed.0.saturating_sub(self.dwell_ms)));
            }
        }
    }

    /// Ends the engine's time at what it has been told: everything known becomes final. A window that has
    /// ended comes out; the open one stays open.
    pub fn finish(&mut self) {
        for link in 0..self.state.links.len() {
            if let Some(lost) = self.state.links[link].abandon() {
                self.queue_unconfirmed(link, lost);
            }
        }
        let end = self.state.inbox.back().map_or(self.state.until, |(at, _)| self.state.until.max(*at));
        self.work_until(end);
        self.put_out(end);
    }

    /// The windows and events that are ready to be signed, in order.
    pub fn outputs(&self) -> &VecDeque<Output> {
        &self.state.outputs
    }

    /// Takes the first `count` outputs out; they are in a statement now.
    pub fn take(&mut self, count: usize) -> Vec<Output> {
        self.state.outputs.drain(..count.min(self.state.outputs.len())).collect()
    }

    /// Puts outputs back in front that were taken and could not be stored after all.
    pub fn put_back(&mut self, outputs: Vec<Output>) {
        outputs.into_iter().rev().for_each(|output| self.state.outputs.push_front(output));
    }

    /// Events of windows that are not closed yet. At a shutdown they are signed without waiting for it.
    pub fn take_pending_events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.state.events)
    }

    /// Throws out what has been signed already: everything up to and with the last window that ends at or
    /// before `end`, and makes none of them again. Used after a restart, when the spool may be ahead of the
    /// engine's memory.
    pub fn forget_signed(&mut self, end: Utc) {
        self.state.signed_until = self.state.signed_until.max(Some(end.0));
        self.state.timeline.raise_floor(end.0);
        if self.state.windows.is_empty() {
            self.state.resumes_at = self.state.resumes_at.max(Some(end.0));
        }
        let step = i64::from(self.plan.step_ms);
        let signed = |output: &Output| match output {
            Output::Window(w) => w.start.0.saturating_add(step) <= end.0,
            Output::Event(_) => false,
        };
        if let Some(last) = self.state.outputs.iter().rposition(signed) {
            self.state.outputs.drain(..=last);
        }
    }

    /// Cuts gaps that were found before it was known how far the gateway's statements go to what none of those
    /// covers.
    pub fn cut_gaps(&mut self, end: Utc) {
        let open = |what: &mut What| match what {
            What::Down { from, to } | What::Loss { from, to } => {
                *from = (*from).max(end);
                from < to
            }
            _ => true,
        };
        self.state.events.retain_mut(|event| open(&mut event.what));
        self.state.outputs.retain_mut(|output| match output {
            Output::Event(event) => open(&mut event.what),
            Output::Window(_) => true,
        });
    }

    /// The state each machine seems to be in now, in the order of the plan; for display, not final.
    pub fn current(&self) -> Vec<Leaf> {
        let machines = self.state.machines.iter().zip(&self.plan.machines);
        machines.map(|(machine, plan)| machine.tracker.current(&plan.rules)).collect()
    }

    /// Whether window time runs by the monotonic clock because the wall clock jumped implausibly.
    pub fn disbelieves_wall_clock(&self) -> bool {
        self.state.timeline.disbelieves_wall_clock()
    }

    /// Window time reached, which is UTC unless the wall clock is not believed or is behind.
    pub fn reached(&self) -> Utc {
        Utc(self.state.timeline.reached())
    }

    /// Start of the open window.
    pub fn open_window(&self) -> Option<Utc> {
        self.state.windows.back().map(|w| Utc(w.start))
    }

    /// Start of the earliest window that has not been taken out: the next one to be signed.
    pub fn next_to_sign(&self) -> Option<Utc> {
        let out = self.state.outputs.iter().find_map(|output| match output {
            Output::Window(window) => Some(window.start),
            Output::Event(_) => None,
        });
        out.or_else(|| self.state.windows.front().map(|w| Utc(w.start))).or(self.state.begins_at.map(Utc))
    }

    /// Says something that the journal does not show. It is signed with the window of this moment.
    pub fn say(&mut self, what: What) {
        let at = Utc(self.state.timeline.reached());
        self.state.events.push(Event { at, machine: None, what });
    }

    /// Puts inputs in line by time and sees how far sessions are confirmed. News of one link stays in the order
    /// in which it came, whatever its stamps say: what a session has said is not overtaken by its beginning.
    pub(super) fn receive(&mut self, inputs: &[Input], until: Mono) {
        for input in inputs {
            let link = match input {
                Input::Observed(link, _)
                | Input::Alive(link, _)
                | Input::Up(link, _)
                | Input::Down(link, _) => *link,
            };
            let Some(link) = index(link, self.plan.links) else { continue };
            let at = self.state.links[link].in_order(input.mono());
            if let Some(silence_ms) = self.silence_ms[link]
                && let Some(lost) = self.state.links[link].receive(input, at, silence_ms)
            {
                self.queue_unconfirmed(link, lost);
            }
            self.queue(at, Arrival::Input(input.clone()));
        }
        for link in 0..self.plan.links {
            if let Some(silence_ms) = self.silence_ms[link]
                && let Some(lost) = self.state.links[link].wait(until, silence_ms)
            {
                self.queue_unconfirmed(link, lost);
            }
        }
    }

    fn queue_unconfirmed(&mut self, link: usize, from: Mono) {
        if let Ok(link) = u32::try_from(link) {
            self.queue(from, Arrival::Unconfirmed(LinkIndex(link)));
        }
    }

    /// Behind everything of the same moment, and not before what has been worked on.
    fn queue(&mut self, at: Mono, arrival: Arrival) {
        let at = at.max(self.state.processed);
        let place = self.state.inbox.partition_point(|(other, _)| *other <= at);
        self.state.inbox.insert(place, (at, arrival));
    }

    pub(super) fn horizon(&self) -> Mono {
        let sessions = self.state.links.iter().filter_map(LinkState::horizon).min();
        let arrived = Mono(self.state.until.0.saturating_sub(ON_THE_WAY_MS));
        sessions.map_or(arrived, |last| last.min(arrived)).max(self.state.processed)
    }

    /// Works on everything up to and with `horizon`. At one moment windows end first (they are half-open), then
    /// values expire, then news comes in.
    pub(super) fn work_until(&mut self, horizon: Mono) {
        let step = i64::from(self.plan.step_ms);
        self.roll(self.state.processed);
        loop {
            let end = self.state.windows.back().map(|w| w.start + step).or(self.state.begins_at);
            let end = end.and_then(|end| self.state.timeline.when(end));
            let due = self.state.due.first().map(|(at, _)| *at);
            let news = self.state.inbox.front().map(|(at, _)| *at);
            let Some(next) = [end, due, news].into_iter().flatten().min().filter(|at| *at <= horizon) else {
                break;
            };
            self.state.processed = self.state.processed.max(next);
            self.roll(next);
            if end == Some(next) {
                // The next round looks for the end of the window that has just been opened.
            } else if due == Some(next) {
                if let Some((at, due)) = self.state.due.pop_first() {
                    self.come_due(at, due);
                }
            } else if let Some((at, arrival)) = self.state.inbox.pop_front() {
                self.arrive(at, &arrival);
            }
        }
        self.state.processed = self.state.processed.max(horizon);
        self.roll(self.state.processed);
    }

    /// Closes the open window if it has ended, says what was skipped, and opens the next.
    fn roll(&mut self, now: Mono) {
        let step = i64::from(self.plan.step_ms);
        let state = &mut self.state;
        if !state.timeline.has_started() {
            return;
        }
        let t = state.timeline.at(now);
        let start = t - t.rem_euclid(step);
        let next = match (state.windows.back(), state.resumes_at) {
            (Some(open), _) if start <= open.start => return,
            (Some(open), _) => Some(open.start + step),
            (None, Some(resumes_at)) => Some(resumes_at),
            (None, None) if t < *state.begins_at.get_or_insert(start + if t == start { 0 } else { step }) => {
                return;
            }
            (None, None) => {
                self.begin(now);
                None
            }
        };
        self.close(now);
        // What is signed already is not called down.
        if let Some(next) = next.map(|next| next.max(self.state.signed_until.unwrap_or(i64::MIN)))
            && start > next
        {
            let (from, to) = (Utc(next), Utc(start));
            let what = if self.state.losing { What::Loss { from, to } } else { What::Down { from, to } };
            self.state.events.push(Event { at: Utc(start), machine: None, what });
            self.state.machines.iter_mut().for_each(MachineState::open_after_gap);
        } else if self.state.windows.is_empty() && next.is_some() {
            self.state.machines.iter_mut().for_each(MachineState::open_after_gap);
        }
        let rows = vec![MachineWindow::default(); self.plan.machines.len()];
        self.state.windows.push_back(Held { start, closed: false, rows });
        self.state.resumes_at = None;
        self.state.losing = false;
    }

    /// A stream begins: what was gathered before its first window belongs to nobody. Counters that broke before
    /// have nothing to be compared with.
    fn begin(&mut self, now: Mono) {
        self.state.begins_at = None;
        for m in 0..self.state.machines.len() {
            self.with_machine(m, |machine, around, _| machine.begin(around, now));
        }
        for link in &mut self.state.links {
            link.roll_sessions();
        }
        let belongs = |e: &Event| !matches!(e.what, What::CounterBreak { .. } | What::MeterExchanged { .. });
        self.state.events.retain(belongs);
    }

    fn close(&mut self, now: Mono) {
        let State { timeline, links, machines, windows, .. } = &mut self.state;
        let step = i64::from(self.plan.step_ms);
        let sessions: Vec<u32> = links.iter_mut().map(LinkState::roll_sessions).collect();
        let Some(open) = windows.back_mut() else { return };
        open.closed = true;
        for (m, (machine, row)) in machines.iter_mut().zip(&mut open.rows).enumerate() {
            let plan = &self.plan.machines[m];
            let around = Around { plan, links, timeline, window: Some((open.start, open.start + step)) };
            let on_links = self.on_link.iter().zip(&sessions).filter(|(on, _)| on.contains(&m));
            machine.close(&around, now, on_links.map(|(_, n)| *n).sum(), row);
        }
    }

    /// Runs `work` on one machine with everything around it.
    pub(super) fn with_machine(
        &mut self,
        m: usize,
        work: impl FnOnce(&mut MachineState, &Around<'_>, &mut Vec<Event>),
    ) {
        let State { timeline, links, machines, windows, events, .. } = &mut self.state;
        let step = i64::from(self.plan.step_ms);
        let window = windows.back().map(|w| (w.start, w.start + step));
        if let (Some(machine), Some(plan)) = (machines.get_mut(m), self.plan.machines.get(m)) {
            work(machine, &Around { plan, links, timeline, window }, events);
        }
    }

    fn come_due(&mut self, now: Mono, due: Due) {
        let machine = match due {
            Due::Expiry(m, p) => {
                let mut later = None;
                self.with_machine(m, |machine, around, _| {
                    let (cell, plan) = (&mut machine.cells[p], &around.plan.points[p]);
                    cell.due = None;
                    match cell.expires(plan) {
                        Some(at) if at > now => later = Some(at),
                        Some(_) => {
                            cell.lose(plan, now, true);
                            machine.evaluate(around, now);
                        }
                        None => {}
                    }
                });
                self.schedule_expiry(m, p, later);
                m
            }
            Due::Age(m) => {
                self.with_machine(m, |machine, around, _| machine.evaluate(around, now));
                m
            }
        };
        self.schedule_age(machine);
    }

    /// A value that came late may have ended before it came: it ends at once, and nothing is rewritten.
    fn schedule_expiry(&mut self, m: usize, p: usize, at: Option<Mono>) {
        let at = at.map(|at| at.max(self.state.processed));
        let cell = &mut self.state.machines[m].cells[p];
        if let (Some(at), None) = (at, cell.due) {
            cell.due = Some(at);
            self.state.due.insert((at, Due::Expiry(m, p)));
        }
    }

    fn schedule_age(&mut self, m: usize) {
        if let Some(at) = self.state.machines[m].age_due {
            self.state.due.insert((at, Due::Age(m)));
        }
    }

    fn arrive(&mut self, now: Mono, arrival: &Arrival) {
        match arrival {
            Arrival::Input(Input::Observed(link, observation)) => {
                if observation.quality.is_good() {
                    self.confirm(*link, now);
                }
                let Some(&(m, p)) = self.places.get(&observation.point) else { return };
                self.with_machine(m, |machine, around, events| {
                    machine.observe(around, p, observation, now, events);
                });
                let expires = self.state.machines[m].cells[p].expires(&self.plan.machines[m].points[p]);
                self.schedule_expiry(m, p, expires);
                self.schedule_age(m);
            }
            Arrival::Input(Input::Alive(link, _)) => self.confirm(*link, now),
            Arrival::Input(Input::Up(link, _)) => self.change_link(*link, now, true, |link| {
                (link.up, link.confirmed) = (true, true);
                link.established += 1;
            }),
            Arrival::Input(Input::Down(link, _)) => {
                self.change_link(*link, now, true, |link| (link.up, link.confirmed) = (false, false));
            }
            Arrival::Unconfirmed(link) => self.change_link(*link, now, false, |link| link.confirmed = false),
        }
    }

    fn confirm(&mut self, link: LinkIndex, now: Mono) {
        let stands = index(link, self.plan.links).map(|i| &self.state.links[i]);
        if stands.is_some_and(|link| link.up && !link.confirmed) {
            self.change_link(link, now, false, |link| link.confirmed = true);
        }
    }

    /// A session's standing changes for every machine that has a point on the link. With `lose`, what was heard
    /// before is not believed any more: a new session has to say everything again.
    pub(super) fn change_link(
        &mut self,
        link: LinkIndex,
        now: Mono,
        lose: bool,
        change: impl FnOnce(&mut LinkState),
    ) {
        let Some(i) = index(link, self.plan.links) else { return };
        let machines = self.on_link[i].clone();
        for &m in &machines {
            self.with_machine(m, |machine, around, _| machine.count_reads(around, now));
        }
        change(&mut self.state.links[i]);
        for &m in &machines {
            self.with_machine(m, |machine, around, _| {
                if lose {
                    machine.lose_link(around, link.0, now);
                }
                machine.evaluate(around, now);
            });
            self.schedule_age(m);
        }
    }
}

impl State {
    /// Where an engine of another plan has to continue: what was held is lost with the plan it was made by.
    pub(super) fn continues_at(&self) -> Option<Utc> {
        self.windows.front().map(|w| w.start).or(self.resumes_at).map(Utc)
    }

    /// Takes over what does not depend on the plan.
    pub(super) fn inherit(&mut self, old: &Self) {
        for machine in &mut self.machines {
            if let Some(before) = old.machines.iter().find(|m| m.id == machine.id) {
                machine.inherit(before);
            }
        }
        self.configuration = old.configuration;
        self.events.clone_from(&old.events);
        self.outputs.clone_from(&old.outputs);
    }
}

fn index(link: LinkIndex, links: usize) -> Option<usize> {
    usize::try_from(link.0).ok().filter(|i| *i < links)
}

#[cfg(test)]
#[path = "engine_tests.rs"]
pub(super) mod tests;
