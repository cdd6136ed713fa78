//! The walk over the network.

use fhec_ir::layout::Layout;
use fhec_ir::slot::{SlotGraph, SlotOp};
use fhec_ir::tensor::{Pool, TensorGraph, TensorOp};
use fhec_ir::{ConstId, Constant, ValueId};

use super::compaction::{Compaction, Sizes};
use super::gip::{Base, Grid};
use super::packer::{Packed, Packer};
use super::{compose, pools, views};
use crate::PassError;

const PASS: &str = "assign-layout";

/// The network packed on a tile, with composed maps as alternatives if `composes`, and the sizes of maps that are or could
/// have been compacted. `compaction` says by rows and columns of a map when it leaves interleaving.
pub(super) fn packed(
    tensors: &TensorGraph,
    base: Base,
    compaction: &dyn Fn([usize; 2]) -> Compaction,
    composes: bool,
) -> Result<(SlotGraph, Sizes), PassError> {
    Packer::new(tensors, base, compaction).run(composes)
}

impl Packer<'_> {
    fn run(mut self, composes: bool) -> Result<(SlotGraph, Sizes), PassError> {
        for id in self.tensors.ids() {
            let packed = self.pack(id)?;
            let packed = self.compacted(id, packed);
            self.packed[id.index()] = Some(packed);
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
    fn compacted(&mut self, id: ValueId, packed: Packed) -> Packed {
        let [_, _, height, width] = self.shape(id)[..] else { return packed };
        if !packed.chain.is_empty() {
            return packed;
        }
        let layout = &self.slots.ty(packed.value).layout;
        let Some((steps, grid)) = packed.grid.compacted(layout) else { return packed };
        if !self.interleaved.contains(&[height, width]) {
            self.interleaved.push([height, width]);
        }
        let due = match (self.compaction)([height, width]) {
            Compaction::Never => false,
            Compaction::First => true,
            Compaction::Joins => self.tensors.node(id).args.len() > 1,
        };
        if !due {
            return packed;
        }
        let convert = |p: &mut Self, value, layout| p.push_linear(vec![(value, vec![])], layout, p.name(id));
        let value = steps.into_iter().fold(packed.value, |value, layout| convert(self, value, layout));
        Packed { value, chain: vec![], grid }
    }

    fn pack(&mut self, id: ValueId) -> Result<Packed, PassError> {
        let node = self.tensors.node(id);
        let arg = |k: usize| node.args[k];
        match &node.op {
            TensorOp::Input { name, shape } => {
                let grid = Grid::new(self.base);
                let layout = self.entry.get(&id).cloned().unwrap_or_else(|| grid.layout(shape));
                let value = self.slots.push_packed(SlotOp::Input { name: name.clone() }, vec![], layout, "");
                Ok(Packed { value, chain: vec![], grid })
            }
            TensorOp::Constant { value } => {
                let grid = Grid::new(self.base);
                let layout = grid.layout(self.shape(id));
                let op = SlotOp::Constant { value: *value };
                let value = self.slots.push_packed(op, vec![], layout, self.name(id));
                Ok(Packed { value, chain: vec![], grid })
            }
            TensorOp::Reshape { .. } | TensorOp::Transpose { .. } => Ok(self.view_or_defer(id, arg(0))),
            TensorOp::Slice { .. }
            | TensorOp::Pad { .. }
            | TensorOp::Gather { .. }
            | TensorOp::Expand { .. } => Ok(self.deferred(id, arg(0))),
            TensorOp::Pool { kind: Pool::Max, window, out } => {
                Ok(pools::maximum(self, id, arg(0), window, *out))
            }
            TensorOp::Pool { window, .. } => match pools::average_as_shifts(self, id, arg(0), window) {
                Some(packed) => Ok(packed),
                None => Ok(self.linear(id)),
            },
            TensorOp::Reduce { kind, axes, keep } => {
                match pools::reduction_as_shifts(self, id, arg(0), *kind, axes, *keep) {
                    Some(packed) => Ok(packed),
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
                let packed = self.packed(arg(0)).clone();
                if packed.chain.is_empty() {
                    let layout = self.slots.ty(packed.value).layout.clone();
                    Ok(self.linear_into(id, layout, packed.grid))
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
            TensorOp::Poly { coeffs, basis } => {
                let coeffs = self.poly_coefficients(id, *coeffs)?;
                Ok(self.element_wise(id, SlotOp::Poly { coeffs, basis: *basis, strategy: None }))
            }
            TensorOp::Client(_) => Err(PassError::at(PASS, self.tensors, id, "only clients evaluate it")),
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

    fn deferred(&self, id: ValueId, arg: ValueId) -> Packed {
        let mut packed = self.packed(arg).clone();
        packed.grid = self.grid_after(id, packed.grid);
        packed.chain.push(self.stage(id, 0));
        packed
    }

    fn view_or_defer(&mut self, id: ValueId, arg: ValueId) -> Packed {
        let packed = self.packed(arg);
        let layout = &self.slots.ty(packed.value).layout;
        let entry = self.entry.get(&id);
        let view = match &self.tensors.node(id).op {
            _ if !packed.chain.is_empty() => None,
            _ if entry.is_some() => entry.cloned(),
            TensorOp::Transpose { perm } => Some(views::transposed(layout, perm)),
            _ => views::reshaped(layout, self.shape(id)),
        };
        match view {
            Some(view) => {
                let grid = match self.entry.contains_key(&id) {
                    true => packed.grid,
                    false => self.grid_after(id, packed.grid),
                };
                let value = packed.value;
                let value = self.slots.push_packed(SlotOp::View, vec![value], view, self.name(id));
                self.moved.insert(value, self.stage(id, 0));
                Packed { value, chain: vec![], grid }
            }
            None => self.deferred(id, arg),
        }
    }

    fn linear(&mut self, id: ValueId) -> Packed {
        let first = self.packed(self.tensors.node(id).args[0]).grid;
        let grid = self.grid_after(id, first);
        let layout = grid.layout(self.shape(id));
        self.linear_into(id, layout, grid)
    }

    fn linear_into(&mut self, id: ValueId, layout: Layout, grid: Grid) -> Packed {
        let node = self.tensors.node(id);
        let operands = node.args.iter().enumerate().map(|(k, a)| {
            let mut packed = self.packed(*a).clone();
            packed.chain.push(self.stage(id, k));
            (packed.value, packed.chain)
        });
        let operands = operands.collect();
        let value = self.push_linear(operands, layout, &node.name);
        Packed { value, chain: vec![], grid }
    }

    /// Brings all operands into one layout: that of the first operand that has one, moving linear layers' results
    /// there for free where this is their only use.
    fn element_wise(&mut self, id: ValueId, op: SlotOp) -> Packed {
        let args = &self.tensors.node(id).args;
        let fixed = |p: &Self, a: ValueId| p.packed(a).chain.is_empty() && !p.can_retarget(a);
        let ready = |p: &Self, a: ValueId| p.packed(a).chain.is_empty();
        let lead = args.iter().copied().find(|a| fixed(self, *a));
        let lead = lead.or_else(|| args.iter().copied().find(|a| ready(self, *a))).unwrap_or(args[0]);
        let value = self.materialise(lead);
        let layout = self.slots.ty(value).layout.clone();
        let grid = self.packed(lead).grid;
        let operands = args.iter().map(|a| self.brought_into(*a, &layout)).collect();
        let value = self.slots.push_packed(op, operands, layout, self.name(id));
        Packed { value, chain: vec![], grid }
    }

    /// True if a value is the result of a linear layer that nothing but the node at hand uses, so that it may as well
    /// be in another layout.
    fn can_retarget(&self, id: ValueId) -> bool {
        matches!(self.slots.node(self.packed(id).value).op, SlotOp::Linear(_))
            && self.users[id.index()].len() == 1
            && self.tensors.outputs.iter().all(|o| o.value != id)
    }

    fn brought_into(&mut self, id: ValueId, layout: &Layout) -> ValueId {
        let packed = self.packed(id);
        let value = packed.value;
        if packed.chain.is_empty() && self.slots.ty(value).layout != *layout && self.can_retarget(id) {
            let node = self.slots.node_mut(value);
            node.ty = layout.clone().into();
            if let SlotOp::Linear(map) = &mut node.op {
                map.output = layout.clone();
            }
            return value;
        }
        self.materialise_into(id, layout.clone())
    }
}
