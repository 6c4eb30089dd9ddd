//! Where tasks note how they fare, and where a status is made of it. One lock, held for moments; no task
//! waits for another's work here.

use super::cursor::Standing;
use super::project::Project;
use super::tasks::Tasks;
use crate::configuration::Configuration;
use crate::status::{
    ConfigurationStatus, LinkStatus, MachineStatus, PointStatus, ProjectStatus, Status, StoreStatus,
};
use kpi::Leaf;
use observation::{Observation, Quality, Utc, Value};
use protocols::{Batch, LinkError, PutAside};
use std::fmt::Write as _;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// The notes of one running agent.
#[derive(Debug)]
pub(crate) struct Board(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    status: Status,
    /// Machine and position there, by point id.
    places: Vec<(usize, usize)>,
    /// Position of the link, by number of its task; none for tasks that were replaced.
    tasks: Vec<Option<usize>>,
}

/// The notes of a configuration that is about to be in force.
#[derive(Debug)]
pub(crate) struct Next(Inner);

impl Board {
    pub(crate) fn new(configuration: &Configuration, started: Utc) -> Self {
        let tasks = Tasks::new(configuration.links.len());
        Self(Mutex::new(Inner::new(configuration, started, &tasks)))
    }

    /// Takes over the notes of another configuration. What is known of links that go on, of points, projects
    /// and the store stays.
    pub(crate) fn switch(&self, Next(mut next): Next) {
        let mut inner = self.inner();
        for (task, link) in next.tasks.iter().enumerate() {
            let old = inner.tasks.get(task).copied().flatten();
            if let (Some(link), Some(old)) = (*link, old) {
                next.status.links[link] = inner.status.links[old].clone();
            }
        }
        for machine in &mut next.status.machines {
            let Some(old) = inner.status.machines.iter().find(|m| m.id == machine.id) else { continue };
            (machine.state, machine.state_zh) = (old.state.clone(), old.state_zh.clone());
            for point in &mut machine.points {
                if let Some(old) = old.points.iter().find(|p| p.name == point.name && p.link == point.link) {
                    point.clone_from(old);
                }
            }
        }
        let Status { links, machines, store, configuration, .. } = std::mem::take(&mut next.status);
        let old = &mut inner.status;
        (old.links, old.machines, old.configuration) = (links, machines, configuration);
        (old.store.statement_max, old.store.raw_max) = (store.statement_max, store.raw_max);
        (inner.places, inner.tasks) = (next.places, next.tasks);
    }

    /// Notes that a configuration was refused, and why; the one in force stays.
    pub(crate) fn refused(&self, why: &str, at: Utc) {
        let configuration = &mut self.inner().status.configuration;
        (configuration.refused, configuration.refused_ms) = (Some(why.to_owned()), at.0);
    }

    /// Notes that the file is the configuration in force.
    pub(crate) fn accepted(&self) {
        self.inner().status.configuration.refused = None;
    }
}

impl Next {
    /// Of a configuration that is in force from `at` on.
    pub(crate) fn new(configuration: &Configuration, at: Utc, tasks: &Tasks) -> Self {
        Self(Inner::new(configuration, at, tasks))
    }

    /// See [`Board::mappings`].
    pub(crate) fn mappings(&mut self, configuration: &Configuration, project: &Project) {
        self.0.mappings(configuration, project);
    }
}

