//! A bundle in, verdicts out. What comes out of here is what an assessor may rely on: [`Verified`] has no other
//! source, and reports take nothing else.
//!
//! Trust comes from the assessor's own trust file, never from the bundle. Nothing here reads the clock or the
//! network; the only input is the bundle's bytes.

mod approval;
mod assemble;
mod attest;
mod bundle;
pub mod calendar;
#[cfg(test)]
mod calendar_tests;
mod checked;
pub mod code;
mod defects;
pub mod draft;
pub mod error;
pub mod finding;
mod keys;
pub mod ledger;
mod machine;
pub mod plausible;
mod presence;
mod project;
pub mod report;
pub mod roster;
pub mod rows;
mod stream;
#[cfg(any(test, feature = "test-bundles"))]
pub mod testing;
#[cfg(test)]
mod tests;
pub mod timeline;
mod tree;
pub mod trust;
mod verified;

pub use bundle::{Progress, verify_bundle, verify_bundle_asking, verify_bundle_on};
pub use code::{DefectCode, Spoils};
pub use draft::Draft;
pub use error::VerifyError;
pub use finding::{Finding, FindingCode};
pub use ledger::{Asking, Ledger};
pub use report::{Report, SCHEMA};
pub use trust::Trust;
pub use verified::Verified;

/// The JSON schema of [`Report`], as a document.
pub fn schema() -> serde_json::Value {
    schemars::schema_for!(Report).to_value()
}
