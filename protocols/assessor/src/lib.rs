//! The assessor's and the registrar's program as a library: make a registrar's key, sign a genesis, check a
//! bundle. It never uses the network and trusts nothing but the trust file it is given.
//!
//! What a bundle says is decided in `verify`, how it is worded in `report`; here are files, questions and
//! exit codes.

pub mod bundle;
pub mod cli;
pub mod exit;
pub mod fresh;
pub mod genesis;
pub mod json;
pub mod keygen;
pub mod kpi;
pub mod passphrase;
pub mod roster;
pub mod summary;

pub use bundle::{CheckError, Checked, check_bundle, check_bundle_telling};
pub use evidence::key::Alg;
pub use exit::Exit;
pub use genesis::{GenesisError, GenesisFiles, GenesisRequest, Prepared, genesis, prepare};
pub use keygen::{KeygenError, NewKey, keygen};
pub use report::Lang;
pub use summary::Paint;
