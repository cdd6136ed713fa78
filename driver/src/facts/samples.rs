//! Synthetic images: without sample data they stand for the inputs of a network.
//!
//! The base modulus must hold the results, and the precision forecast needs the size of what errors are multiplied with.

use fhec_ir::Verified;
use fhec_ir::plan::Normalisation;
use fhec_ir::tensor::{Tensor, TensorGraph};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Blank, full, sparse, dense and grey noise images that went through the inputs' normalisation: inputs of the network.
/// Grey noise comes last: of these it is the closest to what real images are like.
pub(crate) fn synthetic(
    graph: &Verified<TensorGraph>,
    normalisations: &[Normalisation],
    seed: u64,
) -> Vec<Vec<Tensor<f64>>> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    let mut sample = |kind: usize| -> Vec<Tensor<f64>> {
        let inputs = graph.inputs().enumerate().map(|(k, (id, _))| {
            let shape = graph.ty(id).clone();
            let normalisation = normalisations.get(k).cloned().unwrap_or_default();
            let channels = shape.get(1).copied().unwrap_or(1).max(1);
            let plane = shape.iter().skip(2).product::<usize>().max(1);
            let mut pixel = || match kind {
                0 => 0.0,
                1 => 1.0,
                2 => f64::from(u8::from(rng.random_bool(0.15))),
                3 => f64::from(u8::from(rng.random_bool(0.5))),
                _ => rng.random::<f64>(),
            };
            let data = (0..shape.iter().product::<usize>()).map(|i| {
                let channel = i / plane % channels;
                let of = |v: &[f64], default| v.get(channel).or(v.first()).copied().unwrap_or(default);
                (pixel() - of(&normalisation.mean, 0.0)) / of(&normalisation.std, 1.0)
            });
            let data = data.collect();
            Tensor::new(shape, data)
        });
        inputs.collect()
    };
    (0..5).map(&mut sample).collect()
}
