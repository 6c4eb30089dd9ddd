//! Looks through a server's nodes for a person who is to write a configuration: names, addresses in the form the
//! configuration takes, and one live value each.
//!
//! Browse, `BrowseNext` and Read only (OPC 10000-4 5.9.2, 5.9.3, 5.11.2), a bounded number of nodes for a bounded
//! time, one request at a time. It is not the agent: nothing is recorded, nothing is subscribed.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use observation::{Clock, PointId, Quality, Value};
use opcua::types::{
    BrowseDescription, BrowseDirection, BrowseResult, BrowseResultMask, ByteString, DataValue, Error,
    NodeClass, NodeClassMask, NodeId, ObjectId, ReadValueId, ReferenceDescription, ReferenceTypeId,
    StatusCode, TimestampsToReturn, Variant, VariantTypeId,
};
use tokio::time::Instant;

use super::address::NodeAddress;
use super::decode::decode;
use super::session::{Opening, Reached};
use super::settings::{PointConfig, Settings};
use super::status;
use crate::LinkError;

/// Nodes of one request; fewer after a server has said that these are too many.
const NODES_PER_REQUEST: usize = 50;
/// References a server is asked for at once; it keeps the rest for `BrowseNext`.
const REFERENCES_PER_PAGE: u32 = 200;
/// Characters of a value that are shown.
const SHOWN: usize = 60;

/// What is looked for.
#[derive(Clone, Debug)]
pub struct Search {
    /// Where to begin; none is the folder of all objects, without the one in which a server describes itself.
    pub under: Option<NodeAddress>,
    /// Text in a name or an address, in any case; none finds everything.
    pub find: Option<String>,
    /// How far it may go.
    pub limits: Limits,
}

/// How far a search may go.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Levels below the start.
    pub depth: usize,
    /// Nodes looked at.
    pub nodes: usize,
    /// Time, after which what has been found is given back.
    pub time: Duration,
}

/// What was found.
#[derive(Clone, Debug)]
pub struct Browsed {
    /// In the order of a tree.
    pub nodes: Vec<Node>,
    /// How many nodes were looked at.
    pub looked_at: usize,
    /// Whether the limit of nodes or of time ended the search before its end.
    pub cut: bool,
}

/// An object or a variable.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Names of what it lies in, from the start on.
    pub path: Vec<String>,
    /// Its own name, as the server displays it.
    pub name: String,
    /// How a configuration names it; none if its namespace has no URI.
    pub address: Option<NodeAddress>,
    /// What a variable holds; none for what holds nothing.
    pub reading: Option<Reading>,
}

/// What a variable held when it was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reading {
    /// The type, with the length of an array.
    pub kind: String,
    /// The value in short, empty if there is none.
    pub shows: String,
    /// The status, if it is not plainly good.
    pub status: Option<String>,
    /// Whether it is a number, text or bit that a point can hold as it is.
    pub scalar: bool,
    /// Whether it is an array, of which a point can hold an element.
    pub array: bool,
}

/// Looks through the server of a link.
pub async fn browse(
    settings: Settings,
    search: &Search,
    clock: Arc<dyn Clock>,
) -> Result<Browsed, LinkError> {
    let opening = Opening::without_points(settings, clock);
    let reached = opening.reach().await?;
    let walk = Walk {
        deadline: Instant::now() + search.limits.time,
        opening: &opening,
        reached: &reached,
        search,
        per_request: NODES_PER_REQUEST,
        found: Vec::new(),
        seen: HashSet::new(),
        cut: false,
    };
    let found = walk.run().await;
    reached.close().await;
    found
}

struct Found {
    id: NodeId,
    parent: Option<usize>,
    name: String,
    browse_name: String,
    is_variable: bool,
}

struct Walk<'a> {
    opening: &'a Opening,
    reached: &'a Reached,
    search: &'a Search,
    deadline: Instant,
    per_request: usize,
    found: Vec<Found>,
    seen: HashSet<NodeId>,
    cut: bool,
}

/// A node that is being asked for what lies in it, or for the rest of that.
enum Asked {
    First(NodeId),
    Rest(ByteString),
}

