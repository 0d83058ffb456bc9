//! The operator's commands through a whole server in this process, and the room's own promises:
//! whoever asks is answered once, also by a full inbox and by a server that stops.

use std::sync::Arc;
use std::time::Duration;

use crossbeam::channel::bounded;
use crossbeam::sync::Parker;
use doorbuster::bell::Bell;
use doorbuster::client::{Answer, Client, Refusal, Request};
use doorbuster::directory::DirectoryWriter;
use doorbuster::journal::Durability;
use doorbuster::journal::{Gate, Watermark};
use doorbuster::limits::{OPERATOR_INBOX_MAX, OPERATOR_REPLY_RING_CELLS};
use doorbuster::message::{Cell, outcome};
use doorbuster::operator::{
    Busy, Operator, OperatorAnswer, OperatorCommand as Say, OperatorError, OperatorHandle,
    OperatorParts, SaleView, Told,
};
use doorbuster::options::{Layer, Options, Threads};
use doorbuster::pipeline::Pipeline;
use doorbuster::ring::{Reader, Writer, ring};
use doorbuster::sale::{ItemTerms, Name, Phase, Terms};
use tempfile::TempDir;

/// Nothing here takes so long unless something is wrong.
const PATIENCE: Duration = Duration::from_secs(30);

fn options(folder: &TempDir, threads: Threads) -> Options {
    let layer = Layer {
        data: Some(folder.path().join("data")),
        listen: Some(([127, 0, 0, 1], 0).into()),
        durability: Some(Durability::Os),
        orders_max: Some(1000),
        segment_mib: Some(4),
        segments_ahead: Some(1),
        threads: Some(threads),
        ..Layer::default()
    };
    layer.options().expect("good options")
}

fn start(options: &Options) -> Pipeline {
    let started = Pipeline::start(options, Arc::new(|why| panic!("the journal failed: {why}")));
    started.unwrap_or_else(|why| panic!("{why}"))
}

fn name(text: &str) -> Name {
    Name::parse(text.as_bytes()).expect("a good name")
}

fn terms(sale: &str, items: &[&str]) -> Terms {
    let item = |sku: &&str| ItemTerms { sku: name(sku), stock: 5, price: 100, limit: 0 };
    Terms {
        currency: *b"EUR",
        hold_ms: 60_000,
        ..Terms::new(name(sale), items.iter().map(item).collect())
    }
}

fn tell(handle: &OperatorHandle, command: Say) -> Told {
    let (sender, answer) = bounded(1);
    handle.ask(command, move |told| sender.send(told).expect("it waits")).expect("room");
    answer.recv_timeout(PATIENCE).expect("an answer")
}

fn ask(pipeline: &Pipeline, command: Say) -> OperatorAnswer {
    tell(&pipeline.operator(), command).expect("it runs")
}

fn show(pipeline: &Pipeline, sale: &str) -> SaleView {
    let answer = ask(pipeline, Say::Sale { sale: name(sale) });
    answer.view.unwrap_or_else(|| panic!("{}", outcome::word(answer.outcome)))
}

fn buy(client: &mut Client, key: &str) -> Answer {
    let item = client.resolve("drop", "tee").expect("it is sold");
    let request = Request::Buy { item, buyer: key, key, units: 1, max_price: None };
    client.call(&request).expect("an answer")
}

