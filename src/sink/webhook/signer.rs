//! Signatures as the Standard Webhooks specification wants them: HMAC-SHA256 of id, time and body,
//! with one secret, or with two while one takes the place of the other.

use base64::Engine as _;
use base64::alphabet::STANDARD as LETTERS;
use base64::engine::general_purpose::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use crate::sink::{Secret, Trouble};

/// Bytes of a key.
const KEY_BYTES: std::ops::RangeInclusive<usize> = 24..=64;
/// Secrets that may live at once.
const KEYS_MAX: usize = 2;

/// Base64 as people copy it, with and without `=` at its end.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &LETTERS,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The secrets in force.
pub(super) struct Signer(Vec<Zeroizing<Vec<u8>>>);

impl Signer {
    /// Reads the secrets, one a line.
    ///
    /// # Errors
    /// [`Trouble`]; it names the place and never what stands there.
    pub(super) fn read(secret: &Secret) -> Result<Signer, Trouble> {
        let text = secret.read()?;
        Signer::parse(&text).map_err(|why| Trouble::Stop(format!("{secret}: {why}")))
    }

    pub(super) fn parse(text: &str) -> Result<Signer, String> {
        let mut keys = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() {
                continue;
            }
            let key = line.strip_prefix("whsec_").and_then(|word| LENIENT.decode(word).ok());
            let key = key.map(Zeroizing::new).filter(|key| KEY_BYTES.contains(&key.len()));
            let wanted = "`whsec_` and the base64 of 24 to 64 bytes";
            keys.push(key.ok_or_else(|| format!("line {}: it is not {wanted}", index + 1))?);
        }
        if keys.is_empty() || keys.len() > KEYS_MAX {
            return Err(format!("{} secrets; one or two are wanted, one a line", keys.len()));
        }
        Ok(Signer(keys))
    }

    /// The value of `webhook-signature`.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &str) -> String {
        let sign = |key: &Zeroizing<Vec<u8>>| {
            let mac = Hmac::<Sha256>::new_from_slice(key);
            let mut mac = mac.expect("HMAC takes keys of every length");
            mac.update(format!("{id}.{timestamp}.").as_bytes());
            mac.update(body.as_bytes());
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(sign).collect::<Vec<String>>().join(" ")
    }
}
