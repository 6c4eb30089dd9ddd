//! The repository checks itself: dependencies go one way, licences and sources are those of deny.toml, the
//! pure crates stay pure, and the two READMEs say the same.

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_path_buf()
}

fn metadata() -> Value {
    let out = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--offline", "--filter-platform"])
        .arg(format!("{}-unknown-linux-gnu", std::env::consts::ARCH))
        .current_dir(root())
        .output()
        .unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

fn names<'a>(list: impl IntoIterator<Item = &'a str>) -> BTreeSet<String> {
    list.into_iter().map(str::to_owned).collect()
}

/// The decided arrows, normal dependencies only. `*` may depend on everything.
const ARROWS: &[(&str, &str)] = &[
    ("plumbline-agent", "protocols kpi evidence uplink spool config observation"),
    ("plumbline-gateway", "tlog report verify kpi evidence uplink config observation"),
    ("plumbline-verify", "report verify kpi evidence config observation"),
    ("report", "verify kpi evidence observation"),
    ("verify", "evidence kpi observation"),
    ("uplink", "evidence"),
    ("tlog", "evidence"),
    ("spool", ""),
    ("kpi", "observation"),
    ("evidence", "observation"),
    ("protocols", "observation"),
    ("observation", ""),
    ("config", ""),
    ("plumbline-tests", "*"),
];

#[test]
fn dependencies_between_our_crates_go_one_way_as_decided() {
    let metadata = metadata();
    let packages = metadata["packages"].as_array().unwrap();
    let ours: BTreeSet<String> = packages
        .iter()
        .filter(|p| p["source"].is_null())
        .map(|p| p["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(ours, names(ARROWS.iter().map(|(name, _)| *name)), "a crate was added or renamed");
    for package in packages.iter().filter(|p| p["source"].is_null()) {
        let name = package["name"].as_str().unwrap();
        let allowed = ARROWS.iter().find(|(n, _)| *n == name).unwrap().1;
        for dependency in package["dependencies"].as_array().unwrap() {
            let target = dependency["name"].as_str().unwrap();
            if dependency["kind"].is_null() && ours.contains(target) && allowed != "*" {
                assert!(
                    names(allowed.split_whitespace()).contains(target),
                    "{name} must not depend on {target}"
                );
            }
        }
    }
}

#[test]
fn the_top_level_holds_only_what_was_agreed() {
    let listed = Command::new("git").args(["ls-files"]).current_dir(root()).output().unwrap();
    assert!(listed.status.success());
    let top: BTreeSet<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .map(|path| path.split('/').next().unwrap().to_owned())
        .collect();
    let allowed = names([
        "Cargo.toml",
        "Cargo.lock",
        "README.md",
        "README.zh.md",
        "ARCHITECTURE.md",
        "CHANGELOG.md",
        "LICENSE",
        "NOTICE",
        "rustfmt.toml",
        "clippy.toml",
        "deny.toml",
        ".gitignore",
        ".ci",
        "agent",
        "config",
        "docs",
        "gateway",
        "protocols",
        "tests",
    ]);
    assert_eq!(top.difference(&allowed).collect::<Vec<_>>(), Vec::<&String>::new());
}

#[test]
fn the_pure_crates_do_no_io_and_read_no_clock() {
    const FORBIDDEN: [&str; 8] = [
        "std::fs",
        "std::net",
        "std::process",
        "SystemTime",
        "Instant::now",
        "getrandom",
        "tokio",
        "std::env",
    ];
    for folder in ["protocols/observation/src", "protocols/kpi/src", "protocols/evidence/src"] {
        for file in rust_files(&root().join(folder)) {
            // Test code may read golden files.
            if file.ends_with("tests.rs") || file.components().any(|c| c.as_os_str() == "tests") {
                continue;
            }
            let text = std::fs::read_to_string(&file).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            for word in FORBIDDEN {
                let used =
                    code.lines().any(|line| !line.trim_start().starts_with("//") && line.contains(word));
                assert!(!used, "{} uses {word}", file.display());
            }
        }
    }
}

pub(crate) fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found
}

#[test]
fn every_licence_source_and_crate_is_one_that_deny_toml_allows() {
    let deny: toml::Value =
        toml::from_str(&std::fs::read_to_string(root().join("deny.toml")).unwrap()).unwrap();
    let list = |section: &str, key: &str| -> BTreeSet<String> {
        names(deny[section][key].as_array().unwrap().iter().map(|v| match v {
            toml::Value::String(s) => s.as_str(),
            table => table["crate"].as_str().unwrap(),
        }))
    };
    let (licences, banned, registries) =
        (list("licenses", "allow"), list("bans", "deny"), list("sources", "allow-registry"));
    let mut problems = BTreeMap::new();
    for package in metadata()["packages"].as_array().unwrap() {
        let name = package["name"].as_str().unwrap();
        if let Some(source) = package["source"].as_str()
            && !registries.iter().any(|r| source == format!("registry+{r}"))
        {
            problems.insert(name.to_owned(), format!("comes from {source}"));
        }
        if banned.contains(name) {
            problems.insert(name.to_owned(), "is banned".to_owned());
        }
        let expression = package["license"].as_str().unwrap_or("none").replace('/', " OR ");
        let allowed = spdx::Expression::parse_mode(&expression, spdx::ParseMode::LAX)
            .is_ok_and(|e| e.evaluate(|wanted| licences.contains(&wanted.to_string())));
        if !allowed {
            problems.insert(name.to_owned(), format!("has the licence {expression}"));
        }
    }
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn both_readmes_show_the_same_commands_and_headings() {
    let outline = |file: &str| -> (usize, Vec<String>) {
        let text = std::fs::read_to_string(root().join(file)).unwrap();
        let headings = text.lines().filter(|l| l.starts_with('#')).count();
        let mut commands = vec![];
        let mut inside = false;
        for line in text.lines() {
            if line.starts_with("```") {
                inside = !inside;
            } else if inside {
                commands.push(line.split('#').next().unwrap().trim().to_owned());
            }
        }
        (headings, commands)
    };
    assert_eq!(outline("README.md"), outline("README.zh.md"));
}
