//! Around real processes: where the foreign peers are, programs that are waited for and never left behind, a
//! whole chain of them, and what its log holds afterwards.

pub mod chain;
pub mod disk;
pub mod forger;
pub mod logged;
pub mod mosquitto;
pub mod observed;
pub mod peers;
pub mod process;
pub mod relay;
pub mod serial;
