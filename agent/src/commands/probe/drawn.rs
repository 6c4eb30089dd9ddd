//! A histogram for a terminal of 80 columns, without colour: a row a level of power, the highest on top. Text that a
//! row's alignment rests on is ASCII, since Chinese terminals disagree on the width of everything else.

use kpi::threshold::{Proposal, Seen};
use std::fmt::Write as _;

/// Bins drawn as one row: each row is 1.37 times the power of the one below it.
const BINS_A_ROW: usize = 3;
const BAR: u64 = 44;

/// See the module.
pub(super) fn histogram(seen: &Seen, proposal: Option<&Proposal>) -> String {
    let rows = rows(seen);
    let longest = rows.iter().map(|row| row.ms).max().unwrap_or(0).max(1);
    let used = |row: &Row| row.ms > 0;
    let from = rows.iter().position(used).unwrap_or(0);
    let to = rows.iter().rposition(used).unwrap_or(0);
    let mut out = String::new();
    line(&mut out, "功率 · 时间占比（括号内为第几级）");
    line(&mut out, "Power and its share of the time (level in brackets)");
    line(&mut out, "");
    for row in rows[from..=to].iter().rev() {
        let level = row.level.map_or(String::new(), |level| format!("  [{level}]"));
        let bar = bar(row.ms, longest);
        let width = usize::try_from(BAR).unwrap_or(0);
        line(
            &mut out,
            &format!("{:>10} |{bar:<width$} {:>6}{level}", row.label, share(row.ms, seen.known_ms)),
        );
        if let Some(mark) = proposal.and_then(|proposal| mark(row, proposal)) {
            line(&mut out, &mark);
        }
    }
    line(&mut out, "");
    out
}

struct Row {
    label: String,
    from_mw: i64,
    to_mw: i64,
    ms: u64,
    level: Option<usize>,
}

/// From the lowest up.
fn rows(seen: &Seen) -> Vec<Row> {
    let histogram = &seen.histogram;
    let level_in = |bins: std::ops::Range<usize>| {
        let middle = |middle_mw: i64| bins.contains(&histogram.bin(middle_mw));
        seen.modes.iter().rposition(|mode| middle(mode.middle_mw)).map(|place| place + 1)
    };
    let row = |first: usize, last: usize| {
        let from_mw = first.checked_sub(1).map_or(i64::MIN, |edge| histogram.edges[edge]);
        let to_mw = histogram.edges.get(last).copied().unwrap_or(i64::MAX);
        let label = if first == 0 { format!("< {}", power(to_mw)) } else { power(from_mw) };
        Row {
            label,
            from_mw,
            to_mw,
            ms: histogram.ms[first..=last].iter().sum(),
            level: level_in(first..last + 1),
        }
    };
    let above = (1..histogram.ms.len())
        .step_by(BINS_A_ROW)
        .map(|first| row(first, (first + BINS_A_ROW - 1).min(histogram.ms.len() - 1)));
    std::iter::once(row(0, 0)).chain(above).collect()
}

/// A line under the row in which a state begins.
fn mark(row: &Row, proposal: &Proposal) -> Option<String> {
    let begins = |mw: i64| (row.from_mw..row.to_mw).contains(&mw);
    let line = |name: &str, mw| format!("{:->10}-+- {name} {}", "", power(mw));
    let never_idle = proposal.on == Some(proposal.producing);
    if begins(proposal.producing.upper_mw) {
        return Some(line("producing 加工 >=", proposal.producing.upper_mw));
    }
    let on = proposal.on.filter(|on| !never_idle && begins(on.upper_mw))?;
    Some(line("idle 空闲 >=", on.upper_mw))
}

fn bar(ms: u64, longest: u64) -> String {
    let length = usize::try_from(u128::from(ms) * u128::from(BAR) / u128::from(longest)).unwrap_or(0);
    if length == 0 && ms > 0 { ".".to_owned() } else { "#".repeat(length) }
}

/// A share in per cent with one digit, rounded down; `<0.1` is not nothing.
pub(super) fn share(ms: u64, of: u64) -> String {
    let per_mille = u128::from(ms) * 1000 / u128::from(of.max(1));
    match (ms, per_mille) {
        (0, _) => String::new(),
        (_, 0) => "<0.1 %".to_owned(),
        _ => format!("{}.{} %", per_mille / 10, per_mille % 10),
    }
}

/// A power to three digits, rounded down, as people write it: `61.3 W`, `1.62 kW`.
pub(super) fn power(milliwatts: i64) -> String {
    let (digits, unit) = figures(milliwatts);
    format!("{digits} {unit}")
}

/// The digits and the unit of a power, three digits, rounded down towards zero.
pub(super) fn figures(milliwatts: i64) -> (String, &'static str) {
    let sign = if milliwatts < 0 { "-" } else { "" };
    let mw = milliwatts.unsigned_abs();
    let (unit, one) = match mw {
        0..1_000_000 => ("W", 1_000u64),
        1_000_000..1_000_000_000 => ("kW", 1_000_000),
        _ => ("MW", 1_000_000_000),
    };
    let whole = mw / one;
    let places = match whole {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    let fraction = mw % one / (one / 10u64.pow(places));
    let places = usize::try_from(places).unwrap_or(0);
    let text =
        if places == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction:0places$}") };
    let text =
        if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.').to_owned() } else { text };
    (text, unit)
}

pub(super) fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_are_written_with_three_digits_and_their_unit() {
        for (mw, want) in [
            (0, "0 W"),
            (5, "0 W"),
            (3821, "3.82 W"),
            (61_390, "61.3 W"),
            (692_820, "692 W"),
            (1_000_000, "1 kW"),
            (2_078_460, "2.07 kW"),
            (22_500_000, "22.5 kW"),
            (400_000_000, "400 kW"),
            (-1500, "-1.5 W"),
        ] {
            assert_eq!(power(mw), want);
        }
    }

    #[test]
    fn shares_say_when_they_are_small_and_not_nothing() {
        assert_eq!(share(0, 100), "");
        assert_eq!(share(1, 100_000), "<0.1 %");
        assert_eq!(share(1999, 10_000), "19.9 %");
        assert_eq!(share(5, 5), "100.0 %");
    }
}
