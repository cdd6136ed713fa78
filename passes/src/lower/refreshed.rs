//! Bootstraps as they were lowered, and what is asked of their operands' scales.

use fhec_ir::ValueId;
use fhec_ir::schedule::scale;
use fhec_ir::slot::SlotType;

use super::config::Config;
use super::scales::Targets;

/// A bootstrap as it was lowered. Whether the operand has a scale that the range allows remains to be seen.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refreshed {
    pub(super) id: ValueId,
    pub(super) operand: ValueId,
    /// Scale of the operand.
    pub(super) scale: f64,
    /// Highest scale that the range allows.
    pub(super) limit: f64,
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
