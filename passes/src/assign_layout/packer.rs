//! The state of packing, and what all ops need of it.

use std::collections::HashMap;

use fhec_ir::ValueId;
use fhec_ir::layout::Layout;
use fhec_ir::slot::{LinearMap, SlotGraph, SlotHeader, SlotOp, Stage, Term};
use fhec_ir::tensor::{Shape, TensorGraph, TensorOp, Window};

use super::compaction::{Compaction, Sizes};
use super::entry;
use super::gip::{Base, Grid, Step};

/// Where a tensor value is: a packed value and stages not yet applied to it.
#[derive(Clone)]
pub(super) struct Packed {
    /// The packed value.
    pub value: ValueId,
    /// Stages that are still due.
    pub chain: Vec<Stage>,
    /// Grid of the value behind the stages.
    pub grid: Grid,
}

/// A network that is packed value by value.
pub(super) struct Packer<'g> {
    pub tensors: &'g TensorGraph,
    pub base: Base,
    /// When maps leave interleaving, by rows and columns.
    pub compaction: &'g dyn Fn([usize; 2]) -> Compaction,
    /// Sizes of maps that are or could have been compacted.
    pub interleaved: Sizes,
    /// The packed network.
    pub slots: SlotGraph,
    /// The op behind each view and each sum of shifts.
    pub moved: HashMap<ValueId, Stage>,
    /// Layouts of inputs and of the views that the network begins with.
    pub entry: HashMap<ValueId, Layout>,
    /// By value of the tensor graph, once it is packed.
    pub packed: Vec<Option<Packed>>,
    /// By value, those that read it.
    pub users: Vec<Vec<ValueId>>,
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
        let packed = vec![None; tensors.len()];
        let (interleaved, moved, users) = (vec![], HashMap::new(), tensors.users());
        let inputs = tensors.inputs();
        let entry = inputs.flat_map(|(id, _)| entry::layouts(tensors, &users, id, Grid::new(base))).collect();
        Self { tensors, base, compaction, interleaved, slots, moved, entry, packed, users }
    }

    /// Shape of a tensor value.
    pub(super) fn shape(&self, id: ValueId) -> &'g Shape {
        self.tensors.ty(id)
    }

    /// Where an operand is.
    pub(super) fn packed(&self, id: ValueId) -> &Packed {
        self.packed[id.index()].as_ref().expect("operands come first")
    }

    /// Name of the network node.
    pub(super) fn name(&self, id: ValueId) -> &'g str {
        &self.tensors.node(id).name
    }

    /// This op as a stage of a chain.
    pub(super) fn stage(&self, id: ValueId, operand: usize) -> Stage {
        let node = self.tensors.node(id);
        Stage {
            op: node.op.clone(),
            operand,
            in_shapes: node.args.iter().map(|a| self.shape(*a).clone()).collect(),
            out_shape: self.shape(id).clone(),
        }
    }

    /// The grid of the result of an op whose operand has the given grid.
    pub(super) fn grid_after(&self, id: ValueId, grid: Grid) -> Grid {
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
    pub(super) fn materialise(&mut self, id: ValueId) -> ValueId {
        let packed = self.packed(id).clone();
        if packed.chain.is_empty() {
            return packed.value;
        }
        let layout = packed.grid.layout(self.shape(id));
        self.materialise_into(id, layout)
    }

    /// The same in a given layout.
    pub(super) fn materialise_into(&mut self, id: ValueId, layout: Layout) -> ValueId {
        let packed = self.packed(id).clone();
        if packed.chain.is_empty() && self.slots.ty(packed.value).layout == layout {
            return packed.value;
        }
        let name = self.name(id);
        let value = self.push_linear(vec![(packed.value, packed.chain)], layout, name);
        self.packed[id.index()] = Some(Packed { value, chain: vec![], grid: packed.grid });
        value
    }

    /// Appends a linear map of packed values, each after its stages.
    pub(super) fn push_linear(
        &mut self,
        operands: Vec<(ValueId, Vec<Stage>)>,
        output: Layout,
        name: &str,
    ) -> ValueId {
        let (args, chains): (Vec<_>, Vec<_>) = operands.into_iter().unzip();
        let inputs = args.iter().map(|a| self.slots.ty(*a).layout.clone()).collect();
        let terms = chains.into_iter().map(|stages| Term { stages }).collect();
        let map = LinearMap { inputs, terms, output: output.clone(), open: false, plan: None };
        self.slots.push_packed(SlotOp::Linear(Box::new(map)), args, output, name)
    }
}

/// Extent ratio of a resizing as a power of two, so that steps stay steps.
fn ratio(from: usize, to: usize) -> f64 {
    let ratio = from as f64 / to as f64;
    if ratio >= 1.0 { ratio.round() } else { 1.0 / (1.0 / ratio).round() }
}
