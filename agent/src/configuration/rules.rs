//! The `[machine.state]` and `[machine.flags]` of one machine, and the evidence class that follows from them.
//!
//! What a rule means is `crate::state`; here a table of texts and thresholds becomes rules, with every mistake
//! at its line.

use super::points::{Point, Role};
use super::profile::Profile;
use super::quantity;
use crate::state::{
    Condition, EvidenceClass, Expression, Flag, ParseError, Rule, Rules, Side, Threshold, parse,
};
use config::{Kind, Node, Section, nearest};
use kpi::Leaf;
use observation::Value;

/// The machine's own state table, or else the profile's; never a mixture of both.
pub(super) fn read(
    machine: &Section<'_>,
    own: Option<Section<'_>>,
    profile: Option<&Profile>,
    names: &[&str],
) -> Vec<Rule> {
    let mut rules = vec![];
    match (own, profile) {
        (Some(table), _) => {
            for (key, _) in table.keys() {
                let Some(node) = table.any(key) else { continue };
                match rule(&table, key, node, names) {
                    Ok(rule) => rules.push(rule),
                    Err(Some((message, near))) => table.problem_near(key, message, near),
                    Err(None) => {}
                }
            }
            if table.keys().next().is_none() {
                table.problem("", "has no state; every machine needs at least one rule");
            }
        }
        (None, Some(profile)) => {
            let table = profile.table("state");
            if table.is_empty() {
                let name = &profile.header().name;
                machine.problem(
                    "profile",
                    format!("{name} has points and no states, since its values differ from model to model; write [machine.state]"),
                );
            }
            let granted = Granted::of(profile, names);
            let names = granted.names(names);
            for (key, node) in table {
                // A point that the profile needs and the machine lacks has been reported already.
                if let Ok(rule) = rule(machine, &key, &node, &names)
                    && let Some(rule) = granted.reduce(rule)
                {
                    rules.push(rule);
                }
            }
        }
        (None, None) if machine.any("state").is_none() => machine
            .problem("state", "is missing; write [machine.state] with at least one rule, or name a profile"),
        (None, None) => {}
    }
    rules
}

/// The points that a profile names and a machine lacks, behind its own in the order of names.
pub(super) struct Granted {
    first: usize,
    points: Vec<(String, Value)>,
}

impl Granted {
    pub(super) fn of(profile: &Profile, names: &[&str]) -> Self {
        let lacking = profile.points().into_iter().filter(|point| !names.contains(&point.name.as_str()));
        let points = lacking.filter_map(|point| Some((point.name, point.absent?))).collect();
        Self { first: names.len(), points }
    }

    /// With the values taken.
    pub(super) fn points(&self) -> &[(String, Value)] {
        &self.points
    }

