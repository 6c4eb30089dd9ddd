//! What stands in a cell: a moment, a length of time, an amount, a state. Everything that could be read in two
//! ways is refused with both readings named; nothing is guessed.

use kpi::Leaf;
use time::{Date, Month};

use super::problem::Words;

/// A moment, in milliseconds since 1970 of the clock it was written in, with the offset (minutes east of UTC) that stands
/// beside it, if one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    /// Local milliseconds.
    pub local_ms: i64,
    /// Offset, when it was written.
    pub offset_min: Option<i32>,
}

impl Moment {
    /// UTC milliseconds at an offset.
    pub fn utc_ms(self, offset_min: i32) -> i64 {
        self.local_ms - i64::from(offset_min) * 60_000
    }
}

/// Julian day of 1970-01-01.
const UNIX_JULIAN: i64 = 2_440_588;

/// A unit and how many of the smallest unit it is.
pub type Scale = u64;

fn words(zh: impl Into<String>, en: impl Into<String>) -> Words {
    Words::new(zh, en)
}

fn no_moment(text: &str) -> Words {
    words(
        format!(
            "“{text}”不是时刻；应写作 2026-03-01T08:00:00+08:00 或 2026-03-01 08:00（并用 --offset 给出时区）"
        ),
        format!(
            "{text:?} is no moment; write 2026-03-01T08:00:00+08:00, or 2026-03-01 08:00 and give --offset"
        ),
    )
}

/// `2026-03-01T08:00:00+08:00`, `2026-03-01 08:00`, `2026/3/1 8:00:00.250`, `2026年3月1日 8:00`, or a date alone.
pub fn moment(text: &str) -> Result<Moment, Words> {
    let bad = || no_moment(text);
    let plain = text.replace(['年', '月'], "-").replace('日', " ").replace('/', "-").replace('T', " ");
    let (plain, offset_min) = split_offset(plain.trim()).ok_or_else(bad)?;
    let (day, clock) = plain.split_once(' ').map_or((plain.as_str(), "0:00"), |(d, c)| (d, c.trim()));
    let day: Vec<&str> = day.split('-').collect();
    let [y, m, d] = day[..] else { return Err(bad()) };
    if y.len() != 4 {
        return Err(words(
            format!("“{text}”的日期先后顺序不明；应先写四位年份，如 2026-03-01"),
            format!(
                "the order of day and month in {text:?} is not certain; write the year first, 2026-03-01"
            ),
        ));
    }
    let number = |part: &str, most: u32| part.parse::<u32>().ok().filter(|n| *n <= most && part.len() <= 4);
    let month = number(m, 12).and_then(|m| Month::try_from(u8::try_from(m).ok()?).ok()).ok_or_else(bad)?;
    let day = number(d, 31).and_then(|d| u8::try_from(d).ok()).ok_or_else(bad)?;
    let year = number(y, 9999).and_then(|y| i32::try_from(y).ok()).ok_or_else(bad)?;
    let date = Date::from_calendar_date(year, month, day)
        .map_err(|_| words(format!("“{text}”：没有这一天"), format!("{text:?}: there is no such day")))?;
    let days = i64::from(date.to_julian_day()) - UNIX_JULIAN;
    let clock_ms = clock_ms(clock).ok_or_else(bad)?;
    Ok(Moment { local_ms: days * 86_400_000 + clock_ms, offset_min })
}

/// `hh:mm`, `hh:mm:ss` or `hh:mm:ss.fff`, to 24:00.
fn clock_ms(text: &str) -> Option<i64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let number =
        |part: &str| part.parse::<i64>().ok().filter(|n| *n >= 0 && part.len() <= 2 && !part.is_empty());
    let (h, min, s) = match parts[..] {
        [h, min] => (number(h)?, number(min)?, 0),
        [h, min, s] => (number(h)?, number(min)?, number(s)?),
        _ => return None,
    };
    if fraction.len() > 3
        || !fraction.chars().all(|c| c.is_ascii_digit())
        || (text.contains('.') && fraction.is_empty())
    {
        return None;
    }
    let ms: i64 = format!("{fraction:0<3}").parse().ok()?;
    let sum = ((h * 60 + min) * 60 + s) * 1000 + ms;
    (min < 60 && s < 60 && sum <= 86_400_000).then_some(sum)
}

