//! Key figures of a project over a period, from its derived tables, by the functions of the `kpi` crate.
//!
//! Whole streams go in, also what lies before and after the period: an amount needs the reading before it, and
//! one that spans the period's end belongs to neither side alone.

use crate::derived::{Derived, HoleRow};
use crate::error::StorageError;
use evidence::payload::{Genesis, Machine};
use kpi::totals::{Hole, Standing};
use kpi::{Calendar, Cuts, EvidenceClass, Kpi, MachineTotals, Period, Scope, Subject};
use serde::Serialize;
use thiserror::Error;

/// Windows read at a time.
const PAGE: u32 = 4096;

/// Why there are no figures.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum FigureError {
    /// The period cannot be answered.
    #[error("{0}")]
    Period(String),
    /// The tables cannot be read.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

/// Figures of a project.
#[derive(Debug, Serialize)]
pub struct Figures {
    /// The project.
    pub project: String,
    /// These figures were not verified: they are the gateway's own reading of its log.
    pub verified: bool,
    /// Entries of the log that they rest on.
    pub through: u64,
    /// The period; absent while there is no window.
    pub period: Option<Period>,
    /// Method version of the arithmetic.
    pub method: &'static str,
    /// The figures.
    pub figures: Vec<Kpi>,
}

/// Computes every figure over `[from, to)`, UTC s; everything when absent.
pub fn compute(
    derived: &Derived,
    genesis: &Genesis,
    from: Option<i64>,
    to: Option<i64>,
) -> Result<Figures, FigureError> {
    let through = derived.progress()?;
    let mut out = Figures {
        project: genesis.project.clone(),
        verified: false,
        through,
        period: None,
        method: kpi::METHOD_VERSION,
        figures: vec![],
    };
    let Some((first, last)) = derived.extent(genesis.step_s.into())? else { return Ok(out) };
    let period = Period { from: from.unwrap_or(first), to: to.unwrap_or(last) };
    let cuts = Cuts::new(genesis.step_s, genesis.utc_offset_min, &[period])
        .map_err(|e| FigureError::Period(e.to_string()))?;
    let calendar = Calendar::Always;
    let mut totals = vec![];
    for machine in &genesis.machines {
        totals.push(machine_totals(derived, machine, &cuts, &calendar)?);
    }
    let mappings: Vec<String> = genesis.machines.iter().map(|m| hex::encode(m.mapping)).collect();
    let subjects: Vec<Subject<'_>> = genesis
        .machines
        .iter()
        .zip(&totals)
        .zip(&mappings)
        .map(|((machine, totals), mapping)| Subject {
            id: &machine.id,
            totals,
            digital: machine.flags.digital,
            class: EvidenceClass::C,
            mapping,
        })
        .collect();
    let scope = Scope { period, cuts: &cuts, calendar: &calendar, statements: None };
    out.figures = kpi::kpis(scope, &subjects);
    out.period = Some(period);
    Ok(out)
}

fn machine_totals(
    derived: &Derived,
    machine: &Machine,
    cuts: &Cuts,
    calendar: &Calendar,
) -> Result<MachineTotals, StorageError> {
    let measured = kpi::Quantity::ALL.map(|quantity| machine.columns.contains(&quantity.column()));
    let mut totals = MachineTotals::new(measured);
    let breaks = derived.breaks(machine.index)?;
    let mut holes = derived.holes(&machine.agent)?.into_iter().peekable();
    let mut after = i64::MIN;
    loop {
        let rows = derived.windows(machine.index, after, i64::MAX, PAGE)?;
        for row in &rows {
            while let Some(hole) = holes.next_if(|hole| hole.from < row.t) {
                add_hole(&mut totals, cuts, hole);
            }
            let none = vec![];
            let here = breaks.get(&row.t).unwrap_or(&none);
            let standing = Standing { counted: row.counted, opening: row.opening };
            // Rows are unique and in order; what overlaps a signed hole is a contradiction that the
            // verifier reports, and is left out here.
            let _ = totals.window(cuts, calendar, row.t, &row.window, here, standing);
        }
        match rows.last() {
            Some(last) if u32::try_from(rows.len()).is_ok_and(|n| n == PAGE) => after = last.t + 1,
            _ => break,
        }
    }
    holes.for_each(|hole| add_hole(&mut totals, cuts, hole));
    Ok(totals)
}

fn add_hole(totals: &mut MachineTotals, cuts: &Cuts, hole: HoleRow) {
    let kind = if hole.loss { Hole::Loss } else { Hole::Down };
    // As above: a hole that overlaps windows is left out.
    let _ = totals.hole(cuts, kind, hole.from, hole.to);
}
