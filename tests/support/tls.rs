//! An authority that signs certificates for the tests, and a buyer's end of TLS by rustls.

use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use doorbuster::certificates::Certificates;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::crypto::ring::default_provider;
use rustls::pki_types::ServerName;
use rustls::{
    ClientConfig, ClientConnection, RootCertStore, StreamOwned, SupportedProtocolVersion, version,
};
use tempfile::TempDir;

/// Both versions that are spoken.
pub(crate) const VERSIONS: [&SupportedProtocolVersion; 2] = [&version::TLS12, &version::TLS13];

/// A connection inside TLS.
pub(crate) type Peer = StreamOwned<ClientConnection, TcpStream>;

/// Signs certificates for `localhost`.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Authority {
        Authority::named("an authority")
    }

    /// One of this name.
    pub(crate) fn named(name: &str) -> Authority {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().expect("a key");
        Authority(CertifiedIssuer::self_signed(params, key).expect("signed"))
    }

    /// Its own certificate, in PEM.
    pub(crate) fn pem(&self) -> String {
        self.0.pem()
    }

    /// A certificate and its key, in PEM.
    pub(crate) fn issue(&self) -> (String, String) {
        self.issue_for("localhost", 4096)
    }

    /// One for this name, which is good until this year.
    pub(crate) fn issue_for(&self, name: &str, until: i32) -> (String, String) {
        let mut params = CertificateParams::new([name.to_owned()]).expect("a name");
        params.not_after = rcgen::date_time_ymd(until, 1, 1);
        let key = KeyPair::generate().expect("a key");
        let cert = params.signed_by(&key, &self.0).expect("signed");
        (cert.pem(), key.serialize_pem())
    }

    /// What a client that trusts this authority alone connects with.
    pub(crate) fn trusted(&self, version: &'static SupportedProtocolVersion) -> Arc<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.0.der().clone()).expect("a good root");
        let builder = ClientConfig::builder_with_provider(Arc::new(default_provider()))
            .with_protocol_versions(&[version])
            .expect("a version of the provider");
        Arc::new(builder.with_root_certificates(roots).with_no_client_auth())
    }
}

/// A folder with a certificate and its key.
pub(crate) struct Files {
    folder: TempDir,
}

impl Files {
    pub(crate) fn new(authority: &Authority) -> Files {
        let files = Files { folder: tempfile::tempdir().expect("a temporary folder") };
        files.put(&authority.issue());
        files
    }

    pub(crate) fn put(&self, (cert, key): &(String, String)) {
        std::fs::write(self.cert(), cert).expect("written");
        std::fs::write(self.key(), key).expect("written");
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.folder.path(), name)
    }

    pub(crate) fn cert(&self) -> PathBuf {
        self.path("cert.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.path("key.pem")
    }

    pub(crate) fn load(&self) -> Arc<Certificates> {
        Arc::new(Certificates::load(&self.cert(), &self.key()).expect("good files"))
    }
}

/// The client's side of TLS, nothing said yet.
pub(crate) fn client(config: &Arc<ClientConfig>) -> ClientConnection {
    let name = ServerName::try_from("localhost").expect("a name");
    ClientConnection::new(Arc::clone(config), name).expect("a good configuration")
}

/// TLS over a connected socket; the handshake is made by the first read or write.
pub(crate) fn over(stream: TcpStream, config: &Arc<ClientConfig>) -> Peer {
    StreamOwned::new(client(config), stream)
}
