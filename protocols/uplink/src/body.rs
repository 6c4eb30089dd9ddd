//! The body of a push: statements one after the other, each with its length before it.
//!
//! ```text
//!  0      2               2+len
//!  +------+----------------+------+-----
//!  | len  | statement      | len  | ...      len: unsigned 16 bits, big endian, never 0
//!  +------+----------------+------+-----
//! ```
//!
//! The same framing as an entries tile, so that a body's statements are the log's entries byte for byte.
//! What a statement says is not looked at here.

use thiserror::Error;

/// Media type of a push body.
pub const STATEMENTS_TYPE: &str = "application/vnd.plumbline.statements";
/// The longest body, in bytes.
pub const MAX_BODY: usize = 8 * 1024 * 1024;
/// The longest statement, in bytes; the evidence format's own limit.
pub const MAX_STATEMENT_LEN: usize = 48_000;
/// The most statements in a body.
pub const MAX_STATEMENTS: usize = 4096;

/// Why a body cannot be read or extended.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BodyError {
    /// The body holds nothing.
    #[error("the body holds no statement; send at least one")]
    Empty,
    /// The body is longer than [`MAX_BODY`].
    #[error("the body has {got} bytes, the limit is {MAX_BODY}; send fewer statements in one request")]
    TooLong {
        /// Its length in bytes.
        got: usize,
    },
    /// More than [`MAX_STATEMENTS`].
    #[error("the body holds more than {MAX_STATEMENTS} statements; send fewer in one request")]
    TooMany,
    /// A length of zero or above [`MAX_STATEMENT_LEN`].
    #[error("the statement at byte {at} has {len} bytes; allowed are 1 to {MAX_STATEMENT_LEN}")]
    Length {
        /// Where its length stands, in bytes from the start.
        at: usize,
        /// The length.
        len: usize,
    },
    /// The body ends inside a statement or a length.
    #[error("the body ends inside the statement at byte {at}; it was cut on the way, send it again")]
    Cut {
        /// Where the cut statement's length stands.
        at: usize,
    },
}

/// Splits a body into its statements, in order.
pub fn split(body: &[u8]) -> Result<Vec<&[u8]>, BodyError> {
    if body.is_empty() {
        return Err(BodyError::Empty);
    }
    if body.len() > MAX_BODY {
        return Err(BodyError::TooLong { got: body.len() });
    }
    let mut statements = vec![];
    let mut at = 0;
    while at < body.len() {
        let rest = &body[at..];
        let (head, rest) = rest.split_at_checked(2).ok_or(BodyError::Cut { at })?;
        let len = usize::from(u16::from_be_bytes([head[0], head[1]]));
        if len == 0 || len > MAX_STATEMENT_LEN {
            return Err(BodyError::Length { at, len });
        }
        let statement = rest.get(..len).ok_or(BodyError::Cut { at })?;
        if statements.len() == MAX_STATEMENTS {
            return Err(BodyError::TooMany);
        }
        statements.push(statement);
        at += 2 + len;
    }
    Ok(statements)
}

/// Builds a body within the limits.
#[derive(Clone, Debug, Default)]
pub struct BodyWriter {
    bytes: Vec<u8>,
    count: usize,
}

impl BodyWriter {
    /// An empty body.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a statement. On `TooMany` or `TooLong` the body is unchanged: send it and start another.
    pub fn push(&mut self, statement: &[u8]) -> Result<(), BodyError> {
        let wrong = BodyError::Length { at: self.bytes.len(), len: statement.len() };
        let Ok(len) = u16::try_from(statement.len()) else { return Err(wrong) };
        if len == 0 || statement.len() > MAX_STATEMENT_LEN {
            return Err(wrong);
        }
        if self.count == MAX_STATEMENTS {
            return Err(BodyError::TooMany);
        }
        let got = self.bytes.len() + 2 + statement.len();
        if got > MAX_BODY {
            return Err(BodyError::TooLong { got });
        }
        self.bytes.extend_from_slice(&len.to_be_bytes());
        self.bytes.extend_from_slice(statement);
        self.count += 1;
        Ok(())
    }

    /// How many statements it holds.
    pub fn count(&self) -> usize {
        self.count
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// The bytes to send.
    pub fn finish(self) -> Vec<u8> {
        self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_split_into_the_same_statements() {
        let mut writer = BodyWriter::new();
        let longest = vec![7; MAX_STATEMENT_LEN];
        let statements: [&[u8]; 3] = [b"a", b"bc", &longest];
        for statement in statements {
            writer.push(statement).unwrap();
        }
        assert_eq!(writer.count(), 3);
        assert_eq!(split(&writer.finish()).unwrap(), statements);
    }

    #[track_caller]
    fn refused(body: &[u8], want: &BodyError) {
        assert_eq!(split(body).as_ref().unwrap_err(), want);
    }

    #[test]
    fn broken_bodies_are_refused_with_the_place() {
        refused(b"", &BodyError::Empty);
        refused(&[0], &BodyError::Cut { at: 0 });
        refused(&[0, 2, 1], &BodyError::Cut { at: 0 });
        refused(&[0, 1, 9, 0, 3, 1], &BodyError::Cut { at: 3 });
        refused(&[0, 0], &BodyError::Length { at: 0, len: 0 });
        refused(&[0xff, 0xff], &BodyError::Length { at: 0, len: 65_535 });
        refused(&vec![0; MAX_BODY + 1], &BodyError::TooLong { got: MAX_BODY + 1 });
        refused(&[0, 1, 9].repeat(MAX_STATEMENTS + 1), &BodyError::TooMany);
    }

    #[test]
    fn a_full_body_is_left_as_it_was() {
        let mut writer = BodyWriter::new();
        let big = vec![1; MAX_STATEMENT_LEN];
        let fitting = MAX_BODY / (MAX_STATEMENT_LEN + 2);
        for _ in 0..fitting {
            writer.push(&big).unwrap();
        }
        assert!(matches!(writer.push(&big), Err(BodyError::TooLong { .. })));
        assert!(matches!(writer.push(&[]), Err(BodyError::Length { len: 0, .. })));
        assert_eq!(split(&writer.finish()).unwrap().len(), fitting);
    }
}
