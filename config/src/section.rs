//! Reads one table of a document key by key, collecting every problem instead of stopping at the first.
//!
//! A reader takes the keys it knows and then calls [`Section::finish`], which reports the keys nobody took,
//! each with the nearest known key. Missing or wrong values yield `None` and a problem; callers carry on.

use crate::document::{Document, Kind, Node};
use crate::problem::{ConfigErrors, Problem, nearest};
use std::cell::RefCell;
use std::rc::Rc;

/// A table being read.
#[derive(Debug)]
pub struct Section<'a> {
    file: &'a str,
    path: String,
    line: usize,
    entries: &'a [(String, usize, Node)],
    known: Vec<&'static str>,
    problems: Rc<RefCell<Vec<Problem>>>,
}

impl<'a> Section<'a> {
    /// The whole document as a section.
    pub fn of(document: &'a Document) -> Self {
        let entries = match &document.root.kind {
            Kind::Table(entries) => entries.as_slice(),
            _ => &[],
        };
        Self {
            file: &document.file,
            path: String::new(),
            line: 1,
            entries,
            known: vec![],
            problems: Rc::default(),
        }
    }

    /// The line the section starts on.
    pub fn line(&self) -> usize {
        self.line
    }

    /// The full key of this section, such as `machine[2].points`; empty for the root.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Keys in file order with their lines, for tables whose keys are names (points, states).
    pub fn keys(&self) -> impl Iterator<Item = (&'a str, usize)> + use<'a> {
        self.entries.iter().map(|(k, line, _)| (k.as_str(), *line))
    }

    /// Takes any value under a key known at run time (see [`Self::keys`]); never reports it missing.
    pub fn any(&self, key: &str) -> Option<&'a Node> {
        self.entries.iter().find(|(k, _, _)| k == key).map(|(_, _, node)| node)
    }

    fn full(&self, key: &str) -> String {
        match (self.path.is_empty(), key.is_empty()) {
            (true, _) => key.to_owned(),
            (_, true) => self.path.clone(),
            _ => format!("{}.{key}", self.path),
        }
    }

    /// Reports a problem with one key of this section (`""` for the section as a whole).
    pub fn problem(&self, key: &str, message: impl Into<String>) {
        self.problem_near(key, message, None);
    }

    /// Like [`Self::problem`], with the nearest right word.
    pub fn problem_near(&self, key: &str, message: impl Into<String>, near: Option<String>) {
        let line = self.entries.iter().find(|(k, _, _)| k == key).map_or(self.line, |(_, line, _)| *line);
        self.problems.borrow_mut().push(Problem {
            file: self.file.to_owned(),
            line,
            key: self.full(key),
            message: message.into(),
            nearest: near,
        });
    }

