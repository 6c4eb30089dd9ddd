//! MTBF and MTTR: means over faults, summed over machines before the one division. With unknown busy time any
//! number of faults may hide in it, and faults that were seen may be one, so that MTBF is open at both ends and MTTR
//! is at most all fault and unknown time.

use super::{Boundary, figure};
use crate::definition::KpiId;
use crate::faults::{Between, FaultRun};
use crate::figure::{Figure, Kpi, Term, Undefined};
use crate::iso::Bounds;
use crate::rational::Rational;

/// Milliseconds in an hour.
const MS_PER_HOUR: u32 = 3_600_000;

/// A sum of times over a count.
struct Mean {
    ms: Between,
    count: Between,
}

impl Boundary<'_> {
    pub(super) fn fault(&self, kpi: &mut Kpi) {
        self.measured_by_states(kpi);
        let runs: Vec<FaultRun> =
            self.inside.iter().map(|m| m.totals.faults(self.scope.cuts, self.scope.period)).collect();
        let u = self.times.unknown_ms;
        let (mean, symbols) = match kpi.id {
            KpiId::Mtbf => (between(&runs, u), ("APT + AUST between faults", "faults − 1")),
            _ => (inside(&runs, u), ("FAULT", "faults")),
        };
        let enough = u > 0 || mean.count.least > 0 && faults(&runs) >= 2;
        kpi.value = if enough {
            figure(Some(mean.hours(u > 0)), Undefined::TooFewFaults)
        } else {
            Figure::Undefined { reason: Undefined::TooFewFaults }
        };
        kpi.numerator = Some(term(symbols.0, "ms", mean.ms, false));
        kpi.denominator = Some(term(symbols.1, "faults", mean.count, u > 0));
    }
}

fn faults(runs: &[FaultRun]) -> u64 {
    runs.iter().map(|run| run.faults().least).sum()
}

/// Run time between faults, over gaps. A machine with fewer than two faults adds nothing to either.
fn between(runs: &[FaultRun], u: u64) -> Mean {
    let mut count = sum(runs.iter().map(FaultRun::gaps));
    let mut ms = sum(runs.iter().map(FaultRun::between_faults_ms));
    if u > 0 {
        // Hidden faults may have opened gaps anywhere, and what looks like two faults may be one that went on while
        // nobody looked.
        ms = Between { least: 0, most: runs.iter().map(|r| r.run_ms).sum::<u64>() + u };
        count.least = 0;
    }
    Mean { ms, count }
}

/// Time of the faults wholly inside, over their number.
fn inside(runs: &[FaultRun], u: u64) -> Mean {
    let mut mean =
        Mean { ms: sum(runs.iter().map(FaultRun::inside_ms)), count: sum(runs.iter().map(FaultRun::inside)) };
    if u > 0 {
        // The last known fault of each machine may go on through unknown time to the period's end.
        mean.ms = Between { least: 0, most: runs.iter().map(|r| r.fault_ms).sum::<u64>() + u };
        // What looks like several faults may be one that went on while nobody looked; without two that were seen
        // nothing says that there is a mean at all.
        mean.count.least = u64::from(faults(runs) >= 2);
    }
    mean
}

fn sum(each: impl Iterator<Item = Between>) -> Between {
    each.fold(Between::default(), |sum, one| Between {
        least: sum.least + one.least,
        most: sum.most + one.most,
    })
}

impl Mean {
    fn hours(&self, hidden: bool) -> Bounds {
        let per = |ms: u64, count: u64| Rational::ratio(ms, u128::from(count) * u128::from(MS_PER_HOUR));
        let lower = if hidden { None } else { per(self.ms.least, self.count.most) };
        Bounds { lower: lower.unwrap_or_else(Rational::zero), upper: per(self.ms.most, self.count.least) }
    }
}

fn term(symbol: &'static str, unit: &'static str, between: Between, open: bool) -> Term {
    let upper = (!open).then(|| Rational::integer(between.most));
    Term { symbol, unit, lower: Rational::integer(between.least), upper }
}
