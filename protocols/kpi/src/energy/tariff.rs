//! Time-of-use tariffs (尖峰平谷) as dated data, laid over a period so that every minute has one band and one price.
//! A minute in no band, a day without a price list or with two, a band without a price are refused by name.

use std::collections::BTreeMap;

use observation::Decimal;
use serde::{Deserialize, Serialize};

pub use super::cost::{Cost, CostOfUse, WholeFen};
use super::declared::DocumentHash;
use super::factor::Confidence;
use super::unit::exact;
use crate::calendar::day::Day;
use crate::period::{DAY_S, Grid, Period};
use crate::rational::Rational;

const MINUTES: usize = 1_440;
const MONTHS: usize = 12;

/// A band of the day.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Band {
    /// 尖峰.
    Sharp,
    /// 高峰.
    Peak,
    /// 平段.
    Flat,
    /// 低谷.
    Valley,
    /// 深谷.
    DeepValley,
}

/// Number of bands.
pub const BANDS: usize = 5;

impl Band {
    /// All bands in the order of their places in arrays.
    pub const ALL: [Self; BANDS] = [Self::Sharp, Self::Peak, Self::Flat, Self::Valley, Self::DeepValley];

    /// Its place in arrays.
    pub const fn index(self) -> usize {
        self as usize
    }

    /// Chinese name.
    pub const fn zh(self) -> &'static str {
        match self {
            Self::Sharp => "尖峰",
            Self::Peak => "高峰",
            Self::Flat => "平段",
            Self::Valley => "低谷",
            Self::DeepValley => "深谷",
        }
    }
}

/// A time of day in minutes from midnight, `00:00` to `24:00`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ClockMinute(u16);

/// A text that is no time of day.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time of day; write it as 07:30, at most 24:00")]
pub struct NotAClockMinute(String);

impl TryFrom<String> for ClockMinute {
    type Error = NotAClockMinute;
    fn try_from(text: String) -> Result<Self, NotAClockMinute> {
        let digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit()).then(|| part.parse::<u16>().ok());
        let parts = text.split_once(':').filter(|(h, m)| h.len() == 2 && m.len() == 2);
        let minutes = parts.and_then(|(h, m)| digits(h)?.zip(digits(m)?)).filter(|(_, m)| *m < 60);
        let minutes = minutes.map(|(h, m)| h * 60 + m).filter(|minutes| usize::from(*minutes) <= MINUTES);
        minutes.map(Self).ok_or(NotAClockMinute(text))
    }
}

impl From<ClockMinute> for String {
    fn from(ClockMinute(minutes): ClockMinute) -> Self {
        format!("{:02}:{:02}", minutes / 60, minutes % 60)
    }
}

/// A tariff file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tariff {
    /// Id that a report cites.
    pub id: String,
    /// What was checked and what was not.
    pub checked: String,
    /// Which minute belongs to which band.
    #[serde(rename = "schedule")]
    pub schedules: Vec<Schedule>,
    /// What a kilowatt-hour costs.
    #[serde(rename = "price")]
    pub prices: Vec<PriceList>,
}

/// Bands of the day over some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// First day.
    pub valid_from: Day,
    /// Last day; open until a successor is known.
    #[serde(default)]
    pub valid_to: Option<Day>,
    /// Document and clause.
    pub source: String,
    /// The document itself, where it was at hand.
    #[serde(default)]
    pub document: Option<DocumentHash>,
    /// How well it is known.
    pub status: Confidence,
    /// Rules; for each minute the first that fits.
    #[serde(rename = "rule")]
    pub rules: Vec<BandRule>,
}

/// One rule of a schedule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BandRule {
    /// Its band.
    pub band: Band,
    /// Months 1 to 12; all when empty.
    #[serde(default)]
    pub months: Vec<u8>,
    /// First minute.
    pub from: ClockMinute,
    /// The minute after the last; before `from` when the band runs over midnight.
    pub to: ClockMinute,
}

/// Prices over some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// First day.
    pub valid_from: Day,
    /// Last day; open until a successor is known.
    #[serde(default)]
    pub valid_to: Option<Day>,
    /// Document: a price table, a contract, a bill.
    pub source: String,
    /// The document itself, where it was at hand.
    #[serde(default)]
    pub document: Option<DocumentHash>,
    /// How well it is known.
    pub status: Confidence,
    /// 元/kWh by band, all that is paid for a kilowatt-hour.
    pub yuan_per_kwh: BTreeMap<Band, Decimal>,
}

impl PriceList {
    /// 元/kWh of each band; a band that has none occurs on no day of the list, which is checked.
    fn by_band(&self) -> [Rational; BANDS] {
        Band::ALL.map(|band| self.yuan_per_kwh.get(&band).map_or_else(Rational::zero, |yuan| exact(*yuan)))
    }
}

