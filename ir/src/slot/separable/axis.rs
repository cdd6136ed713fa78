//! Axes of a value on its way through the stages of a term: what each index is made of.

use crate::tensor::Window;
use crate::tensor::kernels::conv::valid_range;
use crate::tensor::kernels::pool::Taps;

/// One summand of an index: the operand's elements at a position, along this axis, times a factor and the weight of a label.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Part {
    /// Channel of the result or tap of the kernel that the weight belongs to; 0 where there are no weights yet.
    pub label: u32,
    /// Position in the operand's layout, less that of the other axes.
    pub from: u32,
    pub factor: f64,
}

impl Part {
    pub(super) const ONE: Self = Self { label: 0, from: 0, factor: 1.0 };

    fn times(self, factor: f64) -> Self {
        Self { factor: self.factor * factor, ..self }
    }
}

/// What a label says about weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// Nothing.
    Plain,
    /// Channels of the result.
    Channel,
    /// Rows of the kernel.
    Rows,
    /// Columns of the kernel.
    Columns,
}

/// An axis: what it stands for, and the summands of each index.
#[derive(Clone, Debug)]
pub(super) struct Parts {
    pub role: Role,
    pub indices: Vec<Vec<Part>>,
}

impl Parts {
    /// An axis of the operand, at these positions.
    pub(super) fn of_table(table: &[usize]) -> Self {
        let part = |&from: &usize| vec![Part { from: from as u32, ..Part::ONE }];
        Self { role: Role::Plain, indices: table.iter().map(part).collect() }
    }

    /// An axis of extent 1 that changes nothing.
    pub(super) fn unit() -> Self {
        Self { role: Role::Plain, indices: vec![vec![Part::ONE]] }
    }

    /// The channels of a result of weights.
    pub(super) fn channels(count: usize) -> Self {
        let part = |label| vec![Part { label, ..Part::ONE }];
        Self { role: Role::Channel, indices: (0..count as u32).map(part).collect() }
    }

    pub(super) fn extent(&self) -> usize {
        self.indices.len()
    }

    /// Most summands of an index; at least one.
    pub(super) fn widest(&self) -> usize {
        self.indices.iter().map(Vec::len).max().unwrap_or(1).max(1)
    }

    /// Index k of the new axis is index `of(k)` of this one; nothing where that is None.
    pub(super) fn picked(&self, extent: usize, of: impl Fn(usize) -> Option<usize>) -> Self {
        let index = |k| of(k).map_or_else(Vec::new, |k| self.indices[k].clone());
        Self { role: self.role, indices: (0..extent).map(index).collect() }
    }

    /// Index k times a factor of its own.
    pub(super) fn scaled(mut self, factor: impl Fn(usize) -> f64) -> Self {
        for (k, parts) in self.indices.iter_mut().enumerate() {
            parts.iter_mut().for_each(|part| *part = part.times(factor(k)));
            parts.retain(|part| part.factor != 0.0);
        }
        self
    }

    /// Index k is Σ_j matrix[k, j] times index j of this one.
    pub(super) fn resampled(&self, matrix: &[f32], extent: usize) -> Self {
        let from = self.extent();
        let index = |k: usize| {
            let row = matrix[k * from..][..from].iter().zip(&self.indices);
            let parts = row.filter(|(w, _)| **w != 0.0);
            parts.flat_map(|(w, parts)| parts.iter().map(|part| part.times(f64::from(*w)))).collect()
        };
        Self { role: self.role, indices: (0..extent).map(index).collect() }
    }

    /// One index: all of this axis' times a factor.
    pub(super) fn summed(&self, factor: f64) -> Self {
        let all = self.indices.iter().flatten().map(|part| part.times(factor)).collect();
        Self { role: self.role, indices: vec![all] }
    }

    /// The axis behind a pool with these windows; `divisor` says by what a window divides along this axis.
    pub(super) fn pooled(&self, windows: &[Taps], divisor: impl Fn(&Taps) -> usize) -> Self {
        let index = |taps: &Taps| {
            let factor = 1.0 / divisor(taps) as f64;
            let parts = taps.inside.iter().flat_map(|&k| &self.indices[k]);
            parts.map(|part| part.times(factor)).collect()
        };
        Self { role: self.role, indices: windows.iter().map(index).collect() }
    }

    /// Axis `k` of the window (0 rows, 1 columns) behind a convolution, labelled by tap.
    pub(super) fn convolved(&self, window: &Window, k: usize, extent: usize) -> Self {
        let mut indices = vec![Vec::new(); extent];
        for (tap, o, i) in taps(window, k, self.extent(), extent) {
            indices[o].extend(self.indices[i].iter().map(|part| Part { label: tap, ..*part }));
        }
        Self { role: [Role::Rows, Role::Columns][k], indices }
    }

    /// The same behind a transposed convolution.
    pub(super) fn deconvolved(&self, window: &Window, k: usize, extent: usize) -> Self {
        let mut indices = vec![Vec::new(); extent];
        for (tap, i, o) in taps(window, k, extent, self.extent()) {
            indices[o].extend(self.indices[i].iter().map(|part| Part { label: tap, ..*part }));
        }
        Self { role: [Role::Rows, Role::Columns][k], indices }
    }

    /// This axis and the next, faster one as a single one.
    pub(super) fn merged(&self, faster: &Self) -> Self {
        let sum =
            |a: &Part, b: &Part| Part { from: a.from + b.from, factor: a.factor * b.factor, ..Part::ONE };
        let index =
            |a: &Vec<Part>, b: &Vec<Part>| a.iter().flat_map(|a| b.iter().map(move |b| sum(a, b))).collect();
        let all = self.indices.iter().flat_map(|a| faster.indices.iter().map(move |b| index(a, b)));
        Self { role: Role::Plain, indices: all.collect() }
    }

    /// This axis as two, the faster one of extent `fast`; None if positions are no sums of both.
    pub(super) fn split(&self, fast: usize) -> Option<[Self; 2]> {
        let table: Option<Vec<u32>> = self
            .indices
            .iter()
            .map(|parts| match parts[..] {
                [Part { from, factor: 1.0, label: 0 }] => Some(from),
                _ => None,
            })
            .collect();
        let table = table?;
        let low: Vec<usize> = table[..fast].iter().map(|x| x.wrapping_sub(table[0]) as usize).collect();
        let high: Vec<usize> = table.iter().step_by(fast).map(|x| *x as usize).collect();
        let sum = |k: usize| high[k / fast].wrapping_add(low[k % fast]) as u32;
        let ascending = table[..fast].iter().all(|x| *x >= table[0]);
        let adds = ascending && (0..table.len()).all(|k| sum(k) == table[k]);
        adds.then(|| [Self::of_table(&high), Self::of_table(&low)])
    }
}

/// The taps along an axis of a convolution from extent `from` to extent `to`: number of the tap, index of the result, index of
/// the operand.
fn taps(window: &Window, k: usize, from: usize, to: usize) -> impl Iterator<Item = (u32, usize, usize)> {
    let (stride, dilation, pad) = (window.stride[k], window.dilation[k], window.pads[k]);
    (0..window.kernel[k]).flat_map(move |tap| {
        let (range, first) = valid_range(from, to, stride, tap * dilation, pad);
        range.enumerate().map(move |(at, o)| (tap as u32, o, first + at * stride))
    })
}
