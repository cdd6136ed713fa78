//! What odd polynomials cost on ciphertexts.

/// Σ ⌈log₂(d + 1)⌉.
pub(super) fn depth(degrees: &[usize]) -> u32 {
    degrees.iter().map(|d| levels(d + 1)).sum()
}

/// Σ odd_products(d).
pub(super) fn products(degrees: &[usize]) -> u32 {
    degrees.iter().map(|d| odd_products(*d)).sum()
}

/// ⌈log₂ n⌉.
fn levels(n: usize) -> u32 {
    n.max(1).next_power_of_two().ilog2()
}

/// Least ciphertext–ciphertext products of an odd polynomial at minimum depth ⌈log₂(degree + 1)⌉, with
/// odd baby steps and giant steps (Lee et al., ePrint 2020/552, section on the odd baby-step giant-step
/// algorithm), over all numbers of baby steps:
///
/// * baby steps T_1, T_3, …, T_(k−1), k a power of two, T_(a+b) = 2·T_a·T_b − T_|a−b|;
/// * giant steps T_2, T_4, T_8, …, each a square;
/// * p = q·T_g + r by division, q and r odd: one product, q one level earlier;
/// * a sum of baby steps takes one level more than they, for its coefficients;
/// * degree 5 is also (c·x)·(T_4 + α·T_2 + β): one product.
pub fn odd_products(degree: usize) -> u32 {
    let budget = levels(degree + 1);
    if degree <= 1 {
        return 0;
    }
    let choices = (1..=budget).flat_map(|baby| (1..=budget).map(move |giant| (baby, giant)));
    choices
        .filter_map(|(baby, giant)| Steps { baby, giant }.products(degree, budget))
        .min()
        .unwrap_or(u32::MAX)
}

/// Baby steps below 2^baby, giant steps up to 2^giant.
struct Steps {
    baby: u32,
    giant: u32,
}

impl Steps {
    fn products(&self, degree: usize, budget: u32) -> Option<u32> {
        // T_(2^(j)+i) needs T_(2^j) and an odd baby step below it.
        if self.giant + 1 < self.baby {
            return None;
        }
        let baby = (1u32 << (self.baby - 1)) - 1;
        Some(self.giant + baby + self.evaluate(degree, budget)?)
    }

    /// Products for a polynomial that must be ready at level `budget`, given the steps.
    fn evaluate(&self, degree: usize, budget: u32) -> Option<u32> {
        if degree < 1 << self.baby && levels(degree) < budget {
            return Some(0);
        }
        let five = degree <= 5 && self.giant >= 2 && budget >= 3;
        let direct = five.then_some(1);
        let split = (1..=self.giant.min(budget.saturating_sub(1)))
            .filter(|giant| 1usize << giant < degree)
            .filter_map(|giant| {
                let step = 1usize << giant;
                Some(1 + self.evaluate(degree - step, budget - 1)? + self.evaluate(step - 1, budget)?)
            })
            .min();
        direct.into_iter().chain(split).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn published_counts() {
        for (degree, products) in [(3, 2), (5, 3), (7, 5), (13, 7), (15, 8), (27, 10), (29, 11), (31, 12)] {
            assert_eq!(odd_products(degree), products, "degree {degree}");
        }
    }

    #[test]
    fn depths() {
        assert_eq!(depth(&[3, 7]), 5);
        assert_eq!(depth(&[7, 7, 13]), 10);
        assert_eq!(depth(&[15, 15, 27]), 13);
        assert_eq!(products(&[15, 27, 29]), 29);
    }
}
