//! A bundle in, verdicts out. What comes out of here is what an assessor may rely on: [`Verified`] has no other
//! source, and reports take nothing else.
//!
//! Trust comes from the assessor's own trust file, never from the bundle. Nothing here reads the clock or the
//! network; the only input is the bundle's bytes.

pub mod code;
pub mod error;
pub mod finding;
pub mod report;
pub mod timeline;
mod verified;

pub use code::{DefectCode, Spoils};
pub use error::VerifyError;
pub use finding::{Finding, FindingCode};
pub use report::{Report, SCHEMA};
pub use verified::Verified;

/// The JSON schema of [`Report`], as a document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
