//! Declared cycle times: PRI (计划节拍, planned time for one part) and 理论节拍 (theoretical time for one part).
//! They are two inputs and never stand in for each other. Both are dated: from a day on, a machine (for a product)
//! has this cycle, until the next entry. Nothing here is measured, and nothing is assumed where no entry stands.

use serde::Deserialize;

use crate::period::{Grid, Period};
use crate::rational::Rational;

/// Which cycle is meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CycleKind {
    /// PRI, 计划节拍.
    Planned,
    /// 理论节拍.
    Theoretical,
}

/// A cycle as it is written down.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CycleEntry {
    /// The machine.
    pub machine: String,
    /// Which cycle.
    pub kind: CycleKind,
    /// The product made from then on, if the cycle is a product's.
    #[serde(default)]
    pub product: Option<String>,
    /// From when it holds, UTC s, on the window grid.
    pub from: i64,
    /// Seconds a part: a decimal such as `270` or `4.5`, or a fraction such as `1/3`.
    pub seconds_per_part: String,
}

/// Why cycles cannot be taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CycleError {
    /// No number, or none above zero.
    #[error(
        "the cycle {text:?} of machine {machine:?} is no time above zero; give seconds a part, such as 270, 4.5 or 1/3"
    )]
    NoTime {
        /// The machine.
        machine: String,
        /// What was given.
        text: String,
    },
    /// It begins inside a window.
    #[error(
        "the cycle of machine {machine:?} begins at {from} (UTC s), inside a window of {step_s} s; move it to a window's start"
    )]
    OffGrid {
        /// The machine.
        machine: String,
        /// Its beginning, UTC s.
        from: i64,
        /// Window length, s.
        step_s: i64,
    },
    /// Two entries of one kind begin together.
    #[error("machine {machine:?} has two cycles of one kind from {from} (UTC s); keep the one that holds")]
    Twice {
        /// The machine.
        machine: String,
        /// Their beginning, UTC s.
        from: i64,
    },
}

/// The cycles of one machine.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cycles {
    planned: Vec<(i64, Rational)>,
    theoretical: Vec<(i64, Rational)>,
}

impl Cycles {
    /// The cycles of `machine` among `entries`, in whatever order they stand.
    pub fn of(machine: &str, entries: &[CycleEntry], grid: Grid) -> Result<Self, CycleError> {
        let mut cycles = Self::default();
        for entry in entries.iter().filter(|e| e.machine == machine) {
            if !grid.on(entry.from) {
                let (machine, from) = (machine.to_owned(), entry.from);
                return Err(CycleError::OffGrid { machine, from, step_s: grid.step_s() });
            }
            let ms = milliseconds(&entry.seconds_per_part).ok_or_else(|| CycleError::NoTime {
                machine: machine.to_owned(),
                text: entry.seconds_per_part.clone(),
            })?;
            cycles.of_kind_mut(entry.kind).push((entry.from, ms));
        }
        for own in [&mut cycles.planned, &mut cycles.theoretical] {
            own.sort_unstable();
            if let Some(two) = own.windows(2).find(|two| two[0].0 == two[1].0) {
                return Err(CycleError::Twice { machine: machine.to_owned(), from: two[0].0 });
            }
            own.dedup_by(|next, before| next.1 == before.1);
        }
        Ok(cycles)
    }

    /// Cycles that hold for ever, as a roster declares them, ms a part. A cycle of no time is none.
    pub fn always(planned_ms: Option<u64>, theoretical_ms: Option<u64>) -> Self {
        let one = |ms: Option<u64>| {
            ms.filter(|ms| *ms > 0).map(|ms| (i64::MIN, Rational::integer(ms))).into_iter().collect()
        };
        Self { planned: one(planned_ms), theoretical: one(theoretical_ms) }
    }

