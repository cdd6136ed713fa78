//! Pools and reductions: sums and maxima of shifted images.

use fhec_ir::ValueId;
use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::slot::{SlotOp, Stage};
use fhec_ir::tensor::{ReduceKind, TensorOp, Window};

use super::gip::Grid;
use super::packer::{Packed, Packer};
use super::views;

/// Average pooling without padding, as sums of shifted images. None if taps are not equally far apart, or in another
/// ciphertext.
pub(super) fn average_as_shifts(
    packer: &mut Packer,
    id: ValueId,
    arg: ValueId,
    window: &Window,
) -> Option<Packed> {
    let (packed, from, to) = (packer.packed(arg), packer.shape(arg), packer.shape(id));
    let layout = &packer.slots.ty(packed.value).layout;
    if !packed.chain.is_empty() || window.pads != [0; 4] {
        return None;
    }
    let mut out = layout.clone();
    let mut shifts = Vec::new();
    for k in 0..2 {
        let last = (to[2 + k] - 1) * window.stride[k] + (window.kernel[k] - 1) * window.dilation[k];
        if last >= from[2 + k] {
            return None;
        }
        let (shift, axis) = views::windowed(&layout.axes[2 + k], to[2 + k], window, k)?;
        shifts.push(shift);
        out.axes[2 + k] = axis;
    }
    if crosses(&out, &shifts) {
        return None;
    }
    let count: usize = window.kernel.iter().product();
    let grid = packer.grid_after(id, packed.grid);
    Some(push_shifts(packer, id, packed.value, shifts, 1.0 / count as f64, out, grid))
}

/// Sums and means over whole axes, as sums of shifted images. None as above.
pub(super) fn reduction_as_shifts(
    packer: &mut Packer,
    id: ValueId,
    arg: ValueId,
    kind: ReduceKind,
    axes: &[usize],
    keep: bool,
) -> Option<Packed> {
    let packed = packer.packed(arg);
    let layout = &packer.slots.ty(packed.value).layout;
    if !packed.chain.is_empty() {
        return None;
    }
    let mut out = layout.clone();
    let (mut shifts, mut count) = (Vec::new(), 1);
    for &k in axes {
        shifts.extend(views::summed(&layout.axes[k])?);
        out.axes[k] = Axis::strided(1, 1);
        count *= layout.axes[k].extent;
    }
    if crosses(&out, &shifts) {
        return None;
    }
    if !keep {
        let kept = out.axes.iter().enumerate().filter(|(k, _)| !axes.contains(k));
        out.axes = kept.map(|(_, a)| a.clone()).collect();
    }
    let factor = if kind == ReduceKind::Mean { 1.0 / count as f64 } else { 1.0 };
    let grid = packed.grid;
    Some(push_shifts(packer, id, packed.value, shifts, factor, out, grid))
}

fn push_shifts(
    packer: &mut Packer,
    id: ValueId,
    value: ValueId,
    shifts: Vec<Factor>,
    factor: f64,
    out: Layout,
    grid: Grid,
) -> Packed {
    let shifts = shifts.into_iter().filter(|s| s.extent > 1).collect();
    let op = SlotOp::ShiftSum { shifts, factor };
    let value = packer.slots.push_packed(op, vec![value], out, packer.name(id));
    packer.moved.insert(value, packer.stage(id, 0));
    Packed { value, chain: vec![], grid }
}

/// Maxima of shifted images, first over rows, then over columns. A tap outside the image is replaced by one
/// inside, which leaves the maximum as it is.
pub(super) fn maximum(
    packer: &mut Packer,
    id: ValueId,
    arg: ValueId,
    window: &Window,
    out: [usize; 2],
) -> Packed {
    let packed = packer.packed(arg).clone();
    let mut shape = packer.shape(arg).clone();
    let (mut operand, mut grid) = ((packed.value, packed.chain), packed.grid);
    for k in 0..2 {
        let extent = shape[2 + k];
        let mut out_shape = shape.clone();
        out_shape[2 + k] = out[k];
        grid.step[k] *= window.stride[k] as f64;
        let layout = grid.layout(&out_shape);
        let mut result: Option<ValueId> = None;
        for tap in 0..window.kernel[k] {
            let index = |o: usize, tap: usize| {
                let i = (o * window.stride[k] + tap * window.dilation[k]).checked_sub(window.pads[k]);
                i.filter(|i| *i < extent)
            };
            let inside = |o: usize| (0..window.kernel[k]).find_map(|t| index(o, t)).unwrap_or(0);
            let indices = (0..out[k]).map(|o| index(o, tap).unwrap_or_else(|| inside(o))).collect();
            let stage = Stage {
                op: TensorOp::Gather { axis: 2 + k, indices },
                operand: 0,
                in_shapes: vec![shape.clone()],
                out_shape: out_shape.clone(),
            };
            let mut chain = operand.1.clone();
            chain.push(stage);
            let shifted = packer.push_linear(vec![(operand.0, chain)], layout.clone(), packer.name(id));
            result = Some(match result {
                None => shifted,
                Some(r) => {
                    packer.slots.push_packed(SlotOp::Max, vec![r, shifted], layout.clone(), packer.name(id))
                }
            });
        }
        operand = (result.expect("a kernel has taps"), vec![]);
        shape = out_shape;
    }
    Packed { value: operand.0, chain: vec![], grid }
}

/// True if a shift leads from an element of a sum to one in another ciphertext; `out` holds the sums.
fn crosses(out: &Layout, shifts: &[Factor]) -> bool {
    let reach: usize = shifts.iter().map(|s| (s.extent - 1) * s.stride).sum();
    let crosses = |p: u32| p as usize % out.slots + reach >= out.slots;
    out.ciphertexts > 1 && out.positions().into_iter().any(crosses)
}
