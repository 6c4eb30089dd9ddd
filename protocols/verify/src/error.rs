//! What keeps a verification from being carried out at all. A bundle that is wrong is no error: it is a report
//! whose verdict is no.

/// Why no report could be made.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The file could not be read.
    #[error("the bundle could not be read: {what}; check the disk and try again")]
    Read {
        /// What was being read.
        what: String,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The trust file asks for a period that this project cannot answer.
    #[error("`period` of the trust file: {0}")]
    Period(#[from] kpi::period::CutError),
    /// A period that was asked for beside the trust file's cannot be answered.
    #[error("the period asked for: {0}")]
    Asked(#[from] crate::ledger::AskError),
    /// The bundle is of a kind that this version does not verify.
    #[error("the bundle is {kind}, which this version does not verify; export a full bundle")]
    Kind {
        /// What kind.
        kind: &'static str,
    },
}
