//! Bundles. Promise: what the reader accepts is byte for byte what the writer writes; a verification always ends
//! in an answer; and a bundle that still holds says what the honest one says, whoever changed it.

use std::collections::BTreeMap;
use std::io::Cursor;
use std::sync::LazyLock;

use evidence::bundle::{BundleReader, BundleWriter};
use kpi::{Figure, KpiId, Period};
use verify::report::{Answer, CompleteAnswer, Presence, Report};
use verify::testing::{TestProject, pack};
use verify::{Trust, Verified, verify_bundle_on};

use super::Bytes;

/// Any file that claims to be a bundle.
pub(super) fn zip(data: &[u8]) {
    let Ok(mut bundle) = BundleReader::open(Cursor::new(data)) else { return };
    let (top, info) = (bundle.top().to_owned(), bundle.info().clone());
    let paths: Vec<String> = bundle.files().map(|(path, _)| path.to_owned()).collect();
    let mut writer = BundleWriter::new(Vec::new(), &top, &info).unwrap_or_else(|e| panic!("{e}"));
    for path in &paths {
        let Ok(content) = bundle.read(path) else { return };
        assert!(content.len() <= data.len());
        writer.add(path, &content).unwrap_or_else(|e| panic!("{path}: {e}"));
    }
    assert!(bundle.check_rest().is_ok());
    let again = writer.finish().unwrap_or_else(|e| panic!("{e}"));
    assert!(again == data, "the same content, other bytes");
}

struct Honest {
    files: BTreeMap<String, Vec<u8>>,
    entries: Vec<Vec<u8>>,
    notes: Vec<Vec<u8>>,
    bytes: Vec<u8>,
    trust: Trust,
    said: Said,
}

/// What nobody may change: the figures with their terms, and what is there.
#[derive(Debug, PartialEq)]
struct Said {
    presence: Presence,
    figures: Vec<(Option<String>, KpiId, Period, Figure)>,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let project = project();
    let (bytes, trust) = (project.bundle(), project.trust());
    let report = judged(&bytes, &trust);
    assert!(holds(&report), "{:#?}", report.defects);
    let said = said(&report);
    Honest { files: project.files(), entries: project.entries, notes: project.notes, bytes, trust, said }
});

fn project() -> TestProject {
    let mut project = TestProject::running(2);
    project.windows();
    project.seal();
    project.receipt(1);
    project
}

fn judged(bytes: &[u8], trust: &Trust) -> Verified<Report> {
    let report = verify_bundle_on(0, Cursor::new(bytes), trust, &mut |_| ());
    report.unwrap_or_else(|e| panic!("no answer about bytes in memory: {e}"))
}

fn holds(report: &Report) -> bool {
    report.authentic.verdict == Answer::Yes && report.complete.verdict == CompleteAnswer::Yes
}

fn said(report: &Report) -> Said {
    let tables = report.figures.iter().flat_map(|figures| &figures.tables);
    let figures =
        tables.flat_map(|t| t.kpis.iter().map(|k| (t.machine.clone(), k.id, k.period, k.value.clone())));
    Said { presence: report.complete.presence, figures: figures.collect() }
}

/// Who changes, then what: 0 the file, 1 the files in it, packed anew, 2 the log's entries, sealed anew by its
/// operator.
pub(super) fn bundle(data: &[u8]) {
    let mut bytes = Bytes(data);
    let honest = &*HONEST;
    let changed = match bytes.byte() % 3 {
        0 => {
            let mut file = vec![honest.bytes.clone()];
            change(&mut file, &mut bytes);
            file.concat()
        }
        1 => {
            let mut contents: Vec<Vec<u8>> = honest.files.values().cloned().collect();
            change(&mut contents, &mut bytes);
            pack(&honest.files.keys().cloned().zip(contents).collect())
        }
        _ => {
            let mut project = project();
            project.entries.clone_from(&honest.entries);
            project.notes = if bytes.byte() & 1 == 0 { honest.notes.clone() } else { Vec::new() };
            project.receipt_files.clear();
            change(&mut project.entries, &mut bytes);
            project.seal();
            project.bundle()
        }
    };
    let report = judged(&changed, &honest.trust);
    if holds(&report) {
        assert_eq!(said(&report), honest.said, "another statement of the facts");
    }
    if report.authentic.verdict == Answer::No {
        assert!(report.figures.is_none(), "figures of evidence that is not authentic");
    }
}

/// Edits: what, which one, where, with what.
fn change(list: &mut Vec<Vec<u8>>, bytes: &mut Bytes<'_>) {
    while !bytes.0.is_empty() && !list.is_empty() {
        let (what, which, at) = (bytes.byte(), usize::from(bytes.byte()), usize::from(bytes.short()));
        let which = which % list.len();
        let length = list[which].len();
        let at = at % (length + 1);
        match what % 8 {
            0 if length > 0 => list[which][at % length] ^= bytes.byte(),
            1 => list[which].truncate(at),
            2 => {
                let n = usize::from(bytes.byte());
                let new = bytes.take(n).to_vec();
                list[which].splice(at..at, new);
            }
            3 => {
                let n = usize::from(bytes.byte());
                let new = bytes.take(n);
                let end = (at + new.len()).min(length);
                list[which].splice(at..end, new.iter().copied());
            }
            4 => {
                let n = usize::from(bytes.byte());
                list[which].drain(at..(at + n).min(length));
            }
            5 => {
                let with = at % list.len();
                list.swap(which, with);
            }
            6 => {
                let (to, copy) = (at % list.len(), list[which].clone());
                list[to] = copy;
            }
            _ => {}
        }
    }
}
