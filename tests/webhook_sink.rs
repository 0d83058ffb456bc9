//! A webhook sink alone, with a receiver that answers as each test wants: what is posted again
//! after trouble and what is not, what is put aside, and how that is said.

mod aside;
mod certificates;

use super::support::{receiver, tls};

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use doorbuster::metrics::SinkCounters;
use doorbuster::sale::{Name, State};
use doorbuster::sink::{
    Change, Checkpoint, Kind, Place, Secret, Sink, Trouble, Wanted, WebhookSink, WebhookTerms,
};
use receiver::{Posted, Receiver, Reply, TAKEN};
use tempfile::TempDir;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// Where a sink lives, and its terms.
struct Home {
    folder: TempDir,
    counters: Arc<SinkCounters>,
    terms: WebhookTerms,
    clock: fn() -> u64,
}

impl Home {
    fn new(url: &str) -> Home {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let secret = folder.path().join("secret");
        std::fs::write(&secret, SECRET).expect("written");
        let terms = WebhookTerms {
            url: url.to_owned(),
            secret: Secret::File(secret),
            token: None,
            in_flight: 1,
            batch_max: 1,
            rate_per_second: 0,
            timeout: Duration::from_secs(20),
            patience: Duration::from_secs(72 * 3600),
            dead_letters: None,
            is_private_allowed: true,
            ca_file: None,
        };
        Home { folder, counters: Arc::default(), terms, clock: doorbuster::clock::unix }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A sink as it is after a start.
    fn sink(&self) -> WebhookSink {
        let (folder, counters, clock) = (self.folder.path(), &self.counters, self.clock);
        let wanted = &Wanted::default();
        let place = Place { name: "hook", folder, wanted, counters, clock };
        WebhookSink::new(self.terms.clone(), &place)
    }

    /// One that has begun.
    fn begun(&self) -> WebhookSink {
        let mut sink = self.sink();
        sink.begin(&checkpoint()).expect("it begins");
        sink
    }

    fn lines(&self, name: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.path(name)).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }
}

fn checkpoint() -> Checkpoint {
    Checkpoint { journal: "ab12".to_owned(), ..Checkpoint::default() }
}

/// Changes with these seqs, each of an order of its own.
fn changes(seqs: impl IntoIterator<Item = u64>) -> Vec<Change> {
    let change = |seq| Change {
        seq,
        time: 1_790_000_000_000_000_000,
        kind: Kind::Now(State::Cancelled),
        sale: Name::parse(b"drop").expect("a name"),
        currency: None,
        order: seq,
        facts: None,
    };
    seqs.into_iter().map(change).collect()
}

fn seqs(posted: &[Posted]) -> Vec<u64> {
    posted.iter().flat_map(Posted::seqs).collect()
}

/// Answers a message with this seq so, and takes all others.
fn all_but(seq: u64, reply: Reply) -> impl Fn(&Posted, usize) -> Reply + Send + Sync {
    move |posted, _| if posted.seqs().contains(&seq) { reply.clone() } else { TAKEN }
}

/// Why it must wait.
#[track_caller]
fn again(result: Result<String, Trouble>) -> String {
    let Err(Trouble::Again(why)) = result else { panic!("{result:?}") };
    why
}

#[test]
fn what_was_taken_before_trouble_is_not_posted_again() {
    let judge = |_: &Posted, before| if before == 3 { Reply::Status(500, &[]) } else { TAKEN };
    let receiver = Receiver::new(judge);
    let home = Home::new(&receiver.url());
    let mut sink = home.begun();
    let why = again(sink.deliver(&changes(1..=6), 6));
    assert!(why.ends_with(": 500") && why.contains("http://127.0.0.1:"), "{why}");
    assert!(!why.contains("hooks"), "the path may be a secret: {why}");
    let standing = sink.begin(&checkpoint()).expect("it begins again");
    assert_eq!(standing.seq, 3);
    sink.deliver(&changes(1..=7), 7).expect("taken");
    assert_eq!(seqs(&receiver.posted()), [1, 2, 3, 4, 4, 5, 6, 7]);
    // Told again, it is the same message.
    sink.repeat(&changes(2..=3)).expect("taken");
    sink.repeat(&changes(3..=4)).expect("taken");
    let posted = receiver.posted();
    assert_eq!(seqs(&posted[8..]), [2, 3, 3, 4]);
    assert_eq!(posted[8].body, posted[1].body);
    assert_eq!(posted[8].header("webhook-id"), "ab12-2");
    assert_eq!(posted[1].header("webhook-id"), "ab12-2");
}

