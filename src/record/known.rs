//! What the numbers and idents in records stand for, for those who read a journal: the names that
//! records before have given to sales, items and channels, and whole texts of buyers and keys.

use super::{replay::tails_of, ruling};
use crate::message::{Cell, decode_terms, join_text, kind};
use crate::sale::{Form, ImageSale, Label, Name, Rule, TEXT_BYTES_MAX, Terms, text_len};

/// The names that records before have given to numbers.
#[derive(Default)]
pub struct Known {
    /// By number, from 1.
    pub sales: Vec<Terms>,
    /// The channels of each, in the order of their numbers.
    channels: Vec<Vec<Name>>,
}

impl Known {
    /// Takes the next record.
    ///
    /// # Errors
    /// A sentence, if it creates a sale of no terms.
    pub fn note(&mut self, record: &[Cell]) -> Result<(), String> {
        if record[0].kind() == kind::CREATE {
            self.sales.push(decode_terms(record)?);
            self.channels.push(Vec::new());
        }
        let ruling = ruling(record[0].head(), tails_of(record));
        let Some(ruling) = ruling else { return Ok(()) };
        // A channel has its number from the first time that something was set aside for it.
        let at = usize::from(ruling.sale).wrapping_sub(1);
        if let (Rule::Aside(aside), Some(known)) = (ruling.rule, self.channels.get_mut(at))
            && !known.contains(&aside.channel)
        {
            known.push(aside.channel);
        }
        Ok(())
    }

    /// Takes the next sale of an image, as all records before that have left it.
    pub fn know(&mut self, sale: &ImageSale) {
        self.sales.push(sale.terms.clone());
        self.channels.push(sale.channels.clone());
    }

    /// The terms of a sale.
    pub fn terms(&self, sale: u16) -> Option<&Terms> {
        self.sales.get(usize::from(sale).wrapping_sub(1))
    }

    /// What a channel is called.
    pub fn channel(&self, sale: u16, channel: u8) -> Option<&Name> {
        let known = self.channels.get(usize::from(sale).wrapping_sub(1))?;
        known.get(usize::from(channel).wrapping_sub(1))
    }
}

/// Buyer and key of a purchase in full.
pub fn texts(record: &[Cell]) -> [Label; 2] {
    let mut tails = record[1..].iter();
    let head = record[0].head();
    [head.buyer(), head.key()].map(|ident| {
        let Some(ident) = ident else { return Label::of(b"?") };
        if ident.form == Form::Long {
            let text = join_text(ident.bits, tails.next().unwrap_or(&Cell::ZERO));
            return Label::of(&text[..text_len(&text)]);
        }
        let mut out = [0; TEXT_BYTES_MAX];
        let length = ident.write_text(&mut out);
        Label::of(&out[..length])
    })
}
