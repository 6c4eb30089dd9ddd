//! 综合能耗 and CO2 of the electricity that the source measures, by factor files that the user hands in. Other carriers
//! are in no table of states, so that these figures say themselves that they hold electricity alone.

use std::path::Path;

use kpi::energy::comprehensive::{Boundary, Inflow, Origin};
use kpi::energy::figure::Output;
use kpi::energy::{CarrierAmount, CoalBasis, CoalChoice, EnergyFigure, FactorFile, GridRule, factor};
use kpi::period::Grid;
use kpi::totals::AmountBounds;
use kpi::{Kpi, KpiId, Period, Rational};

use super::problem::Words;

/// Which factors to use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Factor files.
    pub files: Vec<FactorFile>,
    /// Which value of electricity; none, and there is no 综合能耗.
    pub basis: Option<CoalBasis>,
    /// Scope of the grid, such as `national`; none, and there is no CO2.
    pub grid_scope: Option<String>,
}

/// Electricity and output of the machines that count, over the period.
#[derive(Clone, Debug, Default)]
pub struct Amounts {
    /// One a machine that measures electricity.
    pub carriers: Vec<CarrierAmount>,
    /// Good parts, or parts where a machine counts no good ones; nothing where a machine counts neither.
    pub parts: Option<AmountBounds>,
}

/// A factor file.
pub fn file(path: &Path, text: &str) -> Result<FactorFile, String> {
    toml::from_str(text).map_err(|e| format!("{}: {}", path.display(), e.to_string().trim_end()))
}

/// Good parts as the figure of electricity per part counts them, where every machine counts good parts.
pub fn good_parts(kpis: &[Kpi]) -> Option<AmountBounds> {
    let per_part = kpis.iter().find(|k| k.id == KpiId::EnergyPerPart && k.excluded.is_empty())?;
    let term = per_part.denominator.as_ref().filter(|t| t.symbol == "GQ")?;
    let pieces = |r: &Rational| r.to_string().parse::<u128>().ok();
    let upper = match &term.upper {
        Some(upper) => Some(pieces(upper)?),
        None => None,
    };
    Some(AmountBounds { lower: pieces(&term.lower)?, upper, ..AmountBounds::default() })
}

/// `calorific` or `equivalent`, in English or Chinese.
pub fn basis(text: &str) -> Result<CoalBasis, String> {
    [CoalBasis::Calorific, CoalBasis::Equivalent]
        .into_iter()
        .find(|b| b.zh() == text || b.en().split(' ').next() == Some(text))
        .ok_or_else(|| "write calorific (当量值) or equivalent (等价值)".to_owned())
}

/// What every figure here says beside its number.
pub fn caveat() -> Words {
    Words::new(
        "综合能耗与二氧化碳只含电力；边界内如有其他能源，此数不是综合能耗",
        "comprehensive energy and CO2 hold electricity alone; where other carriers are used they are not the whole",
    )
}

/// The figures that the choice asks for.
pub fn figures(
    choice: &Choice,
    amounts: &Amounts,
    period: Period,
    grid: Grid,
) -> Result<Vec<EnergyFigure>, String> {
    if choice.basis.is_none() && choice.grid_scope.is_none() {
        return Ok(Vec::new());
    }
    let inflows: Vec<Inflow> =
        amounts.carriers.iter().map(|a| Inflow { amount: a.clone(), origin: Origin::Supplied }).collect();
    let boundary = Boundary { inflows: &inflows, tree: None, period, grid };
    let mut figures = Vec::new();
    if let Some(basis) = choice.basis {
        let sets = choice.files.iter().filter_map(|f| match f {
            FactorFile::StandardCoal(set) => Some(set.id.clone()),
            FactorFile::GridCo2(_) => None,
        });
        let set = only(sets, "standard_coal")?;
        let choice_of = CoalChoice { set: set.clone(), basis, rows: std::collections::BTreeMap::new() };
        let set = factor::coal_set(&choice.files, &set).map_err(|e| e.to_string())?;
        let sum = boundary.comprehensive(set, &choice_of).map_err(|e| e.to_string())?;
        figures.push(EnergyFigure::comprehensive(&sum, period));
        if let Some(parts) = &amounts.parts {
            let per =
                EnergyFigure::per_output(&sum, period, Output::Parts(parts)).map_err(|e| e.to_string())?;
            figures.push(per);
        }
    }
    if let Some(scope) = &choice.grid_scope {
        let sets = choice.files.iter().filter_map(|f| match f {
            FactorFile::GridCo2(set) => Some(set.id.clone()),
            FactorFile::StandardCoal(_) => None,
        });
        let set = factor::grid_set(&choice.files, &only(sets, "grid_co2")?).map_err(|e| e.to_string())?;
        let sum = boundary.co2(set, scope, GridRule::Inventory).map_err(|e| e.to_string())?;
        figures.push(EnergyFigure::co2(&sum, period, GridRule::Inventory));
    }
    Ok(figures)
}

/// The one set of a kind. Two would leave it open which was used.
fn only(mut sets: impl Iterator<Item = String>, kind: &str) -> Result<String, String> {
    match (sets.next(), sets.next()) {
        (Some(set), None) => Ok(set),
        (None, _) => {
            Err(format!("no file of the kind {kind:?} was given with --factors; see config/factors"))
        }
        (Some(a), Some(b)) => {
            Err(format!("both {a:?} and {b:?} are of the kind {kind:?}; give one with --factors"))
        }
    }
}
