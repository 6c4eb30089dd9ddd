//! Device profiles: which points a kind of controller offers and what its values mean as states. They are part
//! of the program, so that a state map is versioned with it; a machine's own `[machine.state]` replaces a
//! profile's as a whole.
//!
//! A profile's rules may name points that not every machine has. Such a point says which value is taken when it is
//! not configured (`absent`); the rules are then reduced, so that the mapping names only what is read, and `check`
//! prints what was taken for granted.

use config::{Document, Kind, Node, Section, nearest};
use serde_json::Value;

macro_rules! profiles {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../../config/profiles/", $name, ".toml")))),*]
    };
}

const PROFILES: &[(&str, &str)] = profiles![
    "mtconnect",
    "opcua-40001",
    "opcua-40501",
    "opcua-40502",
    "packml",
    "siemens-840d",
    "fanuc-focas",
    "nclink",
    "stack-light",
    "power-meter",
];

/// What a profile's value sets rest on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Read in a primary source.
    Primary,
    /// General knowledge, not compared with the maker's document.
    Knowledge,
    /// Decided here; there is no source to compare with.
    Decided,
}

impl Confidence {
    const ALL: [Self; 3] = [Self::Primary, Self::Knowledge, Self::Decided];

    /// One letter, as the profiles write it.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Primary => "F",
            Self::Knowledge => "K",
            Self::Decided => "D",
        }
    }

    /// What that means to an operator, Chinese and English.
    pub fn meaning(self) -> (&'static str, &'static str) {
        match self {
            Self::Primary => ("取值读自原始文件", "values read in the primary source"),
            Self::Knowledge => (
                "凭一般知识，未对照厂家文件：投运时须在机床上逐项核对",
                "general knowledge, not compared with the maker's document: check each state at the machine",
            ),
            Self::Decided => ("自定规则，无外部文件可对照", "decided here; no document to compare with"),
        }
    }
}

/// What is said of a profile to people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// As configurations name it.
    pub name: String,
    /// Chinese: which machines.
    pub zh: String,
    /// English: which machines.
    pub en: String,
    /// Where its value sets are from.
    pub source: String,
    /// How far that can be trusted.
    pub confidence: Confidence,
    /// The best evidence class a machine with it can have, one letter.
    pub class: String,
    /// Chinese: what it cannot tell.
    pub cannot_zh: String,
    /// English: what it cannot tell.
    pub cannot_en: String,
}

/// A profile's document.
#[derive(Clone, Debug)]
pub struct Profile {
    header: Header,
    document: Document,
}

/// One point a profile offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfilePoint {
    /// Role, or the name of an input.
    pub name: String,
    /// Whether it stands in `[machine.inputs]`.
    pub is_input: bool,
    /// What to look for in the machine's address space.
    pub about: String,
    /// Whether the states cannot be told without it.
    pub required: bool,
    /// The value that its rules take where a machine has no such point.
    pub absent: Option<observation::Value>,
    /// Keys that hold for every machine of the kind.
    pub(super) defaults: Value,
}

/// What a machine's states rest on, beside its own configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProfileUse {
    /// The profile.
    pub header: Header,
    /// The machine has a state table of its own, so that only the profile's points were used.
    pub own_states: bool,
    /// Points that the machine lacks, with the value that was taken for granted.
    pub granted: Vec<(String, observation::Value)>,
}

/// Names of all profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

/// What to say of a name that no profile has: every name, and the nearest one.
pub fn unknown(name: &str) -> (String, Option<String>) {
    let known: Vec<&str> = names().collect();
    let near = nearest(name, known.iter().copied());
    (format!("{name:?} is none of {}; see `plumbline-agent check --profiles`", known.join(", ")), near)
}

impl Profile {
    /// The profile of a name. One that cannot be read is a fault of this build, which its test excludes.
    pub fn named(name: &str) -> Option<Self> {
        let (name, text) = PROFILES.iter().find(|(known, _)| *known == name)?;
        let document = Document::parse(&format!("profiles/{name}.toml"), text).ok()?;
        let header = header(name, &document)?;
        Some(Self { header, document })
    }

    /// What is said of it to people.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The points it offers: roles first, then inputs.
    pub fn points(&self) -> Vec<ProfilePoint> {
        let mut root = Section::of(&self.document);
        let mut offered = vec![];
        for (table, is_input) in [("points", false), ("inputs", true)] {
            let Some(points) = root.section(table) else { continue };
            offered.extend(points.keys().filter_map(|(key, _)| point(&points, key, is_input)));
        }
        offered
    }

