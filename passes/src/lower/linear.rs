//! Linear maps: hoisted baby steps, products in QP, giant steps on sums, one ModDown per output.

use std::collections::BTreeMap;

use fhec_ir::ValueId;
use fhec_ir::schedule::{Recipe, ScheduleOp};
use fhec_ir::slot::{LinearMap, MapPlan};

use super::lowering::Lowering;

/// Products of one output ciphertext under one giant step: by operand, since operands may differ in scale, then by
/// ciphertext and baby step the product and, in a pair of sums, that of the imaginary half.
type Group = BTreeMap<u32, BTreeMap<(u32, u32), [Option<u32>; 2]>>;

/// The sums of a map, by output ciphertext and giant step.
fn groups(plan: &MapPlan, slots: usize) -> BTreeMap<(u32, u32), Group> {
    let halves = plan.halves(slots);
    let mut groups: BTreeMap<(u32, u32), Group> = BTreeMap::new();
    for (k, p) in plan.products.iter().enumerate() {
        let sum = (p.out_ct, p.giant);
        let (sum, half) = if halves.contains(&sum) { (plan.real_half(sum, slots), 1) } else { (sum, 0) };
        let products = groups.entry(sum).or_default().entry(p.operand).or_default();
        products.entry((p.in_ct, p.baby)).or_default()[half] = Some(k as u32);
    }
    groups
}

impl Lowering<'_> {
    pub(super) fn lower_linear(&mut self, id: ValueId, map: &LinearMap) -> Vec<ValueId> {
        let plan = map.plan.as_ref().expect("checked before");
        let level = self.level(id) + 1;
        let index = self.out.schedule().header.maps.len() as u32;
        self.out.schedule().header.maps.push(map.clone());
        let target = self.target(id);

        // Without baby steps there is nothing to hoist: products stay in Q and giant steps are whole rotations.
        let hoist = plan.products.iter().any(|p| p.baby != 0);
        let mut sums: Vec<Vec<ValueId>> = vec![Vec::new(); map.output.ciphertexts];
        let mut pairs = sums.clone();
        for ((out_ct, giant), group) in groups(plan, map.output.slots) {
            let pair = group.values().flatten().any(|(_, halves)| halves[1].is_some());
            let parts = group.into_iter().map(|(operand, products)| {
                let recipe = |[re, im]: [Option<u32>; 2]| match re {
                    Some(product) if !pair => Recipe::Product { map: index, product },
                    _ => Recipe::Pair { map: index, re, im },
                };
                let products = products.into_iter().map(|(input, halves)| (input, recipe(halves)));
                self.multiply_accumulate((id, operand as usize), products, level, target, hoist)
            });
            let parts = parts.collect();
            let mut sum = self.out.sum(parts);
            if giant != 0 {
                let op = if hoist {
                    ScheduleOp::Giant { step: giant }
                } else {
                    ScheduleOp::Rotate { step: giant }
                };
                sum = self.out.emit(op, vec![sum]);
            }
            let list = if pair { &mut pairs } else { &mut sums };
            list[out_ct as usize].push(sum);
        }
        for (sums, pairs) in sums.iter_mut().zip(pairs) {
            if !pairs.is_empty() {
                let sum = self.out.sum(pairs);
                sums.push(self.out.emit(ScheduleOp::Fold { step: plan.fold }, vec![sum]));
            }
        }
        let has_bias = map
            .terms
            .iter()
            .any(|t| t.has_constant_part() && t.constant_part(&self.graph.constants).is_some());
        let outputs = sums.into_iter().enumerate().map(|(ct, parts)| {
            let mut y = if parts.is_empty() {
                self.zero(id, level, target)
            } else {
                let sum = self.out.sum(parts);
                let op = if hoist { ScheduleOp::ModDownRescale } else { ScheduleOp::Rescale };
                self.out.emit(op, vec![sum])
            };
            for f in &plan.reduce {
                y = self.out.sum_of_shifts(y, f.extent, f.stride);
            }
            if has_bias {
                let recipe = Recipe::Bias { map: index, ct: ct as u32 };
                y = self.out.emit(ScheduleOp::AddPlain { recipe }, vec![y]);
            }
            y
        });
        outputs.collect()
    }

    fn multiply_accumulate(
        &mut self,
        (id, operand): (ValueId, usize),
        products: impl Iterator<Item = ((u32, u32), Recipe)>,
        level: u32,
        target: f64,
        hoist: bool,
    ) -> ValueId {
        let (mut recipes, mut args) = (Vec::new(), Vec::new());
        for ((in_ct, baby), recipe) in products {
            let x = self.arg(id, operand, in_ct as usize, level);
            args.push(if hoist { self.out.baby(x, baby) } else { x });
            recipes.push(recipe);
        }
        let plain_scale = self.plain_scale(args[0], level, target);
        self.out.emit(ScheduleOp::MulAcc { recipes, plain_scale }, args)
    }

    /// A ciphertext of zeros one level below `level`, made from the first operand.
    fn zero(&mut self, id: ValueId, level: u32, target: f64) -> ValueId {
        let x = self.arg(id, 0, 0, level);
        let plain_scale = self.plain_scale(x, level, target);
        let zero = self.out.emit(ScheduleOp::MulScalar { value: 0.0, plain_scale }, vec![x]);
        self.out.emit(ScheduleOp::Rescale, vec![zero])
    }
}
