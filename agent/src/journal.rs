//! Rows of the observation journal: one record of the window engine each, packed small.
//!
//! A thousand observations a second are kept for 400 days, so a row spends five to eight bytes on one:
//!
//! ```text
//! row    = 01 kind …                          01: version of this layout
//! kind 0   start      utc mono version binary[32] configuration[32]
//! kind 1   step       utc mono count input*   utc, mono: the end of the step
//! kind 2   start after observations were lost; as kind 0, see [`Row::Resume`]
//! kind 3   something the runtime has to say, as JSON: rare
//! kind 4   the box was suspended until now; as kind 0, see [`Row::Suspended`]
//! input  = head [link] mono [offset] observed?
//!   head   bits 0–1 what (observed, alive, up, down) · 2 link follows · 3 offset follows
//!          4 point follows (else the one after the last) · 5–7 form of the value
//!   mono   difference to the input before, or to the end of the step; offset = utc − mono, as a difference
//! observed = [point] quality [detail] [source time − utc] [value]
//!   quality  low 5 bits: 0 good, 1–8 bad with that reason, 9–16 uncertain with that reason; bit 7: source time follows
//! ```
//!
//! Integers are varints (seven bits a byte, low first), signed ones zigzag. Nothing here reads or writes files.

use crate::window::{Boot, Input, LinkIndex, Record, What};
use observation::{Decimal, Instant, Mono, Observation, PointId, Quality, Reason, Utc, Value};

const VERSION: u8 = 1;

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Row {
    /// A record as the engine takes it.
    Record(Record),
    /// Observations were lost from the end of the row before until now, because they could not be kept. To the
    /// engine it is a start; the time it finds missing is signed as lost, not as down.
    Resume(Boot),
    /// The box was suspended from the end of the row before until now. To the engine it is a start; the time it finds
    /// missing is signed as down.
    Suspended(Boot),
    /// Something to be signed that the observations do not show, such as a loss.
    Said(What),
}

/// A row that cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a journal row cannot be read at byte {at}; the windows it belongs to are signed as lost")]
pub struct RowError {
    /// Where.
    pub at: usize,
}

/// Packs a row, appending to `out`.
pub fn encode(row: &Row, out: &mut Vec<u8>) {
    out.push(VERSION);
    match row {
        Row::Record(Record::Boot(boot)) => encode_boot(0, boot, out),
        Row::Resume(boot) => encode_boot(2, boot, out),
        Row::Suspended(boot) => encode_boot(4, boot, out),
        Row::Said(what) => {
            out.push(3);
            // Plain data without maps: writing it as JSON cannot fail.
            out.extend_from_slice(&serde_json::to_vec(what).unwrap_or_default());
        }
        Row::Record(Record::Step { inputs, until }) => {
            out.push(1);
            write_instant(*until, out);
            unsigned(u128::try_from(inputs.len()).unwrap_or(0), out);
            let mut last = Last::new(*until);
            for input in inputs {
                last.write(input, out);
            }
        }
    }
}

/// Unpacks a row; every byte must be used.
pub fn decode(bytes: &[u8]) -> Result<Row, RowError> {
    let mut r = Reader { bytes, at: 0 };
    if r.byte()? != VERSION {
        return Err(r.wrong());
    }
    let row = match r.byte()? {
        0 => Row::Record(Record::Boot(read_boot(&mut r)?)),
        1 => Row::Record(read_step(&mut r)?),
        2 => Row::Resume(read_boot(&mut r)?),
        4 => Row::Suspended(read_boot(&mut r)?),
        3 => {
            let text = r.take(bytes.len() - r.at)?;
            Row::Said(serde_json::from_slice(text).map_err(|_| r.wrong())?)
        }
        _ => return Err(r.wrong()),
    };
    if r.at == bytes.len() { Ok(row) } else { Err(r.wrong()) }
}

fn encode_boot(kind: u8, boot: &Boot, out: &mut Vec<u8>) {
    out.push(kind);
    write_instant(boot.at, out);
    write_bytes(boot.version.as_bytes(), out);
    out.extend_from_slice(&boot.binary);
    out.extend_from_slice(&boot.configuration);
}

