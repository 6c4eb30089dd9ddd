//! Device profiles: which points a kind of controller offers and what its values mean as states. They are part
//! of the program, so that a state map is versioned with it; a machine's own `[machine.state]` replaces a
//! profile's as a whole.

use config::{Document, Kind, Node, Section};
use serde_json::Value;

const PROFILES: &[(&str, &str)] = &[
    ("opcua-40502", include_str!("../../../config/profiles/opcua-40502.toml")),
    ("power-meter", include_str!("../../../config/profiles/power-meter.toml")),
];

/// A profile's document.
#[derive(Clone, Debug)]
pub(super) struct Profile {
    document: Document,
}

/// One point a profile offers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ProfilePoint {
    /// Role.
    pub(super) role: String,
    /// What to look for in the machine's address space.
    pub(super) about: String,
    /// Whether the states cannot be told without it.
    pub(super) required: bool,
    /// Keys that hold for every machine of the kind.
    pub(super) defaults: Value,
}

/// Names of all profiles.
pub fn names() -> impl Iterator<Item = &'static str> {
    PROFILES.iter().map(|(name, _)| *name)
}

impl Profile {
    /// The profile of a name. One that cannot be read is a fault of this build, which its test excludes.
    pub(super) fn named(name: &str) -> Option<Self> {
        let (name, text) = PROFILES.iter().find(|(known, _)| *known == name)?;
        let document = Document::parse(&format!("profiles/{name}.toml"), text).ok()?;
        Some(Self { document })
    }

    /// The points it offers.
    pub(super) fn points(&self) -> Vec<ProfilePoint> {
        let mut root = Section::of(&self.document);
        let Some(points) = root.section("points") else { return vec![] };
        let read = |key: &str| {
            let mut section = points.section_of(key)?;
            let about = section.text("about").unwrap_or_default();
            let required = section.flag("required").unwrap_or(false);
            let defaults = super::links::address(points.any(key)?, None, &["about", "required"]);
            Some(ProfilePoint { role: key.to_owned(), about, required, defaults })
        };
        points.keys().filter_map(|(key, _)| read(key)).collect()
    }

    /// Its `[state]` or `[flags]` table, as (key, value).
    pub(super) fn table(&self, name: &str) -> Vec<(String, Node)> {
        let Kind::Table(root) = &self.document.root.kind else { return vec![] };
        match root.iter().find(|(key, _, _)| key == name).map(|(_, _, node)| &node.kind) {
            Some(Kind::Table(entries)) => entries.iter().map(|(k, _, v)| (k.clone(), v.clone())).collect(),
            _ => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::configuration::points::Role;

    #[test]
    fn every_profile_reads_and_knows_its_roles() {
        for name in names() {
            let profile = Profile::named(name).unwrap();
            assert!(!profile.table("state").is_empty(), "{name} has no states");
            for point in profile.points() {
                assert!(Role::of(&point.role).is_some(), "{name}: {}", point.role);
                assert!(!point.about.is_empty(), "{name}: {} says nothing", point.role);
            }
        }
    }
}
