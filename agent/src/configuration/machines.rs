//! One `[[machine]]`: who it is, its points, and the rules that give its states.

use super::links::{self, LinkTable};
use super::points::{self, OWN_KEYS, Point, Role};
use super::profile::{self, Profile, ProfilePoint, ProfileUse};
use super::quantity::{milliseconds, whole_watts};
use super::{read, rules};
use crate::state::{EvidenceClass, MappedPoint, Mapping, Rules};
use config::{Section, nearest};
use observation::PointId;
use serde_json::Value;
use std::collections::BTreeMap;

/// What kind of machine it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineKind {
    /// Machine tool with a numerical control.
    Cnc,
    /// Industrial robot.
    Robot,
    /// Press, injection moulding machine and the like.
    Press,
    /// A meter that stands for itself.
    Meter,
    /// Anything else.
    Other,
}

impl MachineKind {
    const ALL: [Self; 5] = [Self::Cnc, Self::Robot, Self::Press, Self::Meter, Self::Other];

    /// As written.
    pub fn key(self) -> &'static str {
        match self {
            Self::Cnc => "cnc",
            Self::Robot => "robot",
            Self::Press => "press",
            Self::Meter => "meter",
            Self::Other => "other",
        }
    }
}

/// Roster facts: proposals of the box; the genesis decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "four independent facts of the roster")]
pub struct RosterFacts {
    /// Counts towards 关键工序数控化率.
    pub key_operation: bool,
    /// 数控.
    pub numerically_controlled: bool,
    /// 数字化.
    pub digital: bool,
    /// 国产.
    pub domestic: bool,
    /// Serial number.
    pub identity: Option<String>,
    /// Planned time for one piece, ms.
    pub planned_cycle_ms: Option<u64>,
    /// Theoretical time for one piece (理论节拍), ms.
    pub theoretical_cycle_ms: Option<u64>,
    /// Rated power, W.
    pub rated_w: Option<u64>,
}

/// One machine.
#[derive(Clone, Debug)]
pub struct Machine {
    /// Its id in the roster.
    pub id: String,
    /// The project it belongs to.
    pub project: String,
    /// Name for people.
    pub name: String,
    /// Production line; may be empty.
    pub line: String,
    /// Kind.
    pub kind: MachineKind,
    /// Roster facts.
    pub facts: RosterFacts,
    /// Its points, in the order in which rules count them.
    pub points: Vec<Point>,
    /// Its state and flag rules.
    pub rules: Rules,
    /// Where its states come from.
    pub class: EvidenceClass,
    /// What its numbers mean, as text and hash.
    pub mapping: Mapping,
    /// The profile it names.
    pub profile: Option<ProfileUse>,
}

/// Where the reading of machines stands.
pub(super) struct Reader<'a, 'd> {
    pub(super) links: &'a [LinkTable<'d>],
    pub(super) projects: &'a [String],
    pub(super) next_point: u32,
    /// An uplink's project could not be read, so that a project may be unknown through no fault of a machine.
    pub(super) projects_unsure: bool,
    /// Ids of the machines read so far.
    pub(super) ids: Vec<String>,
    /// Names of points of the machine being read that cannot be used. That has been reported once; rules that
    /// name them are not reported as well.
    pub(super) refused: Vec<String>,
    /// The protocol's keys of each point. Its link takes them; nobody keeps them.
    pub(super) addresses: BTreeMap<PointId, Value>,
    /// Where problems of a point are reported.
    pub(super) sections: BTreeMap<PointId, Section<'d>>,
}

