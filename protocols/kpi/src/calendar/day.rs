//! A civil day in the project's fixed offset. Days are counted, so that arithmetic on them needs no calendar;
//! only their text and their year do.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;

use crate::period::{DAY_S, Grid};

/// Julian day of 1970-01-01.
const EPOCH: i64 = 2_440_588;
const TEXT: &[BorrowedFormatItem<'static>] = format_description!("[year]-[month]-[day]");

/// A day: days since 1970-01-01. In text `2026-02-28`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, schemars::JsonSchema)]
#[schemars(with = "String")]
pub struct Day(i64);

/// A day of the week.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weekday {
    /// 星期一.
    Mon,
    /// 星期二.
    Tue,
    /// 星期三.
    Wed,
    /// 星期四.
    Thu,
    /// 星期五.
    Fri,
    /// 星期六.
    Sat,
    /// 星期日.
    Sun,
}

impl Weekday {
    /// The week from Monday.
    pub const ALL: [Self; 7] = [Self::Mon, Self::Tue, Self::Wed, Self::Thu, Self::Fri, Self::Sat, Self::Sun];

    /// Whether no work is done on it unless a notice moves a workday there.
    pub const fn is_weekend(self) -> bool {
        matches!(self, Self::Sat | Self::Sun)
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self::ALL[(self as usize + 1) % 7]
    }
}

impl Day {
    /// The day with this number; 0 is 1970-01-01.
    pub const fn from_number(number: i64) -> Self {
        Self(number)
    }

    /// Days since 1970-01-01.
    pub const fn number(self) -> i64 {
        self.0
    }

    /// The local day that holds a moment, UTC s.
    pub fn of(t: i64, grid: Grid) -> Self {
        Self((t + grid.offset_s()).div_euclid(DAY_S))
    }

    /// Its midnight, UTC s.
    pub const fn start(self, grid: Grid) -> i64 {
        self.0 * DAY_S - grid.offset_s()
    }

    /// The day after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The day before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    /// Its day of the week.
    pub fn weekday(self) -> Weekday {
        // 1970-01-01 was a Thursday.
        let from_monday = usize::try_from((self.0 + 3).rem_euclid(7)).unwrap_or(0);
        Weekday::ALL[from_monday]
    }

    /// Its year, for days between the years -9999 and 9999.
    pub fn year(self) -> Option<i32> {
        self.date().map(time::Date::year)
    }

    fn date(self) -> Option<time::Date> {
        let julian = i32::try_from(self.0.checked_add(EPOCH)?).ok()?;
        time::Date::from_julian_day(julian).ok()
    }
}

impl From<time::Date> for Day {
    fn from(date: time::Date) -> Self {
        Self(i64::from(date.to_julian_day()) - EPOCH)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.date().and_then(|date| date.format(TEXT).ok()) {
            Some(text) => f.write_str(&text),
            None => write!(f, "day {}", self.0),
        }
    }
}

/// A text that is no day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no day; write it as 2026-02-28")]
pub struct DayError(String);

impl std::str::FromStr for Day {
    type Err = DayError;
    fn from_str(text: &str) -> Result<Self, DayError> {
        time::Date::parse(text, TEXT).map(Self::from).map_err(|_| DayError(text.to_owned()))
    }
}

impl Serialize for Day {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Day {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, number: i64, weekday: Weekday) {
        let day: Day = text.parse().unwrap();
        assert_eq!((day.number(), day.weekday(), day.to_string().as_str()), (number, weekday, text));
    }

    #[test]
    fn days_are_counted_from_the_first_of_january_1970() {
        check("1970-01-01", 0, Weekday::Thu);
        check("1969-12-31", -1, Weekday::Wed);
        check("2024-02-29", 19_782, Weekday::Thu);
        check("2024-03-01", 19_783, Weekday::Fri);
        check("2026-02-28", 20_512, Weekday::Sat);
    }

    #[test]
    fn what_is_no_day_is_refused() {
        for text in ["2026-02-29", "2026-2-1", "2026/02/01", "", "2026-13-01"] {
            assert_eq!(text.parse::<Day>(), Err(DayError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_day_begins_at_midnight_of_the_offset() {
        let grid = Grid::new(60, 480).unwrap();
        let leap: Day = "2024-02-29".parse().unwrap();
        // 2024-02-28T16:00Z.
        assert_eq!(leap.start(grid), 1_709_136_000);
        assert_eq!((Day::of(1_709_136_000, grid), Day::of(1_709_135_999, grid)), (leap, leap.previous()));
        assert_eq!((leap.year(), Day::from_number(i64::MAX).year()), (Some(2024), None));
    }
}
