//! Reads a whole document: the single tables here, links and machines in their own files, then the checks that
//! look across them.

use super::links::{self, LinkTable};
use super::machines::{Machine, Reader};
use super::{
    AgentSettings, Configuration, LinkConfiguration, RawSettings, SpoolSettings, Uplink, WindowSettings,
    check, templates,
};
use config::units::{bytes, duration};
use config::{ConfigErrors, Document, Kind, Node, Section};
use evidence::Hash;
use evidence::key::PublicKey;
use observation::PointId;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Every problem of the document, or the configuration.
pub(super) fn configuration(document: Document, beside: &Path) -> Result<Configuration, ConfigErrors> {
    let expanded = templates::expand(document);
    let read = written_out(&expanded.document, beside);
    expanded.conclude(read)
}

/// The same of a document without templates.
fn written_out(document: &Document, beside: &Path) -> Result<Configuration, ConfigErrors> {
    let mut root = Section::of(document);
    let agent = agent(&mut root, beside);
    let uplinks = uplinks(&mut root, beside);
    let window = window(&mut root);
    let spool = spool(&mut root);
    let raw = raw(&mut root);
    let data_dir = agent.as_ref().map(|a| a.data_dir.clone()).unwrap_or_default();
    let tables = links::read(root.sections("link"), &data_dir, beside);
    if tables.is_empty() && root.any("link").is_none() {
        root.problem("link", "is missing; write at least one [[link]]");
    }
    let projects: Vec<String> = uplinks.iter().filter_map(|(project, _)| project.clone()).collect();
    let mut reader = Reader {
        links: &tables,
        projects: &projects,
        projects_unsure: uplinks.iter().any(|(project, _)| project.is_none()),
        next_point: 0,
        ids: vec![],
        refused: vec![],
        addresses: BTreeMap::new(),
        sections: BTreeMap::new(),
    };
    let machine_sections = root.sections("machine");
    if machine_sections.is_empty() && root.any("machine").is_none() {
        root.problem("machine", "is missing; write at least one [[machine]]");
    }
    let machines: Vec<Machine> = machine_sections.into_iter().filter_map(|s| reader.read(s)).collect();
    let (addresses, points) = (reader.addresses, reader.sections);
    let links = build(tables, &machines, addresses, &points);
    let uplinks: Option<Vec<Uplink>> = uplinks.into_iter().map(|(_, uplink)| uplink).collect();
    check::statement_fits(&root, &projects, &machines);
    let warnings = match (&raw, &links) {
        (Some(raw), Some(links)) => check::raw_budget(*raw, links).warnings(document, *raw),
        _ => vec![],
    };
    root.into_result()?;
    let parts = (agent, uplinks, window, spool, raw, links);
    let (Some(agent), Some(uplinks), Some(window), Some(spool), Some(raw), Some(links)) = parts else {
        return Err(unreported(document));
    };
    let hash = hash(document);
    Ok(Configuration { agent, uplinks, window, spool, raw, links, machines, hash, warnings })
}

/// A part is missing although nothing was reported: a fault of this program, said rather than hidden.
fn unreported(document: &Document) -> ConfigErrors {
    ConfigErrors(vec![config::Problem {
        file: document.file.clone(),
        line: 0,
        key: String::new(),
        message: "cannot be used, and this program does not know why; please report it".to_owned(),
        nearest: None,
    }])
}

/// Of the document as JSON with sorted keys. It is turned into JSON piece by piece, since the whole would be as large
/// as everything else together.
fn hash(document: &Document) -> Hash {
    let mut canonical = String::new();
    sorted(&document.root, &mut canonical);
    evidence::hash::sha256(canonical.as_bytes())
}

fn sorted(node: &Node, out: &mut String) {
    let mut list = |brackets: [char; 2], parts: &mut dyn Iterator<Item = (Option<&str>, &Node)>| {
        out.push(brackets[0]);
        for (i, (key, value)) in parts.enumerate() {
            out.push_str(if i > 0 { "," } else { "" });
            if let Some(key) = key {
                crate::state::sorted_json(&Value::from(key), out);
                out.push(':');
            }
            sorted(value, out);
        }
        out.push(brackets[1]);
    };
    match &node.kind {
        Kind::Table(entries) => {
            let mut entries: Vec<_> =
                entries.iter().map(|(key, _, value)| (Some(key.as_str()), value)).collect();
            entries.sort_by_key(|(key, _)| *key);
            list(['{', '}'], &mut entries.into_iter());
        }
        Kind::Array(items) => list(['[', ']'], &mut items.iter().map(|item| (None, item))),
        _ => crate::state::sorted_json(&node.to_json(), out),
    }
}