    /// Moments at which a cycle changes, UTC s; totals need cuts there.
    pub fn changes(&self) -> impl Iterator<Item = i64> + '_ {
        self.planned.iter().chain(&self.theoretical).map(|(from, _)| *from)
    }

    /// A period in stretches of one cycle each, ms a part; `None` where none is declared.
    pub fn within(&self, kind: CycleKind, period: Period) -> Vec<(Period, Option<&Rational>)> {
        let own = match kind {
            CycleKind::Planned => &self.planned,
            CycleKind::Theoretical => &self.theoretical,
        };
        let mut all = Vec::new();
        let mut t = period.from;
        while t < period.to {
            let after = own.partition_point(|(from, _)| *from <= t);
            let to = own.get(after).map_or(period.to, |(from, _)| period.to.min(*from));
            all.push((Period { from: t, to }, after.checked_sub(1).map(|i| &own[i].1)));
            t = to;
        }
        all
    }

    fn of_kind_mut(&mut self, kind: CycleKind) -> &mut Vec<(i64, Rational)> {
        match kind {
            CycleKind::Planned => &mut self.planned,
            CycleKind::Theoretical => &mut self.theoretical,
        }
    }
}

/// Exact milliseconds of positive seconds.
fn milliseconds(text: &str) -> Option<Rational> {
    let seconds = Rational::parse(text)?;
    (seconds > Rational::zero()).then(|| seconds * Rational::integer(1000))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(kind: CycleKind, from: i64, seconds: &str) -> CycleEntry {
        CycleEntry { machine: "m".into(), kind, product: None, from, seconds_per_part: seconds.into() }
    }

    fn grid() -> Grid {
        Grid::new(60, 480).unwrap()
    }

    #[test]
    fn the_two_cycles_are_apart_and_hold_from_their_day_until_the_next() {
        let entries = [
            entry(CycleKind::Planned, 600, "4.5"),
            entry(CycleKind::Theoretical, 0, "4"),
            entry(CycleKind::Planned, 1200, "1/3"),
        ];
        let cycles = Cycles::of("m", &entries, grid()).unwrap();
        let (slow, fast) = (Rational::integer(4500), Rational::ratio(1000, 3).unwrap());
        let at = |from, to| Period { from, to };
        let want = vec![(at(0, 600), None), (at(600, 1200), Some(&slow)), (at(1200, 1800), Some(&fast))];
        assert_eq!(cycles.within(CycleKind::Planned, at(0, 1800)), want);
        let four = Rational::integer(4000);
        assert_eq!(cycles.within(CycleKind::Theoretical, at(60, 120)), [(at(60, 120), Some(&four))]);
        assert_eq!(cycles.changes().collect::<Vec<_>>(), [600, 1200, 0]);
        assert_eq!(Cycles::of("n", &entries, grid()).unwrap(), Cycles::default());
    }

    #[test]
    fn the_same_cycle_declared_again_changes_nothing() {
        let once = Cycles::of("m", &[entry(CycleKind::Planned, 0, "270")], grid()).unwrap();
        let twice = [entry(CycleKind::Planned, 600, "270.0"), entry(CycleKind::Planned, 0, "270")];
        assert_eq!(Cycles::of("m", &twice, grid()).unwrap(), once);
    }

    #[test]
    fn what_is_no_time_is_off_the_grid_or_stands_twice_is_refused_by_name() {
        for text in ["0", "-1", "", "1/0", "abc", "1e3", ".5", "1.", "NaN"] {
            let refused = Cycles::of("m", &[entry(CycleKind::Planned, 0, text)], grid());
            assert_eq!(refused, Err(CycleError::NoTime { machine: "m".into(), text: text.into() }));
        }
        let off = Cycles::of("m", &[entry(CycleKind::Planned, 61, "1")], grid());
        assert_eq!(off, Err(CycleError::OffGrid { machine: "m".into(), from: 61, step_s: 60 }));
        let two = [entry(CycleKind::Planned, 60, "1"), entry(CycleKind::Planned, 60, "2")];
        assert_eq!(Cycles::of("m", &two, grid()), Err(CycleError::Twice { machine: "m".into(), from: 60 }));
    }
}
