//! The checked description of a bootstrap: matrices, polynomial, scales and keys.

use super::dft::{Diagonals, Direction, factors};
use super::error::{BootstrapError, Result};
use super::overflow::{MAX_LOG_FAILURE, log_failure_of_bound};
use super::played::{SAMPLES, eval_mod_error};
use super::sine::{Cosine, sine_gain};
use super::spec::{BootstrapSpec, EvalModSpec};
use crate::encoding::stored_words;
use crate::eval::linear::split;
use crate::params::{KeyName, KeyShape, Parameters};
use crate::poly::{Basis, Polynomial, PolynomialPlan, Strategy};
use std::collections::BTreeSet;
use std::f64::consts::PI;
use std::fmt;
use std::sync::Arc;

/// Cost of a giant step over that of a baby step (measured at 27 limbs and 9 special primes).
const GIANT_COST: usize = 4;

/// log2 of the polynomial's input scale over the prime it is rescaled by. The rounding of T_2 dominates
/// the error, and a larger scale lessens it; but T_n has n times the growth, which the coefficients it
/// is multiplied by lose. The best growth was found by playing EvalMod: a gain of 0.1 bits.
const INPUT_GROWTH: f64 = 0.1;

/// One matrix of a transform, with its steps.
pub(crate) struct Matrix {
    pub(crate) diagonals: Diagonals,
    /// A power of two: diagonal offsets below it are baby steps.
    pub(crate) baby_count: usize,
    /// Steps other than 0.
    pub(super) babies: BTreeSet<usize>,
    pub(super) giants: BTreeSet<usize>,
    /// Root mean square of each diagonal.
    pub(super) rms: Vec<f64>,
}

/// A matrix at its level.
#[derive(Clone)]
pub(crate) struct Stage {
    pub(crate) matrix: Arc<Matrix>,
    pub(crate) shape: KeyShape,
    /// Scale of its plaintexts.
    pub(crate) scale: f64,
}

/// The matrices of both transforms.
#[derive(Clone)]
pub(crate) struct Matrices {
    pub(super) slots_to_coeffs: Vec<Arc<Matrix>>,
    pub(super) coeffs_to_slots: Vec<Arc<Matrix>>,
}

impl Matrices {
    /// Stages `low` and `high` merged, for 2^`log_slots` slots of 2^`log_joined` ciphertexts.
    pub(super) fn new(log_slots: u32, log_joined: u32, low: &[u32], high: &[u32]) -> Self {
        Self {
            slots_to_coeffs: matrices(log_slots - log_joined, low, Direction::SlotsToCoeffs),
            coeffs_to_slots: matrices(log_slots, high, Direction::CoeffsToSlots),
        }
    }
}

/// The matrices of one direction, `merged[i]` stages in the i-th.
pub(super) fn matrices(log_slots: u32, merged: &[u32], direction: Direction) -> Vec<Arc<Matrix>> {
    factors(1 << log_slots, merged, direction).into_iter().map(|d| Arc::new(Matrix::new(d))).collect()
}

impl Matrix {
    fn new(diagonals: Diagonals) -> Self {
        let offsets: Vec<usize> = diagonals.values.keys().copied().collect();
        let stride = offsets.iter().filter(|d| **d != 0).map(|d| 1 << d.trailing_zeros()).min().unwrap_or(1);
        let baby_count = baby_count(&offsets, stride);
        let [babies, giants] = split(offsets, baby_count);
        let rms = diagonals
            .values
            .values()
            .map(|values| (values.iter().map(|v| v.norm_sqr()).sum::<f64>() / values.len() as f64).sqrt());
        Self { baby_count, babies, giants, rms: rms.collect(), diagonals }
    }

    /// All steps other than 0.
    pub(super) fn steps(&self) -> impl Iterator<Item = usize> + '_ {
        self.babies.union(&self.giants).copied()
    }
}

/// A bootstrap whose every level, scale and key is settled; holds no plaintext and no key. Cloning
/// shares the matrices.
#[derive(Clone)]
pub struct BootstrapCircuit {
    params: Parameters,
    spec: BootstrapSpec,
    pub(crate) slots_to_coeffs: Vec<Stage>,
    pub(crate) coeffs_to_slots: Vec<Stage>,
    pub(crate) polynomial: PolynomialPlan,
    /// Scale of its input.
    pub(crate) input_scale: f64,
    /// X is divided by this before the polynomial.
    pub(crate) range: f64,
    /// Rms error of EvalMod itself, of slots uniform in [−1, 1].
    pub(super) eval_mod_error: f64,
}

impl fmt::Debug for BootstrapCircuit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootstrapCircuit").field("spec", &self.spec).finish_non_exhaustive()
    }
}

