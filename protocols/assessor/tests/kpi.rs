//! `plumbline-verify kpi` as an assessor calls it: the figures of a bundle are the report's own, those of a file with the
//! same content are the same, and what is wrong with a file is said with its place.

#![expect(clippy::unwrap_used, reason = "a test")]

mod support;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use support::{STATEMENTS, project};

fn program(folder: &Path, arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_plumbline-verify"))
        .current_dir(folder)
        .env_remove("COLUMNS")
        .args(arguments)
        .output()
        .unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

#[track_caller]
fn json(folder: &Path, arguments: &[&str]) -> Value {
    let output = program(folder, arguments);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", said(&output)))
}

#[track_caller]
fn refused(folder: &Path, arguments: &[&str], words: &[&str]) {
    let output = program(folder, arguments);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(output.stdout.is_empty(), "nothing may be computed: {}", said(&output));
    for word in words {
        assert!(said(&output).contains(word), "{word:?} is not said:\n{}", said(&output));
    }
}

fn value(table: &Value, id: &str) -> Value {
    let kpis = table["kpis"].as_array().unwrap();
    kpis.iter().find(|k| k["id"] == id).unwrap_or_else(|| panic!("no {id}"))["value"].clone()
}

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/kpi/examples")
}

const BUNDLE: [&str; 5] = ["kpi", "bundle.zip", "--trust", "trust.toml", "--json"];

#[test]
fn the_figures_of_a_bundle_are_those_of_its_report() {
    let folder = project(&["冲床 1 号", "冲床 2 号"], STATEMENTS);
    let report = json(folder.path(), &["bundle", "bundle.zip", "--trust", "trust.toml", "--json"]);
    let tables = report["figures"]["tables"].as_array().unwrap();
    let whole = json(folder.path(), &BUNDLE);
    assert_eq!(whole["tables"][0]["kpis"], tables[0]["kpis"], "the whole project, hashes and all");
    assert_eq!(whole["source"]["verified"], true);
    let id = whole["machines"][1]["id"].as_str().unwrap();
    let one = json(folder.path(), &[&BUNDLE[..], &["--machine", id]].concat());
    let own = tables.iter().find(|t| t["machine"] == id).unwrap();
    assert_eq!(one["tables"][0]["kpis"], own["kpis"]);
    assert_ne!(one["tables"][0]["kpis"], tables[0]["kpis"], "a machine is not the project");
}

#[test]
fn parts_of_a_bundle_add_up_and_a_period_inside_is_answered() {
    let folder = project(&["冲床 1 号"], STATEMENTS);
    let whole = json(folder.path(), &BUNDLE);
    let period = &whole["tables"][0]["period"];
    let (from, to) = (period["from"].as_i64().unwrap(), period["to"].as_i64().unwrap());
    let middle = from + (to - from) / 120 * 60;
    let at = |t: i64| report::moment::at(t, 0).replace(' ', "T") + "Z";
    let times = |from: i64, to: i64| {
        let (from, to) = (at(from), at(to));
        json(folder.path(), &[&BUNDLE[..], &["--from", &from, "--to", &to]].concat())["tables"][0]["times"]["apt_ms"]
            .as_u64()
            .unwrap()
    };
    let (first, second) = (times(from, middle), times(middle, to));
    assert_eq!(first + second, whole["tables"][0]["times"]["apt_ms"].as_u64().unwrap());
    assert!(first > 0 && second > 0);
}

