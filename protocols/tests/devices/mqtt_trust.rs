//! Encrypted connections to mosquitto: whom we trust, who we are, and every refusal in the operator's words.

use serde_json::{Value, json};

use super::broker::{Certificates, Mosquitto, Publisher};
use super::mqtt::{configured, link_with, subscribed};
use super::peer::{Wall, connect, observed, text, within};

/// A broker with this certificate; with `mutual` it wants one from us too.
async fn broker(certificate: &str, mutual: bool) -> (Mosquitto, Files, String) {
    let made = Certificates::make().await;
    let fingerprint = made.fingerprint(certificate).await;
    let files = Files { folder: made.path(""), fingerprint };
    let options = format!(
        "allow_anonymous true\ncafile ca.pem\ncertfile {certificate}.pem\nkeyfile {certificate}.key\nrequire_certificate {mutual}"
    );
    let broker = Mosquitto::start_in(made.folder, &options).await;
    let address = format!("mqtts://127.0.0.1:{}", broker.port);
    (broker, files, address)
}

/// Where the certificates are; they go with the broker.
struct Files {
    folder: std::path::PathBuf,
    fingerprint: String,
}

impl Files {
    fn path(&self, name: &str) -> String {
        self.folder.join(name).display().to_string()
    }

    /// Settings that trust the broker's authority and show this certificate.
    fn with_client(&self, name: &str) -> Value {
        json!({
            "ca_file": self.path("ca.pem"),
            "cert_file": self.path(&format!("{name}.pem")),
            "key_file": self.path(&format!("{name}.key")),
        })
    }
}

/// What a link with these settings says to not being let in.
async fn refusal(address: &str, version: u8, settings: &Value) -> String {
    let link = link_with(address, version, settings, &["a"]);
    within(link.connect(Wall::clock())).await.err().unwrap().to_string()
}

#[track_caller]
fn says(error: &str, words: &[&str]) {
    for words in words {
        assert!(error.contains(words), "{words:?} is missing in {error:?}");
    }
}

#[tokio::test]
async fn mutual_tls_lets_values_through_and_each_missing_part_is_named() {
    let (_broker, files, address) = broker("server", true).await;
    let others = Certificates::make().await;
    for version in [4, 5] {
        let mut settings = files.with_client("client");
        settings["ca_file"] = json!(others.path("ca.pem"));
        says(&refusal(&address, version, &settings).await, &["TLS failed", "set `ca_file`"]);

        // Trap: the broker's demand comes after the handshake, as an error of the first read.
        let settings = json!({"ca_file": files.path("ca.pem")});
        says(&refusal(&address, version, &settings).await, &["set `cert_file` and `key_file`"]);

        let mut settings = files.with_client("client");
        settings["cert_file"] = json!(others.path("client.pem"));
        settings["key_file"] = json!(others.path("client.key"));
        says(&refusal(&address, version, &settings).await, &["does not know who issued our certificate"]);

        let settings = files.with_client("expired-client");
        says(&refusal(&address, version, &settings).await, &["our certificate has expired", "`cert_file`"]);

        let link = link_with(&address, version, &files.with_client("client"), &["a"]);
        drop(connect(link.as_ref()).await);
    }
}

#[tokio::test]
async fn values_come_through_an_encrypted_connection() {
    let (broker, files, address) = broker("server", false).await;
    let mut publisher = Publisher::connect(&json!({"port": broker.port, "ca": files.path("ca.pem")})).await;
    for version in [4, 5] {
        for settings in [json!({"ca_file": files.path("ca.pem")}), json!({"fingerprint": files.fingerprint})]
        {
            let link = link_with(&address, version, &settings, &["a"]);
            let mut source = subscribed(link.as_ref(), &mut publisher, "a").await;
            publisher.send("a", "12.5").await;
            assert_eq!(text(&observed(source.as_mut(), 0).await), "good 12.5");
        }
    }
}

#[tokio::test]
async fn a_certificate_for_another_name_is_refused_unless_its_fingerprint_is_known() {
    let (_broker, files, address) = broker("elsewhere", false).await;
    for version in [4, 5] {
        let settings = json!({"ca_file": files.path("ca.pem")});
        says(&refusal(&address, version, &settings).await, &["broker.example", "use in `address` a name"]);
        let link = link_with(&address, version, &json!({"fingerprint": files.fingerprint}), &["a"]);
        drop(connect(link.as_ref()).await);
    }
}

#[tokio::test]
async fn an_expired_certificate_is_refused_with_both_possible_causes() {
    let (_broker, files, address) = broker("expired", false).await;
    for version in [4, 5] {
        let error = refusal(&address, version, &json!({"ca_file": files.path("ca.pem")})).await;
        says(&error, &["renewed, or set the clock of this box"]);
    }
}

#[tokio::test]
async fn another_certificate_than_the_known_one_is_refused_showing_what_it_is() {
    let (_broker, files, address) = broker("server", false).await;
    let pinned = format!("sha256:{}", "0f".repeat(32));
    for version in [4, 5] {
        let error = refusal(&address, version, &json!({"fingerprint": pinned})).await;
        let shown = files.fingerprint.replace(':', "").to_lowercase().replace("sha256", "sha256:");
        says(&error, &[&shown, "compare this with its operator"]);
    }
}

#[tokio::test]
async fn without_an_authority_of_our_own_the_systems_are_asked_and_know_nothing_of_this_broker() {
    let (_broker, _files, address) = broker("server", false).await;
    for version in [4, 5] {
        says(&refusal(&address, version, &json!({})).await, &["TLS failed", "`ca_file`"]);
    }
}

#[tokio::test]
async fn a_port_that_does_not_speak_tls_is_said_to_be_one() {
    let broker = Mosquitto::start("allow_anonymous true").await;
    let made = Certificates::make().await;
    let address = format!("mqtts://127.0.0.1:{}", broker.port);
    let settings = json!({"ca_file": made.path("ca.pem"), "timeout": "2s"});
    for version in [4, 5] {
        let error = refusal(&address, version, &settings).await;
        // What mosquitto makes of the handshake is no packet; it hangs up.
        says(&error, &[&address]);
    }
}

#[tokio::test]
async fn a_broker_with_a_certificate_of_version_1_is_refused_in_words() {
    let (_broker, files, address) = broker("v1", false).await;
    for version in [4, 5] {
        let error = refusal(&address, version, &json!({"ca_file": files.path("ca.pem")})).await;
        says(&error, &["X.509 version 1", "issued as version 3"]);
    }
}

#[tokio::test]
async fn trap_files_that_do_not_fit_are_refused_at_load_in_words() {
    let made = Certificates::make().await;
    let with = |cert: &str, key: &str| {
        let settings = json!({
            "ca_file": made.path("ca.pem"), "cert_file": made.path(cert), "key_file": made.path(key),
        });
        let points = [json!({"topic": "a", "stale_after": "10s"})];
        configured("mqtts://127.0.0.1:8883", 5, &settings, &points).err().unwrap()
    };
    says(&with("v1.pem", "v1.key"), &["cert_file", "issued as version 3"]);
    says(&with("client.pem", "server.key"), &["cert_file", "do not belong together"]);
    says(&with("client.key", "client.key"), &["cert_file", "no certificate in PEM form"]);
    says(&with("none.pem", "client.key"), &["cert_file", "none.pem"]);
}
