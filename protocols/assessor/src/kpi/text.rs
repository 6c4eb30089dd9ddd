//! The answer as text for a terminal: every figure at a glance first, then how each was formed. What all figures of a
//! table share is said once above them.

use std::fmt::Write as _;

use kpi::compare::Change;
use kpi::definition::Unit;
use kpi::round::Rounding;
use kpi::{Figure, Kpi, Rational};
use report::model::Level;
use report::text::{columns, visible, wrap};
use report::{Lang, figure, moment, number};
use verify::report::CompleteAnswer;

use super::answer::{Answer, ComparedReport, PartTable, Periods, SourceReport};
use crate::summary::Paint;

/// Narrower than this, figures and their names no longer fit beside each other.
const NARROWEST: u32 = 60;

/// Width of the labels of what all figures share; a hash still fits beside one into 80 columns.
const LABEL: u32 = 14;

/// The text, no line wider than `width` columns where words can be broken.
pub fn text(answer: &Answer, lang: Lang, width: u32, paint: Paint) -> String {
    let mut out = Out { text: String::new(), lang, width: width.max(NARROWEST), paint };
    out.head(answer);
    let Some((main, parts)) = answer.tables.split_first() else { return out.text };
    out.shared(answer, main);
    out.glance(main);
    out.energy(answer);
    if let Some(periods) = &answer.comparison {
        out.compared(answer, periods);
    }
    out.targets(answer);
    if !parts.is_empty() {
        out.parts(parts);
    }
    out.formed(answer, main);
    out.notes(answer);
    out.text
}

struct Out {
    text: String,
    lang: Lang,
    width: u32,
    paint: Paint,
}

fn name(lang: Lang, kpi: &Kpi) -> &'static str {
    lang.t(kpi.name_zh, kpi.name_en)
}

fn has_value(kpi: &Kpi) -> bool {
    matches!(kpi.value, Figure::Interval { .. })
}

fn pad(text: &str, to: u32) -> String {
    let room = usize::try_from(to.saturating_sub(columns(text))).unwrap_or(0);
    format!("{text}{:room$}", "")
}

/// Digits stand at the right of their column.
fn pad_left(text: &str, to: u32) -> String {
    let room = usize::try_from(to.saturating_sub(columns(text))).unwrap_or(0);
    format!("{:room$}{text}", "")
}

