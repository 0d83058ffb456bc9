//! Documents from files: of this form, complete, or refused with the file and what is wrong.

use std::{fs::File, io::Read, path::Path};

use serde_json::Value;

use crate::Failure;
use crate::report::Document;
use crate::report::document::VERSION;

/// A document is a few KiB for each second of its run.
const BYTES_MAX: u64 = 256 << 20;

/// All documents of a file: one, or an array of them.
pub(super) fn documents(path: &Path) -> Result<Vec<Document>, Failure> {
    let wrong = |what: String| Failure::new(Failure::USAGE, format!("{}: {what}", path.display()));
    let file = File::open(path).map_err(|error| wrong(error.to_string()))?;
    let mut bytes = Vec::new();
    let read = file.take(BYTES_MAX + 1).read_to_end(&mut bytes);
    read.map_err(|error| wrong(error.to_string()))?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(wrong(format!("longer than {} MiB", BYTES_MAX >> 20)));
    }
    let value: Value =
        serde_json::from_slice(&bytes).map_err(|error| wrong(format!("no JSON: {error}")))?;
    drop(bytes);
    let values = match value {
        Value::Array(values) => values,
        value => vec![value],
    };
    if values.is_empty() {
        return Err(wrong("an array without documents".to_owned()));
    }
    values.into_iter().map(|value| document(value).map_err(wrong)).collect()
}

fn document(value: Value) -> Result<Document, String> {
    let hint = "a document of 'loadgen run --out' or '--json' is wanted";
    match value.get("version").and_then(Value::as_u64) {
        Some(version) if version == u64::from(VERSION) => {}
        Some(version) => {
            return Err(format!("a document of form {version}; this program reads form {VERSION}"));
        }
        None => return Err(format!("JSON without a version; {hint}")),
    }
    serde_json::from_value(value).map_err(|error| format!("{error}; {hint}"))
}
