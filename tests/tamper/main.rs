//! Bent evidence before the assessor's program: what each defect code is for, every attack that the evidence
//! format promises to show, evidence changed at random, and evidence made to hurt the program that reads it.
//!
//! Everything goes through `verify_bundle`, as an assessor would: no test here looks inside.
//!
//! Not here, because nothing in this version could see it: one witness colluding with the operator, and a raw
//! block exchanged behind its commitment. Witness policies and raw audits bring their own tests when they come.
//! And what no bundle can show by itself: a sensor that lies, and a registrar's last word that the operator
//! withholds before anybody has seen a checkpoint with it (see `attacks::keys`).

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on has failed")]

mod attacks;
mod chance;
mod defects;
mod greed;
mod hostile;
mod judge;
