//! An agent whose devices are all dead is given other configurations: what may not change is refused with every
//! reason, what may is in force, and windows go on.

use super::*;
use crate::keys;
use crate::runtime::fixture::{self, T0};
use crate::runtime::start::{AgentOptions, run};
use crate::status::Status;
use observation::{Instant, Mono, Utc};
use std::path::Path;
use std::time::Duration;

/// Real time, shifted to where the fixture's genesis lies.
struct Shifted(std::time::Instant);

impl Clock for Shifted {
    fn now(&self) -> Instant {
        let ms = u64::try_from(self.0.elapsed().as_millis()).unwrap();
        Instant { utc: Utc(T0 + i64::try_from(ms).unwrap()), mono: Mono(ms) }
    }
}

async fn start(dir: &Path) -> AgentHandle {
    let configuration = fixture::configuration(dir);
    let (key, _) = keys::load_or_make(&configuration.agent.data_dir).unwrap();
    fixture::write_genesis(dir, key.public());
    run(AgentOptions { configuration, clock: Arc::new(Shifted(std::time::Instant::now())) }).await.unwrap()
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
async fn pain_18_an_agent_whose_devices_are_all_dead_starts_signs_unknown_and_takes_a_new_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let handle = start(dir.path()).await;
    until(&handle, |s| s.projects[0].next_seq > 0).await;
    let before = handle.status();
    let next = fixture::with_another_hall(dir.path());
    let hash = hex::encode(next.hash);
    let taken = handle.reload(next).await.unwrap();
    assert_eq!((taken.kept, taken.started), (vec!["meters".to_owned()], vec!["hall-b".to_owned()]));
    let status = until(&handle, |s| s.links[0].error.is_some()).await;
    assert_eq!(status.configuration.hash, hash);
    assert_ne!(before.configuration.hash, hash);
    let ids: Vec<&str> = status.links.iter().map(|l| l.id.as_str()).collect();
    assert_eq!(ids, ["hall-b", "meters"]);
    assert!(status.links[1].error.is_some(), "what is known of a link that goes on stays: {status:?}");
    let back = handle.reload(fixture::configuration(dir.path())).await.unwrap();
    assert_eq!((back.kept, back.ended), (vec!["meters".to_owned()], vec!["hall-b".to_owned()]));
    let signed = handle.status().projects[0].next_seq;
    until(&handle, |s| s.projects[0].next_seq > signed && s.machines[0].state == "unknown").await;
    assert_eq!(handle.shutdown().await.failure, None);
}

#[tokio::test]
async fn what_the_stream_rests_on_is_refused_with_every_reason_and_nothing_is_applied() {
    let dir = tempfile::tempdir().unwrap();
    let handle = start(dir.path()).await;
    let hash = handle.status().configuration.hash;
    let cases = [
        ("data_dir = \"data\"", "data_dir = \"elsewhere\"", "agent.data_dir cannot change"),
        ("id = \"edge-1\"", "id = \"edge-2\"", "agent.id cannot change"),
        ("length = \"1s\"", "length = \"2s\"", "window.length cannot change"),
        ("per_statement = 3", "per_statement = 4", "window.per_statement cannot change"),
        ("http://127.0.0.1:1\"", "http://127.0.0.1:2\"", "uplink.gateway of SY-1 cannot change"),
    ];
    for (from, to, want) in cases {
        let why = handle.reload(fixture::configuration_changed(dir.path(), from, to)).await.unwrap_err();
        assert!(why.contains(want), "{why}");
        let status = handle.status();
        assert_eq!(
            (status.configuration.hash.as_str(), status.configuration.refused.as_deref()),
            (hash.as_str(), Some(why.as_str()))
        );
        assert!(!status.is_well() && status.text().contains(want), "{}", status.text());
    }
    let both = fixture::configuration_changed(
        dir.path(),
        "[window]\nlength = \"1s\"\nper_statement = 3",
        "[window]\nlength = \"2s\"\nper_statement = 4",
    );
    assert_eq!(handle.reload(both).await.unwrap_err().lines().count(), 2);
    let same = handle.reload(fixture::configuration(dir.path())).await.unwrap();
    assert_eq!((same.kept.len(), same.started.len()), (1, 0));
    assert_eq!(handle.status().configuration.refused, None);
    handle.shutdown().await;
}

#[tokio::test]
async fn a_changed_mapping_begins_its_link_anew_and_shows_that_it_is_not_approved() {
    let dir = tempfile::tempdir().unwrap();
    let handle = start(dir.path()).await;
    let next = fixture::configuration_changed(dir.path(), "input:12", "input:14");
    let taken = handle.reload(next).await.unwrap();
    assert_eq!((taken.kept.len(), taken.started.len(), taken.ended.len()), (0, 1, 1));
    let machine = handle.status().machines[0].clone();
    assert!(machine.unapproved && machine.uncounted);
    handle.shutdown().await;
}
