//! What is asked of a compilation.

use fhec_backend::cost::CostTable;
use fhec_ir::plan::{Normalisation, Preprocessing};
use fhec_ir::tensor::Tensor;

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

/// Ring of networks with bootstraps unless another one is asked for: in smaller ones no bootstrap is precise and secure
/// that leaves levels to compute with.
const BOOTSTRAP_LOG_N: u32 = 16;

impl Request {
    /// log2 of the ring degree for plans with bootstraps.
    pub(crate) fn bootstrap_log_n(&self) -> u32 {
        self.log_n.unwrap_or(BOOTSTRAP_LOG_N)
    }
}
