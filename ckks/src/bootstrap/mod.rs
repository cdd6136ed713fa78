//! Bootstrapping: an exhausted ciphertext becomes one with levels left, for the same slots.
//!
//! ```text
//!  level  a        0          top             top−c             a+L+ρ        a+L
//!   ct ──StC──► Δ' ──ModRaise──► m+q_0·I ──CtS──► slots (m+q_0·I)/q_0 ──EvalMod──► m
//! ```
//!
//! 1. *SlotsToCoeffs* at the bottom of the chain, where it costs a twentieth of what it would at the
//!    top: the polynomial's coefficients become the slots, at a scale Δ' = q_0/2^r.
//! 2. *ModRaise*: the one limb left is switched to a sparse ephemeral secret (weight 32, under the
//!    modulus q_0·p_0 only), lifted to the whole chain, and switched back: it now encrypts m + q_0·I
//!    with |I| ≤ K. With n < N/2 slots a trace of log2(N/2n) rotations returns to the subring.
//! 3. *CoeffsToSlots* brings the coefficients into the slots; conjugation separates the real half.
//! 4. *EvalMod* removes q_0·I: a cosine of even degree, then doublings y ← 2y² − 1.
//!
//! Real slots fill only one half of the coefficients, so one EvalMod serves ([`Bootstrapper::bootstrap`]);
//! two real ciphertexts share everything else as real and imaginary part of one
//! ([`Bootstrapper::bootstrap_pair`]); several sparse ciphertexts are joined by monomials into one
//! denser one ([`Bootstrapper::bootstrap_joined`]).
//!
//! After Bossuat et al. (ePrint 2020/1203; encapsulation: 2022/024), with SlotsToCoeffs first. The choice
//! of primes is explained in [`design`], the prediction of the error in `precision` and `played`.

mod circuit;
mod cost;
pub mod design;
mod dft;
mod error;
mod overflow;
mod played;
mod precision;
mod sine;
mod spec;
#[cfg(all(test, feature = "client"))]
mod tests;

pub use crate::cost::KernelCosts;
pub use circuit::BootstrapCircuit;
pub use design::{BootstrapDesign, DesignRequest, Designer};
pub use error::BootstrapError;
pub use overflow::{MAX_LOG_FAILURE, log_failure_of_bound};
#[doc(hidden)]
pub use spec::insecure_test_bootstrap;
pub use spec::{BootstrapSpec, EvalModSpec};

use crate::cipher::Ciphertext;
use crate::encoding::Encoder;
use crate::error::{CkksError, check_id};
use crate::eval::{Evaluator, LinearTransform, SCALE_TOLERANCE};
use crate::params::{KeyName, KeyShape};
use crate::ring::{AddendOver, RnsPoly, Terms, par};
use circuit::Stage;
use error::Result;
use played::raised_rms;
use sine::sine_gain;
use std::f64::consts::PI;

/// Scales above the nominal one by more than this would overrun the message ratio.
const SCALE_SLACK: f64 = 1.1;

/// A [`BootstrapCircuit`] with its matrices encoded; refreshes ciphertexts on the server.
pub struct Bootstrapper {
    circuit: BootstrapCircuit,
    slots_to_coeffs: Vec<LinearTransform>,
    coeffs_to_slots: Vec<LinearTransform>,
    /// X^(e·N/2n) modulo q_0 per joined ciphertext (none if nothing is joined).
    monomials: Vec<RnsPoly>,
}

/// What EvalMod needs to know of the message at level 0.
struct Low {
    /// Δ'/q_0.
    ratio: f64,
    /// Scale of the input.
    scale: f64,
    /// Rms of the slots.
    message: f64,
}

