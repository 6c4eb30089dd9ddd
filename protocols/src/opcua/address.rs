//! Node addresses: `nsu=<namespace URI>;s=<text>` and its kin `i=`, `g=`, `b=`, as OPC 10000-6 5.1.12 writes them.
//!
//! A namespace *index* is no address here: it belongs to one run of one server, and after a restart the same
//! index may name another machine's variables. The index is looked up at each connect.

use std::fmt;
use std::str::FromStr;

use opcua::types::{ByteString, Guid, Identifier, NodeId};

/// A variable, named so that it survives a restart of its server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeAddress {
    namespace: Option<String>,
    identifier: Identifier,
}

/// Why a text is no node address.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// `ns=2;…`.
    #[error(
        "a namespace index may mean something else after the server's next restart; \
         write its URI: nsu=<URI>;{rest} (the URI is at that index of the server's NamespaceArray, i=2255)"
    )]
    NamespaceIndex {
        /// What follows the index.
        rest: String,
    },
    /// `svr=1;…`.
    #[error("a node of another server (svr=) is read over a link of its own")]
    OtherServer,
    /// Not `i=`, `s=`, `g=` or `b=`.
    #[error("{0:?} is no node; write for example nsu=urn:example:cnc;s=Channel1.ProgramStatus, or i=2258")]
    Form(String),
    /// The part after `i=`, `g=` or `b=` does not fit.
    #[error("{text:?} is not {what}")]
    Identifier {
        /// What was written.
        text: String,
        /// What should have been.
        what: &'static str,
    },
}

impl NodeAddress {
    /// The node id for a session whose server has these namespaces, or none if the URI is not among them.
    pub fn resolve(&self, namespaces: &[String]) -> Option<NodeId> {
        let index = match &self.namespace {
            None => 0,
            Some(uri) => u16::try_from(namespaces.iter().position(|known| known == uri)?).ok()?,
        };
        Some(NodeId::new(index, self.identifier.clone()))
    }

    /// The server's own clock, which every server has (`i=2258`).
    pub(super) fn server_time() -> Self {
        Self { namespace: None, identifier: Identifier::Numeric(2258) }
    }

    /// The address of a node id of a session whose server has these namespaces, or none if its index is not
    /// among them or its identifier is empty.
    pub fn of(node: &NodeId, namespaces: &[String]) -> Option<Self> {
        let namespace = match node.namespace {
            0 => None,
            index => Some(namespaces.get(usize::from(index)).filter(|uri| !uri.is_empty())?.clone()),
        };
        let address = Self { namespace, identifier: node.identifier.clone() };
        // Whatever is printed can be read again; an empty text could not.
        (address.to_string().parse().as_ref() == Ok(&address)).then_some(address)
    }

