//! Negacyclic NTT of one limb.
//!
//! Word i of the transform is a(ψ^(2·brv(i)+1)), brv the bit reversal of log2 N bits and ψ the
//! primitive 2N-th root that `tfhe-ntt` picks (iterated square roots of −1). Two consequences are
//! used throughout: the root for a shorter ring of degree N' is ψ^(N/N'), so the transform of
//! b(X^g) is the short transform of b with every word repeated g = N/N' times; and order and root
//! are part of the wire format ([`crate::params::Parameters::id`] names them "ntt1").

use super::modulus::{Modulus, Shoup};
use super::simd;
use tfhe_ntt::prime64::Plan;

/// Shortest transform `tfhe-ntt` offers.
pub(crate) const MIN_LOG_N: u32 = 4;

/// Tables of one (modulus, ring degree) pair.
pub struct NttTable {
    plan: Plan,
    modulus: Modulus,
    n_inv: Shoup,
}

impl NttTable {
    /// Tables for degree 2^`log_n` ≥ 16; `None` if q has no 2N-th root of unity.
    pub(crate) fn new(modulus: Modulus, log_n: u32) -> Option<Self> {
        let plan = Plan::try_new(1 << log_n, modulus.q)?;
        let n_inv = modulus.shoup(modulus.inv(1 << log_n));
        Some(Self { plan, modulus, n_inv })
    }

    /// Coefficients → evaluations, in place; input and output below q.
    pub fn forward(&self, limb: &mut [u64]) {
        self.plan.fwd(limb);
    }

    /// Evaluations → coefficients, in place.
    pub fn inverse(&self, limb: &mut [u64]) {
        self.inverse_scaled(limb, self.n_inv);
    }

    /// N^-1·c as the constant for [`Self::inverse_scaled`].
    pub(crate) fn scaled_by(&self, c: u64) -> Shoup {
        self.modulus.shoup(self.modulus.mul(self.n_inv.w, c % self.modulus.q))
    }

    /// Evaluations → coefficients times c, at no extra cost; `factor` from [`Self::scaled_by`].
    pub(crate) fn inverse_scaled(&self, limb: &mut [u64], factor: Shoup) {
        self.plan.inv(limb);
        simd::mul_const_assign(&self.modulus, limb, factor);
    }
}
