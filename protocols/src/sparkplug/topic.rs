//! Sparkplug's topics: which message, of which edge node, of which of its devices.
//!
//! ```text
//! spBv1.0/GROUP/NBIRTH/NODE             the node and its own metrics
//! spBv1.0/GROUP/DBIRTH/NODE/DEVICE      a device behind it
//! ```
//! (Eclipse Sparkplug 3.0.0, chapter 4.) Only what edge nodes publish is read here: commands and the state of
//! host applications are neither.

/// The first element of every topic of this version's payloads (chapter 4, "namespace element").
pub(super) const NAMESPACE: &str = "spBv1.0";

/// What an edge node publishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Birth,
    Data,
    Death,
}

/// A topic taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Topic<'a> {
    pub(super) group: &'a str,
    pub(super) node: &'a str,
    /// Empty for the node itself; a device's name never is.
    pub(super) device: &'a str,
    pub(super) kind: Kind,
}

impl<'a> Topic<'a> {
    /// Nothing if it is not one that an edge node publishes on.
    pub(super) fn parse(topic: &'a str) -> Option<Self> {
        let mut parts = topic.split('/');
        let (namespace, group, message, node) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let device = parts.next();
        if namespace != NAMESPACE || parts.next().is_some() || device == Some("") {
            return None;
        }
        let kind = match (message, device) {
            ("NBIRTH", None) | ("DBIRTH", Some(_)) => Kind::Birth,
            ("NDATA", None) | ("DDATA", Some(_)) => Kind::Data,
            ("NDEATH", None) | ("DDEATH", Some(_)) => Kind::Death,
            _ => return None,
        };
        Some(Self { group, node, device: device.unwrap_or_default(), kind })
    }
}

/// What to subscribe to for one edge node. Its sequence number counts the messages of all its devices, so all of them
/// are needed. The node's birth comes last: once it is seen, nothing that follows it can have been missed.
pub(super) fn filters(group: &str, node: &str) -> [String; 6] {
    let device = |message: &str| format!("{NAMESPACE}/{group}/{message}/{node}/+");
    let own = |message: &str| format!("{NAMESPACE}/{group}/{message}/{node}");
    [device("DDATA"), device("DDEATH"), device("DBIRTH"), own("NDATA"), own("NDEATH"), own("NBIRTH")]
}

/// Where an edge node listens for commands. Written to by [`super::rebirth`] alone.
pub(super) fn command(group: &str, node: &str) -> String {
    format!("{NAMESPACE}/{group}/NCMD/{node}")
}

/// Why a text cannot be an element of a topic.
pub(super) fn unfit(element: &str) -> Option<&'static str> {
    if element.is_empty() {
        Some("must not be empty")
    } else if element.contains(['/', '+', '#', '\0']) {
        Some("is one element of a topic, so it cannot hold / + # or NUL")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(topic: &str, want: Option<(&str, &str, &str, Kind)>) {
        let got = Topic::parse(topic).map(|t| (t.group, t.node, t.device, t.kind));
        assert_eq!(got, want, "{topic}");
    }

    #[test]
    fn a_topic_names_group_node_device_and_message() {
        check("spBv1.0/Plant/NBIRTH/Line1", Some(("Plant", "Line1", "", Kind::Birth)));
        check("spBv1.0/Plant/NDATA/Line1", Some(("Plant", "Line1", "", Kind::Data)));
        check("spBv1.0/Plant/NDEATH/Line1", Some(("Plant", "Line1", "", Kind::Death)));
        check("spBv1.0/冲压/DBIRTH/Line 1/Press3", Some(("冲压", "Line 1", "Press3", Kind::Birth)));
        check("spBv1.0/Plant/DDATA/Line1/Press3", Some(("Plant", "Line1", "Press3", Kind::Data)));
        check("spBv1.0/Plant/DDEATH/Line1/Press3", Some(("Plant", "Line1", "Press3", Kind::Death)));
    }

    #[test]
    fn commands_states_and_what_does_not_fit_are_not_read() {
        for topic in [
            "spBv1.0/Plant/NCMD/Line1",
            "spBv1.0/Plant/DCMD/Line1/Press3",
            "spBv1.0/STATE/scada",
            "spAv1.0/Plant/NBIRTH/Line1",
            "spBv1.0/Plant/NBIRTH/Line1/Press3",
            "spBv1.0/Plant/DBIRTH/Line1",
            "spBv1.0/Plant/DBIRTH/Line1/",
            "spBv1.0/Plant/DDATA/Line1/Press3/x",
            "spBv1.0/Plant/NBIRTH",
            "",
        ] {
            check(topic, None);
        }
    }

    #[test]
    fn what_is_subscribed_to_is_what_is_read_and_the_nodes_birth_is_last() {
        let filters = filters("Plant", "Line1");
        for filter in &filters {
            assert!(Topic::parse(&filter.replace('+', "Press3")).is_some(), "{filter}");
        }
        assert_eq!(filters.last().unwrap(), "spBv1.0/Plant/NBIRTH/Line1");
    }
}