/// Takes `Z`, `+08:00` or `+0800` off the end.
fn split_offset(text: &str) -> Option<(String, Option<i32>)> {
    if let Some(rest) = text.strip_suffix(['Z', 'z']) {
        return Some((rest.trim().to_owned(), Some(0)));
    }
    // A date holds minus signs of its own, so an offset is looked for behind the clock only.
    let Some(colon) = text.find(':') else { return Some((text.to_owned(), None)) };
    let Some(at) = text[colon..].find(['+', '-', '−']).map(|i| i + colon) else {
        return Some((text.to_owned(), None));
    };
    Some((text[..at].trim().to_owned(), Some(offset(&text[at..])?)))
}

/// `+08:00`, `+0800`, `-03:30` in minutes east of UTC.
pub fn offset(text: &str) -> Option<i32> {
    let (sign, rest) = match text.strip_prefix('+') {
        Some(rest) => (1, rest),
        None => (-1, text.strip_prefix('-').or_else(|| text.strip_prefix('−'))?),
    };
    let digits: String = rest.chars().filter(|c| *c != ':').collect();
    if digits.len() != 4 || !digits.chars().all(|c| c.is_ascii_digit()) {
        return None;
    }
    let (h, min): (i32, i32) = (digits[..2].parse().ok()?, digits[2..].parse().ok()?);
    (h <= 14 && min < 60).then_some(sign * (h * 60 + min))
}

/// A number that is not negative, as whole steps of the smallest unit; `per` of them make one of the column's unit.
pub fn amount(text: &str, per: Scale, unit: &str) -> Result<u64, Words> {
    if text.contains([',', '，']) {
        return Err(words(
            format!("“{text}”中的逗号可能是小数点也可能是千位分隔；请写 1234.5"),
            format!("the comma in {text:?} may mean decimals or thousands; write 1234.5"),
        ));
    }
    let bad = || {
        words(
            format!("“{text}”不是不小于 0 的数（{unit}）"),
            format!("{text:?} is no number from 0 up ({unit})"),
        )
    };
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits = |s: &str| s.chars().all(|c| c.is_ascii_digit());
    if whole.is_empty() || !digits(whole) || !digits(fraction) || text.ends_with('.') {
        return Err(bad());
    }
    let fraction = fraction.trim_end_matches('0');
    let places = u32::try_from(fraction.len()).map_err(|_| bad())?;
    let whole: u64 = whole.parse().map_err(|_| bad())?;
    let steps = whole.checked_mul(per).ok_or_else(bad)?;
    let part = if fraction.is_empty() {
        0
    } else {
        let one = 10u128.checked_pow(places).ok_or_else(bad)?;
        let scaled =
            fraction.parse::<u128>().map_err(|_| bad())?.checked_mul(u128::from(per)).ok_or_else(bad)?;
        if scaled % one != 0 {
            return Err(words(
                format!("“{text}”的小数比可计的最小单位更细（{unit}）"),
                format!("{text:?} has more decimals than can be counted ({unit})"),
            ));
        }
        u64::try_from(scaled / one).map_err(|_| bad())?
    };
    // Registers are signed 64-bit integers of the smallest unit.
    steps.checked_add(part).filter(|n| i64::try_from(*n).is_ok()).ok_or_else(bad)
}

/// A length of time in ms: a number in the column's unit, or `h:mm` and `h:mm:ss`.
pub fn length(text: &str, per_ms: Option<Scale>) -> Result<u64, Words> {
    if text.contains(':') {
        return clock_length(text).ok_or_else(|| {
            words(
                format!("“{text}”不是时长；应写作 7:30 或 7:30:00"),
                format!("{text:?} is no length; write 7:30 or 7:30:00"),
            )
        });
    }
    let Some(per) = per_ms else {
        return Err(words(
            format!("“{text}”没有单位；请在列名中写单位，如“时长(min)”，或写作 7:30"),
            format!("{text:?} has no unit; write it in the heading, as in \"duration (min)\", or write 7:30"),
        ));
    };
    amount(text, per, "ms")
}

fn clock_length(text: &str) -> Option<u64> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let parts: Vec<u64> = clock.split(':').map(|p| p.parse().ok()).collect::<Option<_>>()?;
    let (h, min, s) = match parts[..] {
        [h, min] => (h, min, 0),
        [h, min, s] => (h, min, s),
        _ => return None,
    };
    let ms: u64 = if fraction.is_empty() { 0 } else { format!("{fraction:0<3}").parse().ok()? };
    let hours = h.checked_mul(3_600_000)?;
    (min < 60 && s < 60 && fraction.len() <= 3).then(|| hours + (min * 60 + s) * 1000 + ms)
}

