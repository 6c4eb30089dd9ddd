//! Deterministic CBOR (RFC 8949, 4.2.1): a writer that can write nothing else, and a reader that accepts
//! nothing else and says by name what was wrong.

use crate::defect::DecodeError;

/// Writes deterministic CBOR. Map keys are the caller's duty; the reader checks them.
#[derive(Debug, Default)]
pub struct Writer(Vec<u8>);

impl Writer {
    /// An empty writer.
    pub fn new() -> Self {
        Self::default()
    }

    /// The bytes written.
    pub fn finish(self) -> Vec<u8> {
        self.0
    }

    /// The head of an item (RFC 8949, 3), always shortest.
    ///
    /// ```text
    /// byte 0: major type (3 bits) | argument (5 bits); 24, 25, 26, 27 announce 1, 2, 4, 8 bytes of argument
    /// ```
    #[expect(clippy::decimal_bitwise_operands, reason = "the RFC gives these numbers in decimal")]
    fn head(&mut self, major: u8, argument: u64) {
        let first = major << 5;
        let wide = argument.to_be_bytes();
        match argument {
            0..=23 => self.0.push(first | wide[7]),
            24..=0xff => self.0.extend_from_slice(&[first | 24, wide[7]]),
            0x100..=0xffff => {
                self.0.push(first | 25);
                self.0.extend_from_slice(&wide[6..]);
            }
            0x1_0000..=0xffff_ffff => {
                self.0.push(first | 26);
                self.0.extend_from_slice(&wide[4..]);
            }
            _ => {
                self.0.push(first | 27);
                self.0.extend_from_slice(&wide);
            }
        }
    }

    /// An item whose bytes are known to be canonical.
    pub(crate) fn canonical(&mut self, item: &[u8]) -> &mut Self {
        self.0.extend_from_slice(item);
        self
    }

    /// An unsigned integer.
    pub fn uint(&mut self, n: u64) -> &mut Self {
        self.head(0, n);
        self
    }

    /// An integer.
    pub fn int(&mut self, n: i64) -> &mut Self {
        match u64::try_from(n) {
            Ok(n) => self.head(0, n),
            Err(_) => self.head(1, n.unsigned_abs() - 1),
        }
        self
    }

    /// A byte string.
    pub fn bytes(&mut self, b: &[u8]) -> &mut Self {
        self.head(2, b.len() as u64);
        self.0.extend_from_slice(b);
        self
    }

    /// A text string.
    pub fn text(&mut self, s: &str) -> &mut Self {
        self.head(3, s.len() as u64);
        self.0.extend_from_slice(s.as_bytes());
        self
    }

    /// The head of an array of `n` items.
    pub fn array(&mut self, n: usize) -> &mut Self {
        self.head(4, n as u64);
        self
    }

    /// The head of a map of `n` pairs.
    pub fn map(&mut self, n: usize) -> &mut Self {
        self.head(5, n as u64);
        self
    }

    /// A tag.
    pub fn tag(&mut self, n: u64) -> &mut Self {
        self.head(6, n);
        self
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, b: bool) -> &mut Self {
        self.head(7, if b { 21 } else { 20 });
        self
    }

    /// `null`.
    pub fn null(&mut self) -> &mut Self {
        self.head(7, 22);
        self
    }

    /// `null`, or what `write` writes.
    pub fn optional<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) -> &mut Self {
        match value {
            Some(value) => write(self, value),
            None => {
                self.null();
            }
        }
        self
    }
}

