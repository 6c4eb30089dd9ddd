//! A server, a relay before it, and a link that is owned; and what can be done to them.

use crate::judge::{self, Terms, count};
use crate::owner::{Heard, Owner, now_us};
use crate::server::{Offered, Server};
use crate::transport::{Age, POINTS, Transport};
use plumbline_tests::harness::relay::{Cut, Fault, Relay};
use std::marker::PhantomData;
use std::time::Duration;

/// What is done.
#[derive(Clone, Debug)]
pub(crate) enum Act {
    /// To whatever passes.
    Pass(Fault),
    /// To whatever passes; the present connections end first.
    PassNew(Fault),
    /// To the present connections.
    Cut(Cut),
    /// The server stands still.
    Hang,
    /// The server is gone, and its connections with it.
    Kill,
    /// The server is gone without a word, and so is whoever connects to it.
    Vanish,
}

/// What has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Every point is told bad, or the session is over.
    AllBad,
    /// Some point is told bad, or the session is over.
    Noticed,
    /// Values go on, if need be in a new session.
    GoesOn,
    /// Nothing in particular, as long as no value is wrong.
    NothingWrong,
}

/// One fault, by its name.
#[derive(Clone, Debug)]
pub(crate) struct Step {
    pub(crate) name: &'static str,
    pub(crate) act: Act,
    pub(crate) outcome: Outcome,
}

/// Everything of one test.
pub(crate) struct Rig<T> {
    // In this order: the link ends first, then what it is connected to.
    owner: Option<Owner>,
    relay: Relay,
    server: Option<Server>,
    folder: tempfile::TempDir,
    transport: PhantomData<T>,
}

impl<T: Transport> Rig<T> {
    /// A server that serves; nobody reads it yet.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = T::serve(folder.path(), 1);
        let relay = Relay::watched(server.address, T::RULE);
        Self { owner: None, relay, server: Some(server), folder, transport: PhantomData }
    }

    /// From now on it is read.
    pub(crate) fn read(&mut self, patience: Duration) {
        self.owner = Some(Owner::start(T::link(self.relay.address(), patience)));
    }

    fn owner(&self) -> &Owner {
        self.owner.as_ref().unwrap()
    }

    pub(crate) fn offered(&self) -> Offered {
        Offered::read(self.folder.path())
    }

    /// Where in the book of what was heard the present is.
    pub(crate) fn mark(&self) -> usize {
        self.owner.as_ref().map_or(0, |owner| owner.book.length())
    }

    pub(crate) fn begin(&mut self, act: &Act) {
        match act {
            Act::Pass(fault) => self.relay.set(fault.clone()),
            Act::PassNew(fault) => {
                self.relay.set(fault.clone());
                self.relay.cut(Cut::Close);
            }
            Act::Cut(how) => self.relay.cut(*how),
            Act::Hang => self.server().hang(),
            Act::Kill => self.server = None,
            Act::Vanish => {
                self.relay.vanish();
                self.relay.set(Fault::BlackHole(plumbline_tests::harness::relay::Way::Both));
                self.server = None;
            }
        }
    }

    /// Undoes it.
    pub(crate) fn end(&mut self, act: &Act) {
        if matches!(act, Act::Hang) {
            self.server().wake();
        }
        if self.server.is_none() {
            let server = T::serve(self.folder.path(), self.offered().next());
            self.relay.point_at(server.address);
            self.server = Some(server);
        }
        self.relay.clear();
    }

    fn server(&self) -> &Server {
        self.server.as_ref().unwrap()
    }

    /// Waits for what has to come of a step that began at `mark`.
    pub(crate) fn expect(&self, step: &Step, mark: usize) {
        let Step { name, act, outcome } = step;
        let (began, book) = (now_us(), &self.owner().book);
        let name = format!("{}, {name}: {outcome:?}", T::NAME);
        if let Act::Pass(fault) | Act::PassNew(fault) = act
            && matches!(fault, Fault::Change(..) | Fault::Slow(_) | Fault::CutAnswer(_))
        {
            book.wait(&format!("{name}: an answer is touched"), mark, |_| self.relay.traffic().touched > 0);
        }
        match outcome {
            Outcome::AllBad => book
                .wait(&name, mark, |heard| (0..POINTS).all(|point| heard.iter().any(|h| h.tells_bad(point)))),
            Outcome::Noticed => book
                .wait(&name, mark, |heard| (0..POINTS).any(|point| heard.iter().any(|h| h.tells_bad(point)))),
            Outcome::GoesOn => self.fresh(&name, mark, began),
            Outcome::NothingWrong => {}
        }
    }

    /// Waits until every point is good with a value that was offered from now on.
    pub(crate) fn well(&self, what: &str) {
        self.fresh(&format!("{}, after {what}: every point is good", T::NAME), self.mark(), now_us());
    }

    fn fresh(&self, what: &str, mark: usize, since_us: i64) {
        self.owner().book.wait(what, mark, |heard| {
            let offered = self.offered();
            let fresh = |point: u32, h: &Heard| {
                let value = h.good().filter(|o| o.point.0 == point).and_then(count);
                value.is_some_and(|v| offered.0.get(&v).is_some_and(|(_, us)| *us >= since_us))
            };
            (0..POINTS).all(|point| heard.iter().any(|h| fresh(point, h)))
        });
    }

    /// Waits for so many good values of each point.
    pub(crate) fn read_some(&self, count: usize) {
        self.owner().book.wait("some values", 0, |heard| {
            let good = |point| heard.iter().filter_map(Heard::good).filter(|o| o.point.0 == point).count();
            (0..POINTS).all(|point| good(point) >= count)
        });
    }

    /// Ends the link and judges everything it said. Gives it back with the server's record.
    pub(crate) fn finish(mut self) -> (Vec<Heard>, Offered) {
        let heard = self.owner().book.all();
        self.owner = None;
        let offered = self.offered();
        let faults = judge::faults(&heard, &offered, Terms { age: T::AGE, once: T::ONCE });
        assert!(faults.is_empty(), "{}:\n{}", T::NAME, faults.join("\n"));
        if let Age::Unknown(reason) = T::AGE {
            println!("{}: the age of a value is not judged: {reason}", T::NAME);
        }
        if let Err(reason) = T::AT_ONCE {
            println!("{}: a point may be bad at the start: {reason}", T::NAME);
        }
        if let Err(reason) = T::ONCE {
            println!("{}: a value may come twice: {reason}", T::NAME);
        }
        let frames = self.relay.traffic().frames;
        assert!(!frames.is_empty(), "the relay has understood nothing of what was sent");
        println!("{}: sent {frames:?}", T::NAME);
        let unseen = frames.keys().any(|name| name.ends_with("(not to be seen)"));
        assert_eq!(unseen, T::SEEN.is_err(), "{}: whether all is seen that is sent: {frames:?}", T::NAME);
        if let Err(reason) = T::SEEN {
            println!("{}: whether all that is sent only reads is not seen here: {reason}", T::NAME);
        }
        (heard, offered)
    }
}
