//! What is fuzzed, and what must hold of it.

mod binary;
mod http;
mod journal;
mod operator;
mod options;
mod order;
mod planted;
mod records;
mod resp;
mod shown;
mod sinks;
mod snapshot;
mod stream;

use crate::seen::Seen;

/// Reads one input.
///
/// # Panics
/// If something does not hold of it.
pub type Reader = Box<dyn FnMut(&[u8], &mut Seen)>;

/// Something that reads what it does not trust.
pub struct Target {
    /// What it is called.
    pub name: &'static str,
    /// What its readers know, for the one who changes inputs.
    pub words: &'static [&'static str],
    /// The longest input, bytes.
    pub max: usize,
    /// Makes the reader, and what it needs.
    pub make: fn() -> Reader,
}

static TARGETS: [Target; 10] = [
    resp::TARGET,
    http::TARGET,
    order::TARGET,
    operator::TARGET,
    binary::TARGET,
    journal::TARGET,
    records::TARGET,
    snapshot::TARGET,
    options::TARGET,
    sinks::TARGET,
];

/// The target of this name, or all but those with faults of our own.
///
/// # Errors
/// A sentence with those that there are.
pub fn chosen(name: Option<&str>) -> Result<Vec<&'static Target>, String> {
    let Some(name) = name else { return Ok(TARGETS.iter().collect()) };
    let all = TARGETS.iter().chain(&planted::TARGETS);
    let found: Vec<_> = all.filter(|target| target.name == name).collect();
    if found.is_empty() {
        let names = TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
        return Err(format!("no target is called '{name}'; there are {names}"));
    }
    Ok(found)
}
