//! How names begin and which are shown: people know machines by name, statements by id.

use verify::Report;

/// `冲床 3 号 (press-03)`, or the id alone where there is no other name.
pub(crate) fn of(report: &Report, id: &str) -> String {
    match report.machines.iter().find(|m| m.id == id) {
        Some(m) if !m.name.is_empty() && m.name != m.id => format!("{} ({})", m.name, m.id),
        _ => id.to_owned(),
    }
}

/// The text with its first letter as at the start of a sentence.
pub(crate) fn capital(name: &str) -> String {
    let mut chars = name.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
