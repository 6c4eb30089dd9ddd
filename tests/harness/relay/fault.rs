//! What can be done to bytes on their way, and how connections end.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How a connection is ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// In order (FIN).
    Close,
    /// At once, with whatever was on its way (RST).
    Reset,
}

/// In which direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// From the reader to the server.
    Questions,
    /// From the server to the reader.
    Answers,
    /// In both.
    Both,
}

impl Way {
    pub(super) fn questions(self) -> bool {
        self != Self::Answers
    }

    pub(super) fn answers(self) -> bool {
        self != Self::Questions
    }
}

/// Makes the bytes of an answer into others; `None` for an answer it does not mean.
pub type Change = Arc<dyn Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync>;

/// What happens to what passes.
#[derive(Clone, Default)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// Nobody listens; the system refuses connections. Those that stand are left alone.
    Refuse,
    /// Connections are taken and closed at once. Those that stand are left alone.
    HangUp,
    /// Everything is taken and nothing is passed on.
    BlackHole(Way),
    /// Every answer is held for this long.
    Late(Duration),
    /// Every answer comes in ten pieces, with this pause before each.
    Slow(Duration),
    /// So many answers become others; the later ones pass as they are.
    Change(u64, Change),
    /// Half of the next answer passes, then its connection ends.
    CutAnswer(Cut),
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => f.write_str("None"),
            Self::Refuse => f.write_str("Refuse"),
            Self::HangUp => f.write_str("HangUp"),
            Self::BlackHole(way) => write!(f, "BlackHole({way:?})"),
            Self::Late(held) => write!(f, "Late({held:?})"),
            Self::Slow(pause) => write!(f, "Slow({pause:?})"),
            Self::Change(times, _) => write!(f, "Change({times} answers)"),
            Self::CutAnswer(how) => write!(f, "CutAnswer({how:?})"),
        }
    }
}

/// A fault, and how many answers it has done something to.
#[derive(Clone, Debug, Default)]
pub(super) struct Ordered {
    pub(super) fault: Fault,
    touched: Arc<AtomicU64>,
}

impl Ordered {
    pub(super) fn new(fault: Fault) -> Self {
        Self { fault, touched: Arc::default() }
    }

    /// It is over, but what it did stays counted.
    pub(super) fn over(&self) -> Self {
        Self { fault: Fault::None, touched: Arc::clone(&self.touched) }
    }

    pub(super) fn touch(&self) {
        self.touched.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn touched(&self) -> u64 {
        self.touched.load(Ordering::Relaxed)
    }
}

impl Fault {
    /// Changes so many answers.
    pub fn change(times: u64, change: impl Fn(&[u8]) -> Option<Vec<u8>> + Send + Sync + 'static) -> Self {
        Self::Change(times, Arc::new(change))
    }

    /// Flips these bits of the byte at `offset`; answers that are shorter pass.
    pub fn flip(times: u64, offset: usize, bits: u8) -> Self {
        Self::change(times, move |answer| {
            let mut other = answer.to_vec();
            *other.get_mut(offset)? ^= bits;
            Some(other)
        })
    }

    /// Sends answers twice.
    pub fn twice(times: u64) -> Self {
        Self::change(times, |answer| Some(answer.repeat(2)))
    }

    /// Leaves out the last bytes, but never all.
    pub fn short(times: u64, missing: usize) -> Self {
        Self::change(times, move |answer| {
            let left = answer.len().saturating_sub(missing).max(1);
            answer.get(..left).map(<[u8]>::to_vec)
        })
    }

    /// Sends as many other bytes, the same in every run.
    pub fn garbage(times: u64) -> Self {
        Self::change(times, |answer| {
            let mut state = 0x9E37_79B9_7F4A_7C15_u64;
            let mut other = answer.to_vec();
            for byte in &mut other {
                // Marsaglia's xorshift with the shifts 13, 7, 17.
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                *byte = state.to_le_bytes()[7];
            }
            Some(other)
        })
    }
}
