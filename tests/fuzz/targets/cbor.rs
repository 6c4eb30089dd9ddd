//! The CBOR reader. Promise: whatever it accepts, the writer writes byte for byte.

use evidence::DecodeError;
use evidence::cbor::{Reader, Writer};

/// Deeper than any statement; the reader itself never recurses.
const DEPTH: usize = 40;

/// Any items, one after the other.
pub(super) fn cbor(data: &[u8]) {
    let mut reader = Reader::new(data);
    let mut writer = Writer::new();
    while reader.at() < data.len() {
        let from = reader.at();
        if copy(data, &mut reader, &mut writer, DEPTH).is_err() {
            return;
        }
        assert!(reader.at() > from, "an item takes at least a byte");
    }
    assert!(reader.end().is_ok());
    assert_eq!(writer.finish(), data);
}

/// Reads one item and writes it.
fn copy(data: &[u8], r: &mut Reader<'_>, w: &mut Writer, depth: usize) -> Result<(), DecodeError> {
    let Some(first) = data.get(r.at()) else { return Err(DecodeError::Truncated("item")) };
    if depth == 0 {
        return Err(DecodeError::Truncated("depth"));
    }
    match first >> 5 {
        0 => {
            w.uint(r.uint("uint")?);
        }
        1 => {
            w.int(r.int("int")?);
        }
        2 => {
            w.bytes(r.bytes("bytes")?);
        }
        3 => {
            w.text(r.text("text")?);
        }
        4 => {
            let n = r.array("array")?;
            w.array(n);
            for _ in 0..n {
                copy(data, r, w, depth - 1)?;
            }
        }
        5 => {
            let n = r.map("map")?;
            w.map(n);
            for _ in 0..2 * n {
                copy(data, r, w, depth - 1)?;
            }
        }
        6 => {
            r.tag(18, "tag")?;
            w.tag(18);
            copy(data, r, w, depth - 1)?;
        }
        _ if *first == 0xf6 => {
            let null = r.optional(|r| r.uint("null"))?;
            assert_eq!(null, None);
            w.null();
        }
        _ => {
            w.boolean(r.boolean("boolean")?);
        }
    }
    Ok(())
}
