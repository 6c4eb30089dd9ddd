//! OPC UA against asyncua, signed and encrypted: every bit is noticed, and the relay sees nothing but chunks.

use crate::opcua::{self, OpcUa};
use crate::server::{Server, counting};
use crate::transport::{Age, Reason, Transport, Ways, passing};
use plumbline_tests::harness::relay::Fault;
use plumbline_tests::harness::relay::watch::Rule;
use protocols::Link;
use serde_json::json;
use std::cell::RefCell;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) struct OpcUaSecured;

thread_local! {
    /// Where the certificates of the link lie that is made after the server, by the same test.
    static PKI: RefCell<PathBuf> = RefCell::default();
}

/// Behind the headers of a chunk: the sequence number, which is encrypted already.
const ENCRYPTED: usize = 16;

/// Flips bits in the last byte of a message, which belongs to its signature.
fn signature() -> Fault {
    Fault::change(1, |answer| {
        let mut other = answer.strip_prefix(b"MSG").map(|_| answer.to_vec())?;
        *other.last_mut()? ^= 0x01;
        Some(other)
    })
}

impl Transport for OpcUaSecured {
    const NAME: &'static str = "OPC UA Basic256Sha256/SignAndEncrypt";
    const RULE: Rule = OpcUa::RULE;
    const AGE: Age = OpcUa::AGE;
    const ONCE: Result<(), Reason> = OpcUa::ONCE;
    const SEEN: Result<(), Reason> = Err("the services are encrypted; without security they are the same");

    fn serve(folder: &Path, from: u64) -> Server {
        let (main, address) = counting(folder, "opcua_secured", from, 0);
        let pki = folder.join("agent");
        std::fs::create_dir_all(pki.join("trusted")).unwrap();
        // What the operator does after having compared the fingerprint.
        std::fs::copy(folder.join("server-cert.der"), pki.join("trusted/server.der")).unwrap();
        PKI.set(pki);
        Server { address, main, _others: vec![] }
    }

    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link> {
        let security =
            json!({"security": "Basic256Sha256/SignAndEncrypt", "pki_dir": PKI.with_borrow(Clone::clone)});
        opcua::link(at, patience, &security)
    }

    fn short() -> Ways {
        OpcUa::short()
    }

    fn wrong_unit() -> Ways {
        OpcUa::wrong_unit()
    }

    fn wrong_id() -> Ways {
        Err("the numbers of a message are encrypted and signed with it")
    }

    fn corrupted() -> Ways {
        Ok(passing([
            ("no type", opcua::flip(0, 0x20)),
            ("longer", opcua::flip(opcua::SIZE, 0x01)),
            ("another token", opcua::flip(12, 0x01)),
            ("what is encrypted", opcua::flip(ENCRYPTED, 0x01)),
            ("the signature", signature()),
        ]))
    }
}