/// Reads deterministic CBOR.
#[derive(Clone, Debug)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// Reads from the start.
    pub fn new(input: &'a [u8]) -> Self {
        Self { input, at: 0 }
    }

    /// Offset of the next item.
    pub fn at(&self) -> usize {
        self.at
    }

    /// Nothing may follow.
    pub fn end(&self) -> Result<(), DecodeError> {
        match self.input.len() - self.at {
            0 => Ok(()),
            left => Err(DecodeError::Trailing(left)),
        }
    }

    fn take(&mut self, n: usize, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let end = self.at.checked_add(n).filter(|end| *end <= self.input.len());
        let end = end.ok_or(DecodeError::Truncated(what))?;
        let taken = &self.input[self.at..end];
        self.at = end;
        Ok(taken)
    }

    fn head(&mut self, major: u8, what: &'static str) -> Result<u64, DecodeError> {
        let at = self.at;
        let first = self.take(1, what)?[0];
        if first >> 5 != major {
            self.at = at;
            return Err(DecodeError::Unexpected { expected: what, at });
        }
        let (value, least) = match first & 0x1f {
            n @ 0..=23 => return Ok(u64::from(n)),
            24 => (u64::from(self.take(1, what)?[0]), 24),
            25 => (big_endian(self.take(2, what)?), 0x100),
            26 => (big_endian(self.take(4, what)?), 0x1_0000),
            27 => (big_endian(self.take(8, what)?), 0x1_0000_0000),
            31 => return Err(DecodeError::Indefinite(at)),
            _ => return Err(DecodeError::Unexpected { expected: what, at }),
        };
        if value < least { Err(DecodeError::NotShortest(at)) } else { Ok(value) }
    }

    fn length(&mut self, major: u8, what: &'static str) -> Result<usize, DecodeError> {
        let n = self.head(major, what)?;
        // Every element takes at least one byte: a claimed length beyond the input cannot be true, and
        // nothing is ever allocated by a claimed length alone.
        usize::try_from(n)
            .ok()
            .filter(|n| *n <= self.input.len() - self.at)
            .ok_or(DecodeError::Truncated(what))
    }

    /// An unsigned integer.
    pub fn uint(&mut self, what: &'static str) -> Result<u64, DecodeError> {
        self.head(0, what)
    }

    /// An unsigned integer that fits into `T`.
    pub fn small<T: TryFrom<u64>>(&mut self, what: &'static str) -> Result<T, DecodeError> {
        let n = self.uint(what)?;
        T::try_from(n).map_err(|_| DecodeError::value(what, format!("{n} is too large")))
    }

    /// An integer.
    pub fn int(&mut self, what: &'static str) -> Result<i64, DecodeError> {
        let negative = self.input.get(self.at).is_some_and(|b| b >> 5 == 1);
        let n = self.head(u8::from(negative), what)?;
        let n = i64::try_from(n).map_err(|_| DecodeError::value(what, format!("{n} is outside 64 bits")))?;
        Ok(if negative { -1 - n } else { n })
    }

    /// `n` integers, as [`Self::int`] reads them; the short forms, which are most, without a call.
    pub(crate) fn ints(&mut self, n: usize, what: &'static str) -> Result<Vec<i64>, DecodeError> {
        let mut out = Vec::with_capacity(n.min(self.input.len() - self.at));
        for _ in 0..n {
            let n = match self.input.get(self.at..).unwrap_or_default() {
                [first @ (0..=0x17 | 0x20..=0x37), ..] => {
                    self.at += 1;
                    signed(*first, (*first & 0x1f).into())
                }
                [first @ (0x18 | 0x38), n @ 24..=0xff, ..] => {
                    self.at += 2;
                    signed(*first, (*n).into())
                }
                [first @ (0x19 | 0x39), high @ 1..=0xff, low, ..] => {
                    self.at += 3;
                    signed(*first, u16::from_be_bytes([*high, *low]).into())
                }
                _ => self.int(what)?,
            };
            out.push(n);
        }
        Ok(out)
    }

    /// A byte string.
    pub fn bytes(&mut self, what: &'static str) -> Result<&'a [u8], DecodeError> {
        let n = self.length(2, what)?;
        self.take(n, what)
    }

    /// A byte string of exactly `N` bytes.
    pub fn fixed<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], DecodeError> {
        let b = self.bytes(what)?;
        b.try_into().map_err(|_| DecodeError::value(what, format!("{} bytes instead of {N}", b.len())))
    }

    /// A text string.
    pub fn text(&mut self, what: &'static str) -> Result<&'a str, DecodeError> {
        let n = self.length(3, what)?;
        std::str::from_utf8(self.take(n, what)?).map_err(|_| DecodeError::value(what, "not UTF-8"))
    }

    /// The number of items of an array.
    pub fn array(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        self.length(4, what)
    }

    /// An array of exactly `n` items.
    pub fn tuple(&mut self, n: usize, what: &'static str) -> Result<(), DecodeError> {
        let at = self.at;
        if self.array(what)? == n { Ok(()) } else { Err(DecodeError::Unexpected { expected: what, at }) }
    }

    /// A list, each item read by `read`.
    pub fn list<T>(
        &mut self,
        what: &'static str,
        mut read: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let n = self.array(what)?;
        (0..n).map(|_| read(self)).collect()
    }

    /// The number of pairs of a map.
    pub fn map(&mut self, what: &'static str) -> Result<usize, DecodeError> {
        self.length(5, what)
    }

    /// A tag with this number.
    pub fn tag(&mut self, number: u64, what: &'static str) -> Result<(), DecodeError> {
        let at = self.at;
        if self.head(6, what)? == number {
            Ok(())
        } else {
            Err(DecodeError::Unexpected { expected: what, at })
        }
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, what: &'static str) -> Result<bool, DecodeError> {
        let at = self.at;
        match self.head(7, what)? {
            20 => Ok(false),
            21 => Ok(true),
            _ => Err(DecodeError::Unexpected { expected: what, at }),
        }
    }

    /// `null`, or what `read` reads.
    pub fn optional<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        if self.input.get(self.at) == Some(&0xf6) {
            self.at += 1;
            return Ok(None);
        }
        read(self).map(Some)
    }
}

/// An integer from its head's first byte and its argument.
fn signed(first: u8, argument: i64) -> i64 {
    if first & 0x20 == 0 { argument } else { -1 - argument }
}

fn big_endian(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |n, b| n << 8 | u64::from(*b))
}

/// Reads a map with unsigned keys in ascending order, handing each key to `read`.
pub fn fields<'a>(
    r: &mut Reader<'a>,
    what: &'static str,
    mut read: impl FnMut(u64, &mut Reader<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let n = r.map(what)?;
    let mut last = None;
    for _ in 0..n {
        let at = r.at();
        let key = r.uint(what)?;
        match last {
            Some(last) if key == last => return Err(DecodeError::DuplicateKey(at)),
            Some(last) if key < last => return Err(DecodeError::KeyOrder(at)),
            _ => last = Some(key),
        }
        read(key, r)?;
    }
    Ok(())
}
