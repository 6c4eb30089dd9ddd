//! One read in every type and order, and the lines of configuration that fit. Pure: words in, text out.

use observation::Decimal;
use protocols::modbus::address::{Address, Kind, Order, Reading, Table};
use protocols::modbus::ways::{Way, matching, plausible, ways};
use serde_json::Value;
use std::fmt::Write as _;

/// Lines to paste that are offered at most.
const MOST_LINES: usize = 8;

/// Where was read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub link: &'a str,
    pub unit: u8,
    pub table: Table,
    pub start: u16,
}

/// The text, and whether some way fits what the display shows; without a display, always.
pub(super) fn registers(place: &Place<'_>, words: &[u16], shows: Option<Decimal>) -> (String, bool) {
    let ways = ways(words);
    let fitting: Vec<(&Way, Decimal)> = match shows {
        Some(display) => matching(&ways, display),
        None => plausible(&ways).into_iter().map(|way| (way, Decimal::from(1i64))).collect(),
    };
    let mut out = String::new();
    let hex: Vec<String> = words.iter().map(|word| format!("{word:04X}")).collect();
    let Place { unit, table, start, .. } = place;
    line(&mut out, &format!("从站 unit {unit}, {table}:{start}, 原始值 raw: {}", hex.join(" ")));
    for width in [1, 2, 4].into_iter().filter(|width| usize::from(*width) <= words.len()) {
        block(&mut out, &ways, width, &fitting);
    }
    match (shows, fitting.is_empty()) {
        (Some(display), true) => line(
            &mut out,
            &format!(
                "\n没有一种读法得到 {display}（±1 %，倍率 10⁻⁶ 到 10³）。地址可能差 1，或在 input 表中；用 --registers 搜索 · no way \
                 of reading gives {display}: the address may be off by one, or in the other table; look with --registers"
            ),
        ),
        (None, true) => line(
            &mut out,
            "\n无法判断（全零或都不像）· nothing can be told from this: probe while the machine runs, or give what its \
             display shows: --shows 230.1",
        ),
        _ => lines_to_paste(&mut out, place, &fitting, shows),
    }
    (out, shows.is_none() || !fitting.is_empty())
}

/// The types of one width, their orders side by side. A star marks what fits.
fn block(out: &mut String, ways: &[Way], width: u16, fitting: &[(&Way, Decimal)]) {
    let kinds: Vec<Kind> = match width {
        1 => vec![Kind::U16, Kind::I16],
        2 => vec![Kind::U32, Kind::I32, Kind::F32],
        _ => vec![Kind::U64, Kind::I64, Kind::F64],
    };
    let of = |kind: Kind| ways.iter().filter(move |way| way.kind == kind);
    let cell = |way: &Way| {
        let star = if fitting.iter().any(|(fit, _)| *fit == way) { "*" } else { "" };
        format!("{star}{}", way.value.map_or_else(|| "–".to_owned(), short))
    };
    let rows: Vec<Vec<String>> = kinds.iter().map(|kind| of(*kind).map(cell).collect()).collect();
    let orders: Vec<&str> = of(kinds[0]).map(|way| way.order.name()).collect();
    let widths: Vec<usize> = orders
        .iter()
        .enumerate()
        .map(|(column, order)| {
            rows.iter().map(|row| row[column].chars().count()).chain([order.len()]).max().unwrap_or(0)
        })
        .collect();
    line(out, &format!("\n{} 位 bit", width * 16));
    let head = orders.iter().zip(&widths).map(|(order, width)| format!("  {order:>width$}"));
    if width > 1 {
        line(out, &format!("     {}", head.collect::<String>()));
    }
    for (kind, row) in kinds.iter().zip(&rows) {
        let cells: Vec<String> =
            row.iter().zip(&widths).map(|(cell, width)| format!("  {cell:>width$}")).collect();
        line(out, &format!("  {kind}{}", cells.concat()));
    }
}

/// Floats of a wrong order are hundreds of digits long; only their size matters.
fn short(value: Decimal) -> String {
    let text = value.to_string();
    if text.len() <= 20 {
        return text;
    }
    let digits = value.mantissa().unsigned_abs().to_string();
    let exponent = i64::from(value.exponent()) + i64::try_from(digits.len()).unwrap_or(0) - 1;
    let sign = if value < Decimal::ZERO { "-" } else { "" };
    let (first, rest) = digits.split_at(1);
    format!("{sign}{first}.{}e{exponent}", rest.get(..3).unwrap_or(rest))
}

