//! The names of sales and items and the numbers that stand for them in cells.
//!
//! The operator publishes a new page when sales were created or removed; shards keep the page that
//! they saw last and look whether there is a newer one by a single load. Nothing here is asked on
//! the way of an order but a map that no one else writes.

use std::collections::HashMap;
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

use parking_lot::RwLock;

use crate::sale::Name;

/// One sale's names.
#[derive(Clone, Debug)]
pub struct SaleNames {
    /// Its name.
    pub name: Name,
    /// Its number, from 1.
    pub number: u16,
    /// Its items' names in the order of their numbers, which start at 1.
    pub items: Arc<[Name]>,
    /// Its limit groups' names in the order of their numbers, which start at 1.
    pub groups: Arc<[Name]>,
    /// Its channels' names in the order of their numbers, which start at 1.
    pub channels: Vec<Name>,
}

/// What changes a page.
pub enum News {
    /// A sale, whose number is the next one, and its items and limit groups in the order of their
    /// numbers.
    Created(Name, Arc<[Name]>, Arc<[Name]>),
    /// The sale of this number has a channel of this name; it may have had it before.
    Channel(u16, Name),
    /// The sale of this number has its name no more.
    Removed(u16),
}

/// All names at one moment.
#[derive(Clone, Default, Debug)]
pub struct Page {
    by_name: HashMap<Name, u16>,
    /// By item name, for each sale in the order of numbers.
    items: Vec<Arc<HashMap<Name, u16>>>,
    sales: Vec<SaleNames>,
}

impl Page {
    fn create(&mut self, name: Name, items: Arc<[Name]>, groups: Arc<[Name]>) {
        let number = u16::try_from(self.sales.len() + 1).expect("SALES_MAX fits");
        let numbers = items.iter().copied().zip(1..).collect();
        self.by_name.insert(name, number);
        self.items.push(Arc::new(numbers));
        self.sales.push(SaleNames { name, number, items, groups, channels: Vec::new() });
    }

    fn remove(&mut self, number: u16) {
        let Some(name) = self.names(number).map(|names| names.name) else { return };
        // A newer sale may have the name already.
        if self.sale(&name) == number {
            self.by_name.remove(&name);
        }
    }

    fn channel(&mut self, number: u16, name: Name) {
        let names = usize::from(number).checked_sub(1).and_then(|at| self.sales.get_mut(at));
        if let Some(names) = names.filter(|names| !names.channels.contains(&name)) {
            names.channels.push(name);
        }
    }

    /// The number of a sale; 0 if there is none of that name.
    pub fn sale(&self, name: &Name) -> u16 {
        self.by_name.get(name).copied().unwrap_or(0)
    }

    /// The number of an item in a sale; 0 if there is none of that name.
    pub fn item(&self, sale: u16, name: &Name) -> u16 {
        let items = usize::from(sale).checked_sub(1).and_then(|index| self.items.get(index));
        items.and_then(|items| items.get(name).copied()).unwrap_or(0)
    }

    /// The names behind a number, also of a sale that was removed: answers of before may name it.
    pub fn names(&self, sale: u16) -> Option<&SaleNames> {
        self.sales.get(usize::from(sale).checked_sub(1)?)
    }

    /// All sales that are there, in the order of their numbers.
    pub fn sales(&self) -> impl Iterator<Item = &SaleNames> {
        self.sales.iter().filter(|names| self.sale(&names.name) == names.number)
    }
}

/// What is shared: the newest page and its version.
#[derive(Default)]
struct Shelf {
    /// Written after `page` (Release), read before it (Acquire).
    version: AtomicU64,
    page: RwLock<Arc<Page>>,
}

/// The writing side, owned by the operator.
#[derive(Default)]
pub struct DirectoryWriter {
    shelf: Arc<Shelf>,
}

/// The reading side, one for each thread that asks.
#[derive(Clone)]
pub struct Directory {
    shelf: Arc<Shelf>,
    seen: u64,
    page: Arc<Page>,
}

impl DirectoryWriter {
    /// Adds a sale without limit groups, whose number is the next one.
    pub fn add(&mut self, name: Name, items: impl IntoIterator<Item = Name>) {
        self.publish([News::Created(name, items.into_iter().collect(), Arc::default())]);
    }

    /// Publishes one page with all that is new, in this order.
    pub fn publish(&mut self, news: impl IntoIterator<Item = News>) {
        let mut news = news.into_iter().peekable();
        if news.peek().is_none() {
            return;
        }
        let mut slot = self.shelf.page.write();
        let mut page = Page::clone(&slot);
        for one in news {
            match one {
                News::Created(name, items, groups) => page.create(name, items, groups),
                News::Channel(number, name) => page.channel(number, name),
                News::Removed(number) => page.remove(number),
            }
        }
        *slot = Arc::new(page);
        self.shelf.version.fetch_add(1, Ordering::Release);
    }

    /// A reader of this directory.
    pub fn reader(&self) -> Directory {
        let mut reader =
            Directory { shelf: Arc::clone(&self.shelf), seen: 0, page: Arc::default() };
        reader.refresh();
        reader
    }
}

impl Directory {
    /// The newest page. Call it once for each socket read.
    #[inline]
    pub fn refresh(&mut self) -> &Arc<Page> {
        let version = self.shelf.version.load(Ordering::Acquire);
        if version != self.seen {
            self.seen = version;
            self.page = Arc::clone(&self.shelf.page.read());
        }
        &self.page
    }

    /// The page of the last [`refresh`](Self::refresh).
    #[inline]
    pub fn page(&self) -> &Arc<Page> {
        &self.page
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_removed_name_is_unknown_until_a_new_sale_has_it() {
        let name = |text: &str| Name::parse(text.as_bytes()).expect("a name");
        let items = |names: &[&str]| names.iter().map(|text| name(text)).collect();
        let mut writer = DirectoryWriter::default();
        let mut reader = writer.reader();
        writer.publish([
            News::Created(name("drop"), items(&["tee"]), Arc::default()),
            News::Created(name("next"), items(&["cap"]), Arc::default()),
        ]);
        assert_eq!(reader.refresh().sale(&name("next")), 2);
        writer.publish([News::Removed(1)]);
        assert_eq!(reader.refresh().sale(&name("drop")), 0);
        assert_eq!(reader.page().sales().count(), 1);
        // Answers given before may still name what they are about.
        assert_eq!(reader.page().names(1).map(|names| names.name), Some(name("drop")));
        writer.publish([
            News::Created(name("drop"), items(&["mug", "tee"]), Arc::default()),
            News::Removed(1),
        ]);
        let page = reader.refresh();
        assert_eq!((page.sale(&name("drop")), page.item(3, &name("tee"))), (3, 2));
        let numbers: Vec<u16> = page.sales().map(|names| names.number).collect();
        assert_eq!(numbers, [2, 3]);
    }
}