#[test]
fn trouble_in_one_lane_repeats_nothing_of_another() {
    let failures = AtomicUsize::new(0);
    let receiver = Receiver::new(move |posted, _| {
        let is_it = posted.seqs().iter().any(|seq| seq % 10 == 3);
        if is_it && failures.fetch_add(1, Ordering::SeqCst) < 4 {
            return Reply::Cut;
        }
        TAKEN
    });
    let mut home = Home::new(&receiver.url());
    home.terms.in_flight = 8;
    let mut sink = home.begun();
    let all = changes(1..=200);
    let mut rounds = 0;
    while let Err(trouble) = sink.deliver(&all, 200) {
        assert!(matches!(&trouble, Trouble::Again(_)), "{trouble:?}");
        sink.begin(&checkpoint()).expect("it begins again");
        rounds += 1;
    }
    let posted = seqs(&receiver.posted());
    let different: BTreeSet<u64> = posted.iter().copied().collect();
    assert_eq!((different.len(), posted.len()), (200, 204));
    assert!((1..=4).contains(&rounds), "{rounds}");
}

#[test]
fn what_the_receiver_does_not_want_is_put_aside_and_blocks_nothing() {
    static NOW: AtomicU64 = AtomicU64::new(1_000_000_000_000);
    let refusals = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refusals);
    let receiver = Receiver::new(move |posted, _| {
        if posted.seqs() != [2] || count.fetch_add(1, Ordering::SeqCst) > 1 {
            return TAKEN;
        }
        Reply::Says(422, "no such order")
    });
    let mut home = Home::new(&receiver.url());
    home.clock = || NOW.load(Ordering::SeqCst);
    let mut sink = home.begun();
    sink.deliver(&changes(1..=4), 4).expect("it goes on");
    assert_eq!(seqs(&receiver.posted()), [1, 2, 3, 4]);
    assert_eq!((home.counters.postponed.value(), home.lines("hook.later").len()), (1, 1));
    assert!(home.lines("hook.later")[0].contains("422: no such order"));
    assert_eq!(sink.tick(), Ok(0));
    let later = |sink: &mut WebhookSink, seconds: u64| {
        NOW.fetch_add(seconds * 1_000_000_000, Ordering::SeqCst);
        sink.tick()
    };
    assert_eq!(later(&mut sink, 4), Ok(0));
    assert_eq!(later(&mut sink, 1), Ok(1));
    // Killed: it is still there, and taken the next time.
    let mut sink = home.begun();
    assert_eq!(later(&mut sink, 299), Ok(0));
    assert_eq!(later(&mut sink, 1), Ok(1));
    assert_eq!(later(&mut sink, 100_000), Ok(0));
    assert_eq!(seqs(&receiver.posted()), [1, 2, 3, 4, 2, 2]);
    assert_eq!((home.counters.postponed.value(), home.lines("hook.later").len()), (0, 0));
    assert_eq!((home.counters.dead.value(), home.lines("hook.dead.ndjson").len()), (0, 0));
}

#[test]
fn what_is_given_up_is_written_down() {
    let receiver = Receiver::new(all_but(2, Reply::Says(400, "bad\ttoken s3cret!")));
    let mut home = Home::new(&receiver.url());
    home.terms.patience = Duration::ZERO;
    home.terms.dead_letters = Some(home.path("dead"));
    home.terms.token = Some(Secret::File(home.path("token")));
    std::fs::write(home.path("token"), "s3cret!\n").expect("written");
    let mut sink = home.begun();
    sink.deliver(&changes(1..=3), 3).expect("it goes on");
    assert_eq!(receiver.posted()[0].header("authorization"), "Bearer s3cret!");
    let letters = home.lines("dead");
    assert_eq!((home.counters.dead.value(), letters.len()), (1, 1));
    let letter: serde_json::Value = serde_json::from_str(&letters[0]).expect("JSON");
    // What it said has our token in it, and is not kept.
    assert_eq!((&letter["why"], &letter["event"]["data"]["seq"]), (&"400".into(), &2.into()));
}