fn agent(root: &mut Section<'_>, beside: &Path) -> Option<AgentSettings> {
    let mut section = required_table(root, "agent")?;
    let id = section.require("id", "the name of this box in the roster", name);
    let data_dir = section.require_text("data_dir", "the directory for key, spool and raw store");
    let status_listen = section.parse("status_listen", |text| {
        text.parse::<SocketAddr>()
            .map_err(|_| format!("{text:?} must be an address and a port, such as \"127.0.0.1:9180\""))
    });
    section.finish();
    Some(AgentSettings { id: id?, data_dir: beside.join(data_dir?), status_listen })
}

fn required_table<'a>(root: &mut Section<'a>, key: &'static str) -> Option<Section<'a>> {
    let found = root.section(key);
    if found.is_none() && root.any(key).is_none() {
        root.problem(key, format!("is missing; write a table [{key}]"));
    }
    found
}

/// Ids go into statements, paths and addresses.
pub(super) fn name(text: &str) -> Result<String, String> {
    if evidence::statement::is_id(text) {
        return Ok(text.to_owned());
    }
    Err(format!("{text:?} must be 1 to 64 letters, digits, - _ or ., and not begin with a dot"))
}

/// What people read may be anything that fits on one line.
pub(super) fn label(text: &str) -> Result<String, String> {
    if text.chars().count() <= 128 && !text.chars().any(char::is_control) {
        return Ok(text.to_owned());
    }
    Err("must be one line of at most 128 characters".to_owned())
}

/// Uplinks with their project names; an uplink with a problem keeps its name, so that machines may refer to it.
fn uplinks(root: &mut Section<'_>, beside: &Path) -> Vec<(Option<String>, Option<Uplink>)> {
    let sections = root.sections("uplink");
    if sections.is_empty() && root.any("uplink").is_none() {
        root.problem("uplink", "is missing; write one [[uplink]] a project");
    }
    let mut read: Vec<(Option<String>, Option<Uplink>)> = vec![];
    for mut section in sections {
        let project = section.require("project", "the project's id", name);
        if project.is_some() && read.iter().any(|(other, _)| *other == project) {
            section.problem("project", "is the project of another uplink already");
        }
        let uplink = uplink(&mut section, project.clone(), beside);
        section.finish();
        read.push((project, uplink));
    }
    read
}

fn uplink(section: &mut Section<'_>, project: Option<String>, beside: &Path) -> Option<Uplink> {
    let gateway = section.require(
        "gateway",
        "the gateway's address, such as \"https://gateway.example:8443\"",
        gateway,
    );
    let fingerprint = section.parse("fingerprint", fingerprint);
    let ca_file = section.text("ca_file").map(|path| beside.join(path));
    let genesis = section.require_text("genesis", "the path of the signed genesis file");
    let registrar = section.require("registrar", "the registrar's public key, hex", |text| {
        text.parse::<PublicKey>().map_err(|e| format!("is no public key: {e}"))
    });
    if gateway.as_ref().is_some_and(|g| g.starts_with("https://"))
        && section.any("fingerprint").is_none()
        && ca_file.is_none()
    {
        section.problem("fingerprint", "is missing; write the certificate's \"sha256:…\", or ca_file");
    }
    Some(Uplink {
        project: project?,
        gateway: gateway?,
        fingerprint,
        ca_file,
        genesis: beside.join(genesis?),
        registrar: registrar?,
    })
}

/// Plain HTTP is for one machine's loopback only.
fn gateway(text: &str) -> Result<String, String> {
    let address = text.trim_end_matches('/');
    if let Some(rest) = address.strip_prefix("https://") {
        return if rest.is_empty() { Err(format!("{text:?} names no host")) } else { Ok(address.to_owned()) };
    }
    let Some(rest) = address.strip_prefix("http://") else {
        return Err(format!("{text:?} must begin with https://"));
    };
    let host = rest.split('/').next().unwrap_or_default();
    let host = host.rsplit_once(':').map_or(host, |(host, _)| host);
    if ["127.0.0.1", "localhost", "[::1]"].contains(&host) {
        Ok(address.to_owned())
    } else {
        Err(format!("{text:?}: http:// is allowed to this machine itself only; write https://"))
    }
}

fn fingerprint(text: &str) -> Result<Hash, String> {
    let wrong =
        || format!("{text:?} must be \"sha256:\" and 64 hexadecimal digits; colons between them are allowed");
    let digits: String =
        text.strip_prefix("sha256:").ok_or_else(wrong)?.chars().filter(|c| *c != ':').collect();
    let mut hash = [0; 32];
    hex::decode_to_slice(digits, &mut hash).map_err(|_| wrong())?;
    Ok(hash)
}

fn window(root: &mut Section<'_>) -> Option<WindowSettings> {
    let Some(mut section) = root.section("window") else {
        return Some(WindowSettings { step_s: 60, per_statement: 5 });
    };
    let step_s = section.require("length", "the length of a window, such as \"60s\"", step);
    let per_statement = section.integer("per_statement", 1, 3600);
    let per_statement = if section.any("per_statement").is_none() { Some(5) } else { per_statement };
    section.finish();
    Some(WindowSettings { step_s: step_s?, per_statement: u32::try_from(per_statement?).ok()? })
}

