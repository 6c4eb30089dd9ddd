//! Statements that a gateway must not take, pushed over the wire to the running program; afterwards its log holds
//! exactly what it acknowledged and its derived tables can be made again.

use crate::programs::PROGRAMS;
use plumbline_tests::harness::chain::{Chain, wait_until};
use plumbline_tests::harness::forger::Forger;
use plumbline_tests::harness::logged;
use uplink::{Outcome, ProblemKind, STATEMENTS_TYPE};

/// The forger's project.
const PROJECT: &str = "FORGED-1";

/// A running gateway with a project whose agent is the test.
fn site() -> (Chain, Forger) {
    let mut chain = Chain::without_agent(PROGRAMS);
    let mut forger = Forger::new(PROJECT, 21);
    let request = chain.path("forger.cbor");
    forger.write_enrolment(&request);
    chain.found(PROJECT, &request);
    forger.read_genesis(&chain.genesis(PROJECT));
    chain.start_gateway(&[]);
    (chain, forger)
}

fn kind(answer: &(u16, Vec<u8>)) -> Option<ProblemKind> {
    let problem: uplink::Problem = serde_json::from_slice(&answer.1).unwrap();
    assert_eq!((problem.status, problem.detail.is_empty()), (answer.0, false), "{problem:?}");
    problem.kind()
}

#[track_caller]
fn quarantined(outcome: Option<Outcome>, why: &str) {
    let Some(Outcome::Quarantined { reason, detail, .. }) = outcome else { panic!("{why}: {outcome:?}") };
    assert_eq!(reason, why, "{detail}");
}

#[test]
fn what_is_forged_is_refused_by_name_and_the_log_holds_what_was_acknowledged() {
    let (mut chain, mut forger) = site();
    let address = chain.gateway_address();
    let twin = forger.window(250);
    let first = forger.following();

    let mut broken = first.clone();
    *broken.last_mut().unwrap() ^= 1;
    quarantined(forger.push(address, &[&broken]), "signature");
    let stranger = Forger::new(PROJECT, 99);
    quarantined(forger.push(address, &[stranger.window(1)]), "unknown-key");
    let elsewhere = Forger::new(PROJECT, 21).window_for("OTHER-1", 1);
    quarantined(forger.push(address, &[elsewhere]), "wrong-project");
    let mut garbled = first.clone();
    garbled[0] = 0xff;
    assert!(matches!(forger.push(address, &[garbled]), Some(Outcome::Quarantined { .. })));

    // Nothing of all that took a number.
    let Some(Outcome::Stored(stored)) = forger.push(address, &[&first]) else {
        panic!("the right one is taken")
    };
    assert_eq!(stored.stored.iter().map(|s| (s.seq, s.index)).collect::<Vec<_>>(), [(0, 1)]);
    let (second, third) = (forger.following(), forger.following());
    let gap = forger.push(address, &[&third]);
    assert!(matches!(gap, Some(Outcome::Gap { expected_seq: 1, .. })), "{gap:?}");
    let replay = forger.push(address, &[&first, &second, &third]);
    let Some(Outcome::Stored(stored)) = replay else { panic!("{replay:?}") };
    assert_eq!(
        stored.stored.iter().map(|s| s.index).collect::<Vec<_>>(),
        [1, 2, 3],
        "said again, appended once"
    );
    let frozen = forger.push(address, &[&twin]);
    assert!(matches!(frozen, Some(Outcome::Frozen { .. })), "{frozen:?}");
    let fourth = forger.following();
    let frozen = forger.push(address, &[&fourth]);
    assert!(matches!(frozen, Some(Outcome::Frozen { .. })), "{frozen:?}");
    let Some(Outcome::Stored(_)) = forger.push(address, &[&first]) else {
        panic!("what is logged is said again")
    };

    chain.stop_gateway();
    let rebuilt = chain.rebuild(PROJECT);
    assert_eq!(rebuilt.code, Some(0), "{}{}", rebuilt.out, rebuilt.err);
    let bundle = chain.export(PROJECT);
    let leaves: Vec<_> = logged::entries(&bundle).iter().skip(1).map(|e| e.leaf).collect();
    assert_eq!(leaves, [&first, &second, &third, &twin].map(|s| evidence::hash::leaf(s)));
    let (code, json) = chain.verify(&bundle, &chain.trust(PROJECT, None));
    assert_eq!(
        (code, json["authentic"]["verdict"].as_str()),
        (Some(1), Some("no")),
        "two statements, one number"
    );
    assert!(json.to_string().contains("E-"), "{json:#}");
}

#[test]
fn a_request_that_is_none_is_refused_with_a_problem_that_says_why() {
    let (chain, mut forger) = site();
    let address = chain.gateway_address();
    let post = |project: &str, media: &str, body: Vec<u8>| {
        kind(&forger.post(address, project, media, body).expect("every request is answered"))
    };
    let one = uplink_body(&forger.window(1));
    for (project, media, body, want) in [
        (PROJECT, "application/json", one.clone(), ProblemKind::MediaType),
        ("NOWHERE-1", STATEMENTS_TYPE, one.clone(), ProblemKind::NotFound),
        ("..", STATEMENTS_TYPE, one.clone(), ProblemKind::NotFound),
        (PROJECT, STATEMENTS_TYPE, vec![], ProblemKind::Malformed),
        (PROJECT, STATEMENTS_TYPE, one[..one.len() - 1].to_vec(), ProblemKind::Malformed),
        (PROJECT, STATEMENTS_TYPE, vec![0, 0], ProblemKind::Malformed),
        (PROJECT, STATEMENTS_TYPE, vec![0xff; 70_000], ProblemKind::Malformed),
        (PROJECT, STATEMENTS_TYPE, vec![1; uplink::MAX_BODY + 1], ProblemKind::TooLarge),
    ] {
        assert_eq!(post(project, media, body), Some(want), "{project} {media}");
    }
    // The gateway is as well as before.
    let first = forger.following();
    assert!(matches!(forger.push(address, &[first]), Some(Outcome::Stored(_))));
}

fn uplink_body(statement: &[u8]) -> Vec<u8> {
    let mut body = uplink::BodyWriter::new();
    body.push(statement).unwrap();
    body.finish()
}

#[test]
fn what_can_never_be_logged_is_counted_and_raises_an_alarm() {
    let (chain, mut forger) = site();
    let address = chain.gateway_address();
    let mut broken = forger.following();
    *broken.last_mut().unwrap() ^= 1;
    for _ in 0..3 {
        quarantined(forger.push(address, &[&broken]), "signature");
    }
    wait_until("the gateway's page counts three", || chain.page(PROJECT)["quarantine"]["refused"] == 3);
    assert_eq!(chain.page(PROJECT)["alarms"][0]["kind"], "quarantine");
}