impl<'d> Reader<'_, 'd> {
    /// Reads one machine. `None` when it has no id to go on with.
    pub(super) fn read(&mut self, mut section: Section<'d>) -> Option<Machine> {
        // Taken out where it was written; known here for the sake of misspelt ones.
        section.allow(&["each"]);
        let id = section.require("id", "the machine's name in the roster", read::name);
        if let Some(id) = &id {
            if self.ids.contains(id) {
                section.problem("id", format!("{id:?} is the id of another machine already"));
            }
            self.ids.push(id.clone());
        }
        let name = section.require("name", "the machine's name for people", read::label);
        let line = section.parse("line", read::label).unwrap_or_default();
        let kind = read_kind(&mut section);
        let project = self.project(&mut section);
        let facts = facts(&mut section);
        let default_link = section.text("link");
        self.check_default_link(&section, default_link.as_deref());
        let profile = read_profile(&mut section);
        self.refused.clear();
        let points = self.points(&mut section, profile.as_ref(), default_link.as_deref(), facts.rated_w);
        let names: Vec<&str> =
            points.iter().map(|p| &p.name).chain(&self.refused).map(String::as_str).collect();
        let power = points.iter().position(|p| p.role == Some(Role::Power));
        let state = section.section("state");
        let profile_use = profile.as_ref().map(|profile| used(profile, state.is_some(), &names));
        let rules = rules::read(&section, state, profile.as_ref(), &names);
        let flag_section = section.section("flags");
        let flags = rules::read_flags(flag_section, profile.as_ref(), &names);
        section.finish();
        let ordered = Rules::new(rules, flags, points.len(), power);
        let class = rules::class(&points, &ordered);
        let id = id?;
        let mapping = self.mapping(&id, class, &points, &ordered);
        Some(Machine {
            id,
            project: project?,
            name: name?,
            line,
            kind: kind?,
            facts,
            points,
            rules: ordered,
            class,
            mapping,
            profile: profile_use,
        })
    }

    fn project(&self, section: &mut Section<'_>) -> Option<String> {
        match (section.text("project"), self.projects) {
            (Some(project), known) if known.contains(&project) => Some(project),
            (Some(project), known) => {
                if self.projects_unsure {
                    return None;
                }
                let near = nearest(&project, known.iter().map(String::as_str));
                section.problem_near("project", format!("no [[uplink]] has the project {project:?}"), near);
                None
            }
            (None, [only]) => Some(only.clone()),
            (None, []) => None,
            (None, several) => {
                let message = format!("is missing; with several uplinks write one of {}", several.join(", "));
                section.problem("project", message);
                None
            }
        }
    }

    fn check_default_link(&self, section: &Section<'_>, link: Option<&str>) {
        if let Some(link) = link
            && !self.links.iter().any(|l| l.id == link)
        {
            let near = nearest(link, self.links.iter().map(|l| l.id.as_str()));
            section.problem_near("link", format!("no [[link]] has the id {link:?}"), near);
        }
    }

    /// The points of `[machine.points]`, then those of `[machine.inputs]`, each in the order of the file.
    fn points(
        &mut self,
        section: &mut Section<'d>,
        profile: Option<&Profile>,
        default_link: Option<&str>,
        rated_w: Option<u64>,
    ) -> Vec<Point> {
        let offered = profile.map(Profile::points).unwrap_or_default();
        let mut points: Vec<Point> = vec![];
        let roles = section.section("points");
        for (key, _) in roles.as_ref().map(|s| s.keys().collect::<Vec<_>>()).unwrap_or_default() {
            let Some(table) = &roles else { continue };
            let Some(role) = Role::of(key) else {
                let near = nearest(key, Role::ALL.map(Role::key));
                let message = match &near {
                    Some(_) => "unknown role".to_owned(),
                    None => format!(
                        "unknown role; known here: {}; points for rules alone go in [machine.inputs]",
                        Role::ALL.map(Role::key).join(", ")
                    ),
                };
                self.refused.extend(near.clone());
                table.problem_near(key, message, near);
                continue;
            };
            let defaults = defaults(&offered, key);
            let point = self.point(table, key, Some(role), defaults, default_link, rated_w);
            self.take(key, point, &mut points);
        }
        if let Some(table) = section.section("inputs") {
            for (key, _) in table.keys() {
                if let Some(message) = bad_input_name(key, &points) {
                    table.problem(key, message);
                } else {
                    let point = self.point(&table, key, None, defaults(&offered, key), default_link, rated_w);
                    self.take(key, point, &mut points);
                }
            }
        }
        // A machine with a state table of its own needs what that table names, and no more.
        if section.any("state").is_none() {
            for missing in offered.iter().filter(|p| p.required && !points.iter().any(|q| q.name == p.name)) {
                if !self.refused.contains(&missing.name) {
                    let (table, kind) =
                        if missing.is_input { ("inputs", "input") } else { ("points", "point") };
                    let message =
                        format!("the profile needs the {kind} `{}`: {}", missing.name, missing.about);
                    section.problem(table, message);
                }
            }
        }
        points
    }

    fn take(&mut self, key: &str, point: Option<Point>, points: &mut Vec<Point>) {
        match point {
            Some(point) => points.push(point),
            None => self.refused.push(key.to_owned()),
        }
    }

    fn point(
        &mut self,
        table: &Section<'d>,
        key: &str,
        role: Option<Role>,
        defaults: Option<&Value>,
        default_link: Option<&str>,
        rated_w: Option<u64>,
    ) -> Option<Point> {
        let mut section = table.section_of(key)?;
        let mut address = links::address(table.any(key)?, defaults, &OWN_KEYS);
        let id = PointId(self.next_point);
        self.next_point += 1;
        let point = points::read(&mut section, (id, key), role, self.links, default_link, &address, rated_w);
        let protocol = point.as_ref().map(|p| self.links[p.link].protocol.as_str());
        match protocol.and_then(protocols::keys) {
            Some((_, keys)) => {
                section.allow(&OWN_KEYS);
                section.allow(keys);
                // A second look at the same table, to report problems of the protocol later.
                self.sections.extend(table.section_of(key).map(|s| (id, s)));
                section.finish();
                let point = point?;
                if let Value::Object(map) = &mut address {
                    map.retain(|k, _| keys.contains(&k.as_str()));
                }
                self.addresses.insert(id, address);
                Some(point)
            }
            // The link is not there or its protocol is not known; that has been reported.
            None => point,
        }
    }

    fn mapping(&self, id: &str, class: EvidenceClass, points: &[Point], rules: &Rules) -> Mapping {
        let mapped: Vec<MappedPoint<'_>> = points
            .iter()
            .map(|point| MappedPoint {
                name: &point.name,
                protocol: &self.links[point.link].protocol,
                link: &self.links[point.link].id,
                measure: point.measure.map(|m| m.text),
                width: point.width.as_deref(),
                address: self.addresses.get(&point.id).unwrap_or(&Value::Null),
            })
            .collect();
        Mapping::new(id, class, &mapped, rules)
    }
}

