//! `docs/kpi`: one page a figure and an index, made from the rows that the code computes by and a worked example that
//! the code computes. Nothing is written by hand there, so that page and figure cannot part.

pub mod example;

use std::fmt::Write as _;

use kpi::definition::{self, Basis, Better, Definition, Source, Text};
use kpi::energy::definition as energy;
use kpi::{Figure, Kpi};

use crate::{Lang, figure};

/// How the pages are made again.
pub const COMMAND: &str = "PLUMBLINE_BLESS=1 bash tests/run --test kpi_pages";

/// One file of the folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Its name.
    pub file: String,
    /// Its text, Markdown.
    pub text: String,
}

/// Every page and the index; `None` when the worked example cannot be computed.
pub fn pages() -> Option<Vec<Page>> {
    let (known, unknown) = (example::figures(false)?, example::figures(true)?);
    let mut pages = vec![Page { file: "index.md".to_owned(), text: index() }];
    for row in definition::all() {
        let of = |kpis: &[Kpi]| kpis.iter().find(|k| k.id == row.id).cloned();
        let (known, unknown) = (of(&known)?, of(&unknown)?);
        pages.push(Page {
            file: format!("{}.md", row.text),
            text: page(&Sheet::of(row), Some([&known, &unknown])),
        });
    }
    for row in energy::ALL {
        pages.push(Page { file: format!("{}.md", row.text), text: page(&Sheet::of_energy(row), None) });
    }
    Some(pages)
}

/// What a page is made from, whichever list its row stands in.
struct Sheet {
    id: &'static str,
    name: Text,
    formula: Text,
    unit: Text,
    better: Better,
    basis: Basis,
    source: Source,
    interval: Text,
    moves: Text,
    gaming: Text,
    example: Option<Text>,
}

impl Sheet {
    fn of(d: &Definition) -> Self {
        Self {
            id: d.text,
            name: Text { zh: d.zh, en: d.en },
            formula: Text { zh: d.formula_zh, en: d.formula },
            unit: Text { zh: d.unit.zh(), en: d.unit.en() },
            better: d.better,
            basis: d.basis,
            source: d.source,
            interval: d.interval,
            moves: d.moves,
            gaming: d.gaming,
            example: None,
        }
    }

    fn of_energy(d: &energy::EnergyDefinition) -> Self {
        Self {
            id: d.text,
            name: d.name,
            formula: d.formula,
            unit: d.unit,
            better: d.better,
            basis: d.basis,
            source: d.source,
            interval: d.interval,
            moves: d.moves,
            gaming: d.gaming,
            example: Some(d.example),
        }
    }
}

fn in_lang(lang: Lang, text: Text) -> &'static str {
    match lang {
        Lang::Zh => text.zh,
        Lang::En => text.en,
    }
}

fn better(lang: Lang, better: Better) -> &'static str {
    match better {
        Better::Higher => lang.t("越高越好，以下界判定", "better higher: the lower bound decides"),
        Better::Lower => lang.t("越低越好，以上界判定", "better lower: the upper bound decides"),
    }
}

fn basis(lang: Lang, basis: Basis) -> &'static str {
    match basis {
        Basis::Measured => lang.t("实测", "measured"),
        Basis::MeasuredWithDeclared => lang.t(
            "实测，另含申报量（节拍、计划、系数等）",
            "measured, with declared quantities (cycles, plan, factors)",
        ),
        Basis::Declared => lang.t("申报，附文件", "declared, with a document"),
    }
}

fn page(sheet: &Sheet, example: Option<[&Kpi; 2]>) -> String {
    let mut out = format!(
        "# {} · {}\n\n`{}`\n\n由命令生成 / written by a command: `{COMMAND}`。[目录 / index](index.md)\n",
        sheet.name.zh, sheet.name.en, sheet.id
    );
    for lang in [Lang::Zh, Lang::En] {
        part(&mut out, lang, sheet, example);
    }
    out
}

