//! The uplink, both sides: what an agent may push, and what a gateway may answer. Promise: a body is its list of
//! statements and nothing else; nothing that is not understood counts as stored.

use ::uplink::{
    BodyWriter, ConsistencyProof, Enrolled, InclusionProof, MAX_STATEMENT_LEN, Outcome, Problem, Stored,
    StreamState, split,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Bytes;

const STATUSES: [u16; 12] = [200, 201, 204, 302, 400, 404, 409, 413, 422, 423, 429, 503];

/// 0: a push's body; 1: an answer to it; else: another answer.
pub(super) fn uplink(data: &[u8]) {
    let mut bytes = Bytes(data);
    match bytes.byte() % 8 {
        0 => body(bytes.0),
        1 => outcome(&mut bytes),
        2 => settles::<Stored>(bytes.0),
        3 => settles::<StreamState>(bytes.0),
        4 => settles::<ConsistencyProof>(bytes.0),
        5 => settles::<InclusionProof>(bytes.0),
        6 => settles::<Enrolled>(bytes.0),
        _ => settles::<Problem>(bytes.0),
    }
}

fn body(body: &[u8]) {
    let Ok(statements) = split(body) else { return };
    let mut writer = BodyWriter::new();
    for statement in &statements {
        assert!((1..=MAX_STATEMENT_LEN).contains(&statement.len()));
        writer.push(statement).unwrap_or_else(|e| panic!("{e}"));
    }
    assert_eq!(writer.count(), statements.len());
    assert_eq!(writer.finish(), body);
}

fn outcome(bytes: &mut Bytes<'_>) {
    let status = STATUSES[usize::from(bytes.byte()) % STATUSES.len()];
    let outcome = Outcome::of(status, Some(9), bytes.0);
    let read = serde_json::from_slice::<Stored>(bytes.0).is_ok();
    let all_stored = matches!(outcome, Outcome::Stored(_));
    assert_eq!(all_stored, status == 200 && read, "{status} {outcome:?}");
    if !outcome.stored().is_empty() && !all_stored {
        assert!(serde_json::from_slice::<Problem>(bytes.0).is_ok_and(|p| p.stored == outcome.stored()));
    }
}

fn settles<T: Serialize + DeserializeOwned + PartialEq + std::fmt::Debug>(body: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(body) else { return };
    let written = serde_json::to_vec(&read).unwrap_or_default();
    assert_eq!(serde_json::from_slice::<T>(&written).ok().as_ref(), Some(&read));
}
