//! Layouts: where the elements of a tensor lie in the slots of an array of ciphertexts.
//!
//! A value of shape [d_0, d_1, …] is stored in `ciphertexts` slot vectors of `slots` numbers each. Number the
//! slots through all of them: *position* p is slot p mod S of ciphertext ⌊p/S⌋. A layout is *additive*: every
//! axis has a table of positions, and element (i_0, i_1, …) lies at Σ_k table_k[i_k]. A table is described by
//! mixed-radix *factors*: index i = f_0 + e_0·(f_1 + e_1·(f_2 + …)) lies at Σ_j f_j·stride_j. Generalised
//! interleaved packing (GIP) is a family of such layouts; so are all the flat ones.
//!
//! *Replicas* store the whole value again at further positions. Slots that no element reaches hold anything that repeats
//! with the layout's [period](Layout::period), as the elements do: what a packed value is bootstrapped by.

use serde::{Deserialize, Serialize};

/// Most positions (slots × ciphertexts) of a well-formed layout.
pub const MAX_POSITIONS: usize = 1 << 26;
/// Most axes of a well-formed layout.
pub const MAX_RANK: usize = 16;
/// Most factors of an axis, and most replicas.
pub const MAX_FACTORS: usize = 32;

/// One digit of an axis' index: `extent` values, `stride` positions apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Factor {
    /// Number of values of the digit.
    pub extent: usize,
    /// Positions between neighbours.
    pub stride: usize,
}

/// Positions of one axis.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Axis {
    /// Extent of the tensor's axis.
    pub extent: usize,
    /// Digits of the index, least significant first; their extents multiply to at least `extent`.
    pub factors: Vec<Factor>,
}

impl Axis {
    /// Axis with index i at position i·stride.
    pub fn strided(extent: usize, stride: usize) -> Self {
        Self { extent, factors: vec![Factor { extent, stride }] }
    }

    /// Position of every index.
    pub fn table(&self) -> Vec<usize> {
        (0..self.extent)
            .map(|mut i| {
                let mut position = 0;
                for f in &self.factors {
                    position += (i % f.extent) * f.stride;
                    i /= f.extent;
                }
                position
            })
            .collect()
    }

    /// The stride s if index i lies at i·s for all i.
    pub fn uniform_stride(&self) -> Option<usize> {
        let table = self.table();
        let stride = table.get(1).copied().unwrap_or(0);
        table.iter().enumerate().all(|(i, &p)| p == i * stride).then_some(stride)
    }
}

/// A packing of a tensor into ciphertexts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Layout {
    /// Slots S of a ciphertext, a power of two.
    pub slots: usize,
    /// Number of ciphertexts.
    pub ciphertexts: usize,
    /// One entry per axis of the tensor.
    pub axes: Vec<Axis>,
    /// Replicas: the element at p is also at p + k·stride for k < extent, for every combination of entries.
    pub replicas: Vec<Factor>,
}

impl Layout {
    /// Extents of the tensor.
    pub fn shape(&self) -> Vec<usize> {
        self.axes.iter().map(|a| a.extent).collect()
    }

    /// Number of elements of the tensor.
    pub fn elements(&self) -> usize {
        self.axes.iter().map(|a| a.extent).product()
    }

    /// Position of every element in the first replica, by row-major index.
    pub fn positions(&self) -> Vec<u32> {
        let mut positions = vec![0u32];
        for axis in &self.axes {
            let table = axis.table();
            positions = positions.iter().flat_map(|&p| table.iter().map(move |&t| p + t as u32)).collect();
        }
        positions
    }

    /// Position offsets of all replicas; the first is 0.
    pub fn replica_offsets(&self) -> Vec<usize> {
        let mut offsets = vec![0];
        for r in &self.replicas {
            offsets = (0..r.extent).flat_map(|k| offsets.iter().map(move |&o| o + k * r.stride)).collect();
        }
        offsets
    }

    /// The smallest power of two P ≤ S such that replicas make every ciphertext P-periodic where it is used. The ops of the
    /// slot IR keep it P-periodic everywhere.
    pub fn period(&self) -> usize {
        let mut period = self.slots;
        // Replicas at S/2, S/4, … halve the period one after the other.
        let mut strides: Vec<_> = self.replicas.iter().flat_map(|r| doubling(*r)).collect();
        strides.sort_unstable();
        while strides.pop() == Some(period / 2) && period > 1 {
            period /= 2;
        }
        period
    }