impl Bootstrapper {
    /// Encodes the matrices of `circuit`.
    ///
    /// # Errors
    /// Those of [`LinearTransform::new`], as [`BootstrapError::Engine`].
    pub fn new(circuit: BootstrapCircuit) -> Result<Self> {
        let encoder = Encoder::new(circuit.parameters());
        let encode = |stage: &Stage| {
            let matrix = &stage.matrix;
            let values = &matrix.diagonals.values;
            LinearTransform::new(&encoder, values, matrix.baby_count, stage.shape, stage.scale)
        };
        let slots_to_coeffs = circuit.slots_to_coeffs.iter().map(encode).collect::<Result<_, CkksError>>()?;
        let coeffs_to_slots = circuit.coeffs_to_slots.iter().map(encode).collect::<Result<_, CkksError>>()?;
        let monomials = monomials(&circuit);
        Ok(Self { circuit, slots_to_coeffs, coeffs_to_slots, monomials })
    }

    /// What it carries out.
    pub fn circuit(&self) -> &BootstrapCircuit {
        &self.circuit
    }

    /// Bytes of the encoded matrices.
    pub fn bytes(&self) -> usize {
        self.slots_to_coeffs.iter().chain(&self.coeffs_to_slots).map(LinearTransform::bytes).sum()
    }

    /// Refreshes a ciphertext whose slots are real, in [−1, 1] at the nominal scale, and repeat with
    /// the circuit's period. Levels above the input level are dropped. The output has the input's scale.
    /// A bound B on the slots other than 1 is a matter of the scale: at most the nominal one over B.
    ///
    /// # Errors
    /// `Joined` if the circuit joins several ciphertexts. As [`BootstrapError::Engine`]: `LevelExhausted` below the
    /// input level; `ScaleMismatch` if the scale is more than a tenth above the nominal one; `MissingKey`;
    /// `ParametersMismatch`, `Degree`.
    pub fn bootstrap(&self, eval: &Evaluator, ct: &Ciphertext) -> Result<Ciphertext> {
        let (coefficients, low) = self.coefficients(eval, ct)?;
        self.eval_mod(eval, &self.real(eval, &coefficients)?, &low)
    }

    /// As [`Bootstrapper::bootstrap`] for complex slots, real and imaginary parts in [−1, 1]: one more
    /// EvalMod.
    ///
    /// # Errors
    /// As [`Bootstrapper::bootstrap`].
    pub fn bootstrap_complex(&self, eval: &Evaluator, ct: &Ciphertext) -> Result<Ciphertext> {
        let [re, im] = self.halves(eval, ct)?;
        let mut out = re;
        eval.add_assign(&mut out, &eval.mul_by_i(&im)?)?;
        Ok(out)
    }

    /// Refreshes two ciphertexts with real slots as a + ib: two EvalMods, everything else once.
    ///
    /// # Errors
    /// As [`Bootstrapper::bootstrap`]; `ScaleMismatch` if the scales differ.
    pub fn bootstrap_pair(
        &self,
        eval: &Evaluator,
        a: &Ciphertext,
        b: &Ciphertext,
    ) -> Result<[Ciphertext; 2]> {
        let level = self.circuit.spec().input_level();
        let (a, b) = (self.lowered(eval, a, level)?, self.lowered(eval, b, level)?);
        self.halves(eval, &eval.add(&a, &eval.mul_by_i(&b)?)?)
    }

    /// Refreshes 2^γ ciphertexts of n/2^γ real slots each, γ = [`BootstrapSpec::log_joined`], as one
    /// with n slots: slots j·n/2^γ.. are those of ciphertext j.
    ///
    /// # Errors
    /// As [`Bootstrapper::bootstrap`]; `Joined` unless there are 2^γ ciphertexts;
    /// `ScaleMismatch` if their scales differ.
    pub fn bootstrap_joined(&self, eval: &Evaluator, cts: &[Ciphertext]) -> Result<Ciphertext> {
        if cts.len() != 1 << self.circuit.spec().log_joined {
            let expected = 1 << self.circuit.spec().log_joined;
            return Err(BootstrapError::Joined { expected, found: cts.len() });
        }
        let mut sum: Option<Ciphertext> = None;
        for (ct, monomial) in cts.iter().zip(&self.monomials) {
            let mut low = self.slots_to_coeffs(eval, ct)?;
            for part in &mut low.parts {
                *part = self.circuit.parameters().ring().mul(part, monomial);
            }
            match &mut sum {
                None => sum = Some(low),
                Some(sum) => eval.add_assign(sum, &low)?,
            }
        }
        let low = sum.ok_or(CkksError::Empty("bootstrap_joined"))?;
        let coefficients = self.coeffs_to_slots(eval, self.mod_raise(eval, &low)?)?;
        let low = self.low(&low, &cts[0]);
        self.eval_mod(eval, &self.real(eval, &coefficients)?, &low)
    }

