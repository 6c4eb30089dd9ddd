//! The time axis all charts share: positions in per cent and ticks that fall on whole units of the
//! project's own clock, few enough for a telephone.

use std::fmt::Write as _;

use crate::moment;

/// A stretch of time, drawn from the left edge to the right one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Frame {
    /// First second, UTC.
    pub from: i64,
    /// Second after the last, UTC; later than `from`.
    pub to: i64,
    /// Minutes east of UTC in which ticks are cut and labelled.
    pub offset_min: i32,
}

const DAY: i64 = 86_400;
/// More would touch each other at 360 px.
const MOST_TICKS: i64 = 5;
const STEPS: [i64; 21] = [
    1,
    2,
    5,
    10,
    15,
    30,
    60,
    120,
    300,
    600,
    900,
    1800,
    3600,
    7200,
    10_800,
    21_600,
    43_200,
    DAY,
    2 * DAY,
    7 * DAY,
    14 * DAY,
];
/// Months between ticks where days are too many, with the longest stretch (days) that each serves.
const MONTHS: [(i64, i64); 4] = [(1, 150), (3, 450), (6, 900), (12, 1825)];

impl Frame {
    /// Where a moment lies, as the text of a percentage with four decimals; moments outside go to the edge.
    pub fn x(&self, second: i64) -> String {
        fixed(self.parts(second))
    }

    /// How wide a stretch is, clipped to the frame. It is the difference of the two printed positions, so
    /// that neighbours touch exactly and no seam shows between them.
    pub fn width(&self, from: i64, to: i64) -> String {
        fixed((self.parts(to) - self.parts(from)).max(0))
    }

    fn parts(&self, second: i64) -> i128 {
        parts(second.clamp(self.from, self.to) - self.from, self.to - self.from)
    }

    /// The ticks and their labels.
    pub fn ticks(&self) -> Vec<(i64, String)> {
        let span = self.to - self.from;
        let Some(step) = STEPS.into_iter().find(|step| span / step <= MOST_TICKS) else {
            return self.month_starts();
        };
        let offset = i64::from(self.offset_min) * 60;
        let mut tick = self.from + (-(self.from + offset)).rem_euclid(step);
        let mut ticks = Vec::new();
        while tick <= self.to {
            ticks.push((tick, self.label(tick, step)));
            tick += step;
        }
        ticks
    }

    /// First days of months, quarters, half-years or years, labelled `2026-03`.
    fn month_starts(&self) -> Vec<(i64, String)> {
        let days = (self.to - self.from) / DAY;
        let every = MONTHS.into_iter().find(|(_, most)| days <= *most).map_or(12, |(months, _)| months);
        let years = if days > 1825 { 1 + days / 1825 } else { 1 };
        let offset = i64::from(self.offset_min) * 60;
        let first = (self.from + offset + DAY - 1).div_euclid(DAY);
        (first..=(self.to + offset).div_euclid(DAY))
            .filter_map(|day| {
                let (y, m, d) = observation::time::civil(day);
                let wanted = d == 1 && (m - 1) % every == 0 && (every < 12 || y % years == 0);
                wanted.then(|| (day * DAY - offset, format!("{y:04}-{m:02}")))
            })
            .collect()
    }

    fn label(&self, tick: i64, step: i64) -> String {
        let second_of_day = (tick + i64::from(self.offset_min) * 60).rem_euclid(DAY);
        let day = moment::date(tick, self.offset_min);
        if step >= DAY || (second_of_day == 0 && self.to - self.from > DAY) {
            return day.get(5..).unwrap_or(&day).to_owned();
        }
        let clock = moment::clock(second_of_day);
        if step < 60 { clock } else { clock.get(..5).unwrap_or(&clock).to_owned() }
    }

    /// Vertical lines at the ticks from `top` to `bottom` (px).
    pub(crate) fn grid(&self, out: &mut String, top: u32, bottom: u32) {
        for (tick, _) in self.ticks() {
            let x = self.x(tick);
            // Writing to a String cannot fail, here and below.
            let _ = write!(out, r#"<line class="grid" x1="{x}%" x2="{x}%" y1="{top}" y2="{bottom}"/>"#);
        }
    }

    /// The labels with their base line at `y` (px); those near an edge are set against it.
    pub(crate) fn labels(&self, out: &mut String, y: u32) {
        for (tick, label) in self.ticks() {
            let share = (tick - self.from) * 100 / (self.to - self.from);
            let class = match share {
                ..8 => "tick",
                93.. => "tick end",
                _ => "tick mid",
            };
            let _ = write!(out, r#"<text class="{class}" x="{}%" y="{y}">{label}</text>"#, self.x(tick));
        }
    }
}

/// `part / whole` in per cent with at most four decimals, cut off; `whole` above 0.
pub(crate) fn percent(part: i64, whole: i64) -> String {
    fixed(parts(part, whole))
}

/// Millionths of the whole, cut off.
fn parts(part: i64, whole: i64) -> i128 {
    i128::from(part) * 1_000_000 / i128::from(whole.max(1))
}

fn fixed(millionths: i128) -> String {
    let text = format!("{}.{:04}", millionths / 10_000, millionths % 10_000);
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(from: i64, to: i64, want: &[&str]) {
        let frame = Frame { from, to, offset_min: 480 };
        let labels: Vec<String> = frame.ticks().into_iter().map(|(_, label)| label).collect();
        assert_eq!(labels, want);
    }

    #[test]
    fn ticks_fall_on_whole_units_of_the_project_clock() {
        let midnight = 20_000 * DAY - 8 * 3600;
        check(
            midnight,
            midnight + 25,
            &["00:00:00", "00:00:05", "00:00:10", "00:00:15", "00:00:20", "00:00:25"],
        );
        check(midnight + 60, midnight + DAY, &["06:00", "12:00", "18:00", "00:00"]);
        check(midnight, midnight + 2 * DAY, &["10-04", "12:00", "10-05", "12:00", "10-06"]);
        check(midnight, midnight + 365 * DAY, &["2025-01", "2025-04", "2025-07", "2025-10"]);
    }

    #[test]
    fn every_length_from_a_second_to_ten_years_has_few_ticks() {
        for days in [0, 1, 3, 9, 40, 84, 85, 150, 200, 400, 1000, 3650, 9000] {
            for extra in [1, 59, 3601, 50_000] {
                let frame = Frame { from: 1_000_003, to: 1_000_003 + days * DAY + extra, offset_min: -570 };
                let ticks = frame.ticks();
                assert!(ticks.len() <= 6, "{} ticks over {days} days {extra} s", ticks.len());
                assert!(ticks.iter().all(|(t, _)| *t >= frame.from && *t <= frame.to));
            }
        }
    }

    #[test]
    fn positions_are_percentages_and_stay_inside() {
        let frame = Frame { from: 0, to: 3, offset_min: 0 };
        assert_eq!([frame.x(-5), frame.x(1), frame.x(3), frame.x(9)], ["0", "33.3333", "100", "100"]);
        assert_eq!(frame.width(-10, 2), "66.6666");
    }
}
