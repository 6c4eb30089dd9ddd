//! Whole bundles, honest and bent. One test a defect code lives in the tamper suite; here stands what verdicts
//! and figures must be.
//!
//! Long on purpose: one list of whole bundles, so that an answer that no test expects is easy to spot.

use std::collections::BTreeMap;
use std::io::Cursor;

use evidence::bundle::path;
use evidence::payload::{EventCode, KeyAction, LastAccepted, Plan, PlanBody};
use evidence::statement::{Payload, Role};
use kpi::{AmountQuality, Figure, KpiId, Period, Rational, column};

use proptest::prelude::*;

use crate::report::{Answer, CompleteAnswer, Report, TimeGrade};
use crate::testing::{START, Signer, TestProject, pack, stretch, tampered, wobble};
use crate::{DefectCode, FindingCode, Spoils, Trust, Verified, verify_bundle, verify_bundle_on};

fn verify(bundle: Vec<u8>, trust: &Trust) -> Verified<Report> {
    verify_bundle(Cursor::new(bundle), trust, &mut |_| ()).unwrap()
}

fn verdict(project: &TestProject) -> Verified<Report> {
    verify(project.bundle(), &project.trust())
}

/// Codes that occurred.
fn codes(report: &Report) -> Vec<DefectCode> {
    report.defects.iter().map(|d| d.code).collect()
}

#[track_caller]
fn bent(project: &TestProject, want: &[DefectCode]) -> Verified<Report> {
    let report = verdict(project);
    assert_eq!(codes(&report), want, "{:#?}", report.defects);
    assert_eq!(report.exit_code(), u8::from(!want.is_empty()));
    report
}

#[track_caller]
fn bent_files(
    project: &TestProject,
    change: impl FnOnce(&mut BTreeMap<String, Vec<u8>>),
    want: &[DefectCode],
) {
    let mut files = project.files();
    change(&mut files);
    let report = verify(pack(&files), &project.trust());
    assert_eq!(codes(&report), want, "{:#?}", report.defects);
    assert_eq!(report.exit_code(), u8::from(!want.is_empty()));
}

fn kpi(report: &Report, machine: Option<&str>, id: KpiId) -> Figure {
    let figures = report.figures.as_ref().unwrap();
    let table = figures.tables.iter().find(|t| t.machine.as_deref() == machine).unwrap();
    table.kpis.iter().find(|k| k.id == id).unwrap().value.clone()
}

fn interval(lower: (i64, i64), upper: Option<(i64, i64)>) -> Figure {
    let ratio = |(n, d)| Rational::ratio(n, d).unwrap();
    Figure::Interval { lower: ratio(lower), upper: upper.map(ratio) }
}

#[test]
fn an_honest_bundle_is_authentic_complete_and_plausible() {
    let report = bent(&TestProject::running(12), &[]);
    assert_eq!(report.authentic.verdict, Answer::Yes);
    assert_eq!(report.complete.verdict, CompleteAnswer::Yes);
    assert_eq!(report.plausible.verdict, Answer::Yes, "{:#?}", report.plausible.findings);
    assert_eq!(report.time.grade, TimeGrade::OperatorOnly);
    assert_eq!(report.authentic.entries_checked, 13);
    assert_eq!(report.complete.presence.present_ms, 2 * 60 * 60_000);
    // Five minutes of work, five of idling.
    let half = interval((1, 2), Some((1, 2)));
    assert_eq!(kpi(&report, None, KpiId::Availability), half);
    assert_eq!(kpi(&report, None, KpiId::PowerOnRate), interval((1, 1), Some((1, 1))));
    assert_eq!(kpi(&report, Some("cnc-01"), KpiId::Technical), half);
    assert_eq!(kpi(&report, None, KpiId::ConnectionRate), interval((1, 1), Some((1, 1))));
    assert_eq!(kpi(&report, None, KpiId::ConnectionRateAll), interval((1, 2), Some((1, 2))));
}

#[test]
fn without_a_period_the_tail_is_unseen_and_the_figures_are_the_same() {
    let project = TestProject::running(12);
    let trust = Trust { period: None, ..project.trust() };
    let report = verify(project.bundle(), &trust);
    assert_eq!(report.complete.verdict, CompleteAnswer::TailUnseen);
    assert_eq!(report.exit_code(), 0);
    for id in [KpiId::Availability, KpiId::Energy, KpiId::EnergyPerPart, KpiId::ConnectionRate] {
        assert_eq!(kpi(&report, None, id), kpi(&verdict(&project), None, id));
    }
}

