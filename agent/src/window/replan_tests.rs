//! Plans that change while an engine runs: what is not concerned does not notice, what is concerned is unknown.

use super::super::engine::tests::{
    BROKER, METERS, any_records, boot, cnc, happened, instant, plan, press, starts, states,
};
use super::super::input::Record;
use super::super::output::Output;
use super::super::plan::{EnergyPlan, Feeds};
use super::*;
use crate::validity::Validity;
use observation::{Decimal, Observation, Value};
use proptest::prelude::*;

/// Ids of the two meters' points before and after: the new configuration begins with another machine.
const BEFORE: [PointId; 2] = [PointId(2), PointId(20)];
const AFTER: [PointId; 2] = [PointId(31), PointId(30)];

/// Two presses, one on each link.
fn presses(points: [PointId; 2], links: [u32; 2]) -> Plan {
    let machine = |n: usize| {
        let mut machine = press();
        machine.index = 3 + u32::try_from(n).unwrap();
        machine.id = format!("press-0{}", 3 + n);
        machine.points[0].id = points[n];
        machine.points[0].link = LinkIndex(links[n]);
        machine.points[0].validity = Validity::Polled { every_ms: 1000 };
        machine
    };
    let mut both = Plan::clone(&plan(press()));
    both.machines = vec![machine(0), machine(1)];
    both
}

fn read(link: u32, point: PointId, at: Instant) -> Input {
    Input::Observed(LinkIndex(link), Observation::good(point, Value::Number(Decimal::from(2000i64)), at))
}

/// Polls both presses every second; at second 90 `change` comes into force and link 1's successor is up at once.
fn run(change: impl Fn(&mut Engine)) -> Engine {
    let mut engine = Engine::new(Arc::new(presses(BEFORE, [METERS, BROKER])), None);
    engine.apply(&boot(instant(0)));
    let ups = |links: [u32; 2], at| links.map(|link| Input::Up(LinkIndex(link), at)).to_vec();
    engine.apply(&Record::Step { inputs: ups([METERS, BROKER], instant(0)), until: instant(0) });
    for s in 0..200 {
        let at = instant(s * 1000);
        let before = engine.plan.machines[0].points[0].id == BEFORE[0];
        let (points, links) = if before { (BEFORE, [METERS, BROKER]) } else { (AFTER, [0, 1]) };
        let mut inputs = vec![read(links[0], points[0], at)];
        if !before && s == 95 {
            inputs.push(Input::Up(LinkIndex(links[1]), at));
        }
        if before || s >= 95 {
            inputs.push(read(links[1], points[1], at));
        }
        engine.apply(&Record::Step { inputs, until: at });
        if s == 90 {
            change(&mut engine);
        }
    }
    engine
}

/// The new configuration: the first link goes on as the new first, the second is another.
fn change(remapped: &[&str]) -> Replan {
    Replan {
        links: vec![Some(LinkIndex(METERS)), None, None],
        points: HashMap::from([(BEFORE[0], AFTER[0])]),
        remapped: remapped.iter().map(|id| (*id).to_owned()).collect(),
        configuration: [9; 32],
    }
}

fn rows(engine: &Engine, machine: usize) -> Vec<MachineWindow> {
    let windows = engine.outputs().iter().filter_map(|o| match o {
        Output::Window(w) => Some(w.machines[machine].1.clone()),
        Output::Event(_) => None,
    });
    windows.collect()
}

fn reloaded(remapped: &[&str]) -> Engine {
    run(|engine| engine.replan(Arc::new(presses(AFTER, [0, 1])), &change(remapped)).unwrap())
}

#[test]
fn a_machine_whose_link_goes_on_does_not_notice_the_change() {
    let (undisturbed, changed) = (run(|_| ()), reloaded(&[]));
    assert_eq!(starts(&changed), [0, 1, 2]);
    assert_eq!(rows(&changed, 0), rows(&undisturbed, 0));
    assert!(!happened(&changed).iter().any(|w| matches!(w, What::Down { .. } | What::Loss { .. })));
    let event = What::Configuration { before: [3; 32], after: [9; 32] };
    assert_eq!(happened(&changed).iter().filter(|w| **w == event).count(), 1);
}

