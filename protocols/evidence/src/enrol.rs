//! An agent's request to join a project: its key, proof that it holds it, and a proposal for the roster.
//!
//! A `COSE_Sign1` of the statement's shape with the content type `application/vnd.plumbline.enrol+cbor`,
//! signed by the very key it asks to enrol. It never enters a log.

use crate::cbor::{Reader, Writer};
use crate::defect::{DecodeError, EncodeError};
use crate::key::{Alg, PublicKey, SigningKey};
use crate::payload::Flags;
use crate::sign1::{envelope, to_be_signed};
use crate::statement::MAX_STATEMENT;

const CONTENT_TYPE: &str = "application/vnd.plumbline.enrol+cbor";

/// Why a request is not accepted.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EnrolError {
    /// Not a request.
    #[error("not an enrolment request: {0}")]
    Decode(#[from] DecodeError),
    /// It does not prove possession of its key.
    #[error("the request is not signed by the key it names")]
    Possession,
}

/// A machine as the agent's configuration describes it; the genesis decides.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ProposedMachine {
    /// Id.
    pub id: String,
    /// Name.
    pub name: String,
    /// Line.
    pub line: String,
    /// `cnc`, `robot`, `press`, `meter` or `other`.
    pub kind: String,
    /// Columns it will report, ascending.
    pub columns: Vec<u8>,
    /// Canonical text of its state mapping.
    pub mapping: String,
    /// Planned time of one piece, ms.
    pub planned_cycle_ms: Option<u64>,
    /// Flags.
    pub flags: Flags,
    /// Identity text.
    pub identity: Option<String>,
    /// Rated power, W.
    pub rated_w: Option<u64>,
    /// Theoretical time of one piece, ms.
    pub theoretical_cycle_ms: Option<u64>,
}

/// A request to join.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Enrolment {
    /// Agent id.
    pub agent: String,
    /// Project id.
    pub project: String,
    /// The agent's key.
    pub key: PublicKey,
    /// Machines it will measure.
    pub machines: Vec<ProposedMachine>,
    /// Window length, s.
    pub step_s: u32,
    /// Windows in one statement.
    pub windows_per_statement: u32,
    /// Version of the agent's program.
    pub program: String,
}

impl Enrolment {
    fn write(&self) -> Vec<u8> {
        let mut w = Writer::new();
        w.map(8).uint(1).uint(1).uint(2).text(&self.agent).uint(3).text(&self.project);
        w.uint(4)
            .array(2)
            .bytes(self.key.bytes())
            .int(self.key.alg().cose())
            .uint(5)
            .array(self.machines.len());
        for m in &self.machines {
            write_machine(&mut w, m);
        }
        w.uint(6).uint(self.step_s.into()).uint(7).uint(self.windows_per_statement.into());
        w.uint(8).text(&self.program);
        w.finish()
    }

    /// Signs the request with the key it names.
    pub fn seal(&self, key: &SigningKey) -> Result<Vec<u8>, EncodeError> {
        let (header, body) = (header(self.key.alg()), self.write());
        let bytes = envelope(&header, &body, &key.sign(&to_be_signed(&header, &body)));
        match Self::open(&bytes) {
            Ok(_) => Ok(bytes),
            Err(e) => Err(EncodeError::Value { field: "enrolment", reason: e.to_string() }),
        }
    }

    /// Reads a request and checks that its signer holds the key. Requests may be as large as 16 statements,
    /// because they carry the mapping texts.
    pub fn open(bytes: &[u8]) -> Result<Self, EnrolError> {
        const LIMIT: usize = 16 * MAX_STATEMENT;
        if bytes.len() > LIMIT {
            return Err(DecodeError::TooLarge { size: bytes.len(), limit: LIMIT }.into());
        }
        let mut r = Reader::new(bytes);
        r.tag(18, "enrolment")?;
        r.tuple(4, "enrolment")?;
        let protected = r.bytes("protected header")?;
        if r.map("unprotected header")? != 0 {
            return Err(DecodeError::Unprotected.into());
        }
        let body = r.bytes("payload")?;
        let signature: [u8; 64] = r.fixed("signature")?;
        r.end()?;
        let request = Self::read(body)?;
        let header = header(request.key.alg());
        if header != protected || request.write() != body || envelope(&header, body, &signature) != bytes {
            return Err(DecodeError::NotCanonical(0).into());
        }
        let signed = to_be_signed(&header, body);
        request.key.verify(&signed, &signature).map_err(|_| EnrolError::Possession)?;
        Ok(request)
    }

