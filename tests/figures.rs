//! What a server counts while it really works: every figure that an operator would look at moves,
//! and those that tell the same story agree.

use std::sync::Arc;
use std::time::{Duration, Instant};

use doorbuster::client::{Client, Request};
use doorbuster::journal::Durability;
use doorbuster::metrics::Metrics;
use doorbuster::options::{Layer, Threads};
use doorbuster::pipeline::Pipeline;

const ORDERS: usize = 300;
const PATIENCE: Duration = Duration::from_secs(60);
const SALE: &str = "name = \"drop\"\nhold_ms = 600000\n\
    [[items]]\nsku = \"tee\"\nstock = 200\nprice = 100\n";

/// The value of the line that begins with `name` and a space.
fn value(text: &str, name: &str) -> f64 {
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("{name} is not in\n{text}")).parse().expect("a number")
}

/// Waits until `name` is `wanted`: the counters follow the answers within a round.
fn wait_for(metrics: &Metrics, name: &str, wanted: f64) -> String {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let text = metrics.render();
        let now = value(&text, name);
        if now == wanted {
            return text;
        }
        assert!(Instant::now() < deadline, "{name} stays {now} and not {wanted}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn every_figure_of_a_server_at_work_moves_and_they_agree() {
    for threads in [Threads::Shared, Threads::Apart] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let sale = folder.path().join("drop.toml");
        std::fs::write(&sale, SALE).expect("written");
        let layer = Layer {
            data: Some(folder.path().join("data")),
            listen: Some(([127, 0, 0, 1], 0).into()),
            durability: Some(Durability::Fsync),
            threads: Some(threads),
            orders_max: Some(1_000),
            segment_mib: Some(4),
            segments_ahead: Some(1),
            sale: Some(vec![sale]),
            ..Layer::default()
        };
        let options = layer.options().expect("good options");
        let fails = Arc::new(|why| panic!("the journal failed: {why}"));
        let pipeline = Pipeline::start(&options, fails).expect("it starts");
        let metrics = pipeline.metrics().clone();
        let mut client = Client::connect(pipeline.address()).expect("it listens");
        let item = client.resolve("drop", "tee").expect("it is sold");
        for number in 0..ORDERS {
            let key = format!("{number}");
            let request = Request::Buy { item, buyer: &key, key: &key, units: 1, max_price: None };
            client.send(&request).expect("it is sent");
        }
        for _ in 0..ORDERS {
            client.receive().expect("it is answered");
        }
        let all = ORDERS as f64;
        let stage = |stage: &str| format!("doorbuster_stage_seconds_count{{stage=\"{stage}\"}}");
        let text = wait_for(&metrics, &stage("answered"), all);
        let told = |outcome: &str| {
            let labels = format!("{{protocol=\"binary\",outcome=\"{outcome}\"}}");
            value(&text, &format!("doorbuster_requests_total{labels}"))
        };
        assert_eq!((told("held"), told("sold_out")), (200.0, 100.0));
        // The operator's create and open are decided and durable too. A room counts a round at its
        // end, when its work may have been answered already.
        for (name, wanted) in [
            (&*stage("ring"), all),
            (&stage("written"), all),
            (&stage("matched"), all + 2.0),
            (&stage("durable"), 202.0),
            ("doorbuster_batch_records_sum", 202.0),
            ("doorbuster_holds", 200.0),
            ("doorbuster_orders", 200.0),
            ("doorbuster_buyers", 200.0),
            ("doorbuster_orders_max", 1_000.0),
            ("doorbuster_journal_seq_decided", 202.0),
            ("doorbuster_journal_seq_durable", 202.0),
            ("doorbuster_connections", 1.0),
            ("doorbuster_journal_disk_full", 0.0),
            ("doorbuster_queue_cells", 0.0),
            ("doorbuster_queue_age_seconds", 0.0),
        ] {
            wait_for(&metrics, name, wanted);
        }
        let text = metrics.render();
        for name in [
            "doorbuster_sync_seconds_sum",
            "doorbuster_batch_bytes_sum",
            "doorbuster_journal_room_bytes",
            "doorbuster_received_bytes_total",
            "doorbuster_sent_bytes_total",
            "doorbuster_uptime_seconds",
        ] {
            assert!(value(&text, name) > 0.0, "{name}");
        }
        for (name, counters) in metrics.threads.all() {
            let deadline = Instant::now() + PATIENCE;
            while counters.busy_ns.value() == 0 {
                assert!(Instant::now() < deadline, "{name} was never busy");
                std::thread::sleep(Duration::from_millis(2));
            }
        }
        assert!(metrics.info().contains("orders_given:200"));
        drop(client);
        pipeline.stop();
    }
}
