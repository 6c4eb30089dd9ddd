//! Around real processes: where the foreign peers are, and programs that are waited for and never left behind.

pub mod peers;
pub mod process;
