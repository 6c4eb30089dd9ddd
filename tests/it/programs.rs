//! The programs under test; the paths are known to integration tests only.

use plumbline_tests::harness::chain::Programs;

/// Built with the feature `kill-points`.
pub(crate) const PROGRAMS: Programs = Programs {
    agent: env!("CARGO_BIN_EXE_agent-under-test"),
    gateway: env!("CARGO_BIN_EXE_gateway-under-test"),
    verify: env!("CARGO_BIN_EXE_verify-under-test"),
};
