//! Figures with everything they carry. A bare number is never shown: each has its formula, operands,
//! boundary, period, coverage, evidence class, calendar, mappings, method and the hash of its records.

use kpi::round::Rounding;
use kpi::{Figure, Kpi, KpiId, Rational, definition::Unit};
use verify::report::{Figures, KpiTable};

use super::names::capital;
use super::{Context, names};
use crate::Lang;
use crate::model::{Bar, Document, Fact, Head, KpiBlock, Table, TableRow};
use crate::{figure, number};

/// The figures of a machine's row; the page has not the room for all.
const OF_A_MACHINE: [KpiId; 7] = [
    KpiId::PowerOnRate,
    KpiId::Availability,
    KpiId::Utilization,
    KpiId::Technical,
    KpiId::Energy,
    KpiId::EnergyPerPart,
    KpiId::ConnectionRate,
];

/// Puts project figures, other periods and machines into the document.
pub(crate) fn put(document: &mut Document, c: Context<'_>, figures: &Figures) {
    let Some(headline) = headline(figures) else { return };
    document.kpis = headline.kpis.iter().map(|kpi| block(c, headline, kpi)).collect();
    document.periods = periods(c, figures, headline);
    document.machines = machines(c, figures, headline);
}

/// The period that the assessor asked for, else the whole extent, else whatever stands first.
fn headline(figures: &Figures) -> Option<&KpiTable> {
    let project = || figures.tables.iter().filter(|t| t.machine.is_none());
    ["period", "extent"]
        .into_iter()
        .find_map(|name| project().find(|t| t.name == name))
        .or_else(|| project().next())
}

fn period_name(c: Context<'_>, table: &KpiTable) -> String {
    match table.name.as_str() {
        "period" => c.t("评估期", "period assessed").to_owned(),
        "extent" => c.t("全部记录", "all records").to_owned(),
        name => name.to_owned(),
    }
}

fn block(c: Context<'_>, table: &KpiTable, kpi: &Kpi) -> KpiBlock {
    let (name, other_name) = match c.lang {
        Lang::Zh => (kpi.name_zh, kpi.name_en),
        Lang::En => (kpi.name_en, kpi.name_zh),
    };
    KpiBlock {
        name: capital(name),
        other_name: other_name.to_owned(),
        id: kpi.id.definition().text.to_owned(),
        value: figure::value(c.lang, kpi),
        unit: figure::unit(c.lang, kpi.unit).to_owned(),
        undefined: match kpi.value {
            Figure::Undefined { reason } => figure::undefined(c.lang, reason).to_owned(),
            Figure::Interval { .. } => String::new(),
        },
        provisional: kpi.provisional,
        bar: bar(kpi),
        facts: facts(c, table, kpi),
    }
}

/// Shares of a whole as a picture; values above the whole have none.
fn bar(kpi: &Kpi) -> Option<Bar> {
    let Figure::Interval { lower, upper: Some(upper) } = &kpi.value else { return None };
    if kpi.unit != Unit::Ratio || *upper > Rational::integer(1) {
        return None;
    }
    let parts = |r: &Rational| {
        number::decimal(&(r.clone() * Rational::integer(10_000)), 0, Rounding::HalfEven)
            .replace(',', "")
            .parse()
            .ok()
    };
    Some(Bar { lower: parts(lower)?, upper: parts(upper)? })
}

fn facts(c: Context<'_>, table: &KpiTable, kpi: &Kpi) -> Vec<Fact> {
    let mut facts = vec![Fact::new(c.t("公式", "Formula"), figure::formula(c.lang, kpi))];
    if let Some(term) = &kpi.numerator {
        facts.push(Fact::new(c.t("分子", "Numerator"), figure::operand(c.lang, term)));
    }
    if let Some(term) = &kpi.denominator {
        facts.push(Fact::new(c.t("分母", "Denominator"), figure::operand(c.lang, term)));
    }
    facts.push(Fact::new(c.t("边界", "Boundary"), boundary(c, kpi)));
    if !kpi.excluded.is_empty() {
        let left_out: Vec<String> = kpi.excluded.iter().map(|e| excluded(c, e)).collect();
        facts.push(Fact::new(c.t("不计入", "Left out"), left_out.join(c.t("；", "; "))));
    }
    let period = format!("{} · {}{}", period_name(c, table), c.range(kpi.period), c.zone());
    facts.push(Fact::new(c.t("期间", "Period"), period));
    facts.push(Fact::new(c.t("覆盖率", "Coverage"), figure::coverage(c.lang, kpi)));
    facts.push(Fact::new(c.t("证据等级", "Class"), figure::class(c.lang, kpi.class)));
    facts.push(Fact::new(c.t("日历", "Calendar"), figure::calendar(c.lang, &kpi.calendar)));
    facts.push(Fact::code(c.t("状态映射", "Mappings"), figure::short_hashes(&kpi.mappings)));
    if let Some(hash) = &kpi.statements {
        facts.push(Fact::code(c.t("记录哈希", "Records"), hash.clone()));
    }
    facts.push(Fact::new(c.t("方法版本", "Method"), kpi.method));
    facts
}

