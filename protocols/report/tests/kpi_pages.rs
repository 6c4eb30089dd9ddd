//! The pages of `docs/kpi` are those that the code writes. `PLUMBLINE_BLESS=1` writes them; without it they are
//! compared.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kpi")
}

/// Pages in the folder that people write.
const BY_HAND: [&str; 2] = ["input.md", "input.zh.md"];

#[test]
fn the_pages_of_the_figures_are_those_that_the_code_writes() {
    let pages = report::kpi_page::pages().unwrap();
    let bless = std::env::var_os("PLUMBLINE_BLESS").is_some();
    for page in &pages {
        let path = folder().join(&page.file);
        if bless {
            std::fs::write(&path, &page.text).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(found == page.text, "docs/kpi/{} is not current: {}", page.file, report::kpi_page::COMMAND);
    }
    let written: BTreeSet<String> = pages.into_iter().map(|p| p.file).collect();
    for entry in std::fs::read_dir(folder()).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        let page = Path::new(&name).extension().is_some_and(|e| e == "md");
        let known = !page || written.contains(&name) || BY_HAND.contains(&name.as_str());
        assert!(known, "docs/kpi/{name} belongs to no figure");
    }
}