impl Walk<'_> {
    async fn run(mut self) -> Result<Browsed, LinkError> {
        let start = self.start()?;
        self.seen.insert(start.clone());
        if self.search.under.is_none() {
            self.seen.insert(ObjectId::Server.into());
        }
        let mut level: Vec<(Option<usize>, NodeId)> = vec![(None, start)];
        for depth in 0..self.search.limits.depth {
            let from = self.found.len();
            let mut waiting = level.as_slice();
            while !waiting.is_empty() && !self.exhausted() {
                let (now, later) = waiting.split_at(self.per_request.min(waiting.len()));
                if self.children(now, depth == 0).await? {
                    waiting = later;
                }
            }
            level = self.found.iter().enumerate().skip(from).map(|(i, f)| (Some(i), f.id.clone())).collect();
        }
        let order = self.matching();
        let readings = self.readings(&order).await?;
        Ok(Browsed {
            nodes: order.iter().map(|index| self.node(*index, &readings)).collect(),
            looked_at: self.found.len(),
            cut: self.cut,
        })
    }

    fn start(&self) -> Result<NodeId, LinkError> {
        let Some(under) = &self.search.under else { return Ok(ObjectId::ObjectsFolder.into()) };
        under.resolve(&self.reached.namespaces).ok_or_else(|| {
            let known: Vec<&str> = self.reached.namespaces.iter().skip(1).map(String::as_str).collect();
            self.refused(
                format!("it has no namespace {:?}", under.namespace().unwrap_or_default()),
                format!("its namespaces are: {}", known.join(", ")),
            )
        })
    }

    fn refused(&self, detail: String, advice: String) -> LinkError {
        LinkError::Refused { address: self.opening.settings.address.url.clone(), detail, advice }
    }

    fn exhausted(&mut self) -> bool {
        self.cut |= self.found.len() >= self.search.limits.nodes || Instant::now() >= self.deadline;
        self.cut
    }

    /// Notes what lies in these nodes, page by page. False if the server wants to be asked for fewer at once.
    async fn children(
        &mut self,
        parents: &[(Option<usize>, NodeId)],
        first: bool,
    ) -> Result<bool, LinkError> {
        let mut open: Vec<(Option<usize>, Asked)> =
            parents.iter().map(|(parent, id)| (*parent, Asked::First(id.clone()))).collect();
        while !open.is_empty() {
            let answers = match self.page(&open, false).await {
                Err(error) if error.status() == StatusCode::BadTooManyOperations && open.len() > 1 => {
                    self.per_request = (open.len() / 4).max(1);
                    return Ok(false);
                }
                answers => answers.map_err(|error| self.opening.talking("browsing", &error))?,
            };
            let mut rest = Vec::new();
            for ((parent, _), answer) in open.iter().zip(answers) {
                if first && answer.status_code.is_bad() {
                    return Err(self.no_start(answer.status_code));
                }
                for reference in answer.references.unwrap_or_default() {
                    self.note(*parent, reference);
                }
                if !answer.continuation_point.is_null_or_empty() {
                    rest.push((*parent, Asked::Rest(answer.continuation_point)));
                }
            }
            if !rest.is_empty() && self.exhausted() {
                // The server keeps what it has not told yet until it is told to forget it.
                let _ = self.page(&rest, true).await;
                return Ok(true);
            }
            open = rest;
        }
        Ok(true)
    }

    fn no_start(&self, code: StatusCode) -> LinkError {
        self.refused(
            format!("it cannot be looked through from there: {}", status::name(code)),
            "begin without --under, and take an address from what is printed".to_owned(),
        )
    }

    /// One request: the first pages of nodes, or the next ones.
    async fn page(&self, open: &[(Option<usize>, Asked)], forget: bool) -> Result<Vec<BrowseResult>, Error> {
        let firsts: Vec<BrowseDescription> = open
            .iter()
            .filter_map(|(_, asked)| match asked {
                Asked::First(node) => Some(description(node)),
                Asked::Rest(_) => None,
            })
            .collect();
        if !firsts.is_empty() {
            return self.reached.session.browse(&firsts, REFERENCES_PER_PAGE, None).await;
        }
        let rests: Vec<ByteString> = open
            .iter()
            .filter_map(|(_, asked)| match asked {
                Asked::First(_) => None,
                Asked::Rest(point) => Some(point.clone()),
            })
            .collect();
        self.reached.session.browse_next(forget, &rests).await
    }

    fn note(&mut self, parent: Option<usize>, reference: ReferenceDescription) {
        let is_elsewhere = reference.node_id.server_index != 0 || !reference.node_id.namespace_uri.is_empty();
        let id = reference.node_id.node_id;
        if is_elsewhere || self.found.len() >= self.search.limits.nodes || !self.seen.insert(id.clone()) {
            return;
        }
        let browse_name = reference.browse_name.name.value().clone().unwrap_or_default();
        let name = reference.display_name.text.value().clone().filter(|text| !text.is_empty());
        self.found.push(Found {
            id,
            parent,
            name: name.unwrap_or_else(|| browse_name.clone()),
            browse_name,
            is_variable: reference.node_class == NodeClass::Variable,
        });
    }

    /// What is to be shown, in the order of the tree.
    fn matching(&self) -> Vec<usize> {
        let mut inside: HashMap<Option<usize>, Vec<usize>> = HashMap::new();
        for (index, found) in self.found.iter().enumerate() {
            inside.entry(found.parent).or_default().push(index);
        }
        let mut order = Vec::new();
        let mut open: Vec<usize> = inside.remove(&None).unwrap_or_default();
        open.reverse();
        while let Some(index) = open.pop() {
            if self.fits(index) {
                order.push(index);
            }
            open.extend(inside.remove(&Some(index)).unwrap_or_default().into_iter().rev());
        }
        order
    }

    fn fits(&self, index: usize) -> bool {
        let (Some(wanted), Some(found)) = (&self.search.find, self.found.get(index)) else { return true };
        let wanted = wanted.to_lowercase();
        let address = self.address(found).map(|address| address.to_string()).unwrap_or_default();
        [&found.name, &found.browse_name, &address].iter().any(|text| text.to_lowercase().contains(&wanted))
    }

    fn address(&self, found: &Found) -> Option<NodeAddress> {
        NodeAddress::of(&found.id, &self.reached.namespaces)
    }

    /// One value of each variable that is shown, as far as time goes.
    async fn readings(&mut self, order: &[usize]) -> Result<HashMap<usize, Reading>, LinkError> {
        let variables: Vec<(usize, ReadValueId)> = order
            .iter()
            .filter_map(|index| Some((*index, self.found.get(*index)?)))
            .filter(|(_, found)| found.is_variable)
            .map(|(index, found)| (index, ReadValueId::from(found.id.clone())))
            .collect();
        let mut readings = HashMap::new();
        let mut waiting = variables.as_slice();
        while !waiting.is_empty() && Instant::now() < self.deadline {
            let (now, later) = waiting.split_at(self.per_request.min(waiting.len()));
            let nodes: Vec<ReadValueId> = now.iter().map(|(_, node)| node.clone()).collect();
            match self.reached.session.read(&nodes, TimestampsToReturn::Neither, 0.0).await {
                Ok(values) => {
                    readings
                        .extend(now.iter().zip(values).map(|((index, _), data)| (*index, reading(&data))));
                    waiting = later;
                }
                Err(error) if error.status() == StatusCode::BadTooManyOperations && now.len() > 1 => {
                    self.per_request = (now.len() / 4).max(1);
                }
                Err(error) => return Err(self.opening.talking("reading values", &error)),
            }
        }
        self.cut |= !waiting.is_empty();
        Ok(readings)
    }

    fn node(&self, index: usize, readings: &HashMap<usize, Reading>) -> Node {
        let mut path = Vec::new();
        let mut above = self.found.get(index).and_then(|found| found.parent);
        while let Some(found) = above.and_then(|index| self.found.get(index)) {
            path.push(found.name.clone());
            above = found.parent;
        }
        path.reverse();
        let found = self.found.get(index);
        Node {
            path,
            name: found.map(|found| found.name.clone()).unwrap_or_default(),
            address: found.and_then(|found| self.address(found)),
            reading: readings.get(&index).cloned(),
        }
    }
}