    /// Takes a value if it is there.
    pub fn node(&mut self, key: &'static str) -> Option<&'a Node> {
        self.known.push(key);
        self.any(key)
    }

    fn required<T>(&self, key: &'static str, found: Option<T>, what: &str) -> Option<T> {
        if found.is_none() && self.any(key).is_none() {
            self.problem(key, format!("is missing; write {what}"));
        }
        found
    }

    /// Takes a value and reads it with `parse`, whose error text becomes a problem.
    pub fn parse<T>(
        &mut self,
        key: &'static str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let text = self.text(key)?;
        parse(&text).map_err(|message| self.problem(key, message)).ok()
    }

    /// Like [`Self::parse`], and a missing key is a problem. `what` says what to write.
    pub fn require<T>(
        &mut self,
        key: &'static str,
        what: &str,
        parse: impl FnOnce(&str) -> Result<T, String>,
    ) -> Option<T> {
        let found = self.parse(key, parse);
        self.required(key, found, what)
    }

    /// A text. Numbers are accepted where a text is wanted, with the digits as written.
    pub fn text(&mut self, key: &'static str) -> Option<String> {
        match &self.node(key)?.kind {
            Kind::Text(s) | Kind::Float(s) => Some(s.clone()),
            Kind::Integer(n) => Some(n.to_string()),
            other => {
                self.problem(key, format!("must be a text in quotes, not {}", other.name()));
                None
            }
        }
    }

    /// A text that must be there.
    pub fn require_text(&mut self, key: &'static str, what: &str) -> Option<String> {
        let found = self.text(key);
        self.required(key, found, what)
    }

    /// `true` or `false`.
    pub fn flag(&mut self, key: &'static str) -> Option<bool> {
        match &self.node(key)?.kind {
            Kind::Bool(b) => Some(*b),
            other => {
                self.problem(key, format!("must be true or false, not {}", other.name()));
                None
            }
        }
    }

    /// A whole number within limits (both included).
    pub fn integer(&mut self, key: &'static str, min: i64, max: i64) -> Option<i64> {
        match &self.node(key)?.kind {
            Kind::Integer(n) if (min..=max).contains(n) => Some(*n),
            Kind::Integer(n) => {
                self.problem(key, format!("{n} is outside {min} to {max}"));
                None
            }
            other => {
                self.problem(key, format!("must be a whole number, not {}", other.name()));
                None
            }
        }
    }

    /// A table inside this one.
    pub fn section(&mut self, key: &'static str) -> Option<Section<'a>> {
        self.known.push(key);
        self.section_of(key)
    }

    /// A table under a key known at run time only.
    pub fn section_of(&self, key: &str) -> Option<Section<'a>> {
        let (_, line, node) = self.entries.iter().find(|(k, _, _)| k == key)?;
        if let Kind::Table(entries) = &node.kind {
            return Some(self.child(self.full(key), *line, entries));
        }
        self.problem(key, format!("must be a table, not {}", node.kind.name()));
        None
    }

    /// The tables of an array of tables (`[[key]]`); empty when absent.
    pub fn sections(&mut self, key: &'static str) -> Vec<Section<'a>> {
        let Some(node) = self.node(key) else { return vec![] };
        let Kind::Array(items) = &node.kind else {
            self.problem(key, format!("must be written as [[{key}]], not as {}", node.kind.name()));
            return vec![];
        };
        let mut sections = vec![];
        for (i, item) in items.iter().enumerate() {
            if let Kind::Table(entries) = &item.kind {
                sections.push(self.child(format!("{}[{i}]", self.full(key)), item.line, entries));
            } else {
                self.problem(key, format!("entry {i} must be a table, not {}", item.kind.name()));
            }
        }
        sections
    }

    fn child(&self, path: String, line: usize, entries: &'a [(String, usize, Node)]) -> Section<'a> {
        Section { file: self.file, path, line, entries, known: vec![], problems: Rc::clone(&self.problems) }
    }

    /// Marks keys as known without taking them (keys that belong to another reader, such as a protocol).
    pub fn allow(&mut self, keys: &[&'static str]) {
        self.known.extend_from_slice(keys);
    }

    /// Reports every key that nobody took, with the nearest known one.
    pub fn finish(self) {
        for (key, _, _) in self.entries {
            if !self.known.contains(&key.as_str()) {
                let near = nearest(key, self.known.iter().copied());
                let message = match &near {
                    Some(_) => "unknown key".to_owned(),
                    None => format!("unknown key; known here: {}", self.known.join(", ")),
                };
                self.problem_near(key, message, near);
            }
        }
    }

    /// What has been reported so far, in the order of lines, or success.
    pub fn into_result(self) -> Result<(), ConfigErrors> {
        let problems = Rc::clone(&self.problems);
        self.finish();
        ConfigErrors(problems.take()).into_result()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> String {
        let doc = Document::parse("a.toml", text).unwrap();
        let mut root = Section::of(&doc);
        if let Some(mut agent) = root.section("agent") {
            agent.require_text("id", "the name of this box");
            agent.integer("workers", 1, 8);
            agent.finish();
        }
        for mut link in root.sections("link") {
            link.require("poll", "a duration such as \"1s\"", |s| {
                crate::units::duration(s).map_err(|e| e.to_string())
            });
            link.flag("trusted");
            link.finish();
        }
        root.into_result().map_or_else(|e| e.to_string(), |()| "fine".into())
    }

    #[test]
    fn a_right_file_is_fine() {
        assert_eq!(read("[agent]\nid = \"a\"\n[[link]]\npoll = \"1s\"\n"), "fine");
    }

    #[test]
    fn every_problem_is_reported_with_its_line_and_the_nearest_key() {
        let got = read(
            "[agent]\nworkers = 9\n[[link]]\npol = \"1s\"\n[[link]]\npoll = \"1x\"\ntrusted = 1\n[agnet]\n",
        );
        let want = "a.toml:1: agent.id: is missing; write the name of this box\n\
                    a.toml:2: agent.workers: 9 is outside 1 to 8\n\
                    a.toml:3: link[0].poll: is missing; write a duration such as \"1s\"\n\
                    a.toml:4: link[0].pol: unknown key (did you mean `poll`?)\n\
                    a.toml:6: link[1].poll: \"1x\" is not a duration; write a number with ms, s, m, h or d, such as \"500ms\"\n\
                    a.toml:7: link[1].trusted: must be true or false, not a whole number\n\
                    a.toml:8: agnet: unknown key (did you mean `agent`?)";
        assert_eq!(got, want);
    }
}
