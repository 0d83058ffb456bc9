//! The server's TLS certificate and key: read from PEM files, checked, and swapped while it runs.
//!
//! It never speaks TLS itself and never hands out a key. A connection keeps what it began with; who
//! begins a handshake asks for [`Certificates::current`].
//!
//! Invariant: what is in force was read and checked whole; files that cannot be used change
//! nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::ring::{Ticketer, default_provider};
use rustls::pki_types::pem::{Error as PemError, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, ClientConfig, Error, RootCertStore, ServerConfig};
use ureq::tls::{Certificate, PemItem, parse_pem};

/// What is in force, and where it came from.
pub struct Certificates {
    cert: PathBuf,
    key: PathBuf,
    current: RwLock<Arc<ServerConfig>>,
    /// The first certificate of the chain in force.
    leaf: RwLock<CertificateDer<'static>>,
}

impl Certificates {
    /// Reads a chain, the server's own certificate first, and the key to it.
    ///
    /// # Errors
    /// A sentence with the option, the file and what is wrong with it.
    pub fn load(cert: &Path, key: &Path) -> Result<Certificates, String> {
        let (config, leaf) = read(cert, key)?;
        Ok(Certificates {
            cert: cert.to_owned(),
            key: key.to_owned(),
            current: RwLock::new(config),
            leaf: RwLock::new(leaf),
        })
    }

    /// What a handshake that begins now is made with: TLS 1.2 and 1.3, HTTP/1.1 for those who ask
    /// by ALPN, sessions resumed by tickets.
    pub fn current(&self) -> Arc<ServerConfig> {
        Arc::clone(&self.current.read())
    }

    /// Reads both files again. Handshakes that begin from now on are made with them; tickets given
    /// out before are worth nothing any more, so that every client sees the new certificate.
    ///
    /// # Errors
    /// As [`load`](Self::load); the old ones stay in force.
    pub fn reload(self: &Arc<Certificates>) -> Result<(), String> {
        self.prepare()?();
        Ok(())
    }

    /// Does all of [`reload`](Self::reload) that can fail; what comes back does the rest.
    ///
    /// # Errors
    /// As [`load`](Self::load).
    pub fn prepare(self: &Arc<Certificates>) -> Result<impl FnOnce() + use<>, String> {
        let (config, leaf) = read(&self.cert, &self.key)?;
        let certificates = Arc::clone(self);
        Ok(move || {
            *certificates.leaf.write() = leaf;
            *certificates.current.write() = config;
        })
    }

    /// A sentence if clients will refuse the certificate for its dates.
    pub fn warning(&self) -> Option<String> {
        let now = UnixTime::now();
        let leaf = self.leaf.read();
        let parsed = ParsedCertificate::try_from(&*leaf).ok()?;
        let algorithms = default_provider().signature_verification_algorithms.all;
        // Nobody is trusted here, so it is always refused; the dates are looked at first.
        let nobody = RootCertStore::empty();
        let refused =
            verify_server_cert_signed_by_trust_anchor(&parsed, &nobody, &[], now, algorithms);
        let cert = self.cert.display();
        let days = |from: UnixTime, to: UnixTime| from.as_secs().abs_diff(to.as_secs()) / 86_400;
        match refused {
            Err(Error::InvalidCertificate(CertificateError::ExpiredContext {
                not_after, ..
            })) => {
                let days = days(not_after, now);
                Some(format!("tls_cert: {cert}: expired {days} days ago; clients will refuse it"))
            }
            Err(Error::InvalidCertificate(CertificateError::NotValidYetContext {
                not_before,
                ..
            })) => {
                let days = days(now, not_before);
                Some(format!(
                    "tls_cert: {cert}: not valid for another {days} days; clients will refuse it"
                ))
            }
            _ => None,
        }
    }
}

/// What a client of ours trusts: the certificates in this file (PEM), or, if there is none, the
/// public authorities that browsers trust.
///
/// # Errors
/// A sentence with the file and what is wrong with it.
pub fn trusting(ca: Option<&Path>) -> Result<ClientConfig, String> {
    let mut roots = RootCertStore::empty();
    match ca {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(path) => {
            let told = |why: &dyn std::fmt::Display| format!("{}: {why}", path.display());
            let bytes = std::fs::read(path).map_err(|why| told(&why))?;
            for certificate in CertificateDer::pem_slice_iter(&bytes) {
                let certificate = certificate.map_err(|why| told(&sentence(&why)))?;
                roots.add(certificate).map_err(|why| told(&why))?;
            }
            if roots.is_empty() {
                return Err(told(&"no certificate in it; a PEM file is wanted"));
            }
        }
    }
    let provider = Arc::new(default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|why| why.to_string())?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// What a client of HTTP trusts: the certificates in this file (PEM).
///
/// # Errors
/// A sentence with the file and what is wrong with it.
pub fn authorities(ca: &Path) -> Result<Vec<Certificate<'static>>, String> {
    let told = |why: &dyn std::fmt::Display| format!("{}: {why}", ca.display());
    let bytes = std::fs::read(ca).map_err(|why| told(&why))?;
    let mut found = Vec::new();
    for item in parse_pem(&bytes) {
        if let PemItem::Certificate(certificate) = item.map_err(|why| told(&why))? {
            found.push(certificate);
        }
    }
    if found.is_empty() {
        return Err(told(&"no certificate in it; one in PEM is wanted"));
    }
    Ok(found)
}

