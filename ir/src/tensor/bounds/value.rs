//! Bounds per channel.

use super::interval::Interval;
use crate::{Constant, ValueId};

/// Bounds of a value: one interval per index of axis 1, or one for all elements.
#[derive(Clone, Debug, PartialEq)]
pub struct Bounds(pub(super) Vec<Interval>);

impl Bounds {
    /// The same bounds everywhere.
    pub fn uniform(x: Interval) -> Self {
        Self(vec![x])
    }

    /// Bounds per index of axis 1.
    ///
    /// # Panics
    /// Without any.
    pub fn per_channel(channels: Vec<Interval>) -> Self {
        assert!(!channels.is_empty(), "bounds of no channel");
        Self(channels)
    }

    /// Bounds of index `c` of axis 1.
    pub fn channel(&self, c: usize) -> Interval {
        self.0[c % self.0.len()]
    }

    /// One entry per index of axis 1, or a single one.
    pub fn channels(&self) -> &[Interval] {
        &self.0
    }

    /// Bounds of all elements.
    pub fn hull(&self) -> Interval {
        self.0.iter().copied().reduce(Interval::hull).unwrap_or(Interval::ALL)
    }

    pub(super) fn map(&self, f: impl Fn(Interval) -> Interval) -> Self {
        Self(self.0.iter().map(|&x| f(x)).collect())
    }

    /// f of two values' bounds, channel by channel.
    pub(super) fn zip(&self, other: &Self, f: impl Fn(Interval, Interval) -> Interval) -> Self {
        let len = self.0.len().max(other.0.len());
        Self((0..len).map(|c| f(self.channel(c), other.channel(c))).collect())
    }
}

/// Extent of axis 1; 1 for values without one.
pub(super) fn channels(shape: &[usize]) -> usize {
    shape.get(1).copied().unwrap_or(1)
}

/// An operand and what is known of it.
pub(super) struct Operand<'a> {
    pub(super) id: ValueId,
    pub(super) shape: &'a [usize],
    pub(super) bounds: &'a Bounds,
}

/// Bounds of a constant's own elements.
pub(super) fn of_constant(c: &Constant) -> Bounds {
    let channels = channels(&c.shape);
    let inner = c.shape.iter().skip(2).product::<usize>().max(1);
    let mut bounds: Vec<Option<Interval>> = vec![None; channels];
    for (k, block) in c.values().chunks(inner).enumerate() {
        let block = Interval::around(block.iter().copied());
        let known = &mut bounds[k % channels];
        *known = Some(known.map_or(block, |b| b.hull(block)));
    }
    Bounds(bounds.into_iter().map(|b| b.unwrap_or(Interval::ZERO)).collect())
}
