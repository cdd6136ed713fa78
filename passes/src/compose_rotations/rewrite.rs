//! A schedule with its rotations composed.

use std::collections::{BTreeMap, HashMap};

use fhec_ir::plan::Gadget;
use fhec_ir::schedule::{Kind, Schedule, ScheduleOp, ScheduleType};
use fhec_ir::{Node, ValueId};

use super::chains::Composition;
use super::choose::Compositions;
use super::uses::{Form, Use, hoisted_steps};

/// A schedule under construction.
struct Rewriter<'s> {
    old: &'s Schedule,
    new: Schedule,
    gadgets: &'s [Gadget],
    compositions: &'s Compositions,
    renamed: Vec<ValueId>,
    /// By digits in the old schedule and the rotations before the hoist: the rotated ciphertext and its digits.
    hoisted: HashMap<(ValueId, Vec<u32>), (ValueId, ValueId)>,
}

/// The schedule with its rotations composed.
pub(super) fn rewritten(schedule: &Schedule, gadgets: &[Gadget], compositions: &Compositions) -> Schedule {
    let mut new = Schedule::new(schedule.name.clone(), schedule.header.clone());
    new.constants = schedule.constants.clone();
    let hoisted = HashMap::new();
    let renamed = Vec::with_capacity(schedule.len());
    let mut rewriter = Rewriter { old: schedule, new, gadgets, compositions, renamed, hoisted };
    let hoists = rewriter.hoists();
    for (id, node) in schedule.iter() {
        let value = rewriter.node(id, node, &hoists);
        rewriter.renamed.push(value);
    }
    let Rewriter { mut new, renamed, .. } = rewriter;
    for output in &schedule.outputs {
        new.add_output(output.name.clone(), renamed[output.value.index()]);
    }
    // Of a hoist all of whose steps are composed nothing is left.
    new.compacted()
}

impl<'s> Rewriter<'s> {
    fn composition(
        &self,
        form: Form,
        level: u32,
        steps: impl IntoIterator<Item = u32>,
    ) -> Option<&'s Composition> {
        let steps = steps.into_iter().collect();
        self.compositions.get(&Use::new(self.old, self.gadgets, form, level, steps))
    }

    /// How the rotations of each decomposed ciphertext are composed.
    fn hoists(&self) -> BTreeMap<ValueId, &'s Composition> {
        let steps = hoisted_steps(self.old).into_iter();
        let composition = |(digits, steps)| {
            Some((digits, self.composition(Form::Hoisted, self.old.ty(digits).level, steps)?))
        };
        steps.filter_map(composition).collect()
    }

    fn push(&mut self, op: ScheduleOp, arg: ValueId, like: &Node<ScheduleOp>) -> ValueId {
        let ty = *self.new.ty(arg);
        let kind = match op {
            ScheduleOp::Hoist => Kind::Digits,
            ScheduleOp::RotateExt { .. } => Kind::Ext,
            ScheduleOp::RotateHoisted { .. } => Kind::Ct,
            _ => ty.kind,
        };
        self.new.push(op, vec![arg], ScheduleType { kind, ..ty }, like.name.clone())
    }

    fn node(
        &mut self,
        id: ValueId,
        node: &'s Node<ScheduleOp>,
        hoists: &BTreeMap<ValueId, &'s Composition>,
    ) -> ValueId {
        let args: Vec<ValueId> = node.args.iter().map(|a| self.renamed[a.index()]).collect();
        match node.op {
            ScheduleOp::Rotate { step } => {
                self.chain((Form::Rotate, step), |step| ScheduleOp::Rotate { step }, args[0], node)
            }
            ScheduleOp::Giant { step } => {
                self.chain((Form::Giant, step), |step| ScheduleOp::Giant { step }, args[0], node)
            }
            ScheduleOp::RotateExt { step } | ScheduleOp::RotateHoisted { step } if step != 0 => {
                let chain = hoists.get(&node.args[0]).and_then(|hoist| hoist.chains.get(&step).cloned());
                let (before, step) = chain.unwrap_or((vec![], step));
                let rotated = self.hoisted.get(&(node.args[0], before)).copied();
                match (&node.op, rotated) {
                    (ScheduleOp::RotateHoisted { .. }, Some((rotated, _))) if step == 0 => rotated,
                    (ScheduleOp::RotateHoisted { .. }, _) => {
                        let digits = rotated.map_or(args[0], |(_, digits)| digits);
                        self.push(ScheduleOp::RotateHoisted { step }, digits, node)
                    }
                    _ => {
                        let digits = rotated.map_or(args[0], |(_, digits)| digits);
                        self.push(ScheduleOp::RotateExt { step }, digits, node)
                    }
                }
            }
            ScheduleOp::Hoist => {
                let digits = self.push(ScheduleOp::Hoist, args[0], node);
                if let Some(composition) = hoists.get(&id) {
                    self.hoist_rotated((id, args[0]), composition, node);
                }
                digits
            }
            _ => self.new.push(node.op.clone(), args, node.ty, node.name.clone()),
        }
    }

    /// One rotation of `x` as a chain of such.
    fn chain(
        &mut self,
        (form, step): (Form, u32),
        op: fn(u32) -> ScheduleOp,
        x: ValueId,
        node: &Node<ScheduleOp>,
    ) -> ValueId {
        let composition = self.composition(form, node.ty.level, [step]);
        let (before, last) = composition.map_or((vec![], step), |c| c.chains[&step].clone());
        before.into_iter().chain([last]).fold(x, |x, step| self.push(op(step), x, node))
    }

    /// Hoists the operand `x` of the hoist `digits` after each of the rotations before it: here, so that all digits are
    /// there before the first sum over their rotations.
    fn hoist_rotated(
        &mut self,
        (digits, x): (ValueId, ValueId),
        composition: &Composition,
        node: &Node<ScheduleOp>,
    ) {
        let mut rotated: HashMap<Vec<u32>, ValueId> = HashMap::from([(vec![], x)]);
        for (before, _) in composition.chains.values() {
            if before.is_empty() || self.hoisted.contains_key(&(digits, before.clone())) {
                continue;
            }
            for k in 1..=before.len() {
                if !rotated.contains_key(&before[..k]) {
                    let op = ScheduleOp::Rotate { step: before[k - 1] };
                    let value = self.push(op, rotated[&before[..k - 1]], node);
                    rotated.insert(before[..k].to_vec(), value);
                }
            }
            let hoisted = self.push(ScheduleOp::Hoist, rotated[before], node);
            self.hoisted.insert((digits, before.clone()), (rotated[before], hoisted));
        }
    }
}
