//! One `[[machine]]` written for many: `each` names them, and `{id}` stands for the name of each.
//!
//! ```toml
//! [[machine]]
//! each = "r{01..50}"          # or ["r01", "r07"], or [{ id = "r01", unit = 3 }, …] with names of your own
//! name = "机器人 {id}"
//! points.power = { link = "shop", topic = "plant/{id}/power", measure = "kW", stale_after = "10s" }
//! ```
//!
//! Templates are written out before anything else reads the configuration, so that all that follows, the hash and
//! the mappings above all, are those of the same machines written by hand. Only messages know of them: they
//! name the line of the template and the machines concerned.

use config::{ConfigErrors, Document, Kind, Node, Problem, nearest};
use std::collections::BTreeMap;

/// More machines than this are not one agent's.
const MOST: usize = 1000;

/// A document without templates, and where its machines come from.
pub(super) struct Expanded {
    /// The document.
    pub(super) document: Document,
    /// For each machine of the document its position as written and, for one of many, its name.
    origins: Vec<(usize, Option<String>)>,
    problems: Vec<Problem>,
}

/// What stands for one machine in a template.
type Variables = BTreeMap<String, Kind>;

/// Writes all templates out.
pub(super) fn expand(document: Document) -> Expanded {
    let mut expanded = Expanded { document, origins: vec![], problems: vec![] };
    let Document { file, root } = &mut expanded.document;
    let Kind::Table(root) = &mut root.kind else { return expanded };
    let Some((_, _, node)) = root.iter_mut().find(|(key, _, _)| key == "machine") else { return expanded };
    let Kind::Array(machines) = &mut node.kind else { return expanded };
    let mut written_out = vec![];
    for (index, machine) in std::mem::take(machines).into_iter().enumerate() {
        let mut template = Template { file, index, problems: &mut expanded.problems };
        match Template::split(&machine) {
            None => {
                expanded.origins.push((index, None));
                written_out.push(machine);
            }
            Some((each, rest)) => {
                for (name, one) in template.instances(&each, &rest) {
                    expanded.origins.push((index, Some(name)));
                    written_out.push(one);
                }
            }
        }
    }
    *machines = written_out;
    expanded
}

impl Expanded {
    /// What was wrong with the templates and then with what they were written out to, as problems of the file.
    pub(super) fn conclude<T>(self, read: Result<T, ConfigErrors>) -> Result<T, ConfigErrors> {
        let mut problems = self.problems;
        let value = match read {
            Ok(value) => Some(value),
            Err(ConfigErrors(found)) => {
                problems.extend(gathered(found, &self.origins));
                None
            }
        };
        ConfigErrors(problems).into_result()?;
        // Reading fails with at least one problem.
        value.ok_or_else(|| ConfigErrors(vec![]))
    }
}

/// Problems of machines that come from one template are said once, with the machines concerned.
fn gathered(found: Vec<Problem>, origins: &[(usize, Option<String>)]) -> Vec<Problem> {
    let mut said: Vec<(Problem, Vec<String>)> = vec![];
    for mut problem in found {
        let Some((key, name)) = origin(&problem.key, origins) else {
            said.push((problem, vec![]));
            continue;
        };
        problem.key = key;
        let Some(name) = name else {
            said.push((problem, vec![]));
            continue;
        };
        let same = said.iter_mut().find(|(other, names)| {
            !names.is_empty()
                && other.line == problem.line
                && other.key == problem.key
                && !names.contains(&name)
        });
        match same {
            Some((_, names)) => names.push(name),
            None => said.push((problem, vec![name])),
        }
    }
    let finished = |(mut problem, names): (Problem, Vec<String>)| {
        match names.as_slice() {
            [] => {}
            [one] => problem.message += format!(" (for {one})").as_str(),
            [first, others @ ..] => {
                problem.message += format!(" (for {first} and {} more)", others.len()).as_str();
            }
        }
        problem
    };
    said.into_iter().map(finished).collect()
}

/// The key as written, since machines behind a template have moved, and the machine's name if it is one of many:
/// `machine[17].id` becomes `machine[2].id`.
fn origin(key: &str, origins: &[(usize, Option<String>)]) -> Option<(String, Option<String>)> {
    let (index, rest) = key.strip_prefix("machine[")?.split_once(']')?;
    let (index, name) = origins.get(index.parse::<usize>().ok()?)?;
    Some((format!("machine[{index}]{rest}"), name.clone()))
}

/// One `[[machine]]` while it is written out.
struct Template<'a> {
    file: &'a str,
    index: usize,
    problems: &'a mut Vec<Problem>,
}

type Entry = (String, usize, Node);

