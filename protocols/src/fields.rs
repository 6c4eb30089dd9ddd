//! Reads the keys of one table of a link's configuration, and collects every mistake instead of stopping
//! at the first.
//!
//! It knows neither files nor line numbers: the loader finds the line of a key by its name.

use std::ops::RangeInclusive;
use std::time::Duration;

use observation::{Decimal, PointId};
use serde_json::{Map, Value};

/// One mistake in the tables handed to [`crate::link`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{key}: {message}")]
pub struct LinkConfigError {
    /// The point whose table is wrong, or none for the link's own.
    pub point: Option<PointId>,
    /// The key in that table.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The nearest word that would have been right.
    pub nearest: Option<String>,
}

/// One table being read.
#[derive(Debug)]
pub struct Fields<'a> {
    point: Option<PointId>,
    table: Option<&'a Map<String, Value>>,
    errors: Vec<LinkConfigError>,
}

impl<'a> Fields<'a> {
    /// Starts reading; every key that is not one of `keys` is a mistake.
    pub fn new(point: Option<PointId>, table: &'a Value, keys: &[&str]) -> Self {
        let mut fields = Self { point, table: table.as_object(), errors: Vec::new() };
        let Some(table) = fields.table else {
            fields.refuse("", "this must be a table");
            return fields;
        };
        for key in table.keys().filter(|key| !keys.contains(&key.as_str())) {
            let message = format!("there is no such key; possible here: {}", keys.join(", "));
            fields.refuse_with(key, &message, nearest(key, keys));
        }
        fields
    }

    /// Notes a mistake.
    pub fn refuse(&mut self, key: &str, message: &str) {
        self.refuse_with(key, message, None);
    }

    /// Notes a mistake and the word that was probably meant.
    pub fn refuse_with(&mut self, key: &str, message: &str, nearest: Option<String>) {
        let message = message.to_owned();
        self.errors.push(LinkConfigError { point: self.point, key: key.to_owned(), message, nearest });
    }

    /// Whether the table has the key.
    pub fn has(&self, key: &str) -> bool {
        self.value(key).is_some()
    }

    /// The untouched value of a key.
    pub fn value(&self, key: &str) -> Option<&'a Value> {
        self.table.and_then(|table| table.get(key))
    }

    /// A text, if the key is there.
    pub fn text(&mut self, key: &str) -> Option<&'a str> {
        let value = self.value(key)?;
        if value.is_string() {
            return value.as_str();
        }
        self.refuse(key, &format!("{value} must be a text in quotes"));
        None
    }

    /// A text that must be there; `like` shows one.
    pub fn required_text(&mut self, key: &str, like: &str) -> Option<&'a str> {
        if self.table.is_some() && !self.has(key) {
            self.refuse(key, &format!("is missing; write for example {key} = {like:?}"));
        }
        self.text(key)
    }

    /// One of a few words, if the key is there.
    pub fn word<T: Copy>(&mut self, key: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(key)?;
        if let Some((_, meaning)) = words.iter().find(|(word, _)| *word == text) {
            return Some(*meaning);
        }
        let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
        let message = format!("{text:?} is none of {}", known.join(", "));
        self.refuse_with(key, &message, nearest(text, &known));
        None
    }

    /// An integer within limits, if the key is there.
    pub fn integer(&mut self, key: &str, limits: RangeInclusive<i64>) -> Option<i64> {
        let value = self.value(key)?;
        if let Some(n) = value.as_i64().filter(|n| limits.contains(n)) {
            return Some(n);
        }
        let message = format!("{value} must be a whole number from {} to {}", limits.start(), limits.end());
        self.refuse(key, &message);
        None
    }

    /// `true` or `false`, `default` if the key is not there.
    pub fn flag(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.value(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.refuse(key, &format!("{value} must be true or false, without quotes"));
            default
        })
    }

    /// A duration such as `"500ms"` within limits, `default` if the key is not there or wrong.
    pub fn duration(&mut self, key: &str, default: Duration, limits: RangeInclusive<Duration>) -> Duration {
        let Some(text) = self.text(key) else { return default };
        match parse_duration(text) {
            Some(duration) if limits.contains(&duration) => return duration,
            Some(_) => {
                let message = format!("{text} is not within {:?} to {:?}", limits.start(), limits.end());
                self.refuse(key, &message);
            }
            None => self.refuse(
                key,
                &format!(
                    "{text:?} is not a duration; write a number with ms, s, m, h or d, such as \"500ms\""
                ),
            ),
        }
        default
    }

    /// An exact factor other than zero, as a text or whole number; one if the key is not there.
    pub fn scale(&mut self, key: &str) -> Option<Decimal> {
        let Some(value) = self.value(key) else { return Some(Decimal::from(1i64)) };
        if value.is_f64() {
            self.refuse(
                key,
                &format!("must be exact, which a float is not; write it in quotes: {key} = \"{value}\""),
            );
            return None;
        }
        let text = value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned);
        match text.parse::<Decimal>() {
            Ok(scale) if scale == Decimal::ZERO => self.refuse(key, "a scale of 0 would make every value 0"),
            Ok(scale) => return Some(scale),
            Err(e) => self.refuse(key, &e.to_string()),
        }
        None
    }

    /// The content of a secret's file without its trailing line end, if the key is there. It is read once
    /// here so that a wrong path is found by a check without network.
    pub fn secret_file(&mut self, key: &str) -> Option<String> {
        let path = self.text(key)?;
        match std::fs::read_to_string(path) {
            Ok(secret) if !secret.trim_end_matches(['\r', '\n']).is_empty() => {
                return Some(secret.trim_end_matches(['\r', '\n']).to_owned());
            }
            Ok(_) => self.refuse(key, &format!("{path} is empty; put the password in its first line")),
            Err(e) => self.refuse(key, &format!("cannot read {path}: {e}")),
        }
        None
    }

    /// Whether a mistake has been noted so far.
    pub fn failed(&self) -> bool {
        !self.errors.is_empty()
    }

    /// Every mistake noted.
    pub fn into_errors(self) -> Vec<LinkConfigError> {
        self.errors
    }
}

