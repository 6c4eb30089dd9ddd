//! Device protocols against peers that share no code with them: pymodbus, mosquitto, and servers written
//! here to misbehave.

#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has to fail")]

mod broker;
mod edge;
mod modbus;
mod modbus_faults;
mod mqtt;
mod mqtt_payload;
mod mqtt_trust;
mod peer;
mod rogue;
mod sparkplug;
