//! True records of every kind, decided by a shop as the matcher would have it decide: what the
//! target of records changes.

use doorbuster::message::{
    Cell, Head, UP_TO, WAITS, encode_lines, encode_side, encode_terms, kind, member_digest,
    text_tail,
};
use doorbuster::record;
use doorbuster::sale::{
    About, Aside, Basket, Bounds, Buy, Command, DrawTerms, Fill, Form, Given, GroupTerms, Ident,
    ItemTerms, Name, OrderLine, Party, Rule, Ruling, Seed, Shop, Side, Terms, Text,
};

/// What the shop of the records holds.
pub(crate) const BOUNDS: Bounds = Bounds {
    orders_max: 60,
    buyers_max: 200,
    long_texts_max: 60,
    lines_max: 40,
    waiters_max: 40,
    sales_max: 4,
};

/// The seed of the draw in the second sale.
const DRAW: [u8; 32] = [7; 32];
const MS: u64 = 1_000_000;

pub(crate) fn seed() -> Seed {
    Seed::new([1, 2, 3, 4])
}

/// A shop and what it has decided.
struct Book {
    shop: Shop,
    now: u64,
    keys: u64,
    cells: Vec<Cell>,
}

/// What a purchase asks for.
#[derive(Clone, Copy)]
struct Wish {
    sale: u16,
    item: u16,
    units: u32,
    options: u8,
    channel: u8,
}

const WISH: Wish = Wish { sale: 1, item: 1, units: 1, options: 0, channel: 0 };

/// The cells of all records, from seq 1 on.
pub(crate) fn cells() -> Vec<Cell> {
    let mut book =
        Book { shop: Shop::new(BOUNDS, seed()), now: 1000 * MS, keys: 0, cells: Vec::new() };
    book.create(false);
    book.rule(1, 0, Rule::Open);
    let held = book.buy("ann", WISH);
    let other = book.buy("a-buyer-of-many-letters", Wish { units: 2, ..WISH });
    let some = book.buy("bob", Wish { item: 2, units: 3, options: UP_TO, ..WISH });
    book.change(kind::EXTEND, held.order);
    book.change(kind::CONFIRM, held.order);
    book.change(kind::CONFIRM, some.order);
    book.change(kind::RELEASE, other.order);
    book.change(kind::CANCEL, held.order);
    let channel = Name::parse(b"tv").expect("a name");
    let until = book.now + 50 * MS;
    book.rule(1, 1, Rule::Aside(Aside { channel, units: 3, until }));
    book.buy("cem", Wish { channel: 1, ..WISH });
    book.basket("dee", 0);
    book.rule(1, 1, Rule::Price(90));
    book.rule(1, 1, Rule::Add(2));
    book.rule(1, 2, Rule::Plan { units: 4, at: book.now + 30 * MS });
    book.rule(1, 2, Rule::Plan { units: 1, at: book.now + 900 * MS });
    let wave = book.shop.seq();
    book.rule(1, 2, Rule::CallOff(wave));
    for buyer in ["eve", "fay", "gil", "hal", "ida"] {
        book.buy(buyer, Wish { item: 2, units: 2, options: WAITS, ..WISH });
    }
    book.basket("jon", WAITS);
    book.pass(40);
    book.rule(1, 1, Rule::Withdraw(1));
    book.pass(200);
    book.rule(1, 0, Rule::Pause);
    book.rule(1, 0, Rule::Resume);
    book.create(true);
    book.rule(2, 0, Rule::Open);
    for buyer in ["kai", "lea", "mia", "a-buyer-with-a-long-name"] {
        book.buy(buyer, Wish { sale: 2, options: WAITS, ..WISH });
    }
    book.pass(200);
    book.rule(2, 0, Rule::Draw(DRAW));
    book.pass(2);
    let hash = book.shop.state_hash();
    let seal = record::seal(&hash, book.now);
    book.shop.seal(book.now);
    book.cells.push(seal.into());
    book.rule(2, 0, Rule::Close);
    book.rule(1, 0, Rule::Close);
    book.pass(500);
    book.rule(1, 0, Rule::Remove);
    book.cells
}

impl Book {
    fn create(&mut self, has_draw: bool) {
        let name = |text: &str| Name::parse(text.as_bytes()).expect("a name");
        let item = |sku: &str, stock| ItemTerms { sku: name(sku), stock, price: 25, limit: 3 };
        let at = self.now + 150 * MS;
        let commitment = *blake3::hash(&DRAW).as_bytes();
        let terms = Terms {
            name: name(if has_draw { "draw" } else { "drop" }),
            items: vec![item("tee", 9), item("mug", 4)],
            currency: *b"EUR",
            limit: 4,
            hold_ms: 100,
            extend_ms: 50,
            offer_ms: 60,
            waitlist: if has_draw { 0 } else { 10 },
            is_strict: false,
            groups: vec![GroupTerms { name: name("card"), limit: 4 }],
            draw: has_draw.then_some(DrawTerms { at, commitment }),
            opens_at: 0,
            closes_at: 0,
        };
        self.tick();
        let (sale, _) = self.shop.create(self.now, &terms).expect("a good sale");
        self.cells.extend(encode_terms(sale, &terms, self.now));
    }

