//! Buys one unit and confirms it: `cargo run --example buy -- 127.0.0.1:7400 drop tee alice`.
//!
//! The last argument is the buyer; the key is made from it and the clock, as a shop would make it
//! from its basket's id.

use std::time::{SystemTime, UNIX_EPOCH};

use doorbuster::client::{Answer, Client, Error};

fn main() -> Result<(), Error> {
    let mut words = std::env::args().skip(1);
    let mut word = |default: &str| words.next().unwrap_or_else(|| default.to_owned());
    let (target, sale, item, buyer) =
        (word("127.0.0.1:7400"), word("drop"), word("tee"), word("alice"));

    let mut client = Client::connect(target)?;
    let handle = client.resolve(&sale, &item)?;
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    let key = now.as_micros().to_string();
    match client.buy(handle, &buyer, &key, 1)? {
        Answer::Order(order) => {
            println!("order {} is held for {} ms", order.order, order.expires_in_ms);
            println!("{:?}", client.confirm(handle.sale, order.order)?);
        }
        Answer::Refused(refusal) => println!("refused: {refusal}"),
        other => println!("{other:?}"),
    }
    println!("{:?}", client.stock(handle)?);
    Ok(())
}
