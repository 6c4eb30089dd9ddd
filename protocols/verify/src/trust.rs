//! The assessor's trust file: whom to believe, for which period. It is the only source of trust; what a bundle
//! says about keys is merely compared with it.
//!
//! ```toml
//! log = "<verifier key line>"
//! receipt = "<64 hex, or sm2:…>"
//! registrar = "<64 hex, or sm2:…>"
//! operator_time = "<verifier key line>"   # optional
//! witness_policy = "…"                    # optional
//! tsa_roots = "…"                         # optional
//! period = [1767196800, 1798732800]       # optional, UTC seconds; without it a cut tail cannot be seen
//! max_lag = 86400                         # optional, seconds; else the genesis' limit
//! ```

use std::fmt;
use std::str::FromStr;

use evidence::key::PublicKey;
use evidence::note::VerifierKey;
use kpi::Period;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::report::TrustSummary;

/// Whom the assessor trusts.
#[derive(Clone, Debug)]
pub struct Trust {
    /// The log's key.
    pub log: VerifierKey,
    /// The key of receipts.
    pub receipt: PublicKey,
    /// The registrar's key.
    pub registrar: PublicKey,
    /// The operator's time key.
    pub operator_time: Option<VerifierKey>,
    /// Text of a witness policy.
    pub witness_policy: Option<String>,
    /// Where the roots of time-stamping authorities are.
    pub tsa_roots: Option<String>,
    /// The period to judge, UTC s.
    pub period: Option<Period>,
    /// Limit of lag, s; else the genesis' limit.
    pub max_lag_s: Option<u32>,
}

/// Every key of the file.
const KEYS: [&str; 8] =
    ["log", "receipt", "registrar", "operator_time", "witness_policy", "tsa_roots", "period", "max_lag"];

/// One mistake in a trust file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustProblem {
    /// Line, from 1; 0 when the file as a whole is meant.
    pub line: usize,
    /// The key; empty for a syntax error.
    pub key: String,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The nearest right key.
    pub nearest: Option<&'static str>,
}

/// Every mistake of a trust file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct TrustErrors(pub Vec<TrustProblem>);

impl fmt::Display for TrustErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, p) in self.0.iter().enumerate() {
            let separator = if i == 0 { "" } else { "\n" };
            write!(f, "{separator}line {}: {}: {}", p.line, p.key, p.message)?;
            if let Some(nearest) = p.nearest {
                write!(f, " (did you mean `{nearest}`?)")?;
            }
        }
        Ok(())
    }
}

impl FromStr for Trust {
    type Err = TrustErrors;

    fn from_str(text: &str) -> Result<Self, TrustErrors> {
        let table = DeTable::parse(text).map_err(|e| {
            let at = e.span().map_or(0, |s| s.start);
            TrustErrors(vec![TrustProblem {
                line: line(text, at),
                key: String::new(),
                message: e.message().to_owned(),
                nearest: None,
            }])
        })?;
        let mut reader = Reader { text, table: table.get_ref(), problems: Vec::new() };
        reader.unknown();
        let log = reader.parsed("log", true);
        let receipt = reader.parsed("receipt", true);
        let registrar = reader.parsed("registrar", true);
        let operator_time = reader.parsed("operator_time", false);
        let witness_policy = reader.parsed("witness_policy", false);
        let tsa_roots = reader.parsed("tsa_roots", false);
        let period = reader.period();
        let max_lag_s = reader.seconds();
        match (log, receipt, registrar) {
            (Some(log), Some(receipt), Some(registrar)) if reader.problems.is_empty() => Ok(Self {
                log,
                receipt,
                registrar,
                operator_time,
                witness_policy,
                tsa_roots,
                period,
                max_lag_s,
            }),
            _ => {
                reader.problems.sort_by_key(|p| p.line);
                Err(TrustErrors(reader.problems))
            }
        }
    }
}

struct Reader<'t> {
    text: &'t str,
    table: &'t DeTable<'t>,
    problems: Vec<TrustProblem>,
}

