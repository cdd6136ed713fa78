//! The special DFT as a product of few sparse matrices, by diagonals.
//!
//! With n slots and ζ = exp(2πi/4n), slots and coefficients w_k = m_k + i·m_{k+n} are related by
//! z = U·B·w: B reverses the bits of the index and U = S_n···S_4·S_2, where stage S_m is, on every
//! block of m positions, (a, b) ↦ (a + t⊙b, a − t⊙b) with t_j = ζ_{4m}^(5^j)
//! ([`encoding`](crate::encoding)). SlotsToCoeffs applies U, so the coefficients are z in
//! bit-reversed order; CoeffsToSlots applies U⁻¹ and undoes the order as well.
//!
//! S_m has the diagonals 0 and ±m/2, which repeat with period m; merging k consecutive stages gives
//! 2^(k+1) − 1 diagonals (2^k where +n/2 and −n/2 coincide).

use crate::encoding::fft::root;
use num_complex::Complex64;
use std::collections::BTreeMap;

/// A matrix on n slots by its diagonals: `out[j] = Σ_d diagonal_d[j]·in[j+d]`, indices modulo n.
#[derive(Debug, Clone)]
pub(crate) struct Diagonals {
    /// Number of slots.
    pub(crate) slots: usize,
    /// Offset in 0..n → values, all of the same length, a power of two: their period.
    pub(crate) values: BTreeMap<usize, Vec<Complex64>>,
}

/// Direction of a transform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Direction {
    /// U: slots hold what the coefficients shall hold.
    SlotsToCoeffs,
    /// U⁻¹, its 1/n included.
    CoeffsToSlots,
}

impl Diagonals {
    /// Number of values of each diagonal.
    pub(super) fn period(&self) -> usize {
        self.values.values().next().map_or(1, Vec::len)
    }

    /// `self` after `first`.
    fn after(&self, first: &Self) -> Self {
        let period = self.period().max(first.period());
        let mut values: BTreeMap<usize, Vec<Complex64>> = BTreeMap::new();
        for (a, x) in &self.values {
            for (b, y) in &first.values {
                let sum = values.entry((a + b) % self.slots).or_insert_with(|| vec![Complex64::ZERO; period]);
                for (j, sum) in sum.iter_mut().enumerate() {
                    *sum += x[j % x.len()] * y[(j + a) % y.len()];
                }
            }
        }
        Self { slots: self.slots, values }
    }
}

/// Stage S_m, or its inverse.
fn stage(slots: usize, m: usize, direction: Direction) -> Diagonals {
    let half = m / 2;
    let mut power = 1u64;
    let twiddles: Vec<Complex64> = (0..half)
        .map(|_| {
            let t = root(power, 4 * m as u64);
            power = power * 5 % (4 * m as u64);
            t
        })
        .collect();
    // Values of a diagonal on the first and on the second half of a block.
    let diagonal = |first: &dyn Fn(Complex64) -> Complex64, second: &dyn Fn(Complex64) -> Complex64| {
        let values = twiddles.iter().map(|t| first(*t)).chain(twiddles.iter().map(|t| second(*t)));
        values.collect::<Vec<_>>()
    };
    let (zero, one) = (Complex64::ZERO, Complex64::ONE);
    let (main, up, down) = match direction {
        Direction::SlotsToCoeffs => {
            (diagonal(&|_| one, &|t| -t), diagonal(&|t| t, &|_| zero), diagonal(&|_| zero, &|_| one))
        }
        Direction::CoeffsToSlots => (
            diagonal(&|_| one * 0.5, &|t| -t.conj() * 0.5),
            diagonal(&|_| one * 0.5, &|_| zero),
            diagonal(&|_| zero, &|t| t.conj() * 0.5),
        ),
    };
    let mut values = BTreeMap::from([(0, main), (half, up)]);
    for (value, added) in values.entry(slots - half).or_insert_with(|| vec![zero; m]).iter_mut().zip(down) {
        *value += added;
    }
    Diagonals { slots, values }
}

/// The factors in the order in which they are applied; `merged[i]` is the number of stages in the
/// i-th, and they sum to log2 of the number of slots.
pub(crate) fn factors(slots: usize, merged: &[u32], direction: Direction) -> Vec<Diagonals> {
    debug_assert_eq!(merged.iter().sum::<u32>(), slots.trailing_zeros());
    let log_slots = slots.trailing_zeros();
    let mut done = 0;
    merged
        .iter()
        .map(|&count| {
            let stages = (done..done + count).map(|i| match direction {
                Direction::SlotsToCoeffs => stage(slots, 2 << i, direction),
                Direction::CoeffsToSlots => stage(slots, 1 << (log_slots - i), direction),
            });
            done += count;
            stages.reduce(|first, second| second.after(&first)).expect("factors have at least one stage")
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Diagonals {
        fn apply(&self, x: &[Complex64]) -> Vec<Complex64> {
            (0..self.slots)
                .map(|j| self.values.iter().map(|(d, v)| v[j % v.len()] * x[(j + d) % self.slots]).sum())
                .collect()
        }
    }

    fn input(n: usize) -> Vec<Complex64> {
        (0..n).map(|i| Complex64::new((0.3 * i as f64).sin(), (1.7 * i as f64).cos())).collect()
    }

    fn reversed(i: usize, n: usize) -> usize {
        if n == 1 { 0 } else { i.reverse_bits() >> (usize::BITS - n.trailing_zeros()) }
    }

    #[test]
    fn slots_to_coeffs_is_the_direct_transform() {
        for (n, merged) in [(8, vec![1, 1, 1]), (64, vec![2, 2, 2]), (64, vec![6]), (128, vec![3, 4])] {
            let x = input(n);
            let y = factors(n, &merged, Direction::SlotsToCoeffs).iter().fold(x.clone(), |x, f| f.apply(&x));
            let mut power = 1u64;
            for slot in &y {
                let direct: Complex64 =
                    (0..n).map(|k| x[reversed(k, n)] * root(power * k as u64, 4 * n as u64)).sum();
                assert!((slot - direct).norm() < 1e-11, "{n} {merged:?}");
                power = power * 5 % (4 * n as u64);
            }
        }
    }

    #[test]
    fn coeffs_to_slots_is_its_inverse() {
        for (n, to, from) in
            [(8, vec![3], vec![1, 2]), (64, vec![2, 2, 2], vec![3, 3]), (256, vec![4, 4], vec![3, 3, 2])]
        {
            let x = input(n);
            let y = factors(n, &to, Direction::SlotsToCoeffs).iter().fold(x.clone(), |x, f| f.apply(&x));
            let z = factors(n, &from, Direction::CoeffsToSlots).iter().fold(y, |x, f| f.apply(&x));
            assert!(x.iter().zip(&z).all(|(x, z)| (x - z).norm() < 1e-12), "{n}");
        }
    }

    #[test]
    fn diagonals_are_few_and_periodic() {
        let shape = |direction| {
            let factors = factors(1 << 15, &[5, 5, 5], direction);
            factors.iter().map(|f| (f.values.len(), f.period())).collect::<Vec<_>>()
        };
        assert_eq!(shape(Direction::SlotsToCoeffs), [(63, 1 << 5), (63, 1 << 10), (32, 1 << 15)]);
        assert_eq!(shape(Direction::CoeffsToSlots), [(32, 1 << 15), (63, 1 << 10), (63, 1 << 5)]);
    }
}
