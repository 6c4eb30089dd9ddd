//! Certificates, policies and passwords, each refusal with its next step.

use std::path::Path;

use observation::Quality;
use protocols::LinkError;
use protocols::opcua::{OpcUaLink, Security, Settings, Shown, accept, own_certificate, shown};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::peer::Peer;
use crate::watch::{Watched, clock, link};

const BEST: &str = "Basic256Sha256/SignAndEncrypt";

/// Folders of the two sides and a file with the password.
struct Folders {
    dir: TempDir,
}

impl Folders {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("secret"), "准绳-secret\n").unwrap();
        Self { dir }
    }

    fn path(&self, name: &str) -> String {
        self.dir.path().join(name).to_str().unwrap().to_owned()
    }

    async fn secured_peer(&self, more: &[&str]) -> Peer {
        let server = self.path("server");
        let mut arguments = vec!["--security", "secured", "--pki", &server];
        arguments.extend(more);
        Peer::start(&arguments).await
    }

    fn keys(&self, security: &str) -> Value {
        json!({
            "security": security, "pki_dir": self.path("agent"),
            "user": "plumbline", "password_file": self.path("secret"),
        })
    }

    /// What the operator does after having compared the fingerprint.
    fn trust_server(&self) {
        let trusted = self.dir.path().join("agent/trusted");
        std::fs::create_dir_all(&trusted).unwrap();
        std::fs::copy(self.path("server/server-cert.der"), trusted.join("plc.der")).unwrap();
    }
}

/// A user's certificate and key, as keys of a link.
pub(crate) fn user_keys(folder: &Path) -> Value {
    let certificate = own_certificate(folder, "urn:somebody").unwrap().path;
    json!({"user_cert_file": certificate, "user_key_file": folder.join("private/private.pem")})
}

pub(crate) async fn refusal(link: &OpcUaLink) -> String {
    let error = Watched::try_open(link).await.err().expect("a refusal");
    assert!(matches!(error, LinkError::Refused { .. }), "{error:?}");
    error.to_string()
}

pub(crate) async fn delivers(link: &OpcUaLink) {
    let mut watched = Watched::open(link).await;
    watched.until("the first value", |w| w.last(0).is_some()).await;
    assert_eq!(watched.qualities(0), [Quality::Good]);
}

#[tokio::test]
async fn pain_22_an_untrusted_server_is_refused_and_one_printed_command_later_delivers() {
    let folders = Folders::new();
    let peer = folders.secured_peer(&[]).await;
    let link = link(&peer.address(), &folders.keys(BEST), &["Program"]);
    let first = refusal(&link).await;
    assert!(first.contains("not trusted yet") && first.contains("SHA-256 "), "{first}");
    let own = std::fs::read(folders.path("agent/own/cert.der")).unwrap();
    let second = refusal(&link).await;
    assert_eq!(first, second, "nothing is trusted by trying again");

    let command = first.split("trust it with: ").nth(1).unwrap();
    let words: Vec<&str> = command.split(' ').collect();
    let ["plumbline-agent", "trust", "--pki", pki, fingerprint] = words[..] else { panic!("{command}") };
    let another = if fingerprint.starts_with('0') { "1" } else { "0" };
    accept(Path::new(pki), &format!("{another}{}", &fingerprint[1..])).unwrap_err();
    refusal(&link).await;
    accept(Path::new(pki), fingerprint).unwrap();
    delivers(&link).await;
    delivers(&link).await;
    assert_eq!(std::fs::read(folders.path("agent/own/cert.der")).unwrap(), own, "made once");
}

#[tokio::test]
async fn pain_22_a_wrong_password_is_refused_with_the_file_to_check() {
    let folders = Folders::new();
    let peer = folders.secured_peer(&[]).await;
    folders.trust_server();
    std::fs::write(folders.path("secret"), "wrong").unwrap();
    let wrong = link(&peer.address(), &folders.keys(BEST), &["Status"]);
    let error = refusal(&wrong).await;
    assert!(error.contains("(0x80") && error.contains("password_file"), "{error}");
    assert!(!error.contains("wrong\""), "the password is not printed: {error}");

    std::fs::write(folders.path("secret"), "准绳-secret").unwrap();
    delivers(&link(&peer.address(), &folders.keys(BEST), &["Status"])).await;
}

#[tokio::test]
async fn every_policy_the_configuration_knows_delivers() {
    let folders = Folders::new();
    let peer = folders.secured_peer(&[]).await;
    folders.trust_server();
    for (security, _) in Security::WORDS.iter().filter(|(word, _)| *word != "none") {
        delivers(&link(&peer.address(), &folders.keys(security), &["Total"])).await;
    }
}

#[tokio::test]
async fn an_endpoint_that_is_not_offered_is_never_replaced_by_a_weaker_one() {
    let folders = Folders::new();
    let open = Peer::start(&[]).await;
    let error = refusal(&link(&open.address(), &folders.keys(BEST), &["Status"])).await;
    assert!(error.contains("does not offer security Basic256Sha256/SignAndEncrypt, only none"), "{error}");
    let secured = folders.secured_peer(&[]).await;
    let error = refusal(&link(&secured.address(), &json!({}), &["Status"])).await;
    assert!(error.contains("Basic256Sha256/Sign, Basic256Sha256/SignAndEncrypt"), "{error}");
}

