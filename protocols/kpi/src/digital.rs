//! Indicators of digitalisation that rest on declarations: 生产设备数字化率, 关键工序数控化率 and 数据自动采集率 by the list of
//! points. Each shows what was declared and, beside it and never mixed with it, how much of that the data confirm.
//!
//! Enterprise level only: a city's figure is the mean over enterprises, which nobody here knows. Data confirm what is
//! there; that something is missing from a list they cannot show.

pub mod declaration;
#[cfg(test)]
mod tests;
pub mod word;

use std::collections::BTreeSet;

use serde::Serialize;

pub use declaration::Declarations;
pub use word::{Declared, DocumentHash, Measured};

use crate::calendar::Calendar;
use crate::compute::Scope;
use crate::connect;
use crate::figure::StateFrom;
use crate::rational::Rational;
use crate::roster::Rostered;
use crate::totals::MachineKind;
use declaration::{Collected, Equipment, KeyOperation, KeyOperations, RequiredPoint, RequiredPoints};

/// Percent of the period in which a point must have been known to count as collected; as for connected days.
pub const COLLECTED_PERCENT: u64 = connect::ANSWERED_PERCENT;

/// A part of a whole, both counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Share {
    /// The part.
    pub part: u64,
    /// The whole.
    pub whole: u64,
}

impl Share {
    /// Part over whole.
    pub fn ratio(self) -> Option<Rational> {
        Rational::ratio(self.part, self.whole)
    }
}

/// A part of a whole of which the data leave something open.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct ShareBounds {
    /// The part that is certain.
    pub lower: u64,
    /// The part that is possible.
    pub upper: u64,
    /// The whole: the same as the declaration's.
    pub whole: u64,
}

/// A declared indicator and what the data confirm of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Indicator {
    /// What the enterprise declares.
    pub declared: Declared<Share>,
    /// How many of the same whole the data confirm.
    pub confirmed: Measured<ShareBounds>,
    /// Items that no data can confirm, since nothing in the roster stands for them.
    pub out_of_reach: u64,
    /// What its reader must look into; none changes a number.
    pub findings: Vec<Finding>,
}

/// Something about a declaration that does not fit the roster or the data.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
#[serde(rename_all = "snake_case", tag = "kind")]
pub enum Finding {
    /// The ledger has fewer machines than the roster.
    FewerMachinesThanRoster {
        /// Machines of the ledger.
        declared: u32,
        /// Machines of the roster.
        roster: u64,
    },
    /// The ledger has fewer digital machines than the roster.
    FewerDigitalThanRoster {
        /// Digital machines of the ledger.
        declared: u32,
        /// Digital machines of the roster.
        roster: u64,
    },
    /// An operation is declared controlled, and the roster calls none of its machines numerically controlled.
    ControlledByNoMachine {
        /// The operation.
        operation: String,
    },
    /// The roster puts a machine to a key operation, and no operation of the list names it.
    KeyMachineNotListed {
        /// The machine.
        machine: String,
    },
    /// A point is declared collected, and the data show that it was not.
    NotCollected {
        /// The machine.
        machine: String,
        /// The point.
        what: String,
    },
}

/// The indicators; one that is not declared has none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, schemars::JsonSchema)]
pub struct Digitalisation {
    /// 生产设备数字化率; confirmed are digital machines that were connected on a day of the period.
    pub equipment: Option<Indicator>,
    /// 关键工序数控化率; confirmed are operations of which a numerically controlled machine ran a program.
    pub key_operations: Option<Indicator>,
    /// 数据自动采集率 by points; confirmed are points known for at least 95 % of the period.
    pub acquisition: Option<Indicator>,
}

/// Why a declaration cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclarationError {
    /// A list or ledger of nothing.
    #[error("{list} is empty; declare every item of it, or leave the indicator out")]
    Empty {
        /// Which list.
        list: &'static str,
    },
    /// More digital machines than machines.
    #[error("{digital} of {machines} machines are declared digital; check both numbers against the ledger")]
    MoreDigitalThanMachines {
        /// Declared digital.
        digital: u32,
        /// Declared in all.
        machines: u32,
    },
    /// One item twice: it would count twice.
    #[error("{item} stands twice in {list}; declare it once")]
    Twice {
        /// Which list.
        list: &'static str,
        /// The item.
        item: String,
    },
    /// A machine that the roster does not have.
    #[error(
        "key operation {operation:?} names machine {machine:?}, which the roster does not have; use an id of the roster, or none"
    )]
    UnknownMachine {
        /// The operation.
        operation: String,
        /// The machine.
        machine: String,
    },
}