#[test]
fn commands_are_decided_shown_and_remembered() {
    for threads in [Threads::Shared, Threads::Apart] {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let options = options(&folder, threads);
        let pipeline = start(&options);
        let (sale, item) = (name("drop"), name("tee"));
        let created = ask(&pipeline, Say::Create(terms("drop", &["cap", "tee"])));
        assert_eq!((created.outcome, created.seq, created.sale), (outcome::OK, 1, 1));
        let again = ask(&pipeline, Say::Create(terms("drop", &["cap", "tee"])));
        assert_eq!((again.outcome, again.seq, again.replayed), (outcome::OK, 0, true));
        let other = ask(&pipeline, Say::Create(terms("drop", &["tee"])));
        assert_eq!((other.outcome, other.sale), (outcome::KEY_REUSED, 1));
        let mut client = Client::connect(pipeline.address()).expect("it listens");
        assert_eq!(buy(&mut client, "k1"), Answer::Refused(Refusal::NotOpen));
        assert_eq!(ask(&pipeline, Say::Open { sale }).seq, 2);
        assert!(matches!(buy(&mut client, "k1"), Answer::Order(order) if order.seq == 3));
        assert_eq!(ask(&pipeline, Say::Pause { sale }).seq, 4);
        assert_eq!(ask(&pipeline, Say::Pause { sale }).seq, 0);
        assert_eq!(buy(&mut client, "k2"), Answer::Refused(Refusal::Paused));
        assert_eq!(ask(&pipeline, Say::Resume { sale }).seq, 5);
        assert_eq!(ask(&pipeline, Say::Price { sale, item, price: 90 }).seq, 6);
        assert!(matches!(buy(&mut client, "k2"), Answer::Order(order) if order.price == 90));
        let much = ask(&pipeline, Say::Withdraw { sale, item, units: 4 });
        assert_eq!((much.outcome, much.value, much.seq), (outcome::SOLD_OUT, 3, 0));
        assert_eq!(ask(&pipeline, Say::Withdraw { sale, item, units: 3 }).seq, 8);
        assert_eq!(buy(&mut client, "k3"), Answer::Refused(Refusal::SoldOut));
        assert_eq!(ask(&pipeline, Say::Add { sale, item, units: 1 }).seq, 9);
        let nothing = ask(&pipeline, Say::Add { sale, item: name("mug"), units: 1 });
        assert_eq!(nothing.outcome, outcome::UNKNOWN_ITEM);
        let view = show(&pipeline, "drop");
        assert_eq!((view.after, view.name, view.state), (9, sale, Phase::Open));
        assert_eq!((view.hold_ms, view.limit, view.currency), (60_000, 0, *b"EUR"));
        let tee = &view.items[1];
        assert_eq!((tee.name, tee.stock, tee.free, tee.held, tee.price), (item, 3, 1, 2, 90));
        assert_eq!((view.items.len(), view.items[0].free), (2, 5));
        pipeline.stop();

        // A clean stop seals at seq 10; nothing is forgotten.
        let pipeline = start(&options);
        assert_eq!(show(&pipeline, "drop"), SaleView { after: 10, ..view });
        assert_eq!(ask(&pipeline, Say::Remove { sale }).outcome, outcome::NOT_CLOSED);
        assert_eq!(ask(&pipeline, Say::Close { sale }).seq, 11);
        let live = ask(&pipeline, Say::Remove { sale });
        assert_eq!((live.outcome, live.value), (outcome::HOLDS_LIVE, 2));
        let mut client = Client::connect(pipeline.address()).expect("it listens");
        let known = client.resolve("drop", "tee").expect("it is there");
        for order in [3, 7] {
            let confirm = Request::Confirm { sale: known.sale, order, buyer: None };
            assert!(matches!(client.call(&confirm), Ok(Answer::Order(_))));
        }
        assert_eq!(ask(&pipeline, Say::Remove { sale }).seq, 14);
        assert_eq!(ask(&pipeline, Say::Remove { sale }).outcome, outcome::UNKNOWN_SALE);
        assert_eq!(ask(&pipeline, Say::Sale { sale }).outcome, outcome::UNKNOWN_SALE);
        assert!(client.resolve("drop", "tee").is_err(), "its name is gone");
        pipeline.stop();

        let pipeline = start(&options);
        assert_eq!(ask(&pipeline, Say::Sale { sale }).outcome, outcome::UNKNOWN_SALE);
        let anew = ask(&pipeline, Say::Create(terms("drop", &["tee"])));
        assert_eq!((anew.outcome, anew.sale, anew.replayed), (outcome::OK, 2, false));
        let mut client = Client::connect(pipeline.address()).expect("it listens");
        assert_eq!(client.resolve("drop", "tee").map(|item| item.sale).ok(), Some(2));
        pipeline.stop();
        let pipeline = start(&options);
        assert_eq!(show(&pipeline, "drop").items.len(), 1);
        pipeline.stop();
        is_logged_and_proven(&options);
    }
}

/// What the program says of a data folder, a JSON value a line.
fn program(command: &str, options: &Options) -> Vec<serde_json::Value> {
    let mut program = std::process::Command::new(env!("CARGO_BIN_EXE_doorbuster"));
    let output = program.arg(command).arg(&options.data).arg("--json").output();
    let output = output.expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("JSON");
    text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect()
}

