//! Box and gateway with different clocks: every push measures the difference, statements carry it signed, and the
//! person at the box is told.
//!
//! The agent runs under libfaketime with its wall clock a minute and a half ahead; both really share one clock, so
//! that the truth is known to the millisecond.

use crate::programs::PROGRAMS;
use evidence::payload::ClockClaim;
use evidence::statement::Payload;
use plumbline_tests::harness::chain::{Chain, PROJECT, free_port, wait_until};
use plumbline_tests::harness::{logged, peers};
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::meters::Meters;
use std::path::Path;

const AHEAD_MS: i64 = 90_000;

/// Clock claims of the agent's statements, in the order of the log.
fn claims(bundle: &Path) -> Vec<ClockClaim> {
    let claim = |payload| match payload {
        Payload::Window(batch) => Some(batch.clock),
        Payload::Event(events) => Some(events.clock),
        _ => None,
    };
    logged::entries(bundle).into_iter().filter_map(|entry| claim(entry.payload)).collect()
}

/// The error that a source names, ms.
fn error_ms(claim: &ClockClaim) -> Option<i64> {
    let (_, rest) = claim.source.split_once("gateway ±")?;
    rest.split(' ').next()?.parse().ok()
}

#[test]
fn what_a_push_finds_of_the_clocks_is_signed_and_shown() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
    let plant = format!(
        "[[link]]\nid = \"meters\"\nprotocol = \"modbus\"\naddress = \"tcp://{}\"\npoll = \"500ms\"\ntimeout = \"400ms\"\n\n\
         [[machine]]\nid = \"press\"\nname = \"冲床\"\nline = \"A\"\nkind = \"press\"\nlink = \"meters\"\n\n\
         [machine.points]\npower = {{ unit = 3, register = \"input:12\", type = \"i16\", scale = \"0.1\", measure = \"kW\" }}\n\n\
         [machine.state]\nproducing = 'power > 1500'\nidle = 'true'\n",
        meters.address
    );
    let mut chain = Chain::without_agent(PROGRAMS);
    let page = format!("[agent]\nstatus_listen = \"127.0.0.1:{}\"", free_port());
    chain.enrol(&chain.configuration(1, &plant).replace("[agent]", &page));
    chain.start_gateway(&[]);
    let library = peers::library("faketime/libfaketimeMT.so.1", "libfaketime").display().to_string();
    let ahead = format!("+{}", AHEAD_MS / 1000);
    chain.start_agent(&[
        ("LD_PRELOAD", library.as_str()),
        ("FAKETIME", ahead.as_str()),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
    ]);
    wait_until("some statements are logged after one was measured", || {
        let stream = &chain.page(PROJECT)["streams"][0];
        stream["clock_offset_ms"].as_i64().is_some_and(|ms| ms != 0) && stream["last_seq"].as_u64() > Some(5)
    });
    let shown = chain.page(PROJECT)["streams"][0]["clock_offset_ms"].as_i64().unwrap();
    assert!((shown + AHEAD_MS).abs() < 30_000, "the gateway's page says {shown}");
    let said = chain.agent_command("status").out;
    let line = said.lines().find(|line| line.contains("the gateway's clock -")).unwrap_or_default();
    assert!(line.contains("! ") && line.contains("time services"), "status says:\n{said}");

    let bundle = chain.export(PROJECT);
    let claims = claims(&bundle);
    assert_eq!((claims[0].offset_ms, error_ms(&claims[0])), (0, None), "nothing was pushed before the first");
    let measured: Vec<_> = claims.iter().filter_map(|claim| Some((claim, error_ms(claim)?))).collect();
    assert!(measured.len() >= 2, "{claims:?}");
    for (claim, error) in measured {
        assert!((claim.offset_ms + AHEAD_MS).abs() <= error + 1, "{claim:?}");
    }
}
