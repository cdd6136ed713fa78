//! The entries of a linear map's term: its matrix, enumerated without being stored where that is possible.

use super::{Stage, Term};
use crate::tensor::linear::{self, for_each_entry};
use crate::tensor::{Tensor, TensorOp, eval_op};
use crate::{ConstId, Constant};

/// What it takes to enumerate a term's entries, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Effort {
    /// Entries that are met on the way from the first stage to the last.
    pub met: usize,
    /// Entries between two stages that are held at once.
    pub held: usize,
}

/// For element m of an intermediate value: the operand's element it copies, times a factor.
type Copies = Vec<Option<(u32, f64)>>;

impl Term {
    /// Calls `f(out, in, weight)` for every structural entry of the matrix, by row-major element indices.
    /// `elements` is the number of elements of the operand. An entry may come in several parts.
    pub fn for_each_entry(
        &self,
        elements: usize,
        constants: &[Constant],
        mut f: impl FnMut(usize, usize, f64),
    ) {
        let Some((last, init)) = self.stages.split_last() else {
            (0..elements).for_each(|i| f(i, i, 1.0));
            return;
        };
        let mut state = State::Copies((0..elements as u32).map(|i| Some((i, 1.0))).collect());
        for stage in init {
            let size = stage.out_shape.iter().product();
            let mut next = match (&state, is_copy(&stage.op)) {
                (State::Copies(_), true) => State::Copies(vec![None; size]),
                _ => State::Rows(vec![Vec::new(); size]),
            };
            let shapes = stage.shapes();
            for_each_entry(constants, &stage.op, stage.operand, &shapes, &stage.out_shape, |o, i, w| match (
                &mut next, &state,
            ) {
                (State::Copies(next), State::Copies(c)) => next[o] = c[i].map(|(i, v)| (i, v * w)),
                (State::Rows(next), State::Copies(c)) => next[o].extend(c[i].map(|(i, v)| (i, v * w))),
                (State::Rows(next), State::Rows(r)) => next[o].extend(r[i].iter().map(|&(i, v)| (i, v * w))),
                (State::Copies(_), State::Rows(_)) => unreachable!("rows never become copies"),
            });
            if let State::Rows(rows) = &mut next {
                rows.iter_mut().for_each(merge);
            }
            state = next;
        }
        let shapes = last.shapes();
        for_each_entry(constants, &last.op, last.operand, &shapes, &last.out_shape, |o, i, w| match &state {
            State::Copies(copies) => {
                if let Some((i, v)) = copies[i] {
                    f(o, i as usize, v * w);
                }
            }
            State::Rows(rows) => rows[i].iter().for_each(|&(i, v)| f(o, i as usize, v * w)),
        });
    }

    /// What [`Term::for_each_entry`] takes for an operand of so many elements.
    pub fn effort(&self, elements: usize, constants: &[Constant]) -> Effort {
        let mut effort = Effort::default();
        // Entries of an element between the stages, rounded up.
        let mut row = 1;
        for (k, stage) in self.stages.iter().enumerate() {
            let (entries, size) =
                (stage.entries(constants), stage.out_shape.iter().product::<usize>().max(1));
            effort.met = effort.met.saturating_add(entries.saturating_mul(row));
            row = row.saturating_mul(entries.div_ceil(size).max(1)).min(elements.max(1));
            if k + 1 < self.stages.len() {
                effort.held = effort.held.max(size.saturating_mul(row));
            }
        }
        effort
    }

    /// The same matrix without what the stages add: biases, shifts and pad values.
    #[must_use]
    pub fn without_constant_part(&self) -> Self {
        let mut term = self.clone();
        for stage in &mut term.stages {
            match &mut stage.op {
                TensorOp::Conv { bias, .. }
                | TensorOp::ConvTranspose { bias, .. }
                | TensorOp::Gemm { bias, .. } => *bias = None,
                TensorOp::Affine { shift, .. } => *shift = None,
                TensorOp::Pad { value, .. } => *value = 0.0,
                _ => {}
            }
        }
        let is_identity = |s: &Stage| matches!(s.op, TensorOp::Affine { scale: None, shift: None });
        term.stages.retain(|s| !is_identity(s));
        term
    }

