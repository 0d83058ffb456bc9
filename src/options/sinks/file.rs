//! `type = "file"`.

use std::path::PathBuf;

use super::SinkTable;
use crate::sink::{FileTerms, Format, Terms};

const ROTATE_MIB_MAX: u64 = 1 << 20;

pub(super) const KEYS: &[&str] = &["path", "format", "rotate_mib"];

pub(super) fn understood(table: &SinkTable) -> Result<Terms, String> {
    let path = table.one("path")?.filter(|path| !path.is_empty());
    let path = path.ok_or("path: it wants one; - is standard output")?;
    let format = match table.one("format")? {
        None | Some("ndjson") => Format::Ndjson,
        Some("csv") => Format::Csv,
        Some(other) => return Err(format!("format: `{other}` is not `ndjson` or `csv`")),
    };
    let rotate_mib = table.number("rotate_mib", 0..=ROTATE_MIB_MAX)?.unwrap_or(0);
    let path = (path != "-").then(|| PathBuf::from(path));
    if path.is_none() && rotate_mib > 0 {
        return Err("rotate_mib: standard output is not put aside".to_owned());
    }
    Ok(Terms::File(FileTerms { path, format, rotate_bytes: rotate_mib << 20 }))
}
