//! A server that answers at once and keeps nothing: what the generator itself can do.
//!
//! `cargo run --release -p loadgen --example instant`, then
//! `loadgen run --sale drop --item tee --target ADDRESS` with the address that it prints.

#[path = "../tests/support/mod.rs"]
mod support;

fn main() {
    println!("{}", support::start(support::Habits::default()));
    loop {
        std::thread::park();
    }
}
