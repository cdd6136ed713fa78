//! The operators of the tensor IR.

use serde::{Deserialize, Serialize};

use super::Shape;
use super::client::ClientOp;
use crate::{ConstId, Graph};

/// A network.
pub type TensorGraph = Graph<TensorOp>;

/// Geometry of a sliding window over (H, W).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Window {
    /// Kernel extents (ky, kx).
    pub kernel: [usize; 2],
    /// Steps (sy, sx).
    pub stride: [usize; 2],
    /// Distance of kernel taps (dy, dx).
    pub dilation: [usize; 2],
    /// Zero rows and columns added: top, left, bottom, right.
    pub pads: [usize; 4],
}

/// Element-wise functions that are not polynomials.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub enum Activation {
    /// max(x, 0).
    Relu,
    /// x for x ≥ 0, else alpha·x.
    LeakyRelu(f32),
    /// min(max(x, lo), hi).
    Clip(f32, f32),
    /// x for x ≥ 0, else alpha·(eˣ − 1).
    Elu(f32),
    /// gamma·x for x > 0, else gamma·alpha·(eˣ − 1); (alpha, gamma).
    Selu(f32, f32),
    /// 1/(1 + e⁻ˣ).
    Sigmoid,
    /// Hyperbolic tangent.
    Tanh,
    /// Error function.
    Erf,
    /// ln(1 + eˣ).
    Softplus,
    /// x/(1 + |x|).
    Softsign,
    /// x·sigmoid(alpha·x); alpha = 1 is SiLU.
    Swish(f32),
    /// x·Φ(x), with the error function.
    Gelu,
    /// GELU in its tanh approximation.
    GeluTanh,
    /// x·max(0, min(1, x/6 + 1/2)).
    HardSwish,
    /// max(0, min(1, alpha·x + beta)).
    HardSigmoid(f32, f32),
    /// x·tanh(softplus(x)).
    Mish,
    /// x for x > alpha, else 0.
    ThresholdedRelu(f32),
    /// |x|.
    Abs,
    /// eˣ.
    Exp,
    /// √x.
    Sqrt,
    /// 1/x.
    Reciprocal,
    /// x^p for a p that is no small natural number (those are [`TensorOp::Poly`]).
    Pow(f32),
}

/// Sum or mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReduceKind {
    /// Sum over the axes.
    Sum,
    /// Sum divided by the number of elements summed.
    Mean,
}

/// What a pool makes of its window.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Pool {
    /// Largest element; padding never wins.
    Max,
    /// Sum divided by the kernel size, padding counted.
    AveragePadded,
    /// Sum divided by the number of elements inside the image (padding not counted).
    Average,
}

/// What a polynomial is a sum of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Basis {
    /// Powers x^k.
    #[default]
    Power,
    /// Chebyshev polynomials T_k(x), for x in [−1, 1]: an affine map in front brings any other interval there, per channel
    /// if need be, and what makes x takes that map into its weights.
    Chebyshev,
}

/// A tensor operator. Shapes: N batch, C channels, H×W space.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum TensorOp {
    /// A graph input. No operands.
    Input {
        /// Name in the network.
        name: String,
        /// Its extents.
        shape: Shape,
    },
    /// A constant tensor. No operands.
    Constant {
        /// The value.
        value: ConstId,
    },
    /// 2-D convolution (cross-correlation) of [N,C,H,W]; weight [O, C/groups, ky, kx], bias [O].
    Conv {
        /// Kernel, stride, dilation, padding.
        window: Window,
        /// Number of channel groups.
        groups: usize,
        /// Weights.
        weight: ConstId,
        /// Bias.
        bias: Option<ConstId>,
    },
    /// 2-D transposed convolution of [N,C,H,W]; weight [C, O/groups, ky, kx], bias [O].
    /// Output extent (H−1)·stride + dilation·(k−1) + 1 + extra − pads; pads crop the output.
    ConvTranspose {
        /// Kernel, stride, dilation, cropping.
        window: Window,
        /// Rows and columns added at the bottom and right (ONNX `output_padding`).
        extra: [usize; 2],
        /// Number of channel groups.
        groups: usize,
        /// Weights.
        weight: ConstId,
        /// Bias.
        bias: Option<ConstId>,
    },
    /// y[…, o] = Σ_i weight[o, i]·x[…, i] + bias[o]; weight [O, I], bias [O].
    Gemm {
        /// Weights.
        weight: ConstId,
        /// Bias.
        bias: Option<ConstId>,
    },
    /// y = scale·x + shift with constants that broadcast to x: same rank, each extent 1 or x's.
    /// Batch normalisation at inference, and arithmetic with constants.
    Affine {
        /// Factor; 1 if absent.
        scale: Option<ConstId>,
        /// Addend; 0 if absent.
        shift: Option<ConstId>,
    },
    /// Max or average pool of [N,C,H,W].
    Pool {
        /// Max or average.
        kind: Pool,
        /// Kernel, stride, dilation, padding. A window may reach beyond the padded image (ONNX `ceil_mode`);
        /// what lies there is neither counted nor a maximum, also for `AveragePadded`.
        window: Window,
        /// Output extents (needed because of `ceil_mode`).
        out: [usize; 2],
    },
    /// Sum or mean over axes.
    Reduce {
        /// Sum or mean.
        kind: ReduceKind,
        /// Axes, ascending.
        axes: Vec<usize>,
        /// Keep the axes with extent 1.
        keep: bool,
    },
    /// out[i…] = x[start + i·step …] per axis; steps may be negative.
    Slice {
        /// First index per axis.
        start: Vec<usize>,
        /// Step per axis.
        step: Vec<isize>,
        /// Output extents.
        out: Shape,
    },
    /// Constant border.
    Pad {
        /// Elements before, per axis.
        before: Vec<usize>,
        /// Elements after, per axis.
        after: Vec<usize>,
        /// What to fill with.
        value: f32,
    },
    /// out[…, i, …] = x[…, indices[i], …] along one axis: nearest resizing, tiling, channel permutations.
    Gather {
        /// The axis.
        axis: usize,
        /// Source index of each output index.
        indices: Vec<usize>,
    },
    /// out[…, i, …] = Σ_j matrix[i, j]·x[…, j, …] along one axis: linear and cubic resizing. Matrix [out, in].
    Resample {
        /// The axis.
        axis: usize,
        /// The matrix.
        matrix: ConstId,
    },
    /// The same elements in row-major order under another shape.
    Reshape {
        /// Output extents.
        out: Shape,
    },
    /// out axis k is operand axis `perm[k]`.
    Transpose {
        /// The permutation.
        perm: Vec<usize>,
    },
    /// Repeats axes of extent 1 up to the given shape of the same rank.
    Expand {
        /// Output extents.
        out: Shape,
    },
    /// Concatenation of one or more operands.
    Concat {
        /// The axis.
        axis: usize,
    },
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a·b.
    Mul,
    /// a/b.
    Div,
    /// max(a, b).
    Max,
    /// min(a, b).
    Min,
    /// A non-polynomial function of each element.
    Activation(Activation),
    /// x for x ≥ 0, else slope·x; slope broadcasts to x as in [`TensorOp::Affine`].
    PRelu {
        /// Slopes.
        slope: ConstId,
    },
    /// Σ_k c_k·b_k(x) with coefficients [degree+1, 1] (one polynomial) or [degree+1, C] (one per index of axis 1).
    Poly {
        /// Coefficients, lowest first.
        coeffs: ConstId,
        /// What they are coefficients of.
        basis: Basis,
    },
    /// What only the client evaluates.
    Client(ClientOp),
}
