//! Room: does every value of a schedule fit the modulus of its level?
//!
//! A ciphertext holds scale·x modulo the product of its level's primes: slots beyond half of that wrap around and come back as
//! other numbers, plausible ones. Sums wrap harmlessly until something divides, and whatever is divided is a ciphertext in
//! the end: so ciphertexts are looked at, and no other kinds.

use fhec_ir::ValueId;
use fhec_ir::plan::ClientSection;
use fhec_ir::schedule::{Kind, Schedule};

use crate::error::EmitError;

/// Room above the largest magnitude seen in the samples that every value must have: noise takes a small part of it.
pub const ROOM_MARGIN: f64 = 1.5;

/// A result so many times as large as that of any sample is no result, whatever the modulus could hold: somewhere before,
/// values have left the room that they have.
const IMPLAUSIBLE: f64 = 64.0;

/// Checks that values, up to so many times as large as in the samples, fit their moduli.
///
/// # Errors
/// [`EmitError::Room`] for the value that exceeds its modulus most.
pub(crate) fn check(schedule: &Schedule, largest: &[f64]) -> Result<(), EmitError> {
    let room = fhec_ir::schedule::scale::room(&schedule.header.moduli);
    let missing = |id: ValueId| {
        let ty = schedule.ty(id);
        (largest[id.index()] * ROOM_MARGIN).log2() + ty.scale.log2() - room[ty.level as usize]
    };
    let cts = schedule.ids().filter(|id| schedule.ty(*id).kind == Kind::Ct);
    match cts.map(|id| (id, missing(id))).max_by(|a, b| a.1.total_cmp(&b.1)) {
        Some((id, missing)) if missing > 0.0 => Err(EmitError::Room {
            place: schedule.describe(id),
            largest: largest[id.index()],
            scale_bits: schedule.ty(id).scale.log2(),
            room_bits: room[schedule.ty(id).level as usize],
            missing,
        }),
        _ => Ok(()),
    }
}

/// Bounds inputs and outputs by what the samples are made for: inputs by the given numbers, outputs by a magnitude that no
/// right result has, or that is proven to bound all.
pub(crate) fn bound(
    client: &mut ClientSection,
    schedule: &Schedule,
    inputs: &[f64],
    largest: &[f64],
    proven: &[Option<f64>],
) {
    for (input, bound) in client.inputs.iter_mut().zip(inputs) {
        input.bound = input.bound.min(*bound);
    }
    let mut values = schedule.outputs.iter().map(|o| o.value.index());
    for output in &mut client.outputs {
        let values: Vec<usize> = values.by_ref().take(output.types.len()).collect();
        let seen = values.iter().fold(0.0, |most: f64, v| most.max(largest[*v]));
        let proven = values.iter().try_fold(0.0, |most: f64, v| Some(most.max(proven[*v]?)));
        let most = match proven {
            // Noise comes on top.
            Some(proven) => proven.max(seen) * ROOM_MARGIN,
            None => seen * IMPLAUSIBLE,
        };
        if most > 0.0 {
            output.bound = output.bound.min(most);
        }
    }
}

#[cfg(test)]
mod tests {
    use fhec_ir::schedule::ScheduleOp;
    use fhec_ir::schedule::random;

    use super::*;

    #[test]
    fn a_pool_by_relabelling_alone_overruns_the_base_modulus() {
        let (slots, scale) = (16, 2f64.powi(30));
        let moduli = vec![2f64.powi(37), scale];
        let options = random::Options { slots, moduli, scale, steps: 0, bootstrap: None };
        let mut schedule = (*random::schedule(1, &options)).clone();
        let x = schedule.push_inferred(ScheduleOp::Drop { level: 0 }, vec![ValueId(0)], "pool").unwrap();
        check(&schedule, &vec![1.0; schedule.len()]).unwrap();
        schedule.push_inferred(ScheduleOp::Relabel { factor: 1.0 / 256.0 }, vec![x], "pool").unwrap();
        let refused = check(&schedule, &vec![1.0; schedule.len()]).unwrap_err();
        assert!(
            matches!(refused, EmitError::Room { missing, .. } if (2.0..3.0).contains(&missing)),
            "{refused}"
        );
        assert!(refused.to_string().contains("pool"), "{refused}");
        check(&schedule, &vec![1e-2; schedule.len()]).unwrap();
    }
}
