//! Where in a JSON payload a value lies: `$.line[0]['part total']`, a subset of RFC 9535 with only the
//! segments that name one place.
//!
//! The text of the value is taken out untouched, so that a number keeps all its digits; nothing else of
//! the payload is kept. An object that has the wanted key twice names no place at all.

use std::fmt;
use std::str::FromStr;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

/// A place in a JSON document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JsonPath(Vec<Segment>);

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Segment {
    Key(String),
    Index(usize),
}

/// Why a text is no path.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{path:?} is no path: {problem}; write for example \"$.line[0].total\" or \"$['part total']\"")]
pub struct PathError {
    path: String,
    problem: &'static str,
}

impl FromStr for JsonPath {
    type Err = PathError;

    fn from_str(path: &str) -> Result<Self, PathError> {
        let wrong = |problem| PathError { path: path.to_owned(), problem };
        let mut rest = path.strip_prefix('$').ok_or_else(|| wrong("it does not begin with $"))?;
        let mut segments = Vec::new();
        while !rest.is_empty() {
            let (segment, after) = segment(rest).map_err(wrong)?;
            segments.push(segment);
            rest = after;
        }
        Ok(Self(segments))
    }
}

/// The first segment of a text that is not empty, and what follows it.
fn segment(text: &str) -> Result<(Segment, &str), &'static str> {
    if let Some(text) = text.strip_prefix('.') {
        let end = text.find(['.', '[']).unwrap_or(text.len());
        let (name, rest) = text.split_at(end);
        let plain = !name.is_empty() && !name.contains([']', '\'', '"', '*', ' ']);
        return if plain {
            Ok((Segment::Key(name.to_owned()), rest))
        } else {
            Err("a name after . is wrong")
        };
    }
    let text = text.strip_prefix('[').ok_or("a segment begins with . or [")?;
    for quote in ['\'', '"'] {
        if let Some(text) = text.strip_prefix(quote) {
            let (name, rest) = text.split_once(quote).ok_or("a quote is not closed")?;
            let rest = rest.strip_prefix(']').ok_or("a quoted name ends with ]")?;
            return Ok((Segment::Key(name.to_owned()), rest));
        }
    }
    let (index, rest) = text.split_once(']').ok_or("a [ is not closed")?;
    let digits = index.bytes().all(|b| b.is_ascii_digit());
    let index = index.parse().ok().filter(|_| digits).ok_or("an index is a whole number from 0")?;
    Ok((Segment::Index(index), rest))
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("$")?;
        for segment in &self.0 {
            match segment {
                Segment::Index(index) => write!(f, "[{index}]")?,
                Segment::Key(key) if key.contains('\'') => write!(f, "[\"{key}\"]")?,
                Segment::Key(key) => write!(f, "['{key}']")?,
            }
        }
        Ok(())
    }
}

impl JsonPath {
    /// The JSON text at this place of a document, or `None` if the document is no valid JSON, has no such
    /// place, or names it twice.
    pub fn find<'a>(&self, document: &'a [u8]) -> Option<&'a str> {
        let mut json = serde_json::Deserializer::from_slice(document);
        let found = Place(&self.0).deserialize(&mut json).ok().flatten()?;
        json.end().ok()?;
        Some(found.get())
    }
}

/// What is left of the path while descending.
#[derive(Clone, Copy)]
struct Place<'p>(&'p [Segment]);

type Found<'de> = Option<&'de RawValue>;

impl<'de> DeserializeSeed<'de> for Place<'_> {
    type Value = Found<'de>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Found<'de>, D::Error> {
        match self.0 {
            [] => serde::Deserialize::deserialize(json).map(Some),
            [Segment::Key(_), ..] => json.deserialize_map(self),
            [Segment::Index(_), ..] => json.deserialize_seq(self),
        }
    }
}

impl<'de> Visitor<'de> for Place<'_> {
    type Value = Found<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the place that a path names")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Found<'de>, A::Error> {
        let [Segment::Key(wanted), deeper @ ..] = self.0 else { return Ok(None) };
        let mut found = None;
        while let Some(key) = entries.next_key::<String>()? {
            if key != *wanted {
                entries.next_value::<IgnoredAny>()?;
            } else if found.is_some() {
                return Err(A::Error::custom("the key is there twice"));
            } else {
                found = Some(entries.next_value_seed(Place(deeper))?);
            }
        }
        Ok(found.flatten())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Found<'de>, A::Error> {
        let [Segment::Index(wanted), deeper @ ..] = self.0 else { return Ok(None) };
        for _ in 0..*wanted {
            if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(None);
            }
        }
        let found = items.next_element_seed(Place(deeper))?;
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(found.flatten())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(path: &str, document: &str, want: Option<&str>) {
        assert_eq!(path.parse::<JsonPath>().unwrap().find(document.as_bytes()), want, "{path} in {document}");
    }

    #[test]
    fn a_path_names_one_place() {
        let document = r#"{"a": {"b": [{"x": 1.50}, {"x y": true}]}, "t": "厂", "n": null}"#;
        check("$.a.b[0].x", document, Some("1.50"));
        check("$.a.b[0]['x']", document, Some("1.50"));
        check("$[\"a\"].b[1]['x y']", document, Some("true"));
        check("$.t", document, Some("\"厂\""));
        check("$.n", document, Some("null"));
        check("$", "12.5", Some("12.5"));
        check("$[1]", "[1, 2, 3]", Some("2"));
    }

    #[test]
    fn what_is_not_there_is_not_found() {
        check("$.a.c", r#"{"a": {"b": 1}}"#, None);
        check("$.a.b", r#"{"a": 1}"#, None);
        check("$.a[0]", r#"{"a": {"0": 1}}"#, None);
        check("$[3]", "[1, 2, 3]", None);
        check("$.a", "", None);
    }

    #[test]
    fn garbage_is_not_found_even_behind_the_value() {
        check("$.a", r#"{"a": 1"#, None);
        check("$.a", r#"{"a": 1} x"#, None);
        check("$.a", "\u{0}\u{1}", None);
        check("$.a", r#"{"a": 1, "b": }"#, None);
        check("$.a", r#"{"a": 1, "a": 2}"#, None);
    }

    #[test]
    fn pain_07_digits_are_not_rounded() {
        check("$.e", r#"{"e": 18446744073709551615}"#, Some("18446744073709551615"));
        check("$.e", r#"{"e": 123456789012345678.123456789}"#, Some("123456789012345678.123456789"));
    }

    #[test]
    fn what_is_no_path_is_refused() {
        for bad in [
            "", "a.b", "$a", "$.", "$..a", "$.a[", "$.a[x]", "$.a[-1]", "$.a[+1]", "$['a'", "$['a", "$.*",
            "$.a b",
        ] {
            assert!(bad.parse::<JsonPath>().is_err(), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn a_path_comes_back_from_its_text(
            keys in prop::collection::vec(prop_oneof![
                "[a-z .\\[\\]厂]{0,6}".prop_map(Segment::Key),
                (0usize..1000).prop_map(Segment::Index),
            ], 0..6),
        ) {
            let path = JsonPath(keys);
            prop_assert_eq!(path.to_string().parse::<JsonPath>(), Ok(path));
        }

        #[test]
        fn any_bytes_are_searched_without_a_panic(document in prop::collection::vec(any::<u8>(), 0..200)) {
            let path: JsonPath = "$.a[0].b".parse().unwrap();
            let _ = path.find(&document);
        }
    }
}
