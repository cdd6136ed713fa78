//! tract as an independent f32 runtime, to check imports against.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fhec_ir::tensor::Tensor;
use tract_onnx::prelude::{
    Datum, Framework, InferenceFact, InferenceModelExt, IntoRunnable, IntoTensor, TractResult, tvec,
};

/// Why tract could not run a model.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("tract cannot run the model: {0}")]
pub struct ReferenceError(pub String);

/// Runs an ONNX file on f32 inputs, in the order of its graph inputs that are no weights.
///
/// # Errors
/// What tract reports; a panic inside tract is an error too.
pub fn run_tract(path: &Path, inputs: &[Tensor<f32>]) -> Result<Vec<Tensor<f32>>, ReferenceError> {
    let shapes: Vec<Vec<usize>> = inputs.iter().map(|t| t.shape.clone()).collect();
    guarded(|| prepare(path, &shapes)?(inputs))
}

/// A network's file, loaded once to be run by tract on many inputs.
pub struct TractModel {
    run: Box<Run>,
    shapes: Vec<Vec<usize>>,
}

type Run = dyn Fn(&[Tensor<f32>]) -> TractResult<Vec<Tensor<f32>>> + Send + Sync;

impl TractModel {
    /// Loads an ONNX file for f32 inputs of these shapes, in the order of its graph inputs that are no weights.
    ///
    /// # Errors
    /// What tract reports; a panic inside tract is an error too.
    pub fn load(path: &Path, shapes: &[Vec<usize>]) -> Result<Self, ReferenceError> {
        Ok(Self { run: guarded(|| prepare(path, shapes))?, shapes: shapes.to_vec() })
    }

    /// The file's outputs for row-major inputs of the shapes that it was loaded for.
    ///
    /// # Errors
    /// As [`TractModel::load`]; also with inputs of other sizes.
    pub fn run(&self, inputs: &[Vec<f64>]) -> Result<Vec<Tensor<f32>>, ReferenceError> {
        let sizes = self.shapes.iter().map(|s| s.iter().product::<usize>());
        if !sizes.eq(inputs.iter().map(Vec::len)) {
            return Err(ReferenceError("the inputs have other sizes than the file's".into()));
        }
        let single = |(shape, x): (&Vec<usize>, &Vec<f64>)| {
            Tensor::new(shape.clone(), x.iter().map(|&x| x as f32).collect::<Vec<f32>>())
        };
        let inputs: Vec<Tensor<f32>> = self.shapes.iter().zip(inputs).map(single).collect();
        guarded(|| (self.run)(&inputs))
    }
}

fn guarded<T>(f: impl FnOnce() -> TractResult<T>) -> Result<T, ReferenceError> {
    match catch_unwind(AssertUnwindSafe(f)) {
        Ok(result) => result.map_err(|e| ReferenceError(format!("{e:#}"))),
        Err(_) => Err(ReferenceError("it panicked".into())),
    }
}

fn prepare(path: &Path, shapes: &[Vec<usize>]) -> TractResult<Box<Run>> {
    let mut model = tract_onnx::onnx().with_ignore_output_shapes(true).model_for_path(path)?;
    for (i, shape) in shapes.iter().enumerate() {
        model.set_input_fact(i, InferenceFact::dt_shape(f32::datum_type(), shape))?;
    }
    let model = model.into_optimized()?.into_runnable()?;
    Ok(Box::new(move |inputs: &[Tensor<f32>]| {
        let mut values = tvec!();
        for input in inputs {
            let tensor = tract_onnx::prelude::Tensor::from_shape(&input.shape, &input.data)?;
            values.push(tensor.into_tensor().into());
        }
        let outputs = model.run(values)?;
        outputs
            .iter()
            .map(|o| {
                let o = o.cast_to::<f32>()?;
                Ok(Tensor::new(o.shape().to_vec(), o.to_plain_array_view::<f32>()?.iter().copied().collect()))
            })
            .collect()
    }))
}