#[test]
fn the_answer_does_not_depend_on_the_number_of_threads() {
    let mut project = TestProject::new();
    for i in 0..600 {
        if i == 300 {
            project.windows_with(|b| b.definitions = [1; 32]);
        } else {
            project.windows();
        }
        if i % 100 == 0 {
            project.seal();
        }
    }
    project.seal();
    let (bundle, trust) = (project.bundle(), project.trust());
    let json = |threads| {
        let report = verify_bundle_on(threads, Cursor::new(&bundle), &trust, &mut |_| ()).unwrap();
        serde_json::to_string(&report).unwrap()
    };
    assert_eq!(json(1), json(2));
    assert_eq!(json(1), json(7));
}

#[test]
fn energy_is_exact_and_per_part_is_its_quotient() {
    let project = TestProject::running(4);
    let report = verdict(&project);
    // Windows behind the opening one: 4 of work, 5 of idling, 5 of work, 5 of idling; in steps of the wobble.
    let mwh = |machine| -> i64 {
        let one = |w: i64| {
            let wobble = wobble(machine, START + w * 60);
            if w / 5 % 2 == 0 { 60_000 + wobble * 100 } else { 8_000 + wobble }
        };
        (1..20).map(one).sum()
    };
    let point = |n, d| interval((n, d), Some((n, d)));
    assert_eq!(kpi(&report, Some("cnc-01"), KpiId::Energy), point(mwh(0), 1_000_000));
    assert_eq!(kpi(&report, Some("cnc-01"), KpiId::EnergyPerPart), point(mwh(0), 9 * 1_000_000));
    assert_eq!(kpi(&report, None, KpiId::Energy), point(mwh(0) + mwh(1), 1_000_000));
    assert!(matches!(kpi(&report, Some("press-03"), KpiId::EnergyPerPart), Figure::Undefined { .. }));
}

#[test]
fn a_dropped_statement_is_seen_even_when_the_log_was_rebuilt_around_it() {
    let mut project = TestProject::running(6);
    project.entries.remove(3);
    project.notes.clear();
    project.seal();
    let report = bent(&project, &[DefectCode::StreamSeq, DefectCode::MissingWindows]);
    assert!(report.figures.is_none(), "figures of altered evidence would mislead");
}

#[test]
fn a_cut_tail_is_seen_against_the_period() {
    let mut project = TestProject::running(6);
    let trust = project.trust();
    project.entries.pop();
    project.notes.clear();
    project.seal();
    let report = verify(project.bundle(), &trust);
    assert_eq!(codes(&report), [DefectCode::MissingTail]);
    assert_eq!(report.authentic.verdict, Answer::Yes);
    assert_eq!(kpi(&report, None, KpiId::Energy), {
        let Figure::Interval { lower, .. } = kpi(&report, None, KpiId::Energy) else { panic!("no interval") };
        Figure::Interval { lower, upper: None }
    });
}

#[test]
fn signed_down_time_is_complete_and_counts_as_unknown() {
    let mut project = TestProject::new();
    project.windows();
    let from = project.now();
    project.skip(5);
    let to = project.now();
    project.windows_with(|b| {
        b.events = vec![stretch(EventCode::Down, from, to)];
        b.boot_epoch = 2;
        let quality = b.columns.get_mut(&column::ENERGY_Q).unwrap();
        quality.values[0] = AmountQuality::Bridged.number().into();
        quality.values[5] = AmountQuality::Bridged.number().into();
    });
    project.seal();
    let report = bent(&project, &[]);
    assert_eq!(report.complete.verdict, CompleteAnswer::Yes);
    assert_eq!(report.complete.presence.down_ms, 2 * 300_000);
    // Works in minutes 0 to 4 and 10 to 14, unknown between.
    assert_eq!(kpi(&report, None, KpiId::Availability), interval((2, 3), Some((1, 1))));
}

#[test]
fn unsigned_time_between_statements_is_a_hole_and_missing() {
    let mut project = TestProject::new();
    project.windows();
    project.skip(5);
    project.windows();
    project.seal();
    bent(&project, &[DefectCode::WindowHole, DefectCode::MissingWindows]);
}