    /// Real and imaginary part, refreshed.
    fn halves(&self, eval: &Evaluator, ct: &Ciphertext) -> Result<[Ciphertext; 2]> {
        let (coefficients, low) = self.coefficients(eval, ct)?;
        let conjugate = eval.conjugate(&coefficients)?;
        let re = self.twice(eval.add(&coefficients, &conjugate)?);
        let re = self.eval_mod(eval, &re, &low)?;
        // (w̄ − w)·i = 2·Im w.
        let im = self.twice(eval.mul_by_i(&eval.sub(&conjugate, &coefficients)?)?);
        Ok([re, self.eval_mod(eval, &im, &low)?])
    }

    fn real(&self, eval: &Evaluator, w: &Ciphertext) -> Result<Ciphertext> {
        Ok(self.twice(eval.add(w, &eval.conjugate(w)?)?))
    }

    /// Reads twice a real value as that value, at exactly the polynomial's scale. The error is all in
    /// the real parts.
    fn twice(&self, mut ct: Ciphertext) -> Ciphertext {
        ct.scale = self.circuit.input_scale;
        ct.estimate.variance *= 2.0;
        ct.estimate.message = raised_rms() / self.circuit.range;
        ct
    }

    /// The raised coefficients in the slots.
    fn coefficients(&self, eval: &Evaluator, ct: &Ciphertext) -> Result<(Ciphertext, Low)> {
        if self.circuit.spec().log_joined != 0 {
            let expected = 1 << self.circuit.spec().log_joined;
            return Err(BootstrapError::Joined { expected, found: 1 });
        }
        let low = self.slots_to_coeffs(eval, ct)?;
        let raised = self.mod_raise(eval, &low)?;
        Ok((self.coeffs_to_slots(eval, raised)?, self.low(&low, ct)))
    }

    fn low(&self, low: &Ciphertext, input: &Ciphertext) -> Low {
        let ratio = low.scale / self.circuit.parameters().q()[0] as f64;
        Low { ratio, scale: input.scale, message: input.estimate.message }
    }

    /// `ct` at `level`, refusing what cannot be refreshed.
    fn lowered(&self, eval: &Evaluator, ct: &Ciphertext, level: usize) -> Result<Ciphertext> {
        let params = self.circuit.parameters();
        check_id(params, eval.parameters().id())?;
        check_id(params, ct.id)?;
        if ct.level() < level {
            return Err(CkksError::LevelExhausted { operation: "bootstrap", level: ct.level() }.into());
        }
        let nominal = self.circuit.spec().scale;
        if ct.scale() > nominal * SCALE_SLACK {
            return Err(CkksError::ScaleMismatch { left: ct.scale(), right: nominal }.into());
        }
        Ok(eval.drop_to_level(ct, level)?)
    }

    /// Level a → level 0, the slots in the coefficients.
    fn slots_to_coeffs(&self, eval: &Evaluator, ct: &Ciphertext) -> Result<Ciphertext> {
        let ct = self.lowered(eval, ct, self.circuit.spec().input_level())?;
        Ok(self.slots_to_coeffs.iter().try_fold(ct, |ct, stage| eval.linear_transform(&ct, stage))?)
    }

    /// Level 0 → top: m + q_0·I in the coefficients, read as X-multiples of q_0·range.
    fn mod_raise(&self, eval: &Evaluator, ct: &Ciphertext) -> Result<Ciphertext> {
        let top = self.circuit.spec().top_level();
        let mut raised = eval.mod_raise(ct, top)?;
        for step in self.circuit.trace_steps() {
            let rotated = eval.rotate(&raised, step)?;
            eval.add_assign(&mut raised, &rotated)?;
        }
        let params = self.circuit.parameters();
        let trace = params.slots() >> self.circuit.spec().log_slots;
        raised.scale = params.q()[0] as f64 * self.circuit.range * trace as f64;
        raised.estimate = self.circuit.raised(eval.noise(), ct.estimate.variance);
        Ok(raised)
    }

