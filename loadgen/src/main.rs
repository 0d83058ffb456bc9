//! loadgen, the program.
fn main() {}
