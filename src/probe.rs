//! Magnitudes of a network's values, from a few synthetic inputs.
//!
//! The base modulus must hold the results, and the precision forecast needs the size of what errors are multiplied with.
//! Without sample data the network is run in clear on noise of several amplitudes and on constant images.

use fhec_ir::Verified;
use fhec_ir::plan::Normalisation;
use fhec_ir::tensor::{Tensor, TensorGraph, run_observed};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// What the probes saw.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Magnitudes {
    /// Largest absolute value of any output.
    pub output: f64,
    /// Root mean square over the values of all nodes, the largest of the nodes.
    pub rms: f64,
}

/// Runs the network on synthetic images that went through the inputs' normalisation.
pub(crate) fn magnitudes(
    graph: &Verified<TensorGraph>,
    normalisations: &[Normalisation],
    seed: u64,
) -> Magnitudes {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut seen = Magnitudes { output: 0.0, rms: 0.0 };
    for kind in 0..6 {
        let inputs: Vec<Tensor<f64>> = graph
            .inputs()
            .enumerate()
            .map(|(k, (id, _))| {
                let shape = graph.ty(id).clone();
                let normalisation = normalisations.get(k).cloned().unwrap_or_default();
                let channels = shape.get(1).copied().unwrap_or(1).max(1);
                let plane = shape.iter().skip(2).product::<usize>().max(1);
                let pixel = |rng: &mut ChaCha8Rng| match kind {
                    0 => 0.0,
                    1 => 1.0,
                    2 => f64::from(u8::from(rng.random_bool(0.15))),
                    3 => f64::from(u8::from(rng.random_bool(0.5))),
                    _ => rng.random::<f64>(),
                };
                let data = (0..shape.iter().product::<usize>()).map(|i| {
                    let channel = i / plane % channels;
                    let of = |v: &[f64], default| v.get(channel).or(v.first()).copied().unwrap_or(default);
                    (pixel(&mut rng) - of(&normalisation.mean, 0.0)) / of(&normalisation.std, 1.0)
                });
                Tensor::new(shape, data.collect())
            })
            .collect();
        let outputs = run_observed(graph, &inputs, |_, value| {
            let mean = value.data.iter().map(|x| x * x).sum::<f64>() / value.data.len().max(1) as f64;
            if mean.is_finite() {
                seen.rms = seen.rms.max(mean.sqrt());
            }
        });
        for x in outputs.into_iter().flatten().flat_map(|o| o.data).filter(|x| x.is_finite()) {
            seen.output = seen.output.max(x.abs());
        }
    }
    seen
}
