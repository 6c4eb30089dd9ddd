//! `plumbline-demo`.
fn main() {}
