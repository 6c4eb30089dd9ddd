//! Signs a project's genesis: reads the draft that the gateway collected, checks each agent's proof of
//! possession again, shows what will be signed and writes the statement with a trust file beside it.
//!
//! What is shown is the genesis itself, not the draft: a registrar signs what was seen.

use std::path::{Path, PathBuf};

use evidence::key::{PublicKey, SigningKey};
use evidence::payload::Genesis;
use evidence::statement::{self, MAX_STATEMENT, Payload, Role};
use report::Lang;
use verify::draft::{Draft, DraftError};
use verify::trust::Trust;
use zeroize::Zeroizing;

use crate::exit::Exit;
use crate::fresh::{self, FreshError, Readers};
use crate::roster;

/// Everything of the statement but its payload takes less than this, bytes.
const ENVELOPE: usize = 1000;

/// What to sign and with which key.
#[derive(Clone, Copy, Debug)]
pub struct GenesisRequest<'a> {
    /// `draft.toml` of `plumbline-gateway project create`.
    pub draft: &'a Path,
    /// The registrar's key, PKCS#8 PEM.
    pub key: &'a Path,
    /// The key's passphrase, if it has one.
    pub passphrase: Option<&'a str>,
    /// The registrar's id in the roster.
    pub registrar_id: &'a str,
    /// Folder the two files go to.
    pub out: &'a Path,
    /// UTC seconds, the statement's claimed time of signing.
    pub now: i64,
}

/// A genesis that is ready to be looked at and signed.
pub struct Prepared {
    genesis: Genesis,
    key: SigningKey,
    registrar_id: String,
    out: PathBuf,
    now: i64,
}

/// The two files that were written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GenesisFiles {
    /// The signed statement.
    pub genesis: PathBuf,
    /// Trust anchors for assessors, to be given to them by hand, not through the gateway.
    pub trust: PathBuf,
    /// SHA-256 leaf hash of the statement: the project's identity in the log.
    pub leaf: evidence::Hash,
}

/// No genesis was signed.
#[derive(Debug, thiserror::Error)]
pub enum GenesisError {
    /// A file could not be read.
    #[error("cannot read {}: check its name and rights", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The draft cannot be read as one.
    #[error("{}:{line}: {message}", path.display())]
    Syntax {
        /// The draft.
        path: PathBuf,
        /// Where, from line 1.
        line: usize,
        /// What is wrong.
        message: String,
    },
    /// The draft contradicts itself, or an agent does not prove its key.
    #[error("the draft {} cannot be signed", path.display())]
    Draft {
        /// The draft.
        path: PathBuf,
        /// What is wrong with it.
        source: DraftError,
    },
    /// Wrong passphrase, or no key.
    #[error("cannot open the key {}", path.display())]
    Key {
        /// The key file.
        path: PathBuf,
        /// What is wrong with it.
        source: evidence::key::KeyError,
    },
    /// The project's id cannot name a file.
    #[error(
        "project id {0:?} cannot name a file; use letters, digits, `-`, `_` and `.`, and correct the draft"
    )]
    ProjectId(String),
    /// The keys in the draft are no trust anchors.
    #[error("the keys in the draft make no usable trust file; correct the draft and sign again: {0}")]
    Trust(verify::trust::TrustErrors),
    /// The statement would be too large or is not encodable.
    #[error("the genesis cannot be encoded; correct the draft")]
    Encode(#[from] evidence::EncodeError),
    /// A file could not be made.
    #[error(transparent)]
    File(#[from] FreshError),
    /// The system gives no randomness.
    #[error("the system's random number generator failed; nothing was written")]
    Randomness(#[source] getrandom::Error),
}

impl GenesisError {
    /// Who is to blame.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Read { source, .. } => Exit::of_io(source),
            Self::File(error) => error.exit(),
            Self::Randomness(_) => Exit::Environment,
            Self::Syntax { .. }
            | Self::Draft { .. }
            | Self::Key { .. }
            | Self::ProjectId(_)
            | Self::Trust(_)
            | Self::Encode(_) => Exit::Use,
        }
    }
}

/// Prepares, signs and writes without asking: for scripts and the demonstration.
pub fn genesis(request: GenesisRequest<'_>) -> Result<GenesisFiles, GenesisError> {
    prepare(request)?.sign()
}

/// Reads the draft and the key and makes the genesis, unsigned.
pub fn prepare(request: GenesisRequest<'_>) -> Result<Prepared, GenesisError> {
    let wrong_draft = |source| GenesisError::Draft { path: request.draft.to_owned(), source };
    let draft = read_draft(request.draft)?;
    let key = open_key(request.key, request.passphrase)?;
    let mut nonce = [0u8; 16];
    getrandom::fill(&mut nonce).map_err(GenesisError::Randomness)?;
    let genesis = draft.to_genesis(key.public(), request.registrar_id, nonce).map_err(wrong_draft)?;
    names_a_file(&genesis.project)?;
    Ok(Prepared {
        genesis,
        key,
        registrar_id: request.registrar_id.to_owned(),
        out: request.out.to_owned(),
        now: request.now,
    })
}

impl Prepared {
    /// What will be signed.
    pub fn genesis(&self) -> &Genesis {
        &self.genesis
    }

    /// The registrar's public key.
    pub fn registrar(&self) -> &PublicKey {
        self.key.public()
    }

    /// What will be signed, as a table to read before saying yes.
    pub fn show(&self, lang: Lang) -> String {
        let mut text = roster::text(&self.genesis, lang);
        let count = self.left_out().len();
        if count > 0 {
            let note = match lang {
                Lang::Zh => format!(
                    "其中 {count} 份文本放不进创世声明，声明只含其哈希；请保存 draft.toml，文本在其中。"
                ),
                Lang::En => format!(
                    "{count} of these texts do not fit into the genesis, which carries their hashes; keep draft.toml, it holds the texts."
                ),
            };
            for part in ["\n  ", &note, "\n"] {
                text.push_str(part);
            }
        }
        text
    }