/// The timeline of the report has a cell a window; written as a table it must give the same shares.
#[test]
fn a_file_with_the_content_of_a_bundle_gives_the_same_shares_at_class_d() {
    let folder = project(&["冲床 1 号", "冲床 2 号"], STATEMENTS);
    let report = json(folder.path(), &["bundle", "bundle.zip", "--trust", "trust.toml", "--json"]);
    let mut csv = "machine,start,end".to_owned();
    for leaf in kpi::Leaf::ALL {
        write!(csv, ",{} (ms)", leaf.en()).unwrap();
    }
    csv.push('\n');
    for row in report["figures"]["timeline"]["rows"].as_array().unwrap() {
        for cell in row["cells"].as_array().unwrap() {
            let at = |key: &str| report::moment::at(cell[key].as_i64().unwrap(), 480);
            write!(csv, "{},{}+08:00,{}+08:00", row["machine"].as_str().unwrap(), at("from"), at("to"))
                .unwrap();
            for ms in cell["states_ms"].as_array().unwrap() {
                write!(csv, ",{ms}").unwrap();
            }
            csv.push('\n');
        }
    }
    std::fs::write(folder.path().join("t.csv"), csv).unwrap();
    let file = json(folder.path(), &["kpi", "t.csv", "--json"]);
    assert_eq!(file["source"]["verified"], false);
    for id in ["cn.power_on_rate", "iso.availability", "iso.technical_efficiency", "cn.run_rate"] {
        assert_eq!(value(&file["tables"][0], id), value(&report["figures"]["tables"][0], id), "{id}");
    }
    let kpis = file["tables"][0]["kpis"].as_array().unwrap();
    assert!(kpis.iter().all(|k| k["class"] == "D"), "a file is a declaration");
    assert!(
        kpis.iter().all(|k| !k["id"].as_str().unwrap().contains("connect")),
        "no file proves a connection"
    );
}

#[test]
fn a_bundle_that_was_altered_has_no_figures() {
    let folder = project(&["冲床 1 号"], STATEMENTS);
    let other = project(&["冲床 2 号"], STATEMENTS);
    std::fs::copy(other.path().join("bundle.zip"), folder.path().join("other.zip")).unwrap();
    let mut bytes = std::fs::read(folder.path().join("bundle.zip")).unwrap();
    let half = bytes.len() / 2;
    bytes[half] ^= 1;
    std::fs::write(folder.path().join("bundle.zip"), bytes).unwrap();
    let output = program(folder.path(), &BUNDLE);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(output.stdout.is_empty() && said(&output).contains("不真实"), "{}", said(&output));
}

#[test]
fn the_example_of_intervals_is_computed_in_both_languages_and_widths() {
    let path = examples().join("intervals.csv");
    let path = path.to_str().unwrap();
    let folder = tempfile::tempdir().unwrap();
    for (lang, words) in [
        ("zh", ["没有核验任何内容", "用电量", "139.47 kWh"]),
        ("en", ["Nothing was verified", "electricity", "139.47 kWh"]),
    ] {
        for width in ["80", "120"] {
            let output = program(folder.path(), &["kpi", path, "--lang", lang, "--width", width]);
            assert_eq!(output.status.code(), Some(0), "{}", said(&output));
            let text = said(&output);
            for word in words {
                assert!(text.contains(word), "{word}\n{text}");
            }
            let most: u32 = width.parse().unwrap();
            let wide = text.lines().skip(1).find(|line| report::text::columns(line) > most);
            assert_eq!(wide, None, "{lang} {width}");
        }
    }
}

#[test]
fn the_example_of_shifts_answers_days_comparison_and_targets_and_draws() {
    let path = examples().join("shifts.csv");
    let folder = tempfile::tempdir().unwrap();
    let arguments = [
        "kpi",
        path.to_str().unwrap(),
        "--offset",
        "+08:00",
        "--by",
        "day",
        "--before",
        "2026-03-01..2026-03-03",
        "--after",
        "2026-03-03..2026-03-06",
        "--target",
        "iso.availability>=40%",
        "--svg",
        "pictures",
    ];
    let answer = json(folder.path(), &[&arguments[..], &["--json"]].concat());
    assert_eq!(answer["tables"].as_array().unwrap().len(), 1 + 5, "the period and five days");
    assert_eq!(answer["targets"][0]["verdict"]["answer"], "reached");
    assert_eq!(
        program(folder.path(), &[&arguments[..], &["--target", "iso.oee>=90%"]].concat()).status.code(),
        Some(1)
    );
    for name in ["states", "load", "pareto", "before-after"] {
        let svg = std::fs::read_to_string(folder.path().join(format!("pictures/{name}.svg"))).unwrap();
        assert!(
            svg.contains("<title id=\"t\">") && svg.contains("<desc id=\"d\">") && svg.contains("未经核验"),
            "{name}"
        );
    }
    let text = std::fs::read_to_string(&path).unwrap();
    let gbk = encoding_rs::GBK.encode(&text).0.into_owned();
    std::fs::write(folder.path().join("gbk.csv"), gbk).unwrap();
    let other = json(folder.path(), &["kpi", "gbk.csv", "--offset", "+08:00", "--json"]);
    assert_eq!(other["tables"][0]["kpis"], answer["tables"][0]["kpis"], "GBK is read like UTF-8");
}

