//! Baby-step/giant-step splits of an offset set.
//!
//! Candidates are the positional splits: with a power of two m, one step takes the offset modulo m (centred or not),
//! the other the rest. GIP offsets are sums of a tap and a channel part at power-of-two strides, so one of these
//! separates them; which part becomes the babies is a matter of price. Where all offsets are multiples of an odd number,
//! as those of a compaction are, the same is done with the quotients.

use fhec_ir::slot::routing::{Class, Routing};
use fhec_ir::slot::{LinearMap, Product};

use super::halves;
use super::prices::Prices;

/// Rotations of a split, in the cheapest's, above which halves are not tried: they take half of the giant steps at best.
const HALVES_FROM: f64 = 2.5;

/// How an offset is cut in two.
#[derive(Clone, Copy, Debug)]
struct Split {
    /// Odd; divides all offsets, taken next to 0.
    unit: usize,
    modulus: usize,
    centred: bool,
    /// The part below the modulus is the giant step.
    swapped: bool,
}

impl Split {
    /// (baby, giant), both below `slots`, with sum ≡ offset modulo the map's modulus `g`.
    fn cut(self, offset: usize, g: usize, slots: usize) -> (usize, usize) {
        let m = self.modulus.min(g);
        let offset = signed(offset, g);
        let mut low = (offset / self.unit as isize) as usize & (m - 1);
        if self.centred && low > m / 2 {
            low = low.wrapping_sub(m);
        }
        low = low.wrapping_mul(self.unit);
        let offset = offset as usize;
        let mut high = offset.wrapping_sub(low) & (g - 1);
        // The equivalent step nearest to 0 keeps plans of neighbouring layers on the same keys.
        if high > g / 2 {
            high = high.wrapping_sub(g);
        }
        let (low, high) = (low & (slots - 1), high & (slots - 1));
        if self.swapped { (high, low) } else { (low, high) }
    }
}

/// The number next to 0 that is `offset` modulo the power of two `g`.
fn signed(offset: usize, g: usize) -> isize {
    let offset = offset & (g - 1);
    if offset > g / 2 { offset.wrapping_sub(g) as isize } else { offset as isize }
}

/// The largest odd number that divides all offsets.
fn unit(routing: &Routing, classes: &[Class]) -> usize {
    let gcd = |mut a: usize, mut b: usize| {
        while b > 0 {
            (a, b) = (b, a % b);
        }
        a
    };
    let size = |c: &Class| signed(c.offset as usize, routing.modulus(c.operand as usize)).unsigned_abs();
    let all = classes.iter().map(size).fold(0, gcd);
    all >> all.trailing_zeros().min(usize::BITS - 1) | usize::from(all == 0)
}

/// Rotation steps other than 0, by ciphertext.
struct StepSet {
    words: Vec<u64>,
    /// Words of a ciphertext.
    each: usize,
}

impl StepSet {
    fn new(ciphertexts: usize, slots: usize) -> Self {
        let each = slots.div_ceil(64);
        Self { words: vec![0; ciphertexts * each], each }
    }

    fn clear(&mut self) {
        self.words.fill(0);
    }

    fn add(&mut self, ciphertext: usize, step: usize) {
        if step != 0 {
            self.words[ciphertext * self.each + step / 64] |= 1 << (step % 64);
        }
    }

    fn count(&self) -> u32 {
        self.words.iter().map(|w| w.count_ones()).sum()
    }

    /// Ciphertexts with any step.
    fn moved(&self) -> usize {
        self.words.chunks(self.each).filter(|words| words.iter().any(|w| *w != 0)).count()
    }
}

/// All offsets of a map, split.
pub(super) struct SplitMap {
    /// Sorted.
    pub products: Vec<Product>,
    /// [`MapPlan::fold`](fhec_ir::slot::MapPlan::fold).
    pub fold: u32,
    /// In rotations.
    pub price: f64,
}

/// Price of a plaintext product.
fn price_of_product(map: &LinearMap, prices: &Prices) -> f64 {
    prices.product + prices.encode * map.plaintext_period() as f64 / map.output.slots as f64
}

