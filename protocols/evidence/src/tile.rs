//! Tiles: how the log is cut into files (C2SP tlog-tiles).
//!
//! A hash tile of level L holds up to 256 hashes, those of the complete subtrees of level 8·L; an entries
//! tile holds the entries themselves as `u16 big-endian length ‖ entry`.

use crate::defect::DecodeError;
use crate::hash::Hash;

/// Hashes or entries in a full tile.
pub const WIDTH: u64 = 256;

/// Which tile.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tile {
    /// Level of a hash tile, or none for entries.
    pub level: Option<u8>,
    /// Number of the tile in its level.
    pub index: u64,
    /// 1 to 256; under 256 the tile is partial.
    pub width: u16,
}

impl Tile {
    /// `tile/<L>/<N>[.p/<W>]` with N as `x001/x234/067`.
    pub fn path(&self) -> String {
        let mut groups = vec![format!("{:03}", self.index % 1000)];
        let mut rest = self.index / 1000;
        while rest > 0 {
            groups.push(format!("x{:03}", rest % 1000));
            rest /= 1000;
        }
        groups.reverse();
        let level = self.level.map_or_else(|| "entries".to_owned(), |level| level.to_string());
        let partial =
            if u64::from(self.width) == WIDTH { String::new() } else { format!(".p/{}", self.width) };
        format!("tile/{level}/{}{partial}", groups.join("/"))
    }

    /// The tile of a path; only the one spelling that [`Self::path`] writes is accepted.
    pub fn from_path(path: &str) -> Option<Self> {
        let (level, rest) = path.strip_prefix("tile/")?.split_once('/')?;
        let level =
            if level == "entries" { None } else { Some(level.parse().ok().filter(|l: &u8| *l < 64)?) };
        let (number, width) = match rest.split_once(".p/") {
            Some((number, width)) => (number, width.parse().ok().filter(|w| (1..256).contains(w))?),
            None => (rest, 256),
        };
        let mut index = 0u64;
        for group in number.split('/') {
            let digits = group.trim_start_matches('x');
            index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
        }
        let tile = Self { level, index, width };
        (tile.path() == path).then_some(tile)
    }
}

/// The tiles of one level (or of entries) of a tree of exactly `size` leaves, in order.
pub fn tiles_of(level: Option<u8>, size: u64) -> impl Iterator<Item = Tile> {
    let count = size.checked_shr(8 * u32::from(level.unwrap_or(0))).unwrap_or(0);
    (0..count.div_ceil(WIDTH)).map(move |index| {
        let width = (count - index * WIDTH).min(WIDTH);
        Tile { level, index, width: u16::try_from(width).unwrap_or(256) }
    })
}

/// Every hash tile of a tree of exactly `size` leaves.
pub fn hash_tiles(size: u64) -> impl Iterator<Item = Tile> {
    (0u8..8).flat_map(move |level| tiles_of(Some(level), size))
}

/// Where the hash of the complete subtree (level, index) stands: its tile's level and index, and the leaves of
/// that tile to fold: hashes `from..from + 2^bits` of the tile.
pub fn locate(level: u32, index: u64) -> (u8, u64, u64, u32) {
    let bits = level % 8;
    let tile_level = u8::try_from(level / 8).unwrap_or(u8::MAX);
    let first = index << bits;
    (tile_level, first / WIDTH, first % WIDTH, bits)
}

/// Writes an entries tile. Entries are statements and therefore shorter than 65 536 bytes; a longer one would be
/// cut, and then no longer have its leaf hash.
pub fn encode_entries<'a>(entries: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut out = Vec::new();
    for entry in entries {
        // Statements end at 48 000 bytes, so the length always fits.
        let length = u16::try_from(entry.len()).unwrap_or(u16::MAX);
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&entry[..usize::from(length)]);
    }
    out
}

/// Reads an entries tile of exactly `width` entries.
pub fn decode_entries(tile: &[u8], width: u16) -> Result<Vec<&[u8]>, DecodeError> {
    let mut rest = tile;
    let mut entries = Vec::with_capacity(usize::from(width));
    for _ in 0..width {
        let (length, tail) = rest.split_first_chunk::<2>().ok_or(DecodeError::Truncated("entries tile"))?;
        let length = usize::from(u16::from_be_bytes(*length));
        let (entry, tail) = tail.split_at_checked(length).ok_or(DecodeError::Truncated("entries tile"))?;
        entries.push(entry);
        rest = tail;
    }
    if rest.is_empty() { Ok(entries) } else { Err(DecodeError::Trailing(rest.len())) }
}

/// Reads a hash tile of exactly `width` hashes.
pub fn decode_hashes(tile: &[u8], width: u16) -> Result<Vec<Hash>, DecodeError> {
    let (hashes, rest) = tile.as_chunks::<32>();
    if rest.is_empty() && hashes.len() == usize::from(width) {
        Ok(hashes.to_vec())
    } else {
        Err(DecodeError::value("hash tile", format!("{} bytes for {width} hashes", tile.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(level: Option<u8>, index: u64, width: u16, path: &str) {
        let tile = Tile { level, index, width };
        assert_eq!(tile.path(), path);
        assert_eq!(Tile::from_path(path), Some(tile));
    }

    #[test]
    fn paths_are_those_of_tlog_tiles() {
        check(Some(0), 1_234_067, 256, "tile/0/x001/x234/067");
        check(Some(1), 0, 7, "tile/1/000.p/7");
        check(None, 999, 256, "tile/entries/999");
        check(None, 1000, 255, "tile/entries/x001/000.p/255");
    }

    #[test]
    fn other_spellings_of_a_path_are_refused() {
        for path in [
            "tile/0/0",
            "tile/0/x000/001",
            "tile/0/000.p/256",
            "tile/0/000.p/0",
            "tile/00/000",
            "tile/0/xx01/000",
            "tile/0/../000",
            "tile/entries/000/",
            "tile/-1/000",
        ] {
            assert_eq!(Tile::from_path(path), None, "{path}");
        }
    }

    #[test]
    fn a_tree_has_exactly_its_tiles() {
        let paths: Vec<_> = hash_tiles(70_000).map(|t| t.path()).collect();
        assert_eq!(paths.len(), 274 + 2 + 1);
        assert_eq!(paths[273], "tile/0/273.p/112");
        assert_eq!(paths[275], "tile/1/001.p/17");
        assert_eq!(paths[276], "tile/2/000.p/1");
        assert_eq!(tiles_of(None, 0).count(), 0);
    }

    #[test]
    fn entries_survive_their_tile() {
        let entries: [&[u8]; 3] = [b"a", b"", b"ccc"];
        let tile = encode_entries(entries);
        assert_eq!(decode_entries(&tile, 3).unwrap(), entries);
        assert_eq!(decode_entries(&tile, 2), Err(DecodeError::Trailing(5)));
        assert_eq!(decode_entries(&tile, 4), Err(DecodeError::Truncated("entries tile")));
    }
}
