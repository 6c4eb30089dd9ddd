//! The state rules of one machine and which of them wins.
//!
//! Rules are tried in the order of the leaf states (metrics.md 0.1.1), never in that of the file. The first
//! that is true wins; one whose inputs are not known stops the search, because it might have won. Nothing
//! here keeps time: dwell is `threshold.rs`, transitions are `tracker.rs`.

use super::expression::{Expression, Inputs};
use super::threshold::Threshold;
use super::truth::Truth;
use kpi::Leaf;

/// When a rule is true.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// Asked of the controller's points.
    Expression(Expression),
    /// Measured at the machine's power point, independent of any controller.
    Power(Threshold),
}

/// One state rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// The state it stands for.
    pub leaf: Leaf,
    /// When it is true.
    pub condition: Condition,
}

/// What is counted beside the state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Flag {
    /// Cutting; counts only while PRODUCING.
    Cutting,
    /// Dry run: the programme runs, nothing is made.
    DryRun,
    /// Warming up.
    Warmup,
    /// The spindle turns.
    Spindle,
}

impl Flag {
    /// All flags, in the order in which segments carry them.
    pub const ALL: [Self; 4] = [Self::Cutting, Self::DryRun, Self::Warmup, Self::Spindle];

    /// The key in `[machine.flags]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cutting => "cutting",
            Self::DryRun => "dry_run",
            Self::Warmup => "warmup",
            Self::Spindle => "spindle",
        }
    }
}

/// All rules of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rules {
    ordered: Vec<Rule>,
    flags: [Option<Expression>; 4],
    power: Option<usize>,
    heard_by: Vec<usize>,
    watched: Vec<usize>,
    ages: Vec<(usize, u64)>,
}

impl Rules {
    /// Puts the rules in order. `points` is how many points the machine has, `power` which of them measures
    /// its power.
    pub fn new(
        mut rules: Vec<Rule>,
        flags: [Option<Expression>; 4],
        points: usize,
        power: Option<usize>,
    ) -> Self {
        rules.sort_by_key(|rule| rank(rule.leaf));
        let mut heard_by = vec![];
        for rule in &rules {
            match &rule.condition {
                Condition::Expression(e) => e.points(&mut |name| heard_by.push(name.index)),
                Condition::Power(_) => heard_by.extend(power),
            }
        }
        heard_by.sort_unstable();
        heard_by.dedup();
        if heard_by.is_empty() {
            heard_by = (0..points).collect();
        }
        let mut watched = heard_by.clone();
        watched.extend(power);
        flags.iter().flatten().for_each(|e| e.points(&mut |name| watched.push(name.index)));
        let mut ages = vec![];
        let conditions = rules.iter().filter_map(|rule| match &rule.condition {
            Condition::Expression(e) => Some(e),
            Condition::Power(_) => None,
        });
        for expression in conditions.chain(flags.iter().flatten()) {
            expression.ages(&mut |index, ms| ages.push((index, ms)));
        }
        Self { ordered: rules, flags, power, heard_by, watched, ages }
    }

    /// Whether anything here depends on the value of a point.
    pub fn watches(&self, index: usize) -> bool {
        self.watched.contains(&index)
    }

    /// Every point whose age is compared and the age, ms, at which the comparison may turn.
    pub fn ages(&self) -> &[(usize, u64)] {
        &self.ages
    }

    /// The rules, in the order in which they are tried.
    pub fn rules(&self) -> &[Rule] {
        &self.ordered
    }

    /// The rule of each flag of [`Flag::ALL`].
    pub fn flags(&self) -> &[Option<Expression>; 4] {
        &self.flags
    }

    /// The machine's power point.
    pub fn power(&self) -> Option<usize> {
        self.power
    }

    /// Whether anything the rules rest on is known at all. With `idle = 'true'` alone that is any point of
    /// the machine, so that a dead link never reads as idle.
    pub fn heard(&self, inputs: &impl Inputs) -> bool {
        self.heard_by.iter().any(|index| inputs.value(*index).is_some())
    }

    /// The longest dwell of all power rules, ms: for so long the past may still be rewritten.
    pub fn max_dwell_ms(&self) -> u64 {
        self.ordered
            .iter()
            .filter_map(|rule| match &rule.condition {
                Condition::Power(threshold) => Some(threshold.dwell_ms),
                Condition::Expression(_) => None,
            })
            .max()
            .unwrap_or(0)
    }

    /// The state, given the truth of each rule.
    pub fn decide(&self, heard: bool, truth: impl Fn(usize) -> Truth) -> Leaf {
        // Power that is known to be off says OFF whatever else is unknown: an unplugged controller cannot
        // answer, and its meter can.
        let otherwise = if self.power_says_off(&truth) { Leaf::Off } else { Leaf::Unknown };
        if !heard {
            return otherwise;
        }
        for (i, rule) in self.ordered.iter().enumerate() {
            match truth(i) {
                Truth::True if rule.leaf == Leaf::Unknown => return otherwise,
                Truth::True => return rule.leaf,
                Truth::Unknown => return otherwise,
                Truth::False => {}
            }
        }
        Leaf::Unknown
    }

    fn power_says_off(&self, truth: &impl Fn(usize) -> Truth) -> bool {
        let off = |rule: &Rule| rule.leaf == Leaf::Off && matches!(rule.condition, Condition::Power(_));
        self.ordered.iter().position(off).is_some_and(|i| truth(i) == Truth::True)
    }
}

/// Place of a leaf in the order in which rules are tried.
fn rank(leaf: Leaf) -> usize {
    Leaf::ORDER_OF_RULES.iter().position(|l| *l == leaf).unwrap_or(usize::MAX)
}