/// No split of the offsets of a map is cheaper, in rotations, halves included.
pub(super) fn least(map: &LinearMap, classes: usize, prices: &Prices) -> f64 {
    let halves = classes as f64 / 2.0;
    let inputs: usize = map.inputs.iter().map(|l| l.ciphertexts).sum();
    let free = prices.baby * inputs as f64 + prices.giant * map.output.ciphertexts as f64;
    // b baby steps and g giant steps, those of 0 included, make at most b·g products.
    let steps = 2.0 * (prices.baby * prices.giant * halves).sqrt() - free;
    price_of_product(map, prices) * halves + steps.max(0.0)
}

/// The cheapest splits of the offsets of a map, at most `most`, cheapest first.
pub(super) fn cheapest(
    map: &LinearMap,
    routing: &Routing,
    classes: &[Class],
    prices: &Prices,
    most: usize,
) -> Vec<SplitMap> {
    let slots = map.output.slots;
    let mut units = vec![1, unit(routing, classes)];
    units.dedup();
    let moduli = (0..=slots.trailing_zeros()).map(|k| 1usize << k);
    let splits = moduli.flat_map(|modulus| {
        let forms = [(false, false), (false, true), (true, false), (true, true)];
        let of = move |unit| forms.map(|(centred, swapped)| Split { unit, modulus, centred, swapped });
        units.iter().flat_map(move |unit| of(*unit))
    });
    let cut = |split: Split, class: &Class| {
        let (baby, giant) = split.cut(class.offset as usize, routing.modulus(class.operand as usize), slots);
        Product {
            out_ct: class.out_ct,
            giant: giant as u32,
            operand: class.operand,
            in_ct: class.in_ct,
            baby: baby as u32,
        }
    };
    let each = price_of_product(map, prices);
    let mut inputs = 0;
    let mut before = Vec::with_capacity(map.inputs.len());
    for layout in &map.inputs {
        before.push(inputs);
        inputs += layout.ciphertexts;
    }
    let (mut babies, mut giants) = (StepSet::new(inputs, slots), StepSet::new(map.output.ciphertexts, slots));
    // Without complex halves, and what these may save.
    let mut price = |split: Split| {
        babies.clear();
        giants.clear();
        for class in classes {
            let p = cut(split, class);
            babies.add(before[p.operand as usize] + p.in_ct as usize, p.baby as usize);
            giants.add(p.out_ct as usize, p.giant as usize);
        }
        let steps = prices.hoist * babies.moved() as f64
            + prices.baby * f64::from(babies.count())
            + prices.giant * f64::from(giants.count());
        let sums = giants.count() as usize + map.output.ciphertexts;
        (steps, (prices.giant * sums as f64 + each * classes.len() as f64) / 2.0)
    };
    let mut whole: Vec<(usize, Split, (f64, f64))> =
        splits.enumerate().map(|(at, split)| (at, split, price(split))).collect();
    whole.sort_by(|a, b| a.2.0.total_cmp(&b.2.0));
    let worth = HALVES_FROM * whole.first().map_or(0.0, |w| w.2.0);
    // The cheapest so far, with halves; among equals the first.
    let mut priced: Vec<(usize, Split, u32, f64)> = Vec::with_capacity(most + 1);
    for (at, split, (steps, spare)) in whole {
        let is_beaten = |least: f64| priced.len() >= most && priced.last().is_some_and(|p| p.3 < least);
        if is_beaten(steps - spare) {
            continue;
        }
        let best = (steps <= worth).then(|| {
            let products = classes.iter().map(|c| cut(split, c));
            halves::best(products, slots, prices, each)
        });
        let (fold, saved) = best.flatten().unwrap_or((0, 0.0));
        priced.push((at, split, fold, steps - saved));
        priced.sort_by(|a, b| a.3.total_cmp(&b.3).then(a.0.cmp(&b.0)));
        priced.truncate(most);
    }
    let finished = |(_, split, fold, steps): (usize, Split, u32, f64)| {
        let mut products: Vec<Product> = classes.iter().map(|c| cut(split, c)).collect();
        products.sort_unstable();
        let price = steps + each * products.len() as f64;
        SplitMap { products, fold, price }
    };
    priced.into_iter().map(finished).collect()
}
