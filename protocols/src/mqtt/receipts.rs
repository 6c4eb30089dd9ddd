//! Acknowledgements that wait for the journal.
//!
//! Guarded by a mutex that is never held across an await: the session's task issues receipts, the owner
//! of the source redeems them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::wire::{Ack, Acknowledger};
use crate::Receipt;

/// Half of what the most careful of the usual brokers lets a client leave unacknowledged.
const FEWEST: u64 = 10;

#[derive(Debug)]
pub(super) struct Receipts {
    waiting: Mutex<Waiting>,
    /// After so many messages the owner is asked to commit: half of what the broker lets us leave
    /// unacknowledged, so that it goes on sending while the commit is under way.
    pressing_after: u64,
}

#[derive(Debug, Default)]
struct Waiting {
    issued: u64,
    pressed: u64,
    acks: BTreeMap<u64, Ack>,
}

impl Receipts {
    /// For a broker that sends so many messages beyond those acknowledged.
    pub(super) fn new(in_flight: u16) -> Self {
        Self { waiting: Mutex::default(), pressing_after: u64::from((in_flight / 2).max(1)) }
    }

    /// A receipt for a message that wants to be acknowledged.
    pub(super) fn issue(&self, ack: Option<Ack>) -> Option<Receipt> {
        let ack = ack?;
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.issued += 1;
        let number = waiting.issued;
        waiting.acks.insert(number, ack);
        if number - waiting.pressed < self.pressing_after {
            return Some(Receipt::new(number));
        }
        waiting.pressed = number;
        Some(Receipt::new(number).at_once())
    }

    /// Whether so many messages wait for the journal as some broker might not go beyond, whatever was said of
    /// ours.
    pub(super) fn may_be_too_many(&self) -> bool {
        let waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.issued - waiting.pressed >= FEWEST
    }

    /// The last receipt once more, for the owner to commit at once.
    pub(super) fn press(&self) -> Receipt {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.pressed = waiting.issued;
        Receipt::new(waiting.issued).at_once()
    }

    /// Messages that are not acknowledged.
    pub(super) fn pending(&self) -> u64 {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).acks.len() as u64
    }

    /// Acknowledges everything up to a receipt, in the order of arrival as MQTT 3.1.1, 4.6 and MQTT 5.0,
    /// 4.6 demand. What cannot be sent now is sent with the next receipt.
    pub(super) fn redeem(&self, receipt: Receipt, acknowledger: &Acknowledger) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = waiting.acks.first_entry() {
            if *first.key() > receipt.number() || !acknowledger.acknowledge(first.get()) {
                return;
            }
            first.remove();
        }
    }
}
