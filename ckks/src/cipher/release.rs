//! What may leave the key owner's hands, and in what form.

use crate::error::{CkksError, Result};
use crate::sampling::Prng;
use std::f64::consts::TAU;

/// How decrypted values are made fit to be seen by others.
///
/// The noise of an approximate decryption is a linear function of the key; each policy bounds what
/// of it can be seen. None is free: the right choice depends on who receives the values.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum ReleasePolicy {
    /// Nobody but the key's owner sees the values: they pass unchanged. No protection at all if they
    /// do leave.
    OwnEyes,
    /// Values are rounded to multiples of 10^-`decimals`. If that is well above the noise, the noise
    /// shows only where a value lies within it of a rounding boundary: hides it in practice, without
    /// a proof.
    Rounded {
        /// Decimals kept, of −[`MAX_DECIMALS`] to [`MAX_DECIMALS`]; choose fewer than the predicted precision has.
        decimals: i32,
    },
    /// Only the index of the largest value: the usual answer of a classifier.
    ArgMax,
    /// Gaussian noise is added. With a standard deviation of `sigma` ≥ 2^(s/2)·√(releases)·(noise
    /// bound), s bits of statistical security are kept for that number of releases (Li, Micciancio,
    /// Schultz, Sorrell, ePrint 2022/816). The budget is counted down and exhaustion is an error.
    Flooding {
        /// Standard deviation in slot units.
        sigma: f64,
        /// Releases left; the caller persists it.
        remaining: u32,
    },
}

/// What a policy lets out.
#[derive(Debug, Clone, PartialEq)]
pub enum Released {
    /// Slot values.
    Values(Vec<f64>),
    /// Index of the largest slot.
    Index(usize),
}

/// Most decimals that values are rounded to, and digits before the point that rounding takes away.
pub const MAX_DECIMALS: i32 = 15;

impl ReleasePolicy {
    /// Applies the policy to decrypted values: those that are asked for, and no other slots.
    ///
    /// # Errors
    /// `Release` if the policy cannot be carried out; `Random`.
    pub fn apply(&mut self, values: Vec<f64>) -> Result<Released> {
        release(values, self)
    }
}

/// `value` as a multiple of 10^-decimals: the double next to that decimal number.
fn rounded(value: f64, decimals: i32) -> f64 {
    let power = 10f64.powi(decimals.abs());
    let apart = if decimals < 0 { value / power } else { value * power }.round_ties_even();
    let rounded = if decimals < 0 { apart * power } else { apart / power };
    // What is too large to have such decimals is as it is.
    if rounded.is_finite() { rounded } else { value }
}

/// Applies `policy` to `values`.
fn release(mut values: Vec<f64>, policy: &mut ReleasePolicy) -> Result<Released> {
    match policy {
        ReleasePolicy::OwnEyes => Ok(Released::Values(values)),
        ReleasePolicy::Rounded { decimals } => {
            if decimals.abs() > MAX_DECIMALS {
                return Err(CkksError::Release("rounding to that many decimals hides nothing, or all"));
            }
            values.iter_mut().for_each(|v| *v = rounded(*v, *decimals));
            Ok(Released::Values(values))
        }
        ReleasePolicy::ArgMax => values
            .iter()
            .enumerate()
            .max_by(|a, b| a.1.total_cmp(b.1))
            .map(|(index, _)| Released::Index(index))
            .ok_or(CkksError::Release("no values to take the largest of")),
        ReleasePolicy::Flooding { sigma, remaining } => {
            if !(sigma.is_finite() && *sigma > 0.0) {
                return Err(CkksError::Release("flooding needs a positive standard deviation"));
            }
            *remaining = remaining
                .checked_sub(1)
                .ok_or(CkksError::Release("the number of flooded releases is used up"))?;
            let mut prng = Prng::from_os()?;
            values.iter_mut().for_each(|v| *v += *sigma * normal(&mut prng));
            Ok(Released::Values(values))
        }
    }
}

/// A standard normal sample by the Box–Muller transform.
fn normal(prng: &mut Prng) -> f64 {
    let unit = |w: u64| ((w >> 11) as f64 + 0.5) / 2f64.powi(53);
    let radius = (-2.0 * unit(prng.next_u64()).ln()).sqrt();
    radius * (TAU * unit(prng.next_u64())).cos()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn policies() {
        let v = vec![0.1, 2.625, -3.0];
        let apply = |mut p: ReleasePolicy| release(v.clone(), &mut p);
        assert_eq!(apply(ReleasePolicy::OwnEyes).unwrap(), Released::Values(v.clone()));
        let rounded = |decimals| apply(ReleasePolicy::Rounded { decimals }).unwrap();
        assert_eq!(rounded(1), Released::Values(vec![0.1, 2.6, -3.0]));
        assert_eq!(rounded(-1), Released::Values(vec![0.0, 0.0, -0.0]));
        assert_eq!(apply(ReleasePolicy::ArgMax).unwrap(), Released::Index(1));
        assert!(apply(ReleasePolicy::Rounded { decimals: 16 }).is_err());
        assert!(apply(ReleasePolicy::Flooding { sigma: 0.0, remaining: 1 }).is_err());
        assert!(release(vec![], &mut ReleasePolicy::ArgMax).is_err());
        let mut flooding = ReleasePolicy::Flooding { sigma: 0.01, remaining: 1 };
        let Released::Values(noisy) = release(v.clone(), &mut flooding).unwrap() else { panic!() };
        assert!(noisy.iter().zip(&v).all(|(a, b)| a != b && (a - b).abs() < 0.1));
        assert!(release(v.clone(), &mut flooding).is_err());
    }
}
