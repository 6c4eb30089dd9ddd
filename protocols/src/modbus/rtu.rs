//! Modbus RTU frames: the question's bytes, and what the bytes heard after it are. Pure; it has no port.
//!
//! A frame names no transaction, so an answer is bound to its question by everything it does carry: unit,
//! function, byte count and CRC. What fits in all of these may still be a late answer to an earlier
//! question of the same shape; keeping those away is the work of [`super::line`].
//!
//! ```text
//! question   unit │ function │ start (2) │ count (2) │ CRC, low byte first (2)
//! answer     unit │ function │ bytes n   │ data (n)  │ CRC
//! refusal    unit │ function + 80h │ code           │ CRC
//! ```

use super::decode::Answer;
use super::plan::Request;

/// Bytes of every question that reads.
pub const QUESTION_BYTES: u32 = 8;
/// Bytes of an answer around its data.
const FRAME_BYTES: usize = 5;
/// Set in the function of a refusal (MODBUS Application Protocol Specification V1.1b3, chapter 7).
const REFUSED: u8 = 0x80;

/// What has been heard so far.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Heard {
    /// The beginning of a right answer, or nothing.
    Part,
    /// The answer, whole.
    Answer(Answer),
    /// The device said no, with this exception code.
    Refused(u8),
    /// Something that cannot be the answer.
    Wrong(String),
}

/// The bytes that ask for `request`.
pub fn question(request: &Request) -> [u8; 8] {
    let ([s1, s0], [c1, c0]) = (request.start.to_be_bytes(), request.count.to_be_bytes());
    let [unit, function] = [request.unit, request.table.function()];
    let [low, high] = crc(&[unit, function, s1, s0, c1, c0]).to_le_bytes();
    [unit, function, s1, s0, c1, c0, low, high]
}

/// How many bytes of data the answer holds: 250 at most, as the limits of a request see to.
pub fn data_bytes(request: &Request) -> u8 {
    let bytes = if request.table.holds_bits() { request.count.div_ceil(8) } else { request.count * 2 };
    u8::try_from(bytes).unwrap_or(u8::MAX)
}

/// How many bytes the whole answer has.
pub fn answer_bytes(request: &Request) -> usize {
    usize::from(data_bytes(request)) + FRAME_BYTES
}

/// What `bytes`, heard since the question, are.
pub fn hear(bytes: &[u8], request: &Request) -> Heard {
    let (function, echo) = (request.table.function(), question(request));
    let wrong = |detail: String| Heard::Wrong(detail);
    // 24 coils from 300h on can have an answer that equals its question; refusing that is the safer mistake.
    if bytes.starts_with(&echo) {
        return wrong("the question came back: switch off the echo of the adapter".to_owned());
    }
    match *bytes {
        [unit, ..] if unit != request.unit => wrong(format!("bytes that begin with {unit}, not the unit")),
        [_, refused, ..] if refused == function | REFUSED => refusal(bytes),
        [_, other, ..] if other != function => wrong(format!("an answer to function {other}")),
        [_, _, n, ..] if n != data_bytes(request) && !echo.starts_with(bytes) => {
            wrong(format!("an answer of {n} bytes where {} were asked for", data_bytes(request)))
        }
        _ => answer(bytes, request),
    }
}

fn answer(bytes: &[u8], request: &Request) -> Heard {
    let whole = answer_bytes(request);
    match check(bytes, whole) {
        Some(Ok(())) => {}
        Some(Err(detail)) => return Heard::Wrong(detail),
        None => return Heard::Part,
    }
    let data = &bytes[3..whole - 2];
    Heard::Answer(if request.table.holds_bits() {
        // The lowest bit of the first byte is the first coil (V1.1b3, 6.1).
        Answer::Bits(data.iter().flat_map(|byte| (0..8).map(move |bit| byte >> bit & 1 == 1)).collect())
    } else {
        Answer::Words(data.chunks_exact(2).map(|word| u16::from_be_bytes([word[0], word[1]])).collect())
    })
}

fn refusal(bytes: &[u8]) -> Heard {
    match check(bytes, FRAME_BYTES) {
        Some(Ok(())) => Heard::Refused(bytes[2]),
        Some(Err(detail)) => Heard::Wrong(detail),
        None => Heard::Part,
    }
}

/// Whether the frame is `whole` bytes with their CRC and nothing behind; `None` while some are missing.
fn check(bytes: &[u8], whole: usize) -> Option<Result<(), String>> {
    if bytes.len() < whole {
        return None;
    }
    let ([body @ .., low, high], behind) = bytes.split_at(whole) else { return None };
    let (said, computed) = (u16::from_le_bytes([*low, *high]), crc(body));
    Some(if said != computed {
        Err(format!("a frame with the CRC {said:04X}h instead of {computed:04X}h"))
    } else if behind.is_empty() {
        Ok(())
    } else {
        Err(format!("{} bytes behind the answer", behind.len()))
    })
}

