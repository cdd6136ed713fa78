//! The precision model: variance of the error of every value of a schedule, on the parameters of a plan.
//!
//! The error of a ciphertext of scale Δ is a polynomial; V is the variance of its coefficients, with independent
//! errors adding up. The rms error of a real slot is √(V·N/2)/Δ; what a fold leaves is real in all slots, so real and
//! imaginary parts of errors have a variance each ([`Variance`]). Sources: encoding 1/12; encryption with a secret
//! key σ²; dividing by special primes or by a level's modulus (h+1)/12 with h = 2N/3 for a uniform ternary
//! secret, ‖s²‖²/12 = 2h²/12 more where a third polynomial is rounded; key switching β·N·σ²·D²/(12·P²) with the
//! largest digit D. Multiplying by a vector of rms b at scale p multiplies V by (b·p)². A bootstrap adds an error of its own: of
//! rms e in slots at the nominal scale Δ, hence e·Δ/s in slots at scale s, and V grows by 2(e·Δ)²/N whatever s is.
//! Agrees with measurements to a small fraction of a bit for the rms; tails are not Gaussian, budget 3 bits for the
//! worst slot, one more after a bootstrap.

use std::iter::Sum;
use std::ops::{Add, Mul};

use crate::plan::{Gadget, ParameterData};
use crate::schedule::{Kind, ScheduleOp, ScheduleType};

/// Standard deviation of fresh errors.
pub const SIGMA: f64 = 3.19;

/// A parameter set as the model sees it.
#[derive(Clone, Debug)]
pub struct NoiseModel {
    n: f64,
    q: Vec<f64>,
    p: Vec<f64>,
    gadgets: Vec<Gadget>,
    /// Variance that a bootstrap adds.
    bootstrap: f64,
}

/// Variance of an error's coefficients, as seen in the real and in the imaginary parts of slots: 2/N times theirs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Variance {
    /// In the real parts.
    pub re: f64,
    /// In the imaginary parts, which pairs bring into the real ones.
    pub im: f64,
}

impl Variance {
    /// No error.
    pub const ZERO: Self = Self::even(0.0);

    /// An error without structure: the same in both parts.
    pub const fn even(variance: f64) -> Self {
        Self { re: variance, im: variance }
    }

    /// What both parts have on average, and keep when slots are multiplied by numbers of magnitude 1.
    fn mean(self) -> f64 {
        f64::midpoint(self.re, self.im)
    }
}

impl Add for Variance {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self { re: self.re + other.re, im: self.im + other.im }
    }
}

impl Mul<f64> for Variance {
    type Output = Self;
    fn mul(self, factor: f64) -> Self {
        Self { re: self.re * factor, im: self.im * factor }
    }
}

impl Sum for Variance {
    fn sum<I: Iterator<Item = Self>>(terms: I) -> Self {
        terms.fold(Self::ZERO, Add::add)
    }
}

/// What the model knows of an operand.
#[derive(Clone, Copy, Debug)]
pub struct Noisy {
    /// Type.
    pub ty: ScheduleType,
    /// Of the coefficients of its error.
    pub variance: Variance,
    /// Root mean square of its slots.
    pub rms: f64,
}

impl Noisy {
    /// The operand if its slots show its error: what they do not show, of a pair nothing, is left of the variance.
    pub fn shown(self) -> Self {
        let im = if self.ty.kind == Kind::ExtPair { 0.0 } else { self.variance.im };
        Self { variance: Variance { re: 0.0, im }, ..self }
    }
}

impl NoiseModel {
    /// The model of a parameter set that [`plan`](crate::plan) accepts.
    pub fn new(parameters: &ParameterData) -> Self {
        let float = |v: &[u64]| v.iter().map(|&x| x as f64).collect();
        let n = f64::from(1u32 << parameters.log_n.min(31));
        let error = parameters.bootstrap.as_ref().map_or(0.0, |b| b.error * b.scale);
        Self {
            n,
            q: float(&parameters.q),
            p: float(&parameters.p),
            gadgets: parameters.gadgets.clone(),
            bootstrap: error * error * 2.0 / n,
        }
    }

    /// Expected number of non-zero coefficients of the secret.
    fn weight(&self) -> f64 {
        2.0 * self.n / 3.0
    }

    /// Variance of a fresh secret-key encryption, encoding included.
    pub fn fresh(&self) -> f64 {
        SIGMA * SIGMA + 1.0 / 12.0
    }

    /// Variance of a fresh public-key encryption, encoding included.
    pub fn fresh_public(&self) -> f64 {
        self.rounding(2) + 1.0 / 12.0
    }

    /// Rms error of a real slot.
    pub fn slot_error(&self, variance: Variance, scale: f64) -> f64 {
        (variance.re * self.n / 2.0).sqrt() / scale
    }

    /// Rounding after a division, for a ciphertext of so many polynomials.
    fn rounding(&self, polynomials: usize) -> f64 {
        let h = self.weight();
        let third = if polynomials > 2 { 2.0 * h * h } else { 0.0 };
        (h + 1.0 + third) / 12.0
    }

