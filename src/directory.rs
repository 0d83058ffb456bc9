//! The names of sales and items and the numbers that stand for them in cells.
//!
//! The matcher publishes a new page whenever a sale is created; shards keep the page that they saw
//! last and look whether there is a newer one by a single load. Nothing here is asked on the way of
//! an order but a map that no one else writes.

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
    /// The number of a sale; 0 if there is none of that name.
    pub fn sale(&self, name: &Name) -> u16 {
        self.by_name.get(name).copied().unwrap_or(0)
    }

    /// The number of an item in a sale; 0 if there is none of that name.
    pub fn item(&self, sale: u16, name: &Name) -> u16 {
        let items = usize::from(sale).checked_sub(1).and_then(|index| self.items.get(index));
        items.and_then(|items| items.get(name).copied()).unwrap_or(0)
    }

    /// The names behind a number.
    pub fn names(&self, sale: u16) -> Option<&SaleNames> {
        self.sales.get(usize::from(sale).checked_sub(1)?)
    }

    /// All sales in the order of their numbers.
    pub fn sales(&self) -> &[SaleNames] {
        &self.sales
    }
}

/// What is shared: the newest page and its version.
#[derive(Default)]
struct Shelf {
    /// Written after `page` (Release), read before it (Acquire).
    version: AtomicU64,
    page: RwLock<Arc<Page>>,
}

/// The writing side, owned by the matcher.
#[derive(Default)]
pub struct DirectoryWriter {
    shelf: Arc<Shelf>,
}

/// The reading side, one for each thread that asks.
pub struct Directory {
    shelf: Arc<Shelf>,
    seen: u64,
    page: Arc<Page>,
}

impl DirectoryWriter {
    /// Adds a sale, whose number is the next one.
    pub fn add(&mut self, name: Name, items: impl IntoIterator<Item = Name>) {
        let mut slot = self.shelf.page.write();
        let mut page = Page::clone(&slot);
        let items: Arc<[Name]> = items.into_iter().collect();
        let number = u16::try_from(page.sales.len() + 1).expect("SALES_MAX fits");
        let numbers = items.iter().copied().zip(1..).collect();
        page.by_name.insert(name, number);
        page.items.push(Arc::new(numbers));
        page.sales.push(SaleNames { name, number, items });
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