fn read_boot(r: &mut Reader<'_>) -> Result<Boot, RowError> {
    Ok(Boot { at: r.instant()?, version: r.text()?, binary: r.hash()?, configuration: r.hash()? })
}

fn read_step(r: &mut Reader<'_>) -> Result<Record, RowError> {
    let until = r.instant()?;
    let count = usize::try_from(r.unsigned()?).map_err(|_| r.wrong())?;
    // An input takes at least two bytes; a damaged count must not reserve memory.
    if count > r.bytes.len() {
        return Err(r.wrong());
    }
    let mut inputs = Vec::with_capacity(count);
    let mut last = Last::new(until);
    for _ in 0..count {
        inputs.push(last.read(r)?);
    }
    Ok(Record::Step { inputs, until })
}

const LINK: u8 = 1 << 2;
const OFFSET: u8 = 1 << 3;
const POINT: u8 = 1 << 4;
const FORM: u32 = 5;
const SOURCE_TIME: u8 = 1 << 7;

/// What the input before was, since most inputs differ from it in little.
struct Last {
    link: u32,
    mono: u64,
    offset: i64,
    point: u32,
}

impl Last {
    fn new(until: Instant) -> Self {
        Self { link: 0, mono: until.mono.0, offset: offset(until), point: u32::MAX }
    }

    fn write(&mut self, input: &Input, out: &mut Vec<u8>) {
        let (what, link, at) = match input {
            Input::Observed(link, o) => (0, link.0, Instant { utc: o.agent_time, mono: o.mono }),
            Input::Alive(link, at) => (1, link.0, *at),
            Input::Up(link, at) => (2, link.0, *at),
            Input::Down(link, at) => (3, link.0, *at),
        };
        let mut head = what;
        head |= if link == self.link { 0 } else { LINK };
        head |= if offset(at) == self.offset { 0 } else { OFFSET };
        if let Input::Observed(_, o) = input {
            head |= if o.point.0 == self.point.wrapping_add(1) { 0 } else { POINT };
            head |= form(o.value.as_ref()) << FORM;
        }
        out.push(head);
        if head & LINK != 0 {
            unsigned(link.into(), out);
        }
        signed(i128::from(at.mono.0) - i128::from(self.mono), out);
        if head & OFFSET != 0 {
            signed(i128::from(offset(at)) - i128::from(self.offset), out);
        }
        if let Input::Observed(_, o) = input {
            if head & POINT != 0 {
                unsigned(o.point.0.into(), out);
            }
            write_observed(o, out);
            self.point = o.point.0;
        }
        (self.link, self.mono, self.offset) = (link, at.mono.0, offset(at));
    }

    fn read(&mut self, r: &mut Reader<'_>) -> Result<Input, RowError> {
        let head = r.byte()?;
        if head & LINK != 0 {
            self.link = r.narrow(Reader::unsigned)?;
        }
        let mono = i128::from(self.mono).checked_add(r.signed()?).ok_or_else(|| r.wrong())?;
        self.mono = moment(mono).ok_or_else(|| r.wrong())?;
        if head & OFFSET != 0 {
            let offset = i128::from(self.offset).checked_add(r.signed()?).ok_or_else(|| r.wrong())?;
            self.offset = i64::try_from(offset).map_err(|_| r.wrong())?;
        }
        let utc = i128::from(self.offset) + i128::from(self.mono);
        let at = Instant { utc: Utc(i64::try_from(utc).map_err(|_| r.wrong())?), mono: Mono(self.mono) };
        let link = LinkIndex(self.link);
        match head & 3 {
            0 => {
                self.point =
                    if head & POINT != 0 { r.narrow(Reader::unsigned)? } else { self.point.wrapping_add(1) };
                read_observed(r, PointId(self.point), at, head >> FORM).map(|o| Input::Observed(link, o))
            }
            1 => Ok(Input::Alive(link, at)),
            2 => Ok(Input::Up(link, at)),
            _ => Ok(Input::Down(link, at)),
        }
    }
}

