//! The pictures of `--svg`: state timeline, load curve, where the time went, and before/after. They are drawn by the
//! charts of the report from what the answer and its books hold.

use std::path::{Path, PathBuf};

use kpi::{Kpi, Period, Rational};
use report::chart::standalone::{self, Around};
use report::chart::{Fill, Frame, compare, load, pareto, timeline};
use report::{Lang, figure, moment, number};
use verify::timeline::{TimelineCell, TimelineRow};

use super::answer::{Answer, ComparedReport, SourceReport};
use super::book::Measured;
use super::books::Books;

/// One picture: its file name and its text.
pub type Picture = (&'static str, String);

/// Machines of one timeline; more would be taller than any page.
const MOST_ROWS: usize = 60;

/// What all pictures share.
struct Canvas<'a> {
    answer: &'a Answer,
    books: &'a dyn Books,
    lang: Lang,
    period: Period,
}

/// Every picture that the answer has data for.
pub fn draw(answer: &Answer, books: &dyn Books, lang: Lang) -> Vec<Picture> {
    let Some(main) = answer.tables.first() else { return Vec::new() };
    let canvas = Canvas { answer, books, lang, period: main.table.period };
    [
        ("states.svg", canvas.states()),
        ("load.svg", canvas.load()),
        ("pareto.svg", canvas.pareto()),
        ("before-after.svg", canvas.before_after()),
    ]
    .into_iter()
    .filter_map(|(name, picture)| Some((name, picture?)))
    .collect()
}

/// Writes the pictures into a folder, which is made if it is not there. Older pictures are replaced: they can be made
/// again at any time.
pub fn write(folder: &Path, pictures: &[Picture]) -> std::io::Result<Vec<PathBuf>> {
    std::fs::create_dir_all(folder)?;
    let mut written = Vec::new();
    for (name, text) in pictures {
        let path = folder.join(name);
        std::fs::write(&path, text)?;
        written.push(path);
    }
    Ok(written)
}

