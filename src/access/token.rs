//! Tokens: 256 random bits in a form that can be read out, and the digests that stand for them.
//!
//! A token is never kept where it is checked, never shown by `Debug` and wiped when it is dropped;
//! a file or a keyring holds only its digest: SHA-256 of the whole text, prefix included.
//!
//! Invariant: a token's text is `db_` and 43 base64url characters.

use std::fmt;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// Bytes of a token's text.
pub const TOKEN_BYTES: usize = 46;
const PREFIX: &str = "db_";
/// How a digest begins in a file.
const DIGEST_PREFIX: &str = "sha256:";

/// A new token, on its way to whoever asked for it.
pub struct Token(Zeroizing<String>);

impl Token {
    /// A new one.
    ///
    /// # Errors
    /// When the system has no randomness to give.
    pub fn new() -> Result<Token, getrandom::Error> {
        let mut secret = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *secret)?;
        // As long as it will be, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(String::with_capacity(TOKEN_BYTES));
        text.push_str(PREFIX);
        URL_SAFE_NO_PAD.encode_string(secret.as_slice(), &mut text);
        assert_eq!(text.len(), TOKEN_BYTES, "256 bits are 43 characters");
        Ok(Token(text))
    }

    /// Its text, to be told once.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What stands for it.
    pub fn digest(&self) -> TokenDigest {
        TokenDigest::of(self.0.as_bytes()).expect("a token is as long as a token")
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

/// SHA-256 of a token's text. No secret: 256 random bits cannot be guessed from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TokenDigest(pub(super) [u8; 32]);

impl TokenDigest {
    /// The digest of what somebody says is a token; `None` if its length says that it is none.
    pub fn of(text: &[u8]) -> Option<TokenDigest> {
        (text.len() == TOKEN_BYTES).then(|| TokenDigest(Sha256::digest(text).into()))
    }

    /// Reads `sha256:<64 hex digits>`.
    pub fn parse(text: &str) -> Option<TokenDigest> {
        unhex(text.strip_prefix(DIGEST_PREFIX)?.as_bytes()).map(TokenDigest)
    }
}

impl fmt::Display for TokenDigest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(DIGEST_PREFIX)?;
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

/// Reads 64 hex digits.
fn unhex(text: &[u8]) -> Option<[u8; 32]> {
    let text: &[u8; 64] = text.try_into().ok()?;
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(text.chunks_exact(2)) {
        *byte = digit(pair[0])? << 4 | digit(pair[1])?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_new_each_time_and_shows_itself_only_when_asked() {
        let (token, other) = (Token::new().expect("random"), Token::new().expect("random"));
        assert_ne!(token.reveal(), other.reveal());
        assert!(token.reveal().starts_with("db_") && token.reveal().len() == TOKEN_BYTES);
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        assert!(token.reveal().chars().all(plain), "{}", token.reveal());
        assert_eq!(format!("{token:?}"), "Token(..)");
    }

    #[test]
    fn the_digest_is_what_sha256sum_gives() {
        let token = b"db_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
        let known = "sha256:44e04be805884926ad0c3c982b34ce8e74be1a0a91067ee76e8b15c65fda7bac";
        let digest = TokenDigest::of(token).expect("a token's length");
        assert_eq!(digest.to_string(), known);
        assert_eq!(TokenDigest::parse(known), Some(digest));
        assert_eq!(TokenDigest::of(&token[1..]), None);
        for bad in ["", "sha256:", &known[7..], &known[..70], &known.replace('a', "x")] {
            assert_eq!(TokenDigest::parse(bad), None, "{bad}");
        }
    }
}
