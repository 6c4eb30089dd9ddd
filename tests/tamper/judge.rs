//! Gives bundles to the verifier and compares what it says. Makes no bundles.

use std::collections::BTreeSet;
use std::io::Cursor;

use verify::report::{Answer, CompleteAnswer};
use verify::testing::{Tampered, TestProject};
use verify::{DefectCode, Report, Spoils, Trust, Verified, verify_bundle};

/// A bundle and the assessor's trust.
pub(crate) struct Bundle {
    pub(crate) bytes: Vec<u8>,
    pub(crate) trust: Trust,
}

impl From<Tampered> for Bundle {
    fn from(t: Tampered) -> Self {
        Self { bytes: t.bundle, trust: t.trust }
    }
}

impl From<&TestProject> for Bundle {
    fn from(p: &TestProject) -> Self {
        Self { bytes: p.bundle(), trust: p.trust() }
    }
}

impl Bundle {
    /// The same bundle before an assessor who asks for another period.
    pub(crate) fn asked_for(self, from: i64, to: i64) -> Self {
        let period = Some(kpi::Period { from, to });
        Self { trust: Trust { period, ..self.trust }, ..self }
    }

    /// The verifier's report.
    pub(crate) fn judged(&self) -> Verified<Report> {
        verify_bundle(Cursor::new(&self.bytes), &self.trust, &mut |_| ()).unwrap()
    }
}

/// Codes that occurred, each once.
pub(crate) fn codes(report: &Report) -> BTreeSet<DefectCode> {
    report.defects.iter().map(|d| d.code).collect()
}

/// Whether an assessor may rest on it: both verdicts hold.
pub(crate) fn holds(report: &Report) -> bool {
    report.authentic.verdict == Answer::Yes && report.complete.verdict == CompleteAnswer::Yes
}

/// What is wrong with a report that should show exactly these codes; nothing when it is right.
pub(crate) fn wrong(report: &Report, want: &[DefectCode]) -> Option<String> {
    let got = codes(report);
    if got != want.iter().copied().collect() {
        return Some(format!("shows {got:?} instead of {want:?}: {}", details(report)));
    }
    let spoilt = |verdict| report.defects.iter().any(|d| d.spoils == verdict && d.count > d.outside);
    let authentic = report.authentic.verdict == Answer::Yes;
    let complete = report.complete.verdict;
    let rules = [
        (authentic != spoilt(Spoils::Authentic), "authentic does not follow from the codes"),
        (!spoilt(Spoils::Complete) || complete == CompleteAnswer::No, "complete is not no"),
        (!authentic || complete != CompleteAnswer::Undecided, "authentic, but complete is undecided"),
        (report.exit_code() == u8::from(!want.is_empty()), "the exit code does not follow from the verdicts"),
        (authentic || report.figures.is_none(), "figures are given for altered evidence"),
        (report.defects.iter().all(says_where), "a defect does not say where it is"),
    ];
    let broken: Vec<&str> = rules.iter().filter(|(holds, _)| !holds).map(|(_, what)| *what).collect();
    (!broken.is_empty()).then(|| format!("{broken:?}: {}", details(report)))
}

/// What was found, a line each.
pub(crate) fn details(report: &Report) -> String {
    let lines = report.defects.iter().flat_map(|group| {
        group
            .first
            .iter()
            .map(|d| format!("\n    {} {:?} {:?} {:?}: {}", group.code, d.entry, d.file, d.subject, d.detail))
    });
    lines.collect()
}

/// Every occurrence names a place and says what was expected there; one of the container names its file in the
/// text.
fn says_where(group: &verify::report::DefectGroup) -> bool {
    let container = group.code.text().starts_with("E-BUNDLE");
    group.count > 0
        && group.first.iter().all(|d| {
            let place = d.entry.is_some() || d.file.is_some() || d.subject.is_some();
            (place || container) && !d.detail.is_empty()
        })
}
