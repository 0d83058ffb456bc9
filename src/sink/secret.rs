//! What only a sink and its other side may know: where it stands is said, what it is never is.

use std::fmt;
use std::path::PathBuf;

use zeroize::Zeroizing;

use super::Trouble;

/// The longest secret, bytes.
const BYTES_MAX: u64 = 65_536;

/// Where a secret stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Secret {
    /// In a file, without white space at its ends.
    File(PathBuf),
    /// In an environment variable.
    Variable(String),
}

/// Where it stands.
impl fmt::Display for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Secret::File(path) => path.display().fmt(f),
            Secret::Variable(name) => f.write_str(name),
        }
    }
}

impl Secret {
    /// Reads it: again at every use, so that it can be changed while the server runs.
    ///
    /// # Errors
    /// [`Trouble`]: a file may come later, a variable will not.
    pub fn read(&self) -> Result<Zeroizing<String>, Trouble> {
        let text = match self {
            Secret::File(path) => {
                let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
                let length =
                    std::fs::metadata(path).map_err(|why| Trouble::Again(told(&why)))?.len();
                if length > BYTES_MAX {
                    return Err(Trouble::Stop(told(&"too long for a secret")));
                }
                let text =
                    std::fs::read_to_string(path).map_err(|why| Trouble::Again(told(&why)))?;
                Zeroizing::new(text)
            }
            Secret::Variable(name) => {
                let text = std::env::var(name)
                    .map_err(|_| Trouble::Stop(format!("{name} is not set, or no text")))?;
                Zeroizing::new(text)
            }
        };
        let trimmed = text.trim();
        if trimmed.is_empty() {
            return Err(Trouble::Stop(format!("{self}: it is empty")));
        }
        Ok(Zeroizing::new(trimmed.to_owned()))
    }
}
