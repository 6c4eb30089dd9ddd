//! What the window engine needs, from the configuration and the roster of the genesis.
//!
//! The genesis decides which machines are measured; the configuration says how. A machine of the roster that
//! the configuration does not know is signed as UNKNOWN, never left out.

use super::points::{Point, Role};
use super::{Configuration, Machine};
use crate::state::Rules;
use crate::validity::Validity;
use crate::window::{EnergyPlan, Feeds, LinkIndex, MachinePlan, Plan, PointPlan};
use evidence::Hash;
use observation::Utc;

/// A machine of this agent in the roster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RosterEntry {
    /// Index in windows.
    pub index: u32,
    /// Id.
    pub id: String,
    /// Serial number that the controller must show.
    pub identity: Option<String>,
}

/// The configuration and the genesis do not go together.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PlanError {
    /// Another window length.
    #[error(
        "window.length is {configured} s, and the genesis of {project} fixes {genesis} s; write length = \"{genesis}s\""
    )]
    Step {
        /// Project.
        project: String,
        /// In the configuration, s.
        configured: u32,
        /// In the genesis, s.
        genesis: u32,
    },
    /// The roster names no machine of this agent.
    #[error("the genesis of {project} names no machine for the agent {agent:?}; check agent.id")]
    NoMachine {
        /// Project.
        project: String,
        /// This agent.
        agent: String,
    },
}

impl Configuration {
    /// The plan of one project: `roster` in the order of its indices, `not_before` the time of the genesis.
    pub fn plan(
        &self,
        project: &str,
        step_seconds: u32,
        not_before: Utc,
        roster: &[RosterEntry],
    ) -> Result<Plan, PlanError> {
        if step_seconds != self.window.step_s {
            let (project, configured) = (project.to_owned(), self.window.step_s);
            return Err(PlanError::Step { project, configured, genesis: step_seconds });
        }
        if roster.is_empty() {
            return Err(PlanError::NoMachine { project: project.to_owned(), agent: self.agent.id.clone() });
        }
        let mut machines: Vec<MachinePlan> =
            roster.iter().map(|entry| self.machine(project, entry)).collect();
        machines.sort_by_key(|machine| machine.index);
        let step_ms = step_seconds.saturating_mul(1000);
        let fingerprint = self.fingerprint(project, not_before, &machines);
        Ok(Plan { step_ms, not_before, links: self.links.len(), machines, fingerprint })
    }

    /// Machines of the project that the roster does not name: they are read, but nothing is signed of them.
    pub fn not_in_roster<'a>(
        &'a self,
        project: &'a str,
        roster: &'a [RosterEntry],
    ) -> impl Iterator<Item = &'a Machine> {
        self.machines_of(project).filter(|m| !roster.iter().any(|entry| entry.id == m.id))
    }

    fn machine(&self, project: &str, entry: &RosterEntry) -> MachinePlan {
        let Some(machine) = self.machines_of(project).find(|m| m.id == entry.id) else {
            return nobody(entry);
        };
        let counter =
            |role: Role| machine.points.iter().find(|p| p.role == Some(role)).and_then(|p| p.counter.clone());
        let energy = match counter(Role::EnergyTotal) {
            Some(model) => EnergyPlan::Register(model),
            None if machine.points.iter().any(|p| p.role == Some(Role::Power)) => EnergyPlan::FromPower,
            None => EnergyPlan::None,
        };
        MachinePlan {
            index: entry.index,
            id: entry.id.clone(),
            rules: machine.rules.clone(),
            points: machine.points.iter().map(|p| self.point_plan(p)).collect(),
            identity: entry.identity.clone().or_else(|| machine.facts.identity.clone()),
            energy,
            parts: counter(Role::PartTotal),
            good_parts: counter(Role::GoodTotal),
            power_is_independent: machine.power_is_independent(),
        }
    }

    fn point_plan(&self, point: &Point) -> PointPlan {
        let expectation = self.links[point.link].link.expectation(point.id);
        PointPlan {
            id: point.id,
            name: point.name.clone(),
            link: LinkIndex(u32::try_from(point.link).unwrap_or(u32::MAX)),
            validity: Validity::from(expectation),
            feeds: match point.role {
                Some(Role::Power) => Feeds::Power,
                Some(Role::EnergyTotal) => Feeds::Energy,
                Some(Role::PartTotal) => Feeds::Parts,
                Some(Role::GoodTotal) => Feeds::GoodParts,
                Some(Role::Identity) => Feeds::Identity,
                _ => Feeds::Rules,
            },
            factor: point.measure.map(|m| m.factor),
        }
    }

    /// Over everything that gives journalled inputs their meaning.
    fn fingerprint(&self, project: &str, not_before: Utc, machines: &[MachinePlan]) -> Hash {
        let mut lines = vec![format!("plan 1 {project} {} {}", self.window.step_s, not_before.0)];
        lines.extend(self.links.iter().map(|link| format!("link {} {}", link.id, link.protocol)));
        for machine in machines {
            let models = (&machine.energy, &machine.parts, &machine.good_parts, &machine.identity);
            lines.push(format!("machine {} {} {models:?}", machine.index, machine.id));
            lines.extend(machine.points.iter().map(|point| format!("{point:?}")));
            if let Some(configured) = self.machines.iter().find(|m| m.id == machine.id) {
                lines.push(configured.mapping.text.clone());
            }
        }
        evidence::hash::sha256(lines.join("\n").as_bytes())
    }
}

/// A machine of the roster that this box cannot measure.
fn nobody(entry: &RosterEntry) -> MachinePlan {
    MachinePlan {
        index: entry.index,
        id: entry.id.clone(),
        rules: Rules::new(vec![], [const { None }; 4], 0, None),
        points: vec![],
        identity: entry.identity.clone(),
        energy: EnergyPlan::None,
        parts: None,
        good_parts: None,
        power_is_independent: false,
    }
}
