//! The fault table: every fault that is injected here happens to real programs on real connections, and what the
//! devices' own records say was offered is compared with what is in evidence. Nothing may be lost silently, counted
//! twice or stand at another time.
//!
//! `PLUMBLINE_BLESS=1` writes `docs/faults.md`; without it the table is printed. `PLUMBLINE_FAULT=hour` does only the
//! faults whose English name holds that word, `PLUMBLINE_FAULT=wires` those of the wires.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod boxes;
mod judge;
mod plant;
mod site;
mod table;
mod wires;

use plumbline_tests::harness::disk::may_mount;
use plumbline_tests::harness::peers;
use std::sync::atomic::{AtomicUsize, Ordering};
use table::{Row, page};

/// One chain with its faults.
type Job = Box<dyn Fn() -> Vec<Row> + Sync>;

#[test]
fn every_observation_is_in_evidence_once_or_its_loss_is() {
    // Some of the faults are full disks.
    if !may_mount(concat!(module_path!(), "::every_observation_is_in_evidence_once_or_its_loss_is")) {
        return;
    }
    let chosen = std::env::var("PLUMBLINE_FAULT").unwrap_or_default();
    // A chain that reads so many devices leaves no time for others.
    let mut rows = if "wires".contains(&chosen) { wires::all() } else { vec![] };
    rows.extend(at_once(&boxes::all(&chosen)));
    let page = page(&rows);
    println!("{page}");
    let broken: Vec<_> = rows.iter().filter(|r| !r.tally.holds()).map(|r| (r.fault.1, r.over)).collect();
    assert!(broken.is_empty(), "does not hold for {broken:#?}");
    if std::env::var_os("PLUMBLINE_BLESS").is_some() {
        std::fs::write(peers::root().join("docs/faults.md"), page).unwrap();
    }
}

/// Does all jobs, some at a time: most of each is waiting. Their rows come in the order of the jobs.
fn at_once(jobs: &[Job]) -> Vec<Row> {
    const HANDS: usize = 5;
    let next = AtomicUsize::new(0);
    let work = || -> Vec<(usize, Vec<Row>)> {
        let taken = std::iter::from_fn(|| {
            let at = next.fetch_add(1, Ordering::Relaxed);
            Some((at, jobs.get(at)?()))
        });
        taken.collect()
    };
    let mut done: Vec<(usize, Vec<Row>)> = std::thread::scope(|scope| {
        let hands: Vec<_> = (0..HANDS).map(|_| scope.spawn(work)).collect();
        hands.into_iter().flat_map(|hand| hand.join().unwrap()).collect()
    });
    done.sort_unstable_by_key(|(at, _)| *at);
    done.into_iter().flat_map(|(_, rows)| rows).collect()
}
