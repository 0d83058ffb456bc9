//! A real server in this process, with what it needs in a folder of its own.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ::doorbuster::access::{self, Role, Token};
use ::doorbuster::journal::Durability;
use ::doorbuster::options::Layer;
use ::doorbuster::pipeline::Pipeline;
use ::doorbuster::sale::Name;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;

const SALE: &str = "name = \"drop\"\nhold_ms = 60000\nlimit = 4\nwaitlist = 20\n[[items]]\nsku = \"tee\"\n\
                    stock = 1200\nprice = 2500\nlimit = 2\n[[items]]\nsku = \"cap\"\n\
                    stock = 50\nprice = 900\n";

pub(crate) struct House {
    folder: TempDir,
    pipeline: Option<Pipeline>,
}

/// What a house asks of who comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Asks {
    pub(crate) tls: bool,
    pub(crate) token: bool,
}

impl House {
    /// A server of the sale `drop`: 1,200 of `tee`, two for a buyer; 50 of `cap`.
    pub(crate) fn open(asks: Asks) -> House {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let mut house = House { folder, pipeline: None };
        for (name, text) in [("drop.toml", SALE), ("tokens.toml", "")] {
            std::fs::write(house.path(name), text).expect("written");
        }
        house.certify();
        let layer = Layer {
            data: Some(house.path("data")),
            listen: Some(([127, 0, 0, 1], 0).into()),
            durability: Some(Durability::Os),
            shards: Some(1),
            orders_max: Some(10_000),
            segment_mib: Some(4),
            segments_ahead: Some(1),
            sale: Some(vec![house.path("drop.toml")]),
            tokens_file: asks.token.then(|| Some(house.path("tokens.toml"))),
            tls_cert: asks.tls.then(|| Some(house.path("cert.pem"))),
            tls_key: asks.tls.then(|| Some(house.path("key.pem"))),
            tls_required: Some(asks.tls),
            ..Layer::default()
        };
        let options = layer.options().expect("good options");
        let failed = Arc::new(|why| panic!("the journal failed: {why}"));
        let pipeline = Pipeline::start(&options, failed).expect("it starts");
        house.pipeline = Some(pipeline);
        house
    }

    /// An authority of its own, and a certificate for this machine.
    fn certify(&self) {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = || KeyPair::generate().expect("a key");
        let authority = CertifiedIssuer::self_signed(params, key()).expect("signed");
        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let params = CertificateParams::new(names).expect("good names");
        let own = key();
        let cert = params.signed_by(&own, &authority).expect("signed");
        for (name, text) in [
            ("ca.pem", authority.pem()),
            ("cert.pem", cert.pem()),
            ("key.pem", own.serialize_pem()),
        ] {
            std::fs::write(self.path(name), text).expect("written");
        }
    }

    fn pipeline(&self) -> &Pipeline {
        self.pipeline.as_ref().expect("open until it is dropped")
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.pipeline().address()
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A new token that counts from now on.
    pub(crate) fn token(&self, role: Role) -> String {
        let token = Token::new().expect("random");
        let name = Name::parse(role.word().as_bytes()).expect("a name");
        access::add(&self.path("tokens.toml"), &name, &[role], token.digest()).expect("added");
        self.pipeline().access().reload().expect("a good file");
        token.reveal().to_owned()
    }

    /// Purchases that it has answered, whatever it said.
    pub(crate) fn purchases(&self) -> u64 {
        let figures = self.pipeline().metrics().render();
        let of = |outcome: &str| {
            let end = format!("outcome=\"{outcome}\"}} ");
            let lines =
                figures.lines().filter(|line| line.starts_with("doorbuster_requests_total"));
            let counts = lines.filter_map(|line| line.split_once(&*end)?.1.parse::<u64>().ok());
            counts.sum::<u64>()
        };
        of("held") + of("sold_out") + of("limit_reached")
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.stop();
        }
    }
}