    fn names<'a>(&'a self, names: &[&'a str]) -> Vec<&'a str> {
        names.iter().copied().chain(self.points.iter().map(|(name, _)| name.as_str())).collect()
    }

    fn expression(&self, expression: &Expression) -> Option<Expression> {
        let granted = |index: usize| Some(&self.points.get(index.checked_sub(self.first)?)?.1);
        // What can never be true says nothing.
        expression.granting(&granted).filter(|reduced| *reduced != Expression::Constant(false))
    }

    fn reduce(&self, rule: Rule) -> Option<Rule> {
        let condition = match rule.condition {
            Condition::Expression(e) => Condition::Expression(self.expression(&e)?),
            power @ Condition::Power(_) => power,
        };
        Some(Rule { leaf: rule.leaf, condition })
    }
}

type RuleProblem = Option<(String, Option<String>)>;

/// One rule; `Err(None)` when its problems have been reported already.
fn rule(table: &Section<'_>, key: &str, node: &Node, names: &[&str]) -> Result<Rule, RuleProblem> {
    let Some(leaf) = Leaf::ALL.into_iter().find(|leaf| leaf.en() == key) else {
        let states = Leaf::ALL.map(Leaf::en);
        let near = nearest(key, states);
        let message = match &near {
            Some(_) => "unknown state".to_owned(),
            None => format!("unknown state; known here: {}", states.join(", ")),
        };
        return Err(Some((message, near)));
    };
    let condition = match &node.kind {
        Kind::Text(text) => Condition::Expression(parse(text, names).map_err(|e| Some(shown(&e)))?),
        Kind::Table(_) if leaf == Leaf::Unknown => {
            return Err(Some(("power cannot say that nothing is known".to_owned(), None)));
        }
        Kind::Table(_) if !names.contains(&"power") => {
            let message = "a power threshold needs the point `power` in [machine.points]".to_owned();
            return Err(Some((message, None)));
        }
        Kind::Table(entries) => Condition::Power(threshold(table, key, entries)?),
        other => {
            let message =
                format!("must be a rule in quotes or {{ power_below = …, dwell = … }}, not {}", other.name());
            return Err(Some((message, None)));
        }
    };
    Ok(Rule { leaf, condition })
}

fn threshold(
    table: &Section<'_>,
    key: &str,
    entries: &[(String, usize, Node)],
) -> Result<Threshold, RuleProblem> {
    let own = table.section_of(key);
    let text = |wanted: &str| {
        entries.iter().find(|(k, _, _)| k == wanted).map(|(_, _, node)| match &node.kind {
            Kind::Text(s) => s.clone(),
            other => other.name().to_owned(),
        })
    };
    let problem = |key: &'static str, message: String| match &own {
        Some(section) => {
            section.problem(key, message);
            None
        }
        None => Some((message, None)),
    };
    let (side, power, power_key) = match (text("power_below"), text("power_above")) {
        (Some(power), None) => (Side::Below, power, "power_below"),
        (None, Some(power)) => (Side::Above, power, "power_above"),
        _ => return Err(problem("", "needs either power_below or power_above".to_owned())),
    };
    let watts = quantity::watts(&power).map_err(|e| problem(power_key, e))?;
    let release = match text("release") {
        Some(release) => quantity::watts(&release).map_err(|e| problem("release", e))?,
        None => watts,
    };
    if (side == Side::Above && release > watts) || (side == Side::Below && release < watts) {
        let wanted = if side == Side::Above { "at most" } else { "at least" };
        return Err(problem("release", format!("ends the state, so it must be {wanted} {power_key}")));
    }
    let dwell_ms = match text("dwell") {
        Some(dwell) => config::units::duration(&dwell)
            .map_err(|e| problem("dwell", e.to_string()))
            .map(|d| u64::try_from(d.as_millis()).unwrap_or(u64::MAX))?,
        None => {
            return Err(problem(
                "dwell",
                "is missing; write how long the power must stay, such as \"5s\"".to_owned(),
            ));
        }
    };
    if dwell_ms > MAX_DWELL_MS {
        return Err(problem("dwell", "must not be longer than 10m: windows wait for it".to_owned()));
    }
    if let Some(mut section) = own {
        section.allow(&["power_below", "power_above", "release", "dwell"]);
        section.finish();
    }
    Ok(Threshold { side, watts, release, dwell_ms })
}

/// Windows are held open for the longest dwell.
const MAX_DWELL_MS: u64 = 600_000;

fn shown(error: &ParseError) -> (String, Option<String>) {
    (error.to_string(), error.nearest.clone())
}

pub(super) fn read_flags(
    own: Option<Section<'_>>,
    profile: Option<&Profile>,
    names: &[&str],
) -> [Option<Expression>; 4] {
    let mut flags = [const { None }; 4];
    let Some(table) = own else {
        let Some(profile) = profile else { return flags };
        let granted = Granted::of(profile, names);
        let names = granted.names(names);
        for (key, node) in profile.table("flags") {
            if let (Some(i), Kind::Text(text)) = (Flag::ALL.iter().position(|f| f.key() == key), &node.kind) {
                flags[i] = parse(text, &names).ok().and_then(|flag| granted.expression(&flag));
            }
        }
        return flags;
    };
    for (key, _) in table.keys() {
        let Some(i) = Flag::ALL.iter().position(|flag| flag.key() == key) else {
            let keys = Flag::ALL.map(Flag::key);
            table.problem_near(
                key,
                format!("unknown flag; known here: {}", keys.join(", ")),
                nearest(key, keys),
            );
            continue;
        };
        match table.any(key).map(|node| &node.kind) {
            Some(Kind::Text(text)) => match parse(text, names) {
                Ok(expression) => flags[i] = Some(expression),
                Err(e) => {
                    let (message, near) = shown(&e);
                    table.problem_near(key, message, near);
                }
            },
            _ => table.problem(key, "must be a rule in quotes"),
        }
    }
    flags
}

/// By where states come from: a rule that asks the controller, and what else confirms it.
pub(super) fn class(points: &[Point], rules: &Rules) -> EvidenceClass {
    let role = |role: Role| points.iter().find(|p| p.role == Some(role));
    let mut asked = vec![];
    for rule in rules.rules() {
        if let Condition::Expression(e) = &rule.condition {
            e.points(&mut |name| asked.push(name.index));
        }
    }
    let execution = points.iter().position(|p| p.role == Some(Role::Execution));
    let Some(execution) = execution.filter(|i| asked.contains(i)) else { return EvidenceClass::C };
    let controller = points[execution].link;
    let metered = [Role::Power, Role::EnergyTotal].into_iter().filter_map(role).any(|p| p.link != controller);
    let counted = role(Role::PartTotal).is_some();
    if role(Role::Mode).is_some() && counted && metered { EvidenceClass::A } else { EvidenceClass::B }
}
