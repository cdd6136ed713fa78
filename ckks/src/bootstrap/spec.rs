//! What a bootstrap does, level by level: the unchecked description.

use serde::{Deserialize, Serialize};

use crate::params::{ParameterError, Parameters, ParametersLiteral, insecure_test_literal};

/// EvalMod's approximation of t − round(t): see `bootstrap::sine`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct EvalModSpec {
    /// Bound K on the multiples of q_0 that ModRaise adds. With an encapsulated secret of weight 32,
    /// 15 fails with probability 2^-132.7 a bootstrap at N = 2^16, 14 with 2^-81.9: `bootstrap::overflow` has the law.
    pub bound: u32,
    /// Even degree of the inner cosine.
    pub degree: usize,
    /// Doublings ρ.
    pub doublings: u32,
}

impl Default for EvalModSpec {
    fn default() -> Self {
        Self { bound: 15, degree: 30, doublings: 3 }
    }
}

impl EvalModSpec {
    /// Levels used: T_2, a polynomial of half the degree in it, and the doublings.
    pub fn levels(&self) -> usize {
        let half = (self.degree / 2 + 1) as u32;
        1 + half.next_power_of_two().trailing_zeros() as usize + self.doublings as usize
    }
}

/// One bootstrap on a chain q_0 | SlotsToCoeffs | residual levels | EvalMod | CoeffsToSlots.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BootstrapSpec {
    /// log2 of the number n of slots; messages repeat with period n.
    pub log_slots: u32,
    /// log2 γ of the number of ciphertexts joined, each of n/2^γ slots; 0 for one of n slots.
    pub log_joined: u32,
    /// DFT stages merged per level, in the order applied; they sum to `log_slots` − `log_joined`.
    pub slots_to_coeffs: Vec<u32>,
    /// Levels left to computations after the bootstrap, those of SlotsToCoeffs not counted.
    pub residual_levels: usize,
    /// The modular reduction.
    pub eval_mod: EvalModSpec,
    /// DFT stages merged per level, in the order applied; they sum to `log_slots`.
    pub coeffs_to_slots: Vec<u32>,
    /// r = log2(q_0/Δ'), Δ' the scale of the message when it is raised. The sine's bias is
    /// (2π/2^r)²/24 for slots in [−1, 1]; noise grows by a bit per bit of r.
    pub message_ratio: f64,
    /// Scale Δ of inputs and outputs, for slots in [−1, 1].
    pub scale: f64,
}

impl BootstrapSpec {
    /// Level inputs are brought down to.
    pub fn input_level(&self) -> usize {
        self.slots_to_coeffs.len()
    }

    /// Level of outputs.
    pub fn output_level(&self) -> usize {
        self.slots_to_coeffs.len() + self.residual_levels
    }

    /// Level of EvalMod's input.
    pub fn eval_mod_level(&self) -> usize {
        self.output_level() + self.eval_mod.levels()
    }

    /// Highest level of the chain.
    pub fn top_level(&self) -> usize {
        self.eval_mod_level() + self.coeffs_to_slots.len()
    }

    /// The chain in a ring of degree 2^`log_n`, from the widths in bits of its five parts, bottom up, and of its special
    /// primes.
    ///
    /// # Errors
    /// If there are no such primes.
    pub fn literal(
        &self,
        log_n: u32,
        parts: [f64; 5],
        special: &[f64],
    ) -> Result<ParametersLiteral, ParameterError> {
        let levels = [
            self.slots_to_coeffs.len(),
            self.residual_levels,
            self.eval_mod.levels(),
            self.coeffs_to_slots.len(),
        ];
        let counts = std::iter::once(1).chain(levels);
        let q: Vec<f64> = counts.zip(parts).flat_map(|(count, width)| vec![width; count]).collect();
        ParametersLiteral::from_widths(log_n, &q, special)
    }
}

/// A bootstrap for tests at N = 2^10, of all slots, from level 3 to level 3 + `residual_levels`, scale 2^40, 16 bits
/// precise or better. Parameters pass every check but the security cap.
///
/// # Errors
/// If the parameters are refused.
#[doc(hidden)]
pub fn insecure_test_bootstrap(
    residual_levels: usize,
) -> Result<(Parameters, BootstrapSpec), ParameterError> {
    let spec = BootstrapSpec {
        log_slots: 9,
        log_joined: 0,
        slots_to_coeffs: vec![3, 3, 3],
        residual_levels,
        eval_mod: EvalModSpec::default(),
        coeffs_to_slots: vec![5, 4],
        message_ratio: 9.0,
        scale: 2f64.powi(40),
    };
    let literal = spec.literal(10, [49.0, 34.0, 40.0, 49.4, 49.0], &[50.0; 6])?;
    Ok((insecure_test_literal(&literal)?, spec))
}
