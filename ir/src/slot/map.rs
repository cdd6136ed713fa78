//! Linear maps between packed values.

use serde::{Deserialize, Serialize};

use crate::layout::{Factor, Layout};
use crate::tensor::{Shape, TensorOp};

/// One linear tensor op of a composition.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Stage {
    /// A linear op (see [`crate::tensor::linear`]); constants are the graph's.
    pub op: TensorOp,
    /// Which operand of the op the data enters (other than 0 only for `Concat`).
    pub operand: usize,
    /// Shapes of all operands of the op.
    pub in_shapes: Vec<Shape>,
    /// Shape of its result.
    pub out_shape: Shape,
}

/// What one operand of a map contributes: its stages applied in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Term {
    /// The stages, first applied first; empty for the identity.
    pub stages: Vec<Stage>,
}

/// An affine map y = Σ_k A_k·x_k + b between packed values, described by the network ops it stands for.
/// Term k belongs to operand k; b is the sum of the terms' own constant parts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LinearMap {
    /// Layout of each operand.
    pub inputs: Vec<Layout>,
    /// One term per operand.
    pub terms: Vec<Term>,
    /// Layout of the result.
    pub output: Layout,
    /// How to compute it with rotations; chosen by `minimize-rotations`.
    pub plan: Option<MapPlan>,
}

/// Rotations and plaintexts that compute a linear map:
/// out_i = Σ_shift rot(z_i, shift) with z_i = Σ_G rot(Σ_{j,B} P_{i,j,B+G}' ⊙ rot(in_j, B), G), P' = rot(P, −G).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MapPlan {
    /// The products, sorted and without repetition.
    pub products: Vec<Product>,
    /// Replicas of the output over which partial sums are spread and then added up by doubling rotations
    /// (extent a power of two, extent·stride divides S or equals the reach of the group).
    pub reduce: Vec<Factor>,
}

/// One plaintext multiplication of a [`MapPlan`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Product {
    /// Output ciphertext.
    pub out_ct: u32,
    /// Giant step G, applied after the sum over the products that share it.
    pub giant: u32,
    /// Operand of the map.
    pub operand: u32,
    /// Ciphertext of the operand.
    pub in_ct: u32,
    /// Baby step B, applied before the multiplication. The whole offset is (B + G) mod S.
    pub baby: u32,
}
