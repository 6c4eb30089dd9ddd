//! Keys, definitions and copies of boxes.
//!
//! A revocation that is the registrar's last word can be withheld unseen by whoever exports the bundle, until
//! anybody has seen a checkpoint with it: nothing in a shorter log says that it is shorter. The assessor then
//! has the registrar's own copy to compare with. Every other way to withhold one is below.

use evidence::payload::{Definition, KeyAction, Plan, PlanBody, definitions_in_force};
use evidence::statement::{Payload, Role};
use verify::DefectCode as D;
use verify::testing::{START, Signer, TestProject};

use super::{Attack, Shown, attack, bent, resealed};
use crate::judge::Bundle;

pub(super) const ATTACKS: &[Attack] = &[
    attack(
        "revoked key used",
        "windows behind the revocation",
        used_behind,
        &[D::KeyRevoked, D::MissingTail],
    ),
    attack(
        "revoked key used",
        "windows that the revocation disowns, logged just before it",
        used_before,
        &[D::MissingTail],
    ),
    attack(
        "revoked key used",
        "the old key goes on beside the new one",
        old_key_goes_on,
        &[D::KeyRevoked, D::MissingTail],
    ),
    attack(
        "revoked key used",
        "a revocation that names a statement nobody logged",
        false_last,
        &[D::KeyChange, D::MissingTail],
    ),
    attack("revocation withheld", "dropped before a later word of the registrar", dropped, &[D::StreamSeq]),
    attack(
        "revocation withheld",
        "cut off after an agent had seen it",
        seen_and_cut,
        &[D::SeenRoot, D::SeenSize, D::TimePremature],
    ),
    attack(
        "revocation withheld",
        "logged late, behind the windows that it disowns",
        logged_late,
        &[D::MissingTail],
    ),
    attack(
        "unenrolled key",
        "a key that nobody enrolled",
        || bent(|p| as_stranger(p, 77)),
        &[D::KeyUnenrolled, D::MissingTail],
    ),
    attack(
        "unenrolled key",
        "windows logged before their key was enrolled",
        too_early,
        &[D::KeyUnenrolled, D::MissingTail],
    ),
    attack("unenrolled key", "an agent that enrols its own second key", enrols_itself, &[D::EntryCoding]),
    attack("unenrolled key", "an assessor that signs windows", assessor_windows, &[D::EntryCoding]),
    attack(
        "unenrolled key",
        "an agent that signs for another's machines",
        anothers_machines,
        &[D::WindowForeign, D::WindowMachineLeftOut, D::MissingMachine],
    ),
    attack(
        "definition or mapping changed",
        "windows under another mapping",
        other_mapping,
        &[D::DefinitionsHash],
    ),
    attack("definition or mapping changed", "a text of the genesis changed", genesis_text, &[D::EntryCoding]),
    attack(
        "definition or mapping changed",
        "a mapping used before its approval takes effect",
        too_soon,
        &[D::DefinitionsHash],
    ),
    attack(
        "definition or mapping changed",
        "a mapping of next year used now, because another one was approved meanwhile",
        too_soon_beside_another,
        &[D::DefinitionsHash],
    ),
    attack(
        "definition or mapping changed",
        "a mapping approved for another machine",
        wrong_machine,
        &[D::DefinitionsHash],
    ),
    attack(
        "cloned box",
        "two boxes sign the same number",
        || bent(twin),
        &[D::StreamEquivocation, D::MissingTail],
    ),
    attack(
        "cloned box",
        "the clone goes on after the fork",
        clone_goes_on,
        &[D::StreamFrozen, D::StreamEquivocation, D::MissingTail],
    ),
    attack(
        "cloned box",
        "a restored disk continues from an older statement",
        restored_disk,
        &[D::StreamPrev],
    ),
    Attack {
        name: "cloned box",
        way: "two boxes, settled by the registrar",
        bundle: settled,
        shown: Shown::In("the settled fork", |r| {
            r.plausible.findings.iter().any(|f| f.code == verify::FindingCode::SettledEquivocation)
        }),
    },
];

fn revoke(p: &mut TestProject) {
    let kid = p.agent.kid();
    p.key_change(KeyAction::Revoke, Some(kid), None, p.last_of(kid));
}

