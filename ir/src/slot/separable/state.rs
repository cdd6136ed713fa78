//! A term as a product of axes: the stages one after the other.

use super::axis::{Part, Parts, Role};
use crate::layout::Layout;
use crate::slot::{Stage, Term};
use crate::tensor::kernels::pool::taps;
use crate::tensor::{Pool, ReduceKind, TensorOp, Window};
use crate::{ConstId, Constant};

/// How the weight of channel o of a result, channel i of what it is made of, and a tap are found.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    /// Channels of a group, of the operand and of the result.
    pub group: [usize; 2],
    /// Taps of a pair of channels.
    pub taps: usize,
    /// Columns of the kernel.
    pub columns: usize,
    /// Operand's channels come first.
    pub transposed: bool,
}

impl Order {
    /// Where the taps of a pair of channels begin; the pair is of one group.
    pub(super) fn at(&self, o: usize, i: usize) -> usize {
        let [from, to] = self.group;
        let pair = if self.transposed { i * to + o % to } else { o * from + i % from };
        pair * self.taps
    }

    /// The operand's channels that channel `o` of the result is made of.
    pub(super) fn sources(&self, o: usize) -> std::ops::Range<usize> {
        let first = o / self.group[1] * self.group[0];
        first..first + self.group[0]
    }
}

/// The one stage of a term that has a weight for every pair of channels.
#[derive(Clone, Debug)]
pub(super) struct Dense {
    pub weight: ConstId,
    pub order: Order,
    /// The channels that it reads.
    pub inputs: Vec<Vec<Part>>,
}

/// Summands of an axis, at most.
const MOST_SUMMANDS: usize = 1 << 23;

/// A value on its way through the stages.
#[derive(Clone, Debug)]
pub(super) struct State {
    pub axes: Vec<Parts>,
    /// Axes of extent 1 that a reshape dropped.
    pub dropped: Vec<Parts>,
    pub dense: Option<Dense>,
}

impl State {
    /// The result of a term by its axes; None if its matrix is no product over axes.
    pub(super) fn of(term: &Term, input: &Layout, constants: &[Constant]) -> Option<Self> {
        let axes = input.axes.iter().map(|axis| Parts::of_table(&axis.table())).collect();
        let state = Self { axes, dropped: vec![], dense: None };
        term.stages.iter().try_fold(state, |state, stage| state.after(stage, constants))
    }

    fn after(mut self, stage: &Stage, constants: &[Constant]) -> Option<Self> {
        self.stays_small(stage)?;
        let (out, constant) = (&stage.out_shape, |id: &ConstId| &constants[id.index()]);
        match &stage.op {
            TensorOp::Conv { window, groups, weight, .. } => {
                let group = [self.axes[1].extent() / groups, out[1] / groups];
                self.convolve((window, group, *weight, false), out)?;
            }
            TensorOp::ConvTranspose { window, groups, weight, .. } => {
                let group = [self.axes[1].extent() / groups, out[1] / groups];
                self.convolve((window, group, *weight, true), out)?;
            }
            TensorOp::Gemm { weight, .. } => {
                let inputs = self.axes.pop()?;
                let order = Order {
                    group: [inputs.extent(), out[out.len() - 1]],
                    taps: 1,
                    columns: 1,
                    transposed: false,
                };
                self.multiply(*weight, order, inputs)?;
                self.axes.push(Parts::channels(out[out.len() - 1]));
            }
            TensorOp::Affine { scale: None, .. } => {}
            TensorOp::Affine { scale: Some(scale), .. } => {
                let scale = constant(scale);
                let along: Vec<usize> = (0..scale.shape.len()).filter(|k| scale.shape[*k] > 1).collect();
                match along[..] {
                    [] => self.map(0, |axis| axis.scaled(|_| scale.at(0)))?,
                    [k] => self.map(k, |axis| axis.scaled(|at| scale.at(at)))?,
                    _ => return None,
                }
            }
            TensorOp::Pool { kind: Pool::Max, .. } => return None,
            TensorOp::Pool { kind, window, out: size } => {
                for (k, extent) in size.iter().enumerate() {
                    let windows = taps(self.axes[2 + k].extent(), *extent, window, k);
                    let padded = *kind == Pool::AveragePadded;
                    self.map(2 + k, |axis| {
                        axis.pooled(&windows, |taps| if padded { taps.padded } else { taps.inside.len() })
                    })?;
                }
            }
            TensorOp::Reduce { kind, axes, keep } => {
                for &k in axes {
                    let count = self.axes[k].extent() as f64;
                    let factor = if *kind == ReduceKind::Mean { 1.0 / count } else { 1.0 };
                    self.map(k, |axis| axis.summed(factor))?;
                }
                for &k in axes.iter().rev().filter(|_| !keep) {
                    let axis = self.axes.remove(k);
                    self.dropped.push(axis);
                }
            }
            TensorOp::Slice { start, step, out } => {
                for k in 0..self.axes.len() {
                    let (start, step) = (start[k] as isize, step[k]);
                    self.map(k, |axis| {
                        axis.picked(out[k], |at| Some((start + at as isize * step) as usize))
                    })?;
                }
            }
            TensorOp::Pad { before, .. } => {
                for (k, &before) in before.iter().enumerate() {
                    let extent = self.axes[k].extent();
                    let of = |at: usize| at.checked_sub(before).filter(|at| *at < extent);
                    self.map(k, |axis| axis.picked(out[k], of))?;
                }
            }
            TensorOp::Gather { axis, indices } => {
                self.map(*axis, |parts| parts.picked(indices.len(), |at| Some(indices[at])))?;
            }
            TensorOp::Resample { axis, matrix } => {
                let matrix = &constant(matrix).data[..];
                self.map(*axis, |parts| parts.resampled(matrix, out[*axis]))?;
            }
            TensorOp::Reshape { out } => self.reshape(out)?,
            TensorOp::Transpose { perm } => {
                self.axes = perm.iter().map(|&k| self.axes[k].clone()).collect();
            }
            TensorOp::Expand { out } => {
                for (k, &extent) in out.iter().enumerate() {
                    let of = |axis: Parts| {
                        if axis.extent() == extent { axis } else { axis.picked(extent, |_| Some(0)) }
                    };
                    self.map(k, of)?;
                }
            }
            TensorOp::Concat { axis } => {
                let before: usize = stage.in_shapes[..stage.operand].iter().map(|s| s[*axis]).sum();
                let extent = self.axes[*axis].extent();
                let of = |at: usize| at.checked_sub(before).filter(|at| *at < extent);
                self.map(*axis, |parts| parts.picked(out[*axis], of))?;
            }
            _ => return None,
        }
        (self.axes.len() == out.len() && self.axes.iter().zip(out).all(|(a, d)| a.extent() == *d))
            .then_some(self)
    }

