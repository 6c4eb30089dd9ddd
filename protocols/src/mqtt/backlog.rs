//! Whether a broker may still be sending what it kept while we were away.
//!
//! It sends that first, as far as it may have messages unacknowledged, and nothing in a message tells it from a fresh
//! one. So it is asked something that has no effect and that it answers in the same stream: to end a subscription that
//! never was (UNSUBSCRIBE, UNSUBACK). Asked when nothing is left unacknowledged, and answered with no message before
//! the answer, it had nothing more to send at that moment; what comes later was published later.
//!
//! Pure: what is sent and what has come is told to it.

use std::collections::VecDeque;

/// What the operator says of a broker's limit is believed from here on, since most brokers' own is as much.
const USUAL_IN_FLIGHT: u16 = 20;

/// A question under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Question {
    /// Messages unacknowledged when it was asked.
    pending: u64,
    /// Messages received before.
    received: u64,
}

/// What is known of the broker's queue on one connection.
#[derive(Debug)]
pub(super) struct Backlog {
    /// Messages may be from the queue.
    old: bool,
    /// All subscriptions have been answered.
    subscribed: bool,
    received: u64,
    /// So many messages may be unacknowledged while the broker is surely free to send.
    slack: u64,
    /// Unsubscriptions that are not answered, in order; questions among them.
    awaited: VecDeque<Option<Question>>,
}

impl Backlog {
    /// A connection on which the broker resumed a session, or did not; it lets so many messages be unacknowledged.
    pub(super) fn new(resumed: bool, in_flight: u16) -> Self {
        // With a limit that nobody has stated, only nothing is surely below it.
        let slack = if in_flight > USUAL_IN_FLIGHT { u64::from(in_flight / 2) } else { 0 };
        Self { old: resumed, subscribed: false, received: 0, slack, awaited: VecDeque::new() }
    }

    /// Whether a message that comes now may have been kept.
    pub(super) fn may_be_old(&self) -> bool {
        self.old
    }

    /// All subscriptions have been answered.
    pub(super) fn subscribed(&mut self) {
        self.subscribed = true;
    }

    /// A message has come.
    pub(super) fn received(&mut self) {
        self.received += 1;
    }

    /// Whether to ask now, with so many messages unacknowledged. The question counts as asked.
    pub(super) fn asks(&mut self, pending: u64) -> bool {
        let asks =
            self.old && self.subscribed && pending <= self.slack && !self.awaited.iter().any(Option::is_some);
        if asks {
            self.awaited.push_back(Some(Question { pending, received: self.received }));
        }
        asks
    }

    /// Another subscription is ended.
    pub(super) fn unsubscribed(&mut self) {
        self.awaited.push_back(None);
    }

    /// The broker has answered the oldest unsubscription.
    pub(super) fn answered(&mut self) {
        let Some(Some(question)) = self.awaited.pop_front() else { return };
        let unacknowledged = question.pending + (self.received - question.received);
        if unacknowledged <= self.slack {
            self.old = false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscribed(in_flight: u16) -> Backlog {
        let mut backlog = Backlog::new(true, in_flight);
        assert!(!backlog.asks(0), "before the subscriptions stand");
        backlog.subscribed();
        backlog
    }

    #[test]
    fn a_new_session_has_no_backlog_and_asks_nothing() {
        let mut backlog = Backlog::new(false, 20);
        backlog.subscribed();
        assert!(!backlog.may_be_old());
        assert!(!backlog.asks(0));
    }

    #[test]
    fn messages_are_old_until_an_answer_comes_with_nothing_before_it() {
        let mut backlog = subscribed(20);
        assert!(backlog.asks(0));
        assert!(!backlog.asks(0), "one question at a time");
        backlog.received();
        backlog.answered();
        assert!(backlog.may_be_old(), "the queue had another one");
        assert!(!backlog.asks(1), "the broker may be waiting for the acknowledgement");
        assert!(backlog.asks(0));
        backlog.answered();
        assert!(!backlog.may_be_old());
    }

    #[test]
    fn answers_to_other_unsubscriptions_say_nothing() {
        let mut backlog = subscribed(20);
        backlog.unsubscribed();
        assert!(backlog.asks(0));
        backlog.answered();
        assert!(backlog.may_be_old());
        backlog.answered();
        assert!(!backlog.may_be_old());
    }

    #[test]
    fn a_stated_limit_leaves_room_for_a_stream_that_never_stands_still() {
        let mut backlog = subscribed(1000);
        assert!(!backlog.asks(501));
        assert!(backlog.asks(400));
        (0..101).for_each(|_| backlog.received());
        backlog.answered();
        assert!(backlog.may_be_old(), "it may have been waiting");
        assert!(backlog.asks(400));
        (0..100).for_each(|_| backlog.received());
        backlog.answered();
        assert!(!backlog.may_be_old());
    }
}
