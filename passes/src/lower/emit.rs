//! Emission of instructions, and the small sequences that several lowerings share.

use std::collections::HashMap;

use fhec_ir::layout::Layout;
use fhec_ir::schedule::{Kind, PackedValue, Schedule, ScheduleOp, ScheduleType, scale};
use fhec_ir::{Op, ValueId};

/// A schedule under construction. Types are inferred; drops, hoists and shared rotations are made once.
pub(super) struct Emitter {
    schedule: Schedule,
    dropped: HashMap<(ValueId, u32), ValueId>,
    hoisted: HashMap<ValueId, ValueId>,
    rotated: HashMap<(ValueId, u32), ValueId>,
    /// By value, level and bits of the scale.
    scaled: HashMap<(ValueId, u32, u64), ValueId>,
    layer: String,
    refusal: Option<String>,
}

impl Emitter {
    pub(super) fn new(schedule: Schedule) -> Self {
        Self {
            schedule,
            dropped: HashMap::new(),
            hoisted: HashMap::new(),
            rotated: HashMap::new(),
            scaled: HashMap::new(),
            layer: String::new(),
            refusal: None,
        }
    }

    pub(super) fn finish(self) -> Schedule {
        self.schedule
    }

    pub(super) fn ty(&self, id: ValueId) -> ScheduleType {
        *self.schedule.ty(id)
    }

    pub(super) fn schedule(&mut self) -> &mut Schedule {
        &mut self.schedule
    }

    /// Everything emitted from here on belongs to this layer.
    pub(super) fn begin_layer(&mut self, name: &str) {
        self.layer = name.into();
    }

    /// Appends an instruction. One that cannot be, for example because a coefficient exceeds every scale, is left out
    /// for its first operand and remembered for [`Emitter::refusal`].
    pub(super) fn emit(&mut self, op: ScheduleOp, args: Vec<ValueId>) -> ValueId {
        let (what, operand) = (op.mnemonic(), args[0]);
        self.schedule.push_inferred(op, args, self.layer.clone()).unwrap_or_else(|e| {
            self.refusal.get_or_insert(format!(
                "needs a {what} that is not possible ({e}): are its constants extreme?"
            ));
            operand
        })
    }

    /// Appends an instruction of a type that nobody checks yet.
    pub(super) fn push(&mut self, op: ScheduleOp, args: Vec<ValueId>, ty: ScheduleType) -> ValueId {
        self.schedule.push(op, args, ty, self.layer.clone())
    }

    /// Why an instruction could not be emitted, if one could not.
    pub(super) fn refusal(&mut self) -> Option<String> {
        self.refusal.take()
    }

    /// The ciphertexts of a packed input.
    pub(super) fn input(&mut self, name: &str, layout: &Layout, level: u32, scale: f64) -> Vec<ValueId> {
        let input = self.schedule.header.inputs.len() as u32;
        self.schedule.header.inputs.push(PackedValue { name: name.into(), layout: layout.clone() });
        let ty = ScheduleType { kind: Kind::Ct, level, scale };
        (0..layout.ciphertexts as u32)
            .map(|ct| {
                let op = ScheduleOp::Input { name: format!("{name}#{ct}"), input, ct };
                self.schedule.push(op, vec![], ty, self.layer.clone())
            })
            .collect()
    }

    /// Index of a layout in the header.
    pub(super) fn layout(&mut self, layout: &Layout) -> u32 {
        let layouts = &mut self.schedule.header.layouts;
        let at = layouts.iter().position(|l| l == layout).unwrap_or_else(|| {
            layouts.push(layout.clone());
            layouts.len() - 1
        });
        at as u32
    }

    /// The value at a level no higher than its own.
    pub(super) fn at_level(&mut self, value: ValueId, level: u32) -> ValueId {
        if self.ty(value).level == level {
            return value;
        }
        if let Some(known) = self.dropped.get(&(value, level)) {
            return *known;
        }
        let dropped = self.emit(ScheduleOp::Drop { level }, vec![value]);
        self.dropped.insert((value, level), dropped);
        dropped
    }

    /// The value at a level below its own and at some scale: a product with 1 where its scale is another.
    pub(super) fn at_scale(&mut self, value: ValueId, level: u32, target: f64) -> ValueId {
        if scale::addable(self.ty(value).scale, target) {
            return self.at_level(value, level);
        }
        let key = (value, level, target.to_bits());
        if let Some(known) = self.scaled.get(&key) {
            return *known;
        }
        let x = self.at_level(value, level + 1);
        let modulus = self.schedule.header.moduli[level as usize + 1];
        let plain_scale = scale::plain_scale_for(target, self.ty(x).scale, modulus);
        let product = self.emit(ScheduleOp::MulScalar { value: 1.0, plain_scale }, vec![x]);
        let scaled = self.emit(ScheduleOp::Rescale, vec![product]);
        self.scaled.insert(key, scaled);
        scaled
    }

    /// The rotation by `step` in QP, from digits shared by all rotations of the value.
    pub(super) fn baby(&mut self, value: ValueId, step: u32) -> ValueId {
        if let Some(known) = self.rotated.get(&(value, step)) {
            return *known;
        }
        let digits = match self.hoisted.get(&value) {
            Some(known) => *known,
            None => {
                let digits = self.emit(ScheduleOp::Hoist, vec![value]);
                self.hoisted.insert(value, digits);
                digits
            }
        };
        let rotated = self.emit(ScheduleOp::RotateExt { step }, vec![digits]);
        self.rotated.insert((value, step), rotated);
        rotated
    }

    /// The sum of the values; one value stands for itself.
    pub(super) fn sum(&mut self, values: Vec<ValueId>) -> ValueId {
        if values.len() == 1 { values[0] } else { self.emit(ScheduleOp::Add, values) }
    }

    /// a·b, relinearised and rescaled.
    pub(super) fn product(&mut self, a: ValueId, b: ValueId) -> ValueId {
        let product = self.emit(ScheduleOp::Mul, vec![a, b]);
        self.emit(ScheduleOp::RelinRescale, vec![product])
    }

    /// Σ_{k < extent} rot(x, k·stride), by doubling.
    pub(super) fn sum_of_shifts(&mut self, x: ValueId, extent: usize, stride: usize) -> ValueId {
        let slots = self.schedule.header.slots;
        let rotate = |emitter: &mut Self, x: ValueId, by: usize| match (by * stride % slots) as u32 {
            0 => x,
            step => emitter.emit(ScheduleOp::Rotate { step }, vec![x]),
        };
        // `run` sums 2^k neighbours; chunks of the binary expansion of the extent stand one after the other.
        let (mut run, mut length, mut done, mut parts) = (x, 1, 0, Vec::new());
        while length <= extent {
            if extent & length != 0 {
                parts.push(rotate(self, run, done));
                done += length;
            }
            length *= 2;
            if length <= extent {
                let shifted = rotate(self, run, length / 2);
                run = self.emit(ScheduleOp::Add, vec![run, shifted]);
            }
        }
        self.sum(parts)
    }
}
