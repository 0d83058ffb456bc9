//! What is put aside: no more than may be, whatever is wrong, and tried with pauses while the
//! receiver is down.

use super::*;

#[test]
fn no_more_is_put_aside_than_may_be_whatever_the_receiver_says() {
    for status in [400, 500] {
        let receiver = Receiver::new(all_but(1, Reply::Status(status, &[])));
        let home = Home::new(&receiver.url());
        let line = |number: usize| {
            let message = format!("{{\"id\":\"o{number}\",\"is_batch\":false,\"body\":\"{{}}\"}}");
            let times = format!("\"first\":1,\"last\":1,\"next\":{}", u64::MAX);
            format!("{{\"message\":{message},\"why\":\"400\",\"attempts\":9,{times}}}\n")
        };
        std::fs::write(home.path("hook.later"), (0..10_000).map(line).collect::<String>())
            .expect("written");
        let mut sink = home.begun();
        for _ in 0..12 {
            again(sink.deliver(&changes(1..=4), 4));
            sink.begin(&checkpoint()).expect("it begins again");
        }
        assert_eq!(home.counters.postponed.value(), 10_000, "{status}");
        assert_eq!(seqs(&receiver.posted()), [1; 12], "nothing goes on behind it");
    }
}

#[test]
fn what_is_aside_is_tried_with_pauses_while_the_receiver_is_down() {
    static NOW: AtomicU64 = AtomicU64::new(1_000_000_000_000);
    let status = Arc::new(AtomicUsize::new(422));
    let shown = Arc::clone(&status);
    let judge = move |_: &Posted, _| match shown.load(Ordering::SeqCst) {
        200 => TAKEN,
        status => Reply::Status(status as u16, &[]),
    };
    let receiver = Receiver::new(judge);
    let mut home = Home::new(&receiver.url());
    home.clock = || NOW.load(Ordering::SeqCst);
    let mut sink = home.begun();
    sink.deliver(&changes(1..=9), 9).expect("it goes on");
    status.store(500, Ordering::SeqCst);
    let mut ticks = |seconds: u64, rounds: usize| {
        NOW.fetch_add(seconds * 1_000_000_000, Ordering::SeqCst);
        let before = receiver.count();
        for _ in 0..rounds {
            sink.tick().expect("new ones are not kept waiting");
        }
        receiver.count() - before
    };
    assert_eq!(ticks(5, 20), 1);
    assert_eq!(ticks(1, 20), 1);
    assert_eq!(home.counters.failures.value(), 2);
    assert_eq!(ticks(1, 20), 0);
    assert_eq!(ticks(1, 20), 1);
    // It is back.
    status.store(200, Ordering::SeqCst);
    assert_eq!(ticks(30, 20), 9);
    assert_eq!((home.counters.postponed.value(), home.lines("hook.later").len()), (0, 0));
}
