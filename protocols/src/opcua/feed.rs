//! From the notifications of one subscription to batches: arrival is stamped here, the sequence is checked
//! here, and nothing that does not fit into the bounded queue vanishes without ending the session.
//!
//! It runs inside the OPC UA stack's own callback, so it never waits and does no IO.

use std::mem::size_of;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use observation::{Clock, Observation, Value};
use opcua::client::{MonitoredItemMap, OnSubscriptionNotificationCore};
use opcua::types::{
    DataChangeNotification, ExtensionObject, MonitoredItemNotification, NotificationMessage,
    StatusChangeNotification,
};
use tokio::sync::{mpsc, watch};

use super::decode::{decode, overflowed};
use super::settings::PointConfig;
use super::status;
use crate::{Batch, LinkError};

/// Notifications that may wait for the agent; each carries what changed in one publishing interval.
pub(super) const WAITING: usize = 256;
/// And what they may take together, bytes: some hundred thousand numbers.
const WAITING_BYTES: usize = 16 << 20;

/// What the notifications that wait for the agent take, bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Waiting(Arc<AtomicUsize>);

impl Waiting {
    /// Makes room for a batch, if there is any. Only one feed enters a queue.
    fn enter(&self, batch: &Batch) -> bool {
        let bytes = bytes(batch);
        let fits = self.0.load(Ordering::Relaxed) + bytes <= WAITING_BYTES;
        if fits {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }
        fits
    }

    /// The agent has taken a batch.
    pub(super) fn leave(&self, batch: &Batch) {
        self.0.fetch_sub(bytes(batch), Ordering::Relaxed);
    }
}

fn bytes(batch: &Batch) -> usize {
    let text = |observation: &Observation| match &observation.value {
        Some(Value::Text(text)) => text.len(),
        _ => 0,
    };
    batch.observations.iter().map(|observation| size_of::<Observation>() + text(observation)).sum()
}

/// One notification, and when it came.
#[derive(Debug)]
pub(super) struct Heard {
    pub batch: Batch,
    pub at: tokio::time::Instant,
}

/// The first reason why a session is over. Later ones are consequences and are not kept.
#[derive(Debug)]
pub(super) struct Fault(watch::Sender<Option<LinkError>>);

impl Fault {
    pub(super) fn new() -> (Arc<Self>, watch::Receiver<Option<LinkError>>) {
        let (sender, receiver) = watch::channel(None);
        (Arc::new(Self(sender)), receiver)
    }

    pub(super) fn raise(&self, error: LinkError) {
        self.0.send_if_modified(|first| {
            let is_first = first.is_none();
            first.get_or_insert(error);
            is_first
        });
    }

    fn raised(&self) -> bool {
        self.0.borrow().is_some()
    }
}

/// What a link has met since it was configured; it only grows.
#[derive(Debug, Default)]
pub struct Tally {
    overflows: AtomicU64,
    slower: AtomicU64,
    refused: AtomicU64,
    lost: AtomicU64,
}

impl Tally {
    /// Values after which the server's queue had discarded others (overflow bit).
    pub fn overflows(&self) -> u64 {
        self.overflows.load(Ordering::Relaxed)
    }

    /// Intervals and queues that a server made slower or smaller than asked.
    pub fn slower(&self) -> u64 {
        self.slower.load(Ordering::Relaxed)
    }

    /// Points a server refused to observe, each time it refused.
    pub fn refused(&self) -> u64 {
        self.refused.load(Ordering::Relaxed)
    }

    /// Observations that came when the agent's queue was full; their session was given up.
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }

    pub(super) fn count_slower(&self) {
        self.slower.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn count_refused(&self) {
        self.refused.fetch_add(1, Ordering::Relaxed);
    }
}

/// The subscription's callback.
pub(super) struct Feed {
    pub address: String,
    pub points: Arc<[PointConfig]>,
    pub clock: Arc<dyn Clock>,
    pub heard: mpsc::Sender<Heard>,
    pub waiting: Waiting,
    pub fault: Arc<Fault>,
    pub tally: Arc<Tally>,
    pub sequence: Sequence,
}

/// The client handle of the point with this index; 0 is left to the stack, which would replace it.
pub(super) fn handle(index: usize) -> u32 {
    u32::try_from(index + 1).unwrap_or(u32::MAX)
}

impl OnSubscriptionNotificationCore for Feed {
    fn on_subscription_notification(&mut self, message: NotificationMessage, _: MonitoredItemMap<'_>) {
        self.hear(message);
    }
}

impl Feed {
    /// After the first fault nothing more is handed on.
    fn hear(&mut self, message: NotificationMessage) {
        if self.fault.raised() {
            return;
        }
        if let Err(error) = self.take(message) {
            self.fault.raise(error);
        }
    }

