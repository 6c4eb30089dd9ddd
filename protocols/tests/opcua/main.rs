//! OPC UA against servers of foreign make (asyncua and node-opcua, `tests/peers/`) on real sockets.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a step of a test that fails is the failure of the test"
)]

mod browse;
mod hostile;
mod node;
mod peer;
mod restart;
mod security;
mod values;
mod watch;
