//! The signed envelope: `COSE_Sign1` (RFC 9052, 4.2) with one fixed shape, and what may stand in it.
//!
//! ```text
//! D2                                   tag 18
//! 84                                   array of 4
//!    58 xx <protected>                 {1: alg, 3: content type, 4: kid, 15: {1: iss, 2: sub, 6: iat}}
//!    A0                                unprotected: empty, always
//!    59 xxxx <payload>                 one of the payloads of module `payload`
//!    58 40 <signature>                 over ["Signature1", protected, h'', payload]
//! ```
//!
//! Opening rebuilds the whole statement from its typed fields and compares bytes: what this module cannot
//! write it does not accept.

use crate::cbor::{Reader, Writer, fields};
use crate::defect::{DecodeError, EncodeError};
use crate::hash::{self, Hash};
use crate::key::{Alg, Kid, PublicKey, SignatureError, SigningKey};
use crate::payload::{
    Annotation, Audit, Close, Declaration, EventBatch, Genesis, KeyChange, Place, Plan, ReportNote,
    RosterKey, WindowBatch,
};

use crate::sign1::{envelope, to_be_signed};

/// Largest statement, bytes: entries of C2SP tlog-tiles end at 65 535, and a margin is kept.
pub const MAX_STATEMENT: usize = 48_000;

/// What a statement is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// First statement of a log.
    Genesis,
    /// Windows.
    Window,
    /// Events.
    Event,
    /// Key changes.
    Key,
    /// The registrar's decisions.
    Plan,
    /// Declared figures.
    Declaration,
    /// Remarks.
    Annotation,
    /// Raw audit.
    Audit,
    /// An acceptance report's hash.
    Report,
    /// End of a stream.
    Close,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 10] = [
        Self::Genesis,
        Self::Window,
        Self::Event,
        Self::Key,
        Self::Plan,
        Self::Declaration,
        Self::Annotation,
        Self::Audit,
        Self::Report,
        Self::Close,
    ];

    /// The content type of the protected header.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Genesis => "application/vnd.plumbline.genesis+cbor",
            Self::Window => "application/vnd.plumbline.window+cbor",
            Self::Event => "application/vnd.plumbline.event+cbor",
            Self::Key => "application/vnd.plumbline.key+cbor",
            Self::Plan => "application/vnd.plumbline.plan+cbor",
            Self::Declaration => "application/vnd.plumbline.declaration+cbor",
            Self::Annotation => "application/vnd.plumbline.annotation+cbor",
            Self::Audit => "application/vnd.plumbline.audit+cbor",
            Self::Report => "application/vnd.plumbline.report+cbor",
            Self::Close => "application/vnd.plumbline.close+cbor",
        }
    }

    /// The kind of a content type.
    pub fn from_content_type(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.content_type() == text)
    }

    /// Who may sign this kind.
    pub fn signers(self) -> &'static [Role] {
        match self {
            Self::Genesis | Self::Key | Self::Plan => &[Role::Registrar],
            Self::Window | Self::Event => &[Role::Agent],
            Self::Declaration => &[Role::Enterprise, Role::Registrar],
            Self::Annotation => &[Role::Enterprise, Role::Assessor],
            Self::Audit | Self::Report => &[Role::Assessor],
            Self::Close => &[Role::Agent, Role::Registrar],
        }
    }
}

/// Who signs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Says what a project measures.
    Registrar,
    /// Measures.
    Agent,
    /// Declares.
    Enterprise,
    /// Audits and reports.
    Assessor,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 4] = [Self::Registrar, Self::Agent, Self::Enterprise, Self::Assessor];

    /// Lower-case text.
    pub fn text(self) -> &'static str {
        match self {
            Self::Registrar => "registrar",
            Self::Agent => "agent",
            Self::Enterprise => "enterprise",
            Self::Assessor => "assessor",
        }
    }

    /// The role of a text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.text() == text)
    }
}

/// The protected header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Who signed, as a key.
    pub kid: Kid,
    /// With which algorithm.
    pub alg: Alg,
    /// The COSE number the signer wrote (-19 is accepted beside -8).
    alg_number: i64,
    /// What the payload is.
    pub kind: Kind,
    /// Who signed, as a role.
    pub role: Role,
    /// Who signed, by id.
    pub id: String,
    /// Project.
    pub project: String,
    /// When, UTC seconds; a claim.
    pub iat: i64,
}

