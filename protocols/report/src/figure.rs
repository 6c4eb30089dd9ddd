//! The words of a figure: its value, operands, formula, coverage and class as people read them. The report of a
//! bundle and the answer over a file use the same words. Nothing is computed here but where a number is cut.

use kpi::figure::Exclusion;
use kpi::round::Rounding;
use kpi::{EvidenceClass, Figure, Kpi, Leaf, Rational, Term, Undefined, definition::Unit};

use crate::chart::Fill;
use crate::{Lang, number};

/// Why there is no value.
pub fn undefined(lang: Lang, reason: Undefined) -> &'static str {
    lang.t(reason.zh(), reason.en())
}

/// The unit as printed; a ratio is printed in per cent.
pub fn unit(lang: Lang, unit: Unit) -> &'static str {
    lang.t(unit.zh(), unit.en())
}

/// The value as printed, without its unit; empty when there is none.
pub fn value(lang: Lang, kpi: &Kpi) -> String {
    let Figure::Interval { lower, upper } = &kpi.value else { return String::new() };
    let upper = upper.as_ref().map(|r| shown(kpi.unit, r));
    bounds(lang, &shown(kpi.unit, lower), upper.as_ref(), digits(kpi.unit, &kpi.value))
}

/// A value in the unit that is printed.
pub fn shown(unit: Unit, value: &Rational) -> Rational {
    let hundred = || Rational::integer(100);
    if unit == Unit::Ratio { value.clone() * hundred() } else { value.clone() }
}

/// A closed interval, a point, or what is at least.
pub fn bounds(lang: Lang, lower: &Rational, upper: Option<&Rational>, digits: u32) -> String {
    match upper {
        Some(upper) => number::interval(lower, upper, digits),
        None => format!("{} {}", lang.t("至少", "at least"), number::decimal(lower, digits, Rounding::Down)),
    }
}

/// Two decimals for shares; small amounts are shown down to the last digit that is measured, large ones to two.
pub fn digits(unit: Unit, value: &Figure) -> u32 {
    let Figure::Interval { lower, upper } = value else { return 0 };
    let most = upper.as_ref().unwrap_or(lower);
    match unit {
        Unit::Ratio => 2,
        _ if most.is_zero() => 0,
        _ if *most < Rational::integer(1) => 6,
        _ if *most < Rational::integer(100) => 3,
        _ => 2,
    }
}

/// The formula; in Chinese it is said in words beside the symbols of ISO 22400-2.
pub fn formula(lang: Lang, kpi: &Kpi) -> String {
    lang.t(kpi.id.definition().formula_zh, kpi.formula).to_owned()
}

/// A symbol that is an English word, in the language of the page.
fn symbol(lang: Lang, symbol: &str) -> &str {
    match symbol {
        "on" => lang.t("开机", "on"),
        "calendar" => lang.t("日历", "calendar"),
        "connected" => lang.t("已联网", "connected"),
        "machines × days" => lang.t("台数 × 天数", "machines × days"),
        "APT + AUST between faults" => lang.t("两次故障之间的 APT + AUST", "APT + AUST between faults"),
        "faults − 1" => lang.t("故障次数 − 1", "faults − 1"),
        "faults" => lang.t("故障次数", "faults"),
        "spindle" => lang.t("主轴运转", "spindle"),
        "CUTTING" => lang.t("切削", "CUTTING"),
        "PRODUCING" => lang.t("加工", "PRODUCING"),
        "FAULT" => lang.t("故障停机", "FAULT"),
        "machines" => lang.t("台数", "machines"),
        "ever connected" => lang.t("曾联网", "ever connected"),
        "acquired" => lang.t("已采集", "acquired"),
        "quantities × period" => lang.t("要求的量 × 期间", "quantities × period"),
        "parts outside PBT" => lang.t("负荷时间之外完工", "parts outside PBT"),
        "theoretical cycle × PQ" => lang.t("理论节拍 × PQ", "theoretical cycle × PQ"),
        other => other,
    }
}

