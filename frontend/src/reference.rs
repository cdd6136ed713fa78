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
    match catch_unwind(AssertUnwindSafe(|| run(path, inputs))) {
        Ok(result) => result.map_err(|e| ReferenceError(format!("{e:#}"))),
        Err(_) => Err(ReferenceError("it panicked".into())),
    }
}

fn run(path: &Path, inputs: &[Tensor<f32>]) -> TractResult<Vec<Tensor<f32>>> {
    let mut model = tract_onnx::onnx().with_ignore_output_shapes(true).model_for_path(path)?;
    for (i, input) in inputs.iter().enumerate() {
        model.set_input_fact(i, InferenceFact::dt_shape(f32::datum_type(), &input.shape))?;
    }
    let model = model.into_optimized()?.into_runnable()?;
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
}
