//! What is asked of a compilation.

use fhec_backend::cost::CostTable;
use fhec_ir::plan::{Normalisation, Preprocessing};
use fhec_ir::tensor::Tensor;
use fhec_passes::approximate::Method;

/// What to compile for. The defaults suit image classifiers.
#[derive(Clone, Debug)]
pub struct Request {
    /// From bytes to network inputs, in order of the inputs; missing ones divide by 255.
    pub normalisations: Vec<Normalisation>,
    /// What becomes of pictures before, in order of the inputs; nothing for missing ones.
    pub preprocessing: Vec<Preprocessing>,
    /// log2 of the ring degree; None takes the smallest secure one.
    pub log_n: Option<u32>,
    /// Bits of the scale; None takes the fewest that reach `precision_bits`.
    pub scale_bits: Option<u32>,
    /// Bits of precision that the results should have: −log2 of the promised error, relative to the range of an output.
    pub precision_bits: f64,
    /// Bits that will do where a network with bootstraps cannot have those: the most precise plan found is taken then, and its
    /// [`Observer`](crate::Observer) told.
    pub least_precision_bits: f64,
    /// Whether these bits are absolute, after the binary point.
    pub precision_absolute: bool,
    /// Keep non-polynomial functions: gives a slot graph for execution in clear, and no plan.
    pub exact_activations: bool,
    /// What stands for functions that are no polynomials.
    pub activation: Activation,
    /// Precision of compositions in place of functions with kinks: ReLU errs by 2^−alpha of its range at most. None takes what the
    /// samples need.
    pub alpha: Option<f64>,
    /// What replacing functions may cost.
    pub accuracy: Accuracy,
    /// Share of images on which the operand of some function may leave the range that its polynomial is made for.
    pub escape_rate: f64,
    /// Classes of the samples; none, or one for each.
    pub labels: Vec<usize>,
    /// End after this pass, without a plan.
    pub stop_after: Option<String>,
    /// Seed of the synthetic images that estimate magnitudes; the same seed gives the same plan.
    pub seed: u64,
    /// Least and largest number of the inputs, after any normalisation; None takes what normalisations make of bytes, and
    /// samples beyond that.
    pub input_range: Option<(f64, f64)>,
    /// Inputs of the network that estimate magnitudes instead, one tensor for each input.
    pub samples: Vec<Vec<Tensor<f64>>>,
    /// Whether to bootstrap; None does if more than 24 levels would be needed otherwise.
    pub bootstrap: Option<bool>,
    /// Levels between bootstraps; None takes the best of a few.
    pub levels: Option<u32>,
    /// Most bytes of the bootstrap's keys in the server's memory.
    pub bootstrap_key_bytes: usize,
    /// Most bytes of memory that the evaluation of a network with bootstraps may be predicted to take.
    pub memory_budget: u64,
    /// Names of classes for the client; None takes those that the network's file has.
    pub classes: Option<Vec<String>>,
    /// Kernel times of the machine that will run the plan.
    pub costs: CostTable,
}

/// What stands for functions that are no polynomials.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Activation {
    /// The cheapest of polynomials and compositions.
    #[default]
    Auto,
    /// Compositions of minimax polynomials where a function has kinks.
    Composite,
    /// This, whatever it does to the results.
    By(Method),
}

/// What replacing functions by polynomials may cost, on the samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Accuracy {
    /// One sample in 200 may change its class; of results that are no classes, small errors.
    #[default]
    Usual,
    /// So many points of accuracy where samples have labels, else so many per cent of them may change their class.
    Loss(f64),
}

impl Default for Request {
    fn default() -> Self {
        Self {
            normalisations: vec![],
            preprocessing: vec![],
            log_n: None,
            scale_bits: None,
            precision_bits: 13.0,
            least_precision_bits: 13.0,
            precision_absolute: false,
            exact_activations: false,
            activation: Activation::Auto,
            alpha: None,
            accuracy: Accuracy::Usual,
            escape_rate: 1e-4,
            labels: vec![],
            stop_after: None,
            seed: 0,
            input_range: None,
            samples: vec![],
            bootstrap: None,
            levels: None,
            bootstrap_key_bytes: 5_000_000_000,
            memory_budget: 12_000_000_000,
            classes: None,
            costs: CostTable::default(),
        }
    }
}

/// Samples that are run through schedules of networks whose functions needed many.
const FEW: usize = 16;

/// Bits by which encryption is to be more precise than polynomials in place of functions.
const USEFUL_BITS: f64 = 3.0;

/// Ring of networks with bootstraps unless another one is asked for: in smaller ones no bootstrap is precise and secure
/// that leaves levels to compute with.
const BOOTSTRAP_LOG_N: u32 = 16;

impl Request {
    /// The same for a network whose functions are replaced by now, which errs by 2^−`bits` for that: of the samples those that are run through schedules, and of precision what
    /// is of use.
    pub(crate) fn of_polynomials(&self, bits: f64) -> Self {
        let useful = (bits + USEFUL_BITS).max(self.least_precision_bits);
        Self {
            normalisations: self.normalisations.clone(),
            preprocessing: self.preprocessing.clone(),
            precision_bits: if self.precision_absolute {
                self.precision_bits
            } else {
                self.precision_bits.min(useful)
            },
            stop_after: self.stop_after.clone(),
            samples: self.samples[..self.samples.len().min(FEW)].to_vec(),
            activation: self.activation.clone(),
            classes: self.classes.clone(),
            costs: self.costs.clone(),
            labels: vec![],
            ..*self
        }
    }

    /// log2 of the ring degree for plans with bootstraps.
    pub(crate) fn bootstrap_log_n(&self) -> u32 {
        self.log_n.unwrap_or(BOOTSTRAP_LOG_N)
    }
}