    fn coeffs_to_slots(&self, eval: &Evaluator, ct: Ciphertext) -> Result<Ciphertext> {
        Ok(self.coeffs_to_slots.iter().try_fold(ct, |ct, stage| eval.linear_transform(&ct, stage))?)
    }

    /// Slots t/range → message, for t = I + (Δ'/q_0)·z.
    fn eval_mod(&self, eval: &Evaluator, ct: &Ciphertext, low: &Low) -> Result<Ciphertext> {
        let shifted = eval.add_const(ct, -0.25 / self.circuit.range)?;
        let mut y = eval.run_polynomial(&shifted, &self.circuit.polynomial)?;
        for _ in 0..self.circuit.spec().eval_mod.doublings {
            y = eval.relinearize_rescale(&eval.square(&y)?)?;
            // Half the scale: twice the value.
            y.scale /= 2.0;
            y = eval.add_const(&y, -1.0)?;
        }
        // sin(2π·ratio·z) ≈ 2π·ratio·z/gain; the circuit is made so that this is the input's scale.
        y.scale *= 2.0 * PI * low.ratio / sine_gain(self.circuit.spec().message_ratio);
        debug_assert!((y.scale / low.scale - 1.0).abs() < SCALE_TOLERANCE);
        y.scale = low.scale;
        y.estimate = self.circuit.reduced(ct.estimate, low.ratio, y.scale, low.message);
        Ok(y)
    }
}

impl Evaluator {
    /// ModRaise: a level-0 ciphertext of m becomes one of m + q_0·I at `top`, I small because the
    /// lift happens under the sparse ephemeral secret. The scale is unchanged.
    ///
    /// # Errors
    /// `ParametersMismatch`, `Degree`; `LevelMismatch` unless at level 0; `MissingKey` without the
    /// keys of encapsulation.
    pub fn mod_raise(&self, ct: &Ciphertext, top: usize) -> Result<Ciphertext, CkksError> {
        self.check_degree("mod_raise", ct, 2)?;
        if ct.level() != 0 {
            return Err(CkksError::LevelMismatch { left: ct.level(), right: 0 });
        }
        let ring = self.ring();
        let [to, back] = [(KeyName::DenseToSparse, 0), (KeyName::SparseToDense, top)]
            .map(|(name, level)| self.keys().find(name, level, None));
        let (to, back) = (to?, back?);
        debug_assert_eq!(to.shape(), KeyShape::dense_to_sparse());
        let terms = |rows, c0| Terms { rows, addend: AddendOver::Q([Some(c0), None]), image: None };
        let [c0, c1] = ring.switch_key_down(&ct.parts[1], (1, 1), terms(&to.rows, &ct.parts[0]), 0);
        let (c0, (source, digits)) =
            par::join(ring.n(), || ring.raise(&c0, top + 1), || ring.raise_as_digit(&c1, top + 1));
        let parts = ring.inner_product_down(&source, &digits, terms(&back.rows, &c0)).into();
        Ok(Self::with_parts(ct, parts, ct.scale, ct.estimate))
    }
}

/// The monomials that place the coefficients of joined ciphertexts side by side: those of block j
/// are n/2^γ consecutive slots after CoeffsToSlots, whose order is bit-reversed.
fn monomials(circuit: &BootstrapCircuit) -> Vec<RnsPoly> {
    let (params, spec) = (circuit.parameters(), circuit.spec());
    let (ring, bits) = (params.ring(), spec.log_joined);
    let gap = params.slots() >> spec.log_slots;
    (0..1usize << bits)
        .map(|block| {
            let exponent = if bits == 0 { 0 } else { block.reverse_bits() >> (usize::BITS - bits) };
            let mut monomial = ring.uninit(1, 0);
            let limb = monomial.limb_mut(0);
            limb.fill(0);
            limb[exponent * gap] = 1;
            ring.ntt(0).forward(limb);
            monomial
        })
        .collect()
}
