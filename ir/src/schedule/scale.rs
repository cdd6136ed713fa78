//! Level and scale arithmetic, in one place: planner, simulator and engine check use these functions and no other,
//! so that scales agree bit for bit.

/// Relative difference up to which scales count as equal in an addition.
pub const TOLERANCE: f64 = 1.0 / (1u64 << 40) as f64;

/// What a bootstrap's operand may exceed the nominal scale by, relatively: bounds are computed with rounding, and
/// ciphertexts carry noise.
pub const RANGE_SLACK: f64 = 1.0 / 1024.0;

/// True if slots of magnitude `range` at `scale` may be bootstrapped at the nominal scale `nominal`.
pub fn bootstrappable(scale: f64, range: f64, nominal: f64) -> bool {
    scale * range <= nominal * (1.0 + RANGE_SLACK)
}

/// Scale of a product.
pub fn multiplied(a: f64, b: f64) -> f64 {
    a * b
}

/// Scale after rescaling by the modulus of the level that is given up.
pub fn rescaled(scale: f64, modulus: f64) -> f64 {
    scale / modulus
}

/// Scale of x·factor represented by the very numbers of x.
pub fn relabelled(scale: f64, factor: f64) -> f64 {
    scale / factor
}

/// Plaintext scale such that product and rescaling by `modulus` give `target`.
pub fn plain_scale_for(target: f64, scale: f64, modulus: f64) -> f64 {
    target * modulus / scale
}

/// True if values of these scales may be added.
pub fn addable(a: f64, b: f64) -> bool {
    (a - b).abs() <= TOLERANCE * a.abs()
}

/// log2 of half the modulus product, by level: scale times slot stays below that.
pub fn room(moduli: &[f64]) -> Vec<f64> {
    let sums = moduli.iter().scan(-1.0, |sum, q| {
        *sum += q.log2();
        Some(*sum)
    });
    sums.collect()
}