    /// Does all that the clock does.
    fn tick(&mut self) {
        self.now += MS;
        let now = self.now;
        loop {
            let head = if let Some((sale, given)) = self.shop.expire(now) {
                record::change(kind::EXPIRE, sale, &given, now)
            } else if let Some((_, happened)) = self.shop.happen(now) {
                record::happened(&happened, now)
            } else if let Some(turn) = self.shop.promote(now) {
                record::turn(&turn, now)
            } else {
                return;
            };
            self.cells.push(head.into());
        }
    }

    fn pass(&mut self, ms: u64) {
        self.now += ms * MS;
        self.tick();
    }

    fn rule(&mut self, sale: u16, item: u16, rule: Rule) {
        self.tick();
        let ruling = Ruling { sale, item, rule };
        self.shop.rule(self.now, &ruling).unwrap_or_else(|why| panic!("{ruling:?}: {why:?}"));
        self.cells.extend(record::rule(&ruling, self.now));
    }

    fn change(&mut self, kind: u8, order: u64) {
        self.tick();
        let about = About { sale: 1, order, buyer: Ident::NONE };
        let command = record::command(kind, about).expect("a command");
        let given = self.shop.apply(self.now, &command).expect("it is granted");
        self.cells.push(record::change(kind, 1, &given, self.now).into());
    }

    /// The head of a purchase, its long text, and who buys.
    fn head(&mut self, kind: u8, buyer: &str, wish: &Wish, text: &mut Text) -> (Head, Vec<Cell>) {
        self.tick();
        self.keys += 1;
        text[..buyer.len()].copy_from_slice(buyer.as_bytes());
        let mut head = Head::new(kind);
        (head.sale, head.item) = (wish.sale.into(), wish.item.into());
        head.units = wish.units.into();
        let ident = Ident::parse(buyer.as_bytes()).expect("a buyer");
        head.set_buyer(ident);
        head.set_key(Ident { form: Form::Decimal, bits: self.keys.into() });
        head.options |= wish.options;
        let is_long = ident.form == Form::Long;
        (head, is_long.then(|| text_tail(buyer.as_bytes())).into_iter().collect())
    }

    fn party<'a>(&self, head: &Head, text: &'a Text) -> [Party<'a>; 2] {
        let buyer = head.buyer().expect("a form");
        let is_long = buyer.form == Form::Long;
        let ident = if is_long { self.shop.long(text) } else { buyer };
        [record::party(ident, text), head.key().expect("a form").into()]
    }

    fn buy(&mut self, name: &str, wish: Wish) -> Given {
        let mut text = [0; 64];
        let (mut head, mut tails) = self.head(kind::BUY, name, &wish, &mut text);
        let [buyer, key] = self.party(&head, &text);
        let side = side(name, wish.channel);
        let buy = Buy {
            sale: wish.sale,
            item: wish.item,
            units: wish.units,
            max_price: u64::MAX,
            fill: record::fill(&head),
            waits: head.is_waiting(),
            side,
            condition: 7,
            buyer,
            key,
        };
        let given = self.shop.apply(self.now, &Command::Buy(buy));
        let given = given.unwrap_or_else(|why| panic!("{name}: {why:?}"));
        tails.push(encode_side(&side));
        if record::fill(&head) == Fill::UpTo {
            tails.push(record::asked(wish.item, wish.units));
        }
        head.tails = (tails.len() as u16).into();
        self.cells.push(record::buy(&head, 7, &given, self.now).into());
        self.cells.extend(tails);
        given
    }

    fn basket(&mut self, name: &str, options: u8) {
        let mut text = [0; 64];
        let wish = Wish { item: 0, units: 0, options, ..WISH };
        let (head, mut tails) = self.head(kind::BASKET, name, &wish, &mut text);
        let [buyer, key] = self.party(&head, &text);
        let side = side(name, 0);
        let lines = [OrderLine::new(1, 1, 0), OrderLine::new(2, 1, 0)];
        let waits = head.is_waiting();
        let basket = Basket {
            sale: 1,
            lines: &lines,
            max_price: u64::MAX,
            waits,
            side,
            condition: 7,
            buyer,
            key,
        };
        let given = self.shop.basket(self.now, &basket);
        let given = given.unwrap_or_else(|why| panic!("{name}: {why:?}"));
        tails.push(encode_side(&side));
        let priced = self.shop.lines(given.order).to_vec();
        let head = record::basket(&head, tails.len(), &priced, 7, &given, self.now);
        tails.push(encode_lines(&priced));
        self.cells.push(head.into());
        self.cells.extend(tails);
    }
}

/// Each buyer is a member of the limit group under the own name.
fn side(name: &str, channel: u8) -> Side {
    Side { channel, groups: [member_digest(name.as_bytes()), 0] }
}
