//! Bootstraps, ciphertexts in pairs.

use fhec_ir::ValueId;
use fhec_ir::schedule::{ScheduleOp, ScheduleType};
use fhec_ir::slot::SlotOp;

use super::lowering::Lowering;
use super::refreshed::Refreshed;

impl Lowering<'_> {
    /// The bootstrap of a value, ciphertexts in pairs; those of the next value too if both happen together.
    pub(super) fn lower_bootstrap(&mut self, id: ValueId) -> Vec<ValueId> {
        // Together with the one before it, and made there.
        if let Some(made) = self.paired.take() {
            return made;
        }
        let both = [Some(id), self.graph.partner(id)].into_iter().flatten();
        let operands: Vec<_> = both.flat_map(|id| self.operands(id)).collect();
        let level = self.config.bootstrap.expect("checked before").level_out;
        let (mut made, mut rest) = (vec![], vec![]);
        for (k, (of, x, range)) in operands.iter().enumerate() {
            // Its scale may still be too high, which inference would refuse.
            let ty = ScheduleType { level, ..self.out.ty(*x) };
            let with_next = k % 2 == 0 && k + 1 < operands.len();
            self.out.begin_layer(&self.graph.node(*of).name);
            let period = self.graph.ty(*of).layout.period() as u32;
            let op = ScheduleOp::Bootstrap { range: *range, period, with_next };
            let fresh = self.out.push(op, vec![*x], ty);
            if *of == id { made.push(fresh) } else { rest.push(fresh) }
        }
        self.paired = Some(rest).filter(|rest| !rest.is_empty());
        made
    }

    /// The ciphertexts that bootstrap `id` refreshes, at its level, and the bound on their slots: each behind `id`.
    fn operands(&mut self, id: ValueId) -> Vec<(ValueId, ValueId, f64)> {
        let node = self.graph.node(id);
        self.out.begin_layer(&node.name);
        let SlotOp::Bootstrap { range, .. } = node.op else { return vec![] };
        let header = self.config.bootstrap.expect("checked before");
        let operand = node.args[0];
        let range = range.log2().ceil().exp2();
        let limit = header.scale / range;
        let freed = self.freed.contains(&(id, 0));
        let operand = |ct: usize| {
            let x = self.values[operand.index()][ct];
            let x = if freed {
                self.out.at_scale(x, header.level_in, limit)
            } else {
                self.out.at_level(x, header.level_in)
            };
            if ct == 0 && !freed {
                let scale = self.out.ty(x).scale;
                self.refreshed.push(Refreshed { id, operand, scale, limit });
            }
            (id, x, range)
        };
        (0..node.ty.layout.ciphertexts).map(operand).collect()
    }
}