impl Out {
    fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.t(zh, en)
    }

    fn head(&mut self, answer: &Answer) {
        let (file, level, words) = match &answer.source {
            SourceReport::File { name, .. } => (
                name,
                Level::Caution,
                self.t(
                    "没有核验任何内容：文件中的数据是申报，证据等级 D，没有签名为其作证。",
                    "Nothing was verified: what a file says is declared, class D, and no signature vouches for it.",
                ),
            ),
            SourceReport::Bundle { name, complete: CompleteAnswer::No, .. } => (
                name,
                Level::Bad,
                self.t(
                    "证据真实但不完整：不宜据此核定补助金额；缺什么见 plumbline-verify bundle。",
                    "Authentic but incomplete: no basis for a subsidy; `plumbline-verify bundle` says what is missing.",
                ),
            ),
            SourceReport::Bundle { name, complete, .. } => (
                name,
                Level::Good,
                match complete {
                    CompleteAnswer::Yes => self.t(
                        "证据真实、完整；下列指标由签名记录重新计算。",
                        "Authentic and complete; the figures below were computed again from the signed records.",
                    ),
                    _ => self.t(
                        "证据真实，但末尾是否被截去无从得知；信任文件中应写明评估期。",
                        "Authentic, but nobody can see whether the tail was cut off; the trust file should name a period.",
                    ),
                },
            ),
        };
        let title = format!("{} · {}", self.t("准绳指标", "Plumbline figures"), visible(file));
        self.line(0, &title);
        if matches!(&answer.source, SourceReport::Bundle { demonstration: true, .. }) {
            let banner =
                self.coloured(Level::Caution, "*** 演示，不是证据 · DEMONSTRATION, NOT EVIDENCE ***");
            let _ = writeln!(self.text, "{banner}");
        }
        self.signed(level, words);
    }

    /// What every figure of the table has in common.
    fn shared(&mut self, answer: &Answer, main: &PartTable) {
        self.heading(self.t("以下各项适用于每个指标", "These hold for every figure below"));
        let offset = answer.utc_offset_min;
        let zone = moment::zone(offset);
        let period = main.table.period;
        let range = moment::range(period.from, period.to, offset);
        self.fact(self.t("期间", "period"), &format!("{range} ({zone})"));
        let names: Vec<String> = answer.machines.iter().map(|m| visible(&m.id)).collect();
        let list = if names.len() > 12 { String::new() } else { format!(": {}", names.join(", ")) };
        let machines = self.t("台设备", if names.len() == 1 { "machine" } else { "machines" });
        self.fact(self.t("边界", "boundary"), &format!("{} {machines}{list}", names.len()));
        let kpis = &main.table.kpis;
        let mut calendars: Vec<&str> =
            kpis.iter().filter(|k| has_value(k)).map(|k| k.calendar.as_str()).collect();
        calendars.sort_unstable();
        calendars.dedup();
        for calendar in calendars {
            self.fact(self.t("日历", "calendar"), &figure::calendar(self.lang, calendar));
        }
        if let Some(kpi) = kpis.first() {
            self.fact(self.t("方法版本", "method"), kpi.method);
        }
        match &answer.source {
            SourceReport::File { sha256, .. } => {
                self.fact(self.t("状态映射", "mapping"), self.t("按文件所写", "as written in the file"));
                self.fact(self.t("文件 SHA-256", "file SHA-256"), sha256);
            }
            SourceReport::Bundle { note, .. } => {
                let mut mappings: Vec<String> = kpis.iter().flat_map(|k| k.mappings.clone()).collect();
                mappings.sort_unstable();
                mappings.dedup();
                self.fact(self.t("状态映射", "mapping"), &figure::short_hashes(&mappings));
                self.fact(self.t("检查点哈希", "checkpoint"), note);
                if let Some(hash) = kpis.iter().find_map(|k| k.statements.as_deref()) {
                    self.fact(self.t("记录哈希", "records"), hash);
                }
            }
        }
    }

    /// One line a figure that has a value; the others by reason.
    fn glance(&mut self, main: &PartTable) {
        self.heading(self.t(
            "指标（区间：未知时间按最不利与最有利计算）",
            "Figures (intervals: unknown time at its worst and best)",
        ));
        let kpis = &main.table.kpis;
        let known: Vec<&Kpi> = kpis.iter().filter(|k| has_value(k)).collect();
        let lang = self.lang;
        let widest = known.iter().map(|k| columns(name(lang, k))).max().unwrap_or(0).min(self.width * 4 / 10);
        for kpi in &known {
            let value = format!("{} {}", figure::value(lang, kpi), figure::unit(lang, kpi.unit));
            let mark = if kpi.provisional { self.t(" · 暂定", " · provisional") } else { "" };
            let class = format!("{:?}", kpi.class);
            let line = format!("{}  {class}  {value}{mark}", pad(name(lang, kpi), widest));
            self.hanging(2, widest + 5, &line);
            for finding in &kpi.findings {
                let who =
                    finding.machine.as_deref().map_or_else(String::new, |m| format!("{}: ", visible(m)));
                let words = format!("! {who}{}", lang.t(finding.kind.zh(), finding.kind.en()));
                self.line(6, &words);
            }
        }
        let mut without: Vec<(&str, Vec<&str>)> = Vec::new();
        for kpi in kpis {
            let Figure::Undefined { reason } = kpi.value else { continue };
            let reason = figure::undefined(lang, reason);
            match without.iter_mut().find(|(r, _)| *r == reason) {
                Some((_, names)) => names.push(name(lang, kpi)),
                None => without.push((reason, vec![name(lang, kpi)])),
            }
        }
        if without.is_empty() {
            return;
        }
        self.heading(self.t("没有值的指标，及须补充什么", "Figures without a value, and what to supply"));
        for (reason, names) in without {
            self.line(2, &names.join(self.t("、", ", ")));
            self.line(4, &format!("→ {reason}"));
        }
    }

    /// Energy by factors, each with the factors it was computed with.
    fn energy(&mut self, answer: &Answer) {
        if answer.energy.is_empty() {
            return;
        }
        self.heading(self.t("能源（按给定系数，仅电力）", "Energy by the factors given, electricity alone"));
        let lang = self.lang;
        for e in &answer.energy {
            let row = kpi::energy::definition::ALL.iter().find(|d| d.id == e.id);
            let unit = row.map_or(e.unit, |d| lang.t(d.unit.zh, d.unit.en));
            let value = match &e.value {
                Figure::Interval { lower, upper } => {
                    format!("{} {unit}", figure::bounds(lang, lower, upper.as_ref(), 6))
                }
                Figure::Undefined { reason } => figure::undefined(lang, *reason).to_owned(),
            };
            let mark = if e.provisional { self.t(" · 暂定", " · provisional") } else { "" };
            self.hanging(2, 4, &format!("{}  {:?}  {value}{mark}", lang.t(e.name_zh, e.name_en), e.class));
            let formula = row.map_or(e.formula, |d| lang.t(d.formula.zh, d.formula.en));
            self.hanging(4, 2, &format!("{} {formula}", self.t("公式", "formula")));
            for factor in &e.factors {
                let label = self.t("系数", "factor");
                let words = format!(
                    "{label} {} {} · {} · {} · {:?}",
                    factor.value, factor.unit, factor.source, factor.clause, factor.status
                );
                self.hanging(4, 2, &visible(&words));
            }
            for note in &e.notes {
                self.hanging(4, 2, lang.t(&note.zh, &note.en));
            }
        }
    }

    /// Before and after, each with its interval, and the difference.
    fn compared(&mut self, answer: &Answer, periods: &Periods) {
        let range = |p: kpi::Period| moment::range(p.from, p.to, answer.utc_offset_min);
        self.heading(self.t("改造前后（差 = 后 − 前）", "Before and after (difference = after − before)"));
        self.fact(self.t("改造前", "before"), &range(periods.before));
        self.fact(self.t("改造后", "after"), &range(periods.after));
        let lang = self.lang;
        let mut caveats: Vec<String> = Vec::new();
        for row in &periods.rows {
            if row.comparison.difference.is_none() {
                continue;
            }
            let unit = figure::unit(lang, row.after.unit);
            let (before, after) = (figure::value(lang, &row.before), figure::value(lang, &row.after));
            self.hanging(2, 2, name(lang, &row.after));
            let words = format!("{before} → {after} {unit} · {}", difference(lang, row));
            self.hanging(4, 2, &words);
            for caveat in &row.comparison.caveats {
                let words = match lang {
                    Lang::Zh => caveat.zh(),
                    Lang::En => caveat.en(),
                };
                if !caveats.contains(&words) {
                    caveats.push(words);
                }
            }
        }
        for caveat in caveats {
            self.hanging(2, 2, &format!("! {}", visible(&caveat)));
        }
    }

    fn targets(&mut self, answer: &Answer) {
        if answer.targets.is_empty() {
            return;
        }
        self.heading(self.t("目标（由不利的一端判定）", "Targets (the worse bound decides)"));
        let lang = self.lang;
        for target in &answer.targets {
            let level = match target.verdict.answer {
                kpi::compare::Answer::Reached => Level::Good,
                kpi::compare::Answer::NotReached => Level::Bad,
                kpi::compare::Answer::Undecided => Level::Caution,
            };
            let verdict = lang.t(target.verdict.answer.zh(), target.verdict.answer.en());
            let d = target.id.definition();
            let value = match &target.value {
                Figure::Interval { lower, upper } => {
                    let digits = figure::digits(d.unit, &target.value);
                    let upper = upper.as_ref().map(|u| figure::shown(d.unit, u));
                    let text = figure::bounds(lang, &figure::shown(d.unit, lower), upper.as_ref(), digits);
                    format!("{text} {}", figure::unit(lang, d.unit))
                }
                Figure::Undefined { reason } => figure::undefined(lang, *reason).to_owned(),
            };
            let words = format!("{} · {} · {verdict} · {value}", visible(&target.target), lang.t(d.zh, d.en));
            self.signed(level, &words);
            for need in &target.verdict.needs {
                let words = match lang {
                    Lang::Zh => need.zh(),
                    Lang::En => need.en(),
                };
                self.hanging(4, 2, &format!("→ {words}"));
            }
        }
    }

    /// Days, shifts or months: as many figures side by side as there is room for.
    fn parts(&mut self, parts: &[PartTable]) {
        self.heading(
            self.t("分段（构成见 JSON）", "Parts of the period (the JSON says how each was formed)"),
        );
        let lang = self.lang;
        let Some(first) = parts.first() else { return };
        let known =
            |id: kpi::KpiId| parts.iter().any(|p| p.table.kpis.iter().any(|k| k.id == id && has_value(k)));
        let ids: Vec<kpi::KpiId> = first.table.kpis.iter().map(|k| k.id).filter(|id| known(*id)).collect();
        let head = pad("", self.label_width(parts));
        let mut at = 0;
        while at < ids.len() {
            let mut row = head.clone();
            let mut cells: Vec<String> =
                parts.iter().map(|p| pad(&visible(&p.part), columns(&head))).collect();
            let start = at;
            while at < ids.len() {
                let column = column(lang, parts, ids[at]);
                let wide = column.iter().map(|c| columns(c)).max().unwrap_or(0) + 2;
                if at > start && columns(&row) + wide + 2 > self.width {
                    break;
                }
                row.push_str(&pad_left(&column[0], wide));
                for (cell, value) in cells.iter_mut().zip(&column[1..]) {
                    cell.push_str(&pad_left(value, wide));
                }
                at += 1;
            }
            if start > 0 {
                self.text.push('\n');
            }
            for line in std::iter::once(&row).chain(&cells) {
                let _ = writeln!(self.text, "  {}", line.trim_end());
            }
        }
    }

    fn label_width(&self, parts: &[PartTable]) -> u32 {
        parts.iter().map(|p| columns(&visible(&p.part))).max().unwrap_or(0).min(self.width / 3)
    }

    /// How each figure was formed.
    fn formed(&mut self, answer: &Answer, main: &PartTable) {
        self.heading(self.t("每个指标的构成", "How each figure was formed"));
        let lang = self.lang;
        for kpi in main.table.kpis.iter().filter(|k| has_value(k)) {
            let id = kpi.id.definition().text;
            self.line(2, &format!("{}  [{id}]", name(lang, kpi)));
            let formula = format!("{} {}", self.t("公式", "formula"), figure::formula(lang, kpi));
            self.hanging(4, 2, &formula);
            let labels = [self.t("分子", "numerator"), self.t("分母", "denominator")];
            let terms = labels.iter().zip([&kpi.numerator, &kpi.denominator]);
            let operands: Vec<String> = terms
                .filter_map(|(label, term)| {
                    Some(format!("{label} {}", figure::operand(lang, term.as_ref()?)))
                })
                .collect();
            if columns(&operands.join(" · ")) + 4 <= self.width {
                self.line(4, &operands.join(" · "));
            } else {
                for operand in &operands {
                    self.hanging(4, 2, operand);
                }
            }
            let facts = [
                format!("{} {}", self.t("覆盖率", "coverage"), figure::coverage(lang, kpi)),
                format!("{} {}", self.t("证据等级", "class"), figure::class(lang, kpi.class)),
            ];
            self.hanging(4, 2, &facts.join(" · "));
            self.boundary(answer, kpi);
            self.excluded(kpi);
        }
    }

    /// The machines of a figure, where they are not all of them.
    fn boundary(&mut self, answer: &Answer, kpi: &Kpi) {
        if kpi.machines.len() == answer.machines.len() {
            return;
        }
        let names: Vec<String> = kpi.machines.iter().map(|m| visible(m)).collect();
        let list = if names.len() > 12 { String::new() } else { format!(": {}", names.join(", ")) };
        let words = format!("{} {}{list}", self.t("边界（台）", "boundary, machines"), names.len());
        self.hanging(4, 2, &words);
    }

    fn excluded(&mut self, kpi: &Kpi) {
        if kpi.excluded.is_empty() {
            return;
        }
        let one = |e: &kpi::Excluded| {
            format!("{} ({})", visible(&e.machine), figure::exclusion(self.lang, e.reason))
        };
        let list: Vec<String> = kpi.excluded.iter().map(one).collect();
        let words = format!("{} {}", self.t("不计入", "left out"), list.join(self.t("、", ", ")));
        self.hanging(4, 2, &words);
    }

    fn notes(&mut self, answer: &Answer) {
        if answer.notes.is_empty() {
            return;
        }
        self.heading(self.t("须知", "Notes"));
        for note in &answer.notes {
            self.hanging(2, 2, &format!("· {}", visible(self.lang.t(&note.zh, &note.en))));
        }
    }

    fn heading(&mut self, words: &str) {
        let _ = writeln!(self.text, "\n{words}");
    }

    fn fact(&mut self, label: &str, value: &str) {
        let label = pad(label, LABEL);
        self.hanging(2, columns(&label), &format!("{label}{}", visible(value)));
    }

    fn signed(&mut self, level: Level, words: &str) {
        let sign = self.coloured(level, level.sign());
        for (i, line) in wrap(words, self.width - 2).into_iter().enumerate() {
            let lead = if i == 0 { sign.as_str() } else { " " };
            let _ = writeln!(self.text, "{lead} {line}");
        }
    }

    fn line(&mut self, indent: u32, words: &str) {
        self.hanging(indent, 0, words);
    }

    /// Lines of which all but the first are set `hang` further in.
    fn hanging(&mut self, indent: u32, hang: u32, words: &str) {
        let first = self.width.saturating_sub(indent).max(20);
        let space = |n: u32| " ".repeat(usize::try_from(n).unwrap_or(0));
        let Some(head) = wrap(words, first).into_iter().next() else { return };
        let _ = writeln!(self.text, "{}{head}", space(indent));
        // What the first line holds is the start of the words, so that the rest can be broken to its own width.
        let rest = words.trim_start().strip_prefix(head.as_str()).unwrap_or_default();
        for line in wrap(rest.trim_start(), first.saturating_sub(hang).max(20)) {
            let _ = writeln!(self.text, "{}{line}", space(indent + hang));
        }
    }

    fn coloured(&self, level: Level, words: &str) -> String {
        let code = match level {
            Level::Good => 32,
            Level::Note => 36,
            Level::Caution => 33,
            Level::Bad => 31,
        };
        match self.paint {
            Paint::Plain => words.to_owned(),
            Paint::Colour => format!("\u{1b}[1;{code}m{words}\u{1b}[0m"),
        }
    }
}

