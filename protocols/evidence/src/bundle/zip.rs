//! The records of a zip in the one form a bundle has them (PKWARE APPNOTE 6.3.10, section 4.3).
//!
//! ```text
//! local header    50 4B 03 04 | needed 20 | flags | method 0 | time 0 | date 0x0021 | crc | size | size
//!                 | name length | 0 | name            then the data
//! directory entry 50 4B 01 02 | made by 0x0314 | needed 20 | flags | method 0 | time 0 | date 0x0021 | crc
//!                 | size | size | name length | 0 or 12 | 0 | disk 0 | 0 | mode 0100644 << 16 | offset | name
//!                 | [01 00 08 00 offset as u64]       only when the offset is 0xFFFFFFFF or more
//! zip64 end       50 4B 06 06 | 44 | 0x0314 | 45 | 0 | 0 | count | count | size | offset
//! zip64 locator   50 4B 06 07 | 0 | offset of the zip64 end | 1
//! end             50 4B 05 06 | 0 | 0 | count | count | size | offset | 0
//! ```
//!
//! All integers little-endian. Flags are 0, or 0x800 when the name is not ASCII. The two zip64 records exist
//! only when a number does not fit into the end record, which then holds all ones in its place.

const LOCAL: u32 = 0x0403_4b50;
const ENTRY: u32 = 0x0201_4b50;
const END64: u32 = 0x0606_4b50;
const LOCATOR: u32 = 0x0706_4b50;
const END: u32 = 0x0605_4b50;
const MADE_BY: u16 = 0x0314;
const NEEDED: u16 = 20;
const NEEDED_64: u16 = 45;
const DATE: u16 = 0x0021;
/// A plain file, rw-r--r--.
pub(super) const MODE: u32 = 0o100_644;

/// Bytes of a local header without its name.
pub(super) const LOCAL_SIZE: u64 = 30;
/// Bytes of a directory entry without its name.
pub(super) const ENTRY_SIZE: usize = 46;
/// Bytes of the end record.
pub(super) const END_SIZE: u64 = 22;
/// Bytes of the two zip64 records.
pub(super) const END64_SIZE: u64 = 56 + 20;

/// What the zip knows of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Record {
    pub(super) name: Box<str>,
    pub(super) crc: u32,
    /// Below 0xFFFFFFFF.
    pub(super) size: u32,
    pub(super) offset: u64,
}

impl Record {
    fn flags(&self) -> u16 {
        if self.name.is_ascii() { 0 } else { 0x800 }
    }

    fn name_length(&self) -> u16 {
        // Paths end at 240 bytes.
        u16::try_from(self.name.len()).unwrap_or(u16::MAX)
    }

    /// Bytes from the local header's begin to the data's end.
    pub(super) fn extent(&self) -> u64 {
        LOCAL_SIZE + u64::from(self.name_length()) + u64::from(self.size)
    }

    /// From `needed` to the length of the name: the same bytes in both headers.
    fn shared(&self, out: &mut Vec<u8>, needed: u16) {
        for n in [needed, self.flags(), 0, 0, DATE] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        for n in [self.crc, self.size, self.size] {
            out.extend_from_slice(&n.to_le_bytes());
        }
        out.extend_from_slice(&self.name_length().to_le_bytes());
    }

    pub(super) fn local(&self) -> Vec<u8> {
        let mut out = LOCAL.to_le_bytes().to_vec();
        self.shared(&mut out, NEEDED);
        out.extend_from_slice(&[0, 0]);
        out.extend_from_slice(self.name.as_bytes());
        out
    }

    pub(super) fn entry(&self) -> Vec<u8> {
        let short = u32::try_from(self.offset).ok().filter(|offset| *offset != u32::MAX);
        let mut out = ENTRY.to_le_bytes().to_vec();
        out.extend_from_slice(&MADE_BY.to_le_bytes());
        self.shared(&mut out, if short.is_some() { NEEDED } else { NEEDED_64 });
        let extra: u16 = if short.is_some() { 0 } else { 12 };
        out.extend_from_slice(&extra.to_le_bytes());
        out.extend_from_slice(&[0; 6]);
        out.extend_from_slice(&(MODE << 16).to_le_bytes());
        out.extend_from_slice(&short.unwrap_or(u32::MAX).to_le_bytes());
        out.extend_from_slice(self.name.as_bytes());
        if short.is_none() {
            out.extend_from_slice(&[1, 0, 8, 0]);
            out.extend_from_slice(&self.offset.to_le_bytes());
        }
        out
    }
}

