//! The faults, and that nothing is missing where there is none.

use crate::judge;
use crate::owner::Told;
use crate::rig::{Act, Outcome, Rig, Step};
use crate::transport::{Reason, Transport, Ways};
use plumbline_tests::harness::relay::{Cut, Fault, Way};
use std::time::Duration;

/// Time-outs of a link to which something happens.
const BRISK: Duration = Duration::from_millis(500);
/// Time-outs of a link to which nothing happens, however busy the machine is that runs this.
const CALM: Duration = Duration::from_secs(20);
/// Later than any time-out of a brisk link, and older than any good value may be.
const LATE: Duration = Duration::from_secs(6);
/// Ten of these are ten times what an answer takes here.
const SLOW: Duration = Duration::from_millis(10);
/// Values of each point to be read where all is well.
const VALUES: usize = 20;

#[derive(Clone, Copy, Debug)]
pub(crate) enum Case {
    Hang,
    Reset,
    Slow,
    Late,
    Short,
    WrongUnit,
    WrongId,
    Garbage,
    Refuse,
    HangUp,
    Vanish,
    LostQuestions,
    LostAnswers,
    Restart,
    CutAnswer,
    Corrupted,
    Duplicated,
}

/// A fault is there when the link connects for the first time, ends, and comes again, once for each of its kinds.
pub(crate) fn run<T: Transport>(case: Case) {
    let steps = match steps::<T>(case) {
        Ok(steps) => steps,
        Err(reason) => {
            println!("{}: {case:?} has no meaning: {reason}", T::NAME);
            return;
        }
    };
    let mut rig = Rig::<T>::new();
    let first = &steps[0];
    if !matches!(first.act, Act::Cut(_)) {
        rig.begin(&first.act);
    }
    rig.read(BRISK);
    if !matches!(first.act, Act::Cut(_)) {
        rig.expect(first, 0);
        rig.end(&first.act);
    }
    rig.well("the start");
    for step in &steps {
        let mark = rig.mark();
        rig.begin(&step.act);
        rig.expect(step, mark);
        rig.end(&step.act);
        rig.well(step.name);
    }
    rig.finish();
}

fn steps<T: Transport>(case: Case) -> Result<Vec<Step>, Reason> {
    let one = |name, act, outcome| Ok(vec![Step { name, act, outcome }]);
    let pass = Act::Pass;
    match case {
        Case::Hang => one("hang", Act::Hang, Outcome::AllBad),
        Case::Reset => Ok(vec![
            Step { name: "reset", act: Act::Cut(Cut::Reset), outcome: Outcome::Noticed },
            Step { name: "closed", act: Act::Cut(Cut::Close), outcome: Outcome::Noticed },
        ]),
        Case::Slow => one("slow", pass(Fault::Slow(SLOW)), Outcome::GoesOn),
        Case::Late => one("late", pass(Fault::Late(LATE)), Outcome::AllBad),
        Case::Short => ways(T::short(), Outcome::Noticed),
        Case::WrongUnit => ways(T::wrong_unit(), Outcome::Noticed),
        Case::WrongId => ways(T::wrong_id(), Outcome::Noticed),
        Case::Garbage => one("garbage", pass(Fault::garbage(1)), Outcome::Noticed),
        Case::Refuse => one("refused", Act::PassNew(Fault::Refuse), Outcome::AllBad),
        Case::HangUp => one("hung up", Act::PassNew(Fault::HangUp), Outcome::AllBad),
        Case::Vanish => one("vanished", Act::Vanish, Outcome::AllBad),
        Case::LostQuestions => one("lost", pass(Fault::BlackHole(Way::Questions)), Outcome::AllBad),
        Case::LostAnswers => one("lost", pass(Fault::BlackHole(Way::Answers)), Outcome::AllBad),
        Case::Restart => one("restarted", Act::Kill, Outcome::AllBad),
        Case::CutAnswer => Ok(vec![
            Step { name: "closed", act: pass(Fault::CutAnswer(Cut::Close)), outcome: Outcome::Noticed },
            Step { name: "reset", act: pass(Fault::CutAnswer(Cut::Reset)), outcome: Outcome::Noticed },
        ]),
        Case::Corrupted => ways(T::corrupted(), Outcome::Noticed),
        Case::Duplicated => one("twice", pass(Fault::twice(5)), Outcome::NothingWrong),
    }
}

fn ways(ways: Ways, outcome: Outcome) -> Result<Vec<Step>, Reason> {
    let step = |(name, act)| Step { name, act, outcome };
    Ok(ways?.into_iter().map(step).collect())
}

/// Where nothing happens, nothing is bad, and every value of the server is there.
pub(crate) fn well<T: Transport>() {
    let mut rig = Rig::<T>::new();
    rig.read(CALM);
    rig.read_some(VALUES);
    let (heard, offered) = rig.finish();
    let known = match T::AT_ONCE {
        Ok(()) => 0,
        Err(_) => heard.iter().position(|h| h.good().is_some()).unwrap_or(0),
    };
    let wrong: Vec<_> = heard[known..].iter().filter(|h| h.good().is_none()).collect();
    assert!(wrong.iter().all(|h| matches!(h.told, Told::Observed(_))), "{}: {wrong:#?}", T::NAME);
    assert!(wrong.is_empty(), "{}: not good: {wrong:#?}", T::NAME);
    let missing = judge::missing(&heard, &offered);
    assert!(missing.is_empty(), "{}: offered and never observed: {missing:?}", T::NAME);
}