impl<'t> Reader<'t> {
    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.iter().find(|(k, _)| k.get_ref() == key).map(|(_, v)| v)
    }

    fn problem(&mut self, at: usize, key: &str, message: String, nearest: Option<&'static str>) {
        let line = line(self.text, at);
        self.problems.push(TrustProblem { line, key: key.to_owned(), message, nearest });
    }

    fn unknown(&mut self) {
        for (key, _) in self.table {
            let name = key.get_ref().as_ref();
            if !KEYS.contains(&name) {
                let nearest = KEYS
                    .into_iter()
                    .min_by_key(|k| strsim::damerau_levenshtein(k, name))
                    .filter(|k| strsim::damerau_levenshtein(k, name) <= 1 + name.len() / 3);
                let message = "is no key of a trust file; remove it or correct its name".to_owned();
                self.problem(key.span().start, name, message, nearest);
            }
        }
    }

    fn parsed<T: FromStr>(&mut self, key: &'static str, required: bool) -> Option<T>
    where
        T::Err: fmt::Display,
    {
        let Some(value) = self.value(key) else {
            if required {
                let message = "is missing; `plumbline-verify keygen` and the registrar print this line";
                self.problems.push(TrustProblem {
                    line: 0,
                    key: key.to_owned(),
                    message: message.to_owned(),
                    nearest: None,
                });
            }
            return None;
        };
        let at = value.span().start;
        let Some(text) = value.get_ref().as_str() else {
            self.problem(at, key, "must be a text in quotes".to_owned(), None);
            return None;
        };
        match text.parse() {
            Ok(parsed) => Some(parsed),
            Err(e) => {
                self.problem(at, key, e.to_string(), None);
                None
            }
        }
    }

    fn period(&mut self) -> Option<Period> {
        let value = self.value("period")?;
        let bounds: Option<Vec<i64>> =
            value.get_ref().as_array().and_then(|a| a.iter().map(|v| integer(v.get_ref())).collect());
        if let Some(&[from, to]) = bounds.as_deref()
            && from < to
        {
            return Some(Period { from, to });
        }
        let message = "must be two UTC seconds in order, such as [1767196800, 1798732800]".to_owned();
        self.problem(value.span().start, "period", message, None);
        None
    }

    fn seconds(&mut self) -> Option<u32> {
        let value = self.value("max_lag")?;
        let seconds = integer(value.get_ref()).and_then(|n| u32::try_from(n).ok());
        if seconds.is_none() {
            self.problem(value.span().start, "max_lag", "must be whole seconds, such as 86400".into(), None);
        }
        seconds
    }
}

fn integer(value: &DeValue<'_>) -> Option<i64> {
    let DeValue::Integer(n) = value else { return None };
    i64::from_str_radix(n.as_str(), n.radix()).ok()
}

fn line(text: &str, at: usize) -> usize {
    text.bytes().take(at).filter(|&b| b == b'\n').count() + 1
}

/// The file that reads back as this.
impl fmt::Display for Trust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        writeln!(f, "log = {}", quoted(&self.log.to_string()))?;
        writeln!(f, "receipt = {}", quoted(&self.receipt.to_string()))?;
        writeln!(f, "registrar = {}", quoted(&self.registrar.to_string()))?;
        if let Some(key) = &self.operator_time {
            writeln!(f, "operator_time = {}", quoted(&key.to_string()))?;
        }
        if let Some(policy) = &self.witness_policy {
            writeln!(f, "witness_policy = {}", quoted(policy))?;
        }
        if let Some(roots) = &self.tsa_roots {
            writeln!(f, "tsa_roots = {}", quoted(roots))?;
        }
        if let Some(Period { from, to }) = self.period {
            writeln!(f, "period = [{from}, {to}]")?;
        }
        if let Some(max_lag_s) = self.max_lag_s {
            writeln!(f, "max_lag = {max_lag_s}")?;
        }
        Ok(())
    }
}

impl Trust {
    /// What the report says about it.
    pub(crate) fn summary(&self) -> TrustSummary {
        TrustSummary {
            log: self.log.to_string(),
            receipt: self.receipt.to_string(),
            registrar: self.registrar.to_string(),
            operator_time: self.operator_time.as_ref().map(ToString::to_string),
            period: self.period,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::TestProject;

    #[test]
    fn a_trust_file_reads_back_what_was_written() {
        let mut trust = TestProject::new().trust();
        trust.max_lag_s = Some(7200);
        trust.witness_policy = Some("log \"x\"\nquorum none".into());
        let text = trust.to_string();
        let again: Trust = text.parse().unwrap();
        assert_eq!(again.to_string(), text);
        assert_eq!((again.period, again.max_lag_s), (trust.period, Some(7200)));
    }

    #[test]
    fn every_mistake_is_told_with_its_line_and_the_nearest_key() {
        let text = "logs = \"x\"\nreceipt = 5\nregistrar = \"00\"\nperiod = [5, 5]\nmax_lag = -1\nzzz = 1\n";
        let TrustErrors(problems) = text.parse::<Trust>().unwrap_err();
        let got: Vec<_> = problems.iter().map(|p| (p.line, p.key.as_str(), p.nearest)).collect();
        let want = [
            (0, "log", None),
            (1, "logs", Some("log")),
            (2, "receipt", None),
            (3, "registrar", None),
            (4, "period", None),
            (5, "max_lag", None),
            (6, "zzz", None),
        ];
        assert_eq!(got, want);
    }

    #[test]
    fn what_is_no_toml_is_one_problem_with_a_line() {
        let TrustErrors(problems) = "log = \"x\"\nreceipt\n".parse::<Trust>().unwrap_err();
        assert_eq!(problems.len(), 1);
        assert_eq!(problems[0].line, 2);
    }
}
