//! What a verified bundle looks like to people: a document model, one self-contained HTML page and SVG charts.
//!
//! Reports take nothing but what verification has let through. Nothing here reads a file, a clock or the
//! network, and the same input gives the same bytes.

pub mod appendix;
pub mod chart;
mod compose;
pub mod figure;
pub mod html;
pub mod kpi_page;
pub mod lang;
pub mod model;
pub mod moment;
pub mod number;
pub mod text;

pub use html::PageError;
pub use lang::{Lang, UnknownLang};

use model::Document;
use verify::{Report, Verified};

/// What a verified bundle says, worded.
pub fn document(report: &Verified<Report>, lang: Lang) -> Document {
    compose::document(report, lang)
}

/// The same as one self-contained HTML page.
pub fn html(report: &Verified<Report>, lang: Lang) -> Result<String, PageError> {
    html::page(&document(report, lang))
}