    /// Whether the stages add anything of their own: if not, [`constant_part`](Self::constant_part) is None.
    pub fn has_constant_part(&self) -> bool {
        self.stages.iter().any(has_constant_part)
    }

    /// The term's value at 0: biases, shifts and pad values carried through the stages. None if it is 0.
    pub fn constant_part(&self, constants: &[Constant]) -> Option<Vec<f64>> {
        let first = self.stages.iter().position(has_constant_part)?;
        let stage = &self.stages[first];
        let part = linear::constant_part(constants, &stage.op, &stage.shapes(), &stage.out_shape);
        let zeros = || vec![0.0; stage.out_shape.iter().product()];
        let mut value = Tensor::new(stage.out_shape.clone(), part.unwrap_or_else(zeros));
        for stage in &self.stages[first + 1..] {
            let zeros: Vec<Tensor<f64>> = stage.in_shapes.iter().map(|s| Tensor::zeros(s.clone())).collect();
            let args: Vec<&Tensor<f64>> =
                zeros.iter().enumerate().map(|(k, z)| if k == stage.operand { &value } else { z }).collect();
            value = eval_op(constants, &stage.op, &args);
        }
        Some(value.data)
    }
}

impl Stage {
    fn shapes(&self) -> Vec<&[usize]> {
        self.in_shapes.iter().map(Vec::as_slice).collect()
    }

    /// Structural entries of the stage's own matrix, at most.
    fn entries(&self, constants: &[Constant]) -> usize {
        let size = |shape: &[usize]| shape.iter().product::<usize>();
        let (from, to) = (size(&self.in_shapes[self.operand]), size(&self.out_shape));
        let weight = |c: &ConstId| size(&constants[c.index()].shape[1..]);
        match &self.op {
            TensorOp::Conv { weight: w, .. } | TensorOp::Gemm { weight: w, .. } => {
                to.saturating_mul(weight(w))
            }
            TensorOp::ConvTranspose { weight: w, .. } => from.saturating_mul(weight(w)),
            TensorOp::Pool { window, .. } => to.saturating_mul(size(&window.kernel)),
            TensorOp::Resample { axis, matrix } => {
                let nonzero = constants[matrix.index()].data.iter().filter(|w| **w != 0.0).count();
                (to / self.out_shape[*axis].max(1)).saturating_mul(nonzero)
            }
            TensorOp::Reduce { .. } | TensorOp::Concat { .. } => from,
            _ => to,
        }
    }
}

fn has_constant_part(stage: &Stage) -> bool {
    match &stage.op {
        TensorOp::Conv { bias, .. } | TensorOp::ConvTranspose { bias, .. } | TensorOp::Gemm { bias, .. } => {
            bias.is_some()
        }
        TensorOp::Affine { shift, .. } => shift.is_some(),
        TensorOp::Pad { value, .. } => *value != 0.0,
        _ => false,
    }
}

enum State {
    Copies(Copies),
    Rows(Vec<Vec<(u32, f64)>>),
}

/// Ops that give every output element at most one input element.
fn is_copy(op: &TensorOp) -> bool {
    matches!(
        op,
        TensorOp::Slice { .. }
            | TensorOp::Pad { .. }
            | TensorOp::Gather { .. }
            | TensorOp::Reshape { .. }
            | TensorOp::Transpose { .. }
            | TensorOp::Expand { .. }
            | TensorOp::Concat { .. }
            | TensorOp::Affine { .. }
    )
}

/// Adds up entries of one column.
fn merge(row: &mut Vec<(u32, f64)>) {
    row.sort_unstable_by_key(|e| e.0);
    row.dedup_by(|b, a| {
        let same = a.0 == b.0;
        if same {
            a.1 += b.1;
        }
        same
    });
}
