//! The timeline and the energy chart of the machines, and the table of times that says the same in digits.

use verify::report::Figures;
use verify::timeline::{EnergyCell, TimelineCell, TimelineRow};

use super::Context;
use crate::chart::{Fill, Frame, energy, timeline};
use crate::model::{Document, LegendEntry, Table, TableRow};
use crate::{figure, moment, number};
use kpi::{KpiId, Rational, round::Rounding};

/// The order of the legend and of the table's columns: working states first, having no data last.
const ORDER: [Fill; 11] = [
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

/// Cells of all machines together that a page draws: more would make it megabytes long and show no more.
const MOST_CELLS: usize = 12_000;

/// Puts legend, timeline, table of times and energy chart into the document.
pub(crate) fn put(document: &mut Document, c: Context<'_>, figures: &Figures) {
    let lines = &figures.timeline;
    let Some(period) = lines.period.filter(|p| p.from < p.to) else { return };
    let frame = Frame { from: period.from, to: period.to, offset_min: c.offset_min };
    document.legend = ORDER
        .into_iter()
        .map(|f| LegendEntry { swatch: f.swatch(), name: figure::fill(c.lang, f) })
        .collect();
    document.states = states(c, &lines.rows);
    let title = format!("{} {}{}", c.t("状态时间线", "State timeline"), c.range(period), c.zone());
    let drawn = coarse(&lines.rows);
    let rows: Vec<timeline::Row> = drawn.iter().map(|row| state_row(c, row)).collect();
    document.timeline = timeline::svg(frame, &title, &rows);
    let title = format!("{} {}{}", c.t("用电", "Energy"), c.range(period), c.zone());
    let measuring = drawn.iter().filter(|row| row.cells.iter().any(|cell| cell.energy_mwh.is_some()));
    let rows: Vec<energy::Row> = measuring.map(|row| energy_row(c, figures, row)).collect();
    if !rows.is_empty() {
        document.energy = energy::svg(frame, &title, &rows, |mwh| scale(c, widest(&drawn), mwh));
    }
}

/// The rows with as many neighbouring cells taken together as the page needs.
fn coarse(rows: &[TimelineRow]) -> Vec<TimelineRow> {
    let cells: usize = rows.iter().map(|row| row.cells.len()).sum();
    let together = cells.div_ceil(MOST_CELLS).max(1);
    let merge = |row: &TimelineRow| TimelineRow {
        machine: row.machine.clone(),
        cells: row
            .cells
            .chunks(together)
            .filter_map(|cells| {
                cells.split_first().map(|(first, rest)| rest.iter().fold(first.clone(), joined))
            })
            .collect(),
    };
    rows.iter().map(merge).collect()
}

fn joined(mut a: TimelineCell, b: &TimelineCell) -> TimelineCell {
    a.to = b.to;
    for (sum, ms) in a.states_ms.iter_mut().zip(b.states_ms) {
        *sum += ms;
    }
    a.down_ms += b.down_ms;
    a.missing_ms += b.missing_ms;
    a.energy_mwh = joined_energy(a.energy_mwh, b.energy_mwh);
    a
}

/// An amount beside a stretch without any is known in part only, and so is drawn like a bridged one.
fn joined_energy(a: Option<EnergyCell>, b: Option<EnergyCell>) -> Option<EnergyCell> {
    match (a, b) {
        (Some(a), Some(b)) => Some(EnergyCell {
            lower: a.lower.saturating_add(b.lower),
            upper: a.upper.zip(b.upper).map(|(a, b)| a.saturating_add(b)),
            bridged: a.bridged || b.bridged,
        }),
        (Some(one), None) | (None, Some(one)) => Some(EnergyCell { bridged: true, ..one }),
        (None, None) => None,
    }
}

/// Length of the longest cell, s.
fn widest(rows: &[TimelineRow]) -> i64 {
    rows.iter().flat_map(|row| &row.cells).map(|cell| cell.to - cell.from).max().unwrap_or(0)
}

fn ms(cells: &[TimelineCell], fill: Fill) -> u64 {
    let one = |cell: &TimelineCell| match fill {
        Fill::State(n) => cell.states_ms[usize::from(n)],
        Fill::Down => cell.down_ms,
        Fill::Gap => cell.missing_ms,
        // Fills of amounts; no state.
        Fill::Measured | Fill::Open | Fill::Before => 0,
    };
    cells.iter().map(one).sum()
}

fn states(c: Context<'_>, rows: &[TimelineRow]) -> Table {
    let rows = rows.iter().map(|row| TableRow {
        name: name(c, &row.machine),
        id: String::new(),
        cells: ORDER.into_iter().map(|fill| moment::hours(ms(&row.cells, fill))).collect(),
    });
    Table { rows: rows.collect(), heads: Vec::new() }
}

fn name(c: Context<'_>, id: &str) -> String {
    let machine = c.report.machines.iter().find(|m| m.id == id);
    machine.map(|m| m.name.as_str()).filter(|n| !n.is_empty()).unwrap_or(id).to_owned()
}

fn state_row(c: Context<'_>, row: &TimelineRow) -> timeline::Row {
    let total: u64 = ORDER.into_iter().map(|fill| ms(&row.cells, fill)).sum();
    let producing = ms(&row.cells, Fill::State(5));
    let share = Rational::ratio(u128::from(producing) * 100, u128::from(total.max(1)));
    let share = share.map_or_else(String::new, |s| number::decimal(&s, 1, Rounding::Down));
    timeline::Row {
        name: name(c, &row.machine),
        remark: format!("{} {share} %", figure::fill(c.lang, Fill::State(5))),
        cells: row
            .cells
            .iter()
            .map(|cell| timeline::Cell {
                from: cell.from,
                to: cell.to,
                states_ms: cell.states_ms,
                down_ms: cell.down_ms,
                gap_ms: cell.missing_ms,
            })
            .collect(),
    }
}

fn energy_row(c: Context<'_>, figures: &Figures, row: &TimelineRow) -> energy::Row {
    let table = figures.tables.iter().find(|t| {
        t.machine.as_deref() == Some(row.machine.as_str()) && Some(t.period) == figures.timeline.period
    });
    let total = table.and_then(|t| t.kpis.iter().find(|k| k.id == KpiId::Energy));
    energy::Row {
        name: name(c, &row.machine),
        remark: total.map_or_else(String::new, |k| format!("{} kWh", figure::value(c.lang, k))),
        cells: row
            .cells
            .iter()
            .map(|cell| energy::Cell {
                from: cell.from,
                to: cell.to,
                mwh: cell.energy_mwh.and_then(known),
                bridged: cell.energy_mwh.is_some_and(|e| e.bridged),
            })
            .collect(),
    }
}

/// What nothing bounds cannot be drawn as a column and is shown as a gap.
fn known(cell: EnergyCell) -> Option<(u64, u64)> {
    cell.upper.map(|upper| (cell.lower, upper))
}

/// `1.2 kWh / 15 min`, rounded up so that no column stands above its scale.
fn scale(c: Context<'_>, cell_s: i64, mwh: u64) -> String {
    let (divisor, unit) = match mwh {
        ..1_000_000 => (1_000, "Wh"),
        1_000_000..1_000_000_000 => (1_000_000, "kWh"),
        _ => (1_000_000_000, "MWh"),
    };
    let value =
        Rational::ratio(mwh, divisor).map_or_else(String::new, |r| number::decimal(&r, 2, Rounding::Up));
    let cell = c.length(u64::try_from(cell_s).unwrap_or(0).saturating_mul(1000));
    format!("{value} {unit} / {cell}")
}