impl Header {
    fn write(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(4)
            .uint(1)
            .int(self.alg_number)
            .uint(3)
            .text(self.kind.content_type())
            .uint(4)
            .bytes(&self.kid.0);
        w.uint(15).map(3).uint(1).text(&format!("urn:plumbline:{}:{}", self.role.text(), self.id));
        w.uint(2).text(&format!("urn:plumbline:project:{}", self.project)).uint(6).int(self.iat);
        w.finish()
    }

    fn read(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let (mut alg, mut content_type, mut key_id, mut claims) = (None, None, None, None);
        fields(&mut r, "protected header", |key, r| {
            match key {
                1 => alg = Some(r.int("alg")?),
                3 => content_type = Some(r.text("content type")?),
                4 => key_id = Some(Kid(r.fixed("kid")?)),
                15 => claims = Some(read_claims(r)?),
                _ => return Err(DecodeError::value("protected header", format!("unknown parameter {key}"))),
            }
            Ok(())
        })?;
        r.end()?;
        let missing = || DecodeError::value("protected header", "a parameter is missing");
        let alg_number = alg.ok_or_else(missing)?;
        let alg = Alg::from_cose(alg_number);
        let alg = alg.ok_or_else(|| DecodeError::value("alg", format!("{alg_number} is not accepted")))?;
        let content_type = content_type.ok_or_else(missing)?;
        let kind = Kind::from_content_type(content_type)
            .ok_or_else(|| DecodeError::value("content type", format!("{content_type:?} is not known")))?;
        let (role, id, project, iat) = claims.ok_or_else(missing)?;
        Ok(Self { kid: key_id.ok_or_else(missing)?, alg, alg_number, kind, role, id, project, iat })
    }
}

/// Whether a text may name a project or a signer: 1 to 64 letters, digits, `-`, `_` or `.`, not beginning with
/// a dot. Such a text is a path segment and a file name without quoting.
pub fn is_id(text: &str) -> bool {
    let fits = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    !text.starts_with('.') && (1..=64).contains(&text.chars().count()) && text.chars().all(fits)
}

type Claims = (Role, String, String, i64);

fn read_claims(r: &mut Reader<'_>) -> Result<Claims, DecodeError> {
    let (mut issuer, mut subject, mut iat) = ("", "", None);
    fields(r, "claims", |key, r| {
        match key {
            1 => issuer = r.text("iss")?,
            2 => subject = r.text("sub")?,
            6 => iat = Some(r.int("iat")?),
            _ => return Err(DecodeError::value("claims", format!("unknown claim {key}"))),
        }
        Ok(())
    })?;
    let (role, id) = issuer
        .strip_prefix("urn:plumbline:")
        .and_then(|rest| rest.split_once(':'))
        .and_then(|(role, id)| Some((Role::from_text(role)?, id)))
        .filter(|(_, id)| is_id(id))
        .ok_or_else(|| DecodeError::value("iss", format!("{issuer:?} is not urn:plumbline:<role>:<id>")))?;
    let project = subject
        .strip_prefix("urn:plumbline:project:")
        .filter(|project| is_id(project))
        .ok_or_else(|| DecodeError::value("sub", format!("{subject:?} is not urn:plumbline:project:<id>")))?;
    let iat = iat.ok_or_else(|| DecodeError::value("claims", "iat is missing"))?;
    Ok((role, id.to_owned(), project.to_owned(), iat))
}

/// What a statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Payload {
    /// See [`Genesis`].
    Genesis(Box<Genesis>),
    /// See [`WindowBatch`].
    Window(Box<WindowBatch>),
    /// See [`EventBatch`].
    Event(EventBatch),
    /// See [`KeyChange`].
    Key(Box<KeyChange>),
    /// See [`Plan`].
    Plan(Box<Plan>),
    /// See [`Declaration`].
    Declaration(Declaration),
    /// See [`Annotation`].
    Annotation(Annotation),
    /// See [`Audit`].
    Audit(Audit),
    /// See [`ReportNote`].
    Report(ReportNote),
    /// See [`Close`].
    Close(Close),
}

