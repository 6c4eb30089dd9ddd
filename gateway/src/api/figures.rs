//! Windows and key figures over the derived tables. The arithmetic is the `kpi` crate's, the same that the
//! assessor's program uses; what is shown here is a preview, not a verdict.

use super::reply::{Refused, blocking};
use super::{App, project};
use crate::derived::WindowRow;
use crate::figures::{self, FigureError, Figures};
use axum::Json;
use axum::extract::{Path, Query, State};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Windows in one answer.
const PAGE: u32 = 1000;

/// Which windows.
#[derive(Debug, Deserialize)]
pub(crate) struct WindowQuery {
    /// Machine id of the roster.
    machine: String,
    /// First second, UTC.
    from: Option<i64>,
    /// The second after the last, UTC.
    to: Option<i64>,
    /// Start of the last window already seen; the page goes on after it.
    after: Option<i64>,
}

/// A page of windows.
#[derive(Debug, Serialize)]
pub(crate) struct WindowPage {
    machine: String,
    step_s: u32,
    /// Entries the rows rest on.
    through: u64,
    windows: Vec<WindowView>,
    /// What to pass as `after` for the next page; absent on the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    next_after: Option<i64>,
}

#[derive(Debug, Serialize)]
struct WindowView {
    /// Start, UTC s.
    t: i64,
    /// Entry of the log that holds it.
    entry: u64,
    /// Its content may be counted.
    counted: bool,
    /// Values by column id of the evidence format; zero columns are left out. Energy in mWh.
    columns: BTreeMap<u8, i64>,
}

impl WindowView {
    fn of(row: &WindowRow) -> Self {
        let value = |id: &u8| Some((*id, row.window.get(*id))).filter(|(_, value)| *value != 0);
        let columns = kpi::column::ALL.iter().filter_map(value).collect();
        Self { t: row.t, entry: row.entry, counted: row.counted, columns }
    }
}

/// `GET /v1/projects/{project}/windows?machine=&from=&to=&after=`
pub(crate) async fn windows(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(query): Query<WindowQuery>,
) -> Result<Json<WindowPage>, Refused> {
    let project = project(&app, &id).await?;
    let machine = project.genesis().machines.iter().find(|m| m.id == query.machine);
    let index = machine.map(|m| m.index).ok_or_else(|| {
        Refused::not_found(format!("the roster of {id} has no machine `{}`", query.machine))
    })?;
    let after = query.after.map_or(i64::MIN, |after| after.saturating_add(1));
    let from = query.from.unwrap_or(i64::MIN).max(after);
    let to = query.to.unwrap_or(i64::MAX);
    let page = blocking(move || {
        let (through, rows) = project
            .derived()
            .with(|derived| Ok((derived.progress()?, derived.windows(index, from, to, PAGE)?)))?;
        // A page that is full may be the last; the next one is then empty.
        let full = u32::try_from(rows.len()).is_ok_and(|n| n == PAGE);
        Ok(WindowPage {
            machine: query.machine,
            step_s: project.genesis().step_s,
            through,
            next_after: rows.last().filter(|_| full).map(|row| row.t),
            windows: rows.iter().map(WindowView::of).collect(),
        })
    })
    .await?;
    Ok(Json(page))
}

/// Which period; everything when absent.
#[derive(Debug, Deserialize)]
pub(crate) struct PeriodQuery {
    from: Option<i64>,
    to: Option<i64>,
}

/// `GET /v1/projects/{project}/kpis?from=&to=`
pub(crate) async fn kpis(
    State(app): State<Arc<App>>,
    Path(id): Path<String>,
    Query(PeriodQuery { from, to }): Query<PeriodQuery>,
) -> Result<Json<Figures>, Refused> {
    let project = project(&app, &id).await?;
    let figures = blocking(move || {
        let computed = project.derived().with(|derived| {
            project.log().with(|log| Ok(figures::compute(derived, log, project.genesis(), from, to)))
        })?;
        computed.map_err(|e| match e {
            FigureError::Period(detail) | FigureError::Calendar(detail) => Refused::malformed(detail),
            FigureError::Storage(e) => Refused::from(e),
        })
    })
    .await?;
    Ok(Json(figures))
}
