//! Acknowledgements that wait for the journal.
//!
//! Guarded by a mutex that is never held across an await: the session's task issues receipts, the owner
//! of the source redeems them.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use super::wire::{Ack, Acknowledger};
use crate::Receipt;

#[derive(Debug, Default)]
pub(super) struct Receipts(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    issued: u64,
    acks: BTreeMap<u64, Ack>,
}

impl Receipts {
    /// A receipt for a message that wants to be acknowledged.
    pub(super) fn issue(&self, ack: Option<Ack>) -> Option<Receipt> {
        let ack = ack?;
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        waiting.issued += 1;
        let number = waiting.issued;
        waiting.acks.insert(number, ack);
        Some(Receipt::new(number))
    }

    /// Acknowledges everything up to a receipt, in the order of arrival as MQTT 3.1.1, 4.6 and MQTT 5.0,
    /// 4.6 demand. What cannot be sent now is sent with the next receipt.
    pub(super) fn redeem(&self, receipt: Receipt, acknowledger: &Acknowledger) {
        let mut waiting = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        while let Some(first) = waiting.acks.first_entry() {
            if *first.key() > receipt.number() || !acknowledger.acknowledge(first.get()) {
                return;
            }
            first.remove();
        }
    }
}
