//! Key figures of a project over a period, from its derived tables, by the functions of the `kpi` crate.
//!
//! Whole streams go in, also what lies before and after the period: an amount needs the reading before it, and
//! one that spans the period's end belongs to neither side alone. Which windows count is decided as in the
//! assessor's program, with the checkpoints that a bundle of this moment would carry.

use crate::derived::{Derived, HoleRow, WindowRow};
use crate::error::StorageError;
use crate::export::named_checkpoints;
use evidence::payload::{Genesis, Machine};
use kpi::cycle::Cycles;
use kpi::totals::{Hole, Standing};
use kpi::{Calendar, Calendars, Cuts, Kpi, MachineTotals, Period, Scope, Subject};
use serde::Serialize;
use thiserror::Error;
use tlog::{Read as _, SqliteLog};
use verify::roster::feeds;

/// Windows read at a time.
const PAGE: u32 = 4096;

/// Why there are no figures.
#[derive(Debug, Error)]
#[non_exhaustive]
pub(crate) enum FigureError {
    /// The period cannot be answered.
    #[error("{0}")]
    Period(String),
    /// The calendar of the genesis cannot be used.
    #[error("{0}")]
    Calendar(String),
    /// The tables cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Figures of a project.
#[derive(Debug, Serialize)]
pub(crate) struct Figures {
    /// The project.
    pub(crate) project: String,
    /// These figures were not verified: they are the gateway's own reading of its log.
    pub(crate) verified: bool,
    /// Entries of the log that they rest on.
    pub(crate) through: u64,
    /// The period; absent while there is no window.
    pub(crate) period: Option<Period>,
    /// Method version of the arithmetic.
    pub(crate) method: &'static str,
    /// The figures.
    pub(crate) kpis: Vec<Kpi>,
}

/// Computes every figure over `[from, to)`, UTC s; everything when absent.
pub(crate) fn compute(
    derived: &Derived,
    log: &mut SqliteLog,
    genesis: &Genesis,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<Figures, FigureError> {
    let mut out = Figures {
        project: genesis.project.clone(),
        verified: false,
        through: derived.progress()?,
        period: None,
        method: kpi::METHOD_VERSION,
        kpis: vec![],
    };
    let Some((first, last)) = derived.extent(genesis.step_s.into())? else { return Ok(out) };
    let period = Period { from: from.unwrap_or(first), to: to.unwrap_or(last) };
    let mut periods: Vec<_> = genesis.periods.iter().map(|p| Period { from: p.from, to: p.to }).collect();
    periods.push(period);
    let cuts = Cuts::new(genesis.step_s, genesis.utc_offset_min, &periods)
        .map_err(|e| FigureError::Period(e.to_string()))?;
    // Plans are the assessor's to apply: they change figures backwards, and these are not verified anyway.
    let calendars = verify::calendar::of_genesis(genesis, cuts.grid())
        .map_err(|e| FigureError::Calendar(e.to_string()))?;
    let walk = Walk { derived, cuts, calendars, judge: Judge::of(derived, log, genesis)? };
    let totals = genesis.machines.iter().map(|m| walk.totals(m)).collect::<Result<Vec<_>, StorageError>>()?;
    let mappings = derived.mappings()?;
    let cycles: Vec<Cycles> =
        genesis.machines.iter().map(|m| Cycles::always(m.planned_cycle_ms, m.theoretical_cycle_ms)).collect();
    let machines = genesis.machines.iter().zip(&totals).zip(&cycles);
    let subjects: Vec<Subject<'_>> = machines
        .map(|((machine, totals), cycles)| Subject {
            id: &machine.id,
            totals,
            digital: machine.flags.digital,
            feeds: feeds(machine),
            mapping: mappings.get(&machine.index).map_or("", String::as_str),
            calendar: walk.calendar(machine),
            cycles: Some(cycles),
        })
        .collect();
    let scope = Scope { period, cuts: &walk.cuts, statements: None, good_condition: None };
    out.kpis = kpi::kpis(scope, &subjects);
    out.period = Some(period);
    Ok(out)
}

/// Whether a window came in time, by the checkpoint that attests its logging.
struct Judge {
    /// Sizes of checkpoints, ascending, with their times.
    uppers: Vec<(u64, i64)>,
    step_s: i64,
    max_lag_s: i64,
    tolerance_s: i64,
}

impl Judge {
    fn of(derived: &Derived, log: &mut SqliteLog, genesis: &Genesis) -> Result<Self, StorageError> {
        let newest = log.sealed()?;
        let mut uppers = vec![];
        if let Some(newest) = newest.filter(|_| genesis.operator_time_vkey.is_some()) {
            let named = named_checkpoints(log, derived.seen()?.iter(), &newest)?;
            uppers.extend(named.iter().map(|sealed| (sealed.size, sealed.time_s)));
            uppers.push((newest.size, newest.time_s));
        }
        Ok(Self {
            uppers,
            step_s: genesis.step_s.into(),
            max_lag_s: genesis.max_lag_s.into(),
            tolerance_s: genesis.clock_tolerance_s.into(),
        })
    }

    /// Neither late nor signed before its end. A window that nothing attests yet is taken as it is.
    fn in_time(&self, row: &WindowRow) -> bool {
        let at = self.uppers.partition_point(|(size, _)| *size <= row.entry);
        let Some((_, logged)) = self.uppers.get(at) else { return true };
        let lag = logged - (row.t + self.step_s);
        -lag <= self.tolerance_s && lag <= self.max_lag_s
    }
}

struct Walk<'a> {
    derived: &'a Derived,
    cuts: Cuts,
    calendars: Calendars,
    judge: Judge,
}

impl Walk<'_> {
    /// The calendars were made for these machines.
    fn calendar(&self, machine: &Machine) -> &Calendar {
        self.calendars.of(&machine.id).unwrap_or(&Calendar::Always)
    }

    fn totals(&self, machine: &Machine) -> Result<MachineTotals, StorageError> {
        let mut totals = verify::roster::totals(machine);
        let breaks = self.derived.breaks(machine.index)?;
        let mut holes = self.derived.holes(machine.index)?.into_iter().peekable();
        let mut spoils = self.derived.spoils(machine.index)?.into_iter().peekable();
        let mut after = i64::MIN;
        loop {
            let rows = self.derived.windows(machine.index, after, i64::MAX, PAGE)?;
            for row in &rows {
                while let Some(hole) = holes.next_if(|hole| hole.from < row.t) {
                    self.add_hole(&mut totals, hole);
                }
                while let Some((_, quantity)) = spoils.next_if(|(entry, _)| *entry <= row.entry) {
                    totals.spoil(quantity);
                }
                let here = breaks.get(&row.t).map_or(&[][..], Vec::as_slice);
                let counted = row.counted && self.judge.in_time(row);
                let standing = Standing { counted, opening: row.opening };
                // Rows follow one another: what would overlap was never entered.
                let _ = totals.window(&self.cuts, self.calendar(machine), row.t, &row.window, here, standing);
            }
            match rows.last() {
                Some(last) if u32::try_from(rows.len()).is_ok_and(|n| n == PAGE) => after = last.t + 1,
                _ => break,
            }
        }
        holes.for_each(|hole| self.add_hole(&mut totals, hole));
        Ok(totals)
    }

    fn add_hole(&self, totals: &mut MachineTotals, hole: HoleRow) {
        let kind = if hole.loss { Hole::Loss } else { Hole::Down };
        // As above.
        let _ = totals.hole(&self.cuts, kind, hole.from, hole.to);
    }
}
