//! From the registers of an answer to values, without a socket.
//!
//! Integers stay integers and the scale is exact, so a 64-bit counter loses no digit; a float is taken at
//! its shortest decimal, and one that is no number is a bad observation, not a zero.

use observation::{Decimal, Instant, Observation, Reason, Value};

use super::address::{Kind, Order, Reading};
use super::plan::Request;

/// What a device answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// Of holding or input registers.
    Words(Vec<u16>),
    /// Of coils or discrete inputs, filled up to whole bytes.
    Bits(Vec<bool>),
}

impl Answer {
    /// Whether it has the form and length that the request asks for; otherwise it answers something else.
    pub fn fits(&self, request: &Request) -> bool {
        let count = usize::from(request.count);
        match self {
            Self::Words(words) => !request.table.holds_bits() && words.len() == count,
            Self::Bits(bits) => request.table.holds_bits() && bits.len() == count.next_multiple_of(8),
        }
    }
}

/// One observation for each point of the request, stamped with the arrival of the answer.
pub fn decode(request: &Request, answer: &Answer, at: Instant) -> Vec<Observation> {
    let observe = |point: &super::plan::Point| {
        let from = usize::from(point.address.offset - request.start);
        let span = usize::from(point.address.span());
        match value(&point.address.reading, answer, from, span) {
            Ok(value) => Observation::good(point.id, value, at),
            Err(reason) => Observation::bad(point.id, reason, at),
        }
    };
    request.points.iter().map(observe).collect()
}

fn value(reading: &Reading, answer: &Answer, from: usize, span: usize) -> Result<Value, Reason> {
    match answer {
        Answer::Bits(bits) => bits.get(from).copied().map(Value::Bool).ok_or(Reason::Decode),
        Answer::Words(words) => {
            let words = words.get(from..from + span).ok_or(Reason::Decode)?;
            match *reading {
                Reading::Number { kind, order, scale } => scaled(words, kind, order, scale),
                Reading::BitOf(bit) => Ok(Value::Bool(words[0] >> bit & 1 == 1)),
                Reading::Text { .. } => text(words),
                Reading::Bit => Err(Reason::Decode),
            }
        }
    }
}

fn scaled(words: &[u16], kind: Kind, order: Order, scale: Decimal) -> Result<Value, Reason> {
    let raw = number(words, kind, order).ok_or(Reason::Range)?;
    raw.checked_mul(scale).map(Value::Number).ok_or(Reason::Range)
}

/// The unscaled number, or `None` for a float that is not finite or beyond an exact decimal.
pub fn number(words: &[u16], kind: Kind, order: Order) -> Option<Decimal> {
    let mut bytes = [0u8; 8];
    let wire = words.iter().flat_map(|word| word.to_be_bytes());
    for (position, byte) in order.positions().zip(wire) {
        bytes[position] = byte;
    }
    let [a, b, c, d, ..] = bytes;
    match kind {
        Kind::I16 => Some(i64::from(i16::from_be_bytes([a, b])).into()),
        Kind::U16 => Some(u64::from(u16::from_be_bytes([a, b])).into()),
        Kind::I32 => Some(i64::from(i32::from_be_bytes([a, b, c, d])).into()),
        Kind::U32 => Some(u64::from(u32::from_be_bytes([a, b, c, d])).into()),
        Kind::F32 => Decimal::from_f32(f32::from_be_bytes([a, b, c, d])).ok(),
        Kind::I64 => Some(i64::from_be_bytes(bytes).into()),
        Kind::U64 => Some(u64::from_be_bytes(bytes).into()),
        Kind::F64 => Decimal::from_f64(f64::from_be_bytes(bytes)).ok(),
    }
}

