//! Before and after: two bars a figure on one scale. What is certain is solid, what unknown time leaves open is
//! hatched; a bound that nothing limits ends at the edge with an arrow in its words.

use std::fmt::Write as _;

use super::bar;
use crate::text;

/// One figure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its name with unit.
    pub name: String,
    /// What the pair says: difference and verdict.
    pub words: String,
    /// Before and after.
    pub bars: [Bar; 2],
}

/// One value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Bar {
    /// `改造前`, `改造后`.
    pub label: String,
    /// Least and greatest value, per mille of the row's scale; `None` where there is no value.
    pub parts: Option<(u32, u32)>,
    /// The value as people read it.
    pub value: String,
}

const ROW: u32 = 78;
const BAR: u32 = 18;
const LEFT: u32 = 100;
const ROOM: u32 = 600;

/// Height of the picture with so many rows, px.
pub fn height(rows: usize) -> u32 {
    ROW * u32::try_from(rows).unwrap_or(u32::MAX / ROW)
}

/// The picture.
pub fn svg(title: &str, rows: &[Row]) -> String {
    let mut out = format!(
        r#"<svg class="chart" role="img" width="100%" height="{}" xmlns="http://www.w3.org/2000/svg"><title>{}</title>"#,
        height(rows.len()),
        text::escape(title)
    );
    for (y, row) in (0..).step_by(ROW as usize).zip(rows) {
        // Writing to a String cannot fail, here and below.
        let _ = write!(
            out,
            r#"<text x="0" y="{base}">{name}</text><text class="dim end" x="100%" y="{base}">{words}</text>"#,
            base = y + 14,
            name = text::escape(&text::clip(&row.name, 48)),
            words = text::escape(&row.words),
        );
        for ((i, class), value) in ["before", "wh"].into_iter().enumerate().zip(&row.bars) {
            draw(&mut out, y + 22 + if i == 0 { 0 } else { BAR + 4 }, class, value);
        }
    }
    out.push_str("</svg>");
    out
}

fn at(per_mille: u32) -> String {
    format!("{}.{}", per_mille / 10, per_mille % 10)
}

fn draw(out: &mut String, y: u32, class: &str, value: &Bar) {
    let base = y + BAR - 5;
    let _ = write!(
        out,
        r#"<text class="dim end" x="{}%" y="{base}">{}</text>"#,
        at(LEFT - 12),
        text::escape(&value.label)
    );
    let mut end = LEFT;
    if let Some((least, most)) = value.parts {
        let part = |p: u32| p.min(1000) * ROOM / 1000;
        let (low, high) = (part(least), part(most.max(least)));
        bar(out, class, &at(LEFT), &at(low), y, BAR);
        bar(out, "bridged", &at(LEFT + low), &at(high - low), y, BAR);
        end = LEFT + high;
    }
    let _ = write!(out, r#"<text x="{}%" y="{base}">{}</text>"#, at(end + 10), text::escape(&value.value));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_open_is_hatched_behind_what_is_certain() {
        let value = |parts| Bar { label: "b".into(), parts, value: "v".into() };
        let rows = [Row {
            name: "n".into(),
            words: "w".into(),
            bars: [value(Some((500, 500))), value(Some((600, 700)))],
        }];
        let svg = svg("t", &rows);
        assert!(
            svg.contains(r#"<rect class="before" x="10.0%" y="22" width="30.0%" height="18"/>"#),
            "{svg}"
        );
        assert!(svg.contains(r#"<rect class="wh" x="10.0%" y="44" width="36.0%" height="18"/>"#), "{svg}");
        assert!(
            svg.contains(r#"<rect class="bridged" x="46.0%" y="44" width="6.0%" height="18"/>"#),
            "{svg}"
        );
    }
}
