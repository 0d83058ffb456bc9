//! One signed head: a line of JSON that can be checked by itself.
//!
//! ```text
//! {"folder":"<32 hex digits>","seq":42,"chain":"<64 hex digits>","time":1795809600123,
//!  "key":"<64 hex digits>","signature":"<128 hex digits>"}
//! ```
//!
//! What is signed with Ed25519 (RFC 8032) under `key` is this text, five lines each with its end:
//!
//! ```text
//! doorbuster-head-v1
//! folder <32 hex digits>
//! seq <decimal>
//! chain <64 hex digits>
//! time <decimal, ms since 1970>
//! ```
//!
//! It says: at that time the journal of that folder had, after its record `seq`, that chain value,
//! and all of that was synced. Hex digits are lower case. It never says who the key belongs to.

use ring::signature::{ED25519, UnparsedPublicKey};
use serde::Deserialize;

use crate::chains::Chain;

/// An Ed25519 public key.
pub type PublicKey = [u8; 32];

/// See the page's header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// The journal's id.
    pub folder: [u8; 16],
    /// The last record that the chain value covers.
    pub seq: u64,
    /// The chain value.
    pub chain: Chain,
    /// When it was signed, Unix ms.
    pub time: u64,
    /// What it was signed with.
    pub key: PublicKey,
    /// The signature.
    pub signature: [u8; 64],
}

/// Why a text is no head, or one that says nothing.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadHead {
    /// It cannot be read.
    #[error("no head can be read: {0}")]
    Form(String),
    /// The signature is not of this text under this key.
    #[error("the signature is wrong")]
    Signature,
}

/// A head as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    folder: String,
    seq: u64,
    chain: String,
    time: u64,
    key: String,
    signature: String,
}

/// What is published: a page of heads.
#[derive(Deserialize)]
struct Page {
    heads: Vec<Written>,
}

/// Lower-case hex digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes<const N: usize>(name: &str, text: &str) -> Result<[u8; N], BadHead> {
    let digits = 2 * N;
    let bad = || BadHead::Form(format!("{name} is not {digits} lower-case hex digits"));
    let is_digit = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
    if text.len() != digits || !text.bytes().all(is_digit) {
        return Err(bad());
    }
    let mut bytes = [0; N];
    for (index, byte) in bytes.iter_mut().enumerate() {
        let pair = &text[2 * index..2 * index + 2];
        *byte = u8::from_str_radix(pair, 16).map_err(|_| bad())?;
    }
    Ok(bytes)
}

impl Head {
    /// Reads a line of the log, and checks its signature.
    ///
    /// # Errors
    /// [`BadHead`].
    pub fn read(line: &str) -> Result<Head, BadHead> {
        let written = serde_json::from_str(line).map_err(|why| BadHead::Form(why.to_string()))?;
        Head::of(&written)
    }

    fn of(written: &Written) -> Result<Head, BadHead> {
        let head = Head {
            folder: bytes("folder", &written.folder)?,
            seq: written.seq,
            chain: bytes("chain", &written.chain)?,
            time: written.time,
            key: bytes("key", &written.key)?,
            signature: bytes("signature", &written.signature)?,
        };
        let key = UnparsedPublicKey::new(&ED25519, &head.key);
        let text = signed_text(&head.folder, head.seq, &head.chain, head.time);
        match key.verify(text.as_bytes(), &head.signature) {
            Ok(()) => Ok(head),
            Err(_) => Err(BadHead::Signature),
        }
    }

    /// It as a line of the log, without its end.
    pub fn line(&self) -> String {
        let [folder, chain] = [hex(&self.folder), hex(&self.chain)];
        let [key, signature] = [hex(&self.key), hex(&self.signature)];
        let (seq, time) = (self.seq, self.time);
        format!(
            "{{\"folder\":\"{folder}\",\"seq\":{seq},\"chain\":\"{chain}\",\"time\":{time},\
             \"key\":\"{key}\",\"signature\":\"{signature}\"}}"
        )
    }
}

/// What is signed; see the page's header.
pub(super) fn signed_text(folder: &[u8; 16], seq: u64, chain: &Chain, time: u64) -> String {
    let (folder, chain) = (hex(folder), hex(chain));
    format!("doorbuster-head-v1\nfolder {folder}\nseq {seq}\nchain {chain}\ntime {time}\n")
}

/// The heads in a text that was published: an answer of `/v1/heads`, or lines as in the log.
/// Sorted by seq.
///
/// # Errors
/// [`BadHead`] of the first that is none.
pub fn published(text: &str) -> Result<Vec<Head>, BadHead> {
    let mut heads: Vec<Head> = match serde_json::from_str::<Page>(text) {
        Ok(page) => page.heads.iter().map(Head::of).collect::<Result<_, _>>()?,
        Err(_) => {
            let lines = text.lines().filter(|line| !line.trim().is_empty());
            lines.map(Head::read).collect::<Result<_, _>>()?
        }
    };
    heads.sort_by_key(|head| head.seq);
    Ok(heads)
}

/// Lines of the log as a page of JSON; `next` is where the following page begins.
pub(super) fn page(
    folder: &[u8; 16],
    key: Option<&PublicKey>,
    lines: &[String],
    next: Option<u64>,
) -> String {
    let key = key.map_or_else(|| "null".to_owned(), |key| format!("\"{}\"", hex(key)));
    let next = next.map_or_else(|| "null".to_owned(), |seq| seq.to_string());
    let (folder, heads) = (hex(folder), lines.join(","));
    format!("{{\"folder\":\"{folder}\",\"key\":{key},\"heads\":[{heads}],\"next\":{next}}}")
}
