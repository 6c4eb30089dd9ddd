//! The queue between a session's own task and the [`Source`](crate::Source) its owner polls.
//!
//! A session runs in its own task, so that a panic in a protocol's crate ends that session and nothing
//! else, and so that waiting for the next batch can be cancelled at any moment without losing an answer.

use std::sync::Arc;

use observation::{Clock, Observation, PointId, Reason};
use tokio::sync::mpsc;
use tokio_util::task::AbortOnDropHandle;

use crate::{Batch, LinkError};

/// Batches that may wait for their owner. When it lags, the session waits too and polls are skipped; the
/// observations that wait keep the stamps of their arrival.
const WAITING_BATCHES: usize = 16;

/// Where a session puts what it has learnt.
pub(crate) type Outlet = mpsc::Sender<Result<Batch, LinkError>>;

/// The receiving end. Dropping it ends the session's task.
pub(crate) struct Feed {
    queue: mpsc::Receiver<Result<Batch, LinkError>>,
    /// The end, taken from the queue behind batches that were handed out first.
    end: Option<LinkError>,
    task: AbortOnDropHandle<()>,
    address: String,
    /// Points still to be reported as lost, should the task end without a word.
    points: Vec<PointId>,
    clock: Arc<dyn Clock>,
}

impl Feed {
    /// Runs `session` in its own task. It should end by putting an error into its outlet.
    pub(crate) fn start<S, F>(address: &str, points: &[PointId], clock: Arc<dyn Clock>, session: S) -> Self
    where
        S: FnOnce(Outlet) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        Self::with_room(WAITING_BATCHES, address, points, clock, session)
    }

    /// The same with room for another number of batches.
    pub(crate) fn with_room<S, F>(
        room: usize,
        address: &str,
        points: &[PointId],
        clock: Arc<dyn Clock>,
        session: S,
    ) -> Self
    where
        S: FnOnce(Outlet) -> F,
        F: Future<Output = ()> + Send + 'static,
    {
        let (outlet, queue) = mpsc::channel(room);
        let task = AbortOnDropHandle::new(tokio::spawn(session(outlet)));
        Self { queue, end: None, task, address: address.to_owned(), points: points.to_vec(), clock }
    }

    /// The next batch; when its owner lags, so that `many` wait behind it, with all of those in one. Cancel
    /// safe.
    pub(crate) async fn next_of_many(&mut self, many: usize) -> Result<Batch, LinkError> {
        let mut batch = self.next().await?;
        if self.queue.len() < many {
            return Ok(batch);
        }
        while let Ok(more) = self.queue.try_recv() {
            match more {
                Ok(more) => {
                    batch.observations.extend(more.observations);
                    batch.alive = more.alive.or(batch.alive);
                    batch.receipt = match (batch.receipt, more.receipt) {
                        (Some(before), Some(last)) if before.is_at_once() => Some(last.at_once()),
                        (before, last) => last.or(before),
                    };
                }
                Err(error) => self.end = Some(error),
            }
        }
        Ok(batch)
    }

    /// The next batch, or the error that ended the session. Cancel safe.
    pub(crate) async fn next(&mut self) -> Result<Batch, LinkError> {
        if let Some(error) = self.end.take() {
            self.points.clear();
            return Err(error);
        }
        match self.queue.recv().await {
            Some(Ok(batch)) => Ok(batch),
            Some(Err(error)) => {
                self.points.clear();
                Err(error)
            }
            None if !self.points.is_empty() => {
                let at = self.clock.now();
                let lost = |point| Observation::bad(point, Reason::Disconnected, at);
                Ok(Batch::of(self.points.drain(..).map(lost).collect()))
            }
            None => Err(LinkError::Broken { address: self.address.clone(), detail: self.last_words().await }),
        }
    }

    async fn last_words(&mut self) -> String {
        match (&mut self.task).await {
            Err(e) if e.is_panic() => {
                "its session ended by a panic, which is a fault of this program".to_owned()
            }
            _ => "its session has ended".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use observation::{Instant, Mono, Quality, Utc};

    struct Still;

    impl Clock for Still {
        fn now(&self) -> Instant {
            Instant { utc: Utc(9), mono: Mono(9) }
        }
    }

    #[tokio::test]
    async fn trap_a_panic_ends_its_session_and_marks_its_points_and_nothing_else() {
        let mut feed =
            Feed::start("tcp://a", &[PointId(1), PointId(2)], Arc::new(Still), |outlet| async move {
                outlet.send(Ok(Batch::default())).await.unwrap();
                panic!("as a protocol crate does on a short answer");
            });
        assert_eq!(feed.next().await, Ok(Batch::default()));
        let lost = feed.next().await.unwrap().observations;
        assert_eq!(lost.len(), 2);
        assert!(lost.iter().all(|o| o.quality == Quality::Bad(Reason::Disconnected)));
        assert!(
            matches!(feed.next().await, Err(LinkError::Broken { detail, .. }) if detail.contains("panic"))
        );
    }

    #[tokio::test]
    async fn what_waits_behind_a_slow_owner_comes_in_one_batch_with_the_last_receipt() {
        use crate::Receipt;

        let broken = LinkError::Broken { address: "tcp://a".into(), detail: "gone".into() };
        let (sent, (said, all_sent)) = (broken.clone(), tokio::sync::oneshot::channel());
        let mut feed = Feed::with_room(9, "tcp://a", &[PointId(1)], Arc::new(Still), |outlet| async move {
            let at = Still.now();
            for n in 1..=4 {
                let observations = vec![Observation::bad(PointId(n), Reason::Decode, at)];
                let receipt = Receipt::new(n.into());
                let receipt = Some(if n == 3 { receipt.at_once() } else { receipt });
                outlet.send(Ok(Batch { receipt, ..Batch::of(observations) })).await.unwrap();
            }
            outlet.send(Ok(Batch::default())).await.unwrap();
            outlet.send(Err(sent)).await.unwrap();
            said.send(()).unwrap();
        });
        all_sent.await.unwrap();
        let one = feed.next_of_many(6).await.unwrap();
        assert_eq!((one.observations.len(), one.receipt), (1, Some(Receipt::new(1))), "five wait behind it");
        let rest = feed.next_of_many(4).await.unwrap();
        let points: Vec<u32> = rest.observations.iter().map(|o| o.point.0).collect();
        assert_eq!((points, rest.receipt), (vec![2, 3, 4], Some(Receipt::new(4).at_once())));
        assert_eq!(feed.next_of_many(1).await, Err(broken));
    }

    #[tokio::test]
    async fn an_error_is_the_last_thing_a_feed_says_about_its_points() {
        let broken = LinkError::Broken { address: "tcp://a".into(), detail: "gone".into() };
        let sent = broken.clone();
        let mut feed = Feed::start("tcp://a", &[PointId(1)], Arc::new(Still), |outlet| async move {
            outlet.send(Err(sent)).await.unwrap();
        });
        assert_eq!(feed.next().await, Err(broken));
        assert!(
            matches!(feed.next().await, Err(LinkError::Broken { detail, .. }) if detail.contains("has ended"))
        );
    }
}
