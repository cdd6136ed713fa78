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

/// Largest difference.
pub(crate) fn max_abs_error(a: &[Vec<f64>], b: &[Vec<f64>]) -> f64 {
    let pairs = a.iter().zip(b).flat_map(|(a, b)| a.iter().zip(b));
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}
