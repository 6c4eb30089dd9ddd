//! Another plan while the program runs: the windows go on, none is lost and none made twice.
//!
//! A machine whose plan stays keeps everything: state, values, dwells that are running. A machine whose plan
//! changes begins unknown at this moment. A link whose session does not go on counts as down from this moment.
//! What may change at all is decided by the caller; the machines themselves are the roster's and never change.

use super::engine::{Arrival, Due, Engine, State};
use super::input::{Input, LinkIndex};
use super::link::LinkState;
use super::output::What;
use super::plan::{MachinePlan, Plan, PointPlan};
use evidence::Hash;
use kpi::{AmountQuality, MachineWindow};
use observation::{Instant, Mono, PointId, Utc};
use std::collections::HashMap;
use std::sync::Arc;

/// What becomes of the old plan's links, points and machines.
#[derive(Clone, Debug, Default)]
pub struct Replan {
    /// For each link of the new plan: its position in the old one, if its session goes on.
    pub links: Vec<Option<LinkIndex>>,
    /// New ids of the points on those links, by old id.
    pub points: HashMap<PointId, PointId>,
    /// Ids of the machines whose numbers mean something else from now on.
    pub remapped: Vec<String>,
    /// Hash of the configuration in force from now on.
    pub configuration: Hash,
}

/// The plan is not one of the same roster and windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the genesis or the length of windows differs; restart the agent")]
pub struct Unfit;

impl Engine {
    /// Goes on under another plan.
    pub fn replan(&mut self, plan: Arc<Plan>, change: &Replan) -> Result<(), Unfit> {
        let same = |(old, new): (&MachinePlan, &MachinePlan)| (old.index, &old.id) == (new.index, &new.id);
        let fits = self.plan.step_ms == plan.step_ms
            && self.plan.not_before == plan.not_before
            && self.plan.machines.len() == plan.machines.len()
            && self.plan.machines.iter().zip(&plan.machines).all(same)
            && change.links.len() == plan.links;
        if !fits {
            return Err(Unfit);
        }
        self.drop_links(change);
        let from = self.state.processed;
        let kept: Vec<bool> = self
            .plan
            .machines
            .iter()
            .zip(&plan.machines)
            .map(|(old, new)| !change.remapped.contains(&new.id) && means_the_same(old, new))
            .collect();
        for (m, new) in plan.machines.iter().enumerate().filter(|(m, _)| !kept[*m]) {
            self.replan_machine(m, new, from, change.remapped.contains(&new.id));
        }
        self.keep_sessions(&plan, change);
        let mut state = self.state.clone();
        state.fingerprint = plan.fingerprint;
        state.links = change.links.iter().map(|old| carried(&self.state, *old)).collect();
        state.due.retain(|(_, due)| match due {
            Due::Expiry(m, _) | Due::Age(m) => kept[*m],
        });
        let arrivals = std::mem::take(&mut state.inbox).into_iter();
        state.inbox = arrivals.filter_map(|(at, a)| Some((at, change.translated(a)?))).collect();
        *self = Self::with_state(plan, state);
        if let Some(before) = self.state.configuration.replace(change.configuration)
            && before != change.configuration
        {
            self.say(What::Configuration { before, after: change.configuration });
        }
        Ok(())
    }

    /// Ends the sessions that do not go on, as far as possible at the moment that has been told.
    fn drop_links(&mut self, change: &Replan) {
        let gone: Vec<LinkIndex> = (0..self.plan.links)
            .filter_map(|link| u32::try_from(link).ok().map(LinkIndex))
            .filter(|link| !change.links.contains(&Some(*link)))
            .collect();
        let until = self.state.until;
        // Window time plays no part in the end of a session.
        let at = Instant { utc: Utc(0), mono: until };
        let downs: Vec<Input> = gone.iter().map(|link| Input::Down(*link, at)).collect();
        self.receive(&downs, until);
        self.work_until(self.horizon());
        for link in gone {
            self.change_link(link, self.state.processed, true, |link| {
                (link.up, link.confirmed) = (false, false);
            });
        }
        self.put_out(Mono(self.state.processed.0.saturating_sub(self.dwell_ms)));
    }