/// The fields of a directory entry as they came.
#[derive(Clone, Copy, Debug)]
pub(super) struct RawEntry {
    pub(super) flags: u16,
    pub(super) method: u16,
    pub(super) stamp: (u16, u16),
    pub(super) crc: u32,
    pub(super) stored: u32,
    pub(super) size: u32,
    pub(super) name: u16,
    pub(super) extra: u16,
    pub(super) comment: u16,
    pub(super) mode: u32,
    pub(super) offset: u32,
}

impl RawEntry {
    /// Reads the fixed part; nothing when it is no directory entry.
    pub(super) fn parse(bytes: &[u8; ENTRY_SIZE]) -> Option<Self> {
        let short = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        let long = |at: usize| u32::from(short(at)) | u32::from(short(at + 2)) << 16;
        (long(0) == ENTRY).then(|| Self {
            flags: short(8),
            method: short(10),
            stamp: (short(12), short(14)),
            crc: long(16),
            stored: long(20),
            size: long(24),
            name: short(28),
            extra: short(30),
            comment: short(32),
            mode: long(38) >> 16,
            offset: long(42),
        })
    }

    /// Whether the stamp is the canonical one.
    pub(super) fn has_fixed_stamp(&self) -> bool {
        self.stamp == (0, DATE)
    }
}

/// Where the directory is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) count: u64,
    pub(super) size: u64,
    pub(super) offset: u64,
}

impl Directory {
    fn is_large(&self) -> bool {
        self.count >= u64::from(u16::MAX)
            || self.size >= u64::from(u32::MAX)
            || self.offset >= u64::from(u32::MAX)
    }

    /// Everything behind the directory.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut out = Vec::new();
        if self.is_large() {
            out.extend_from_slice(&END64.to_le_bytes());
            out.extend_from_slice(&44u64.to_le_bytes());
            out.extend_from_slice(&MADE_BY.to_le_bytes());
            out.extend_from_slice(&NEEDED_64.to_le_bytes());
            out.extend_from_slice(&[0; 8]);
            for n in [self.count, self.count, self.size, self.offset] {
                out.extend_from_slice(&n.to_le_bytes());
            }
            out.extend_from_slice(&LOCATOR.to_le_bytes());
            out.extend_from_slice(&[0; 4]);
            out.extend_from_slice(&(self.offset + self.size).to_le_bytes());
            out.extend_from_slice(&1u32.to_le_bytes());
        }
        let count = u16::try_from(self.count).unwrap_or(u16::MAX).to_le_bytes();
        out.extend_from_slice(&END.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&count);
        out.extend_from_slice(&count);
        for n in [self.size, self.offset] {
            out.extend_from_slice(&u32::try_from(n).unwrap_or(u32::MAX).to_le_bytes());
        }
        out.extend_from_slice(&[0, 0]);
        out
    }

    /// Reads the end record; the numbers may be all ones.
    pub(super) fn parse_end(end: &[u8; 22]) -> Option<Self> {
        let short = |at: usize| u16::from_le_bytes([end[at], end[at + 1]]);
        let long = |at: usize| u32::from(short(at)) | u32::from(short(at + 2)) << 16;
        let right = long(0) == END && short(20) == 0;
        right.then(|| Self { count: short(10).into(), size: long(12).into(), offset: long(16).into() })
    }

    /// Whether the end record points to a zip64 one.
    pub(super) fn points_on(&self) -> bool {
        self.is_large()
    }

    /// Reads the zip64 records.
    pub(super) fn parse_end64(records: &[u8; 76]) -> Option<Self> {
        let quad =
            |at: usize| records[at..at + 8].iter().rev().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
        let magic = records.starts_with(&END64.to_le_bytes());
        magic.then(|| Self { count: quad(32), size: quad(40), offset: quad(48) })
    }
}
