//! A bundle that was just made is checked with somebody else's tools alone: Python, cbor2 and cryptography.

use crate::programs::PROGRAMS;
use crate::tamper;
use plumbline_tests::harness::chain::{Chain, Ended, now_s, wait_until};
use plumbline_tests::harness::logged;
use plumbline_tests::harness::peers;
use plumbline_tests::sim::Floor;
use plumbline_tests::sim::meters::Meters;
use std::path::Path;

fn check(chain: &Chain, bundle: &Path, trust: &Path, json: &Path) -> Ended {
    let script = peers::root().join("tests/cases/check_bundle.py");
    let arguments = [&script, bundle, trust, json].map(|p: &Path| p.display().to_string());
    chain.run(&peers::python().display().to_string(), &arguments.each_ref().map(String::as_str))
}

#[test]
fn python_alone_recomputes_the_bundle_and_finds_what_was_changed() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let meters = runtime.block_on(Meters::start(Floor::default(), 0)).unwrap();
    let plant = crate::kill::PLANT.replace("{METERS}", &meters.address.to_string());
    let mut chain = Chain::new(PROGRAMS, 2, &plant);
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let end = chain.from + 6;
    wait_until("six seconds have passed", || now_s() > end);
    chain.stop_agent();
    chain.stop_gateway();
    let (bundle, trust, json) = chain.must_hold(end);
    let verdict = chain.path("verify.json");
    std::fs::write(&verdict, json.to_string()).unwrap();
    let checked = check(&chain, &bundle, &trust, &verdict);
    assert_eq!(checked.code, Some(0), "{}{}", checked.out, checked.err);
    println!("{}", checked.out);

    // A flipped bit anywhere in the archive, and a statement exchanged in an archive that is otherwise in order.
    let good = std::fs::read(&bundle).unwrap();
    let changed = chain.path("changed.zip");
    let signature = good.len() / 2;
    let mut bytes = good.clone();
    bytes[signature] ^= 1;
    std::fs::write(&changed, bytes).unwrap();
    let checked = check(&chain, &changed, &trust, &verdict);
    assert_ne!(checked.code, Some(0), "{}", checked.out);
    let other = tamper::entry(&bundle, 1);
    std::fs::write(&changed, tamper::with_entry(&bundle, 2, &other)).unwrap();
    let checked = check(&chain, &changed, &trust, &verdict);
    assert_eq!(checked.code, Some(1), "{}{}", checked.out, checked.err);
    assert!(checked.out.contains("the entries do not give the checkpoint's root"), "{}", checked.out);

    // A figure that the statements do not give.
    let claimed = json.to_string().replace("cn.power_on_rate", "cn.other_rate");
    std::fs::write(&verdict, claimed).unwrap();
    assert_eq!(check(&chain, &bundle, &trust, &verdict).code, Some(1));
    assert!(logged::entries(&bundle).len() > 3);
}
