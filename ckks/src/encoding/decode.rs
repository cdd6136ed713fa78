//! Exact reconstruction of centred coefficients from residues.

use crate::ring::{Ring, RnsPoly};
use zeroize::Zeroizing;

/// Centred integer coefficients of `poly` (NTT domain), rounded to double precision.
///
/// Garner's mixed-radix digits, balanced: x = v_0 + q_0·(v_1 + q_1·(v_2 + …)) with |v_i| < q_i/2
/// represents exactly the centred residue of odd moduli, and the digits above a small value are 0,
/// so Horner evaluation in doubles has a relative error of a few 2^-53.
pub(super) fn centred(ring: &Ring, poly: &RnsPoly) -> Zeroizing<Vec<f64>> {
    let limbs = poly.q_limbs();
    let mut poly = poly.truncated(limbs, 0);
    ring.inverse(&mut poly);
    let inverses: Vec<Vec<_>> = (0..limbs)
        .map(|i| {
            let m = ring.modulus(i);
            (0..i).map(|j| m.shoup(m.inv(ring.modulus(j).q))).collect()
        })
        .collect();
    let mut digits = Zeroizing::new(vec![0i64; limbs]);
    let coefficients = (0..poly.n())
        .map(|c| {
            for i in 0..limbs {
                let m = ring.modulus(i);
                let rest =
                    inverses[i].iter().zip(digits.iter()).fold(poly.limb(i)[c], |x, (inverse, digit)| {
                        inverse.mul(m.sub(x, m.residue_i64(*digit)), m.q)
                    });
                digits[i] = if rest > m.q / 2 { rest as i64 - m.q as i64 } else { rest as i64 };
            }
            (0..limbs).rev().fold(0.0, |acc, i| acc * ring.modulus(i).q as f64 + digits[i] as f64)
        })
        .collect();
    // The buffer returns to a pool: leave no plaintext in it.
    poly.words_mut().fill(0);
    Zeroizing::new(coefficients)
}
