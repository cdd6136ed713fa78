//! Within what the operands of functions lie: what polynomials in their place are made for.
//!
//! From samples: for every channel, of the largest value of each image, the excesses over a high threshold are taken to fall off
//! exponentially, and extrapolated to where one image of many exceeds any channel's range. That is on the safe side for tails that fall off faster, as normal ones
//! do, and channels are counted as if they were independent. (Peaks over threshold; Pickands 1975.)
//!
//! Without samples: by propagation of the inputs' ranges, which is a proof, and wide.

use fhec_ir::ValueId;
use std::collections::BTreeMap;

use fhec_ir::Verified;
use fhec_ir::tensor::bounds::{Bounds, Interval, bounds};
use fhec_ir::tensor::{Pool, Tensor, TensorGraph, TensorOp, eval_op, run_observed};
use fhec_passes::approximate::Ranges;
use rayon::prelude::*;

/// What runs of samples showed.
pub(crate) struct Operands {
    /// The values that were looked at.
    wanted: Vec<ValueId>,
    /// By sample and value; empty for samples that do not fit.
    seen: Vec<Vec<Seen>>,
    /// The network's outputs, by sample.
    pub(crate) outputs: Vec<Vec<Tensor<f32>>>,
}

/// What one sample shows of a value, by channel.
#[derive(Clone, Default)]
struct Seen {
    /// Least and largest element.
    extremes: Vec<(f32, f32)>,
    /// Of a maximum of several numbers, how far these are apart at most.
    spread: Vec<f32>,
}

impl Operands {
    /// Runs the samples, looking at some values, and at the maxima that are taken.
    pub(crate) fn new(
        graph: &Verified<TensorGraph>,
        samples: &[Vec<Tensor<f32>>],
        wanted: &[ValueId],
    ) -> Self {
        let mut wanted = wanted.to_vec();
        wanted.extend(graph.iter().filter(|(_, node)| takes_maxima(&node.op)).map(|(id, _)| id));
        wanted.sort_unstable();
        wanted.dedup();
        let runs = samples.par_iter().map(|sample| seen(graph, sample, &wanted));
        let (seen, outputs) = runs.unzip();
        Self { wanted, seen, outputs }
    }

    /// The ranges that the values have on all but `rate` of the images of the kind that the samples are of. They are not known for
    /// values that were not looked at, or that are not finite on some sample.
    pub(crate) fn ranges(&self, graph: &TensorGraph, rate: f64) -> Ranges {
        let channels: usize = self.wanted.iter().map(|v| graph.ty(*v).get(1).copied().unwrap_or(1)).sum();
        let tail = rate / (2 * channels.max(1)) as f64;
        let mut ranges = Ranges { values: vec![None; graph.len()], spreads: vec![None; graph.len()] };
        for (k, value) in self.wanted.iter().enumerate() {
            let images: Vec<&Seen> = self.seen.iter().filter_map(|s| s.get(k)).collect();
            let channels = images.first().map_or(0, |i| i.extremes.len());
            let range = |c: usize| {
                let lo = -upper(images.iter().map(|i| -f64::from(i.extremes[c].0)), tail);
                let hi = upper(images.iter().map(|i| f64::from(i.extremes[c].1)), tail);
                (lo.is_finite() && hi.is_finite()).then(|| Interval::new(lo, hi))
            };
            let all: Option<Vec<Interval>> = (0..channels).map(range).collect();
            ranges.values[value.index()] = all.filter(|all| !all.is_empty()).map(Bounds::per_channel);
            let apart = |c: usize| upper(images.iter().map(|i| f64::from(i.spread[c])), tail);
            let channels = images.first().map_or(0, |i| i.spread.len());
            let all: Vec<f64> = (0..channels).map(apart).collect();
            ranges.spreads[value.index()] =
                Some(all).filter(|s| !s.is_empty() && s.iter().all(|x| x.is_finite()));
        }
        ranges
    }
}

fn takes_maxima(op: &TensorOp) -> bool {
    matches!(op, TensorOp::Max | TensorOp::Min | TensorOp::Pool { kind: Pool::Max, .. })
}

fn seen(
    graph: &Verified<TensorGraph>,
    sample: &[Tensor<f32>],
    wanted: &[ValueId],
) -> (Vec<Seen>, Vec<Tensor<f32>>) {
    let mut seen = vec![Seen::default(); wanted.len()];
    // Operands of maxima, kept until the last of these is computed.
    let mut kept: BTreeMap<ValueId, Tensor<f32>> = BTreeMap::new();
    let mut last: BTreeMap<ValueId, ValueId> = BTreeMap::new();
    for (id, node) in graph.iter().filter(|(_, node)| takes_maxima(&node.op)) {
        last.extend(node.args.iter().map(|a| (*a, id)));
    }
    let run = run_observed(graph, sample, |id, value| {
        if let Ok(k) = wanted.binary_search(&id) {
            seen[k].extremes = extremes(value);
            let node = graph.node(id);
            if takes_maxima(&node.op) {
                let args: Vec<&Tensor<f32>> = node.args.iter().filter_map(|a| kept.get(a)).collect();
                seen[k].spread = spread(&node.op, value, &args);
            }
        }
        kept.retain(|v, _| last[v] > id);
        if last.contains_key(&id) {
            kept.insert(id, value.clone());
        }
    });
    match run {
        Ok(outputs) => (seen, outputs),
        Err(_) => (vec![], vec![]),
    }
}

fn extremes(value: &Tensor<f32>) -> Vec<(f32, f32)> {
    let channels = value.shape.get(1).copied().unwrap_or(1);
    let plane = value.shape.iter().skip(2).product::<usize>().max(1);
    let mut all = vec![(f32::INFINITY, f32::NEG_INFINITY); channels];
    for (block, numbers) in value.data.chunks(plane).enumerate() {
        let (lo, hi) = &mut all[block % channels];
        for x in numbers {
            // What is not a number would get lost in a maximum.
            let x = if x.is_nan() { f32::INFINITY } else { *x };
            (*lo, *hi) = (lo.min(x), hi.max(x));
        }
    }
    all
}

/// How far the numbers are apart of which maxima are taken. Nothing of windows that reach beyond the image, where a value is taken
/// that is below all others.
fn spread(op: &TensorOp, maxima: &Tensor<f32>, args: &[&Tensor<f32>]) -> Vec<f32> {
    let differences = match (op, args) {
        (TensorOp::Pool { window, .. }, [x]) => {
            let reach = |k: usize| {
                (maxima.shape[2 + k] - 1) * window.stride[k] + (window.kernel[k] - 1) * window.dilation[k]
            };
            if window.pads != [0; 4] || (0..2).any(|k| reach(k) >= x.shape[2 + k]) {
                return vec![];
            }
            let negated = Tensor::new(x.shape.clone(), x.data.iter().map(|x| -x).collect());
            let minima = eval_op(&[], op, &[&negated]);
            maxima.data.iter().zip(&minima.data).map(|(a, b)| a + b).collect()
        }
        (_, [a, b]) => a.data.iter().zip(&b.data).map(|(a, b)| (a - b).abs()).collect(),
        // One operand twice.
        _ => vec![0.0; maxima.data.len()],
    };
    extremes(&Tensor::new(maxima.shape.clone(), differences)).into_iter().map(|e| e.1).collect()
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
        let normal: Vec<f64> = (0..512)
            .map(|_| (-2.0 * uniform().ln()).sqrt() * (std::f64::consts::TAU * uniform()).cos())
            .collect();
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
