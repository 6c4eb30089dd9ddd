//! What users of other collectors suffer is numbered, and so are our tests against it: each of the pains 1 to 24, which
//! are about reading, time and buffers, has a test of its name, `pain_NN_…`. (25 to 27 are about people's pages.)
//!
//! Those tests stand where what they need stands; below are the ones that need a whole chain.

mod digits;
mod outage;

use crate::tidy::rust_files;
use plumbline_tests::harness::peers::root;
use std::collections::BTreeMap;

/// Pains of reading, time and buffers.
const PAINS: std::ops::RangeInclusive<u32> = 1..=24;

/// The numbers of the pains that a source file has tests for, by the tests' names.
fn pains(source: &str) -> Vec<(u32, String)> {
    let mut found = vec![];
    let mut is_test = false;
    for line in source.lines().map(str::trim) {
        is_test |= line.starts_with("#[") && line.contains("test");
        let Some((_, after)) = line.split_once("fn ") else { continue };
        let name = after.split(['(', '<']).next().unwrap();
        let number = name.strip_prefix("pain_").and_then(|rest| rest.split('_').next()?.parse().ok());
        if let Some(number) = number
            && is_test
        {
            found.push((number, name.to_owned()));
        }
        is_test = false;
    }
    found
}

#[test]
fn every_pain_has_a_test_of_its_name() {
    let mut tests: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for folder in ["agent", "config", "gateway", "protocols", "tests"] {
        for file in rust_files(&root().join(folder)) {
            // What a fuzzer has built is nobody's test.
            if file.components().any(|c| c.as_os_str() == "target") {
                continue;
            }
            for (number, name) in pains(&std::fs::read_to_string(&file).unwrap()) {
                tests.entry(number).or_default().push(name);
            }
        }
    }
    let missing: Vec<u32> = PAINS.filter(|number| !tests.contains_key(number)).collect();
    assert!(missing.is_empty(), "no test is named after pain {missing:?}; there are {tests:#?}");
}

#[test]
fn only_a_test_counts() {
    let source =
        "#[test]\nfn pain_03_a() {}\nfn pain_04_helper() {}\n#[tokio::test]\nasync fn pain_05_b() {}\n";
    let numbers: Vec<u32> = pains(source).into_iter().map(|(number, _)| number).collect();
    assert_eq!(numbers, [3, 5]);
}
