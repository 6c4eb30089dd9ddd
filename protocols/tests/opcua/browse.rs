//! Looking through servers: what is found, how it is named, and that nothing but reading is asked for.

use std::time::Duration;

use protocols::LinkError;
use protocols::opcua::{Browsed, Limits, Node, Search, Settings, browse};
use serde_json::json;

use crate::peer::{DEADLINE, Peer, URI};
use crate::watch::clock;

async fn look(address: &str, search: Search) -> Result<Browsed, LinkError> {
    let settings = Settings::read(&json!({"address": address, "security": "none"})).unwrap();
    let looking = browse(settings, &search, clock());
    tokio::time::timeout(DEADLINE, looking).await.expect("it ends by itself")
}

fn search(under: Option<&str>, find: Option<&str>, nodes: usize) -> Search {
    let limits = Limits { depth: 20, nodes, time: Duration::from_secs(30) };
    Search { under: under.map(|node| node.parse().unwrap()), find: find.map(str::to_owned), limits }
}

fn shown(node: &Node) -> (String, String, String) {
    let reading = node.reading.clone().unwrap();
    (node.address.as_ref().unwrap().to_string(), reading.shows, reading.kind)
}

#[tokio::test]
async fn variables_are_found_by_any_part_of_their_name_with_address_value_and_type() {
    let mut peer = Peer::start(&["--shift"]).await;
    peer.tell(json!({"set": "Power", "value": 1.5, "status": 0x8089_0000_u32})).await;
    let found = look(&peer.address(), search(None, Some("转速"), 5000)).await.unwrap();
    let all: Vec<_> = found.nodes.iter().map(shown).collect();
    let node =
        |uri: &str, value: &str| (format!("nsu={uri};s=主轴.转速"), value.to_owned(), "Int32".to_owned());
    assert_eq!(all, [node("urn:plumbline:test:other", "999"), node(URI, "8400")]);
    assert!(!found.cut && found.nodes.iter().all(|node| node.path.is_empty()));

    let found = look(&peer.address(), search(None, Some("POWER"), 5000)).await.unwrap();
    let status = found.nodes[0].reading.as_ref().unwrap().status.clone();
    assert!(status.unwrap().contains("(0x80890000)"));
    let asked = peer.tell(json!({"services": true})).await;
    for service in asked.split(',') {
        let reading = ["Browse", "Read", "Session", "SecureChannel", "GetEndpoints"];
        assert!(reading.iter().any(|known| service.contains(known)), "{service} in {asked}");
    }
    assert!(asked.contains("BrowseRequest"), "{asked}");
    assert_eq!(peer.tell(json!({"sessions": true})).await, "0");
}

#[tokio::test]
async fn more_than_a_page_is_fetched_to_its_end_and_a_limit_is_said() {
    let folder = tempfile::tempdir().unwrap();
    let mut peer = Peer::node(folder.path(), &[]).await;
    peer.tell(json!({"many": 450})).await;
    let address = format!("opc.tcp://127.0.0.1:{}", peer.port);
    let found = look(&address, search(None, Some("many-"), 5000)).await.unwrap();
    assert_eq!((found.nodes.len(), found.cut), (450, false));
    assert_eq!(found.nodes[0].path, ["Many"]);
    let last = shown(found.nodes.last().unwrap());
    assert_eq!(last, (format!("nsu={URI};s=many-449"), "449".to_owned(), "Int32".to_owned()));

    let few = look(&address, search(Some(&format!("nsu={URI};s=Many")), None, 100)).await.unwrap();
    assert_eq!((few.nodes.len(), few.looked_at, few.cut), (100, 100, true));
    let left = async { while peer.tell(json!({"sessions": true})).await != "0" {} };
    tokio::time::timeout(DEADLINE, left).await.expect("every session is closed");
}

#[tokio::test]
async fn a_start_that_is_not_there_is_refused_with_what_there_is() {
    let peer = Peer::start(&[]).await;
    let error =
        look(&peer.address(), search(Some("nsu=urn:nobody;s=x"), None, 100)).await.unwrap_err().to_string();
    assert!(error.contains("no namespace \"urn:nobody\"") && error.contains(URI), "{error}");
    let nowhere = format!("nsu={URI};s=Nowhere");
    let error = look(&peer.address(), search(Some(&nowhere), None, 100)).await.unwrap_err().to_string();
    assert!(error.contains("(0x8033") && error.contains("begin without --under"), "{error}");
}
