//! The precision that a plan promises.
//!
//! A result is at most `error` away from that of the network in clear, on all but one image in 2^10 of the kind that the
//! samples are of; bits of precision are −log2 of it over the output's range, the largest magnitude to be expected. What noise
//! does is seen by running the samples with it. Of n Gaussian deviations of deviation σ the largest exceeds z·σ with
//! z = √(2·ln(2n·2^10)) in one image of 2^10 at most. Images differ in how much they amplify noise, and bootstraps' errors
//! have longer tails: so another factor, and never less than that times the worst that was seen.

use fhec_ir::ValueId;
use fhec_ir::noise::{NoiseModel, Noisy, same_operands};
use fhec_ir::plan::{ClientOutput, ParameterData};
use fhec_ir::schedule::Schedule;

use crate::facts::{Deviation, Facts};

/// log2 of the images of which one may exceed the promised error.
const IMAGES_BITS: f64 = 10.0;

/// By how much noise on an image may exceed that on the samples, without bootstraps and with them.
const UNLIKE: (f64, f64) = (3.0, 4.0);

/// So many runs are few, and another factor where they are.
const FEW: usize = 4;
const OF_FEW: f64 = 1.3;

/// Room above the largest result in the samples: how large results are expected to be.
const RANGE_MARGIN: f64 = 1.5;

/// What f64 rounds off, relative to the range.
const LEAST_ERROR: f64 = 1e-15;

/// Promises range and error of outputs by what was seen of each.
pub(crate) fn promise(outputs: &mut [ClientOutput], deviations: &[Deviation], bootstraps: bool) {
    for (output, seen) in outputs.iter_mut().zip(deviations) {
        let unlike = if bootstraps { UNLIKE.1 } else { UNLIKE.0 };
        let unlike = if (1..FEW).contains(&seen.runs) { unlike * OF_FEW } else { unlike };
        let z = (2.0 * (2.0 * seen.count.max(1) as f64 * IMAGES_BITS.exp2()).ln()).sqrt();
        output.range = if seen.largest > 0.0 { seen.largest * RANGE_MARGIN } else { 1.0 };
        let error = (z * unlike * seen.rms).max(seen.worst * unlike);
        output.error = error.max(output.range * LEAST_ERROR);
    }
}

/// The deviations that the variance model forecasts where no sample was run, for values of size 1.
pub(crate) fn forecast(schedule: &Schedule, parameters: &ParameterData, facts: &Facts) -> Vec<Deviation> {
    let model = NoiseModel::new(parameters);
    let mut variances = Vec::with_capacity(schedule.len());
    for (_, node) in schedule.iter() {
        let noisy = |a: &ValueId| Noisy { ty: *schedule.ty(*a), variance: variances[a.index()], rms: 1.0 };
        let args: Vec<_> = node.args.iter().map(noisy).collect();
        let plains: Vec<f64> =
            node.op.recipes().iter().map(|r| facts.get(r).map_or(1.0, |f| f.rms)).collect();
        variances.push(model.propagate(&node.op, &args, &plains, &same_operands(&node.args)));
    }
    let mut values = schedule.outputs.iter().map(|o| o.value);
    let outputs = schedule.header.outputs.iter().map(|output| {
        let values = values.by_ref().take(output.layout.ciphertexts);
        let error = |v: ValueId| model.slot_error(variances[v.index()], schedule.ty(v).scale);
        let count = output.layout.shape().iter().product();
        Deviation { largest: 1.0, count, runs: 0, rms: values.map(error).fold(0.0, f64::max), worst: 0.0 }
    });
    outputs.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn promises_exceed_what_was_seen() {
        let output = ClientOutput {
            name: "y".into(),
            layout: fhec_ir::schedule::random::flat(16, 1),
            types: vec![],
            bound: 1e9,
            range: 0.0,
            error: 0.0,
            constant: false,
        };
        let seen = Deviation { largest: 20.0, count: 10, runs: 8, rms: 1e-4, worst: 2e-4 };
        let promised = |seen, bootstraps| {
            let mut outputs = [output.clone()];
            promise(&mut outputs, &[seen], bootstraps);
            let [ClientOutput { range, error, .. }] = outputs;
            (range, error)
        };
        let (range, error) = promised(seen, false);
        assert_eq!(range, 30.0);
        assert!((1.2e-3..1.5e-3).contains(&error), "{error}");
        assert!(promised(seen, true).1 > 1.3 * error);
        // An outlier counts more than what its rms makes likely.
        assert_eq!(promised(Deviation { worst: 1.0, ..seen }, false).1, 3.0);
        assert_eq!(promised(Deviation { rms: f64::INFINITY, ..seen }, false).1, f64::INFINITY);
        assert_eq!(promised(Deviation::default(), false), (1.0, LEAST_ERROR));
    }
}
