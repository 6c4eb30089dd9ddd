//! Figures with everything they carry. A bare number is never shown: each has its formula, operands,
//! boundary, period, coverage, evidence class, calendar, mappings, method and the hash of its records.

use kpi::round::Rounding;
use kpi::{EvidenceClass, Figure, Kpi, KpiId, Rational, Term, Undefined, definition::Unit};
use verify::report::{Figures, KpiTable};

use super::names::capital;
use super::{Context, names};
use crate::Lang;
use crate::model::{Bar, Document, Fact, Head, KpiBlock, Table, TableRow};
use crate::number;

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
        value: value(c, kpi),
        unit: unit(c, kpi.unit).to_owned(),
        undefined: match kpi.value {
            Figure::Undefined { reason } => undefined(c.lang, reason).to_owned(),
            Figure::Interval { .. } => String::new(),
        },
        provisional: kpi.provisional,
        bar: bar(kpi),
        facts: facts(c, table, kpi),
    }
}

fn undefined(lang: Lang, reason: Undefined) -> &'static str {
    lang.t(reason.zh(), reason.en())
}

fn unit(c: Context<'_>, unit: Unit) -> &'static str {
    c.lang.t(unit.zh(), unit.en())
}

/// The value as printed, without its unit; empty when there is none.
pub(crate) fn value(c: Context<'_>, kpi: &Kpi) -> String {
    let Figure::Interval { lower, upper } = &kpi.value else { return String::new() };
    let hundred = Rational::integer(100);
    let scaled = |r: &Rational| if kpi.unit == Unit::Ratio { r.clone() * hundred.clone() } else { r.clone() };
    bounds(c, &scaled(lower), upper.as_ref().map(scaled).as_ref(), digits(kpi))
}

fn bounds(c: Context<'_>, lower: &Rational, upper: Option<&Rational>, digits: u32) -> String {
    match upper {
        Some(upper) => number::interval(lower, upper, digits),
        None => format!("{} {}", c.t("至少", "at least"), number::decimal(lower, digits, Rounding::Down)),
    }
}

/// Two decimals for shares; small amounts of energy are shown down to the milliwatt-hour, large ones to ten.
fn digits(kpi: &Kpi) -> u32 {
    let Figure::Interval { lower, upper } = &kpi.value else { return 0 };
    let most = upper.as_ref().unwrap_or(lower);
    match kpi.unit {
        Unit::KilowattHours | Unit::KilowattHoursPerPart if most.is_zero() => 0,
        Unit::KilowattHours | Unit::KilowattHoursPerPart if *most < Rational::integer(1) => 6,
        Unit::KilowattHours | Unit::KilowattHoursPerPart if *most < Rational::integer(100) => 3,
        Unit::Ratio
        | Unit::KilowattHours
        | Unit::KilowattHoursPerPart
        | Unit::PartsPerHour
        | Unit::Hours => 2,
    }
}

/// The formula; in Chinese it is said in words beside the symbols of ISO 22400-2.
fn formula(c: Context<'_>, kpi: &Kpi) -> String {
    c.t(kpi.id.definition().formula_zh, kpi.formula).to_owned()
}

/// A symbol that is an English word, in the report's language.
fn symbol<'a>(c: Context<'a>, symbol: &'a str) -> &'a str {
    match symbol {
        "on" => c.t("开机", "on"),
        "calendar" => c.t("日历", "calendar"),
        "connected" => c.t("已联网", "connected"),
        "machines × days" => c.t("台数 × 天数", "machines × days"),
        other => other,
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
    let mut facts = vec![Fact::new(c.t("公式", "Formula"), formula(c, kpi))];
    if let Some(term) = &kpi.numerator {
        facts.push(Fact::new(c.t("分子", "Numerator"), operand(c, term)));
    }
    if let Some(term) = &kpi.denominator {
        facts.push(Fact::new(c.t("分母", "Denominator"), operand(c, term)));
    }
    facts.push(Fact::new(c.t("边界", "Boundary"), boundary(c, kpi)));
    if !kpi.excluded.is_empty() {
        let left_out: Vec<String> = kpi.excluded.iter().map(|e| excluded(c, e)).collect();
        facts.push(Fact::new(c.t("不计入", "Left out"), left_out.join(c.t("；", "; "))));
    }
    let period = format!("{} · {}{}", period_name(c, table), c.range(kpi.period), c.zone());
    facts.push(Fact::new(c.t("期间", "Period"), period));
    facts.push(Fact::new(c.t("覆盖率", "Coverage"), coverage(c, kpi)));
    facts.push(Fact::new(c.t("证据等级", "Class"), class(c.lang, kpi.class)));
    facts.push(Fact::new(c.t("日历", "Calendar"), calendar(c, &kpi.calendar)));
    facts.push(Fact::code(c.t("状态映射", "Mappings"), short_hashes(&kpi.mappings)));
    if let Some(hash) = &kpi.statements {
        facts.push(Fact::code(c.t("记录哈希", "Records"), hash.clone()));
    }
    facts.push(Fact::new(c.t("方法版本", "Method"), kpi.method));
    facts
}

fn operand(c: Context<'_>, term: &Term) -> String {
    let (divisor, digits, unit) = match term.unit {
        "ms" => (1000u32, 3, c.t("秒", "s")),
        "mWh" => (1_000_000, 6, "kWh"),
        "pcs" => (1, 0, c.t("件", "pcs")),
        "machine-days" => (1, 0, c.t("台·天", "machine-days")),
        other => (1, 0, other),
    };
    let scaled = |r: &Rational| Rational::ratio(1, divisor).map_or_else(|| r.clone(), |d| r.clone() * d);
    let text = bounds(c, &scaled(&term.lower), term.upper.as_ref().map(scaled).as_ref(), digits);
    format!("{} = {} {unit}", symbol(c, term.symbol), whole(&text))
}

/// `5.000` is shown as `5`: operands are exact, and trailing zeros would suggest a measured precision.
fn whole(text: &str) -> String {
    let trim = |part: &str| {
        if part.contains('.') {
            part.trim_end_matches('0').trim_end_matches('.').to_owned()
        } else {
            part.to_owned()
        }
    };
    text.split(' ').map(trim).collect::<Vec<_>>().join(" ")
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
    let reason = match e.reason {
        kpi::figure::Exclusion::NoEnergyRegister => {
            c.t("名册中没有电能表", "no energy register in the roster")
        }
        kpi::figure::Exclusion::NoPartRegister => c.t("名册中没有计件", "no part register in the roster"),
        kpi::figure::Exclusion::NotDigital => {
            c.t("名册中不是数字化设备", "not a digital machine in the roster")
        }
        kpi::figure::Exclusion::NoStates => c.t("计量表没有状态", "a meter has no states"),
        kpi::figure::Exclusion::NotMeasured => c.t("仅列名，未计量", "listed, not measured"),
    };
    format!("{}{}{reason}", names::of(c.report, &e.machine), c.t("：", ": "))
}

fn coverage(c: Context<'_>, kpi: &Kpi) -> String {
    let percent = kpi.coverage.clone() * Rational::integer(100);
    let text = format!("{} %", number::decimal(&percent, 2, Rounding::Down));
    if kpi.provisional {
        return format!(
            "{text} · {}",
            c.t(
                "暂定：未知超过 5 %，除非不利的一端已达标",
                "provisional: more than 5 % unknown, unless the worse bound meets the target"
            )
        );
    }
    text
}

/// The class letter with its meaning.
pub(crate) fn class(lang: Lang, class: EvidenceClass) -> String {
    match class {
        EvidenceClass::A => lang.t(
            "A · 控制器状态、计件与独立电表互证",
            "A · controller state, part count and an independent power meter",
        ),
        EvidenceClass::B => lang
            .t("B · 控制器状态，或由仪表直接读数", "B · controller state, or a register read from its meter"),
        EvidenceClass::C => lang.t("C · 由功率或信号灯推断", "C · inferred from power or a stack light"),
        EvidenceClass::D => lang.t("D · 人工申报", "D · declared by hand"),
    }
    .to_owned()
}

/// The calendar's version, and in words what the default one means.
pub(crate) fn calendar(c: Context<'_>, version: &str) -> String {
    if version.starts_with("default-24/7") {
        let words =
            c.t("默认：全天候 24/7，且视为一直有订单", "default: around the clock, always with an order");
        return format!("{words} · {version}");
    }
    version.to_owned()
}

fn short_hashes(hashes: &[String]) -> String {
    let short: Vec<String> = hashes.iter().map(|h| h.chars().take(12).collect()).collect();
    short.join(" ")
}

fn head(c: Context<'_>, kpi: KpiId) -> String {
    let d = kpi.definition();
    let name = c.lang.t(d.zh, d.en).split('（').next().unwrap_or_default();
    format!("{} {}", capital(name), unit(c, d.unit))
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
    let text = table.kpis.iter().find(|k| k.id == id).map_or_else(String::new, |k| value(c, k));
    if text.is_empty() { dash() } else { text }
}

fn parts(c: Context<'_>, table: &KpiTable) -> String {
    let per_part = table.kpis.iter().find(|k| k.id == KpiId::EnergyPerPart);
    let term = per_part.and_then(|k| k.denominator.as_ref());
    term.map_or_else(dash, |t| bounds(c, &t.lower, t.upper.as_ref(), 0))
}
