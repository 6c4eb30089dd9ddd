//! Honest evidence changed at random: by whoever carries the file, by the operator who can seal any log, and by
//! nobody's plan at all. Whatever is changed, a bundle that still holds says the same as the honest one.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use evidence::payload::{EventCode, KeyAction, Plan, PlanBody};
use evidence::statement::{Payload, Role};
use kpi::{Figure, KpiId, Period};
use proptest::prelude::*;
use proptest::sample::Index;
use verify::report::{Answer, Report};
use verify::testing::{START, Signer, TestProject, pack, stretch};

use crate::judge::{Bundle, holds};

/// A project with everything that entries may depend on: two agents' keys one after the other, down time, a
/// plan, several seals, receipts.
fn project() -> TestProject {
    let mut p = TestProject::running(2);
    p.windows();
    p.registrar_says(START, |place| {
        let body = PlanBody::Change { text: "a second shift".into() };
        Payload::Plan(Box::new(Plan { place, effective_from: START, body, document: None }))
    });
    p.windows();
    p.seal();
    let (from, to) = (p.now(), p.now() + 300);
    p.skip(5);
    p.windows_with(|b| b.events = vec![stretch(EventCode::Down, from, to)]);
    let old = p.agent.kid();
    let new = Signer::new(12, Role::Agent, "edge-1");
    p.key_change(KeyAction::Rotate, Some(old), Some(new.roster_key()), p.last_of(old));
    p.agent = new;
    p.windows();
    p.seal();
    p.windows();
    p.seal();
    p.receipt(1);
    p.receipt(6);
    p
}

/// What nobody may change: the figures with their terms, and what is there.
#[derive(Debug, PartialEq)]
struct Said {
    presence: verify::report::Presence,
    figures: Vec<(Option<String>, KpiId, Period, Figure)>,
}

fn said(report: &Report) -> Said {
    let tables = &report.figures.as_ref().unwrap().tables;
    let figures = tables.iter().flat_map(|t| {
        t.kpis.iter().map(|k| (t.machine.clone(), k.id, k.period, k.value.clone())).collect::<Vec<_>>()
    });
    Said { presence: report.complete.presence, figures: figures.collect() }
}

struct Honest {
    bundle: Bundle,
    files: BTreeMap<String, Vec<u8>>,
    entries: Vec<Vec<u8>>,
    notes: Vec<Vec<u8>>,
    said: Said,
}

static HONEST: LazyLock<Honest> = LazyLock::new(|| {
    let project = project();
    let bundle = Bundle::from(&project);
    let report = bundle.judged();
    assert!(holds(&report), "{:#?}", report.defects);
    let said = said(&report);
    Honest { files: project.files(), entries: project.entries.clone(), notes: project.notes, bundle, said }
});

/// A bundle that holds must say what the honest one says.
fn same_or_refused(bundle: &Bundle) -> Result<(), TestCaseError> {
    let report = bundle.judged();
    if holds(&report) {
        prop_assert_eq!(&said(&report), &HONEST.said);
    }
    if report.authentic.verdict == Answer::No {
        prop_assert!(report.figures.is_none());
    }
    Ok(())
}

/// A change to a list of byte strings.
#[derive(Clone, Debug)]
enum Change {
    Drop(Index),
    Swap(Index, Index),
    Repeat(Index, Index),
    Flip(Index, Index, u8),
    Cut(Index, Index),
    Move(Index, Index),
}

fn change() -> impl Strategy<Value = Change> {
    use Change as C;
    let at = any::<Index>;
    prop_oneof![
        3 => at().prop_map(C::Drop),
        3 => (at(), at()).prop_map(|(a, b)| C::Swap(a, b)),
        2 => (at(), at()).prop_map(|(a, b)| C::Repeat(a, b)),
        2 => (at(), at(), 1..=255u8).prop_map(|(a, b, x)| C::Flip(a, b, x)),
        1 => (at(), at()).prop_map(|(a, b)| C::Cut(a, b)),
        3 => (at(), at()).prop_map(|(a, b)| C::Move(a, b)),
    ]
}

