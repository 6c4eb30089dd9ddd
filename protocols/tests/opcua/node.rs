//! The same against node-opcua, which does several things otherwise than asyncua: good values carry no status, every
//! policy and every kind of user is offered at once, and a session is ended with notice.

use observation::{Quality, Reason};
use protocols::LinkError;
use protocols::opcua::{OpcUaLink, Security, Settings, shown};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peer::{DEADLINE, Peer};
use crate::security::{delivers, issuer, of_a_chain, refusal, user_keys};
use crate::watch::{Watched, clock, link};

fn folder() -> TempDir {
    tempfile::tempdir().unwrap()
}

fn to(peer: &Peer, keys: &Value, nodes: &[&str]) -> OpcUaLink {
    link(&format!("opc.tcp://127.0.0.1:{}", peer.port), keys, nodes)
}

#[tokio::test]
async fn node_opcua_every_type_of_value_arrives_exactly_and_no_status_means_good() {
    let folder = folder();
    let mut peer = Peer::node(folder.path(), &[]).await;
    let expected = [
        ("Status", "1"),
        ("Counter", "0"),
        ("Total", "18446744073709551615"),
        ("Signed", "-9223372036854775808"),
        ("Energy", "0.1"),
        ("Power", "230.1"),
        ("Running", "true"),
        ("Byte", "200"),
        ("SByte", "-100"),
        ("Short", "-30000"),
        ("Word", "60000"),
        ("Program", "五轴加工中心 1 号：粗铣"),
        ("主轴.转速", "8400"),
    ];
    let names: Vec<&str> = expected.iter().map(|(name, _)| *name).collect();
    let mut watched = Watched::open(&to(&peer, &json!({}), &names)).await;
    watched.until("a value of every variable", |w| (0..13).all(|point| w.last(point).is_some())).await;
    for (point, (name, want)) in (0..).zip(expected) {
        assert_eq!(watched.value(point).as_deref(), Some(want), "{name}");
        assert_eq!(watched.qualities(point), [Quality::Good], "{name}");
    }
    peer.tell(json!({"set": "Status", "value": 1, "status": 0x808A_0000_u32})).await;
    watched.until("the bad status", |w| w.qualities(0).len() == 2).await;
    peer.tell(json!({"set": "Status", "value": 6})).await;
    watched.until("good again", |w| w.value(0).as_deref() == Some("6")).await;
    let between = Quality::Bad(Reason::Status(0x808A_0000));
    assert_eq!(watched.qualities(0), [Quality::Good, between, Quality::Good]);
}

#[tokio::test]
async fn node_opcua_pain_11_and_12_killed_and_back_with_shifted_namespaces_the_same_variables_flow() {
    let folder = folder();
    let mut peer = Peer::node(folder.path(), &[]).await;
    let link = to(&peer, &json!({}), &["Status", "主轴.转速"]);
    let mut before = Watched::open(&link).await;
    before.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    peer.kill().await;
    assert!(matches!(before.end().await, LinkError::Broken { .. }));
    assert_eq!(before.qualities(0), [Quality::Good, Quality::Bad(Reason::Disconnected)]);

    let mut again = Peer::node(folder.path(), &["--shift", "--port", &peer.port.to_string()]).await;
    let mut after = Watched::open(&link).await;
    after.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    assert_eq!((after.value(0).as_deref(), after.value(1).as_deref()), (Some("1"), Some("8400")));
    again.tell(json!({"set": "Status", "value": 7})).await;
    after.until("the change", |w| w.value(0).as_deref() == Some("7")).await;
}

#[tokio::test]
async fn node_opcua_an_orderly_shutdown_ends_the_session_with_every_point_bad() {
    let folder = folder();
    let mut peer = Peer::node(folder.path(), &[]).await;
    let mut watched = Watched::open(&to(&peer, &json!({}), &["Status", "Power"])).await;
    watched.until("both values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    peer.tell(json!({"shutdown": true})).await;
    let error = watched.end().await;
    for point in [0, 1] {
        let last = watched.qualities(point).pop().unwrap();
        assert!(matches!(last, Quality::Bad(Reason::Disconnected | Reason::Timeout)), "{last:?}: {error}");
    }
}

#[tokio::test]
async fn node_opcua_several_sessions_do_not_disturb_each_other_and_leave_nothing_behind() {
    let folder = folder();
    let mut peer = Peer::node(folder.path(), &[]).await;
    let (first, second) = (to(&peer, &json!({}), &["Status"]), to(&peer, &json!({}), &["Status", "Power"]));
    let (mut one, mut two) = (Watched::open(&first).await, Watched::open(&second).await);
    one.until("its value", |w| w.last(0).is_some()).await;
    two.until("its values", |w| w.last(0).is_some() && w.last(1).is_some()).await;
    assert_eq!(peer.tell(json!({"sessions": true})).await, "2");
    drop(one);
    let left = async { while peer.tell(json!({"sessions": true})).await != "1" {} };
    tokio::time::timeout(DEADLINE, left).await.expect("the first is closed");
    peer.tell(json!({"set": "Status", "value": 9})).await;
    two.until("the second goes on", |w| w.value(0).as_deref() == Some("9")).await;
}

#[tokio::test]
async fn node_opcua_names_and_certificates_of_users_are_admitted_under_every_policy() {
    let folder = folder();
    let user = user_keys(&folder.path().join("user"));
    let certificate = user["user_cert_file"].as_str().unwrap();
    let mut peer = Peer::node(&folder.path().join("server"), &["--user-cert", certificate]).await;
    let trusted = folder.path().join("agent/trusted");
    std::fs::create_dir_all(&trusted).unwrap();
    std::fs::copy(peer.tell(json!({"certificate": true})).await, trusted.join("plc.pem")).unwrap();
    std::fs::write(folder.path().join("secret"), "准绳-secret\n").unwrap();
    let keys = |security: &str, who: &Value| {
        let mut keys = json!({
            "security": security, "pki_dir": folder.path().join("agent"), "check_hostname": false,
        });
        for (key, value) in who.as_object().unwrap() {
            keys[key] = value.clone();
        }
        keys
    };
    let named = json!({"user": "plumbline", "password_file": folder.path().join("secret")});
    for (security, _) in Security::WORDS.iter().filter(|(word, _)| *word != "none") {
        for who in [&named, &user].into_iter().skip(usize::from(security.ends_with("/Sign"))) {
            delivers(&to(&peer, &keys(security, who), &["Total"])).await;
        }
    }
    let stranger = user_keys(&folder.path().join("stranger"));
    let error =
        refusal(&to(&peer, &keys("Aes256_Sha256_RsaPss/SignAndEncrypt", &stranger), &["Total"])).await;
    assert!(error.contains("user_cert_file"), "{error}");
}

#[tokio::test]
async fn node_opcua_that_shows_its_issuers_too_is_told_to_show_its_own_certificate_alone() {
    let folder = folder();
    let issuer = issuer(&folder.path().join("issuer"));
    let peer = Peer::node(&folder.path().join("server"), &["--issuer", &issuer]).await;
    let mut keys = json!({
        "security": "Basic256Sha256/SignAndEncrypt", "pki_dir": folder.path().join("agent"),
        "check_hostname": false,
    });
    of_a_chain(&refusal(&to(&peer, &keys, &["Total"])).await);
    keys["address"] = json!(format!("opc.tcp://127.0.0.1:{}", peer.port));
    of_a_chain(&shown(Settings::read(&keys).unwrap(), clock()).await.unwrap_err().to_string());
    assert!(!folder.path().join("agent/rejected").exists(), "nothing is laid by to be trusted");
}
