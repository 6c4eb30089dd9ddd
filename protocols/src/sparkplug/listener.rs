//! Every node of a link, and what its messages make of them, without a broker.

use std::collections::BTreeMap;

use bytes::Bytes;
use observation::{Instant, Observation};

use super::node::{Node, Outcome, Wanted};
use super::topic::Topic;

/// A group and an edge node in it.
pub(super) type NodeName = (String, String);

/// What is read of each node.
pub(super) type Plan = BTreeMap<NodeName, Wanted>;

/// The nodes of one session.
#[derive(Debug)]
pub struct Listener {
    pub(super) nodes: BTreeMap<NodeName, Node>,
}

impl Listener {
    /// No node has been heard of yet.
    pub(super) fn new(plan: &Plan) -> Self {
        let node = |(name, wanted): (&NodeName, &Wanted)| (name.clone(), Node::new(wanted.clone()));
        Self { nodes: plan.iter().map(node).collect() }
    }

    /// What a message says of the points of its node; nothing if it is of no node of this link.
    pub fn take(&mut self, topic: &str, payload: Bytes, at: Instant) -> Vec<Observation> {
        self.hear(topic, payload, at).map_or_else(Vec::new, |(_, outcome)| outcome.observations)
    }

    /// The same with everything that follows from it.
    pub(super) fn hear(&mut self, topic: &str, payload: Bytes, at: Instant) -> Option<(NodeName, Outcome)> {
        let topic = Topic::parse(topic)?;
        let name = (topic.group.to_owned(), topic.node.to_owned());
        let outcome = self.nodes.get_mut(&name)?.take(topic.kind, topic.device, payload, at);
        Some((name, outcome))
    }
}