#[test]
fn a_signed_loss_leaves_completeness_at_no() {
    let mut project = TestProject::new();
    project.windows();
    let (from, to) = (project.now(), project.now() + 300);
    project.skip(5);
    project.windows_with(|b| b.events = vec![stretch(EventCode::Loss, from, to)]);
    project.seal();
    let report = bent(&project, &[DefectCode::SignedLoss]);
    assert_eq!(report.authentic.verdict, Answer::Yes);
    assert_eq!(report.complete.verdict, CompleteAnswer::No);
}

#[test]
fn an_unapproved_mapping_counts_as_unknown_until_a_plan_approves_it() {
    let mut project = TestProject::new();
    let own = evidence::payload::Definition::new("mapping/cnc-01", "other");
    let mappings = [(0, own.hash), (1, project.genesis.machines[1].mapping)];
    let other = evidence::payload::definitions_in_force(&project.genesis.definitions, &mappings);
    project.windows();
    project.windows_with(|b| b.definitions = other);
    project.seal();
    let report = bent(&project, &[DefectCode::DefinitionsHash]);
    assert_eq!(report.complete.presence.unapproved_ms, 2 * 300_000);
    assert_eq!(kpi(&report, None, KpiId::Availability), interval((1, 2), Some((1, 1))));

    let mut project = TestProject::new();
    project.windows();
    let from = project.now();
    project.registrar_says(from, |place| {
        let (hash, text) = (own.hash, own.text.clone());
        let body = PlanBody::Mapping { machine: 0, hash, text };
        Payload::Plan(Box::new(Plan { place, effective_from: from, body, document: None }))
    });
    project.windows_with(|b| b.definitions = other);
    project.seal();
    let report = bent(&project, &[]);
    assert!(report.plans[0].applied);
}

#[test]
fn a_rotated_key_goes_on_and_the_old_one_is_refused() {
    let mut project = TestProject::new();
    project.windows();
    let old = project.agent.kid();
    let new = Signer::new(12, Role::Agent, "edge-1");
    project.key_change(KeyAction::Rotate, Some(old), Some(new.roster_key()), project.last_of(old));
    let old = std::mem::replace(&mut project.agent, new);
    project.windows();
    project.seal();
    bent(&project, &[]);
    project.agent = old;
    project.windows();
    project.seal();
    let report = verdict(&project);
    assert_eq!(codes(&report), [DefectCode::KeyRevoked, DefectCode::MissingTail]);
}

#[test]
fn what_a_revocation_disowns_is_not_counted_although_it_was_logged_before() {
    let mut project = TestProject::new();
    project.windows();
    let last = project.last_of(project.agent.kid());
    project.windows();
    project.key_change(KeyAction::Revoke, Some(project.agent.kid()), None, last);
    project.seal();
    let report = bent(&project, &[DefectCode::MissingTail]);
    assert_eq!(report.complete.presence.present_ms, 2 * 300_000);
}

#[test]
fn a_revocation_must_name_a_statement_of_the_log() {
    let mut project = TestProject::new();
    project.windows();
    let last = LastAccepted { seq: 0, leaf: [9; 32] };
    project.key_change(KeyAction::Revoke, Some(project.agent.kid()), None, Some(last));
    project.seal();
    let report = verdict(&project);
    assert!(codes(&report).contains(&DefectCode::KeyChange));
}

#[test]
fn equivocation_freezes_until_the_registrar_settles_it() {
    let mut project = TestProject::new();
    project.windows();
    let place = project.place(project.agent.kid());
    project.windows();
    let good = project.last_of(project.agent.kid());
    let mut twin = project.batch();
    (twin.place, twin.t0) = (place, twin.t0 - 300);
    let bytes = project.sign(&project.agent, twin.end(), &Payload::Window(Box::new(twin)));
    project.entries.push(bytes);
    project.skip(0);
    project.seal();
    let trust = project.trust();
    assert_eq!(codes(&verify(project.bundle(), &trust))[0], DefectCode::StreamEquivocation);

    project.key_change(KeyAction::Unfreeze, Some(project.agent.kid()), None, good);
    project.seal();
    let trust = Trust { period: Some(kpi::Period { from: START, to: START + 600 }), ..project.trust() };
    let report = verify(project.bundle(), &trust);
    assert_eq!(codes(&report), []);
    assert_eq!(report.plausible.findings[0].code, FindingCode::SettledEquivocation);
}

