//! Statements: payloads of each kind, the signed envelope around them, enrolment requests. Promise: what is
//! decoded is encoded to the same bytes, what can be sealed opens again, and only what its key signed verifies.

use std::sync::LazyLock;

use evidence::cbor::{Reader, Writer};
use evidence::enrol::{EnrolError, Enrolment};
use evidence::key::SigningKey;
use evidence::statement::{Kind, Payload, open, seal};

use super::Bytes;

/// Signs everything here that is signed.
static KEY: LazyLock<SigningKey> = LazyLock::new(|| SigningKey::from_seed([2; 32]));
const PROJECT: &str = "SY-TEST";

/// The kind, then the payload's CBOR.
pub(super) fn payload(data: &[u8]) {
    let mut bytes = Bytes(data);
    let kind = Kind::ALL[usize::from(bytes.byte()) % Kind::ALL.len()];
    let Ok(payload) = Payload::decode(kind, bytes.0) else { return };
    assert_eq!(payload.kind(), kind);
    assert_eq!(payload.encode(), bytes.0);
    let Some(role) = kind.signers().first() else { panic!("{kind:?} has no signer") };
    let Ok(sealed) = seal(&KEY, *role, "edge-1", PROJECT, 1_772_380_860, &payload) else { return };
    // A genesis names its own signer and project, which this one need not.
    let opened = match (open(&sealed), kind) {
        (Err(_), Kind::Genesis) => return,
        (opened, _) => opened.unwrap_or_else(|e| panic!("sealed, and then {e}")),
    };
    assert_eq!(opened.payload, payload);
    assert_eq!(opened.leaf(), evidence::hash::leaf(&sealed));
    assert!(opened.verify(KEY.public()).is_ok());
}

/// A whole statement as it comes over the wire or out of a log.
pub(super) fn envelope(data: &[u8]) {
    let Ok(opened) = open(data) else { return };
    assert_eq!(opened.leaf(), evidence::hash::leaf(data));
    let mut r = Reader::new(data);
    let body = body_of(&mut r).unwrap_or_else(|e| panic!("opened, and then {e}"));
    assert_eq!(opened.payload.encode(), body);
    assert_eq!(opened.payload.kind(), opened.header.kind);
    assert!(opened.header.kind.signers().contains(&opened.header.role));
    let again = Payload::decode(opened.header.kind, body);
    assert_eq!(again.as_ref(), Ok(&opened.payload));
    let (role, id, iat) = (opened.header.role, opened.header.id.clone(), opened.header.iat);
    let (project, payload) = (opened.header.project.clone(), opened.payload.clone());
    if opened.verify(KEY.public()).is_ok() {
        // Ed25519 as used here is deterministic: the same content signed again is the same statement, but for
        // the other number of the algorithm.
        let sealed = seal(&KEY, role, &id, &project, iat, &payload).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(sealed.len().abs_diff(data.len()) <= 1, true, "another statement verifies");
    }
}

fn body_of<'a>(r: &mut Reader<'a>) -> Result<&'a [u8], evidence::DecodeError> {
    r.tag(18, "COSE_Sign1")?;
    r.tuple(4, "COSE_Sign1")?;
    r.bytes("protected header")?;
    r.map("unprotected header")?;
    r.bytes("payload")
}

/// A request with an honest header and signature around any content.
static HEADER: LazyLock<Vec<u8>> = LazyLock::new(|| {
    let request = Enrolment {
        agent: "edge-1".to_owned(),
        project: PROJECT.to_owned(),
        key: KEY.public().clone(),
        machines: Vec::new(),
        step_s: 60,
        windows_per_statement: 5,
        program: "0.1.0".to_owned(),
    };
    let sealed = request.seal(&KEY).unwrap_or_else(|e| panic!("{e}"));
    let mut r = Reader::new(&sealed);
    let mut header = || {
        r.tag(18, "enrolment")?;
        r.tuple(4, "enrolment")?;
        r.bytes("protected header").map(<[u8]>::to_vec)
    };
    header().unwrap_or_else(|e| panic!("{e}"))
});

/// 0: a whole request; else: its content, which is then signed.
pub(super) fn enrolment(data: &[u8]) {
    let mut bytes = Bytes(data);
    let whole = bytes.byte() == 0;
    let request = if whole { bytes.0.to_vec() } else { signed(bytes.0) };
    match Enrolment::open(&request) {
        Err(EnrolError::Decode(_)) => {}
        Err(EnrolError::Possession) => assert!(whole || !names_our_key(bytes.0), "signed by its own key"),
        Ok(opened) => {
            if opened.key == *KEY.public() {
                assert_eq!(opened.seal(&KEY).ok(), Some(request));
            }
        }
    }
}

fn names_our_key(body: &[u8]) -> bool {
    let key = KEY.public().bytes();
    body.windows(key.len()).any(|w| w == key)
}

fn signed(body: &[u8]) -> Vec<u8> {
    let mut to_sign = Writer::new();
    to_sign.array(4).text("Signature1").bytes(&HEADER).bytes(&[]).bytes(body);
    let signature = KEY.sign(&to_sign.finish());
    let mut w = Writer::new();
    w.tag(18).array(4).bytes(&HEADER).map(0).bytes(body).bytes(&signature);
    w.finish()
}