    /// The namespace's URI; none is the namespace of OPC UA itself.
    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }
}

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let form = || AddressError::Form(text.to_owned());
        if text.starts_with("svr=") {
            return Err(AddressError::OtherServer);
        }
        if let Some(indexed) = text.strip_prefix("ns=") {
            let rest = indexed.split_once(';').map_or("", |(_, rest)| rest).to_owned();
            return Err(AddressError::NamespaceIndex { rest });
        }
        let (namespace, rest) = match text.strip_prefix("nsu=") {
            None => (None, text),
            Some(long) => {
                let (uri, rest) = long.split_once(';').filter(|(uri, _)| !uri.is_empty()).ok_or_else(form)?;
                (Some(uri.replace("%3B", ";").replace("%3b", ";").replace("%25", "%")), rest)
            }
        };
        let (kind, value) = rest.split_once('=').filter(|(_, value)| !value.is_empty()).ok_or_else(form)?;
        let wrong = |what| AddressError::Identifier { text: value.to_owned(), what };
        let identifier = match kind {
            "i" => Identifier::Numeric(value.parse().map_err(|_| wrong("a whole number below 2^32"))?),
            "s" => Identifier::String(value.into()),
            "g" => Identifier::Guid(
                Guid::from_str(value)
                    .map_err(|_| wrong("a GUID such as 72962B91-FA75-4AE6-8D28-B404DC7DAF63"))?,
            ),
            "b" => Identifier::ByteString(
                ByteString::from_base64(value)
                    .ok_or_else(|| wrong("base64 such as M/RbKBsRVkePCePcx24oRA=="))?,
            ),
            _ => return Err(form()),
        };
        Ok(Self { namespace, identifier })
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(uri) = &self.namespace {
            write!(f, "nsu={};", uri.replace('%', "%25").replace(';', "%3B"))?;
        }
        match &self.identifier {
            Identifier::Numeric(number) => write!(f, "i={number}"),
            Identifier::String(text) => write!(f, "s={text}"),
            Identifier::Guid(guid) => write!(f, "g={guid}"),
            Identifier::ByteString(bytes) => write!(f, "b={}", bytes.as_base64()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn refused(text: &str, why: &str) {
        let error = text.parse::<NodeAddress>().unwrap_err().to_string();
        assert!(error.contains(why), "{error:?} should contain {why:?}");
    }

    #[test]
    fn every_form_of_identifier_reads_and_prints_the_same() {
        for text in [
            "i=2258",
            "nsu=urn:example:cnc;s=Channel1.ProgramStatus",
            "nsu=urn:example:cnc;s=a;b=c",
            "nsu=urn:宏达机床:加工中心;s=主轴.转速",
            "nsu=http://example.com/a%3Bb%25c;i=7",
            "nsu=urn:x;g=72962b91-fa75-4ae6-8d28-b404dc7daf63",
            "nsu=urn:x;b=M/RbKBsRVkePCePcx24oRA==",
        ] {
            assert_eq!(text.parse::<NodeAddress>().unwrap().to_string(), text);
        }
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_way_out() {
        refused("ns=2;s=Speed", "nsu=<URI>;s=Speed");
        refused("svr=1;nsu=urn:x;s=Speed", "link of its own");
        refused("Speed", "write for example");
        refused("nsu=urn:x", "write for example");
        refused("nsu=;s=Speed", "write for example");
        refused("nsu=urn:x;s=", "write for example");
        refused("x=1", "write for example");
        refused("i=4294967296", "below 2^32");
        refused("g=12", "a GUID");
        refused("b=***", "base64");
    }

    #[test]
    fn pain_12_the_index_is_that_of_the_session() {
        let address: NodeAddress = "nsu=urn:cnc;s=Speed".parse().unwrap();
        let array = |uris: &[&str]| uris.iter().map(|uri| (*uri).to_owned()).collect::<Vec<_>>();
        let before = array(&["http://opcfoundation.org/UA/", "urn:server", "urn:cnc"]);
        let after = array(&["http://opcfoundation.org/UA/", "urn:server", "urn:other", "urn:cnc"]);
        assert_eq!(address.resolve(&before), Some(NodeId::new(2, "Speed")));
        assert_eq!(address.resolve(&after), Some(NodeId::new(3, "Speed")));
        assert_eq!(address.resolve(&array(&["http://opcfoundation.org/UA/"])), None);
    }

    #[test]
    fn a_node_of_a_session_is_named_by_uri_or_not_at_all() {
        let namespaces = ["http://opcfoundation.org/UA/".to_owned(), "urn:cnc".to_owned(), String::new()];
        let named = |index, id: &str| {
            NodeAddress::of(&NodeId::new(index, id), &namespaces).map(|address| address.to_string())
        };
        assert_eq!(named(1, "主轴;x").as_deref(), Some("nsu=urn:cnc;s=主轴;x"));
        assert_eq!(named(0, "a").as_deref(), Some("s=a"));
        assert_eq!((named(2, "a"), named(3, "a"), named(1, "")), (None, None, None));
    }

    proptest! {
        #[test]
        fn any_uri_and_text_survive_printing_and_reading(uri in "[ -~一-龥]{1,30}", text in "[ -~一-龥]{1,30}") {
            let address = NodeAddress { namespace: Some(uri), identifier: Identifier::String(text.as_str().into()) };
            prop_assert_eq!(address.to_string().parse::<NodeAddress>().unwrap(), address);
        }
    }
}
