//! A whole server in this process, with a tokens file and a secrets file of its own.

use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use doorbuster::access::{self, Role, Token};
use doorbuster::client::{Client, Item, Request};
use doorbuster::journal::Durability;
use doorbuster::options::Layer;
use doorbuster::pipeline::Pipeline;
use doorbuster::sale::Name;
use tempfile::TempDir;

use super::resp::{Resp, Value};

/// What tickets are signed with.
pub(crate) const SECRET: &str = "a-secret-of-the-shop-for-this-week";

const SALES: [(&str, &str); 2] = [("drop", "tee"), ("next", "cap")];

pub(crate) struct House {
    folder: TempDir,
    pipeline: Option<Pipeline>,
}

pub(crate) fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a name")
}

impl House {
    /// A server that asks for tokens; there are none yet.
    pub(crate) fn open(change: impl FnOnce(&mut Layer)) -> House {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = |name: &str| folder.path().join(name);
        let sale = |(sale, item): (&str, &str)| {
            let text = format!(
                "name = \"{sale}\"\n[[items]]\nsku = \"{item}\"\nstock = 100000\nprice = 100\n"
            );
            std::fs::write(path(sale), text).expect("written");
            path(sale)
        };
        std::fs::write(path("tokens.toml"), "").expect("written");
        std::fs::write(path("secrets"), SECRET).expect("written");
        let mut layer = Layer {
            data: Some(path("data")),
            listen: Some(([127, 0, 0, 1], 0).into()),
            durability: Some(Durability::Os),
            shards: Some(2),
            orders_max: Some(10_000),
            segment_mib: Some(4),
            segments_ahead: Some(1),
            sale: Some(SALES.map(sale).to_vec()),
            tokens_file: Some(Some(path("tokens.toml"))),
            ..Layer::default()
        };
        change(&mut layer);
        let options = layer.options().expect("good options");
        let failed = Arc::new(|why| panic!("the journal failed: {why}"));
        let pipeline = Pipeline::start(&options, failed).expect("it starts");
        House { folder, pipeline: Some(pipeline) }
    }

    pub(crate) fn pipeline(&self) -> &Pipeline {
        self.pipeline.as_ref().expect("open until it is dropped")
    }

    pub(crate) fn tokens_file(&self) -> PathBuf {
        self.folder.path().join("tokens.toml")
    }

    pub(crate) fn secrets_file(&self) -> PathBuf {
        self.folder.path().join("secrets")
    }

    /// A new token that counts from now on.
    pub(crate) fn token(&self, whose: &str, roles: &[Role]) -> String {
        let token = Token::new().expect("random");
        access::add(&self.tokens_file(), &name(whose), roles, token.digest()).expect("added");
        self.pipeline().access().reload().expect("a good file");
        token.reveal().to_owned()
    }

    /// Ends the tokens of a name, or the older of the two.
    pub(crate) fn remove(&self, whose: &str, only_older: bool) {
        access::remove(&self.tokens_file(), &name(whose), only_older).expect("removed");
        self.pipeline().access().reload().expect("a good file");
    }

    pub(crate) fn resp(&self) -> Resp {
        let stream = TcpStream::connect(self.pipeline().address()).expect("it listens");
        stream.set_read_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        stream.set_nodelay(true).expect("a socket");
        Resp::over(stream)
    }

    /// A RESP connection that has shown a token.
    pub(crate) fn resp_with(&self, token: &str) -> Resp {
        let mut peer = self.resp();
        assert_eq!(peer.ask(&["AUTH", token]), Value::Text("OK".into()));
        peer
    }

    pub(crate) fn binary(&self, token: &str) -> Client {
        let client = Client::connect_with_token(self.pipeline().address(), token);
        let mut client = client.expect("the token counts");
        client.set_timeout(Some(Duration::from_secs(30))).expect("a timeout");
        client
    }
}

impl Drop for House {
    fn drop(&mut self) {
        if let Some(pipeline) = self.pipeline.take() {
            pipeline.stop();
        }
    }
}

/// The item of the first sale, whose number is 1 as its sale's.
pub(crate) const TEE: Item = Item { sale: 1, item: 1 };

pub(crate) fn buy<'a>(buyer: &'a str, key: &'a str) -> Request<'a> {
    Request::Buy { item: TEE, buyer, key, units: 1, max_price: None }
}
