//! One live connection to the broker: every node's messages to its [`Node`], and what comes of them to the owner.

use std::convert::Infallible;
use std::sync::Arc;

use observation::{Clock, Instant, Observation, PointId, Reason};

use super::listener::{Listener, NodeName, Plan};
use super::node::{Change, Node};
use super::rebirth::{self, Pace};
use super::settings::Settings;
use super::topic;
use crate::feed::Outlet;
use crate::mqtt::subscriber::{Event, Message, Subscriber};
use crate::{Batch, LinkError};

/// What to subscribe to, all of it before any node's birth can be seen.
pub(super) fn filters(plan: &Plan) -> Vec<String> {
    plan.keys().flat_map(|(group, node)| topic::filters(group, node)).collect()
}

pub(super) struct Session {
    settings: Arc<Settings>,
    listener: Listener,
    clock: Arc<dyn Clock>,
    outlet: Outlet,
    subscriber: Subscriber,
    pace: Pace<NodeName>,
}

impl Session {
    pub(super) fn new(
        settings: Arc<Settings>,
        plan: &Plan,
        clock: Arc<dyn Clock>,
        outlet: Outlet,
        subscriber: Subscriber,
    ) -> Self {
        let listener = Listener::new(plan);
        Self { settings, listener, clock, outlet, subscriber, pace: Pace::default() }
    }

    /// Runs until the connection ends, then says so about every point of `points`.
    pub(super) async fn run(mut self, points: Vec<PointId>) {
        let Err(error) = self.serve().await;
        let reason =
            if matches!(error, LinkError::Timeout { .. }) { Reason::Timeout } else { Reason::Disconnected };
        let at = self.clock.now();
        let lost = points.into_iter().map(|point| Observation::bad(point, reason, at)).collect();
        self.hand_over(Batch::of(lost)).await;
        // A send fails only when the source was dropped, and then this task is about to be.
        drop(self.outlet.send(Err(error)).await);
    }

    async fn serve(&mut self) -> Result<Infallible, LinkError> {
        // Connected is not born: until then nothing is known of a node.
        let at = self.clock.now();
        let unborn = self.listener.nodes.values().flat_map(|node| node.all_bad(Reason::Stale, at)).collect();
        self.hand_over(Batch::of(unborn)).await;
        loop {
            match self.subscriber.next().await? {
                Event::Message(message) => self.message(message).await?,
                Event::Refused(refused) => self.refused(&refused).await?,
                Event::Subscribed => self.ask_all(|node| !node.is_alive())?,
                Event::Alive => {
                    self.ask_all(Node::is_lost)?;
                    let alive = Some(self.clock.now());
                    self.hand_over(Batch { alive, ..Batch::default() }).await;
                }
            }
        }
    }

    async fn message(&mut self, message: Message) -> Result<(), LinkError> {
        let at = self.clock.now();
        let receipt = message.receipt;
        let observations = self.observe(message, at)?;
        self.hand_over(Batch { observations, alive: Some(at), receipt }).await;
        Ok(())
    }

    fn observe(&mut self, message: Message, at: Instant) -> Result<Vec<Observation>, LinkError> {
        let text = String::from_utf8_lossy(&message.topic);
        if message.retained {
            // No edge node may retain its messages (topics-nbirth-mqtt and the like): nobody knows how old this is.
            tracing::warn!(topic = %text, "a retained message is ignored; let its publisher send without `retain`");
            return Ok(Vec::new());
        }
        let Some((name, outcome)) = self.listener.hear(&text, message.payload, at) else {
            return Ok(Vec::new());
        };
        self.tell(&name, outcome.change.as_ref());
        if outcome.wants_birth {
            self.ask(&name)?;
        }
        Ok(outcome.observations)
    }

    fn tell(&self, (group, node): &NodeName, change: Option<&Change>) {
        match change {
            None => {}
            Some(Change::Born) => tracing::info!(group, node, "the node was born"),
            Some(Change::Died) => tracing::warn!(group, node, "the node is gone; its points are bad"),
            Some(Change::Lost(lost)) if self.settings.rebirth => {
                tracing::warn!(
                    group,
                    node,
                    "{lost}; its points are bad until it is born anew, which it is asked for"
                );
            }
            Some(Change::Lost(lost)) => tracing::warn!(
                group,
                node,
                "{lost}; its points are bad until it is born anew: have it publish its birth again, or set `rebirth = true`"
            ),
        }
    }

    fn ask_all(&mut self, which: fn(&Node) -> bool) -> Result<(), LinkError> {
        let names: Vec<NodeName> = self
            .listener
            .nodes
            .iter()
            .filter(|(_, node)| which(node))
            .map(|(name, _)| name.clone())
            .collect();
        names.iter().try_for_each(|name| self.ask(name))
    }

    /// Asks a node for a new birth, if that is allowed and not too soon.
    fn ask(&mut self, name: &NodeName) -> Result<(), LinkError> {
        let at = self.clock.now();
        if !self.settings.rebirth || !self.pace.may_ask(name, at.mono) {
            return Ok(());
        }
        let (group, node) = name;
        tracing::info!(group, node, "the node is asked for a new birth");
        self.subscriber.publish(&topic::command(group, node), rebirth::request(at))
    }

    /// A node of which some messages cannot be read cannot be followed at all, for its sequence has gaps then. Without any
    /// node the session is of no use.
    async fn refused(&mut self, refused: &[(String, u8)]) -> Result<(), LinkError> {
        let at = self.clock.now();
        let mut bad = Vec::new();
        self.listener.nodes.retain(|(group, node), state| {
            let filters = topic::filters(group, node);
            let Some((filter, code)) = refused.iter().find(|(filter, _)| filters.contains(filter)) else { return true };
            tracing::warn!(
                %filter, code,
                "the broker refused a subscription; without it the node cannot be followed: let this user read it"
            );
            bad.extend(state.all_bad(Reason::Refused(*code), at));
            false
        });
        self.hand_over(Batch::of(bad)).await;
        match refused.first() {
            Some((filter, code)) if self.listener.nodes.is_empty() => Err(LinkError::Refused {
                address: self.settings.broker.address.clone(),
                detail: format!("no subscription to {filter} (0x{code:02X})"),
                advice:
                    "let this user read all that the configured nodes publish in the broker's access list"
                        .to_owned(),
            }),
            _ => Ok(()),
        }
    }

    async fn hand_over(&mut self, batch: Batch) {
        // As in `run`: nobody is left to tell when this fails.
        drop(self.outlet.send(Ok(batch)).await);
    }
}
