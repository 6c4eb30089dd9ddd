//! Reports worded: made by hand where only words matter, and over an hour of invented windows whose figures
//! the real arithmetic computes.

use std::collections::BTreeMap;

use kpi::figure::{Feeds, StateFrom};
use kpi::totals::Standing;
use kpi::{
    Amount, AmountQuality, Calendar, Cuts, EvidenceClass, MachineTotals, MachineWindow, Period, Scope,
    Subject,
};
use verify::DefectCode;
use verify::code::Spoils;
use verify::report::{
    Answer, Authentic, Complete, CompleteAnswer, DefectGroup, Figures, KpiTable, LogSummary, MachineReport,
    Plausible, Presence, ProjectSummary, RangeList, Ranges, Report, TimeGrade, TimeReport, TrustSummary,
};
use verify::timeline::{EnergyCell, Timeline, TimelineCell, TimelineRow};

use super::*;
use crate::html;

const START: i64 = 1_770_000_000 - 1_770_000_000 % 3600;
const HOUR: Period = Period { from: START, to: START + 3600 };
const NAMES: [(&str, &str); 4] = [
    ("cnc-01", "五轴加工中心 1 号"),
    ("press-03", "冲床 3 号"),
    ("evil", "\"><script>alert(1)</script>\u{202e}"),
    ("robot-7", "焊接机器人 7"),
];

fn machine(index: u32, (id, name): (&str, &str), missing: &[Period]) -> MachineReport {
    let missing_ms = missing.iter().map(|p| p.ms()).sum();
    MachineReport {
        kind: verify::report::Kind::Machine,
        index,
        id: id.into(),
        name: name.into(),
        line: "A".into(),
        agent: "edge-07".into(),
        digital: true,
        numerically_controlled: index == 0,
        key_operation: index == 0,
        domestic: true,
        class: if index == 1 { EvidenceClass::C } else { EvidenceClass::B },
        mapping: format!("{index}f").repeat(32),
        rated_w: Some(15_000),
        presence: Presence { present_ms: HOUR.ms() - missing_ms, missing_ms, ..Presence::default() },
        ranges: Ranges { missing: RangeList { first: missing.to_vec(), omitted: 0 }, ..Ranges::default() },
    }
}

pub(super) fn report() -> Report {
    let gap = Period { from: START + 1200, to: START + 1800 };
    let machines: Vec<MachineReport> = (0..).zip(NAMES).map(|(i, name)| machine(i, name, &[gap])).collect();
    Report {
        schema: 1,
        program: "plumbline-verify 0.1.0".into(),
        demonstration: true,
        authentic: Authentic { verdict: Answer::Yes, entries_checked: 1284 },
        complete: Complete {
            verdict: CompleteAnswer::No,
            period: Some(HOUR),
            period_is_from_trust: true,
            presence: Presence { present_ms: 12_000_000, missing_ms: 2_400_000, ..Presence::default() },
        },
        plausible: Plausible {
            verdict: Answer::Yes,
            thresholds: "1".into(),
            findings: vec![],
            omitted: BTreeMap::new(),
        },
        time: TimeReport {
            grade: TimeGrade::OperatorOnly,
            newest: Some(HOUR.to + 5),
            max_lag_s: 600,
            longest_lag_s: Some(7),
            late_windows: 0,
            unattested_windows: 0,
            statements_with_lower_bound: 40,
        },
        defects: vec![],
        log: Some(LogSummary {
            folder: "plumbline-SY-2024-017".into(),
            origin: "plumbline.example/SY-2024-017".into(),
            size: 1284,
            root: "ab".repeat(32),
            note: "cd".repeat(32),
            kinds: BTreeMap::from([("genesis".into(), 1), ("window".into(), 1283)]),
        }),
        project: Some(ProjectSummary {
            id: "SY-2024-017".into(),
            registrar: "registrar".into(),
            signed_at: START - 100,
            step_s: 60,
            utc_offset_min: 480,
            max_lag_s: 600,
            raw_retention_days: 400,
            periods: vec![],
            calendar: "default-24/7-with-order/1".into(),
            definitions: BTreeMap::from([("mapping/cnc-01".into(), "00".repeat(32))]),
        }),
        trust: TrustSummary {
            log: "plumbline.example/SY-2024-017+aabbccdd+AQID".into(),
            receipt: "ef".repeat(32),
            registrar: "12".repeat(32),
            operator_time: None,
            period: Some(HOUR),
        },
        machines,
        plans: vec![],
        keys: vec![],
        figures: None,
    }
}

