//! Which units and which registers there are. Bounded, one question at a time, with a pause after each.

use super::super::{Exit, Failure};
use super::{PAUSE, environment};
use protocols::modbus::address::Table;
use protocols::modbus::decode::Answer;
use protocols::modbus::inquiry::{Inquiry, Reply};
use protocols::modbus::plan::Request;
use std::fmt::Write as _;
use std::time::Duration;

/// Addresses looked through at a time.
pub(super) const MOST_ADDRESSES: u16 = 2000;
/// Addresses in one question; some devices allow no more.
const BLOCK: u16 = 32;

pub(super) const WHAT_TO_CHECK: &str = "请检查：从站号、接线 A/B 是否反接、波特率与校验、终端电阻；用 --units 1-247 搜索 · check the unit id, \
     A and B swapped, baud rate and parity, termination; look with --units 1-247";

/// Asks for so many addresses; `None` when the table has none there.
pub(super) async fn ask(
    wire: &mut Inquiry,
    unit: u8,
    table: Table,
    start: u16,
    count: u16,
) -> Result<Option<Reply>, Failure> {
    let Some(request) = Request::bare(unit, table, start, count) else { return Ok(None) };
    let reply = wire.ask(&request).await.map_err(environment)?;
    tokio::time::sleep(PAUSE).await;
    Ok(Some(reply))
}

/// The registers of an answer, or its bits as 0 and 1.
pub(super) fn words(answer: &Answer) -> Vec<u16> {
    match answer {
        Answer::Words(words) => words.clone(),
        Answer::Bits(bits) => bits.iter().map(|bit| u16::from(*bit)).collect(),
    }
}

/// An exception code in words (MODBUS Application Protocol Specification V1.1b3, chapter 7).
pub(super) fn meaning(code: u8) -> String {
    let words = match code {
        1 => "不支持此功能码 · it does not know this function; try the other table",
        2 => "没有此地址 · there is no such address",
        3 => "数量不允许 · it does not allow so many, or this value",
        4 => "设备故障 · it has failed; some devices say so for a unit that is not there",
        5 | 6 => "设备忙 · it is busy; try again",
        10 => "网关路径不可用 · the gateway has no path to this unit",
        11 => "网关后无应答 · nobody answers behind the gateway",
        _ => "未知代码 · a code of its own",
    };
    format!("拒绝 refused, code {code}: {words}")
}

/// Asks each unit for one address; whoever answers, if only with a refusal, is there.
pub(super) async fn units(
    wire: &mut Inquiry,
    (from, to): (u8, u8),
    (table, start): (Table, u16),
    silence: Duration,
) -> Result<Exit, Failure> {
    let most = silence.saturating_mul(u32::from(to - from) + 1).as_secs();
    println!("从站 units {from}-{to}, {table}:{start}; 最长 at most {most} s");
    let mut found = vec![];
    for unit in from..=to {
        match ask(wire, unit, table, start, 1).await? {
            Some(Reply::Answer(answer)) => {
                println!("  {unit}: 应答 answers, {table}:{start} = {}", words(&answer)[0]);
                found.push(unit);
            }
            Some(Reply::Refused(code @ (10 | 11))) => eprintln!("  {unit}: {}", meaning(code)),
            Some(Reply::Refused(code)) => {
                println!("  {unit}: 在线 is there, {}", meaning(code));
                found.push(unit);
            }
            Some(Reply::Silent(_)) | None => eprintln!("  {unit}: –"),
        }
    }
    println!("{}", units_found(&found, usize::from(to - from) + 1));
    Ok(if found.is_empty() { Exit::No } else { Exit::Fine })
}

fn units_found(found: &[u8], asked: usize) -> String {
    if found.is_empty() {
        return format!("没有从站应答 · nobody answers. {WHAT_TO_CHECK}");
    }
    let all: Vec<String> = found.iter().map(ToString::to_string).collect();
    let mut text = format!("找到 found {}: {}", found.len(), all.join(", "));
    if asked > 1 && found.len() == asked {
        text.push_str("\n全部应答：此服务器可能不看从站号 · all of them answer: this server may not look at the unit id");
    }
    text
}

