//! Whom to trust, and what to show to be trusted: the certificates and the token of a run.
//!
//! A token comes from a file or the environment, never from the command line, and stands in no
//! message.

use std::{fmt, net::IpAddr, path::Path, sync::Arc};

use rustls::crypto::ring::default_provider;
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore, client::Resumption};

use crate::Failure;
use crate::options::{Spoken, Target};

/// The longest token.
const TOKEN_BYTES_MAX: usize = 4096;

/// What the server wants to be shown; its `Debug` does not.
#[derive(Clone)]
pub(crate) struct Token(String);

impl Token {
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

fn usage(sentence: impl Into<String>) -> Failure {
    Failure::new(Failure::USAGE, sentence)
}

/// The token of the file, or of the environment; `None` if there is neither.
pub(super) fn token(file: Option<&Path>) -> Result<Option<Token>, Failure> {
    let text = match file {
        Some(path) => {
            let text = std::fs::read_to_string(path);
            Some(text.map_err(|why| usage(format!("--token-file: {}: {why}", path.display())))?)
        }
        None => std::env::var("DOORBUSTER_TOKEN").ok(),
    };
    let Some(text) = text else { return Ok(None) };
    let text = text.trim();
    if text.is_empty() && file.is_none() {
        return Ok(None);
    }
    let is_good = !text.is_empty()
        && text.len() <= TOKEN_BYTES_MAX
        && text.bytes().all(|byte| byte.is_ascii_graphic());
    if !is_good {
        return Err(usage("the token is no single word of printable characters"));
    }
    Ok(Some(Token(text.to_owned())))
}

/// How connections speak TLS, and to whom.
pub(super) fn client(target: &Target) -> Result<(Arc<ClientConfig>, ServerName<'static>), Failure> {
    let path = target.ca.as_deref().ok_or_else(|| usage("--ca FILE: wanted with TLS"))?;
    let mut config = ClientConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(|error| usage(format!("TLS: {error}")))?
        .with_root_certificates(roots(path)?)
        .with_no_client_auth();
    // Every connection is a buyer's first: a handshake in full.
    config.resumption = Resumption::disabled();
    if matches!(target.protocol, Spoken::Http | Spoken::Https) {
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
    }
    let name = target.server_name.as_deref().unwrap_or(target.address.host());
    let name = match name.parse::<IpAddr>() {
        Ok(address) => ServerName::IpAddress(address.into()),
        Err(_) => ServerName::try_from(name.to_owned())
            .map_err(|_| usage(format!("--server-name: '{name}' is no host name or address")))?,
    };
    Ok((Arc::new(config), name))
}

fn roots(path: &Path) -> Result<RootCertStore, Failure> {
    let in_file = |why: &dyn fmt::Display| usage(format!("--ca: {}: {why}", path.display()));
    let text = std::fs::read(path).map_err(|error| in_file(&error))?;
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|error| in_file(&error))?;
        roots.add(certificate).map_err(|error| in_file(&error))?;
    }
    if roots.is_empty() {
        return Err(in_file(&"no certificate in it; one in PEM is wanted"));
    }
    Ok(roots)
}
