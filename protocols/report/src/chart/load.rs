//! The load curve: mean power of the boundary in each cell, one column a cell, with a scale that all columns share.
//! What a gap leaves open is hatched above what is certain; a cell that nothing bounds is a gap, never a zero.

use std::fmt::Write as _;

use super::{Frame, bar};
use crate::text;

/// Mean power over a stretch of time, half-open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// First second, UTC.
    pub from: i64,
    /// Second after the last, UTC.
    pub to: i64,
    /// Least and most mean power in W; `None` where nothing bounds it.
    pub w: Option<(u64, u64)>,
}

const PLOT: u32 = 220;
const TOP: u32 = 8;
const AXIS: u32 = 20;
/// Height of the picture, px.
pub const HEIGHT: u32 = TOP + PLOT + AXIS;
const LINES: u64 = 4;

/// The picture. `words` says a power in W as people read it.
pub fn svg(frame: Frame, title: &str, cells: &[Cell], words: impl Fn(u64) -> String) -> String {
    let top = scale(cells.iter().filter_map(|c| c.w).map(|(_, most)| most).max().unwrap_or(0));
    let mut out = format!(
        r#"<svg class="chart" role="img" width="100%" height="{HEIGHT}" xmlns="http://www.w3.org/2000/svg"><title>{}</title>"#,
        text::escape(title)
    );
    frame.grid(&mut out, TOP, TOP + PLOT);
    for cell in cells {
        column(&mut out, frame, cell, top);
    }
    for line in 0..=LINES {
        let y = TOP + PLOT - pixels(top * line / LINES, top);
        // Writing to a String cannot fail, here and below.
        let _ = write!(out, r#"<line class="grid" x1="0" x2="100%" y1="{y}" y2="{y}"/>"#);
        if line > 0 {
            let _ = write!(
                out,
                r#"<text class="dim halo" x="4" y="{}">{}</text>"#,
                y + 12,
                text::escape(&words(top * line / LINES))
            );
        }
    }
    frame.labels(&mut out, TOP + PLOT + 14);
    out.push_str("</svg>");
    out
}

fn column(out: &mut String, frame: Frame, cell: &Cell, top: u64) {
    let (x, width) = (frame.x(cell.from), frame.width(cell.from, cell.to));
    let Some((least, most)) = cell.w else { return bar(out, "gap", &x, &width, TOP, PLOT) };
    let (low, high) = (pixels(least, top), pixels(most, top));
    bar(out, "wh", &x, &width, TOP + PLOT - low, low);
    bar(out, "bridged", &x, &width, TOP + PLOT - high, high - low);
}

fn pixels(w: u64, top: u64) -> u32 {
    if w == 0 || top == 0 {
        return 0;
    }
    u32::try_from(u128::from(w.min(top)) * u128::from(PLOT) / u128::from(top)).unwrap_or(PLOT).max(1)
}

/// The next power that four lines divide into round numbers: 1, 2, 4 or 8 times a power of ten.
fn scale(most: u64) -> u64 {
    let mut decade = 1u64;
    loop {
        for step in [1, 2, 4, 8] {
            let top = decade.saturating_mul(step);
            if top >= most.max(4) || top == u64::MAX {
                return top;
            }
        }
        decade = decade.saturating_mul(10);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Frame = Frame { from: 0, to: 40, offset_min: 480 };

    #[test]
    fn what_nothing_bounds_is_a_gap_and_what_is_open_is_hatched() {
        let cell = |from, w| Cell { from, to: from + 10, w };
        let cells = [cell(0, Some((500, 1000))), cell(10, None), cell(20, Some((0, 0)))];
        let svg = svg(FRAME, "t", &cells, |w| format!("{w} W"));
        assert!(svg.contains(r#"<rect class="wh" x="0%" y="118" width="25%" height="110"/>"#), "{svg}");
        assert!(svg.contains(r#"<rect class="bridged" x="0%" y="8" width="25%" height="110"/>"#), "{svg}");
        assert!(svg.contains(r#"<rect class="gap" x="25%" y="8" width="25%" height="220"/>"#), "{svg}");
        assert_eq!(svg.matches("<rect").count(), 3, "no load is no column");
        assert!(svg.contains(">1000 W</text>"));
    }

    #[test]
    fn the_scale_is_round_and_never_below_the_highest_column() {
        for (most, top) in [(0, 4), (5, 8), (9, 10), (1001, 2000), (4000, 4000), (u64::MAX, u64::MAX)] {
            assert_eq!(scale(most), top, "{most}");
        }
    }
}
