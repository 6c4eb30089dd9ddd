//! The table that a bench prints: ratios only, each with its spread over the repetitions and the aim beside it.

/// What a ratio should be.
#[allow(dead_code, reason = "each bench is a program of its own and has aims of some kinds")]
#[derive(Clone, Copy, Debug)]
pub(crate) enum Aim {
    /// As large as this.
    AtLeast(f64),
    /// As small as this.
    AtMost(f64),
    /// Only shown.
    Shown,
}

/// Prints what the columns are.
pub(crate) fn head(title: &str) {
    println!("\n{title}\n{:<66}{:>9}{:>18}  aim", "ratio", "median", "min–max");
}

/// Prints one ratio, measured several times.
pub(crate) fn row(what: &str, measured: &[f64], aim: Aim) {
    let mut sorted = measured.to_vec();
    sorted.sort_by(f64::total_cmp);
    let (Some(least), Some(most)) = (sorted.first(), sorted.last()) else { return };
    let median = sorted[sorted.len() / 2];
    let verdict = match aim {
        Aim::AtLeast(x) if median >= x => format!("≥ {x}  met"),
        Aim::AtLeast(x) => format!("≥ {x}  MISSED"),
        Aim::AtMost(x) if median <= x => format!("≤ {x}  met"),
        Aim::AtMost(x) => format!("≤ {x}  MISSED"),
        Aim::Shown => String::new(),
    };
    let spread = format!("{}–{}", short(*least), short(*most));
    println!("{what:<66}{:>9}{spread:>18}  {verdict}", short(median));
}

/// Three significant digits.
fn short(x: f64) -> String {
    match x.abs() {
        x if x >= 100.0 => format!("{x:.0}"),
        x if x >= 10.0 => format!("{x:.1}"),
        x if x >= 1.0 => format!("{x:.2}"),
        _ => format!("{x:.3}"),
    }
}
