//! The poll loop of one live Modbus session.
//!
//! What keeps answers apart lies in [`super::wire`]; here an exception is an answer, and its points are bad.
//!
//! The units behind one wire share its fate as little as possible: when one fails, the others are asked,
//! and the silent one is left alone for a while. The session ends when the wire is lost or nobody answers.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use observation::{Clock, Observation, Reason};
use tokio::time::{Instant as Deadline, sleep_until};

use super::Settings;
use super::decode::{Answer, decode};
use super::plan::Request;
use super::schedule::{Probe, Probes, Schedule, Silence, turn};
use super::wire::{Outcome, Wire};
use crate::feed::Outlet;
use crate::{Batch, LinkError};

/// Refused requests taken apart in one poll of one unit, so that a unit that refuses everything costs the
/// others little.
const SPLITS_A_POLL: usize = 16;

/// Polls after which requests that were taken apart are tried whole again: the refusal may have been that
/// of a device still starting.
const WHOLE_AGAIN_AFTER: u64 = 600;

/// The session's own state; nothing else touches it.
pub(super) struct Session {
    settings: Arc<Settings>,
    reporter: Reporter,
    wire: Wire,
    units: Vec<Unit>,
    polls: u64,
    began: Deadline,
    probes: Probes,
}

/// Stamps what has been learnt and hands it over.
pub(super) struct Reporter {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) outlet: Outlet,
}

/// The requests of one unit id.
struct Unit {
    planned: Vec<Request>,
    /// As planned, but refused ones taken apart.
    current: Vec<Request>,
    /// Why it did not answer the last time, and its quarantine.
    silent: Option<(Reason, Silence)>,
}

/// Why the poll of a unit stopped early.
enum Stop {
    /// It failed; the others may still answer.
    Unit(LinkError),
    /// There is no connection any more.
    Link(LinkError),
}

impl Session {
    pub(super) fn new(settings: Arc<Settings>, requests: &[Request], wire: Wire, reporter: Reporter) -> Self {
        let units = requests.chunk_by(|a, b| a.unit == b.unit).map(|requests| Unit {
            planned: requests.to_vec(),
            current: requests.to_vec(),
            silent: None,
        });
        let (units, probes) = (units.collect(), Probes::default());
        Self { settings, reporter, wire, units, polls: 0, began: Deadline::now(), probes }
    }

    /// Polls until the session has to end.
    pub(super) async fn run(mut self) {
        let mut schedule = Schedule::new(self.settings.poll_ms);
        loop {
            let start = Deadline::now() + schedule.next(self.reporter.clock.now().utc);
            sleep_until(start).await;
            let end = start + Duration::from_millis(u64::from(self.settings.poll_ms));
            if let Err(error) = self.poll(end).await {
                // As in `Reporter::hand_over`, a failure means that nobody is left to tell.
                drop(self.reporter.outlet.send(Err(error)).await);
                return;
            }
            self.polls += 1;
        }
    }

    /// Asks every unit once. Fails when the connection cannot be had or no unit has answered.
    async fn poll(&mut self, end: Deadline) -> Result<(), LinkError> {
        let silent: Vec<bool> = self.units.iter().map(|unit| unit.silent.is_some()).collect();
        let order = turn(&silent, self.polls);
        let cost = self.settings.cost_of_silence();
        let (mut answered, mut failure, mut spent) = (false, None, false);
        for (position, &unit) in order.iter().enumerate() {
            if let Some((reason, silence)) = self.units[unit].silent {
                let left = end.saturating_duration_since(Deadline::now());
                let probe = self.probes.allow(silence, self.began.elapsed(), left, cost, spent);
                spent |= probe == Probe::Costly;
                if probe == Probe::NotYet {
                    self.reporter.failed(&self.units[unit].current, reason).await;
                    continue;
                }
            }
            match self.poll_unit(unit).await {
                Ok(()) => answered = true,
                Err(Stop::Unit(error)) => failure = Some(error),
                Err(Stop::Link(error)) => {
                    for &unit in &order[position + 1..] {
                        self.reporter.failed(&self.units[unit].current, Reason::Disconnected).await;
                    }
                    return Err(error);
                }
            }
        }
        failure.filter(|_| !answered).map_or(Ok(()), Err)
    }