    fn read(body: &[u8]) -> Result<Self, DecodeError> {
        let mut r = Reader::new(body);
        let at = r.at();
        if r.map("enrolment")? != 8 {
            return Err(DecodeError::Unexpected { expected: "an enrolment of 8 fields", at });
        }
        let mut next = 0;
        let mut key = |r: &mut Reader<'_>| -> Result<(), DecodeError> {
            next += 1;
            let found = r.uint("enrolment field")?;
            if found == next {
                Ok(())
            } else {
                Err(DecodeError::value("enrolment", format!("field {next} is missing")))
            }
        };
        key(&mut r)?;
        if r.uint("version")? != 1 {
            return Err(DecodeError::value("version", "not 1"));
        }
        key(&mut r)?;
        let agent = r.text("agent")?.to_owned();
        key(&mut r)?;
        let project = r.text("project")?.to_owned();
        key(&mut r)?;
        r.tuple(2, "public key")?;
        let bytes = r.bytes("public key")?;
        let alg = Alg::from_cose(r.int("key algorithm")?)
            .ok_or_else(|| DecodeError::value("key algorithm", "unknown"))?;
        let public =
            PublicKey::new(alg, bytes).map_err(|e| DecodeError::value("public key", e.to_string()))?;
        key(&mut r)?;
        let machines = r.list("machines", read_machine)?;
        key(&mut r)?;
        let step_s = r.small("step")?;
        key(&mut r)?;
        let windows_per_statement = r.small("windows per statement")?;
        key(&mut r)?;
        let program = r.text("program")?.to_owned();
        r.end()?;
        Ok(Self { agent, project, key: public, machines, step_s, windows_per_statement, program })
    }
}

fn write_machine(w: &mut Writer, m: &ProposedMachine) {
    w.array(11).text(&m.id).text(&m.name).text(&m.line).text(&m.kind).array(m.columns.len());
    for column in &m.columns {
        w.uint((*column).into());
    }
    w.text(&m.mapping);
    let number = |w: &mut Writer, n: u64| {
        w.uint(n);
    };
    w.optional(m.planned_cycle_ms, number);
    w.array(4).boolean(m.flags.key_operation).boolean(m.flags.numerically_controlled);
    w.boolean(m.flags.digital).boolean(m.flags.domestic);
    w.optional(m.identity.as_deref(), |w, s| {
        w.text(s);
    });
    w.optional(m.rated_w, number);
    w.optional(m.theoretical_cycle_ms, number);
}

fn read_machine(r: &mut Reader<'_>) -> Result<ProposedMachine, DecodeError> {
    r.tuple(11, "proposed machine")?;
    let text = |r: &mut Reader<'_>| r.text("proposed machine").map(str::to_owned);
    Ok(ProposedMachine {
        id: text(r)?,
        name: text(r)?,
        line: text(r)?,
        kind: text(r)?,
        columns: r.list("columns", |r| r.small("column id"))?,
        mapping: text(r)?,
        planned_cycle_ms: r.optional(|r| r.uint("planned cycle"))?,
        flags: {
            r.tuple(4, "machine flags")?;
            Flags {
                key_operation: r.boolean("key operation")?,
                numerically_controlled: r.boolean("numerically controlled")?,
                digital: r.boolean("digital")?,
                domestic: r.boolean("domestic")?,
            }
        },
        identity: r.optional(text)?,
        rated_w: r.optional(|r| r.uint("rated power"))?,
        theoretical_cycle_ms: r.optional(|r| r.uint("theoretical cycle"))?,
    })
}

fn header(alg: Alg) -> Vec<u8> {
    let mut w = Writer::new();
    w.map(2).uint(1).int(alg.cose()).uint(3).text(CONTENT_TYPE);
    w.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(key: &SigningKey) -> Enrolment {
        Enrolment {
            agent: "edge-07".into(),
            project: "SY-2024-017".into(),
            key: key.public().clone(),
            machines: vec![ProposedMachine {
                id: "cnc-01".into(),
                columns: vec![0, 5],
                ..Default::default()
            }],
            step_s: 60,
            windows_per_statement: 5,
            program: "plumbline-agent 0.1.0".into(),
        }
    }

    #[test]
    fn a_request_proves_that_its_signer_holds_the_key() {
        let key = SigningKey::from_seed([1; 32]);
        let bytes = request(&key).seal(&key).unwrap();
        assert_eq!(Enrolment::open(&bytes).unwrap(), request(&key));
        let other = SigningKey::from_seed([2; 32]);
        assert!(request(&key).seal(&other).is_err());
        let mut changed = bytes.clone();
        let last = changed.len() - 1;
        changed[last] ^= 1;
        assert_eq!(Enrolment::open(&changed), Err(EnrolError::Possession));
    }
}