/// A moment of the monotonic clock, ms. Later ones than fit a signed number would be calculated with wrongly, and
/// no box runs for 292 million years.
fn moment(mono: i128) -> Option<u64> {
    i64::try_from(mono).ok().and_then(|mono| u64::try_from(mono).ok())
}

/// UTC − monotonic; saturates only for clocks that no box shows.
fn offset(at: Instant) -> i64 {
    at.utc.0.saturating_sub(i64::try_from(at.mono.0).unwrap_or(i64::MAX))
}

/// 0 none · 1 false · 2 true · 3 whole number · 4 decimal · 5 text
fn form(value: Option<&Value>) -> u8 {
    match value {
        None => 0,
        Some(Value::Bool(false)) => 1,
        Some(Value::Bool(true)) => 2,
        Some(Value::Number(n)) if n.exponent() == 0 => 3,
        Some(Value::Number(_)) => 4,
        Some(Value::Text(_)) => 5,
    }
}

fn write_observed(o: &Observation, out: &mut Vec<u8>) {
    let (class, reason) = match o.quality {
        Quality::Good => (0, None),
        Quality::Bad(reason) => (1, Some(reason)),
        Quality::Uncertain(reason) => (9, Some(reason)),
    };
    let timed = if o.source_time.is_some() { SOURCE_TIME } else { 0 };
    out.push((class + reason.map_or(0, |r| reason_code(r).0)) | timed);
    if let Some(detail) = reason.and_then(|r| reason_code(r).1) {
        unsigned(detail.into(), out);
    }
    if let Some(source) = o.source_time {
        signed(i128::from(source.0) - i128::from(o.agent_time.0), out);
    }
    match &o.value {
        None | Some(Value::Bool(_)) => {}
        Some(Value::Number(n)) => {
            if n.exponent() != 0 {
                out.push(n.exponent().cast_unsigned());
            }
            signed(n.mantissa(), out);
        }
        Some(Value::Text(text)) => write_bytes(text.as_bytes(), out),
    }
}

fn read_observed(r: &mut Reader<'_>, point: PointId, at: Instant, form: u8) -> Result<Observation, RowError> {
    let quality = r.byte()?;
    let (timed, code) = (quality & SOURCE_TIME != 0, quality & 0x1f);
    let quality = match code {
        0 => Quality::Good,
        1..=8 => Quality::Bad(read_reason(r, code - 1)?),
        9..=16 => Quality::Uncertain(read_reason(r, code - 9)?),
        _ => return Err(r.wrong()),
    };
    let source_time = if timed {
        let utc = i128::from(at.utc.0).checked_add(r.signed()?).ok_or_else(|| r.wrong())?;
        Some(Utc(i64::try_from(utc).map_err(|_| r.wrong())?))
    } else {
        None
    };
    let value = match form {
        0 => None,
        1 => Some(Value::Bool(false)),
        2 => Some(Value::Bool(true)),
        3 => Some(Value::Number(Decimal::new(r.signed()?, 0).ok_or_else(|| r.wrong())?)),
        4 => {
            let exponent = r.byte()?.cast_signed();
            Some(Value::Number(Decimal::new(r.signed()?, exponent.into()).ok_or_else(|| r.wrong())?))
        }
        5 => Some(Value::Text(r.text()?)),
        _ => return Err(r.wrong()),
    };
    Ok(Observation { point, value, quality, source_time, agent_time: at.utc, mono: at.mono })
}

/// A number for each reason and, where it has one, the device's own code.
fn reason_code(reason: Reason) -> (u8, Option<u32>) {
    match reason {
        Reason::Disconnected => (0, None),
        Reason::Timeout => (1, None),
        Reason::Refused(code) => (2, Some(code.into())),
        Reason::Status(code) => (3, Some(code)),
        Reason::Decode => (4, None),
        Reason::Range => (5, None),
        Reason::Stale => (6, None),
        Reason::Retained => (7, None),
    }
}

fn read_reason(r: &mut Reader<'_>, code: u8) -> Result<Reason, RowError> {
    Ok(match code {
        0 => Reason::Disconnected,
        1 => Reason::Timeout,
        2 => Reason::Refused(r.narrow(Reader::unsigned)?),
        3 => Reason::Status(r.narrow(Reader::unsigned)?),
        4 => Reason::Decode,
        5 => Reason::Range,
        6 => Reason::Stale,
        _ => Reason::Retained,
    })
}

