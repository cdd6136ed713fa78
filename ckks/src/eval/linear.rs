//! Linear transforms of the slots by double-hoisted baby steps and giant steps.

use super::Evaluator;
use crate::cipher::Ciphertext;
use crate::encoding::{Encoder, Plaintext};
use crate::error::{CkksError, KeyName, Result};
use num_complex::Complex64;
use std::collections::{BTreeMap, BTreeSet};

/// A matrix acting on the slots, given by its diagonals: `out[j] = Σ_d diagonal_d[j]·in[j+d]`.
///
/// Diagonal d = g + b, b < `baby_count`, is encoded rotated right by g, so that
/// out = Σ_g rot_g(Σ_b diagonal'_{g+b} ⊙ rot_b(in)).
pub struct LinearTransform {
    /// Giant step → baby step → encoded diagonal over QP.
    groups: BTreeMap<usize, BTreeMap<usize, Plaintext>>,
    level: usize,
}

impl LinearTransform {
    /// Encodes `diagonals` (index in 0..N/2 → N/2 values) for ciphertexts of `level` whose rotation
    /// keys have `special` special primes. `baby_count` is a power of two.
    ///
    /// # Errors
    /// `SlotCount` for a diagonal of another length or index, `Empty`, and those of
    /// [`Encoder::encode_ext`].
    pub fn new(
        encoder: &Encoder,
        diagonals: &BTreeMap<usize, Vec<Complex64>>,
        baby_count: usize,
        level: usize,
        special: usize,
        scale: f64,
    ) -> Result<Self> {
        let slots = encoder.parameters().slots();
        if diagonals.is_empty() || !baby_count.is_power_of_two() {
            return Err(CkksError::Empty("linear transform"));
        }
        let mut groups: BTreeMap<usize, BTreeMap<usize, Plaintext>> = BTreeMap::new();
        for (&index, values) in diagonals {
            if index >= slots || values.len() != slots {
                return Err(CkksError::SlotCount { found: index.max(values.len()), slots });
            }
            let (giant, baby) = (index & !(baby_count - 1), index & (baby_count - 1));
            let mut rotated = values.clone();
            rotated.rotate_right(giant);
            let encoded = encoder.encode_ext(&rotated, level, special, scale)?;
            groups.entry(giant).or_default().insert(baby, encoded);
        }
        Ok(Self { groups, level })
    }

    /// Level the transform is encoded for.
    pub fn level(&self) -> usize {
        self.level
    }

    /// Rotation keys needed, beyond step 0.
    pub fn keys(&self) -> Vec<KeyName> {
        let babies = self.groups.values().flat_map(BTreeMap::keys);
        let steps: BTreeSet<usize> = babies.chain(self.groups.keys()).copied().collect();
        steps.into_iter().filter(|s| *s != 0).map(|s| KeyName::Rotation(s as i64)).collect()
    }
}

impl Evaluator {
    /// Applies `transform` and rescales: one decomposition for all baby steps, one per giant step,
    /// one final ModDown by P·q_level.
    ///
    /// # Errors
    /// Those of the steps; `LevelTooHigh` if the ciphertext is above the transform's level.
    pub fn linear_transform(&self, ct: &Ciphertext, transform: &LinearTransform) -> Result<Ciphertext> {
        let hoisted = self.hoist(ct)?;
        let steps: BTreeSet<usize> = transform.groups.values().flat_map(|g| g.keys().copied()).collect();
        let babies: BTreeMap<usize, _> = steps
            .into_iter()
            .map(|step| Ok((step, self.rotate_hoisted_ext(&hoisted, step as i64)?)))
            .collect::<Result<_>>()?;
        let mut sum = None;
        for (giant, group) in &transform.groups {
            let inner = self.mul_acc_ext(group.iter().map(|(baby, p)| (&babies[baby], p)))?;
            let outer = self.giant_ext(&inner, *giant as i64)?;
            match &mut sum {
                None => sum = Some(outer),
                Some(sum) => self.add_assign_ext(sum, &outer)?,
            }
        }
        self.mod_down_rescale(&sum.ok_or(CkksError::Empty("linear transform"))?)
    }
}