fn text(words: &[u16]) -> Result<Value, Reason> {
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
    let end = bytes.iter().position(|byte| *byte == 0).unwrap_or(bytes.len());
    let text = std::str::from_utf8(&bytes[..end]).map_err(|_| Reason::Decode)?;
    Ok(Value::Text(text.trim_end().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::address::{Address, Table};
    use super::super::plan::Point;
    use super::*;
    use observation::{Mono, PointId, Quality, Utc};

    const AT: Instant = Instant { utc: Utc(5_000), mono: Mono(77) };

    fn request(table: Table, count: u16, readings: &[(u16, Reading)]) -> Request {
        let point = |(id, (offset, reading)): (u32, &(u16, Reading))| Point {
            id: PointId(id),
            address: Address { unit: 1, table, offset: *offset, reading: reading.clone() },
        };
        Request { unit: 1, table, start: 0, count, points: (0..).zip(readings).map(point).collect() }
    }

    fn order(name: &str) -> Order {
        [1, 2, 4].into_iter().flat_map(Order::all).find(|order| order.name() == name).unwrap()
    }

    #[track_caller]
    fn check(kind: Kind, order_name: &str, scale: &str, words: &[u16], want: Result<&str, Reason>) {
        let reading = Reading::Number { kind, order: order(order_name), scale: scale.parse().unwrap() };
        let request = request(Table::Holding, u16::try_from(words.len()).unwrap(), &[(0, reading)]);
        let observed = decode(&request, &Answer::Words(words.to_vec()), AT).remove(0);
        assert_eq!((observed.agent_time, observed.mono), (AT.utc, AT.mono));
        match want {
            Ok(text) => assert_eq!(observed.value, Some(Value::Number(text.parse().unwrap()))),
            Err(reason) => assert_eq!((observed.value, observed.quality), (None, Quality::Bad(reason))),
        }
    }

    #[test]
    fn pain_06_every_order_gives_the_same_number_from_its_own_wire() {
        let value = 0x0102_0304_0506_0708_u64;
        for order in Order::all(4) {
            let wire: Vec<u8> = order.positions().map(|p| value.to_be_bytes()[p]).collect();
            let words: Vec<u16> = wire.chunks(2).map(|w| u16::from_be_bytes([w[0], w[1]])).collect();
            check(Kind::U64, order.name(), "1", &words, Ok("72623859790382856"));
        }
        check(Kind::U32, "ABCD", "1", &[0x0102, 0x0304], Ok("16909060"));
        check(Kind::U32, "BADC", "1", &[0x0201, 0x0403], Ok("16909060"));
        check(Kind::U32, "CDAB", "1", &[0x0304, 0x0102], Ok("16909060"));
        check(Kind::U32, "DCBA", "1", &[0x0403, 0x0201], Ok("16909060"));
        check(Kind::U64, "GHEFCDAB", "1", &[0x0708, 0x0506, 0x0304, 0x0102], Ok("72623859790382856"));
        check(Kind::U64, "HGFEDCBA", "1", &[0x0807, 0x0605, 0x0403, 0x0201], Ok("72623859790382856"));
        check(Kind::U64, "CDABGHEF", "1", &[0x0304, 0x0102, 0x0708, 0x0506], Ok("72623859790382856"));
    }

    #[test]
    fn pain_07_a_64_bit_energy_counter_keeps_every_digit() {
        check(Kind::U64, "ABCDEFGH", "0.001", &[0xFFFF; 4], Ok("18446744073709551.615"));
        check(Kind::U64, "ABCDEFGH", "1", &[0x0020, 0, 0, 1], Ok("9007199254740993"));
        check(Kind::I64, "ABCDEFGH", "0.01", &[0x8000, 0, 0, 0], Ok("-92233720368547758.08"));
    }

    #[test]
    fn integers_keep_their_sign_and_scale() {
        check(Kind::I16, "AB", "0.1", &[0xFFF4], Ok("-1.2"));
        check(Kind::U16, "AB", "0.1", &[0xFFF4], Ok("6552.4"));
        check(Kind::I32, "CDAB", "1", &[0xFFF4, 0xFFFF], Ok("-12"));
        check(Kind::U32, "ABCD", "0.01", &[0x05F5, 0xE0FF], Ok("999999.99"));
    }

    #[test]
    fn pain_05_a_scale_holds_for_floats_too() {
        let [high, low] = [0x4366u16, 0x199A]; // 230.1
        check(Kind::F32, "ABCD", "1", &[high, low], Ok("230.1"));
        check(Kind::F32, "CDAB", "10", &[low, high], Ok("2301"));
        let bits = 0.1f64.to_bits().to_be_bytes();
        let words: Vec<u16> = bits.chunks(2).map(|w| u16::from_be_bytes([w[0], w[1]])).collect();
        check(Kind::F64, "ABCDEFGH", "0.001", &words, Ok("0.0001"));
    }

    #[test]
    fn a_float_that_is_no_number_is_bad_and_has_no_value() {
        check(Kind::F32, "ABCD", "1", &[0x7FC0, 0], Err(Reason::Range));
        check(Kind::F32, "ABCD", "1", &[0x7F80, 0], Err(Reason::Range));
        check(Kind::F64, "ABCDEFGH", "1", &[0xFFF0, 0, 0, 0], Err(Reason::Range));
        check(Kind::F64, "ABCDEFGH", "1", &[0x7FE0, 0, 0, 0], Err(Reason::Range));
    }

    #[test]
    fn bits_come_from_their_place() {
        let coils = request(Table::Coil, 3, &[(0, Reading::Bit), (2, Reading::Bit)]);
        let answer = Answer::Bits(vec![true, false, false, true, true, true, true, true]);
        assert!(answer.fits(&coils));
        let values: Vec<_> = decode(&coils, &answer, AT).into_iter().map(|o| o.value).collect();
        assert_eq!(values, [Some(Value::Bool(true)), Some(Value::Bool(false))]);
        let register = request(Table::Input, 2, &[(1, Reading::BitOf(0)), (1, Reading::BitOf(15))]);
        let values: Vec<_> =
            decode(&register, &Answer::Words(vec![0, 0x8000]), AT).into_iter().map(|o| o.value).collect();
        assert_eq!(values, [Some(Value::Bool(false)), Some(Value::Bool(true))]);
    }

    #[test]
    fn texts_end_at_their_padding_and_must_be_utf_8() {
        let name = request(Table::Holding, 3, &[(0, Reading::Text { words: 3 })]);
        let read = |words: [u16; 3]| decode(&name, &Answer::Words(words.to_vec()), AT).remove(0);
        assert_eq!(read([0x5347, 0x2D37, 0x2000]).value, Some(Value::Text("SG-7".into())));
        assert_eq!(read([0xE58E, 0x8200, 0]).value, Some(Value::Text("厂".into())));
        assert_eq!(read([0xFFFF, 0xFFFF, 0xFFFF]).quality, Quality::Bad(Reason::Decode));
    }

    #[test]
    fn trap_an_answer_of_another_length_or_kind_does_not_fit() {
        let words = request(Table::Holding, 5, &[]);
        assert!(Answer::Words(vec![0; 5]).fits(&words));
        assert!(!Answer::Words(vec![0; 2]).fits(&words));
        assert!(!Answer::Words(vec![0; 6]).fits(&words));
        assert!(!Answer::Bits(vec![false; 8]).fits(&words));
        let bits = request(Table::Coil, 9, &[]);
        assert!(Answer::Bits(vec![false; 16]).fits(&bits));
        assert!(!Answer::Bits(vec![false; 8]).fits(&bits));
        assert!(!Answer::Bits(vec![false; 24]).fits(&bits));
    }
}
