//! One step of a plan: a sum of products of earlier values.

/// A tensor product of two values of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Product {
    /// Index of the left value.
    pub left: usize,
    /// Index of the right value.
    pub right: usize,
    /// Whether the product counts twice (T_{a+b} = 2·T_a·T_b − T_{a−b}).
    pub doubled: bool,
}

/// One sum: Σ products + Σ integer·value + constant, formed at `level` (operands of higher levels are
/// read at it), then relinearised if it has products, and rescaled.
#[derive(Debug, Clone, PartialEq)]
pub struct Step {
    /// n if the step computes T_n or x^n; 1 if it only raises the input's scale.
    pub power: Option<usize>,
    /// Level of the sum.
    pub level: usize,
    /// Whether the sum is rescaled: not for a constant polynomial or the raised input.
    pub rescale: bool,
    /// Scale of the result.
    pub scale: f64,
    /// Products of earlier values.
    pub products: Vec<Product>,
    /// Earlier values and their integer coefficients.
    pub linear: Vec<(usize, i128)>,
    /// The integer added to every slot, at the scale of the sum.
    pub constant: i128,
}
