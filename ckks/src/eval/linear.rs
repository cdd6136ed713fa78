//! Linear transforms of the slots by double-hoisted baby steps and giant steps.

use super::{Evaluator, check_levels};
use crate::cipher::Ciphertext;
use crate::encoding::{Encoder, FormedPlaintext};
use crate::error::{CkksError, Result};
use crate::params::{KeyName, KeyShape};
use num_complex::Complex64;
use std::collections::{BTreeMap, BTreeSet};

/// A matrix acting on n slots, given by its diagonals: `out[j] = Σ_d diagonal_d[j]·in[j+d]`.
///
/// Diagonal d = g + b, b < `baby_count`, is encoded rotated right by g, so that
/// out = Σ_g rot_g(Σ_b diagonal'_{g+b} ⊙ rot_b(in)) (Halevi and Shoup, ePrint 2018/244). Baby steps
/// share one decomposition and stay over QP with their sums (double hoisting: Bossuat et al.,
/// ePrint 2020/1203).
pub struct LinearTransform {
    babies: Vec<usize>,
    /// Giant step and its diagonals: (index of the baby step, plaintext over QP).
    groups: Vec<(usize, Vec<(usize, FormedPlaintext)>)>,
    shape: KeyShape,
}

/// The baby and giant steps of the diagonals `offsets`: offset = giant + baby, baby < `baby_count`.
fn steps(offsets: impl IntoIterator<Item = usize>, baby_count: usize) -> (BTreeSet<usize>, BTreeSet<usize>) {
    offsets.into_iter().map(|d| (d & (baby_count - 1), d & !(baby_count - 1))).unzip()
}

/// Non-zero baby steps and giant steps of the diagonals `offsets`; `baby_count` is a power of two.
pub(crate) fn split(offsets: impl IntoIterator<Item = usize>, baby_count: usize) -> [BTreeSet<usize>; 2] {
    let (babies, giants) = steps(offsets, baby_count);
    [babies, giants].map(|set| set.into_iter().filter(|s| *s != 0).collect())
}

impl LinearTransform {
    /// Encodes `diagonals` (offset in 0..N/2 → values whose number, a power of two, is their period)
    /// for ciphertexts of level `shape.level` and rotation keys of the gadget of `shape`.
    /// `baby_count` is a power of two.
    ///
    /// # Errors
    /// `SlotCount` for an offset or a period out of range, `Empty`, and those of
    /// [`Encoder::encode_ext`].
    pub fn new(
        encoder: &Encoder,
        diagonals: &BTreeMap<usize, Vec<Complex64>>,
        baby_count: usize,
        shape: KeyShape,
        scale: f64,
    ) -> Result<Self> {
        let slots = encoder.parameters().slots();
        if diagonals.is_empty() || !baby_count.is_power_of_two() {
            return Err(CkksError::Empty("linear transform"));
        }
        let (babies, giants) = steps(diagonals.keys().copied(), baby_count);
        let babies: Vec<usize> = babies.into_iter().collect();
        let group = |giant: usize| {
            let mut terms = Vec::new();
            for (index, baby) in babies.iter().enumerate() {
                let Some(values) = diagonals.get(&(giant + baby)) else { continue };
                if giant + baby >= slots || values.is_empty() {
                    return Err(CkksError::SlotCount { found: giant + baby, slots });
                }
                let mut rotated = values.clone();
                rotated.rotate_right(giant % values.len());
                let plaintext = encoder.encode_ext(&rotated, shape.level, shape.special, scale)?;
                terms.push((index, FormedPlaintext::new(encoder.parameters().ring(), plaintext)));
            }
            Ok((giant, terms))
        };
        let groups = giants.into_iter().map(group).collect::<Result<_>>()?;
        Ok(Self { babies, groups, shape })
    }

    /// Level the transform is encoded for.
    pub fn level(&self) -> usize {
        self.shape.level
    }

    /// Shape of its rotation keys.
    pub fn shape(&self) -> KeyShape {
        self.shape
    }

    /// Rotation keys needed, beyond step 0.
    pub fn keys(&self) -> Vec<KeyName> {
        let giants = self.groups.iter().map(|(giant, _)| giant);
        let steps: BTreeSet<usize> = self.babies.iter().chain(giants).copied().collect();
        steps.into_iter().filter(|s| *s != 0).map(|s| KeyName::Rotation(s as i64)).collect()
    }

    /// Bytes of the encoded diagonals.
    pub fn bytes(&self) -> usize {
        self.groups.iter().flat_map(|(_, terms)| terms).map(|(_, p)| p.0.bytes()).sum()
    }
}

impl Evaluator {
    /// Applies `transform` and rescales: one decomposition for all baby steps, one per giant step,
    /// one final ModDown by P·q_level.
    ///
    /// # Errors
    /// `LevelMismatch` unless the ciphertext is at the transform's level; those of the steps.
    pub fn linear_transform(&self, ct: &Ciphertext, transform: &LinearTransform) -> Result<Ciphertext> {
        check_levels(ct.level(), transform.level())?;
        let hoisted = self.hoist_for(ct, transform.shape)?;
        let steps: Vec<i64> = transform.babies.iter().map(|step| *step as i64).collect();
        let terms: Vec<Vec<_>> = transform
            .groups
            .iter()
            .map(|(_, terms)| terms.iter().map(|(baby, p)| (*baby, p.into())).collect())
            .collect();
        let inner = self.rotated_sums_ext(&hoisted, &steps, &terms)?;
        drop(hoisted);
        let giants = transform.groups.iter().map(|(giant, _)| *giant as i64);
        let terms: Vec<_> = inner.iter().zip(giants).collect();
        self.mod_down_rescale(&self.giant_sum_ext(&terms)?)
    }
}
