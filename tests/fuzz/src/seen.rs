//! What an input has shown: a set of marks. An input that shows a new one is kept.

use std::collections::HashSet;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher};

/// Words of a sentence that are looked at.
const WORDS_MAX: usize = 16;

/// Sentences that are told apart. Some refusals say again, unquoted, what they were sent, and would
/// make each input news.
const SENTENCES_MAX: usize = 300;

/// The marks of one input, and the sentences of all.
#[derive(Default)]
pub struct Seen {
    marks: Vec<u64>,
    sentences: HashSet<u64>,
}

impl Seen {
    /// Notes what was said, but for what is the input's own in it: what stands between the first
    /// quote and the last, and all that are no words.
    pub fn say(&mut self, text: &str) {
        // Parsers show the line that they mean, with a bar before it.
        for line in text.lines().filter(|line| !line.contains(" |")) {
            let quotes = ['\'', '`', '"'];
            let (before, behind) = match (line.find(quotes), line.rfind(quotes)) {
                (Some(first), Some(last)) => (&line[..first], &line[last..]),
                _ => (line, ""),
            };
            let words = before.split(' ').chain(behind.split(' '));
            let word = |word: &str| {
                let word = word.trim_matches(|char: char| char.is_ascii_punctuation());
                word.bytes().all(|byte| byte.is_ascii_alphabetic()).then(|| word.to_owned())
            };
            let sentence = hash(&words.filter_map(word).take(WORDS_MAX).collect::<Vec<_>>());
            if self.sentences.len() < SENTENCES_MAX || self.sentences.contains(&sentence) {
                self.sentences.insert(sentence);
                self.marks.push(sentence);
            }
        }
    }

    /// Notes a number by its length in bits: 5 and 6 are the same, 5 and 500 are not.
    pub fn count(&mut self, what: &str, number: usize) {
        self.mark(&(what, usize::BITS - number.leading_zeros()));
    }

    /// Notes a value as it is.
    pub fn mark(&mut self, value: &impl std::hash::Hash) {
        self.marks.push(hash(value));
    }

    /// Moves the marks over to those of all inputs. Returns whether there was a new one.
    pub fn join(&mut self, all: &mut HashSet<u64>) -> bool {
        self.marks.drain(..).fold(false, |is_new, mark| all.insert(mark) | is_new)
    }
}

fn hash(value: &impl std::hash::Hash) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(value)
}