/// The power of two `b` times `stride` that makes the steps of `offsets` cheapest.
fn baby_count(offsets: &[usize], stride: usize) -> usize {
    let cost = |count: usize| {
        let [babies, giants] = split(offsets.iter().copied(), count);
        babies.len() + GIANT_COST * giants.len()
    };
    (0..usize::BITS - (offsets.len()).leading_zeros())
        .map(|b| stride << b)
        .min_by_key(|count| cost(*count))
        .unwrap_or(stride)
}

/// The polynomial of EvalMod for one message ratio.
pub(super) struct Fit {
    range: f64,
    polynomial: Polynomial,
    strategy: Option<Strategy>,
}

impl BootstrapSpec {
    /// The cosine of EvalMod. `like` is a fit of the same degree, whose strategy serves again.
    pub(super) fn fit(&self, like: Option<&Fit>) -> Result<Fit> {
        let EvalModSpec { bound, degree, doublings } = self.eval_mod;
        let cosine = Cosine::fit(bound, self.message_ratio, doublings, degree);
        let polynomial = Polynomial::new(Basis::Chebyshev, cosine.coefficients)?;
        let like = like.filter(|f| f.polynomial.degree() == polynomial.degree());
        let strategy = like.map_or_else(|| polynomial.strategy(), |f| f.strategy.clone());
        Ok(Fit { range: cosine.range, polynomial, strategy })
    }
}

impl Stage {
    fn keys(&self) -> impl Iterator<Item = (KeyName, KeyShape)> + '_ {
        self.matrix.steps().map(|s| (KeyName::Rotation(s as i64), self.shape))
    }
}

impl BootstrapCircuit {
    /// Checks `spec` against the chain and settles everything.
    ///
    /// # Errors
    /// [`BootstrapError`] if the chain has not the levels of the spec, the DFT's stages do not sum
    /// to log2 of the slots, a number is out of range, or q_0·p_0 does not fit the encapsulation key.
    pub fn new(params: &Parameters, spec: &BootstrapSpec) -> Result<Self> {
        check(params, spec)?;
        let (low, high) = (&spec.slots_to_coeffs, &spec.coeffs_to_slots);
        let matrices = Matrices::new(spec.log_slots, spec.log_joined, low, high);
        let mut circuit = Self::with(params, spec, &matrices, &spec.fit(None)?)?;
        circuit.eval_mod_error = circuit.play_eval_mod(SAMPLES);
        Ok(circuit)
    }

    /// The circuit with matrices and cosine of its spec at hand; EvalMod is not played yet.
    pub(super) fn with(
        params: &Parameters,
        spec: &BootstrapSpec,
        matrices: &Matrices,
        fit: &Fit,
    ) -> Result<Self> {
        check(params, spec)?;
        let q = |level: usize| params.q()[level] as f64;
        let slots = 1 << spec.log_slots;
        let q0 = q(0);
        let raised_scale = q0 * (-spec.message_ratio).exp2();

        // SlotsToCoeffs ends at Δ' = q_0/2^r.
        let low = params.key_shape(spec.input_level());
        let step = (raised_scale / spec.scale).powf(1.0 / spec.slots_to_coeffs.len() as f64);
        let slots_to_coeffs = matrices
            .slots_to_coeffs
            .iter()
            .enumerate()
            .map(|(i, matrix)| {
                let level = spec.input_level() - i;
                let shape = KeyShape { level, ..low };
                Stage { matrix: Arc::clone(matrix), shape, scale: q(level) * step }
            })
            .collect();

        // The raised integer is q_0·t; as X/range it has the scale q_0·range, times the trace's factor.
        let trace = (params.slots() / slots) as f64;
        let input_scale = q(spec.eval_mod_level()) * INPUT_GROWTH.exp2();
        let top = params.key_shape(spec.top_level());
        // The sum with the conjugate is twice the real part.
        let step =
            (input_scale / (2.0 * q0 * fit.range * trace)).powf(1.0 / spec.coeffs_to_slots.len() as f64);
        let coeffs_to_slots = matrices
            .coeffs_to_slots
            .iter()
            .enumerate()
            .map(|(i, matrix)| {
                let level = spec.top_level() - i;
                let shape = KeyShape { level, ..top };
                Stage { matrix: Arc::clone(matrix), shape, scale: q(level) * step }
            })
            .collect();

        // Backwards from the output: sin(2πt)·2^r/2π is the message; a doubling takes a scale s at
        // level l to s²/2q_l.
        let mut scale = spec.scale * spec.message_ratio.exp2() * sine_gain(spec.message_ratio) / (2.0 * PI);
        for i in 0..spec.eval_mod.doublings as usize {
            scale = (2.0 * scale * q(spec.output_level() + 1 + i)).sqrt();
        }
        let planned = (&fit.polynomial, fit.strategy.as_ref());
        let polynomial =
            PolynomialPlan::with_strategy(params, planned, spec.eval_mod_level(), input_scale, scale)?;
        Ok(Self {
            params: params.clone(),
            spec: spec.clone(),
            slots_to_coeffs,
            coeffs_to_slots,
            polynomial,
            input_scale,
            range: fit.range,
            eval_mod_error: 0.0,
        })
    }

