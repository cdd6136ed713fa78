//! Baby steps and giant steps: how polynomials of higher degree are evaluated with few products.

/// The plan for one degree d.
///
/// Baby steps are b_1, …, b_{m−1}, powers or Chebyshev polynomials, giant steps b_m, b_{2m}, b_{4m}, …. A polynomial of
/// degree d ≥ m is high·b_n + low with the largest giant step n ≤ d, and so on for both; one of degree below m is a sum of baby
/// steps with plaintext coefficients (Paterson and Stockmeyer 1973; for Chebyshev polynomials Chen, Chillotti and Song,
/// ePrint 2018/1043).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BabyGiant {
    /// m, a power of two.
    pub baby: usize,
    /// Levels from x to the result.
    pub depth: u32,
    /// Ciphertext products, if no coefficient is 0.
    pub products: u32,
}

impl BabyGiant {
    /// The plan of fewest levels, and among those of fewest products, for polynomials of a degree.
    pub fn new(degree: usize) -> Self {
        let degree = degree.max(1);
        let sizes = (1..=degree.ilog2() + 1).map(|k| Self::with(degree, 1 << k));
        sizes.min_by_key(|p| (p.depth, p.products)).unwrap_or(Self::with(degree, 2))
    }

    fn with(degree: usize, baby: usize) -> Self {
        let steps = degree.min(baby - 1).saturating_sub(1) as u32;
        let giants = if degree < baby { 0 } else { (degree / baby).ilog2() + 1 };
        Self { baby, depth: depth(degree, baby), products: steps + giants + joins(degree, baby) }
    }

    /// The giant step by which a polynomial of this degree is divided; None if it is a sum of baby steps.
    pub fn giant(&self, degree: usize) -> Option<usize> {
        giant(degree, self.baby)
    }
}

/// Levels to b_k.
fn steps(k: usize) -> u32 {
    k.next_power_of_two().trailing_zeros()
}

fn giant(degree: usize, baby: usize) -> Option<usize> {
    (degree >= baby).then(|| baby << (degree / baby).ilog2())
}

fn depth(degree: usize, baby: usize) -> u32 {
    let Some(n) = giant(degree, baby) else { return steps(degree) + 1 };
    let high = if degree == n { 0 } else { depth(degree - n, baby) };
    // A plaintext coefficient of b_n takes a level as well.
    (high.max(steps(n)) + 1).max(depth(n - 1, baby))
}

fn joins(degree: usize, baby: usize) -> u32 {
    let Some(n) = giant(degree, baby) else { return 0 };
    let high = if degree == n { 0 } else { 1 + joins(degree - n, baby) };
    high + joins(n - 1, baby)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_deeper_than_powers_with_fewer_products() {
        for degree in 1..=128 {
            let plan = BabyGiant::new(degree);
            assert!(plan.depth <= steps(degree) + 1 && plan.products < degree as u32, "{degree}: {plan:?}");
        }
        let of = |degree| (BabyGiant::new(degree).depth, BabyGiant::new(degree).products);
        assert_eq!([3, 4, 7, 31, 65].map(of), [(2, 2), (3, 3), (3, 5), (5, 19), (7, 18)]);
    }
}
