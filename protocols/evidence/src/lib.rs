//! Signed statements, the Merkle log they stand in, checkpoints, receipts and bundles: format version 1.
//!
//! SPEC.md beside this crate is the format in words; this is the format in code. Nothing here does IO of its
//! own, reads a clock or draws randomness: bytes, keys and random bytes are passed in.

pub mod bundle;
pub mod cbor;
pub mod column;
pub mod defect;
pub mod enrol;
pub mod hash;
pub mod key;
pub mod merkle;
pub mod note;
pub mod payload;
pub mod receipt;
mod sign1;
pub mod statement;
pub mod tile;

pub use defect::{DecodeError, EncodeError};
pub use hash::Hash;
