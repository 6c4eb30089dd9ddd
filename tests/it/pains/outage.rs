//! An outage of the way to the gateway, with an agent that is killed in the middle of it: the first seconds of the outage,
//! and the first statement after it, are in the log as everything else is, and nothing is sent twice for long.

use crate::kill::PLANT;
use crate::programs::PROGRAMS;
use plumbline_tests::harness::chain::{Chain, PROJECT, now_s, wait_until};
use plumbline_tests::harness::logged;
use plumbline_tests::harness::relay::{Cut, Fault, Relay};
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::meters::Meters;

/// How long the gateway cannot be reached before the agent dies, and after it, s.
const OUTAGE_S: i64 = 8;

#[test]
fn pain_20_after_an_outage_and_a_crash_within_nothing_is_missing_doubled_or_sent_all_over_again() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
    let mut chain = Chain::without_agent(PROGRAMS);
    let relay = Relay::start(chain.gateway_address());
    let text = chain.configuration(1, &PLANT.replace("{METERS}", &meters.address.to_string()));
    chain.enrol(&text.replace(&chain.gateway_address().to_string(), &relay.address().to_string()));
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let well = chain.from + 4;
    wait_until("all is logged for some seconds", || chain.logged_until(PROJECT) >= well);

    relay.set(Fault::Refuse);
    relay.cut(Cut::Reset);
    let killed = now_s() + OUTAGE_S;
    wait_until("windows pile up on the box", || now_s() >= killed);
    chain.agent().kill();
    chain.start_agent(&[]);
    let again = now_s() + OUTAGE_S;
    wait_until("windows pile up behind the crash", || now_s() >= again);
    let before = relay.traffic().asked;
    relay.clear();
    wait_until("the backlog is logged", || chain.logged_until(PROJECT) >= again);
    let drained = relay.traffic().asked - before;

    // Everything is acknowledged. Another crash, and the box has nothing to send but what is new.
    let quiet = now_s() + 2;
    wait_until("all is acknowledged", || chain.logged_until(PROJECT) >= quiet);
    chain.agent().kill();
    let before = relay.traffic().asked;
    chain.start_agent(&[]);
    let end = now_s() + 2;
    wait_until("new windows are logged", || chain.logged_until(PROJECT) >= end);
    let resent = relay.traffic().asked - before;
    chain.stop_agent();
    chain.stop_gateway();

    let log = logged::entries(&chain.export(PROJECT));
    let streams = logged::streams(&log);
    let stream = streams.values().next().unwrap();
    logged::must_be_contiguous(stream);
    let tiling = logged::must_tile(stream);
    assert_eq!(tiling.losses, vec![], "nothing was given up");
    // Whatever is not a window lies between a kill and the start after it.
    for (from, to) in &tiling.downs {
        assert!(to - from <= 6_000, "down from {from} to {to}");
    }
    assert!(tiling.downs.len() <= 2, "{:?}", tiling.downs);
    let windows = logged::windows(&log).filter(|batch| (well..again).contains(&batch.t0)).count();
    assert!(i64::try_from(windows).unwrap() >= 2 * OUTAGE_S - 6, "{windows} windows of the outage");
    assert!(
        resent < drained / 2,
        "after all was acknowledged {resent} bytes went out; the backlog was {drained}"
    );
}