    /// Positions of the definitions whose texts do not fit into one statement (evidence SPEC.md, genesis field 13).
    fn left_out(&self) -> Vec<usize> {
        let size = Payload::Genesis(Box::new(self.genesis.clone())).encode().len();
        let lengths: Vec<usize> = self.genesis.definitions.iter().map(|d| d.text.len()).collect();
        longest(&lengths, size.saturating_sub(MAX_STATEMENT - ENVELOPE))
    }

    /// Signs and writes both files. Either name being taken leaves the disk as it was.
    pub fn sign(self) -> Result<GenesisFiles, GenesisError> {
        let project = self.genesis.project.clone();
        let trust_text = trust_file(&self.genesis, self.key.public());
        trust_text.parse::<Trust>().map_err(GenesisError::Trust)?;
        let left_out = self.left_out();
        let mut genesis = self.genesis;
        for position in left_out {
            // The hash stays and binds the text as well.
            genesis.definitions[position].text.clear();
        }
        let payload = Payload::Genesis(Box::new(genesis));
        let bytes =
            statement::seal(&self.key, Role::Registrar, &self.registrar_id, &project, self.now, &payload)?;
        let genesis = self.out.join(format!("{project}.genesis"));
        let trust = self.out.join(format!("{project}.trust.toml"));
        if trust.exists() {
            return Err(FreshError::Exists { path: trust }.into());
        }
        fresh::write(&genesis, &bytes, Readers::Usual)?;
        fresh::write(&trust, trust_text.as_bytes(), Readers::Usual)?;
        Ok(GenesisFiles { genesis, trust, leaf: evidence::hash::leaf(&bytes) })
    }
}

/// Which of the texts with these lengths to leave out so that `excess` bytes go: as few as possible.
fn longest(lengths: &[usize], excess: usize) -> Vec<usize> {
    let mut positions: Vec<usize> = (0..lengths.len()).collect();
    positions.sort_by_key(|position| std::cmp::Reverse(lengths[*position]));
    let mut gone = 0;
    positions.retain(|position| {
        let needed = gone < excess;
        gone += if needed { lengths[*position] } else { 0 };
        needed
    });
    positions
}

fn read(path: &Path) -> Result<String, GenesisError> {
    std::fs::read_to_string(path).map_err(|source| GenesisError::Read { path: path.to_owned(), source })
}

fn read_draft(path: &Path) -> Result<Draft, GenesisError> {
    let text = read(path)?;
    toml::from_str(&text).map_err(|e| GenesisError::Syntax {
        path: path.to_owned(),
        line: 1 + text.bytes().take(e.span().map_or(0, |s| s.start)).filter(|b| *b == b'\n').count(),
        message: e.message().to_owned(),
    })
}

fn open_key(path: &Path, passphrase: Option<&str>) -> Result<SigningKey, GenesisError> {
    let pem = Zeroizing::new(read(path)?);
    SigningKey::from_pem(&pem, passphrase)
        .map_err(|source| GenesisError::Key { path: path.to_owned(), source })
}

fn names_a_file(project: &str) -> Result<(), GenesisError> {
    let plain = project.chars().all(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | '.'));
    if plain && !project.is_empty() && !project.starts_with('.') && project.len() <= 100 {
        Ok(())
    } else {
        Err(GenesisError::ProjectId(project.to_owned()))
    }
}

/// Trust anchors as the assessor's program reads them. The period stays to be filled in by hand, because it
/// is the assessor's question and not the registrar's statement.
fn trust_file(genesis: &Genesis, registrar: &PublicKey) -> String {
    let mut anchors = toml::Table::new();
    let mut put = |key: &str, value: String| {
        anchors.insert(key.to_owned(), toml::Value::String(value));
    };
    put("log", genesis.log_vkey.clone());
    put("receipt", genesis.receipt_key.to_string());
    put("registrar", registrar.to_string());
    if let Some(vkey) = &genesis.operator_time_vkey {
        put("operator_time", vkey.clone());
    }
    if let Some(policy) = &genesis.witness_policy {
        put("witness_policy", policy.clone());
    }
    anchors.insert("max_lag".to_owned(), toml::Value::Integer(genesis.max_lag_s.into()));
    format!(
        "# 信任文件：请由登记方当面或经其他可信途径交给验收方，不要经由网关转交。\n\
         # Trust anchors: hand them over in person or by another trusted way, never through the gateway.\n\
         {anchors}\
         # 评估期（UTC 秒，含首不含尾）；没有它就看不出末尾被截去。\n\
         # The period to assess, UTC seconds [from, to): without it a cut tail cannot be seen.\n\
         # period = [{}, {}]\n",
        genesis.periods.first().map_or(0, |p| p.from),
        genesis.periods.first().map_or(0, |p| p.to),
    )
}

#[cfg(test)]
mod tests {
    use super::longest;

    #[test]
    fn as_few_texts_as_possible_are_left_out_of_a_genesis_that_is_too_long() {
        for (lengths, excess, left_out) in [
            (&[5, 9, 7][..], 0, &[][..]),
            (&[5, 9, 7], 1, &[1]),
            (&[5, 9, 7], 9, &[1]),
            (&[5, 9, 7], 10, &[1, 2]),
            (&[5, 9, 7], 1000, &[1, 2, 0]),
            (&[], 3, &[]),
        ] {
            assert_eq!(longest(lengths, excess), left_out, "{lengths:?} without {excess}");
        }
    }
}
