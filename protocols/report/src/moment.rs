//! Times and lengths of time as people read them: always in the project's own fixed offset, which is
//! printed beside them. Nothing here knows the zone of the computer it runs on.

use crate::Lang;

/// `2026-03-01 08:00:00`, `seconds` since 1970 UTC shown at `offset_min` minutes east of UTC.
pub fn at(seconds: i64, offset_min: i32) -> String {
    let local = seconds.saturating_add(i64::from(offset_min) * 60);
    let (y, m, d) = observation::time::civil(local.div_euclid(86_400));
    format!("{y:04}-{m:02}-{d:02} {}", clock(local.rem_euclid(86_400)))
}

/// Like [`at`], from milliseconds; the fraction is shown only when there is one.
pub fn at_ms(ms: i64, offset_min: i32) -> String {
    let text = at(ms.div_euclid(1000), offset_min);
    match ms.rem_euclid(1000) {
        0 => text,
        rest => format!("{text}.{rest:03}"),
    }
}

/// The date alone, `2026-03-01`.
pub fn date(seconds: i64, offset_min: i32) -> String {
    at(seconds, offset_min).split(' ').next().unwrap_or_default().to_owned()
}

/// `from – to` with the date of the end left out when it is the same day.
pub fn range(from: i64, to: i64, offset_min: i32) -> String {
    let (a, b) = (at(from, offset_min), at(to, offset_min));
    match (a.split_once(' '), b.split_once(' ')) {
        (Some((day, _)), Some((other, time))) if day == other => format!("{a} – {time}"),
        _ => format!("{a} – {b}"),
    }
}

/// `UTC+08:00`.
pub fn zone(offset_min: i32) -> String {
    let sign = if offset_min < 0 { '−' } else { '+' };
    let minutes = offset_min.unsigned_abs();
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

/// A length of time in its two largest units: `3 天 4 小时`, `5 min 20 s`; below a minute with the fraction.
pub fn length(ms: u64, lang: Lang) -> String {
    let s = ms / 1000;
    if s < 60 {
        let fraction = if ms.is_multiple_of(1000) { String::new() } else { format!(".{:03}", ms % 1000) };
        return format!("{s}{fraction} {}", lang.t("秒", "s"));
    }
    let units = [
        (s / 86_400, lang.t("天", "d")),
        (s / 3600 % 24, lang.t("小时", "h")),
        (s / 60 % 60, lang.t("分", "min")),
        (s % 60, lang.t("秒", "s")),
    ];
    let shown: Vec<String> = units
        .iter()
        .skip_while(|(n, _)| *n == 0)
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n} {unit}"))
        .collect();
    shown.join(" ")
}

/// `12:05:09`, hours beyond 24 counted on, rounded down to the second; empty for none, so that a table of
/// many reads at a glance. Below a second the milliseconds are shown.
pub fn hours(ms: u64) -> String {
    let s = ms / 1000;
    match (ms, s) {
        (0, _) => String::new(),
        (_, 0) => format!("0:00:00.{ms:03}"),
        _ => format!("{}:{:02}:{:02}", s / 3600, s / 60 % 60, s % 60),
    }
}

/// `hh:mm:ss` of a second of the day.
pub(crate) fn clock(second_of_day: i64) -> String {
    format!("{:02}:{:02}:{:02}", second_of_day / 3600, second_of_day / 60 % 60, second_of_day % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_the_offset_of_the_project() {
        assert_eq!(at(951_782_400, 0), "2000-02-29 00:00:00");
        assert_eq!(at(951_782_400 - 1, 480), "2000-02-29 07:59:59");
        assert_eq!(at_ms(951_782_400_250, -30), "2000-02-28 23:30:00.250");
        assert_eq!(
            (zone(480), zone(-570), zone(0)),
            ("UTC+08:00".into(), "UTC−09:30".into(), "UTC+00:00".into())
        );
    }

    #[test]
    fn a_range_within_a_day_names_the_day_once() {
        assert_eq!(range(0, 60, 0), "1970-01-01 00:00:00 – 00:01:00");
        assert_eq!(range(0, 86_400, 0), "1970-01-01 00:00:00 – 1970-01-02 00:00:00");
    }

    #[test]
    fn a_length_of_time_shows_its_two_largest_units() {
        for (ms, zh, en) in [
            (0, "0 秒", "0 s"),
            (1_500, "1.500 秒", "1.500 s"),
            (60_000, "1 分", "1 min"),
            (3_600_000 + 61_000, "1 小时 1 分", "1 h 1 min"),
            (86_400_000 * 3 + 1000, "3 天", "3 d"),
        ] {
            assert_eq!((length(ms, Lang::Zh).as_str(), length(ms, Lang::En).as_str()), (zh, en));
        }
    }
}