fn read(cert: &Path, key: &Path) -> Result<(Arc<ServerConfig>, CertificateDer<'static>), String> {
    let bytes = |option: &str, path: &Path| {
        std::fs::read(path).map_err(|why| format!("{option}: {}: {why}", path.display()))
    };
    let in_cert = |why: &str| format!("tls_cert: {}: {why}", cert.display());
    let in_key = |why: &str| format!("tls_key: {}: {why}", key.display());
    let chain: Result<Vec<_>, PemError> =
        CertificateDer::pem_slice_iter(&bytes("tls_cert", cert)?).collect();
    let chain = chain.map_err(|why| in_cert(&format!("no good PEM: {}", sentence(&why))))?;
    let Some(leaf) = chain.first().cloned() else {
        return Err(in_cert("no certificate in it; a PEM file with the chain is wanted"));
    };
    if let Err(why) = ParsedCertificate::try_from(&leaf) {
        return Err(in_cert(&format!("the first certificate cannot be read: {why}")));
    }
    let key = PrivateKeyDer::from_pem_slice(&bytes("tls_key", key)?);
    let key = key.map_err(|why| match why {
        PemError::NoItemsFound => {
            in_key("no private key in it; one in PEM, not encrypted, is wanted")
        }
        why => in_key(&format!("no good PEM: {}", sentence(&why))),
    })?;
    let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(|why| match why {
            Error::InconsistentKeys(_) => {
                in_key(&format!("not the key to the certificate in {}", cert.display()))
            }
            why => in_key(&format!("the key cannot be used: {why}")),
        })?;
    config.ticketer = Ticketer::new().map_err(|why| format!("no keys for tickets: {why}"))?;
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok((Arc::new(config), leaf))
}

/// What is wrong, in text where the library shows bytes.
fn sentence(why: &PemError) -> String {
    let text = |bytes: &[u8]| bytes.escape_ascii().to_string();
    match why {
        PemError::MissingSectionEnd { end_marker } => {
            format!("no line with `END {}`", text(end_marker))
        }
        PemError::IllegalSectionStart { line } => {
            format!("a section begins with `{}`", text(&line[..line.len().min(40)]))
        }
        why => why.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    fn made(years: (i32, i32)) -> (String, String) {
        let mut params = CertificateParams::new(["localhost".to_owned()]).expect("a name");
        params.not_before = date_time_ymd(years.0, 1, 1);
        params.not_after = date_time_ymd(years.1, 1, 1);
        let key = KeyPair::generate().expect("a key");
        (params.self_signed(&key).expect("signed").pem(), key.serialize_pem())
    }

    #[test]
    fn files_that_cannot_be_used_are_named_with_the_reason() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let put = |name: &str, text: &str| std::fs::write(path(name), text).expect("written");
        let ((cert, key), (other, _)) = (made((2020, 2120)), made((2020, 2120)));
        put("cert", &cert);
        put("key", &key);
        put("other", &other);
        put("cut", &cert[..cert.len() / 2]);
        put("empty", "");
        put(
            "junk",
            "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n\
             -----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        );
        for (cert, key, wanted) in [
            ("none", "key", &["tls_cert: ", "/none: No such file"][..]),
            ("cert", "none", &["tls_key: ", "/none: No such file"]),
            ("empty", "key", &["tls_cert: ", "/empty: no certificate in it"]),
            ("key", "key", &["tls_cert: ", "/key: no certificate in it"]),
            ("cut", "key", &["tls_cert: ", "/cut: no good PEM", "END CERTIFICATE"]),
            ("junk", "key", &["tls_cert: ", "/junk: the first certificate cannot be read"]),
            ("cert", "empty", &["tls_key: ", "/empty: no private key in it"]),
            ("cert", "cert", &["tls_key: ", "/cert: no private key in it"]),
            ("cert", "junk", &["tls_key: ", "/junk: the key cannot be used"]),
            ("other", "key", &["tls_key: ", "/key: not the key to the certificate in ", "/other"]),
        ] {
            let why = Certificates::load(&path(cert), &path(key)).map(drop).expect_err(cert);
            assert!(wanted.iter().all(|part| why.contains(part)), "{cert} {key}: {why}");
        }
        assert_eq!(Certificates::load(&path("cert"), &path("key")).expect("good").warning(), None);
    }

    #[test]
    fn a_reload_that_fails_changes_nothing_and_one_that_works_swaps() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (cert, key) = (folder.path().join("cert"), folder.path().join("key"));
        let put = |pair: &(String, String)| {
            std::fs::write(&cert, &pair.0).expect("written");
            std::fs::write(&key, &pair.1).expect("written");
        };
        put(&made((2020, 2120)));
        let certificates = Arc::new(Certificates::load(&cert, &key).expect("good"));
        let first = certificates.current();
        std::fs::write(&key, made((2020, 2120)).1).expect("written");
        let why = certificates.reload().expect_err("not its key");
        assert!(why.contains("not the key to the certificate"), "{why}");
        assert!(Arc::ptr_eq(&first, &certificates.current()) && certificates.warning().is_none());
        put(&made((2020, 2021)));
        certificates.reload().expect("old, but good");
        assert!(!Arc::ptr_eq(&first, &certificates.current()));
        let warning = certificates.warning().expect("expired");
        assert!(warning.contains("expired") && warning.contains("days ago"), "{warning}");
        put(&made((2110, 2120)));
        certificates.reload().expect("early, but good");
        let warning = certificates.warning().expect("not valid yet");
        assert!(warning.contains("not valid for another"), "{warning}");
    }
}
