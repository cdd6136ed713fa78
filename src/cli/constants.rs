//! Files with the numbers of large constants, which texts of the IRs give by digest only.
//!
//! A side file is in the safetensors format: f32 and f64 tensors, each under its digest.

use std::collections::HashMap;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use fhec::ir::output::write_atomically;
use fhec::ir::plan::Plan;
use fhec::ir::text::Constants;
use fhec::ir::{Constant, Weights};
use fhec::pipeline::{Config, Pipeline, Program};
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::shapes::ShapeArgs;

/// Slots for which a network is packed to find the constants that passes make: any number does.
const SLOTS: usize = 1 << 15;

/// Reads the constants of a side file, a plan, or a network: for the latter also those that the passes make of it.
pub(crate) fn read(path: &Path, shapes: &ShapeArgs) -> Result<Constants> {
    let extension = path.extension().and_then(|e| e.to_str()).unwrap_or_default();
    match extension {
        "onnx" => of_network(path, shapes),
        "plan" => {
            Ok(Constants::of(&Plan::load(path).with_context(|| path.display().to_string())?.0.schedule))
        }
        "safetensors" => of_side_file(path).with_context(|| path.display().to_string()),
        _ => bail!("{}: constants are in a .safetensors file, a .plan or the .onnx", path.display()),
    }
}

fn of_network(path: &Path, shapes: &ShapeArgs) -> Result<Constants> {
    let network = super::files::import(path, shapes)?.graph;
    let mut constants = Constants::of(&network);
    let mut observe = |program: &Program, _| constants.merge(program.constants());
    // A pass that refuses the network leaves the constants of those before it.
    let _ = Pipeline::standard(Config::nominal(SLOTS)).run(Program::Tensor(network), &mut observe);
    Ok(constants)
}

fn of_side_file(path: &Path) -> Result<Constants> {
    let bytes = std::fs::read(path)?;
    let file = SafeTensors::deserialize(&bytes)?;
    let mut constants = Constants::default();
    for (name, tensor) in file.tensors() {
        let data: Weights = match tensor.dtype() {
            Dtype::F32 => {
                let numbers = tensor.data().chunks_exact(4);
                numbers.map(|x| f32::from_le_bytes([x[0], x[1], x[2], x[3]])).collect()
            }
            Dtype::F64 => {
                let numbers = tensor.data().chunks_exact(8);
                let number = |x: &[u8]| f64::from_le_bytes(std::array::from_fn(|k| x[k]));
                numbers.map(number).collect::<Vec<_>>().into()
            }
            _ => bail!("the tensor {name:?} has other numbers than f32 and f64"),
        };
        let constant = Constant::new(tensor.shape(), data);
        if constant.digest() != name {
            bail!("the tensor {name:?} has the digest {}: its numbers are damaged", constant.digest());
        }
        constants.extend([constant]);
    }
    Ok(constants)
}

/// Writes a side file with constants, atomically.
pub(crate) fn write(path: &Path, constants: &Constants) -> Result<()> {
    let bytes = |data: &Weights| -> Vec<u8> {
        match data.double() {
            Some(double) => double.iter().flat_map(|x| x.to_le_bytes()).collect(),
            None => data.iter().flat_map(|x| x.to_le_bytes()).collect(),
        }
    };
    let data: HashMap<&str, Vec<u8>> = constants.iter().map(|(digest, c)| (digest, bytes(&c.data))).collect();
    let views = constants.iter().map(|(digest, c)| {
        let kind = if c.data.double().is_some() { Dtype::F64 } else { Dtype::F32 };
        Ok((digest, TensorView::new(kind, c.shape.clone(), &data[digest])?))
    });
    let file = safetensors::serialize(views.collect::<Result<Vec<_>>>()?, None)?;
    write_atomically(path, None, |out| out.write_all(&file)).with_context(|| path.display().to_string())
}