/// CRC-16 of MODBUS over Serial Line V1.02, 6.2.2: reflected polynomial `A001`, starting from `FFFF`.
pub fn crc(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0xFFFF, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte), |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xA001 } else { crc >> 1 })
    })
}

#[cfg(test)]
mod tests {
    use super::super::address::Table;
    use super::*;
    use proptest::prelude::*;

    fn ask(unit: u8, table: Table, start: u16, count: u16) -> Request {
        Request { unit, table, start, count, points: Vec::new() }
    }

    fn framed(body: &[u8]) -> Vec<u8> {
        [body, &crc(body).to_le_bytes()].concat()
    }

    #[track_caller]
    fn wrong(bytes: &[u8], request: &Request, words: &str) {
        match hear(bytes, request) {
            Heard::Wrong(detail) => assert!(detail.contains(words), "{detail:?} should say {words:?}"),
            other => panic!("{other:?} instead of {words:?}"),
        }
    }

    #[test]
    fn the_crc_is_the_one_of_the_catalogue() {
        // The check value of CRC-16/MODBUS in the catalogue of parametrised CRC algorithms (reveng).
        assert_eq!(crc(b"123456789"), 0x4B37);
    }

    #[test]
    fn a_question_and_its_answer_are_laid_out_as_the_specification_draws_them() {
        let request = ask(0x11, Table::Holding, 0x006B, 3);
        assert_eq!(question(&request)[..6], [0x11, 0x03, 0x00, 0x6B, 0x00, 0x03]);
        let whole = framed(&[0x11, 0x03, 6, 0x02, 0x2B, 0x00, 0x00, 0x00, 0x64]);
        assert_eq!(hear(&whole, &request), Heard::Answer(Answer::Words(vec![0x022B, 0, 0x64])));
        let coils = ask(1, Table::Coil, 0, 10);
        let Heard::Answer(Answer::Bits(bits)) = hear(&framed(&[1, 1, 2, 0b0000_0101, 0b10]), &coils) else {
            panic!("no answer")
        };
        assert_eq!((bits.len(), bits[0], bits[1], bits[2], bits[9]), (16, true, false, true, true));
        assert_eq!(hear(&framed(&[0x11, 0x83, 2]), &request), Heard::Refused(2));
    }

    #[test]
    fn pain_24_what_is_not_the_answer_is_named() {
        let request = ask(1, Table::Holding, 100, 2);
        wrong(&framed(&[2, 3, 4, 0, 1, 0, 2]), &request, "begin with 2");
        wrong(&framed(&[1, 4, 4, 0, 1, 0, 2]), &request, "function 4");
        wrong(&framed(&[1, 0x84, 2]), &request, "function 132");
        wrong(&framed(&[1, 3, 6, 0, 1, 0, 2, 0, 3]), &request, "6 bytes where 4");
        wrong(&[framed(&[1, 3, 4, 0, 1, 0, 2]), vec![0]].concat(), &request, "1 bytes behind");
        wrong(&question(&request), &request, "echo");
        let mut broken = framed(&[1, 3, 4, 0, 1, 0, 2]);
        broken[8] ^= 1;
        wrong(&broken, &request, "CRC");
        wrong(&[1, 0x83, 2, 0, 0], &request, "CRC");
    }

    proptest! {
        #[test]
        fn pain_24_no_frame_with_a_changed_bit_is_an_answer(
            words in prop::collection::vec(any::<u16>(), 1..=125), bits in prop::collection::vec(any::<usize>(), 1..3),
        ) {
            let request = ask(7, Table::Input, 5, u16::try_from(words.len()).unwrap());
            let data: Vec<u8> = words.iter().flat_map(|word| word.to_be_bytes()).collect();
            let whole = framed(&[&[7, 4, data_bytes(&request)], &data[..]].concat());
            prop_assert_eq!(hear(&whole, &request), Heard::Answer(Answer::Words(words)));
            let mut changed = whole.clone();
            for bit in bits {
                changed[bit / 8 % whole.len()] ^= 1 << (bit % 8);
            }
            // Up to three changed bits are always found in frames this short.
            if changed != whole {
                prop_assert!(!matches!(hear(&changed, &request), Heard::Answer(_) | Heard::Refused(_)));
            }
        }

        #[test]
        fn part_of_an_answer_is_part_of_it(count in 1u16..=125, cut in any::<prop::sample::Index>()) {
            let request = ask(7, Table::Holding, 5, count);
            let body = [&[7, 3, data_bytes(&request)], &vec![9; usize::from(count) * 2][..]].concat();
            let whole = framed(&body);
            prop_assert_eq!(hear(&whole[..cut.index(whole.len())], &request), Heard::Part);
        }

        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), count in 1u16..=125) {
            hear(&bytes, &ask(bytes.first().copied().unwrap_or(0), Table::Holding, 0, count));
        }
    }
}
