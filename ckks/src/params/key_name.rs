//! Names of evaluation keys.

/// Which evaluation key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
pub enum KeyName {
    /// Key for s² → s.
    Relinearization,
    /// Rotation by this many slots to the left, in 1..N/2.
    Rotation(i64),
    /// Complex conjugation.
    Conjugation,
    /// From the secret to the sparse ephemeral secret of bootstrapping, modulo q_0·p_0 only.
    DenseToSparse,
    /// From the sparse ephemeral secret back to the secret.
    SparseToDense,
    /// Rotation by this many slots to the left, in 1..N/2, and complex conjugation.
    ConjugateRotation(i64),
}

impl std::fmt::Display for KeyName {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Relinearization => f.write_str("relinearisation key"),
            Self::Rotation(step) => write!(f, "rotation key for step {step}"),
            Self::Conjugation => f.write_str("conjugation key"),
            Self::ConjugateRotation(step) => write!(f, "key for rotation by {step} and conjugation"),
            Self::DenseToSparse => f.write_str("encapsulation key (dense to sparse)"),
            Self::SparseToDense => f.write_str("encapsulation key (sparse to dense)"),
        }
    }
}
