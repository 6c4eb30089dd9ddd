//! Where the news of each link's task belongs. Tasks are numbered in the order in which they were started and no
//! number is used again, so that news of a task which has been replaced is never taken for its successor's.
//!
//! A link that keeps its session over a change of the configuration goes on with the point ids it was started
//! with; they are translated here.

use observation::{Observation, PointId};
use std::collections::HashMap;

/// All tasks so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Tasks(Vec<Option<Place>>);

/// Where a task's news belongs.
#[derive(Clone, Debug)]
struct Place {
    /// Position of the link in the configuration in force.
    link: usize,
    /// Ids of the configuration in force, by those the task was started with; none while they are the same.
    points: Option<HashMap<PointId, PointId>>,
}

impl Tasks {
    /// One task a link, in order, as at the start of the program.
    pub(crate) fn new(links: usize) -> Self {
        Self((0..links).map(|link| Some(Place { link, points: None })).collect())
    }

    /// Under another configuration nothing belongs anywhere until [`Self::goes_on`] or [`Self::start`] says so.
    pub(crate) fn none(count: usize) -> Self {
        Self(vec![None; count])
    }

    /// A task goes on; `points` are its own ids with those of the configuration in force.
    pub(crate) fn goes_on(
        &mut self,
        task: usize,
        link: usize,
        points: impl Iterator<Item = (PointId, PointId)>,
    ) {
        if let Some(place) = self.0.get_mut(task) {
            *place = Some(Place { link, points: Some(points.collect()) });
        }
    }

    /// Gives the number of a new task of a link.
    pub(crate) fn start(&mut self, link: usize) -> usize {
        self.0.push(Some(Place { link, points: None }));
        self.0.len() - 1
    }

    /// How many there have been.
    pub(crate) fn count(&self) -> usize {
        self.0.len()
    }

    /// The link of a task; none if it has been replaced.
    pub(crate) fn link(&self, task: usize) -> Option<usize> {
        Some(self.0.get(task)?.as_ref()?.link)
    }

    /// Observations of a task with the ids in force.
    pub(crate) fn translated(&self, task: usize, mut observations: Vec<Observation>) -> Vec<Observation> {
        let Some(Some(place)) = self.0.get(task) else { return vec![] };
        if let Some(points) = &place.points {
            observations.retain_mut(|observation| match points.get(&observation.point) {
                Some(id) => {
                    observation.point = *id;
                    true
                }
                None => false,
            });
        }
        observations
    }
}
