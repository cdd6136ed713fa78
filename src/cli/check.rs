//! References in clear to compare encrypted results with.

use std::slice;

use anyhow::Result;
#[cfg(feature = "compiler")]
use fhec_ir::Verified;
use fhec_ir::plan::{ClientOutput, Plan};
#[cfg(feature = "compiler")]
use fhec_ir::tensor::{self, Tensor, TensorGraph};

/// What an encrypted run is compared with.
pub(crate) enum Reference {
    /// The network itself, before any pass.
    #[cfg(feature = "compiler")]
    Network(Box<Verified<TensorGraph>>),
    /// The plan's schedule on slots.
    Schedule,
}

impl Reference {
    /// Outputs in clear for one set of inputs, row-major.
    pub(crate) fn outputs(&self, plan: &Plan, tensors: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
        match self {
            #[cfg(feature = "compiler")]
            Self::Network(network) => {
                let shapes = network.inputs().map(|(id, _)| network.ty(id).clone()).collect::<Vec<_>>();
                let inputs = shapes.into_iter().zip(tensors).map(|(s, t)| Tensor::new(s, t.clone()));
                let outputs = tensor::run(network, &inputs.collect::<Vec<Tensor<f64>>>())?;
                Ok(outputs.into_iter().map(|t| t.data).collect())
            }
            Self::Schedule => {
                let inputs = plan.client.inputs.iter().zip(tensors);
                let packed: Vec<_> = inputs.map(|(i, t)| i.layout.pack(t)).collect();
                let outputs = fhec_ir::schedule::interp::interpret(&plan.schedule, &packed)?;
                let wanted = plan.client.outputs.iter().zip(&outputs);
                Ok(wanted.map(|(o, slots)| o.layout.unpack(slots)).collect())
            }
        }
    }
}

/// Largest difference; infinite if one is no number.
pub(crate) fn max_abs_error(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b));
    let difference = |(a, b): (&f64, &f64)| {
        let difference = (a - b).abs();
        if difference.is_nan() { f64::INFINITY } else { difference }
    };
    pairs.map(difference).fold(0.0, f64::max)
}

/// Of the output that comes closest to breaking its promise, or breaks it most: its error, and what the plan promises. Results
/// beyond the output's range may be as much further off as they exceed it.
pub(crate) fn closest(plan: &Plan, clear: &[Vec<f64>], found: &[Vec<f64>]) -> (f64, f64) {
    let pairs = plan.client.outputs.iter().zip(clear.iter().zip(found));
    let of_output = |(output, (clear, found)): (&ClientOutput, (&Vec<f64>, &Vec<f64>))| {
        let largest = clear.iter().fold(output.range, |most, x| most.max(x.abs()));
        (max_abs_error(slice::from_ref(clear), slice::from_ref(found)), output.error * largest / output.range)
    };
    let ratio = |(error, promised): &(f64, f64)| error / promised;
    pairs.map(of_output).max_by(|a, b| ratio(a).total_cmp(&ratio(b))).unwrap_or((0.0, f64::INFINITY))
}