#[test]
fn a_machine_whose_link_begins_anew_is_unknown_meanwhile_and_its_missed_reads_are_counted() {
    let changed = reloaded(&[]);
    let second = &rows(&changed, 1)[1];
    // The read of second 90 was still on its way when its session ended.
    assert_eq!(states(second), "unknown 5.25, producing 54.75");
    assert_eq!((second.reads_expected, second.reads_good), (60, 55));
    assert_eq!(states(&rows(&changed, 1)[0]), "producing 60");
    let sessions: Vec<u32> = rows(&changed, 1).iter().map(|row| row.sessions).collect();
    assert_eq!(sessions, [1, 2, 1], "the session that ended with the change counts beside its successor");
}

#[test]
fn nothing_measured_by_another_mapping_is_signed_with_the_new_one() {
    let changed = reloaded(&["press-04"]);
    let second = &rows(&changed, 1)[1];
    assert_eq!(states(second), "unknown 35, producing 25");
    assert_eq!(rows(&changed, 0), rows(&run(|_| ()), 0));
}

#[test]
fn a_plan_of_another_roster_is_refused() {
    let mut engine = run(|_| ());
    let mut other = presses(AFTER, [0, 1]);
    other.machines.pop();
    assert_eq!(engine.replan(Arc::new(other), &change(&[])), Err(Unfit));
    let mut other = presses(AFTER, [0, 1]);
    other.step_ms = 1000;
    assert_eq!(engine.replan(Arc::new(other), &change(&[])), Err(Unfit));
}

#[test]
fn a_machine_that_leaves_the_configuration_is_unknown_and_its_registers_are_remembered() {
    let changed = run(|engine| {
        let mut without = presses(AFTER, [0, 1]);
        without.machines[1].points.clear();
        without.machines[1].energy = EnergyPlan::None;
        engine.replan(Arc::new(without), &change(&["press-04"])).unwrap();
    });
    assert_eq!(states(&rows(&changed, 1)[2]), "unknown 60");
    assert_eq!(rows(&changed, 1)[2].reads_expected, 0);
}

/// The same plan with other numbers for everything: points moved on, links in reverse.
fn renumbered(plan: &Plan) -> (Plan, Replan) {
    let mut other = plan.clone();
    let mut replan = Replan { configuration: [3; 32], ..Replan::default() };
    let last = u32::try_from(plan.links).unwrap() - 1;
    replan.links = (0..=last).map(|link| Some(LinkIndex(last - link))).collect();
    replan.points = (0..6).map(|id| (PointId(id), PointId(id + 100))).collect();
    for point in other.machines.iter_mut().flat_map(|m| &mut m.points) {
        (point.id, point.link) = (replan.points[&point.id], LinkIndex(last - point.link.0));
    }
    assert!(other.machines[0].points.iter().any(|p| p.feeds == Feeds::Power));
    other.fingerprint = [8; 32];
    (other, replan)
}

fn translated(record: &Record, replan: &Replan) -> Record {
    let Record::Step { inputs, until } = record else { return record.clone() };
    let inputs = inputs.iter().map(|i| match replan.translated(Arrival::Input(i.clone())) {
        Some(Arrival::Input(input)) => input,
        other => panic!("{i:?} became {other:?}"),
    });
    Record::Step { inputs: inputs.collect(), until: *until }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    /// A change that gives everything another number at any moment changes nothing that is signed.
    #[test]
    fn new_numbers_for_links_and_points_change_no_window(records in any_records(), cut in 0usize..60) {
        for machine in [cnc(), press()] {
            let plan = plan(machine);
            let (other, replan) = renumbered(&plan);
            let mut undisturbed = Engine::new(Arc::clone(&plan), None);
            let mut changed = Engine::new(plan, None);
            let mut switched = false;
            for (i, record) in records.iter().enumerate() {
                undisturbed.apply(record);
                if i == cut {
                    changed.replan(Arc::new(other.clone()), &replan).unwrap();
                    switched = true;
                }
                let own = if switched { translated(record, &replan) } else { record.clone() };
                changed.apply(&own);
            }
            undisturbed.finish();
            changed.finish();
            prop_assert_eq!(undisturbed.outputs(), changed.outputs());
            prop_assert_eq!(&undisturbed.state.windows, &changed.state.windows);
        }
    }
}
