//! The operators of the slot IR.

use serde::{Deserialize, Serialize};

use super::{BabyGiant, LinearMap};
use crate::layout::{Factor, Layout};
use crate::tensor::{Activation, Basis};
use crate::{ConstId, Graph};

/// A packed network.
pub type SlotGraph = Graph<SlotOp>;

/// What holds for the graph as a whole.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SlotHeader {
    /// Slots of a ciphertext, a power of two.
    pub slots: usize,
}

/// Static type of a packed value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SlotType {
    /// Shape and positions.
    pub layout: Layout,
    /// Level at which the value becomes available, once placed.
    pub level: Option<u32>,
}

impl From<Layout> for SlotType {
    fn from(layout: Layout) -> Self {
        Self { layout, level: None }
    }
}

/// How a polynomial is evaluated; chosen by `place`. Depth in levels, d the degree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PolyStrategy {
    /// x² + c: one level, one product. Only for [c, 0, 1].
    MonicSquare,
    /// ±[(x² + β)² + …]: two levels, two products. Only for degree 4, leading coefficient ±1 in all channels, no cube.
    MonicQuartic,
    /// Powers by a product tree, then one sum with plaintext coefficients: ⌈log2 d⌉ + 1 levels, d − 1 products.
    PowerBasis,
    /// Baby steps, giant steps (Paterson and Stockmeyer), in either basis: see [`BabyGiant`](super::BabyGiant): no
    /// deeper than the power basis.
    BabyGiant,
    /// The same in b_2 instead of x, and c_1·x: for an even polynomial plus a multiple of x. A level and a product more than a
    /// polynomial of half the degree.
    EvenBabyGiant,
    /// ((c_d·x + c_{d−1})·x + …)·x + c_0: d levels, d − 1 products, one plaintext product.
    Horner,
}

impl PolyStrategy {
    /// True if it evaluates polynomials in this basis.
    pub fn serves(self, basis: Basis) -> bool {
        basis == Basis::Power || matches!(self, Self::BabyGiant | Self::EvenBabyGiant)
    }

    /// Levels consumed for a polynomial of the given degree (at least 1).
    pub fn depth(self, degree: usize) -> u32 {
        match self {
            Self::MonicSquare => 1,
            Self::MonicQuartic => 2,
            Self::PowerBasis => degree.next_power_of_two().trailing_zeros() + 1,
            Self::BabyGiant => BabyGiant::new(degree).depth,
            Self::EvenBabyGiant => 1 + BabyGiant::new(degree / 2).depth,
            Self::Horner => degree as u32,
        }
    }

    /// Ciphertext products for a polynomial of the given degree.
    pub fn products(self, degree: usize) -> u32 {
        match self {
            Self::MonicSquare => 1,
            Self::MonicQuartic => 2,
            Self::BabyGiant => BabyGiant::new(degree).products,
            Self::EvenBabyGiant => 1 + BabyGiant::new(degree / 2).products,
            Self::PowerBasis | Self::Horner => degree as u32 - 1,
        }
    }
}

/// An operator on packed values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum SlotOp {
    /// A graph input, packed and encrypted by the client. No operands.
    Input {
        /// Name in the network.
        name: String,
    },
    /// A constant tensor. No operands; only for execution in clear.
    Constant {
        /// The value, of the layout's shape.
        value: ConstId,
    },
    /// An affine map of one or more operands.
    Linear(Box<LinearMap>),
    /// factor · Σ_k rot(x, k_0·stride_0 + k_1·stride_1 + …) over all 0 ≤ k_j < extent_j: pooling without a level.
    /// The result's layout names the positions where the sum is meant.
    ShiftSum {
        /// The shifts.
        shifts: Vec<Factor>,
        /// Factor, applied by relabelling the scale.
        factor: f64,
    },
    /// The same values at the level of fresh ciphertexts; the operand's own level does not matter.
    Bootstrap {
        /// No slot of the operand exceeds it in magnitude.
        range: f64,
        /// Together with the node right behind it, a bootstrap as well: what two ciphertexts can share is done once.
        with_next: bool,
    },
    /// The same slots read under another layout: reshapes and transpositions that move nothing.
    View,
    /// Any one of two or more operands, all of which are this value; only before `place`, which picks one.
    Alternatives,
    /// The polynomial of each element; coefficients, lowest first, along the first axis of a constant whose other axes
    /// broadcast to x.
    Poly {
        /// Coefficients [degree+1, …].
        coeffs: ConstId,
        /// What they are coefficients of.
        basis: Basis,
        /// How to evaluate it, once placed.
        strategy: Option<PolyStrategy>,
    },
    /// x + constant, broadcast.
    AddConst {
        /// The addend, same rank as x, extents 1 or those of x.
        value: ConstId,
    },
    /// a + b.
    Add,
    /// a − b.
    Sub,
    /// a·b.
    Mul,
    /// a/b; only for execution in clear.
    Div,
    /// max(a, b); only for execution in clear.
    Max,
    /// min(a, b); only for execution in clear.
    Min,
    /// A function of each element; only for execution in clear.
    Activation(Activation),
    /// x for x ≥ 0, else slope·x; only for execution in clear.
    PRelu {
        /// Slopes, broadcast.
        slope: ConstId,
    },
}
