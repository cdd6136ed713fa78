//! `compose-steps`: fewer rotation keys, for a memory budget.
//!
//! A rotation by s is one by a and one by b with a + b = s, so a step may do without a key of its own where others have
//! theirs. [`choose`] gives up keys one after the other, always the one that saves the most bytes per second lost, until
//! the rest fits; what a rotation without a key becomes is said in [`ways`]:
//!
//! * `Rotate` and `Giant`: a chain of such;
//! * rotations of decomposed ciphertexts: the ciphertext rotated by b and decomposed anew, for all steps that are b and a
//!   step with a key. Sums over rotations stay sums over rotations, of one operand more.
//!
//! Keys of different decompositions are different keys ([`Gadget`]): steps are composed among those of one gadget.

mod choose;
mod rewrite;
mod ways;

use std::collections::{BTreeMap, BTreeSet};

use fhec_ir::Verified;
use fhec_ir::plan::{Gadget, ParameterData};
use fhec_ir::schedule::{Schedule, ScheduleOp};

use crate::PassError;
use choose::Choice;
use ways::Way;

/// What the key switches of a level take, in seconds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SwitchPrices {
    /// A whole rotation.
    pub rotation: f64,
    /// Decomposing a ciphertext.
    pub hoist: f64,
    /// A giant step.
    pub giant: f64,
}

/// Something beside keys that may be given up in part, evenly.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spare {
    /// What it takes.
    pub bytes: u64,
    /// What doing without it costs.
    pub seconds: f64,
}

/// Parameters of the pass.
#[derive(Clone, Debug)]
pub struct Config {
    /// Decompositions and sizes of keys.
    pub parameters: ParameterData,
    /// By level.
    pub prices: Vec<SwitchPrices>,
    /// Most bytes of rotation keys, those of bootstraps not counted, and the spare.
    pub bytes: u64,
    /// What may be given up instead of keys: plaintexts kept between runs.
    pub spare: Spare,
}

/// What was given up.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Report {
    /// Rotation keys before.
    pub keys_before: usize,
    /// Rotation keys now.
    pub keys: usize,
    /// Their bytes before.
    pub bytes_before: u64,
    /// Their bytes now.
    pub bytes: u64,
    /// Bytes given up of the spare.
    pub spared: u64,
    /// Modelled seconds lost on one thread, by keys and spare.
    pub seconds: f64,
    /// Of these, by the spare.
    pub spare_seconds: f64,
    /// Whether the rest fits.
    pub fits: bool,
}

/// Rewrites a schedule to need fewer rotation keys, as far as the budget asks for. One that fits is left as it is; one
/// that cannot be made to fit has the fewest bytes of keys found.
///
/// # Errors
/// If the parameters are not those that the schedule was lowered for.
pub fn run(schedule: &Verified<Schedule>, config: &Config) -> Result<(Schedule, Report), PassError> {
    let levels = schedule.header.moduli.len();
    if config.parameters.gadgets.len() < levels || config.prices.len() < levels {
        let reason = format!("{} levels of keys for {levels}", config.parameters.gadgets.len());
        return Err(PassError::Chain { levels: levels as u32, reason });
    }
    let uses = uses(schedule, &config.parameters.gadgets);
    let (choice, report) = choose::choose(&uses, config, schedule.header.slots);
    if report.keys == report.keys_before {
        return Ok(((**schedule).clone(), report));
    }
    Ok((rewrite::rewritten(schedule, &config.parameters.gadgets, &choice), report))
}

/// How a ciphertext is rotated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
enum Form {
    /// `Rotate`, by one step.
    Rotate,
    /// `Giant`, by one step.
    Giant,
    /// `Fold`, by one step, which keeps its key.
    Fold,
    /// `RotateExt` and `RotateHoisted`, by several steps after one `Hoist`.
    Hoisted,
}

/// Rotations that are composed in the same way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Use {
    gadget: Gadget,
    form: Form,
    level: u32,
    steps: BTreeSet<u32>,
}

impl Use {
    /// The rotations of one ciphertext: of the operand of a hoist by its steps, or one by itself.
    fn new(schedule: &Schedule, gadgets: &[Gadget], form: Form, level: u32, steps: BTreeSet<u32>) -> Self {
        debug_assert!(steps.iter().all(|step| (*step as usize) < schedule.header.slots));
        Self { gadget: gadgets[level as usize], form, level, steps }
    }
}

/// By value that is a `Hoist`, the steps other than 0 of its rotations.
fn hoisted_steps(schedule: &Schedule) -> BTreeMap<fhec_ir::ValueId, BTreeSet<u32>> {
    let mut steps: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
    for (_, node) in schedule.iter() {
        if let ScheduleOp::RotateExt { .. } | ScheduleOp::RotateHoisted { .. } = node.op {
            steps.entry(node.args[0]).or_default().extend(node.op.rotation());
        }
    }
    steps
}

/// All rotations of a schedule and how often each set of them occurs.
fn uses(schedule: &Schedule, gadgets: &[Gadget]) -> BTreeMap<Use, usize> {
    let mut uses = BTreeMap::new();
    let mut count = |form, level, steps| {
        *uses.entry(Use::new(schedule, gadgets, form, level, steps)).or_default() += 1;
    };
    for (_, node) in schedule.iter() {
        match node.op {
            ScheduleOp::Rotate { step } => count(Form::Rotate, node.ty.level, BTreeSet::from([step])),
            ScheduleOp::Giant { step } => count(Form::Giant, node.ty.level, BTreeSet::from([step])),
            ScheduleOp::Fold { step } => count(Form::Fold, node.ty.level, BTreeSet::from([step])),
            _ => {}
        }
    }
    for (digits, steps) in hoisted_steps(schedule) {
        if !steps.is_empty() {
            count(Form::Hoisted, schedule.ty(digits).level, steps);
        }
    }
    uses
}

#[cfg(test)]
mod tests;