    /// Counts the sessions that a machine had in the open window on links on which it will not be looked for when
    /// the window ends.
    fn keep_sessions(&mut self, plan: &Plan, change: &Replan) {
        let Some(open) = self.state.windows.back_mut().filter(|window| !window.closed) else { return };
        for (old, (link, machines)) in self.state.links.iter().zip(&self.on_link).enumerate() {
            let new = u32::try_from(old).ok().and_then(|old| change.link(LinkIndex(old)));
            for &m in machines {
                let stays = plan.machines[m].points.iter().any(|point| Some(point.link) == new);
                if !stays {
                    let row = &mut open.rows[m];
                    row.sessions = row.sessions.saturating_add(link.sessions());
                }
            }
        }
    }

    /// What was known of a machine under its old plan becomes final here.
    fn replan_machine(&mut self, m: usize, new: &MachinePlan, from: Mono, remapped: bool) {
        let mut segments = vec![];
        self.with_machine(m, |machine, around, _| {
            machine.count_reads(around, from);
            machine.evaluate(around, from);
            segments = machine.tracker.settle(from, &around.plan.rules);
        });
        for segment in &segments {
            self.book(m, segment);
        }
        let State { machines, windows, .. } = &mut self.state;
        if remapped {
            for window in windows {
                forget(&mut window.rows[m]);
            }
        }
        machines[m] = machines[m].replanned(new, from, remapped);
    }
}

/// Nothing measured by the old mapping is signed with the hash of the new one.
fn forget(row: &mut MachineWindow) {
    row.states_ms = MachineWindow::default().states_ms;
    (row.cutting_ms, row.dry_run_ms, row.warmup_ms, row.spindle_ms) = (0, 0, 0, 0);
    (row.fault_count, row.power_mean_w, row.power_peak_w) = (0, None, None);
    for amount in [&mut row.energy, &mut row.parts, &mut row.good_parts] {
        if amount.quality != AmountQuality::default() {
            amount.quality = AmountQuality::Missing;
        }
    }
}

fn carried(old: &State, link: Option<LinkIndex>) -> LinkState {
    let old = link.and_then(|l| old.links.get(usize::try_from(l.0).ok()?));
    old.cloned().unwrap_or_default()
}

/// Everything but where its points stand among all others.
fn means_the_same(old: &MachinePlan, new: &MachinePlan) -> bool {
    let point = |p: &PointPlan| (p.name.clone(), p.validity, p.feeds, p.factor);
    old.rules == new.rules
        && old.points.iter().map(point).eq(new.points.iter().map(point))
        && (&old.identity, &old.energy, &old.parts, &old.good_parts, old.power_is_independent)
            == (&new.identity, &new.energy, &new.parts, &new.good_parts, new.power_is_independent)
}

impl Replan {
    fn link(&self, old: LinkIndex) -> Option<LinkIndex> {
        let new = self.links.iter().position(|link| *link == Some(old))?;
        u32::try_from(new).ok().map(LinkIndex)
    }

    /// What is in line, in the words of the new plan; nothing if its link's session does not go on.
    fn translated(&self, arrival: Arrival) -> Option<Arrival> {
        Some(match arrival {
            Arrival::Unconfirmed(link) => Arrival::Unconfirmed(self.link(link)?),
            Arrival::Input(Input::Observed(link, mut observation)) => {
                observation.point = *self.points.get(&observation.point)?;
                Arrival::Input(Input::Observed(self.link(link)?, observation))
            }
            Arrival::Input(Input::Alive(link, at)) => Arrival::Input(Input::Alive(self.link(link)?, at)),
            Arrival::Input(Input::Up(link, at)) => Arrival::Input(Input::Up(self.link(link)?, at)),
            Arrival::Input(Input::Down(link, at)) => Arrival::Input(Input::Down(self.link(link)?, at)),
        })
    }
}

#[cfg(test)]
#[path = "replan_tests.rs"]
mod tests;