/// One window: `minute` decides what the machine does, the energy register counts 200 Wh a minute.
fn window(minute: u32) -> MachineWindow {
    let mut window = MachineWindow::unknown(60_000);
    window.states_ms = [0; 9];
    window.states_ms[match minute {
        10..15 => 8,
        _ => 5,
    }] = 50_000;
    window.states_ms[1] = 10_000;
    let quality = if minute == 30 { AmountQuality::Bridged } else { AmountQuality::Register };
    window.energy = Amount { register: i64::from(minute) * 200_000, quality };
    window.parts = Amount { register: i64::from(minute / 3), quality };
    window
}

fn totals(cuts: &Cuts) -> MachineTotals {
    let mut totals = MachineTotals::new([true, true, false]);
    for minute in (0..60).filter(|m| !(20..30).contains(m)) {
        let standing = Standing { counted: true, opening: minute == 0 };
        let t = START + i64::from(minute) * 60;
        totals.window(cuts, &Calendar::Always, t, &window(minute), &[], standing).unwrap();
    }
    totals
}

fn timeline() -> Timeline {
    let cell = |minute: i64| {
        let gap = (20..30).contains(&minute);
        let window = window(u32::try_from(minute).unwrap());
        TimelineCell {
            from: START + minute * 60,
            to: START + minute * 60 + 60,
            states_ms: if gap { [0; 9] } else { window.states_ms.map(u64::from) },
            down_ms: 0,
            missing_ms: if gap { 60_000 } else { 0 },
            energy_mwh: (!gap).then_some(EnergyCell {
                lower: 200_000,
                upper: Some(200_000),
                bridged: minute == 30,
            }),
        }
    };
    let row = |(id, _): &(&str, &str)| TimelineRow {
        machine: (*id).to_owned(),
        cells: (0..60).map(cell).collect(),
    };
    Timeline { period: Some(HOUR), cell_s: 60, rows: NAMES.iter().map(row).collect() }
}

pub(super) fn figures() -> Figures {
    let cuts = Cuts::new(60, 480, &[HOUR]).unwrap();
    let totals = totals(&cuts);
    let scope = Scope { period: HOUR, cuts: &cuts, statements: None, good_condition: None };
    let subject = |id| Subject {
        id,
        totals: &totals,
        digital: true,
        feeds: Feeds {
            state: StateFrom::Controller,
            parts: true,
            power_meter: false,
            spindle: false,
            cutting: false,
        },
        mapping: "00112233445566778899aabbccddeeff",
        calendar: &Calendar::Always,
        cycles: None,
    };
    let subjects: Vec<Subject<'_>> = NAMES.iter().map(|(id, _)| subject(*id)).collect();
    let table = |machine: Option<&str>, subjects: &[Subject<'_>]| KpiTable {
        name: "period".into(),
        period: HOUR,
        machine: machine.map(str::to_owned),
        times: totals.times(&cuts, &Calendar::Always, HOUR),
        kpis: kpi::kpis(scope, subjects),
    };
    let mut tables = vec![table(None, &subjects)];
    tables.extend(subjects.iter().map(|s| table(Some(s.id), std::slice::from_ref(s))));
    Figures { tables, timeline: timeline() }
}

fn worded(lang: Lang) -> Document {
    let report = report();
    let c = Context::new(&report, lang);
    let mut document = document(&report, lang);
    figures::put(&mut document, c, &figures());
    pictures::put(&mut document, c, &figures());
    document
}

#[test]
fn what_is_missing_for_every_machine_is_one_question() {
    let document = document(&report(), Lang::Zh);
    assert_eq!(document.missing.len(), 1);
    let row = &document.missing[0];
    assert_eq!((row.who.as_str(), row.length.as_str()), ("全部 4 台设备", "10 分"));
    assert!(!row.ask.is_empty());
    assert_eq!(document.level, Level::Bad);
    assert!(document.summary.contains("缺 40 分"), "{}", document.summary);
}

fn unapproved(outside: u64, count: u64) -> DefectGroup {
    let code = DefectCode::DefinitionsHash;
    DefectGroup {
        code,
        spoils: code.spoils(),
        zh: code.zh(),
        en: code.en(),
        ask_zh: code.ask_zh(),
        ask_en: code.ask_en(),
        count,
        outside,
        first: vec![Defect { period: Some(HOUR), ..Defect::default() }],
    }
}

/// A report of machines that all have their records.
fn nothing_gone(verdict: CompleteAnswer, defect: DefectGroup) -> Report {
    let mut report = report();
    report.machines = (0..).zip(NAMES).map(|(i, name)| machine(i, name, &[])).collect();
    report.complete.verdict = verdict;
    report.complete.presence = Presence { present_ms: 4 * HOUR.ms(), ..Presence::default() };
    report.defects.push(defect);
    report
}

