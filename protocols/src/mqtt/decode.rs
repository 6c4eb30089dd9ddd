//! From a payload to values, without a broker.
//!
//! Numbers are read from their text, digit by digit. What is not what was configured is bad; it is never
//! guessed at.

use observation::{Decimal, Reason, Utc, Value};

use super::format::{Csv, Format};
use super::topic::{Address, Kind};

/// More lines than this in one message are taken to be something else than readings.
const MOST_LINES: usize = 10_000;

/// One value of a payload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The value.
    pub value: Value,
    /// When it is from, as far as the payload says so.
    pub time: Option<Utc>,
}

/// The values of a point in a payload, in its order: one, except where each line is one.
pub fn decode(address: &Address, payload: &[u8]) -> Vec<Result<Reading, Reason>> {
    match &address.format {
        Format::Plain => vec![plain(address, payload)],
        Format::Json { path, time } => {
            let value = path.find(payload).ok_or(Reason::Decode).and_then(|text| json(address, text));
            let time = time.as_ref().map(|(path, unit)| {
                let text = path.find(payload).ok_or(Reason::Decode)?;
                let (Leaf::Bare(text) | Leaf::Quoted(text)) = unquoted(text)?;
                unit.read(&text).ok_or(Reason::Decode)
            });
            vec![reading(value, time)]
        }
        Format::Csv(csv) => match lines(csv, payload) {
            Some(lines) => lines.iter().map(|line| field_of(address, csv, line)).collect(),
            None => vec![Err(Reason::Decode)],
        },
    }
}

/// A value without the time that belongs to it may be of any age, so it is none.
fn reading(value: Result<Value, Reason>, time: Option<Result<Utc, Reason>>) -> Result<Reading, Reason> {
    Ok(Reading { value: value?, time: time.transpose()? })
}

fn plain(address: &Address, payload: &[u8]) -> Result<Reading, Reason> {
    let text = std::str::from_utf8(payload).map_err(|_| Reason::Decode)?;
    reading(bare(address, text.trim()), None)
}

/// What lies at a place: a JSON literal, or the content of a JSON string.
enum Leaf {
    Bare(String),
    Quoted(String),
}

fn unquoted(json: &str) -> Result<Leaf, Reason> {
    if json.starts_with('"') {
        return serde_json::from_str(json).map(Leaf::Quoted).map_err(|_| Reason::Decode);
    }
    Ok(Leaf::Bare(json.to_owned()))
}

fn json(address: &Address, text: &str) -> Result<Value, Reason> {
    match (address.kind, unquoted(text)?) {
        // In JSON, a number or a truth is no text.
        (Kind::Text, Leaf::Bare(_)) => Err(Reason::Decode),
        (_, Leaf::Bare(text) | Leaf::Quoted(text)) => bare(address, &text),
    }
}

/// A value that stands for itself.
fn bare(address: &Address, text: &str) -> Result<Value, Reason> {
    match address.kind {
        Kind::Number => number(text, address.scale),
        Kind::Bool => boolean(text),
        Kind::Text => Ok(Value::Text(text.to_owned())),
    }
}

fn number(text: &str, scale: Decimal) -> Result<Value, Reason> {
    let raw: Decimal = text.trim().parse().map_err(|e| match e {
        observation::DecimalError::Range(_) => Reason::Range,
        _ => Reason::Decode,
    })?;
    raw.checked_mul(scale).map(Value::Number).ok_or(Reason::Range)
}

fn boolean(text: &str) -> Result<Value, Reason> {
    match text.trim() {
        "true" | "1" => Ok(Value::Bool(true)),
        "false" | "0" => Ok(Value::Bool(false)),
        _ => Err(Reason::Decode),
    }
}

/// The lines that hold readings, or nothing where their number is not what was configured.
fn lines<'a>(csv: &Csv, payload: &'a [u8]) -> Option<Vec<&'a str>> {
    let text = std::str::from_utf8(payload).ok()?;
    let lines = text.lines().filter(|line| !line.trim().is_empty()).skip(usize::from(csv.header));
    let lines: Vec<&str> = lines.take(MOST_LINES + 1).collect();
    let most = if csv.each { MOST_LINES } else { 1 };
    (1..=most).contains(&lines.len()).then_some(lines)
}

fn field_of(address: &Address, csv: &Csv, line: &str) -> Result<Reading, Reason> {
    let at = |column| field(line, csv.separator, column).ok_or(Reason::Decode);
    let value = at(csv.column).and_then(|text| bare(address, &text));
    let time = csv.time.map(|(column, unit)| unit.read(&at(column)?).ok_or(Reason::Decode));
    reading(value, time)
}

/// A field of a line, from 1. In quotes a separator is a character like any other, and two quotes are one
/// (RFC 4180, 2.5 to 2.7); a line whose quotes do not close has no fields.
fn field(line: &str, separator: char, column: usize) -> Option<String> {
    let mut rest = line;
    for n in 1.. {
        let (text, after) = match rest.trim_start_matches(' ').strip_prefix('"') {
            Some(quoted) => in_quotes(quoted, separator)?,
            None => match rest.split_once(separator) {
                Some((text, after)) => (text.trim().to_owned(), Some(after)),
                None => (rest.trim().to_owned(), None),
            },
        };
        if n == column {
            return Some(text);
        }
        rest = after?;
    }
    None
}

/// The content up to the closing quote, and what follows the separator behind it.
fn in_quotes(text: &str, separator: char) -> Option<(String, Option<&str>)> {
    let mut content = String::new();
    let mut rest = text;
    loop {
        let (part, after) = rest.split_once('"')?;
        content.push_str(part);
        if let Some(more) = after.strip_prefix('"') {
            content.push('"');
            rest = more;
            continue;
        }
        let after = after.trim_start_matches(' ').trim_end_matches('\r');
        return match after.strip_prefix(separator) {
            Some(after) => Some((content, Some(after))),
            None => after.is_empty().then_some((content, None)),
        };
    }
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