    /// Key switching at a level, before the division by P.
    fn gadget(&self, level: u32) -> f64 {
        let Some(gadget) = self.gadgets.get(level as usize) else { return 0.0 };
        let limbs = &self.q[..=(level as usize).min(self.q.len() - 1)];
        let digit_size = |d: &[f64]| d.iter().map(|q| q.log2()).sum::<f64>();
        let digit = limbs.chunks(gadget.digit_limbs.max(1) as usize).map(digit_size).fold(0.0, f64::max);
        let special: f64 = self.p.iter().take(gadget.special as usize).map(|p| p.log2()).sum();
        let beta = f64::from(gadget.digits(level));
        beta * self.n * SIGMA * SIGMA / 12.0 * (2.0 * (digit - special)).exp2()
    }

    /// Variance of the result of an instruction. `plains` holds the rms of every plaintext it uses. Operands that
    /// are the same value must be marked by `same`: `same[k]` is the position of the first operand equal to
    /// operand k.
    pub fn propagate(&self, op: &ScheduleOp, args: &[Noisy], plains: &[f64], same: &[usize]) -> Variance {
        use ScheduleOp as O;
        let even = Variance::even;
        let Some(x) = args.first() else { return even(self.fresh_public()) };
        let level = x.ty.level;
        let modulus = self.q.get(level as usize).copied().unwrap_or(1.0);
        let polynomials = if x.ty.kind == Kind::Ct3 { 3 } else { 2 };
        let squared = |v: f64| v * v;
        match op {
            O::Input { .. } => even(self.fresh_public()),
            O::Hoist | O::AddScalar { .. } | O::Drop { .. } | O::Relabel { .. } => x.variance,
            O::RotateHoisted { .. } | O::Rotate { .. } | O::Relinearize => {
                x.variance + even(self.gadget(level) + self.rounding(2))
            }
            O::RotateExt { step: 0 } => x.variance,
            O::RotateExt { .. } => x.variance + even(self.gadget(level)),
            // A giant step rounds its second polynomial once when it is decomposed.
            O::Giant { .. } => x.variance + even(self.gadget(level) + self.rounding(2)),
            O::Fold { .. } => {
                // z + conj z with z = x − i·rot x: an error of amplitude 2 from each part of x. The polynomial that
                // is decomposed is rounded once; that error ρ arrives as conj ρ + 2·Re(−i·rot ρ).
                let Variance { re, im } = x.variance;
                let rounding = self.rounding(2);
                let rounded = Variance { re: 5.0 * rounding, im: rounding };
                Variance { re: 4.0 * (re + im), im: 0.0 } + rounded + even(3.0 * self.gadget(level))
            }
            O::MulAcc { plain_scale, .. } => {
                let pairs = op.makes_pair();
                let term = |(arg, plain): (&Noisy, &f64)| {
                    // Complex factors mix the parts.
                    let own = if pairs { even(arg.variance.mean()) } else { arg.variance };
                    own * squared(plain * plain_scale) + even(squared(arg.rms * arg.ty.scale) / 12.0)
                };
                args.iter().zip(plains).map(term).sum()
            }
            O::AddPlain { .. } => x.variance + even(1.0 / 12.0),
            O::MulScalar { value, plain_scale } => {
                let integer = (value * plain_scale).round();
                let lost = squared((integer - value * plain_scale) * x.rms * x.ty.scale) / self.n;
                x.variance * squared(integer) + even(lost)
            }
            O::Add => {
                // The error of a value added k times enters k-fold.
                let count = |k: usize| same.iter().filter(|s| **s == k).count() as f64;
                args.iter().enumerate().map(|(k, a)| a.variance * squared(count(k))).sum()
            }
            O::Sub if same == [0, 0] => Variance::ZERO,
            O::Sub => args.iter().map(|a| a.variance).sum(),
            O::Mul => {
                let y = args.get(1).unwrap_or(x);
                let (a, b) = (x.rms * x.ty.scale, y.rms * y.ty.scale);
                let (v, w) = (x.variance, y.variance);
                let crossed = Variance { re: v.re * w.re + v.im * w.im, im: v.re * w.im + v.im * w.re };
                let factor = if same == [0, 0] { 2.0 } else { 1.0 };
                (v * squared(b) + w * squared(a)) * factor + crossed * (self.n / 2.0)
            }
            O::Rescale => x.variance * squared(modulus).recip() + even(self.rounding(polynomials)),
            O::RelinRescale => {
                (x.variance + even(self.gadget(level))) * squared(modulus).recip() + even(self.rounding(2))
            }
            O::ModDown => x.variance + even(self.rounding(2)),
            O::ModDownRescale => x.variance * squared(modulus).recip() + even(self.rounding(2)),
            O::Bootstrap { .. } => x.variance + even(self.bootstrap),
        }
    }
}

/// For every operand the position of the first operand that is the same value.
pub fn same_operands(args: &[crate::ValueId]) -> Vec<usize> {
    // Sums have few operands that repeat; long ones none, so sort instead of comparing pairs.
    let mut first: std::collections::HashMap<crate::ValueId, usize> = std::collections::HashMap::new();
    args.iter().enumerate().map(|(k, a)| *first.entry(*a).or_insert(k)).collect()
}