impl Inner {
    fn new(configuration: &Configuration, started: Utc, tasks: &Tasks) -> Self {
        let links = configuration.links.iter().map(|l| LinkStatus {
            id: l.id.clone(),
            protocol: l.protocol.clone(),
            address: l.address.clone(),
            ..LinkStatus::default()
        });
        let mut places = vec![];
        let mut machines = vec![];
        for (m, machine) in configuration.machines.iter().enumerate() {
            let mut points = vec![];
            for (p, point) in machine.points.iter().enumerate() {
                let link = configuration.links.get(point.link).map(|l| l.id.clone()).unwrap_or_default();
                points.push(PointStatus { name: point.name.clone(), link, ..PointStatus::default() });
                places.push((point.id, (m, p)));
            }
            machines.push(MachineStatus {
                id: machine.id.clone(),
                name: machine.name.clone(),
                project: machine.project.clone(),
                state: Leaf::Unknown.en().to_owned(),
                state_zh: Leaf::Unknown.zh().to_owned(),
                points,
                ..MachineStatus::default()
            });
        }
        places.sort_by_key(|(id, _)| *id);
        let projects = configuration.uplinks.iter().map(|u| ProjectStatus {
            project: u.project.clone(),
            gateway: u.gateway.clone(),
            standing: word(&Standing::Unknown).to_owned(),
            ..ProjectStatus::default()
        });
        let status = Status {
            agent: configuration.agent.id.clone(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_ms: started.0,
            configuration: ConfigurationStatus {
                hash: hex::encode(configuration.hash),
                since_ms: started.0,
                ..ConfigurationStatus::default()
            },
            links: links.collect(),
            machines,
            projects: projects.collect(),
            store: StoreStatus {
                statement_max: configuration.spool.max_bytes,
                raw_max: configuration.raw.max_bytes,
                ..StoreStatus::default()
            },
            ..Status::default()
        };
        // Point ids are given in order from 0 by the configuration, so an id is a position here.
        let places = places.into_iter().map(|(_, place)| place).collect();
        Self { status, places, tasks: (0..tasks.count()).map(|task| tasks.link(task)).collect() }
    }

    fn mappings(&mut self, configuration: &Configuration, project: &Project) {
        let differing: Vec<&str> =
            configuration.unapproved(&project.genesis).map(|m| m.id.as_str()).collect();
        for machine in self.status.machines.iter_mut().filter(|m| m.project == project.id()) {
            machine.unapproved = differing.contains(&machine.id.as_str());
            let signed = project.plan.machines.iter().any(|m| m.id == machine.id);
            machine.uncounted = signed && !differing.is_empty();
        }
    }

    fn link(&mut self, task: usize) -> Option<&mut LinkStatus> {
        let link = (*self.tasks.get(task)?)?;
        self.status.links.get_mut(link)
    }
}

impl Board {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Notes are plain values; a panic elsewhere cannot leave them half written in a harmful way.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes which mappings differ from the genesis. A window names all mappings of the box in one hash, so a
    /// single one takes every machine with it that is signed in the same project.
    pub(crate) fn mappings(&self, configuration: &Configuration, project: &Project) {
        self.inner().mappings(configuration, project);
    }

    /// Everything, as of `at`.
    pub(crate) fn status(&self, at: Utc) -> Status {
        Status { at_ms: at.0, ..self.inner().status.clone() }
    }

    pub(crate) fn link_up(&self, task: usize, at: Utc) {
        if let Some(link) = self.inner().link(task) {
            (link.up, link.since_ms, link.error) = (true, at.0, None);
        }
    }

    pub(crate) fn link_failed(&self, task: usize, error: &LinkError, at: Utc, pause: Duration) {
        if let Some(link) = self.inner().link(task) {
            if link.up || link.since_ms == 0 {
                (link.up, link.since_ms) = (false, at.0);
            }
            link.error = Some(format!(
                "{error} ({} ms 后重试 · next try in {} ms)",
                pause.as_millis(),
                pause.as_millis()
            ));
        }
    }

    pub(crate) fn link_read(&self, task: usize, batch: &Batch, aside: PutAside, at: Utc) {
        if let Some(link) = self.inner().link(task) {
            let bad = batch.observations.iter().filter(|o| !o.quality.is_good()).count();
            link.observations += u64::try_from(batch.observations.len()).unwrap_or(0);
            link.bad += u64::try_from(bad).unwrap_or(0);
            (link.unwanted, link.too_large) = (aside.unwanted, aside.too_large);
            link.last_ms = at.0;
        }
    }

