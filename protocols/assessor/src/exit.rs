//! What the program's exit code means; the same for every program of the project.

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Exit {
    /// Done, and the answer is yes.
    Fine,
    /// Done, and the answer is no: the evidence is not authentic or not complete.
    No,
    /// Wrong use or configuration: a command, trust file, draft, passphrase.
    Use,
    /// The environment failed: disk, rights, randomness.
    Environment,
}

impl Exit {
    /// The code of the process.
    pub fn code(self) -> u8 {
        match self {
            Self::Fine => 0,
            Self::No => 1,
            Self::Use => 2,
            Self::Environment => 3,
        }
    }

    /// Who is to blame for an error of the file system: a name that is not there is wrong use, the rest is not.
    pub fn of_io(error: &std::io::Error) -> Self {
        match error.kind() {
            std::io::ErrorKind::NotFound | std::io::ErrorKind::IsADirectory => Self::Use,
            _ => Self::Environment,
        }
    }
}
