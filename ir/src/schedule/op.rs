//! The operators of the schedule IR.

use serde::{Deserialize, Serialize};

use crate::layout::Layout;
use crate::slot::LinearMap;
use crate::{ConstId, Graph};

/// A schedule.
pub type Schedule = Graph<ScheduleOp>;

/// What holds for a whole schedule.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct ScheduleHeader {
    /// Slots S of a ciphertext.
    pub slots: usize,
    /// Rescaling from level ℓ to ℓ−1 divides by `moduli[ℓ]`; `moduli[0]` is the base modulus. Either the primes
    /// of a parameter set (exact in f64: below 2^53) or, for a schedule without parameters, powers of two.
    pub moduli: Vec<f64>,
    /// Linear maps that recipes refer to, each with its plan.
    pub maps: Vec<LinearMap>,
    /// Layouts that recipes refer to.
    pub layouts: Vec<Layout>,
    /// Packed inputs: name, layout; one `Input` node for each of its ciphertexts.
    pub inputs: Vec<PackedValue>,
    /// Packed results: the graph's outputs are their ciphertexts, in order.
    pub outputs: Vec<PackedValue>,
    /// What a `Bootstrap` instruction does; none may occur without it.
    pub bootstrap: Option<BootstrapHeader>,
}

/// The bootstrap of a parameter set as a schedule sees it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BootstrapHeader {
    /// Level of operands. Below it are primes of the bootstrap's own, of other widths.
    pub level_in: u32,
    /// Level of results. Above it are primes of the bootstrap's own.
    pub level_out: u32,
    /// Δ: operands have scale × value of magnitude Δ at most.
    pub scale: f64,
    /// Slots that are kept apart, a power of two: operands repeat after as many or fewer.
    pub period: u32,
}

/// A tensor as the client sees it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PackedValue {
    /// Name in the network.
    pub name: String,
    /// Shape and positions.
    pub layout: Layout,
}

/// How to compute a plaintext's slot vector from the constants, when it is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Recipe {
    /// The plaintext of product `product` of map `map`'s plan (already rotated by its giant step).
    Product {
        /// Index into [`ScheduleHeader::maps`].
        map: u32,
        /// Index into the plan's products.
        product: u32,
    },
    /// Two products of map `map`'s plan as one complex plaintext: real and imaginary part, at least one of them.
    Pair {
        /// Index into [`ScheduleHeader::maps`].
        map: u32,
        /// Index into the plan's products; None for 0.
        re: Option<u32>,
        /// Index into the plan's products; None for 0.
        im: Option<u32>,
    },
    /// Ciphertext `ct` of the constant part of map `map`.
    Bias {
        /// Index into [`ScheduleHeader::maps`].
        map: u32,
        /// Output ciphertext.
        ct: u32,
    },
    /// Ciphertext `ct` of constant `value`, broadcast to a layout (same rank, extents 1 or the layout's).
    Spread {
        /// The constant.
        value: ConstId,
        /// Row of the constant's first axis to take, if it has one axis more than the layout (as polynomial
        /// coefficients do).
        row: u32,
        /// Index into [`ScheduleHeader::layouts`].
        layout: u32,
        /// Ciphertext.
        ct: u32,
    },
}

/// Static type of a schedule value.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ScheduleType {
    /// What it is.
    pub kind: Kind,
    /// Level: the modulus is q_0·…·q_level.
    pub level: u32,
    /// Scale: slots hold scale × value. Exact, computed by [`crate::schedule::scale`] only.
    pub scale: f64,
}

/// Kinds of schedule values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// A ciphertext of two polynomials.
    Ct,
    /// A product of two ciphertexts before relinearisation: three polynomials.
    Ct3,
    /// A ciphertext times the special modulus P, over QP (before ModDown).
    Ext,
    /// As [`Kind::Ext`], for two vectors u and v of real numbers: complex slots (u + i·v)/2.
    ExtPair,
    /// A ciphertext with its second polynomial decomposed into digits, ready for rotations.
    Digits,
}

/// One instruction. `x` stands for the operand; rot(x, k)[s] = x[(s + k) mod S].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum ScheduleOp {
    /// Ciphertext `ct` of packed input `input`. No operands; name for people.
    Input {
        /// Unique name, `NAME#CT`.
        name: String,
        /// Index into [`ScheduleHeader::inputs`].
        input: u32,
        /// Ciphertext.
        ct: u32,
    },
    /// Ct → Digits: the part of a rotation that rotations of one ciphertext share.
    Hoist,
    /// Digits → Ct: a rotation from digits.
    RotateHoisted {
        /// Slots.
        step: u32,
    },
    /// Digits → Ext: a rotation from digits without ModDown; step 0 multiplies by P.
    RotateExt {
        /// Slots, may be 0.
        step: u32,
    },
    /// Ct → Ct: a whole rotation.
    Rotate {
        /// Slots.
        step: u32,
    },
    /// Ext → Ext or ExtPair → ExtPair: a giant step of double hoisting; step is not 0.
    Giant {
        /// Slots.
        step: u32,
    },
    /// ExtPair → Ext: u + rot(v, step) of a pair (u, v), by three images that share a decomposition; step is not 0.
    Fold {
        /// Slots.
        step: u32,
    },
    /// (Ct…) → Ct or (Ext…) → Ext: Σ_k plaintext_k ⊙ x_k, not rescaled; result scale x·plain. (Ext…) → ExtPair if the
    /// plaintexts are [`Recipe::Pair`]s, all of them.
    MulAcc {
        /// One per operand.
        recipes: Vec<Recipe>,
        /// Scale at which the plaintexts are encoded.
        plain_scale: f64,
    },
    /// Ct → Ct: x + plaintext, encoded at the scale of x.
    AddPlain {
        /// The plaintext.
        recipe: Recipe,
    },
    /// Ct → Ct: every slot times `value`, encoded as an integer at `plain_scale`; result scale x·plain.
    MulScalar {
        /// Factor.
        value: f64,
        /// Scale.
        plain_scale: f64,
    },
    /// Ct → Ct: every slot plus `value`.
    AddScalar {
        /// Addend.
        value: f64,
    },
    /// Sum of one or more operands of one type (Ct, Ct3, Ext or ExtPair).
    Add,
    /// a − b, both Ct or both Ct3.
    Sub,
    /// (Ct, Ct) → Ct3; twice the same operand squares.
    Mul,
    /// Ct3 → Ct.
    Relinearize,
    /// Ct or Ct3 to the next lower level; scale divided by the level's modulus.
    Rescale,
    /// Ct3 → Ct one level lower, in one ModDown.
    RelinRescale,
    /// Ext → Ct.
    ModDown,
    /// Ext → Ct one level lower, in one ModDown.
    ModDownRescale,
    /// Ct → Ct at a lower level, same scale.
    Drop {
        /// Level of the result.
        level: u32,
    },
    /// Value times `factor` by changing the label: scale divided by `factor`, nothing computed.
    Relabel {
        /// Positive factor.
        factor: f64,
    },
    /// Ct → Ct from [`BootstrapHeader::level_in`] to [`BootstrapHeader::level_out`], same scale and slots.
    Bootstrap {
        /// Bound of the slots' magnitude.
        range: f64,
        /// After how many slots they repeat, a power of two.
        period: u32,
        /// Together with the instruction right behind it, a bootstrap as well: both real vectors go through one
        /// circuit, as real and imaginary part.
        with_next: bool,
    },
}
