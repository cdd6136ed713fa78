//! Linear maps: hoisted baby steps, products in QP, giant steps on sums, one ModDown per output.

use std::collections::BTreeMap;

use fhec_ir::ValueId;
use fhec_ir::schedule::{Recipe, ScheduleOp, scale};
use fhec_ir::slot::{LinearMap, Product};

use super::Lowering;

/// Products of one output ciphertext under one giant step: by operand, since operands may differ in scale.
type Group<'p> = BTreeMap<u32, Vec<(u32, &'p Product)>>;

impl Lowering<'_> {
    pub(super) fn lower_linear(&mut self, id: ValueId, map: &LinearMap) -> Vec<ValueId> {
        let plan = map.plan.as_ref().expect("checked before");
        let level = self.level(id) + 1;
        let index = self.out.schedule().header.maps.len() as u32;
        self.out.schedule().header.maps.push(map.clone());
        let target = self.target(id);

        let mut groups: BTreeMap<(u32, u32), Group> = BTreeMap::new();
        for (k, p) in plan.products.iter().enumerate() {
            let group = groups.entry((p.out_ct, p.giant)).or_default();
            group.entry(p.operand).or_default().push((k as u32, p));
        }
        // Without baby steps there is nothing to hoist: products stay in Q and giant steps are whole rotations.
        let hoist = plan.products.iter().any(|p| p.baby != 0);
        let mut sums: Vec<Vec<ValueId>> = vec![Vec::new(); map.output.ciphertexts];
        for ((out_ct, giant), group) in groups {
            let parts = group.into_iter().map(|(operand, products)| {
                self.multiply_accumulate(id, index, operand as usize, &products, level, target, hoist)
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
            sums[out_ct as usize].push(sum);
        }
        let has_bias = map.terms.iter().any(|t| t.constant_part(&self.graph.constants).is_some());
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
        id: ValueId,
        map: u32,
        operand: usize,
        products: &[(u32, &Product)],
        level: u32,
        target: f64,
        hoist: bool,
    ) -> ValueId {
        let (mut recipes, mut args) = (Vec::new(), Vec::new());
        for (product, p) in products {
            let x = self.arg(id, operand, p.in_ct as usize, level);
            args.push(if hoist { self.out.baby(x, p.baby) } else { x });
            recipes.push(Recipe::Product { map, product: *product });
        }
        let plain_scale = self.plain_scale(args[0], level, target);
        self.out.emit(ScheduleOp::MulAcc { recipes, plain_scale }, args)
    }

    /// Plaintext scale that brings x, once rescaled, to the target.
    pub(super) fn plain_scale(&self, x: ValueId, level: u32, target: f64) -> f64 {
        scale::plain_scale_for(target, self.out.ty(x).scale, self.config.moduli[level as usize])
    }

    /// A ciphertext of zeros one level below `level`, made from the first operand.
    fn zero(&mut self, id: ValueId, level: u32, target: f64) -> ValueId {
        let x = self.arg(id, 0, 0, level);
        let plain_scale = self.plain_scale(x, level, target);
        let zero = self.out.emit(ScheduleOp::MulScalar { value: 0.0, plain_scale }, vec![x]);
        self.out.emit(ScheduleOp::Rescale, vec![zero])
    }
}
