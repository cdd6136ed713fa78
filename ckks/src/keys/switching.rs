//! Key-switching keys with a seeded uniform half.

use super::expand_uniform;
use crate::error::{CkksError, Result};
use crate::params::{KeyShape, Parameters, ParametersId};
use crate::ring::{KeyRow, PackedPoly, RnsPoly};
use crate::sampling::{Domain, Seed};
use std::fmt;

/// A key that switches a polynomial's secret s' to s: per digit j, (b_j, a_j) with
/// b_j + a_j·s = e_j + g_j·s', where g_j is P modulo the limbs of digit j and 0 elsewhere.
///
/// The gadget does not depend on the level, so dropping limbs of a key gives the key of the lower
/// level. The halves a_j are expanded from a public seed.
pub struct SwitchingKey {
    pub(crate) id: ParametersId,
    pub(crate) shape: KeyShape,
    pub(crate) seed: Seed,
    pub(crate) rows: Vec<KeyRow>,
}

impl SwitchingKey {
    /// Assembles a key from its seed and b halves, expanding the a halves.
    pub(crate) fn from_seed(params: &Parameters, shape: KeyShape, seed: Seed, b: Vec<RnsPoly>) -> Self {
        let rows = b
            .into_iter()
            .enumerate()
            .map(|(digit, b)| KeyRow::new(params.ring(), &b, &uniform_half(params, &shape, &seed, digit)))
            .collect();
        Self { id: params.id(), shape, seed, rows }
    }

    /// The key's shape.
    pub fn shape(&self) -> KeyShape {
        self.shape
    }

    /// The key cut down to `level`: the same gadget, fewer limbs and digits, the same seed.
    ///
    /// # Errors
    /// `LevelTooHigh` above the key's own level.
    pub fn truncated(&self, level: usize) -> Result<Self> {
        let max = self.shape.level;
        if level > max {
            return Err(CkksError::LevelTooHigh { what: "truncated key", level, max });
        }
        let shape = self.shape.truncated(level);
        let cut = |poly: &PackedPoly| poly.truncated(shape.q_limbs(), shape.special);
        let rows = self.rows[..shape.digits()].iter();
        let rows = rows.map(|row| KeyRow { b: cut(&row.b), a: cut(&row.a) }).collect();
        Ok(Self { id: self.id, shape, seed: self.seed, rows })
    }

    /// Bytes held in memory.
    pub fn bytes(&self) -> usize {
        self.rows.iter().map(|r| r.b.bytes() + r.a.bytes()).sum()
    }
}

impl PartialEq for SwitchingKey {
    fn eq(&self, other: &Self) -> bool {
        (self.id, self.shape, self.seed) == (other.id, other.shape, other.seed)
            && self.rows.iter().zip(&other.rows).all(|(x, y)| x.b == y.b)
    }
}

impl fmt::Debug for SwitchingKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SwitchingKey").field("shape", &self.shape).finish_non_exhaustive()
    }
}

/// The half a_j of a key.
pub(crate) fn uniform_half(params: &Parameters, shape: &KeyShape, seed: &Seed, digit: usize) -> RnsPoly {
    expand_uniform(params.ring(), seed, Domain::Key, digit as u32, shape.q_limbs(), shape.special)
}
