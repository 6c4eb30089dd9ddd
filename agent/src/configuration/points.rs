//! The points of a machine: what each feeds, where it is read, in which unit, and how its register behaves.
//!
//! A point's table holds keys of ours and keys of its protocol side by side. Ours are read here; the
//! protocol's are handed on untouched.

use super::links::LinkTable;
use super::quantity::{Dimension, Measure, measure, units, whole_watts};
use crate::counter::CounterModel;
use config::{Section, nearest};
use observation::{Decimal, PointId};
use serde_json::Value;

/// What a point is to its machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Execution state of the programme.
    Execution,
    /// Operation mode.
    Mode,
    /// Alarm.
    Alarm,
    /// Feed override.
    Override,
    /// Spindle.
    Spindle,
    /// Active power.
    Power,
    /// Energy register.
    EnergyTotal,
    /// Part register.
    PartTotal,
    /// Good-part register.
    GoodTotal,
    /// Serial number.
    Identity,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 10] = [
        Self::Execution,
        Self::Mode,
        Self::Alarm,
        Self::Override,
        Self::Spindle,
        Self::Power,
        Self::EnergyTotal,
        Self::PartTotal,
        Self::GoodTotal,
        Self::Identity,
    ];

    /// As written in `[machine.points]`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Execution => "execution",
            Self::Mode => "mode",
            Self::Alarm => "alarm",
            Self::Override => "override",
            Self::Spindle => "spindle",
            Self::Power => "power",
            Self::EnergyTotal => "energy_total",
            Self::PartTotal => "part_total",
            Self::GoodTotal => "good_total",
            Self::Identity => "identity",
        }
    }

    /// The role of a key.
    pub fn of(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.key() == key)
    }

    /// The dimension in which the role must be read.
    fn dimension(self) -> Option<Dimension> {
        match self {
            Self::EnergyTotal => Some(Dimension::Energy),
            Self::Power => Some(Dimension::Power),
            _ => None,
        }
    }

    fn is_register(self) -> bool {
        matches!(self, Self::EnergyTotal | Self::PartTotal | Self::GoodTotal)
    }

    fn is_number(self) -> bool {
        self.is_register() || matches!(self, Self::Power | Self::Override)
    }
}

/// The keys of a point that are ours.
pub(super) const OWN_KEYS: [&str; 7] =
    ["link", "measure", "width", "meter", "resolution", "max_power", "max_per_hour"];

/// One point of a machine.
#[derive(Clone, Debug)]
pub struct Point {
    /// Its id among all points of this configuration.
    pub id: PointId,
    /// Role or input name, as rules write it.
    pub name: String,
    /// Its role; an input has none.
    pub role: Option<Role>,
    /// Position of its link among the links.
    pub link: usize,
    /// Its unit.
    pub measure: Option<Measure>,
    /// Last value before a rollover, as written.
    pub width: Option<String>,
    /// Behaviour of its register.
    pub counter: Option<CounterModel>,
    /// Power of ten, in Wh, of the register's smallest step; -3 where it is not known.
    pub energy_exponent: i8,
}

/// A register with nothing said about the machine may grow by 10 MW: more than any single machine draws, and
/// little enough to catch a lifetime booked in a day.
const DEFAULT_MAX_MWH_PER_HOUR: i128 = 10_000_000_000;

/// A part counter with nothing said may grow by 100 pieces a second.
const DEFAULT_MAX_PER_HOUR: i128 = 360_000;

/// A rated machine may draw twice its rating before its register is called too fast: ratings are of the drive,
/// and a machine has more than one.
const OVER_RATED: i128 = 2;

