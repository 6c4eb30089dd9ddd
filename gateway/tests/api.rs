//! The interface over a real socket: what an agent and a reader see.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use evidence::merkle::{verify_consistency, verify_inclusion};
use evidence::note::{Checkpoint, VerifierKey};
use support::{Agent, PROJECT, Running, SetClock, Site, T0, definitions};
use uplink::{ConsistencyProof, InclusionProof, Outcome, Problem, ProblemKind, StreamState, path};

async fn checkpoint(gateway: &Running, log: &VerifierKey) -> (Checkpoint, Vec<u8>) {
    let (status, note) = gateway.get(&path::checkpoint(PROJECT)).await;
    assert_eq!(status, 200);
    (Checkpoint::open(&note, log).unwrap().0, note)
}

#[tokio::test]
async fn a_statement_is_stored_sealed_receipted_and_proven() {
    let mut agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let (genesis, definitions) = (site.genesis(), definitions(&site.genesis));
    let gateway = site.run().await;
    let log: VerifierKey = genesis.log_vkey.parse().unwrap();

    let statements: Vec<_> = (0..3).map(|_| agent.next(&definitions)).collect();
    let refs: Vec<&[u8]> = statements.iter().map(Vec::as_slice).collect();
    let Outcome::Stored(stored) = gateway.push(&refs).await else { panic!("not stored") };
    assert_eq!(stored.credit, 64);
    let indices: Vec<_> = stored.stored.iter().map(|s| (s.seq, s.index)).collect();
    assert_eq!(indices, [(0, 1), (1, 2), (2, 3)]);
    assert_eq!(stored.stored[2].leaf, evidence::hash::leaf(&statements[2]));

    let state = gateway.json(&path::stream(PROJECT, &agent.kid().0)).await;
    let state: StreamState = serde_json::from_value(state).unwrap();
    assert_eq!(state, StreamState { next_seq: 3, head: agent.prev, frozen: false });

    gateway.settled(4).await;
    let (newest, note) = checkpoint(&gateway, &log).await;
    assert_eq!((newest.origin.as_str(), newest.size), (genesis.origin.as_str(), 4));
    let time: VerifierKey = genesis.operator_time_vkey.as_ref().unwrap().parse().unwrap();
    let parsed = evidence::note::Note::parse(&note).unwrap();
    assert!(parsed.verify(&time).unwrap().is_some(), "the operator's line carries a time");

    let (status, receipt) = gateway.get(&path::receipt(PROJECT, 2)).await;
    assert_eq!(status, 200);
    let leaf = evidence::hash::leaf(&statements[1]);
    let receipt = evidence::receipt::open(&receipt, &genesis.receipt_key, &genesis.origin, leaf).unwrap();
    assert_eq!((receipt.index, receipt.size, receipt.root), (2, 4, newest.root));

    let proof = gateway.json(&path::proof(PROJECT, 2)).await;
    let proof: InclusionProof = serde_json::from_value(proof).unwrap();
    assert_eq!(proof.checkpoint.as_bytes(), note);
    verify_inclusion(leaf, 2, proof.size, &proof.hashes, &newest.root).unwrap();

    let consistency = gateway.json(&path::consistency(PROJECT, 1, 4)).await;
    let consistency: ConsistencyProof = serde_json::from_value(consistency).unwrap();
    let first = evidence::hash::leaf(&site.genesis);
    verify_consistency((1, &first), (4, &newest.root), &consistency.hashes).unwrap();

    let (_, packed) = gateway.get(&path::tile(PROJECT, "tile/entries/000.p/4")).await;
    let entries = evidence::tile::decode_entries(&packed, 4).unwrap();
    assert_eq!(entries[0], site.genesis);
    assert_eq!(entries[3], statements[2]);
    let (_, hashes) = gateway.get(&path::tile(PROJECT, "tile/0/000.p/2")).await;
    assert_eq!(hashes, [first, evidence::hash::leaf(&statements[0])].concat());
    assert_eq!(gateway.get(&path::genesis(PROJECT)).await.1, site.genesis);
    gateway.handle.shutdown().await.unwrap();
}