    fn take(&mut self, message: NotificationMessage) -> Result<(), LinkError> {
        let (now, at) = (self.clock.now(), tokio::time::Instant::now());
        let parts = message.notification_data.unwrap_or_default();
        let checked = if parts.is_empty() {
            self.sequence.keep_alive(message.sequence_number)
        } else {
            self.sequence.data(message.sequence_number)
        };
        checked.map_err(|gap| self.broken(format!("notifications were lost: {gap}")))?;
        let mut observations = Vec::new();
        for part in parts {
            self.part(part, now, &mut observations)?;
        }
        let count = observations.len();
        let batch = Batch { observations, alive: Some(now), receipt: None };
        if self.waiting.enter(&batch) && self.heard.try_send(Heard { batch, at }).is_ok() {
            return Ok(());
        }
        let lost = u64::try_from(count).unwrap_or(u64::MAX);
        self.tally.lost.fetch_add(lost, Ordering::Relaxed);
        Err(self.broken(format!(
            "the agent fell behind ({WAITING} notifications or {WAITING_BYTES} bytes wait) and could not take {lost} values"
        )))
    }

    fn part(
        &self,
        part: ExtensionObject,
        now: observation::Instant,
        into: &mut Vec<Observation>,
    ) -> Result<(), LinkError> {
        if part.inner_is::<StatusChangeNotification>() {
            let status = part.into_inner_as::<StatusChangeNotification>().map(|change| change.status);
            let name = status.map_or_else(|| "without a status".to_owned(), status::name);
            return Err(self.broken(format!("the server ended the subscription: {name}")));
        }
        let Some(change) = part.into_inner_as::<DataChangeNotification>() else {
            return Err(
                self.protocol("a notification that is neither a change of data nor of status".to_owned())
            );
        };
        for item in change.monitored_items.unwrap_or_default() {
            into.extend(self.item(&item, now)?);
        }
        Ok(())
    }

    fn item(
        &self,
        item: &MonitoredItemNotification,
        now: observation::Instant,
    ) -> Result<Vec<Observation>, LinkError> {
        let index = usize::try_from(item.client_handle).ok().and_then(|handle| handle.checked_sub(1));
        let Some(point) = index.and_then(|index| self.points.get(index)) else {
            return Err(
                self.protocol(format!("a value for handle {}, which was never given", item.client_handle))
            );
        };
        if item.value.status.is_some_and(|status| overflowed(status.bits())) {
            self.tally.overflows.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(link = %self.address, node = %point.node, "the server's queue overflowed; values are missing");
        }
        Ok(decode(point, &item.value, now))
    }

    fn broken(&self, detail: String) -> LinkError {
        LinkError::Broken { address: self.address.clone(), detail }
    }

    fn protocol(&self, detail: String) -> LinkError {
        LinkError::Protocol { address: self.address.clone(), detail }
    }
}

/// Sequence numbers of a subscription (OPC 10000-4 7.26): messages with content count up from 1 and after
/// 2^32 - 1 begin again at 1; a keep-alive names the number of the next one.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sequence {
    last: Option<u32>,
}

/// A number that should not have come now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("number {got} came where {expected} was due")]
pub(super) struct Gap {
    expected: u32,
    got: u32,
}

impl Sequence {
    fn next(self) -> Option<u32> {
        self.last.map(|last| last.checked_add(1).unwrap_or(1))
    }

    fn data(&mut self, got: u32) -> Result<(), Gap> {
        match self.next() {
            Some(expected) if expected != got => Err(Gap { expected, got }),
            _ => {
                self.last = Some(got);
                Ok(())
            }
        }
    }

