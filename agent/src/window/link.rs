//! How far a link's session is confirmed. For subscribed points silence means "unchanged" only as far as the
//! session is known to be unbroken, so the engine never works ahead of the last sign of life: when the
//! session turns out to be broken, its points become unknown at that sign, not when the break was noticed.

use super::input::Input;
use observation::Mono;
use serde::{Deserialize, Serialize};

/// One link.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LinkState {
    /// A session stands, at the moment worked on.
    pub(super) up: bool,
    /// The session is known to be unbroken, at the moment worked on.
    pub(super) confirmed: bool,
    /// A session stood when the open window began.
    pub(super) up_at_open: bool,
    /// Sessions established since then.
    pub(super) established: u32,
    /// When the last news came in.
    latest: Mono,
    /// The last sign of life that has been received, worked on or not.
    ahead: Ahead,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
enum Ahead {
    #[default]
    NoSession,
    Alive(Mono),
    /// Alive at that moment, and then nothing for too long.
    Silent(Mono),
}

impl LinkState {
    /// The moment at which news with this stamp counts: not before what the link has said already.
    pub(super) fn in_order(&mut self, stamp: Mono) -> Mono {
        self.latest = self.latest.max(stamp);
        self.latest
    }

    /// Sees an input as it is received at `at`, `silence_ms` being the longest silence of an unbroken session.
    /// Returns the moment from which the session is not confirmed, if that shows now.
    pub(super) fn receive(&mut self, input: &Input, at: Mono, silence_ms: u64) -> Option<Mono> {
        let (next, lost) = match (input, self.ahead) {
            (Input::Up(..), Ahead::Alive(last)) => (Ahead::Alive(at), Some(last)),
            (Input::Up(..), _) => (Ahead::Alive(at), None),
            (Input::Down(..), Ahead::Alive(last)) => (Ahead::NoSession, Some(last)),
            (Input::Down(..), _) | (_, Ahead::NoSession) => (Ahead::NoSession, None),
            // That a point is bad may be the news that the session is gone; it confirms nothing.
            (Input::Observed(_, o), ahead) if !o.quality.is_good() => (ahead, None),
            (_, Ahead::Alive(last)) if at.since(last) > silence_ms => (Ahead::Alive(at), Some(last)),
            (_, Ahead::Alive(last) | Ahead::Silent(last)) => (Ahead::Alive(at.max(last)), None),
        };
        self.ahead = next;
        lost
    }

    /// Sees that time has come to `now` without another input.
    pub(super) fn wait(&mut self, now: Mono, silence_ms: u64) -> Option<Mono> {
        match self.ahead {
            Ahead::Alive(last) if now.since(last) > silence_ms => {
                self.ahead = Ahead::Silent(last);
                Some(last)
            }
            _ => None,
        }
    }

    /// How far the engine may work: to the last sign of life of a session that may still be unbroken.
    pub(super) fn horizon(&self) -> Option<Mono> {
        match self.ahead {
            Ahead::Alive(last) => Some(last),
            Ahead::NoSession | Ahead::Silent(_) => None,
        }
    }

    /// Ends the session without further news, for a restart. Returns the moment from which it is not confirmed.
    pub(super) fn abandon(&mut self) -> Option<Mono> {
        match std::mem::take(&mut self.ahead) {
            Ahead::Alive(last) => Some(last),
            Ahead::NoSession | Ahead::Silent(_) => None,
        }
    }

    /// Sessions alive or established in the open window so far.
    pub(super) fn sessions(&self) -> u32 {
        u32::from(self.up_at_open) + self.established
    }

    /// Sessions alive or established in the window that ends now; the next window begins.
    pub(super) fn roll_sessions(&mut self) -> u32 {
        let sessions = self.sessions();
        self.up_at_open = self.up;
        self.established = 0;
        sessions
    }
}