    /// None if an axis could have very many summands behind a stage: such maps are nobody's, and would take much memory.
    fn stays_small(&self, stage: &Stage) -> Option<()> {
        let growth = match &stage.op {
            TensorOp::Conv { window, .. }
            | TensorOp::ConvTranspose { window, .. }
            | TensorOp::Pool { window, .. } => window.kernel[0].max(window.kernel[1]),
            TensorOp::Resample { axis, .. } => self.axes.get(*axis)?.extent(),
            _ => 1,
        };
        let extents = stage.in_shapes.iter().flatten().chain(&stage.out_shape);
        let largest = extents.copied().max().unwrap_or(1);
        let merges = matches!(stage.op, TensorOp::Reshape { .. });
        let mut widest = self.axes.iter().map(Parts::widest);
        let widest = if merges { widest.try_fold(1, usize::checked_mul) } else { widest.max() };
        let summands = largest.checked_mul(growth)?.checked_mul(widest?)?;
        (summands <= MOST_SUMMANDS).then_some(())
    }

    fn map(&mut self, axis: usize, f: impl FnOnce(Parts) -> Parts) -> Option<()> {
        let axis = self.axes.get_mut(axis)?;
        *axis = f(std::mem::replace(axis, Parts::unit()));
        Some(())
    }

    fn multiply(&mut self, weight: ConstId, order: Order, inputs: Parts) -> Option<()> {
        let dense = Dense { weight, order, inputs: inputs.indices };
        self.dense.replace(dense).is_none().then_some(())
    }

    fn convolve(
        &mut self,
        (window, group, weight, transposed): (&Window, [usize; 2], ConstId, bool),
        out: &[usize],
    ) -> Option<()> {
        let [images, channels, rows, columns] =
            <[Parts; 4]>::try_from(std::mem::take(&mut self.axes)).ok()?;
        let [ky, kx] = window.kernel;
        self.multiply(weight, Order { group, taps: ky * kx, columns: kx, transposed }, channels)?;
        let along = |axis: Parts, k: usize| {
            if transposed {
                axis.deconvolved(window, k, out[2 + k])
            } else {
                axis.convolved(window, k, out[2 + k])
            }
        };
        self.axes = vec![images, Parts::channels(out[1]), along(rows, 0), along(columns, 1)];
        Some(())
    }

    /// The same elements in another shape: runs of axes of equal size are merged and split.
    fn reshape(&mut self, out: &[usize]) -> Option<()> {
        let units = |axis: &Parts| axis.extent() == 1;
        let (unit, rest): (Vec<Parts>, Vec<Parts>) =
            std::mem::take(&mut self.axes).into_iter().partition(units);
        self.dropped.extend(unit);
        let mut rest = rest.into_iter();
        let mut axes: Vec<Parts> = Vec::with_capacity(out.len());
        let mut wanted = out.iter().copied().peekable();
        while let Some(extent) = wanted.next() {
            if extent == 1 {
                axes.push(Parts::unit());
                continue;
            }
            let mut group = vec![extent];
            let mut axis = rest.next()?;
            let mut size = extent;
            while size != axis.extent() {
                if size < axis.extent() {
                    let more = wanted.next()?;
                    group.push(more);
                    size *= more;
                } else {
                    let faster = rest.next()?;
                    if axis.role != Role::Plain || faster.role != Role::Plain {
                        return None;
                    }
                    axis = axis.merged(&faster);
                }
            }
            for k in 1..group.len() {
                let fast = group[k..].iter().product();
                let [high, low] = axis.split(fast)?;
                axes.push(high);
                axis = low;
            }
            axes.push(axis);
        }
        self.axes = axes;
        rest.next().is_none().then_some(())
    }
}
