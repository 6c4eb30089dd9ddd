//! The state timeline: one bar a machine, cut into cells. A cell that saw several states is drawn as their
//! shares, stacked; time without data is hatched and stays as wide as it was.

use std::fmt::Write as _;

use super::{Fill, Frame, bar};
use crate::text;

/// One machine's bar.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Name as it came from the roster; made visible, cut and escaped here.
    pub name: String,
    /// A short remark set at the right, such as a share; ours, so short.
    pub remark: String,
    /// In order of time.
    pub cells: Vec<Cell>,
}

/// A stretch of a machine's time, half-open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// First second, UTC.
    pub from: i64,
    /// Second after the last, UTC.
    pub to: i64,
    /// Milliseconds in each leaf state.
    pub states_ms: [u64; 9],
    /// Milliseconds for which the agent signed that it was off.
    pub down_ms: u64,
    /// Milliseconds for which nothing is signed.
    pub gap_ms: u64,
}

/// Stacking order from the bottom: what earns money first, what is not known last.
const ORDER: [u8; 9] = [5, 4, 6, 7, 8, 1, 3, 2, 0];
const ROW: u32 = 46;
const LABEL: u32 = 13;
const BAR_TOP: u32 = 19;
const BAR: u32 = 20;
const AXIS: u32 = 18;

/// Height of the picture with so many rows, px.
pub fn height(rows: usize) -> u32 {
    let rows_height = ROW * u32::try_from(rows).unwrap_or(u32::MAX / ROW - 1);
    rows_height + if rows > 8 { 2 * AXIS } else { AXIS }
}

/// The picture. `title` says what it shows, for readers who cannot see it.
pub fn svg(frame: Frame, title: &str, rows: &[Row]) -> String {
    let rows_height = ROW * u32::try_from(rows.len()).unwrap_or(u32::MAX / ROW - 1);
    let top = if rows.len() > 8 { AXIS } else { 0 };
    let height = height(rows.len());
    let mut out = format!(
        r#"<svg class="chart" role="img" width="100%" height="{height}" xmlns="http://www.w3.org/2000/svg"><title>{}</title>"#,
        text::escape(title)
    );
    if top > 0 {
        frame.labels(&mut out, 12);
    }
    frame.grid(&mut out, top, top + rows_height);
    for (y, row) in (top..).step_by(ROW as usize).zip(rows) {
        draw(&mut out, frame, y, row);
    }
    frame.labels(&mut out, top + rows_height + 12);
    out.push_str("</svg>");
    out
}

fn draw(out: &mut String, frame: Frame, y: u32, row: &Row) {
    let name = text::visible(&row.name);
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        r#"<g><title>{full}</title><text x="0" y="{base}">{short}</text><text class="dim end" x="100%" y="{base}">{remark}</text>"#,
        full = text::escape(&name),
        short = text::escape(&text::clip(&name, 28)),
        remark = text::escape(&row.remark),
        base = y + LABEL,
    );
    for cell in merged(&row.cells) {
        stack(out, frame, y + BAR_TOP, &cell);
    }
    let _ = write!(out, r#"<rect class="edge" x="0" y="{}" width="100%" height="{BAR}"/></g>"#, y + BAR_TOP);
}

/// Neighbouring cells with the same single content drawn as one, so that a quiet week is one rectangle.
fn merged(cells: &[Cell]) -> Vec<Cell> {
    let mut out: Vec<Cell> = Vec::new();
    for cell in cells {
        match out.last_mut() {
            Some(last) if last.to == cell.from && alone(last).is_some() && alone(last) == alone(cell) => {
                last.to = cell.to;
            }
            _ => out.push(cell.clone()),
        }
    }
    out
}

/// The one thing a cell consists of, if it is one.
fn alone(cell: &Cell) -> Option<Fill> {
    let mut parts = parts(cell).filter(|(_, ms)| *ms > 0);
    let (fill, _) = parts.next()?;
    parts.next().is_none().then_some(fill)
}

fn parts(cell: &Cell) -> impl Iterator<Item = (Fill, u64)> + '_ {
    ORDER
        .into_iter()
        .map(|n| (Fill::State(n), cell.states_ms[usize::from(n)]))
        .chain([(Fill::Down, cell.down_ms), (Fill::Gap, cell.gap_ms)])
}

/// The shares of one cell from the bottom up. Edges are rounded, not heights, so that the parts always
/// fill the bar exactly.
fn stack(out: &mut String, frame: Frame, top: u32, cell: &Cell) {
    let total: u64 = parts(cell).map(|(_, ms)| ms).sum();
    if total == 0 {
        return;
    }
    let (x, width) = (frame.x(cell.from), frame.width(cell.from, cell.to));
    let mut below = 0;
    for (fill, ms) in parts(cell) {
        let (low, high) = (edge(below, total), edge(below + ms, total));
        bar(out, &fill.class(), &x, &width, top + BAR - high, high - low);
        below += ms;
    }
}

fn edge(part: u64, total: u64) -> u32 {
    let px = (u128::from(part) * u128::from(BAR) * 2 + u128::from(total)) / (u128::from(total) * 2);
    u32::try_from(px).unwrap_or(BAR).min(BAR)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { from: 0, to: 100, offset_min: 480 };

    fn cell(from: i64, to: i64, states: &[(usize, u64)], gap_ms: u64) -> Cell {
        let mut states_ms = [0; 9];
        for (n, ms) in states {
            states_ms[*n] = *ms;
        }
        Cell { from, to, states_ms, down_ms: 0, gap_ms }
    }

    #[test]
    fn a_gap_is_drawn_hatched_and_as_wide_as_it_was() {
        let rows = [Row {
            name: "cnc".into(),
            remark: String::new(),
            cells: vec![
                cell(0, 50, &[(5, 50_000)], 0),
                cell(50, 75, &[], 25_000),
                cell(75, 100, &[(8, 25_000)], 0),
            ],
        }];
        let svg = svg(FRAME, "t", &rows);
        assert!(svg.contains(r#"<rect class="s5" x="0%" y="19" width="50%" height="20"/>"#), "{svg}");
        assert!(svg.contains(r#"<rect class="gap" x="50%" y="19" width="25%" height="20"/>"#), "{svg}");
        assert!(svg.contains(r#"<rect class="s8" x="75%" y="19" width="25%" height="20"/>"#), "{svg}");
    }

    #[test]
    fn the_shares_of_a_mixed_cell_fill_the_bar_exactly() {
        let mixed = cell(0, 100, &[(5, 33_333), (8, 33_333), (0, 33_333)], 1);
        let mut out = String::new();
        stack(&mut out, FRAME, 0, &mixed);
        let heights: u32 = out
            .split("height=\"")
            .skip(1)
            .map(|s| s.split('"').next().unwrap().parse::<u32>().unwrap())
            .sum();
        assert_eq!(heights, BAR);
    }

    #[test]
    fn quiet_time_is_one_rectangle() {
        let cells: Vec<Cell> = (0..100).map(|i| cell(i, i + 1, &[(1, 1000)], 0)).collect();
        assert_eq!(merged(&cells).len(), 1);
    }

    #[test]
    fn a_hostile_name_stays_text() {
        let name = format!("</text><script>alert(1)</script>\u{202e}{}", "长".repeat(200));
        let svg = svg(FRAME, "\"><x", &[Row { name, remark: "<b>".into(), cells: vec![] }]);
        assert!(
            !svg.contains("<script")
                && !svg.contains("<b>")
                && !svg.contains('\u{202e}')
                && !svg.contains("<x")
        );
    }
}
