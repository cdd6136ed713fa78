//! Importers of single ONNX operators.

pub(crate) mod activation;
mod arith;
mod client;
mod einsum;
mod linear;
mod product;
mod quantised;
mod resize;
pub(crate) mod shape;
mod window;

use crate::builder::Builder;
use crate::call::{Call, Imported};

type Importer = fn(&mut Builder, &Call) -> Imported;

/// The importer of an operator on computed values.
pub(crate) fn importer(op: &str) -> Option<Importer> {
    Some(match op {
        "Conv" => linear::conv,
        "ConvTranspose" => linear::conv_transpose,
        "Gemm" => linear::gemm,
        "MatMul" => linear::matmul,
        "Einsum" => einsum::einsum,
        "BatchNormalization" => linear::batch_norm,
        "Relu" | "LeakyRelu" | "Elu" | "Selu" | "Sigmoid" | "Tanh" | "Erf" | "Softplus" | "Softsign"
        | "HardSwish" | "HardSigmoid" | "Mish" | "Swish" | "Gelu" | "ThresholdedRelu" | "Abs" | "Exp"
        | "Sqrt" | "Reciprocal" => activation::activation,
        "Celu" => activation::celu,
        "Clip" => activation::clip,
        "PRelu" => activation::prelu,
        "Softmax" | "LogSoftmax" => client::softmax,
        "ArgMax" | "ArgMin" => client::arg,
        "TopK" => client::top_k,
        "ReduceMax" | "ReduceMin" => client::extreme,
        "Log" | "Floor" | "Ceil" | "Round" | "Sign" | "Not" => client::function,
        "Equal" | "Less" | "Greater" | "LessOrEqual" | "GreaterOrEqual" | "And" | "Or" | "Xor" => {
            client::compare
        }
        "Mod" => client::modulo,
        "LRN" => activation::lrn,
        "Add" | "Sub" | "Mul" | "Div" => arith::binary,
        "Sum" | "Mean" | "Max" | "Min" => arith::variadic,
        "Neg" => arith::neg,
        "Pow" => arith::pow,
        "AveragePool" | "MaxPool" => window::pool,
        "GlobalAveragePool" | "GlobalMaxPool" => window::global_pool,
        "Where" => arith::select,
        "ReduceMean" | "ReduceSum" | "ReduceSumSquare" | "ReduceL1" | "ReduceL2" => shape::reduce,
        "LpNormalization" => activation::lp_normalisation,
        "Identity" | "Dropout" => shape::identity,
        "Cast" | "CastLike" => shape::cast,
        "DequantizeLinear" => quantised::dequantise,
        "Reshape" | "Flatten" | "Squeeze" | "Unsqueeze" => shape::reshape,
        "Transpose" => shape::transpose,
        "Expand" => shape::expand,
        "Tile" => shape::tile,
        "Gather" => shape::gather,
        "Concat" => shape::concat,
        "Split" => shape::split,
        "Slice" => shape::slice,
        "Pad" => shape::pad,
        "DepthToSpace" | "SpaceToDepth" => shape::blocks,
        "Resize" | "Upsample" => resize::resize,
        _ => return None,
    })
}
