//! Modbus RTU on a line of pseudo-terminals with pymodbus at its end, opened as a serial port and through a
//! converter: slow devices, noise, silent units.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has to fail")]

mod faults;
mod late;
mod line;
#[expect(dead_code, reason = "shared with the tests of other devices, which need more of it")]
#[path = "../devices/peer.rs"]
mod peer;
mod values;