/// Reads one point's table. `None` after a problem that leaves nothing to go on with.
pub(super) fn read(
    section: &mut Section<'_>,
    (id, name): (PointId, &str),
    role: Option<Role>,
    links: &[LinkTable<'_>],
    default_link: Option<&str>,
    address: &Value,
    rated_w: Option<u64>,
) -> Option<Point> {
    let link = find_link(section, links, default_link)?;
    let measure = read_measure(section, role);
    let width = section.text("width");
    let meter = section.text("meter");
    let resolution = section.text("resolution");
    let max_power = section.parse("max_power", whole_watts);
    let max_per_hour = section.integer("max_per_hour", 1, 1_000_000_000);
    let register = role.filter(|role| role.is_register());
    if register.is_none() {
        for key in ["width", "meter", "resolution"] {
            if section.any(key).is_some() {
                section
                    .problem(key, "belongs to a cumulative register: energy_total, part_total or good_total");
            }
        }
    }
    refuse_elsewhere(section, "max_power", role, Role::EnergyTotal);
    check_type(section, role);
    let step = Step::read(section, measure, resolution.as_deref(), address, role);
    let modulus = width.as_deref().and_then(|w| modulus(section, w, measure, role, &step));
    let max = match role {
        Some(Role::EnergyTotal) => match (max_power, rated_w) {
            (Some(max), _) => i128::from(max) * 1000,
            (None, Some(rated)) => i128::from(rated) * 1000 * OVER_RATED,
            (None, None) => DEFAULT_MAX_MWH_PER_HOUR,
        },
        _ => max_per_hour.map_or(DEFAULT_MAX_PER_HOUR, i128::from),
    };
    let counter =
        register.map(|_| CounterModel { modulus, resolution: step.smallest, max_per_hour: max, meter });
    Some(Point {
        id,
        name: name.to_owned(),
        role,
        link,
        measure,
        width,
        counter,
        energy_exponent: step.exponent,
    })
}

fn find_link(section: &mut Section<'_>, links: &[LinkTable<'_>], default: Option<&str>) -> Option<usize> {
    let written = section.text("link");
    let Some(name) = written.as_deref().or(default) else {
        let known: Vec<&str> = links.iter().map(|l| l.id.as_str()).collect();
        section.problem("link", format!("is missing; write one of the links: {}", known.join(", ")));
        return None;
    };
    let found = links.iter().position(|link| link.id == name);
    if found.is_none() {
        let near = nearest(name, links.iter().map(|l| l.id.as_str()));
        section.problem_near("link", format!("no [[link]] has the id {name:?}"), near);
    }
    found
}

fn read_measure(section: &mut Section<'_>, role: Option<Role>) -> Option<Measure> {
    let wanted = role.and_then(Role::dimension);
    let written = section.text("measure");
    match (wanted, written) {
        (Some(dimension), None) => {
            if section.any("measure").is_none() {
                let like = if dimension == Dimension::Energy { "kWh" } else { "kW" };
                section.problem(
                    "measure",
                    format!("is missing; write the unit the value has, such as \"{like}\""),
                );
            }
            None
        }
        (Some(dimension), Some(text)) => {
            let found = measure(&text).filter(|m| m.dimension == dimension);
            if found.is_none() {
                let known = units(dimension);
                let message = format!("{text:?} is no unit for this role; write one of {}", known.join(", "));
                let same = known.iter().find(|unit| unit.eq_ignore_ascii_case(&text));
                let near = same.map(|unit| (*unit).to_owned()).or_else(|| nearest(&text, known));
                section.problem_near("measure", message, near);
            }
            found
        }
        (None, Some(_)) => {
            section.problem("measure", "only energy_total and power have a unit");
            None
        }
        (None, None) => None,
    }
}

fn refuse_elsewhere(section: &Section<'_>, key: &'static str, role: Option<Role>, only: Role) {
    if section.any(key).is_some() && role != Some(only) {
        section.problem(key, format!("belongs to {}", only.key()));
    }
}

/// A role that is a number cannot be fed by a text or a bit.
fn check_type(section: &Section<'_>, role: Option<Role>) {
    let Some(role) = role else { return };
    let text = |key: &str| match section.any(key).map(|node| &node.kind) {
        Some(config::Kind::Text(s)) => Some(s.as_str()),
        _ => None,
    };
    if role.is_number()
        && let Some(kind @ ("string" | "bool")) = text("type")
    {
        section.problem("type", format!("{} is a number; a {kind} cannot feed it", role.key()));
    }
    if role == Role::Identity && text("type") == Some("bool") {
        section.problem("type", "identity is a serial number; a bool cannot feed it");
    }
}

