//! The bytes of a `COSE_Sign1` (RFC 9052, 4.2 and 4.4) with an empty unprotected header.

use crate::cbor::Writer;

/// What is signed: `["Signature1", protected, h'', payload]`.
pub(crate) fn to_be_signed(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.array(4).text("Signature1").bytes(protected).bytes(&[]).bytes(payload);
    w.finish()
}

/// The tagged message.
pub(crate) fn envelope(protected: &[u8], payload: &[u8], signature: &[u8]) -> Vec<u8> {
    let mut w = Writer::new();
    w.tag(18).array(4).bytes(protected).map(0).bytes(payload).bytes(signature);
    w.finish()
}
