//! The private key that heads are signed with: 64 hex digits of its seed in a file that only its
//! owner may read, made at the first start.
//!
//! It never leaves this page. Whoever has it can sign another history, so a copy of the data folder
//! that is given to others is given without it.

use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::Path;

use ring::signature::{Ed25519KeyPair, KeyPair as _};
use tracing::warn;
use zeroize::Zeroizing;

use super::head::{Head, PublicKey, hex, signed_text};
use crate::chains::ChainAt;

const SEED_BYTES: usize = 32;
/// A file with more is no key.
const FILE_BYTES_MAX: u64 = 256;

/// Signs heads.
pub(super) struct Signer {
    pair: Ed25519KeyPair,
}

impl Signer {
    /// Reads the key, or makes one where there is none.
    ///
    /// # Errors
    /// A sentence with the file and what is wrong.
    pub(super) fn load(path: &Path) -> Result<Signer, String> {
        let at = |why: std::io::Error| format!("{}: {why}", path.display());
        let file = match File::open(path) {
            Ok(file) => file,
            Err(why) if why.kind() == ErrorKind::NotFound => {
                make(path).map_err(at)?;
                File::open(path).map_err(at)?
            }
            Err(why) => return Err(at(why)),
        };
        let mode = file.metadata().map_err(at)?.permissions().mode() & 0o777;
        if mode & 0o077 != 0 {
            warn!(
                "{}: others than its owner may read or change it (mode {mode:03o}); chmod 600 it",
                path.display()
            );
        }
        let mut text = Zeroizing::new(String::with_capacity(FILE_BYTES_MAX as usize));
        file.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(at)?;
        let pair = seed(text.trim_ascii_end())
            .and_then(|seed| Ed25519KeyPair::from_seed_unchecked(&*seed).ok());
        let digits = 2 * SEED_BYTES;
        let bad = || format!("{}: a key is {digits} hex digits, and this is none", path.display());
        Ok(Signer { pair: pair.ok_or_else(bad)? })
    }

    /// What its signatures are checked with.
    pub(super) fn public(&self) -> PublicKey {
        self.pair.public_key().as_ref().try_into().expect("an Ed25519 key has 32 bytes")
    }

    /// Signs what the chain is.
    pub(super) fn sign(&self, folder: &[u8; 16], at: &ChainAt, time: u64) -> Head {
        let text = signed_text(folder, at.seq, &at.chain, time);
        let signature = self.pair.sign(text.as_bytes());
        let signature = signature.as_ref().try_into().expect("a signature has 64 bytes");
        let (folder, key) = (*folder, self.public());
        Head { folder, seq: at.seq, chain: at.chain, time, key, signature }
    }
}

fn seed(text: &str) -> Option<Zeroizing<[u8; SEED_BYTES]>> {
    let digits: &[u8; 2 * SEED_BYTES] = text.as_bytes().try_into().ok()?;
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    for (byte, pair) in seed.iter_mut().zip(digits.chunks_exact(2)) {
        let digit = |digit: u8| char::from(digit).to_digit(16);
        *byte = (digit(pair[0])? << 4 | digit(pair[1])?) as u8;
    }
    Some(seed)
}

/// Writes a new key beside and gives it its name when it is whole and synced.
fn make(path: &Path) -> std::io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let beside = path.with_file_name(name);
    if let Err(why) = fs::remove_file(&beside)
        && why.kind() != ErrorKind::NotFound
    {
        return Err(why);
    }
    let mut seed = Zeroizing::new([0; SEED_BYTES]);
    getrandom::fill(&mut *seed).map_err(std::io::Error::other)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    let mut text = Zeroizing::new(hex(&*seed));
    text.push('\n');
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
