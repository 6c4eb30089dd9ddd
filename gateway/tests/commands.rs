//! The operator's commands: what they make, and what they refuse.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use evidence::bundle::BundleReader;
use evidence::payload::SeenCheckpoint;
use evidence::statement::{self, Payload, Role};
use gateway::{GatewayOptions, RunError, commands};
use std::path::Path;
use support::{Agent, PROJECT, Running, Site, T0, definitions};
use uplink::{Outcome, path};

/// Windows, a quarantined statement, an equivocation, and a field 7 that names a checkpoint.
async fn busy(site: &Site, agents: &mut [Agent; 2]) -> u64 {
    let definitions = definitions(&site.genesis);
    let gateway = site.run().await;
    let [a, b] = agents;
    let twin = a.window(1000, None, &definitions);
    let first = a.next(&definitions);
    let mut forged = first.clone();
    *forged.last_mut().unwrap() ^= 1;
    assert!(matches!(gateway.push(&[&forged]).await, Outcome::Quarantined { .. }));
    assert!(matches!(gateway.push(&[&first]).await, Outcome::Stored(_)));
    gateway.settled(2).await;
    let named = b.window(45_000, Some(seen(&gateway).await), &definitions);
    b.advance(&named);
    assert!(matches!(gateway.push(&[&named]).await, Outcome::Stored(_)));
    gateway.settled(3).await;
    let (on, down) = (b.next(&definitions), b.down());
    assert!(matches!(gateway.push(&[&on, &down]).await, Outcome::Stored(_)));
    assert!(matches!(gateway.push(&[&twin]).await, Outcome::Frozen { .. }));
    let page = gateway.settled(6).await;
    gateway.handle.shutdown().await.unwrap();
    page["size"].as_u64().unwrap()
}

async fn seen(gateway: &Running) -> SeenCheckpoint {
    let note = gateway.get(&path::checkpoint(PROJECT)).await.1;
    let parsed = evidence::note::Note::parse(&note).unwrap();
    let checkpoint = evidence::note::Checkpoint::parse(parsed.text()).unwrap();
    let note_hash = evidence::hash::sha256(&note);
    SeenCheckpoint { size: checkpoint.size, root: checkpoint.root, time: T0, note_hash }
}

#[tokio::test]
async fn a_rebuild_after_quarantine_and_equivocation_finds_every_table_as_it_was() {
    let mut agents = [Agent::new(0), Agent::new(1)];
    let site = Site::new(&[&agents[0], &agents[1]]);
    let entries = busy(&site, &mut agents).await;
    let rebuilt = commands::rebuild(&site.data(), PROJECT).unwrap();
    assert!(rebuilt.is_same(), "{rebuilt:#?}");
    assert_eq!((rebuilt.entries, rebuilt.before), (entries, entries));
    let rows = |table: &str| rebuilt.tables.iter().find(|t| t.table == table).unwrap().rows;
    assert_eq!((rows("window"), rows("machine"), rows("stream")), (15, 2, 3));
    assert_eq!((rows("hole"), rows("event")), (1, 1));
    assert_eq!(rows("finding"), 1, "the equivocation");
}

#[tokio::test]
async fn a_rebuild_finds_and_repairs_what_was_changed_behind_the_gateways_back() {
    let mut agents = [Agent::new(0), Agent::new(1)];
    let site = Site::new(&[&agents[0], &agents[1]]);
    busy(&site, &mut agents).await;
    let file = site.data().join("projects").join(PROJECT).join("derived.sqlite");
    let change = rusqlite::Connection::open(&file).unwrap();
    change.execute("UPDATE window SET c5 = c5 + 1 WHERE machine = 1 AND t = ?", [T0]).unwrap();
    change.execute("DELETE FROM hole", []).unwrap();
    drop(change);
    let rebuilt = commands::rebuild(&site.data(), PROJECT).unwrap();
    let differing: Vec<_> =
        rebuilt.tables.iter().filter(|t| t.differing > 0).map(|t| (t.table.as_str(), t.differing)).collect();
    assert_eq!(differing, [("window", 1), ("hole", 1)]);
    assert!(rebuilt.kept.unwrap().exists());
    assert!(commands::rebuild(&site.data(), PROJECT).unwrap().is_same(), "repaired");
}

#[tokio::test]
async fn a_rebuild_refuses_a_log_whose_entries_were_changed() {
    let mut agents = [Agent::new(0), Agent::new(1)];
    let site = Site::new(&[&agents[0], &agents[1]]);
    busy(&site, &mut agents).await;
    let file = site.data().join("projects").join(PROJECT).join("log.sqlite");
    let change = rusqlite::Connection::open(&file).unwrap();
    change.execute("UPDATE entry SET leaf = zeroblob(32) WHERE idx = 2", []).unwrap();
    drop(change);
    let error = commands::rebuild(&site.data(), PROJECT).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    assert!(error.to_string().contains("entry 2"), "{error}");
}

