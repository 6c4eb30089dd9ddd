//! Roll-ups: the same figures over groups of machines (machines, lines, plants) and stretches of time (days,
//! months, shifts). Each is computed from the sums of its own cells; no figure is ever made from other figures, so
//! that no ratio is averaged.

use crate::calendar::{Calendar, Day, ShiftRun};
use crate::compute::{Scope, Subject, kpis};
use crate::figure::Kpi;
use crate::period::{Grid, Period};

/// Machines taken together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Group {
    /// Its name: a machine, a line, a plant.
    pub name: String,
    /// Places of its machines among the subjects.
    pub machines: Vec<usize>,
}

/// A stretch of time with its name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// Such as `2026-03-01`, `2026-03` or `2026-03-01 早班`.
    pub name: String,
    /// When.
    pub over: Period,
}

/// The figures of one group over one stretch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Name of the group.
    pub group: String,
    /// Name of the stretch.
    pub span: String,
    /// The figures, in the order of the definitions.
    pub kpis: Vec<Kpi>,
}

/// A stretch that begins or ends where the totals have no cut.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{name} ({from} to {to}, UTC s) is not made of whole cells of the totals; make them with cuts at both ends"
)]
pub struct SpanError {
    /// Its name.
    pub name: String,
    /// Its start, UTC s.
    pub from: i64,
    /// Its end, UTC s.
    pub to: i64,
}

/// Machines grouped by a name such as their line, in order of the names.
pub fn groups<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<Group> {
    let mut groups = std::collections::BTreeMap::<&str, Vec<usize>>::new();
    for (place, name) in names.into_iter().enumerate() {
        groups.entry(name).or_default().push(place);
    }
    groups.into_iter().map(|(name, machines)| Group { name: name.to_owned(), machines }).collect()
}

/// The local days of a period; the first and last are cut to it.
pub fn days(grid: Grid, period: Period) -> Vec<Span> {
    named(grid, period, |day| day.to_string())
}

/// The local months of a period; the first and last are cut to it.
pub fn months(grid: Grid, period: Period) -> Vec<Span> {
    // `2026-03` of `2026-03-01`; the year may have a sign.
    named(grid, period, |day| {
        day.to_string().rsplit_once('-').map_or_else(String::new, |(month, _)| month.to_owned())
    })
}

/// Neighbouring days of one name, together.
fn named(grid: Grid, period: Period, name: impl Fn(Day) -> String) -> Vec<Span> {
    let mut spans: Vec<Span> = Vec::new();
    let mut t = period.from;
    while t < period.to {
        let day = Day::of(t, grid);
        let to = day.next().start(grid).min(period.to);
        let name = name(day);
        match spans.last_mut() {
            Some(last) if last.name == name => last.over.to = to,
            _ => spans.push(Span { name, over: Period { from: t, to } }),
        }
        t = to;
    }
    spans
}

/// The shifts of a calendar within a period, each under its production day.
pub fn shifts(calendar: &Calendar, period: Period) -> Vec<Span> {
    let name = |run: &ShiftRun| format!("{} {}", run.day, run.name);
    calendar.shifts(period).iter().map(|run| Span { name: name(run), over: run.over }).collect()
}

