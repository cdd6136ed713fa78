//! `approximate`: makes every element-wise function and max-pool a polynomial, or says which ones it cannot.
//!
//! A network fine-tuned into polynomial form passes unchanged. Elsewhere
//!
//! 1. ranges of operands are asked for ([`Config::approximation`]);
//! 2. values are scaled so that operands lie within [−1, 1] ([`ties`]): functions that are linear but for kinks commute with
//!    that, layers take it into their weights, so it costs no level;
//! 3. functions are replaced ([`write`]): |x|, of which all those with kinks are made, by the [`Method`] that was chosen, smooth
//!    ones by a polynomial on their range, maxima and max-pools ([`pool`]) by b + ReLU(a − b).

mod config;
mod facts;
mod function;
mod method;
mod pool;
mod report;
mod requirements;
mod ties;
mod write;

use fhec_ir::tensor::{TensorGraph, TensorOp};
use fhec_ir::{ValueId, Verified};

use crate::{PassError, Refusal};
use facts::Facts;
use requirements::requirements;
use ties::Ties;
use write::Writer;

pub use config::{Approximation, Config, RangeSource, Ranges};
pub use facts::is_polynomial;
pub use method::{Method, composite, ladder};
pub use report::Replacement;

const PASS: &str = "approximate";

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
    let required = requirements(graph, &facts);
    let factors = Ties::new(graph).factors(&required);
    let (written, replaced, nodes) = Writer::new(graph, &facts, factors, &required).write();
    if !nodes.is_empty() {
        return Err(PassError::Refused { pass: PASS, nodes });
    }
    let written = fhec_ir::verify(written.compacted())
        .map_err(|violations| PassError::Broken { pass: PASS, violations })?;
    Ok((crate::canonicalize::run(&written, &Default::default())?, replaced))
}

fn advice(op: &TensorOp) -> &'static str {
    match op {
        TensorOp::Client(_) => "not a polynomial; leave it to the client, at the end of the network",
        _ => {
            "not a polynomial: compiling replaces it, from ranges that samples show; look at the network as it is with `fhec eval --exact-activations`"
        }
    }
}