#[tokio::test]
async fn two_exports_are_the_same_bytes_and_hold_the_named_checkpoints() {
    let mut agents = [Agent::new(0), Agent::new(1)];
    let site = Site::new(&[&agents[0], &agents[1]]);
    let entries = busy(&site, &mut agents).await;
    let (one, two) = (site.dir.path().join("one.zip"), site.dir.path().join("two.zip"));
    let exported = commands::export(&site.data(), PROJECT, &one).unwrap();
    assert_eq!(exported.entries, entries);
    // Once more beside a running gateway.
    let gateway = site.run().await;
    commands::export(&site.data(), PROJECT, &two).unwrap();
    gateway.handle.shutdown().await.unwrap();
    let bytes = std::fs::read(&one).unwrap();
    assert_eq!(bytes, std::fs::read(&two).unwrap());
    assert_eq!(exported.bytes, bytes.len() as u64);
    let mut bundle = BundleReader::open(std::io::Cursor::new(bytes)).unwrap();
    bundle.check_rest().unwrap();
    let tile = bundle.read(&format!("data/log/tile/entries/000.p/{entries}")).unwrap();
    let packed = evidence::tile::decode_entries(&tile, u16::try_from(entries).unwrap()).unwrap();
    assert_eq!(packed[0], site.genesis);
    // The checkpoint of size 2 that field 7 names, and the first after it.
    assert_eq!(exported.checkpoints, 2);
    let notes: Vec<String> =
        bundle.files().map(|(path, _)| path.to_owned()).filter(|p| p.contains("checkpoints/")).collect();
    assert_eq!(notes.len(), 2, "{notes:?}");
    let again = commands::export(&site.data(), PROJECT, &one).unwrap_err();
    assert_eq!(again.exit_code(), 2);
    let unknown = commands::export(&site.data(), "none", &site.dir.path().join("x.zip")).unwrap_err();
    assert_eq!(unknown.exit_code(), 2);
    assert!(!site.dir.path().join("x.zip.partial").exists());
}

#[test]
fn a_genesis_for_another_gateway_is_refused_with_every_reason() {
    let agent = Agent::new(0);
    let (ours, theirs) = (Site::draft_only(&[&agent]), Site::draft_only(&[&agent]));
    let file = ours.dir.path().join("theirs.genesis");
    std::fs::write(&file, &theirs.genesis).unwrap();
    let error = commands::import(&ours.data(), &file).unwrap_err();
    assert_eq!(error.exit_code(), 1);
    for part in ["log key", "receipt key", "operator time key"] {
        assert!(error.to_string().contains(part), "{error}");
    }
    assert!(!ours.data().join("projects").join(PROJECT).exists());
}

#[test]
fn a_genesis_is_imported_once_and_only_whole() {
    let agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let file = site.dir.path().join("project.genesis");
    let again = commands::import(&site.data(), &file).unwrap_err();
    assert_eq!(again.exit_code(), 2);
    let mut cut = site.genesis.clone();
    cut.pop();
    std::fs::write(&file, cut).unwrap();
    assert_eq!(commands::import(&site.data(), &file).unwrap_err().exit_code(), 1);
    let payload = statement::open(&site.genesis).unwrap().payload;
    let Payload::Genesis(mut genesis) = payload else { unreachable!("it is one") };
    genesis.project = "a.".into();
    genesis.origin = "gateway.example/a.".into();
    genesis.machines[0].agent = "nobody".into();
    let payload = Payload::Genesis(genesis);
    let bytes = statement::seal(&site.registrar, Role::Registrar, "registrar", "a.", T0, &payload).unwrap();
    std::fs::write(&file, bytes).unwrap();
    let error = commands::import(&site.data(), &file).unwrap_err().to_string();
    for part in ["no project id", "`nobody`"] {
        assert!(error.contains(part), "{error}");
    }
}

#[test]
fn keys_are_private_and_a_gateway_refuses_keys_that_others_can_read() {
    let agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let key = site.data().join("keys/note.pem");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&key), 0o600);
        std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
        let error = commands::create(&site.data(), PROJECT, &[] as &[&Path]).unwrap_err();
        assert!(error.to_string().contains("chmod 600"), "{error}");
    }
    let again = commands::init(&site.data(), None, gateway::init::DEFAULT_LISTEN).unwrap_err();
    assert_eq!(again.exit_code(), 2);
}

#[test]
fn a_draft_needs_requests_for_its_own_project() {
    let dir = tempfile::tempdir().unwrap();
    commands::init(dir.path(), None, gateway::init::DEFAULT_LISTEN).unwrap();
    let nobody = commands::create(dir.path(), "other", &[] as &[&Path]).unwrap_err();
    assert_eq!(nobody.exit_code(), 2);
    assert!(nobody.to_string().contains("plumbline-agent init"));
    let request = dir.path().join("enrol.cbor");
    std::fs::write(&request, Agent::new(0).enrolment()).unwrap();
    let foreign = commands::create(dir.path(), "other", &[&request]).unwrap_err();
    assert!(foreign.to_string().contains(PROJECT), "{foreign}");
    assert!(commands::create(dir.path(), PROJECT, &[&request]).unwrap().contains("box-0"));
    std::fs::write(&request, b"junk").unwrap();
    assert!(commands::enrol(dir.path(), &request, 1).is_err());
}

#[tokio::test]
async fn one_gateway_a_directory_and_loopback_only() {
    let agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let gateway = site.run().await;
    let second = gateway::run(GatewayOptions::new(site.data())).await.unwrap_err();
    assert!(matches!(second, RunError::Locked(_)), "{second}");
    assert!(commands::rebuild(&site.data(), PROJECT).unwrap_err().to_string().contains("another gateway"));
    gateway.handle.shutdown().await.unwrap();
    let mut open = GatewayOptions::new(site.data());
    open.listen = Some("0.0.0.0:0".parse().unwrap());
    let refused = gateway::run(open).await.unwrap_err();
    assert!(refused.to_string().contains("plain HTTP only"), "{refused}");
}