/// The figures of each group over each stretch: groups outside, stretches inside.
pub fn roll_up(
    scope: Scope<'_>,
    subjects: &[Subject<'_>],
    groups: &[Group],
    spans: &[Span],
) -> Result<Vec<Row>, SpanError> {
    if let Some(bad) = spans.iter().find(|span| !scope.cuts.can_answer(span.over)) {
        let Period { from, to } = bad.over;
        return Err(SpanError { name: bad.name.clone(), from, to });
    }
    let mut rows = Vec::with_capacity(groups.len() * spans.len());
    for group in groups {
        let own: Vec<Subject<'_>> =
            group.machines.iter().filter_map(|place| subjects.get(*place)).copied().collect();
        rows.extend(spans.iter().map(|span| Row {
            group: group.name.clone(),
            span: span.name.clone(),
            kpis: kpis(Scope { period: span.over, ..scope }, &own),
        }));
    }
    Ok(rows)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::definition::KpiId;
    use crate::figure::Figure;
    use crate::properties::shop::{
        FEEDS, Fate, START, STEP, Step, cuts, cycles, period, planned, producing, sign, total,
    };
    use crate::{Leaf, MachineTotals, Rational};

    fn grid() -> Grid {
        Grid::new(60, 480).unwrap()
    }

    fn at(day: &str) -> i64 {
        day.parse::<Day>().unwrap().start(grid())
    }

    fn names(spans: &[Span]) -> Vec<&str> {
        spans.iter().map(|s| s.name.as_str()).collect()
    }

    #[test]
    fn days_and_months_are_local_and_know_leap_years() {
        let period = Period { from: at("2024-02-28") + 3600, to: at("2024-03-01") + 7200 };
        let by_day = days(grid(), period);
        assert_eq!(names(&by_day), ["2024-02-28", "2024-02-29", "2024-03-01"]);
        assert_eq!(by_day[0].over, Period { from: period.from, to: at("2024-02-29") });
        assert_eq!(by_day[2].over, Period { from: at("2024-03-01"), to: period.to });
        let by_month = months(grid(), period);
        assert_eq!(names(&by_month), ["2024-02", "2024-03"]);
        assert_eq!(by_month[1].over, by_day[2].over);
        let ends = months(grid(), Period { from: at("2025-12-31"), to: at("2026-03-01") });
        assert_eq!(names(&ends), ["2025-12", "2026-01", "2026-02"]);
        assert_eq!(ends[2].over.seconds(), 28 * 86_400);
    }

    #[test]
    fn a_shift_across_midnight_is_one_under_the_day_it_begins_on() {
        let by_shift = shifts(&planned(), period(40));
        assert_eq!(names(&by_shift), ["1970-01-01 夜班", "1970-01-02 早班"]);
        assert_eq!(by_shift[0].over, Period { from: START + 4 * STEP, to: START + 20 * STEP });
    }

    /// One machine runs an hour of an hour, the other an hour of nine.
    #[test]
    fn a_line_is_the_ratio_of_sums_and_not_the_mean_of_ratios() {
        let idle = Step { leaf: Leaf::Idle.index(), rest: Leaf::Idle.index(), ..producing(0, 0, Fate::Read) };
        let run = producing(1_000, 1, Fate::Read);
        let busy: Vec<Step> = vec![run.clone(); 12];
        let calm: Vec<Step> = (0..12).map(|i| if i < 4 { run.clone() } else { idle.clone() }).collect();
        let cuts = cuts(900, period(12));
        let totals: Vec<MachineTotals> =
            [&busy, &calm].map(|story| total(&cuts, &Calendar::Always, &sign(story))).into();
        let declared = cycles();
        let subject = |(id, totals)| Subject {
            id,
            totals,
            digital: true,
            feeds: FEEDS,
            mapping: "00",
            calendar: &Calendar::Always,
            cycles: Some(&declared),
        };
        let subjects: Vec<Subject<'_>> = ["a", "b"].into_iter().zip(&totals).map(subject).collect();
        let scope = Scope { period: period(12), cuts: &cuts, statements: None, good_condition: None };
        let line = groups(["line 1", "line 1"]);
        let each = groups(["a", "b"]);
        let spans = [Span { name: "all".into(), over: period(12) }];
        let rows = roll_up(scope, &subjects, &[line, each].concat(), &spans).unwrap();
        let value = |row: usize, id| rows[row].kpis.iter().find(|k| k.id == id).unwrap().value.clone();
        let point = |n, d| {
            let value = Rational::ratio(n, d).unwrap();
            Figure::Interval { lower: value.clone(), upper: Some(value) }
        };
        assert_eq!(value(0, KpiId::Availability), point(16, 24));
        assert_eq!(value(1, KpiId::Availability), point(1, 1));
        assert_eq!(value(2, KpiId::Availability), point(4, 12));
        // Sums start at the end of the opening window: 11 + 3 parts and mWh.
        assert_eq!(value(0, KpiId::EnergyPerPart), point(14_000, 14_000_000));
        assert_eq!(rows.iter().map(|r| r.group.as_str()).collect::<Vec<_>>(), ["line 1", "a", "b"]);
    }

    #[test]
    fn a_stretch_without_cuts_is_refused_by_name() {
        let cuts = cuts(900, period(12));
        let scope = Scope { period: period(12), cuts: &cuts, statements: None, good_condition: None };
        let over = Period { from: START + STEP, to: START + 2 * STEP };
        let spans = [Span { name: "q".into(), over }];
        let want = SpanError { name: "q".into(), from: over.from, to: over.to };
        assert_eq!(roll_up(scope, &[], &[], &spans), Err(want));
    }
}