/// All that a reader takes for the answer to “complete”.
fn headline(d: &Document) -> String {
    [d.summary.as_str(), &d.verdicts[2].sentence, &d.verdicts[2].ask, &d.nothing_missing].join("\n")
}

#[test]
fn windows_of_an_unapproved_mapping_are_not_called_missing() {
    let mut report = nothing_gone(CompleteAnswer::No, unapproved(0, 1));
    let ten = Period { from: START + 600, to: START + 1200 };
    report.complete.presence.unapproved_ms = ten.ms();
    report.machines[1].ranges.unapproved.push(ten);
    for (lang, amount, by, nought) in [
        (Lang::Zh, "10 分", "状态映射未经登记方批准", "缺 0 秒"),
        (Lang::En, "10 min", "a mapping nobody approved", " 0 s"),
    ] {
        let document = document(&report, lang);
        let range = Context::new(&report, lang).range(ten);
        for said in [&document.summary, &document.verdicts[2].sentence] {
            assert!(said.contains(amount) && said.contains(by) && said.contains(&range), "{said}");
        }
        assert_eq!(document.verdicts[2].ask, lang.t(report.defects[0].ask_zh, report.defects[0].ask_en));
        assert!(!headline(&document).contains(nought), "{}", headline(&document));
        assert_eq!((document.missing.len(), document.level), (1, Level::Bad));
    }
}

#[test]
fn what_spoils_completeness_is_named_even_where_no_time_is_counted_for_it() {
    // Windows that were late as well count as late.
    let report = nothing_gone(CompleteAnswer::No, unapproved(0, 1));
    for lang in [Lang::Zh, Lang::En] {
        let document = document(&report, lang);
        let range = Context::new(&report, lang).range(HOUR);
        let means = lang.t(report.defects[0].zh, report.defects[0].en);
        for said in [&document.summary, &document.verdicts[2].sentence, &document.nothing_missing] {
            assert!(said.contains(means) && said.contains(&range), "{said}");
        }
        assert!(!headline(&document).contains(lang.t("缺 0 秒", " 0 s")));
    }
}

#[test]
fn a_defect_outside_the_period_is_listed_and_said_not_to_touch_it() {
    let report = nothing_gone(CompleteAnswer::Yes, unapproved(1, 1));
    let document = document(&report, Lang::En);
    assert_eq!((document.level, document.defects[0].level), (Level::Good, Level::Note));
    assert!(document.summary.contains("defects outside the period"), "{}", document.summary);
    assert!(document.defects[0].places[0].contains("does not spoil"));
    // One of two outside still spoils.
    let report = nothing_gone(CompleteAnswer::No, unapproved(1, 2));
    assert_eq!(super::document(&report, Lang::En).defects[0].level, Level::Bad);
}

#[test]
fn the_first_step_enters_the_folder_that_the_archive_has() {
    let steps = document(&report(), Lang::En).steps;
    assert!(steps[0].code.contains("\ncd plumbline-SY-2024-017\n"), "{}", steps[0].code);
}

#[test]
fn a_share_is_printed_with_its_lower_bound_down_and_its_upper_bound_up() {
    let document = worded(Lang::Zh);
    let availability = document.kpis.iter().find(|k| k.id == "iso.availability").unwrap();
    // 45 minutes × 50 s of 3600 s, and ten unknown minutes more.
    assert_eq!(availability.value, "62.50 – 79.17");
    let fact = |label: &str| &availability.facts.iter().find(|f| f.label == label).unwrap().value;
    assert_eq!(fact("分子"), "APT = 9,000 – 11,400 秒");
    assert_eq!(fact("分母"), "PBT = 14,400 秒");
    assert!(fact("覆盖率").starts_with("83.33 % · 暂定") && availability.provisional);
    assert_eq!(availability.bar.map(|b| (b.sure(), b.open())), Some(("62.5".into(), "16.67".into())));
}

#[test]
fn energy_over_a_stretch_that_nobody_signed_has_a_lower_bound_alone() {
    for (lang, want) in [(Lang::Zh, "至少 38.400"), (Lang::En, "at least 38.400")] {
        let document = worded(lang);
        let energy = document.kpis.iter().find(|k| k.id == "energy.electricity").unwrap();
        assert_eq!((energy.value.as_str(), energy.unit.as_str(), energy.bar), (want, "kWh", None));
    }
}