/// The smallest step of a register.
struct Step {
    /// mWh or pieces, at least 1.
    smallest: i128,
    /// Power of ten in Wh.
    exponent: i8,
    /// In the point's own unit, where it is known.
    written: Option<Decimal>,
}

impl Step {
    fn read(
        section: &Section<'_>,
        measure: Option<Measure>,
        resolution: Option<&str>,
        address: &Value,
        role: Option<Role>,
    ) -> Self {
        let unknown = Self { smallest: 1, exponent: -3, written: None };
        let key = if resolution.is_some() { "resolution" } else { "scale" };
        let text = match resolution {
            Some(text) => Some(text.to_owned()),
            None => integer_scale(address),
        };
        let Some(text) = text.filter(|_| role.is_some_and(Role::is_register)) else { return unknown };
        let Ok(written) = text.parse::<Decimal>() else {
            if resolution.is_some() {
                section.problem(key, format!("{text:?} is no decimal number such as \"0.01\""));
            }
            return unknown;
        };
        if written <= Decimal::ZERO {
            section.problem(key, "a register that counts up has a step greater than 0");
            return unknown;
        }
        match (role, measure) {
            (Some(Role::EnergyTotal), Some(measure)) => Self::energy(section, key, written, measure),
            (Some(Role::EnergyTotal), None) => unknown,
            _ => Self::pieces(section, key, written),
        }
    }

    fn energy(section: &Section<'_>, key: &'static str, written: Decimal, measure: Measure) -> Self {
        let Some(wh) = measure.factor.apply(written).filter(|_| measure.factor.over == 1) else {
            return Self { smallest: 1, exponent: -3, written: Some(written) };
        };
        if let Some(smallest) = wh.at_exponent(-3) {
            return Self { smallest, exponent: wh.exponent().min(9), written: Some(written) };
        }
        section.problem(
            key,
            format!("{written} {} is finer than 1 mWh, the finest step that is signed", measure.text),
        );
        Self { smallest: 1, exponent: -3, written: Some(written) }
    }

    fn pieces(section: &Section<'_>, key: &'static str, written: Decimal) -> Self {
        let whole = written.at_exponent(0);
        if whole.is_none() {
            section.problem(key, "pieces are counted whole");
        }
        Self { smallest: whole.unwrap_or(1), exponent: 0, written: Some(written) }
    }
}

/// The scale of an integer register: its step. A float has none that is known.
fn integer_scale(address: &Value) -> Option<String> {
    let is_float = address.get("type").and_then(Value::as_str).is_some_and(|t| t.starts_with('f'));
    let scale = match address.get("scale")? {
        Value::String(s) => s.clone(),
        other => other.to_string(),
    };
    (!is_float).then_some(scale)
}

/// How many steps of 1 mWh or one piece the register has before it is 0 again.
fn modulus(
    section: &Section<'_>,
    width: &str,
    measure: Option<Measure>,
    role: Option<Role>,
    step: &Step,
) -> Option<i128> {
    let Ok(last) = width.parse::<Decimal>() else {
        section.problem("width", format!("{width:?} is no decimal number; write the largest value the register shows, such as \"999999.99\""));
        return None;
    };
    // Where nothing else is said, the digits of the largest value show the step.
    let digits = width.split_once('.').map_or(0, |(_, fraction)| fraction.len());
    let written = step.written.or_else(|| Decimal::new(1, -i32::try_from(digits).ok()?))?;
    let values = last.checked_add(written)?;
    let values = match (role, measure) {
        (Some(Role::EnergyTotal), Some(measure)) => measure.factor.apply(values)?.floor_at_exponent(-3),
        (Some(Role::EnergyTotal), None) => return None,
        _ => values.at_exponent(0),
    };
    let values = values.filter(|v| *v > 1);
    if values.is_none() {
        section.problem("width", format!("{width:?} is no largest value of this register"));
    }
    values
}
