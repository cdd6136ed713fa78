//! Parameters of the pass.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use fhec_ir::Verified;
use fhec_ir::tensor::TensorGraph;
use fhec_ir::tensor::bounds::Bounds;

use super::method::Method;

/// Parameters of the pass.
#[derive(Clone, Debug, Default)]
pub struct Config {
    /// Keep every function as it is: for evaluation in clear, to check layouts apart from approximations.
    pub exact_activations: bool,
    /// How functions are replaced; None refuses them.
    pub approximation: Option<Approximation>,
}

/// How functions are replaced.
#[derive(Clone)]
pub struct Approximation {
    /// Tells within what the values of a network lie.
    pub ranges: RangeSource,
    /// What stands for |x|.
    pub method: Method,
    /// The same for single nodes, by name.
    pub methods: BTreeMap<String, Method>,
    /// Smooth functions err by 2^−alpha of their largest value at most.
    pub alpha: f64,
}

/// Tells the ranges of the network that the pass gets.
pub type RangeSource = Arc<dyn Fn(&Verified<TensorGraph>) -> Result<Ranges, String> + Send + Sync>;

/// Within what the values of a network lie.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Ranges {
    /// By value, a range for each channel; None where it is not known.
    pub values: Vec<Option<Bounds>>,
    /// By value, of a maximum or max-pool how far the numbers are apart of which it takes the largest, for each channel. None
    /// where it is not known: it follows from their ranges then.
    pub spreads: Vec<Option<Vec<f64>>>,
}

impl fmt::Debug for Approximation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { method, methods, alpha, .. } = self;
        f.debug_struct("Approximation")
            .field("method", method)
            .field("methods", methods)
            .field("alpha", alpha)
            .finish_non_exhaustive()
    }
}