impl Template<'_> {
    /// The `each` of a machine and the rest of it, if it has one.
    fn split(machine: &Node) -> Option<(Entry, Node)> {
        let Kind::Table(entries) = &machine.kind else { return None };
        let each = entries.iter().find(|(key, _, _)| key == "each")?.clone();
        let mut rest: Vec<Entry> = entries.iter().filter(|(key, _, _)| key != "each").cloned().collect();
        if !rest.iter().any(|(key, _, _)| key == "id") {
            let node = Node { line: each.1, kind: Kind::Text("{id}".to_owned()) };
            rest.push(("id".to_owned(), each.1, node));
        }
        Some((each, Node { line: machine.line, kind: Kind::Table(rest) }))
    }

    fn problem(&mut self, line: usize, key: &str, message: String, nearest: Option<String>) {
        let key = format!("machine[{}]{key}", self.index);
        self.problems.push(Problem { file: self.file.to_owned(), line, key, message, nearest });
    }

    /// The machines of a template by name. Empty after a problem.
    fn instances(&mut self, each: &Entry, rest: &Node) -> Vec<(String, Node)> {
        let before = self.problems.len();
        let all = self.variables(each);
        if all.len() > MOST {
            let message = format!("names {} machines; one template stands for at most {MOST}", all.len());
            self.problem(each.1, ".each", message, None);
        }
        self.check_use(each.1, &all, rest);
        if all.len() > 1 {
            self.check_difference(rest);
        }
        if self.problems.len() > before {
            return vec![];
        }
        let one = |variables: &Variables| {
            let name = variables.get("id").map(plain).unwrap_or_default();
            (name, filled(rest, variables))
        };
        all.iter().map(one).collect()
    }

    fn variables(&mut self, (_, line, node): &Entry) -> Vec<Variables> {
        const FORM: &str = "must be names such as [\"r01\", \"r02\"] or \"r{01..50}\", or tables such as [{ id = \"r01\", unit = 3 }]";
        let entries = match &node.kind {
            Kind::Array(entries) if !entries.is_empty() => entries.as_slice(),
            Kind::Text(_) => std::slice::from_ref(node),
            _ => {
                self.problem(*line, ".each", FORM.to_owned(), None);
                return vec![];
            }
        };
        let mut all = vec![];
        for entry in entries {
            match &entry.kind {
                Kind::Text(text) => match range(text) {
                    Ok(some) => all.extend(some),
                    Err(message) => self.problem(entry.line, ".each", message, None),
                },
                Kind::Table(fields) => all.extend(self.table(entry.line, fields)),
                _ => self.problem(entry.line, ".each", FORM.to_owned(), None),
            }
        }
        all
    }

    fn table(&mut self, line: usize, fields: &[Entry]) -> Option<Variables> {
        let mut variables = Variables::new();
        for (key, line, node) in fields {
            if matches!(node.kind, Kind::Table(_) | Kind::Array(_)) {
                let message = format!("{key} must be a text or a number, not {}", node.kind.name());
                self.problem(*line, ".each", message, None);
                return None;
            }
            variables.insert(key.clone(), node.kind.clone());
        }
        if !variables.contains_key("id") {
            self.problem(line, ".each", "id is missing; write how this machine is called".to_owned(), None);
            return None;
        }
        Some(variables)
    }

    /// Every `{name}` has a value for every machine, and every name is used.
    fn check_use(&mut self, line: usize, all: &[Variables], rest: &Node) {
        let mut used: Vec<(String, usize)> = vec![];
        placeholders(rest, rest.line, &mut used);
        let Some(first) = all.first() else { return };
        for (name, line) in &used {
            let without: Vec<&Variables> = all.iter().filter(|v| !v.contains_key(name)).collect();
            let Some(one) = without.first() else { continue };
            let near = nearest(name, first.keys().map(String::as_str));
            let id = one.get("id").map(plain).unwrap_or_default();
            let message = if without.len() == all.len() {
                format!("{{{name}}} is nothing that `each` names; for a brace write {{{{")
            } else {
                format!("{{{name}}} has no value for {id}; write it in its table in `each`")
            };
            self.problem(*line, "", message, near);
        }
        let mut names: Vec<&String> = all.iter().flat_map(Variables::keys).collect();
        names.sort_unstable();
        names.dedup();
        for name in names.into_iter().filter(|name| !["id", "n"].contains(&name.as_str())) {
            if !used.iter().any(|(other, _)| other == name) {
                let near = nearest(name, used.iter().map(|(other, _)| other.as_str()));
                let message = format!("{name} is used nowhere; write {{{name}}} where it belongs");
                self.problem(line, ".each", message, near);
            }
        }
    }

    /// Machines that read the very same place would be counted many times. They may differ by their link alone.
    fn check_difference(&mut self, rest: &Node) {
        let Kind::Table(entries) = &rest.kind else { return };
        let varies = |node: &Node| {
            let mut used = vec![];
            placeholders(node, 0, &mut used);
            !used.is_empty()
        };
        let part = |name: &str| entries.iter().find(|(key, _, _)| key == name).map(|(_, _, node)| node);
        let by_link = part("link").is_some_and(varies);
        for group in ["points", "inputs"] {
            let Some(Node { kind: Kind::Table(points), .. }) = part(group) else { continue };
            for (name, line, point) in points {
                let names_its_link = match &point.kind {
                    Kind::Table(fields) => fields.iter().any(|(key, _, _)| key == "link"),
                    _ => false,
                };
                if varies(point) || (by_link && !names_its_link) {
                    continue;
                }
                let message = "is the same for every machine of this template; write {id} where they differ";
                self.problem(*line, &format!(".{group}.{name}"), message.to_owned(), None);
            }
        }
    }
}

