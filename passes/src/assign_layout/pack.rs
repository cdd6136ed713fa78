//! The walk over the network.

use std::collections::HashMap;

use fhec_ir::layout::{Axis, Factor, Layout};
use fhec_ir::slot::{LinearMap, SlotGraph, SlotHeader, SlotOp, Stage, Term};
use fhec_ir::tensor::{Pool, ReduceKind, Shape, TensorGraph, TensorOp, Window};
use fhec_ir::{ConstId, Constant, ValueId};

use super::compaction::{Compaction, Sizes};
use super::gip::{Base, Grid, Step};
use super::{compose, views};
use crate::PassError;

const PASS: &str = "assign-layout";

/// Where a tensor value is: a packed value and stages not yet applied to it.
#[derive(Clone)]
struct Place {
    value: ValueId,
    chain: Vec<Stage>,
    grid: Grid,
}

pub(super) struct Packer<'g> {
    tensors: &'g TensorGraph,
    base: Base,
    compaction: &'g dyn Fn([usize; 2]) -> Compaction,
    interleaved: Sizes,
    slots: SlotGraph,
    /// The op behind each view and each sum of shifts.
    moved: HashMap<ValueId, Stage>,
    places: Vec<Option<Place>>,
    users: Vec<Vec<ValueId>>,
}

impl<'g> Packer<'g> {
    /// `compaction` says by rows and columns of a map when it leaves interleaving.
    pub(super) fn new(
        tensors: &'g TensorGraph,
        base: Base,
        compaction: &'g dyn Fn([usize; 2]) -> Compaction,
    ) -> Self {
        let mut slots = SlotGraph::new(tensors.name.clone(), SlotHeader { slots: base.slots });
        slots.constants.clone_from(&tensors.constants);
        let places = vec![None; tensors.len()];
        let (interleaved, moved) = (vec![], HashMap::new());
        Self { tensors, base, compaction, interleaved, slots, moved, places, users: tensors.users() }
    }

    /// The packed network, with composed maps as alternatives if `composes`, and the sizes of maps that are or could have
    /// been compacted.
    pub(super) fn run(mut self, composes: bool) -> Result<(SlotGraph, Sizes), PassError> {
        for id in self.tensors.ids() {
            let place = self.pack(id)?;
            let place = self.compacted(id, place);
            self.places[id.index()] = Some(place);
        }
        for output in &self.tensors.outputs {
            let value = self.materialise(output.value);
            self.slots.add_output(output.name.clone(), value);
        }
        let packed = if composes {
            compose::with_alternatives(&self.slots, &self.moved)
        } else {
            self.slots.compacted()
        };
        Ok((packed, self.interleaved))
    }

    /// Brings an interleaved value into tiles of its own, where that is due.
    fn compacted(&mut self, id: ValueId, place: Place) -> Place {
        let [_, _, height, width] = self.shape(id)[..] else { return place };
        if !place.chain.is_empty() {
            return place;
        }
        let layout = &self.slots.ty(place.value).layout;
        let Some((steps, grid)) = place.grid.compacted(layout) else { return place };
        if !self.interleaved.contains(&[height, width]) {
            self.interleaved.push([height, width]);
        }
        let due = match (self.compaction)([height, width]) {
            Compaction::Never => false,
            Compaction::First => true,
            Compaction::Joins => self.tensors.node(id).args.len() > 1,
        };
        if !due {
            return place;
        }
        let convert = |p: &mut Self, value, layout| p.push_linear(vec![(value, vec![])], layout, p.name(id));
        let value = steps.into_iter().fold(place.value, |value, layout| convert(self, value, layout));
        Place { value, chain: vec![], grid }
    }

