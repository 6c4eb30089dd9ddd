//! Readings of a power meter as a CSV file: what other loggers export, and what `--save` writes.
//!
//! ```text
//! time,power_kw                      the header names the columns; others are ignored
//! 2026-11-20 08:00:00,1.52           or time_s, time_ms: a whole number of seconds or milliseconds
//! 2026-11-20 08:00:05,               no number: the reading failed
//! ```

use super::super::{Exit, Failure};
use crate::configuration::power_unit;
use kpi::threshold::PowerReading;
use observation::Decimal;
use std::path::Path;

/// A file of readings that cannot be used.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(super) enum CsvError {
    /// The header lacks a column.
    #[error(
        "{file}:1: 表头需要 the header needs {wanted}; 现有 it has: {there}. 例 for example: time,power_kw"
    )]
    Header { file: String, wanted: &'static str, there: String },
    /// The power's unit is not known.
    #[error(
        "{file}:1: 功率单位未知：列名写成 power_kw 或给 --measure kW · the unit of the power is not known: call the \
        column power_kw, or give --measure kW"
    )]
    Unit { file: String },
    /// A time that is none.
    #[error("{file}:{line}: {text:?} 不是时间 is no time; 例 like 2026-11-20 08:00:05")]
    Time { file: String, line: usize, text: String },
    /// A power that is none.
    #[error("{file}:{line}: {text:?} 不是功率 is no power; 例 like 1.52")]
    Power { file: String, line: usize, text: String },
}

/// The readings of a file.
pub(super) fn load(file: &Path, measure: Option<&str>) -> Result<Vec<PowerReading>, Failure> {
    let shown = file.display().to_string();
    let bytes =
        std::fs::read(file).map_err(|e| Failure::of(Exit::Environment, anyhow::anyhow!("{shown}: {e}")))?;
    let text = String::from_utf8(bytes).map_err(|_| {
        let hint = "不是 UTF-8，请另存为“CSV UTF-8” · is not UTF-8: save it as \"CSV UTF-8\"";
        Failure::of(Exit::Use, anyhow::anyhow!("{shown}: {hint}"))
    })?;
    parse(&shown, &text, measure).map_err(|e| Failure::of(Exit::Use, e))
}

#[derive(Clone, Copy)]
enum Clock {
    Written,
    Unit(i64),
}

/// Reads a text; `file` is used in messages.
pub(super) fn parse(file: &str, text: &str, measure: Option<&str>) -> Result<Vec<PowerReading>, CsvError> {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    let header = lines.next().unwrap_or_default();
    let separator = [';', '\t', ','].into_iter().find(|c| header.contains(*c)).unwrap_or(',');
    let names: Vec<String> = cells(header, separator).map(str::to_lowercase).collect();
    let column = |wanted: &[&str]| names.iter().position(|name| wanted.contains(&name.as_str()));
    let missing =
        |wanted| CsvError::Header { file: file.to_owned(), wanted, there: header.trim().to_owned() };
    let (time, clock) = [
        (column(&["time", "时间"]), Clock::Written),
        (column(&["time_s"]), Clock::Unit(1000)),
        (column(&["time_ms"]), Clock::Unit(1)),
    ]
    .into_iter()
    .find_map(|(place, clock)| Some((place?, clock)))
    .ok_or_else(|| missing("time, time_s, time_ms 或 or 时间"))?;
    let powers = [("power_w", Some("W")), ("power_kw", Some("kW")), ("power", measure), ("功率", measure)];
    let (power, unit) = powers
        .into_iter()
        .find_map(|(name, unit)| Some((column(&[name])?, unit)))
        .ok_or_else(|| missing("power_w, power_kw, power 或 or 功率"))?;
    let factor = unit.and_then(power_unit).ok_or_else(|| CsvError::Unit { file: file.to_owned() })?.factor;
    let mut readings = vec![];
    for (line, text) in (2..).zip(lines).filter(|(_, text)| !text.trim().is_empty()) {
        let cells: Vec<&str> = cells(text, separator).collect();
        let cell = |place: usize| cells.get(place).copied().unwrap_or_default();
        let at_ms = at_ms(cell(time), clock).ok_or_else(|| CsvError::Time {
            file: file.to_owned(),
            line,
            text: cell(time).to_owned(),
        })?;
        let written = cell(power);
        let wrong = || CsvError::Power { file: file.to_owned(), line, text: written.to_owned() };
        let milliwatts = match written {
            "" | "-" | "NaN" | "nan" | "null" => None,
            number => {
                let value: Decimal = number.parse().map_err(|_| wrong())?;
                Some(milliwatts(factor.apply(value)).ok_or_else(wrong)?)
            }
        };
        readings.push(PowerReading { at_ms, milliwatts });
    }
    Ok(readings)
}

/// Watts in mW, rounded down.
pub(super) fn milliwatts(watts: Option<Decimal>) -> Option<i64> {
    watts?.floor_at_exponent(-3).and_then(|mw| i64::try_from(mw).ok())
}

