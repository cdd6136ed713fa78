//! `approximate`: makes every element-wise function and max-pool a polynomial, or says which ones it cannot.
//!
//! A network fine-tuned into polynomial form passes unchanged. Elsewhere
//!
//! 1. ranges of operands are asked for ([`Config::approximation`]);
//! 2. values are scaled so that operands lie within [−1, 1] ([`ties`]): functions that are linear but for kinks commute with
//!    that, layers take it into their weights, so it costs no level;
//! 3. functions are replaced ([`write`]): |x|, of which all those with kinks are made, by the [`Method`] that was chosen, smooth
//!    ones by a polynomial on their range, maxima and max-pools ([`pool`]) by b + ReLU(a − b).

mod function;
mod method;
mod pool;
mod report;
mod ties;
mod write;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use fhec_ir::tensor::bounds::{Bounds, Interval};
use fhec_ir::tensor::{Pool, TensorGraph, TensorOp};
use fhec_ir::{ValueId, Verified};

use crate::{PassError, Refusal};
use ties::Ties;
use write::{Writer, requirements};

pub use method::{Method, composite, ladder};
pub use report::Replacement;

const PASS: &str = "approximate";

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

/// What is known while a network is written.
struct Facts<'g> {
    approximation: &'g Approximation,
    ranges: Ranges,
    alpha: f64,
}

/// By value, what is required of its channels: a bound that scaling takes to 1.
type Requirements = Vec<Option<Vec<f64>>>;

impl Facts<'_> {
    fn bounds(&self, graph: &TensorGraph, id: ValueId) -> Result<Bounds, String> {
        let bounds = self.ranges.values.get(id.index()).and_then(Option::as_ref);
        let finite = bounds.filter(|b| b.channels().iter().all(|x| x.lo.is_finite() && x.hi.is_finite()));
        finite.cloned().ok_or_else(|| {
            format!(
                "the range of its operand {} is not known: give inputs with --samples",
                graph.describe(id)
            )
        })
    }

    /// How far the operands of a maximum are apart, where that was measured.
    fn spread(&self, id: ValueId) -> Option<&Vec<f64>> {
        self.ranges.spreads.get(id.index())?.as_ref()
    }

    fn method(&self, node: &str) -> &Method {
        self.approximation.methods.get(node).unwrap_or(&self.approximation.method)
    }
}

/// True for operators that are evaluated on ciphertexts as they are.
pub fn is_polynomial(op: &TensorOp) -> bool {
    !matches!(
        op,
        TensorOp::Activation(_)
            | TensorOp::PRelu { .. }
            | TensorOp::Pool { kind: Pool::Max, .. }
            | TensorOp::Div
            | TensorOp::Max
            | TensorOp::Min
            | TensorOp::Client(_)
    )
}

/// Values whose ranges decide about the functions of a network.
pub fn ranged(graph: &TensorGraph) -> Vec<ValueId> {
    let functions = graph.iter().filter(|(_, node)| !is_polynomial(&node.op));
    let mut operands: Vec<ValueId> = functions.flat_map(|(_, node)| node.args.clone()).collect();
    operands.sort_unstable();
    operands.dedup();
    operands
}

/// Replaces non-polynomial operators.
///
/// # Errors
/// All nodes for which there is no method.
pub fn run(graph: &Verified<TensorGraph>, config: &Config) -> Result<TensorGraph, PassError> {
    run_with_report(graph, config).map(|(graph, _)| graph)
}

/// [`run`], and what was replaced by what.
///
/// # Errors
/// As [`run`].
pub fn run_with_report(
    graph: &Verified<TensorGraph>,
    config: &Config,
) -> Result<(TensorGraph, Vec<Replacement>), PassError> {
    if config.exact_activations || graph.iter().all(|(_, node)| is_polynomial(&node.op)) {
        return Ok(((**graph).clone(), vec![]));
    }
    let Some(approximation) = &config.approximation else {
        let functions = graph.iter().filter(|(_, node)| !is_polynomial(&node.op));
        let nodes = functions.map(|(id, node)| Refusal::new(&**graph, id, advice(&node.op))).collect();
        return Err(PassError::Refused { pass: PASS, nodes });
    };
    let refused = |id: ValueId, reason: String| PassError::at(PASS, &**graph, id, reason);
    let first = graph.iter().find(|(_, n)| !is_polynomial(&n.op)).map_or(ValueId(0), |(id, _)| id);
    let ranges = (approximation.ranges)(graph).map_err(|reason| refused(first, reason))?;
    let facts = Facts { approximation, ranges, alpha: approximation.alpha };
    let factors = Ties::new(graph).factors(&requirements(graph, &facts));
    let (written, replaced, nodes) = Writer::new(graph, &facts, factors).write();
    if !nodes.is_empty() {
        return Err(PassError::Refused { pass: PASS, nodes });
    }
    let written = fhec_ir::verify(written.compacted())
        .map_err(|violations| PassError::Broken { pass: PASS, violations })?;
    Ok((crate::canonicalize::run(&written, &Default::default())?, replaced))
}

/// What a smooth function is fitted on: a little beyond the range of its operand.
fn fitted_range(range: Interval) -> Interval {
    let width = range.hi - range.lo;
    let widened = if width > 0.0 { width * BEYOND } else { range.magnitude().max(1.0) * BEYOND };
    // Not across 0, where roots and reciprocals end.
    let lo = if range.lo > 0.0 { (range.lo - widened).max(range.lo / 2.0) } else { range.lo - widened };
    let hi = if range.hi < 0.0 { (range.hi + widened).min(range.hi / 2.0) } else { range.hi + widened };
    Interval::new(lo, hi)
}

/// How far beyond its range a smooth function is fitted, as a share of its width.
const BEYOND: f64 = 0.02;

/// Largest magnitude of a function on a range.
fn largest(f: &dyn Fn(f64) -> f64, range: Interval) -> f64 {
    let at = |k: i32| range.lo + (range.hi - range.lo) * f64::from(k) / 256.0;
    (0..=256).map(|k| f(at(k)).abs()).fold(0.0, f64::max)
}

fn advice(op: &TensorOp) -> &'static str {
    match op {
        TensorOp::Client(_) => "not a polynomial; leave it to the client, at the end of the network",
        _ => {
            "not a polynomial: compiling replaces it, from ranges that samples show; look at the network as it is with `fhec eval --exact-activations`"
        }
    }
}
