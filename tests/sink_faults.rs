//! What goes wrong between a sink and its other side, with the real program, real servers and a
//! proxy between them: the sink says so in a line and in the figures, nobody who buys notices, and
//! afterwards everything is there, and nothing twice.

use super::support::{
    nats, postgres, proxy, receiver, redis, resp, server, shard_house, sinks, small_disk, strace,
    tls,
};

#[path = "sink_faults/certificates.rs"]
mod certificates;
#[path = "sink_faults/cut.rs"]
mod cut;
#[path = "sink_faults/failover.rs"]
mod failover;
#[path = "sink_faults/forked.rs"]
mod forked;
#[path = "sink_faults/full.rs"]
mod full;
#[path = "sink_faults/hang.rs"]
mod hang;
#[path = "sink_faults/poison.rs"]
mod poison;
#[path = "sink_faults/replay.rs"]
mod replay;

use nats::NatsServer;
use postgres::Postgres;
use proxy::Proxy;
use receiver::{Posted, Receiver, TAKEN};
use redis::RedisServer;
use server::{House, Server};
use sinks::{LEVEL, STOPPED, assert_same};

/// The other side of a sink.
enum Side {
    Postgres(Postgres),
    Nats(NatsServer),
    Redis(RedisServer),
    Webhook(Receiver),
}

impl Side {
    fn postgres() -> Option<Side> {
        Postgres::start().map(Side::Postgres)
    }

    fn nats() -> Option<Side> {
        NatsServer::run().map(Side::Nats)
    }

    fn redis() -> Option<Side> {
        RedisServer::run(&[]).map(Side::Redis)
    }

    fn webhook() -> Side {
        Side::Webhook(Receiver::new(|_, _| TAKEN))
    }

    fn word(&self) -> &'static str {
        match self {
            Side::Postgres(_) => "postgres",
            Side::Nats(_) => "nats",
            Side::Redis(_) => "redis",
            Side::Webhook(_) => "webhook",
        }
    }

    /// A proxy before it.
    fn proxy(&self) -> Proxy {
        Proxy::before(self.port())
    }

    /// What makes it another place.
    fn elsewhere(&self) -> &'static str {
        match self {
            Side::Postgres(_) => "schema=elsewhere",
            Side::Nats(_) => "stream=ELSEWHERE prefix=elsewhere",
            Side::Redis(_) => "stream=elsewhere",
            Side::Webhook(_) => "",
        }
    }

    fn port(&self) -> u16 {
        match self {
            Side::Postgres(server) => server.port,
            Side::Nats(server) => server.port(),
            Side::Redis(server) => server.port(),
            Side::Webhook(receiver) => receiver.address.port(),
        }
    }

    /// A sink named `orders` that finds it at this port.
    fn sink(&self, house: &House, port: u16, more: &str) -> String {
        let terms = match self {
            Side::Postgres(_) => {
                format!("url=postgres://shop@127.0.0.1:{port}/postgres?sslmode=disable")
            }
            Side::Nats(_) => format!("url=nats://127.0.0.1:{port} create=true"),
            Side::Redis(_) => format!("url=redis://127.0.0.1:{port}"),
            Side::Webhook(_) => {
                let secret = house.path("secret");
                std::fs::write(&secret, "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("written");
                let secret = secret.display();
                format!("url=http://127.0.0.1:{port}/ allow_private=true secret_file={secret}")
            }
        };
        format!("name=orders type={} {terms} {more}", self.word())
    }

    /// The seqs of which it was told, in the order in which it has them.
    fn told(&self) -> Vec<u64> {
        match self {
            Side::Postgres(server) => {
                let rows = server.ask("SELECT seq FROM doorbuster.changes ORDER BY seq");
                rows.iter().map(|seq| seq.parse().expect("a seq")).collect()
            }
            Side::Nats(server) => {
                let seq = |payload: &[u8]| {
                    let data: serde_json::Value = serde_json::from_slice(payload).expect("JSON");
                    data["seq"].as_u64().expect("a seq")
                };
                server.messages("DOORBUSTER").iter().map(|message| seq(&message.payload)).collect()
            }
            Side::Redis(server) => {
                let all: ::redis::streams::StreamRangeReply =
                    server.ask(&["XRANGE", "doorbuster:orders", "-", "+"]);
                let seq = |id: &str| id.strip_suffix("-0").and_then(|seq| seq.parse().ok());
                all.ids.iter().map(|entry| seq(&entry.id).expect("an id of ours")).collect()
            }
            Side::Webhook(receiver) => receiver.posted().iter().flat_map(Posted::seqs).collect(),
        }
    }

    /// Asserts that it was told of these seqs: once and in order, where that is promised.
    #[track_caller]
    fn has_all(&self, house: &House, sink: &str, seqs: &[u64]) {
        let mut told = self.told();
        if matches!(self, Side::Webhook(_)) {
            told.sort_unstable();
            told.dedup();
        } else {
            assert_same(house, sink);
        }
        assert_eq!(told, seqs, "{}", self.word());
    }
}

const LAG_SEQS: &str = "doorbuster_sink_lag_seqs{sink=\"orders\"}";
const LAG_SECONDS: &str = "doorbuster_sink_lag_seconds{sink=\"orders\"}";
const FAILURES: &str = "doorbuster_sink_failures_total{sink=\"orders\"}";

fn run(house: &House, sink: &str) -> Server {
    house.server().with(&["--sink", sink]).run()
}

/// What a figure is now.
#[track_caller]
fn figure(server: &Server, name: &str) -> f64 {
    let figures = sinks::figures(server);
    let line = figures.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|number| number.trim().parse().ok()).unwrap_or_else(|| panic!("no {name}"))
}

/// Stops the server; the line in which the sink says this of its trouble.
#[track_caller]
fn line_with(server: Server, part: &str) -> String {
    let ended = server.stop();
    let said = &ended.expect_code(0).stderr;
    let is_it = |line: &&str| line.contains("sink orders") && line.contains(part);
    let line = said.lines().find(is_it);
    line.unwrap_or_else(|| panic!("it does not say `{part}`: {said}")).to_owned()
}
