//! A table of texts out of a CSV file or a sheet of a workbook. Dates of a workbook become text in the same form as
//! in a CSV, so that everything behind this reads one kind of table. Nothing is interpreted here.

use std::io::Cursor;
use std::path::Path;

use calamine::{Data, Reader, Xlsx};

use super::problem::{Place, Problem, Words};

/// More rows than any year of shifts or any month of states needs; beyond, a file is most likely something else.
const MOST_ROWS: usize = 2_000_000;
/// Excel shows 15 significant digits; what is behind them is the noise of binary fractions.
const SIGNIFICANT: usize = 15;

/// A table as it stands in the file.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sheet {
    /// Name of the sheet; none in a text file.
    pub name: Option<String>,
    /// Rows with at least one cell that is not empty.
    pub rows: Vec<Row>,
    /// How the file was read, where that was not obvious.
    pub notes: Vec<Words>,
}

/// One row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Row {
    /// Line of the file or row of the sheet, from 1.
    pub line: usize,
    /// Column of the first cell, from 0.
    pub first: usize,
    /// Texts of the cells, trimmed.
    pub cells: Vec<String>,
}

impl Sheet {
    /// Where a cell stands. `column` counts from the table's first cell.
    pub fn place(&self, row: &Row, column: usize, heading: &str) -> Place {
        match &self.name {
            None => Place::Line(row.line, heading.to_owned()),
            Some(sheet) => {
                let cell = format!("{}{}", letters(row.first + column), row.line);
                Place::Cell(sheet.clone(), cell, heading.to_owned())
            }
        }
    }
}

/// `A`, `B`, … `Z`, `AA`: how spreadsheets name columns.
fn letters(mut column: usize) -> String {
    let mut name = Vec::new();
    loop {
        name.push(b'A' + u8::try_from(column % 26).unwrap_or(0));
        if column < 26 {
            break;
        }
        column = column / 26 - 1;
    }
    name.iter().rev().map(|&b| char::from(b)).collect()
}

fn whole(zh: impl Into<String>, en: impl Into<String>) -> Problem {
    Problem { place: Place::File, words: Words::new(zh, en) }
}

/// Reads a file's bytes; its kind is told by its first bytes, never by its name. `sheet` names one of several.
pub fn read(bytes: &[u8], name: &Path, sheet: Option<&str>) -> Result<Sheet, Problem> {
    const ZIP: &[u8] = b"PK\x03\x04";
    const OLD_EXCEL: &[u8] = b"\xd0\xcf\x11\xe0";
    if bytes.starts_with(OLD_EXCEL) {
        return Err(whole(
            "这是旧式 .xls 或加密的工作簿；请另存为 .xlsx（不加密）或 CSV",
            "this is an old .xls or an encrypted workbook; save it as .xlsx without a password, or as CSV",
        ));
    }
    if bytes.starts_with(ZIP) {
        return workbook(bytes, sheet);
    }
    if let Some(sheet) = sheet {
        return Err(whole(
            format!("给出了工作表“{sheet}”，但 {} 不是 .xlsx 工作簿", name.display()),
            format!("sheet {sheet:?} was asked for, but {} is no .xlsx workbook", name.display()),
        ));
    }
    text(bytes)
}

