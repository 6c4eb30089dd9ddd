//! The network as the agent's client sees it: a request goes into an outbox, and the future waits for the slot.

use agent::uplink_client::carried::{Carried, Carrier};
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Poll;

pub(crate) type Slot = Arc<Mutex<Option<Carried>>>;

/// A request on its way.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    pub(crate) body: Option<Vec<u8>>,
    pub(crate) slot: Slot,
}

/// One box's wire.
#[derive(Debug, Default)]
pub(crate) struct Wire(Mutex<Vec<Request>>);

impl Wire {
    /// What was sent since the last call.
    pub(crate) fn take(&self) -> Vec<Request> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Carrier for Wire {
    fn carry(
        &self,
        path: String,
        body: Option<Vec<u8>>,
    ) -> Pin<Box<dyn Future<Output = Carried> + Send + '_>> {
        let slot = Slot::default();
        self.0.lock().unwrap().push(Request { path, body, slot: Arc::clone(&slot) });
        Box::pin(std::future::poll_fn(move |_| match slot.lock().unwrap().take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Pending,
        }))
    }
}
