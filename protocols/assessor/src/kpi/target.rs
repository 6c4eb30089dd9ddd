//! Targets and comparisons as they are asked for. The verdict is `kpi::compare`'s; here is how a target is written.

use kpi::compare::{Aim, Target};
use kpi::definition::{self, Better, Definition, Unit};
use kpi::{KpiId, Rational};

use super::problem::Words;

/// A target as it was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// Its text.
    pub text: String,
    /// The figure.
    pub id: KpiId,
    /// What is to be reached.
    pub target: Target,
}

/// Behind an id: what counts is how much better the figure became, as a share of what it was.
const BETTER: &str = ":better";

/// `iso.oee>=60%`, `energy.per_part<=0.8`, `energy.per_part:better>=10%`.
pub fn parse(text: &str) -> Result<Asked, Words> {
    let (left, sign, right) = parted(text)?;
    let (id, aim) = match left.strip_suffix(BETTER) {
        Some(id) => (id.trim(), Aim::RelativeImprovement),
        None => (left, Aim::Value),
    };
    let Some(row) = definition::all().find(|d| d.text == id) else { return Err(unknown(id)) };
    let wanted = if aim == Aim::Value && row.better == Better::Lower { "<=" } else { ">=" };
    if sign != wanted {
        return Err(wrong_way(row, text, wanted));
    }
    let (value, unit) = number(right, if aim == Aim::Value { row.unit } else { Unit::Ratio })?;
    Ok(Asked { text: text.to_owned(), id: row.id, target: Target { aim, unit, value } })
}

fn parted(text: &str) -> Result<(&str, &str, &str), Words> {
    for (sign, plain) in [(">=", ">="), ("≥", ">="), ("<=", "<="), ("≤", "<=")] {
        if let Some((left, right)) = text.split_once(sign) {
            return Ok((left.trim(), plain, right.trim()));
        }
    }
    Err(Words::new(
        format!("目标“{text}”应写作 iso.oee>=60%，或改善幅度 energy.per_part{BETTER}>=10%"),
        format!(
            "write the target {text:?} as iso.oee>=60%, or as an improvement, energy.per_part{BETTER}>=10%"
        ),
    ))
}

fn unknown(id: &str) -> Words {
    let near = definition::all().map(|d| (strsim::damerau_levenshtein(d.text, id), d.text)).min();
    let hint = near.filter(|(far, _)| *far <= 4).map(|(_, text)| text);
    let (zh, en) = hint.map_or((String::new(), String::new()), |h| {
        (format!("；是否应为 {h}？"), format!("; did you mean {h}?"))
    });
    Words::new(format!("没有指标“{id}”{zh}"), format!("there is no figure {id:?}{en}"))
}

fn wrong_way(row: &Definition, text: &str, wanted: &str) -> Words {
    let (zh, en) = match row.better {
        Better::Higher => ("越高越好", "is better higher"),
        Better::Lower => ("越低越好", "is better lower"),
    };
    Words::new(
        format!("“{text}”的方向不对：{}{zh}，应写 {wanted}", row.zh),
        format!("{text:?} points the wrong way: {} {en}; write {wanted}", row.en),
    )
}

/// A decimal with an optional unit. A share without a unit is 0 to 1, as in JSON; 60 without `%` would be 6 000 %.
fn number(text: &str, of: Unit) -> Result<(Rational, Unit), Words> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (digits, unit) = (&text[..split], text[split..].trim());
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let scale = u32::try_from(fraction.len()).ok().and_then(|places| 10i64.checked_pow(places));
    let units = format!("{whole}{fraction}").parse::<i64>().ok();
    let Some(value) = units.zip(scale).and_then(|(n, d)| Rational::ratio(n, d)).filter(|_| !whole.is_empty())
    else {
        return Err(Words::new(format!("“{text}”不是数"), format!("{text:?} is no number")));
    };
    let unit = match unit {
        "" => of,
        named => {
            let found = Unit::ALL.into_iter().find(|u| u.zh() == named || u.en() == named);
            found.ok_or_else(|| {
                Words::new(format!("不认识的单位“{named}”"), format!("{named:?} is no unit of a figure"))
            })?
        }
    };
    if text.ends_with('%') {
        return Ok((value.over(&Rational::integer(100)).unwrap_or(value), unit));
    }
    if unit == Unit::Ratio && value > Rational::integer(10) {
        return Err(Words::new(
            format!("“{text}”是比率 {text}，即百分之几千；是否应为 {text}%？"),
            format!("{text:?} is a ratio of thousands of per cent; did you mean {text}%?"),
        ));
    }
    Ok((value, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_a_figure_a_direction_and_a_number_in_its_unit() {
        let oee = parse("iso.oee >= 60%").unwrap();
        assert_eq!((oee.id, oee.target.aim), (KpiId::Oee, Aim::Value));
        assert_eq!(oee.target.value, Rational::ratio(3, 5).unwrap());
        assert_eq!(parse("iso.oee≥0.6").unwrap().target, oee.target);
        let energy = parse("energy.per_part<=0.75kWh/pc").unwrap();
        assert_eq!(energy.target.value, Rational::ratio(3, 4).unwrap());
        let better = parse("energy.per_part:better>=10%").unwrap();
        assert_eq!((better.target.aim, better.target.unit), (Aim::RelativeImprovement, Unit::Ratio));
    }

    #[test]
    fn what_could_be_meant_otherwise_is_refused() {
        for text in [
            "iso.oee",
            "iso.oee<=60%",
            "energy.per_part>=1",
            "iso.oe>=60%",
            "iso.oee>=60",
            "iso.oee>=",
            "iso.oee>=0.6 kg",
        ] {
            assert!(parse(text).is_err(), "{text}");
        }
        assert!(parse("iso.oe>=60%").unwrap_err().en.contains("iso.oee"));
    }
}