const OPERATIONS: &str = "the list of key operations";
const POINTS: &str = "the list of required points";

/// Checks the declarations against the roster, and what the data confirm of them over the period.
pub fn digitalisation(
    scope: Scope<'_>,
    machines: &[Rostered<'_>],
    declarations: &Declarations,
) -> Result<Digitalisation, DeclarationError> {
    let plant = Plant { scope, machines };
    let Declarations { equipment, key_operations, acquisition } = declarations;
    Ok(Digitalisation {
        equipment: equipment.as_ref().map(|e| plant.equipment(e)).transpose()?,
        key_operations: key_operations.as_ref().map(|k| plant.key_operations(k)).transpose()?,
        acquisition: acquisition.as_ref().map(|a| plant.acquisition(a)).transpose()?,
    })
}

struct Plant<'a> {
    scope: Scope<'a>,
    machines: &'a [Rostered<'a>],
}

impl Plant<'_> {
    fn equipment(&self, ledger: &Equipment) -> Result<Indicator, DeclarationError> {
        let Equipment { document, machines, digital } = *ledger;
        if machines == 0 {
            return Err(DeclarationError::Empty { list: "the equipment ledger" });
        }
        if digital > machines {
            return Err(DeclarationError::MoreDigitalThanMachines { digital, machines });
        }
        let mut findings = Vec::new();
        let (roster, rostered_digital) =
            (count(self.machines.iter()), count(self.machines.iter().filter(|m| m.subject.digital)));
        if u64::from(machines) < roster {
            findings.push(Finding::FewerMachinesThanRoster { declared: machines, roster });
        }
        if u64::from(digital) < rostered_digital {
            findings.push(Finding::FewerDigitalThanRoster { declared: digital, roster: rostered_digital });
        }
        let live = self.machines.iter().filter(|m| m.subject.digital).map(|m| self.was_live(m));
        let out_of_reach = u64::from(machines).saturating_sub(roster);
        let declared = Share { part: digital.into(), whole: machines.into() };
        Ok(self.indicator(Declared::new(declared, document), live, out_of_reach, findings))
    }

    fn key_operations(&self, list: &KeyOperations) -> Result<Indicator, DeclarationError> {
        once(OPERATIONS, list.operations.iter().map(|o| o.name.clone()))?;
        let mut findings = Vec::new();
        let mut listed = BTreeSet::new();
        for operation in &list.operations {
            let machines = self.machines_of(operation)?;
            listed.extend(operation.machines.iter());
            let controlled = machines.iter().any(|m| m.numerically_controlled);
            if operation.controlled && !machines.is_empty() && !controlled {
                findings.push(Finding::ControlledByNoMachine { operation: operation.name.clone() });
            }
        }
        for machine in self.machines.iter().filter(|m| m.key_operation) {
            if !listed.iter().any(|id| *id == machine.subject.id) {
                findings.push(Finding::KeyMachineNotListed { machine: machine.subject.id.to_owned() });
            }
        }
        let controlled = || list.operations.iter().filter(|o| o.controlled);
        let confirmed = controlled().map(|operation| {
            let machines =
                self.machines.iter().filter(|m| operation.machines.iter().any(|id| id == m.subject.id));
            any(machines.map(|m| self.ran_a_program(m)))
        });
        let out_of_reach = count(controlled().filter(|o| o.machines.is_empty()));
        let declared = Share { part: count(controlled()), whole: count(list.operations.iter()) };
        Ok(self.indicator(Declared::new(declared, list.document), confirmed, out_of_reach, findings))
    }

    fn acquisition(&self, list: &RequiredPoints) -> Result<Indicator, DeclarationError> {
        once(POINTS, list.points.iter().map(|p| format!("{}/{}", p.machine, name(&p.what))))?;
        let automatic = || list.points.iter().filter(|p| p.automatic);
        let mut findings = Vec::new();
        let mut confirmed = Vec::new();
        let mut out_of_reach = 0;
        for point in automatic() {
            let Some(collected) = self.was_collected(point) else {
                out_of_reach += 1;
                continue;
            };
            confirmed.push(collected);
            if !collected.1 {
                let (machine, what) = (point.machine.clone(), name(&point.what));
                findings.push(Finding::NotCollected { machine, what });
            }
        }
        let declared = Share { part: count(automatic()), whole: count(list.points.iter()) };
        Ok(self.indicator(
            Declared::new(declared, list.document),
            confirmed.into_iter(),
            out_of_reach,
            findings,
        ))
    }

    fn indicator(
        &self,
        declared: Declared<Share>,
        confirmed: impl Iterator<Item = (bool, bool)>,
        out_of_reach: u64,
        findings: Vec<Finding>,
    ) -> Indicator {
        let mut bounds = ShareBounds { whole: declared.declared().whole, ..ShareBounds::default() };
        for (certain, possible) in confirmed {
            bounds.lower += u64::from(certain);
            bounds.upper += u64::from(possible);
        }
        let confirmed = Measured::new(bounds, self.scope.period);
        Indicator { declared, confirmed, out_of_reach, findings }
    }

    fn machines_of(&self, operation: &KeyOperation) -> Result<Vec<&Rostered<'_>>, DeclarationError> {
        let find = |id: &String| {
            self.machines.iter().find(|m| m.subject.id == id).ok_or_else(|| {
                DeclarationError::UnknownMachine { operation: operation.name.clone(), machine: id.clone() }
            })
        };
        operation.machines.iter().map(find).collect()
    }

    /// Whether a machine was connected on a day of the period, planned or not: for certain, and possibly.
    fn was_live(&self, machine: &Rostered<'_>) -> (bool, bool) {
        let Scope { cuts, period, .. } = self.scope;
        if machine.subject.totals.kind() == MachineKind::Listed {
            return (false, false);
        }
        connect::days(machine.subject.totals, cuts, &Calendar::Always, period).calendar.ever()
    }

    /// Whether a numerically controlled machine ran a program, told by its own control. Power alone shows that
    /// something turned, not that a program did it.
    fn ran_a_program(&self, machine: &Rostered<'_>) -> (bool, bool) {
        let Scope { cuts, period, .. } = self.scope;
        let totals = machine.subject.totals;
        let by_control = machine.subject.feeds.state == StateFrom::Controller;
        if !machine.numerically_controlled || !by_control || totals.kind() != MachineKind::Machine {
            return (false, false);
        }
        let times = totals.times(cuts, machine.subject.calendar, period);
        let ran = times.producing_ms > 0;
        (ran, ran || times.calendar_unknown_ms > 0)
    }

    /// Whether a point was collected: for certain, and possibly; nothing when the roster does not have it.
    fn was_collected(&self, point: &RequiredPoint) -> Option<(bool, bool)> {
        let Scope { cuts, period, .. } = self.scope;
        let machine = self.machines.iter().find(|m| m.subject.id == point.machine)?;
        let (totals, all_ms) = (machine.subject.totals, period.ms());
        let (known_ms, possible_ms) = match (&point.what, point.what.quantity()) {
            (_, Some(quantity)) if totals.measures(quantity) => {
                (totals.amount(cuts, quantity, period).covered_s * 1000, all_ms)
            }
            (Collected::State, _) if totals.kind() == MachineKind::Machine => {
                let state = connect::acquired_state(totals, cuts, period);
                (state.lower_ms, state.upper_ms)
            }
            _ => return None,
        };
        let enough = |ms: u64| u128::from(ms) * 100 >= u128::from(all_ms) * u128::from(COLLECTED_PERCENT);
        Some((enough(known_ms), enough(possible_ms)))
    }
}

fn count<T>(items: impl Iterator<Item = T>) -> u64 {
    items.map(|_| 1).sum()
}

fn any(each: impl Iterator<Item = (bool, bool)>) -> (bool, bool) {
    each.fold((false, false), |(a, b), (certain, possible)| (a || certain, b || possible))
}

fn name(what: &Collected) -> String {
    match what {
        Collected::State => "state".to_owned(),
        Collected::Energy => "energy".to_owned(),
        Collected::Parts => "parts".to_owned(),
        Collected::GoodParts => "good_parts".to_owned(),
        Collected::Other(name) => name.clone(),
    }
}

/// Refuses an empty list, and an item that stands in it twice.
fn once(list: &'static str, items: impl Iterator<Item = String>) -> Result<(), DeclarationError> {
    let mut seen = BTreeSet::new();
    for item in items {
        if seen.contains(&item) {
            return Err(DeclarationError::Twice { list, item });
        }
        seen.insert(item);
    }
    if seen.is_empty() { Err(DeclarationError::Empty { list }) } else { Ok(()) }
}