/// Why there is no cost.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TariffError {
    /// No schedule or price list is in force.
    #[error("tariff {tariff:?} has no {what} for {day}; supply the one in force then, with its source")]
    NotInForce {
        /// Tariff id.
        tariff: String,
        /// Schedule or price list.
        what: &'static str,
        /// The day.
        day: Day,
    },
    /// Several are.
    #[error("tariff {tariff:?} has two {what}s for {day}; end the older one the day before")]
    Twice {
        /// Tariff id.
        tariff: String,
        /// Schedule or price list.
        what: &'static str,
        /// The day.
        day: Day,
    },
    /// A minute of the day is in no band.
    #[error("tariff {tariff:?}: in month {month} the minute {minute} is in no band; add a rule for it")]
    NoBand {
        /// Tariff id.
        tariff: String,
        /// Month, 1 to 12.
        month: usize,
        /// Time of day.
        minute: String,
    },
    /// A band has no price.
    #[error("tariff {tariff:?}: the price list from {from} has no price for {} ({band:?}); supply it", band.zh())]
    NoPrice {
        /// Tariff id.
        tariff: String,
        /// First day of the list.
        from: Day,
        /// The band.
        band: Band,
    },
    /// A rule or price that cannot be.
    #[error("tariff {tariff:?}: {why}")]
    Bad {
        /// Tariff id.
        tariff: String,
        /// What is wrong.
        why: String,
    },
}

/// A tariff laid over a period: every minute has one band and one price.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PricedPeriod {
    pub(super) period: Period,
    grid: Grid,
    first_day: i64,
    days: Vec<PricedDay>,
    /// By schedule: band of each minute of each month.
    bands: Vec<Vec<Band>>,
    /// By price list and band.
    pub(super) prices: Vec<[Rational; BANDS]>,
    /// Worst confidence of what is in force.
    pub confidence: Confidence,
    /// Documents in force.
    pub sources: Vec<String>,
}

/// What is in force on a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct PricedDay {
    schedule: usize,
    list: usize,
    /// 0 to 11.
    month: usize,
}

impl Tariff {
    /// Lays the tariff over a period.
    pub fn over(&self, period: Period, grid: Grid) -> Result<PricedPeriod, TariffError> {
        self.check()?;
        let bands = self.schedules.iter().map(|s| self.table(s)).collect::<Result<Vec<_>, _>>()?;
        let (first, last) = super::factor::days(period, grid);
        let days = (first.number()..=last.number()).map(|number| self.day(Day::from_number(number)));
        let days = days.collect::<Result<Vec<_>, _>>()?;
        self.check_prices(&days, &bands)?;
        let (confidence, sources) = self.provenance(&days);
        Ok(PricedPeriod {
            period,
            grid,
            first_day: first.number(),
            days,
            bands,
            prices: self.prices.iter().map(PriceList::by_band).collect(),
            confidence,
            sources,
        })
    }

    fn day(&self, day: Day) -> Result<PricedDay, TariffError> {
        let schedules = self.schedules.iter().map(|s| (s.valid_from, s.valid_to));
        let lists = self.prices.iter().map(|p| (p.valid_from, p.valid_to));
        Ok(PricedDay {
            schedule: self.in_force("schedule", day, schedules)?,
            list: self.in_force("price list", day, lists)?,
            month: month(day.number()),
        })
    }

    /// Worst confidence and all documents of what is in force.
    fn provenance(&self, days: &[PricedDay]) -> (Confidence, Vec<String>) {
        let schedules = days.iter().filter_map(|day| self.schedules.get(day.schedule));
        let lists = days.iter().filter_map(|day| self.prices.get(day.list));
        let each = schedules.map(|s| (s.status, &s.source)).chain(lists.map(|l| (l.status, &l.source)));
        let (mut worst, mut sources) = (Confidence::Read, std::collections::BTreeSet::new());
        for (status, source) in each {
            worst = worst.max(status);
            sources.insert(source.clone());
        }
        (worst, sources.into_iter().collect())
    }

    fn check(&self) -> Result<(), TariffError> {
        let bad = |why: String| Err(TariffError::Bad { tariff: self.id.clone(), why });
        for rule in self.schedules.iter().flat_map(|s| &s.rules) {
            if rule.from == rule.to || rule.from.0 == 1_440 {
                return bad(format!(
                    "a rule from {} to {} covers no time",
                    String::from(rule.from),
                    String::from(rule.to)
                ));
            }
            if let Some(month) = rule.months.iter().find(|m| !(1..=12).contains(*m)) {
                return bad(format!("{month} is no month"));
            }
        }
        for (band, yuan) in self.prices.iter().flat_map(|p| &p.yuan_per_kwh) {
            if *yuan < Decimal::ZERO {
                return bad(format!("a price of {yuan} 元/kWh for {}; prices are not negative", band.zh()));
            }
        }
        Ok(())
    }

