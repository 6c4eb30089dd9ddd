//! Another configuration without a restart: read and validated by the caller, compared here with the one in
//! force, and applied link by link. Links whose settings stay keep their sessions; others end, begin, or both.
//!
//! ```text
//!  SIGHUP ─▶ read, validate ─▶ compare ─▶ core: one commit ─▶ links that go end ─▶ links that come begin
//!               │ refused         │ refused     │ refused
//!               └─────────────────┴─────────────┴──▶ log and status; the old configuration goes on, whole
//! ```
//!
//! What the stream itself rests on cannot change while the agent runs: who it is, where it keeps its store, how long
//! windows are, whom it reports to.

use super::board::{Board, Next};
use super::links::{Input as Incoming, LinkTask};
use super::project::Project;
use super::start::{places, projects};
use super::switch::Switch;
use super::tasks::Tasks;
use super::{AgentHandle, CLOSING};
use crate::configuration::{Configuration, Uplink};
use crate::window::{LinkIndex, Replan};
use evidence::key::SigningKey;
use observation::{Clock, PointId};
use protocols::Receipt;
use spool::keep::Keep;
use std::sync::Arc;
use std::sync::mpsc;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// What runs under the configuration in force.
pub(super) struct Running {
    pub(super) configuration: Configuration,
    pub(super) projects: Vec<Arc<Project>>,
    pub(super) key: Arc<SigningKey>,
    pub(super) tasks: Tasks,
    /// One a link, in the order of the configuration.
    pub(super) links: Vec<RunningLink>,
    pub(super) spawner: Spawner,
}

/// A link's task.
pub(super) struct RunningLink {
    task: usize,
    /// The point ids it was started with.
    points: Vec<PointId>,
    stop: CancellationToken,
    ended: JoinHandle<()>,
}

/// What every link's task is given.
pub(super) struct Spawner {
    pub(super) clock: Arc<dyn Clock>,
    pub(super) core: mpsc::Sender<Incoming>,
    pub(super) board: Arc<Board>,
    pub(super) generation: watch::Receiver<u64>,
    pub(super) stop: CancellationToken,
    pub(super) tracker: TaskTracker,
}

impl Spawner {
    /// Starts the task of a link.
    pub(super) fn spawn(
        &self,
        configuration: &Configuration,
        link: usize,
        task: usize,
        receipts: tokio::sync::mpsc::UnboundedReceiver<Receipt>,
    ) -> RunningLink {
        let configured = &configuration.links[link];
        let stop = self.stop.child_token();
        let link = LinkTask {
            task,
            id: configured.id.clone(),
            link: Arc::clone(&configured.link),
            clock: Arc::clone(&self.clock),
            core: self.core.clone(),
            receipts,
            board: Arc::clone(&self.board),
            generation: self.generation.clone(),
            stop: stop.clone(),
        };
        RunningLink { task, points: configured.points.clone(), stop, ended: self.tracker.spawn(link.run()) }
    }
}

/// How a configuration was taken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reloaded {
    /// Ids of links whose sessions went on.
    pub kept: Vec<String>,
    /// Ids of links that began, anew or for the first time.
    pub started: Vec<String>,
    /// Ids of links that ended.
    pub ended: Vec<String>,
}

impl AgentHandle {
    /// Puts another configuration in force, whole or not at all. Every reason against it is in the error, one a
    /// line; it also shows in the status.
    pub async fn reload(&self, next: Configuration) -> Result<Reloaded, String> {
        let mut running = self.running.lock().await;
        let result = running.reload(next).await;
        match &result {
            Ok(_) => self.board.accepted(),
            Err(why) => self.refused(why),
        }
        result
    }

    /// Notes that a configuration could not even be read.
    pub fn refused(&self, why: &str) {
        self.board.refused(why, self.clock.now().utc);
    }
}

impl Running {
    async fn reload(&mut self, next: Configuration) -> Result<Reloaded, String> {
        let projects = self.check(&next)?;
        let kept: Vec<Option<usize>> = next.links.iter().map(|new| self.same(new)).collect();
        if next.hash == self.configuration.hash && kept.iter().all(Option::is_some) {
            return Ok(Reloaded { kept: ids(&next, |_| true), ..Reloaded::default() });
        }
        let (mut tasks, mut receivers, mut receipts) = (Tasks::none(self.tasks.count()), vec![], vec![]);
        let mut replan = Replan { configuration: next.hash, ..Replan::default() };
        for (link, (new, old)) in next.links.iter().zip(&kept).enumerate() {
            replan.links.push(old.and_then(|old| u32::try_from(old).ok()).map(LinkIndex));
            if let Some(old) = *old {
                let own = self.links[old].points.iter().copied();
                tasks.goes_on(self.links[old].task, link, own.zip(new.points.iter().copied()));
                let before = self.configuration.links[old].points.iter().copied();
                replan.points.extend(before.zip(new.points.iter().copied()));
            } else {
                let (sender, receiver) = tokio::sync::mpsc::unbounded_channel();
                receipts.push(sender);
                receivers.push((link, tasks.start(link), receiver));
            }
        }
        replan.remapped = remapped(&self.configuration, &next);
        let mut board = Next::new(&next, self.spawner.clock.now().utc, &tasks);
        for project in &projects {
            board.mappings(&next, project);
        }
        let (on_link, of_point) = places(&next, &projects);
        let (done, answer) = oneshot::channel();
        let switch = Switch {
            projects: projects.clone(),
            replan,
            tasks: tasks.clone(),
            receipts,
            on_link,
            of_point,
            every: next.raw.journal,
            keep: keep(&next),
            board,
            done,
        };
        let ending = || "the agent is ending".to_owned();
        self.spawner.core.send(Incoming::Switch(Box::new(switch))).map_err(|_| ending())?;
        answer.await.map_err(|_| ending())??;
        let reloaded = Reloaded {
            kept: ids(&next, |link| kept[link].is_some()),
            started: ids(&next, |link| kept[link].is_none()),
            ended: ids(&self.configuration, |link| !kept.contains(&Some(link))),
        };
        self.apply(next, projects, tasks, &kept, receivers).await;
        Ok(reloaded)
    }

