//! `compose-rotations`: trades rotation keys for composed rotations, for a memory budget.
//!
//! A rotation by s is one by a and one by b with a + b = s, so a rotation step may do without a key of its own where others
//! have theirs. [`choose`](mod@choose) gives up rotation keys one after the other, always the one that saves the most bytes
//! per second lost, until the rest fits; what a rotation without a key becomes is said in [`chains`]:
//!
//! * `Rotate` and `Giant`: a chain of such;
//! * rotations of decomposed ciphertexts: the ciphertext rotated by b and decomposed anew, for all rotation steps that are
//!   b and a step with a key. Sums over rotations stay sums over rotations, of one operand more.
//!
//! Keys of different decompositions are different keys (`Gadget`): rotations are composed of those of one gadget.

mod chains;
mod choose;
mod config;
mod rewrite;
mod uses;

use fhec_ir::Verified;
use fhec_ir::schedule::Schedule;

use crate::PassError;

pub use config::{Config, Report, Spare, SwitchPrices};

/// Rewrites a schedule to need fewer rotation keys, as far as the budget asks for. One that fits is left as it is; one
/// that cannot be made to fit has the fewest bytes of keys found.
///
/// # Errors
/// Parameters or prices for fewer levels than the schedule has.
pub fn run(schedule: &Verified<Schedule>, config: &Config) -> Result<(Schedule, Report), PassError> {
    let levels = schedule.header.moduli.len();
    if config.parameters.gadgets.len() < levels || config.prices.len() < levels {
        let reason = format!("{} levels of keys for {levels}", config.parameters.gadgets.len());
        return Err(PassError::Chain { levels: levels as u32, reason });
    }
    let uses = uses::uses(schedule, &config.parameters.gadgets);
    let (compositions, report) = choose::choose(&uses, config, schedule.header.slots);
    if report.keys == report.keys_before {
        return Ok(((**schedule).clone(), report));
    }
    Ok((rewrite::rewritten(schedule, &config.parameters.gadgets, &compositions), report))
}

#[cfg(test)]
mod tests;