    /// The band of each minute of each month. Later rules are laid down first, so that the first that fits stays.
    fn table(&self, schedule: &Schedule) -> Result<Vec<Band>, TariffError> {
        let mut table = vec![None; MONTHS * MINUTES];
        for (month, minutes) in (1..).zip(table.chunks_mut(MINUTES)) {
            for rule in schedule.rules.iter().rev().filter(|rule| rule.has(month)) {
                rule.lay(minutes);
            }
        }
        let bands = table.into_iter().enumerate().map(|(at, band)| {
            let (month, minute) = (at / MINUTES + 1, at % MINUTES);
            band.ok_or_else(|| TariffError::NoBand {
                tariff: self.id.clone(),
                month,
                minute: format!("{:02}:{:02}", minute / 60, minute % 60),
            })
        });
        bands.collect()
    }

    fn in_force(
        &self,
        what: &'static str,
        day: Day,
        validity: impl Iterator<Item = (Day, Option<Day>)>,
    ) -> Result<usize, TariffError> {
        let holds =
            |(_, (from, to)): &(usize, (Day, Option<Day>))| *from <= day && to.is_none_or(|to| day <= to);
        let mut found = validity.enumerate().filter(holds).map(|(at, _)| at);
        let tariff = || self.id.clone();
        match (found.next(), found.next()) {
            (Some(one), None) => Ok(one),
            (None, _) => Err(TariffError::NotInForce { tariff: tariff(), what, day }),
            (Some(_), Some(_)) => Err(TariffError::Twice { tariff: tariff(), what, day }),
        }
    }

    /// Every band that occurs on a day has a price in the list of that day.
    fn check_prices(&self, days: &[PricedDay], bands: &[Vec<Band>]) -> Result<(), TariffError> {
        let kinds: std::collections::BTreeSet<&PricedDay> = days.iter().collect();
        for day in kinds {
            let (Some(list), Some(table)) = (self.prices.get(day.list), bands.get(day.schedule)) else {
                continue;
            };
            let mut of_month = table.iter().skip(day.month * MINUTES).take(MINUTES);
            if let Some(&band) = of_month.find(|band| !list.yuan_per_kwh.contains_key(band)) {
                return Err(TariffError::NoPrice { tariff: self.id.clone(), from: list.valid_from, band });
            }
        }
        Ok(())
    }
}

impl BandRule {
    fn has(&self, month: u8) -> bool {
        self.months.is_empty() || self.months.contains(&month)
    }

    fn lay(&self, minutes: &mut [Option<Band>]) {
        let (from, to) = (usize::from(self.from.0), usize::from(self.to.0));
        let stretches = if from < to { [from..to, 0..0] } else { [from..MINUTES, 0..to] };
        for stretch in stretches {
            if let Some(minutes) = minutes.get_mut(stretch) {
                minutes.fill(Some(self.band));
            }
        }
    }
}

/// Month of a day, 0 to 11.
fn month(day_number: i64) -> usize {
    let (_, month, _) = observation::time::civil(day_number);
    usize::try_from(month - 1).unwrap_or(0)
}

impl PricedPeriod {
    /// Band and price list of the minute that holds `t`, which lies in the period.
    fn at(&self, t: i64) -> Option<(Band, usize)> {
        let local = t + self.grid.offset_s();
        let day = *self.days.get(usize::try_from(local.div_euclid(DAY_S) - self.first_day).ok()?)?;
        let minute = usize::try_from(local.rem_euclid(DAY_S) / 60).ok()?;
        let band = *self.bands.get(day.schedule)?.get(day.month * MINUTES + minute)?;
        Some((band, day.list))
    }

    /// The start of the minute after the one that holds `t`.
    fn next_minute(&self, t: i64) -> i64 {
        t + 60 - (t + self.grid.offset_s()).rem_euclid(60)
    }

    /// Band and price list of a stretch inside the period, when it has but one.
    pub(super) fn only_in(&self, over: Period) -> Option<(Band, usize)> {
        let first = self.at(over.from)?;
        let mut t = self.next_minute(over.from);
        while t < over.to {
            if self.at(t) != Some(first) {
                return None;
            }
            t = self.next_minute(t);
        }
        Some(first)
    }

    /// All bands and price lists of a stretch inside the period, without repeats.
    pub(super) fn all_in(&self, over: Period) -> Vec<(Band, usize)> {
        let mut found: Vec<(Band, usize)> = Vec::new();
        let mut t = over.from;
        while t < over.to {
            if let Some(here) = self.at(t).filter(|here| !found.contains(here)) {
                found.push(here);
            }
            t = self.next_minute(t);
        }
        found
    }
}
