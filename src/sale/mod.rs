//! The pure room (being built).
mod ident;
mod terms;
pub use ident::{BadIdent, Form, Ident, TEXT_BYTES_MAX, Text, text_len};
pub use terms::{ItemTerms, Name, Terms};