    /// Notes how busy the wire of a link is.
    pub(crate) fn link_busy(&self, task: usize, permille: Option<u16>) {
        if let Some(link) = self.inner().link(task) {
            link.busy_permille = permille;
        }
    }

    /// Notes the values of one step. Texts are rewritten in place, so that a steady state allocates nothing.
    pub(crate) fn observed<'a>(&self, observations: impl Iterator<Item = &'a Observation>) {
        let mut inner = self.inner();
        let Inner { status, places, .. } = &mut *inner;
        for observation in observations {
            let place = usize::try_from(observation.point.0).ok().and_then(|i| places.get(i));
            let Some(point) = place.and_then(|(m, p)| status.machines[*m].points.get_mut(*p)) else {
                continue;
            };
            point.at_ms = observation.agent_time.0;
            match (&observation.value, observation.quality) {
                (Some(value), quality) => {
                    write_value(point.value.get_or_insert_default(), value);
                    point.problem = match quality {
                        Quality::Good => None,
                        Quality::Uncertain(reason) | Quality::Bad(reason) => Some(reason.to_string()),
                    };
                }
                (None, Quality::Bad(reason) | Quality::Uncertain(reason)) => {
                    point.value = None;
                    point.problem = Some(reason.to_string());
                }
                (None, Quality::Good) => {}
            }
        }
    }

    /// Notes the states of one project's machines.
    pub(crate) fn states<'a>(&self, project: &str, states: impl Iterator<Item = (&'a str, Leaf)>) {
        let mut inner = self.inner();
        for (id, leaf) in states {
            let machine = inner.status.machines.iter_mut().find(|m| m.project == project && m.id == id);
            if let Some(machine) = machine.filter(|m| m.state != leaf.en()) {
                leaf.en().clone_into(&mut machine.state);
                leaf.zh().clone_into(&mut machine.state_zh);
            }
        }
    }

    /// Notes how keeping observations fares.
    pub(crate) fn keeping(&self, trouble: Option<String>, lost: u64, clock_disbelieved: bool) {
        let status = &mut self.inner().status;
        status.trouble = trouble;
        status.lost_observations += lost;
        status.clock_disbelieved = clock_disbelieved;
    }

    /// Notes what the store holds.
    pub(crate) fn store(&self, usage: &spool::Usage) {
        let store = &mut self.inner().status.store;
        store.statement_bytes = usage.statement_bytes;
        store.raw_bytes = usage.raw_bytes;
        store.journal_bytes = usage.journal_bytes;
    }

    /// Changes the notes of one project.
    pub(crate) fn project(&self, project: &str, change: impl FnOnce(&mut ProjectStatus)) {
        if let Some(found) = self.inner().status.projects.iter_mut().find(|p| p.project == project) {
            change(found);
        }
    }

    pub(crate) fn standing(&self, project: &str, standing: &Standing) {
        self.project(project, |p| {
            word(standing).clone_into(&mut p.standing);
            p.detail = match standing {
                Standing::Unknown | Standing::Fine => String::new(),
                Standing::Waiting(d) | Standing::Refused(d) | Standing::Frozen(d) | Standing::Forked(d) => {
                    d.clone()
                }
                Standing::Quarantined { seq, detail } => {
                    seq.map_or_else(|| detail.clone(), |seq| format!("statement {seq}: {detail}"))
                }
            };
        });
    }
}

fn write_value(text: &mut String, value: &Value) {
    text.clear();
    // Writing to a String cannot fail.
    let _ = match value {
        Value::Bool(b) => write!(text, "{b}"),
        Value::Number(n) => write!(text, "{n}"),
        Value::Text(t) => write!(text, "{t}"),
    };
}

fn word(standing: &Standing) -> &'static str {
    match standing {
        Standing::Unknown => "unknown",
        Standing::Fine => "fine",
        Standing::Waiting(_) => "waiting",
        Standing::Refused(_) => "refused",
        Standing::Frozen(_) => "frozen",
        Standing::Quarantined { .. } => "quarantined",
        Standing::Forked(_) => "forked",
    }
}