    /// EvalMod's own rms error, as `samples` random slots show it.
    pub(super) fn play_eval_mod(&self, samples: usize) -> f64 {
        eval_mod_error(&self.params, &self.spec, (&self.polynomial, self.range), samples)
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.params
    }

    /// The description it was made from.
    pub fn spec(&self) -> &BootstrapSpec {
        &self.spec
    }

    /// Steps of the trace that brings the raised ciphertext back to n slots.
    pub(crate) fn trace_steps(&self) -> impl Iterator<Item = i64> + '_ {
        (self.spec.log_slots..self.params.log_n() - 1).map(|i| 1i64 << i)
    }

    /// Shape of the keys of EvalMod and conjugation.
    pub(crate) fn top_shape(&self) -> KeyShape {
        KeyShape { level: self.spec.eval_mod_level(), ..self.params.key_shape(self.spec.top_level()) }
    }

    /// Rotation, conjugation and relinearisation keys with their shapes; the two keys of
    /// encapsulation come on top
    /// ([`KeyGenerator::encapsulation_keys`](crate::keys::KeyGenerator::encapsulation_keys) for
    /// [`BootstrapSpec::top_level`]).
    pub fn keys(&self) -> Vec<(KeyName, KeyShape)> {
        let top = self.params.key_shape(self.spec.top_level());
        let middle = self.top_shape();
        let mut keys = vec![(KeyName::Conjugation, middle), (KeyName::Relinearization, middle)];
        keys.extend(self.trace_steps().map(|s| (KeyName::Rotation(s), top)));
        keys.extend(self.slots_to_coeffs.iter().chain(&self.coeffs_to_slots).flat_map(Stage::keys));
        keys.sort_unstable();
        keys.dedup();
        keys
    }

    /// Bytes of its matrices when a [`Bootstrapper`](super::Bootstrapper) has encoded them.
    pub fn matrix_bytes(&self) -> usize {
        let words = |stage: &Stage| {
            let limbs = stage.shape.level + 1 + stage.shape.special;
            let diagonals = stage.matrix.diagonals.values.values();
            diagonals.map(|values| limbs * stored_words(2 * values.len())).sum::<usize>()
        };
        8 * self.slots_to_coeffs.iter().chain(&self.coeffs_to_slots).map(words).sum::<usize>()
    }
}

fn check(params: &Parameters, spec: &BootstrapSpec) -> Result<()> {
    use BootstrapError as E;
    let max = params.log_n() - 1;
    if !(1..=max).contains(&spec.log_slots) || spec.log_joined >= spec.log_slots {
        return Err(E::Slots { log_slots: spec.log_slots, max });
    }
    let low = spec.log_slots - spec.log_joined;
    for (stages, log_slots) in [(&spec.slots_to_coeffs, low), (&spec.coeffs_to_slots, spec.log_slots)] {
        if stages.contains(&0) || stages.iter().map(|s| u64::from(*s)).sum::<u64>() != u64::from(log_slots) {
            return Err(E::Stages { stages: stages.clone(), log_slots });
        }
    }
    let eval_mod = &spec.eval_mod;
    let degree = (2..=126).contains(&eval_mod.degree) && eval_mod.degree.is_multiple_of(2);
    // One interval per half-integer; a fit needs no more coefficients than it has intervals.
    let determined = eval_mod.degree / 2 <= 2 * eval_mod.bound as usize;
    if !degree || !(1..=64).contains(&eval_mod.bound) || eval_mod.doublings > 6 || !determined {
        return Err(E::EvalMod(*eval_mod));
    }
    let log_failure = log_failure_of_bound(eval_mod.bound, params.n());
    if log_failure > MAX_LOG_FAILURE {
        return Err(E::Overflow { bound: eval_mod.bound, log_failure });
    }
    if !(1.0..=40.0).contains(&spec.message_ratio) {
        return Err(E::Ratio(spec.message_ratio));
    }
    if !(spec.scale.is_finite() && spec.scale >= 1.0) {
        return Err(E::Scale(spec.scale));
    }
    let (expected, found) = (spec.top_level(), params.max_level());
    if expected != found {
        return Err(E::Levels { expected, found });
    }
    let keys = [
        (KeyName::DenseToSparse, KeyShape::dense_to_sparse()),
        (KeyName::SparseToDense, KeyShape::sparse_to_dense(found)),
    ];
    if !keys.iter().all(|(name, shape)| params.admits_key(*name, shape)) {
        let (q0, p0) = (params.q()[0] as f64, params.p()[0] as f64);
        return Err(E::Encapsulation { log_q: q0.log2(), log_p: p0.log2() });
    }
    Ok(())
}
