//! The attacks that the evidence format promises to refuse or to show, by the names it gives them. Each is made
//! in the ways it could pay, mostly with the operator's keys in the attacker's hand: whoever runs the gateway can
//! sign any checkpoint. An attack by the agent's own key is told from the truth by what it leaves behind.

use verify::DefectCode;
use verify::report::Report;
use verify::testing::TestProject;

use crate::judge::{Bundle, details, holds, wrong};

mod keys;
mod log;
mod parser;
mod time;
mod windows;

/// What must give an attack away.
enum Shown {
    /// Exactly these codes.
    By(&'static [DefectCode]),
    /// No code, because nothing is wrong with the evidence: it says itself what the attacker would hide.
    In(&'static str, fn(&Report) -> bool),
}

/// One way to make an attack.
struct Attack {
    name: &'static str,
    way: &'static str,
    bundle: fn() -> Bundle,
    shown: Shown,
}

const fn attack(
    name: &'static str,
    way: &'static str,
    bundle: fn() -> Bundle,
    shown: &'static [DefectCode],
) -> Attack {
    Attack { name, way, bundle, shown: Shown::By(shown) }
}

/// The attacks that this version must show, as the format's design names them.
const NAMES: &[&str] = &[
    "window dropped",
    "machine left out",
    "tail truncated",
    "back-dated",
    "pre-computed",
    "history re-signed",
    "split view",
    "receipt index games",
    "revoked key used",
    "revocation withheld",
    "unenrolled key",
    "definition or mapping changed",
    "replay and reorder",
    "gateway lost data",
    "parser tricks",
    "cloned box",
];

fn all() -> impl Iterator<Item = &'static Attack> {
    [windows::ATTACKS, time::ATTACKS, log::ATTACKS, keys::ATTACKS, parser::ATTACKS].into_iter().flatten()
}

#[test]
fn every_attack_of_the_list_is_made() {
    for name in NAMES {
        assert!(all().any(|a| a.name == *name), "nobody tries {name}");
    }
    for attack in all() {
        assert!(NAMES.contains(&attack.name), "{} is no name of the list", attack.name);
    }
}

#[test]
fn every_attack_is_refused_or_shown() {
    let found: Vec<String> = all()
        .filter_map(|attack| {
            let report = (attack.bundle)().judged();
            let wrong = match &attack.shown {
                Shown::By(codes) => wrong(&report, codes),
                Shown::In(_, seen) if holds(&report) && seen(&report) => None,
                Shown::In(what, _) => Some(format!("{what} is not seen: {}", details(&report))),
            };
            Some(format!("{}: {}: {}", attack.name, attack.way, wrong?))
        })
        .collect();
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// An honest project of three statements, bent and sealed again; the period ends where the bent one's time does.
fn bent(bend: impl FnOnce(&mut TestProject)) -> Bundle {
    let mut project = TestProject::running(3);
    bend(&mut project);
    project.seal();
    Bundle::from(&project)
}

/// The operator seals the log anew after changing entries, as if nobody had seen it before.
fn resealed(mut project: TestProject) -> Bundle {
    project.notes.clear();
    project.seal();
    Bundle::from(&project)
}
