//! The headers of the one zip that a content has (PKWARE APPNOTE 6.3.10, 4.3.7, 4.3.12, 4.3.14–16).

/// A stored file: path in the zip, CRC-32, size, offset of its local header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) path: String,
    pub(super) crc: u32,
    pub(super) size: u32,
    pub(super) offset: u64,
}

pub(super) const LOCAL: [u8; 4] = *b"PK\x03\x04";
pub(super) const CENTRAL: [u8; 4] = *b"PK\x01\x02";
pub(super) const END: [u8; 4] = *b"PK\x05\x06";
const END64: [u8; 4] = *b"PK\x06\x06";
const LOCATOR64: [u8; 4] = *b"PK\x06\x07";

/// Length of a local header before the name.
pub(super) const LOCAL_LEN: u64 = 30;
/// Length of a central header before the name.
pub(super) const CENTRAL_LEN: usize = 46;
/// Length of the end record.
pub(super) const END_LEN: u64 = 22;
/// Length of the zip64 end record with its locator.
pub(super) const END64_LEN: u64 = 56 + 20;

const LIMIT32: u64 = 0xffff_ffff;
const LIMIT16: u64 = 0xffff;

/// 1980-01-01, the first day a zip can name.
const DATE: u16 = 0x0021;
const MADE_BY: u16 = 0x0314;
/// A regular file, mode 0644.
const MODE: u32 = 0o100_644;

fn low32(n: u64) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

fn low16(n: u64) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}

/// What local and central header share: version needed to name length.
fn shared(entry: &Entry, needed: u16) -> Vec<u8> {
    let mut h = Vec::with_capacity(26);
    h.extend(needed.to_le_bytes());
    h.extend(0u16.to_le_bytes()); // Flags: paths are ASCII.
    h.extend(0u16.to_le_bytes()); // Stored.
    h.extend(0u16.to_le_bytes()); // Midnight.
    h.extend(DATE.to_le_bytes());
    h.extend(entry.crc.to_le_bytes());
    h.extend(entry.size.to_le_bytes());
    h.extend(entry.size.to_le_bytes());
    h.extend(low16(entry.path.len() as u64).to_le_bytes());
    h
}

/// The local header with its name.
pub(super) fn local(entry: &Entry) -> Vec<u8> {
    let mut h = LOCAL.to_vec();
    h.extend(shared(entry, 20));
    h.extend(0u16.to_le_bytes());
    h.extend(entry.path.as_bytes());
    h
}

/// The central header with its name and, from 4 GiB on, the zip64 field with the offset.
pub(super) fn central(entry: &Entry) -> Vec<u8> {
    let far = entry.offset >= LIMIT32;
    let mut h = CENTRAL.to_vec();
    h.extend(MADE_BY.to_le_bytes());
    h.extend(shared(entry, if far { 45 } else { 20 }));
    h.extend(if far { 12u16 } else { 0 }.to_le_bytes());
    h.extend(0u16.to_le_bytes()); // Comment.
    h.extend(0u16.to_le_bytes()); // Disk.
    h.extend(0u16.to_le_bytes()); // Internal attributes.
    h.extend((MODE << 16).to_le_bytes());
    h.extend(if far { u32::MAX } else { low32(entry.offset) }.to_le_bytes());
    h.extend(entry.path.as_bytes());
    if far {
        h.extend(1u16.to_le_bytes());
        h.extend(8u16.to_le_bytes());
        h.extend(entry.offset.to_le_bytes());
    }
    h
}

/// The records behind the central directory.
pub(super) fn end(count: u64, size: u64, offset: u64) -> Vec<u8> {
    let mut h = Vec::new();
    if needs64(count, size, offset) {
        h.extend(END64);
        h.extend(44u64.to_le_bytes());
        h.extend(MADE_BY.to_le_bytes());
        h.extend(45u16.to_le_bytes());
        h.extend([0; 8]); // Disks.
        h.extend(count.to_le_bytes());
        h.extend(count.to_le_bytes());
        h.extend(size.to_le_bytes());
        h.extend(offset.to_le_bytes());
        h.extend(LOCATOR64);
        h.extend([0; 4]);
        h.extend((offset + size).to_le_bytes());
        h.extend(1u32.to_le_bytes());
    }
    h.extend(END);
    h.extend([0; 4]);
    h.extend(low16(count).to_le_bytes());
    h.extend(low16(count).to_le_bytes());
    h.extend(low32(size).to_le_bytes());
    h.extend(low32(offset).to_le_bytes());
    h.extend([0; 2]);
    h
}

/// Whether the end records need their 64-bit form.
pub(super) fn needs64(count: u64, size: u64, offset: u64) -> bool {
    count >= LIMIT16 || size >= LIMIT32 || offset >= LIMIT32
}