impl Payload {
    /// Which kind it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Genesis(_) => Kind::Genesis,
            Self::Window(_) => Kind::Window,
            Self::Event(_) => Kind::Event,
            Self::Key(_) => Kind::Key,
            Self::Plan(_) => Kind::Plan,
            Self::Declaration(_) => Kind::Declaration,
            Self::Annotation(_) => Kind::Annotation,
            Self::Audit(_) => Kind::Audit,
            Self::Report(_) => Kind::Report,
            Self::Close(_) => Kind::Close,
        }
    }

    /// Place in the signer's stream; the genesis is seq 0 of the registrar's.
    pub fn place(&self) -> Place {
        match self {
            Self::Genesis(_) => Place::default(),
            Self::Window(p) => p.place,
            Self::Event(p) => p.place,
            Self::Key(p) => p.place,
            Self::Plan(p) => p.place,
            Self::Declaration(p) => p.place,
            Self::Annotation(p) => p.place,
            Self::Audit(p) => p.place,
            Self::Report(p) => p.place,
            Self::Close(p) => p.place,
        }
    }

    /// Sequence number in the signer's stream.
    pub fn seq(&self) -> u64 {
        self.place().seq
    }

    /// Leaf hash of the stream's statement before.
    pub fn prev(&self) -> Option<Hash> {
        self.place().prev
    }

    /// The canonical bytes.
    pub fn encode(&self) -> Vec<u8> {
        let w = &mut Writer::new();
        match self {
            Self::Genesis(p) => p.write(w),
            Self::Window(p) => p.write(w),
            Self::Event(p) => p.write(w),
            Self::Key(p) => p.write(w),
            Self::Plan(p) => p.write(w),
            Self::Declaration(p) => p.write(w),
            Self::Annotation(p) => p.write(w),
            Self::Audit(p) => p.write(w),
            Self::Report(p) => p.write(w),
            Self::Close(p) => p.write(w),
        }
        std::mem::take(w).finish()
    }

    /// Reads a payload of a known kind; the bytes must be canonical.
    pub fn decode(kind: Kind, bytes: &[u8]) -> Result<Self, DecodeError> {
        let r = &mut Reader::new(bytes);
        let payload = match kind {
            Kind::Genesis => Genesis::read(r).map(Box::new).map(Self::Genesis),
            Kind::Window => return Self::decode_window(bytes),
            Kind::Event => EventBatch::read(r).map(Self::Event),
            Kind::Key => KeyChange::read(r).map(Box::new).map(Self::Key),
            Kind::Plan => Plan::read(r).map(Box::new).map(Self::Plan),
            Kind::Declaration => Declaration::read(r).map(Self::Declaration),
            Kind::Annotation => Annotation::read(r).map(Self::Annotation),
            Kind::Audit => Audit::read(r).map(Self::Audit),
            Kind::Report => ReportNote::read(r).map(Self::Report),
            Kind::Close => Close::read(r).map(Self::Close),
        }?;
        r.end()?;
        same(&payload.encode(), bytes)?;
        Ok(payload)
    }
}

impl Payload {
    /// Windows are most of a log. Their columns are canonical by the way they are read, everything around them
    /// is built anew.
    fn decode_window(bytes: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(bytes);
        let (batch, columns) = WindowBatch::read(&mut r)?;
        r.end()?;
        let mut w = Writer::new();
        batch.rebuild(&mut w, &bytes[columns]);
        same(&w.finish(), bytes)?;
        Ok(Self::Window(Box::new(batch)))
    }
}

/// Rebuilt bytes must be the bytes that came.
fn same(rebuilt: &[u8], came: &[u8]) -> Result<(), DecodeError> {
    if rebuilt == came {
        return Ok(());
    }
    let at = rebuilt.iter().zip(came).take_while(|(a, b)| a == b).count();
    Err(DecodeError::NotCanonical(at))
}

