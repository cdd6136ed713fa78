//! What a refusal says about operators that cannot be compiled, with what to use instead where there is something.

use crate::{fold, ops};

/// True for operators that can be imported, be it on constants only.
pub(crate) fn known(op: &str) -> bool {
    op == "If" || ops::importer(op).is_some() || fold::on_constants_only(op)
}

/// Why an operator is refused on a value computed from the input.
pub(crate) fn unsupported(op: &str) -> String {
    if let Some(advice) = alternative(op) {
        return advice.into();
    }
    if fold::on_constants_only(op) {
        return "the operator is only supported on constants; here its operand depends on the input".into();
    }
    "the operator is not supported".into()
}

/// Why an operator that clients evaluate is refused where encrypted evaluation depends on it.
pub(crate) fn inside(op: &str) -> String {
    alternative(op)
        .unwrap_or("only clients evaluate it, at the end of a network; here the network goes on")
        .into()
}

/// Why an operator of another domain than ONNX's is refused.
pub(crate) fn domain(domain: &str, op: &str) -> String {
    match domain {
        "com.microsoft" | "com.microsoft.nchwc" => {
            "an operator of onnxruntime's own; export the network without onnxruntime's optimisations".into()
        }
        "org.pytorch.aten" => {
            "a PyTorch operator without ONNX form; export the network without the ATen fallback".into()
        }
        _ => format!(
            "the model uses `{op}` of the domain `{domain}` and brings no definition along; export it as ONNX operators"
        ),
    }
}

fn alternative(op: &str) -> Option<&'static str> {
    Some(match op {
        "InstanceNormalization"
        | "LayerNormalization"
        | "GroupNormalization"
        | "RMSNormalization"
        | "MeanVarianceNormalization"
        | "SimplifiedLayerNormalization" => {
            "it divides by statistics of the encrypted input; train the network with batch normalisation instead"
        }
        "QuantizeLinear"
        | "DynamicQuantizeLinear"
        | "DequantizeLinear"
        | "QLinearConv"
        | "QLinearMatMul"
        | "ConvInteger"
        | "MatMulInteger" => {
            "rounding to integers is no polynomial; compile the network as it was before quantisation"
        }
        "Floor" | "Ceil" | "Round" | "Sign" | "Mod" => {
            "rounding an encrypted value is no polynomial; leave it to the client"
        }
        "Not" | "And" | "Or" | "Xor" | "Equal" | "Greater" | "Less" | "GreaterOrEqual" | "LessOrEqual" => {
            "a comparison of encrypted values is no polynomial; leave it to the client"
        }
        "ReduceMax" | "ReduceMin" => {
            "a maximum of encrypted values is no polynomial; take ReduceMean instead"
        }
        "TopK" | "NonZero" | "NonMaxSuppression" | "Unique" | "ArgMax" | "ArgMin" | "Hardmax" => {
            "a choice among encrypted values is no polynomial; end the network before it and leave it to the client"
        }
        "LpPool" => "a root of encrypted values is no polynomial; take AveragePool instead",
        "MaxUnpool" | "MaxRoiPool" | "RoiAlign" | "GridSample" | "DeformConv" => {
            "it reads at places that depend on encrypted values; take a Resize or a convolution instead"
        }
        "LSTM" | "GRU" | "RNN" | "Loop" | "Scan" => {
            "loops are not supported; export the network with its steps unrolled"
        }
        "SequenceConstruct" | "SequenceAt" | "SplitToSequence" | "ConcatFromSequence" | "SequenceEmpty"
        | "SequenceInsert" | "Optional" | "OptionalGetElement" => {
            "sequences are not supported; export the network with plain tensors"
        }
        "RandomNormal" | "RandomNormalLike" | "RandomUniform" | "RandomUniformLike" | "Multinomial"
        | "Bernoulli" => "random values are not supported; export the network for inference",
        "LogSoftmax" => "only supported at the end of a network; the client applies it then",
        "Log" | "Trunc" | "Truth" | "Where" => {
            "it is no polynomial of an encrypted value; only the end of a network can be left to the client"
        }
        _ => return None,
    })
}
