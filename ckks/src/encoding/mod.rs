//! Encoding of slot vectors as plaintext polynomials, and back.
//!
//! n = N/2 complex slots; a vector v at scale s becomes the integer polynomial nearest to s times
//! its image under the inverse canonical embedding. A vector whose 2^k values repeat lives in the
//! subring of polynomials in X^(N/2^{k+1}): it is embedded by an FFT of size 2^k, and its NTT is the
//! short transform with every word repeated, so only the short one is kept.

mod compact;
mod decode;
pub(crate) mod fft;
#[cfg(test)]
mod tests;

use crate::error::{CkksError, Result};
use crate::noise::{Estimate, NoiseModel};
use crate::params::{Parameters, ParametersId};
use crate::ring::{MIN_LOG_N, Ring, RnsPoly, par, simd};
pub use compact::CompactPlaintext;
use fft::SpecialFft;
use num_complex::Complex64;
use std::cell::Cell;
use std::sync::OnceLock;

/// Largest magnitude of a scaled coefficient, as a power of two (the 128-bit path).
const MAX_LOG2_COEFFICIENT: f64 = 126.0;

/// Buffers of an encoding, kept by each thread: fresh ones of this size would be faulted in every time.
#[derive(Default)]
struct Scratch {
    slots: Vec<Complex64>,
    coefficients: Vec<f64>,
    small: Vec<i64>,
}

thread_local! {
    /// Taken while in use: a thread that waits for others may begin another encoding meanwhile.
    static SCRATCH: Cell<Scratch> = Cell::default();
}

/// Words kept per limb for a polynomial with `coefficients`, a power of two.
pub(crate) fn stored_words(coefficients: usize) -> usize {
    coefficients.max(1 << MIN_LOG_N)
}

/// Largest magnitude; infinite if the FFT overflowed, which finite values can make it do.
fn largest(coefficients: &[f64]) -> f64 {
    let finite = coefficients.iter().all(|c| c.is_finite());
    if finite { coefficients.iter().fold(0.0, |max: f64, c| max.max(c.abs())) } else { f64::INFINITY }
}

/// Refuses magnitudes of 2^`limit` and above.
fn check_largest(largest: f64, limit: f64) -> Result<()> {
    if largest < 1.0 || largest.log2() < limit {
        return Ok(());
    }
    Err(CkksError::CoefficientTooLarge { log2: largest.log2(), limit })
}

/// An encoded slot vector: an integer polynomial modulo q_0..=q_level (and possibly special primes),
/// NTT domain, at a scale. Equality does not look at the estimate.
#[derive(Debug, Clone)]
pub struct Plaintext {
    pub(crate) id: ParametersId,
    pub(crate) poly: RnsPoly,
    pub(crate) scale: f64,
    pub(crate) estimate: Estimate,
}

/// A plaintext over QP whose residues are in the form in which sums over rotations multiply with them
/// ([`Evaluator::rotated_sums_ext`](crate::eval::Evaluator::rotated_sums_ext)).
pub struct FormedPlaintext(pub(crate) Plaintext);

impl FormedPlaintext {
    /// Brings a plaintext into the form.
    pub(crate) fn new(ring: &Ring, mut plaintext: Plaintext) -> Self {
        ring.bring_in_form(&mut plaintext.poly);
        Self(plaintext)
    }
}

impl PartialEq for Plaintext {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.scale, &self.poly) == (other.id, other.scale, &other.poly)
    }
}

impl Plaintext {
    /// Level: the polynomial has limbs q_0..=q_level.
    pub fn level(&self) -> usize {
        self.poly.q_limbs() - 1
    }

    /// Number of special-prime limbs; 0 for a plaintext over Q only.
    pub fn special(&self) -> usize {
        self.poly.special()
    }

    /// Scale.
    pub fn scale(&self) -> f64 {
        self.scale
    }

    /// Error of rounding and rms of the slots; of a decrypted plaintext, the ciphertext's estimate.
    pub fn estimate(&self) -> Estimate {
        self.estimate
    }

    /// Bytes held: periodic vectors take a fraction of a full plaintext.
    pub fn bytes(&self) -> usize {
        self.poly.words().len() * 8
    }

    /// Identity of the parameter set.
    pub fn parameters_id(&self) -> ParametersId {
        self.id
    }
}

/// Encodes and decodes for one parameter set. `Sync`; tables are built on first use.
pub struct Encoder {
    params: Parameters,
    /// FFT of 2^k slots at index k.
    ffts: Vec<OnceLock<SpecialFft>>,
}

impl Encoder {
    /// An encoder for `params`.
    pub fn new(params: &Parameters) -> Self {
        let ffts = (0..params.log_n()).map(|_| OnceLock::new()).collect();
        Self { params: params.clone(), ffts }
    }

    /// The parameter set.
    pub fn parameters(&self) -> &Parameters {
        &self.params
    }

    fn fft(&self, slots: usize) -> &SpecialFft {
        self.ffts[slots.trailing_zeros() as usize].get_or_init(|| SpecialFft::new(slots))
    }

    /// Encodes `values` (`f64` or `Complex64`) at `level` and `scale`. Their number is a power of two
    /// up to N/2; fewer than N/2 values are repeated to fill the slots.
    ///
    /// # Errors
    /// `SlotCount`, `NotFinite`, `BadScale`, `LevelTooHigh`, or `CoefficientTooLarge` if a scaled
    /// coefficient reaches half the modulus of `level`.
    pub fn encode<T: Copy + Into<Complex64>>(
        &self,
        values: &[T],
        level: usize,
        scale: f64,
    ) -> Result<Plaintext> {
        self.encode_ext(values, level, 0, scale)
    }