impl Canvas<'_> {
    fn t<'a>(&self, zh: &'a str, en: &'a str) -> &'a str {
        self.lang.t(zh, en)
    }

    fn offset(&self) -> i32 {
        self.answer.utc_offset_min
    }

    fn frame(&self) -> Frame {
        Frame { from: self.period.from, to: self.period.to, offset_min: self.offset() }
    }

    fn around(&self, title: &str, description: String, legend: &[Fill]) -> Around {
        let range = moment::range(self.period.from, self.period.to, self.offset());
        let n = self.answer.machines.len();
        let machines = match self.lang {
            Lang::Zh => format!("{n} 台设备"),
            Lang::En => format!("{n} machine{}", if n == 1 { "" } else { "s" }),
        };
        let origin = match &self.answer.source {
            SourceReport::File { name, sha256, .. } => format!(
                "{} · {} · SHA-256 {}…",
                self.t("未经核验的文件", "file, nothing verified"),
                report::text::clip(&report::text::visible(&file_name(name)), 40),
                &sha256[..16]
            ),
            SourceReport::Bundle { note, demonstration, .. } => {
                let words = if *demonstration {
                    self.t("演示，不是证据", "demonstration, not evidence")
                } else {
                    self.t("已核验的证据包", "verified bundle")
                };
                format!("{words} · {} {}…", self.t("检查点", "checkpoint"), note.get(..16).unwrap_or(note))
            }
        };
        Around {
            title: title.to_owned(),
            subtitle: format!("{range} ({}) · {machines}", moment::zone(self.offset())),
            description,
            origin,
            legend: legend.iter().map(|f| (*f, figure::fill(self.lang, *f))).collect(),
        }
    }

    /// The rows of the machines asked for, cut to the period.
    fn rows(&self) -> Vec<TimelineRow> {
        let wanted = |row: &&TimelineRow| self.answer.machines.iter().any(|m| m.id == row.machine);
        let within =
            |cell: &&TimelineCell| self.period.overlap(Period { from: cell.from, to: cell.to }).is_some();
        self.books
            .timeline()
            .rows
            .iter()
            .filter(wanted)
            .map(|row| TimelineRow {
                machine: row.machine.clone(),
                cells: row.cells.iter().filter(within).cloned().collect(),
            })
            .collect()
    }

    fn name(&self, id: &str) -> String {
        let machine = self.answer.machines.iter().find(|m| m.id == id);
        machine.map_or_else(|| id.to_owned(), |m| m.name.clone())
    }

    fn states(&self) -> Option<String> {
        let rows: Vec<TimelineRow> = self.rows().into_iter().take(MOST_ROWS).collect();
        let some = rows.iter().flat_map(|r| &r.cells).any(|c| c.states_ms[1..].iter().any(|ms| *ms > 0));
        if !some {
            return None;
        }
        let title = self.t("状态时间线", "State timeline");
        let drawn: Vec<timeline::Row> = rows
            .iter()
            .map(|row| timeline::Row {
                name: self.name(&row.machine),
                remark: String::new(),
                cells: row.cells.iter().map(state_cell).collect(),
            })
            .collect();
        let seen = |fill: &Fill| rows.iter().flat_map(|r| &r.cells).any(|c| ms(c, *fill) > 0);
        let legend: Vec<Fill> = FILLS.into_iter().filter(seen).collect();
        let description = format!(
            "{}{}",
            self.t("每台设备一条；一格内有多种状态时按比例叠放；无记录处为斜线。", "One bar a machine; several states in one cell are stacked by their shares; time without record is hatched."),
            self.shares_in_words()
        );
        let around = self.around(title, description, &legend);
        Some(standalone::file(
            &around,
            &timeline::svg(self.frame(), title, &drawn),
            timeline::height(drawn.len()),
        ))
    }

    fn load(&self) -> Option<String> {
        let energy = self.books.energy(&|id| self.answer.machines.iter().any(|m| m.id == id));
        let cells = power(&energy, self.period);
        cells.iter().find(|c| c.w.is_some())?;
        let title = self
            .t("负荷曲线（相邻读数之间的平均功率）", "Load curve (mean power between neighbouring readings)");
        let description = self
            .t(
                "各设备在相邻两次读数之间的平均功率之和；没有读数或读数不可信处为空缺，不是零。",
                "Sum over the machines of mean power between two readings; where a reading is missing or not to be believed there is a gap and no zero.",
            )
            .to_owned();
        let around = self.around(title, description, &[Fill::Measured, Fill::Gap]);
        let words = |w: u64| {
            let kw = Rational::ratio(w, 1000).unwrap_or_else(Rational::zero);
            format!("{} kW", trimmed(&number::decimal(&kw, 3, kpi::round::Rounding::HalfEven)))
        };
        Some(standalone::file(&around, &load::svg(self.frame(), title, &cells, words), load::HEIGHT))
    }

    /// Time in each fill over the period and the machines, longest first.
    fn times(&self) -> Vec<(Fill, u64)> {
        let sums = self.books.states_ms(self.period, &|id| self.answer.machines.iter().any(|m| m.id == id));
        let mut times: Vec<(Fill, u64)> = (0..9u8).map(|n| (Fill::State(n), sums[usize::from(n)])).collect();
        times.retain(|(_, ms)| *ms > 0);
        times.sort_by_key(|(_, ms)| std::cmp::Reverse(*ms));
        times
    }

    fn shares_in_words(&self) -> String {
        let times = self.times();
        let total: u64 = times.iter().map(|(_, ms)| ms).sum();
        let one =
            |(fill, ms): &(Fill, u64)| format!("{} {}", figure::fill(self.lang, *fill), share(*ms, total));
        times.iter().map(one).collect::<Vec<_>>().join(self.t("，", ", "))
    }

    fn pareto(&self) -> Option<String> {
        let times = self.times();
        let total: u64 = times.iter().map(|(_, ms)| ms).sum();
        if times.iter().all(|(fill, _)| *fill == Fill::State(0)) {
            return None;
        }
        let mut sum = 0;
        let rows: Vec<pareto::Row> = times
            .iter()
            .map(|(fill, ms)| {
                sum += ms;
                let words = format!(
                    "{} h · {} · {} {}",
                    moment::hours(*ms),
                    share(*ms, total),
                    self.t("累计", "sum"),
                    share(sum, total)
                );
                pareto::Row { fill: *fill, name: figure::fill(self.lang, *fill), ms: *ms, words }
            })
            .collect();
        let title = self.t("时间去向（帕累托图）", "Where the time went (Pareto)");
        let around = self.around(title, self.shares_in_words(), &[]);
        Some(standalone::file(&around, &pareto::svg(title, &rows), pareto::height(rows.len())))
    }

    fn before_after(&self) -> Option<String> {
        let comparison = self.answer.comparison.as_ref()?;
        let rows: Vec<compare::Row> = comparison.rows.iter().filter_map(|row| self.pair(row)).collect();
        if rows.is_empty() {
            return None;
        }
        let title = self.t("改造前后", "Before and after");
        let range = |p: Period| moment::range(p.from, p.to, self.offset());
        let (before, after) = (range(comparison.before), range(comparison.after));
        let description = self
            .t(
                "每个指标两条，同一刻度；实心为确定的部分，斜线为未知时间留下的余地。",
                "Two bars a figure on one scale; solid is certain, hatched is what unknown time leaves open.",
            )
            .to_owned();
        let mut around = self.around(title, description, &[Fill::Before, Fill::Measured, Fill::Open]);
        self.t("改造后", "after").clone_into(&mut around.legend[1].1);
        self.t("尚不确定", "open").clone_into(&mut around.legend[2].1);
        around.subtitle = match self.lang {
            Lang::Zh => format!("改造前 {before} · 改造后 {after}（{}）", moment::zone(self.offset())),
            Lang::En => format!("before {before} · after {after} ({})", moment::zone(self.offset())),
        };
        Some(standalone::file(&around, &compare::svg(title, &rows), compare::height(rows.len())))
    }

    fn pair(&self, row: &ComparedReport) -> Option<compare::Row> {
        let (before, after) = (&row.before, &row.after);
        let (b, a) = (ends(before)?, ends(after)?);
        let whole = Rational::integer(1);
        let most = [&b.0, &a.0].into_iter().chain(b.1.as_ref()).chain(a.1.as_ref()).max()?.clone();
        let scale = if before.unit == kpi::definition::Unit::Ratio && most <= whole { whole } else { most };
        let bar = |label: &str, kpi: &Kpi, ends: &(Rational, Option<Rational>)| compare::Bar {
            label: label.to_owned(),
            parts: Some((mille(&ends.0, &scale), ends.1.as_ref().map_or(1000, |u| mille(u, &scale)))),
            value: format!("{} {}", figure::value(self.lang, kpi), figure::unit(self.lang, kpi.unit)),
        };
        Some(compare::Row {
            name: self.lang.t(after.name_zh, after.name_en).to_owned(),
            words: super::text::difference(self.lang, row),
            bars: [bar(self.t("前", "before"), before, &b), bar(self.t("后", "after"), after, &a)],
        })
    }
}

