//! Small SVG charts of our own. They are as wide as the place they are put in: positions along time are
//! percentages and letters keep their size, so one picture serves a phone, a screen and paper.
//! Colours and hatchings come from [`style`] and [`definitions`], which a page carries once.
//!
//! No numbers are computed here beyond positions, no script is used, and the same input gives the same bytes.

pub mod axis;
pub mod compare;
pub mod energy;
pub mod load;
pub mod pareto;
pub mod standalone;
pub mod timeline;

use std::fmt::Write as _;

pub use axis::Frame;

/// What fills a stretch of a chart: one of the nine leaf states, or one of the ways to have no state.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Leaf state 0–8 in the numbering of the format (0 is UNKNOWN: a signed window that knows no state).
    State(u8),
    /// The agent signed that it was off.
    Down,
    /// No signed window exists.
    Gap,
    /// A measured amount.
    Measured,
    /// What is measured over a gap, or open above what is certain.
    Open,
    /// The period before a change.
    Before,
}

impl Fill {
    /// The name of its CSS class.
    pub fn class(self) -> String {
        match self {
            Self::State(n) => format!("s{n}"),
            Self::Down => "down".to_owned(),
            Self::Gap => "gap".to_owned(),
            Self::Measured => "wh".to_owned(),
            Self::Open => "bridged".to_owned(),
            Self::Before => "before".to_owned(),
        }
    }

    /// A small picture of the fill for a legend.
    pub fn swatch(self) -> String {
        format!(
            r#"<svg class="swatch" width="16" height="12" aria-hidden="true"><rect class="{}" x="0.5" y="0.5" width="15" height="11"/></svg>"#,
            self.class()
        )
    }
}

/// The hatchings all charts of a page refer to; put once at the start of its body.
pub fn definitions() -> &'static str {
    r#"<svg class="defs" width="0" height="0" aria-hidden="true"><defs>
<pattern id="h-unknown" width="5" height="5" patternUnits="userSpaceOnUse"><rect class="h-ground" width="5" height="5"/><circle class="h-dot" cx="1.5" cy="1.5" r="0.9"/></pattern>
<pattern id="h-down" width="6" height="5" patternUnits="userSpaceOnUse"><rect class="h-ground" width="6" height="5"/><path class="h-line" d="M0 2.5H6"/></pattern>
<pattern id="h-gap" width="7" height="7" patternUnits="userSpaceOnUse" patternTransform="rotate(45)"><rect class="h-ground" width="7" height="7"/><path class="h-strong" d="M2 0V7"/></pattern>
<pattern id="h-bridged" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect class="h-energy" width="5" height="5"/><path class="h-cut" d="M2 0V5"/></pattern>
<pattern id="h-open" width="5" height="5" patternUnits="userSpaceOnUse" patternTransform="rotate(-45)"><rect class="h-ground" width="5" height="5"/><path class="h-share" d="M2 0V5"/></pattern>
</defs></svg>
"#
}

/// The charts' own style sheet, for light, dark and paper. Seven of the hues are those of Okabe and Ito's
/// palette (2008), which people with the common forms of colour blindness tell apart; having no data is
/// always a hatching and never a hue.
pub fn style() -> &'static str {
    include_str!("../templates/chart.css")
}

/// One rectangle; `x` and `width` are percentages.
pub(crate) fn bar(out: &mut String, class: &str, x: &str, width: &str, y: u32, height: u32) {
    if height > 0 {
        // Writing to a String cannot fail.
        let _ = write!(out, r#"<rect class="{class}" x="{x}%" y="{y}" width="{width}%" height="{height}"/>"#);
    }
}