/// Words of a machine's own beside the leaf states' names, as `--state WORD=STATE` gives them.
pub type OwnWords = std::collections::BTreeMap<String, Leaf>;

/// A leaf state by its Chinese or English name.
pub fn named_leaf(text: &str) -> Option<Leaf> {
    let lower = text.to_lowercase();
    Leaf::ALL.into_iter().find(|leaf| leaf.zh() == text || leaf.en() == lower)
}

/// The state that a cell names.
pub fn state(text: &str, own: &OwnWords) -> Result<Leaf, Words> {
    own.get(text).copied().or_else(|| named_leaf(text)).ok_or_else(|| {
        let list = |f: fn(Leaf) -> &'static str| Leaf::ALL.map(f).join(", ");
        words(
            format!("“{text}”不是状态；应为 {}，或用 --state \"{text}=状态\" 说明它是其中哪一个", list(Leaf::zh)),
            format!(
                "{text:?} is no state; write one of {}, or say which of them it is with --state {text:?}=STATE",
                list(Leaf::en)
            ),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local(text: &str) -> Option<(i64, Option<i32>)> {
        moment(text).ok().map(|m| (m.local_ms, m.offset_min))
    }

    #[test]
    fn a_moment_is_read_in_the_forms_that_people_and_programs_write() {
        let eight = 1_772_352_000_000;
        for text in [
            "2026-03-01T08:00:00",
            "2026-03-01 08:00",
            "2026/3/1 8:00",
            "2026年3月1日 8:00:00",
            "2026-03-01 08:00:00.000",
        ] {
            assert_eq!(local(text), Some((eight, None)), "{text}");
        }
        for (text, offset) in
            [("2026-03-01T08:00:00+08:00", 480), ("2026-03-01 08:00Z", 0), ("2026-03-01 08:00-0330", -210)]
        {
            assert_eq!(local(text), Some((eight, Some(offset))), "{text}");
        }
        assert_eq!(moment("2026-03-01T08:00+08:00").unwrap().utc_ms(480), eight - 8 * 3_600_000);
        assert_eq!(local("2026-03-01 24:00"), local("2026-03-02"));
        assert_eq!(local("2024-02-29"), Some((1_709_164_800_000, None)));
    }

    #[test]
    fn what_is_no_moment_or_two_is_refused() {
        for text in [
            "",
            "8:00",
            "01/03/2026 8:00",
            "2026-02-29",
            "2026-03-01 24:01",
            "2026-03-01 8",
            "2026-13-01",
            "45717.5",
            "2026-03-01 08:00+8",
            "2026-03-01 08:00:00.",
        ] {
            assert!(moment(text).is_err(), "{text}");
        }
        assert!(moment("3/1/2026 8:00").unwrap_err().en.contains("year first"));
    }

    #[test]
    fn amounts_are_exact_steps_and_never_guessed() {
        for (text, want) in
            [("0", 0), ("12.5", 12_500_000), ("0.000001", 1), ("1.50", 1_500_000), ("7.0000000", 7_000_000)]
        {
            assert_eq!(amount(text, 1_000_000, "kWh"), Ok(want), "{text}");
        }
        for text in
            ["1,5", "1,234.5", "-1", "1e3", "", ".5", "5.", "0.0000001", "99999999999999999999", "１２"]
        {
            assert!(amount(text, 1_000_000, "kWh").is_err(), "{text}");
        }
        assert!(amount("1,5", 1, "pcs").unwrap_err().en.contains("decimals or thousands"));
    }

    #[test]
    fn a_length_needs_a_unit_or_colons() {
        assert_eq!(length("90", Some(60_000)), Ok(5_400_000));
        assert_eq!(length("0.5", Some(3_600_000)), Ok(1_800_000));
        assert_eq!(length("36:00", None), Ok(129_600_000));
        assert_eq!(length("0:00:01.5", None), Ok(1_500));
        for text in ["90", "1:60", "1:2:3:4", ":"] {
            assert!(length(text, None).is_err(), "{text}");
        }
    }

    #[test]
    fn states_go_by_their_names_and_by_nothing_similar() {
        let own = OwnWords::from([("RUN".to_owned(), Leaf::Producing)]);
        for (text, want) in [
            ("加工", Leaf::Producing),
            ("IDLE", Leaf::Idle),
            ("空闲待机", Leaf::Idle),
            ("RUN", Leaf::Producing),
        ] {
            assert_eq!(state(text, &own), Ok(want));
        }
        for text in ["运行", "停机", "run", ""] {
            assert!(state(text, &own).is_err(), "{text}");
        }
    }
}
