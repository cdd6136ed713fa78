//! The primitive 2N-th root of unity that fixes the NTT domain.

use super::modular::pow_mod;
use super::modulus::Modulus;

/// ψ of order 2N modulo a prime q ≡ 1 mod 2N: −1, then log2 N times the square root that
/// Tonelli–Shanks gives with the least non-residue. This is the root of `tfhe-ntt` (tested), and the
/// root for a shorter ring is a power of it.
pub(super) fn primitive_root(modulus: &Modulus, log_n: u32) -> Option<u64> {
    let q = modulus.q;
    if (q - 1).trailing_zeros() < log_n + 1 {
        return None;
    }
    let non_residue = (2..q).find(|x| pow_mod(*x, (q - 1) / 2, q) == q - 1)?;
    (0..log_n).try_fold(q - 1, |root, _| square_root(modulus, non_residue, root))
}

/// A square root of `x`, by Tonelli–Shanks.
fn square_root(m: &Modulus, non_residue: u64, x: u64) -> Option<u64> {
    let q = m.q;
    let mut order = (q - 1).trailing_zeros();
    let odd = (q - 1) >> order;
    let mut c = pow_mod(non_residue, odd, q);
    let mut t = pow_mod(x, odd, q);
    let mut root = pow_mod(x, odd.div_ceil(2), q);
    while t != 1 {
        let mut power = t;
        let mut exponent = 0;
        while power != 1 {
            power = m.mul(power, power);
            exponent += 1;
            if exponent == order {
                return None;
            }
        }
        let b = (0..order - exponent - 1).fold(c, |b, _| m.mul(b, b));
        order = exponent;
        c = m.mul(b, b);
        t = m.mul(t, c);
        root = m.mul(root, b);
    }
    Some(root)
}
