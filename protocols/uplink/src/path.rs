//! Every path of the interface: once as a route pattern for the server, once as a function for the client.
//! Names are percent-encoded as single segments (RFC 3986 section 2.3 leaves letters, digits and `-._~`).

use std::fmt::Write as _;

/// Push statements (POST).
pub const STATEMENTS: &str = "/v1/projects/{project}/statements";
/// Where a stream stands (GET).
pub const STREAM: &str = "/v1/projects/{project}/streams/{kid}";
/// The newest checkpoint, a signed note (GET).
pub const CHECKPOINT: &str = "/v1/projects/{project}/checkpoint";
/// Hash and entries tiles of the log (GET), C2SP tlog-tiles paths.
pub const TILE: &str = "/v1/projects/{project}/tile/{*tile}";
/// The receipt of an entry, COSE (GET).
pub const RECEIPT: &str = "/v1/projects/{project}/receipts/{index}";
/// A consistency proof between two tree sizes (GET, `from`, `to`).
pub const CONSISTENCY: &str = "/v1/projects/{project}/consistency";
/// An inclusion proof against the newest checkpoint (GET).
pub const PROOF: &str = "/v1/projects/{project}/proof/{index}";
/// The genesis statement's bytes (GET).
pub const GENESIS: &str = "/v1/projects/{project}/genesis";
/// Windows of a machine (GET, `machine`, `from`, `to`, `after`).
pub const WINDOWS: &str = "/v1/projects/{project}/windows";
/// Figures (GET, `from`, `to`).
pub const KPIS: &str = "/v1/projects/{project}/kpis";
/// One project (GET).
pub const PROJECT: &str = "/v1/projects/{project}";
/// All projects (GET).
pub const PROJECTS: &str = "/v1/projects";
/// Ask to be enrolled (POST `enrol.cbor`).
pub const ENROL: &str = "/v1/enrol";
/// Whether the gateway is up (GET).
pub const HEALTH: &str = "/v1/health";

/// Media type of an enrolment request.
pub const ENROL_TYPE: &str = "application/vnd.plumbline.enrol+cbor";
/// Media type of a receipt and of a statement (RFC 9052 section 16.2).
pub const COSE_TYPE: &str = "application/cose";

/// A name as one path segment.
pub fn segment(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            // Writing to a String cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
    out
}

fn of(project: &str, rest: &str) -> String {
    format!("/v1/projects/{}/{rest}", segment(project))
}

/// See [`STATEMENTS`].
pub fn statements(project: &str) -> String {
    of(project, "statements")
}

/// See [`STREAM`]; `kid` is the key's thumbprint.
pub fn stream(project: &str, kid: &crate::Hash) -> String {
    of(project, &format!("streams/{}", hex::encode(kid)))
}

/// See [`CHECKPOINT`].
pub fn checkpoint(project: &str) -> String {
    of(project, "checkpoint")
}

/// See [`TILE`]; `tile` is the C2SP path, such as `tile/0/000.p/3`.
pub fn tile(project: &str, tile: &str) -> String {
    of(project, tile)
}

/// See [`RECEIPT`].
pub fn receipt(project: &str, index: u64) -> String {
    of(project, &format!("receipts/{index}"))
}

/// See [`CONSISTENCY`]; tree sizes.
pub fn consistency(project: &str, from: u64, to: u64) -> String {
    of(project, &format!("consistency?from={from}&to={to}"))
}

/// See [`PROOF`].
pub fn proof(project: &str, index: u64) -> String {
    of(project, &format!("proof/{index}"))
}

/// See [`GENESIS`].
pub fn genesis(project: &str) -> String {
    of(project, "genesis")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_client_path_matches_its_route() {
        for (route, path) in [
            (STATEMENTS, statements("p")),
            (CHECKPOINT, checkpoint("p")),
            (RECEIPT, receipt("p", 7)),
            (PROOF, proof("p", 7)),
            (GENESIS, genesis("p")),
            (STREAM, stream("p", &[0xab; 32])),
            (TILE, tile("p", "tile/0/000.p/3")),
        ] {
            let filled = route
                .replace("{project}", "p")
                .replace("{index}", "7")
                .replace("{kid}", &"ab".repeat(32))
                .replace("{*tile}", "0/000.p/3");
            assert_eq!(filled, path);
        }
        assert_eq!(consistency("p", 1, 2), "/v1/projects/p/consistency?from=1&to=2");
    }

    #[test]
    fn a_name_stays_one_segment() {
        assert_eq!(segment("a/b?c"), "a%2Fb%3Fc");
        assert_eq!(segment("宁波-2026"), "%E5%AE%81%E6%B3%A2-2026");
    }
}
