//! How a statement's bytes lie in the store: as they are, or compressed where that is shorter.
//!
//! ```text
//!  00 ‖ bytes         as they are
//!  01 ‖ zstd frame    compressed
//! ```
//!
//! The log's entry is always the statement's own bytes; this never shows outside the store.

use evidence::statement::MAX_STATEMENT;
use std::cell::RefCell;
use std::io;
use zstd::bulk::{Compressor, Decompressor};

const PLAIN: u8 = 0;
const ZSTD: u8 = 1;
/// Columns are coded already; higher levels cost time and gain little.
const LEVEL: i32 = 3;

thread_local! {
    // Making a context costs as much as compressing a statement with it.
    static COMPRESSOR: RefCell<Option<Compressor<'static>>> = const { RefCell::new(None) };
    static DECOMPRESSOR: RefCell<Option<Decompressor<'static>>> = const { RefCell::new(None) };
}

/// Uses this thread's context, which is made at its first use.
fn with<C, T>(
    context: &RefCell<Option<C>>,
    make: impl FnOnce() -> io::Result<C>,
    work: impl FnOnce(&mut C) -> io::Result<T>,
) -> io::Result<T> {
    let mut context = context.borrow_mut();
    match &mut *context {
        Some(context) => work(context),
        none => work(none.insert(make()?)),
    }
}

fn compress(bytes: &[u8]) -> io::Result<Vec<u8>> {
    COMPRESSOR.with(|context| with(context, || Compressor::new(LEVEL), |c| c.compress(bytes)))
}

fn decompress(frame: &[u8]) -> io::Result<Vec<u8>> {
    DECOMPRESSOR.with(|context| with(context, Decompressor::new, |d| d.decompress(frame, MAX_STATEMENT)))
}

/// The stored form.
pub(crate) fn pack(bytes: &[u8]) -> Vec<u8> {
    let (mut packed, kind) = match compress(bytes) {
        Ok(frame) if frame.len() < bytes.len() => (frame, ZSTD),
        _ => (bytes.to_vec(), PLAIN),
    };
    packed.insert(0, kind);
    packed
}

/// The statement's bytes, or why the stored form is none.
pub(crate) fn unpack(stored: &[u8]) -> Result<Vec<u8>, String> {
    match stored.split_first() {
        Some((&PLAIN, bytes)) => Ok(bytes.to_vec()),
        Some((&ZSTD, frame)) => decompress(frame).map_err(|e| e.to_string()),
        _ => Err("is in no form this program knows".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_packed_is_unpacked_and_never_much_longer() {
        let noise: Vec<u8> = (0..1000_u32).flat_map(|n| evidence::hash::sha256(&n.to_be_bytes())).collect();
        let longest = vec![7; MAX_STATEMENT];
        for bytes in [&b""[..], b"a", &longest, &noise] {
            let packed = pack(bytes);
            assert!(packed.len() <= bytes.len() + 1);
            assert_eq!(unpack(&packed).unwrap(), bytes);
        }
        assert!(pack(&[7; 4000]).len() < 100);
    }

    #[test]
    fn damaged_forms_are_errors() {
        assert!(unpack(&[]).is_err());
        assert!(unpack(&[2, 1]).is_err());
        assert!(unpack(&[ZSTD, 1, 2, 3]).is_err());
        let bomb = zstd::bulk::compress(&vec![0; MAX_STATEMENT + 1], LEVEL).unwrap();
        assert!(unpack(&[&[ZSTD][..], &bomb].concat()).is_err(), "longer than any statement");
    }
}