fn part(out: &mut String, lang: Lang, sheet: &Sheet, example: Option<[&Kpi; 2]>) {
    let t = |text: Text| in_lang(lang, text);
    // Writing to a String cannot fail, here and below.
    let _ = writeln!(out, "\n## {}\n", lang.t("中文", "English"));
    let source = match (t(sheet.source.document), t(sheet.source.clause)) {
        (document, "") => document.to_owned(),
        (document, clause) => format!("{document}{}{clause}", lang.t("：", ": ")),
    };
    let rows = [
        (lang.t("公式", "Formula"), t(sheet.formula).to_owned()),
        (lang.t("单位", "Unit"), t(sheet.unit).to_owned()),
        (lang.t("方向", "Direction"), better(lang, sheet.better).to_owned()),
        (lang.t("依据", "Rests on"), basis(lang, sheet.basis).to_owned()),
        (lang.t("出处", "Source"), source),
    ];
    let _ = writeln!(out, "| | |\n|---|---|");
    for (label, value) in rows {
        let _ = writeln!(out, "| {label} | {} |", value.replace('|', "\\|"));
    }
    let sections = [
        (lang.t("区间与未知时间", "Interval and unknown time"), sheet.interval),
        (lang.t("什么会改变它", "What moves it"), sheet.moves),
        (lang.t("如何作假，由什么核对", "How it can be gamed, and which check answers"), sheet.gaming),
    ];
    for (heading, text) in sections {
        let _ = writeln!(out, "\n### {heading}\n\n{}", t(text));
    }
    let _ = writeln!(out, "\n### {}\n", lang.t("算例", "Worked example"));
    match (example, sheet.example) {
        (Some([known, unknown]), _) => worked(out, lang, known, unknown),
        (None, Some(text)) => {
            let _ = writeln!(out, "{}", t(text));
        }
        (None, None) => {}
    }
}

fn worked(out: &mut String, lang: Lang, known: &Kpi, unknown: &Kpi) {
    let (day, without) = (example::WORDS, example::UNKNOWN_WORDS);
    let _ = writeln!(out, "{}\n", lang.t(day.0, day.1));
    let heads = [
        lang.t("情形", "Case"),
        lang.t("分子", "Numerator"),
        lang.t("分母", "Denominator"),
        lang.t("数值", "Value"),
        lang.t("覆盖率", "Coverage"),
    ];
    let _ = writeln!(out, "| {} |\n|---|---|---|---|---|", heads.join(" | "));
    for (case, kpi) in
        [(lang.t("全天已知", "The whole day known"), known), (lang.t(without.0, without.1), unknown)]
    {
        let term = |term: &Option<kpi::Term>| {
            term.as_ref().map_or_else(|| "–".to_owned(), |t| figure::operand(lang, t))
        };
        let value = match &kpi.value {
            Figure::Interval { .. } => {
                format!("**{}** {}", figure::value(lang, kpi), figure::unit(lang, kpi.unit))
            }
            Figure::Undefined { reason } => figure::undefined(lang, *reason).to_owned(),
        };
        let coverage = figure::coverage(lang, kpi);
        let _ = writeln!(
            out,
            "| {case} | {} | {} | {value} | {coverage} |",
            term(&kpi.numerator),
            term(&kpi.denominator)
        );
    }
}

fn index() -> String {
    let mut out = format!(
        "# 指标 · Key figures\n\n由命令生成 / written by a command: `{COMMAND}`。\n\n\
         每个指标一页：公式、出处、算例、什么会改变它、如何作假及由什么核对。由证据包或自己的表格计算：[输入说明](input.zh.md)。\n\n\
         One page a figure: formula, source, worked example, what moves it, how it can be gamed and which check answers.\n\
         Computed from a bundle or from a table of your own: [input](input.md).\n\n\
         方法版本 / method version: {}\n\n\
         | 指标 | Figure | 公式 | Formula | 单位 · unit | 方向 · better | id |\n|---|---|---|---|---|---|---|\n",
        kpi::METHOD_VERSION
    );
    for sheet in definition::all().map(Sheet::of).chain(energy::ALL.iter().map(Sheet::of_energy)) {
        let unit = if sheet.unit.zh == sheet.unit.en {
            sheet.unit.zh.to_owned()
        } else {
            format!("{} · {}", sheet.unit.zh, sheet.unit.en)
        };
        let arrow = if sheet.better == Better::Higher { "↑" } else { "↓" };
        let cells = [
            sheet.name.zh.to_owned(),
            sheet.name.en.to_owned(),
            sheet.formula.zh.to_owned(),
            sheet.formula.en.to_owned(),
            unit,
            arrow.to_owned(),
            format!("[`{id}`]({id}.md)", id = sheet.id),
        ];
        let cells: Vec<String> = cells.iter().map(|c| c.replace('|', "\\|")).collect();
        let _ = writeln!(out, "| {} |", cells.join(" | "));
    }
    out
}