/// `r{01..50}` as fifty machines, with `n` for the number alone; a text without braces as one.
fn range(text: &str) -> Result<Vec<Variables>, String> {
    let one = |id: String, n: Option<i64>| {
        let n = n.map(|n| ("n".to_owned(), Kind::Integer(n)));
        [("id".to_owned(), Kind::Text(id))].into_iter().chain(n).collect()
    };
    if !text.contains(['{', '}']) {
        return Ok(vec![one(text.to_owned(), None)]);
    }
    let wrong = || format!("{text:?} is no range; write for example \"r{{01..50}}\"");
    let (before, rest) = text.split_once('{').ok_or_else(wrong)?;
    let (numbers, after) = rest.split_once('}').ok_or_else(wrong)?;
    let (first, last) = numbers.split_once("..").ok_or_else(wrong)?;
    let digits = |text: &str| !text.is_empty() && text.len() <= 9 && text.bytes().all(|b| b.is_ascii_digit());
    if !digits(first) || !digits(last) || before.contains('}') || after.contains(['{', '}']) {
        return Err(wrong());
    }
    let (from, to): (i64, i64) = (first.parse().map_err(|_| wrong())?, last.parse().map_err(|_| wrong())?);
    let count = usize::try_from(to - from + 1).unwrap_or(0);
    if count == 0 {
        return Err(format!("{text:?} ends before it begins"));
    }
    if count > MOST {
        return Err(format!("{text:?} names {count} machines; one template stands for at most {MOST}"));
    }
    // Numbers are as long as the first is written.
    let width = first.len();
    Ok((from..=to).map(|n| one(format!("{before}{n:0width$}{after}"), Some(n))).collect())
}

/// A value as a text.
fn plain(kind: &Kind) -> String {
    match kind {
        Kind::Text(text) | Kind::Float(text) | Kind::Datetime(text) => text.clone(),
        Kind::Integer(n) => n.to_string(),
        Kind::Bool(b) => b.to_string(),
        Kind::Table(_) | Kind::Array(_) => String::new(),
    }
}

/// A piece of a text in a template.
enum Piece<'a> {
    Text(&'a str),
    Name(&'a str),
}

/// Texts and names in braces; `{{` and `}}` are braces, and a brace that is not closed is one as well.
fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut pieces = vec![];
    let mut rest = text;
    while let Some(at) = rest.find(['{', '}']) {
        let (before, from) = rest.split_at(at);
        pieces.push(Piece::Text(before));
        let is_name =
            |name: &str| !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
        let named = from.strip_prefix('{').and_then(|inner| inner.split_once('}'));
        rest = match named {
            _ if from.starts_with("{{") || from.starts_with("}}") => {
                pieces.push(Piece::Text(&from[..1]));
                &from[2..]
            }
            Some((name, after)) if is_name(name) => {
                pieces.push(Piece::Name(name));
                after
            }
            _ => {
                pieces.push(Piece::Text(&from[..1]));
                &from[1..]
            }
        };
    }
    pieces.push(Piece::Text(rest));
    pieces
}

/// The names used in a part of a template, with the lines of their keys.
fn placeholders(node: &Node, line: usize, used: &mut Vec<(String, usize)>) {
    match &node.kind {
        Kind::Text(text) => used.extend(pieces(text).into_iter().filter_map(|piece| match piece {
            Piece::Name(name) => Some((name.to_owned(), line)),
            Piece::Text(_) => None,
        })),
        Kind::Table(entries) => entries.iter().for_each(|(_, line, node)| placeholders(node, *line, used)),
        Kind::Array(items) => items.iter().for_each(|item| placeholders(item, item.line, used)),
        _ => {}
    }
}

/// A part of a template for one machine. A text that is a name and nothing else becomes its value, number or
/// not.
fn filled(node: &Node, variables: &Variables) -> Node {
    let kind = match &node.kind {
        Kind::Text(text) => filled_text(text, variables),
        Kind::Table(entries) => {
            let entry = |(key, line, node): &Entry| (key.clone(), *line, filled(node, variables));
            Kind::Table(entries.iter().map(entry).collect())
        }
        Kind::Array(items) => Kind::Array(items.iter().map(|item| filled(item, variables)).collect()),
        other => other.clone(),
    };
    Node { line: node.line, kind }
}

fn filled_text(text: &str, variables: &Variables) -> Kind {
    let pieces = pieces(text);
    if let [Piece::Text(""), Piece::Name(name), Piece::Text("")] = pieces.as_slice()
        && let Some(value) = variables.get(*name)
    {
        return value.clone();
    }
    let text = pieces.into_iter().map(|piece| match piece {
        Piece::Text(text) => text.to_owned(),
        Piece::Name(name) => variables.get(name).map(plain).unwrap_or_default(),
    });
    Kind::Text(text.collect())
}

#[cfg(test)]
#[path = "templates_tests.rs"]
mod tests;
