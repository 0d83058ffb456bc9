//! doorbuster, the program.
fn main() {}