#[test]
fn late_windows_are_listed_and_not_counted() {
    let mut project = TestProject::new();
    project.windows();
    project.seal_at(project.now() + 3600 + 1);
    let report = bent(&project, &[]);
    // Only the windows that ended earlier than the limit allows are late: the last one is one second late.
    assert_eq!(report.time.late_windows, 5);
    assert_eq!(report.complete.presence.late_ms, 2 * 300_000);
    assert_eq!(kpi(&report, None, KpiId::Availability), interval((0, 1), Some((1, 1))));
    let trust = Trust { max_lag_s: Some(7200), ..project.trust() };
    assert_eq!(verify(project.bundle(), &trust).time.late_windows, 0);
}

#[test]
fn what_is_wrong_with_time_that_nobody_asked_about_is_listed_and_spoils_nothing() {
    let mut project = TestProject::new();
    let first = project.now();
    project.windows_with(|b| b.definitions = [9; 32]);
    let second = project.now();
    project.windows();
    project.seal();
    let asked = |from| Trust { period: Some(Period { from, to: project.now() }), ..project.trust() };
    for (from, outside, want) in [
        (second, 1, CompleteAnswer::Yes),
        (second - 60, 0, CompleteAnswer::No),
        (first, 0, CompleteAnswer::No),
    ] {
        let report = verify(project.bundle(), &asked(from));
        assert_eq!(codes(&report), [DefectCode::DefinitionsHash]);
        let group = report.defect(DefectCode::DefinitionsHash).unwrap();
        assert_eq!((group.count, group.outside), (1, outside), "from {from}");
        assert_eq!(group.first[0].period, Some(Period { from: first, to: second }));
        assert_eq!(report.complete.verdict, want, "from {from}");
        assert_eq!(report.exit_code(), u8::from(want == CompleteAnswer::No));
    }
}

#[test]
fn what_spoils_authenticity_does_so_wherever_it_lies() {
    let bent = tampered(DefectCode::WindowOverlap);
    let far = START + 40 * 86_400;
    let trust = Trust { period: Some(Period { from: far, to: far + 3600 }), ..bent.trust };
    let report = verify(bent.bundle, &trust);
    assert_eq!(report.defect(DefectCode::WindowOverlap).unwrap().outside, 0);
    assert_eq!(report.authentic.verdict, Answer::No);
}

/// A zip program that packs the unpacked files again gives them its own modes.
#[test]
fn a_bundle_that_was_packed_again_is_no_matter_of_names() {
    let project = TestProject::running(2);
    let central = b"PK\x01\x02";
    for mode in [0o600u32, 0o10_0600, 0o10_0664, 0o4_0755] {
        let mut bytes = project.bundle();
        let at = bytes.windows(4).position(|w| w == central).unwrap();
        bytes[at + 38..at + 42].copy_from_slice(&(mode << 16).to_le_bytes());
        let report = verify(bytes, &project.trust());
        assert_eq!(codes(&report), [DefectCode::BundleZip], "{mode:o}");
        let group = report.defect(DefectCode::BundleZip).unwrap();
        assert!(group.en.contains("packed it again") && group.ask_en.contains("original file"));
    }
}

#[test]
fn the_folder_inside_the_archive_is_told() {
    let project = TestProject::running(1);
    let report = verify(project.bundle(), &project.trust());
    assert_eq!(report.log.as_ref().map(|log| log.folder.as_str()), Some("SY-TEST"));
}

#[test]
fn windows_made_before_they_happened_are_named_and_not_counted() {
    let mut project = TestProject::new();
    project.windows();
    project.seal_at(project.now() - 120);
    let report = bent(&project, &[DefectCode::TimePremature]);
    assert_eq!(report.complete.presence.premature_ms, 2 * 60_000);
}

#[test]
fn history_signed_anew_is_not_what_the_agent_saw() {
    let mut project = TestProject::new();
    project.windows();
    project.seal();
    project.windows();
    // The operator replaces what the agent had seen by another history of the same size.
    let other = project.sign(&project.registrar, START, &{
        let place = project.place(project.registrar.kid());
        let body = PlanBody::Change { text: "another history".into() };
        Payload::Plan(Box::new(Plan { place, effective_from: START, body, document: None }))
    });
    project.entries.insert(1, other);
    project.seal();
    let report = verdict(&project);
    assert!(codes(&report).contains(&DefectCode::SeenRoot), "{:?}", report.defects);
}