impl Change {
    fn apply(&self, list: &mut Vec<Vec<u8>>) {
        if list.is_empty() {
            return;
        }
        let n = list.len();
        match self {
            Self::Drop(at) => {
                list.remove(at.index(n));
            }
            Self::Swap(a, b) => list.swap(a.index(n), b.index(n)),
            Self::Repeat(from, to) => list.insert(to.index(n + 1), list[from.index(n)].clone()),
            Self::Flip(at, byte, with) => {
                let one = &mut list[at.index(n)];
                if !one.is_empty() {
                    let byte = byte.index(one.len());
                    one[byte] ^= with;
                }
            }
            Self::Cut(at, byte) => {
                let one = &mut list[at.index(n)];
                one.truncate(byte.index(one.len() + 1));
            }
            Self::Move(from, to) => {
                let one = list.remove(from.index(n));
                list.insert(to.index(n), one);
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    /// Whoever carries the file.
    #[test]
    fn bytes_changed_on_the_way_are_never_believed(
        changes in prop::collection::vec((any::<Index>(), 1..=255u8), 1..4),
        cut in prop::option::of(any::<Index>()),
    ) {
        let honest = &HONEST.bundle;
        let mut bytes = honest.bytes.clone();
        for (at, with) in changes {
            let at = at.index(bytes.len());
            bytes[at] ^= with;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        let changed = bytes != honest.bytes;
        let report = Bundle { bytes, trust: honest.trust.clone() }.judged();
        prop_assert_eq!(report.authentic.verdict == Answer::No, changed, "{:#?}", report.defects);
    }

    /// Whoever packs the file anew, with none of the keys.
    #[test]
    fn files_changed_and_packed_anew_say_the_same_or_nothing(
        changes in prop::collection::vec(change(), 1..4),
    ) {
        let names: Vec<String> = HONEST.files.keys().cloned().collect();
        let mut contents: Vec<Vec<u8>> = HONEST.files.values().cloned().collect();
        for change in &changes {
            change.apply(&mut contents);
        }
        let files = names.into_iter().zip(contents).collect();
        same_or_refused(&Bundle { bytes: pack(&files), trust: HONEST.bundle.trust.clone() })?;
    }

    /// The operator: any entries in any order, sealed anew with the keys of log and time, the notes that agents
    /// name kept or thrown away.
    #[test]
    fn a_log_changed_and_sealed_anew_says_the_same_or_nothing(
        changes in prop::collection::vec(change(), 1..4),
        keep_notes in any::<bool>(),
        strange in prop::option::of((any::<Index>(), prop::collection::vec(any::<u8>(), 0..200))),
    ) {
        let mut project = project();
        project.entries.clone_from(&HONEST.entries);
        for change in &changes {
            change.apply(&mut project.entries);
        }
        if let Some((at, bytes)) = strange {
            project.entries.insert(at.index(project.entries.len() + 1), bytes);
        }
        project.notes = if keep_notes { HONEST.notes.clone() } else { Vec::new() };
        project.receipt_files.clear();
        project.seal();
        let bundle = Bundle { bytes: project.bundle(), trust: HONEST.bundle.trust.clone() };
        same_or_refused(&bundle)?;
    }
}

/// Dropping, doubling or moving any one entry, every one of them, is never believed: the operator has no entry to
/// spare. The one exception is order between two streams, which says nothing.
#[test]
fn no_single_entry_can_be_dropped_or_doubled() {
    for at in 0..HONEST.entries.len() {
        for double in [false, true] {
            let mut project = project();
            if double {
                project.entries.insert(at, HONEST.entries[at].clone());
            } else {
                project.entries.remove(at);
            }
            project.notes.clear();
            project.receipt_files.clear();
            project.seal();
            let bundle = Bundle { bytes: project.bundle(), trust: HONEST.bundle.trust.clone() };
            assert!(!holds(&bundle.judged()), "entry {at}, doubled: {double}");
        }
    }
}
