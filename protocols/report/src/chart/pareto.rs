//! Where the time went: one bar a state, the longest first, with its share and the running sum of shares. The sum is
//! drawn as a line too, so that the few states that make up most of the loss are seen at once.

use std::fmt::Write as _;

use super::{Fill, bar};
use crate::text;

/// One state.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its fill.
    pub fill: Fill,
    /// Its name.
    pub name: String,
    /// Its time, ms.
    pub ms: u64,
    /// Time and shares as people read them.
    pub words: String,
}

const ROW: u32 = 34;
const BAR: u32 = 18;
/// Where bars begin and how wide the whole is, per mille of the width: names stand left, words right.
const LEFT: u64 = 150;
const ROOM: u64 = 520;

/// Height of the picture with so many rows, px.
pub fn height(rows: usize) -> u32 {
    ROW * u32::try_from(rows).unwrap_or(u32::MAX / ROW)
}

/// The picture, in the order of `rows`.
pub fn svg(title: &str, rows: &[Row]) -> String {
    let total: u64 = rows.iter().map(|r| r.ms).sum();
    let mut out = format!(
        r#"<svg class="chart" role="img" width="100%" height="{}" xmlns="http://www.w3.org/2000/svg"><title>{}</title>"#,
        height(rows.len()),
        text::escape(title)
    );
    let mut sum = 0;
    for (y, row) in (0..).step_by(ROW as usize).zip(rows) {
        draw(&mut out, y, row, sum, total.max(1));
        sum += row.ms;
    }
    out.push_str("</svg>");
    out
}

/// Per mille of the width as a percentage.
fn at(per_mille: u64) -> String {
    format!("{}.{}", per_mille / 10, per_mille % 10)
}

fn draw(out: &mut String, y: u32, row: &Row, before: u64, total: u64) {
    let part = |ms: u64| u64::try_from(u128::from(ms) * u128::from(ROOM) / u128::from(total)).unwrap_or(ROOM);
    let middle = y + ROW / 2;
    // Writing to a String cannot fail, here and below.
    let _ = write!(
        out,
        r#"<text class="end" x="{}%" y="{}">{}</text>"#,
        at(LEFT - 12),
        middle + 4,
        text::escape(&text::clip(&row.name, 18))
    );
    let top = y + (ROW - BAR) / 2;
    if row.ms > 0 {
        bar(out, &row.fill.class(), &at(LEFT), &at(part(row.ms)), top, BAR);
        bar(out, "edge", &at(LEFT), &at(part(row.ms)), top, BAR);
    }
    let (from, to) = (at(LEFT + part(before)), at(LEFT + part(before + row.ms)));
    let start = if before == 0 { middle } else { middle - ROW };
    let _ = write!(out, r#"<line class="sum" x1="{from}%" x2="{to}%" y1="{start}" y2="{middle}"/>"#);
    let _ = write!(out, r#"<circle class="point" cx="{to}%" cy="{middle}" r="3"/>"#);
    let _ = write!(
        out,
        r#"<text class="dim" x="{}%" y="{}">{}</text>"#,
        at(LEFT + ROOM + 20),
        middle + 4,
        text::escape(&row.words)
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_are_shares_of_the_whole_and_the_sum_ends_at_its_right() {
        let row = |n, ms| Row { fill: Fill::State(n), name: format!("s{n}"), ms, words: "w".into() };
        let svg = svg("t", &[row(5, 300), row(8, 100)]);
        assert!(svg.contains(r#"<rect class="s5" x="15.0%" y="8" width="39.0%" height="18"/>"#), "{svg}");
        assert!(svg.contains(r#"<rect class="s8" x="15.0%" y="42" width="13.0%" height="18"/>"#), "{svg}");
        assert!(svg.contains(r#"x1="54.0%" x2="67.0%" y1="17" y2="51""#), "{svg}");
    }

    #[test]
    fn no_time_at_all_draws_nothing_wrong() {
        assert!(svg("t", &[]).contains("<title>t</title>"));
        let none = Row { fill: Fill::Gap, name: String::new(), ms: 0, words: String::new() };
        assert!(!svg("t", &[none]).contains("<rect"), "no bar for no time");
    }
}