    /// The axis that has the highest positions of a period to itself, as rows of images have, and the stride of its indices, a
    /// power of two: all else lies below the stride, or in other ciphertexts or replicas of the period. None if there is none
    /// of two or more indices.
    pub fn rows(&self) -> Option<(usize, usize)> {
        let period = self.period();
        let high = |axis: &Axis| axis.uniform_stride().filter(|s| s.is_power_of_two() && axis.extent > 1);
        let strides = self.axes.iter().map(|axis| high(axis).filter(|s| s * (axis.extent - 1) < period));
        let (row, stride) = strides.enumerate().filter_map(|(k, s)| Some((k, s?))).max_by_key(|(_, s)| *s)?;
        let others = self.axes.iter().enumerate().filter(|(k, _)| *k != row).flat_map(|(_, a)| &a.factors);
        let within = others.chain(&self.replicas).filter(|f| f.stride < period && f.extent > 1);
        let low: usize = within.map(|f| (f.extent - 1).saturating_mul(f.stride)).sum();
        (low < stride).then_some((row, stride))
    }

    /// Whether elements and replicas take all slots.
    pub fn is_full(&self) -> bool {
        let replicas: usize = self.replicas.iter().map(|r| r.extent).product();
        self.elements() * replicas == self.slots * self.ciphertexts
    }

    /// Checks that the layout is well formed: power-of-two slots, digits that cover each axis, every position
    /// inside the ciphertexts, and no position with two elements. Time and memory are bounded by
    /// [`MAX_POSITIONS`] whatever the numbers.
    ///
    /// # Errors
    /// What is wrong.
    pub fn check(&self) -> Result<(), String> {
        let size = self.check_extents()?;
        let mut used = vec![false; size];
        let offsets = self.replica_offsets();
        for p in self.positions() {
            for o in &offsets {
                match used.get_mut(p as usize + o) {
                    None => return Err(format!("position {} lies outside {size} slots", p as usize + o)),
                    Some(u) if *u => return Err(format!("two elements at position {}", p as usize + o)),
                    Some(u) => *u = true,
                }
            }
        }
        Ok(())
    }

    /// The part of [`Layout::check`] that allocates nothing; returns the number of positions.
    fn check_extents(&self) -> Result<usize, String> {
        if !self.slots.is_power_of_two() {
            return Err(format!("{} slots are no power of two", self.slots));
        }
        let size = self.slots.checked_mul(self.ciphertexts).filter(|&n| n <= MAX_POSITIONS);
        let size = size.ok_or_else(|| format!("{} ciphertexts are too many", self.ciphertexts))?;
        if self.axes.len() > MAX_RANK || self.replicas.len() > MAX_FACTORS {
            return Err(format!("{} axes or {} replicas are too many", self.axes.len(), self.replicas.len()));
        }
        let mut elements = 1usize;
        for (k, axis) in self.axes.iter().enumerate() {
            if axis.factors.len() > MAX_FACTORS {
                return Err(format!("axis {k} has {} factors", axis.factors.len()));
            }
            let cover = axis.factors.iter().try_fold(1usize, |n, f| n.checked_mul(f.extent));
            if axis.extent == 0 || cover.is_none_or(|n| n < axis.extent) {
                return Err(format!("the factors of axis {k} do not cover its {} indices", axis.extent));
            }
            elements = elements.saturating_mul(axis.extent);
        }
        let replicas = self.replicas.iter().try_fold(1usize, |n, r| n.checked_mul(r.extent));
        if replicas.and_then(|c| c.checked_mul(elements)).is_none_or(|n| n == 0 || n > size) {
            return Err(format!("{elements} elements and their replicas do not fit into {size} slots"));
        }
        let strides = self.axes.iter().flat_map(|a| &a.factors).chain(&self.replicas);
        let reach = strides
            .fold(0usize, |n, f| n.saturating_add(f.extent.saturating_sub(1).saturating_mul(f.stride)));
        // Below u32::MAX, so that sums of table entries fit the type of a position.
        if reach > 1 << 31 {
            return Err("strides reach beyond the ciphertexts".into());
        }
        Ok(size)
    }

    /// Spreads a row-major tensor over fresh slot vectors; unused slots are 0.
    pub fn pack(&self, data: &[f64]) -> Vec<Vec<f64>> {
        let mut slots = vec![vec![0.0; self.slots]; self.ciphertexts];
        let offsets = self.replica_offsets();
        for (&p, &x) in self.positions().iter().zip(data) {
            for o in &offsets {
                let p = p as usize + o;
                slots[p / self.slots][p % self.slots] = x;
            }
        }
        slots
    }

    /// Collects the row-major tensor from its first replica.
    pub fn unpack(&self, slots: &[Vec<f64>]) -> Vec<f64> {
        self.positions().iter().map(|&p| slots[p as usize / self.slots][p as usize % self.slots]).collect()
    }
}

/// Strides of a power-of-two replica factor as successive doublings; empty if it is none.
fn doubling(r: Factor) -> Vec<usize> {
    if !r.extent.is_power_of_two() {
        return vec![];
    }
    (0..r.extent.trailing_zeros()).map(|k| r.stride << k).collect()
}