/// Drawing order of the legend: working states first, having no data last.
const FILLS: [Fill; 11] = [
    Fill::State(5),
    Fill::State(4),
    Fill::State(6),
    Fill::State(7),
    Fill::State(8),
    Fill::State(1),
    Fill::State(3),
    Fill::State(2),
    Fill::State(0),
    Fill::Down,
    Fill::Gap,
];

fn ms(cell: &TimelineCell, fill: Fill) -> u64 {
    match fill {
        Fill::State(n) => cell.states_ms[usize::from(n)],
        Fill::Down => cell.down_ms,
        Fill::Gap => cell.missing_ms,
        Fill::Measured | Fill::Open | Fill::Before => 0,
    }
}

fn state_cell(cell: &TimelineCell) -> timeline::Cell {
    timeline::Cell {
        from: cell.from,
        to: cell.to,
        states_ms: cell.states_ms,
        down_ms: cell.down_ms,
        gap_ms: cell.missing_ms,
    }
}

/// Mean power of all machines over the pieces between any two of their readings. One machine without a known amount
/// leaves the sum unknown.
fn power(machines: &[Vec<Measured>], period: Period) -> Vec<load::Cell> {
    let mut ends: Vec<i64> = machines
        .iter()
        .flatten()
        .flat_map(|m| [m.over.from, m.over.to])
        .filter(|t| period.from < *t && *t < period.to)
        .chain([period.from, period.to])
        .collect();
    ends.sort_unstable();
    ends.dedup();
    let mut next = vec![0; machines.len()];
    let pieces = ends.windows(2).map(|pair| Period { from: pair[0], to: pair[1] });
    pieces
        .map(|piece| {
            let sum = machines.iter().zip(&mut next).try_fold(0u64, |sum, (own, next)| {
                while own.get(*next).is_some_and(|m| m.over.to <= piece.from) {
                    *next += 1;
                }
                let at = own.get(*next).filter(|m| m.over.contains(piece))?;
                // mWh over seconds as W: × 3600 / 1000.
                let w = u128::from(at.mwh?) * 18 / (5 * u128::from(at.over.seconds()).max(1));
                sum.checked_add(u64::try_from(w).ok()?)
            });
            load::Cell { from: piece.from, to: piece.to, w: sum.map(|w| (w, w)) }
        })
        .collect()
}

