//! Lowering op by op.

use fhec_ir::ValueId;
use fhec_ir::schedule::{PackedValue, Recipe, Schedule, ScheduleOp, ScheduleType, scale};
use fhec_ir::slot::SlotOp;

use super::config::PASS;
use super::lowering::Lowering;
use super::poly::PolyLowering;
use super::refreshed::Refreshed;
use crate::PassError;

/// Why a round ended early.
pub(super) enum Stop {
    Refused(PassError),
    /// The first operand of the addition at `at` has `ratio` times the scale of the second.
    Scales {
        at: ValueId,
        ratio: f64,
    },
}

type Lowered<T> = Result<T, Stop>;

/// A schedule whose additions meet.
pub(super) struct Outcome {
    pub(super) schedule: Schedule,
    /// The bootstraps in it.
    pub(super) refreshed: Vec<Refreshed>,
    /// By packed value, the type of its first ciphertext; the others are like it.
    pub(super) types: Vec<ScheduleType>,
}

impl Lowering<'_> {
    /// The schedule, and what is to be judged of its scales.
    pub(super) fn run(mut self) -> Lowered<Outcome> {
        for id in self.graph.ids() {
            self.out.begin_layer(&self.graph.node(id).name);
            let value = self.lower(id)?;
            if let Some(reason) = self.out.refusal() {
                return Err(Stop::Refused(PassError::at(PASS, self.graph, id, reason)));
            }
            self.values.push(value);
        }
        let types = self.values.iter().map(|cts| self.out.ty(cts[0])).collect();
        let mut schedule = self.out.finish();
        for output in &self.graph.outputs {
            let layout = self.graph.ty(output.value).layout.clone();
            schedule.header.outputs.push(PackedValue { name: output.name.clone(), layout });
            for (ct, value) in self.values[output.value.index()].iter().enumerate() {
                schedule.add_output(format!("{}#{ct}", output.name), *value);
            }
        }
        Ok(Outcome { schedule, refreshed: self.refreshed, types })
    }

    fn lower(&mut self, id: ValueId) -> Lowered<Vec<ValueId>> {
        let node = self.graph.node(id);
        let level = self.level(id);
        let cts = node.ty.layout.ciphertexts;
        match &node.op {
            SlotOp::Input { name } => Ok(self.lower_input(id, name)),
            SlotOp::Linear(map) => Ok(self.lower_linear(id, map)),
            SlotOp::View if self.freed.contains(&(id, 0)) => {
                Ok((0..cts).map(|ct| self.arg(id, 0, ct, level)).collect())
            }
            SlotOp::View => Ok(self.values[node.args[0].index()].clone()),
            SlotOp::Bootstrap { .. } => Ok(self.lower_bootstrap(id)),
            SlotOp::ShiftSum { shifts, factor } => {
                let sum = |ct: usize, lowering: &mut Self| {
                    let mut x = lowering.arg(id, 0, ct, level);
                    for shift in shifts {
                        x = lowering.out.sum_of_shifts(x, shift.extent, shift.stride);
                    }
                    if *factor == 1.0 {
                        x
                    } else {
                        lowering.out.emit(ScheduleOp::Relabel { factor: *factor }, vec![x])
                    }
                };
                Ok((0..cts).map(|ct| sum(ct, self)).collect())
            }
            SlotOp::Poly { coeffs, basis, strategy } => {
                let strategy = strategy.expect("checked before");
                let poly = PolyLowering::new(self, id, (*coeffs, *basis), strategy);
                Ok((0..cts).map(|ct| poly.lower(self, ct)).collect())
            }
            SlotOp::AddConst { value } => {
                let layout = self.out.layout(&node.ty.layout);
                let add = |ct: usize, lowering: &mut Self| {
                    let x = lowering.arg(id, 0, ct, level);
                    let recipe = Recipe::Spread { value: *value, row: 0, layout, ct: ct as u32 };
                    lowering.out.emit(ScheduleOp::AddPlain { recipe }, vec![x])
                };
                Ok((0..cts).map(|ct| add(ct, self)).collect())
            }
            SlotOp::Mul => {
                let product = |ct: usize, lowering: &mut Self| {
                    let a = lowering.arg(id, 0, ct, level + 1);
                    let b = lowering.arg(id, 1, ct, level + 1);
                    lowering.out.product(a, b)
                };
                Ok((0..cts).map(|ct| product(ct, self)).collect())
            }
            SlotOp::Add | SlotOp::Sub => {
                let op = if node.op == SlotOp::Add { ScheduleOp::Add } else { ScheduleOp::Sub };
                (0..cts)
                    .map(|ct| {
                        let (a, b) = self.summands(id, ct);
                        let (sa, sb) = (self.out.ty(a).scale, self.out.ty(b).scale);
                        if !scale::addable(sa, sb) {
                            return Err(Stop::Scales { at: id, ratio: sa / sb });
                        }
                        Ok(self.out.emit(op.clone(), vec![a, b]))
                    })
                    .collect()
            }
            _ => Err(Stop::Refused(PassError::at(PASS, self.graph, id, "has no encrypted execution"))),
        }
    }

    fn lower_input(&mut self, id: ValueId, name: &str) -> Vec<ValueId> {
        let layout = &self.graph.ty(id).layout;
        let scale = self.config.scale * self.targets.factor(id);
        self.out.input(name, layout, self.level(id), scale)
    }
}
