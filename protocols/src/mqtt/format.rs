//! What the payloads of a point look like: a bare value, JSON, or lines of fields; and where in them the
//! value and its time stand.
//!
//! Only the table of a point is read here; payloads are read in [`super::decode`].

use serde_json::{Map, Value, json};

use super::moment::TimeUnit;
use super::path::JsonPath;
use crate::fields::Fields;

/// Fields of one line, at most.
const MAX_COLUMN: i64 = 1000;

/// A payload's form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// The payload is the value.
    Plain,
    /// The value stands at a place of a JSON document.
    Json {
        /// The place.
        path: JsonPath,
        /// Where its time stands, and how.
        time: Option<(JsonPath, TimeUnit)>,
    },
    /// The value is a field of a line.
    Csv(Csv),
}

/// Lines of fields, as in RFC 4180 with any separator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Csv {
    /// The field of the value, from 1.
    pub column: usize,
    /// What stands between two fields.
    pub separator: char,
    /// Whether the first line of each message names the fields, and is passed over.
    pub header: bool,
    /// Whether a message may have several lines, each of them an observation.
    pub each: bool,
    /// The field of the value's time, and how it is written.
    pub time: Option<(usize, TimeUnit)>,
}

#[derive(Clone, Copy)]
enum Name {
    Plain,
    Json,
    Csv,
}

impl Format {
    const NAMES: [(&str, Name); 3] = [("plain", Name::Plain), ("json", Name::Json), ("csv", Name::Csv)];

    /// Reads the keys of a point's table. `None` after a mistake.
    pub(super) fn read(fields: &mut Fields<'_>) -> Option<Self> {
        let name = match fields.word("format", &Self::NAMES) {
            Some(name) => name,
            None if fields.has("format") => return None,
            None if fields.has("path") => Name::Json,
            None if fields.has("column") => {
                fields.refuse("format", "is missing; a `column` belongs to format = \"csv\"");
                return None;
            }
            None => Name::Plain,
        };
        let foreign: &[&str] = match name {
            Name::Plain => &["path", "column", "separator", "header", "lines", "time", "time_unit"],
            Name::Json => &["column", "separator", "header", "lines"],
            Name::Csv => &["path"],
        };
        for key in foreign.iter().filter(|key| fields.has(key)).copied().collect::<Vec<_>>() {
            fields.refuse(key, &format!("has no meaning here; {}", belongs(key)));
        }
        match name {
            Name::Plain => Some(Self::Plain),
            Name::Json => Self::json(fields),
            Name::Csv => Csv::read(fields).map(Self::Csv),
        }
    }

    fn json(fields: &mut Fields<'_>) -> Option<Self> {
        if !fields.has("path") {
            fields.refuse("path", "is missing; write where the value stands, such as \"$.total\"");
        }
        let unit = unit(fields);
        let path = path(fields, "path");
        let time = path_of_time(fields);
        Some(Self::Json { path: path?, time: time.zip(unit) })
    }

    /// Writes the keys that [`Self::read`] makes this of.
    pub(super) fn write(&self, table: &mut Map<String, Value>) {
        let mut put = |key: &str, value: Value| table.insert(key.to_owned(), value);
        let unit = match self {
            Self::Plain => {
                put("format", json!("plain"));
                None
            }
            Self::Json { path, time } => {
                put("format", json!("json"));
                put("path", json!(path.to_string()));
                time.as_ref().map(|(path, unit)| {
                    put("time", json!(path.to_string()));
                    *unit
                })
            }
            Self::Csv(csv) => {
                put("format", json!("csv"));
                put("column", json!(csv.column));
                put("separator", json!(csv.separator.to_string()));
                put("header", json!(csv.header));
                put("lines", json!(if csv.each { "each" } else { "one" }));
                csv.time.map(|(column, unit)| {
                    put("time", json!(column));
                    unit
                })
            }
        };
        let written = TimeUnit::ALL.iter().find(|(_, other)| Some(*other) == unit);
        if let Some((name, _)) = written {
            put("time_unit", json!(name));
        }
    }
}

fn belongs(key: &str) -> &'static str {
    match key {
        "path" => "a `path` belongs to format = \"json\"",
        "time" | "time_unit" => "a bare value carries no time; it belongs to \"json\" and \"csv\"",
        _ => "it belongs to format = \"csv\"",
    }
}

/// The unit of the time; it and `time` need each other.
fn unit(fields: &mut Fields<'_>) -> Option<TimeUnit> {
    match (fields.has("time"), fields.has("time_unit")) {
        (true, false) => {
            fields.refuse(
                "time_unit",
                "is missing; write how the time is written: \"s\", \"ms\" or \"iso8601\"",
            );
        }
        (false, true) => fields.refuse("time", "is missing; where does the time stand that has this unit?"),
        _ => {}
    }
    fields.word("time_unit", &TimeUnit::ALL)
}

fn path_of_time(fields: &mut Fields<'_>) -> Option<JsonPath> {
    if fields.has("time") { path(fields, "time") } else { None }
}

fn path(fields: &mut Fields<'_>, key: &str) -> Option<JsonPath> {
    match fields.text(key)?.parse() {
        Ok(path) => return Some(path),
        Err(e) => fields.refuse(key, &format!("{e}")),
    }
    None
}

impl Csv {
    fn read(fields: &mut Fields<'_>) -> Option<Self> {
        if !fields.has("column") {
            fields.refuse("column", "is missing; write which field of a line is the value, from 1");
        }
        let column = column(fields, "column");
        let separator = separator(fields);
        let header = fields.flag("header", false);
        let each = fields.word("lines", &[("one", false), ("each", true)]).unwrap_or(false);
        let unit = unit(fields);
        let time = if fields.has("time") { column_of_time(fields) } else { None };
        Some(Self { column: column?, separator: separator?, header, each, time: time.zip(unit) })
    }
}

fn column(fields: &mut Fields<'_>, key: &str) -> Option<usize> {
    fields.integer(key, 1..=MAX_COLUMN).and_then(|n| usize::try_from(n).ok())
}

fn column_of_time(fields: &mut Fields<'_>) -> Option<usize> {
    column(fields, "time")
}

fn separator(fields: &mut Fields<'_>) -> Option<char> {
    if !fields.has("separator") {
        return Some(',');
    }
    let text = fields.text("separator")?;
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(one), None) if !one.is_alphanumeric() && !"\"\r\n.+-".contains(one) => return Some(one),
        _ => fields.refuse(
            "separator",
            "must be one character that stands in no number, such as \",\", \";\", \"|\" or \"\\t\"",
        ),
    }
    None
}