fn lines_to_paste(out: &mut String, place: &Place<'_>, fitting: &[(&Way, Decimal)], shows: Option<Decimal>) {
    let head = match shows {
        Some(display) => format!("与 {display} 相符，粘贴其一 · fits {display}; paste one of these"),
        None => "可能的读法（带 *）；对照表盘后粘贴其一，或用 --shows 给出表盘读数 · possible (marked *); compare with the \
                 device's display and paste one, or give its reading with --shows"
            .to_owned(),
    };
    line(out, &format!("\n{head}:"));
    line(
        out,
        "（放在 [machine.points] 下，name 换成测点名 · under [machine.points], with the point's name for `name`）",
    );
    for (way, scale) in fitting.iter().take(MOST_LINES) {
        line(out, &format!("  {}", paste(place, way.kind, way.order, *scale)));
    }
    if let Some(more) = fitting.len().checked_sub(MOST_LINES).filter(|more| *more > 0) {
        line(out, &format!("  … 还有 and {more} more"));
    }
    if fitting.len() > 1 {
        line(
            out,
            "多种读法都可能时，等数值变化后再看一次；可能为负的量选 i16/i32/i64 · if several fit, look again when the value has \
             changed; take i16, i32 or i64 for what may become negative",
        );
    }
}

/// The line of a coil or discrete input.
pub(super) fn bit(place: &Place<'_>) -> String {
    let written = format!("unit = {}, register = \"{}:{}\"", place.unit, place.table, place.start);
    format!("\n  name = {{ link = {:?}, {written} }}\n", place.link)
}

/// A point as it is written in `[machine.points]`.
fn paste(place: &Place<'_>, kind: Kind, order: Order, scale: Decimal) -> String {
    let reading = Reading::Number { kind, order, scale };
    let address = Address { unit: place.unit, table: place.table, offset: place.start, reading };
    let written = address.to_table();
    let text = |value: &Value| value.to_string();
    let keys = ["unit", "register", "type", "order", "scale"];
    let own = keys.iter().filter_map(|key| written.get(key).map(|value| format!("{key} = {}", text(value))));
    format!("name = {{ link = {:?}, {} }}", place.link, own.collect::<Vec<_>>().join(", "))
}

fn line(out: &mut String, text: &str) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}", text.trim_end());
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::PointId;

    const PLACE: Place<'_> = Place { link: "hall-a", unit: 7, table: Table::Holding, start: 40 };

    #[test]
    fn pain_06_one_read_is_shown_in_every_order_with_the_line_to_paste() {
        let (text, found) = registers(&PLACE, &[0x199A, 0x4366, 0, 0], Some("230.1".parse().unwrap()));
        assert!(found);
        for want in [
            "unit 7, holding:40, 原始值 raw: 199A 4366 0000 0000",
            "ABCD",
            "BADC",
            "CDAB",
            "DCBA",
            "ABCDEFGH",
            "BADCFEHG",
            "CDABGHEF",
            "DCBAHGFE",
            "GHEFCDAB",
            "HGFEDCBA",
            "*230.1",
            r#"name = { link = "hall-a", unit = 7, register = "holding:40", type = "f32", order = "CDAB", scale = "1" }"#,
        ] {
            assert!(text.contains(want), "{want} is missing in\n{text}");
        }
        assert_eq!(text.matches('*').count(), 1, "{text}");
    }

    #[test]
    fn the_line_to_paste_is_read_by_the_protocol() {
        let (text, _) = registers(&PLACE, &[0x05F5, 0xE0FF], Some("999999.99".parse().unwrap()));
        let pasted = text.lines().find_map(|line| line.trim().strip_prefix("name = ")).unwrap();
        let document = config::Document::parse("x", &format!("point = {pasted}")).unwrap();
        let Value::Object(mut table) = config::Section::of(&document).any("point").unwrap().to_json() else {
            panic!("no table")
        };
        table.remove("link");
        let mut errors = vec![];
        let address = Address::read(PointId(0), &Value::Object(table), &mut errors);
        assert!(errors.is_empty() && address.is_some(), "{errors:?}");
    }

    #[test]
    fn nothing_that_fits_says_what_to_try_next() {
        let (text, found) = registers(&PLACE, &[1, 2], Some("230.1".parse().unwrap()));
        assert!(!found && text.contains("off by one"), "{text}");
        let (text, _) = registers(&PLACE, &[0, 0], None);
        assert!(text.contains("--shows") && !text.contains('*'), "{text}");
    }

    #[test]
    fn a_number_of_hundreds_of_digits_is_shown_by_its_size() {
        assert_eq!(short("-123456789012345678901234567890".parse().unwrap()), "-1.234e29");
        assert_eq!(short("230.1".parse().unwrap()), "230.1");
    }
}
