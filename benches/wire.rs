//! What understanding a request and writing an answer cost, without sockets and rings.

use std::hint::black_box;

use bytemuck::Zeroable;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use doorbuster::message::{Cell, Head, NO_MAX_PRICE, Receipt, Reply, kind, outcome};
use doorbuster::sale::{Ident, Name};
use doorbuster::wire::answers;
use doorbuster::wire::answers::Shown;
use doorbuster::wire::binary::{self, What};
use doorbuster::wire::commands::{self, Ask, Command};
use doorbuster::wire::http::answers::Teller;
use doorbuster::wire::http::{self, Manner, Meaning, Read, Scratch};
use doorbuster::wire::resp::{self, Args};

const REQUESTS: u64 = 1024;

fn resp_buys() -> Vec<u8> {
    let mut stream = Vec::new();
    for number in 0..REQUESTS {
        let (buyer, key) = (format!("buyer-{number}"), format!("{}", 900_000_000 + number));
        stream.extend_from_slice(
            format!(
                "*5\r\n$3\r\nBUY\r\n$4\r\ndrop\r\n$3\r\ntee\r\n${}\r\n{buyer}\r\n${}\r\n{key}\r\n",
                buyer.len(),
                key.len()
            )
            .as_bytes(),
        );
    }
    stream
}

/// As a load generator or a client library sends them.
fn http_buys() -> Vec<u8> {
    let mut stream = Vec::new();
    for number in 0..REQUESTS {
        let body = format!("{{\"item\":\"tee\",\"units\":1,\"buyer\":\"buyer-{number}\"}}");
        stream.extend_from_slice(
            format!(
                "POST /v1/sales/drop/orders HTTP/1.1\r\nHost: 127.0.0.1:7400\r\n\
                 User-Agent: shop/1.0\r\nAccept: */*\r\nContent-Type: application/json\r\n\
                 Idempotency-Key: {}\r\nContent-Length: {}\r\n\r\n{body}",
                900_000_000 + number,
                body.len()
            )
            .as_bytes(),
        );
    }
    stream
}

fn binary_buys() -> Vec<u8> {
    let mut stream = Vec::new();
    for number in 0..REQUESTS {
        let mut head = Head::new(kind::BUY);
        (head.sale, head.item, head.units) = (1.into(), 1.into(), 1.into());
        head.price = NO_MAX_PRICE.into();
        head.set_buyer(Ident::parse(format!("buyer-{number}").as_bytes()).expect("good"));
        head.set_key(Ident::parse(format!("{number}").as_bytes()).expect("good"));
        stream.extend_from_slice(&Cell::from(head).0);
    }
    stream
}

fn parsing(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("parse");
    group.throughput(Throughput::Elements(REQUESTS));
    let stream = resp_buys();
    let mut args = Args::new();
    group.bench_function("resp BUY", |bencher| {
        bencher.iter(|| {
            let (mut at, mut units) = (0, 0);
            while let Some(bytes) =
                resp::parse(&black_box(&stream)[at..], &mut args).expect("well formed")
            {
                let mut ask = Ask::new(0);
                match commands::read(&args.of(&stream[at..at + bytes]), &mut ask) {
                    Command::Ask => units += u64::from(black_box(ask.head).units.to_native()),
                    _ => panic!("it is a BUY"),
                }
                at += bytes;
            }
            assert_eq!(units, REQUESTS);
        });
    });
    let stream = http_buys();
    let mut scratch = Scratch::new();
    group.bench_function("http POST", |bencher| {
        bencher.iter(|| {
            let (mut at, mut units) = (0, 0);
            while let Read::Whole(request) = http::read(&black_box(&stream)[at..], &mut scratch) {
                match request.meaning {
                    Meaning::Ask(ask) => units += u64::from(black_box(ask.head).units.to_native()),
                    _ => panic!("it is an order"),
                }
                at += request.bytes;
            }
            assert_eq!(units, REQUESTS);
        });
    });
    let stream = binary_buys();
    group.bench_function("binary BUY", |bencher| {
        bencher.iter(|| {
            let (mut at, mut asks) = (0, 0);
            while let Some(frame) = binary::parse(&black_box(&stream)[at..]) {
                asks += u64::from(frame.what == What::Ask);
                black_box(&frame.head);
                at += frame.bytes;
            }
            assert_eq!(asks, REQUESTS);
        });
    });
    group.finish();
}

fn formatting(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("answer");
    group.throughput(Throughput::Elements(REQUESTS));
    let held = Reply {
        kind: kind::REPLY,
        outcome: outcome::HELD,
        order: 123_456_789.into(),
        seq: 123_456_789.into(),
        units: 1.into(),
        price: 2500.into(),
        expires_in_ms: 120_000.into(),
        ..Reply::zeroed()
    };
    let sold_out = Reply { outcome: outcome::SOLD_OUT, ..Reply::zeroed() };
    let held_text = b"*6\r\n$4\r\nheld\r\n:123456789\r\n:123456789\r\n:1\r\n:2500\r\n:120000\r\n";
    let mut out = Vec::with_capacity(1 << 20);
    for (name, reply, text) in [
        ("resp held", held, &held_text[..]),
        ("resp sold_out", sold_out, b"*1\r\n$8\r\nsold_out\r\n"),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                for _ in 0..REQUESTS {
                    answers::buy(black_box(&reply), &mut out);
                }
                assert_eq!(out.len() as u64, text.len() as u64 * REQUESTS);
            });
            assert_eq!(&out[..text.len()], text);
        });
    }
    let mut order = Head::new(kind::BUY);
    (order.units, order.price, order.item) = (1.into(), 2500.into(), 1.into());
    let items = [Name::parse(b"tee").expect("a name")];
    order.set_buyer(Ident::parse(b"buyer-77").expect("good"));
    order.set_key(Ident::parse(b"900000077").expect("good"));
    let tails = [Cell::from(order)];
    let receipt = Some(Receipt { seq: 123_456_789, chain: [0xab; 16] });
    let mut teller = Teller::new(1);
    teller.refresh(0, || 0);
    group.bench_function("http held", |bencher| {
        bencher.iter(|| {
            out.clear();
            for _ in 0..REQUESTS {
                let (reply, tails, items) = (black_box(&held), &tails, &items);
                let shown = Shown { reply, receipt, tails, sale: "drop", items };
                teller.order(&shown, Manner::CREATE, &mut out);
            }
            assert!(out.starts_with(b"HTTP/1.1 201 Created\r\n") && out.ends_with(b"ab\"}"));
        });
    });
    let cell = Cell::from(held);
    group.bench_function("binary held", |bencher| {
        bencher.iter(|| {
            out.clear();
            for tag in 0..REQUESTS as u32 {
                binary::answer(black_box(cell), tag, receipt.as_ref(), &mut out);
            }
            assert_eq!(out.len(), 64 * REQUESTS as usize);
        });
    });
    group.finish();
}

criterion_group!(benches, parsing, formatting);
criterion_main!(benches);