    /// As [`Encoder::encode`], with the first `special` special-prime limbs besides: the form
    /// [`Evaluator::mul_acc_ext`](crate::eval::Evaluator::mul_acc_ext) multiplies by.
    ///
    /// # Errors
    /// As [`Encoder::encode`]; `SpecialMismatch` if the chain has fewer special primes.
    pub fn encode_ext<T: Copy + Into<Complex64>>(
        &self,
        values: &[T],
        level: usize,
        special: usize,
        scale: f64,
    ) -> Result<Plaintext> {
        self.check_place(level, special, scale)?;
        self.rounded(values, scale, |scratch| self.embed(scratch, level, special, scale))
    }

    /// Hands the integral coefficients of the polynomial of `values` to `then`, in scratch space.
    fn rounded<T: Copy + Into<Complex64>, P>(
        &self,
        values: &[T],
        scale: f64,
        then: impl FnOnce(&mut Scratch) -> Result<P>,
    ) -> Result<P> {
        let slots = values.len();
        if !slots.is_power_of_two() || slots > self.params.slots() {
            return Err(CkksError::SlotCount { found: slots, slots: self.params.slots() });
        }
        if let Some(index) = values.iter().position(|v| !(*v).into().is_finite()) {
            return Err(CkksError::NotFinite { index });
        }
        let mut scratch = SCRATCH.take();
        let Scratch { slots: z, coefficients, .. } = &mut scratch;
        z.clear();
        z.extend(values.iter().map(|v| (*v).into()));
        self.fft(slots).inverse(z, scale);
        coefficients.clear();
        coefficients.extend(z.iter().map(|z| z.re.round_ties_even()));
        coefficients.extend(z.iter().map(|z| z.im.round_ties_even()));
        let result = then(&mut scratch);
        SCRATCH.set(scratch);
        result
    }

    fn check_place(&self, level: usize, special: usize, scale: f64) -> Result<()> {
        let max = self.params.max_level();
        if level > max {
            return Err(CkksError::LevelTooHigh { what: "encode", level, max });
        }
        if special > self.params.p().len() {
            return Err(CkksError::SpecialMismatch { expected: self.params.p().len(), found: special });
        }
        if !(scale.is_finite() && scale > 0.0) {
            return Err(CkksError::BadScale(scale));
        }
        Ok(())
    }

    /// The polynomial in X^(N/len) with the integral coefficients of `scratch`, transformed.
    fn embed(&self, scratch: &mut Scratch, level: usize, special: usize, scale: f64) -> Result<Plaintext> {
        let Scratch { coefficients, small, .. } = scratch;
        let largest = largest(coefficients);
        check_largest(largest, (self.params.log_q_at(level) - 1.0).min(MAX_LOG2_COEFFICIENT))?;
        let log_len = coefficients.len().trailing_zeros();
        let log_store = stored_words(coefficients.len()).trailing_zeros();
        let ring = self.params.ring();
        let n = 1 << log_store;
        let gap = n >> log_len;
        let mut poly = ring.uninit_short(n, level + 1, special);
        small.clear();
        let fits = largest < 2f64.powi(62);
        if fits {
            small.extend(coefficients.iter().map(|c| *c as i64));
        }
        let (coefficients, small) = (&coefficients[..], fits.then_some(&small[..]));
        par::for_limbs(n, poly.words_mut(), |i, limb| {
            let index = ring.index(level + 1, i);
            let m = ring.modulus(index);
            if gap > 1 {
                limb.fill(0);
            }
            match small {
                Some(small) if gap == 1 => simd::reduce_signed(m, limb, small),
                Some(small) => small.iter().enumerate().for_each(|(j, c)| limb[j * gap] = m.residue_i64(*c)),
                None => coefficients
                    .iter()
                    .enumerate()
                    .for_each(|(j, c)| limb[j * gap] = m.residue_i128(*c as i128)),
            }
            ring.short_ntt(index, log_store).forward(limb);
        });
        let estimate = self.estimate(coefficients, scale);
        Ok(Plaintext { id: self.params.id(), poly, scale, estimate })
    }

    fn estimate(&self, coefficients: &[f64], scale: f64) -> Estimate {
        // Parseval: the mean square of the slots is the sum of the squares of the coefficients.
        let message = coefficients.iter().map(|c| c * c).sum::<f64>().sqrt() / scale;
        NoiseModel::new(&self.params).encoded(coefficients.len(), message)
    }

    /// Decodes to N/2 complex slots. Exact up to double precision: coefficients are reconstructed
    /// over all limbs, centred.
    ///
    /// # Errors
    /// `ParametersMismatch`.
    pub fn decode(&self, plaintext: &Plaintext) -> Result<Vec<Complex64>> {
        if plaintext.id != self.params.id() {
            let expected = self.params.id();
            return Err(CkksError::ParametersMismatch { expected, found: plaintext.id });
        }
        let coefficients = decode::centred(self.params.ring(), &plaintext.poly);
        let slots = coefficients.len() / 2;
        let (re, im) = coefficients.split_at(slots);
        let inverse_scale = 1.0 / plaintext.scale;
        let mut w: Vec<Complex64> =
            re.iter().zip(im).map(|(re, im)| Complex64::new(*re, *im) * inverse_scale).collect();
        self.fft(slots).forward(&mut w);
        let repeats = self.params.slots() / slots;
        Ok(if repeats == 1 { w } else { w.repeat(repeats) })
    }

    /// Real parts of [`Encoder::decode`].
    ///
    /// # Errors
    /// As [`Encoder::decode`].
    pub fn decode_real(&self, plaintext: &Plaintext) -> Result<Vec<f64>> {
        Ok(self.decode(plaintext)?.into_iter().map(|z| z.re).collect())
    }
}
