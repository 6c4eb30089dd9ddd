//! A chart as a file of its own: as wide as a page, with its title, legend and origin written on it, since a picture
//! is passed on without the text it came with. Style and hatchings are inside; no script, no foreign file.

use std::fmt::Write as _;

use super::{Fill, definitions, style};
use crate::text;

const WIDTH: u32 = 960;
const MARGIN: u32 = 24;
const LEGEND_ROW: u32 = 22;
/// Width of a half-width column of 12 px text, px, generously.
const COLUMN: u32 = 7;

/// What stands around a chart.
#[derive(Clone, Debug, Default)]
pub struct Around {
    /// What it shows.
    pub title: String,
    /// Period, zone and boundary.
    pub subtitle: String,
    /// What a reader who cannot see it must know.
    pub description: String,
    /// Where the data come from and who vouches for them.
    pub origin: String,
    /// What the fills mean.
    pub legend: Vec<(Fill, String)>,
}

/// The file. `chart` is an SVG of this module, `height` its height in px.
pub fn file(around: &Around, chart: &str, height: u32) -> String {
    let (legend, legend_height) = legend(&around.legend);
    let top = 64 + legend_height;
    let total = top + height + 40;
    let inner = WIDTH - 2 * MARGIN;
    format!(
        r#"<?xml version="1.0" encoding="UTF-8"?>
<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-labelledby="t d" width="{WIDTH}" height="{total}" viewBox="0 0 {WIDTH} {total}">
<title id="t">{title}</title>
<desc id="d">{desc}</desc>
<style>{style}.chart{{width:auto}}.chart .title{{font-size:18px;font-weight:600}}</style>
{definitions}<rect class="h-ground" width="100%" height="100%"/>
<text class="title" x="{MARGIN}" y="32">{title}</text>
<text class="dim" x="{MARGIN}" y="52">{subtitle}</text>
{legend}
<svg x="{MARGIN}" y="{top}" width="{inner}" height="{height}">{chart}</svg>
<text class="dim" x="{MARGIN}" y="{foot}">{origin}</text>
</svg>
"#,
        title = text::escape(&around.title),
        desc = text::escape(&around.description),
        style = style(),
        definitions = definitions(),
        subtitle = text::escape(&around.subtitle),
        origin = text::escape(&around.origin),
        foot = total - 14,
    )
}

/// The legend in as many rows as it needs, and its height.
fn legend(entries: &[(Fill, String)]) -> (String, u32) {
    if entries.is_empty() {
        return (String::new(), 0);
    }
    let (mut x, mut y) = (MARGIN, 68);
    let mut out = String::new();
    for (fill, name) in entries {
        let width = 22 + text::columns(name) * COLUMN + 14;
        if x + width > WIDTH - MARGIN && x > MARGIN {
            (x, y) = (MARGIN, y + LEGEND_ROW);
        }
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            r#"<g><rect class="{class}" x="{x}" y="{y}" width="15" height="11"/><rect class="edge" x="{x}" y="{y}" width="15" height="11"/><text x="{at}" y="{base}">{name}</text></g>"#,
            class = fill.class(),
            at = x + 21,
            base = y + 10,
            name = text::escape(name),
        );
        x += width;
    }
    (out, y + LEGEND_ROW - 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_carries_title_description_origin_and_its_own_style() {
        let around = Around {
            title: "<状态>".into(),
            description: "三台设备".into(),
            origin: "sha256 ab".into(),
            legend: vec![(Fill::State(5), "加工".into()); 20],
            ..Around::default()
        };
        let file = file(&around, "<g/>", 100);
        for part in [
            "<title id=\"t\">&lt;状态&gt;</title>",
            "<desc id=\"d\">三台设备</desc>",
            "sha256 ab",
            "h-gap",
            "--s5",
        ] {
            assert!(file.contains(part), "{part}");
        }
        assert!(!file.contains("<script") && !file.contains("href"));
        assert_eq!(file.matches("class=\"s5\"").count(), 20);
    }
}
