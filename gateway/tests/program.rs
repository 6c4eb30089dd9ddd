//! The program itself: exit codes, what it prints, and (with the feature `kill-points`) what a kill at each
//! named point leaves behind.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod support;

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use support::{Agent, PROJECT, Site};

fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_plumbline-gateway"));
    command.env("RUST_LOG", "error").env_remove("PLUMBLINE_GATEWAY_DATA");
    command
}

fn run(arguments: &[&str], data: &Path) -> Output {
    program().args(arguments).arg("--data").arg(data).output().unwrap()
}

#[track_caller]
fn check(output: &Output, code: i32, part: &str) {
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(said.contains(part), "`{part}` is missing in\n{said}");
}

#[test]
fn every_command_says_what_is_wrong_and_ends_with_its_code() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("gateway");
    check(&run(&["init"], &data), 0, "is ready");
    check(&run(&["init"], &data), 2, "exists already");
    check(&run(&["init", "--name", "a b"], &dir.path().join("other")), 2, "name `a b`");
    check(&run(&["init", "--listen", "0.0.0.0:80"], &dir.path().join("other")), 2, "plain HTTP only");
    check(&run(&["rebuild", "none"], &data), 2, "no project here");
    check(&run(&["export", "none", "--out", "x.zip"], &data), 2, "no project here");
    check(&run(&["project", "create", "none", "--out", "x.toml"], &data), 2, "plumbline-agent init");
    let junk = dir.path().join("junk");
    std::fs::write(&junk, b"junk").unwrap();
    let junk = junk.to_str().unwrap();
    check(&run(&["project", "import", junk], &data), 1, "the genesis is not valid");
    check(&run(&["agent", "enrol", junk], &data), 1, "not an enrolment request");
    check(&run(&["agent", "enrol", "nowhere"], &data), 3, "nowhere");
    check(&run(&["nonsense"], &data), 2, "Usage");
    std::fs::write(data.join("gateway.toml"), "nam = \"x\"\nlisten = \"10.0.0.1:1\"\n").unwrap();
    let wrong = run(&["run"], &data);
    check(&wrong, 2, "did you mean `name`?");
    check(&wrong, 2, "gateway.toml:2: listen: 10.0.0.1 can be reached");
    check(&run(&["run"], &dir.path().join("none")), 2, "gateway.toml");
}

/// A running program and the address it printed. Dropping it kills it.
struct Served {
    child: Child,
    address: String,
}

impl Served {
    fn start(data: &Path, environment: &[(&str, &str)]) -> Self {
        let mut command = program();
        command.arg("run").arg("--data").arg(data).envs(environment.iter().copied());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let address = line.trim().strip_prefix("listening on ").unwrap_or_default().to_owned();
        Self { child, address }
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[cfg(unix)]
#[tokio::test]
async fn a_gateway_told_to_end_seals_what_it_has_and_ends_with_zero() {
    let mut agent = Agent::new(0);
    let site = Site::new(&[&agent]);
    let mut served = Served::start(&site.data(), &[]);
    let client = support::client();
    let statement = agent.next(&support::definitions(&site.genesis));
    let outcome = support::push_to(&client, &served.address, &[&statement]).await.unwrap();
    assert_eq!(outcome.stored().len(), 1);
    let id = served.child.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &id]).status().unwrap().success());
    assert_eq!(served.child.wait().unwrap().code(), Some(0));
    let exported = gateway::commands::export(&site.data(), PROJECT, &site.dir.path().join("x.zip")).unwrap();
    assert_eq!(exported.entries, 2, "the last checkpoint covers everything");
}

#[cfg(feature = "kill-points")]
mod kills {
    use super::{Agent, PROJECT, Served, Site, support};
    use std::collections::BTreeMap;
    use tlog::{Read as _, SqliteLog};
    use uplink::Outcome;

    const POINTS: [&str; 6] = [
        "ingest.before_commit",
        "ingest.after_commit",
        "ingest.before_ack",
        "checkpoint.before_write",
        "checkpoint.after_write",
        "derived.after_write",
    ];

    /// Pushes until the gateway is gone; yields what it acknowledged.
    async fn load(
        agent: &mut Agent,
        site: &Site,
        served: &Served,
        unsent: &mut Vec<Vec<u8>>,
    ) -> BTreeMap<u64, u64> {
        let definitions = support::definitions(&site.genesis);
        let client = support::client();
        let mut acknowledged = BTreeMap::new();
        for _ in 0..500 {
            unsent.push(agent.next(&definitions));
            let refs: Vec<&[u8]> = unsent.iter().map(Vec::as_slice).collect();
            let Some(Outcome::Stored(stored)) = support::push_to(&client, &served.address, &refs).await
            else {
                return acknowledged;
            };
            acknowledged.extend(stored.stored.iter().map(|s| (s.seq, s.index)));
            unsent.clear();
        }
        acknowledged
    }

    #[tokio::test]
    async fn a_kill_at_each_point_loses_nothing_acknowledged_and_doubles_nothing() {
        let mut agent = Agent::new(0);
        let site = Site::new(&[&agent]);
        // Checkpoints must come while the load runs.
        let toml = site.data().join("gateway.toml");
        let text = std::fs::read_to_string(&toml).unwrap();
        std::fs::write(
            &toml,
            text.replace("\"60s\"", "\"20ms\"").replace("\"20ms\"\n\n# State", "\"1ms\"\n\n# State"),
        )
        .unwrap();
        let log = site.dir.path().join("kills");
        let file = site.data().join("projects").join(PROJECT).join("log.sqlite");
        let (mut acknowledged, mut unsent) = (BTreeMap::new(), vec![]);
        for round in 1..=3 {
            for point in POINTS {
                let at = format!("{point}:{round}");
                let environment =
                    [("PLUMBLINE_KILL_AT", at.as_str()), ("PLUMBLINE_KILL_LOG", log.to_str().unwrap())];
                let served = Served::start(&site.data(), &environment);
                acknowledged.extend(load(&mut agent, &site, &served, &mut unsent).await);
                drop(served);
                let mut stored = SqliteLog::open_reader(&file).unwrap();
                tlog::recheck::recheck(&mut stored).unwrap();
                let entries = stored.entries(1, u64::MAX).unwrap();
                let seqs: Vec<u64> = entries.iter().map(|e| e.seq).collect();
                assert!(seqs.iter().copied().eq(0..seqs.len() as u64), "each once, in order: {at}");
                for (seq, index) in &acknowledged {
                    assert_eq!(entries[usize::try_from(index - 1).unwrap()].seq, *seq, "{at}");
                }
            }
        }
        let hits = std::fs::read_to_string(&log).unwrap();
        for point in POINTS {
            assert_eq!(hits.lines().filter(|line| *line == point).count(), 3, "{point} in\n{hits}");
        }
        let rebuilt = gateway::commands::rebuild(&site.data(), PROJECT).unwrap();
        assert!(rebuilt.is_same(), "{rebuilt:#?}");
    }
}
