//! From push to verdict: what the gateway exports is verified by the assessor's library, and its figures are
//! those that the gateway shows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use evidence::Hash;
use evidence::key::{Kid, SigningKey};
use evidence::note::VerifierKey;
use evidence::payload::{
    Event, EventCode, EventValue, Genesis, KeyAction, KeyChange, LastAccepted, Place, Plan, PlanBody,
    RosterKey, SeenCheckpoint,
};
use evidence::statement::{self, Payload, Role};
use gateway::commands;
use kpi::Period;
use support::{Agent, PROJECT, Running, SetClock, Site, T0, definitions};
use uplink::{Outcome, path};
use verify::report::{Answer, CompleteAnswer};
use verify::{Report, Trust};

fn trust(site: &Site, genesis: &Genesis, to: i64) -> Trust {
    Trust {
        log: genesis.log_vkey.parse().unwrap(),
        receipt: genesis.receipt_key.clone(),
        registrar: site.registrar.public().clone(),
        operator_time: Some(genesis.operator_time_vkey.as_ref().unwrap().parse().unwrap()),
        witness_policy: None,
        tsa_roots: None,
        period: Some(Period { from: T0, to }),
        max_lag_s: None,
    }
}

fn verified(site: &Site, to: i64) -> Report {
    let out = site.dir.path().join("bundle.zip");
    commands::export(&site.data(), PROJECT, &out).unwrap();
    let bundle = std::io::BufReader::new(std::fs::File::open(&out).unwrap());
    let trust = trust(site, &site.genesis(), to);
    verify::verify_bundle(bundle, &trust, &mut |_| {}).unwrap().into_inner()
}

async fn seen(gateway: &Running, operator: &VerifierKey) -> SeenCheckpoint {
    let note = gateway.get(&path::checkpoint(PROJECT)).await.1;
    let parsed = evidence::note::Note::parse(&note).unwrap();
    let checkpoint = evidence::note::Checkpoint::parse(parsed.text()).unwrap();
    let note_hash = evidence::hash::sha256(&note);
    let time = i64::try_from(parsed.verify(operator).unwrap().unwrap()).unwrap();
    SeenCheckpoint { size: checkpoint.size, root: checkpoint.root, time, note_hash }
}

/// The gateway's figures over a period, without what only a verified bundle carries.
async fn shown(gateway: &Running, period: Period) -> Vec<serde_json::Value> {
    let base = path::PROJECT.replace("{project}", &path::segment(PROJECT));
    let figures = gateway.json(&format!("{base}/kpis?from={}&to={}", period.from, period.to)).await;
    let strip = |figure: &serde_json::Value| {
        let mut figure = figure.clone();
        figure["statements"] = serde_json::Value::Null;
        figure
    };
    figures["kpis"].as_array().unwrap().iter().map(strip).collect()
}

fn recomputed(report: &Report, period: Period) -> Vec<serde_json::Value> {
    let tables = &report.figures.as_ref().unwrap().tables;
    let table = tables.iter().find(|t| t.machine.is_none() && t.period == period).unwrap();
    let strip = |kpi: &kpi::Kpi| serde_json::to_value(kpi::Kpi { statements: None, ..kpi.clone() }).unwrap();
    table.kpis.iter().map(strip).collect()
}

#[tokio::test]
async fn an_export_is_authentic_and_complete_and_its_figures_are_those_the_gateway_shows() {
    let (mut a, mut b) = (Agent::new(0), Agent::new(1));
    let site = Site::new(&[&a, &b]);
    let definitions = definitions(&site.genesis);
    let operator = site.genesis().operator_time_vkey.unwrap().parse().unwrap();
    let clock = SetClock::at(T0);
    let gateway = site.run_at(&clock).await;
    let mut entries = 1;
    gateway.settled(entries).await;
    for round in 0..30 {
        clock.set(a.t + 301);
        let first = if round == 9 {
            a.down()
        } else {
            let seen = if round % 10 == 5 { Some(seen(&gateway, &operator).await) } else { None };
            let bytes = a.window(30_000, seen, &definitions);
            a.advance(&bytes);
            bytes
        };
        let second = b.next(&definitions);
        let outcome = gateway.push(&[&first, &second]).await;
        assert!(matches!(outcome, Outcome::Stored(_)), "{outcome:?}");
        entries += 2;
        gateway.settled(entries).await;
    }
    let period = Period { from: T0, to: a.t };
    let report = verified(&site, period.to);
    assert_eq!(report.authentic.verdict, Answer::Yes, "{:#?}", report.defects);
    assert_eq!(report.complete.verdict, CompleteAnswer::Yes, "{:#?}", report.defects);
    assert_eq!(shown(&gateway, period).await, recomputed(&report, period));
    gateway.handle.shutdown().await.unwrap();
}

