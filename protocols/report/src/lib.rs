//! What a verified bundle looks like to people: a document model, one self-contained HTML page and SVG charts.
//!
//! Reports take nothing but what verification has let through. Nothing here reads a file, a clock or the
//! network, and the same input gives the same bytes.

pub mod chart;
pub mod html;
pub mod lang;
pub mod model;
pub mod moment;
pub mod number;
pub mod text;

pub use lang::{Lang, UnknownLang};
