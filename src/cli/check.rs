//! References in clear to compare encrypted results with.

use anyhow::Result;
#[cfg(feature = "compiler")]
use fhec_ir::Verified;
use fhec_ir::plan::Plan;
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

/// Bits by which the worst slot is less precise than the predicted root mean square: tails are not Gaussian, of bootstraps
/// less so.
const WORST_SLOT_BITS: (f64, f64) = (3.0, 4.0);

/// The largest error that the plan's precision allows results which should be `clear`: relative to the largest of them, or
/// to 1 where all are smaller.
pub(crate) fn allowed_error(plan: &Plan, clear: &[Vec<f64>]) -> f64 {
    let (levelled, bootstrapped) = WORST_SLOT_BITS;
    let slack = if plan.report.bootstraps > 0 { bootstrapped } else { levelled };
    let largest = clear.iter().flatten().fold(1.0, |most: f64, x| most.max(x.abs()));
    (slack - plan.client.precision_bits).exp2() * largest
}