#[tokio::test]
async fn pain_22_a_server_that_does_not_trust_this_agent_is_told_which_certificate_to_trust() {
    let folders = Folders::new();
    let other = folders.path("other.der");
    std::fs::write(&other, b"not this agent").unwrap();
    let peer = folders.secured_peer(&["--trust-clients", &other]).await;
    folders.trust_server();
    let link = link(&peer.address(), &folders.keys(BEST), &["Status"]);
    let error = Watched::try_open(&link).await.err().unwrap().to_string();
    let own = link.own_certificate().unwrap().unwrap();
    assert!(error.contains(&own.fingerprint) && error.contains(&own.path.display().to_string()), "{error}");

    std::fs::copy(&own.path, &other).unwrap();
    delivers(&link).await;
}

#[tokio::test]
async fn a_certificate_without_the_address_is_refused_unless_the_link_says_otherwise() {
    let folders = Folders::new();
    let peer = folders.secured_peer(&[]).await;
    folders.trust_server();
    let address = format!("opc.tcp://localhost:{}", peer.port);
    let mut keys = folders.keys(BEST);
    let error = refusal(&link(&address, &keys, &["Status"])).await;
    assert!(error.contains("\"localhost\"") && error.contains("check_hostname = false"), "{error}");
    keys["check_hostname"] = json!(false);
    delivers(&link(&address, &keys, &["Status"])).await;

    std::fs::remove_dir_all(Path::new(&folders.path("agent")).join("trusted")).unwrap();
    let error = refusal(&link(&address, &keys, &["Status"])).await;
    assert!(error.contains("not trusted yet"), "without the name check it is still pinned: {error}");
}

#[tokio::test]
async fn a_user_with_a_certificate_is_admitted_under_every_policy_and_another_one_is_not() {
    let folders = Folders::new();
    let mut keys = user_keys(&folders.dir.path().join("user"));
    let user = keys["user_cert_file"].as_str().unwrap().to_owned();
    let peer = folders.secured_peer(&["--user-cert", &user]).await;
    folders.trust_server();
    keys["pki_dir"] = json!(folders.path("agent"));
    for (security, _) in Security::WORDS.iter().filter(|(word, _)| *word != "none") {
        keys["security"] = json!(security);
        delivers(&link(&peer.address(), &keys, &["Total"])).await;
    }
    let mut strange = user_keys(&folders.dir.path().join("stranger"));
    (strange["security"], strange["pki_dir"]) = (json!(BEST), json!(folders.path("agent")));
    let error = refusal(&link(&peer.address(), &strange, &["Total"])).await;
    assert!(error.contains("BadUserAccessDenied") && error.contains("user_cert_file"), "{error}");
    let error = refusal(&link(&peer.address(), &folders.keys(BEST), &["Total"])).await;
    assert!(error.contains("does not take user names"), "{error}");
}

#[tokio::test]
async fn a_server_without_certificates_of_users_says_so_before_anything_is_signed() {
    let folders = Folders::new();
    let peer = folders.secured_peer(&[]).await;
    folders.trust_server();
    let mut keys = user_keys(&folders.dir.path().join("user"));
    (keys["security"], keys["pki_dir"]) = (json!(BEST), json!(folders.path("agent")));
    let error = refusal(&link(&peer.address(), &keys, &["Total"])).await;
    assert!(error.contains("does not take user certificates at this endpoint"), "{error}");
    assert!(error.contains("use `user` and `password_file` instead"), "{error}");
}

#[tokio::test]
async fn pain_22_a_certificate_is_shown_to_be_compared_without_making_one_or_opening_a_session() {
    let folders = Folders::new();
    let mut peer = folders.secured_peer(&[]).await;
    let mut table = folders.keys(BEST);
    table["address"] = json!(peer.address());
    let look = || shown(Settings::read(&table).unwrap(), clock());
    let Shown::Untrusted(certificate) = look().await.unwrap() else { panic!("nobody has trusted it") };
    assert!(!Path::new(&folders.path("agent/own")).exists(), "no certificate of our own was made");
    accept(Path::new(&folders.path("agent")), &certificate.fingerprint).unwrap();
    assert_eq!(look().await.unwrap(), Shown::Trusted(certificate.clone()));
    let asked = peer.tell(json!({"services": true})).await;
    assert!(!asked.contains("CreateSession"), "{asked}");

    table["address"] = json!(format!("opc.tcp://localhost:{}", peer.port));
    let look = shown(Settings::read(&table).unwrap(), clock()).await.unwrap();
    let Shown::Unfit(_, why) = look else { panic!("{look:?}") };
    assert!(why.contains("does not name the host"), "{why}");
}

/// A certificate to be sent behind a server's own.
pub(crate) fn issuer(folder: &Path) -> String {
    own_certificate(folder, "urn:issuer").unwrap().path.to_str().unwrap().to_owned()
}

/// A refusal because of a chain says how many certificates came, and what to change on the server.
#[track_caller]
pub(crate) fn of_a_chain(error: &str) {
    assert!(error.contains("together with those of its issuers (2 in one)"), "{error}");
    assert!(error.contains("have the server show its own certificate alone"), "{error}");
}

#[tokio::test]
async fn a_server_that_opens_a_channel_with_a_chain_is_told_from_one_that_is_not_trusted() {
    let folders = Folders::new();
    let issuer = issuer(&folders.dir.path().join("issuer"));
    let peer = folders.secured_peer(&["--issuer", &issuer]).await;
    folders.trust_server();
    of_a_chain(&refusal(&link(&peer.address(), &folders.keys(BEST), &["Total"])).await);
}
