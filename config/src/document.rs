//! A parsed TOML file in which every key and value knows its line.

use crate::problem::{ConfigErrors, Problem};
use std::path::Path;
use toml::de::{DeTable, DeValue};

/// One TOML file.
#[derive(Clone, Debug)]
pub struct Document {
    /// The file as the user named it, for messages.
    pub file: String,
    /// The whole file as a table.
    pub root: Node,
}

/// A value and the line it starts on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Line, from 1.
    pub line: usize,
    /// The value.
    pub kind: Kind,
}

/// A TOML value. Numbers keep the digits that were written, so that `0.10` never passes through a float.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A table; entries in file order as (key, line of the key, value).
    Table(Vec<(String, usize, Node)>),
    /// An array or an array of tables.
    Array(Vec<Node>),
    /// A string.
    Text(String),
    /// An integer as written, without underscores, in base 10 (other bases are converted).
    Integer(i64),
    /// A float as written.
    Float(String),
    /// A boolean.
    Bool(bool),
    /// A date or time as written.
    Datetime(String),
}

impl Kind {
    /// What a person calls this type.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Table(_) => "a table",
            Self::Array(_) => "an array",
            Self::Text(_) => "a text in quotes",
            Self::Integer(_) => "a whole number",
            Self::Float(_) => "a number with a fraction",
            Self::Bool(_) => "true or false",
            Self::Datetime(_) => "a date",
        }
    }
}

impl Node {
    /// The value as JSON, for parts that read themselves (a protocol's address). Floats become texts with
    /// the digits as written, so that no exact decimal is lost on the way.
    pub fn to_json(&self) -> serde_json::Value {
        use serde_json::Value;
        match &self.kind {
            Kind::Table(entries) => {
                Value::Object(entries.iter().map(|(k, _, v)| (k.clone(), v.to_json())).collect())
            }
            Kind::Array(items) => Value::Array(items.iter().map(Self::to_json).collect()),
            Kind::Text(s) | Kind::Float(s) | Kind::Datetime(s) => Value::String(s.clone()),
            Kind::Integer(n) => Value::from(*n),
            Kind::Bool(b) => Value::from(*b),
        }
    }
}

impl Document {
    /// Reads and parses a file. The error says whether the file or its syntax is at fault, with lines.
    pub fn load(path: &Path) -> Result<Self, ConfigErrors> {
        let file = path.display().to_string();
        match std::fs::read_to_string(path) {
            Ok(text) => Self::parse(&file, &text),
            Err(e) => Err(whole_file(&file, format!("cannot be read: {e}"))),
        }
    }

    /// Parses a text; `file` is used in messages only. All syntax errors are reported, not just the first.
    pub fn parse(file: &str, text: &str) -> Result<Self, ConfigErrors> {
        let lines = Lines::of(text);
        let (table, errors) = DeTable::parse_recoverable(text);
        let mut problems: Vec<Problem> = errors
            .iter()
            .map(|e| Problem {
                file: file.to_owned(),
                line: e.span().map_or(0, |s| lines.line(s.start)),
                key: String::new(),
                message: format!("not valid TOML: {}", e.message()),
                nearest: None,
            })
            .collect();
        let root = Node { line: 1, kind: table_kind(table.get_ref(), &lines, file, &mut problems) };
        ConfigErrors(problems).into_result()?;
        Ok(Self { file: file.to_owned(), root })
    }
}

fn whole_file(file: &str, message: String) -> ConfigErrors {
    ConfigErrors(vec![Problem { file: file.to_owned(), line: 0, key: String::new(), message, nearest: None }])
}

fn table_kind(table: &DeTable<'_>, lines: &Lines, file: &str, problems: &mut Vec<Problem>) -> Kind {
    let mut entries: Vec<_> = table
        .iter()
        .map(|(key, value)| {
            let line = lines.line(key.span().start);
            (
                key.get_ref().to_string(),
                line,
                node(value.get_ref(), value.span().start, lines, file, problems),
            )
        })
        .collect();
    entries.sort_by_key(|(_, line, _)| *line);
    Kind::Table(entries)
}

fn node(value: &DeValue<'_>, start: usize, lines: &Lines, file: &str, problems: &mut Vec<Problem>) -> Node {
    let line = lines.line(start);
    let kind = match value {
        DeValue::String(s) => Kind::Text(s.to_string()),
        DeValue::Integer(n) => {
            if let Ok(n) = i64::from_str_radix(n.as_str(), n.radix()) {
                Kind::Integer(n)
            } else {
                let message =
                    format!("{} is too large for a whole number; write it as a text in quotes", n.as_str());
                problems.push(Problem {
                    file: file.to_owned(),
                    line,
                    key: String::new(),
                    message,
                    nearest: None,
                });
                Kind::Integer(0)
            }
        }
        DeValue::Float(x) => Kind::Float(x.as_str().to_owned()),
        DeValue::Boolean(b) => Kind::Bool(*b),
        DeValue::Datetime(d) => Kind::Datetime(d.to_string()),
        DeValue::Array(items) => Kind::Array(
            items.iter().map(|i| node(i.get_ref(), i.span().start, lines, file, problems)).collect(),
        ),
        DeValue::Table(table) => table_kind(table, lines, file, problems),
    };
    Node { line, kind }
}

/// Byte offsets at which lines begin.
struct Lines(Vec<usize>);

impl Lines {
    fn of(text: &str) -> Self {
        Self(std::iter::once(0).chain(text.match_indices('\n').map(|(i, _)| i + 1)).collect())
    }

    fn line(&self, offset: usize) -> usize {
        self.0.partition_point(|start| *start <= offset)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_and_value_knows_its_line() {
        let doc = Document::parse("a.toml", "x = 1\n\n[t]\ny = [\n  2,\n  0.10,\n]\n").unwrap();
        let Kind::Table(root) = &doc.root.kind else { unreachable!("the root is a table") };
        assert_eq!((root[0].0.as_str(), root[0].1), ("x", 1));
        let Kind::Table(t) = &root[1].2.kind else { unreachable!("t is a table") };
        let Kind::Array(items) = &t[0].2.kind else { unreachable!("y is an array") };
        assert_eq!((items[1].line, &items[1].kind), (6, &Kind::Float("0.10".into())));
    }

    #[test]
    fn all_syntax_errors_are_reported_with_their_lines() {
        let err = Document::parse("a.toml", "x = \n[t]\ny = = 2\nz = 3\n").unwrap_err();
        let lines: Vec<_> = err.0.iter().map(|p| p.line).collect();
        assert!(lines.contains(&1) && lines.contains(&3), "{err}");
    }

    #[test]
    fn a_missing_file_says_so() {
        let err = Document::load(Path::new("/nowhere/agent.toml")).unwrap_err().to_string();
        assert!(err.starts_with("/nowhere/agent.toml: cannot be read: "), "{err}");
    }
}