fn step(text: &str) -> Result<u32, String> {
    let length = duration(text).map_err(|e| e.to_string())?;
    let seconds = u32::try_from(length.as_secs()).unwrap_or(u32::MAX);
    if length.subsec_millis() != 0 || !(1..=900).contains(&seconds) || 3600 % seconds != 0 {
        return Err(format!("{text} must be between 1s and 15m, in whole seconds that divide an hour"));
    }
    Ok(seconds)
}

fn spool(root: &mut Section<'_>) -> Option<SpoolSettings> {
    const DEFAULT: u64 = 2 << 30;
    let Some(mut section) = root.section("spool") else { return Some(SpoolSettings { max_bytes: DEFAULT }) };
    let max_bytes = size(&mut section, "max_bytes", DEFAULT);
    section.finish();
    Some(SpoolSettings { max_bytes: max_bytes? })
}

/// Less than this would be full before an uplink is missed.
const MIN_STORE: u64 = 1 << 20;

fn size(section: &mut Section<'_>, key: &'static str, default: u64) -> Option<u64> {
    let written = section.parse(key, |text| {
        let size = bytes(text).map_err(|e| e.to_string())?;
        if size < MIN_STORE { Err(format!("{text} is too little; write at least 1MiB")) } else { Ok(size) }
    });
    if section.any(key).is_none() { Some(default) } else { written }
}

fn raw(root: &mut Section<'_>) -> Option<RawSettings> {
    const DAY: Duration = Duration::from_hours(24);
    const JOURNAL: Duration = Duration::from_secs(1);
    const MAX_BYTES: u64 = 20 << 30;
    let Some(mut section) = root.section("raw") else {
        return Some(RawSettings { journal: JOURNAL, retention: DAY * 400, max_bytes: MAX_BYTES });
    };
    let journal =
        span(&mut section, "journal", JOURNAL, (Duration::from_millis(50), Duration::from_secs(10)));
    let retention = span(&mut section, "retention", DAY * 400, (DAY, DAY * 3660));
    let max_bytes = size(&mut section, "max_bytes", MAX_BYTES);
    section.finish();
    Some(RawSettings { journal: journal?, retention: retention?, max_bytes: max_bytes? })
}

fn span(
    section: &mut Section<'_>,
    key: &'static str,
    default: Duration,
    (least, most): (Duration, Duration),
) -> Option<Duration> {
    let written = section.parse(key, |text| {
        let length = duration(text).map_err(|e| e.to_string())?;
        if (least..=most).contains(&length) {
            Ok(length)
        } else {
            Err(format!("{text} is not within {least:?} to {most:?}"))
        }
    });
    if section.any(key).is_none() { Some(default) } else { written }
}

/// Hands each protocol its tables. `None` if anything was wrong with a link.
fn build(
    tables: Vec<LinkTable<'_>>,
    machines: &[Machine],
    mut addresses: BTreeMap<PointId, Value>,
    sections: &BTreeMap<PointId, Section<'_>>,
) -> Option<Vec<LinkConfiguration>> {
    let mut links = vec![];
    let mut complete = true;
    for (index, mut table) in tables.into_iter().enumerate() {
        let points: Vec<(PointId, Value)> = machines
            .iter()
            .flat_map(|m| &m.points)
            .filter(|p| p.link == index)
            .map(|p| (p.id, addresses.remove(&p.id).unwrap_or_default()))
            .collect();
        let ids: Vec<PointId> = points.iter().map(|(id, _)| *id).collect();
        let address = table.section.text("address").unwrap_or_default();
        if protocols::keys(&table.protocol).is_none() {
            // Which of its keys are right cannot be told before its protocol is.
            complete = false;
            continue;
        }
        let identity = links::identity(&table.protocol, &table.settings, &points);
        match protocols::link(&table.protocol, table.settings, points) {
            Ok(link) => {
                let (id, protocol, link) = (table.id, table.protocol, link.into());
                links.push(LinkConfiguration { id, protocol, address, link, points: ids, identity });
            }
            Err(errors) => {
                complete = false;
                for error in errors {
                    let section = error.point.and_then(|id| sections.get(&id)).unwrap_or(&table.section);
                    links::report(section, error);
                }
            }
        }
        table.section.finish();
    }
    complete.then_some(links)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn piece_by_piece_the_json_is_that_of_the_whole() {
        let text = "z = 1\nempty = {}\nnone = []\n\"quo\\\"te\" = \"\\u0001 中\"\n[b]\nc = [1, [2.50, true], { y = 1, x = 'a' }]\n[a]\n";
        let document = Document::parse("t.toml", text).unwrap();
        let (mut pieces, mut whole) = (String::new(), String::new());
        sorted(&document.root, &mut pieces);
        crate::state::sorted_json(&document.root.to_json(), &mut whole);
        assert_eq!(pieces, whole);
    }
}
