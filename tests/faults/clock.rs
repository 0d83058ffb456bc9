//! The wall clock steps while a server sells: forward it is followed, back it is not, and neither
//! a hold nor the journal is hurt.

use std::time::{Duration, Instant};

use doorbuster::clock;

use super::faketime::WallClock;
use super::resp::Resp;
use super::server::{House, Server};
use super::wait_until;

const HOUR: i64 = 3600;
const DAY: i64 = 24 * HOUR;
const HOLD_MS: u64 = 1_500;

/// One that sells all the time, one that opens in an hour and closes in two, by the true clock.
fn sales() -> [String; 2] {
    let at = |seconds: i64| clock::iso(clock::unix() + seconds as u64 * 1_000_000_000);
    [
        format!(
            "name = \"drop\"\nhold_ms = {HOLD_MS}\nlimit = 2\n\
             items = [{{ sku = \"tee\", stock = 50, price = 2500 }},\
             {{ sku = \"cap\", stock = 1, price = 900 }}]\n"
        ),
        format!(
            "name = \"planned\"\nopens_at = {}\ncloses_at = {}\nhold_ms = {}\n\
             items = [{{ sku = \"pin\", stock = 5, price = 100 }}]\n",
            at(HOUR),
            at(2 * HOUR),
            3 * HOUR * 1_000
        ),
    ]
}

fn resp(server: &Server) -> Resp {
    Resp::over(server.connect())
}

/// Whether it may be bought in the planned sale, and if not, why not.
fn planned(resp: &mut Resp, key: &str) -> String {
    resp.ask(&["BUY", "planned", "pin", key, key]).word().to_owned()
}

/// Holds the only cap, and waits until the hold is over: it lasts as long as it should.
fn hold_to_its_end(resp: &mut Resp, key: &str, meanwhile: impl FnOnce()) {
    wait_until("the cap is there", || resp.ask(&["STOCK", "drop", "cap"]).number(1) == 1);
    let begun = Instant::now();
    let order = resp.ask(&["BUY", "drop", "cap", key, key]).number(1);
    meanwhile();
    wait_until("the hold ends", || resp.ask(&["STOCK", "drop", "cap"]).number(1) == 1);
    let lasted = begun.elapsed();
    // The two clocks may run apart by a little.
    assert!(lasted + Duration::from_millis(20) >= Duration::from_millis(HOLD_MS), "{lasted:?}");
    let late = resp.ask(&["CONFIRM", "drop", &order.to_string()]);
    assert_eq!(late.word(), "hold_expired", "{late:?}");
}

/// The journal's times, which never run back, and its seqs without a gap.
fn check(house: &House) {
    let records = house.records();
    let mut last = String::new();
    for (seq, record) in (1_u64..).zip(&records) {
        assert_eq!(record["seq"], seq, "dense from 1");
        let time = record["time"].as_str().expect("a time").to_owned();
        assert!(time >= last, "{time} after {last}");
        last = time;
    }
    house.audit();
}

#[test]
fn steps_of_the_wall_clock_hurt_neither_holds_nor_the_journal() {
    let sales = sales();
    let house = House::new(&sales.each_ref().map(String::as_str));
    let Some(wall) = WallClock::new("steps of the wall clock", &house.path("")) else { return };
    let server = wall.give(house.server()).run();
    let mut peer = resp(&server);
    assert_eq!(planned(&mut peer, "early"), "not_open");
    let confirmed = peer.ask(&["BUY", "drop", "tee", "ann", "ann-1"]).number(1).to_string();
    assert_eq!(peer.ask(&["CONFIRM", "drop", &confirmed]).word(), "confirmed");

    // An hour back: a hold lasts as long as ever, and what was planned does not come later.
    hold_to_its_end(&mut peer, "back", || wall.step(-HOUR));
    assert_eq!(planned(&mut peer, "still-early"), "not_open");
    // Back where it was, which is no step at all for those who did not follow it.
    hold_to_its_end(&mut peer, "true", || wall.step(0));

    // An hour and a bit ahead: holds of less than that are over, the planned sale is open.
    let held = peer.ask(&["BUY", "drop", "tee", "ann", "ann-2"]).number(1).to_string();
    wall.step(HOUR + 60);
    wait_until("the sale opens", || planned(&mut peer, "first") == "held");
    assert_eq!(peer.ask(&["CONFIRM", "drop", &held]).word(), "hold_expired");
    // The limit counts what is confirmed, whatever the clock says.
    peer.send(&["BUY", "drop", "tee", "ann", "ann-3"]).expect("sent");
    peer.send(&["BUY", "drop", "tee", "ann", "ann-4"]).expect("sent");
    assert_eq!(peer.receive().expect("an answer").word(), "held");
    assert_eq!(peer.receive().expect("an answer").word(), "limit_reached");
    // And back: it stays open, and what was given in it stays given.
    hold_to_its_end(&mut peer, "back-again", || wall.step(0));
    assert_eq!(planned(&mut peer, "second"), "held");
    assert_eq!(planned(&mut peer, "first"), "held", "the key has its order still");
    drop(peer);
    server.stop().expect_code(0);
    check(&house);

    // It starts behind its own journal, and goes on from there.
    wall.step(-DAY);
    let server = wall.give(house.server()).run();
    let mut peer = resp(&server);
    assert_eq!(planned(&mut peer, "third"), "held");
    hold_to_its_end(&mut peer, "restarted", || {});
    // A day ahead, with all that was held and planned in between; killed just then.
    wall.step(DAY);
    wait_until("the sale closes", || planned(&mut peer, "late") == "closed");
    assert_eq!(peer.ask(&["STOCK", "planned", "pin"]).number(1), 5, "all holds have ended");
    drop(peer);
    server.kill();

    wall.step(0);
    let server = wall.give(house.server()).run();
    let mut peer = resp(&server);
    assert_eq!(planned(&mut peer, "later"), "closed");
    let stock = peer.ask(&["STOCK", "drop", "tee"]);
    assert_eq!((stock.number(1), stock.number(2), stock.number(3)), (49, 0, 1), "{stock:?}");
    hold_to_its_end(&mut peer, "at-last", || {});
    drop(peer);
    server.stop().expect_code(0);
    check(&house);
}
