//! What can be told of an encrypted connection: that it is one.
//!
//! ```text
//! record   type:1 version:2 length:2 fragment                          RFC 8446 5.1, RFC 5246 6.2.1
//! ```
//! What the records carry is not to be seen, and their names say so. A reader that sends anything in the clear is told.

use super::watch::{Frames, Rule};

/// Records of TLS and nothing else.
pub const RECORDS: Rule = || Box::new(Records::default());

const HEADER: usize = 5;
/// 2^14 bytes and what encryption may add in TLS 1.2 (RFC 5246 6.2.3).
const LARGEST: usize = (1 << 14) + 2048;

#[derive(Default)]
struct Records {
    rest: Vec<u8>,
}

impl Frames for Records {
    fn next(&mut self, bytes: &[u8]) -> Result<Option<(usize, String)>, String> {
        let Some((&[kind, major, _, high, low], rest)) = bytes.split_first_chunk::<HEADER>() else {
            return Ok(None);
        };
        let length = usize::from(u16::from_be_bytes([high, low]));
        let name = match kind {
            20 => "TLS change of cipher",
            21 => "TLS alert",
            22 => "TLS handshake",
            23 => "TLS data (not to be seen)",
            _ => return Err(format!("no TLS record: type {kind}")),
        };
        if major != 3 || length > LARGEST {
            return Err(format!("no TLS record: version {major}, {length} bytes"));
        }
        Ok((rest.len() >= length).then(|| (HEADER + length, name.to_owned())))
    }

    fn rest(&mut self) -> &mut Vec<u8> {
        &mut self.rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::harness::relay::watch::look_at;

    #[test]
    fn records_are_named_and_said_to_be_unseen() {
        let stream = [&[22, 3, 1, 0, 2, 1, 1][..], &[20, 3, 3, 0, 1, 1], &[23, 3, 3, 0, 3, 9, 9, 9]].concat();
        let pieces: Vec<&[u8]> = stream.chunks(2).collect();
        let names = look_at(RECORDS, &pieces).unwrap();
        assert_eq!(names, ["TLS change of cipher×1", "TLS data (not to be seen)×1", "TLS handshake×1"]);
    }

    #[test]
    fn what_is_sent_in_the_clear_is_told() {
        // A CONNECT of MQTT, and data of no version of TLS.
        for clear in [
            &[0x10, 12, 0, 4, b'M', b'Q', b'T', b'T'][..],
            &[23, 0x10, 0, 0, 1, 0],
            &[23, 3, 3, 0xFF, 0xFF, 0],
        ] {
            assert!(look_at(RECORDS, &[clear]).is_err(), "{clear:02x?}");
        }
    }
}