fn workbook(bytes: &[u8], wanted: Option<&str>) -> Result<Sheet, Problem> {
    let unreadable = |e: &dyn std::fmt::Display| {
        whole(
            format!("不能作为 .xlsx 读取：{e}；若是证据包，请用 --trust 给出信任文件"),
            format!("cannot be read as .xlsx: {e}; if it is a bundle, name the trust file with --trust"),
        )
    };
    let mut book = Xlsx::new(Cursor::new(bytes)).map_err(|e| unreadable(&e))?;
    let names = book.sheet_names();
    let name = match (wanted, names.as_slice()) {
        (Some(wanted), names) => names.iter().find(|n| *n == wanted).ok_or_else(|| {
            let list = names.join(", ");
            whole(
                format!("没有工作表“{wanted}”；有：{list}"),
                format!("there is no sheet {wanted:?}; there are: {list}"),
            )
        })?,
        (None, [only]) => only,
        (None, names) => {
            let list = names.join(", ");
            return Err(whole(
                format!("工作簿有 {} 张工作表（{list}）；用 --sheet 指明一张", names.len()),
                format!("the workbook has {} sheets ({list}); name one with --sheet", names.len()),
            ));
        }
    }
    .clone();
    let range = book.worksheet_range(&name).map_err(|e| unreadable(&e))?;
    let (top, left) = range.start().map_or((0, 0), |(r, c)| (r as usize, c as usize));
    let mut sheet = Sheet { name: Some(name), ..Sheet::default() };
    for (i, cells) in range.rows().enumerate() {
        let row = Row { line: top + i + 1, first: left, cells: cells.iter().map(cell_text).collect() };
        push(&mut sheet, row)?;
    }
    Ok(sheet)
}

fn cell_text(cell: &Data) -> String {
    match cell {
        Data::Empty => String::new(),
        Data::String(text) | Data::DateTimeIso(text) | Data::DurationIso(text) => text.trim().to_owned(),
        Data::Int(n) => n.to_string(),
        Data::Float(x) => number(*x),
        Data::Bool(b) => b.to_string(),
        // A length of time (`[h]:mm`) is a fraction of a day.
        Data::DateTime(at) if at.is_duration() => length(at.as_f64()),
        Data::DateTime(at) => {
            let (year, month, day, hour, minute, second, ms) = at.to_ymd_hms_milli();
            let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}") };
            format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{fraction}")
        }
        // An error of the workbook itself stays visible, so that it is refused where it stands.
        Data::Error(e) => format!("#{e:?}"),
    }
}

fn number(x: f64) -> String {
    let scientific = format!("{x:.*e}", SIGNIFICANT - 1);
    scientific.parse::<f64>().unwrap_or(x).to_string()
}

/// `h:mm:ss` with milliseconds where there are any.
fn length(days: f64) -> String {
    #[expect(clippy::cast_possible_truncation, reason = "a length of days is far below 2^53 ms")]
    let ms = (days * 86_400_000.0).round() as i64;
    let (sign, ms) = if ms < 0 { ("-", ms.abs()) } else { ("", ms) };
    let fraction = if ms % 1000 == 0 { String::new() } else { format!(".{:03}", ms % 1000) };
    format!("{sign}{}:{:02}:{:02}{fraction}", ms / 3_600_000, ms / 60_000 % 60, ms / 1000 % 60)
}

fn text(bytes: &[u8]) -> Result<Sheet, Problem> {
    let (text, note) = decoded(bytes)?;
    let mut sheet = Sheet { notes: note.into_iter().collect(), ..Sheet::default() };
    let mut reader = csv::ReaderBuilder::new()
        .has_headers(false)
        .flexible(true)
        .delimiter(delimiter(&text))
        .from_reader(text.as_bytes());
    for record in reader.records() {
        let record = record.map_err(|e| {
            let line = e.position().map_or(0, csv::Position::line);
            whole(format!("第 {line} 行不是 CSV：{e}"), format!("line {line} is no CSV: {e}"))
        })?;
        let line = record.position().map_or(0, |p| usize::try_from(p.line()).unwrap_or(usize::MAX));
        push(
            &mut sheet,
            Row { line, first: 0, cells: record.iter().map(|c| c.trim().to_owned()).collect() },
        )?;
    }
    Ok(sheet)
}

