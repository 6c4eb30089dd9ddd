//! The links of a configuration: read here, understood by their protocols.

use config::{Kind, Node, Section, nearest};
use evidence::Hash;
use observation::PointId;
use protocols::LinkConfigError;
use serde_json::{Map, Value};
use std::path::Path;

/// A link's table while points are still being gathered for it.
#[derive(Debug)]
pub(super) struct LinkTable<'a> {
    /// Its id.
    pub id: String,
    /// Its protocol, one of [`protocols::names`].
    pub protocol: String,
    /// The protocol's keys.
    pub settings: Value,
    /// Where problems are reported.
    pub section: Section<'a>,
}

/// Reads all `[[link]]` tables. One with an unknown protocol or no id is reported and kept, so that points that
/// name it are not reported as well.
pub(super) fn read<'a>(sections: Vec<Section<'a>>, data_dir: &Path, beside: &Path) -> Vec<LinkTable<'a>> {
    let mut links: Vec<LinkTable<'a>> = vec![];
    for mut section in sections {
        let id =
            section.require("id", "a short name that points refer to", super::read::name).unwrap_or_default();
        if !id.is_empty() && links.iter().any(|link| link.id == id) {
            section.problem("id", format!("{id:?} is the id of another link already"));
        }
        let names: Vec<&str> = protocols::names().collect();
        let protocol =
            section.require_text("protocol", &format!("one of {}", names.join(", "))).unwrap_or_default();
        let mut settings = Value::Null;
        if let Some((keys, _)) = protocols::keys(&protocol) {
            section.allow(keys);
            settings = own_settings(&section, keys, data_dir, beside);
        } else if !protocol.is_empty() {
            let message = format!("{protocol:?} is none of {}", names.join(", "));
            section.problem_near("protocol", message, nearest(&protocol, names.iter().copied()));
        }
        links.push(LinkTable { id, protocol, settings, section });
    }
    links
}

/// The protocol's keys with paths made absolute, and with what belongs to the agent put in where it is not said.
pub(super) fn own_settings(section: &Section<'_>, keys: &[&str], data_dir: &Path, beside: &Path) -> Value {
    let mut settings = Map::new();
    for key in keys {
        if let Some(node) = section.any(key) {
            settings.insert((*key).to_owned(), with_path(key, node, beside));
        }
    }
    if keys.contains(&"pki_dir") && !settings.contains_key("pki_dir") {
        settings.insert("pki_dir".to_owned(), Value::from(data_dir.join("pki").display().to_string()));
    }
    Value::Object(settings)
}

/// Files named in a configuration are looked for beside it.
fn with_path(key: &str, node: &Node, beside: &Path) -> Value {
    match &node.kind {
        Kind::Text(path) if key.ends_with("_file") || key.ends_with("_dir") => {
            Value::from(beside.join(path).display().to_string())
        }
        _ => node.to_json(),
    }
}

/// See [`super::LinkConfiguration::identity`]. A file that cannot be read has no content; its link says so itself.
pub(super) fn identity(protocol: &str, settings: &Value, points: &[(PointId, Value)]) -> Hash {
    let mut text = format!("{protocol}\n");
    crate::state::sorted_json(settings, &mut text);
    for (key, value) in settings.as_object().into_iter().flatten() {
        if let (true, Some(path)) = (key.ends_with("_file"), value.as_str()) {
            let content = std::fs::read(path).unwrap_or_default();
            text.push_str(&hex::encode(evidence::hash::sha256(&content)));
        }
    }
    for (_, address) in points {
        text.push('\n');
        crate::state::sorted_json(address, &mut text);
    }
    evidence::hash::sha256(text.as_bytes())
}

/// Reports what a protocol found wrong with a table.
pub(super) fn report(section: &Section<'_>, error: LinkConfigError) {
    section.problem_near(&error.key, error.message, error.nearest);
}

/// The table of a point without the keys that are ours.
pub(super) fn address(node: &Node, defaults: Option<&Value>, own: &[&str]) -> Value {
    let mut address = match defaults {
        Some(Value::Object(map)) => map.clone(),
        _ => Map::new(),
    };
    if let Value::Object(written) = node.to_json() {
        address.extend(written);
    }
    address.retain(|key, _| !own.contains(&key.as_str()));
    Value::Object(address)
}
