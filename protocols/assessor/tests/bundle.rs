//! A bundle is checked from the outside: verdicts, exit codes, words, JSON and page, and other people's tools.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::path::Path;
use std::process::{Command, Output};

use assessor::summary::Paint;
use assessor::{Exit, check_bundle};
use report::Lang;
use support::{STATEMENTS, project};

fn check(folder: &Path) -> assessor::Checked {
    check_bundle(&folder.join("bundle.zip"), &folder.join("trust.toml")).unwrap()
}

fn program(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumbline-verify")).current_dir(folder).args(arguments).output().unwrap()
}

#[test]
fn a_whole_hour_is_authentic_and_complete_and_says_so_in_both_languages() {
    let folder = project(&["冲床 1 号", "冲床 2 号"], STATEMENTS);
    let checked = check(folder.path());
    let summary = checked.summary(Lang::Zh, Paint::Plain);
    assert_eq!(checked.exit(), Exit::Fine, "{summary}");
    for words in [
        "证据真实且完整。时间仅由运营方证明。",
        "✓ 真实：是",
        "! 时间依据：仅运营方",
        "✓ 完整：是",
        "不是证据",
        "开机率",
    ] {
        assert!(summary.contains(words), "{words}\n{summary}");
    }
    let english = checked.summary(Lang::En, Paint::Plain);
    assert!(english.contains("authentic and complete") && english.contains("operator only"), "{english}");
    // Left in cargo's directory for test output, to be looked at and tried.
    for name in ["bundle.zip", "trust.toml"] {
        let copy = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::copy(folder.path().join(name), copy).unwrap();
    }
    for lang in [Lang::Zh, Lang::En] {
        let page = checked.html(lang).unwrap();
        std::fs::write(format!("{}/bundle-{lang}.html", env!("CARGO_TARGET_TMPDIR")), page).unwrap();
    }
}

#[test]
fn a_cut_tail_is_missing_with_its_range_and_a_question_and_exits_with_one() {
    let folder = project(&["冲床 1 号", "冲床 2 号"], STATEMENTS - 3);
    let output =
        program(folder.path(), &["bundle", "bundle.zip", "--trust", "trust.toml", "--report", "r.html"]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(1), "{text}");
    for words in ["✓ 真实：是", "✕ 完整：否", "全部 2 台设备", "15 分", "→ 下一步：请企业"]
    {
        assert!(text.contains(words), "{words}\n{text}");
    }
    let page = std::fs::read_to_string(folder.path().join("r.html")).unwrap();
    assert!(page.contains("class=\"gap\"") && page.contains("全部 2 台设备"));
}

#[test]
fn a_changed_byte_makes_the_answer_no_and_withholds_figures() {
    let folder = project(&["冲床 1 号"], STATEMENTS);
    let path = folder.path().join("bundle.zip");
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let output = program(folder.path(), &["bundle", "bundle.zip", "--trust", "trust.toml", "--json"]);
    assert_eq!(output.status.code(), Some(1));
    let json: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(json["authentic"]["verdict"], "no");
    assert!(json["figures"].is_null() && !json["defects"].as_array().unwrap().is_empty());
    let page = check(folder.path()).html(Lang::Zh).unwrap();
    assert!(page.contains("证据不成立") && page.contains("未能判定") && page.contains("没有检查"));
    assert!(
        !page.contains("没有缺失") && !page.contains("没有发现"),
        "what nobody could check is not praised"
    );
}

#[test]
fn what_is_no_bundle_at_all_is_an_answer_and_not_a_crash() {
    let folder = project(&["冲床 1 号"], 1);
    for bytes in [&b""[..], b"not a zip", &[0x50, 0x4b, 3, 4], &[0; 10_000]] {
        std::fs::write(folder.path().join("bundle.zip"), bytes).unwrap();
        let checked = check(folder.path());
        assert_eq!(checked.exit(), Exit::No);
        assert!(checked.html(Lang::En).unwrap().contains("does not hold"));
        assert!(!checked.summary(Lang::Zh, Paint::Plain).is_empty());
    }
    let folder_as_bundle = check_bundle(folder.path(), &folder.path().join("trust.toml"));
    assert_eq!(folder_as_bundle.unwrap_err().exit(), Exit::Use);
}

#[test]
fn another_registrar_in_the_trust_file_is_not_believed() {
    let folder = project(&["冲床 1 号"], STATEMENTS);
    let other = project(&["冲床 1 号"], STATEMENTS);
    let checked = check_bundle(&folder.path().join("bundle.zip"), &other.path().join("trust.toml")).unwrap();
    assert_eq!(checked.exit(), Exit::No);
    assert!(checked.json().unwrap().contains("E-TRUST-REGISTRAR"));
}

#[test]
fn the_same_bundle_gives_the_same_json_page_and_text() {
    let folder = project(&["冲床 1 号", "\u{202e}<script>"], STATEMENTS);
    let all = || {
        let checked = check(folder.path());
        [
            checked.json().unwrap(),
            checked.html(Lang::Zh).unwrap(),
            checked.html(Lang::En).unwrap(),
            checked.summary(Lang::Zh, Paint::Plain),
        ]
    };
    assert_eq!(all(), all());
    assert!(!all()[1].contains("<script"));
}

#[test]
fn the_json_obeys_the_schema_names_and_its_figures_are_exact() {
    let folder = project(&["冲床 1 号", "冲床 2 号"], STATEMENTS);
    let json: serde_json::Value = serde_json::from_str(&check(folder.path()).json().unwrap()).unwrap();
    let tables = json["figures"]["tables"].as_array().unwrap();
    let whole = tables.iter().find(|t| t["machine"].is_null()).unwrap();
    let kpis = whole["kpis"].as_array().unwrap();
    let availability = kpis.iter().find(|k| k["id"] == "iso.availability").unwrap();
    // Producing 60 s, but 30 s in each third minute: 5/6 of the hour, nothing unknown.
    assert_eq!(
        (&availability["value"]["lower"], &availability["value"]["upper"]),
        (&"5/6".into(), &"5/6".into())
    );
    let schema = verify::schema();
    let known = schema["properties"].as_object().unwrap();
    assert!(json.as_object().unwrap().keys().all(|key| known.contains_key(key)));
}
