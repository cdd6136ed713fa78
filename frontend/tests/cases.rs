//! Networks that others brought: imports agree with onnxruntime's results.

mod common;

use common::{case, difference, read_npy, run};
use fhec_frontend::{Import, Options, import};
use fhec_ir::tensor::{Basis, Tensor, TensorOp};

/// Imports a case and compares all its outputs; None where the cases are missing.
#[track_caller]
fn check(name: &str) -> Option<Import> {
    let folder = case(name)?;
    let import =
        import(&folder.join("model.onnx"), &Options::default()).unwrap_or_else(|e| panic!("{name}: {e}"));
    let numbered = |kind: &str| -> Vec<Tensor<f64>> {
        let file = |i: usize| folder.join(format!("{kind}{i}.npy"));
        (0..).map(file).take_while(|p| p.exists()).map(|p| read_npy(&p)).collect()
    };
    let (outputs, wanted) = (run(&import, &numbered("in")), numbered("out"));
    assert_eq!(outputs.len(), wanted.len(), "{name}");
    for (k, (got, want)) in outputs.iter().zip(&wanted).enumerate() {
        let d = difference(got, want);
        // Outputs of 1e22 after 20 layers have the rounding of all of them.
        let bound = if name == "dense_8_wide_20_deep" { 1e-3 } else { 1e-5 };
        assert!(d < bound, "{name}, output {k}: {d:.1e}");
    }
    Some(import)
}

fn count(import: &Import, op: fn(&TensorOp) -> bool) -> usize {
    import.graph.iter().filter(|(_, n)| op(&n.op)).count()
}

#[test]
fn constants_fold_wherever_they_are() {
    for name in [
        "if_on_constant",
        "int8_weights_dequantized",
        "one_output_constant",
        "sparse_initializer",
        "where_constant_mask",
    ] {
        check(name);
    }
}

#[test]
fn functions_are_inlined() {
    check("local_function");
}

#[test]
fn polynomials_keep_their_precision() {
    if let Some(import) = check("chebyshev_relu_31") {
        // The sum of the recurrence's polynomials is one polynomial in their basis, with the network's own coefficients.
        let chebyshev = |op: &TensorOp| matches!(op, TensorOp::Poly { basis: Basis::Chebyshev, .. });
        assert_eq!(count(&import, chebyshev), 1);
        assert_eq!(count(&import, |op| *op == TensorOp::Mul), 0);
    }
    if let Some(import) = check("composite_relu_7_7") {
        // Two polynomials, each written as a sum of powers, are recognised; their composition is not multiplied out.
        let mut degrees = Vec::new();
        for (_, node) in import.graph.iter() {
            if let TensorOp::Poly { coeffs, .. } = node.op {
                degrees.push(import.graph.constant(coeffs).shape[0] - 1);
            }
        }
        assert_eq!(degrees, [7, 7]);
    }
}

#[test]
fn other_networks() {
    for name in [
        "all_conv_global_pool",
        "average_pool_last",
        "bytes_not_normalised",
        "dense_8_wide_20_deep",
        "global_pool_last_gain",
        "large_scores",
        "log_softmax_last",
        "pool_then_square",
        "product_of_inputs",
        "rectangle_nchw",
        "relu_maxpool",
        "residual_8_wide_20_deep",
        "residual_batchnorm",
        "sigmoid_last",
        "silu",
        "square_cnn",
        "twelve_quadratics",
    ] {
        check(name);
    }
}