fn is_logged_and_proven(options: &Options) {
    let log = program("log", options);
    let kinds: Vec<&str> = log.iter().filter_map(|record| record["kind"].as_str()).collect();
    let wanted = "create open hold pause resume price hold withdraw add seal \
        close confirm confirm remove seal create seal seal";
    assert_eq!(kinds.join(" "), wanted);
    let field = |seq: usize, name: &str| &log[seq - 1][name];
    assert_eq!((field(6, "item"), field(6, "price")), (&"tee".into(), &90.into()));
    assert_eq!((field(8, "item"), field(8, "units")), (&"tee".into(), &3.into()));
    assert_eq!((field(9, "sale"), field(9, "units")), (&"drop".into(), &1.into()));
    let audit = &program("audit", options)[0];
    assert_eq!(audit["verdict"], "pass");
    let states = [&audit["sales"][0]["state"], &audit["sales"][1]["state"]];
    assert_eq!(states, ["removed", "scheduled"]);
    // Of a removed sale nothing is kept but in the journal.
    assert_eq!(audit["sales"][0]["items"], serde_json::json!([]));
}

#[test]
fn many_sales_are_created_at_once_and_terms_that_cannot_be_are_said_to_be_so() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let pipeline = start(&options(&folder, Threads::Apart));
    let handle = pipeline.operator();
    let (sender, answers) = bounded(300);
    for number in 0..300 {
        let mut command = Say::Create(terms(&format!("sale-{number}"), &["tee"]));
        loop {
            let sender = sender.clone();
            let told = handle.ask(command, move |told| {
                sender.send((number, told)).expect("it waits");
            });
            if told == Ok(()) {
                break;
            }
            command = Say::Create(terms(&format!("sale-{number}"), &["tee"]));
            std::thread::yield_now();
        }
    }
    for wanted in 0..300 {
        let (number, told) = answers.recv_timeout(PATIENCE).expect("an answer");
        assert_eq!(number, wanted, "in the order in which they were asked");
        assert_eq!(told.expect("it runs").sale, wanted + 1);
        assert_eq!(handle_view(&handle, wanted).name, name(&format!("sale-{wanted}")));
    }
    let bad = Terms { items: Vec::new(), ..terms("none", &["tee"]) };
    let told = tell(&handle, Say::Create(bad));
    assert!(matches!(&told, Err(OperatorError::Terms(why)) if why.contains("items")), "{told:?}");
    pipeline.stop();
    let late = tell(&handle, Say::Open { sale: name("sale-1") });
    assert_eq!(late, Err(OperatorError::Stopping));
}

fn handle_view(handle: &OperatorHandle, number: u16) -> SaleView {
    let told = tell(handle, Say::Sale { sale: name(&format!("sale-{number}")) });
    told.expect("it runs").view.expect("whoever hears of a sale finds it there")
}

/// A room whose matcher never answers.
fn lonely() -> (Operator, OperatorHandle, Reader<Cell>, Writer<Cell>) {
    let (requests, requests_reader) = ring(8192, Cell::ZERO);
    let (replies_writer, replies) = ring(OPERATOR_REPLY_RING_CELLS, Cell::ZERO);
    let parker = Parker::new();
    let unparker = parker.unparker().clone();
    let (operator, handle) = Operator::new(OperatorParts {
        requests,
        replies,
        gate: Gate::new(Watermark::default()),
        matcher_bell: Arc::new(Bell::new(|| {})),
        directory: DirectoryWriter::default(),
        clock: || 1,
        bell: Arc::new(Bell::new(move || unparker.unpark())),
    });
    (operator, handle, requests_reader, replies_writer)
}

#[test]
fn a_full_inbox_says_so_and_a_stop_answers_everyone_once() {
    let (mut operator, handle, _requests, _replies) = lonely();
    let (sender, answers) = bounded(2 * OPERATOR_INBOX_MAX);
    let ask = |sale: &str| {
        let sender = sender.clone();
        handle.ask(Say::Open { sale: name(sale) }, move |told| sender.send(told).expect("room"))
    };
    for _ in 0..OPERATOR_INBOX_MAX {
        assert_eq!(ask("drop"), Ok(()));
    }
    assert_eq!(ask("drop"), Err(Busy));
    assert!(answers.is_empty(), "busy is all that is said");
    // One goes, the next about the same sale waits for its answer, and there is room behind.
    assert_eq!(operator.work(), 1);
    assert_eq!(operator.work(), 0);
    assert_eq!((ask("drop"), ask("drop"), ask("drop")), (Ok(()), Ok(()), Err(Busy)));
    operator.drain();
    assert_eq!(answers.len(), OPERATOR_INBOX_MAX + 1);
    assert!(!operator.is_drained(), "one is on its way");
    assert_eq!(ask("drop"), Ok(()));
    drop(operator);
    assert_eq!(ask("drop"), Ok(()));
    assert_eq!(answers.len(), OPERATOR_INBOX_MAX + 4);
    assert!(answers.try_iter().all(|told| told == Err(OperatorError::Stopping)));
}