fn description(node: &NodeId) -> BrowseDescription {
    BrowseDescription {
        node_id: node.clone(),
        browse_direction: BrowseDirection::Forward,
        reference_type_id: ReferenceTypeId::HierarchicalReferences.into(),
        include_subtypes: true,
        node_class_mask: (NodeClassMask::OBJECT | NodeClassMask::VARIABLE).bits(),
        result_mask: BrowseResultMask::All as u32,
    }
}

/// What a person is shown of a value, judged by the same decoder that the agent uses.
fn reading(data: &DataValue) -> Reading {
    let code = data.status.unwrap_or(StatusCode::Good);
    let status = (code != StatusCode::Good).then(|| status::name(code));
    let point = PointConfig {
        id: PointId(0),
        node: NodeAddress::server_time(),
        scale: None,
        index: None,
        sampling: None,
    };
    let at = observation::Instant { utc: observation::Utc(0), mono: observation::Mono(0) };
    let taken = decode(&point, data, at).pop();
    let value = taken.as_ref().and_then(|observation| observation.value.as_ref());
    let scalar = value.is_some() && taken.as_ref().is_some_and(|o| !matches!(o.quality, Quality::Bad(_)));
    let shows = match value {
        Some(Value::Bool(bit)) => bit.to_string(),
        Some(Value::Number(number)) => number.to_string(),
        Some(Value::Text(text)) => text.clone(),
        None => data.value.as_ref().map(raw).unwrap_or_default(),
    };
    let array = matches!(data.value, Some(Variant::Array(_)));
    Reading { kind: kind(data.value.as_ref()), shows: short(&shows), status, scalar, array }
}

