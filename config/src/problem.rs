//! What is wrong with a configuration, in words an electrician can act on.

use std::fmt;

/// One mistake: where it is, what is wrong, and the nearest right word if there is one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The file as the user named it.
    pub file: String,
    /// Line, from 1; 0 when the mistake belongs to the file as a whole.
    pub line: usize,
    /// Full key such as `machine[2].points.power.scale`; empty for a syntax error.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The nearest word that would have been right.
    pub nearest: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if self.line > 0 {
            write!(f, ":{}", self.line)?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        write!(f, ": {}", self.message)?;
        match &self.nearest {
            Some(word) => write!(f, " (did you mean `{word}`?)"),
            None => Ok(()),
        }
    }
}

/// Every mistake of one configuration, in the order of their lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigErrors(pub Vec<Problem>);

impl ConfigErrors {
    /// Sorts by line and turns an empty list into success.
    pub fn into_result(mut self) -> Result<(), Self> {
        if self.0.is_empty() {
            return Ok(());
        }
        self.0.sort_by_key(|p| p.line);
        Err(self)
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for ConfigErrors {}

/// The candidate most like `word`, if one is like it enough to be what was meant.
pub fn nearest<'a>(word: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<String> {
    const LIKE_ENOUGH: f64 = 0.7;
    candidates
        .into_iter()
        .map(|c| (strsim::jaro_winkler(word, c), c))
        .filter(|(likeness, _)| *likeness >= LIKE_ENOUGH)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, c)| c.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_only_when_it_is_near() {
        assert_eq!(nearest("adress", ["address", "poll", "timeout"]), Some("address".into()));
        assert_eq!(nearest("timout", ["address", "poll", "timeout"]), Some("timeout".into()));
        assert_eq!(nearest("xyz", ["address", "poll"]), None);
    }

    #[test]
    fn a_problem_prints_file_line_key_message_and_hint() {
        let p = Problem {
            file: "agent.toml".into(),
            line: 7,
            key: "link[0].adress".into(),
            message: "unknown key".into(),
            nearest: Some("address".into()),
        };
        assert_eq!(p.to_string(), "agent.toml:7: link[0].adress: unknown key (did you mean `address`?)");
    }
}