fn cells(line: &str, separator: char) -> impl Iterator<Item = &str> {
    line.split(separator).map(|cell| cell.trim().trim_matches('"').trim())
}

fn at_ms(text: &str, clock: Clock) -> Option<i64> {
    match clock {
        Clock::Unit(ms) => text.parse::<i64>().ok()?.checked_mul(ms),
        Clock::Written => written_time(text),
    }
}

/// A date and a time of day, as loggers and spreadsheets write them. An offset is honoured, and without one all times
/// are taken to have the same: only their distances matter.
fn written_time(text: &str) -> Option<i64> {
    let (date, rest) = text.split_once(['T', ' '])?;
    let mut parts = date.split(['-', '/']).map(|part| part.parse::<i64>().ok());
    let (year, month, day) = (parts.next()??, parts.next()??, parts.next()??);
    if parts.next().is_some() || !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let (time, offset_min) = match rest.strip_suffix('Z') {
        Some(time) => (time, 0),
        None => match rest.rfind(['+', '-']) {
            Some(at) => (&rest[..at], offset_min(&rest[at..])?),
            None => (rest, 0),
        },
    };
    let (clock, fraction) = time.trim().split_once('.').unwrap_or((time.trim(), "0"));
    let mut parts = clock.split(':').map(|part| part.parse::<i64>().ok());
    let (hour, minute, second) = (parts.next()??, parts.next()??, parts.next().unwrap_or(Some(0))?);
    let digits: String = fraction.chars().chain("000".chars()).take(3).collect();
    let ms: i64 = digits.parse().ok()?;
    let fits = hour < 24 && minute < 60 && second < 61 && hour >= 0 && minute >= 0 && second >= 0;
    let seconds =
        days(year, month, day)?.checked_mul(86_400)? + hour * 3600 + (minute - offset_min) * 60 + second;
    fits.then_some(seconds.checked_mul(1000)? + ms)
}

fn offset_min(text: &str) -> Option<i64> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text[1..].split_once(':')?;
    Some(sign * (hours.parse::<i64>().ok()? * 60 + minutes.parse::<i64>().ok()?))
}

/// Days since 1970-01-01 in the Gregorian calendar, by counting from 1 March so that 29 February comes last.
fn days(year: i64, month: i64, day: i64) -> Option<i64> {
    if !(1970..=9999).contains(&year) {
        return None;
    }
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let days_before_month = (153 * month + 2) / 5;
    let leap_days = year / 4 - year / 100 + year / 400;
    Some(365 * year + leap_days + days_before_month + day - 1 - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, measure: Option<&str>, want: &[(i64, Option<i64>)]) {
        let found = parse("day.csv", text, measure).unwrap();
        let found: Vec<_> = found.into_iter().map(|r| (r.at_ms, r.milliwatts)).collect();
        assert_eq!(found, want);
    }

    #[test]
    fn files_of_loggers_and_spreadsheets_are_read() {
        check("time_ms,power_w\n0,50.0015\n5000,\n", None, &[(0, Some(50_001)), (5000, None)]);
        let noon = 1_795_176_000_000;
        check(
            "\u{feff}序号;时间;功率\r\n1;\"2026/11/20 12:00\";1.5\r\n2;2026-11-20 12:00:05.25;-\r\n",
            Some("kW"),
            &[(noon, Some(1_500_000)), (noon + 5250, None)],
        );
        check("Time\tPower_kW\n2026-11-20T20:00:00+08:00\t-0.001\n", None, &[(noon, Some(-1000))]);
        check("time,power_kw\n2024-02-29T00:00:00Z,1\n\n", None, &[(1_709_164_800_000, Some(1_000_000))]);
    }

    #[track_caller]
    fn wrong(text: &str, measure: Option<&str>, want: &str) {
        let error = parse("day.csv", text, measure).unwrap_err().to_string();
        assert!(error.contains(want), "{error}");
    }

    #[test]
    fn what_cannot_be_read_is_named_with_its_line() {
        wrong("", None, "day.csv:1: 表头需要 the header needs time");
        wrong("time,voltage\n", None, "needs power_w");
        wrong("time,power\n", None, "give --measure kW");
        wrong("time,power\n", Some("kWh"), "give --measure kW");
        wrong("time_s,power_w\n1,2\nx,3\n", None, "day.csv:3: \"x\" 不是时间");
        wrong("time,power_w\n2026-13-01 00:00:00,3\n", None, "day.csv:2");
        wrong("time,power_w\n2026-11-20 25:00:00,3\n", None, "day.csv:2");
        wrong("time_s,power_w\n1,1e400\n", None, "day.csv:2: \"1e400\" 不是功率");
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_or_refused_without_a_panic(
            text in ".{0,60}", rows in proptest::collection::vec("[0-9T:/+. ,Z-]{0,30}", 0..6)
        ) {
            drop(parse("x", &text, Some("kW")));
            drop(parse("x", &format!("time,power_w\n{}", rows.join("\n")), None));
            drop(parse("x", &format!("time_s,power_w\n{}", rows.join("\n")), None));
        }
    }
}
