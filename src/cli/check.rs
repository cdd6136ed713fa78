//! References in clear to compare encrypted results with.

use std::path::{Path, PathBuf};

use anyhow::Result;
#[cfg(not(feature = "compiler"))]
use anyhow::bail;
#[cfg(feature = "compiler")]
use fhec_frontend::reference::TractModel;
use fhec_ir::Verified;
use fhec_ir::plan::Plan;
use fhec_ir::tensor::TensorGraph;
#[cfg(feature = "compiler")]
use fhec_ir::tensor::{self, Tensor};

use super::Context;

/// What an encrypted run is compared with.
pub(crate) enum Reference {
    /// The network's file, run by tract: independent of how it was imported.
    #[cfg(feature = "compiler")]
    File(TractModel, Box<Verified<TensorGraph>>),
    /// The network as it was imported, before any pass.
    #[cfg(feature = "compiler")]
    Network(Box<Verified<TensorGraph>>),
    /// The plan's schedule on slots.
    Schedule,
}

impl Reference {
    /// What runs of `model` are compared with: the file that --check names, that of a network that was `compiled`, or the
    /// plan.
    #[cfg(feature = "compiler")]
    pub(crate) fn of(
        check: Option<&Option<PathBuf>>,
        model: &Path,
        compiled: Option<Verified<TensorGraph>>,
        context: &Context,
    ) -> Result<Self> {
        let path = match (check, compiled) {
            (Some(Some(path)), _) => path,
            (Some(None), Some(_)) => model,
            (None, Some(compiled)) => return Ok(Self::Network(Box::new(compiled))),
            (_, None) => return Ok(Self::Schedule),
        };
        let import = super::files::import(path)?;
        let leaves_steps = import.tails.iter().any(|tail| !tail.is_empty());
        let (reference, reason) = Self::of_file(path, import.graph, leaves_steps);
        if let Some(reason) = reason {
            context.remark(format!("compared with the network as imported, not with its file: {reason}"));
        }
        Ok(reference)
    }

    /// The plan: networks are run by the compiler's crates.
    #[cfg(not(feature = "compiler"))]
    pub(crate) fn of(
        check: Option<&Option<PathBuf>>,
        _: &Path,
        _: Option<Verified<TensorGraph>>,
        _: &Context,
    ) -> Result<Self> {
        if let Some(Some(path)) = check {
            let path = path.display();
            bail!(
                "{path}: this fhec was built without the compiler, which runs networks; --check alone compares with the plan"
            );
        }
        Ok(Self::Schedule)
    }

    /// The file of an imported network, and whether tract runs it: if not, the network as imported, and why.
    #[cfg(feature = "compiler")]
    fn of_file(path: &Path, network: Verified<TensorGraph>, leaves_steps: bool) -> (Self, Option<String>) {
        let shapes: Vec<Vec<usize>> = network.inputs().map(|(id, _)| network.ty(id).clone()).collect();
        let trial = |model: TractModel| {
            let zeros: Vec<Vec<f64>> = shapes.iter().map(|s| vec![0.0; s.iter().product()]).collect();
            let sizes = model.run(&zeros).map_err(|e| e.to_string())?;
            let wanted = network.outputs.iter().map(|o| network.ty(o.value).iter().product::<usize>());
            let same = sizes.iter().map(|t| t.data.len()).eq(wanted);
            if same { Ok(model) } else { Err("the file has outputs of other sizes".to_string()) }
        };
        let loaded = if leaves_steps {
            Err("the last steps of the file are left to the client".to_string())
        } else {
            TractModel::load(path, &shapes).map_err(|e| e.to_string()).and_then(trial)
        };
        match loaded {
            Ok(model) => (Self::File(model, Box::new(network)), None),
            Err(reason) => (Self::Network(Box::new(network)), Some(reason)),
        }
    }

    /// The network that encrypted runs are compared with; None if it is the plan itself.
    #[cfg(feature = "compiler")]
    pub(crate) fn network(&self) -> Option<&Verified<TensorGraph>> {
        match self {
            Self::File(_, network) | Self::Network(network) => Some(network),
            Self::Schedule => None,
        }
    }

    /// Outputs in clear for one set of inputs, row-major.
    pub(crate) fn outputs(&self, plan: &Plan, tensors: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
        match self {
            #[cfg(feature = "compiler")]
            Self::File(model, _) => {
                let outputs = model.run(tensors)?;
                Ok(outputs.into_iter().map(|t| t.data.into_iter().map(f64::from).collect()).collect())
            }
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