fn boundary(c: Context<'_>, kpi: &Kpi) -> String {
    let names: Vec<String> = kpi.machines.iter().map(|id| names::of(c.report, id)).collect();
    let n = names.len();
    let count = match c.lang {
        Lang::Zh => format!("{n} 台设备"),
        Lang::En => format!("{n} machine{}", if n == 1 { "" } else { "s" }),
    };
    if n == 0 || n > 12 || n == c.report.machines.len() {
        return count;
    }
    format!("{count}{}{}", c.t("：", ": "), names.join(c.t("、", ", ")))
}

fn excluded(c: Context<'_>, e: &kpi::Excluded) -> String {
    let reason = figure::exclusion(c.lang, e.reason);
    format!("{}{}{reason}", names::of(c.report, &e.machine), c.t("：", ": "))
}

fn head(c: Context<'_>, kpi: KpiId) -> String {
    let d = kpi.definition();
    let name = c.lang.t(d.zh, d.en).split('（').next().unwrap_or_default();
    format!("{} {}", capital(name), figure::unit(c.lang, d.unit))
}

fn periods(c: Context<'_>, figures: &Figures, headline: &KpiTable) -> Table {
    let others: Vec<&KpiTable> =
        figures.tables.iter().filter(|t| t.machine.is_none() && t.name != headline.name).collect();
    if others.is_empty() {
        return Table::default();
    }
    let mut heads = vec![words(c.t("指标", "Figure"))];
    heads
        .extend(others.iter().map(|t| digits_head(format!("{} · {}", period_name(c, t), c.range(t.period)))));
    let rows = headline.kpis.iter().map(|kpi| TableRow {
        name: head(c, kpi.id),
        id: String::new(),
        cells: others.iter().map(|table| in_cell(c, table, kpi.id)).collect(),
    });
    Table { rows: rows.collect(), heads }
}

fn machines(c: Context<'_>, figures: &Figures, headline: &KpiTable) -> Table {
    let mut heads = vec![words(c.t("设备", "Machine"))];
    heads.extend(OF_A_MACHINE.iter().map(|id| digits_head(head(c, *id))));
    heads.push(digits_head(c.t("件数", "Parts").to_owned()));
    let rows = c.report.machines.iter().map(|m| {
        let mine = |t: &&KpiTable| t.name == headline.name && t.machine.as_deref() == Some(m.id.as_str());
        let table = figures.tables.iter().find(mine);
        let mut cells: Vec<String> =
            OF_A_MACHINE.iter().map(|id| table.map_or_else(dash, |t| in_cell(c, t, *id))).collect();
        cells.push(table.map_or_else(dash, |t| parts(c, t)));
        let (line, class) = (c.t("产线", "line"), c.t("等级", "class"));
        let id = format!("{} · {line} {} · {} · {class} {:?}", m.id, m.line, m.agent, m.class);
        TableRow { name: m.name.clone(), id, cells }
    });
    Table { rows: rows.collect(), heads }
}

fn words(text: &str) -> Head {
    Head { text: text.to_owned(), number: false }
}

fn digits_head(text: String) -> Head {
    Head { text, number: true }
}

fn dash() -> String {
    "–".to_owned()
}

fn in_cell(c: Context<'_>, table: &KpiTable, id: KpiId) -> String {
    let text = table.kpis.iter().find(|k| k.id == id).map_or_else(String::new, |k| figure::value(c.lang, k));
    if text.is_empty() { dash() } else { text }
}

fn parts(c: Context<'_>, table: &KpiTable) -> String {
    let per_part = table.kpis.iter().find(|k| k.id == KpiId::EnergyPerPart);
    let term = per_part.and_then(|k| k.denominator.as_ref());
    term.map_or_else(dash, |t| figure::bounds(c.lang, &t.lower, t.upper.as_ref(), 0))
}
