//! The kept corpus of the fuzz targets, and inputs made from it, through the same functions that libFuzzer calls.
//! It is a short pass for every change; it finds little that is new, which is what `tests/fuzz/run` is for.

#![allow(
    clippy::all,
    clippy::pedantic,
    clippy::unwrap_used,
    reason = "a test; the promises of the targets are stated in many small forms"
)]

// The targets stand with the fuzzer, which is a workspace of its own.
#[path = "../fuzz/targets/mod.rs"]
mod targets;

use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use targets::TARGETS;

/// Inputs made of the kept ones for a target. Few where each opens a database or verifies a bundle.
fn made(target: &str) -> u64 {
    match target {
        "bundle" | "spool" => 30,
        "agent_toml" => 100,
        _ => 400,
    }
}

fn folder(target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target)
}

/// The kept inputs of a target, in order of their names.
fn kept(target: &str) -> Vec<(String, Vec<u8>)> {
    let dir = folder(target);
    let files = std::fs::read_dir(&dir).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
    let mut inputs: Vec<(String, Vec<u8>)> = files
        .map(|file| {
            let path = file.unwrap().path();
            (path.display().to_string(), std::fs::read(&path).unwrap())
        })
        .collect();
    inputs.sort();
    inputs
}

/// A generator that gives the same numbers on every machine (Marsaglia's xorshift64, 2003).
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % u64::try_from(limit.max(1)).unwrap()).unwrap()
    }

    fn byte(&mut self) -> u8 {
        // Bytes that end lengths and ranges come oftener than chance gives them.
        const EDGES: [u8; 8] = [0, 1, 0x17, 0x18, 0x7F, 0x80, 0xFE, 0xFF];
        if self.below(3) == 0 { EDGES[self.below(8)] } else { u8::try_from(self.below(256)).unwrap() }
    }

    /// One input with one to four changes, sometimes spliced with another.
    fn change(&mut self, input: &[u8], other: &[u8]) -> Vec<u8> {
        let mut made = input.to_vec();
        for _ in 0..=self.below(4) {
            let at = self.below(made.len() + 1);
            match self.below(6) {
                0 if at < made.len() => made[at] ^= 1 << self.below(8),
                1 if at < made.len() => made[at] = self.byte(),
                2 => made.insert(at, self.byte()),
                3 => {
                    let end = (at + self.below(8)).min(made.len());
                    made.drain(at..end);
                }
                4 => made.truncate(at),
                _ => {
                    let from = self.below(other.len() + 1);
                    let to = (from + self.below(32)).min(other.len());
                    made.splice(at..at, other[from..to].iter().copied());
                }
            }
        }
        made
    }
}

/// Runs a target; an input that breaks a promise is written to a file, so that it can be kept.
fn run(target: &str, promise: targets::Target, name: &str, input: &[u8]) {
    if catch_unwind(|| promise(input)).is_err() {
        let path = std::env::temp_dir().join(format!("{target}-broken"));
        std::fs::write(&path, input).unwrap();
        panic!("{target} breaks its promise on {name}; the input is in {}", path.display());
    }
}

#[test]
fn every_kept_input_keeps_its_targets_promise() {
    for (target, promise) in TARGETS {
        for (name, input) in kept(target) {
            run(target, *promise, &name, &input);
        }
    }
}

#[test]
fn inputs_made_of_the_kept_ones_keep_it_too() {
    for (target, promise) in TARGETS {
        let kept = kept(target);
        for seed in 1..=made(target) {
            let mut chance = Chance(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15));
            let (one, other) = (chance.below(kept.len()), chance.below(kept.len()));
            let made = chance.change(&kept[one].1, &kept[other].1);
            run(target, *promise, &format!("number {seed} made of {}", kept[one].0), &made);
        }
    }
}

#[test]
fn every_target_has_a_corpus_and_every_corpus_a_target() {
    let root = folder("");
    let mut folders: Vec<String> = std::fs::read_dir(&root)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    folders.sort();
    let mut names: Vec<&str> = TARGETS.iter().map(|(name, _)| *name).collect();
    names.sort_unstable();
    assert_eq!(folders, names);
    for name in names {
        assert!(!kept(name).is_empty(), "{name} has no input to start from");
    }
}

#[test]
fn a_broken_promise_is_noticed() {
    let broken = catch_unwind(|| run("none", |data| assert!(data != b"bad"), "here", b"bad"));
    assert!(broken.is_err());
}

#[test]
fn an_engines_memory_of_today_keeps_it() {
    let memory = targets::target("memory").unwrap();
    memory(&targets::memory_seed());
}

#[test]
fn a_name_finds_its_target_and_no_other_does() {
    assert!(targets::target("cbor").is_some());
    assert!(targets::target("nothing").is_none());
    assert!(!targets::panic_is_caught());
}