fn used_behind() -> Bundle {
    bent(|p| {
        revoke(p);
        p.windows();
    })
}

fn used_before() -> Bundle {
    bent(|p| {
        let (kid, last) = (p.agent.kid(), p.last_of(p.agent.kid()));
        p.windows();
        p.key_change(KeyAction::Revoke, Some(kid), None, last);
    })
}

fn old_key_goes_on() -> Bundle {
    bent(|p| {
        let old = p.agent.kid();
        let new = Signer::new(12, Role::Agent, "edge-1");
        p.key_change(KeyAction::Rotate, Some(old), Some(new.roster_key()), p.last_of(old));
        p.windows();
    })
}

fn false_last() -> Bundle {
    bent(|p| {
        let kid = p.agent.kid();
        let last = evidence::payload::LastAccepted { seq: 1, leaf: [9; 32] };
        p.key_change(KeyAction::Revoke, Some(kid), None, Some(last));
    })
}

fn change(p: &mut TestProject, text: &str) {
    p.registrar_says(START, |place| {
        let body = PlanBody::Change { text: text.into() };
        Payload::Plan(Box::new(Plan { place, effective_from: START, body, document: None }))
    });
}

fn dropped() -> Bundle {
    let mut project = TestProject::new();
    project.windows();
    revoke(&mut project);
    let revocation = project.entries.len() - 1;
    project.windows();
    change(&mut project, "a later word");
    project.entries.remove(revocation);
    resealed(project)
}

/// The agent goes on with a key that it knows to be revoked: it has seen the checkpoint that covers the
/// revocation, and the note it names stays in the bundle.
fn seen_and_cut() -> Bundle {
    let mut project = TestProject::new();
    project.windows();
    revoke(&mut project);
    project.seal();
    project.windows();
    project.windows();
    project.entries.remove(2);
    project.seal();
    Bundle::from(&project)
}

fn logged_late() -> Bundle {
    bent(|p| {
        let last = p.last_of(p.agent.kid());
        p.windows();
        p.windows();
        p.seal();
        p.key_change(KeyAction::Revoke, Some(p.agent.kid()), None, last);
    })
}

fn as_stranger(p: &mut TestProject, seed: u8) {
    let stranger = Signer::new(seed, Role::Agent, "edge-1");
    let mut batch = p.batch();
    batch.place = p.place(stranger.kid());
    let bytes = p.sign(&stranger, batch.end(), &Payload::Window(Box::new(batch)));
    p.push(stranger.kid(), bytes);
}

fn too_early() -> Bundle {
    bent(|p| {
        as_stranger(p, 77);
        let key = Signer::new(77, Role::Agent, "edge-1").roster_key();
        p.key_change(KeyAction::Enrol, None, Some(key), None);
    })
}

/// A statement that its role may not sign does not decode; no proper program writes one, so its bytes are made
/// from one of the registrar's: the role in the header changed, signed anew by the agent.
fn forged_role(p: &TestProject, of: &Signer, honest: &[u8], from: &str, to: &str) -> Vec<u8> {
    assert_eq!(from.len(), to.len(), "lengths stand before the texts");
    let mut bytes = honest.to_vec();
    let kid = p.registrar.kid().0;
    let at = bytes.windows(32).position(|w| w == kid).unwrap();
    bytes[at..at + 32].copy_from_slice(&of.kid().0);
    let at = bytes.windows(from.len()).position(|w| w == from.as_bytes()).unwrap();
    bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    bytes
}

fn enrols_itself() -> Bundle {
    bent(|p| {
        let key = Signer::new(78, Role::Agent, "edge-1").roster_key();
        p.key_change(KeyAction::Enrol, None, Some(key), None);
        let honest = p.entries.pop().unwrap();
        // "registrar:bureau" is as long as "agent:edge-1" with a longer id; ids are free.
        let forged = forged_role(p, &p.agent, &honest, "registrar:bureau", "agent:edge-1----");
        p.entries.push(forged);
    })
}

fn assessor_windows() -> Bundle {
    bent(|p| {
        let batch = p.batch();
        let honest = p.sign(&p.agent, batch.end(), &Payload::Window(Box::new(batch)));
        let at = honest.windows(12).position(|w| w == b"agent:edge-1").unwrap();
        let mut forged = honest;
        // The header's lengths do not change, so nothing else is wrong with these bytes.
        forged[at..at + 12].copy_from_slice(b"assessor:e-1");
        p.entries.push(forged);
    })
    .asked_for(START, START + 900)
}

