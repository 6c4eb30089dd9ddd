//! Short texts that stand for something: decimals, addresses, keys, tile paths, durations. Promise: what is read
//! is written in one form, and that form is read as the same thing.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use evidence::key::PublicKey;
use evidence::note::VerifierKey;
use evidence::tile::Tile;
use observation::Decimal;
use protocols::mqtt::path::JsonPath;
use protocols::opcua::NodeAddress;

use super::Bytes;

/// Which kind, then the text.
pub(super) fn text(data: &[u8]) {
    let mut bytes = Bytes(data);
    let kind = bytes.byte();
    let Ok(text) = std::str::from_utf8(bytes.0) else { return };
    match kind % 8 {
        0 => settles::<Decimal>(text),
        1 => settles::<NodeAddress>(text),
        2 => settles::<JsonPath>(text),
        3 => settles::<VerifierKey>(text),
        4 => settles::<PublicKey>(text),
        5 => {
            if let Some(tile) = Tile::from_path(text) {
                assert_eq!(tile.path(), text);
            }
        }
        6 => {
            let _ = config::units::duration(text);
            let _ = config::units::bytes(text);
        }
        _ => {
            // A name stays one segment of a path, whatever it is.
            let segment = uplink::path::segment(text);
            assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        }
    }
}

/// Read, written, read: the same thing and the same text.
fn settles<T>(text: &str)
where
    T: FromStr + Display + PartialEq + Debug,
    T::Err: Debug + Display,
{
    match text.parse::<T>() {
        Err(e) => assert!(!e.to_string().is_empty()),
        Ok(read) => {
            let written = read.to_string();
            let again = written.parse::<T>().unwrap_or_else(|e| panic!("{written:?} of {text:?}: {e}"));
            assert_eq!(again, read);
            assert_eq!(again.to_string(), written);
        }
    }
}
