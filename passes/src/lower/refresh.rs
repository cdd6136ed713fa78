//! Bootstraps: their operands' scales, and their emission.

use fhec_ir::ValueId;
use fhec_ir::schedule::{ScheduleOp, ScheduleType, scale};
use fhec_ir::slot::{SlotOp, SlotType};

use super::scales::Targets;
use super::{Config, Lowering};

/// A bootstrap as it was lowered. Whether the operand has a scale that the range allows remains to be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refreshed {
    pub(super) id: ValueId,
    pub(super) operand: ValueId,
    /// Scale of the operand.
    scale: f64,
    /// Highest scale that the range allows.
    limit: f64,
}

impl Refreshed {
    /// True if the scale is allowed.
    pub(super) fn fits(&self) -> bool {
        self.scale <= self.limit * (1.0 + scale::TOLERANCE)
    }

    /// True if the scale is as high as is allowed.
    pub(super) fn fits_well(&self) -> bool {
        self.scale <= self.limit && self.limit <= self.scale * (1.0 + 4.0 * scale::TOLERANCE)
    }

    /// Bits by which the scale is lower than allowed; negative if it is higher.
    pub(super) fn lost_bits(&self) -> f64 {
        (self.limit / self.scale).log2()
    }
}

/// Why the chain does not fit a bootstrap whose result has the given type.
pub(super) fn misfit(ty: &SlotType, config: &Config) -> Option<String> {
    let Some(b) = config.bootstrap else { return Some("needs parameters for bootstraps".into()) };
    let gives = b.level_out.checked_sub(b.level_in);
    if ty.level != gives {
        return Some(format!("gives level {:?}, the parameters give {gives:?}", ty.level));
    }
    let (period, most) = (ty.layout.period(), b.period);
    if period > most as usize {
        return Some(format!("has slots that repeat after {period}, the parameters keep {most} apart"));
    }
    let moduli = config.moduli.len();
    (moduli <= b.level_out as usize).then(|| format!("level {} with a chain of {moduli} moduli", b.level_out))
}

/// Asks for the highest allowed scale of every operand: of the urgent ones first, the last of them before the others,
/// then of those with the widest range.
pub(super) fn ask(targets: &mut Targets, mut refreshed: Vec<Refreshed>, urgent: &[ValueId]) {
    let rank = |r: &Refreshed| urgent.iter().position(|id| *id == r.id);
    refreshed.sort_by(|a, b| rank(b).cmp(&rank(a)).then(a.limit.total_cmp(&b.limit)).then(a.id.cmp(&b.id)));
    // Scales as they were lowered; from here on they follow the factors.
    let lowered: Vec<f64> = refreshed.iter().map(|r| targets.log(r.operand)).collect();
    for (r, before) in refreshed.iter().zip(lowered) {
        let scale = r.scale * (targets.log(r.operand) - before).exp2();
        // A little lower than allowed: rounding must not lift it above.
        targets.change(r.operand, scale / (r.limit * (1.0 - scale::TOLERANCE)));
    }
}

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
