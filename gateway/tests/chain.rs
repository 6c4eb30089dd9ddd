//! From push to verdict: what the gateway exports is verified by the assessor's library, and its figures are
//! those that the gateway shows.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use evidence::note::VerifierKey;
use evidence::payload::{Genesis, SeenCheckpoint};
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
    figures["figures"].as_array().unwrap().iter().map(strip).collect()
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
    let mut size = 1;
    gateway.settled(size).await;
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
        size += 2;
        gateway.settled(size).await;
    }
    let period = Period { from: T0, to: a.t };
    let report = verified(&site, period.to);
    assert_eq!(report.authentic.verdict, Answer::Yes, "{:#?}", report.defects);
    assert_eq!(report.complete.verdict, CompleteAnswer::Yes, "{:#?}", report.defects);
    assert_eq!(shown(&gateway, period).await, recomputed(&report, period));
    gateway.handle.shutdown().await.unwrap();
}