#[tokio::test]
async fn windows_and_figures_are_served_page_by_page_from_the_derived_tables() {
    let mut agent = Agent::new(0);
    let site = Site::edited(&[&agent], |draft| draft.max_lag_s = 86_400);
    let definitions = definitions(&site.genesis);
    let gateway = site.run_at(&SetClock::at(T0 + 211 * 300)).await;
    let mut statements: Vec<_> = (0..210).map(|_| agent.next(&definitions)).collect();
    statements.push(agent.down());
    for part in statements.chunks(64) {
        let refs: Vec<&[u8]> = part.iter().map(Vec::as_slice).collect();
        assert!(matches!(gateway.push(&refs).await, Outcome::Stored(_)));
    }
    let page = gateway.settled(212).await;
    assert_eq!(page["machines"][0]["state"], "producing");
    assert_eq!(page["machines"][0]["last_end"], T0 + 210 * 300);
    assert_eq!(page["streams"].as_array().unwrap().len(), 2, "the registrar's and the agent's");

    let windows =
        format!("{}/windows?machine=m0", path::PROJECT.replace("{project}", &path::segment(PROJECT)));
    let first = gateway.json(&windows).await;
    assert_eq!(first["windows"].as_array().unwrap().len(), 1000);
    assert_eq!(first["windows"][0]["t"], T0);
    assert_eq!(first["windows"][0]["columns"]["5"], 45_000);
    assert_eq!(first["windows"][0]["columns"]["10"], 10_000, "energy in mWh");
    let next = format!("{windows}&after={}", first["next_after"]);
    let second = gateway.json(&next).await;
    assert_eq!(second["windows"].as_array().unwrap().len(), 50);
    assert!(second.get("next_after").is_none());

    let kpis = format!("{}/kpis", path::PROJECT.replace("{project}", &path::segment(PROJECT)));
    let figures = gateway.json(&kpis).await;
    assert_eq!(figures["verified"], false);
    assert_eq!(figures["through"], 212);
    let energy = figures["kpis"].as_array().unwrap().iter().find(|f| f["numerator"]["unit"] == "mWh");
    let energy = &energy.unwrap()["value"];
    // The first window's end opens the sum: 1 049 windows of 10 Wh.
    assert_eq!(energy["lower"], energy["upper"], "{energy}");
    assert!(energy["lower"].to_string().contains("1049"), "{energy}");
    let bad = gateway.get(&format!("{kpis}?from=1&to=2")).await;
    assert_eq!(bad.0, 400);
    gateway.handle.shutdown().await.unwrap();
}

#[track_caller]
fn refused((status, body): &(u16, Vec<u8>), want: ProblemKind) -> Problem {
    let problem: Problem = serde_json::from_slice(body).unwrap();
    assert_eq!(problem.kind(), Some(want), "{problem:?}");
    assert_eq!(*status, want.status());
    problem
}

#[tokio::test]
async fn refusals_are_problem_documents_that_say_what_to_do() {
    let mut agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let definitions = definitions(&site.genesis);
    let gateway = site.run().await;
    let statements = path::statements(PROJECT);
    let media = uplink::STATEMENTS_TYPE;
    let body = |statement: &[u8]| {
        let mut body = uplink::BodyWriter::new();
        body.push(statement).unwrap();
        body.finish()
    };
    let good = agent.next(&definitions);
    let later = {
        agent.next(&definitions);
        agent.next(&definitions)
    };

    refused(&gateway.post(&statements, media, vec![]).await, ProblemKind::Malformed);
    refused(&gateway.post(&statements, media, vec![0, 9, 1]).await, ProblemKind::Malformed);
    refused(&gateway.post(&statements, "text/plain", body(&good)).await, ProblemKind::MediaType);
    refused(&gateway.post(&statements, media, vec![1; uplink::MAX_BODY + 1]).await, ProblemKind::TooLarge);
    refused(&gateway.post(&path::statements("none"), media, body(&good)).await, ProblemKind::NotFound);
    refused(&gateway.post(&path::statements("../x"), media, body(&good)).await, ProblemKind::NotFound);
    refused(&gateway.get("/v1/nothing").await, ProblemKind::NotFound);
    refused(&gateway.get("/v1/enrol").await, ProblemKind::Method);
    refused(&gateway.get(&path::receipt(PROJECT, 0).replace("/0", "/x")).await, ProblemKind::Malformed);
    refused(
        &gateway.get(&path::consistency(PROJECT, 0, 1).replace("=1", "=x")).await,
        ProblemKind::Malformed,
    );
    let gap = refused(&gateway.post(&statements, media, body(&later)).await, ProblemKind::Gap);
    assert_eq!((gap.seq, gap.expected_seq), (Some(2), Some(0)));
    let mut forged = good.clone();
    *forged.last_mut().unwrap() ^= 1;
    let aside = refused(&gateway.post(&statements, media, body(&forged)).await, ProblemKind::Quarantined);
    assert_eq!((aside.seq, aside.reason.as_deref()), (Some(0), Some("signature")));
    refused(&gateway.get(&path::receipt(PROJECT, 99)).await, ProblemKind::NotYet);
    refused(&gateway.get(&path::consistency(PROJECT, 0, 99)).await, ProblemKind::NotYet);
    refused(&gateway.get(&path::consistency(PROJECT, 2, 1)).await, ProblemKind::Malformed);
    refused(&gateway.get(&path::tile(PROJECT, "tile/0/0")).await, ProblemKind::Malformed);
    refused(&gateway.get(&path::tile(PROJECT, "tile/0/000")).await, ProblemKind::NotFound);
    refused(&gateway.get(&path::stream(PROJECT, &[7; 32])).await, ProblemKind::NotFound);
    refused(&gateway.post(path::ENROL, path::ENROL_TYPE, vec![1]).await, ProblemKind::Malformed);

    let page = gateway.settled(1).await;
    assert_eq!(page["quarantine"]["refused"], 1);
    assert_eq!(page["alarms"][0]["kind"], "quarantine");
    // What came before a refused statement is stored and said to be.
    let outcome = gateway.push(&[&good, &forged]).await;
    assert_eq!(outcome.stored().len(), 1);
    assert!(matches!(outcome, Outcome::Quarantined { .. }));
    gateway.handle.shutdown().await.unwrap();
}