fn raw(variant: &Variant) -> String {
    match variant {
        Variant::Array(array) => {
            let some: Vec<String> = array.values.iter().take(SHOWN).map(raw).collect();
            format!("[{}]", some.join(", "))
        }
        Variant::Empty | Variant::ExtensionObject(_) => String::new(),
        other => other.to_string(),
    }
}

fn kind(variant: Option<&Variant>) -> String {
    match variant.map(Variant::type_id) {
        None | Some(VariantTypeId::Empty) => String::new(),
        Some(VariantTypeId::Scalar(scalar)) => format!("{scalar:?}"),
        Some(VariantTypeId::Array(scalar, _)) => {
            let length = match variant {
                Some(Variant::Array(array)) => array.values.len(),
                _ => 0,
            };
            format!("{scalar:?}[{length}]")
        }
    }
}

/// One line of bounded length.
fn short(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(SHOWN).collect();
    if text.chars().count() > SHOWN { format!("{line}…") } else { line }
}

#[cfg(test)]
mod tests {
    use super::*;
    use opcua::types::{Array, VariantScalarTypeId};

    fn read(value: Variant, code: u32) -> Reading {
        reading(&DataValue { value: Some(value), status: Some(StatusCode::from(code)), ..DataValue::null() })
    }

    #[test]
    fn a_value_is_shown_with_its_type_and_only_a_doubtful_status() {
        let good = read(Variant::UInt64(u64::MAX), 0);
        assert_eq!((good.shows.as_str(), good.kind.as_str()), ("18446744073709551615", "UInt64"));
        assert_eq!((good.status, good.scalar), (None, true));
        let bad = read(Variant::Int32(5), 0x8089_0000);
        assert!(bad.status.unwrap().contains("0x80890000") && !bad.scalar);
        let unset = reading(&DataValue { value: Some(Variant::Float(1.5)), ..DataValue::null() });
        assert_eq!((unset.shows.as_str(), unset.status), ("1.5", None));
    }

    #[test]
    fn what_a_point_cannot_hold_as_it_is_says_what_it_is() {
        let three = Array::new(VariantScalarTypeId::Int32, [1, 2, 3].map(Variant::Int32)).unwrap();
        let array = read(Variant::from(three), 0);
        assert_eq!((array.kind.as_str(), array.shows.as_str()), ("Int32[3]", "[1, 2, 3]"));
        assert!(array.array && !array.scalar);
        let nothing = reading(&DataValue::null());
        assert_eq!((nothing.kind.as_str(), nothing.shows.as_str(), nothing.scalar), ("", "", false));
    }

    #[test]
    fn long_texts_are_cut_and_stay_on_their_line() {
        let long = read(Variant::String("粗铣\n".repeat(100).into()), 0).shows;
        assert_eq!((long.chars().count(), long.contains('\n')), (SHOWN + 1, false));
    }
}
