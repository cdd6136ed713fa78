//! The network as it was imported against its file, run by tract: what is compiled is what the user has.

use std::path::Path;

use fhec_backend::facts::tame;
use fhec_frontend::Import;
use fhec_frontend::reference::TractModel;
use fhec_ir::tensor::Tensor;

use crate::error::CompileError;

/// What single precision may lose on the way through a network, relative to the largest result.
const SINGLE_PRECISION: f64 = 1.0 / 4096.0;

/// Compares results of samples on which the network does not diverge: the imported network's, and those that tract has for the
/// file. They may differ by 2^−`bits` of the largest, and by what single precision loses.
///
/// # Errors
/// [`CompileError::Original`] for the first output that differs by more. The inner error says why tract does not run the file.
pub(crate) fn compare(
    import: &Import,
    file: &Path,
    samples: &[Vec<Tensor<f64>>],
    bits: f64,
) -> Result<Result<(), String>, CompileError> {
    let shapes: Vec<Vec<usize>> = import.graph.inputs().map(|(id, _)| import.graph.ty(id).clone()).collect();
    if import.tail.is_some() {
        // An arg-max of nearly equal scores differs by rounding alone.
        return Ok(Err("the client runs its last steps".into()));
    }
    let model = match TractModel::load(file, &shapes) {
        Ok(model) => model,
        Err(why) => return Ok(Err(why.to_string())),
    };
    let mut runs = Vec::with_capacity(samples.len());
    for sample in samples {
        let Ok(ours) = import.run(sample) else { return Ok(Err("samples do not fit".into())) };
        let theirs = match model.run(&sample.iter().map(|t| t.data.clone()).collect::<Vec<_>>()) {
            Ok(theirs) => theirs,
            Err(why) => return Ok(Err(why.to_string())),
        };
        if !ours.iter().map(|t| t.data.len()).eq(theirs.iter().map(|t| t.data.len())) {
            return Ok(Err("its results have other sizes".into()));
        }
        runs.push((ours, theirs));
    }
    // Of an output, over the samples: what single precision loses of sums that cancel is relative to what is summed.
    for (k, name) in import.output_names().enumerate() {
        let size = |t: &Tensor<f64>| {
            t.data
                .iter()
                .fold(0.0, |most: f64, x| if x.is_finite() { most.max(x.abs()) } else { f64::INFINITY })
        };
        let sizes: Vec<f64> = runs.iter().map(|(ours, _)| size(&ours[k])).collect();
        let tame = tame(&sizes);
        let range =
            sizes.iter().zip(&tame).filter(|(_, tame)| **tame).fold(0.0, |most: f64, (s, _)| most.max(*s));
        let allowed = range * (-bits).exp2().max(SINGLE_PRECISION);
        for (sample, (ours, theirs)) in runs.iter().enumerate().filter(|(sample, _)| tame[*sample]) {
            let pairs = ours[k].data.iter().zip(&theirs[k].data).map(|(a, b)| (*a, f64::from(*b)));
            let off = |(a, b): &(f64, f64)| (a - b).abs();
            let Some((ours, theirs)) = pairs.max_by(|a, b| off(a).total_cmp(&off(b))) else { continue };
            if off(&(ours, theirs)) > allowed {
                return Err(CompileError::Original { output: name.into(), sample, ours, theirs });
            }
        }
    }
    Ok(Ok(()))
}
