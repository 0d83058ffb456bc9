//! What an input has shown: a set of marks. An input that shows a new one is kept.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// The marks of one input.
#[derive(Default)]
pub struct Seen(Vec<u64>);

impl Seen {
    /// Notes what was said, whatever numbers and names stand in it: words in quotes are the
    /// input's own, and one refusal with another number in it is no news.
    pub fn say(&mut self, text: &str) {
        let (mut plain, mut quoted) = (String::with_capacity(text.len()), false);
        // Parsers show the line that they mean, with a bar before it.
        let lines = text.lines().filter(|line| !line.contains(" | "));
        for char in lines.flat_map(str::chars).take(400) {
            match char {
                '\'' | '`' | '"' => quoted = !quoted,
                _ if quoted => continue,
                '0'..='9' if plain.ends_with('#') => continue,
                '0'..='9' => plain.push('#'),
                other => plain.push(other),
            }
        }
        self.mark(&plain);
    }

    /// Notes a number by its length in bits: 5 and 6 are the same, 5 and 500 are not.
    pub fn count(&mut self, what: &str, number: usize) {
        self.mark(&(what, usize::BITS - number.leading_zeros()));
    }

    /// Notes a value as it is.
    pub fn mark(&mut self, value: &impl std::hash::Hash) {
        self.0.push(BuildHasherDefault::<DefaultHasher>::default().hash_one(value));
    }

    /// Moves the marks over to those of all inputs. Returns whether there was a new one.
    pub fn join(&mut self, all: &mut HashSet<u64>) -> bool {
        self.0.drain(..).fold(false, |is_new, mark| all.insert(mark) | is_new)
    }
}
