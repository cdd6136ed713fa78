//! Modular arithmetic on single words, for searches and constants; kernels use [`Modulus`](super::Modulus).

/// `a * b mod m`.
pub(crate) fn mul_mod(a: u64, b: u64, m: u64) -> u64 {
    ((u128::from(a) * u128::from(b)) % u128::from(m)) as u64
}

/// `base^exp mod m`.
pub(crate) fn pow_mod(mut base: u64, mut exp: u64, m: u64) -> u64 {
    let mut acc = 1 % m;
    base %= m;
    while exp > 0 {
        if exp & 1 == 1 {
            acc = mul_mod(acc, base, m);
        }
        base = mul_mod(base, base, m);
        exp >>= 1;
    }
    acc
}

/// Inverse of `a` modulo the prime `m` (Fermat).
pub(crate) fn inv_mod(a: u64, m: u64) -> u64 {
    pow_mod(a, m - 2, m)
}