fn table(rows: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("t.csv"), rows).unwrap();
    folder
}

const HEAD: &str = "设备,开始,结束,状态,电表读数(kWh)\n";

#[test]
fn every_mistake_of_a_file_is_told_with_its_line_and_column() {
    let folder = table(&format!(
        "{HEAD}m,2026-03-02 08:00,2026-03-02 09:00,加工,\"1,5\"\n\
         m,2026-03-02 08:30,2026-03-02 10:00,运行,2\n\
         m,2026-03-02 10:00,2026-03-02 10:00,加工,3\n\
         ,2026-03-02 10:00,2026-03-02 11:00,加工,3\n\
         m,02/03/2026 12:00,2026-03-02 13:00,加工,4\n\
         m,2026-03-02T14:00Z,2026-03-02 15:00,加工,4\n"
    ));
    refused(
        folder.path(),
        &["kpi", "t.csv", "--offset", "+08:00", "--lang", "en"],
        &[
            "6 mistakes",
            "line 2",
            "decimals or thousands",
            "line 3",
            "is no state",
            "line 4",
            "ends no later",
            "line 5",
            "line 6",
            "year first",
            "line 7",
            "another zone",
        ],
    );
    let rows = format!(
        "{HEAD}m,2026-03-02 08:00,2026-03-02 09:00,加工,1\nm,2026-03-02 08:30,2026-03-02 10:00,加工,2\nm,2026-03-02 08:30,2026-03-02 10:00,加工,2\n"
    );
    let folder = table(&rows);
    refused(
        folder.path(),
        &["kpi", "t.csv", "--offset", "+08:00"],
        &["2 处有误", "第 3 行", "时间重叠", "第 4 行", "重复"],
    );
    refused(folder.path(), &["kpi", "t.csv"], &["1 处有误", "--offset +08:00"]);
}

#[test]
fn a_question_that_cannot_be_answered_is_refused_with_what_can() {
    let folder = table(&format!("{HEAD}m,2026-03-02 08:00,2026-03-02 09:00,加工,1\n"));
    let ask = |more: &[&str], words: &[&str]| {
        refused(
            folder.path(),
            &[&["kpi", "t.csv", "--offset", "+08:00", "--lang", "en"][..], more].concat(),
            words,
        );
    };
    ask(&["--machine", "x"], &["there is no machine \"x\"", "m"]);
    ask(&["--by", "shift"], &["no shifts"]);
    ask(&["--from", "2026-03-02 08:00:30"], &["window of 60 s"]);
    ask(&["--target", "iso.oe>=1"], &["did you mean iso.oee"]);
    ask(&["--target", "iso.oee:better>=1%"], &["--before and --after"]);
    ask(&["--target", "iso.oee>=0.6kWh"], &["the target is in"]);
    ask(&["--target", "cn.connection_rate>=95%"], &["cannot tell"]);
    let bundle = project(&["冲床 1 号"], STATEMENTS);
    refused(bundle.path(), &["kpi", "bundle.zip", "--lang", "en"], &["--trust"]);
}