    /// Some servers name the last number instead of the next; both prove that nothing is missing.
    fn keep_alive(self, got: u32) -> Result<(), Gap> {
        match self.next() {
            Some(expected) if expected != got && self.last != Some(got) => Err(Gap { expected, got }),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::{Instant, Mono, PointId, Quality, Reason, Utc};
    use opcua::types::{DataValue, StatusCode, Variant};

    struct Stopped;

    impl Clock for Stopped {
        fn now(&self) -> Instant {
            Instant { utc: Utc(1000), mono: Mono(7) }
        }
    }

    fn feed(room: usize) -> (Feed, mpsc::Receiver<Heard>, watch::Receiver<Option<LinkError>>) {
        let table = serde_json::json!({"node": "nsu=urn:x;s=a"});
        let (heard, receiver) = mpsc::channel(room);
        let (fault, raised) = Fault::new();
        let feed = Feed {
            address: "opc.tcp://x".to_owned(),
            points: [PointConfig::read(PointId(40), &table).unwrap()].into(),
            clock: Arc::new(Stopped),
            heard,
            waiting: Waiting::default(),
            fault,
            tally: Arc::default(),
            sequence: Sequence::default(),
        };
        (feed, receiver, raised)
    }

    fn tell(feed: &mut Feed, sequence_number: u32, parts: Vec<ExtensionObject>) {
        let message = NotificationMessage {
            sequence_number,
            notification_data: (!parts.is_empty()).then_some(parts),
            ..Default::default()
        };
        feed.hear(message);
    }

    fn values(handle: u32, codes: &[u32]) -> ExtensionObject {
        let item = |code: &u32| MonitoredItemNotification {
            client_handle: handle,
            value: DataValue {
                value: Some(Variant::Int32(1)),
                status: Some(StatusCode::from(*code)),
                ..DataValue::null()
            },
        };
        ExtensionObject::from_message(DataChangeNotification {
            monitored_items: Some(codes.iter().map(item).collect()),
            diagnostic_infos: None,
        })
    }

    fn fault(raised: &watch::Receiver<Option<LinkError>>) -> String {
        raised.borrow().as_ref().map(ToString::to_string).unwrap_or_default()
    }

    #[test]
    fn values_and_keep_alives_confirm_the_session_at_their_arrival() {
        let (mut feed, mut heard, raised) = feed(8);
        tell(&mut feed, 1, vec![values(handle(0), &[0])]);
        tell(&mut feed, 2, vec![]);
        let first = heard.try_recv().unwrap().batch;
        assert_eq!(first.alive, Some(Stopped.now()));
        assert_eq!((first.observations[0].point, first.observations[0].agent_time), (PointId(40), Utc(1000)));
        let silent = heard.try_recv().unwrap().batch;
        assert_eq!((silent.alive, silent.observations.len()), (Some(Stopped.now()), 0));
        assert_eq!(fault(&raised), "");
    }

    #[test]
    fn pain_03_good_bad_good_are_three_observations() {
        let (mut feed, mut heard, _raised) = feed(8);
        tell(&mut feed, 1, vec![values(handle(0), &[0, 0x8089_0000, 0])]);
        let qualities: Vec<Quality> =
            heard.try_recv().unwrap().batch.observations.iter().map(|o| o.quality).collect();
        assert_eq!(qualities, [Quality::Good, Quality::Bad(Reason::Status(0x8089_0000)), Quality::Good]);
    }

    #[test]
    fn pain_15_overflows_are_counted() {
        let (mut feed, mut heard, _raised) = feed(8);
        tell(&mut feed, 1, vec![values(handle(0), &[0x480, 0, 0x480])]);
        assert_eq!(feed.tally.overflows(), 2);
        assert_eq!(heard.try_recv().unwrap().batch.observations.len(), 5);
    }

    #[track_caller]
    fn ends(messages: &[(u32, bool)], why: &str) {
        let (mut feed, _heard, raised) = feed(8);
        for (number, has_data) in messages {
            let parts = if *has_data { vec![values(handle(0), &[0])] } else { vec![] };
            tell(&mut feed, *number, parts);
        }
        let fault = fault(&raised);
        assert!(
            if why.is_empty() { fault.is_empty() } else { fault.contains(why) },
            "{messages:?}: {fault:?}"
        );
    }

    #[test]
    fn a_gap_in_the_sequence_ends_the_session() {
        ends(&[(1, true), (2, true), (3, false), (3, true)], "");
        ends(&[(1, true), (3, true)], "number 3 came where 2 was due");
        ends(&[(1, true), (1, true)], "number 1 came where 2 was due");
        ends(&[(1, true), (4, false)], "number 4 came where 2 was due");
        ends(&[(1, true), (1, false), (2, true)], "");
        ends(&[(u32::MAX, true), (1, false), (1, true)], "");
        ends(&[(u32::MAX, true), (0, true)], "number 0 came where 1 was due");
    }

    #[test]
    fn what_does_not_fit_into_the_queue_ends_the_session_and_is_counted() {
        let (mut feed, mut heard, raised) = feed(1);
        tell(&mut feed, 1, vec![values(handle(0), &[0])]);
        tell(&mut feed, 2, vec![values(handle(0), &[0, 0])]);
        tell(&mut feed, 3, vec![values(handle(0), &[0])]);
        assert!(fault(&raised).contains("could not take 2 values"), "{}", fault(&raised));
        assert_eq!(feed.tally.lost(), 2);
        assert_eq!(heard.try_recv().unwrap().batch.observations.len(), 1);
        assert!(heard.try_recv().is_err(), "nothing after the loss");
    }

    #[test]
    fn a_server_that_ends_the_subscription_or_talks_nonsense_ends_the_session() {
        let status = StatusChangeNotification { status: StatusCode::BadTimeout, ..Default::default() };
        for (part, why) in [
            (ExtensionObject::from_message(status), "ended the subscription: BadTimeout"),
            (values(9, &[0]), "handle 9"),
            (values(0, &[0]), "handle 0"),
            (ExtensionObject::null(), "neither"),
        ] {
            let (mut feed, _heard, raised) = feed(8);
            tell(&mut feed, 1, vec![part]);
            assert!(fault(&raised).contains(why), "{}", fault(&raised));
        }
    }
}
