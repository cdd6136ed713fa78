//! Complex halves: sums of which two are computed as real and imaginary part of one.
//!
//! Giant steps that differ by the fold make a pair ([`MapPlan::halves`]): one giant step and one set of plaintexts
//! instead of two, for three more images per result, of one decomposition. A fold is worth what the giant steps and the
//! products cost that both sums have.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use fhec_ir::slot::{MapPlan, Product};

use super::prices::Prices;

/// Sums from which a partner is looked for: a fold that pairs most of a map's sums pairs one of its first.
const BASES: usize = 3;

/// Giant steps of a result above which no fold is looked for: such splits are dear with halves, too.
const MAX_GIANTS: usize = 128;

/// By output ciphertext and giant step, which rotated inputs are multiplied: bits in words.
type Sums = BTreeMap<(u32, u32), Vec<u64>>;

/// The fold that saves most for the products of a map, and what it saves, `each` being the price of a product; None if
/// none does.
pub(super) fn best(
    products: impl Iterator<Item = Product>,
    slots: usize,
    prices: &Prices,
    each: f64,
) -> Option<(u32, f64)> {
    let sums = sums(products)?;
    let keys: BTreeSet<(u32, u32)> = sums.keys().copied().collect();
    let saved = |fold: u32| {
        let halves = MapPlan::halves_of(&keys, fold, slots);
        let folded: BTreeSet<u32> = halves.iter().map(|h| h.0).collect();
        let of_half = |&(ct, giant): &(u32, u32)| {
            let real = &sums[&(ct, ((giant as usize + slots - fold as usize) % slots) as u32)];
            let both = real.iter().zip(&sums[&(ct, giant)]).map(|(a, b)| (a & b).count_ones()).sum::<u32>();
            each * f64::from(both) + if giant == 0 { 0.0 } else { prices.giant }
        };
        halves.iter().map(of_half).sum::<f64>() - prices.fold * folded.len() as f64
    };
    let folds = candidates(&keys, slots);
    let priced = folds.into_iter().map(|fold| (fold, saved(fold))).filter(|(_, saved)| *saved > 0.0);
    // Of equal ones the first.
    priced.reduce(|best, other| if other.1 > best.1 { other } else { best })
}

/// None if there are no baby steps, or too many giant steps.
fn sums(products: impl Iterator<Item = Product>) -> Option<Sums> {
    let products: Vec<Product> = products.collect();
    let mut inputs = HashMap::new();
    for p in &products {
        let next = inputs.len();
        inputs.entry((p.operand, p.in_ct, p.baby)).or_insert(next);
    }
    let results: BTreeSet<u32> = products.iter().map(|p| p.out_ct).collect();
    let mut sums = Sums::new();
    for p in &products {
        let k = inputs[&(p.operand, p.in_ct, p.baby)];
        let sum = sums.entry((p.out_ct, p.giant)).or_insert_with(|| vec![0; inputs.len().div_ceil(64)]);
        sum[k / 64] |= 1 << (k % 64);
    }
    let hoists = products.iter().any(|p| p.baby != 0);
    (hoists && sums.len() <= MAX_GIANTS * results.len()).then_some(sums)
}

/// Differences of giant steps that occur in the first result.
fn candidates(sums: &BTreeSet<(u32, u32)>, slots: usize) -> BTreeSet<u32> {
    let Some(&(first, _)) = sums.first() else { return BTreeSet::new() };
    let giants: Vec<usize> = sums.iter().take_while(|s| s.0 == first).map(|s| s.1 as usize).collect();
    let pairs = giants.iter().take(BASES).flat_map(|a| giants.iter().map(move |b| (*a, *b)));
    pairs
        .filter(|(a, b)| a != b)
        .flat_map(|(a, b)| [(b + slots - a), (a + slots - b)].map(|d| (d % slots) as u32))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn products(giants: &[u32], babies: &[u32]) -> Vec<Product> {
        let of = |&giant: &u32| {
            babies.iter().map(move |&baby| Product { out_ct: 0, giant, operand: 0, in_ct: 0, baby })
        };
        giants.iter().flat_map(of).collect()
    }

    #[test]
    fn the_fold_that_pairs_most_is_found() {
        let prices = Prices::default();
        let best =
            |giants: &[u32], babies: &[u32]| best(products(giants, babies).into_iter(), 64, &prices, 0.1);
        let (fold, saved) = best(&[0, 4, 8, 12, 16, 20], &[0, 1, 2]).unwrap();
        assert!([4, 12, 20].contains(&fold), "{fold}");
        assert!((saved - (3.0 * prices.giant + 9.0 * 0.1 - prices.fold)).abs() < 1e-12);
        assert_eq!(best(&[0, 4, 8, 12, 16, 20], &[0]), None, "no baby steps");
        assert_eq!(best(&[0, 4], &[0, 1]), None, "too little to save");
        let (fold, _) = best(&[0, 3, 30, 33, 17, 47], &[0, 1]).unwrap();
        assert_eq!(fold, 30);
    }
}
