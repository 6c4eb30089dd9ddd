//! A machine's display name beside its id: people know machines by name, statements by id.

use verify::Report;

/// `冲床 3 号 (press-03)`, or the id alone where there is no other name.
pub(crate) fn of(report: &Report, id: &str) -> String {
    match report.machines.iter().find(|m| m.id == id) {
        Some(m) if !m.name.is_empty() && m.name != m.id => format!("{} ({})", m.name, m.id),
        _ => id.to_owned(),
    }
}
