//! A plan as it is written down: shift patterns, the plant's own days, planned maintenance, orders. Plain data,
//! the same in TOML and JSON; [`super::build`] checks it. Changed only by a signed statement, which gives the
//! [`Version`] its dates.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::day::{Day, Weekday};
use super::holidays::DayKind;

/// When the machines of a project are planned to run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plan {
    /// Name and edition; figures print it, so no two versions share it.
    pub name: String,
    /// Shift patterns. None: all machines around the clock.
    #[serde(default, rename = "pattern")]
    pub patterns: Vec<Pattern>,
    /// The plant's own exceptional days; they override statutory ones.
    #[serde(default, rename = "day")]
    pub days: Vec<PlanDay>,
    /// Years of which every exceptional day, statutory ones too, stands in `days`, so that no holiday data is needed.
    #[serde(default)]
    pub complete_years: Vec<i32>,
    /// Planned maintenance.
    #[serde(default)]
    pub maintenance: Vec<Maintenance>,
    /// Every machine counts as having an order all the time, whatever orders are listed.
    pub always_order: bool,
    /// Orders.
    #[serde(default, rename = "order")]
    pub orders: Vec<Order>,
}

/// Shifts that some machines have in common.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pattern {
    /// Its name.
    pub name: String,
    /// Machine ids. None: all machines that no other pattern names.
    #[serde(default)]
    pub machines: Vec<String>,
    /// Whether shifts follow the statutory holidays.
    pub statutory: Statutory,
    /// Its shifts. None: around the clock.
    #[serde(default, rename = "shift")]
    pub shifts: Vec<Shift>,
}

/// What statutory holidays and make-up workdays mean to a pattern. There is no default: whoever plans says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Statutory {
    /// No shift begins on a holiday; on a make-up workday those of a Monday begin.
    Observed,
    /// Shifts begin by the day of the week alone.
    Worked,
}

/// A shift that recurs every week. A break is the gap between two shifts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Shift {
    /// Name, such as 早班.
    pub name: String,
    /// The days on which it begins.
    pub weekdays: Vec<Weekday>,
    /// When it begins.
    pub from: LocalTime,
    /// When it ends; not later than `from` means on the day after.
    pub to: LocalTime,
}

/// A day of the plant that is not like its weekday.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanDay {
    /// The day.
    pub date: Day,
    /// What it is.
    pub kind: DayKind,
}

/// Planned maintenance: time outside PBT.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Machine id. None: all machines.
    #[serde(default)]
    pub machine: Option<String>,
    /// Its begin.
    pub from: Moment,
    /// Its end.
    pub to: Moment,
}

/// An order: from its start to its end a machine has work, with transport and queue (AOET).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Order {
    /// Machine id.
    pub machine: String,
    /// The order's number.
    pub id: String,
    /// Its start.
    pub from: Moment,
    /// Its end.
    pub to: Moment,
}

/// A plan with the dates that its statement gives it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Version {
    /// From when it is in force. None: always was, as the plan of a genesis is.
    #[serde(default)]
    pub effective_from: Option<Moment>,
    /// When its statement was signed.
    pub signed_at: Moment,
    /// The plan.
    pub plan: Plan,
}

/// A moment, UTC s. In text UTC seconds, or RFC 3339 with an offset: `2026-03-01T00:00:00+08:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Moment(pub i64);

impl Serialize for Moment {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(self.0)
    }
}

impl<'de> Deserialize<'de> for Moment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(untagged, expecting = "UTC seconds, or text such as 2026-03-01T00:00:00+08:00")]
        enum Written {
            Seconds(i64),
            Text(String),
        }
        match Written::deserialize(deserializer)? {
            Written::Seconds(t) => Ok(Self(t)),
            Written::Text(text) => {
                use time::format_description::well_known::Rfc3339;
                let bad = || {
                    serde::de::Error::custom(format!(
                        "{text:?} is no moment; write it with its offset, as 2026-03-01T00:00:00+08:00"
                    ))
                };
                let moment = time::OffsetDateTime::parse(&text, &Rfc3339).map_err(|_| bad())?;
                if moment.nanosecond() == 0 { Ok(Self(moment.unix_timestamp())) } else { Err(bad()) }
            }
        }
    }
}

/// A time of day, minutes after midnight. In text `08:00`, up to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LocalTime(u16);

impl LocalTime {
    /// Minutes in a day.
    pub const DAY_MIN: u16 = 1440;
    /// The begin of a day.
    pub const MIDNIGHT: Self = Self(0);

    /// Minutes after midnight, at most a day.
    pub fn from_minutes(minutes: u16) -> Option<Self> {
        (minutes <= Self::DAY_MIN).then_some(Self(minutes))
    }

    /// Minutes after midnight.
    pub const fn minutes(self) -> u16 {
        self.0
    }
}

impl std::fmt::Display for LocalTime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:02}:{:02}", self.0 / 60, self.0 % 60)
    }
}

impl std::str::FromStr for LocalTime {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let two =
            |s: &str| (s.len() == 2 && s.bytes().all(|b| b.is_ascii_digit())).then(|| s.parse().ok())?;
        let parsed = text.split_once(':').and_then(|(h, m)| Some((two(h)?, two(m)?)));
        parsed
            .filter(|&(_, m): &(u16, u16)| m < 60)
            .and_then(|(h, m)| Self::from_minutes(h * 60 + m))
            .ok_or_else(|| {
                format!("{text:?} is no time of day; write it as 08:00, midnight at the end as 24:00")
            })
    }
}

impl Serialize for LocalTime {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for LocalTime {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
