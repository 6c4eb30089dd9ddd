//! An agent on its own: no machine, no gateway, no status port. It measures all the same.

use super::*;
use crate::runtime::fixture::{self, P, T0};
use crate::status::Status;
use observation::{Instant, Mono};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Real time, shifted to where the fixture's genesis lies.
struct Shifted(std::time::Instant);

impl Clock for Shifted {
    fn now(&self) -> Instant {
        let ms = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        Instant { utc: Utc(T0 + i64::try_from(ms).unwrap()), mono: Mono(ms) }
    }
}

async fn start(dir: &Path, clock: &Arc<Shifted>, more: &str) -> AgentHandle {
    let configuration = fixture::configuration_with(dir, more);
    let (key, _) = keys::load_or_make(&configuration.agent.data_dir).unwrap();
    fixture::write_genesis(dir, key.public());
    run(AgentOptions { configuration, clock: Arc::clone(clock) as Arc<dyn Clock> }).await.unwrap()
}

async fn until(handle: &AgentHandle, wanted: impl Fn(&Status) -> bool) -> Status {
    let look = async {
        loop {
            let status = handle.status();
            if wanted(&status) {
                return status;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let patience = tokio::time::timeout(Duration::from_mins(1), look).await;
    patience.unwrap_or_else(|_| panic!("never came: {:?}", handle.status()))
}

#[tokio::test]
async fn pain_18_without_machine_and_gateway_an_agent_signs_that_it_knows_nothing_and_keeps_it() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Shifted(std::time::Instant::now()));
    let handle = start(dir.path(), &clock, "").await;
    let status = until(&handle, |s| s.projects[0].next_seq > 0 && s.links[0].error.is_some()).await;
    assert_eq!((status.machines[0].state.as_str(), status.links[0].up), ("unknown", false));
    let ended = handle.shutdown().await;
    assert_eq!(ended.failure, None);
    let signed = {
        let store = spool::SqliteStore::open(&dir.path().join("data").join(SPOOL_FILE), u64::MAX).unwrap();
        let stream = Spool::new(Box::new(store)).unwrap().stream(P).unwrap();
        assert_eq!(stream.send_from, 0);
        stream.next_seq
    };
    let handle = start(dir.path(), &clock, "").await;
    until(&handle, |s| s.projects[0].next_seq > signed).await;
    handle.shutdown().await;
}

#[tokio::test]
async fn a_mapping_that_the_genesis_does_not_name_shows_in_the_status() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Shifted(std::time::Instant::now()));
    let first = start(dir.path(), &clock, "").await;
    let machine = first.status().machines[0].clone();
    assert!(!machine.unapproved && !machine.uncounted);
    first.shutdown().await;
    let configuration = fixture::configuration_changed(dir.path(), "input:12", "input:14");
    let options = AgentOptions { configuration, clock: Arc::clone(&clock) as Arc<dyn Clock> };
    let second = run(options).await.unwrap();
    let status = second.status();
    assert!(status.machines[0].unapproved && status.machines[0].uncounted);
    assert!(status.text().contains("口径未批准 mapping not approved"), "{}", status.text());
    second.shutdown().await;
}

#[tokio::test]
async fn the_status_page_answers_and_a_port_in_use_keeps_nobody_from_measuring() {
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(Shifted(std::time::Instant::now()));
    let first = start(dir.path(), &clock, "status_listen = \"127.0.0.1:0\"").await;
    let address = first.status_address().unwrap();
    for (path, want) in [("/", "edge-1"), ("/status", "\"agent\":\"edge-1\""), ("/metrics", "link_up{link=")]
    {
        let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
        let request = format!("GET {path} HTTP/1.0\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        assert!(answer.starts_with("HTTP/1.0 200") && answer.contains(want), "{path}: {answer}");
    }
    let other = tempfile::tempdir().unwrap();
    let second = start(other.path(), &clock, &format!("status_listen = \"{address}\"")).await;
    assert_eq!(second.status_address(), None);
    until(&second, |s| s.projects[0].next_seq > 0).await;
    second.shutdown().await;
    first.shutdown().await;
}

#[tokio::test]
async fn without_a_key_the_agent_says_what_to_run_first() {
    let dir = tempfile::tempdir().unwrap();
    let options = AgentOptions::new(fixture::configuration(dir.path()));
    let error = run(options).await.unwrap_err();
    assert!(error.is_configuration() && error.to_string().contains("plumbline-agent init"), "{error}");
}
