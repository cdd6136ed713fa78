//! Symmetries of polynomials.

/// Which coefficients a fit may have. Even and odd fits see the domain through |x|: function and weight
/// are evaluated at x ≥ 0 only and taken to have the parity.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Parity {
    /// All of them.
    General,
    /// c_0, c_2, …; the centre is 0.
    Even,
    /// c_1, c_3, …; the centre is 0.
    Odd,
}