#[test]
fn of_a_list_that_is_refused_only_what_is_not_wanted_is_put_aside() {
    let receiver = Receiver::new(all_but(3, Reply::Status(400, &[])));
    let mut home = Home::new(&receiver.url());
    home.terms.batch_max = 4;
    let mut sink = home.begun();
    sink.deliver(&changes(1..=6), 6).expect("it goes on");
    let posted: Vec<Vec<u64>> = receiver.posted().iter().map(Posted::seqs).collect();
    let expected: [&[u64]; 6] = [&[1, 2, 3, 4], &[1], &[2], &[3], &[4], &[5, 6]];
    assert_eq!(posted, expected);
    assert_eq!(home.counters.postponed.value(), 1);
    let types: BTreeSet<String> =
        receiver.posted().iter().map(|posted| posted.header("content-type").to_owned()).collect();
    assert_eq!(Vec::from_iter(types), ["application/cloudevents-batch+json"]);
}

#[test]
fn a_message_on_which_the_receiver_breaks_does_not_block_the_others_for_ever() {
    let receiver = Receiver::new(all_but(2, Reply::Status(500, &[])));
    let home = Home::new(&receiver.url());
    let mut sink = home.begun();
    let mut failures = 0;
    while let Err(trouble) = sink.deliver(&changes(1..=4), 4) {
        assert!(matches!(&trouble, Trouble::Again(_)), "{trouble:?}");
        failures += 1;
        assert!(failures < 100, "it blocks");
    }
    assert_eq!(failures, 5);
    assert_eq!(seqs(&receiver.posted()), [1, 2, 2, 2, 2, 2, 2, 3, 4]);
    assert_eq!(home.counters.postponed.value(), 1);
    // Where it breaks on all, none is to blame.
    let receiver = Receiver::new(|_, _| Reply::Status(500, &[]));
    let home = Home::new(&receiver.url());
    let mut sink = home.begun();
    for _ in 0..20 {
        again(sink.deliver(&changes(1..=4), 4));
    }
    assert_eq!(home.counters.postponed.value(), 0);
}

#[test]
fn each_answer_means_what_it_should() {
    for (status, headers, expected) in [
        (408, &[][..], "again"),
        (425, &[], "again"),
        (429, &[], "again"),
        (429, &["retry-after: 7"], "after 7"),
        (500, &["retry-after: 7"], "again"),
        (503, &["retry-after: 9"], "after 9"),
        (503, &["retry-after: soon"], "again"),
        (599, &[], "again"),
        (410, &[], "stop"),
        (301, &["location: http://127.0.0.1:1/"], "aside 301: a redirect, which is not followed"),
        (307, &["location: /other"], "aside 307: a redirect, which is not followed"),
        (401, &[], "aside 401"),
        (404, &[], "aside 404"),
        (200, &[], "taken"),
        (202, &[], "taken"),
    ] {
        let receiver = Receiver::new(move |_, _| Reply::Status(status, headers));
        let home = Home::new(&receiver.url());
        let found = match home.begun().deliver(&changes([1]), 1) {
            Err(Trouble::Again(_)) => "again".to_owned(),
            Err(Trouble::After(_, wait)) => format!("after {}", wait.as_secs()),
            Err(Trouble::Stop(why)) => {
                assert!(why.contains("410: the receiver wants no more of this"), "{why}");
                "stop".to_owned()
            }
            Ok(_) => match home.lines("hook.later").first() {
                None => "taken".to_owned(),
                Some(line) => {
                    let line: serde_json::Value = serde_json::from_str(line).expect("JSON");
                    format!("aside {}", line["why"].as_str().expect("a sentence"))
                }
            },
        };
        assert_eq!(found, expected, "{status} {headers:?}");
        assert_eq!(receiver.count(), 1, "{status}: nothing is followed");
    }
}

