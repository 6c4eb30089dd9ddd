//! Checks a bundle against the assessor's own trust file. A bundle that is wrong is no error here: it is an
//! answer, with exit code 1. An error is what kept the question from being asked.

use std::fs::File;
use std::io::BufReader;
use std::path::{Path, PathBuf};

use report::{Lang, PageError};
use verify::trust::{Trust, TrustErrors};
use verify::{Progress, Report, Verified, VerifyError, verify_bundle};

use crate::exit::Exit;
use crate::json;
use crate::summary::{self, Paint};

/// What was found out about a bundle.
#[derive(Clone, Debug)]
pub struct Checked {
    report: Verified<Report>,
}

/// The question could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum CheckError {
    /// A file cannot be read.
    #[error("cannot read {}: check its name and rights", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The trust file has mistakes.
    #[error("{}", trust_lines(path, errors))]
    Trust {
        /// The file.
        path: PathBuf,
        /// All of its mistakes.
        errors: TrustErrors,
    },
    /// Reading broke off, or this version cannot verify that kind of bundle.
    #[error("{} was not verified", path.display())]
    Verify {
        /// The bundle.
        path: PathBuf,
        /// What happened.
        source: VerifyError,
    },
}

impl CheckError {
    /// Who is to blame.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Read { source, .. } => Exit::of_io(source),
            Self::Verify { source: VerifyError::Read { .. }, .. } => Exit::Environment,
            Self::Verify { .. } | Self::Trust { .. } => Exit::Use,
        }
    }
}

/// `file:line: key: what (did you mean …?)`, one line a mistake.
fn trust_lines(path: &Path, errors: &TrustErrors) -> String {
    let line = |p: &verify::trust::TrustProblem| {
        let nearest = p.nearest.map_or_else(String::new, |n| format!(" (did you mean `{n}`?)"));
        let key = if p.key.is_empty() { String::new() } else { format!("{}: ", p.key) };
        format!("{}:{}: {key}{}{nearest}", path.display(), p.line.max(1), p.message)
    };
    errors.0.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Verifies the bundle at `bundle` with the trust anchors at `trust`.
pub fn check_bundle(bundle: &Path, trust: &Path) -> Result<Checked, CheckError> {
    check_bundle_telling(bundle, trust, &mut |_| ())
}

/// [`check_bundle`], telling how far it has come.
pub fn check_bundle_telling(
    bundle: &Path,
    trust: &Path,
    progress: &mut dyn FnMut(Progress),
) -> Result<Checked, CheckError> {
    let trust = read_trust(trust)?;
    let unreadable = |source| CheckError::Read { path: bundle.to_owned(), source };
    let file = File::open(bundle).map_err(unreadable)?;
    if file.metadata().map_err(unreadable)?.is_dir() {
        return Err(unreadable(std::io::ErrorKind::IsADirectory.into()));
    }
    let report = verify_bundle(BufReader::new(file), &trust, progress)
        .map_err(|source| CheckError::Verify { path: bundle.to_owned(), source })?;
    Ok(Checked { report })
}

pub(crate) fn read_trust(path: &Path) -> Result<Trust, CheckError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| CheckError::Read { path: path.to_owned(), source })?;
    text.parse().map_err(|errors| CheckError::Trust { path: path.to_owned(), errors })
}

impl Checked {
    /// Everything that verification says.
    pub fn report(&self) -> &Verified<Report> {
        &self.report
    }

    /// Fine when authentic and complete hold, else the answer is no.
    pub fn exit(&self) -> Exit {
        if self.report.exit_code() == 0 { Exit::Fine } else { Exit::No }
    }

    /// The JSON of `--json`.
    pub fn json(&self) -> Result<String, serde_json::Error> {
        json::text(&self.report)
    }

    /// The page of `--report`.
    pub fn html(&self, lang: Lang) -> Result<String, PageError> {
        report::html(&self.report, lang)
    }

    /// The text for a terminal.
    pub fn summary(&self, lang: Lang, paint: Paint) -> String {
        summary::text(&report::document(&self.report, lang), paint)
    }
}
