//! Which records are far from the usual.

/// Fewest records to tell what is usual.
const USUAL: usize = 16;

/// For every record the product whose factors are largest beside those of the median record, and how much larger; None
/// if there are too few records, or no products.
pub(super) fn beyond_usual(factors: &[&[f64]]) -> Vec<Option<(usize, f64)>> {
    if factors.len() < USUAL {
        return vec![None; factors.len()];
    }
    let median = |k: usize| {
        let mut sizes: Vec<f64> = factors.iter().map(|f| f[k]).collect();
        *sizes.select_nth_unstable_by(factors.len() / 2, f64::total_cmp).1
    };
    let medians: Vec<f64> = (0..factors[0].len()).map(median).collect();
    let ratios = |f: &&[f64]| {
        let all = f.iter().zip(&medians).map(|(size, median)| size / median).enumerate();
        all.filter(|(_, ratio)| !ratio.is_nan()).max_by(|a, b| a.1.total_cmp(&b.1))
    };
    factors.iter().map(ratios).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_is_what_half_of_the_records_have() {
        let mut records: Vec<Vec<f64>> =
            (0..20).map(|k| vec![1.0 + f64::from(k % 3) / 4.0, 8.0, 0.0]).collect();
        records[3] = vec![1.0, 80.0, 0.0];
        records[7] = vec![f64::INFINITY, 8.0, f64::NAN];
        let all: Vec<&[f64]> = records.iter().map(Vec::as_slice).collect();
        let found = beyond_usual(&all);
        assert_eq!(found[3], Some((1, 10.0)));
        assert_eq!(found[7], Some((0, f64::INFINITY)));
        let others = found.iter().enumerate().filter(|(k, _)| ![3, 7].contains(k));
        assert!(
            others.into_iter().all(|(_, worst)| worst.is_some_and(|(_, ratio)| ratio < 1.5)),
            "{found:?}"
        );
        assert!(beyond_usual(&all[..USUAL - 1]).iter().all(Option::is_none), "too few to tell");
        assert!(beyond_usual(&vec![&[][..]; 20]).iter().all(Option::is_none));
    }
}
