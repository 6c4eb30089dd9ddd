//! Bad input of every sort against running programs: a clear error, and nothing that was acknowledged is lost.

mod configuration;
mod disk;
mod gateway;
mod network;
mod zip;