/// What a table holds, address by address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cell {
    Holds(u16),
    Refused(u8),
}

/// Reads a range, taking refused blocks apart until each address is known.
pub(super) async fn registers(
    wire: &mut Inquiry,
    unit: u8,
    (table, from, to): (Table, u16, u16),
) -> Result<Exit, Failure> {
    match to - from {
        0 => println!("从站 unit {unit}, {table}:{from}"),
        _ => println!("从站 unit {unit}, {table}:{from}-{to}"),
    }
    let mut cells = vec![];
    let mut waiting: Vec<(u16, u16)> = vec![];
    let mut next = u32::from(from);
    loop {
        if waiting.is_empty() {
            let Some(start) = u16::try_from(next).ok().filter(|start| *start <= to) else { break };
            let count = BLOCK.min(to - start + 1);
            waiting.push((start, count));
            next += u32::from(count);
        }
        let Some((start, count)) = waiting.pop() else { break };
        match ask(wire, unit, table, start, count).await? {
            Some(Reply::Answer(answer)) => {
                cells.extend(words(&answer).into_iter().take(usize::from(count)).map(Cell::Holds));
            }
            Some(Reply::Refused(_)) if count > 1 => {
                let low = count / 2;
                waiting.push((start + low, count - low));
                waiting.push((start, low));
            }
            Some(Reply::Refused(code)) => cells.push(Cell::Refused(code)),
            Some(Reply::Silent(error)) => {
                print!("{}", listed(from, &cells, table.holds_bits()));
                println!("在 {table}:{start} 处停止 · stopped there: {error}");
                println!("{WHAT_TO_CHECK}");
                return Ok(Exit::No);
            }
            None => break,
        }
    }
    print!("{}", listed(from, &cells, table.holds_bits()));
    let any = cells.iter().any(|cell| matches!(cell, Cell::Holds(_)));
    Ok(if any { Exit::Fine } else { Exit::No })
}

/// A line an address; what repeats is drawn together.
fn listed(from: u16, cells: &[Cell], bits: bool) -> String {
    let mut out = String::new();
    let mut at = usize::from(from);
    for run in cells.chunk_by(|a, b| a == b && !matches!(a, Cell::Holds(word) if *word != 0)) {
        let place = match run.len() {
            1 => format!("{at}"),
            n => format!("{at}-{}", at + n - 1),
        };
        let text = match run[0] {
            Cell::Refused(code) => meaning(code),
            Cell::Holds(word) if bits || word == 0 => word.to_string(),
            Cell::Holds(word) => {
                let signed = word.cast_signed();
                let also = if signed < 0 { format!("  i16 {signed}") } else { String::new() };
                format!("{word:04X}  u16 {word}{also}")
            }
        };
        // Writing to a String cannot fail.
        let _ = writeln!(out, "  {place:>11}  {text}");
        at += run.len();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_repeats_is_drawn_together_and_what_is_missing_is_named() {
        let cells = [
            Cell::Holds(0),
            Cell::Holds(0),
            Cell::Holds(2301),
            Cell::Holds(2301),
            Cell::Holds(0xFFF4),
            Cell::Refused(2),
            Cell::Refused(2),
        ];
        let text = listed(100, &cells, false);
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        assert_eq!(
            lines[..4],
            ["100-101  0", "102  08FD  u16 2301", "103  08FD  u16 2301", "104  FFF4  u16 65524  i16 -12"]
        );
        assert!(lines[4].starts_with("105-106") && lines[4].contains("no such address"), "{text}");
        assert!(listed(0, &[Cell::Holds(1)], true).contains("0  1"));
    }

    #[test]
    fn a_server_that_answers_for_every_unit_is_pointed_out() {
        assert!(units_found(&[1, 2, 3], 3).contains("may not look at the unit id"));
        assert!(!units_found(&[1, 3], 3).contains("may not look"));
        assert!(!units_found(&[1], 1).contains("may not look"));
        assert!(units_found(&[], 247).contains("A and B swapped"));
    }
}