#[test]
fn a_gap_stays_unknown_a_register_bridges_it_and_an_amount_does_not() {
    let gap = |head: &str, a: &str, b: &str, c: &str| {
        let folder = table(&format!(
            "设备,开始,结束,状态,{head}\nm,2026-03-02 08:00,2026-03-02 09:00,加工,{a}\n\
             m,2026-03-02 09:00,2026-03-02 10:00,加工,{b}\nm,2026-03-02 11:00,2026-03-02 12:00,加工,{c}\n"
        ));
        let answer = json(folder.path(), &["kpi", "t.csv", "--offset", "+08:00", "--json"]);
        answer["tables"][0].clone()
    };
    let register = gap("期初电表读数(kWh),电表读数(kWh)", "10,20", ",30", ",45");
    assert!(
        register["kpis"].as_array().unwrap().iter().all(|k| k["class"] == "D"),
        "registers that somebody typed"
    );
    assert_eq!(value(&register, "energy.electricity")["lower"], "35");
    assert_eq!(value(&register, "energy.electricity")["upper"], "35");
    assert_eq!(value(&register, "iso.availability")["lower"], "3/4");
    assert_eq!(value(&register, "iso.availability")["upper"], "1");
    let amount = gap("用电量(kWh)", "10", "10", "15");
    assert_eq!(value(&amount, "energy.electricity")["lower"], "35");
    assert_eq!(value(&amount, "energy.electricity")["upper"], Value::Null);
    let exchanged = gap("期初电表读数(kWh),电表读数(kWh)", "10,20", "3,13", "13,28");
    assert_eq!(value(&exchanged, "energy.electricity")["upper"], "35", "a meter exchanged between two rows");
    let falls = gap("期初电表读数(kWh),电表读数(kWh)", "10,20", ",13", ",28");
    assert_eq!(
        value(&falls, "energy.electricity")["upper"],
        Value::Null,
        "a register that falls is never repaired"
    );
}

/// 10 kWh at 0.1229 kgce/kWh are 1.229 kgce, and at 0.5306 kgCO2/kWh 5.306 kg.
#[test]
fn what_stands_between_two_rows_and_within_a_minute_is_neither_lost_nor_repaired() {
    let kwh = |rows: &str| {
        let head = "machine,start,end,state,energy register at start (kWh),energy register (kWh)\n";
        let folder = table(&format!("{head}{rows}"));
        value(
            &json(folder.path(), &["kpi", "t.csv", "--offset", "+08:00", "--json"])["tables"][0],
            "energy.electricity",
        )
    };
    let between = kwh("a,2026-03-02T08:00,2026-03-02T10:00,producing,0,100\n\
                       a,2026-03-02T10:00,2026-03-02T12:00,producing,150,200\n");
    assert_eq!((&between["lower"], &between["upper"]), (&"200".into(), &"200".into()), "{between}");
    let fallen = kwh("a,2026-03-02T08:00:00,2026-03-02T08:10:10,producing,990,1500\n\
                      a,2026-03-02T08:10:10,2026-03-02T08:10:50,producing,,992\n\
                      a,2026-03-02T08:10:50,2026-03-02T09:00:00,producing,,1000\n");
    assert!(fallen["upper"].is_null(), "a register that fell bounds nothing: {fallen}");
}

#[test]
fn a_unit_or_a_word_that_could_be_taken_for_another_is_refused() {
    let folder =
        table("machine,start,end,state,energy (mWh)\na,2026-03-02T08:00,2026-03-02T09:00,producing,5\n");
    refused(
        folder.path(),
        &["kpi", "t.csv", "--offset", "+08:00", "--lang", "en"],
        &["milliwatt-hours", "MWh"],
    );
    let folder = table("machine,start,end,state\na,2026-03-02T08:00,2026-03-02T09:00,空闲待机\n");
    refused(folder.path(), &["kpi", "t.csv", "--offset", "+08:00", "--state", "空闲待机=加工"], &["idle"]);
}

#[test]
fn factors_turn_electricity_into_coal_and_co2_and_are_named() {
    let folder =
        table("设备,开始,结束,状态,用电量(kWh),合格件数\nm,2023-03-02 08:00,2023-03-02 09:00,加工,10,4\n");
    let config = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../config/factors");
    let (coal, grid) = (config.join("gbt2589-2020.toml"), config.join("grid-co2.toml"));
    let ask =
        ["kpi", "t.csv", "--offset", "+08:00", "--factors", coal.to_str().unwrap(), "--coal", "calorific"];
    let answer = json(
        folder.path(),
        &[&ask[..], &["--factors", grid.to_str().unwrap(), "--grid", "national", "--json"]].concat(),
    );
    let figures = answer["energy"].as_array().unwrap();
    let lower: Vec<&str> = figures.iter().map(|f| f["value"]["lower"].as_str().unwrap()).collect();
    assert_eq!(lower, ["1229/1000000", "1229/4000", "2653/500"]);
    assert!(figures.iter().all(|f| f["class"] == "D" && !f["factors"].as_array().unwrap().is_empty()));
    let text = said(&program(folder.path(), &[&ask[..], &["--lang", "en"]].concat()));
    assert!(text.contains("GB/T 2589-2020") && text.contains("electricity alone"), "{text}");
    refused(
        folder.path(),
        &["kpi", "t.csv", "--offset", "+08:00", "--factors", coal.to_str().unwrap(), "--grid", "national"],
        &["grid_co2"],
    );
}