    /// Asks one unit everything it is configured for, and takes refused requests apart until only the
    /// refused addresses are left out.
    async fn poll_unit(&mut self, unit: usize) -> Result<(), Stop> {
        let whole_again = self.polls.is_multiple_of(WHOLE_AGAIN_AFTER);
        let state = &mut self.units[unit];
        let requests = if whole_again { state.planned.clone() } else { std::mem::take(&mut state.current) };
        let mut waiting = VecDeque::from(requests);
        let mut asked = Vec::with_capacity(waiting.len());
        let mut splits = 0;
        let mut silent = None;
        let mut stopped = Ok(());
        while let Some(request) = waiting.pop_front() {
            match self.wire.call(&request).await {
                Outcome::Answered(answer) => {
                    self.reporter.answered(&request, &answer).await;
                }
                Outcome::Refused(code) if points_at_an_address(code) && splits < SPLITS_A_POLL => {
                    if let Some((low, high)) = request.split() {
                        splits += 1;
                        waiting.push_front(high);
                        waiting.push_front(low);
                        continue;
                    }
                    self.reporter.failed(std::slice::from_ref(&request), Reason::Refused(code)).await;
                }
                Outcome::Refused(code) if unit_is_unreachable(code) => {
                    silent = Some(Reason::Refused(code));
                    asked.push(request);
                    break;
                }
                Outcome::Refused(code) => {
                    self.reporter.failed(std::slice::from_ref(&request), Reason::Refused(code)).await;
                }
                Outcome::Failed(reason, error) => {
                    silent = Some(reason);
                    stopped = Err(Stop::Unit(error));
                    asked.push(request);
                    break;
                }
                Outcome::Lost(error) => {
                    silent = Some(Reason::Disconnected);
                    stopped = Err(Stop::Link(error));
                    asked.push(request);
                    break;
                }
            }
            asked.push(request);
        }
        if let Some(reason) = silent {
            // The last one asked has failed, and the rest would only cost the other units more time.
            let failed = asked.last().into_iter().chain(&waiting).cloned().collect::<Vec<_>>();
            self.reporter.failed(&failed, reason).await;
        }
        asked.extend(waiting);
        let (now, cost) = (self.began.elapsed(), self.settings.cost_of_silence());
        let state = &mut self.units[unit];
        state.current = asked;
        let earlier = state.silent.map(|(_, silence)| silence);
        state.silent = silent.map(|reason| (reason, Silence::after(earlier, now, cost)));
        stopped
    }
}

impl Reporter {
    /// The answer has just arrived.
    async fn answered(&self, request: &Request, answer: &Answer) {
        self.hand_over(decode(request, answer, self.clock.now())).await;
    }

    /// Every point of these requests is bad now.
    async fn failed(&self, requests: &[Request], reason: Reason) {
        let at = self.clock.now();
        let points = requests.iter().flat_map(|request| &request.points);
        self.hand_over(points.map(|point| Observation::bad(point.id, reason, at)).collect()).await;
    }

    async fn hand_over(&self, observations: Vec<Observation>) {
        // A send fails only when the source was dropped, and then the session's task is about to be.
        drop(self.outlet.send(Ok(Batch::of(observations))).await);
    }
}

/// Illegal data address and illegal data value: another choice of addresses may be answered. Codes as in
/// the MODBUS Application Protocol Specification V1.1b3, chapter 7.
fn points_at_an_address(code: u8) -> bool {
    matches!(code, 2 | 3)
}

/// Gateway path unavailable and gateway target device failed to respond (same chapter): the answer comes
/// from a gateway, the unit itself is silent.
fn unit_is_unreachable(code: u8) -> bool {
    matches!(code, 10 | 11)
}
