//! What each contestant is driven with.

use serde::{Deserialize, Serialize};

use crate::figures::rate;

#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Shape {
    /// Each connection keeps so many requests outstanding.
    Closed { pipeline: usize },
    /// So many purchases come due in a second, whatever is outstanding.
    Open { rate: f64 },
}

impl Shape {
    /// For people.
    pub(crate) fn word(self) -> String {
        match self {
            Shape::Closed { pipeline: 1 } => "one at a time".to_owned(),
            Shape::Closed { pipeline } => format!("{pipeline} at a time"),
            Shape::Open { rate: wanted } => format!("{}/s", rate(wanted)),
        }
    }
}