#[tokio::test]
async fn equivocation_freezes_the_stream_and_a_restart_remembers_it() {
    let mut agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let definitions = definitions(&site.genesis);
    let gateway = site.run().await;
    let twin = agent.window(30_000, None, &definitions);
    let (first, second) = (agent.next(&definitions), agent.next(&definitions));
    assert!(matches!(gateway.push(&[&first]).await, Outcome::Stored(_)));
    assert!(matches!(gateway.push(&[&twin]).await, Outcome::Frozen { .. }));
    assert!(matches!(gateway.push(&[&second]).await, Outcome::Frozen { .. }));
    let page = gateway.settled(3).await;
    assert_eq!(page["alarms"][0]["kind"], "equivocation");
    gateway.handle.shutdown().await.unwrap();

    let gateway = site.run().await;
    assert!(matches!(gateway.push(&[&second]).await, Outcome::Frozen { .. }));
    let Outcome::Stored(again) = gateway.push(&[&first, &twin]).await else { panic!("it is in the log") };
    assert_eq!(again.stored.iter().map(|s| s.index).collect::<Vec<_>>(), [1, 2]);
    let state = gateway.json(&path::stream(PROJECT, &agent.kid().0)).await;
    assert_eq!((&state["next_seq"], &state["frozen"]), (&1.into(), &true.into()));
    gateway.handle.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_gateway_that_is_shown_a_newer_checkpoint_of_its_own_signs_nothing() {
    let mut agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let definitions = definitions(&site.genesis);
    let backup = site.data().join("projects").join(PROJECT).join("log.sqlite");
    let old = std::fs::read(&backup).unwrap();
    let gateway = site.run().await;
    let first = agent.next(&definitions);
    assert!(matches!(gateway.push(&[&first]).await, Outcome::Stored(_)));
    gateway.settled(2).await;
    let note = gateway.get(&path::checkpoint(PROJECT)).await.1;
    gateway.handle.shutdown().await.unwrap();

    for suffix in ["log.sqlite-wal", "log.sqlite-shm", "derived.sqlite", "derived.sqlite-wal"] {
        let _ = std::fs::remove_file(backup.with_file_name(suffix));
    }
    std::fs::write(&backup, old).unwrap();
    let gateway = site.run().await;
    let (status, _) = gateway.post(&path::checkpoint(PROJECT), "text/plain", note.clone()).await;
    assert_eq!(status, 200);
    let mut foreign = note.clone();
    foreign.extend_from_slice(b"x");
    let bad = gateway.post(&path::checkpoint(PROJECT), "text/plain", foreign).await;
    refused(&bad, ProblemKind::Malformed);
    let second = agent.next(&definitions);
    assert!(matches!(gateway.push(&[&second]).await, Outcome::Gap { expected_seq: 0, .. }));
    // Refilled to the known root it signs again.
    assert!(matches!(gateway.push(&[&first, &second]).await, Outcome::Stored(_)));
    gateway.settled(3).await;
    gateway.handle.shutdown().await.unwrap();
}

#[tokio::test]
async fn health_projects_and_enrolment_answer() {
    let agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    // A project whose log cannot be read stops no other.
    let broken = site.data().join("projects/broken");
    std::fs::create_dir(&broken).unwrap();
    std::fs::write(broken.join("log.sqlite"), b"no database").unwrap();
    let gateway = site.run().await;
    let health = gateway.json(path::HEALTH).await;
    assert_eq!((&health["status"], &health["faults"][0]["project"]), (&"degraded".into(), &"broken".into()));
    let (status, _) = gateway.get(&path::checkpoint("broken")).await;
    assert_eq!(status, 500);
    std::fs::remove_dir_all(&broken).unwrap();
    let health = gateway.json(path::HEALTH).await;
    assert_eq!((&health["status"], &health["projects"]), (&"ok".into(), &1.into()));
    let projects = gateway.json(path::PROJECTS).await;
    assert_eq!(projects[0]["id"], PROJECT);
    let (status, body) = gateway.post(path::ENROL, path::ENROL_TYPE, Agent::new(1).enrolment()).await;
    assert_eq!(status, 202);
    let enrolled: uplink::Enrolled = serde_json::from_slice(&body).unwrap();
    assert_eq!(enrolled.kid, Agent::new(1).kid().0);
    gateway.handle.shutdown().await.unwrap();
}
