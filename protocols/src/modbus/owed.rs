//! Answers on a serial line that may still come, and how a question is asked so that none of them can be
//! taken for its own. Pure: time is passed in.
//!
//! After a time-out the line is listened to until it has been silent for a while. A device slower than
//! even that is told by the shape of its frames: as long as an answer of some shape is owed, no question
//! of that shape is asked. A *fence* goes before it: a read of fewer addresses, whose answer therefore has
//! another byte count. Devices answer in the order they were asked, so once the fence is answered, all
//! that was owed before it has come or never will.

use std::time::Duration;

use tokio::time::Instant as Moment;

use super::plan::Request;
use super::rtu::data_bytes;

/// No device answers later than this; some cellular converters do take tens of seconds.
const LAPSE: Duration = Duration::from_mins(5);

/// What an answer can be told by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    unit: u8,
    function: u8,
    data_bytes: u8,
}

impl Shape {
    fn of(request: &Request) -> Self {
        Self { unit: request.unit, function: request.table.function(), data_bytes: data_bytes(request) }
    }
}

/// The shapes of questions without an answer, and when each was last asked.
#[derive(Debug, Default)]
pub struct Owed(Vec<(Shape, Moment)>);

impl Owed {
    /// Notes that a question goes out; its answer is owed from now on.
    pub fn asked(&mut self, request: &Request, now: Moment) {
        let shape = Shape::of(request);
        self.0.retain(|(owed, asked)| *owed != shape && now.saturating_duration_since(*asked) < LAPSE);
        self.0.push((shape, now));
    }

    /// Notes that this question, of a shape that was not owed, has been answered: whatever its unit was
    /// asked before is settled too.
    pub fn answered(&mut self, request: &Request) {
        self.forget(request.unit);
    }

    /// Notes a refusal. It carries no byte count, so it settles something only if nothing else was owed:
    /// otherwise it may be the late answer to an earlier question, and this one's is still to come.
    pub fn refused(&mut self, request: &Request) {
        if self.0.iter().filter(|(owed, _)| owed.unit == request.unit).count() == 1 {
            self.forget(request.unit);
        }
    }

    /// Nothing is expected from this unit any more.
    pub fn forget(&mut self, unit: u8) {
        self.0.retain(|(owed, _)| owed.unit != unit);
    }

    /// Whether an answer that looks like the one to `request` may still come.
    pub fn may_come(&self, request: &Request, now: Moment) -> bool {
        let shape = Shape::of(request);
        self.0.iter().any(|(owed, asked)| *owed == shape && now.saturating_duration_since(*asked) < LAPSE)
    }

    /// A read of the same place whose answer looks like none that is owed. `None` when there is no such
    /// read left: then the silence of the line has to do.
    pub fn fence(&self, request: &Request, now: Moment) -> Option<Request> {
        let step = if request.table.holds_bits() { 8 } else { 1 };
        // A question for a single address has no smaller one; the next address may exist too.
        let most = request.count.max(step + 1).min(u16::MAX - request.start);
        let reads = (1..=most).step_by(usize::from(step));
        let mut fences = reads.map(|count| Request { count, points: Vec::new(), ..*request });
        fences.find(|fence| !self.may_come(fence, now))
    }
}

#[cfg(test)]
mod tests {
    use super::super::address::Table;
    use super::*;
    use proptest::prelude::*;

    fn ask(unit: u8, start: u16, count: u16) -> Request {
        Request { unit, table: Table::Holding, start, count, points: Vec::new() }
    }

    #[test]
    fn pain_04_what_is_owed_is_not_asked_again_before_a_fence_of_another_shape() {
        let (mut owed, now) = (Owed::default(), Moment::now());
        owed.asked(&ask(1, 100, 3), now);
        assert!(owed.may_come(&ask(1, 0, 3), now), "another block of the same shape");
        assert!(!owed.may_come(&ask(1, 0, 4), now) && !owed.may_come(&ask(2, 100, 3), now));
        let fence = owed.fence(&ask(1, 0, 3), now).unwrap();
        assert_eq!((fence.start, fence.count), (0, 1));
        owed.asked(&fence, now);
        owed.answered(&fence);
        assert!(!owed.may_come(&ask(1, 0, 3), now));
    }

    #[test]
    fn a_refusal_settles_only_what_cannot_be_another_questions() {
        let (mut owed, now) = (Owed::default(), Moment::now());
        owed.asked(&ask(1, 0, 3), now);
        owed.refused(&ask(1, 0, 3));
        assert!(!owed.may_come(&ask(1, 0, 3), now));
        owed.asked(&ask(1, 0, 3), now);
        owed.asked(&ask(1, 0, 1), now);
        owed.refused(&ask(1, 0, 1));
        assert!(owed.may_come(&ask(1, 0, 3), now) && owed.may_come(&ask(1, 0, 1), now));
    }

    #[test]
    fn fences_that_time_out_are_followed_by_others_until_none_is_left() {
        let (mut owed, now) = (Owed::default(), Moment::now());
        let request = ask(1, 10, 3);
        owed.asked(&request, now);
        for want in [Some(1), Some(2), None] {
            let fence = owed.fence(&request, now);
            assert_eq!(fence.as_ref().map(|f| f.count), want);
            if let Some(fence) = fence {
                owed.asked(&fence, now);
            }
        }
        assert!(owed.fence(&request, now + LAPSE).is_some(), "nobody answers that late");
        let single = ask(1, 10, 1);
        owed.forget(1);
        owed.asked(&single, now);
        assert_eq!(owed.fence(&single, now).map(|f| f.count), Some(2));
    }

    proptest! {
        /// A device that answers in order, each answer as late as it likes or never, and a master that asks
        /// as this module says and takes the first answer of its question's shape.
        #[test]
        fn pain_04_an_answer_in_order_is_never_taken_for_another_questions(
            steps in prop::collection::vec((0u16..4, 1u16..5, 0u8..4), 1..60),
        ) {
            let (mut owed, now) = (Owed::default(), Moment::now());
            let mut line: std::collections::VecDeque<Request> = std::collections::VecDeque::new();
            for (block, count, answers) in steps {
                let wanted = ask(1, block * 100, count);
                let request = if owed.may_come(&wanted, now) {
                    let Some(fence) = owed.fence(&wanted, now) else { continue };
                    fence
                } else { wanted };
                owed.asked(&request, now);
                line.push_back(request.clone());
                // So many of the answers that are under way arrive within the time-out; the others stay.
                for _ in 0..answers {
                    let Some(heard) = line.pop_front() else { break };
                    if data_bytes(&heard) != data_bytes(&request) {
                        continue; // refused; the line is in doubt
                    }
                    prop_assert_eq!(&heard, &request);
                    owed.answered(&request);
                    break;
                }
            }
        }
    }
}
