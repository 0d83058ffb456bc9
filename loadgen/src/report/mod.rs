//! From what a run left to what people and scripts read.

pub(crate) mod checks;
pub(crate) mod document;
mod fairness;
mod make;
pub(crate) mod table;

pub(crate) use document::Document;
pub(crate) use make::{figures, make};