#[test]
fn who_does_not_answer_in_time_is_asked_again() {
    let receiver = Receiver::new(|_, before| if before == 0 { Reply::Silence } else { TAKEN });
    let mut home = Home::new(&receiver.url());
    home.terms.timeout = Duration::from_millis(100);
    let mut sink = home.begun();
    assert!(again(sink.deliver(&changes([1]), 1)).contains("no answer in time"));
    receiver.until(1);
    // The second has all the time it wants.
    home.terms.timeout = Duration::from_secs(20);
    home.begun().deliver(&changes([1]), 1).expect("taken");
    assert_eq!(seqs(&receiver.posted()), [1, 1]);
}

#[test]
fn nobody_listening_or_a_connection_that_is_cut_is_trouble_that_passes() {
    let receiver = Receiver::new(|_, before| if before == 0 { Reply::Cut } else { TAKEN });
    let home = Home::new(&receiver.url());
    let mut sink = home.begun();
    again(sink.deliver(&changes([1]), 1));
    sink.deliver(&changes([1]), 1).expect("taken");
    let home = Home::new("http://127.0.0.1:1/");
    let mut sink = home.begun();
    assert!(again(sink.deliver(&changes([1]), 1)).contains("127.0.0.1:1: "));
}

#[test]
fn an_address_inside_is_not_spoken_to_unless_that_is_allowed() {
    let receiver = Receiver::new(|_, _| TAKEN);
    let mut home = Home::new(&format!("http://localhost:{}/", receiver.address.port()));
    home.terms.is_private_allowed = false;
    let why = again(home.begun().deliver(&changes([1]), 1));
    assert!(why.contains("is not public, and allow_private is false"), "{why}");
    assert_eq!(receiver.count(), 0);
    home.terms.is_private_allowed = true;
    home.begun().deliver(&changes([1]), 1).expect("taken");
}

#[test]
fn secrets_are_read_again_and_a_bad_one_changes_nothing_while_it_runs() {
    let receiver = Receiver::new(|_, _| TAKEN);
    let home = Home::new(&receiver.url());
    let mut sink = home.begun();
    let mut number = 0;
    let mut signatures = |sink: &mut WebhookSink| {
        number += 1;
        sink.deliver(&changes([number]), number).expect("taken");
        let posted = receiver.posted().pop().expect("one");
        posted.header("webhook-signature").split(' ').count()
    };
    assert_eq!(signatures(&mut sink), 1);
    let other = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    std::fs::write(home.path("secret"), format!("{SECRET}\n{other}\n")).expect("written");
    std::thread::sleep(Duration::from_millis(1010));
    assert_eq!(signatures(&mut sink), 2);
    std::fs::write(home.path("secret"), "nonsense").expect("written");
    std::thread::sleep(Duration::from_millis(1010));
    assert_eq!(signatures(&mut sink), 2);
    let why = home.sink().begin(&checkpoint()).expect_err("nonsense");
    assert!(matches!(&why, Trouble::Stop(why) if why.contains("whsec_") && why.contains("secret")));
    assert!(!why.sentence().contains("nonsense"));
    std::fs::remove_file(home.path("secret")).expect("it was there");
    let why = home.sink().begin(&checkpoint()).expect_err("nothing there");
    assert!(matches!(why, Trouble::Again(_)), "{why:?}");
}

#[test]
fn the_receiver_is_not_asked_more_often_than_it_bears() {
    let receiver = Receiver::new(|_, _| TAKEN);
    let mut home = Home::new(&receiver.url());
    (home.terms.rate_per_second, home.terms.in_flight) = (50, 8);
    let mut sink = home.begun();
    let begun = std::time::Instant::now();
    sink.deliver(&changes(1..=16), 16).expect("taken");
    assert!(begun.elapsed() >= Duration::from_millis(300), "{:?}", begun.elapsed());
    // A round is made shorter where the receiver is slow.
    sink.deliver(&changes(17..=46), 46).expect("taken");
    assert!(sink.changes_max() < 256, "{}", sink.changes_max());
}