/// Rows of sums can be cut only where they begin and end.
#[test]
fn sums_of_times_are_not_cut_where_nobody_knows_their_order() {
    let folder = table("设备,开始,结束,加工(min),关机(min)\nm,2026-03-02 08:00,2026-03-02 16:00,300,180\n");
    let ask = ["kpi", "t.csv", "--offset", "+08:00", "--lang", "en"];
    refused(
        folder.path(),
        &[&ask[..], &["--from", "2026-03-02 12:00"]].concat(),
        &["line 2", "split the row"],
    );
    let whole = json(folder.path(), &[&ask[..], &["--json"]].concat());
    assert_eq!(value(&whole["tables"][0], "iso.availability")["lower"], "5/8");
}

/// The pages for people name every heading that the program knows, and the program knows every heading they name.
#[test]
fn the_pages_of_the_input_name_the_headings_that_are_read() {
    let read = |name: &str| std::fs::read_to_string(examples().join("..").join(name)).unwrap();
    let (zh, en) = (read("input.zh.md"), read("input.md"));
    for (field, chinese, english) in assessor::kpi::columns::HEADINGS {
        assert!(zh.contains(chinese[0]) && zh.contains(english[0]), "{field:?} in input.zh.md");
        assert!(en.contains(chinese[0]) && en.contains(english[0]), "{field:?} in input.md");
    }
    for leaf in kpi::Leaf::ALL {
        assert!(zh.contains(leaf.zh()) && en.contains(leaf.en()), "{leaf:?}");
    }
}

/// A workbook as openpyxl writes it, with a title above the headings, real dates and lengths of time.
#[test]
fn a_workbook_of_another_program_gives_the_same_figures_as_the_csv() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers/bin/python3");
    assert!(python.exists(), "{} is missing; run the tests with tests/run", python.display());
    let folder = tempfile::tempdir().unwrap();
    let script = r#"
import csv, datetime, sys, openpyxl
rows = list(csv.reader(open(sys.argv[1], encoding="utf-8")))
book = openpyxl.Workbook()
sheet = book.active
sheet.title = "班次"
sheet.append(["冲压线日报"])
sheet.append(rows[0])
for row in rows[1:]:
    at = lambda text: datetime.datetime.strptime(text, "%Y/%m/%d %H:%M")
    sheet.append(row[:2] + [at(row[2]), at(row[3])] + [float(x) for x in row[4:]])
book.save(sys.argv[2])
sheet["E3"] = "=1/0"
sheet["F3"] = "很多"
book.create_sheet("说明")
book.save(sys.argv[3])
"#;
    let csv = examples().join("shifts.csv");
    let made = Command::new(python)
        .current_dir(folder.path())
        .args(["-c", script, csv.to_str().unwrap(), "t.xlsx", "bad.xlsx"])
        .output()
        .unwrap();
    assert!(made.status.success(), "{}", said(&made));
    let book = json(folder.path(), &["kpi", "t.xlsx", "--offset", "+08:00", "--json"]);
    let text = json(folder.path(), &["kpi", csv.to_str().unwrap(), "--offset", "+08:00", "--json"]);
    assert_eq!(book["tables"], text["tables"]);
    refused(
        folder.path(),
        &["kpi", "bad.xlsx", "--offset", "+08:00", "--lang", "en"],
        &["2 sheets", "--sheet"],
    );
    refused(
        folder.path(),
        &["kpi", "bad.xlsx", "--offset", "+08:00", "--lang", "en", "--sheet", "班次"],
        &["sheet \"班次\" F3", "\"很多\""],
    );
}