#[test]
fn every_machine_has_a_row_in_every_table_and_chart() {
    let document = worded(Lang::Zh);
    assert_eq!((document.machines.rows.len(), document.states.rows.len()), (4, 4));
    for table in [&document.machines, &document.periods] {
        assert!(table.rows.iter().all(|row| row.cells.len() + 1 == table.heads.len()));
    }
    assert!(document.states.rows.iter().all(|row| row.cells.len() == document.legend.len()));
    for svg in [&document.timeline, &document.energy] {
        assert_eq!(svg.matches("<g>").count(), 4);
    }
    assert!(document.timeline.contains("class=\"gap\""));
}

#[test]
fn evidence_that_does_not_hold_has_defects_with_a_question_and_no_figures() {
    let mut report = report();
    let code = DefectCode::EntrySignature;
    report.authentic.verdict = Answer::No;
    report.defects.push(DefectGroup {
        code,
        spoils: Spoils::Authentic,
        zh: code.zh(),
        en: code.en(),
        ask_zh: code.ask_zh(),
        ask_en: code.ask_en(),
        count: 9,
        outside: 0,
        first: vec![Defect { entry: Some(7), subject: Some("cnc-01".into()), ..Defect::default() }],
    });
    let document = document(&report, Lang::Zh);
    assert_eq!(document.level, Level::Bad);
    assert!(document.kpis.is_empty() && document.timeline.is_empty());
    let defect = &document.defects[0];
    assert_eq!(defect.code, "E-ENTRY-SIGNATURE");
    assert!(
        defect.places.iter().any(|p| p.contains("日志条目 7") && p.contains("五轴加工中心 1 号 (cnc-01)"))
    );
    assert!(defect.places.iter().any(|p| p.contains("另有处数：8")));
    assert_eq!(document.verdicts[0].ask, code.ask_zh());
    assert_eq!(document.verdicts[3].answer, "未检查");
}

#[test]
fn a_bundle_that_cannot_be_read_still_has_a_page() {
    let mut report = report();
    report.authentic.verdict = Answer::No;
    report.complete = Complete {
        verdict: CompleteAnswer::Undecided,
        period: None,
        period_is_from_trust: false,
        presence: Presence::default(),
    };
    (report.log, report.project) = (None, None);
    report.machines.clear();
    for lang in [Lang::Zh, Lang::En] {
        assert!(html::page(&document(&report, lang)).unwrap().contains("</html>"));
    }
}

#[test]
fn the_english_page_is_english_and_the_chinese_page_names_figures_in_both() {
    let cjk = |c: char| ('\u{4e00}'..='\u{9fff}').contains(&c);
    let mut document = worded(Lang::En);
    document.kpis.iter_mut().for_each(|k| k.other_name.clear());
    let page = html::page(&document).unwrap();
    let mut left = page.replace("演示，不是证据", "").replace("准绳", "");
    for (_, name) in NAMES {
        left = left.replace(name, "");
    }
    let stray: String = left.chars().filter(|c| cjk(*c)).collect();
    assert_eq!(stray, "");
    let page = html::page(&worded(Lang::Zh)).unwrap();
    assert!(page.contains("开机率") && page.contains("power-on rate"));
}

#[test]
fn a_year_of_a_hundred_machines_is_a_page_of_a_few_megabytes_and_loses_no_time() {
    let report = report();
    let c = Context::new(&report, Lang::Zh);
    let mut figures = figures();
    let row = figures.timeline.rows[0].clone();
    let cells: Vec<TimelineCell> = (0..480)
        .map(|i| {
            let from = START + i * 65_700;
            TimelineCell { from, to: from + 65_700, ..row.cells[usize::try_from(i % 60).unwrap()].clone() }
        })
        .collect();
    figures.timeline = Timeline {
        period: Some(Period { from: START, to: START + 480 * 65_700 }),
        cell_s: 65_700,
        rows: vec![TimelineRow { machine: row.machine, cells }; 100],
    };
    let mut document = document(&report, Lang::Zh);
    pictures::put(&mut document, c, &figures);
    assert_eq!(document.timeline.matches("<g>").count(), 100);
    assert!(html::page(&document).unwrap().len() < 6_000_000);
    // 480 cells are eight hours, of which a sixth is a gap.
    assert_eq!(document.states.rows[0].cells.last().unwrap(), "1:20:00");
}

#[test]
fn the_same_report_gives_the_same_bytes_without_any_date_of_its_own() {
    assert_eq!(html::page(&worded(Lang::Zh)).unwrap(), html::page(&worded(Lang::Zh)).unwrap());
}

#[test]
fn a_hostile_name_stays_text_in_every_part_of_the_page() {
    let page = html::page(&worded(Lang::Zh)).unwrap();
    assert!(!page.contains("<script") && !page.contains('\u{202e}'));
}
