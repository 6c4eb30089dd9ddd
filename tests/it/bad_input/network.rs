//! A gateway that is not there: the agent goes on, and everything arrives when it comes back.

use crate::kill::PLANT;
use crate::programs::PROGRAMS;
use plumbline_tests::harness::chain::{Chain, PROJECT, now_s, wait_until};
use plumbline_tests::harness::logged;
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::meters::Meters;

#[test]
fn what_was_signed_while_the_gateway_was_away_arrives_when_it_is_back() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
    let mut chain = Chain::new(PROGRAMS, 1, &PLANT.replace("{METERS}", &meters.address.to_string()));
    // From the start there is none; later one goes in the middle of its work, and asks to go.
    chain.start_agent(&[]);
    let away = chain.from + 4;
    wait_until("windows pile up on the box", || now_s() >= away);
    chain.start_gateway(&[]);
    wait_until("the first backlog is logged", || chain.logged_until(PROJECT) >= away);
    chain.stop_gateway();
    let away = now_s() + 3;
    wait_until("windows pile up again", || now_s() >= away);
    chain.start_gateway(&[]);
    wait_until("the second backlog is logged", || chain.logged_until(PROJECT) >= away);
    chain.stop_agent();
    chain.stop_gateway();
    let (bundle, _, json) = chain.must_hold(away);
    let log = logged::entries(&bundle);
    let streams = logged::streams(&log);
    let tiling = logged::must_tile(streams.values().next().unwrap());
    assert_eq!((tiling.downs, tiling.losses), (vec![], vec![]), "{json:#}");
}

#[test]
fn an_agent_whose_genesis_is_another_projects_or_is_not_there_says_so_and_does_not_start() {
    let chain = Chain::new(PROGRAMS, 1, &PLANT.replace("{METERS}", "127.0.0.1:9"));
    let genesis = chain.genesis(PROJECT);
    let right = std::fs::read(&genesis).unwrap();
    let mut wrong = right.clone();
    *wrong.last_mut().unwrap() ^= 1;
    for (bytes, words) in [
        (Some(&wrong[..]), "not signed by the registrar"),
        (Some(&right[..50]), "genesis"),
        (None, "cannot be read"),
    ] {
        match bytes {
            Some(bytes) => std::fs::write(&genesis, bytes).unwrap(),
            None => std::fs::remove_file(&genesis).unwrap(),
        }
        let ended = chain.agent_command("run");
        assert_eq!(ended.code, Some(2), "{}{}", ended.out, ended.err);
        assert!(ended.err.contains(words), "{words} is missing:\n{}", ended.err);
    }
}