#[test]
fn a_changed_byte_anywhere_in_an_entry_is_named() {
    let project = TestProject::running(3);
    bent_files(
        &project,
        |files| {
            let tile = files.iter_mut().find(|(p, _)| p.starts_with("data/log/tile/entries")).unwrap().1;
            let last = tile.len() - 1;
            tile[last] ^= 1;
        },
        &[
            DefectCode::LogRoot,
            DefectCode::LogHashTile,
            DefectCode::EntrySignature,
            DefectCode::SeenRoot,
            DefectCode::MissingTail,
        ],
    );
}

#[test]
fn a_receipt_counts_for_its_own_place_only() {
    let mut project = TestProject::running(3);
    project.receipt(2);
    bent(&project, &[]);
    let moved = project.receipt_files[&2].clone();
    project.receipt_files = BTreeMap::from([(1, moved)]);
    bent(&project, &[DefectCode::Receipt]);
}

#[test]
fn files_that_the_log_does_not_have_are_refused() {
    let project = TestProject::running(3);
    bent_files(
        &project,
        |files| {
            files.insert("data/log/tile/0/001".into(), vec![0; 32]);
        },
        &[DefectCode::LogTile],
    );
    bent_files(
        &project,
        |files| {
            files.remove(path::CHECKPOINT);
        },
        &[DefectCode::BundleFile],
    );
}

#[test]
fn another_registrar_than_the_trusted_one_is_nobody() {
    let project = TestProject::running(3);
    let stranger = Signer::new(99, Role::Registrar, "bureau");
    let trust = Trust { registrar: stranger.key.public().clone(), ..project.trust() };
    let report = verify(project.bundle(), &trust);
    assert_eq!(codes(&report), [DefectCode::TrustRegistrar]);
    assert!(report.project.is_none());
    assert_eq!(report.exit_code(), 1);
}

#[test]
fn what_is_no_bundle_is_an_answer_and_no_error() {
    let trust = TestProject::running(1).trust();
    for bytes in [vec![], b"PK".to_vec(), vec![0; 100_000]] {
        let report = verify(bytes, &trust);
        assert_eq!(codes(&report), [DefectCode::BundleZip]);
        assert_eq!(report.complete.verdict, CompleteAnswer::Undecided);
    }
}

#[test]
fn power_that_disagrees_with_the_register_is_a_finding_and_no_defect() {
    let mut project = TestProject::new();
    for _ in 0..13 {
        project.windows_with(|b| {
            let power = b.columns.get_mut(&column::POWER_MEAN).unwrap();
            for watts in &mut power.values[..5] {
                *watts *= 2;
            }
        });
        project.seal();
    }
    let report = bent(&project, &[]);
    let found: Vec<_> = report.plausible.findings.iter().map(|f| (f.code, f.subject.as_str())).collect();
    assert_eq!(found, [(FindingCode::PowerAgainstRegister, "cnc-01")]);
}

#[test]
fn a_counter_event_splits_the_difference_and_its_absence_is_a_finding() {
    use evidence::payload::{Event, EventValue};
    let reset = |with_event: bool| {
        let mut project = TestProject::new();
        project.windows();
        project.windows_with(|b| {
            let t_ms = (b.t0 + 30) * 1000;
            let register = b.columns.get_mut(&column::ENERGY).unwrap();
            let before = register.values[0];
            for value in &mut register.values[..5] {
                *value -= before - 4000;
            }
            b.columns.get_mut(&column::ENERGY_Q).unwrap().values[0] = 3;
            if with_event {
                b.events = vec![Event {
                    t_ms,
                    code: EventCode::Counter,
                    machine: Some(0),
                    before: EventValue::Counter(column::ENERGY, before - 4000),
                    after: EventValue::Counter(column::ENERGY, 0),
                }];
            }
        });
        project.seal();
        bent(&project, &[])
    };
    let (with, without) = (reset(true), reset(false));
    assert_eq!(
        kpi(&with, Some("cnc-01"), KpiId::Energy),
        kpi(&bent(&TestProject::running(2), &[]), Some("cnc-01"), KpiId::Energy)
    );
    assert!(matches!(kpi(&without, Some("cnc-01"), KpiId::Energy), Figure::Interval { upper: None, .. }));
    assert_eq!(without.plausible.findings[0].code, FindingCode::CounterWithoutEvent);
}

#[test]
fn the_json_has_the_documented_schema() {
    let schema = crate::schema();
    let report = serde_json::to_value(verdict(&TestProject::running(2))).unwrap();
    let listed = schema["properties"].as_object().unwrap();
    for key in report.as_object().unwrap().keys() {
        assert!(listed.contains_key(key), "{key} is not in the schema");
    }
    assert_eq!(report["authentic"]["verdict"], "yes");
}

