//! How the functions of a network are replaced: within what ranges, and how precisely.
//!
//! The cheapest method is taken with which the network still says what it did: on the samples, in clear.

use std::sync::Arc;

use fhec_frontend::Import;
use fhec_ir::Verified;
use fhec_ir::tensor::{Tensor, TensorGraph, run};
use fhec_passes::approximate::{self, Approximation, Method, Ranges, Replacement};
use rayon::prelude::*;

use crate::attempt::Passes;
use crate::error::CompileError;
use crate::facts::{Operands, input_bounds, many_synthetic, proven_ranges};
use crate::fidelity::Fidelity;
use crate::observer::Stage;
use crate::request::{Accuracy, Activation};

/// A network without functions, and how it was made.
pub(crate) struct Approximated {
    pub(crate) approximation: Approximation,
    /// The network after `approximate`.
    pub(crate) network: Verified<TensorGraph>,
    pub(crate) fidelity: Fidelity,
}

/// Bits by which smooth functions are more precise than the network's error allows each.
const SMOOTH_BITS: f64 = 1.0;

/// Replaces the functions of a network as the request asks for; None if it has none.
///
/// # Errors
/// Functions that have no polynomial, or no precise enough one.
pub(crate) fn approximated(
    passes: &Passes<'_>,
    import: &Import,
) -> Result<Option<Approximated>, CompileError> {
    let Passes { request, watch, .. } = *passes;
    if request.exact_activations || import.graph.iter().all(|(_, node)| approximate::is_polynomial(&node.op))
    {
        return Ok(None);
    }
    let canonical = passes.before_approximate()?;
    let canonical = canonical.tensor_graph()?;
    let chooser = watch.stage(Stage::Ranges, |_| Chooser::new(passes, import, canonical));
    watch.stage(Stage::Approximation, |steps| chooser.choose(&|| steps.step(chooser.most_tries()))).map(Some)
}

struct Chooser<'c> {
    passes: &'c Passes<'c>,
    import: &'c Import,
    canonical: &'c Verified<TensorGraph>,
    ranges: Arc<Ranges>,
    samples: Vec<Vec<Tensor<f32>>>,
    /// The network's own results for these.
    references: Vec<Vec<Tensor<f32>>>,
}

impl<'c> Chooser<'c> {
    fn new(passes: &'c Passes<'c>, import: &'c Import, canonical: &'c Verified<TensorGraph>) -> Self {
        let request = passes.request;
        let synthetic =
            if request.samples.is_empty() { many_synthetic(&import.graph, request) } else { vec![] };
        let samples = request.samples.iter().chain(&synthetic);
        let samples: Vec<Vec<Tensor<f32>>> = samples.map(|s| s.iter().map(Tensor::cast).collect()).collect();
        let operands = Operands::new(canonical, &samples, &approximate::ranged(canonical));
        let ranges = match request.samples.is_empty() {
            true => {
                let values = proven_ranges(canonical, &input_bounds(request, canonical.inputs().count()));
                Ranges { values, spreads: vec![] }
            }
            false => operands.ranges(canonical, request.escape_rate),
        };
        Self { passes, import, canonical, ranges: Arc::new(ranges), samples, references: operands.outputs }
    }

    fn most_tries(&self) -> usize {
        approximate::ladder().len().ilog2() as usize + 2
    }

    /// The cheapest method that is precise enough.
    fn choose(&self, step: &dyn Fn()) -> Result<Approximated, CompileError> {
        let request = self.passes.request;
        let tried = |method: Method| {
            let made = self.with(method);
            step();
            made
        };
        if let Some(alpha) = request.alpha {
            let method = approximate::composite(alpha).ok_or(CompileError::Alpha { alpha })?;
            return tried(method);
        }
        let ladder: Vec<Method> = match &request.activation {
            Activation::By(method) => return tried(method.clone()),
            Activation::Auto => approximate::ladder(),
            Activation::Composite => {
                let composite = |m: &Method| matches!(m, Method::Composite(_));
                let all = (8..=28).filter_map(|half| approximate::composite(f64::from(half) / 2.0));
                let mut all: Vec<Method> = all.filter(composite).collect();
                all.dedup();
                all
            }
        };
        // Errors fall along the ladder.
        let (mut low, mut high) = (0, ladder.len() - 1);
        let mut best: Option<Approximated> = None;
        while low < high {
            let middle = low + (high - low) / 2;
            let made = match tried(ladder[middle].clone()) {
                Ok(made) => made,
                // No polynomial is as precise as that for some function: perhaps it need not be.
                Err(refusal) if middle == low => return Err(refusal),
                Err(_) => {
                    high = middle - 1;
                    continue;
                }
            };
            if self.suffices(&made.fidelity) {
                best = Some(made);
                high = middle;
            } else {
                low = middle + 1;
            }
        }
        let wanted = &ladder[high];
        if let Some(best) = best.filter(|best| best.fidelity.method == *wanted) {
            return Ok(best);
        }
        let last = tried(wanted.clone())?;
        if self.suffices(&last.fidelity) {
            return Ok(last);
        }
        let Fidelity { method, samples, agreeing, relative_rms, .. } = last.fidelity;
        let rms = relative_rms.into_iter().fold(0.0, f64::max);
        let given = !request.samples.is_empty();
        Err(CompileError::Approximation { method, changed: samples - agreeing, samples, rms, given })
    }

