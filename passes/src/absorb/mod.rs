//! `absorb`: polynomials become monic; scales and constants move into neighbours, exactly.
//!
//! Multiplying a value by a number per channel changes nothing if everything that makes or reads the value
//! compensates. Convolutions and dense layers do so in their weights, at no cost; additions, pools and their like
//! must pass the factor on. [`gauge`] finds out how far a factor spreads and whether it can be had. A polynomial of
//! degree d with leading coefficient a
//!
//! 1. loses its second coefficient by a shift of its argument, x = z − t with t = c_{d−1}/(d·a) ([`shift`] puts t
//!    into the bias of what makes x, or adds it: an addition of a plaintext costs no level);
//! 2. becomes monic up to sign by the factor |a|^{1/d} on its argument, else by 1/a on its result;
//! 3. of degree 2 leaves x² alone and adds its constant behind it;
//! 4. whose leading coefficient is large in some channel, since training left that channel little to do, has its argument
//!    multiplied if no neighbour takes the factor: multiplying the small power instead would multiply its noise.
//!
//! One in Chebyshev's basis takes factors on its result only.
//!
//! Polynomials are visited last to first: one that is not yet monic takes any factor on its result into its
//! coefficients, so a factor that a residual addition asks for stops at the polynomial that feeds the shortcut.
//! All factors are collected in f64 and applied once, by [`apply`].

mod apply;
mod form;
mod gauge;
mod shift;

use fhec_ir::Verified;
use fhec_ir::tensor::{Basis, TensorGraph, TensorOp};

use crate::PassError;
use form::{Form, normalise};
use gauge::Gauge;

/// Parameters of the pass.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Config {}

/// Runs the pass. It never fails: what cannot be absorbed stays.
///
/// # Errors
/// None at present.
pub fn run(graph: &Verified<TensorGraph>, config: &Config) -> Result<TensorGraph, PassError> {
    let Config {} = config;
    let mut gauge = Gauge::new(graph);
    let mut forms: Vec<Option<Form>> = vec![None; graph.len()];
    for (id, node) in graph.iter().rev() {
        if let TensorOp::Poly { coeffs, basis } = node.op {
            let constant = graph.constant(coeffs);
            let channels = gauge.channels(id);
            let columns = constant.shape[1];
            let row = |p: &[f64]| (0..channels).map(|c| p[c % columns]).collect();
            let powers: Vec<Vec<f64>> = constant.values().chunks(columns).map(row).collect();
            forms[id.index()] = Some(match basis {
                Basis::Power => normalise(&mut gauge, id, node.args[0], powers),
                Basis::Chebyshev => Form { powers, shift: vec![0.0; channels], monic: None, scale: None },
            });
        }
    }
    Ok(apply::apply(graph, &gauge, &forms).compacted())
}