    /// Its `[state]` or `[flags]` table, as (key, value).
    pub(super) fn table(&self, name: &str) -> Vec<(String, Node)> {
        let Kind::Table(root) = &self.document.root.kind else { return vec![] };
        match root.iter().find(|(key, _, _)| key == name).map(|(_, _, node)| &node.kind) {
            Some(Kind::Table(entries)) => entries.iter().map(|(k, _, v)| (k.clone(), v.clone())).collect(),
            _ => vec![],
        }
    }

    /// Its state and flag rules as they stand in the file, for people who begin a table of their own with them.
    pub fn rules_as_written(&self) -> Vec<(&'static str, String, String)> {
        let mut rules = vec![];
        for table in ["state", "flags"] {
            for (key, node) in self.table(table) {
                rules.push((table, key, written(&node)));
            }
        }
        rules
    }
}

fn point(points: &Section<'_>, key: &str, is_input: bool) -> Option<ProfilePoint> {
    let mut section = points.section_of(key)?;
    let about = section.text("about").unwrap_or_default();
    let required = section.flag("required").unwrap_or(false);
    let absent = section.any("absent").and_then(|node| value(&node.kind));
    let defaults = super::links::address(points.any(key)?, None, &["about", "required", "absent"]);
    Some(ProfilePoint { name: key.to_owned(), is_input, about, required, absent, defaults })
}

fn value(kind: &Kind) -> Option<observation::Value> {
    match kind {
        Kind::Text(text) => Some(observation::Value::Text(text.clone())),
        Kind::Integer(n) => Some(observation::Value::Number((*n).into())),
        Kind::Bool(b) => Some(observation::Value::Bool(*b)),
        _ => None,
    }
}

fn written(node: &Node) -> String {
    match &node.kind {
        // Rules hold single quotes, so that a basic string reads best.
        Kind::Text(text) => format!("{text:?}"),
        Kind::Table(entries) => {
            let keys = entries.iter().map(|(key, _, value)| format!("{key} = {}", written(value)));
            format!("{{ {} }}", keys.collect::<Vec<_>>().join(", "))
        }
        other => other.name().to_owned(),
    }
}

fn header(name: &str, document: &Document) -> Option<Header> {
    let mut root = Section::of(document);
    let mut section = root.section("profile")?;
    let letter = section.text("confidence")?;
    Some(Header {
        name: name.to_owned(),
        zh: section.text("zh")?,
        en: section.text("en")?,
        source: section.text("source")?,
        confidence: Confidence::ALL.into_iter().find(|c| c.letter() == letter)?,
        class: section.text("class")?,
        cannot_zh: section.text("cannot_zh")?,
        cannot_en: section.text("cannot_en")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::points::Role;

    #[test]
    fn every_profile_reads_and_knows_its_roles() {
        for name in names() {
            let profile = Profile::named(name).unwrap_or_else(|| panic!("{name} cannot be read"));
            assert!(["A", "B", "C"].contains(&profile.header.class.as_str()), "{name}");
            for point in profile.points() {
                assert_eq!(Role::of(&point.name).is_none(), point.is_input, "{name}: {}", point.name);
                assert!(!point.about.is_empty(), "{name}: {} says nothing", point.name);
                assert!(!point.required || point.absent.is_none(), "{name}: {}", point.name);
            }
        }
    }

    #[test]
    fn every_file_of_the_folder_is_a_profile_of_the_program() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../config/profiles");
        let mut files: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap().path().file_stem().unwrap().to_string_lossy().into_owned())
            .collect();
        files.sort();
        let mut known: Vec<&str> = names().collect();
        known.sort_unstable();
        assert_eq!(files, known);
    }

    #[test]
    fn a_name_that_is_not_known_is_answered_with_all_and_the_nearest() {
        let (message, near) = unknown("mtconect");
        assert!(message.contains("packml") && message.contains("check --profiles"), "{message}");
        assert_eq!(near.as_deref(), Some("mtconnect"));
        assert_eq!(unknown("fanuc").1.as_deref(), Some("fanuc-focas"));
        assert_eq!(unknown("zzz").1, None);
    }
}