    fn shape(&self, id: ValueId) -> &'g Shape {
        self.tensors.ty(id)
    }

    fn place(&self, id: ValueId) -> &Place {
        self.places[id.index()].as_ref().expect("operands come first")
    }

    fn name(&self, id: ValueId) -> &'g str {
        &self.tensors.node(id).name
    }

    fn pack(&mut self, id: ValueId) -> Result<Place, PassError> {
        let node = self.tensors.node(id);
        let arg = |k: usize| node.args[k];
        match &node.op {
            TensorOp::Input { name, shape } => {
                let grid = Grid::new(self.base);
                let layout = grid.layout(shape);
                let value = self.slots.push_packed(SlotOp::Input { name: name.clone() }, vec![], layout, "");
                Ok(Place { value, chain: vec![], grid })
            }
            TensorOp::Constant { value } => {
                let grid = Grid::new(self.base);
                let layout = grid.layout(self.shape(id));
                let op = SlotOp::Constant { value: *value };
                let value = self.slots.push_packed(op, vec![], layout, self.name(id));
                Ok(Place { value, chain: vec![], grid })
            }
            TensorOp::Reshape { .. } | TensorOp::Transpose { .. } => Ok(self.view_or_defer(id, arg(0))),
            TensorOp::Slice { .. }
            | TensorOp::Pad { .. }
            | TensorOp::Gather { .. }
            | TensorOp::Expand { .. } => Ok(self.deferred(id, arg(0))),
            TensorOp::Pool { kind: Pool::Max, window, out } => Ok(self.max_pool(id, arg(0), window, *out)),
            TensorOp::Pool { window, .. } => match self.pool_as_shifts(id, arg(0), window) {
                Some(place) => Ok(place),
                None => Ok(self.linear(id)),
            },
            TensorOp::Reduce { kind, axes, keep } => {
                match self.reduce_as_shifts(id, arg(0), *kind, axes, *keep) {
                    Some(place) => Ok(place),
                    None => Ok(self.linear(id)),
                }
            }
            TensorOp::Affine { scale: None, shift: Some(value) } => {
                Ok(self.element_wise(id, SlotOp::AddConst { value: *value }))
            }
            TensorOp::Conv { .. }
            | TensorOp::ConvTranspose { .. }
            | TensorOp::Gemm { .. }
            | TensorOp::Resample { .. }
            | TensorOp::Concat { .. } => Ok(self.linear(id)),
            TensorOp::Affine { .. } => {
                // The same layout on both sides keeps it a single product per ciphertext.
                let place = self.place(arg(0)).clone();
                if place.chain.is_empty() {
                    let layout = self.slots.ty(place.value).layout.clone();
                    Ok(self.linear_into(id, layout, place.grid))
                } else {
                    Ok(self.linear(id))
                }
            }
            TensorOp::Add => Ok(self.element_wise(id, SlotOp::Add)),
            TensorOp::Sub => Ok(self.element_wise(id, SlotOp::Sub)),
            TensorOp::Mul => Ok(self.element_wise(id, SlotOp::Mul)),
            TensorOp::Div => Ok(self.element_wise(id, SlotOp::Div)),
            TensorOp::Max => Ok(self.element_wise(id, SlotOp::Max)),
            TensorOp::Min => Ok(self.element_wise(id, SlotOp::Min)),
            TensorOp::Activation(a) => Ok(self.element_wise(id, SlotOp::Activation(*a))),
            TensorOp::PRelu { slope } => Ok(self.element_wise(id, SlotOp::PRelu { slope: *slope })),
            TensorOp::Poly { coeffs } => {
                let coeffs = self.poly_coefficients(id, *coeffs)?;
                Ok(self.element_wise(id, SlotOp::Poly { coeffs, strategy: None }))
            }
        }
    }

    /// [degree+1, C] → [degree+1, 1, C, 1, …] to broadcast over the value.
    fn poly_coefficients(&mut self, id: ValueId, coeffs: ConstId) -> Result<ConstId, PassError> {
        let constant = self.tensors.constant(coeffs);
        let rank = self.shape(id).len();
        let (terms, channels) = (constant.shape[0], constant.shape[1]);
        if rank < 2 && channels > 1 {
            return Err(PassError::at(
                PASS,
                self.tensors,
                id,
                "per-channel polynomial of a value without channels",
            ));
        }
        let mut shape = vec![1; rank + 1];
        shape[0] = terms;
        if channels > 1 {
            shape[2] = channels;
        }
        Ok(self.slots.add_constant(Constant { shape, data: constant.data.clone() }))
    }

    /// This op as a stage of a chain.
    fn stage(&self, id: ValueId, operand: usize) -> Stage {
        let node = self.tensors.node(id);
        Stage {
            op: node.op.clone(),
            operand,
            in_shapes: node.args.iter().map(|a| self.shape(*a).clone()).collect(),
            out_shape: self.shape(id).clone(),
        }
    }

    fn deferred(&self, id: ValueId, arg: ValueId) -> Place {
        let mut place = self.place(arg).clone();
        place.grid = self.grid_after(id, place.grid);
        place.chain.push(self.stage(id, 0));
        place
    }

    fn view_or_defer(&mut self, id: ValueId, arg: ValueId) -> Place {
        let place = self.place(arg);
        let layout = &self.slots.ty(place.value).layout;
        let view = match &self.tensors.node(id).op {
            _ if !place.chain.is_empty() => None,
            TensorOp::Transpose { perm } => Some(views::transposed(layout, perm)),
            _ => views::reshaped(layout, self.shape(id)),
        };
        match view {
            Some(view) => {
                let (value, grid) = (place.value, self.grid_after(id, place.grid));
                let value = self.slots.push_packed(SlotOp::View, vec![value], view, self.name(id));
                self.moved.insert(value, self.stage(id, 0));
                Place { value, chain: vec![], grid }
            }
            None => self.deferred(id, arg),
        }
    }

    /// The grid of the result of an op whose operand has the given grid.
    fn grid_after(&self, id: ValueId, grid: Grid) -> Grid {
        Grid { step: self.step_after(id, grid), ..grid }
    }

    fn step_after(&self, id: ValueId, grid: Grid) -> Step {
        let (node, step) = (self.tensors.node(id), grid.step);
        let (Some(from), to) = (node.args.first().map(|a| self.shape(*a)), self.shape(id)) else {
            return step;
        };
        if from.len() != 4 || to.len() != 4 {
            return if to.len() == 4 { grid.base.filling_step(to) } else { step };
        }
        let scaled = |factor: [f64; 2]| [step[0] * factor[0], step[1] * factor[1]];
        let strides = |w: &Window| w.stride.map(|s| s as f64);
        match &node.op {
            TensorOp::Conv { window, .. } | TensorOp::Pool { window, .. } => scaled(strides(window)),
            TensorOp::ConvTranspose { window, .. } => scaled(strides(window).map(|s| 1.0 / s)),
            TensorOp::Gather { axis: 2, .. } | TensorOp::Resample { axis: 2, .. } => {
                scaled([ratio(from[2], to[2]), 1.0])
            }
            TensorOp::Gather { axis: 3, .. } | TensorOp::Resample { axis: 3, .. } => {
                scaled([1.0, ratio(from[3], to[3])])
            }
            TensorOp::Slice { step: by, .. } => {
                scaled([by[2].unsigned_abs() as f64, by[3].unsigned_abs() as f64])
            }
            TensorOp::Reshape { .. } | TensorOp::Transpose { .. } => grid.base.filling_step(to),
            _ => step,
        }
    }

    /// The packed value itself, after a linear map for the stages that are still due.
    fn materialise(&mut self, id: ValueId) -> ValueId {
        let place = self.place(id).clone();
        if place.chain.is_empty() {
            return place.value;
        }
        let layout = place.grid.layout(self.shape(id));
        self.materialise_into(id, layout)
    }

    fn materialise_into(&mut self, id: ValueId, layout: Layout) -> ValueId {
        let place = self.place(id).clone();
        if place.chain.is_empty() && self.slots.ty(place.value).layout == layout {
            return place.value;
        }
        let name = self.name(id);
        let value = self.push_linear(vec![(place.value, place.chain)], layout, name);
        self.places[id.index()] = Some(Place { value, chain: vec![], grid: place.grid });
        value
    }

    fn push_linear(&mut self, operands: Vec<(ValueId, Vec<Stage>)>, output: Layout, name: &str) -> ValueId {
        let (args, chains): (Vec<_>, Vec<_>) = operands.into_iter().unzip();
        let inputs = args.iter().map(|a| self.slots.ty(*a).layout.clone()).collect();
        let terms = chains.into_iter().map(|stages| Term { stages }).collect();
        let map = LinearMap { inputs, terms, output: output.clone(), plan: None };
        self.slots.push_packed(SlotOp::Linear(Box::new(map)), args, output, name)
    }

    fn linear(&mut self, id: ValueId) -> Place {
        let first = self.place(self.tensors.node(id).args[0]).grid;
        let grid = self.grid_after(id, first);
        let layout = grid.layout(self.shape(id));
        self.linear_into(id, layout, grid)
    }

    fn linear_into(&mut self, id: ValueId, layout: Layout, grid: Grid) -> Place {
        let node = self.tensors.node(id);
        let operands = node.args.iter().enumerate().map(|(k, a)| {
            let mut place = self.place(*a).clone();
            place.chain.push(self.stage(id, k));
            (place.value, place.chain)
        });
        let operands = operands.collect();
        let value = self.push_linear(operands, layout, &node.name);
        Place { value, chain: vec![], grid }
    }

    /// Brings all operands into one layout: that of the first operand that has one, moving linear layers' results
    /// there for free where this is their only use.
    fn element_wise(&mut self, id: ValueId, op: SlotOp) -> Place {
        let args = &self.tensors.node(id).args;
        let fixed = |p: &Self, a: ValueId| p.place(a).chain.is_empty() && !p.can_retarget(a);
        let ready = |p: &Self, a: ValueId| p.place(a).chain.is_empty();
        let lead = args.iter().copied().find(|a| fixed(self, *a));
        let lead = lead.or_else(|| args.iter().copied().find(|a| ready(self, *a))).unwrap_or(args[0]);
        let value = self.materialise(lead);
        let layout = self.slots.ty(value).layout.clone();
        let grid = self.place(lead).grid;
        let operands = args.iter().map(|a| self.brought_into(*a, &layout)).collect();
        let value = self.slots.push_packed(op, operands, layout, self.name(id));
        Place { value, chain: vec![], grid }
    }

    /// True if a value is the result of a linear layer that nothing but the node at hand uses, so that it may as well
    /// be in another layout.
    fn can_retarget(&self, id: ValueId) -> bool {
        matches!(self.slots.node(self.place(id).value).op, SlotOp::Linear(_))
            && self.users[id.index()].len() == 1
            && self.tensors.outputs.iter().all(|o| o.value != id)
    }

    fn brought_into(&mut self, id: ValueId, layout: &Layout) -> ValueId {
        let place = self.place(id);
        let value = place.value;
        if place.chain.is_empty() && self.slots.ty(value).layout != *layout && self.can_retarget(id) {
            let node = self.slots.node_mut(value);
            node.ty = layout.clone().into();
            if let SlotOp::Linear(map) = &mut node.op {
                map.output = layout.clone();
            }
            return value;
        }
        self.materialise_into(id, layout.clone())
    }

    /// Average pooling without padding: sums of shifted images.
    fn pool_as_shifts(&mut self, id: ValueId, arg: ValueId, window: &Window) -> Option<Place> {
        let (place, from, to) = (self.place(arg), self.shape(arg), self.shape(id));
        let layout = &self.slots.ty(place.value).layout;
        if !place.chain.is_empty() || window.pads != [0; 4] {
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
        let grid = self.grid_after(id, place.grid);
        Some(self.push_shifts(id, place.value, shifts, 1.0 / count as f64, out, grid))
    }

    /// Sums and means over whole uniformly spaced axes.
    fn reduce_as_shifts(
        &mut self,
        id: ValueId,
        arg: ValueId,
        kind: ReduceKind,
        axes: &[usize],
        keep: bool,
    ) -> Option<Place> {
        let place = self.place(arg);
        let layout = &self.slots.ty(place.value).layout;
        if !place.chain.is_empty() {
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
        let grid = place.grid;
        Some(self.push_shifts(id, place.value, shifts, factor, out, grid))
    }

    fn push_shifts(
        &mut self,
        id: ValueId,
        value: ValueId,
        shifts: Vec<Factor>,
        factor: f64,
        out: Layout,
        grid: Grid,
    ) -> Place {
        let shifts = shifts.into_iter().filter(|s| s.extent > 1).collect();
        let op = SlotOp::ShiftSum { shifts, factor };
        let value = self.slots.push_packed(op, vec![value], out, self.name(id));
        self.moved.insert(value, self.stage(id, 0));
        Place { value, chain: vec![], grid }
    }

    /// Maxima of shifted images, first over rows, then over columns. A tap outside the image is replaced by one
    /// inside, which leaves the maximum as it is.
    fn max_pool(&mut self, id: ValueId, arg: ValueId, window: &Window, out: [usize; 2]) -> Place {
        let place = self.place(arg).clone();
        let mut shape = self.shape(arg).clone();
        let (mut operand, mut grid) = ((place.value, place.chain), place.grid);
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
                let shifted = self.push_linear(vec![(operand.0, chain)], layout.clone(), self.name(id));
                result = Some(match result {
                    None => shifted,
                    Some(r) => {
                        self.slots.push_packed(SlotOp::Max, vec![r, shifted], layout.clone(), self.name(id))
                    }
                });
            }
            operand = (result.expect("a kernel has taps"), vec![]);
            shape = out_shape;
        }
        Place { value: operand.0, chain: vec![], grid }
    }
}

/// True if a shift leads from an element of a sum to one in another ciphertext; `out` holds the sums.
fn crosses(out: &Layout, shifts: &[Factor]) -> bool {
    let reach: usize = shifts.iter().map(|s| (s.extent - 1) * s.stride).sum();
    let crosses = |p: u32| p as usize % out.slots + reach >= out.slots;
    out.ciphertexts > 1 && out.positions().into_iter().any(crosses)
}

/// Extent ratio of a resizing as a power of two, so that steps stay steps.
fn ratio(from: usize, to: usize) -> f64 {
    let ratio = from as f64 / to as f64;
    if ratio >= 1.0 { ratio.round() } else { 1.0 / (1.0 / ratio).round() }
}
