//! The sale and its crowd: who wants what, when they click, and what they do with a hold. Made by a
//! generator with a fixed start, so that every run has the same crowd; only its timing differs.

/// The sale's name.
pub(super) const SALE: &str = "friday-drop";
/// How long a buyer may think.
pub(super) const HOLD_MS: u32 = 2_000;
/// Units of one item for one buyer.
pub(super) const LIMIT: u32 = 2;
/// How many come.
pub(super) const BUYERS: u32 = 60_000;
/// Connections they share.
pub(super) const CONNECTIONS: u32 = 128;
/// When the last one gives up, ms after the opening.
pub(super) const LAST_CLICK_MS: u32 = 4_500;

/// One thing on sale.
pub(super) struct Ware {
    pub(super) sku: &'static str,
    pub(super) stock: u64,
    /// Of 100 buyers, so many want it.
    popularity: u64,
}

/// What is on sale.
pub(super) const WARES: [Ware; 4] = [
    Ware { sku: "hoodie-black", stock: 1_200, popularity: 45 },
    Ware { sku: "sneaker-42", stock: 600, popularity: 30 },
    Ware { sku: "mug", stock: 2_000, popularity: 15 },
    Ware { sku: "poster-signed", stock: 1_200, popularity: 10 },
];

/// The sale file.
pub(super) fn sale_file() -> String {
    let mut text = format!("name = \"{SALE}\"\ncurrency = \"EUR\"\nhold_ms = {HOLD_MS}\n");
    for (ware, price) in WARES.iter().zip([5_900, 12_900, 1_400, 2_500]) {
        text += &format!(
            "[[items]]\nsku = \"{}\"\nstock = {}\nprice = {price}\nlimit = {LIMIT}\n",
            ware.sku, ware.stock
        );
    }
    text
}

/// What a buyer does with a hold.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Temper {
    /// Confirms it.
    Pays,
    /// Confirms it, and then wants more than the limit allows.
    PaysAndWantsMore,
    /// Releases it.
    GivesBack,
    /// Lets it run out.
    WalksAway,
}

/// One of the crowd.
pub(super) struct Buyer {
    /// Index into [`WARES`].
    pub(super) ware: usize,
    pub(super) units: u32,
    pub(super) click_ms: u32,
    /// So much later the same click comes again, over another connection.
    pub(super) again_ms: Option<u32>,
    pub(super) temper: Temper,
    /// Time to decide about a hold.
    pub(super) thinks_ms: u32,
    /// How often it comes back when all is sold out, and after how long.
    pub(super) returns: u32,
    pub(super) returns_after_ms: u32,
}

/// The name that the server knows a buyer by. Some are too long for one cell.
pub(super) fn name(buyer: u32) -> String {
    if buyer.is_multiple_of(50) {
        format!("buyer-{buyer}@mail.friday-drop.example")
    } else {
        format!("buyer-{buyer}")
    }
}

/// The idempotency key of a buyer's first wish, or of the one for more.
pub(super) fn key(buyer: u32, more: bool) -> String {
    format!("{}-{buyer}", if more { "more" } else { "click" })
}

/// The whole crowd, by number.
pub(super) fn crowd() -> Vec<Buyer> {
    let mut dice = Dice(0x00D0_0125_7E12);
    (0..BUYERS).map(|_| buyer(&mut dice)).collect()
}

fn buyer(dice: &mut Dice) -> Buyer {
    let mut rest = dice.below(100);
    let ware = WARES.iter().position(|ware| {
        let is_it = rest < ware.popularity;
        rest = rest.saturating_sub(ware.popularity);
        is_it
    });
    let units = match dice.below(100) {
        0..2 => 5,
        2..30 => 2,
        _ => 1,
    };
    // Two of three are there when the doors open, the others drop in later.
    let click_ms = if dice.below(3) < 2 {
        -350.0 * (dice.fraction().ln() + dice.fraction().ln())
    } else {
        f64::from(LAST_CLICK_MS) * dice.fraction().powf(1.3)
    };
    let temper = match dice.below(100) {
        0..6 => Temper::PaysAndWantsMore,
        6..76 => Temper::Pays,
        76..85 => Temper::GivesBack,
        _ => Temper::WalksAway,
    };
    Buyer {
        ware: ware.unwrap_or(0),
        units,
        click_ms: (click_ms as u32).min(LAST_CLICK_MS),
        again_ms: (dice.below(8) == 0).then(|| 10 + dice.below(400) as u32),
        temper,
        thinks_ms: 150 + dice.below(1_250) as u32,
        returns: if dice.below(10) < 3 { 2 } else { 0 },
        returns_after_ms: 700 + dice.below(1_500) as u32,
    }
}

/// splitmix64: good enough for a crowd.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// Above 0, up to 1.
    fn fraction(&mut self) -> f64 {
        ((self.next() >> 11) + 1) as f64 / (1_u64 << 53) as f64
    }
}
