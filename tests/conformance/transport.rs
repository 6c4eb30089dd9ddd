//! What the suite has to know of a protocol, which is as little as possible.

use crate::rig::Act;
use crate::server::Server;
use plumbline_tests::harness::relay::Fault;
use plumbline_tests::harness::relay::watch::Rule;
use protocols::Link;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

/// Points of every link, numbered from 0; the servers offer as many.
pub(crate) const POINTS: u32 = 2;

/// A fault has no meaning here, or something cannot be known; in words, for whoever reads the results.
pub(crate) type Reason = &'static str;

/// How old a good value may be when it is stamped.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Age {
    /// It was made for its answer, which came within this, ms.
    SinceOffered(i64),
    /// It was the newest there was until this long before, ms.
    SinceReplaced(i64),
    /// Nobody can tell.
    Unknown(Reason),
}

/// How a fault is done to this protocol's answers: one after the other, each by its name.
pub(crate) type Ways = Result<Vec<(&'static str, Act)>, Reason>;

/// Faults of what passes on the present connections.
pub(crate) fn passing<const N: usize>(faults: [(&'static str, Fault); N]) -> Vec<(&'static str, Act)> {
    faults.into_iter().map(|(name, fault)| (name, Act::Pass(fault))).collect()
}

/// A protocol with a foreign server.
pub(crate) trait Transport {
    /// As people write it.
    const NAME: &'static str;
    /// What may be sent to the machine.
    const RULE: Rule;
    /// How old a good value may be.
    const AGE: Age;
    /// Whether a session brings each value once only.
    const ONCE: Result<(), Reason>;

    /// Whether every point is known from the first moment of a session; if not, it is bad until then.
    const AT_ONCE: Result<(), Reason> = Ok(());

    /// Whether the relay can read what is sent to the machine.
    const SEEN: Result<(), Reason> = Ok(());

    /// Starts the server in a folder, which may hold what the one before it has left; it counts on from `from`.
    fn serve(folder: &Path, from: u64) -> Server;

    /// A link to it with all its points, whose time-outs are of about this length.
    fn link(at: SocketAddr, patience: Duration) -> Box<dyn Link>;

    /// Answers that lack something.
    fn short() -> Ways;

    /// Answers of another unit behind the same connection.
    fn wrong_unit() -> Ways;

    /// Answers to another question.
    fn wrong_id() -> Ways;

    /// Answers with bits flipped where the protocol can notice it.
    fn corrupted() -> Ways;
}
