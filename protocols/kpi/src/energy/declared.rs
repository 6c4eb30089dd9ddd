//! What a declaration rests on. A declared value is never shown without the hash of its document, and its
//! evidence class is always D.

use observation::Decimal;
use serde::{Deserialize, Serialize};

use super::unit::exact;
use crate::period::Period;
use crate::rational::Rational;

/// SHA-256 of a document, 64 small hexadecimal digits.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, schemars::JsonSchema,
)]
#[serde(try_from = "String", into = "String")]
pub struct DocumentHash(String);

/// A text that is no document hash.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no document hash; give the SHA-256 of the bill or declaration as 64 hexadecimal digits (sha256sum FILE)"
)]
pub struct NotADocumentHash(pub String);

impl DocumentHash {
    /// The hash of a text; capitals are taken and made small.
    pub fn parse(text: &str) -> Result<Self, NotADocumentHash> {
        let hex = text.trim();
        if hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            Ok(Self(hex.to_ascii_lowercase()))
        } else {
            Err(NotADocumentHash(text.to_owned()))
        }
    }

    /// Its digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for DocumentHash {
    type Error = NotADocumentHash;
    fn try_from(text: String) -> Result<Self, NotADocumentHash> {
        Self::parse(&text)
    }
}

impl From<DocumentHash> for String {
    fn from(hash: DocumentHash) -> Self {
        hash.0
    }
}

/// A declared quantity over a stated period.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Declared {
    /// What is declared, with what it needs to be understood.
    pub what: DeclaredQuantity,
    /// First second it covers, UTC.
    pub from: i64,
    /// The second after the last, UTC.
    pub to: i64,
    /// The document.
    pub document: DocumentHash,
}

/// What is declared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum DeclaredQuantity {
    /// Qualified output in pieces (合格品产量).
    GoodParts {
        /// Pieces.
        pieces: u64,
    },
    /// Qualified output by mass.
    Mass {
        /// Kilograms.
        kilograms: Decimal,
    },
    /// 产值: output value.
    OutputValue {
        /// Fen (0.01 元).
        fen: u64,
        /// The year whose prices it is in.
        price_year: i32,
    },
    /// 工业增加值: value added, a figure of statistics.
    ValueAdded {
        /// Fen (0.01 元).
        fen: u64,
        /// The year whose prices it is in.
        price_year: i32,
    },
}

/// Why a declared quantity cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DeclaredError {
    /// It covers other time than the figure.
    #[error(
        "the declared {what} covers {from} to {to} (UTC s), the figure {over_from} to {over_to}; supply the \
         declaration for the figure's period, it is not split or stretched"
    )]
    OtherPeriod {
        /// What is declared.
        what: &'static str,
        /// First second of the declaration, UTC.
        from: i64,
        /// Second after its last, UTC.
        to: i64,
        /// First second of the figure, UTC.
        over_from: i64,
        /// Second after its last, UTC.
        over_to: i64,
    },
    /// Nothing, or less.
    #[error(
        "the declared {what} is {value}; a quotient needs more than nothing, supply the true value with its document"
    )]
    Nothing {
        /// What is declared.
        what: &'static str,
        /// What was written.
        value: String,
    },
}

impl DeclaredQuantity {
    /// What it is, in English.
    pub const fn en(self) -> &'static str {
        match self {
            Self::GoodParts { .. } => "good parts",
            Self::Mass { .. } => "output by mass",
            Self::OutputValue { .. } => "output value",
            Self::ValueAdded { .. } => "value added",
        }
    }

    /// Pieces, kilograms, or 万元.
    pub fn amount(self) -> Rational {
        match self {
            Self::GoodParts { pieces } => Rational::integer(pieces),
            Self::Mass { kilograms } => exact(kilograms),
            Self::OutputValue { fen, .. } | Self::ValueAdded { fen, .. } => {
                Rational(num_rational::BigRational::new(fen.into(), FEN_PER_TEN_THOUSAND_YUAN.into()))
            }
        }
    }
}

/// Fen in 万元.
const FEN_PER_TEN_THOUSAND_YUAN: u64 = 1_000_000;

impl Declared {
    /// Its amount for a figure over `period`: pieces, kilograms or 万元, always more than nothing.
    pub fn amount(&self, period: Period) -> Result<Rational, DeclaredError> {
        let what = self.what.en();
        if (Period { from: self.from, to: self.to }) != period {
            return Err(DeclaredError::OtherPeriod {
                what,
                from: self.from,
                to: self.to,
                over_from: period.from,
                over_to: period.to,
            });
        }
        let amount = self.what.amount();
        if amount > Rational::zero() {
            return Ok(amount);
        }
        Err(DeclaredError::Nothing { what, value: amount.to_string() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_sha256_is_a_document_hash() {
        let hash = "AB".repeat(32);
        assert_eq!(DocumentHash::parse(&hash).unwrap().as_str(), "ab".repeat(32));
        for text in ["", "ab", &"g".repeat(64), &"a".repeat(63), &"a".repeat(65)] {
            assert_eq!(DocumentHash::parse(text), Err(NotADocumentHash(text.to_owned())));
        }
    }
}
