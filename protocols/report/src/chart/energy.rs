//! The energy chart: one strip a machine, one column a cell. A column is the register's difference; what a
//! gap leaves open between two readings is hatched, and a cell without any figure is a gap, never a zero.
//! Each strip has its own scale, printed beside it, because a lamp and a furnace share no useful one.

use std::fmt::Write as _;

use super::{Frame, bar};
use crate::text;

/// One machine's strip.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Name as it came from the roster; made visible, cut and escaped here.
    pub name: String,
    /// The total, set at the right.
    pub remark: String,
    /// In order of time.
    pub cells: Vec<Cell>,
}

/// The energy of a stretch of time, half-open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// First second, UTC.
    pub from: i64,
    /// Second after the last, UTC.
    pub to: i64,
    /// Least and most energy in mWh that the evidence allows; `None` where it says nothing.
    pub mwh: Option<(u64, u64)>,
    /// The amount was measured over a gap that this cell closes.
    pub bridged: bool,
}

const ROW: u32 = 76;
const LABEL: u32 = 13;
const STRIP_TOP: u32 = 19;
const STRIP: u32 = 46;
const AXIS: u32 = 18;

/// The picture. `title` says what it shows, `scale` words the scale of a strip, given its highest column in mWh.
pub fn svg(frame: Frame, title: &str, rows: &[Row], scale: impl Fn(u64) -> String) -> String {
    let rows_height = ROW * u32::try_from(rows.len()).unwrap_or(u32::MAX / ROW - 1);
    let mut out = format!(
        r#"<svg class="chart" role="img" width="100%" height="{}" xmlns="http://www.w3.org/2000/svg"><title>{}</title>"#,
        rows_height + AXIS,
        text::escape(title)
    );
    frame.grid(&mut out, 0, rows_height);
    for (y, row) in (0..).step_by(ROW as usize).zip(rows) {
        draw(&mut out, frame, y, row, &scale);
    }
    frame.labels(&mut out, rows_height + 12);
    out.push_str("</svg>");
    out
}

fn draw(out: &mut String, frame: Frame, y: u32, row: &Row, scale: &impl Fn(u64) -> String) {
    let name = text::visible(&row.name);
    let top = row.cells.iter().filter_map(|c| c.mwh).map(|(_, most)| most).max().unwrap_or(0);
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        r#"<g><title>{full}</title><text x="0" y="{base}">{short}</text><text class="dim end" x="100%" y="{base}">{remark}</text>"#,
        full = text::escape(&name),
        short = text::escape(&text::clip(&name, 28)),
        remark = text::escape(&row.remark),
        base = y + LABEL,
    );
    for cell in &row.cells {
        column(out, frame, y + STRIP_TOP, cell, top);
    }
    let _ = write!(out, r#"<rect class="edge" x="0" y="{}" width="100%" height="{STRIP}"/>"#, y + STRIP_TOP);
    if top > 0 {
        let _ = write!(
            out,
            r#"<text class="dim halo" x="4" y="{}">{}</text>"#,
            y + STRIP_TOP + 12,
            text::escape(&scale(top))
        );
    }
    out.push_str("</g>");
}

fn column(out: &mut String, frame: Frame, y: u32, cell: &Cell, top: u64) {
    let (x, width) = (frame.x(cell.from), frame.width(cell.from, cell.to));
    let Some((least, most)) = cell.mwh else {
        return bar(out, "gap", &x, &width, y, STRIP);
    };
    let (low, high) = (height(least, top), height(most, top));
    let class = if cell.bridged { "bridged" } else { "wh" };
    bar(out, class, &x, &width, y + STRIP - low, low);
    bar(out, "bridged", &x, &width, y + STRIP - high, high - low);
}

/// Pixels of an amount; a non-zero one is never invisible.
fn height(mwh: u64, top: u64) -> u32 {
    if mwh == 0 || top == 0 {
        return 0;
    }
    let room = u128::from(STRIP - 14);
    u32::try_from(u128::from(mwh.min(top)) * room / u128::from(top)).unwrap_or(STRIP).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { from: 0, to: 40, offset_min: 480 };

    fn draw_cells(cells: Vec<Cell>) -> String {
        svg(FRAME, "t", &[Row { name: "m".into(), remark: String::new(), cells }], |top| format!("{top} mWh"))
    }

    #[test]
    fn a_cell_without_a_figure_is_a_gap_and_not_a_zero() {
        let svg = draw_cells(vec![
            Cell { from: 0, to: 10, mwh: Some((0, 0)), bridged: false },
            Cell { from: 10, to: 20, mwh: None, bridged: false },
        ]);
        assert_eq!(svg.matches("class=\"wh\"").count(), 0);
        assert!(svg.contains(r#"<rect class="gap" x="25%" y="19" width="25%" height="46"/>"#), "{svg}");
    }

    #[test]
    fn what_a_gap_leaves_open_is_hatched_above_what_is_certain() {
        let svg = draw_cells(vec![
            Cell { from: 0, to: 10, mwh: Some((500, 1000)), bridged: false },
            Cell { from: 10, to: 20, mwh: Some((1000, 1000)), bridged: true },
        ]);
        assert!(svg.contains(r#"<rect class="wh" x="0%" y="49" width="25%" height="16"/>"#), "{svg}");
        assert!(svg.contains(r#"<rect class="bridged" x="0%" y="33" width="25%" height="16"/>"#), "{svg}");
        assert!(svg.contains(r#"<rect class="bridged" x="25%" y="33" width="25%" height="32"/>"#), "{svg}");
        assert!(svg.contains(">1000 mWh</text>"));
    }

    #[test]
    fn the_smallest_amount_is_still_seen() {
        assert_eq!((height(1, u64::MAX), height(0, 5), height(5, 5)), (1, 0, STRIP - 14));
    }
}