fn read_kind(section: &mut Section<'_>) -> Option<MachineKind> {
    let text = section.require_text("kind", "one of cnc, robot, press, meter, other")?;
    let found = MachineKind::ALL.into_iter().find(|kind| kind.key() == text);
    if found.is_none() {
        let keys = MachineKind::ALL.map(MachineKind::key);
        let message = format!("{text:?} is none of {}", keys.join(", "));
        section.problem_near("kind", message, nearest(&text, keys));
    }
    found
}

fn bad_input_name(key: &str, points: &[Point]) -> Option<String> {
    let mut chars = key.chars();
    let first = chars.next().is_some_and(|c| c.is_ascii_alphabetic());
    if !first || !chars.all(|c| c.is_ascii_alphanumeric() || c == '_') {
        return Some("a name in rules starts with a letter and has letters, digits and _ only".to_owned());
    }
    if Role::of(key).is_some() {
        return Some("is the name of a role; write it in [machine.points]".to_owned());
    }
    if ["true", "false", "age"].contains(&key) || points.iter().any(|p| p.name == key) {
        return Some("is taken; choose another name".to_owned());
    }
    None
}

fn facts(section: &mut Section<'_>) -> RosterFacts {
    RosterFacts {
        key_operation: section.flag("key_operation").unwrap_or(false),
        numerically_controlled: section.flag("numerically_controlled").unwrap_or(false),
        digital: section.flag("digital").unwrap_or(false),
        domestic: section.flag("domestic").unwrap_or(false),
        identity: section.parse("identity", read::label),
        planned_cycle_ms: section.parse("planned_cycle", milliseconds),
        theoretical_cycle_ms: section.parse("theoretical_cycle", milliseconds),
        rated_w: section.parse("rated", whole_watts),
    }
}

fn read_profile(section: &mut Section<'_>) -> Option<Profile> {
    let name = section.text("profile")?;
    let found = Profile::named(&name);
    if found.is_none() {
        let (message, near) = profile::unknown(&name);
        section.problem_near("profile", message, near);
    }
    found
}

fn defaults<'a>(offered: &'a [ProfilePoint], name: &str) -> Option<&'a Value> {
    offered.iter().find(|point| point.name == name).map(|point| &point.defaults)
}

fn used(profile: &Profile, own_states: bool, names: &[&str]) -> ProfileUse {
    let granted = if own_states { vec![] } else { rules::Granted::of(profile, names).points().to_vec() };
    ProfileUse { header: profile.header().clone(), own_states, granted }
}