/// `APT = 540 s`.
pub fn operand(lang: Lang, term: &Term) -> String {
    let (divisor, digits, unit) = match term.unit {
        "ms" => (1000u32, 3, lang.t("秒", "s")),
        "mWh" => (1_000_000, 6, "kWh"),
        "pcs" => (1, 0, lang.t("件", "pcs")),
        "machine-days" => (1, 0, lang.t("台·天", "machine-days")),
        "faults" => (1, 0, lang.t("次故障", "faults")),
        "gaps" => (1, 0, lang.t("个间隔", "gaps")),
        "machines" => (1, 0, lang.t("台", "machines")),
        other => (1, 0, other),
    };
    let scaled = |r: &Rational| Rational::ratio(1, divisor).map_or_else(|| r.clone(), |d| r.clone() * d);
    let text = bounds(lang, &scaled(&term.lower), term.upper.as_ref().map(scaled).as_ref(), digits);
    format!("{} = {} {unit}", symbol(lang, term.symbol), whole(&text))
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

/// Why a machine does not count.
pub fn exclusion(lang: Lang, reason: Exclusion) -> &'static str {
    match reason {
        Exclusion::NoEnergyRegister => lang.t("名册中没有电能表", "no energy register in the roster"),
        Exclusion::NoPartRegister => lang.t("名册中没有计件", "no part register in the roster"),
        Exclusion::NoGoodPartRegister => {
            lang.t("名册中没有合格件计数", "no good-part register in the roster")
        }
        Exclusion::NoSpindlePoint => lang.t("没有主轴测点", "no point tells whether its spindle turns"),
        Exclusion::NoCuttingPoint => lang.t("没有切削测点", "no point tells whether it cuts"),
        Exclusion::NotDigital => lang.t("名册中不是数字化设备", "not a digital machine in the roster"),
        Exclusion::NoStates => lang.t("计量表没有状态", "a meter has no states"),
        Exclusion::NotMeasured => lang.t("仅列名，未计量", "listed, not measured"),
    }
}

/// The coverage in per cent, and whether the figure is provisional.
pub fn coverage(lang: Lang, kpi: &Kpi) -> String {
    let percent = kpi.coverage.clone() * Rational::integer(100);
    let text = format!("{} %", number::decimal(&percent, 2, Rounding::Down));
    if kpi.provisional {
        let words = lang.t(
            "暂定：未知超过 5 %，除非不利的一端已达标",
            "provisional: more than 5 % unknown, unless the worse bound meets the target",
        );
        return format!("{text} · {words}");
    }
    text
}

/// The class letter with its meaning.
pub fn class(lang: Lang, class: EvidenceClass) -> String {
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
pub fn calendar(lang: Lang, version: &str) -> String {
    if version.starts_with("default-24/7") {
        let words =
            lang.t("默认：全天候 24/7，且视为一直有订单", "default: around the clock, always with an order");
        return format!("{words} · {version}");
    }
    version.to_owned()
}

/// The first digits of hashes, which is enough to compare by eye.
pub fn short_hashes(hashes: &[String]) -> String {
    let short: Vec<String> = hashes.iter().map(|h| h.chars().take(12).collect()).collect();
    short.join(" ")
}

/// What a fill of a chart means.
pub fn fill(lang: Lang, fill: Fill) -> String {
    match fill {
        Fill::State(n) => Leaf::from_number(n).map_or("", |leaf| lang.t(leaf.zh(), leaf.en())),
        Fill::Down => lang.t("采集端停机", "agent off"),
        Fill::Gap => lang.t("无记录", "no record"),
        Fill::Measured => lang.t("已测得", "measured"),
        Fill::Open => lang.t("跨缺口测得，或尚不确定", "measured over a gap, or open"),
        Fill::Before => lang.t("改造前", "before"),
    }
    .to_owned()
}