    /// Ends the links that go, then begins those that come: a device may take one connection only.
    async fn apply(
        &mut self,
        next: Configuration,
        projects: Vec<Arc<Project>>,
        tasks: Tasks,
        kept: &[Option<usize>],
        receivers: Vec<(usize, usize, tokio::sync::mpsc::UnboundedReceiver<Receipt>)>,
    ) {
        let mut old: Vec<Option<RunningLink>> = self.links.drain(..).map(Some).collect();
        let mut links: Vec<Option<RunningLink>> =
            kept.iter().map(|link| link.and_then(|link| old[link].take())).collect();
        for gone in old.iter().flatten() {
            gone.stop.cancel();
        }
        for gone in old.into_iter().flatten() {
            // A session that does not end is left to itself: its news belongs nowhere any more.
            let _ = tokio::time::timeout(CLOSING, gone.ended).await;
        }
        for (link, task, receiver) in receivers {
            links[link] = Some(self.spawner.spawn(&next, link, task, receiver));
        }
        self.links = links.into_iter().flatten().collect();
        (self.configuration, self.projects, self.tasks) = (next, projects, tasks);
    }

    /// The position of the link in force that a link of another configuration may go on with.
    fn same(&self, new: &crate::configuration::LinkConfiguration) -> Option<usize> {
        self.configuration.links.iter().position(|old| old.id == new.id && old.identity == new.identity)
    }

    /// The projects under another configuration, or everything that speaks against it.
    fn check(&self, next: &Configuration) -> Result<Vec<Arc<Project>>, String> {
        let mut reasons = fixed(&self.configuration, next);
        if !reasons.is_empty() {
            return Err(reasons.join("\n"));
        }
        let loaded = projects(next, &self.key).map_err(|error| error.to_string())?;
        for (old, new) in self.projects.iter().zip(&loaded) {
            if old.genesis != new.genesis || old.plan.not_before != new.plan.not_before {
                reasons.push(format!(
                    "{}: the file holds another genesis than the one in force; restart the agent",
                    new.uplink.genesis.display()
                ));
            }
        }
        if reasons.is_empty() { Ok(loaded) } else { Err(reasons.join("\n")) }
    }
}

/// What the spool may hold under a configuration.
pub(super) fn keep(configuration: &Configuration) -> Keep {
    Keep {
        statement_bytes: configuration.spool.max_bytes,
        raw_bytes: configuration.raw.max_bytes,
        retention_ms: i64::try_from(configuration.raw.retention.as_millis()).unwrap_or(i64::MAX),
    }
}

fn ids(configuration: &Configuration, wanted: impl Fn(usize) -> bool) -> Vec<String> {
    let links = configuration.links.iter().enumerate().filter(|(link, _)| wanted(*link));
    links.map(|(_, link)| link.id.clone()).collect()
}

/// Ids of the machines whose numbers mean something else under `new`.
fn remapped(old: &Configuration, new: &Configuration) -> Vec<String> {
    let same = |id: &str| {
        let find = |c: &Configuration| c.machines.iter().find(|m| m.id == id).map(|m| m.mapping.hash);
        find(old) == find(new)
    };
    let all = old.machines.iter().chain(&new.machines).map(|m| m.id.clone());
    all.filter(|id| !same(id)).collect()
}

/// What differs and cannot be changed while the agent runs.
fn fixed(old: &Configuration, new: &Configuration) -> Vec<String> {
    let mut reasons = vec![];
    let mut compare = |key: &str, same: bool| {
        if !same {
            reasons.push(format!(
                "{key} cannot change while the agent runs; write it as it was, or restart the agent"
            ));
        }
    };
    compare("agent.id", old.agent.id == new.agent.id);
    compare("agent.data_dir", old.agent.data_dir == new.agent.data_dir);
    compare("agent.status_listen", old.agent.status_listen == new.agent.status_listen);
    compare("window.length", old.window.step_s == new.window.step_s);
    compare("window.per_statement", old.window.per_statement == new.window.per_statement);
    compare("spool.max_bytes", old.spool == new.spool);
    let names = |uplinks: &[Uplink]| uplinks.iter().map(|u| u.project.clone()).collect::<Vec<_>>();
    compare("the list of [[uplink]] projects", names(&old.uplinks) == names(&new.uplinks));
    for (a, b) in old.uplinks.iter().zip(&new.uplinks).filter(|(a, b)| a.project == b.project) {
        let key = |name: &str| format!("uplink.{name} of {}", a.project);
        compare(&key("gateway"), a.gateway == b.gateway);
        compare(&key("fingerprint or ca_file"), (a.fingerprint, &a.ca_file) == (b.fingerprint, &b.ca_file));
        compare(&key("genesis"), a.genesis == b.genesis);
        compare(&key("registrar"), a.registrar == b.registrar);
    }
    reasons
}

#[cfg(test)]
#[path = "reload_tests.rs"]
mod tests;
