//! Seeds of draws: made fresh, with the commitment that is told beforehand, and read back when they
//! are to be revealed. A seed goes to a file that only its owner may read, or to stdout.

use std::fmt::Display;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use doorbuster::sale_file;
use serde_json::json;

use super::super::port::Failure;
use super::super::{CANNOT_CREATE, DISK, delivered, failed};

/// Makes a seed; with a file it lies there and only its commitment is told. Returns the exit code.
pub(super) fn make(out: Option<&Path>, as_json: bool) -> i32 {
    let mut seed = [0; 32];
    if let Err(why) = getrandom::fill(&mut seed) {
        return failed(DISK, &format_args!("no randomness from the system: {why}"));
    }
    let (text, commitment) = (hex(&seed), hex(blake3::hash(&seed).as_bytes()));
    if let Some(path) = out
        && let Err(why) = keep(path, &text)
    {
        return failed(CANNOT_CREATE, &format_args!("{}: {why}", path.display()));
    }
    let mut stdout = std::io::stdout().lock();
    delivered(match (out, as_json) {
        (None, true) => {
            writeln!(stdout, "{}", json!({ "seed": text, "commitment": commitment }))
        }
        (Some(_), true) => writeln!(stdout, "{}", json!({ "commitment": commitment })),
        (None, false) => writeln!(stdout, "seed {text}\ncommitment {commitment}"),
        (Some(_), false) => writeln!(stdout, "commitment {commitment}"),
    })
}

/// Writes a new file that nobody else may read; one that is there stays as it is.
fn keep(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = std::fs::OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(path)?;
    writeln!(file, "{text}")?;
    file.sync_all()
}

/// The seed in a file, as the port takes it.
pub(super) fn read(path: &Path) -> Result<String, Failure> {
    let at = |why: &dyn Display| Failure::File(format!("{}: {why}", path.display()));
    let text = std::fs::read_to_string(path).map_err(|why| at(&why))?;
    let seed = sale_file::hash("seed", text.trim()).map_err(|why| at(&why))?;
    Ok(hex(&seed))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_seed_lies_where_only_its_owner_reads_it_and_is_never_written_over() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join("seed");
        assert_eq!(make(Some(&path), false), 0);
        let mode = std::fs::metadata(&path).expect("it is there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        let seed = read(&path).ok().expect("a seed");
        assert_eq!(seed.len(), 64);
        assert_eq!(make(Some(&path), true), CANNOT_CREATE);
        assert_eq!(read(&path).ok(), Some(seed));
        std::fs::write(&path, "no seed\n").expect("written");
        let Err(Failure::File(why)) = read(&path) else { panic!("no seed was read") };
        assert!(why.ends_with("seed: 'no seed' is not 64 hex digits"), "{why}");
    }
}
