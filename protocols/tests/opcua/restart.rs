//! Servers that die, hang, come back changed, or are none.

use std::time::{Duration, Instant};

use observation::{Quality, Reason};
use protocols::LinkError;
use serde_json::json;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpListener, TcpStream};

use crate::peer::Peer;
use crate::watch::{Watched, link};

#[tokio::test]
async fn pain_11_and_12_after_a_restart_with_shifted_namespaces_the_same_variables_flow_again() {
    let mut peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({}), &["Status", "主轴.转速"]);
    let mut before = Watched::open(&link).await;
    before.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    peer.kill().await;
    let error = before.end().await;
    assert!(matches!(error, LinkError::Broken { .. }), "{error}");
    assert_eq!(before.qualities(0).last(), Some(&Quality::Bad(Reason::Disconnected)));
    assert_eq!(before.last(0).unwrap().value, None, "the old value is not repeated");

    let mut again = Peer::start(&["--shift", "--port", &peer.port.to_string()]).await;
    let mut after = Watched::open(&link).await;
    after.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    assert_eq!((after.value(0).as_deref(), after.value(1).as_deref()), (Some("1"), Some("8400")));
    again.set("Status", json!(6)).await;
    after.until("the change", |w| w.value(0).as_deref() == Some("6")).await;
}

#[tokio::test]
async fn pain_11_a_server_that_hangs_is_noticed_by_its_silence() {
    let mut peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({"publish": "100ms"}), &["Status", "Power"]);
    let mut watched = Watched::open(&link).await;
    watched.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    peer.signal("STOP");
    let stopped = Instant::now();
    let error = watched.end().await;
    assert!(matches!(error, LinkError::Timeout { waited_ms: 3000, .. }), "{error}");
    assert!(stopped.elapsed() < Duration::from_secs(15), "{:?}", stopped.elapsed());
    for point in [0, 1] {
        assert_eq!(watched.qualities(point), [Quality::Good, Quality::Bad(Reason::Timeout)]);
    }
    drop(watched);
    peer.signal("CONT");
    let mut after = Watched::open(&link).await;
    peer.set("Status", json!(8)).await;
    after.until("data flows again", |w| w.value(0).as_deref() == Some("8")).await;
}

#[tokio::test]
async fn pain_11_a_server_that_answers_reads_but_publishes_nothing_is_noticed_by_the_watchdog() {
    let mut peer = Peer::start(&[]).await;
    let link = link(&peer.address(), &json!({"publish": "100ms"}), &["Status", "Power"]);
    let mut watched = Watched::open(&link).await;
    watched.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    peer.tell(json!({"mute": true})).await;
    peer.set("Status", json!(2)).await;
    let error = watched.end().await;
    assert!(matches!(error, LinkError::Timeout { waited_ms: 3000, .. }), "{error}");
    for point in [0, 1] {
        assert_eq!(watched.qualities(point), [Quality::Good, Quality::Bad(Reason::Timeout)]);
    }
    drop(watched);
    let mut after = Watched::open(&link).await;
    after.until("the value of now", |w| w.value(0).as_deref() == Some("2")).await;
}

/// A relay whose connections can be cut.
struct Relay {
    port: u16,
    task: tokio::task::JoinHandle<()>,
}

impl Relay {
    async fn to(target: u16, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let task = tokio::spawn(async move {
            let mut pairs = tokio::task::JoinSet::new();
            while let Ok((mut near, _)) = listener.accept().await {
                pairs.spawn(async move {
                    let mut far = TcpStream::connect(("127.0.0.1", target)).await.unwrap();
                    // A cut connection is what this relay is for.
                    let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                });
            }
        });
        Self { port, task }
    }

    async fn cut(self) -> u16 {
        self.task.abort();
        let _ = self.task.await;
        self.port
    }
}

#[tokio::test]
async fn pain_11_a_cut_wire_ends_the_session_at_once_and_the_next_one_delivers() {
    let mut peer = Peer::start(&[]).await;
    let relay = Relay::to(peer.port, 0).await;
    let address = format!("opc.tcp://127.0.0.1:{}", relay.port);
    let link = link(&address, &json!({}), &["Status"]);
    let mut before = Watched::open(&link).await;
    before.until("the first value", |w| w.last(0).is_some()).await;
    let port = relay.cut().await;
    let error = before.end().await;
    assert!(matches!(error, LinkError::Broken { .. }), "{error}");
    peer.set("Status", json!(3)).await;

    let _relay = Relay::to(peer.port, port).await;
    let mut after = Watched::open(&link).await;
    after.until("the value of now", |w| w.value(0).as_deref() == Some("3")).await;
    peer.set("Status", json!(4)).await;
    after.until("and changes", |w| w.value(0).as_deref() == Some("4")).await;
}

#[tokio::test]
async fn where_nothing_listens_the_error_says_what_to_check() {
    let unused = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("opc.tcp://{}", unused.local_addr().unwrap());
    drop(unused);
    let error = Watched::try_open(&link(&address, &json!({}), &["Status"])).await.err().unwrap();
    assert!(matches!(error, LinkError::Connect { .. }), "{error}");
    assert!(error.to_string().contains("check cable, address, port and firewall"), "{error}");
}

#[tokio::test]
async fn a_host_that_never_answers_is_given_up_within_the_timeout() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("opc.tcp://{}", silent.local_addr().unwrap());
    let asked = Instant::now();
    let error =
        Watched::try_open(&link(&address, &json!({"timeout": "300ms"}), &["Status"])).await.err().unwrap();
    assert!(matches!(error, LinkError::Timeout { waited_ms: 300, .. }), "{error}");
    assert!(asked.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn a_peer_that_is_no_opc_ua_server_gives_an_error_not_a_panic() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("opc.tcp://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            // The client may hang up first.
            let _ = socket.write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n").await;
        }
    });
    let error =
        Watched::try_open(&link(&address, &json!({"timeout": "2s"}), &["Status"])).await.err().unwrap();
    assert!(matches!(error, LinkError::Protocol { .. } | LinkError::Connect { .. }), "{error}");
}
