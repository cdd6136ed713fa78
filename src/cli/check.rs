//! References in clear to compare encrypted results with.

use std::path::{Path, PathBuf};
use std::slice;

use anyhow::{Result, bail};
#[cfg(feature = "compiler")]
use fhec_frontend::reference::TractModel;
use fhec_ir::Verified;
use fhec_ir::plan::{ClientOutput, Plan};
use fhec_ir::tensor::TensorGraph;
#[cfg(feature = "compiler")]
use fhec_ir::tensor::{self, Tensor};

use super::Context;
#[cfg(feature = "compiler")]
use super::shapes::ShapeArgs;

/// What an encrypted run is compared with.
pub(crate) enum Reference {
    /// The network's file, run by tract: independent of how it was imported.
    #[cfg(feature = "compiler")]
    File(TractModel),
    /// The network as it was imported, before any pass.
    #[cfg(feature = "compiler")]
    Network(Box<Verified<TensorGraph>>),
    /// The plan's schedule on slots.
    Schedule,
}

impl Reference {
    /// What runs of a plan, made of `model`, are compared with: the file that --check names, that of a network that was
    /// `compiled`, or the plan.
    ///
    /// # Errors
    /// If the file cannot be read, or is another network.
    #[cfg(feature = "compiler")]
    pub(crate) fn of(
        check: Option<&Option<PathBuf>>,
        (model, plan): (&Path, &Plan),
        compiled: Option<Verified<TensorGraph>>,
        context: &Context,
    ) -> Result<Self> {
        let path = match (check, compiled) {
            (Some(Some(path)), _) => path,
            (Some(None), Some(_)) => model,
            (None, Some(compiled)) => return Ok(Self::Network(Box::new(compiled))),
            (_, None) => return Ok(Self::Schedule),
        };
        let import = super::files::import(path, &ShapeArgs::of(&plan.client.inputs))?;
        let network = import.graph;
        let sizes = network.outputs.iter().map(|o| network.ty(o.value).iter().product::<usize>());
        if !sizes.eq(plan.client.outputs.iter().map(|o| o.layout.elements())) {
            bail!(
                "{}: its outputs are not those of the plan, which was made of another network",
                path.display()
            );
        }
        match Self::tract(path, &network, import.tail.is_some()) {
            Ok(model) => Ok(Self::File(model)),
            Err(reason) => {
                context.remark(format!("compared with the network as imported, not with its file: {reason}"));
                Ok(Self::Network(Box::new(network)))
            }
        }
    }

    /// The plan: networks are run by the compiler's crates.
    #[cfg(not(feature = "compiler"))]
    pub(crate) fn of(
        check: Option<&Option<PathBuf>>,
        _: (&Path, &Plan),
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

    /// The file of an imported network for tract to run, or why it does not.
    #[cfg(feature = "compiler")]
    fn tract(path: &Path, network: &TensorGraph, has_tail: bool) -> Result<TractModel, String> {
        if has_tail {
            return Err("the client runs its last steps".into());
        }
        let shapes: Vec<Vec<usize>> = network.inputs().map(|(id, _)| network.ty(id).clone()).collect();
        let model = TractModel::load(path, &shapes).map_err(|e| e.to_string())?;
        let zeros: Vec<Vec<f64>> = shapes.iter().map(|s| vec![0.0; s.iter().product()]).collect();
        let outputs = model.run(&zeros).map_err(|e| e.to_string())?;
        let wanted = network.outputs.iter().map(|o| network.ty(o.value).iter().product::<usize>());
        if outputs.iter().map(|t| t.data.len()).eq(wanted) {
            Ok(model)
        } else {
            Err("tract has outputs of other sizes".into())
        }
    }

    /// Outputs in clear for one set of inputs, row-major.
    pub(crate) fn outputs(&self, plan: &Plan, tensors: &[Vec<f64>]) -> Result<Vec<Vec<f64>>> {
        match self {
            #[cfg(feature = "compiler")]
            Self::File(model) => {
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
