//! Statutory holidays and make-up workdays of a year, as dated data. The years that are given are known day by
//! day; any other year is unknown, and a day of it is never taken for an ordinary weekday.
//!
//! A notice may reach back into the last days of the year before (元旦). Whoever asks for those days supplies
//! the notice of the following year too as soon as it is out.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::day::Day;

/// One year's notice on holidays.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HolidayYear {
    /// The year.
    pub year: i32,
    /// Title of the notice.
    pub title: String,
    /// Its number, such as 国办发明电〔2025〕7号.
    pub notice: String,
    /// Its date.
    pub dated: Day,
    /// Where the text stands.
    pub source: String,
    /// What of this file was compared with which copy of the text, and what was not.
    pub checked: String,
    /// Its holidays.
    #[serde(rename = "holiday")]
    pub holidays: Vec<Holiday>,
}

/// One holiday with the workdays that pay for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Holiday {
    /// Its name.
    pub name: String,
    /// First day off.
    pub from: Day,
    /// Last day off.
    pub to: Day,
    /// Saturdays and Sundays on which work is done instead (调休上班).
    #[serde(default)]
    pub workdays: Vec<Day>,
}

/// What an exceptional day is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DayKind {
    /// No shift begins (放假).
    Holiday,
    /// The shifts of a Monday begin (调休上班).
    Workday,
}

/// Why a year's data cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum HolidayError {
    /// Two notices for one year.
    #[error("holidays of {0} are given twice; give the notice in force only")]
    YearTwice(i32),
    /// A holiday that ends before it begins, or is longer than any.
    #[error("{year}: {name} from {from} to {to} is no holiday; compare with the notice")]
    Length {
        /// Year of the notice.
        year: i32,
        /// The holiday.
        name: String,
        /// First day off.
        from: Day,
        /// Last day off.
        to: Day,
    },
    /// A day that belongs neither to the year nor to the December before.
    #[error("{year}: {name} names {day}, which is not of that year; compare with the notice")]
    OtherYear {
        /// Year of the notice.
        year: i32,
        /// The holiday.
        name: String,
        /// The day.
        day: Day,
    },
    /// A make-up workday between Monday and Friday.
    #[error(
        "{year}: {day} is no Saturday or Sunday, so it cannot be a make-up workday; compare with the notice"
    )]
    NotAWeekend {
        /// Year of the notice.
        year: i32,
        /// The day.
        day: Day,
    },
    /// A day that is given twice, or as holiday and as workday.
    #[error("{year}: {day} is given twice; compare with the notice")]
    DayTwice {
        /// Year of the notice.
        year: i32,
        /// The day.
        day: Day,
    },
}

/// Longest holiday, days. The longest so far had 9; anything above twice that is a slip of the pen.
const LONGEST_DAYS: i64 = 18;

/// A notice may begin in the December before its year.
const DECEMBER_DAYS: i64 = 31;

/// The exceptional days of the years that are known.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StatutoryDays {
    years: BTreeSet<i32>,
    days: BTreeMap<Day, DayKind>,
    notices: Vec<String>,
}

impl StatutoryDays {
    /// From the notices of some years.
    pub fn new(years: &[HolidayYear]) -> Result<Self, HolidayError> {
        let mut all = Self::default();
        for year in years {
            if !all.years.insert(year.year) {
                return Err(HolidayError::YearTwice(year.year));
            }
            all.notices.push(year.notice.clone());
            for holiday in &year.holidays {
                all.holiday(year.year, holiday)?;
            }
        }
        Ok(all)
    }

    fn holiday(&mut self, year: i32, holiday: &Holiday) -> Result<(), HolidayError> {
        let Holiday { ref name, from, to, ref workdays } = *holiday;
        let length = to.number() - from.number() + 1;
        if !(1..=LONGEST_DAYS).contains(&length) {
            return Err(HolidayError::Length { year, name: name.clone(), from, to });
        }
        let off = (from.number()..=to.number()).map(|n| (Day::from_number(n), DayKind::Holiday));
        for (day, kind) in off.chain(workdays.iter().map(|&day| (day, DayKind::Workday))) {
            let december_before = Day::from_number(day.number() + DECEMBER_DAYS);
            if ![day, december_before].iter().any(|d| d.year() == Some(year)) {
                return Err(HolidayError::OtherYear { year, name: name.clone(), day });
            }
            if kind == DayKind::Workday && !day.weekday().is_weekend() {
                return Err(HolidayError::NotAWeekend { year, day });
            }
            if self.days.insert(day, kind).is_some() {
                return Err(HolidayError::DayTwice { year, day });
            }
        }
        Ok(())
    }

    /// Whether anything is known about a day.
    pub fn knows(&self, day: Day) -> bool {
        day.year().is_some_and(|year| self.years.contains(&year))
    }

    /// What a day is, if it is not like its weekday.
    pub fn kind(&self, day: Day) -> Option<DayKind> {
        self.days.get(&day).copied()
    }

    /// Numbers of the notices, in the order in which they were given.
    pub fn notices(&self) -> &[String] {
        &self.notices
    }
}
