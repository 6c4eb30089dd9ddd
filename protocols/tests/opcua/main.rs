//! OPC UA against a server of foreign make (asyncua, `tests/peers/opcua_peer.py`) on real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step of a test that fails is the failure of the test"
)]

mod peer;
mod restart;
mod security;
mod values;
mod watch;
