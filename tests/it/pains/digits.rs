//! A number on its whole way: from a meter of foreign make on a serial line to the bundle, as one chain of processes.

use crate::dead_link::genesis;
use crate::probe::Line;
use crate::programs::PROGRAMS;
use evidence::column::{ENERGY, ENERGY_Q};
use plumbline_tests::harness::chain::{Chain, PROJECT, wait_until};
use plumbline_tests::harness::logged;

/// A register that no double has: one more than 2 to the 53. In Wh it is nine thousand terawatt hours, which is what a
/// wrong factor makes of an honest meter.
const REGISTER: i64 = (1 << 53) + 1;

#[test]
fn pain_07_a_64_bit_register_on_a_serial_line_stands_in_the_bundle_with_every_digit() {
    // 2 to the 53, and one, high word first; the second unit has it in hundredths, low word first.
    let line = Line::start(
        r#"{"1": {"holding": {"0": 32, "1": 0, "2": 0, "3": 1}}, "2": {"holding": {"0": 1, "1": 0, "2": 0, "3": 32}}}"#,
    );
    let machine = |id: &str, point: &str| {
        format!(
            "[[machine]]\nid = \"{id}\"\nname = \"{id}\"\nkind = \"other\"\nlink = \"line\"\n[machine.points]\n\
             energy_total = {{ {point}, type = \"u64\", measure = \"Wh\", max_power = \"90kW\" }}\n[machine.state]\n\
             idle = 'true'\n\n"
        )
    };
    let plant = format!(
        "[[link]]\nid = \"line\"\nprotocol = \"modbus\"\naddress = \"serial://{}\"\npoll = \"1s\"\n\
         timeout = \"900ms\"\n\n{}{}",
        line.port(),
        machine("whole", "unit = 1, register = \"holding:0\", order = \"ABCDEFGH\""),
        machine("parts", "unit = 2, register = \"holding:0\", order = \"GHEFCDAB\", scale = \"0.01\""),
    );
    let mut chain = Chain::new(PROGRAMS, 2, &plant);
    chain.start_gateway(&[]);
    chain.start_agent(&[]);
    let end = chain.from + 6;
    wait_until("some seconds are logged", || chain.logged_until(PROJECT) >= end);
    chain.stop_agent();
    chain.stop_gateway();
    let log = logged::entries(&chain.export(PROJECT));
    for (id, decimals) in [("whole", 0), ("parts", 2)] {
        let index = genesis(&log).machines.iter().find(|m| m.id == id).unwrap().index;
        let mut seen = 0;
        for batch in logged::windows(&log) {
            let m = batch.machines.iter().position(|i| *i == index).unwrap();
            let finer = -i32::from(batch.columns[&ENERGY].exponent) - decimals;
            let wanted = REGISTER * 10_i64.pow(u32::try_from(finer).unwrap());
            for w in (0..usize::try_from(batch.n).unwrap()).filter(|w| batch.value(ENERGY_Q, m, *w) == 1) {
                assert_eq!(batch.value(ENERGY, m, w), wanted, "{id}");
                seen += 1;
            }
        }
        assert!(seen > 0, "{id} was never read");
    }
}
