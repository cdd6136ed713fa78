//! Within what the operands of functions lie: what polynomials in their place are made for.
//!
//! From samples: for every channel, of the largest value of each image, the excesses over a high threshold are taken to fall off
//! exponentially, and extrapolated to where one image of many exceeds any channel's range. That is on the safe side for tails that fall off faster, as normal ones
//! do, and channels are counted as if they were independent. (Peaks over threshold; Pickands 1975.)
//!
//! Without samples: by propagation of the inputs' ranges, which is a proof, and wide.

use fhec_ir::ValueId;
use fhec_ir::Verified;
use fhec_ir::tensor::bounds::{Bounds, Interval, bounds};
use fhec_ir::tensor::{Tensor, TensorGraph, run_observed};
use rayon::prelude::*;

/// Least and largest element of every channel, of one image.
type Extremes = Vec<(f32, f32)>;

/// What runs of samples showed.
pub(crate) struct Operands {
    /// The values that were looked at.
    wanted: Vec<ValueId>,
    /// By sample and value; empty for samples that do not fit.
    seen: Vec<Vec<Extremes>>,
    /// The network's outputs, by sample.
    pub(crate) outputs: Vec<Vec<Tensor<f32>>>,
}

impl Operands {
    /// Runs the samples, looking at some values, which are ascending.
    pub(crate) fn new(
        graph: &Verified<TensorGraph>,
        samples: &[Vec<Tensor<f32>>],
        wanted: &[ValueId],
    ) -> Self {
        let runs = samples.par_iter().map(|sample| extremes(graph, sample, wanted));
        let (seen, outputs) = runs.unzip();
        Self { wanted: wanted.to_vec(), seen, outputs }
    }

    /// The ranges that the values have on all but `rate` of the images of the kind that the samples are of, by value of the graph. None
    /// for values that were not looked at, or that are not finite on some sample.
    pub(crate) fn ranges(&self, graph: &TensorGraph, rate: f64) -> Vec<Option<Bounds>> {
        let channels: usize = self.wanted.iter().map(|v| graph.ty(*v).get(1).copied().unwrap_or(1)).sum();
        let tail = rate / (2 * channels.max(1)) as f64;
        let mut ranges = vec![None; graph.len()];
        for (k, value) in self.wanted.iter().enumerate() {
            let images: Vec<&Extremes> = self.seen.iter().filter_map(|s| s.get(k)).collect();
            let channels = images.first().map_or(0, |i| i.len());
            let range = |c: usize| {
                let lo = -upper(images.iter().map(|i| -f64::from(i[c].0)), tail);
                let hi = upper(images.iter().map(|i| f64::from(i[c].1)), tail);
                (lo.is_finite() && hi.is_finite()).then(|| Interval::new(lo, hi))
            };
            let all: Option<Vec<Interval>> = (0..channels).map(range).collect();
            ranges[value.index()] = all.filter(|all| !all.is_empty()).map(Bounds::per_channel);
        }
        ranges
    }
}

fn extremes(
    graph: &Verified<TensorGraph>,
    sample: &[Tensor<f32>],
    wanted: &[ValueId],
) -> (Vec<Extremes>, Vec<Tensor<f32>>) {
    let mut seen = vec![vec![]; wanted.len()];
    let run = run_observed(graph, sample, |id, value| {
        let Ok(k) = wanted.binary_search(&id) else { return };
        let channels = value.shape.get(1).copied().unwrap_or(1);
        let plane = value.shape.iter().skip(2).product::<usize>().max(1);
        let mut all: Extremes = vec![(f32::INFINITY, f32::NEG_INFINITY); channels];
        for (block, numbers) in value.data.chunks(plane).enumerate() {
            let (lo, hi) = &mut all[block % channels];
            for x in numbers {
                // What is not a number would get lost in a maximum.
                let x = if x.is_nan() { f32::INFINITY } else { *x };
                (*lo, *hi) = (lo.min(x), hi.max(x));
            }
        }
        seen[k] = all;
    });
    match run {
        Ok(outputs) => (seen, outputs),
        Err(_) => (vec![], vec![]),
    }
}

/// What the largest of an image exceeds with probability `tail`.
fn upper(largest: impl Iterator<Item = f64>, tail: f64) -> f64 {
    let mut largest: Vec<f64> = largest.collect();
    largest.sort_by(|a, b| b.total_cmp(a));
    let count = largest.len();
    let [most, .., least] = largest[..] else {
        // A single image says nothing about others.
        return largest.first().map_or(f64::INFINITY, |x| x + x.abs());
    };
    let above = (count / TAIL).max(LEAST_ABOVE).min(count / 2).max(1);
    let threshold = largest[above];
    let excess = largest[..above].iter().map(|x| x - threshold).sum::<f64>() / above as f64;
    // A standard error, and what few images do not show.
    let excess = excess * (1.0 + 1.0 / (above as f64).sqrt()) + (most - least) / count as f64;
    let rarer = (above as f64 / (count as f64 * tail)).max(1.0);
    (threshold + excess * rarer.ln()).max(most + most.abs() / count as f64)
}

/// The images of which the largest values show the tail are one in so many, but no fewer than that.
const TAIL: usize = 10;
const LEAST_ABOVE: usize = 10;

/// Ranges of all values for inputs of magnitudes up to the given ones, by proof.
pub(crate) fn proven(graph: &Verified<TensorGraph>, inputs: &[f64]) -> Vec<Option<Bounds>> {
    let inputs: Vec<Bounds> = inputs.iter().map(|&x| Bounds::uniform(Interval::new(-x, x))).collect();
    bounds(graph, &inputs).into_iter().map(Some).collect()
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;

    use super::*;

    #[test]
    fn one_image_in_many_exceeds_what_is_extrapolated() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        // Gumbel's law with location 5 and scale 2, and the normal one.
        let mut uniform = || rng.random::<f64>().max(1e-300);
        let gumbel = |u: f64| 5.0 - 2.0 * (-u.ln()).ln();
        let (tail, runs) = (1e-4, 200);
        let (mut exceeded, mut wide) = (0.0, 0.0);
        for _ in 0..runs {
            let images: Vec<f64> = (0..512).map(|_| gumbel(uniform())).collect();
            let bound = upper(images.into_iter(), tail);
            exceeded += (1.0 - (-(-(bound - 5.0) / 2.0).exp()).exp()) / f64::from(runs);
            wide += bound / f64::from(runs);
        }
        assert!(exceeded < tail, "{exceeded:e}");
        assert!(wide < 1.25 * (5.0 + 2.0 * (1.0 / tail).ln()), "{wide}");
        let normal: Vec<f64> =
            (0..512).map(|_| (-2.0 * uniform().ln()).sqrt() * (6.283 * uniform()).cos()).collect();
        let bound = upper(normal.into_iter(), 1e-7);
        assert!((5.2..11.0).contains(&bound), "{bound}");
    }

    #[test]
    fn few_images_say_little() {
        assert_eq!(upper([3.0].into_iter(), 1e-6), 6.0);
        let two = upper([3.0, 4.0].into_iter(), 1e-6);
        let many = upper([3.0, 4.0].into_iter().cycle().take(400), 1e-6);
        assert!(two > many && many >= 4.0, "{two} {many}");
        assert_eq!(upper([0.0, 0.0].into_iter(), 1e-6), 0.0);
        assert_eq!(upper([-3.0, -3.0, -3.0].into_iter(), 1e-6), -2.0);
        assert_eq!(upper([].into_iter(), 1e-6), f64::INFINITY);
    }
}