#[test]
fn who_may_not_say_a_thing_is_refused_for_that_reason_alone() {
    for (bundle, reason) in
        [(enrols_itself(), "agent may not sign Key"), (assessor_windows(), "assessor may not sign Window")]
    {
        let report = bundle.judged();
        let details = crate::judge::details(&report);
        assert!(details.contains(reason), "{details}");
    }
}

fn anothers_machines() -> Bundle {
    let second = Signer::new(79, Role::Agent, "edge-2");
    let roster_key = second.roster_key();
    let mut project = TestProject::with(|g| {
        g.keys.push(roster_key);
        g.machines[1].agent = "edge-2".into();
    });
    project.windows();
    let start = project.now();
    project.agent = second;
    project.windows_with(|b| {
        b.t0 = START;
        // It signs for the first agent's machine instead of its own.
        b.machines = vec![0];
    });
    project.seal_at(start + 10);
    Bundle::from(&project).asked_for(START, START + 300)
}

fn other() -> Definition {
    Definition::new("mapping/cnc-01", "producing, however little it cuts")
}

/// The hash of the definitions with other mappings of the two machines.
fn in_force(p: &TestProject, first: [u8; 32], second: [u8; 32]) -> [u8; 32] {
    definitions_in_force(&p.genesis.definitions, &[(0, first), (1, second)])
}

fn approve(p: &mut TestProject, machine: u32, what: &Definition, effective_from: i64) {
    let (hash, text) = (what.hash, what.text.clone());
    p.registrar_says(START, |place| {
        let body = PlanBody::Mapping { machine, hash, text };
        Payload::Plan(Box::new(Plan { place, effective_from, body, document: None }))
    });
}

fn under_other_mapping(p: &mut TestProject) {
    let definitions = in_force(p, other().hash, p.genesis.machines[1].mapping);
    p.windows_with(|b| b.definitions = definitions);
}

fn other_mapping() -> Bundle {
    bent(under_other_mapping)
}

fn genesis_text() -> Bundle {
    let mut project = TestProject::new();
    let at = project.entries[0].windows(9).position(|w| w == b"producing").unwrap();
    project.entries[0][at..at + 9].copy_from_slice(b"switch on");
    project.windows();
    resealed(project)
}

fn too_soon() -> Bundle {
    bent(|p| {
        approve(p, 0, &other(), p.now() + 86_400 * 365);
        under_other_mapping(p);
    })
}

fn too_soon_beside_another() -> Bundle {
    bent(|p| {
        let second = Definition::new("mapping/press-03", "power above 2 kW");
        approve(p, 0, &other(), p.now() + 86_400 * 365);
        approve(p, 1, &second, p.now());
        let definitions = in_force(p, other().hash, second.hash);
        p.windows_with(|b| b.definitions = definitions);
    })
}

fn wrong_machine() -> Bundle {
    bent(|p| {
        approve(p, 1, &other(), p.now());
        under_other_mapping(p);
    })
}

/// A second, different statement with the number of the last one, from a box with the same key.
fn twin(p: &mut TestProject) {
    let place = p.place(p.agent.kid());
    p.windows();
    let mut twin = p.batch();
    (twin.place, twin.t0) = (place, twin.t0 - 300);
    let bytes = p.sign(&p.agent, twin.end(), &Payload::Window(Box::new(twin)));
    p.entries.push(bytes);
}

fn clone_goes_on() -> Bundle {
    bent(|p| {
        twin(p);
        p.windows();
    })
}

fn restored_disk() -> Bundle {
    bent(|p| {
        let older = p.last_of(p.agent.kid()).map(|_| evidence::hash::leaf(&p.entries[1]));
        p.windows_with(|b| b.place.prev = older);
    })
}

fn settled() -> Bundle {
    let mut project = TestProject::running(3);
    let end = project.now();
    let good = project.last_of(project.agent.kid());
    twin(&mut project);
    project.key_change(KeyAction::Unfreeze, Some(project.agent.kid()), None, good);
    project.seal();
    Bundle::from(&project).asked_for(START, end)
}
