//! `plumbline-verify kpi`: figures out of a verified bundle, or out of a file of states and registers that nothing
//! vouches for. The arithmetic is `kpi`'s in both cases; here are files, questions, words and pictures.

pub mod answer;
pub mod ask;
pub mod book;
pub mod books;
pub mod columns;
pub mod factors;
pub mod pictures;
pub mod problem;
pub mod record;
pub mod sheet;
pub mod target;
pub mod text;
pub mod value;