/// A number with `ms`, `s`, `m`, `h` or `d`.
fn parse_duration(text: &str) -> Option<Duration> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit())?);
    let unit_ms = match unit {
        "ms" => 1,
        "s" => 1000,
        "m" => 60_000,
        "h" => 3_600_000,
        "d" => 86_400_000,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(unit_ms).map(Duration::from_millis)
}

/// What follows `scheme://` in an address: `host`, `host:port` or `[v6]:port`.
pub fn host_and_port(text: &str, default_port: u16) -> Option<(String, u16)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(v6) => v6.split_once(']')?,
        None => text.split_at(text.find(':').unwrap_or(text.len())),
    };
    let port = match port.strip_prefix(':') {
        Some(port) => port.parse().ok().filter(|port| *port > 0)?,
        None if port.is_empty() => default_port,
        None => return None,
    };
    let plausible = !host.is_empty() && !host.contains(['/', '@', ' ']);
    plausible.then(|| (host.to_owned(), port))
}

/// The known word most like `word`, if one is like it enough to be what was meant.
pub fn nearest(word: &str, known: &[&str]) -> Option<String> {
    const LIKE_ENOUGH: f64 = 0.7;
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(word, known), *known))
        .filter(|(likeness, _)| *likeness >= LIKE_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const KEYS: &[&str] = &["address", "poll", "unit", "trust"];

    #[track_caller]
    fn check(table: &Value, read: impl Fn(&mut Fields<'_>), want: &[&str]) {
        let mut fields = Fields::new(None, table, KEYS);
        read(&mut fields);
        let got: Vec<String> = fields.into_errors().iter().map(ToString::to_string).collect();
        assert_eq!(got.len(), want.len(), "{got:?}");
        for (got, want) in got.iter().zip(want) {
            assert!(got.starts_with(want), "{got:?} should start with {want:?}");
        }
    }

    #[test]
    fn every_mistake_of_a_table_is_listed() {
        let table = json!({"adress": "x", "poll": "1 hour", "unit": 300, "trust": "yes"});
        check(
            &table,
            |f| {
                f.required_text("address", "tcp://192.0.2.10:502");
                f.duration("poll", Duration::ZERO, Duration::ZERO..=Duration::MAX);
                f.integer("unit", 0..=255);
                f.flag("trust", false);
            },
            &[
                "adress: there is no such key",
                "address: is missing",
                "poll: \"1 hour\" is not a duration",
                "unit: 300 must be a whole number from 0 to 255",
                "trust: \"yes\" must be true or false",
            ],
        );
    }

    #[test]
    fn a_misspelt_key_names_the_right_one() {
        let errors = Fields::new(Some(PointId(4)), &json!({"adress": "x"}), KEYS).into_errors();
        assert_eq!((errors[0].point, errors[0].nearest.as_deref()), (Some(PointId(4)), Some("address")));
    }

    #[test]
    fn a_duration_outside_its_limits_is_refused() {
        let limits = Duration::from_millis(10)..=Duration::from_hours(1);
        check(
            &json!({"poll": "5ms"}),
            |f| {
                f.duration("poll", Duration::ZERO, limits.clone());
            },
            &["poll: 5ms is not within 10ms to 3600s"],
        );
    }

    #[track_caller]
    fn target(address: &str, want: Option<(&str, u16)>) {
        assert_eq!(
            host_and_port(address, 502),
            want.map(|(host, port)| (host.to_owned(), port)),
            "{address}"
        );
    }

    #[test]
    fn an_address_is_a_host_and_a_port() {
        target("192.0.2.10:1502", Some(("192.0.2.10", 1502)));
        target("meter.example", Some(("meter.example", 502)));
        target("[2001:db8::1]:1502", Some(("2001:db8::1", 1502)));
        for bad in ["", "a:0", "a:70000", "a:502/x", "[::1]502", "user@a", ":502"] {
            target(bad, None);
        }
    }

    #[test]
    fn a_secret_that_cannot_be_read_is_a_mistake() {
        check(
            &json!({"trust": "/nonexistent/secret"}),
            |f| {
                f.secret_file("trust");
            },
            &["trust: cannot read /nonexistent/secret"],
        );
    }
}
