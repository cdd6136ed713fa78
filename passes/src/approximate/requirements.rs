//! How values have to be scaled.

use fhec_ir::ValueId;
use fhec_ir::tensor::bounds::Interval;
use fhec_ir::tensor::{TensorGraph, TensorOp};

use super::facts::{Facts, fitted_range, largest};
use super::function::{Function, Piecewise, undefined};
use super::ties::{channels, zip};

/// What is required of the operands and results of functions: by value and channel a bound that scaling takes to 1.
pub(super) fn requirements(graph: &TensorGraph, facts: &Facts<'_>) -> Vec<Option<Vec<f64>>> {
    let mut required: Vec<Option<Vec<f64>>> = vec![None; graph.len()];
    let mut require = |id: ValueId, bound: Vec<f64>| {
        let most = bound.iter().fold(0.0, |most: f64, b| most.max(*b));
        // Channels that hardly do anything would get enormous weights.
        let floor = if most > 0.0 { most * LEAST_SHARE } else { 1.0 };
        let bound: Vec<f64> = bound.iter().map(|b| b.max(floor)).collect();
        let known = &mut required[id.index()];
        *known = Some(known.as_ref().map_or(bound.clone(), |k| zip(k, &bound, f64::max)));
    };
    for (id, node) in graph.iter() {
        let of = |k: usize| facts.bounds(graph, node.args[k]);
        let width = |k: usize| channels(graph.ty(node.args[k]));
        match &node.op {
            TensorOp::Pool { kind: fhec_ir::tensor::Pool::Max, .. } => {
                let Ok(bounds) = of(0) else { continue };
                let reach = |x: Interval| x.hi.max(0.0) - x.lo.min(0.0);
                let known = facts.spread(id).filter(|s| s.len() == width(0)).cloned();
                let by_range = || (0..width(0)).map(|c| reach(bounds.channel(c))).collect();
                require(node.args[0], known.unwrap_or_else(by_range));
            }
            TensorOp::Max | TensorOp::Min => {
                let (Ok(a), Ok(b)) = (of(0), of(1)) else { continue };
                let reach = |a: Interval, b: Interval| (a.hi - b.lo).abs().max((b.hi - a.lo).abs());
                let known = facts.spread(id).filter(|s| s.len() == width(0)).cloned();
                let by_range = || (0..width(0)).map(|c| reach(a.channel(c), b.channel(c))).collect();
                require(id, known.unwrap_or_else(by_range));
            }
            _ => {
                let Some(function) = Function::of(graph, node) else { continue };
                let Ok(bounds) = of(0) else { continue };
                let hull = bounds.hull();
                let piecewise = |f: Piecewise| {
                    let f = f.within(hull);
                    let reach: Vec<f64> = (0..width(0)).map(|c| f.reach(bounds.channel(c))).collect();
                    (!f.kinks.is_empty()).then_some(reach)
                };
                let result =
                    |f: &dyn Fn(f64) -> f64| vec![largest(f, fitted_range(hull)); channels(&node.ty)];
                match function {
                    Function::Piecewise(f) | Function::Gated(f) => {
                        piecewise(f).into_iter().for_each(|reach| require(node.args[0], reach));
                    }
                    Function::Step(at) => {
                        let reach = |x: Interval| (x.lo - at).abs().max((x.hi - at).abs());
                        require(node.args[0], (0..width(0)).map(|c| reach(bounds.channel(c))).collect());
                    }
                    Function::Smooth(a) if undefined(a, hull).is_none() => {
                        require(id, result(&|v| fhec_ir::tensor::activation(a, v)));
                    }
                    Function::Exponential { scale, alpha } => {
                        require(id, result(&|v: f64| scale * if v > 0.0 { v } else { alpha * v.exp_m1() }));
                    }
                    Function::Smooth(_) => {}
                }
            }
        }
    }
    required
}

/// Least range of a channel, as a share of the largest of its layer.
const LEAST_SHARE: f64 = 1.0 / 64.0;
