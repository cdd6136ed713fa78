//! Automorphisms X → X^g, g odd, in the coefficient and in the NTT domain.
//!
//! In the bit-reversed NTT order an automorphism maps every aligned block of eight words onto an
//! aligned block: with word i the evaluation at ψ^(2·brv(i)+1), the three low bits of i are the three
//! high bits of brv(i), and adding (N/8)·t to brv(i) adds (N/8)·g·t to the image. So the permutation
//! is one table entry per block and one of eight lane orders.

/// Permutation of one Galois element in the NTT domain.
pub(crate) struct NttPermutation {
    /// Per destination block: (source block << 3) | lane class.
    pub(crate) blocks: Vec<u32>,
    /// Lane order of each class.
    pub(crate) lanes: [[u64; 8]; 8],
}

fn reverse3(x: u64) -> u64 {
    ((x & 1) << 2) | (x & 2) | ((x >> 2) & 1)
}

impl NttPermutation {
    /// The permutation of a ring of degree 2^`log_n` ≥ 16 for the odd element `g` < 2N.
    pub(crate) fn new(log_n: u32, g: u64) -> Self {
        let n = 1u64 << log_n;
        let reverse = |x: u64| x.reverse_bits() >> (64 - log_n);
        let blocks = (0..n / 8)
            .map(|b| {
                let exponent = 2 * reverse(8 * b) + 1;
                let image = (g.wrapping_mul(exponent) & (2 * n - 1)) >> 1;
                let class = image >> (log_n - 3);
                let block = reverse(image & (n / 8 - 1)) >> 3;
                ((block << 3) | class) as u32
            })
            .collect();
        let lanes = std::array::from_fn(|class| {
            std::array::from_fn(|lane| {
                reverse3((class as u64).wrapping_add(g.wrapping_mul(reverse3(lane as u64))) & 7)
            })
        });
        Self { blocks, lanes }
    }
}

/// Calls `put(j, negated, i)` for every coefficient: X^i goes to ±X^j.
#[cfg(any(feature = "client", test))]
pub(crate) fn for_coefficients(n: usize, g: u64, mut put: impl FnMut(usize, bool, usize)) {
    let mask = 2 * n as u64 - 1;
    for i in 0..n {
        let j = (g.wrapping_mul(i as u64) & mask) as usize;
        if j < n { put(j, false, i) } else { put(j - n, true, i) }
    }
}

/// Galois element 5^step mod 2N of a rotation by `step` slots to the left (negative: to the right).
pub(crate) fn rotation_element(n: usize, step: i64) -> u64 {
    let two_n = 2 * n as u64;
    let mut exponent = step.rem_euclid(n as i64 / 2) as u64;
    let (mut base, mut acc) = (5 % two_n, 1u64);
    while exponent > 0 {
        if exponent & 1 == 1 {
            acc = acc * base % two_n;
        }
        base = base * base % two_n;
        exponent >>= 1;
    }
    acc
}

/// Inverse of the odd `g` modulo 2N (Newton's iteration modulo 2^64).
#[cfg(test)]
pub(crate) fn inverse_element(n: usize, g: u64) -> u64 {
    let mut inverse = g;
    for _ in 0..6 {
        inverse = inverse.wrapping_mul(2u64.wrapping_sub(g.wrapping_mul(inverse)));
    }
    inverse & (2 * n as u64 - 1)
}