    fn with(&self, method: Method) -> Result<Approximated, CompileError> {
        let (canonical, ranges) = (self.canonical.clone(), self.ranges.clone());
        let alpha = method.precision() + SMOOTH_BITS;
        let approximation = Approximation {
            ranges: Arc::new(move |graph| {
                match *graph == canonical {
                true => Ok((*ranges).clone()),
                false => Err("its range was measured in another network: passes before `approximate` have to be the same each time".into()),
            }
            }),
            method: method.clone(),
            methods: Default::default(),
            alpha,
        };
        let config =
            approximate::Config { exact_activations: false, approximation: Some(approximation.clone()) };
        let (network, replaced) = approximate::run_with_report(self.canonical, &config)?;
        let network = fhec_ir::verify(network)
            .map_err(|violations| fhec_passes::PassError::Broken { pass: "approximate", violations })?;
        let fidelity = self.compare(method, &network, replaced);
        Ok(Approximated { approximation, network, fidelity })
    }

    /// Runs the samples, a few if these tell that the method will not do.
    fn compare(
        &self,
        method: Method,
        network: &Verified<TensorGraph>,
        replaced: Vec<Replacement>,
    ) -> Fidelity {
        let mut comparison = Comparison::new(network.outputs.len(), &self.passes.request.labels);
        let first = self.samples.len().min(FIRST);
        for part in [0..first, first..self.samples.len()] {
            let runs: Vec<_> =
                self.samples[part.clone()].par_iter().map(|s| run(network, s).unwrap_or_default()).collect();
            for (ours, k) in runs.iter().zip(part) {
                comparison.add(k, ours, &self.references[k]);
            }
            if comparison.relative_rms().iter().any(|rms| *rms > 2.0 * self.most_rms()) {
                break;
            }
        }
        comparison.into_fidelity(method, replaced)
    }

    fn most_rms(&self) -> f64 {
        match self.passes.request.accuracy {
            Accuracy::Usual => MOST_RMS,
            Accuracy::Loss(_) => MOST_RMS_FOR_LOSS,
        }
    }

    /// Whether the network still says what it did.
    fn suffices(&self, fidelity: &Fidelity) -> bool {
        let Fidelity { samples, agreeing, correct, relative_rms, .. } = fidelity;
        let classifies = self.import.graph.outputs.len() == 1;
        let allowed = match self.passes.request.accuracy {
            Accuracy::Usual => USUAL_LOSS,
            Accuracy::Loss(points) => points / 100.0,
        };
        let share = |n: usize| n as f64 / (*samples).max(1) as f64;
        let keeps = match correct {
            Some((before, after)) if matches!(self.passes.request.accuracy, Accuracy::Loss(_)) => {
                share(before.saturating_sub(*after)) <= allowed
            }
            _ => !classifies || 1.0 - share(*agreeing) <= allowed,
        };
        // Samples from a training set keep their classes whatever happens, few samples by chance: errors say more.
        let most = self.most_rms();
        keeps && relative_rms.iter().all(|rms| *rms <= most)
    }
}

/// Results of samples, with and without functions.
struct Comparison<'c> {
    labels: &'c [usize],
    samples: usize,
    agreeing: usize,
    correct: (usize, usize),
    /// By output, sums of squares of results and of errors, and the largest error.
    sizes: Vec<(f64, f64, f64)>,
}

impl<'c> Comparison<'c> {
    fn new(outputs: usize, labels: &'c [usize]) -> Self {
        Self { labels, samples: 0, agreeing: 0, correct: (0, 0), sizes: vec![(0.0, 0.0, 0.0); outputs] }
    }

    fn add(&mut self, sample: usize, ours: &[Tensor<f32>], theirs: &[Tensor<f32>]) {
        for ((squares, errors, largest), (ours, theirs)) in self.sizes.iter_mut().zip(ours.iter().zip(theirs))
        {
            for (x, y) in ours.data.iter().zip(&theirs.data) {
                let (x, y) = (f64::from(*x), f64::from(*y));
                let error = if x.is_finite() { (x - y).abs() } else { f64::INFINITY };
                *squares += y * y;
                *errors += error * error;
                *largest = largest.max(error);
            }
        }
        let (ours, theirs) = (class(ours), class(theirs));
        self.samples += 1;
        self.agreeing += usize::from(ours == theirs);
        if let Some(label) = self.labels.get(sample) {
            self.correct.0 += usize::from(theirs == Some(*label));
            self.correct.1 += usize::from(ours == Some(*label));
        }
    }

    fn relative_rms(&self) -> Vec<f64> {
        let relative = |(squares, errors, _): &(f64, f64, f64)| {
            (errors / if *squares > 0.0 { *squares } else { 1.0 }).sqrt()
        };
        self.sizes.iter().map(relative).collect()
    }

    fn into_fidelity(self, method: Method, replaced: Vec<Replacement>) -> Fidelity {
        Fidelity {
            method,
            samples: self.samples,
            agreeing: self.agreeing,
            correct: (!self.labels.is_empty()).then_some(self.correct),
            relative_rms: self.relative_rms(),
            largest_error: self.sizes.iter().map(|s| s.2).collect(),
            replaced,
        }
    }
}

/// Samples that are run first.
const FIRST: usize = 48;

/// Share of the samples that may change their class.
const USUAL_LOSS: f64 = 0.005;

/// Root mean square of errors over that of results: of ResNet-20 on images that it was not trained on, 1.35 % change 0.4 % of the
/// classes, 2.3 % change 0.7 %.
const MOST_RMS: f64 = 1.0 / 64.0;

/// The same where a loss of accuracy is allowed, and counted.
const MOST_RMS_FOR_LOSS: f64 = 1.0 / 8.0;

/// Number of the largest result, of a network with one output.
fn class(outputs: &[Tensor<f32>]) -> Option<usize> {
    let [output] = outputs else { return None };
    let numbers = output.data.iter().enumerate().filter(|(_, x)| x.is_finite());
    (output.data.iter().all(|x| x.is_finite())).then_some(())?;
    numbers.max_by(|a, b| a.1.total_cmp(b.1)).map(|(k, _)| k)
}