fn write_instant(at: Instant, out: &mut Vec<u8>) {
    signed(at.utc.0.into(), out);
    unsigned(at.mono.0.into(), out);
}

fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    unsigned(u128::try_from(bytes.len()).unwrap_or(0), out);
    out.extend_from_slice(bytes);
}

/// Appends a varint.
pub(crate) fn unsigned(mut n: u128, out: &mut Vec<u8>) {
    while n >= 0x80 {
        out.push(n.to_le_bytes()[0] | 0x80);
        n >>= 7;
    }
    out.push(n.to_le_bytes()[0]);
}

fn signed(n: i128, out: &mut Vec<u8>) {
    unsigned(((n << 1) ^ (n >> 127)).cast_unsigned(), out);
}

pub(crate) struct Reader<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    fn wrong(&self) -> RowError {
        RowError { at: self.at }
    }

    fn byte(&mut self) -> Result<u8, RowError> {
        let byte = *self.bytes.get(self.at).ok_or_else(|| self.wrong())?;
        self.at += 1;
        Ok(byte)
    }

    pub(crate) fn take(&mut self, n: usize) -> Result<&'a [u8], RowError> {
        let end = self.at.checked_add(n).ok_or_else(|| self.wrong())?;
        let taken = self.bytes.get(self.at..end).ok_or_else(|| self.wrong())?;
        self.at = end;
        Ok(taken)
    }

    pub(crate) fn unsigned(&mut self) -> Result<u128, RowError> {
        let mut n = 0_u128;
        for shift in (0..128).step_by(7) {
            let byte = self.byte()?;
            n |= u128::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(n);
            }
        }
        Err(self.wrong())
    }

    fn signed(&mut self) -> Result<i128, RowError> {
        let n = self.unsigned()?;
        Ok((n >> 1).cast_signed() ^ -(n & 1).cast_signed())
    }

    fn narrow<T: TryFrom<u128>>(
        &mut self,
        read: impl Fn(&mut Self) -> Result<u128, RowError>,
    ) -> Result<T, RowError> {
        let wide = read(self)?;
        T::try_from(wide).map_err(|_| self.wrong())
    }

    fn instant(&mut self) -> Result<Instant, RowError> {
        let utc = self.signed()?;
        let utc = Utc(i64::try_from(utc).map_err(|_| self.wrong())?);
        let mono = i128::try_from(self.unsigned()?).ok().and_then(moment);
        Ok(Instant { utc, mono: Mono(mono.ok_or_else(|| self.wrong())?) })
    }

    fn text(&mut self) -> Result<String, RowError> {
        let len = self.narrow(Self::unsigned)?;
        let bytes = self.take(len)?;
        String::from_utf8(bytes.to_vec()).map_err(|_| self.wrong())
    }

    fn hash(&mut self) -> Result<[u8; 32], RowError> {
        let bytes = self.take(32)?;
        bytes.try_into().map_err(|_| self.wrong())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn round_trip(row: &Row) -> Vec<u8> {
        let mut bytes = vec![];
        encode(row, &mut bytes);
        assert_eq!(decode(&bytes).as_ref(), Ok(row));
        bytes
    }

    fn at(utc: i64, mono: u64) -> Instant {
        Instant { utc: Utc(utc), mono: Mono(mono) }
    }

    #[test]
    fn a_thousand_register_reads_take_less_than_eight_bytes_each() {
        let inputs = (0..1000_u32)
            .map(|n| {
                let now = at(1_790_000_000_000 + i64::from(n), 5_000_000 + u64::from(n));
                let value = Value::Number(Decimal::new(i128::from(n) * 977 + 123_456_789, -2).unwrap());
                Input::Observed(LinkIndex(3), Observation::good(PointId(n), value, now))
            })
            .collect();
        let row = Row::Record(Record::Step { inputs, until: at(1_790_000_001_000, 5_001_000) });
        let bytes = round_trip(&row);
        assert!(bytes.len() < 9000, "{} bytes", bytes.len());
    }

    #[test]
    fn starts_and_resumptions_are_kept_apart() {
        let boot = Boot { at: at(-5, 0), version: "0.1.0".into(), binary: [1; 32], configuration: [2; 32] };
        round_trip(&Row::Record(Record::Boot(boot.clone())));
        round_trip(&Row::Resume(boot.clone()));
        round_trip(&Row::Suspended(boot));
        round_trip(&Row::Said(What::Loss { from: Utc(60_000), to: Utc(120_000) }));
        round_trip(&Row::Said(What::Note { text: "原始数据已删除".into() }));
    }

    #[test]
    fn a_cut_or_lengthened_row_is_refused() {
        let inputs = vec![Input::Up(LinkIndex(1), at(10, 10)), Input::Alive(LinkIndex(1), at(11, 11))];
        let bytes = round_trip(&Row::Record(Record::Step { inputs, until: at(12, 12) }));
        for end in 0..bytes.len() {
            assert!(decode(&bytes[..end]).is_err(), "cut at {end}");
        }
        assert!(decode(&[&bytes[..], &[0]].concat()).is_err());
    }

    #[test]
    fn a_moment_beyond_what_can_be_calculated_with_is_refused() {
        let most = i64::MAX.unsigned_abs();
        let step = |input: u64, until: u64| {
            let mut bytes = vec![];
            let inputs = vec![Input::Alive(LinkIndex(1), at(0, input))];
            encode(&Row::Record(Record::Step { inputs, until: at(0, until) }), &mut bytes);
            decode(&bytes)
        };
        assert!(step(most, most).is_ok());
        for (input, until) in [(most + 1, most), (most, most + 1), (u64::MAX, u64::MAX)] {
            assert!(step(input, until).is_err(), "{input}, {until}");
        }
    }

    fn instants() -> impl Strategy<Value = Instant> {
        (-4_000_000_000_000..4_000_000_000_000_i64, 0..u64::from(u32::MAX))
            .prop_map(|(utc, mono)| at(utc, mono))
    }

    fn reasons() -> impl Strategy<Value = Reason> {
        prop_oneof![
            Just(Reason::Disconnected),
            Just(Reason::Timeout),
            any::<u8>().prop_map(Reason::Refused),
            any::<u32>().prop_map(Reason::Status),
            Just(Reason::Decode),
            Just(Reason::Range),
            Just(Reason::Stale),
            Just(Reason::Retained),
        ]
    }

    fn observations() -> impl Strategy<Value = Observation> {
        let number =
            (any::<i64>(), -9..9_i32).prop_map(|(m, e)| Value::Number(Decimal::new(m.into(), e).unwrap()));
        let value = prop_oneof![any::<bool>().prop_map(Value::Bool), number, ".*".prop_map(Value::Text)];
        let quality = prop_oneof![
            Just(Quality::Good),
            reasons().prop_map(Quality::Bad),
            reasons().prop_map(Quality::Uncertain)
        ];
        let source = proptest::option::of(any::<i32>().prop_map(|t| Utc(t.into())));
        (any::<u32>(), proptest::option::of(value), quality, source, instants()).prop_map(
            |(point, value, quality, source_time, at)| Observation {
                point: PointId(point),
                value,
                quality,
                source_time,
                agent_time: at.utc,
                mono: at.mono,
            },
        )
    }

    fn inputs() -> impl Strategy<Value = Input> {
        let link = || any::<u32>().prop_map(LinkIndex);
        prop_oneof![
            4 => (link(), observations()).prop_map(|(l, o)| Input::Observed(l, o)),
            1 => (link(), instants()).prop_map(|(l, t)| Input::Alive(l, t)),
            1 => (link(), instants()).prop_map(|(l, t)| Input::Up(l, t)),
            1 => (link(), instants()).prop_map(|(l, t)| Input::Down(l, t)),
        ]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_packed_is_unpacked(inputs in proptest::collection::vec(inputs(), 0..20), until in instants()) {
            round_trip(&Row::Record(Record::Step { inputs, until }));
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&bytes);
            let _ = decode(&[&[VERSION, 1], &bytes[..]].concat());
        }
    }
}
