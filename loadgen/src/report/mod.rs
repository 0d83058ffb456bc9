//! From what a run left to what people and scripts read.
//!
//! `make` writes the `Document`; everything else here only reads it: the table on a terminal, the
//! page with its plots, the files of other tools, thresholds. Nothing here asks a server.

pub(crate) mod chart;
pub(crate) mod checks;
pub(crate) mod conditions;
pub(crate) mod document;
mod fairness;
mod files;
mod hdr;
pub(crate) mod html;
mod machine;
mod make;
pub(crate) mod plots;
pub(crate) mod progress;
#[cfg(test)]
pub(crate) mod sample;
pub(crate) mod table;
mod threshold;
pub(crate) mod warnings;
mod witness;

pub(crate) use document::Document;
pub(crate) use files::{Files, KeptFile};
pub(crate) use make::{figures, make};
pub(crate) use progress::Progress;
pub(crate) use threshold::Rule;
