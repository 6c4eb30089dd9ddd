//! Gathers defects while the evidence streams by: each is counted, the first of a kind are kept.

use std::collections::BTreeMap;

use kpi::Period;

use crate::code::{DefectCode, Spoils};
use crate::report::{Defect, DefectGroup, LISTED};

/// Windows that are there and do not count: a period without any of them lacks nothing. Other defects say
/// something of the whole stream, and spoil their verdict wherever they lie.
fn concerns_its_windows_alone(code: DefectCode) -> bool {
    matches!(code, DefectCode::DefinitionsHash | DefectCode::TimePremature)
}

/// What was found wrong so far.
#[derive(Debug, Default)]
pub(crate) struct Defects {
    groups: BTreeMap<DefectCode, Group>,
    /// The period that the assessor asks about.
    asked: Option<Period>,
}

#[derive(Debug, Default)]
struct Group {
    count: u64,
    outside: u64,
    first: Vec<Defect>,
}

impl Defects {
    /// None yet, of a bundle that is asked about this period.
    pub(crate) fn within(asked: Option<Period>) -> Self {
        Self { asked, ..Self::default() }
    }

    /// One more occurrence.
    pub(crate) fn add(&mut self, code: DefectCode, defect: Defect) {
        // A moment or a range turned round is not known to lie elsewhere.
        let elsewhere = self
            .asked
            .zip(defect.period)
            .is_some_and(|(asked, of)| of.from < of.to && asked.overlap(of).is_none());
        let group = self.groups.entry(code).or_default();
        group.count += 1;
        group.outside += u64::from(elsewhere && concerns_its_windows_alone(code));
        if group.first.len() < LISTED {
            group.first.push(defect);
        }
    }

    /// One more occurrence, in a file.
    pub(crate) fn file(&mut self, code: DefectCode, file: &str, detail: impl Into<String>) {
        self.add(code, Defect { file: Some(file.to_owned()), detail: detail.into(), ..Defect::default() });
    }

    /// One more occurrence, at an entry.
    pub(crate) fn entry(&mut self, code: DefectCode, entry: u64, detail: impl Into<String>) {
        self.add(code, Defect { entry: Some(entry), detail: detail.into(), ..Defect::default() });
    }

    /// Forgets occurrences of a code that a later statement settled.
    pub(crate) fn settle(&mut self, code: DefectCode, kid: &str) -> bool {
        let Some(Group { count, first, .. }) = self.groups.get_mut(&code) else { return false };
        let before = first.len();
        first.retain(|d| d.kid.as_deref() != Some(kid));
        let gone = before - first.len();
        *count = count.saturating_sub(gone.try_into().unwrap_or(u64::MAX));
        if *count == 0 {
            self.groups.remove(&code);
        }
        gone > 0
    }

    /// Whether anything spoils a verdict. What only concerns time that nobody asked about does not.
    pub(crate) fn spoil(&self, verdict: Spoils) -> bool {
        self.groups.iter().any(|(code, group)| code.spoils() == verdict && group.count > group.outside)
    }

    /// All groups, in the order of the codes.
    pub(crate) fn finish(self) -> Vec<DefectGroup> {
        self.groups
            .into_iter()
            .map(|(code, Group { count, outside, first })| DefectGroup {
                code,
                spoils: code.spoils(),
                zh: code.zh(),
                en: code.en(),
                ask_zh: code.ask_zh(),
                ask_en: code.ask_en(),
                count,
                outside,
                first,
            })
            .collect()
    }
}