fn ends(kpi: &Kpi) -> Option<(Rational, Option<Rational>)> {
    match &kpi.value {
        kpi::Figure::Interval { lower, upper } => Some((lower.clone(), upper.clone())),
        kpi::Figure::Undefined { .. } => None,
    }
}

/// A position on a scale in per mille; positions are not figures, so that rounding does not matter.
fn mille(value: &Rational, scale: &Rational) -> u32 {
    let part = value.over(scale).map(|p| p * Rational::integer(1000));
    let text = part.map_or_else(String::new, |p| kpi::round::decimal(&p, 0, kpi::round::Rounding::HalfEven));
    text.parse().unwrap_or(0)
}

fn share(ms: u64, total: u64) -> String {
    let ratio = Rational::ratio(u128::from(ms) * 100, total.max(1)).unwrap_or_else(Rational::zero);
    format!("{} %", number::decimal(&ratio, 1, kpi::round::Rounding::HalfEven))
}

fn trimmed(text: &str) -> &str {
    text.trim_end_matches('0').trim_end_matches('.')
}

fn file_name(path: &str) -> String {
    Path::new(path).file_name().map_or_else(|| path.to_owned(), |n| n.to_string_lossy().into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn power_is_energy_over_time_and_one_machine_without_an_amount_leaves_none() {
        let measured = |from, to, mwh| Measured { over: Period { from, to }, mwh };
        // 1 kWh in a quarter of an hour is 4 kW, 1 kWh in half an hour 2 kW.
        let a =
            vec![measured(0, 900, Some(1_000_000)), measured(900, 1800, Some(0)), measured(2000, 2700, None)];
        let b = vec![measured(0, 1800, Some(1_000_000)), measured(1800, 2700, Some(0))];
        let cells = power(&[a, b], Period { from: 0, to: 2700 });
        let got: Vec<_> = cells.iter().map(|c| (c.from, c.to, c.w.map(|w| w.0))).collect();
        assert_eq!(
            got,
            [(0, 900, Some(6000)), (900, 1800, Some(2000)), (1800, 2000, None), (2000, 2700, None)]
        );
    }
}