/// UTF-8 with or without a mark, UTF-16 with a mark ("Unicode text" of Excel), else GB 18030 (which holds GBK).
fn decoded(bytes: &[u8]) -> Result<(String, Option<Words>), Problem> {
    let refused = || {
        whole(
            "既不是 UTF-8 也不是 GBK/GB 18030 文本；请另存为“CSV UTF-8”",
            "this is neither UTF-8 nor GBK/GB 18030 text; save it as \"CSV UTF-8\"",
        )
    };
    if let Some((encoding, mark)) = encoding_rs::Encoding::for_bom(bytes) {
        let (text, broken) = encoding.decode_without_bom_handling(&bytes[mark..]);
        return if broken { Err(refused()) } else { Ok((text.into_owned(), None)) };
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        return Ok((text.to_owned(), None));
    }
    let (text, broken) = encoding_rs::GB18030.decode_without_bom_handling(bytes);
    if broken || text.contains('\0') {
        return Err(refused());
    }
    let note = Words::new("文件按 GBK/GB 18030 编码读取", "the file was read as GBK/GB 18030");
    Ok((text.into_owned(), Some(note)))
}

/// The separator that the first lines use most.
fn delimiter(text: &str) -> u8 {
    let head: String = text.lines().take(10).collect();
    let count = |c: char| head.matches(c).count();
    [b'\t', b';']
        .into_iter()
        .fold(b',', |best, one| if count(char::from(one)) > count(char::from(best)) { one } else { best })
}

fn push(sheet: &mut Sheet, row: Row) -> Result<(), Problem> {
    if row.cells.iter().all(String::is_empty) {
        return Ok(());
    }
    if sheet.rows.len() >= MOST_ROWS {
        return Err(whole(
            format!("超过 {MOST_ROWS} 行；请按月或按设备拆分"),
            format!("more than {MOST_ROWS} rows; split the file by month or by machine"),
        ));
    }
    sheet.rows.push(row);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells(bytes: &[u8]) -> Vec<Vec<String>> {
        read(bytes, Path::new("t.csv"), None).unwrap().rows.into_iter().map(|r| r.cells).collect()
    }

    #[test]
    fn the_same_table_is_read_in_every_encoding_that_excel_writes() {
        let text = "设备,状态\ncnc-1,加工\n";
        let want =
            vec![vec!["设备".to_owned(), "状态".to_owned()], vec!["cnc-1".to_owned(), "加工".to_owned()]];
        let gbk = encoding_rs::GBK.encode(text).0.into_owned();
        let marked = [b"\xef\xbb\xbf".as_slice(), text.as_bytes()].concat();
        let utf16: Vec<u8> = [0xff, 0xfe]
            .into_iter()
            .chain(text.replace(',', "\t").encode_utf16().flat_map(u16::to_le_bytes))
            .collect();
        for bytes in [text.as_bytes(), &gbk, &marked, &utf16] {
            assert_eq!(cells(bytes), want);
        }
        assert_eq!(read(&gbk, Path::new("t"), None).unwrap().notes.len(), 1, "a guessed encoding is said");
    }

    #[test]
    fn bytes_that_are_no_text_are_refused() {
        for bytes in [b"\xff\xff\xff\xff".as_slice(), b"\xd0\xcf\x11\xe0rest", b"PK\x03\x04rest"] {
            assert!(read(bytes, Path::new("t"), None).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn columns_are_named_as_spreadsheets_name_them() {
        let names: Vec<String> = [0, 25, 26, 51, 52, 701, 702].into_iter().map(letters).collect();
        assert_eq!(names, ["A", "Z", "AA", "AZ", "BA", "ZZ", "AAA"]);
    }

    #[test]
    fn numbers_of_a_workbook_lose_the_noise_of_binary_fractions_and_nothing_else() {
        for (x, want) in [(0.1 + 0.2, "0.3"), (1_234_567.891, "1234567.891"), (3.0, "3"), (-0.5, "-0.5")] {
            assert_eq!(number(x), want);
        }
        assert_eq!([length(0.25), length(1.5)], ["6:00:00", "36:00:00"]);
    }
}