/// Every code has a bundle that shows it, and the verdict it spoils is no.
#[test]
fn every_defect_code_is_found_in_the_bundle_made_for_it() {
    let mut wrong = Vec::new();
    for &code in DefectCode::ALL {
        let bent = tampered(code);
        let report = verify(bent.bundle, &bent.trust);
        let spoiled = match code.spoils() {
            Spoils::Authentic => report.authentic.verdict == Answer::No,
            Spoils::Complete => report.complete.verdict == CompleteAnswer::No,
        };
        if report.defect(code).is_none() || !spoiled || report.exit_code() != 1 {
            wrong.push((code, codes(&report)));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

/// What a bent bundle shows beside its own code follows from it.
#[test]
fn a_defect_entails_few_others() {
    for &code in DefectCode::ALL {
        let bent = tampered(code);
        let report = verify(bent.bundle, &bent.trust);
        assert!(report.defects.len() <= 4, "{code}: {:?}", codes(&report));
    }
}

#[test]
fn a_machine_that_is_only_listed_is_never_missing_and_counts_in_the_denominator() {
    let mut project = TestProject::with(|g| {
        let mut listed = g.machines[0].clone();
        (listed.index, listed.id, listed.agent, listed.columns) = (2, "old-01".into(), String::new(), vec![]);
        g.machines.push(listed);
    });
    project.windows();
    project.seal();
    let report = bent(&project, &[]);
    assert_eq!(kpi(&report, None, KpiId::ConnectionRate), interval((1, 2), Some((1, 2))));
    assert_eq!(kpi(&report, None, KpiId::Availability), interval((1, 1), Some((1, 1))));
    assert_eq!(report.machines[2].presence, crate::report::Presence::default());
}

#[test]
fn a_meter_has_energy_and_no_states() {
    let mut project = TestProject::with(|g| g.machines[1].columns.retain(|&c| c > 8));
    for _ in 0..2 {
        project.windows_with(|b| {
            for state in 0..=8 {
                if let Some(column) = b.columns.get_mut(&state) {
                    column.values[5..].fill(0);
                }
            }
        });
    }
    project.seal();
    let report = bent(&project, &[]);
    assert_eq!(kpi(&report, None, KpiId::Availability), interval((1, 2), Some((1, 2))));
    let honest = bent(&TestProject::running(2), &[]);
    assert_eq!(kpi(&report, None, KpiId::Energy), kpi(&honest, None, KpiId::Energy));
}

#[test]
fn forged_dates_cost_no_time_and_are_named() {
    let mut project = TestProject::running(1);
    project.windows_with(|b| b.events = vec![stretch(EventCode::Down, START, 9_000_000_000_000)]);
    project.windows_with(|b| b.t0 = ((1i64 << 40) / 60 - 400) * 60);
    project.seal();
    let report = verdict(&project);
    assert!(codes(&report).contains(&DefectCode::EventContent));
    assert!(codes(&report).contains(&DefectCode::WindowGrid));
}

#[test]
fn a_period_in_milliseconds_or_off_the_grid_is_the_assessors_mistake() {
    let project = TestProject::running(1);
    for (from, to) in [(START * 1000, START * 1000 + 1), (START, START + 90)] {
        let trust = Trust { period: Some(kpi::Period { from, to }), ..project.trust() };
        let got = verify_bundle(Cursor::new(project.bundle()), &trust, &mut |_| ());
        assert!(matches!(got, Err(crate::VerifyError::Period(_))), "{from} {to}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn no_byte_of_a_bundle_can_be_changed_unnoticed(at in any::<prop::sample::Index>(), flip in 1u8..) {
        let project = TestProject::running(2);
        let mut bundle = project.bundle();
        let at = at.index(bundle.len());
        bundle[at] ^= flip;
        let report = verify(bundle, &project.trust());
        prop_assert_eq!(report.authentic.verdict, Answer::No, "byte {}", at);
    }

    #[test]
    fn no_entry_can_be_left_out_unnoticed(drop in 0usize..9) {
        let mut project = TestProject::running(8);
        let trust = project.trust();
        project.entries.remove(drop);
        project.notes.clear();
        project.seal();
        prop_assert_eq!(verify(project.bundle(), &trust).exit_code(), 1);
    }
}