/// The registrar's stream behind the genesis.
struct Registrar<'a> {
    key: &'a SigningKey,
    seq: u64,
    prev: Hash,
}

impl<'a> Registrar<'a> {
    fn of(site: &'a Site) -> Self {
        Self { key: &site.registrar, seq: 1, prev: evidence::hash::leaf(&site.genesis) }
    }

    fn seal(&mut self, payload: impl FnOnce(Place) -> Payload) -> Vec<u8> {
        let payload = payload(Place { seq: self.seq, prev: Some(self.prev) });
        let bytes = statement::seal(self.key, Role::Registrar, "registrar", PROJECT, T0, &payload).unwrap();
        (self.seq, self.prev) = (self.seq + 1, evidence::hash::leaf(&bytes));
        bytes
    }

    fn key(&mut self, action: KeyAction, subject: Kid, key: Option<RosterKey>, last: (u64, Hash)) -> Vec<u8> {
        let last_accepted = Some(LastAccepted { seq: last.0, leaf: last.1 });
        self.seal(|place| {
            let reason = "a test".into();
            let subject = Some(subject);
            Payload::Key(Box::new(KeyChange {
                place,
                action,
                subject,
                key,
                last_accepted,
                machines: None,
                reason,
            }))
        })
    }

    fn approve(&mut self, agent: &Agent, from: i64) -> Vec<u8> {
        let text = agent.mapping.clone();
        let hash = evidence::hash::sha256(text.as_bytes());
        self.seal(|place| {
            let body = PlanBody::Mapping { machine: agent.machine, hash, text };
            Payload::Plan(Box::new(Plan { place, effective_from: from, body, document: None }))
        })
    }
}

#[tokio::test]
async fn late_windows_new_mappings_counter_events_and_a_replaced_box_are_judged_alike() {
    let (mut a, mut b) = (Agent::new(0), Agent::new(1));
    let site = Site::new(&[&a, &b]);
    let definitions = definitions(&site.genesis);
    let operator = site.genesis().operator_time_vkey.unwrap().parse().unwrap();
    let clock = SetClock::at(T0);
    let gateway = site.run_at(&clock).await;
    let mut registrar = Registrar::of(&site);
    let mut entries = 1;
    let mut send = async |statements: &[Vec<u8>], at: i64| {
        clock.set(at);
        let refs: Vec<&[u8]> = statements.iter().map(Vec::as_slice).collect();
        let outcome = gateway.push(&refs).await;
        assert_eq!(outcome.stored().len(), statements.len(), "{outcome:?}");
        entries += statements.len() as u64;
        gateway.settled(entries).await;
    };

    // A counter that starts again at zero inside the second window.
    send(&[a.next(&definitions), b.next(&definitions)], a.t).await;
    let counter = |value| EventValue::Counter(10, value);
    a.events = vec![Event {
        t_ms: (a.t + 70) * 1000,
        code: EventCode::Counter,
        machine: Some(0),
        before: counter(a.register + 15),
        after: counter(0),
    }];
    send(&[a.next(&definitions), b.next(&definitions)], a.t).await;

    // A new mapping: unapproved windows first, then the plan that approves it from there on.
    a.mapping.push_str(" as corrected");
    send(&[a.next(&definitions), b.next(&definitions)], a.t).await;
    send(&[registrar.approve(&a, a.t)], a.t).await;
    let named = a.window(20_000, Some(seen(&gateway, &operator).await), &definitions);
    a.advance(&named);
    send(&[named, b.next(&definitions)], a.t).await;

    // Held back for more than two hours: late.
    let held = [a.next(&definitions), a.next(&definitions), b.next(&definitions), b.next(&definitions)];
    send(&held, a.t + 7300).await;

    // The box of machine 1 is replaced; the new one goes on where the old one ended.
    let mut c = Agent::new(1);
    c.key = SigningKey::from_seed([77; 32]);
    c.id = "box-2".into();
    (c.t, c.register) = (b.t, b.register);
    let key = RosterKey { key: c.key.public().clone(), role: Role::Agent, id: c.id.clone() };
    let last = (b.seq - 1, b.prev.unwrap());
    send(&[registrar.key(KeyAction::HandOver, b.kid(), Some(key), last)], a.t + 7300).await;
    send(&[a.next(&definitions), c.next(&definitions)], a.t + 7000).await;

    let period = Period { from: T0, to: a.t };
    let report = verified(&site, period.to);
    assert_eq!(report.authentic.verdict, Answer::Yes, "{:#?}", report.defects);
    assert!(report.time.late_windows > 0, "{:#?}", report.time);
    assert!(report.defect(verify::DefectCode::DefinitionsHash).is_some(), "{:#?}", report.defects);
    assert_eq!(shown(&gateway, period).await, recomputed(&report, period));
    gateway.handle.shutdown().await.unwrap();
    assert!(commands::rebuild(&site.data(), PROJECT).unwrap().is_same());
}