/// Signs a payload. `iat` is UTC seconds.
pub fn seal(
    key: &SigningKey,
    role: Role,
    id: &str,
    project: &str,
    iat: i64,
    payload: &Payload,
) -> Result<Vec<u8>, EncodeError> {
    let alg = key.public().alg();
    let header = Header {
        kid: key.public().kid(),
        alg,
        alg_number: alg.cose(),
        kind: payload.kind(),
        role,
        id: id.to_owned(),
        project: project.to_owned(),
        iat,
    };
    let (protected, body) = (header.write(), payload.encode());
    // What cannot be read back must not be signed: the reader holds every rule about values.
    let readable = Header::read(&protected).and_then(|_| Payload::decode(payload.kind(), &body));
    if let Err(e) = readable {
        return Err(EncodeError::Value { field: "statement", reason: e.to_string() });
    }
    let signature = key.sign(&to_be_signed(&protected, &body));
    let bytes = envelope(&protected, &body, &signature);
    if bytes.len() > MAX_STATEMENT {
        return Err(EncodeError::TooLarge { size: bytes.len(), limit: MAX_STATEMENT });
    }
    Ok(bytes)
}

/// A statement that is well formed but whose signature has not been checked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unverified {
    /// The header's claims.
    pub header: Header,
    /// What it says.
    pub payload: Payload,
    leaf: Hash,
    signed: Vec<u8>,
    signature: [u8; 64],
}

impl Unverified {
    /// The leaf hash of the entry.
    pub fn leaf(&self) -> Hash {
        self.leaf
    }

    /// Checks the signature with the key that was enrolled under this kid.
    pub fn verify(self, key: &PublicKey) -> Result<Statement, SignatureError> {
        if key.kid() != self.header.kid || key.alg() != self.header.alg {
            return Err(SignatureError);
        }
        key.verify(&self.signed, &self.signature)?;
        Ok(Statement(self))
    }
}

/// A statement whose signature was checked. Only [`Unverified::verify`] makes one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement(Unverified);

impl Statement {
    /// The header.
    pub fn header(&self) -> &Header {
        &self.0.header
    }

    /// What it says.
    pub fn payload(&self) -> &Payload {
        &self.0.payload
    }

    /// The leaf hash of the entry.
    pub fn leaf(&self) -> Hash {
        self.0.leaf
    }

    /// Header and payload, owned.
    pub fn into_parts(self) -> (Header, Payload) {
        (self.0.header, self.0.payload)
    }
}

/// A genesis speaks of its own project and enrols its own signer as registrar.
fn check_genesis(header: &Header, genesis: &Genesis) -> Result<(), DecodeError> {
    if genesis.project != header.project {
        return Err(DecodeError::value("project", "is not the one in the header"));
    }
    let signer = |key: &&RosterKey| key.role == Role::Registrar && key.key.kid() == header.kid;
    match genesis.keys.iter().find(signer) {
        Some(_) => Ok(()),
        None => Err(DecodeError::value("roster keys", "the signer is not among them as registrar")),
    }
}

/// Reads a statement, accepting only what [`seal`] could have written (and -19 for -8).
pub fn open(bytes: &[u8]) -> Result<Unverified, DecodeError> {
    if bytes.len() > MAX_STATEMENT {
        return Err(DecodeError::TooLarge { size: bytes.len(), limit: MAX_STATEMENT });
    }
    let mut r = Reader::new(bytes);
    r.tag(18, "COSE_Sign1")?;
    r.tuple(4, "COSE_Sign1")?;
    let protected = r.bytes("protected header")?;
    if r.map("unprotected header")? != 0 {
        return Err(DecodeError::Unprotected);
    }
    let body = r.bytes("payload")?;
    let signature: [u8; 64] = r.fixed("signature")?;
    r.end()?;
    let header = Header::read(protected)?;
    let payload = Payload::decode(header.kind, body)?;
    same(&header.write(), protected)?;
    same(&envelope(protected, body, &signature), bytes)?;
    if let Payload::Genesis(genesis) = &payload {
        check_genesis(&header, genesis)?;
    }
    if !header.kind.signers().contains(&header.role) {
        let reason = format!("{} may not sign {:?}", header.role.text(), header.kind);
        return Err(DecodeError::value("iss", reason));
    }
    let signed = to_be_signed(protected, body);
    Ok(Unverified { header, payload, leaf: hash::leaf(bytes), signed, signature })
}
