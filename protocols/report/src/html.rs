//! The document model as one HTML page: no script, no outside request, readable on a telephone, on a dark
//! screen and on paper. Every value is escaped by the template; the page's own policy forbids the rest.

use askama::Template;

use crate::chart;
use crate::model::Document;
use crate::text;

#[derive(Template)]
#[template(path = "report.html")]
struct Page<'a> {
    d: &'a Document,
    chart_style: &'static str,
    chart_definitions: &'static str,
    program_version: &'static str,
}

impl Page<'_> {
    /// A foreign text with nothing hidden in it; the template escapes it afterwards.
    fn visible(text: &str) -> String {
        text::visible(text)
    }

    /// The same where nothing at all is an answer too.
    fn plain(text: &str) -> String {
        if text.is_empty() { "–".to_owned() } else { text::visible(text) }
    }

    /// The same, cut where the whole stands elsewhere on the page.
    fn short(text: &str) -> String {
        text::clip(&text::visible(text), 28)
    }
}

/// A page that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("the report page could not be composed; this is a defect of the program, please report it")]
pub struct PageError(#[from] askama::Error);

/// The page of a document.
pub fn page(document: &Document) -> Result<String, PageError> {
    let page = Page {
        d: document,
        chart_style: chart::style(),
        chart_definitions: chart::definitions(),
        program_version: env!("CARGO_PKG_VERSION"),
    };
    Ok(page.render()?)
}