/// The difference of two figures, and how much better the second is.
pub(crate) fn difference(lang: Lang, row: &ComparedReport) -> String {
    let Some(difference) = &row.comparison.difference else { return String::new() };
    let unit = match row.after.unit {
        Unit::Ratio => lang.t("个百分点", "percentage points"),
        unit => figure::unit(lang, unit),
    };
    let words = change(lang, row.after.unit, unit, difference);
    let mut text = format!("{} {words}", lang.t("差", "difference"));
    if let Some(relative) = &row.comparison.relative_improvement {
        let _ =
            write!(text, " · {} {}", lang.t("改善", "better by"), change(lang, Unit::Ratio, "%", relative));
    }
    text
}

/// A change with its sign: `+1.20 – +3.40 %`.
fn change(lang: Lang, unit: Unit, unit_words: &str, change: &Change) -> String {
    let print = |value: &Rational, rounding: Rounding| {
        let shown = figure::shown(unit, value);
        let plus = if shown > Rational::zero() { "+" } else { "" };
        let small = shown < Rational::integer(1) && shown > Rational::zero() - Rational::integer(1);
        let digits = if unit != Unit::Ratio && small { 6 } else { 2 };
        format!("{plus}{}", number::decimal(&shown, digits, rounding))
    };
    match (&change.lower, &change.upper) {
        (Some(a), Some(b)) if a == b => format!("{} {unit_words}", print(a, Rounding::HalfEven)),
        (Some(a), Some(b)) => {
            format!("{} … {} {unit_words}", print(a, Rounding::Down), print(b, Rounding::Up))
        }
        (Some(a), None) => {
            format!("{} {} {unit_words}", lang.t("至少", "at least"), print(a, Rounding::Down))
        }
        (None, Some(b)) => format!("{} {} {unit_words}", lang.t("至多", "at most"), print(b, Rounding::Up)),
        (None, None) => lang.t("不确定", "not bounded").to_owned(),
    }
}

/// A figure's heading and its value in every part.
fn column(lang: Lang, parts: &[PartTable], id: kpi::KpiId) -> Vec<String> {
    let d = id.definition();
    let name = lang.t(d.zh, d.en).split('（').next().unwrap_or_default();
    let mut cells = vec![format!("{name} {}", figure::unit(lang, d.unit))];
    for part in parts {
        let kpi = part.table.kpis.iter().find(|k| k.id == id);
        let value = kpi.map_or_else(String::new, |k| figure::value(lang, k));
        cells.push(if value.is_empty() { "–".to_owned() } else { value });
    }
    cells
}
